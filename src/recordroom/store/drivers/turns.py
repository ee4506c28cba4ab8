"""Whose turn it is to write: one thread or task at a time, in the order in which they came."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Turns"]


class _Waiter:
    """Somebody who has the turn or waits for it; `grant` says that it has come. A task has a loop."""

    __slots__ = ("grant", "loop", "thread")

    def __init__(self, grant: Callable[[], None], loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.grant = grant
        self.loop = loop
        self.thread = threading.get_ident()


class Turns:
    """A fair lock for threads (`with`, again inside of itself too) and for tasks (`await take()`, `give_back()`).

    A thread never waits for a task of its own event loop, which could not go on: RuntimeError.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._holder: _Waiter | None = None
        self._depth = 0
        self._waiting: deque[_Waiter] = deque()

    # --- threads ---

    def __enter__(self) -> None:
        granted = threading.Lock()
        me = _Waiter(granted.release)
        with self._guard:
            if self._holder is None:
                self._holder = me
                return
            if self._holder.loop is None and self._holder.thread == me.thread:
                self._depth += 1
                return
            self._refuse_own_loop(me.thread)
            granted.acquire()
            self._waiting.append(me)
        try:
            granted.acquire()
        except BaseException:
            self._withdraw(me)
            raise

    def __exit__(self, *exception: object) -> None:
        with self._guard:
            if self._depth:
                self._depth -= 1
                return
        self.give_back()

    def _refuse_own_loop(self, thread: int) -> None:
        if any(each.loop is not None and each.thread == thread for each in (self._holder, *self._waiting) if each):
            raise RuntimeError("a task of this thread's event loop is writing, and would be waited for forever")

    # --- tasks ---

    async def take(self) -> None:
        """Wait for the turn without holding up the loop."""
        loop = asyncio.get_running_loop()
        granted: asyncio.Future[None] = loop.create_future()
        me = _Waiter(lambda: _set(granted), loop)
        with self._guard:
            if self._holder is None:
                self._holder = me
                return
            self._waiting.append(me)
        try:
            await granted
        except BaseException:
            self._withdraw(me)
            raise

    # --- both ---

    def give_back(self) -> None:
        """Give the turn to who has waited longest."""
        while True:
            with self._guard:
                self._holder = following = self._waiting.popleft() if self._waiting else None
            if following is None or _granted(following):
                return

    def _withdraw(self, waiter: _Waiter) -> None:
        with self._guard:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                return
            had_it = self._holder is waiter
        if had_it:
            self.give_back()


def _granted(waiter: _Waiter) -> bool:
    """Tell that the turn has come; False where the loop that would hear it is closed."""
    if waiter.loop is None or waiter.thread == threading.get_ident():
        waiter.grant()
        return True
    try:
        waiter.loop.call_soon_threadsafe(waiter.grant)
    except RuntimeError:
        return False
    return True


def _set(granted: asyncio.Future[None]) -> None:
    if not granted.done():
        granted.set_result(None)
