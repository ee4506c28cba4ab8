"""The address that a client knows the server by: what the settings say, or where its request went."""

from __future__ import annotations

import re

from ...server.call import Call
from ...server.settings import ServerSettings

__all__ = ["address_of"]

_HOST = re.compile(r"[A-Za-z0-9.\-_\[\]:]{1,255}")


def address_of(call: Call, settings: ServerSettings) -> str:
    """Scheme and host, without a slash at the end; "" where nothing says so."""
    if settings.url:
        return settings.url.rstrip("/")
    host = call.headers.get(b"host", b"").decode("latin-1")
    return f"{call.scope['scheme']}://{host}" if _HOST.fullmatch(host) else ""
