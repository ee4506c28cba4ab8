"""SQLite on an event loop: everything in the loop's own thread, in small pieces, with turns for others between them.

It is a face of a `SqliteDriver`, whose connections it shares. Statements of many rows run in pieces; when a plan has
been running for a moment, other tasks get their turn before its next piece. Small plans never wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial
from time import perf_counter, thread_time
from typing import Any, TypeVar

import apsw

from ...errors import QueryTimeout, RoomReadOnly
from ..plans import ALONE, ROOM, TURN, Fetch, Interrupted, Plan, Row, Writing
from ..wake import Wake
from .grouping import Group, Withdrawn
from .sqlite import SqliteDriver, roll_back
from .sqlite_statements import Rows, begin, execute, is_unfinished

__all__ = ["SqliteAsyncDriver"]

T = TypeVar("T")
_PIECE = 500  # rows
_FEW = 10  # rows that a thread steps over: beside a busy loop it is slow
_SLOW = 0.02  # seconds of work for a piece, from which on a thread does the next
_LARGE = 2_000  # rows changed, from which on a thread waits for the disk
_CLOCK_STEPS = 10_000  # of SQLite between looks at the clock: less than a millisecond
_MOMENT = 0.01  # seconds, after which a statement without a row so far goes to a thread
_REVISION = Fetch("SELECT revision FROM rr_room")


class SqliteAsyncDriver:
    """A `SqliteDriver` as an `AsyncDriver`, for one event loop. Closing it leaves the driver open."""

    dialect = "sqlite"

    def __init__(self, driver: SqliteDriver) -> None:
        self.where = driver.where
        self.read_only = driver.read_only
        self.budget: float | None = None  # seconds for a reading plan, and for each page of a stream
        self.turn_seconds = 0.0015  # how long a plan runs before others get their turn
        self._driver = driver
        self._group = Group(self._writing)
        self._copying: asyncio.Task[None] | None = None

    # --- running plans ---

    async def run(self, plan: Plan[T]) -> T:
        """Run a reading plan in one snapshot."""
        driver = self._driver
        try:
            connection = driver.take_reader()
            clock = _Clock(self.budget)
            connection.set_progress_handler(clock, _CLOCK_STEPS)
            try:
                connection.execute("BEGIN")
                return await self._drive(connection, plan, _always, clock)
            finally:
                connection.set_progress_handler(None)
                driver.give_back(connection)
        except apsw.InterruptError:
            raise QueryTimeout(seconds=self.budget) from None
        except apsw.Error as error:
            raise driver.named(error, None) from error

    async def write(self, plan: Plan[T], writing: Writing = ALONE) -> T:
        """Run a plan as the one writer, in a transaction that small plans may share."""
        if self.read_only:
            raise RoomReadOnly(path=self.where)
        return await self._group.write(plan, writing)

    async def stream(self, plan: Plan[tuple[Fetch, Callable[[list[Row]], T]]], size: int) -> AsyncGenerator[T, None]:
        """What the plan makes of the rows of its statement, `size` at a time, of one snapshot, in bounded memory."""
        driver = self._driver
        with driver.reader() as connection:
            clock = _Clock(self.budget)
            connection.set_progress_handler(clock, _CLOCK_STEPS)
            try:
                connection.execute("BEGIN")
                fetch, shape = await self._drive(connection, plan, _always, clock)
                driver.statements += 1
                with contextlib.closing(await self._begun(connection, fetch, clock)) as flow:
                    while chunk := await self._take(connection, flow, size, clock):
                        yield shape(chunk)
                        clock.start(self.budget)
            except apsw.InterruptError:
                raise QueryTimeout(seconds=self.budget) from None
            finally:
                connection.set_progress_handler(None)

    async def follow(self, wake: Wake) -> None:
        """Only this process writes, and announces itself: what there is already is all that is to be told."""
        if wake.revision == 0:

            def plan() -> Plan[int]:
                rows = yield _REVISION
                revision: int = rows[0][0]
                return revision

            wake.announce(await self.run(plan()))

    async def close(self) -> None:
        """Wait for what is being written."""
        await self._group.finish()
        self._driver.checkpoints_aside = False
        while self._copying is not None:
            await asyncio.wait([self._copying])

    # --- pieces and turns ---

    async def _drive(
        self, connection: apsw.Connection, plan: Plan[T], is_wanted: Callable[[], bool], clock: _Clock | None = None
    ) -> T:
        driver, seconds = self._driver, self.turn_seconds
        room: list[Row] | None = None
        end = perf_counter() + seconds
        try:
            statement = next(plan)
            while True:
                if room is not None and statement is ROOM:
                    statement = plan.send(room)
                    continue
                if statement is TURN:
                    if perf_counter() > end:
                        await _turn(is_wanted)
                        end = perf_counter() + seconds
                    statement = plan.send(None)
                    continue
                driver.statements += 1
                try:
                    if clock is not None and type(statement) is Fetch:
                        clock.hurry(end)
                        try:
                            result = execute(connection, statement, _PIECE)
                        except apsw.InterruptError:
                            result = None
                        finally:
                            clock.take_time()
                        if result is None:
                            result = await self._slowly(connection, statement, clock)
                    else:
                        result = execute(connection, statement, _PIECE)
                    if is_unfinished(result):
                        result = await self._finished(result, is_wanted)
                except apsw.Error as error:
                    statement = plan.throw(driver.named(error, connection))
                else:
                    if clock is not None and statement is ROOM:
                        room = result
                    statement = plan.send(result)
                if perf_counter() > end:
                    await _turn(is_wanted)
                    end = perf_counter() + seconds
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            plan.close()

    async def _finished(self, pieces: Any, is_wanted: Callable[[], bool]) -> Any:
        """The result of a statement of many rows."""
        end = 0.0
        with contextlib.closing(pieces):
            while True:
                if perf_counter() > end:
                    await _turn(is_wanted)
                    end = perf_counter() + self.turn_seconds
                try:
                    next(pieces)
                except StopIteration as stop:
                    return stop.value

    async def _slowly(self, connection: apsw.Connection, statement: Fetch, clock: _Clock) -> list[Row]:
        """The rows of a statement that takes long."""
        beginning = partial(begin, connection, statement)
        flow = _Flow(Rows(await self._aside(connection, beginning, clock), statement), slow=True)
        with contextlib.closing(flow):
            return await self._take(connection, flow, None, clock)

    async def _begun(self, connection: apsw.Connection, statement: Fetch, clock: _Clock) -> _Flow:
        """The rows of a statement that only reads, before the first of them."""
        clock.hurry(perf_counter())
        try:
            return _Flow(Rows(begin(connection, statement), statement), slow=False)
        except apsw.InterruptError:
            pass
        finally:
            clock.take_time()
        beginning = partial(begin, connection, statement)
        return _Flow(Rows(await self._aside(connection, beginning, clock), statement), slow=True)

    async def _aside(self, connection: apsw.Connection, work: Callable[[], T], clock: _Clock) -> T:
        """Do what takes long in a thread: it is one call of SQLite, or few, with little Python."""
        clock.check()
        working = asyncio.create_task(asyncio.to_thread(work))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            # What has not begun yet does not hear it.
            while not working.done():
                connection.interrupt()
                await asyncio.wait([working], timeout=_MOMENT)
            working.exception()
            raise

    async def _take(self, connection: apsw.Connection, flow: _Flow, size: int | None, clock: _Clock) -> list[Row]:
        """The next rows, or all; while they come slowly, a thread waits for them. The loop gets its turn at least once."""
        found: list[Row] = []
        while size is None or len(found) < size:
            most = _FEW if flow.slow else _PIECE
            wanted = most if size is None else min(most, size - len(found))
            if flow.slow:
                piece = await self._aside(connection, partial(flow.take, wanted), clock)
            else:
                await asyncio.sleep(0)
                piece = flow.take(wanted)
            found += piece
            if len(piece) < wanted:
                break
        return found

    # --- writing ---

    @contextlib.asynccontextmanager
    async def _writing(self) -> AsyncIterator[_Transaction]:
        driver = self._driver
        driver.check_usable()
        await driver.turns.take()
        try:
            with driver.translated():
                connection = driver.open_writer()
                driver.checkpoints_aside = True
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield _Transaction(self, connection)
                finally:
                    roll_back(connection)
            if driver.log_is_long and self._copying is None:
                self._copying = asyncio.create_task(self._copy_log())
        finally:
            driver.turns.give_back()

    async def _copy_log(self) -> None:
        """Copy the log into the database: one long call without Python, so that a thread takes nobody's time."""
        try:
            await asyncio.to_thread(self._driver.checkpoint)
        finally:
            self._copying = None


