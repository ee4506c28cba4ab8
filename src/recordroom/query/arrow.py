"""Columns of raw scalars as Arrow arrays, and which columns a query has.

Types come from the schema, so an empty result has the same ones as a full one: integer → int64,
number → float64, decimal → decimal256(65, 30), boolean → bool, date → date32, datetime → timestamp[us, UTC],
ids and references → strings of 36 characters, multi-valued → list, everything else → string (json as its text).
Nothing here imports pyarrow before it is needed.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..errors import InvalidQuery, MissingExtra
from ..model.kinds import KINDS, Storage
from ..model.schema import STORED_SYSTEM, SYSTEM, Attribute, Schema
from . import syntax
from .request import Page
from .resolve import resolve, split_select

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DECIMAL_SCALE", "Output", "array_of", "arrow_type", "batch_of", "load", "outputs_of", "schema_of"]

# Every decimal that a room keeps has at most 35 digits before and 30 after the point.
_DECIMAL_DIGITS, DECIMAL_SCALE = 65, 30


def load(package: str, extra: str = "frames") -> Any:
    """The module of that name; MissingExtra, naming the extra to install, where it is not there."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtra(package=package.partition(".")[0], extra=extra) from error


class Output(NamedTuple):
    """One column of a result: its name, what its values are, and where a page has it."""

    name: str
    attribute: Attribute
    place: str = "columns"  # or "ids", "types"

    def of(self, page: Page) -> Sequence[Any]:
        """The column's raw scalars."""
        if self.place == "ids":
            return page.ids
        if self.place == "types":
            return page.types
        return page.columns[self.name]


def outputs_of(schema: Schema, query: syntax.Query, parameters: Mapping[str, Any]) -> list[Output]:
    """The columns of a query, in order: `id`, the type in a hierarchy, then what was selected.

    A query without `select` has every stored attribute; the counters (`number`, `revision` …) only when asked for.
    InvalidQuery for a path with many values in a row.
    """
    _, many = split_select(schema, query)
    if many:
        path = ".".join(many[0].names)
        raise InvalidQuery(reason=f"{path} has many values in a row of {query.type}; a frame or a file has one")
    resolved = resolve(schema, query, parameters)
    found = {each.name: Output(each.name, each.attribute) for each in resolved.outputs}
    if not resolved.entities:
        return list(found.values())
    first = [Output("id", SYSTEM["id"], "ids")]
    if query.select:
        names = [each.name or ".".join(_path_names(each.value)) for each in query.select]
        return first + [found[name] for name in names if name != "id"]
    if schema.in_hierarchy(query.type):
        first.append(Output("entity_type", SYSTEM["entity_type"], "types"))
    return first + [each for name, each in found.items() if name not in STORED_SYSTEM]


def _path_names(value: syntax.Value) -> tuple[str, ...]:
    """The names of a path; none of any other value."""
    return value.names if isinstance(value, syntax.Path) else ()


# --- raw columns to Arrow -----------------------------------------------------------------------------


def _item_type(attribute: Attribute) -> pa.DataType:
    arrow = load("pyarrow")
    if attribute.kind == "date":
        return arrow.date32()
    if attribute.kind == "datetime":
        return arrow.timestamp("us", "UTC")
    types = {
        Storage.INTEGER: arrow.int64(),
        Storage.REAL: arrow.float64(),
        Storage.BOOLEAN: arrow.bool_(),
        Storage.DECIMAL: arrow.decimal256(_DECIMAL_DIGITS, DECIMAL_SCALE),
    }
    return types.get(KINDS[attribute.kind].storage, arrow.string())


def arrow_type(attribute: Attribute) -> pa.DataType:
    """The Arrow type of an attribute's column."""
    item = _item_type(attribute)
    return load("pyarrow").list_(item) if attribute.multi else item


def array_of(raws: Sequence[Any], attribute: Attribute) -> pa.Array:
    """A column of raw scalars as an Arrow array of `arrow_type(attribute)`."""
    arrow = load("pyarrow")
    if attribute.multi:
        return _list_array(raws, attribute)
    storage = KINDS[attribute.kind].storage
    if storage is Storage.BYTES:
        return _id_array(raws)
    if storage is Storage.DECIMAL:
        return arrow.array(raws, arrow.string()).cast(_item_type(attribute))
    if attribute.kind == "date":
        return arrow.array(raws, arrow.int32()).cast(arrow.date32())
    if attribute.kind == "datetime":
        return arrow.array(raws, arrow.int64()).cast(arrow.timestamp("us", "UTC"))
    return arrow.array(raws, _item_type(attribute))


# Where the 32 hexadecimal digits of an id stand among its 36 characters.
_DIGITS = (*range(8), *range(9, 13), *range(14, 18), *range(19, 23), *range(24, 36))
_NO_ID = bytes(16)


def _id_array(raws: Sequence[bytes | None]) -> pa.Array:
    """Ids as strings, without a Python string for each: the digits of all are laid out at once."""
    arrow = load("pyarrow")
    count = len(raws)
    missing = raws.count(None)
    digits = b"".join([raw or _NO_ID for raw in raws] if missing else raws).hex().encode()  # type: ignore[arg-type]
    text = bytearray(b"-") * (36 * count)
    for source, target in enumerate(_DIGITS):
        text[target::36] = digits[source::32]
    offsets = arrow.array(range(0, 36 * count + 1, 36), arrow.int32()).buffers()[1]
    whole = arrow.StringArray.from_buffers(count, offsets, arrow.py_buffer(text))
    if not missing:
        return whole
    present = arrow.array([raw is not None for raw in raws])
    return load("pyarrow.compute").if_else(present, whole, arrow.scalar(None, arrow.string()))


def _list_array(raws: Sequence[str | None], attribute: Attribute) -> pa.Array:
    """Multi-valued columns: each is one JSON array of raw scalars."""
    arrow = load("pyarrow")
    lists = [None if raw is None else json.loads(raw) for raw in raws]
    flat = [item for items in lists if items is not None for item in items]
    storage = KINDS[attribute.kind].storage
    if storage is Storage.BYTES:
        flat = [bytes.fromhex(item) for item in flat]
    elif storage is Storage.REAL:
        flat = [float(item) for item in flat]
    offsets: list[int | None] = []
    end = 0
    for items in lists:
        offsets.append(None if items is None else end)
        end += len(items or ())
    single = msgspec.structs.replace(attribute, multi=False)
    return arrow.ListArray.from_arrays(arrow.array([*offsets, end], arrow.int32()), array_of(flat, single))


def schema_of(columns: Iterable[Output]) -> pa.Schema:
    """The Arrow schema of those columns."""
    return load("pyarrow").schema([(each.name, arrow_type(each.attribute)) for each in columns])


def batch_of(page: Page, columns: Sequence[Output], schema: pa.Schema) -> pa.RecordBatch:
    """A page as a record batch of those columns, whose schema is `schema_of(columns)`."""
    arrays = [array_of(each.of(page), each.attribute) for each in columns]
    return load("pyarrow").RecordBatch.from_arrays(arrays, schema=schema)
