"""HTTP/1.1 with limits that uvicorn does not have: on the size and the time of headers, and on those who do not read.

What cannot even be read as a request is answered in the one shape of errors too.
"""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..errors import Error, InvalidRequest
from ..model import wire
from .errors import HeadersTooLarge, RequestTimeout
from .limits import Limits

__all__ = ["ABORT", "ARRIVED", "protocol_of"]

ABORT = "recordroom.abort"  # among a scope's extensions: ends the connection without waiting for anything
ARRIVED = "recordroom.arrived"  # among a scope's extensions: what says whether the whole body is there


def protocol_of(limits: Limits) -> type[HttpToolsProtocol]:
    """The protocol with these limits; uvicorn makes one for each connection."""
    return type("LimitedProtocol", (_Protocol,), {"limits": limits})


def _has_arrived(cycle: Any) -> bool:
    return not cycle.more_body


class _Protocol(HttpToolsProtocol):
    limits: Limits
    _in_head = True  # nothing, or only a part of a request's headers, has come
    _has_part = False  # a part of a request's headers has come
    _in_body = False  # a part of a request's body is still to come
    _begun = False  # there was a request
    _head_size = 0
    _size = 0  # of what came last
    _timer: asyncio.TimerHandle | None = None

    # --- headers ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.access_log = False  # whatever loggers are set to: addresses may hold keys
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._size = len(data)
        if self._in_head:
            self._head_size += self._size
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            if self._head_size > self.limits.head:
                self._refuse(HeadersTooLarge(limit=self.limits.head))
            elif self._timer is None and self._has_part:
                self._watch()
        elif self._in_body and self._timer is None and self._begun and self.cycle.response_complete:
            # The rest of a body that nobody wants is read for a while, so that the client gets to read the answer.
            self._timer = self.loop.call_later(self.limits.body_seconds, self.transport.abort)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {ABORT: self.transport.abort}
        self.scope["extensions"] = extensions
        self._in_head = self._has_part = True

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes behind a chunked body is of no use to anybody.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body = False, True
        self._unwatch()
        if self._is_large():
            self._refuse(HeadersTooLarge(limit=self.limits.head))
            return
        super().on_headers_complete()
        self._begun = "raw_path" in self.scope  # not where another protocol takes over
        if self._begun:
            extensions: dict[str, Any] | None = self.scope.get("extensions")
            if extensions is not None:
                extensions[ARRIVED] = partial(_has_arrived, self.cycle)

    def _is_large(self) -> bool:
        limit = self.limits.head
        if self._head_size <= limit and self._size <= limit:
            return False
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > limit

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = self._has_part = False
        self._in_head, self._head_size = True, 0
        self._unwatch()
        if not self.transport.is_closing():
            super().on_message_complete()

    # --- time ---

    def _watch(self) -> None:
        self._timer = self.loop.call_later(self.limits.head_seconds, self._late)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if not self.transport.is_closing():
            self._refuse(RequestTimeout(seconds=self.limits.head_seconds))

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            # An answer that nobody has fetched in all that time.
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    # --- refusals before there is a request ---

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            self._refuse(InvalidRequest(reason="it is not HTTP/1.1 as it should be"))

    def _refuse(self, error: Error) -> None:
        self._unwatch()
        body = wire.encode_error(error)
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\ncontent-type: {wire.JSON}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
