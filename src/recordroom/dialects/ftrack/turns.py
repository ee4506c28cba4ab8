"""Long work on the event loop, in turns with what others want."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

__all__ = ["in_turns"]

T = TypeVar("T")
_AT_ONCE = 500


async def in_turns(items: Sequence[T]) -> AsyncIterator[Sequence[T]]:
    """All items, some at a time; between them it is the turn of others."""
    for start in range(0, len(items), _AT_ONCE):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + _AT_ONCE]
