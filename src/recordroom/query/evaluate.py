"""Resolved queries answered in memory, over whatever can name entities and their values (`Source`).

For event filters, reads of what a session holds, and as the measure that SQL is tested against: same
rows, same order, same values. Order puts null last in either direction and equal rows in order of id;
a grouped query orders equal rows by its keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import reduce
from typing import Any, NamedTuple, Protocol

from ..model import words
from ..model.kinds import KINDS, Storage
from . import fold
from .functions import (
    ARITHMETIC,
    CALENDAR,
    MICROSECONDS_OF_A_DAY,
    WIDE,
    absolute_decimal,
    absolute_integer,
    absolute_number,
    canonical,
    round_decimal,
    round_integer,
    round_number,
)
from .resolved import (
    Aggregate,
    And,
    AnyItem,
    Arithmetic,
    Bound,
    Commit,
    Compare,
    Condition,
    Constant,
    Convert,
    Entry,
    Exists,
    Function,
    Get,
    InRows,
    IsNull,
    Item,
    Key,
    Like,
    LinkRow,
    Matches,
    Members,
    Not,
    OneOf,
    Or,
    Order,
    Query,
    Rank,
    Root,
    Row,
    TextTest,
    Through,
    UnderKey,
    Unrank,
    Value,
)

__all__ = ["Found", "Source", "computed_from", "evaluate", "holds"]


class Source(Protocol):
    """Where entities are found in memory. `type_name` is the type by which an entity was reached, or an ancestor's."""

    def entities(self, type_name: str) -> Iterable[bytes]:
        """The ids of the entities of a type and its subtypes."""

    def value(self, type_name: str, entity: bytes, attribute: str) -> Any:
        """The raw scalar of a stored attribute or of a system attribute, `created_at` and the like included."""

    def members(self, type_name: str, entity: bytes, attribute: str) -> Iterable[tuple[bytes, str | None]]:
        """The members of a collection or links attribute, with the notes of links."""

    def entries(self, type_name: str, entity: bytes, attribute: str) -> Mapping[str, Any]:
        """The entries of a mapping."""


class Found(NamedTuple):
    """What a query found: a tuple of outputs for each row; `ids` of the entities where rows are entities."""

    ids: list[bytes]
    rows: list[tuple[Any, ...]]


def evaluate(query: Query, source: Source) -> Found:
    """Every row of the query, its limit and offset applied."""
    return _Evaluator(source).query(query)


def holds(condition: Condition, root: Root, entity: bytes, source: Source) -> bool:
    """Whether a resolved condition on `root` holds for one entity."""
    return _Evaluator(source).test(condition, {root.number: entity})


def computed_from(value: Function | Arithmetic | Convert, arguments: Sequence[Any]) -> Any:
    """What a function, an operator or a conversion makes of the values of its parts."""
    if isinstance(value, Function):
        return _call(value, arguments)
    if None in arguments:
        return None
    if isinstance(value, Arithmetic):
        return ARITHMETIC[value.type.family][value.operator](*arguments)
    return _CONVERSIONS[value.value.type.family, value.type.family](*arguments)


_Bound = dict[Any, Any]  # row number → id or entry; ("link", number) → note; ("item", number) → item


