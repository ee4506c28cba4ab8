"""How each statement of a plan runs on a connection of APSW.

With a `size`, a statement of many rows is run in pieces of so many: what `execute` gives is then a generator that does
the next piece each time it is asked, and returns the result. Without one it is the result at once.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Generator, Sequence
from functools import lru_cache
from itertools import islice
from types import GeneratorType
from typing import Any

import apsw

from ...model.kinds import Storage
from ..decimals import decode_column, encode_column
from ..plans import DeleteKeys, Fetch, FetchKeys, InsertColumns, Row, Run, Statement, UpdateColumns

__all__ = ["Pieces", "Rows", "begin", "execute", "is_unfinished"]

Bound = Sequence[Any]
Pieces = Generator[None, None, Any]


def execute(connection: apsw.Connection, statement: Statement, size: int | None = None) -> Any:
    """The result of one statement, or the `Pieces` that are left of it."""
    return _RUNNERS[type(statement)](connection, statement, size)


def begin(connection: apsw.Connection, statement: Fetch) -> apsw.Cursor:
    """Begin a statement that answers rows: sorting and counting is all done by the time it gives the first of them."""
    return connection.execute(statement.sql, _bound(statement.parameters))


def is_unfinished(result: Any) -> bool:
    """Whether `execute` gave pieces that are left, and no result."""
    return type(result) is GeneratorType


class Rows:
    """The rows of a statement, as many at a time as are asked for. Close it."""

    def __init__(self, cursor: apsw.Cursor, statement: Fetch) -> None:
        self._convert = _converter(statement.storage)
        self._cursor = cursor

    def take(self, count: int) -> list[Row]:
        """The next rows; fewer than `count` at the end only."""
        rows = list(islice(self._cursor, count))
        return rows if self._convert is None or not rows else self._convert(rows)

    def close(self) -> None:
        """Leave the rest."""
        self._cursor.close()


# --- SQL of statements given as columns ---


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@lru_cache(maxsize=2000)
def _insert_sql(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(map(_quoted, columns))
    return f"INSERT INTO {_quoted(table)} ({names}) VALUES ({', '.join('?' * len(columns))})"


@lru_cache(maxsize=2000)
def _update_sql(table: str, keys: tuple[str, ...], columns: tuple[str, ...]) -> str:
    sets = ", ".join(f"{_quoted(name)} = ?" for name in columns)
    return f"UPDATE {_quoted(table)} SET {sets} WHERE {_key_sql(keys)}"


@lru_cache(maxsize=2000)
def _delete_sql(table: str, keys: tuple[str, ...]) -> str:
    return f"DELETE FROM {_quoted(table)} WHERE {_key_sql(keys)}"


def _key_sql(keys: tuple[str, ...]) -> str:
    return " AND ".join(f"{_quoted(name)} = ?" for name in keys)


@lru_cache(maxsize=2000)
def _fetch_keys_sql(table: str, key: str, columns: tuple[str, ...], many: bool) -> str:
    where = "IN carray(?)" if many else "= ?"
    return f"SELECT {', '.join(map(_quoted, columns))} FROM {_quoted(table)} WHERE {_quoted(key)} {where}"


# --- running statements ---


def _run_fetch(connection: apsw.Connection, statement: Fetch, size: int | None) -> Any:
    return _fetched(begin(connection, statement), _converter(statement.storage), size)


def _fetched(cursor: apsw.Cursor, convert: Callable[[list[Row]], list[Row]] | None, size: int | None) -> Any:
    rows: list[Row] = list(islice(cursor, size))
    if size is not None and len(rows) == size:
        return _fetch_on(cursor, rows, convert, size)
    return rows if convert is None or not rows else convert(rows)


def _fetch_on(
    cursor: apsw.Cursor, rows: list[Row], convert: Callable[[list[Row]], list[Row]] | None, size: int
) -> Pieces:
    found: list[Row] = []
    while rows:
        found += rows if convert is None else convert(rows)
        yield
        rows = list(islice(cursor, size))
    return found


def _run_run(connection: apsw.Connection, statement: Run, size: int | None) -> int:
    before = connection.total_changes()
    connection.execute(statement.sql, _bound(statement.parameters))
    # Changes that foreign keys or triggers would make count too; the engine has neither.
    return connection.total_changes() - before


def _run_insert(connection: apsw.Connection, statement: InsertColumns, size: int | None) -> Pieces | None:
    sql = _insert_sql(statement.table, tuple(statement.columns))
    return _run_many(connection, sql, list(statement.columns.values()), statement.storage, size)


def _run_update(connection: apsw.Connection, statement: UpdateColumns, size: int | None) -> Pieces | None:
    sql = _update_sql(statement.table, tuple(statement.keys), tuple(statement.columns))
    count = len(statement.keys)
    storage = (*statement.storage[count:], *statement.storage[:count])
    return _run_many(connection, sql, [*statement.columns.values(), *statement.keys.values()], storage, size)


def _run_delete(connection: apsw.Connection, statement: DeleteKeys, size: int | None) -> Pieces | None:
    sql = _delete_sql(statement.table, tuple(statement.keys))
    return _run_many(connection, sql, list(statement.keys.values()), statement.storage, size)


def _run_many(
    connection: apsw.Connection, sql: str, columns: list[Bound], storage: Sequence[Storage], size: int | None
) -> Pieces | None:
    if size is not None and columns and len(columns[0]) > size:
        return _run_on(connection, sql, columns, storage, size)
    connection.executemany(sql, zip(*_encoded(columns, storage), strict=True))
    return None


def _run_on(
    connection: apsw.Connection, sql: str, columns: list[Bound], storage: Sequence[Storage], size: int
) -> Pieces:
    for start in range(0, max(map(len, columns)), size):
        piece = _encoded([column[start : start + size] for column in columns], storage)
        connection.executemany(sql, zip(*piece, strict=True))
        yield


def _run_fetch_keys(connection: apsw.Connection, statement: FetchKeys, size: int | None) -> Any:
    # Measured for 16-byte keys: a native array beats IN (?, …) and json_each with hex from a few hundred keys on
    # and equals them below; it takes a million keys in one statement.
    values = [value for value in statement.values if value is not None]
    if not values:
        return []
    [keys] = _encoded([values], statement.storage[:1])
    if size is not None and len(keys) > size:
        return _fetch_keys_on(connection, statement, list(dict.fromkeys(keys)), size)
    return _rows_of_keys(connection, statement, keys)


def _fetch_keys_on(connection: apsw.Connection, statement: FetchKeys, keys: Bound, size: int) -> Pieces:
    found: list[Row] = []
    for start in range(0, len(keys), size):
        found += _rows_of_keys(connection, statement, keys[start : start + size])
        yield
    return found


def _rows_of_keys(connection: apsw.Connection, statement: FetchKeys, keys: Bound) -> list[Row]:
    many = len(keys) > 1
    sql = _fetch_keys_sql(statement.table, statement.key, tuple(statement.columns), many)
    parameter = _native_array(keys, statement.storage[0]) if many else keys[0]
    rows: list[Row] = _fetched(connection.execute(sql, (parameter,)), _converter(statement.storage[1:]), None)
    return rows


_RUNNERS: dict[type, Callable[[apsw.Connection, Any, int | None], Any]] = {
    Fetch: _run_fetch,
    Run: _run_run,
    InsertColumns: _run_insert,
    UpdateColumns: _run_update,
    DeleteKeys: _run_delete,
    FetchKeys: _run_fetch_keys,
}


def _native_array(keys: Bound, storage: Storage) -> Any:
    if storage in (Storage.INTEGER, Storage.BOOLEAN):
        return apsw.carray(array("q", keys))
    if storage is Storage.REAL:
        return apsw.carray(array("d", keys))
    return apsw.carray(tuple(keys))


# --- values ---


def _bound(parameters: Bound) -> Bound:
    """Lists become JSON text, bytes in them hexadecimal."""
    if list not in map(type, parameters):
        return parameters
    return [_json(each) if type(each) is list else each for each in parameters]


def _json(items: list[Any]) -> str:
    if items and type(items[0]) is bytes:
        items = [None if item is None else item.hex() for item in items]
    return json.dumps(items, ensure_ascii=False)


def _encoded(columns: list[Bound], storage: Sequence[Storage]) -> list[Bound]:
    if Storage.DECIMAL not in storage:
        return columns
    return [
        encode_column(column) if each is Storage.DECIMAL else column
        for column, each in zip(columns, storage, strict=True)
    ]


_BOOLEANS = {0: False, 1: True, None: None}
_DECODERS: dict[Storage, Callable[[Sequence[Any]], list[Any]]] = {
    Storage.BOOLEAN: lambda column: list(map(_BOOLEANS.__getitem__, column)),
    Storage.DECIMAL: decode_column,
}


@lru_cache(maxsize=2000)
def _converter(storage: tuple[Storage, ...]) -> Callable[[list[Row]], list[Row]] | None:
    """What turns rows of SQLite into rows of raw scalars; None where they are the same."""
    decoders = [(place, _DECODERS[each]) for place, each in enumerate(storage) if each in _DECODERS]
    if not decoders:
        return None

    def convert(rows: list[Row]) -> list[Row]:
        columns: list[Any] = list(zip(*rows, strict=True))
        for place, decode in decoders:
            columns[place] = decode(columns[place])
        return list(zip(*columns, strict=True))

    return convert
