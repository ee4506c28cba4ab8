"""Signatures of webhooks, as https://www.standardwebhooks.com says: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from ..errors import InvalidSignature

__all__ = ["ID", "SIGNATURE", "TIMESTAMP", "new_secret", "sign", "verify"]

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_PREFIX = "whsec_"


def new_secret() -> str:
    """A secret for one webhook."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, delivery: str, timestamp: int, body: bytes) -> str:
    """What stands in the header `webhook-signature`; `timestamp` is in seconds since 1970."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise InvalidSignature(reason="the secret is not one of a webhook") from None
    digest = hmac.new(key, f"{delivery}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def verify(secret: str, headers: dict[str, str], body: bytes, now: float, tolerance: float) -> None:
    """InvalidSignature unless one of the signatures in `headers` (names in lower case) is right and not too old."""
    delivery, stamp, given = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not (delivery and given and stamp.isascii() and stamp.isdigit() and len(stamp) < 19):
        raise InvalidSignature(reason="its headers are not there")
    if abs(now - int(stamp)) > tolerance:
        raise InvalidSignature(reason="it was signed too long ago, or in the future")
    expected = sign(secret, delivery, int(stamp), body).encode()
    # All of them are compared, each in the same time.
    if not any([hmac.compare_digest(expected, each.encode()) for each in given.split(" ")]):  # noqa: C419
        raise InvalidSignature(reason="it is not the one of this body")
