"""Wake-ups: who waits for new revisions is woken when there are some, in threads and on event loops alike.

Commits of this process announce their revision themselves. What other processes commit is seen by `watch`, which
the driver does: one waiting thread does it for all of them, and on a loop a task of the driver.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable

__all__ = ["Wake"]

_LOOK_SECONDS = 1.0  # the net: nobody sleeps longer without looking
_Task = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class Wake:
    """The newest revision of a room that this process knows of, and who waits for one above it."""

    def __init__(self) -> None:
        self.revision = 0
        self._changed = threading.Condition()
        self._tasks: set[_Task] = set()
        self._watched = False

    def announce(self, revision: int) -> None:
        """There is `revision`: wake who waits for it. It must be committed."""
        if revision <= self.revision:
            return
        with self._changed:
            self.revision = max(self.revision, revision)
            tasks, self._tasks = self._tasks, set()
            self._changed.notify_all()
        for loop, woken in tasks:
            # A loop that was closed meanwhile has nobody who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_set, woken)

    async def awaited(self, after: int, timeout: float | None = None) -> int:
        """The newest revision once it is above `after`, or when `timeout` seconds have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self.revision <= after:
                    await self._next(after)
        return self.revision

    async def _next(self, after: int) -> None:
        loop = asyncio.get_running_loop()
        task = loop, loop.create_future()
        with self._changed:
            if self.revision > after:
                return
            self._tasks.add(task)
        try:
            await task[1]
        finally:
            with self._changed:
                self._tasks.discard(task)

    def waited(self, after: int, timeout: float | None, watch: Callable[[float], int] | None) -> int:
        """As `awaited`, for a thread.

        `watch(seconds)` gives the room's revision after another process may have committed, or after some `seconds`;
        None where no other process writes. One of the threads that wait does it for all.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while self.revision <= after and (end is None or time.monotonic() < end):
            left = _left(end, None if watch is None else _LOOK_SECONDS)
            if not self._takes_watch(after, left, watch is not None):
                continue
            assert watch is not None
            try:
                self.announce(watch(left))
            finally:
                self._end_watch()
        return self.revision

    def _takes_watch(self, after: int, seconds: float, wanted: bool) -> bool:
        """Whether this thread is to watch now. Otherwise it has slept until something changed."""
        with self._changed:
            if wanted and not self._watched:
                self._watched = True
                return True
            if self.revision <= after:
                self._changed.wait(seconds)
            return False

    def _end_watch(self) -> None:
        with self._changed:
            self._watched = False
            self._changed.notify_all()


def _left(end: float | None, most: float | None) -> float:
    left = float("inf") if end is None else max(end - time.monotonic(), 0.0)
    return min(left, threading.TIMEOUT_MAX if most is None else most)


def _set(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
