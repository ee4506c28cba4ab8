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
from typing import Any, Literal, TypeGuard, TypeVar

from ...errors import MissingExtra, NotARoom, RoomDamaged, RoomNotFound, RoomReadOnly
from ..plans import ALONE, ROOM, TURN, Fetch, Plan, Row, Statement, Writing
from ..sqltext import quoted

try:
    import psycopg
    from psycopg.pq import TransactionStatus
except ImportError as error:
    raise MissingExtra(package="psycopg", extra="postgres") from error

from .postgres_address import parse_address
from .postgres_errors import interrupted
from .postgres_pool import Link, Pool
from .postgres_statements import Change, Select, declare, forward, steps_of
from .postgres_steps import Connection, take, take_step
from .turns import Turns

__all__ = ["PostgresDriver"]

T = TypeVar("T")
Durability = Literal["full", "normal"]

_WATCH_SECONDS = 0.2

READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Statements see what was committed before each of them: so a writer sees what the one before it wrote.
WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_NOT_DURABLE = "SET LOCAL synchronous_commit TO off"
LOCK = "SELECT schema_revision FROM rr_room FOR UPDATE"
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
        self.turns = Turns()
        self._is_writing = False
        self._hearing = threading.Lock()  # held by the thread that listens
        self._ear: Connection | None = None
        self._closed = False

    # --- running plans ---

    def run(self, plan: Plan[T]) -> T:
        """Run a reading plan in one snapshot."""
        with self._reading() as transaction:
            return self._drive(transaction, plan, in_snapshot=True)

    def write(self, plan: Plan[T], writing: Writing = ALONE) -> T:
        """Run a plan as the one writer: committed when it returns, rolled back when it raises."""
        with self._transaction() as transaction:
            self._lock_room(transaction)
            result = self._drive(transaction, plan)
            transaction.commit(notice(self.schema) if writing.announce else "")
        return result

    def stream(self, plan: Plan[tuple[Fetch, Callable[[list[Row]], T]]], size: int) -> Iterator[T]:
        """What the plan makes of the rows of its statement, `size` at a time, of one snapshot, in bounded memory."""
        with self._reading() as transaction:
            fetch, shape = self._drive(transaction, plan)
            self.statements += 1
            take_step(transaction.connection, declare(fetch))
            while rows := take_step(transaction.connection, forward(fetch, size)):
                yield shape(rows)

    def watch(self, seconds: float) -> None:
        """Wait until another process may have committed something, or `seconds` have passed."""
        self._links.check_usable()
        with self._hearing:
            try:
                self._hear(seconds)
            except psycopg.Error:
                # The connection is made anew the next time; meanwhile there is the look after a while.
                self._stop_hearing()
                time.sleep(min(seconds, _WATCH_SECONDS))
            if self._closed:
                self._stop_hearing()

    def _hear(self, seconds: float) -> None:
        if self._ear is None:
            self._ear = self._links.connect()
            self._ear.execute(f"LISTEN {channel(self.schema)}".encode(), prepare=False)
            # What was committed before it listened is still to be looked for.
            return
        for _ in self._ear.notifies(timeout=seconds, stop_after=1):
            pass

    def _stop_hearing(self) -> None:
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.close()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """No other thread of this process writes in this block, and no connection of it is idle."""
        with self.turns:
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
        self._closed = True
        self._links.close()
        if self._hearing.acquire(blocking=False):
            try:
                # Not in a process that was forked off: it would end the connection of the one that made it.
                if self._links.is_own:
                    self._stop_hearing()
            finally:
                self._hearing.release()

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
            connection = transaction.begin(WRITE).connection
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

    def rebuild(self, plan: Plan[T]) -> T:
        """Run a plan that changes the room's own tables, once nobody uses them. Others who want to do so wait."""
        with self._transaction() as transaction:
            connection = transaction.begin(WRITE).connection
            connection.execute(b"SELECT pg_advisory_xact_lock(%s)", (_lock_number(self.schema),))
            # Not the row that writers lock: who waits for it would be in the way of changing its table.
            connection.execute(b"LOCK TABLE rr_room IN ACCESS EXCLUSIVE MODE")
            result = self._drive(transaction, plan)
            transaction.commit()
            return result

    # --- transactions ---

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Callable[[Statement], Any]]:
        """What answers statements one by one, all of them in one snapshot."""
        with self._reading() as transaction:
            yield transaction.execute

    @contextlib.contextmanager
    def _reading(self) -> Iterator[_Transaction]:
        self._links.check_usable()
        transaction = _Transaction(self._links, READ, prepare=False)
        try:
            with self._translated(transaction):
                yield transaction
        finally:
            transaction.end()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[_Transaction]:
        if self.read_only:
            raise RoomReadOnly(path=self.where)
        self._links.check_usable()
        with self.turns:
            if self._is_writing:
                raise RuntimeError("a plan is being written by this thread; another one would wait for it forever")
            self._is_writing = True
            transaction = _Transaction(self._links, WRITE, prepare=True)
            try:
                with self._translated(transaction):
                    yield transaction
            finally:
                self._is_writing = False
                transaction.undo()

    def _lock_room(self, transaction: _Transaction) -> None:
        begin = begin_writing(self.durability)
        try:
            revision = check_room(transaction.begin(begin, LOCK).rows, self.where)
        except psycopg.errors.UndefinedTable:
            raise RoomNotFound(path=self.where) from None
        link = transaction.link
        if link.schema_revision not in (None, revision):
            # Prepared statements may not fit any longer; psycopg forgets them when it rolls back.
            transaction.roll_back()
            transaction.begin(begin, LOCK)
        link.schema_revision = revision

    @contextlib.contextmanager
    def _link(self) -> Iterator[Link[Connection]]:
        with self._translated():
            link = self._links.take()
            try:
                yield link
            finally:
                self._links.give_back(link)

    # --- statements ---

    def _drive(self, transaction: _Transaction, plan: Plan[T], *, in_snapshot: bool = False) -> T:
        room: list[Row] | None = None
        try:
            statement = next(plan)
            while True:
                if statement is TURN or (room is not None and statement is ROOM):
                    statement = plan.send(room if statement is ROOM else None)
                    continue
                self.statements += 1
                try:
                    result = transaction.execute(statement)
                except psycopg.Error as error:
                    transaction.failure = self._named(error, transaction)
                    statement = plan.throw(transaction.failure)
                else:
                    if in_snapshot and statement is ROOM:
                        room = result
                    statement = plan.send(result)
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            plan.close()

    # --- errors ---

    @contextlib.contextmanager
    def _translated(self, transaction: _Transaction | None = None) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            named = self._named(error, transaction)
            if named is error:
                raise
            raise named from error

    def _named(self, error: psycopg.Error, transaction: _Transaction | None) -> Exception:
        lost, ending = transaction is not None and transaction.is_lost, transaction is not None and transaction.ending
        named = interrupted(error, self.where, lost=lost, ending=ending)
        if named is not error:
            named.__cause__ = error
        return named


