"""Limits of a query, so that a hostile or generated one fails by name and never by running out of stack.

A tree may be `MAX_DEPTH` levels deep, go through `MAX_COLLECTIONS` collections within each other, and
hold `MAX_NODES` nodes (the items of `in` lists do not count); a text may have `MAX_LENGTH` characters and `MAX_TOKENS` words and signs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import QueryTooComplex
from .syntax import (
    And,
    Arithmetic,
    Between,
    Call,
    Compare,
    Has,
    In,
    InQuery,
    Literal,
    Not,
    Or,
    OrderKey,
    Parameter,
    Path,
    Query,
    Selected,
)
from .syntax import Any as AnyMember

__all__ = ["MAX_COLLECTIONS", "MAX_DEPTH", "MAX_LENGTH", "MAX_NODES", "MAX_TOKENS", "check_size", "too_complex"]

MAX_DEPTH = 100
MAX_NODES = 10_000
MAX_COLLECTIONS = 16
MAX_LENGTH = 1_000_000
MAX_TOKENS = 30_000


def too_complex() -> QueryTooComplex:
    """The error for a tree that is too deep."""
    return QueryTooComplex(limit=MAX_DEPTH)


def check_size(node: Any) -> None:
    """QueryTooComplex where the tree under `node` is deeper or larger than the limits; does not recurse."""
    level = [node]
    count = depth = 0
    while level:
        depth += 1
        count += len(level)
        if depth > MAX_DEPTH:
            raise too_complex()
        # A path recurses as deep as it is long.
        if any(type(each) is Path and len(each.names) > MAX_DEPTH for each in level):
            raise too_complex()
        if count > MAX_NODES:
            raise QueryTooComplex(f"The query has more than {MAX_NODES} parts.", limit=MAX_NODES)
        level = [child for each in level for child in _children(each)]


def _children(node: Any) -> Iterator[Any]:
    kind = type(node)
    if kind is Compare or kind is Arithmetic:
        yield node.left
        yield node.right
    elif kind is And or kind is Or:
        yield from node.conditions
    elif kind is Not:
        yield node.condition
    elif kind is In:
        yield node.value
        yield from (item for item in node.items if type(item) is not Literal and type(item) is not Parameter)
    elif kind is InQuery:
        yield node.value
        yield node.query
    elif kind is AnyMember or kind is Has:
        yield node.path
        if node.condition is not None:
            yield node.condition
    elif kind is Between:
        yield node.value
        yield node.low
        yield node.high
    elif kind is Call:
        yield from node.arguments
    elif kind is Selected or kind is OrderKey:
        yield node.value
    elif kind is Query:
        yield from node.select
        yield from node.group_by
        yield from node.order_by
        if node.where is not None:
            yield node.where
