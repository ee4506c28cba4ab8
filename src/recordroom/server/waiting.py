"""Waiting for the first of several things."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable

from ..errors import Error

__all__ = ["until_first"]


async def until_first(*awaited: Awaitable[object]) -> None:
    """Until one of them is done or has failed; the others are cancelled. What they fail with is for whoever looks next."""
    waiting = [asyncio.ensure_future(each) for each in awaited]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
        for each in waiting:
            with contextlib.suppress(asyncio.CancelledError, Error):
                await each
