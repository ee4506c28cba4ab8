"""Signed texts: a payload and its HMAC-SHA256 under a key of the room, which no one else knows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any, TypeVar

import msgspec

from ..errors import InvalidSignature
from ..store.async_room import AsyncRoom
from ..store.plans import Plan
from ..store.secrets import ROOM, Secret, forget_secrets, keep_secret, secret_of

__all__ = ["FILES", "PAGES", "RoomKey", "forget_keys", "read_signed", "signed"]

T = TypeVar("T")
_LONGEST = 4096
FILES, PAGES = "file_urls", "pages"  # what there are keys for


class RoomKey:
    """The room's key for one kind of signed texts. It is read at each use, so that a new one holds at once in every process."""

    def __init__(self, room: AsyncRoom, kind: str) -> None:
        self._room = room
        self._kind = kind

    async def read(self) -> bytes:
        """The key as it is now; made at the first use."""
        room, dialect = self._room, self._room.driver.dialect
        kept = await room.read(room.requests.read(lambda _: secret_of(dialect, ROOM, self._kind)))
        if kept is None:
            kept = await room.write(room.requests.write(lambda _: _made(dialect, self._kind)))
        return bytes.fromhex(kept.data)


def _made(dialect: str, kind: str) -> Plan[Secret]:
    """The key, made unless another process was quicker."""
    kept = yield from secret_of(dialect, ROOM, kind)
    if kept is None:
        kept = Secret(ROOM, kind, secrets.token_hex(32))
        yield from keep_secret(dialect, kept)
    return kept


def forget_keys(dialect: str) -> Plan[None]:
    """End everything that was signed: the next use of each key makes another."""
    yield from forget_secrets(dialect, [ROOM], [FILES, PAGES])


def signed(key: bytes, about: bytes, value: Any) -> str:
    """A struct as a text that can stand in an address; `about` keeps one kind of them from being taken for another."""
    payload = msgspec.msgpack.encode(value)
    return f"{_text(payload)}.{_text(_mac(key, about, payload))}"


def read_signed(key: bytes, about: bytes, text: str, kind: type[T]) -> T:
    """What was signed; InvalidSignature for a text that is forged or altered."""
    try:
        if len(text) > _LONGEST:
            raise InvalidSignature(reason="it is no signed text of this room")
        payload, mac = map(_bytes, text.split("."))
        if not hmac.compare_digest(mac, _mac(key, about, payload)):
            raise InvalidSignature(reason="it is no signed text of this room")
        return msgspec.msgpack.decode(payload, type=kind)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidSignature(reason="it is no signed text of this room") from None


def _mac(key: bytes, about: bytes, payload: bytes) -> bytes:
    return hmac.new(key, about + b"\0" + payload, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
