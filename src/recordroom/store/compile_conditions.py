"""Conditions of resolved queries as SQL. They have two values; SQL has a third, unknown, where null is compared.

At the top and under AND and OR unknown selects like false, so plain `=` and `<` serve there, and indexes
with them. Under NOT it would not: each condition is made either as itself or as its opposite, and the
opposite of what may be unknown says IS NOT TRUE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ..model.kinds import Storage
from ..query.resolved import (
    And,
    AnyItem,
    Bound,
    Compare,
    Condition,
    Constant,
    Exists,
    InRows,
    IsNull,
    Like,
    Matches,
    Not,
    OneOf,
    Or,
    Query,
    Root,
    TextTest,
    Through,
)
from .compile_rows import Level, Source
from .compile_values import DEEP, ValueBuilder, cast_type
from .search import match_expression, matches_subquery

__all__ = ["ConditionBuilder", "after_prefix"]

Test = sa.ColumnElement[bool]

_INTEGER, _TEXT = cast_type(Storage.INTEGER), cast_type(Storage.TEXT)
_ZERO, _ONE = sa.literal_column("0", _INTEGER), sa.literal_column("1", _INTEGER)
_WIDEST = 50  # SQLite takes a chain of AND or OR as a tree as deep as it is long, up to 1,000


def after_prefix(prefix: str) -> str | None:
    """The least text, by code point, that is greater than every text with this beginning; None where there is none."""
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    # Surrogates are no characters.
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)


def _opposite(test: Test) -> Test:
    return test.is_not(sa.true())


class ConditionBuilder(ValueBuilder):
    """Makes SQL of conditions."""

    def test(self, condition: Condition, holds: bool = True) -> Test:
        """SQL that is true exactly where the condition holds, or exactly where it does not."""
        self._depth += 1
        test = _TESTS[type(condition)](self, condition, holds)
        self._depth -= 1
        return self.piece(test) if self._depth % DEEP == DEEP - 1 else test

    def _constant(self, node: Constant, holds: bool) -> Test:
        return sa.true() if node.holds is holds else sa.false()

    def _not(self, node: Not, holds: bool) -> Test:
        return self.test(node.condition, not holds)

    def _and(self, node: And, holds: bool) -> Test:
        tests = [self.test(each, holds) for each in node.conditions]
        return self._joined(sa.and_ if holds else sa.or_, tests) if tests else _always(holds)

    def _or(self, node: Or, holds: bool) -> Test:
        tests = [self.test(each, holds) for each in node.conditions]
        return self._joined(sa.or_ if holds else sa.and_, tests) if tests else _always(not holds)

    def _joined(self, join: Callable[..., Test], tests: Sequence[Test]) -> Test:
        while len(tests) > _WIDEST:
            tests = [self.piece(join(*tests[at : at + _WIDEST])) for at in range(0, len(tests), _WIDEST)]
        return join(*tests)

    def _compare(self, node: Compare, holds: bool) -> Test:
        left, right = self.value(node.left), self.value(node.right)
        if node.operator != "=":
            test: Test = left.op(node.operator, is_comparison=True)(right)
            return test if holds else _opposite(test)
        if not holds:
            return left.is_distinct_from(right)
        # With a constant, which is never null, plain equality says the same and finds its index.
        plain = isinstance(node.right, Bound) or isinstance(node.left, Bound)
        return left == right if plain else left.is_not_distinct_from(right)

    def _is_null(self, node: IsNull, holds: bool) -> Test:
        value = self.value(node.value)
        return value.is_(None) if holds else value.is_not(None)

    def _one_of(self, node: OneOf, holds: bool) -> Test:
        items = self.bound_list(node.items)
        test = self.in_list(self.value(node.value), items, node.items.type.storage)
        return test if holds else _opposite(test)

    def in_list(self, value: sa.ColumnElement[Any], items: sa.ColumnElement[Any], storage: Storage) -> Test:
        """Whether `value` is in a list that is one parameter (`store.lists`)."""
        if self.sqlite:
            return value.op("IN", is_comparison=True)(sa.func.carray(items))
        return value == sa.any_(sa.cast(items, ARRAY(cast_type(storage))))

    def _in_rows(self, node: InRows, holds: bool) -> Test:
        test = self.value(node.value).in_(self.selected(node.query))
        return test if holds else _opposite(test)

    def selected(self, query: Query) -> sa.Select[Any]:
        """The SELECT of a sub-query."""
        raise NotImplementedError

    def _like(self, node: Like, holds: bool) -> Test:
        value, pattern = self.value(node.value), self.bound(node.pattern)
        test: Test
        if not self.sqlite:
            test = sa.func.rr_lower(value, type_=_TEXT).like(self.typed(pattern, node.pattern.type))
        elif node.pattern.value.isascii():
            # SQLite's own folds ASCII only, and nothing beyond folds into ASCII.
            test = value.like(pattern, escape="\\")
        else:
            test = sa.func.rr_like(pattern, value) == _ONE
        return test if holds else _opposite(test)

    def _text_test(self, node: TextTest, holds: bool) -> Test:
        value = self.value(node.value)
        if node.test == "starts_with" and isinstance(node.part, Bound):
            test = self._starts_with_constant(value, node.part)
        else:
            part = self.value(node.part)
            test = _TEXT_TESTS[node.test](value, part, self.sqlite)
        return test if holds else _opposite(test)

    def _starts_with_constant(self, value: sa.ColumnElement[Any], prefix: Bound) -> Test:
        """As a range, for which an index serves."""
        from_here = value >= self.typed(self.bound(prefix), prefix.type)
        if after_prefix(prefix.value) is None:
            return from_here
        end = self.derived(prefix, after_prefix, Storage.TEXT)
        return sa.and_(from_here, value < self.typed(end, prefix.type))

    def _matches(self, node: Matches, holds: bool) -> Test:
        row, dialect = node.row, self.catalog.dialect
        assert isinstance(row, Root | Through)
        match = self.derived(node.text, lambda text: match_expression(dialect, text), Storage.TEXT)
        column = self.tables.column_name(row.type, node.attribute.name)
        ids = matches_subquery(dialect, self.tables.entity_name(row.type), column, match)
        test: Test = self.column(row, "id").in_(ids)
        if self.masks(row.type):
            # The index has every text: one that is hidden is null here.
            test = sa.and_(test, self.column(row, node.attribute.name).is_not(None))
        return test if holds else _opposite(test)

    def _any_item(self, node: AnyItem, holds: bool) -> Test:
        array = self._get(node.value)
        each, of = (
            (sa.func.json_each, array) if self.sqlite else (sa.func.jsonb_array_elements_text, sa.cast(array, JSONB))
        )
        function = each(of)
        name = self.name("j")
        items = Source(function.table_valued("value", name=name), name)
        self.items[node.item.number] = self.item(node.item, items["value"])
        found = sa.exists(Level(items).select(_ONE).where(self.test(node.condition)))
        return found if holds else ~found

    def _exists(self, node: Exists, holds: bool) -> Test:
        level = self.members(node.over)
        if node.condition != Constant(True):
            level.conditions.append(self.test(node.condition))
        found = sa.exists(level.select(_ONE))
        return found if holds else ~found


def _always(holds: bool) -> Test:
    return sa.true() if holds else sa.false()


def _contains(value: Any, part: Any, sqlite: bool) -> Test:
    place: sa.ColumnElement[int] = (sa.func.instr if sqlite else sa.func.strpos)(value, part)
    test: Test = place > _ZERO
    return test


def _starts_with(value: Any, part: Any, sqlite: bool) -> Test:
    if not sqlite:
        return sa.func.starts_with(value, part)
    test: Test = sa.func.substr(value, _ONE, sa.func.length(part)) == part
    return test


def _ends_with(value: Any, part: Any, sqlite: bool) -> Test:
    if not sqlite:
        end: sa.ColumnElement[str] = sa.func.right(value, sa.func.char_length(part))
        same: Test = end == part
        return same
    # A start before the first character would count from the end.
    start = sa.func.length(value, type_=_INTEGER) - sa.func.length(part, type_=_INTEGER)
    return sa.and_(start >= _ZERO, sa.func.substr(value, start + _ONE) == part)


_TEXT_TESTS: dict[str, Callable[[Any, Any, bool], Test]] = {
    "contains": _contains,
    "starts_with": _starts_with,
    "ends_with": _ends_with,
}
_TESTS: dict[type, Callable[[Any, Any, bool], Test]] = {
    Constant: ConditionBuilder._constant,
    Compare: ConditionBuilder._compare,
    IsNull: ConditionBuilder._is_null,
    OneOf: ConditionBuilder._one_of,
    InRows: ConditionBuilder._in_rows,
    Like: ConditionBuilder._like,
    TextTest: ConditionBuilder._text_test,
    Matches: ConditionBuilder._matches,
    Exists: ConditionBuilder._exists,
    AnyItem: ConditionBuilder._any_item,
    Not: ConditionBuilder._not,
    And: ConditionBuilder._and,
    Or: ConditionBuilder._or,
}