class _Evaluator:
    def __init__(self, source: Source) -> None:
        self.source = source
        self._selected: dict[int, frozenset[Any]] = {}

    # --- queries ---

    def query(self, query: Query) -> Found:
        entities = self.source.entities(query.type)
        bound: list[_Bound] = [{query.root.number: entity} for entity in sorted(entities)]
        if query.where is not None:
            where = query.where
            bound = [each for each in bound if self.test(where, each)]
        if query.grouped:
            bound = self._groups(query, bound)
        for order in reversed(query.order_by):
            self._sort(bound, order)
        end = None if query.limit is None else query.offset + query.limit
        bound = bound[query.offset : end]
        rows = [tuple(self.value(output.value, each) for output in query.outputs) for each in bound]
        ids = [each[query.root.number] for each in bound] if query.entities else []
        return Found(ids, rows)

    def _groups(self, query: Query, bound: list[_Bound]) -> list[_Bound]:
        groups: dict[tuple[Any, ...], list[_Bound]] = {}
        for each in bound:
            groups.setdefault(tuple(self.value(key, each) for key in query.group_by), []).append(each)
        if not query.group_by:
            groups.setdefault((), [])
        found: list[_Bound] = [{"keys": keys, "rows": rows} for keys, rows in groups.items()]
        for place, key in reversed(list(enumerate(query.group_by))):
            self._sort(found, Order(Key(place, key.type)))
        return found

    def _sort(self, bound: list[_Bound], order: Order) -> None:
        family = order.value.type.family

        def key(each: _Bound) -> tuple[bool, Any]:
            value = self.value(order.value, each)
            return (value is None) is order.ascending, 0 if value is None else _comparable(value, family)

        # Null comes last either way, and a reversed sort keeps the order of equal rows.
        bound.sort(key=key, reverse=not order.ascending)

    # --- rows ---

    def entity(self, row: Row, bound: _Bound) -> bytes | None:
        if isinstance(row, Root):
            found: bytes | None = bound[row.number]
            return found
        assert isinstance(row, Through)
        through: bytes | None = self._of_entity(row.row, row.attribute, bound)
        return through

    def _of_entity(self, row: Row, attribute: str, bound: _Bound) -> Any:
        entity = self.entity(row, bound)
        return None if entity is None else self.source.value(_type(row), entity, attribute)

    def _get(self, get: Get, bound: _Bound) -> Any:
        row = get.row
        match row:
            case Commit():
                created = row.revision == "created_revision"
                suffix = "at" if get.name == "time" else "by"
                return self._of_entity(row.row, f"{'created' if created else 'modified'}_{suffix}", bound)
            case UnderKey():
                entity = self.entity(row.row, bound)
                if entity is None:
                    return None
                return self.source.entries(_type(row.row), entity, row.attribute.name).get(row.key)
            case Entry():
                return bound[row.number][0 if get.name == "key" else 1]
            case LinkRow():
                return bound["link", row.number]
        return self._of_entity(row, get.name, bound)

    def members(self, over: Members, bound: _Bound) -> Iterator[_Bound]:
        """The bindings of each member in turn, beside what is bound."""
        entity = self.entity(over.row, bound)
        if entity is None:
            return
        type_name, name, number = _type(over.row), over.attribute.name, over.member.number
        if over.attribute.kind == "mapping":
            for entry in self.source.entries(type_name, entity, name).items():
                yield bound | {number: entry}
            return
        for member, note in self.source.members(type_name, entity, name):
            yield bound | {number: member, ("link", number): note}

    # --- values ---

    def value(self, value: Value, bound: _Bound) -> Any:
        match value:
            case Get():
                return self._get(value, bound)
            case Bound():
                return value.value
            case Item():
                return bound["item", value.number]
            case Function():
                return _call(value, [self.value(each, bound) for each in value.arguments])
            case Arithmetic():
                left, right = self.value(value.left, bound), self.value(value.right, bound)
                if left is None or right is None:
                    return None
                return ARITHMETIC[value.type.family][value.operator](left, right)
            case Convert():
                inner = self.value(value.value, bound)
                return None if inner is None else _CONVERSIONS[value.value.type.family, value.type.family](inner)
            case Rank():
                choice, choices = self.value(value.value, bound), value.value.type.choices
                return choices.index(choice) if choice in choices else None
            case Unrank():
                place = self.value(value.value, bound)
                return None if place is None else value.type.choices[place]
            case Aggregate():
                return self._aggregate(value, bound)
        return bound["keys"][value.place]

    def _aggregate(self, aggregate: Aggregate, bound: _Bound) -> Any:
        rows: Iterable[_Bound] = [bound] if aggregate.over else bound["rows"]
        for over in aggregate.over:
            rows = [each for row in rows for each in self.members(over, row)]
        if aggregate.value is None:
            return len(list(rows))
        inner = aggregate.value
        values = [found for row in rows if (found := self.value(inner, row)) is not None]
        return _AGGREGATES[aggregate.function](values, aggregate.value.type.family)

    # --- conditions ---

    def test(self, condition: Condition, bound: _Bound) -> bool:
        tested: bool = _TESTS[type(condition)](self, condition, bound)
        return tested

    def _compare(self, node: Compare, bound: _Bound) -> bool:
        left, right = self.value(node.left, bound), self.value(node.right, bound)
        if node.operator == "=":
            return bool(left == right)
        if left is None or right is None:
            return False
        family = node.left.type.family
        return _ORDERS[node.operator](_comparable(left, family), _comparable(right, family))

    def _in_rows(self, node: InRows, bound: _Bound) -> bool:
        selected = self._selected.get(id(node))
        if selected is None:
            selected = self._selected[id(node)] = frozenset(row[0] for row in self.query(node.query).rows)
        value = self.value(node.value, bound)
        return value is not None and value in selected

    def _like(self, node: Like, bound: _Bound) -> bool:
        text = self.value(node.value, bound)
        return text is not None and fold.like_test(node.pattern.value)(text)

    def _text_test(self, node: TextTest, bound: _Bound) -> bool:
        text, part = self.value(node.value, bound), self.value(node.part, bound)
        return text is not None and part is not None and _TEXT_TESTS[node.test](text, part)

    def _matches(self, node: Matches, bound: _Bound) -> bool:
        text = self._of_entity(node.row, node.attribute.name, bound)
        if text is None:
            return False
        if node.attribute.multi:
            text = " ".join(json.loads(text))
        return words.holds(text, words.terms(node.text.value))

    def _any_item(self, node: AnyItem, bound: _Bound) -> bool:
        raw = self.value(node.value, bound)
        if raw is None:
            return False
        read = _ITEMS.get(KINDS[node.item.type.kind].storage)
        items = json.loads(raw)
        return any(
            self.test(node.condition, bound | {("item", node.item.number): item if read is None else read(item)})
            for item in items
        )

    def _exists(self, node: Exists, bound: _Bound) -> bool:
        return any(self.test(node.condition, each) for each in self.members(node.over, bound))


