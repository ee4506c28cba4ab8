"""One call over HTTP: what was sent, read within limits, and the answer on its way out."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import zstandard

from ..errors import InvalidRequest, RequestTooLarge
from ..model import wire
from ..model.operations import Commit
from ..query.request import PreviewRequest
from ..store.async_room import AsyncRoom
from .amounts import check_json, check_msgpack, is_plain_json, is_plain_msgpack
from .auth.identity import Identity
from .errors import NotAcceptable, RequestTimeout, UnsupportedContent
from .json_form import read_json, write_json
from .metrics import Metrics
from .negotiation import chosen_encoding, chosen_type
from .protocol import ABORT, ARRIVED
from .service import Service
from .values import raw_commit, raw_preview, shown_answer

__all__ = ["Call", "ClientGone"]

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

STRUCTS = (wire.JSON, wire.MSGPACK)
_JSON_NAMES = (b"", b"application/json", b"text/json")
_MSGPACK_NAMES = (b"application/msgpack", b"application/x-msgpack", b"application/vnd.msgpack")
_NO_BODY = (204, 304)
_NO_EXTENSIONS: dict[str, Any] = {}


class ClientGone(Exception):
    """The client went away before all was said."""


class Call:
    """`room` and `identity` are who asks; open routes have neither. `argument` is the last part of the path."""

    room: AsyncRoom
    identity: Identity

    document: Callable[[], bytes]  # what OpenAPI says of all routes
    metrics: Metrics

    def __init__(self, service: Service, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        self.service = service
        self.scope = scope
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = b""
        self.argument = ""
        self.actor = ""  # the name of who asks, once it is known
        self.route = ""  # the path of its route, as the table has it
        self.status = 0  # of the answer, once it has begun
        self.ended = False
        self.always: list[tuple[bytes, bytes]] = []  # headers of the answer, whatever it is
        self._body: bytes | None = None  # all of it, once it has come
        self.receive = receive
        self.send = send

    async def identify(self) -> Identity:
        """Who asks, by the header Authorization; NotAuthenticated where it proves nothing."""
        given = self.headers.get(b"authorization")
        self.identity = await self.service.accounts.identify(None if given is None else given.decode("latin-1"))
        self.actor = self.identity.actor.name
        self.room = self.service.acting(self.identity.actor)
        return self.identity

    def expect(self) -> bool:
        """As `identify`, where that can be left to the requests that `room` is given; whether it can."""
        given = self.headers.get(b"authorization")
        found = self.service.accounts.expect(None if given is None else given.decode("latin-1"))
        if found is None:
            return False
        self.identity, guard = found
        self.actor = self.identity.actor.name
        self.room = self.service.room.acting(self.identity.actor, guard)
        return True

    # --- what was sent ---

    @property
    def client(self) -> str:
        """The address that asks."""
        found = self.scope.get("client")
        return found[0] if found else ""

    def parameters(self, *names: str) -> dict[str, str]:
        """The parameters of the address; InvalidRequest for one that is not of `names`, or is given twice."""
        text = self.scope["query_string"]
        if not text:
            return {}
        try:
            pairs = parse_qsl(
                text.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=50
            )
        except ValueError:
            raise InvalidRequest(reason="the part of the address behind the question mark cannot be read") from None
        found = dict(pairs)
        for name in found:
            if name not in names:
                raise InvalidRequest(
                    reason=f"there is no parameter {name[:100]!r}; there are {', '.join(names) or 'none'}"
                )
        if len(found) != len(pairs):
            raise InvalidRequest(reason="a parameter is given twice")
        return found

    async def take(self, kind: type[T], most: int | None = None) -> T:
        """The body as a `kind`; RequestTooLarge for one of more than `most` bytes, or of too many values."""
        given = self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if self.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise UnsupportedContent(taken="it is (without content-encoding)", given="compressed")
        if given in _MSGPACK_NAMES:
            data, values = await self.body(most), self.service.limits.values
            if not is_plain_msgpack(data, values):
                await asyncio.to_thread(check_msgpack, data, values)
            return wire.decode(data, kind)
        if given not in _JSON_NAMES:
            raise UnsupportedContent(taken=" or ".join(STRUCTS), given=given.decode("latin-1")[:100])
        data, values = await self.body(most), self.service.limits.values
        if not is_plain_json(data, values):
            await asyncio.to_thread(check_json, data, values)
        return await self._raw(read_json(data, kind))

    async def _raw(self, request: T) -> T:
        """The request, with values as the wire has them instead of as people write them."""
        if isinstance(request, Commit):
            return cast(T, raw_commit(request, await self.room.schema(request.database)))
        if isinstance(request, PreviewRequest):
            return cast(T, raw_preview(request, await self.room.schema(request.database)))
        return request

    async def body(self, most: int | None = None) -> bytes:
        """All of the body, if it is not too large and comes in time."""
        if self._body is None:
            limit = min(self.service.limits.body, most or self.service.limits.body)
            self._check_length(limit)
            message = await self._next()
            if not message.get("more_body"):
                self._body = message.get("body", b"")
                if len(self._body) > limit:
                    raise RequestTooLarge(limit=limit)
            else:
                self._body = await self._rest(message, limit)
        return self._body

    def _check_length(self, limit: int) -> None:
        length = self.headers.get(b"content-length")
        if length is not None and int(length) > limit:
            raise RequestTooLarge(limit=limit)

    async def _rest(self, message: Message, limit: int) -> bytes:
        held = bytearray()
        while True:
            held += message.get("body", b"")
            if len(held) > limit:
                raise RequestTooLarge(limit=limit)
            if not message.get("more_body"):
                return bytes(held)
            message = await self._next()

    async def _next(self) -> Message:
        if self.scope.get("extensions", _NO_EXTENSIONS).get(ARRIVED, _never)():
            return self._here(await self.receive())
        seconds = self.service.limits.body_seconds
        try:
            async with asyncio.timeout(seconds):
                message = await self.receive()
        except TimeoutError:
            raise RequestTimeout(seconds=seconds) from None
        return self._here(message)

    def _here(self, message: Message) -> Message:
        if message["type"] == "http.disconnect":
            raise ClientGone
        return message

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, however large. RequestTimeout where the next piece takes too long."""
        more = True
        while more:
            message = await self._next()
            more = message.get("more_body", False)
            if data := message.get("body", b""):
                yield data

    async def gone(self) -> None:
        """Wait until the client goes away. What it sends meanwhile is dropped."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    # --- the answer ---

    def wants(self, *offered: str) -> str:
        """Which of the content types the client likes best; NotAcceptable where it likes none."""
        found = chosen_type(self.headers.get(b"accept", b""), offered)
        if found is None:
            raise NotAcceptable(offered=" or ".join(offered))
        return found

    async def give(self, value: Any, request: Any = None) -> None:
        """Answer with a struct, a list of structs or a plain value; in JSON as what `request` asked for is read."""
        if self.wants(*STRUCTS) == wire.MSGPACK:
            await self.answer(wire.encode(value), wire.MSGPACK)
            return
        if request is not None:
            value = shown_answer(value, request, await self.room.schema(request.database))
        await self.answer(write_json(value), wire.JSON)

    async def answer(self, body: bytes, content_type: str, status: int = 200, *more: tuple[bytes, bytes]) -> None:
        """Answer with these bytes."""
        headers = self._headers(content_type, more)
        encoding = self._encoding() if len(body) >= self.service.limits.squeeze else None
        if encoding is not None:
            body = _squeezed(body, encoding)
            headers += [(b"content-encoding", encoding.encode()), (b"vary", b"accept-encoding")]
        if status not in _NO_BODY:
            headers.append((b"content-length", b"%d" % len(body)))
        await self._start(status, headers)
        await self._write(body, more=False)

    async def stream(self, parts: AsyncIterator[bytes], content_type: str) -> None:
        """Answer with parts as they come. A client that does not read on is left after a time."""
        headers = self._headers(content_type, ())
        encoding = self._encoding()
        if encoding is not None:
            headers += [(b"content-encoding", encoding.encode()), (b"vary", b"accept-encoding")]
        squeeze = _Squeezer(encoding)
        await self._start(200, headers)
        async for part in parts:
            await self._patiently(squeeze(part))
        await self._write(squeeze.end(), more=False)

    async def send_bytes(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], parts: AsyncIterator[bytes] | None
    ) -> None:
        """Answer with parts as they are, under headers that say how many bytes they have; None where none are sent."""
        await self._start(status, self._headers("", tuple(headers)))
        if parts is not None:
            async for part in parts:
                await self._patiently(part)
        await self._write(b"", more=False)

    async def _patiently(self, part: bytes) -> None:
        """Send a part; ClientGone where the client reads nothing for too long."""
        try:
            async with asyncio.timeout(self.service.limits.stall_seconds):
                await self._write(part, more=True)
        except TimeoutError:
            # What waits to be sent is given up with the connection.
            self.scope.get("extensions", _NO_EXTENSIONS).get(ABORT, _nothing)()
            raise ClientGone from None

    def _headers(self, content_type: str, more: tuple[tuple[bytes, bytes], ...]) -> list[tuple[bytes, bytes]]:
        found = [
            (b"x-request-id", self.request_id),
            (b"x-recordroom-schema", b"%d" % self.service.schema_revision),
            (b"x-content-type-options", b"nosniff"),
            *self.always,
            *more,
        ]
        if content_type:
            found.append((b"content-type", content_type.encode()))
        return found

    def _encoding(self) -> str | None:
        accepted = self.headers.get(b"accept-encoding")
        return None if accepted is None else chosen_encoding(accepted)

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def _write(self, body: bytes, *, more: bool) -> None:
        if not more:
            self.ended = True
        await self.send({"type": "http.response.body", "body": body, "more_body": more})


def _never() -> bool:
    return False


def _nothing() -> None:
    """Where there is no connection to end."""


# --- compression ------------------------------------------------------------------------------------

_ZSTD_LEVEL, _GZIP_LEVEL = 3, 1


def _squeezed(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.compress(body, _GZIP_LEVEL, mtime=0)
    return zstandard.ZstdCompressor(_ZSTD_LEVEL).compress(body)


class _Squeezer:
    """Compresses parts one by one, so that each can be read as soon as it has come."""

    def __init__(self, encoding: str | None) -> None:
        self._flush: Any = None
        if encoding == "gzip":
            self._inner: Any = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)
            self._flush, self._finish = zlib.Z_SYNC_FLUSH, zlib.Z_FINISH
        elif encoding == "zstd":
            self._inner = zstandard.ZstdCompressor(_ZSTD_LEVEL).compressobj()
            self._flush, self._finish = zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH

    def __call__(self, part: bytes) -> bytes:
        if self._flush is None:
            return part
        found: bytes = self._inner.compress(part) + self._inner.flush(self._flush)
        return found

    def end(self) -> bytes:
        """What is still to be sent."""
        found: bytes = b"" if self._flush is None else self._inner.flush(self._finish)
        return found
