"""Streams of pages: frames of msgpack, lines of JSON, or Arrow.

The first page is made before anything is sent, so that what is wrong with the query is an error like any other. What goes
wrong later ends a stream so that no client takes it for whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from io import BytesIO
from typing import Any

from ..errors import Error
from ..model import wire
from ..query.arrow import Output, batch_of, load, outputs_of, schema_of
from ..query.request import Page, QueryRequest
from .call import Call
from .json_form import write_json
from .values import page_shower

__all__ = ["STREAMED", "stream_pages"]

STREAMED = (wire.JSON_LINES, wire.MSGPACK, wire.ARROW)

Pages = AsyncIterator[Page]
Parts = AsyncIterator[bytes]


async def stream_pages(call: Call, request: QueryRequest, kind: str) -> None:
    """Answer with every page of a query as `kind`, one of `STREAMED`."""
    async with aclosing(call.service.stream(call.room, request)) as pages:
        first = await anext(pages, None)
        async with aclosing(await _parts(call, request, kind, _all(first, pages))) as parts:
            await call.stream(parts, kind)


async def _parts(call: Call, request: QueryRequest, kind: str, pages: Pages) -> Any:
    if kind == wire.MSGPACK:
        return _frames(pages)
    schema = await call.room.schema(request.database)
    if kind == wire.ARROW:
        # Made here, so that a path with many values in a row is refused before anything is sent.
        return _record_batches(pages, outputs_of(schema, request.query, request.parameters))
    shower = page_shower(request, schema)
    return _lines(pages, shower)


async def _all(first: Page | None, pages: Pages) -> Pages:
    if first is not None:
        yield first
    async for page in pages:
        yield page


async def _frames(pages: Pages) -> Parts:
    try:
        async for page in pages:
            yield wire.frame(page)
    except Error as error:
        yield wire.error_frame(error)
    else:
        yield wire.COMPLETE


async def _lines(pages: Pages, shower: Any) -> Parts:
    try:
        async for page in pages:
            yield write_json(shower(page)) + b"\n"
    except Error as error:
        yield wire.encode_error(error) + b"\n"
    else:
        yield b'{"complete":true}\n'


async def _record_batches(pages: Pages, columns: list[Output]) -> Parts:
    """An Arrow stream has no word for errors: one that breaks off has no end, and readers say so."""
    schema, sink = schema_of(columns), BytesIO()
    with load("pyarrow.ipc").new_stream(sink, schema) as writer:
        yield _taken(sink)
        async for page in pages:
            if page.count:
                writer.write_batch(batch_of(page, columns, schema))
                yield _taken(sink)
    yield _taken(sink)


def _taken(sink: BytesIO) -> bytes:
    """What was written since the last time."""
    found = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return found
