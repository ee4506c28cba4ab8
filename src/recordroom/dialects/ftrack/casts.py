"""Casts in paths: `parent[Shot].name` is the name of a parent that is a Shot, and of no other.

In a tree of a query a cast is a name of its own, `[Shot]`, behind the name that it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...errors import InvalidQuery
from .names import Names, Type

__all__ = ["cast_to", "quoted", "steps", "without_casts"]

_CAST = re.compile(r"\[(\w+)\]")


def quoted(word: str) -> str:
    """A path of a text, so that our grammar reads the casts in it."""
    return _CAST.sub(r".`[\1]`", word) if "[" in word else word


def steps(path: str) -> tuple[str, ...]:
    """The names in a path."""
    return tuple(each.strip() for each in _CAST.sub(r".[\1]", path).split("."))


def cast_to(names: Names, name: str, types: Iterable[Type]) -> Type | None:
    """The type that a name in a path casts to, of several that things there may have; None for any other name.

    UnknownType where there is no such type, InvalidQuery where nothing there can be one.
    """
    found = _CAST.fullmatch(name)
    if found is None:
        return None
    type, types = names[found[1]], list(types)
    if not any(_may_be(names, each, type) for each in types):
        raise InvalidQuery(reason=f"{' or '.join(each.name for each in types) or 'a value'} is no {type.name}")
    return type


def _may_be(names: Names, general: Type, special: Type) -> bool:
    schema = names.schema
    return any(
        schema.is_a(one, other) or schema.is_a(other, one) for one in special.natives for other in general.natives
    )


def without_casts(names: Names, type: Type, path: tuple[str, ...]) -> tuple[str, ...]:
    """The path to load: what is selected by a cast is loaded wherever it is. Errors as of `cast_to`, and UnknownAttribute."""
    if not any(each.startswith("[") for each in path):
        return path
    types, found = [type], []
    for name in path:
        cast = cast_to(names, name, types)
        if cast is not None:
            types = [cast]
            continue
        found.append(name)
        types = [end for each in types for end in _ends(names, each, name)]
    return tuple(found)


def _ends(names: Names, type: Type, name: str) -> list[Type]:
    types = [type] if name in type.fields or not type.natives else names.having(type, name)
    fields = [(each, names.field(each, name)) for each in types]
    return [end for each, field in fields if field.target for end in names.ends(each, field)]
