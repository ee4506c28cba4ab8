"""A driver of threads as one of an event loop: it holds up the loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from ..plans import ALONE, Driver, Fetch, Plan, Row, Writing
from ..wake import Wake

T = TypeVar("T")


class InlineDriver:
    """A `Driver` of the calling thread as an `AsyncDriver`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.dialect = driver.dialect
        self.where = driver.where
        self.read_only = driver.read_only

    async def run(self, plan: Plan[T]) -> T:
        """As of a driver."""
        return self._driver.run(plan)

    async def write(self, plan: Plan[T], writing: Writing = ALONE) -> T:
        """As of a driver."""
        return self._driver.write(plan, writing)

    async def stream(self, plan: Plan[tuple[Fetch, Callable[[list[Row]], T]]], size: int) -> AsyncGenerator[T, None]:
        """As of a driver."""
        for each in self._driver.stream(plan, size):
            yield each

    async def follow(self, wake: Wake) -> None:
        """As of a driver."""

        def plan() -> Plan[int]:
            rows = yield Fetch("SELECT revision FROM rr_room")
            revision: int = rows[0][0]
            return revision

        wake.announce(await self.run(plan()))

    async def close(self) -> None:
        """Nothing."""
