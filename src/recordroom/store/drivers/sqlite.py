"""The SQLite driver: one writer connection, and reader connections that neither block nor wait for it.

Everything runs in the calling thread: stepping rows in another thread beside a busy one is slower by an
order of magnitude. The writer alone checkpoints the write-ahead log. SQLite has no booleans and no
decimals: they are 0/1 and sortable text (`store.decimals`) there, and are converted by column here.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import apsw

from ...errors import NotARoom, PermissionDenied, RoomDamaged, RoomReadOnly, StorageFull, StoreUnavailable
from ...model.kinds import Storage
from ..decimals import decode_column, encode_column
from ..plans import DeleteKeys, Fetch, FetchKeys, InsertColumns, Plan, Row, Run, Statement, UpdateColumns, Violation
from .functions import register_functions

__all__ = ["SqliteDriver"]

T = TypeVar("T")
Bound = Sequence[Any]

# Readers wait this long at most, and only where another process recovers the log after a crash.
_BUSY_MILLISECONDS = 10_000
_COMPACT_MILLISECONDS = 200
_IDLE_READERS = 4
_WATCH_SECONDS = 0.05
_LITTLE_BYTES = 128 * 2**10
_LOG_PAGES = 4_000  # 16 MB of log before the writer copies it into the database
_LOG_BYTES = 64 * 2**20
_WRITER_CACHE, _READER_CACHE = 64 * 1024, 16 * 1024  # KiB


class SqliteDriver:
    """One SQLite file as a `Driver`. Construction opens nothing; connections are made when first needed."""

    dialect = "sqlite"

    def __init__(
        self, path: Path, *, where: str = "", read_only: bool = False, on_close: Callable[[], None] | None = None
    ) -> None:
        self.path = path
        self.where = where or str(path)
        self.read_only = read_only
        # The writer holds a lock that keeps other processes from writing.
        self.alone = not read_only
        self.durability: Literal["full", "normal"] = "full"
        self._on_close = on_close
        self.statements = 0
        self._writing = threading.RLock()
        self._writer: apsw.Connection | None = None
        self._pool = threading.Lock()
        self._idle: list[apsw.Connection] = []
        self._closed = False
        self._process = os.getpid()

    # --- running plans ---

    def run(self, plan: Plan[T]) -> T:
        """Run a reading plan in one snapshot."""
        with self._reader() as connection:
            connection.execute("BEGIN")
            return self._drive(connection, plan)

    def write(self, plan: Plan[T]) -> T:
        """Run a plan as the one writer: committed when it returns, rolled back when it raises."""
        if self.read_only:
            raise RoomReadOnly(path=self.where)
        with self._writing, self._translated():
            connection = self._open_writer()
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = self._drive(connection, plan)
                connection.execute("COMMIT")
            finally:
                _roll_back(connection)
        return result

    def stream(self, plan: Plan[tuple[Fetch, Callable[[list[Row]], T]]], size: int) -> Iterator[T]:
        """What the plan makes of the rows of its statement, `size` at a time, of one snapshot, in bounded memory."""
        with self._reader() as connection:
            connection.execute("BEGIN")
            fetch, shape = self._drive(connection, plan)
            convert = _converter(fetch.storage)
            self.statements += 1
            cursor = connection.execute(fetch.sql, _bound(fetch.parameters))
            try:
                while rows := list(itertools.islice(cursor, size)):
                    yield shape(rows if convert is None else convert(rows))
            finally:
                cursor.close()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Callable[[Statement], Any]]:
        """What answers statements one by one, all of them in one snapshot."""
        with self._reader() as connection:
            connection.execute("BEGIN")
            yield lambda statement: self._execute(connection, statement)

    def watch(self, seconds: float) -> None:
        """Wait a moment: there is nothing that tells of what other processes write."""
        time.sleep(min(seconds, _WATCH_SECONDS))

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """No other thread writes in this block, and no idle reader holds the file."""
        with self._writing:
            self._close_idle()
            yield

    def compact(self) -> None:
        """Give space that is not used back to the file system."""
        if self.read_only:
            raise RoomReadOnly(path=self.where)
        with self.exclusive(), self._translated():
            connection = self._open_writer()
            connection.execute("VACUUM")
            connection.set_busy_timeout(_COMPACT_MILLISECONDS)
            try:
                # While somebody reads from the log, the space comes free with the checkpoint after that.
                with contextlib.suppress(apsw.BusyError):
                    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            finally:
                connection.set_busy_timeout(_BUSY_MILLISECONDS)

    def version(self) -> str:
        """Such as "SQLite 3.54.1"."""
        return f"SQLite {apsw.sqlite_lib_version()}"

    def close(self) -> None:
        """Close every connection that is not in use; the writer folds the log into the file."""
        with self._writing, self._pool:
            self._closed = True
            idle, self._idle = self._idle, []
            writer, self._writer = self._writer, None
            on_close, self._on_close = self._on_close, None
        try:
            for connection in idle:
                connection.close()
            if writer is not None:
                with contextlib.suppress(apsw.Error):
                    writer.execute("PRAGMA optimize")
                writer.close()
        finally:
            if on_close is not None:
                on_close()

    # --- connections ---

    def _open_writer(self) -> apsw.Connection:
        self._check_usable()
        if self._writer is None:
            connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=500)
            connection.set_busy_timeout(_BUSY_MILLISECONDS)
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "normal" if self.durability == "normal" else "full")
            connection.pragma("foreign_keys", True)
            connection.pragma("cache_size", -_WRITER_CACHE)
            connection.pragma("journal_size_limit", _LOG_BYTES)
            connection.wal_autocheckpoint(_LOG_PAGES)
            # The log stays when the last process closes, so that those who may only read can always open it.
            keep = array("i", [1])
            connection.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, keep.buffer_info()[0])
            register_functions(connection)
            self._writer = connection
        return self._writer

    def _open_reader(self) -> apsw.Connection:
        connection = self._connect_reader()
        connection.set_busy_timeout(_BUSY_MILLISECONDS)
        connection.pragma("query_only", True)
        connection.pragma("cache_size", -_READER_CACHE)
        connection.wal_autocheckpoint(0)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        register_functions(connection)
        return connection

    def _connect_reader(self) -> apsw.Connection:
        if not self.read_only:
            return apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=500)
        connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY, statementcachesize=500)
        try:
            connection.pragma("schema_version")
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            # On a medium that cannot be written there is no place for the log's index. Nor can there be a
            # writer, unless it runs elsewhere; then there is a log.
            connection.close()
            if Path(f"{self.path}-wal").exists() or os.access(self.path.parent, os.W_OK):
                raise
            uri = f"{self.path.absolute().as_uri()}?immutable=1"
            flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
            return apsw.Connection(uri, flags=flags, statementcachesize=500)
        return connection

    @contextlib.contextmanager
    def _reader(self) -> Iterator[apsw.Connection]:
        self._check_usable()
        with self._translated():
            with self._pool:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._open_reader()
            try:
                yield connection
            finally:
                _roll_back(connection)
                self._give_back(connection)

    def _give_back(self, connection: apsw.Connection) -> None:
        with self._pool:
            if not self._closed and len(self._idle) < _IDLE_READERS:
                self._idle.append(connection)
                return
        connection.close()

    def _close_idle(self) -> None:
        with self._pool:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreUnavailable(reason=f"{self.where} was closed")
        if os.getpid() != self._process:
            # SQLite connections do not survive a fork; using them would damage the file.
            raise StoreUnavailable(reason=f"{self.where} was opened before this process was forked; open it again here")

    # --- statements ---

    def _drive(self, connection: apsw.Connection, plan: Plan[T]) -> T:
        try:
            statement = next(plan)
            while True:
                try:
                    result = self._execute(connection, statement)
                except apsw.Error as error:
                    statement = plan.throw(self._named(error, connection))
                else:
                    statement = plan.send(result)
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            plan.close()

    def _execute(self, connection: apsw.Connection, statement: Statement) -> Any:
        self.statements += 1
        return _RUNNERS[type(statement)](connection, statement)

    # --- errors ---

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise self._named(error, self._writer) from error

    def _named(self, error: apsw.Error, connection: apsw.Connection | None) -> Exception:
        named = self._translation(error, connection)
        named.__cause__ = error
        return named

    def _translation(self, error: apsw.Error, connection: apsw.Connection | None) -> Exception:
        match error:
            case apsw.ConstraintError():
                return _violation(error, connection)
            case apsw.FullError():
                return StorageFull(path=self.where)
            case apsw.CorruptError() | apsw.FormatError():
                return RoomDamaged(path=self.where, reason=str(error))
            case apsw.NotADBError():
                return NotARoom(path=self.where, reason="it is not an SQLite database")
            case apsw.ReadOnlyError() if self.read_only and getattr(error, "extendedresult", 0) == apsw.SQLITE_READONLY:
                return RoomReadOnly(path=self.where)
            case apsw.PermissionsError() | apsw.CantOpenError() | apsw.ReadOnlyError():
                return self._refused(error)
            case apsw.IOError() if self._disk_is_full():
                return StorageFull(path=self.where)
            case apsw.BusyError() | apsw.LockedError() | apsw.IOError():
                return StoreUnavailable(reason=f"{self.where}: {error}")
            case _:
                return error

    def _disk_is_full(self) -> bool:
        # Some writes (to the log's index) fail without saying why.
        with contextlib.suppress(OSError):
            return shutil.disk_usage(self.path.parent).free < _LITTLE_BYTES
        return False

    def _refused(self, error: apsw.Error) -> Exception:
        if not self.path.exists():
            return NotARoom(path=self.where, reason="the database file is missing")
        if self.read_only or not os.access(self.path, os.R_OK):
            return PermissionDenied(what=f"reading {self.where}")
        if os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK):
            return StoreUnavailable(reason=f"{self.where}: {error}")
        return PermissionDenied(what=f"writing {self.where}")


def _roll_back(connection: apsw.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


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


def _run_fetch(connection: apsw.Connection, statement: Fetch) -> list[Row]:
    rows = connection.execute(statement.sql, _bound(statement.parameters)).fetchall()
    convert = _converter(statement.storage)
    return rows if convert is None or not rows else convert(rows)


def _run_run(connection: apsw.Connection, statement: Run) -> int:
    before = connection.total_changes()
    connection.execute(statement.sql, _bound(statement.parameters))
    # Changes that foreign keys or triggers would make count too; the engine has neither.
    return connection.total_changes() - before


def _run_insert(connection: apsw.Connection, statement: InsertColumns) -> None:
    columns = _encoded(list(statement.columns.values()), statement.storage)
    connection.executemany(_insert_sql(statement.table, tuple(statement.columns)), zip(*columns, strict=True))


def _run_update(connection: apsw.Connection, statement: UpdateColumns) -> None:
    values = _encoded([*statement.keys.values(), *statement.columns.values()], statement.storage)
    count = len(statement.keys)
    sql = _update_sql(statement.table, tuple(statement.keys), tuple(statement.columns))
    connection.executemany(sql, zip(*values[count:], *values[:count], strict=True))


def _run_delete(connection: apsw.Connection, statement: DeleteKeys) -> None:
    values = _encoded(list(statement.keys.values()), statement.storage)
    connection.executemany(_delete_sql(statement.table, tuple(statement.keys)), zip(*values, strict=True))


def _run_fetch_keys(connection: apsw.Connection, statement: FetchKeys) -> list[Row]:
    # Measured for 16-byte keys: a native array beats IN (?, …) and json_each with hex from a few hundred keys on
    # and equals them below; it takes a million keys in one statement.
    values = [value for value in statement.values if value is not None]
    if not values:
        return []
    [keys] = _encoded([values], statement.storage[:1])
    many = len(keys) > 1
    sql = _fetch_keys_sql(statement.table, statement.key, tuple(statement.columns), many)
    parameter = _native_array(keys, statement.storage[0]) if many else keys[0]
    rows = connection.execute(sql, (parameter,)).fetchall()
    convert = _converter(statement.storage[1:])
    return rows if convert is None or not rows else convert(rows)


_RUNNERS: dict[type, Callable[[apsw.Connection, Any], Any]] = {
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


# --- constraints ---

_UNIQUE = {apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_PRIMARYKEY, apsw.SQLITE_CONSTRAINT_ROWID}


def _violation(error: apsw.ConstraintError, connection: apsw.Connection | None) -> Violation:
    code = getattr(error, "extendedresult", 0)
    detail = str(error)
    if code == apsw.SQLITE_CONSTRAINT_FOREIGNKEY:
        return Violation("foreign_key", detail=detail)
    if code not in _UNIQUE:
        return Violation("other", detail=detail)
    items = detail.partition("failed: ")[2].split(", ")
    table = _table_of(items, connection)
    columns = tuple(item[len(table) + 1 :] for item in items) if table else ()
    return Violation("unique", detail=detail, table=table, columns=columns)


def _table_of(items: list[str], connection: apsw.Connection | None) -> str:
    """The table in "table.column, table.column"; both may hold dots, so the tables are asked for."""
    if connection is None:
        return ""
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    fitting = [name for name in names if all(item.startswith(f"{name}.") for item in items)]
    return max(fitting, key=len, default="")
