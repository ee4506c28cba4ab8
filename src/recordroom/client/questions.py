"""What `Session.query` takes, as a query tree and its values."""

from __future__ import annotations

from typing import Any

from ..query.syntax import Query
from .editing import type_name
from .entity import Entity

__all__ = ["query_of", "value_of_parameter"]


def query_of(question: Any) -> Query:
    """The tree of a text, a type, a condition or a tree."""
    if isinstance(question, str):
        from ..query.grammar import parse

        return parse(question)
    tree = question if isinstance(question, Query) else getattr(question, "tree", None)
    if isinstance(tree, Query):
        return tree
    roots = getattr(question, "roots", ())
    if len(roots) == 1:
        from ..query.expressions import condition_of

        return Query(type=next(iter(roots)), where=condition_of(question))
    return Query(type=type_name(question))


def value_of_parameter(value: Any) -> Any:
    """A value for `$name` as the literal it stands for."""
    from ..query.expressions import value_of

    if isinstance(value, Entity):
        return value._id
    if isinstance(value, list | tuple | set | frozenset):
        return [value_of_parameter(each) for each in value]
    return getattr(value_of(value), "value", value)
