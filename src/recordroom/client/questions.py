"""What `Session.query` takes, as a query tree and its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import InvalidQuery
from ..query.syntax import In, Parameter, Query
from .editing import type_name
from .entity import Entity

__all__ = ["check_used", "query_of", "value_of_parameter"]


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
    try:
        return getattr(value_of(value), "value", value)
    except TypeError as error:
        raise InvalidQuery(reason=str(error)) from error


def check_used(query: Query, given: Mapping[str, Any]) -> None:
    """InvalidQuery where a value is given for what does not stand in a query whose depth was checked."""
    if not given:
        return
    surplus = given.keys() - set(_parameters(query, given))
    if surplus:
        name = min(surplus)
        reason = (
            f"no ${name} stands in it, and a value was given for that; .where(), .limit() and others narrow a result"
        )
        raise InvalidQuery(reason=reason, name=name)


def _parameters(query: Query, given: Mapping[str, Any]) -> Iterator[str]:
    from ..query.shape import shape_of

    for source in shape_of(query, given).sources:
        for each in source.items if isinstance(source, In) else (source,):
            if isinstance(each, Parameter):
                yield each.name
