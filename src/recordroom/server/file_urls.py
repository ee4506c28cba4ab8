"""Signed addresses: what anybody who has one may do with one component, for a short time, as the actor who asked for it.

A token is a payload and its HMAC-SHA256 under a key of the room, which no one else knows. It names method, component and end;
of an upload, size and MD5 too. The actor's rights are judged when it is used, and whether the
credential that asked for it is still good.
"""

from __future__ import annotations

import msgspec

from ..errors import TokenExpired
from ..model.actor import Actor
from .signed import read_signed, signed

__all__ = ["FileToken", "read_token", "sign_token"]

_ABOUT = b"recordroom file url v1"


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
    credential: bytes | None = None  # the Token entity that it ends with


def sign_token(key: bytes, token: FileToken) -> str:
    """The token as text that can stand in an address."""
    return signed(key, _ABOUT, token)


def read_token(key: bytes, text: str, now: float) -> FileToken:
    """What a token says; InvalidSignature for one that is forged or altered, TokenExpired for one that has ended."""
    token = read_signed(key, _ABOUT, text, FileToken)
    if now >= token.expires:
        raise TokenExpired
    return token
