"""Group commit: on an event loop, small writes that wait for each other share a transaction.

A task writes plans one after the other. Those that may be together run in one transaction, each in a savepoint
of its own, so that one that fails harms no other. Nobody hears anything before the transaction stands.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from ..plans import Plan, Writing

__all__ = ["Group", "Transaction", "Withdrawn"]

T = TypeVar("T")
_MOST = 100  # plans in one transaction
_LOOKS = 3  # turns of the loop in which a request that has arrived becomes one that waits here


class Withdrawn(Exception):
    """Nobody waits for the plan any more; it is to be undone."""


class Transaction(Protocol):
    """One writing transaction of a driver, begun by the time it is had; undone if it is left without `commit`."""

    async def savepoint(self) -> None:
        """Begin something that `undo` takes back."""

    async def drive(self, plan: Plan[Any], is_wanted: Callable[[], bool]) -> Any:
        """The result of the plan; Withdrawn once it is not wanted any more."""

    async def undo(self) -> None:
        """Back to the savepoint; raises where that cannot be, and nothing of the transaction stands."""

    async def commit(self, *, announce: bool) -> None:
        """Make it stand, and tell other processes where `announce` says so."""


class _Entry:
    """A plan that is to be written, what came of it, and who waits for that."""

    __slots__ = ("answer", "error", "plan", "result", "writing")

    def __init__(self, plan: Plan[Any], writing: Writing, answer: asyncio.Future[Any]) -> None:
        self.plan = plan
        self.writing = writing
        self.answer = answer
        self.result: Any = None
        self.error: Exception | None = None

    def is_wanted(self) -> bool:
        return not self.answer.done()

    def tell(self) -> None:
        if self.error is not None:
            self.fail(self.error)
        elif self.is_wanted():
            self.answer.set_result(self.result)

    def fail(self, error: Exception) -> None:
        if self.is_wanted():
            self.answer.set_exception(error)


class Group:
    """Writes the plans of one loop."""

    def __init__(self, transaction: Callable[[], AbstractAsyncContextManager[Transaction]]) -> None:
        self._transaction = transaction
        self.seconds = 0.03  # after so long a transaction takes nobody in any more
        self._waiting: deque[_Entry] = deque()
        self._task: asyncio.Task[None] | None = None

    async def write(self, plan: Plan[T], writing: Writing) -> T:
        """The result of the plan once it stands. Who is cancelled before the plan is done changes nothing."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(plan, writing, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._write_all())
        return await answer

    async def finish(self) -> None:
        """Wait until nothing is being written."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                await self._write_some(self._waiting.popleft())
        finally:
            self._task = None
            for entry in self._waiting:
                entry.answer.cancel()
            self._waiting.clear()

    async def _write_some(self, first: _Entry) -> None:
        """Write a plan, and with it what waits and may be together with it."""
        if not first.is_wanted():
            return
        entries = [first]
        try:
            async with self._transaction() as transaction:
                end = time.perf_counter() + self.seconds
                first.result = await transaction.drive(first.plan, first.is_wanted)
                while time.perf_counter() < end and (entry := await self._joining(entries)) is not None:
                    entries.append(entry)
                    await _apply(transaction, entry)
                await transaction.commit(announce=any(entry.writing.announce for entry in entries))
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait are told
            for entry in entries:
                entry.fail(error)
        except BaseException:
            for entry in entries:
                entry.answer.cancel()
            raise
        else:
            for entry in entries:
                entry.tell()

    async def _joining(self, entries: list[_Entry]) -> _Entry | None:
        """The next plan that may be in the same transaction; requests that are just arriving are waited for."""
        if not entries[0].writing.together or len(entries) == _MOST:
            return None
        for _ in range(_LOOKS):
            while self._waiting and self._waiting[0].writing.together:
                entry = self._waiting.popleft()
                if entry.is_wanted():
                    return entry
            if self._waiting:
                return None
            await asyncio.sleep(0)
        return None


async def _apply(transaction: Transaction, entry: _Entry) -> None:
    """Run a plan so that it is undone alone where it fails."""
    await transaction.savepoint()
    try:
        entry.result = await transaction.drive(entry.plan, entry.is_wanted)
    except Exception as error:  # noqa: BLE001 - it is told to who waits for it
        entry.error = error
        await transaction.undo()
