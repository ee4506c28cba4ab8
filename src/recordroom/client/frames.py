"""Frames: results as Arrow tables, polars and pandas frames, and frames as columns to create entities from.

Types come from the schema, so an empty result has the same ones as a full one: integer → int64,
number → float64, decimal → decimal256(65, 30), boolean → bool, date → date32, datetime → timestamp[us, UTC],
ids and references → strings of 36 characters, multi-valued, links and collections → list, everything else → string (json
and mappings as JSON text).
A query for entities has `id` first. Nothing here imports pyarrow, polars or pandas before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import InvalidValue
from ..model.schema import Attribute
from ..query.arrow import DECIMAL_SCALE, Output, array_of, arrow_type, batch_of, load, schema_of
from ..query.request import Page
from .many_columns import columns_of_result, pages_of_result

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from .results import QueryResult

__all__ = [
    "Output",
    "array_of",
    "arrow_schema",
    "arrow_type",
    "batches",
    "columns_of",
    "load",
    "outputs",
    "pages",
    "schema_of",
    "to_arrow",
    "to_pandas",
    "to_polars",
]

BATCH = 65_536
_POLARS_DIGITS, _POLARS_SCALE = 38, 18


# --- what a result has --------------------------------------------------------------------------------


def outputs(result: QueryResult[Any]) -> list[Output]:
    """The columns of a result, in order: `query.arrow.outputs_of`, and those of `many_columns`."""
    return columns_of_result(result)


def pages(result: QueryResult[Any], size: int) -> Iterator[Page]:
    """Every page of one snapshot, `size` rows each."""
    return pages_of_result(result, size)


# --- results as frames --------------------------------------------------------------------------------


def arrow_schema(result: QueryResult[Any]) -> pa.Schema:
    """The Arrow schema of a result: names in order, types from the room's schema."""
    return schema_of(outputs(result))


def batches(result: QueryResult[Any], size: int = BATCH) -> Iterator[pa.RecordBatch]:
    """Record batches of up to `size` rows, one snapshot, in bounded memory. An empty result has none."""
    columns = outputs(result)
    schema = schema_of(columns)
    for page in pages(result, size):
        if page.count:
            yield batch_of(page, columns, schema)


def to_arrow(result: QueryResult[Any]) -> pa.Table:
    """The whole result as one Arrow table."""
    return load("pyarrow").Table.from_batches(batches(result), schema=arrow_schema(result))


def to_polars(result: QueryResult[Any]) -> pl.DataFrame:
    """The whole result as a polars frame.

    polars keeps 38 digits of a decimal: a column has 18 after the point, or as many as its values need.
    InvalidValue where a value does not fit.
    """
    polars = load("polars")
    frame: pl.DataFrame = polars.from_arrow(_for_polars(to_arrow(result), result.query.type))
    return frame


def _for_polars(table: pa.Table, type_name: str) -> pa.Table:
    arrow = load("pyarrow")
    for position, field in enumerate(table.schema):
        column = table.column(position)
        if arrow.types.is_decimal256(field.type):
            narrow = _narrow_decimals(column, field.name, type_name)
            table = table.set_column(position, field.name, narrow)
        elif arrow.types.is_list(field.type) and arrow.types.is_decimal256(field.type.value_type):
            lists = column.combine_chunks()
            items = _narrow_decimals(arrow.chunked_array([lists.flatten()]), field.name, type_name).combine_chunks()
            rebuilt = arrow.ListArray.from_arrays(_offsets(lists), items, mask=lists.is_null())
            table = table.set_column(position, field.name, rebuilt)
    return table


def _offsets(lists: pa.ListArray) -> pa.Array:
    """Offsets into `lists.flatten()`, which has nothing of a missing list."""
    compute = load("pyarrow.compute")
    arrow = load("pyarrow")
    lengths = compute.fill_null(compute.list_value_length(lists), 0)
    ends = compute.cumulative_sum(lengths)
    return arrow.concat_arrays([arrow.array([0], arrow.int32()), ends.cast(arrow.int32())])


def _narrow_decimals(column: pa.ChunkedArray, name: str, type_name: str) -> pa.ChunkedArray:
    arrow = load("pyarrow")
    for scale in (_POLARS_SCALE, *range(DECIMAL_SCALE + 1)):
        try:
            return column.cast(arrow.decimal128(_POLARS_DIGITS, scale))
        except arrow.ArrowInvalid:
            continue
    widest = max(
        (value for value in column.to_pylist() if value is not None), key=lambda value: len(str(value.normalize()))
    )
    raise InvalidValue(
        type=type_name,
        attribute=name,
        value=widest.normalize(),
        expected="decimals that fit 38 digits together, which is what polars keeps (to_arrow() keeps all)",
    )


