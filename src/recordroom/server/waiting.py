"""Waiting for the first of several things."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Any

from ..errors import Error

__all__ = ["race", "until_first"]


async def race(*waiting: Awaitable[Any]) -> int:
    """The place of the one that is done first, of those done at once the last; the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in waiting]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done = [place for place, task in enumerate(tasks) if task.done()]
        tasks[done[-1]].result()
        return done[-1]
    finally:
        for task in tasks:
            task.cancel()
        # Those that are cancelled are let finish, so that none holds the database.
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def until_first(*waiting: Awaitable[Any]) -> None:
    """Until one of them is done or has failed; the others are cancelled. What it fails with is for whoever looks next."""
    with contextlib.suppress(Error):
        await race(*waiting)
