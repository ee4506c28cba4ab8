"""The shape of a query: what is left of its tree without constants.

Queries of one shape share one SQL statement, made once; their constants are its parameters. Constants
are told apart only as far as the statement depends on them, by a letter each (`letter`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

from . import syntax

__all__ = ["Shape", "letter", "shape_of"]


class Shape(NamedTuple):
    """What `shape_of` gives.

    `key` is equal for queries of one shape. `given[i]` is the i-th constant, or list of constants, as it was
    given, and stands in the tree as `sources[i]`: a literal, a parameter or an `in`.
    """

    key: Hashable
    given: list[Any]
    sources: list[Any]


def shape_of(query: syntax.Query, parameters: Mapping[str, Any]) -> Shape:
    """The shape of a query whose depth was checked. A parameter that is missing counts as a constant of its own kind."""
    walk = _Walk(parameters)
    return Shape(walk.query(query), walk.given, walk.sources)


class _Walk:
    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.parameters = parameters
        self.given: list[Any] = []
        self.sources: list[Any] = []

    def query(self, query: syntax.Query) -> Hashable:
        walk = self.node
        return (
            query.type,
            tuple([(each.name, walk(each.value)) for each in query.select]),
            None if query.where is None else walk(query.where),
            tuple(map(walk, query.group_by)),
            tuple([(each.ascending, walk(each.value)) for each in query.order_by]),
            query.limit is None,
            query.offset == 0,
        )

    def node(self, node: Any) -> Hashable:
        found: Hashable = _WALKS[type(node)](self, node)
        return found

    def constant(self, node: Any) -> Hashable:
        given = self._given(node)
        self.given.append(given)
        self.sources.append(node)
        return letter(given)

    def _given(self, node: Any) -> Any:
        if type(node) is syntax.Literal:
            return _UNIT if node.unit else node.value
        return self.parameters.get(node.name, _MISSING)

    def items(self, node: syntax.In) -> Hashable:
        value = self.node(node.value)
        if not _CONSTANTS.issuperset(map(type, node.items)):
            return "in", node.negated, value, tuple(map(self.node, node.items))
        given: list[Any] = []
        for item in node.items:
            each = self._given(item)
            if isinstance(each, list | tuple):
                given.extend(each)
            else:
                given.append(each)
        self.given.append(given)
        self.sources.append(node)
        return "in", node.negated, value, None in given

    def in_query(self, node: syntax.InQuery) -> Hashable:
        # The window of a sub-query is part of its statement.
        inner = self.query(node.query)
        return "in query", node.negated, self.node(node.value), inner, node.query.limit, node.query.offset


_CONSTANTS = {syntax.Literal, syntax.Parameter}


class _Mark:
    """Stands for what is no constant, so that the resolver is asked and says what is wrong."""


_MISSING, _UNIT = _Mark(), _Mark()


def letter(given: Any) -> str:
    """What of a constant a statement depends on."""
    if type(given) is str:
        if given and given.isascii():
            return "a"
        if not given:
            return "e"
        return "u" if given.strip("\U0010ffff") else "x"
    if type(given) is float:
        return "F" if given.is_integer() else "f"
    return _LETTERS.get(type(given), "?")


_LETTERS: dict[type, str] = {type(None): "n", bool: "b", int: "i", bytes: "y", list: "l", tuple: "l"}

_WALKS: dict[type, Any] = {
    syntax.Path: lambda _self, node: node.names,
    syntax.Literal: _Walk.constant,
    syntax.Parameter: _Walk.constant,
    syntax.Compare: lambda self, node: (node.operator, self.node(node.left), self.node(node.right)),
    syntax.And: lambda self, node: ("and", *map(self.node, node.conditions)),
    syntax.Or: lambda self, node: ("or", *map(self.node, node.conditions)),
    syntax.Not: lambda self, node: ("not", self.node(node.condition)),
    syntax.In: _Walk.items,
    syntax.InQuery: _Walk.in_query,
    syntax.Between: lambda self, node: ("between", self.node(node.value), self.node(node.low), self.node(node.high)),
    syntax.Any: lambda self, node: ("any", node.path.names, node.condition and self.node(node.condition)),
    syntax.Has: lambda self, node: ("has", node.path.names, node.condition and self.node(node.condition)),
    syntax.Constant: lambda _self, node: ("constant", node.holds),
    syntax.Call: lambda self, node: ("call", node.function, *map(self.node, node.arguments)),
    syntax.Arithmetic: lambda self, node: ("arithmetic", node.operator, self.node(node.left), self.node(node.right)),
}