def to_pandas(result: QueryResult[Any]) -> pd.DataFrame:
    """The whole result as a pandas frame; integers and booleans in the types that may be missing (Int64, boolean)."""
    pandas = load("pandas")
    arrow = load("pyarrow")
    nullable = {arrow.int64(): pandas.Int64Dtype(), arrow.bool_(): pandas.BooleanDtype()}
    frame: pd.DataFrame = to_arrow(result).to_pandas(types_mapper=nullable.get)
    return frame


# --- frames to columns --------------------------------------------------------------------------------


_NO_ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType({})


def columns_of(frame: Any, attributes: Mapping[str, Attribute] = _NO_ATTRIBUTES) -> dict[str, list[Any]]:
    """Columns of Python values, None where missing, from a frame of any make.

    A frame is an Arrow table or batch, a polars or pandas frame, a mapping from names to columns, or a list of mappings.
    NaN and NaT of pandas count as missing. With `attributes`, whole numbers that pandas keeps as floats become
    integers where the attribute is one. InvalidValue for anything else and for columns of different lengths.
    """
    columns = _columns(frame, attributes)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidValue(
            "The columns have different lengths: " + _listed(lengths), value=lengths, expected="one length"
        )
    return columns


def _columns(frame: Any, attributes: Mapping[str, Attribute]) -> dict[str, list[Any]]:
    library = type(frame).__module__.partition(".")[0]
    if library == "pyarrow" and hasattr(frame, "column_names"):
        return {name: frame.column(i).to_pylist() for i, name in enumerate(frame.column_names)}
    if library == "polars" and hasattr(frame, "collect_schema") and hasattr(frame, "get_columns"):
        return {series.name: series.to_list() for series in frame.get_columns()}
    if library == "pandas" and hasattr(frame, "columns"):
        return {str(name): _pandas_values(frame[name], attributes.get(str(name))) for name in frame.columns}
    if isinstance(frame, Mapping):
        return {str(name): _values(name, column, attributes.get(str(name))) for name, column in frame.items()}
    if isinstance(frame, Sequence) and not isinstance(frame, (str, bytes)):
        return _from_rows(frame)
    raise InvalidValue(
        f"A frame is an Arrow table, a polars or pandas frame, a mapping from names to columns or a list of mappings; "
        f"got {type(frame).__name__}",
        value=frame,
        expected="a frame",
    )


def _listed(lengths: Mapping[str, int]) -> str:
    return ", ".join(f"{name!r} has {length}" for name, length in list(lengths.items())[:5])


def _from_rows(rows: Sequence[Any]) -> dict[str, list[Any]]:
    for row in rows:
        if not isinstance(row, Mapping):
            raise InvalidValue(
                f"A list of rows has a mapping for each; got {type(row).__name__}", value=row, expected="a mapping"
            )
    names = dict.fromkeys(name for row in rows for name in row)
    return {str(name): [row.get(name) for row in rows] for name in names}


def _values(name: object, column: Any, attribute: Attribute | None) -> list[Any]:
    library = type(column).__module__.partition(".")[0]
    if type(column) is list:
        return column
    if library == "pandas":
        return _pandas_values(load("pandas").Series(column), attribute)
    convert: Callable[[], list[Any]] | None = None
    for method in ("to_pylist", "to_list", "tolist"):  # Arrow, polars, numpy
        convert = convert or getattr(column, method, None)
    if convert is not None:
        return convert()
    if isinstance(column, Iterable) and not isinstance(column, (str, bytes, Mapping)):
        return list(column)
    raise InvalidValue(
        f"Column {name!r}: expected a list of values, got {column!r}", attribute=name, value=column, expected="a list"
    )


def _pandas_values(series: pd.Series[Any], attribute: Attribute | None) -> list[Any]:
    missing = series.isna()
    if series.dtype.kind == "M":
        return _pandas_moments(series, missing)
    if series.dtype.kind == "f" and attribute is not None and attribute.kind == "integer":
        present = series[~missing]
        if bool((present % 1 == 0).all()):
            return [None if gone else int(value) for value, gone in zip(series.tolist(), missing.tolist(), strict=True)]
    values = series.tolist()
    if missing.any():
        return [None if gone else value for value, gone in zip(values, missing.tolist(), strict=True)]
    return values


def _pandas_moments(series: pd.Series[Any], missing: pd.Series[bool]) -> list[Any]:
    finer = series[~missing].dt.nanosecond.ne(0)
    if finer.any():
        value = series[~missing][finer].iloc[0]
        raise InvalidValue(
            f"Column {series.name!r}: expected moments with microseconds, got {value}",
            attribute=str(series.name),
            value=value,
            expected="a datetime with microseconds",
        )
    return [
        None if gone else value.to_pydatetime() for value, gone in zip(series.tolist(), missing.tolist(), strict=True)
    ]
