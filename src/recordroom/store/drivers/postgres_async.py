"""PostgreSQL on an event loop: what the driver for threads does, awaited.

Statements, conversions and errors are the same. Small writes that wait share a transaction (`grouping`), as the row
lock lets in one writer at a time. A task that is cancelled closes its connection, which undoes what it began.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Literal, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from ...errors import Error, QueryTimeout, RoomNotFound, RoomReadOnly
from ..plans import ALONE, ROOM, TURN, Fetch, Interrupted, Plan, Row, Statement, Writing
from ..wake import Wake
from .grouping import Group, Withdrawn
from .postgres import LOCK, READ, PostgresDriver, begin_writing, beginning, can_begin, channel, check_room, notice
from .postgres_address import parse_address
from .postgres_errors import interrupted
from .postgres_pool import AsyncPool, Link
from .postgres_statements import Change, declare, forward, steps_of
from .postgres_steps import AsyncConnection, take_async, take_step_async

__all__ = ["PostgresAsyncDriver"]

T = TypeVar("T")
_LISTEN_SECONDS = 1.0  # the net: the revision is read again after so long without a word
_AGAIN_SECONDS = 0.2
_REVISION = Fetch("SELECT revision FROM rr_room")


class PostgresAsyncDriver:
    """One schema of a PostgreSQL database as an `AsyncDriver`, for one event loop. Construction connects to nothing.

    `driver` is that of this process's threads: a task and a thread do not write at the same time.
    """

    dialect = "postgresql"

    def __init__(self, url: str, driver: PostgresDriver) -> None:
        address = parse_address(url)
        self.where = address.where
        self.schema = address.schema
        self.read_only = driver.read_only
        self.durability: Literal["full", "normal"] = driver.durability
        self.statements = 0
        self.budget: float | None = None  # seconds for a reading plan, and for each page of a stream
        self._driver = driver
        self._links = AsyncPool(address, read_only=driver.read_only)
        self._group = Group(self._writing)
        self._listener: asyncio.Task[None] | None = None
        self._listens = False

    # --- running plans ---

    async def run(self, plan: Plan[T]) -> T:
        """Run a reading plan in one snapshot."""
        async with self._reading() as transaction, self._budgeted():
            return await self._drive(transaction, plan, _always, in_snapshot=True)

    async def write(self, plan: Plan[T], writing: Writing = ALONE) -> T:
        """Run a plan as the one writer, in a transaction that small plans may share."""
        if self.read_only:
            raise RoomReadOnly(path=self.where)
        return await self._group.write(plan, writing)

    async def stream(self, plan: Plan[tuple[Fetch, Callable[[list[Row]], T]]], size: int) -> AsyncGenerator[T, None]:
        """What the plan makes of the rows of its statement, `size` at a time, of one snapshot, in bounded memory."""
        async with self._reading() as transaction:
            async with self._budgeted():
                fetch, shape = await self._drive(transaction, plan, _always)
                self.statements += 1
                await transaction.take(declare(fetch))
            while True:
                async with self._budgeted():
                    rows = await transaction.take(forward(fetch, size))
                if not rows:
                    break
                yield shape(rows)

    async def close(self) -> None:
        """Close every connection, when what is being written is written."""
        await self._group.finish()
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            await asyncio.wait([listener])
        self._links.close()

    # --- what other processes commit ---

    async def follow(self, wake: Wake) -> None:
        """Tell `wake` of every revision from now on. A connection that listens is made anew when it is lost."""
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen(wake))
        if not self._listens:
            # What is committed once it listens, it tells; what is there already is read here.
            wake.announce(await self.run(_revision()))

    async def _listen(self, wake: Wake) -> None:
        while True:
            with contextlib.suppress(psycopg.Error, Error, OSError):
                await self._listen_once(wake)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _listen_once(self, wake: Wake) -> None:
        self._links.check_usable()
        connection = await self._links.connect()
        try:
            await connection.execute(f"LISTEN {channel(self.schema)}".encode(), prepare=False)
            while True:
                # Read after listening, and after every word: none is missed.
                cursor = await connection.execute(_REVISION.sql.encode(), prepare=False)
                for (revision,) in await cursor.fetchall():
                    wake.announce(revision)
                self._listens = True
                async for _ in connection.notifies(timeout=_LISTEN_SECONDS, stop_after=1):
                    pass
        finally:
            self._listens = False
            connection.pgconn.finish()

    @contextlib.asynccontextmanager
    async def _budgeted(self) -> AsyncIterator[None]:
        """QueryTimeout where the block takes longer than the budget; the statement ends on the server too."""
        try:
            async with asyncio.timeout(self.budget):
                yield
        except TimeoutError:
            raise QueryTimeout(seconds=self.budget) from None

    # --- transactions ---

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[_Transaction]:
        self._links.check_usable()
        transaction = _Transaction(self._links, READ, prepare=False)
        try:
            with self._translated(transaction):
                yield transaction
        finally:
            transaction.end()

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[_Written]:
        self._links.check_usable()
        await self._driver.turns.take()
        transaction = _Transaction(self._links, begin_writing(self.durability), prepare=True)
        try:
            with self._translated(transaction):
                await self._lock_room(transaction)
                yield _Written(self, transaction)
        finally:
            try:
                await transaction.undo()
            finally:
                self._driver.turns.give_back()

    async def _lock_room(self, transaction: _Transaction) -> None:
        try:
            revision = check_room(await transaction.begin(LOCK), self.where)
        except psycopg.errors.UndefinedTable:
            raise RoomNotFound(path=self.where) from None
        link = await transaction.begun()
        if link.schema_revision not in (None, revision):
            # Prepared statements may not fit any longer; psycopg forgets them when it rolls back.
            await transaction.roll_back()
            await transaction.begin(LOCK)
        link.schema_revision = revision

    # --- statements ---

    async def _drive(
        self, transaction: _Transaction, plan: Plan[T], is_wanted: Callable[[], bool], *, in_snapshot: bool = False
    ) -> T:
        room: list[Row] | None = None
        try:
            statement = next(plan)
            while True:
                if room is not None and statement is ROOM:
                    statement = plan.send(room)
                    continue
                if statement is TURN:
                    await asyncio.sleep(0)
                    statement = plan.send(None)
                    continue
                self.statements += 1
                try:
                    result = await transaction.execute(statement)
                except psycopg.Error as error:
                    transaction.failure = self._named(error, transaction)
                    statement = plan.throw(transaction.failure)
                else:
                    if not is_wanted():
                        raise Withdrawn
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
    def _translated(self, transaction: _Transaction) -> Any:
        try:
            yield
        except psycopg.Error as error:
            named = self._named(error, transaction)
            if named is error:
                raise
            raise named from error

    def _named(self, error: psycopg.Error, transaction: _Transaction) -> Exception:
        named = interrupted(error, self.where, lost=transaction.is_lost, ending=transaction.ending)
        if named is not error:
            named.__cause__ = error
        return named


class _Transaction:
    """One transaction: begun with its first statement, on a connection taken for it."""

    def __init__(self, links: AsyncPool, begin: str, *, prepare: bool) -> None:
        self.failure: Exception | None = None
        self.ending = False  # COMMIT was sent
        self._links = links
        self._begin = begin
        self._prepare = prepare
        self._link: Link[AsyncConnection] | None = None
        self._busy = False  # in the middle of something, or left in it

    @property
    def is_lost(self) -> bool:
        """Whether it had a connection that is gone."""
        return self._link is not None and self._link.connection.closed

    async def begun(self) -> Link[AsyncConnection]:
        """Its connection, begun now if it was not."""
        if self._link is None:
            await self.begin()
        assert self._link is not None
        return self._link

    async def begin(self, first: str | None = None) -> list[Row]:
        """Begin, and run `first` in the same round trip. A connection that died while it was idle is replaced."""
        while True:
            link = self._link = self._link or await self._links.take()
            try:
                return await self._take(link, beginning(self._begin, first)) or []
            except psycopg.OperationalError:
                if not (link.pooled and link.connection.closed):
                    raise
                self._link = None

    async def execute(self, statement: Statement) -> Any:
        """The result of a statement; errors are psycopg's."""
        if self._link is None and can_begin(statement):
            return await self.begin(statement.sql)
        link = await self.begun()
        with self._undisturbed(link):
            return await take_async(link.connection, steps_of(statement, prepare=self._prepare))

    async def run(self, sql: str) -> None:
        """Run SQL for its effect."""
        await self.take(Change(sql.encode()))

    def check(self) -> None:
        """Raise the error that a plan has passed over, if the transaction can only be undone because of it."""
        if self._link is not None and self._link.state == TransactionStatus.INERROR and self.failure is not None:
            raise self.failure

    async def commit(self, extra: str) -> None:
        """Commit."""
        self.ending = True
        await self.run(f"{extra}COMMIT")

    async def roll_back(self) -> None:
        """Undo what was not committed."""
        if self._link is not None and self._link.is_open:
            await self.run("ROLLBACK")

    def end(self) -> None:
        """Let go of what was only read."""
        if self._link is not None:
            self._link.end_reading()
            self._links.give_back(self._link)

    async def undo(self) -> None:
        """Let go of everything, and undo what was not committed."""
        if self._link is not None:
            with contextlib.suppress(psycopg.Error):
                await self.roll_back()
            self._links.give_back(self._link)

    async def take(self, step: Any) -> Any:
        """The result of one step."""
        return await self._take(await self.begun(), step)

    async def _take(self, link: Link[AsyncConnection], step: Any) -> Any:
        with self._undisturbed(link):
            return await take_step_async(link.connection, step)

    @contextlib.contextmanager
    def _undisturbed(self, link: Link[AsyncConnection]) -> Any:
        """Close the connection where a task is cancelled while it waits for an answer, which would come later."""
        try:
            yield
        except Exception:
            raise
        except BaseException:
            link.close()
            raise


class _Written:
    """A writing transaction as `grouping` has it."""

    def __init__(self, driver: PostgresAsyncDriver, transaction: _Transaction) -> None:
        self._driver = driver
        self._transaction = transaction
        self._saved = False

    async def savepoint(self) -> None:
        await self._transaction.run(f"{'RELEASE rr_group; ' if self._saved else ''}SAVEPOINT rr_group")
        self._saved = True

    async def drive(self, plan: Plan[Any], is_wanted: Callable[[], bool]) -> Any:
        result = await self._driver._drive(self._transaction, plan, is_wanted)
        self._transaction.check()
        return result

    async def undo(self) -> None:
        self._transaction.failure = None
        if self._transaction.is_lost:
            raise Interrupted(reason=f"{self._driver.where}: the connection was lost", unknown=False)
        await self._transaction.run("ROLLBACK TO rr_group")

    async def commit(self, *, announce: bool) -> None:
        await self._transaction.commit(notice(self._driver.schema) if announce else "")


def _revision() -> Plan[int]:
    rows = yield _REVISION
    revision: int = rows[0][0]
    return revision


def _always() -> bool:
    return True
