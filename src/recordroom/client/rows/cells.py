"""Cells to raw scalars, by column: what a file has becomes what an attribute keeps.

Each function answers the raw scalars (None where missing or wrong) and a mapping from the positions that
are wrong to what was expected there. Equal texts are parsed once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ...model.ids import as_id
from ...model.kinds import KINDS, Storage, WrongValue, canonical_json, check, dump_multi, wrong_at
from ...model.schema import Attribute
from ..frames import load
from .readers import Cells, ExactFloat

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Column", "Converter", "cell_text", "plain_cell", "read_item"]

Column = tuple[list[Any], Mapping[int, str]]
# How many different texts of a column are remembered.
_REMEMBERED = 100_000


class Converter:
    """Turns one column of a file into raw scalars of one attribute, batch by batch."""

    def __init__(self, attribute: Attribute, cells: Cells, nulls: Sequence[str] = ("",)) -> None:
        self.attribute = attribute
        self._raw = _raw_maker(attribute)
        self._known: dict[str | None, Any] = {}
        self._wrong: dict[str, str] = {}
        self._nulls = nulls
        self._convert: Callable[[Any], Column] = {"text": self._texts, "json": self._values, "arrow": self._arrow}[
            cells
        ]

    def __call__(self, column: Any) -> Column:
        """The raw scalars of a column, and what was expected where one is wrong."""
        return self._convert(column)

    def _texts(self, texts: Sequence[str | None]) -> Column:
        """Texts as CSV has them; a list is a JSON array, json its text."""
        known, wrong = self._known, self._wrong
        if len(known) > _REMEMBERED or not known:
            known.clear()
            wrong.clear()
            known.update(dict.fromkeys([*self._nulls, None]))
        for text in set(texts).difference(known):
            assert text is not None  # None is known
            try:
                known[text] = self._raw(self._parsed(text))
            except WrongValue as error:
                known[text] = None
                wrong[text] = str(error)
        raws = list(map(known.__getitem__, texts))
        if not wrong:
            return raws, {}
        return raws, {position: wrong[text] for position, text in enumerate(texts) if text in wrong}

    def _parsed(self, text: str) -> Any:
        attribute = self.attribute
        if attribute.kind == "reference":
            return text
        if not attribute.multi:
            return KINDS[attribute.kind].parse(text, attribute)
        try:
            return self._normal(json.loads(text, parse_float=ExactFloat))
        except (ValueError, RecursionError) as error:
            if isinstance(error, WrongValue):
                raise
            raise WrongValue(f"a JSON array, each item {KINDS[attribute.kind].expected(attribute)}") from None

    def _values(self, values: Sequence[Any]) -> Column:
        """Python values, as JSON has them."""
        attribute = self.attribute
        kind = KINDS[attribute.kind]
        if kind.plain and not attribute.multi and wrong_at(values, attribute) is None:
            return list(values), {}
        return self._one_by_one(values)

    def _one_by_one(self, values: Sequence[Any]) -> Column:
        raws: list[Any] = []
        wrong: dict[int, str] = {}
        for position, value in enumerate(values):
            raw = None
            if value is not None:
                try:
                    raw = self._raw(self._normal(value))
                except WrongValue as error:
                    wrong[position] = str(error)
            raws.append(raw)
        return raws, wrong

    def _normal(self, value: Any) -> Any:
        attribute = self.attribute
        if attribute.kind == "reference":
            return value
        if attribute.multi:
            if isinstance(value, list):
                value = [read_item(item, attribute) for item in value]
            return check(value, attribute)
        return check(read_item(value, attribute), attribute)

    def _arrow(self, array: pa.Array) -> Column:
        if not isinstance(array, list):
            if self.attribute.kind == "json":
                return self._arrow_json(array)
            if _has_nanoseconds(array) and self.attribute.kind == "datetime":
                return _without_nanoseconds(array)
            raws = None if self.attribute.multi else _fast_raws(array, self.attribute)
            if raws is not None and (self.attribute.relation or wrong_at(raws, self.attribute) is None):
                return raws, {}
            array = _python_values(array)
        return self._one_by_one(array)

    def _arrow_json(self, array: pa.Array) -> Column:
        """A column of strings has JSON texts; any other has the values themselves."""
        types = load("pyarrow.types")
        texts = types.is_string(array.type) or types.is_large_string(array.type)
        return self._texts(array.to_pylist()) if texts else self._one_by_one(array.to_pylist())


def _raw_maker(attribute: Attribute) -> Callable[[Any], Any]:
    kind = KINDS[attribute.kind]
    if attribute.multi:
        return lambda values: dump_multi(kind, values)
    if attribute.kind == "reference":
        return _reference_id
    return kind.dump


def _reference_id(value: Any) -> bytes:
    try:
        return as_id(value)
    except ValueError as error:
        raise WrongValue(str(error)) from None


def read_item(value: Any, attribute: Attribute) -> Any:
    """A value of a file as the kind's `check` takes it: texts are read as in CSV, numbers with all their digits."""
    kind = KINDS[attribute.kind]
    if attribute.kind == "decimal" and isinstance(value, float):
        # Arrow's floats have no text; their shortest one is what was meant.
        return value.text if isinstance(value, ExactFloat) else repr(value)
    if isinstance(value, str) and not kind.textual and attribute.kind != "json":
        return kind.parse(value, attribute)
    if attribute.kind == "datetime" and hasattr(value, "tzinfo") and value.tzinfo is None:
        return kind.parse(value.isoformat(), attribute)
    return value


