"""A driver for event loops behind the methods of one for threads, so that tests of what they do alike are written once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from recordroom.store.opening import async_driver
from recordroom.store.plans import ALONE, AsyncDriver, Driver, Fetch, Plan, Row, Writing

__all__ = ["OnLoop"]

T = TypeVar("T")


class OnLoop:
    """A driver on a loop of its own, in a thread; each call waits for it.

    What it has not got, and what a plan calls while it runs, the driver for threads does.
    """

    def __init__(self, driver: Driver, where: str) -> None:
        self._driver = driver
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.on_loop: AsyncDriver = async_driver(driver, where)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    @property
    def statements(self) -> int:
        return getattr(self.on_loop, "statements", self._driver.statements)

    def run(self, plan: Plan[T]) -> T:
        return self._driver.run(plan) if self._is_inside() else self._wait(self.on_loop.run(plan))

    def write(self, plan: Plan[T], writing: Writing = ALONE) -> T:
        if self._is_inside():
            return self._driver.write(plan, writing)
        return self._wait(self.on_loop.write(plan, writing))

    def stream(self, plan: Plan[tuple[Fetch, Callable[[list[Row]], T]]], size: int) -> Iterator[T]:
        stream = self.on_loop.stream(plan, size)

        async def chunk() -> tuple[T, ...]:
            try:
                return (await anext(stream),)
            except StopAsyncIteration:
                return ()

        try:
            while found := self._wait(chunk()):
                yield found[0]
        finally:
            self._wait(stream.aclose())

    def finish(self) -> None:
        self._wait(self.on_loop.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _is_inside(self) -> bool:
        return threading.get_ident() == self._thread.ident

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
