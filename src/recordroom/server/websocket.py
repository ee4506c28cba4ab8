"""Events over a WebSocket: one message says what to hear of and from where, then parts of the journal come as they are made.

The first message is `{"after": 17, "subscriptions": ["topic=render.*"], "database": "main"}` as JSON text or msgpack, and the
answers have the same form; without `after` it begins now. Another such message takes the place of the first from then
on. Who cannot send the header Authorization puts `authorization` into the first message. Each part says the `position`
to resume at. Before an error closes the socket, it is sent as JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import Error, InvalidRequest, NotAuthenticated, PastPruned, PermissionDenied
from ..model import wire
from ..query.subscriptions import Followed, FollowRequest, Subscription
from .call import Receive, Send
from .service import Service
from .stream import HEARTBEAT, Follower, frames, json_frame
from .waiting import race

__all__ = ["answer_websocket"]

PATH = "/v1/events"
RESTARTING, TOO_LARGE, FAILED = 1012, 1009, 1011
BAD_REQUEST, UNAUTHENTICATED, FORBIDDEN, TIMED_OUT, GONE = 4400, 4401, 4403, 4408, 4410
_MOST_BYTES = 64 * 2**10  # of a message from the client
_FIRST_SECONDS = 10.0


class Message(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a client sends."""

    after: int | None = None
    subscriptions: list[Subscription] = msgspec.field(default_factory=lambda: ["*"])
    database: str = "main"
    subscriber: dict[str, str] = {}
    authorization: str | None = None


class Closed(Exception):
    """The client has closed the socket."""


class Refused(Exception):
    """The socket is to be closed with a code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


async def answer_websocket(service: Service, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
    """Serve one WebSocket until either side closes it."""
    await receive()  # websocket.connect
    if scope["path"] != PATH:
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    socket = _Socket(service, dict(scope["headers"]), receive, send)
    try:
        await socket.run()
    except (Closed, TimeoutError):
        # Gone, or so slow that it is as good as gone.
        return
    except Refused as refused:
        await socket.close(refused.code, refused.reason)
    except Error as error:
        await socket.fail(error)


class _Socket:
    """One WebSocket. A task takes what the client sends; the latest message counts."""

    def __init__(self, service: Service, headers: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        self._service = service
        self._receive = receive
        self._send = send
        given = headers.get(b"authorization")
        self._authorization = None if given is None else given.decode("latin-1")
        self._binary = False
        self._message: Message | None = None
        self._arrived = asyncio.Event()
        self._ended: BaseException | None = None
        self._rested = False

    # --- what the client sends ---

    async def _take(self) -> None:
        """Read messages until the client closes; what is wrong with one ends the socket."""
        try:
            while True:
                message = await self._receive()
                if message["type"] == "websocket.disconnect":
                    raise Closed
                self._message = self._read(message)
                self._arrived.set()
        except (Closed, Refused, Error) as error:
            self._ended = error
            self._arrived.set()

    def _read(self, message: Mapping[str, Any]) -> Message:
        data = message.get("bytes")
        self._binary = data is not None
        body: bytes = message["text"].encode() if data is None else data
        if len(body) > _MOST_BYTES:
            raise Refused(TOO_LARGE, "the message is too large")
        if self._binary:
            return wire.decode(body, Message)
        try:
            found = msgspec.json.decode(body, type=Message)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequest(reason=str(error)) from None
        return found

    async def _first(self) -> None:
        try:
            async with asyncio.timeout(_FIRST_SECONDS):
                await self._arrived.wait()
        except TimeoutError:
            raise Refused(TIMED_OUT, "nothing was asked for") from None

    def _news(self) -> Message | None:
        """What has arrived since the last look."""
        self._arrived.clear()
        if self._ended is not None:
            raise self._ended
        found, self._message = self._message, None
        return found

    # --- what it gets ---

    async def run(self) -> None:
        """Serve until it ends."""
        taking = asyncio.ensure_future(self._take())
        try:
            await self._first()
            message = self._news()
            assert message is not None
            follower = await self._follow(message, None)
            with self._service.listening(follower.room.actor):
                await self._go_on(follower)
        finally:
            taking.cancel()

    async def _go_on(self, follower: Follower) -> None:
        while True:
            await self._deliver(follower)
            message = self._news()
            if message is not None:
                follower = await self._follow(message, follower)

    async def _follow(self, message: Message, before: Follower | None) -> Follower:
        if message.authorization is not None:
            self._authorization = message.authorization
        after = message.after if message.after is not None or before is None else before.position
        request = FollowRequest(
            after=after,
            subscriptions=message.subscriptions,
            database=message.database,
            subscriber=message.subscriber,
        )
        follower = Follower(self._service, self._authorization, request)
        self._rested = False
        await self._part(follower, Followed(position=await follower.begin()))
        return follower

    async def _deliver(self, follower: Follower) -> None:
        """What there is now; then wait for more, for the client or for the end."""
        before = follower.position
        followed = await follower.step()
        for part in frames(followed, before):
            await self._part(follower, part)
        if self._service.stopping.is_set():
            raise Refused(RESTARTING, "the server stops; come again")
        if self._rested and followed.position == before:
            # Also tells whether the client is still there.
            await self._part(follower, Followed(position=before))
        self._rested = not followed.more
        if not followed.more:
            await race(follower.rest(HEARTBEAT), self._arrived.wait(), self._service.stopping.wait())

    async def _part(self, follower: Follower, part: Followed) -> None:
        if self._binary:
            await self._say(bytes=wire.encode(part))
        else:
            await self._say(text=msgspec.json.encode(await json_frame(follower.room, part)).decode())

    async def _say(self, **data: Any) -> None:
        async with asyncio.timeout(self._service.limits.stall_seconds):
            await self._send({"type": "websocket.send", **data})

    async def fail(self, error: Error) -> None:
        """Say what is wrong, and close."""
        try:
            await self._say(text=wire.encode_error(error).decode())
        except (OSError, TimeoutError):
            return
        await self.close(_code(error), error.code)

    async def close(self, code: int, reason: str) -> None:
        """Close it."""
        try:
            async with asyncio.timeout(self._service.limits.stall_seconds):
                await self._send({"type": "websocket.close", "code": code, "reason": reason[:100]})
        except (OSError, TimeoutError):
            return


def _code(error: Error) -> int:
    if isinstance(error, NotAuthenticated):
        return UNAUTHENTICATED
    if isinstance(error, PermissionDenied):
        return FORBIDDEN
    if isinstance(error, PastPruned):
        return GONE
    return BAD_REQUEST if error.status < 500 else FAILED