# --- Arrow --------------------------------------------------------------------------------------------


def _fast_raws(array: pa.Array, attribute: Attribute) -> list[Any] | None:
    """Raw scalars without a Python value for each, where the Arrow type is the kind's own; else None."""
    arrow = load("pyarrow")
    target = _raw_type(array.type, attribute)
    if target is None:
        return None
    try:
        for step in target:
            array = array.cast(step)
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError):
        return None  # some value does not fit: looked at one by one
    raws: list[Any] = array.to_pylist()
    return raws


def _raw_type(found: pa.DataType, attribute: Attribute) -> tuple[pa.DataType, ...] | None:
    """The casts from a column's type to raw scalars; None where they would change values or there are none."""
    arrow, types = load("pyarrow"), load("pyarrow.types")
    storage = KINDS[attribute.kind].storage
    if attribute.kind == "datetime":
        return (arrow.timestamp("us", found.tz), arrow.int64()) if types.is_timestamp(found) else None
    if attribute.kind == "date":
        return (arrow.date32(), arrow.int32()) if types.is_date(found) else None
    if storage is Storage.INTEGER:
        return (arrow.int64(),) if types.is_integer(found) else None
    if storage is Storage.REAL:
        return (arrow.float64(),) if types.is_floating(found) or types.is_integer(found) else None
    if storage is Storage.BOOLEAN:
        return () if types.is_boolean(found) else None
    if storage is Storage.TEXT:
        plain = found.value_type if types.is_dictionary(found) else found
        return (arrow.string(),) if types.is_string(plain) or types.is_large_string(plain) else None
    if storage is Storage.BYTES:
        return (arrow.binary(),) if found == arrow.binary(16) else None
    return None


def _has_nanoseconds(array: pa.Array) -> bool:
    return bool(load("pyarrow.types").is_timestamp(array.type)) and array.type.unit == "ns"


def _without_nanoseconds(array: pa.Array) -> Column:
    """Moments of nanoseconds as microseconds; those that would lose something are wrong."""
    arrow, compute = load("pyarrow"), load("pyarrow.compute")
    micro = array.cast(arrow.timestamp("us", array.type.tz), safe=False)
    finer = compute.fill_null(compute.not_equal(micro.cast(array.type), array), False)
    raws = micro.cast(arrow.int64()).to_pylist()
    wrong = {
        position: "a datetime with microseconds at most" for position, lost in enumerate(finer.to_pylist()) if lost
    }
    for position in wrong:
        raws[position] = None
    return raws, wrong


def _python_values(array: pa.Array) -> list[Any]:
    try:
        return array.to_pylist()  # type: ignore[no-any-return]
    except (ValueError, OverflowError):
        # Moments out of Python's range: their texts are refused as values, not the file.
        return load("pyarrow.compute").cast(array, "string").to_pylist()  # type: ignore[no-any-return]


def plain_cell(cell: Any) -> Any:
    """A cell as a Python value."""
    return cell.as_py() if hasattr(cell, "as_py") else cell


def cell_text(value: Any) -> str:
    """A cell as text, for a file of rejected rows."""
    if value is None:
        return ""
    value = plain_cell(value)
    if isinstance(value, ExactFloat):
        return value.text
    if isinstance(value, (dict, list, bool)):
        try:
            return canonical_json(value)
        except WrongValue:
            return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    return "" if value is None else str(value)
