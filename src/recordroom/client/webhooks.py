"""For those who receive webhooks: whether a request is from the room that it says it is from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import InvalidSignature
from ..model.signing import verify

__all__ = ["verify_webhook"]


def verify_webhook(
    secret: str, headers: Mapping[str, str], body: bytes, *, tolerance: float = 300.0, now: float | None = None
) -> dict[str, Any]:
    """The body of a webhook's request, once its signature proved to be right; InvalidSignature otherwise.

    `secret` is what `recordroom webhook add` showed, `headers` are those of the request, `body` its bytes as they came.
    `tolerance` says how many seconds old it may be, so that what somebody has overheard cannot be sent again later;
    the same delivery may still come twice: the header `webhook-id` tells.
    """
    given = {name.lower(): value for name, value in headers.items()}
    verify(secret, given, body, time.time() if now is None else now, tolerance)
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidSignature(reason="the body is not JSON") from None