_TESTS: dict[type, Callable[[_Evaluator, Any, _Bound], bool]] = {
    Constant: lambda _self, node, _bound: node.holds,
    Compare: _Evaluator._compare,
    IsNull: lambda self, node, bound: self.value(node.value, bound) is None,
    OneOf: lambda self, node, bound: self.value(node.value, bound) in node.items.value,
    InRows: _Evaluator._in_rows,
    Like: _Evaluator._like,
    TextTest: _Evaluator._text_test,
    Matches: _Evaluator._matches,
    Exists: _Evaluator._exists,
    AnyItem: _Evaluator._any_item,
    Not: lambda self, node, bound: not self.test(node.condition, bound),
    And: lambda self, node, bound: all(self.test(each, bound) for each in node.conditions),
    Or: lambda self, node, bound: any(self.test(each, bound) for each in node.conditions),
}


def _type(row: Row) -> str:
    assert isinstance(row, Root | Through)
    return row.type


def _comparable(value: Any, family: str) -> Any:
    """What sorts as values of the family do; decimals are text until then."""
    return Decimal(value) if family == "decimal" else value


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}
_TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}
_ITEMS: dict[Storage, Callable[[Any], Any]] = {Storage.BYTES: bytes.fromhex, Storage.REAL: float}
_CONVERSIONS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("integer", "number"): float,
    ("integer", "decimal"): str,
    ("decimal", "number"): float,
    ("date", "datetime"): lambda days: days * MICROSECONDS_OF_A_DAY,
}

# --- functions ------------------------------------------------------------------------------------


def _call(function: Function, arguments: Sequence[Any]) -> Any:
    if function.name == "coalesce":
        return next((each for each in arguments if each is not None), None)
    if function.name == "concat":
        return "".join("" if each is None else str(each) for each in arguments)
    if None in arguments:
        return None
    family = function.arguments[0].type.family
    if function.name in CALENDAR:
        days = arguments[0] // MICROSECONDS_OF_A_DAY if family == "datetime" else arguments[0]
        return CALENDAR[function.name](days)
    return _FUNCTIONS[function.name, family](*arguments)


_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("round", "number"): round_number,
    ("round", "integer"): round_integer,
    ("round", "decimal"): round_decimal,
    ("abs", "number"): absolute_number,
    ("abs", "integer"): absolute_integer,
    ("abs", "decimal"): absolute_decimal,
}
for _family in ("text", "choice"):
    _FUNCTIONS |= {("lower", _family): fold.lower, ("upper", _family): fold.upper, ("length", _family): len}


def _sum(values: list[Any], family: str) -> Any:
    if not values:
        return None
    if family == "decimal":
        return canonical(reduce(WIDE.add, map(Decimal, values)))
    total = sum(values)
    return ARITHMETIC[family]["+"](total, 0)


def _avg(values: list[Any], family: str) -> Any:
    total = _sum(values, family)
    return None if total is None else total / len(values)


def _best(pick: Callable[..., Any]) -> Callable[[list[Any], str], Any]:
    return lambda values, family: pick(values, key=lambda each: _comparable(each, family), default=None)


_AGGREGATES: dict[str, Callable[[list[Any], str], Any]] = {
    "count": lambda values, _family: len(values),
    "sum": _sum,
    "avg": _avg,
    "min": _best(min),
    "max": _best(max),
}