class _Flow:
    """Rows of a statement as they come. `slow`: there is much work between them."""

    __slots__ = ("_rows", "slow")

    def __init__(self, rows: Rows, *, slow: bool) -> None:
        self._rows = rows
        self.slow = slow

    def take(self, count: int) -> list[Row]:
        """The next rows."""
        began = thread_time()
        found = self._rows.take(count)
        self.slow = thread_time() - began > _SLOW
        return found

    def close(self) -> None:
        """Leave the rest."""
        self._rows.close()


class _Clock:
    """Ends statements of a connection that take too long, as its progress handler."""

    __slots__ = ("_budget", "_end")

    def __init__(self, budget: float | None) -> None:
        self.start(budget)

    def start(self, budget: float | None) -> None:
        """Begin to count anew."""
        self._budget = self._end = float("inf") if budget is None else perf_counter() + budget

    def hurry(self, now: float) -> None:
        """From then on a moment is all there is."""
        self._end = min(self._budget, now + _MOMENT)

    def take_time(self) -> None:
        """What is left of the budget may be used."""
        self._end = self._budget

    def check(self) -> None:
        """InterruptError where nothing is left."""
        if self():
            raise apsw.InterruptError("the budget is used up")

    def __call__(self) -> bool:
        return perf_counter() > self._end


