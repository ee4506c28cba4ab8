"""The PostgreSQL driver: reads in snapshots on pooled connections, one writer at a time by a row lock.

A room is a schema of a database (`?schema=name` in its URL). Everything runs in the calling thread. A reading
transaction begins in the same round trip as its first statement, if that has no parameters, and ends
without waiting for the answer. The writer holds the row of `rr_room`; others wait for it, in other processes too.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

from ...errors import MissingExtra, NotARoom, RoomDamaged, RoomNotFound, RoomReadOnly
from ..plans import ALONE, Fetch, Plan, Row, Statement, Writing
from ..sqltext import quoted

try:
    import psycopg
    from psycopg.pq import TransactionStatus
except ImportError as error:
    raise MissingExtra(package="psycopg", extra="postgres") from error

from .postgres_address import parse_address
from .postgres_errors import translated
from .postgres_pool import Link, Pool
from .postgres_statements import execute, raw_rows, stream_rows

__all__ = ["PostgresDriver"]

T = TypeVar("T")
Durability = Literal["full", "normal"]

_WATCH_SECONDS = 0.1

_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Statements see what was committed before each of them: so a writer sees what the one before it wrote.
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_NOT_DURABLE = "SET LOCAL synchronous_commit TO off"
_LOCK = "SELECT schema_revision FROM rr_room FOR UPDATE"
_HAS_ROOM = (
    "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = %s AND c.relname = 'rr_room'"
)
_CONTENTS = (
    "SELECT count(c.oid) FROM pg_catalog.pg_namespace n"
    " LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid WHERE n.nspname = %s GROUP BY n.oid"
)
_TABLES = b"SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = %s ORDER BY tablename"


class PostgresDriver:
    """One schema of a PostgreSQL database as a `Driver`. Construction connects to nothing.

    `where` is the URL without its password. InvalidValue where the URL is not one.
    """

    dialect = "postgresql"
    alone = False

    def __init__(self, url: str, *, read_only: bool = False, durability: Durability = "full") -> None:
        address = parse_address(url)
        self.where = address.where
        self.schema = address.schema
        self.read_only = read_only
        self.durability = durability
        self.statements = 0
        self._links = Pool(address, read_only=read_only)
        self._writing = threading.RLock()
        self._is_writing = False

    # --- running plans ---

    def run(self, plan: Plan[T]) -> T:
        """Run a reading plan in one snapshot."""
        with self._reading() as transaction:
            return self._drive(transaction, plan)

    def write(self, plan: Plan[T], writing: Writing = ALONE) -> T:
        """Run a plan as the one writer: committed when it returns, rolled back when it raises."""
        with self._transaction() as transaction:
            self._lock_room(transaction)
            result = self._drive(transaction, plan)
            transaction.commit()
        return result

    def stream(self, plan: Plan[tuple[Fetch, Callable[[list[Row]], T]]], size: int) -> Iterator[T]:
        """What the plan makes of the rows of its statement, `size` at a time, of one snapshot, in bounded memory."""
        with self._reading() as transaction:
            fetch, shape = self._drive(transaction, plan)
            self.statements += 1
            for rows in stream_rows(transaction.connection, fetch, size):
                yield shape(rows)

    def watch(self, seconds: float) -> None:
        """Wait until another process may have committed something, or `seconds` have passed."""
        time.sleep(min(seconds, _WATCH_SECONDS))

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """No other thread of this process writes in this block, and no connection of it is idle."""
        with self._writing:
            self._links.close_idle()
            yield

    def compact(self) -> None:
        """Give space that is not used back to the file system, one table after the other. Readers wait for it."""
        if self.read_only:
            raise RoomReadOnly(path=self.where)
        with self.exclusive(), self._link() as link:
            names = [name for (name,) in link.connection.execute(_TABLES, (self.schema,)).fetchall()]
            for name in names:
                table = f"{quoted(self.schema)}.{quoted(name)}"
                link.connection.execute(f"VACUUM (FULL, ANALYZE) {table}".encode(), prepare=False)

    def version(self) -> str:
        """Such as "PostgreSQL 18.4"."""
        with self._link() as link:
            told = link.connection.info.parameter_status("server_version") or ""
        return f"PostgreSQL {told.partition(' ')[0]}"

    def close(self) -> None:
        """Close every connection: those in use when their plan or stream ends."""
        self._links.close()

    # --- the room ---

    def has_room(self) -> bool:
        """Whether the schema is there and has a room in it; RoomNotFound where even the database is missing."""

        def plan() -> Plan[bool]:
            return bool((yield Fetch(_HAS_ROOM, (self.schema,))))

        return self.run(plan())

    def make_room(self, plan: Plan[Any]) -> bool:
        """Run the plan that makes a room, in one transaction and in a schema made for it where there is none.

        False where another process was faster; NotARoom where the schema has other things in it.
        """
        with self._transaction() as transaction:
            connection = transaction.begin(_WRITE).connection
            connection.execute(b"SELECT pg_advisory_xact_lock(%s)", (_lock_number(self.schema),))
            if connection.execute(_HAS_ROOM.encode(), (self.schema,)).fetchone():
                plan.close()
                return False
            found = connection.execute(_CONTENTS.encode(), (self.schema,)).fetchone()
            if found is None:
                connection.execute(f"CREATE SCHEMA {quoted(self.schema)}".encode())
            elif found[0]:
                reason = f"the schema {self.schema} has other tables and no rr_room"
                raise NotARoom(path=self.where, reason=reason)
            self._drive(transaction, plan)
            transaction.commit()
            return True

    # --- transactions ---

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Callable[[Statement], Any]]:
        """What answers statements one by one, all of them in one snapshot."""
        with self._reading() as transaction:
            yield transaction.execute

    @contextlib.contextmanager
    def _reading(self) -> Iterator[_Transaction]:
        self._links.check_usable()
        transaction = _Transaction(self._links, _READ, prepare=False)
        try:
            with self._translated():
                yield transaction
        finally:
            transaction.end()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[_Transaction]:
        if self.read_only:
            raise RoomReadOnly(path=self.where)
        self._links.check_usable()
        with self._writing:
            if self._is_writing:
                raise RuntimeError("a plan is being written by this thread; another one would wait for it forever")
            self._is_writing = True
            transaction = _Transaction(self._links, _WRITE, prepare=True)
            try:
                with self._translated():
                    yield transaction
            finally:
                self._is_writing = False
                transaction.undo()

    def _lock_room(self, transaction: _Transaction) -> None:
        begin = f"{_WRITE}; {_NOT_DURABLE}" if self.durability == "normal" else _WRITE
        try:
            rows = transaction.begin(begin, _LOCK).rows
        except psycopg.errors.UndefinedTable:
            raise RoomNotFound(path=self.where) from None
        if len(rows) != 1:
            raise RoomDamaged(path=self.where, reason=f"rr_room has {len(rows)} rows instead of one")
        link = transaction.link
        if link.schema_revision not in (None, rows[0][0]):
            # Prepared statements may not fit any longer; psycopg forgets them when it rolls back.
            link.roll_back()
            transaction.begin(begin, _LOCK)
        link.schema_revision = rows[0][0]

    @contextlib.contextmanager
    def _link(self) -> Iterator[Link]:
        with self._translated():
            link = self._links.take()
            try:
                yield link
            finally:
                self._links.give_back(link)

    # --- statements ---

    def _drive(self, transaction: _Transaction, plan: Plan[T]) -> T:
        try:
            statement = next(plan)
            while True:
                self.statements += 1
                try:
                    result = transaction.execute(statement)
                except psycopg.Error as error:
                    transaction.failure = self._named(error)
                    statement = plan.throw(transaction.failure)
                else:
                    statement = plan.send(result)
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            plan.close()

    # --- errors ---

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            named = self._named(error)
            if named is error:
                raise
            raise named from error

    def _named(self, error: psycopg.Error) -> Exception:
        named = translated(error, self.where)
        if named is not error:
            named.__cause__ = error
        return named


class _Transaction:
    """One transaction: begun with its first statement, on a connection taken for it."""

    def __init__(self, links: Pool, begin: str, *, prepare: bool) -> None:
        self.failure: Exception | None = None
        self.rows: list[Row] = []  # of the statement that it began with
        self._links = links
        self._begin = begin
        self._prepare = prepare
        self._link: Link | None = None

    @property
    def link(self) -> Link:
        """Its connection, begun now if it was not."""
        if self._link is None:
            self.begin(self._begin)
        assert self._link is not None
        return self._link

    @property
    def connection(self) -> psycopg.Connection[Row]:
        """As `link`."""
        return self.link.connection

    def begin(self, begin: str, first: str | None = None) -> _Transaction:
        """Begin, and run `first` in the same round trip. A connection that died while it was idle is replaced."""
        sql = (begin if first is None else f"{begin}; {first}").encode()
        while True:
            link = self._link = self._link or self._links.take()
            try:
                cursor = link.connection.execute(sql, prepare=False)
            except psycopg.OperationalError:
                if not (link.pooled and link.connection.closed):
                    raise
                self._link = None
                continue
            while cursor.nextset():
                pass
            self.rows = raw_rows(cursor, ()) if first is not None else []
            return self

    def execute(self, statement: Statement) -> Any:
        """The result of a statement; errors are psycopg's."""
        if self._link is None and type(statement) is Fetch and not statement.parameters and not statement.storage:
            return self.begin(self._begin, statement.sql).rows
        return execute(self.connection, statement, prepare=self._prepare)

    def commit(self) -> None:
        """Commit; the error that made it impossible where a plan has passed over one."""
        link = self.link
        if link.state == TransactionStatus.INERROR and self.failure is not None:
            raise self.failure
        link.connection.execute(b"COMMIT", prepare=False)

    def end(self) -> None:
        """Let go of what was only read."""
        if self._link is not None:
            self._link.end_reading()
            self._links.give_back(self._link)

    def undo(self) -> None:
        """Let go of everything, and undo what was not committed."""
        if self._link is not None:
            with contextlib.suppress(psycopg.Error):
                self._link.roll_back()
            self._links.give_back(self._link)


def _lock_number(schema: str) -> int:
    digest = hashlib.blake2b(f"recordroom {schema}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