class _Transaction:
    """One transaction: begun with its first statement, on a connection taken for it."""

    def __init__(self, links: Pool, begin: str, *, prepare: bool) -> None:
        self.failure: Exception | None = None
        self.rows: list[Row] = []  # of the statement that it began with
        self.ending = False  # COMMIT was sent
        self._links = links
        self._begin = begin
        self._prepare = prepare
        self._link: Link[Connection] | None = None

    @property
    def link(self) -> Link[Connection]:
        """Its connection, begun now if it was not."""
        if self._link is None:
            self.begin(self._begin)
        assert self._link is not None
        return self._link

    @property
    def connection(self) -> Connection:
        """As `link`."""
        return self.link.connection

    @property
    def is_lost(self) -> bool:
        """Whether it had a connection that is gone."""
        return self._link is not None and self._link.connection.closed

    def begin(self, begin: str, first: str | None = None) -> _Transaction:
        """Begin, and run `first` in the same round trip. A connection that died while it was idle is replaced."""
        while True:
            link = self._link = self._link or self._links.take()
            try:
                self.rows = take_step(link.connection, beginning(begin, first)) or []
            except psycopg.OperationalError:
                if not (link.pooled and link.connection.closed):
                    raise
                self._link = None
                continue
            return self

    def execute(self, statement: Statement) -> Any:
        """The result of a statement; errors are psycopg's."""
        if self._link is None and can_begin(statement):
            return self.begin(self._begin, statement.sql).rows
        return take(self.connection, steps_of(statement, prepare=self._prepare))

    def commit(self, extra: str = "") -> None:
        """Commit; the error that made it impossible where a plan has passed over one."""
        link = self.link
        if link.state == TransactionStatus.INERROR and self.failure is not None:
            raise self.failure
        self.ending = True
        link.connection.execute(f"{extra}COMMIT".encode(), prepare=False)

    def roll_back(self) -> None:
        """Undo what was not committed; psycopg then forgets statements prepared for what is gone."""
        if self._link is not None and self._link.is_open:
            self._link.connection.execute(b"ROLLBACK", prepare=False)

    def end(self) -> None:
        """Let go of what was only read."""
        if self._link is not None:
            self._link.end_reading()
            self._links.give_back(self._link)

    def undo(self) -> None:
        """Let go of everything, and undo what was not committed."""
        if self._link is not None:
            with contextlib.suppress(psycopg.Error):
                self.roll_back()
            self._links.give_back(self._link)


# --- what the driver for event loops does alike ---


def beginning(begin: str, first: str | None = None) -> Select | Change:
    """What begins a transaction, with its first statement in the same round trip."""
    return Change(begin.encode()) if first is None else Select(f"{begin}; {first}".encode())


def can_begin(statement: Statement) -> TypeGuard[Fetch]:
    """Whether a statement may come in the same round trip as the beginning."""
    return type(statement) is Fetch and not statement.parameters and not statement.storage


def begin_writing(durability: Durability) -> str:
    """What begins a writing transaction."""
    return f"{WRITE}; {_NOT_DURABLE}" if durability == "normal" else WRITE


def check_room(rows: list[Row], where: str) -> int:
    """The schema revision of the row that is locked; RoomDamaged where there is none."""
    if len(rows) != 1:
        raise RoomDamaged(path=where, reason=f"rr_room has {len(rows)} rows instead of one")
    revision: int = rows[0][0]
    return revision


def channel(schema: str) -> str:
    """Where processes tell each other of commits to the room in a schema."""
    return f"recordroom_{hashlib.blake2b(schema.encode(), digest_size=12).hexdigest()}"


def notice(schema: str) -> str:
    """What tells them, before COMMIT."""
    return f"NOTIFY {channel(schema)}; "


def _lock_number(schema: str) -> int:
    digest = hashlib.blake2b(f"recordroom {schema}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)
