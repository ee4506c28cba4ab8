"""Texts of queries become trees. Parsing takes longer than most queries do, so one parse serves all that differ in values only.

Values are taken out of the text before it is parsed, and put into the tree that is remembered for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from msgspec.structs import replace

from ...errors import Error
from ...query.grammar import parse
from ...query.limits import MAX_LENGTH
from ...query.syntax import And, Compare, Has, In, InQuery, Literal, Not, Or, Parameter, Query
from ...query.syntax import Any as AnyMember
from .text import pieces, readable

__all__ = ["parsed"]

T = TypeVar("T")
Values = dict[str, str | list[str]]


def parsed(text: str) -> Query:
    """The tree of a query of the dialect, with its names."""
    if len(text) > MAX_LENGTH:
        return parse(text)  # which says so
    form, values = _form(text)
    if not values:
        return parse(readable(text))
    try:
        tree = parse(form)
    except Error:
        return parse(readable(text))  # says what is wrong in the query's own words
    left = dict(values)
    found = _filled(tree, left)
    return parse(readable(text)) if left else found


def _form(text: str) -> tuple[str, Values]:
    """The text with parameters for values; no values where it has parameters already, which mean nothing here."""
    values: Values = {}
    parts: list[str] = []
    for piece, value in pieces(text):
        if value is None:
            if "$" in piece:
                return text, {}
            parts.append(piece)
        else:
            name = f"v{len(values)}"
            values[name] = value
            parts.append(f"${name} ")
    return "".join(parts), values


def _filled(node: T, values: Values) -> T:
    """A tree with values instead of parameters. Those that were put in are taken out of `values`."""
    match node:
        case And() | Or():
            return type(node)(tuple(_filled(each, values) for each in node.conditions))
        case Not():
            return Not(_filled(node.condition, values))  # type: ignore[return-value]
        case Compare(right=Parameter(name)):
            return replace(node, right=Literal(str(values.pop(name))))
        case In():
            return replace(node, items=tuple(_items(node.items, values)))
        case InQuery():
            return replace(node, query=_filled(node.query, values))
        case AnyMember() | Has() if node.condition is not None:
            return replace(node, condition=_filled(node.condition, values))
        case Query() if node.where is not None:
            return replace(node, where=_filled(node.where, values))
    return node


def _items(items: Iterable[Any], values: Values) -> Iterable[Any]:
    for each in items:
        given = values.pop(each.name) if isinstance(each, Parameter) else each
        if isinstance(given, list):
            yield from map(Literal, given)
        else:
            yield Literal(given) if isinstance(given, str) else given