class _Transaction:
    """A writing transaction that is open."""

    def __init__(self, driver: SqliteAsyncDriver, connection: apsw.Connection) -> None:
        self._driver = driver
        self._connection = connection
        self._saved = False
        self._changes = connection.total_changes()

    async def savepoint(self) -> None:
        if self._saved:
            self._connection.execute("RELEASE rr_group")
        self._connection.execute("SAVEPOINT rr_group")
        self._saved = True

    async def drive(self, plan: Plan[Any], is_wanted: Callable[[], bool]) -> Any:
        return await self._driver._drive(self._connection, plan, is_wanted)

    async def undo(self) -> None:
        if not self._connection.in_transaction:
            # Some failures undo everything.
            raise Interrupted(reason=f"{self._driver.where}: a commit beside this one failed", unknown=False)
        self._connection.execute("ROLLBACK TO rr_group")

    async def commit(self, *, announce: bool) -> None:
        if self._connection.total_changes() - self._changes < _LARGE:
            self._connection.execute("COMMIT")
            return
        # Writing many pages is one long call without Python, so that a thread takes nobody's time.
        committing = asyncio.create_task(asyncio.to_thread(self._connection.execute, "COMMIT"))
        try:
            await asyncio.shield(committing)
        except asyncio.CancelledError:
            await asyncio.wait([committing])
            committing.exception()
            raise


async def _turn(is_wanted: Callable[[], bool]) -> None:
    await asyncio.sleep(0)
    if not is_wanted():
        raise Withdrawn


def _always() -> bool:
    return True
