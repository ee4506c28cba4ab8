"""Streams of pages: frames of msgpack, lines of JSON, or Arrow.

The first page is made before anything is sent, so that what is wrong with the query is an error like any other. What goes
wrong later ends a stream so that no client takes it for whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from ..errors import Error
from ..model import wire
from ..query.request import Page, QueryRequest
from .call import Call
from .json_form import write_json

__all__ = ["STREAMED", "stream_pages"]

STREAMED = (wire.JSON_LINES, wire.MSGPACK)


async def stream_pages(call: Call, request: QueryRequest, kind: str) -> None:
    """Answer with every page of a query as `kind`, one of `STREAMED`."""
    async with aclosing(call.service.stream(call.room, request)) as pages:  # type: ignore[type-var]
        first = await anext(pages, None)
        parts = _frames(first, pages) if kind == wire.MSGPACK else _lines(first, pages)
        async with aclosing(parts):  # type: ignore[type-var]
            await call.stream(parts, kind)


async def _frames(first: Page | None, pages: AsyncIterator[Page]) -> AsyncIterator[bytes]:
    try:
        if first is not None:
            yield wire.frame(first)
        async for page in pages:
            yield wire.frame(page)
    except Error as error:
        yield wire.error_frame(error)
    else:
        yield wire.COMPLETE


async def _lines(first: Page | None, pages: AsyncIterator[Page]) -> AsyncIterator[bytes]:
    try:
        if first is not None:
            yield write_json(first) + b"\n"
        async for page in pages:
            yield write_json(page) + b"\n"
    except Error as error:
        yield wire.encode_error(error) + b"\n"
    else:
        yield b'{"complete":true}\n'
