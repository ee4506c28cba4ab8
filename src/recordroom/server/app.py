"""The shell on HTTP: an ASGI application that leads calls to routes and makes answers of what went wrong.

Every answer carries `x-request-id` (the given one, if it is clean) and `x-recordroom-schema`; every error has the one
shape of `model.wire`.
"""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import time
from collections.abc import Iterable
from typing import Any

from ..errors import Error
from ..model import wire
from .auth.accounts import Renewed
from .call import Call, ClientGone, Message, Receive, Send
from .errors import RequestTimeout
from .logs import RequestLog
from .metrics import Metrics
from .mount import Mount, Mounts
from .openapi import document
from .route import Route, Routes
from .routes import ROUTES
from .service import Service
from .websocket import answer_websocket

__all__ = ["App"]

_LOG = logging.getLogger("recordroom.server")
_CLEAN_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


class App:
    """The ASGI application of one service. Paths of `mounts` are theirs to answer."""

    def __init__(
        self,
        service: Service,
        routes: Iterable[Route] = ROUTES,
        log: RequestLog | None = None,
        mounts: Iterable[Mount] = (),
    ) -> None:
        self.service = service
        self.log = log
        self.routes = Routes(routes)
        self.mounts = Mounts(mounts)
        self.metrics = Metrics(service)
        self._document = b""
        self._prefix = secrets.token_hex(4).encode()
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One request, or one WebSocket."""
        mounted = self.mounts.find(scope["path"])
        if mounted is not None:
            await self._mounted(*mounted, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await answer_websocket(self.service, scope, receive, send)
            return
        began = time.perf_counter()
        call = Call(self.service, scope, receive, send)
        call.metrics = self.metrics
        call.request_id = self._request_id(call)
        await self._answer(call)
        self._done(call, time.perf_counter() - began)

    async def _mounted(self, mount: Mount, prefix: str, scope: Any, receive: Receive, send: Send) -> None:
        """Let a mount answer; its requests are counted under its prefix."""
        if scope["type"] == "websocket":
            await mount(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await mount(scope, receive, sending)
        finally:
            self.metrics.observe(scope["method"], prefix, status, time.perf_counter() - began)
            if self.log is not None:
                number = b"%s-%d" % (self._prefix, next(self._numbers))
                self.log.note(number, "", f"{scope['method']} {prefix}", status, time.perf_counter() - began)

    def document(self) -> bytes:
        """What OpenAPI says of the routes."""
        if not self._document:
            self._document = document(self.routes.all)
        return self._document

    def _done(self, call: Call, seconds: float) -> None:
        self.metrics.observe(call.method, call.route, call.status, seconds)
        if self.log is not None:
            identity = getattr(call, "identity", None)  # open routes have none
            actor = "" if identity is None else identity.actor.name
            self.log.note(call.request_id, actor, f"{call.method} {call.route}", call.status, seconds)

    def _request_id(self, call: Call) -> bytes:
        given = call.headers.get(b"x-request-id")
        if given is not None and _CLEAN_ID.fullmatch(given):
            return given
        return b"%s-%d" % (self._prefix, next(self._numbers))

    async def _answer(self, call: Call) -> None:
        try:
            await self._lead(call)
        except ClientGone:
            return
        except Error as error:
            await self._fail(call, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer and the log the reason
            _LOG.exception("request %s failed", call.request_id.decode())
            await self._fail(call, error)

    async def _lead(self, call: Call) -> None:
        path = call.scope["path"]
        if call.method == "OPTIONS" and not self.routes.answers(path, "OPTIONS"):
            allowed = ", ".join(self.routes.allowed(path)).encode()
            await call.answer(b"", "", 204, (b"allow", allowed))
            return
        route, call.argument = self.routes.find(call.method, path)
        call.document = self.document
        call.route = route.path
        if route.guarded and call.expect():
            try:
                await route.handler(call)
            except Renewed:
                if call.status:
                    raise
            else:
                return
        if not route.open:
            await call.identify()
        await route.handler(call)

    async def _fail(self, call: Call, error: Exception) -> None:
        if call.status:
            # The answer has begun and cannot become another; the connection is closed.
            return
        status = error.status if isinstance(error, Error) else 500
        await call.answer(wire.encode_error(error), wire.JSON, status, *_more_headers(error))


def _more_headers(error: Exception) -> list[tuple[bytes, bytes]]:
    facts = error.facts if isinstance(error, Error) else {}
    found = []
    if getattr(error, "status", 500) == 401:
        found.append((b"www-authenticate", b'Bearer realm="recordroom"'))
    if getattr(error, "status", 500) == 405:
        found.append((b"allow", facts["allowed"].encode()))
    if isinstance(error, RequestTimeout):
        found.append((b"connection", b"close"))
    if isinstance(facts.get("retry_after"), int):
        found.append((b"retry-after", b"%d" % facts["retry_after"]))
    return found
