"""Values of resolved queries as SQL that means the same on both databases.

What differs is told apart here and nowhere above: decimals are sortable text on SQLite, integers beyond
64 bits and numbers that are not finite become null by functions of our own (`store.functions`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import Grouping

from ..model.kinds import Storage
from ..query.functions import MICROSECONDS_OF_A_DAY
from ..query.resolved import (
    Aggregate,
    Arithmetic,
    Bound,
    Commit,
    Convert,
    Entry,
    Function,
    Get,
    Item,
    Key,
    LinkRow,
    Rank,
    Root,
    UnderKey,
    Unrank,
    Value,
    ValueType,
)
from .catalog import Catalog
from .compile_rows import RowBuilder
from .tables import column_type

__all__ = ["DEEP", "ValueBuilder", "cast_type", "literal_text"]

Element = sa.ColumnElement[Any]
# column_type names a collation, which a cast cannot.
_PLAIN: dict[Storage, sa.types.TypeEngine[Any]] = {Storage.TEXT: sa.Text(), Storage.JSON: sa.Text()}


def cast_type(storage: Storage) -> sa.types.TypeEngine[Any]:
    """The SQL type of a storage class for CAST."""
    return _PLAIN.get(storage) or column_type(storage)


_TEXT, _INTEGER, _REAL = (cast_type(each) for each in (Storage.TEXT, Storage.INTEGER, Storage.REAL))
_DAY = sa.literal_column(str(MICROSECONDS_OF_A_DAY), _INTEGER)
DEEP = 8  # levels of an expression that SQLAlchemy writes out at a time
_SIGNS = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}
_ABOVE, _BELOW = sa.literal_column("9e999", _REAL), sa.literal_column("-9e999", _REAL)
# Powers of two, so that numbers are scaled exactly. Sums of usual numbers stay far below the largest one.
_LARGE, _SCALE, _MOST_SCALED, _NEARLY_MOST_SCALED = (
    sa.literal_column(f"{number!r}::float8", _REAL)
    for number in (1e290, 2.0**64, sys.float_info.max / 2.0**64, sys.float_info.max / 2.0**64 * (1 - 2.0**-20))
)
_LOW32, _BITS32 = sa.literal_column("4294967295", _INTEGER), sa.literal_column("32", _INTEGER)
_PARTS_OF_DATES = {"year": "%Y", "month": "%m", "day": "%d"}


def literal_text(text: str) -> Element:
    """A text of the schema, such as the name of a type, in the statement itself."""
    return sa.literal_column("'" + text.replace("'", "''") + "'", _TEXT)


class ValueBuilder(RowBuilder):
    """Makes SQL of values.

    `keys` and `aggregates` are the columns of a grouped query's inner SELECT, `items` the items that are bound.
    """

    def __init__(self, catalog: Catalog, sources: Sequence[Any], *, of_past: bool) -> None:
        super().__init__(catalog, sources, of_past=of_past)
        self.keys: list[Element] = []
        self.aggregates: dict[int, Element] = {}
        self.items: dict[int, Element] = {}
        self._made: dict[int, tuple[Value, Element]] = {}  # with the value itself: an id is only its own while it lives
        self._depth = 0

    def value(self, value: Value) -> Element:
        """The expression of a value; decimals on SQLite in their sortable form.

        One value is one expression, wherever it stands: an aggregate binds its members' rows once.
        """
        known = self._made.get(id(value))
        if known is not None:
            return known[1]
        self._depth += 1
        made = _VALUES[type(value)](self, value)
        self._depth -= 1
        if self._depth % DEEP == DEEP - 1:
            made = self.piece(made)
        self._made[id(value)] = value, made
        return made

    def _get(self, get: Get) -> Element:
        row = get.row
        if isinstance(row, Commit | UnderKey | Entry | LinkRow):
            return self.cell(row, get.name)
        if get.name == "entity_type" and not self.schema.in_hierarchy(row.type):
            # PostgreSQL takes a plain constant behind ORDER BY for a column's place.
            name = self.typed(literal_text(row.type), get.type)
            return name if isinstance(row, Root) else sa.case((self.column(row, "id").is_not(None), name))
        return self.column(row, get.name)

    def _bound(self, bound: Bound) -> Element:
        return self.typed(self.bound(bound), bound.type)

    def typed(self, element: Element, type: ValueType) -> Element:
        """`element` under its type where PostgreSQL might take it for another."""
        if self.sqlite:
            return element
        return self.collated(sa.cast(element, cast_type(type.storage)), type)

    def collated(self, element: Element, type: ValueType) -> Element:
        """Text that does not come from a column compares by code point too."""
        return element if self.sqlite or type.storage is not Storage.TEXT else sa.collate(element, "C")

    def item(self, item: Item, element: Element) -> Element:
        """An item of a JSON array, which is text on PostgreSQL."""
        storage = item.type.storage
        if not self.sqlite:
            if storage is Storage.BYTES:
                return sa.func.decode(element, literal_text("hex"), type_=column_type(storage))
            return self.typed(element, item.type)
        if storage is Storage.BYTES:
            return sa.func.unhex(element, type_=column_type(storage))
        if storage is Storage.DECIMAL:
            return sa.func.rr_decimal(element, type_=_TEXT)
        return sa.cast(element, _REAL) if storage is Storage.REAL else element

    def _item(self, item: Item) -> Element:
        return self.items[item.number]

    # --- conversions and choices ---

    def _convert(self, node: Convert) -> Element:
        inner = self.value(node.value)
        have, want = node.value.type.family, node.type.family
        if want == "datetime":
            return inner * _DAY
        if not self.sqlite:
            return sa.cast(inner, cast_type(node.type.storage))
        if want == "decimal":
            return sa.func.rr_decimal(sa.cast(inner, _TEXT), type_=_TEXT)
        return sa.func.rr_decimal_number(inner, type_=_REAL) if have == "decimal" else sa.cast(inner, _REAL)

    def _rank(self, node: Rank) -> Element:
        choices = node.value.type.choices
        if not choices:
            return sa.cast(sa.null(), _INTEGER)
        places = {literal_text(choice): sa.literal_column(str(place), _INTEGER) for place, choice in enumerate(choices)}
        return sa.case(places, value=self.value(node.value))

    def _unrank(self, node: Unrank) -> Element:
        if not node.type.choices:
            return sa.cast(sa.null(), _TEXT)
        texts: dict[Element, Element] = {
            sa.literal_column(str(place)): literal_text(choice) for place, choice in enumerate(node.type.choices)
        }
        return self.collated(sa.case(texts, value=self.value(node.value)), node.type)

    # --- arithmetic and functions ---

    def _arithmetic(self, node: Arithmetic) -> Element:
        left, right = self.value(node.left), self.value(node.right)
        family = node.type.family
        result = column_type(Storage.TEXT if self.sqlite and family == "decimal" else node.type.storage)
        if self.sqlite and family == "number":
            # Division by zero is null there already, and so is what is not a number.
            computed = left.op(node.operator)(right)
            return sa.func.nullif(sa.func.nullif(computed, _ABOVE), _BELOW, type_=_REAL)
        return getattr(sa.func, f"rr_{_SIGNS[node.operator]}_{family}")(left, right, type_=result)  # type: ignore[no-any-return]

    def _function(self, node: Function) -> Element:
        return _FUNCTIONS[node.name](self, node, [self.value(each) for each in node.arguments])

    def case_of(self, node: Function, arguments: list[Element]) -> Element:
        """Upper and lower case, by the one table of both databases."""
        return self.collated(getattr(sa.func, f"rr_{node.name}")(arguments[0], type_=_TEXT), node.type)

    def length(self, _node: Function, arguments: list[Element]) -> Element:
        """In characters."""
        counted = sa.func.length if self.sqlite else sa.func.char_length
        return counted(arguments[0], type_=_INTEGER)

    def concat(self, node: Function, arguments: list[Element]) -> Element:
        """Null counts as the empty text."""
        whole: Element | None = None
        for given, each in zip(node.arguments, arguments, strict=True):
            text: Element = sa.cast(each, _TEXT) if given.type.family == "integer" else each
            text = sa.func.coalesce(text, literal_text(""))
            whole = text if whole is None else whole.op("||")(text)
        return self.collated(literal_text("") if whole is None else whole, node.type)

    def coalesce(self, node: Function, arguments: list[Element]) -> Element:
        """The first that is not null; SQLite's takes two at least."""
        found = arguments[0] if len(arguments) == 1 else sa.func.coalesce(*arguments)
        return self.collated(found, node.type)

    def rounded(self, node: Function, arguments: list[Element]) -> Element:
        """Half away from zero."""
        family = node.type.family
        return arguments[0] if family == "integer" else getattr(sa.func, f"rr_round_{family}")(*arguments)

    def absolute(self, node: Function, arguments: list[Element]) -> Element:
        """The value without its sign."""
        family = node.type.family
        if family == "number" or (family == "decimal" and not self.sqlite):
            return sa.func.abs(arguments[0])
        return getattr(sa.func, f"rr_abs_{family}")(arguments[0])  # type: ignore[no-any-return]

    def calendar(self, node: Function, arguments: list[Element]) -> Element:
        """year, month and day, of the calendar that goes on before its beginning."""
        days = arguments[0]
        if node.arguments[0].type.family == "datetime":
            # Division cuts towards zero; days before 1970 go down.
            within = (days % _DAY + _DAY) % _DAY
            days = (days - within) // _DAY
        if self.sqlite:
            seconds = days * sa.literal_column("86400", _INTEGER)
            part = sa.func.strftime(literal_text(_PARTS_OF_DATES[node.name]), seconds, literal_text("unixepoch"))
            return sa.cast(part, _INTEGER)
        date = sa.literal_column("DATE '1970-01-01'").op("+")(sa.cast(days, sa.Integer))
        return sa.cast(sa.extract(node.name, date), _INTEGER)

    # --- aggregates ---

    def _aggregate(self, node: Aggregate) -> Element:
        if not node.over:
            return self.aggregates[id(node)]
        level = self.members(node.over[0])
        for over in node.over[1:]:
            self.members(over, level)
        aggregated = self.aggregated(node)
        return level.select(aggregated).scalar_subquery()

    def aggregated(self, node: Aggregate) -> Element:
        """The aggregate over the rows of the SELECT that it stands in."""
        if node.value is None:
            return sa.func.count()
        value, family = self.value(node.value), node.value.type.family
        if node.function == "sum":
            return self._sum(value, family)
        if node.function == "avg":
            return self._sum_of_numbers(value) / sa.func.count(value)
        return getattr(sa.func, node.function)(value)  # type: ignore[no-any-return]

    def _sum(self, value: Element, family: str) -> Element:
        if family == "decimal":
            if self.sqlite:
                return sa.func.rr_sum_decimal(value)
            return sa.func.rr_canonical(sa.func.sum(value))
        if family == "number":
            return self._sum_of_numbers(value)
        return self._sum_of_integers(value)

    def _sum_of_numbers(self, value: Element) -> Element:
        """Null beyond the largest number."""
        if self.sqlite:
            total = sa.func.sum(value, type_=_REAL)
            return sa.case((sa.func.abs(total) < _ABOVE, total))
        # PostgreSQL fails where the sum overflows, even on the way. Large numbers are added up as fractions of 2**64.
        size = sa.func.abs(value)
        usual = sa.func.sum(value, type_=_REAL).filter(size < _LARGE)
        large = sa.func.sum(Grouping(value / _SCALE), type_=_REAL).filter(size >= _LARGE)
        fits = sa.func.abs(large) <= _MOST_SCALED
        return sa.case(
            (large.is_(None), usual),
            (sa.and_(usual.is_(None), fits), Grouping(large * _SCALE)),
            (sa.func.abs(large) < _NEARLY_MOST_SCALED, Grouping(large * _SCALE) + usual),
        )

    def _sum_of_integers(self, value: Element) -> Element:
        """Null beyond 64 bits."""
        if not self.sqlite:
            total = sa.func.sum(value)
            fits = total.between(sa.literal_column(str(-(2**63))), sa.literal_column(str(2**63 - 1)))
            return sa.case((fits, sa.cast(total, _INTEGER)))
        # SQLite fails where the sum overflows, even on the way. The halves of the numbers cannot.
        low = sa.func.sum(Grouping(value).op("&")(_LOW32), type_=_INTEGER)
        upper = sa.func.sum(Grouping(value).op(">>")(_BITS32), type_=_INTEGER)
        high = Grouping(upper + Grouping(low.op(">>")(_BITS32)))
        fits = high.between(sa.literal_column(str(-(2**31))), sa.literal_column(str(2**31 - 1)))
        return sa.case((fits, Grouping(high.op("<<")(_BITS32)) + Grouping(low.op("&")(_LOW32))))

    def _key(self, node: Key) -> Element:
        return self.keys[node.place]


_VALUES: dict[type, Callable[[Any, Any], Element]] = {
    Get: ValueBuilder._get,
    Bound: ValueBuilder._bound,
    Item: ValueBuilder._item,
    Function: ValueBuilder._function,
    Arithmetic: ValueBuilder._arithmetic,
    Convert: ValueBuilder._convert,
    Rank: ValueBuilder._rank,
    Unrank: ValueBuilder._unrank,
    Aggregate: ValueBuilder._aggregate,
    Key: ValueBuilder._key,
}
_FUNCTIONS: dict[str, Callable[[ValueBuilder, Function, list[Element]], Element]] = {
    "lower": ValueBuilder.case_of,
    "upper": ValueBuilder.case_of,
    "length": ValueBuilder.length,
    "concat": ValueBuilder.concat,
    "coalesce": ValueBuilder.coalesce,
    "round": ValueBuilder.rounded,
    "abs": ValueBuilder.absolute,
    "year": ValueBuilder.calendar,
    "month": ValueBuilder.calendar,
    "day": ValueBuilder.calendar,
}
