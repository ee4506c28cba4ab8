"""What each statement of a plan asks of PostgreSQL, as steps; the sync and the async driver take them.

Measured, as ratios: COPY in binary form with its types told takes 0.6 of the time of COPY as text, and one
row alone is quicker by INSERT. `= ANY` with a packed array takes a third of a join with `unnest` at ten
thousand keys. Rows of ten columns come twice as fast in binary form.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from psycopg.pq.abc import PGresult

from ...model.kinds import Storage
from ..plans import DeleteKeys, Fetch, FetchKeys, InsertColumns, Row, Run, Statement, UpdateColumns
from ..sqltext import quoted
from .postgres_values import ARRAY_TYPES, COLUMN_TYPES, bound, converter, pack

__all__ = ["Change", "CopyIn", "Select", "Step", "Steps", "converter_of", "declare", "forward", "steps_of"]

_Columns = Mapping[str, Sequence[Any]]
_CHUNK = 100_000  # keys or rows in one statement


class Select(NamedTuple):
    """Run SQL that answers rows. Result: the rows as raw scalars."""

    sql: bytes
    parameters: Sequence[Any] | None = None
    storage: tuple[Storage, ...] = ()
    prepare: bool | None = False
    binary: bool = False


class Change(NamedTuple):
    """Run SQL for its effect. Result: how many rows it changed."""

    sql: bytes
    parameters: Sequence[Any] | None = None
    prepare: bool | None = False


class CopyIn(NamedTuple):
    """COPY rows into a table, in binary form. Result: None."""

    sql: bytes
    types: list[str]
    rows: Iterable[Row]


Step = Select | Change | CopyIn
Steps = Generator[Step, Any, Any]


def steps_of(statement: Statement, *, prepare: bool) -> Steps:
    """What to do for one statement; its result. With `prepare`, one that comes again and again is kept prepared."""
    return _RUNNERS[type(statement)](statement, None if prepare else False)


def declare(statement: Fetch) -> Change:
    """What opens the cursor of a stream, inside the transaction that is open."""
    return Change(f"DECLARE rr_stream NO SCROLL CURSOR FOR {statement.sql}".encode(), bound(statement.parameters))


def forward(statement: Fetch, size: int) -> Select:
    """What brings the next rows of a stream."""
    sql = f"FETCH FORWARD {size:d} FROM rr_stream".encode()
    return Select(sql, None, statement.storage, binary=bool(statement.storage))


def converter_of(result: PGresult, storage: tuple[Storage, ...]) -> Callable[[list[Row]], list[Row]] | None:
    """What makes raw scalars of the rows of a result; None where they are."""
    return converter(storage, tuple(map(result.ftype, range(result.nfields))))


def _run_fetch(statement: Fetch, prepare: bool | None) -> Steps:
    # The best plan for a list depends on how long it is.
    prepare = False if list in map(type, statement.parameters) else prepare
    parameters = bound(statement.parameters)
    return (
        yield Select(statement.sql.encode(), parameters, statement.storage, prepare, binary=bool(statement.storage))
    )


def _run_run(statement: Run, prepare: bool | None) -> Steps:
    prepare = False if list in map(type, statement.parameters) else prepare
    return (yield Change(statement.sql.encode(), bound(statement.parameters), prepare))


def _run_insert(statement: InsertColumns, prepare: bool | None) -> Steps:
    columns: list[Sequence[Any]] = list(statement.columns.values())
    count = _height(statement.columns)
    if count == 0:
        return
    names = tuple(statement.columns)
    if count == 1:
        row = [column[0] for column in columns]
        yield Change(_insert_sql(statement.table, names), row, prepare)
        return
    for place, storage in enumerate(statement.storage):
        if storage is Storage.DECIMAL:
            columns[place] = [None if text is None else Decimal(text) for text in columns[place]]
    types = [COLUMN_TYPES[storage] for storage in statement.storage]
    yield CopyIn(_copy_sql(statement.table, names), types, zip(*columns, strict=True))


def _run_update(statement: UpdateColumns, prepare: bool | None) -> Steps:
    count = _height({**statement.keys, **statement.columns})
    names = tuple(statement.keys), tuple(statement.columns)
    if count == 1:
        row = [column[0] for column in (*statement.columns.values(), *statement.keys.values())]
        yield Change(_update_one_sql(statement.table, *names), row, prepare)
        return
    columns = _last_of_each([*statement.keys.values(), *statement.columns.values()], len(statement.keys))
    sql = _update_sql(statement.table, *names, statement.storage)
    for parameters in _packed_chunks(columns, statement.storage):
        yield Change(sql, parameters)


def _run_delete(statement: DeleteKeys, prepare: bool | None) -> Steps:
    columns = list(statement.keys.values())
    names = tuple(statement.keys)
    if _height(statement.keys) == 1:
        row = [column[0] for column in columns]
        yield Change(_delete_one_sql(statement.table, names), row, prepare)
        return
    sql = _delete_sql(statement.table, names, statement.storage)
    for parameters in _packed_chunks(columns, statement.storage):
        yield Change(sql, parameters)


def _run_fetch_keys(statement: FetchKeys, prepare: bool | None) -> Steps:
    keys = list({value: None for value in statement.values if value is not None})
    many = len(keys) > 1
    sql = _fetch_keys_sql(statement.table, statement.key, statement.columns, ARRAY_TYPES[statement.storage[0]], many)
    storage = statement.storage[1:]
    if not many:
        return (yield Select(sql, keys, storage, prepare, binary=True)) if keys else []
    found: list[Row] = []
    for parameters in _packed_chunks([keys], statement.storage[:1]):
        found += yield Select(sql, parameters, storage, binary=True)
    return found


_RUNNERS: dict[type, Callable[[Any, bool | None], Steps]] = {
    Fetch: _run_fetch,
    Run: _run_run,
    InsertColumns: _run_insert,
    UpdateColumns: _run_update,
    DeleteKeys: _run_delete,
    FetchKeys: _run_fetch_keys,
}


# --- columns ---


def _height(columns: _Columns) -> int:
    heights = set(map(len, columns.values()))
    if len(heights) > 1:
        raise ValueError(f"columns of different lengths: { {name: len(each) for name, each in columns.items()} }")
    return heights.pop() if heights else 0


def _last_of_each(columns: list[Sequence[Any]], keys: int) -> list[Sequence[Any]]:
    """The rows whose keys do not come again: of several updates of one row the last one counts."""
    rows = list(zip(*columns[:keys], strict=True)) if keys > 1 else columns[0]
    last = dict(zip(rows, range(len(rows)), strict=True))
    if len(last) == len(rows):
        return columns
    kept = sorted(last.values())
    return [[column[place] for place in kept] for column in columns]


def _packed_chunks(columns: list[Sequence[Any]], storage: Sequence[Storage]) -> Iterator[list[Any]]:
    count = len(columns[0])
    if count <= _CHUNK:
        if count:
            yield list(map(pack, columns, storage))
        return
    for start in range(0, count, _CHUNK):
        yield [pack(column[start : start + _CHUNK], each) for column, each in zip(columns, storage, strict=True)]


# --- SQL ---


def _name(name: str) -> str:
    """A name in a statement with parameters."""
    return quoted(name).replace("%", "%%")


@lru_cache(maxsize=2000)
def _insert_sql(table: str, columns: tuple[str, ...]) -> bytes:
    marks = ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {_name(table)} ({', '.join(map(_name, columns))}) VALUES ({marks})".encode()


@lru_cache(maxsize=2000)
def _copy_sql(table: str, columns: tuple[str, ...]) -> bytes:
    return f"COPY {quoted(table)} ({', '.join(map(quoted, columns))}) FROM STDIN (FORMAT BINARY)".encode()


@lru_cache(maxsize=2000)
def _update_one_sql(table: str, keys: tuple[str, ...], columns: tuple[str, ...]) -> bytes:
    sets = ", ".join(f"{_name(column)} = %s" for column in columns)
    return f"UPDATE {_name(table)} SET {sets} WHERE {_one(keys)}".encode()


@lru_cache(maxsize=2000)
def _update_sql(table: str, keys: tuple[str, ...], columns: tuple[str, ...], storage: tuple[Storage, ...]) -> bytes:
    sets = ", ".join(f"{_name(column)} = v.c{place}" for place, column in enumerate(columns, len(keys)))
    return f"UPDATE {_name(table)} AS t SET {sets} FROM {_unnest(storage)} WHERE {_joined(keys)}".encode()


@lru_cache(maxsize=2000)
def _delete_one_sql(table: str, keys: tuple[str, ...]) -> bytes:
    return f"DELETE FROM {_name(table)} WHERE {_one(keys)}".encode()


@lru_cache(maxsize=2000)
def _delete_sql(table: str, keys: tuple[str, ...], storage: tuple[Storage, ...]) -> bytes:
    return f"DELETE FROM {_name(table)} AS t USING {_unnest(storage)} WHERE {_joined(keys)}".encode()


@lru_cache(maxsize=2000)
def _fetch_keys_sql(table: str, key: str, columns: tuple[str, ...], array: str, many: bool) -> bytes:
    where = f"= ANY(%s::{array})" if many else "= %s"
    return f"SELECT {', '.join(map(_name, columns))} FROM {_name(table)} WHERE {_name(key)} {where}".encode()


def _one(keys: tuple[str, ...]) -> str:
    return " AND ".join(f"{_name(key)} = %s" for key in keys)


def _joined(keys: tuple[str, ...]) -> str:
    return " AND ".join(f"t.{_name(key)} = v.c{place}" for place, key in enumerate(keys))


def _unnest(storage: tuple[Storage, ...]) -> str:
    arrays = ", ".join(f"%s::{ARRAY_TYPES[each]}" for each in storage)
    names = ", ".join(f"c{place}" for place in range(len(storage)))
    return f"unnest({arrays}) AS v({names})"
