"""Signed addresses: what anybody who has one may do with one component, for a short time, as the actor who asked for it.

A token is a payload and its HMAC-SHA256 under a key of the room, which no one else knows. It names method, component and end;
of an upload, size and MD5 too. The actor's rights are judged when it is used.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import msgspec

from ..errors import InvalidSignature, TokenExpired
from ..model.actor import Actor
from ..store.plans import Plan
from ..store.secrets import ROOM, Secret, keep_secret, secret_of

__all__ = ["FileToken", "read_token", "sign_token", "url_key"]

_KIND = "file_urls"
_LONGEST = 4096
_ABOUT = b"recordroom file url v1\0"


class FileToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, array_like=True):
    """What a token says. `expires` is in seconds since 1970."""

    method: str
    component: bytes
    database: str
    expires: int
    actor: Actor
    name: str = ""
    size: int | None = None
    md5: str = ""


def url_key(dialect: str) -> Plan[bytes]:
    """The room's key for addresses; made at the first use. A writing plan."""
    kept = yield from secret_of(dialect, ROOM, _KIND)
    if kept is None:
        kept = Secret(ROOM, _KIND, secrets.token_hex(32))
        yield from keep_secret(dialect, kept)
    return bytes.fromhex(kept.data)


def sign_token(key: bytes, token: FileToken) -> str:
    """The token as text that can stand in an address."""
    payload = msgspec.msgpack.encode(token)
    return f"{_text(payload)}.{_text(_mac(key, payload))}"


def read_token(key: bytes, text: str, now: float) -> FileToken:
    """What a token says; InvalidSignature for one that is forged or altered, TokenExpired for one that has ended."""
    try:
        if len(text) > _LONGEST:
            raise InvalidSignature
        payload, mac = map(_bytes, text.split("."))
        if not hmac.compare_digest(mac, _mac(key, payload)):
            raise InvalidSignature
        token = msgspec.msgpack.decode(payload, type=FileToken)
    except (ValueError, msgspec.MsgspecError):
        raise InvalidSignature from None
    if now >= token.expires:
        raise TokenExpired
    return token


def _mac(key: bytes, payload: bytes) -> bytes:
    return hmac.new(key, _ABOUT + payload, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
