"""The SQLite driver: one writer connection, and reader connections that neither block nor wait for it.

Everything runs in the calling thread: stepping rows in another thread beside a busy one is slower by an
order of magnitude. The writer alone checkpoints the write-ahead log. SQLite has no booleans and no
decimals: they are 0/1 and sortable text (`store.decimals`) there, and are converted by column here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import apsw

from ...errors import NotARoom, PermissionDenied, RoomDamaged, RoomReadOnly, StorageFull, StoreUnavailable
from ..plans import ALONE, ROOM, TURN, Fetch, Plan, Row, Statement, Violation, Writing
from .functions import register_functions
from .sqlite_statements import Rows, begin, execute
from .turns import Turns

__all__ = ["SqliteDriver", "roll_back"]

T = TypeVar("T")

# Readers wait this long at most, and only where another process recovers the log after a crash.
_BUSY_MILLISECONDS = 10_000
_COMPACT_MILLISECONDS = 200
_IDLE_READERS = 4
_WATCH_SECONDS = 0.05
_LITTLE_BYTES = 128 * 2**10
_LOG_PAGES = 4_000  # 16 MB of log before the writer copies it into the database
_MOST_LOGS = 4  # as much log, and commits wait for the copying after all
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
        self.checkpoints_aside = False  # somebody looks at `log_is_long` after commits, and calls `checkpoint`
        self.log_is_long = False
        self.turns = Turns()
        self._writer: apsw.Connection | None = None
        self._pool = threading.Lock()
        self._idle: list[apsw.Connection] = []
        self._closed = False
        self._process = os.getpid()

    # --- running plans ---

    def run(self, plan: Plan[T]) -> T:
        """Run a reading plan in one snapshot."""
        with self.reader() as connection:
            connection.execute("BEGIN")
            return self._drive(connection, plan, in_snapshot=True)

    def write(self, plan: Plan[T], writing: Writing = ALONE) -> T:
        """Run a plan as the one writer: committed when it returns, rolled back when it raises."""
        if self.read_only:
            raise RoomReadOnly(path=self.where)
        with self.turns, self.translated():
            connection = self.open_writer()
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = self._drive(connection, plan)
                connection.execute("COMMIT")
            finally:
                roll_back(connection)
        return result

    def stream(self, plan: Plan[tuple[Fetch, Callable[[list[Row]], T]]], size: int) -> Iterator[T]:
        """What the plan makes of the rows of its statement, `size` at a time, of one snapshot, in bounded memory."""
        with self.reader() as connection:
            connection.execute("BEGIN")
            fetch, shape = self._drive(connection, plan)
            self.statements += 1
            with contextlib.closing(Rows(begin(connection, fetch), fetch)) as rows:
                while chunk := rows.take(size):
                    yield shape(chunk)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Callable[[Statement], Any]]:
        """What answers statements one by one, all of them in one snapshot."""
        with self.reader() as connection:
            connection.execute("BEGIN")
            yield lambda statement: self._execute(connection, statement)

    def rebuild(self, plan: Plan[T]) -> T:
        """As `write`."""
        return self.write(plan)

    def watch(self, seconds: float) -> None:
        """Wait a moment: there is nothing that tells of what other processes write."""
        time.sleep(min(seconds, _WATCH_SECONDS))

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """No other thread writes in this block, and no idle reader holds the file."""
        with self.turns:
            self._close_idle()
            yield

    def compact(self) -> None:
        """Give space that is not used back to the file system."""
        if self.read_only:
            raise RoomReadOnly(path=self.where)
        with self.exclusive(), self.translated():
            connection = self.open_writer()
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
        with self.turns, self._pool:
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

    def open_writer(self) -> apsw.Connection:
        """The connection for writing; only for who has the turn."""
        self.check_usable()
        if self._writer is None:
            connection = _connected(str(self.path), apsw.SQLITE_OPEN_READWRITE)
            connection.set_busy_timeout(_BUSY_MILLISECONDS)
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "normal" if self.durability == "normal" else "full")
            connection.pragma("foreign_keys", True)
            connection.pragma("cache_size", -_WRITER_CACHE)
            connection.pragma("journal_size_limit", _LOG_BYTES)
            connection.set_wal_hook(self._log_grew)
            # The log stays when the last process closes, so that those who may only read can always open it.
            keep = array("i", [1])
            connection.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, keep.buffer_info()[0])
            register_functions(connection)
            self._writer = connection
        return self._writer

    def _log_grew(self, connection: apsw.Connection, name: str, pages: int) -> int:
        """After a commit: copy the log into the database once it is long, unless somebody does that aside."""
        self.log_is_long = pages >= _LOG_PAGES
        if pages >= _LOG_PAGES * (_MOST_LOGS if self.checkpoints_aside else 1):
            # While others read from it, it is copied up to where they are.
            with contextlib.suppress(apsw.BusyError):
                connection.wal_checkpoint(name, mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        return apsw.SQLITE_OK

    def checkpoint(self) -> None:
        """Copy the log into the database beside the writer, in whatever thread."""
        with contextlib.suppress(apsw.Error), contextlib.closing(self._connect_reader()) as connection:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

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
            return _connected(str(self.path), apsw.SQLITE_OPEN_READWRITE)
        connection = _connected(str(self.path), apsw.SQLITE_OPEN_READONLY)
        try:
            connection.pragma("schema_version")
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            # On a medium that cannot be written there is no place for the log's index. Nor can there be a
            # writer, unless it runs elsewhere; then there is a log.
            connection.close()
            if Path(f"{self.path}-wal").exists() or os.access(self.path.parent, os.W_OK):
                raise
            uri = f"{self.path.absolute().as_uri()}?immutable=1"
            return _connected(uri, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        return connection

    @contextlib.contextmanager
    def reader(self) -> Iterator[apsw.Connection]:
        """A connection for reading, in no transaction yet."""
        with self.translated():
            connection = self.take_reader()
            try:
                yield connection
            finally:
                self.give_back(connection)

    def take_reader(self) -> apsw.Connection:
        """A connection for reading that is to be given back; errors are those of SQLite."""
        self.check_usable()
        with self._pool:
            if self._idle:
                return self._idle.pop()
        return self._open_reader()

    def give_back(self, connection: apsw.Connection) -> None:
        """Take a connection for reading back; what it is in the middle of ends."""
        roll_back(connection)
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

    def check_usable(self) -> None:
        """StoreUnavailable after closing, and in a process that was forked off since."""
        if self._closed:
            raise StoreUnavailable(reason=f"{self.where} was closed")
        if os.getpid() != self._process:
            # SQLite connections do not survive a fork; using them would damage the file.
            raise StoreUnavailable(reason=f"{self.where} was opened before this process was forked; open it again here")

    # --- statements ---

    def _drive(self, connection: apsw.Connection, plan: Plan[T], *, in_snapshot: bool = False) -> T:
        room: list[Row] | None = None
        try:
            statement = next(plan)
            while True:
                if statement is TURN or (room is not None and statement is ROOM):
                    statement = plan.send(room if statement is ROOM else None)
                    continue
                try:
                    result = self._execute(connection, statement)
                except apsw.Error as error:
                    statement = plan.throw(self.named(error, connection))
                else:
                    if in_snapshot and statement is ROOM:
                        room = result
                    statement = plan.send(result)
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            plan.close()

    def _execute(self, connection: apsw.Connection, statement: Statement) -> Any:
        self.statements += 1
        return execute(connection, statement)

    # --- errors ---

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Errors of SQLite in this block become those of recordroom."""
        try:
            yield
        except apsw.Error as error:
            raise self.named(error, self._writer) from error

    def named(self, error: apsw.Error, connection: apsw.Connection | None) -> Exception:
        """The error that recordroom raises for one of SQLite."""
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


def _connected(path: str, flags: int) -> apsw.Connection:
    """A connection for one thread at a time: without SQLite's locks around every value, rows are read in 4/5 of the time."""
    return apsw.Connection(path, flags=flags | apsw.SQLITE_OPEN_NOMUTEX, statementcachesize=500)


def roll_back(connection: apsw.Connection) -> None:
    """End a transaction that is open."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


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
