"""The event hub: Socket.IO 0.9 over WebSockets, with events from the room's journal.

`GET /socket.io/1/` proves who somebody is, by headers or in the query string, and gives an address that is good once;
the WebSocket there is theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from ...errors import Error
from ...server.auth.identity import Identity
from ...server.call import Call, ClientGone, Receive, Send
from ...server.errors import MethodNotAllowed, NoSuchPath
from ...server.service import Service
from ...server.settings import ServerSettings
from .channels import Channel
from .connection import Connection
from .credentials import identified, identified_by_headers
from .errors import body_of
from .tickets import Holder, give_ticket, take_ticket

__all__ = ["Hub"]

_LOG = logging.getLogger("recordroom.server")
_HANDSHAKE = ("/socket.io/1", "/socket.io/1/")
_SOCKET = "/socket.io/1/websocket/"
_SHORTEST_HEARTBEAT = 0.01
_SILENT_SECONDS, _CLOSE_SECONDS = 30, 60  # what clients are told; ftrack's do not look


class Hub:
    """The mount of `/socket.io`."""

    prefixes = ("/socket.io",)

    def __init__(self, service: Service, settings: ServerSettings) -> None:
        self._service = service
        self._channels: dict[Holder, Channel] = {}
        self._connections: dict[Connection, asyncio.Event] = {}
        service.farewells.append(self.farewell)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """A handshake, or a connection."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        call = Call(self._service, scope, receive, send)
        if self._service.stopping.is_set():
            await call.answer(b"the server stops", "text/plain", 503)
            return
        try:
            body = await self._handshake(call)
            await call.answer(body.encode(), "text/plain")
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - the client needs an answer, whatever it is
            if not isinstance(error, Error):
                _LOG.exception("a handshake of the event hub failed")
            if not call.status:
                status = error.status if isinstance(error, Error) else 500
                await call.answer(body_of(error), "application/json", status)

    async def farewell(self) -> None:
        """Tell everybody that it ends, and wait until they know."""
        ended = list(self._connections.values())
        for connection in list(self._connections):
            connection.end()
        await asyncio.gather(*(each.wait() for each in ended))

    async def close(self) -> None:
        """The server has stopped."""
        for channel in self._channels.values():
            channel.stop()

    # --- the handshake ---

    async def _handshake(self, call: Call) -> str:
        path = call.scope["path"]
        if path not in _HANDSHAKE:
            raise NoSuchPath(path=path[:200])
        if call.method != "GET":
            raise MethodNotAllowed(path=path, method=call.method, allowed="GET")
        identity = await self._identity(call)
        ticket = await give_ticket(self._service, identity)
        return f"{ticket}:{_SILENT_SECONDS}:{_CLOSE_SECONDS}:websocket"

    async def _identity(self, call: Call) -> Identity:
        given = _query(call.scope)
        if "api_user" in given or "api_key" in given:
            return await identified(self._service, given.get("api_user", ""), given.get("api_key", ""))
        return await identified_by_headers(call)

    # --- connections ---

    async def _socket(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        path: str = scope["path"]
        try:
            if not path.startswith(_SOCKET) or self._service.stopping.is_set():
                raise NoSuchPath(path=path[:200])
            holder = await take_ticket(self._service, path.removeprefix(_SOCKET).strip("/"))
            with self._service.listening(holder.actor):
                async with self._channel(holder) as channel:
                    await send({"type": "websocket.accept"})
                    beat = max(self._service.limits.heartbeat_seconds, _SHORTEST_HEARTBEAT)
                    await self._serve(Connection(self._service, channel, receive, send, beat))
        except Error as error:
            _LOG.debug("a socket was refused: %s", error.code)
            await send({"type": "websocket.close"})

    async def _serve(self, connection: Connection) -> None:
        ended = self._connections[connection] = asyncio.Event()
        if self._service.stopping.is_set():
            connection.end()
        try:
            await connection.run()
        finally:
            del self._connections[connection]
            ended.set()

    @contextlib.asynccontextmanager
    async def _channel(self, holder: Holder) -> AsyncIterator[Channel]:
        """The channel of a credential, as long as somebody uses it."""
        channel = self._channels.get(holder)
        if channel is None or channel.ended:
            channel = self._channels[holder] = Channel(self._service, holder)
        channel.users += 1
        try:
            await channel.start()
            yield channel
        finally:
            channel.users -= 1
            if not channel.users:
                channel.stop()
                if self._channels.get(holder) is channel:
                    del self._channels[holder]


def _query(scope: Mapping[str, Any]) -> dict[str, str]:
    try:
        return dict(parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return {}
