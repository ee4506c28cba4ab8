"""Addresses of servers, in one form, so that two that mean the same compare equal."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from ..errors import InvalidValue

__all__ = ["is_loopback", "is_server", "server_url"]

_PORTS = {"http": 80, "https": 443}


def is_server(where: object) -> bool:
    """Whether an address is a server's, and not a folder or a database."""
    return str(where).partition("://")[0].lower() in _PORTS


def server_url(text: str) -> str:
    """The address without what may differ: letter case, the usual port, a slash at the end.

    InvalidValue for an address with a user, a password, a query or a fragment; it is not shown, as it may be secret.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise _invalid() from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS or not host or "@" in parts.netloc or parts.query or parts.fragment:
        raise _invalid()
    if not text.isascii() or not text.strip().isprintable() or " " in text.strip():
        raise _invalid()
    name = f"[{host}]" if ":" in host else host
    place = name if port in (None, _PORTS[scheme]) else f"{name}:{port}"
    return f"{scheme}://{place}{parts.path.rstrip('/')}"


def is_loopback(url: str) -> bool:
    """Whether what is sent there stays on this machine."""
    host = (urlsplit(url).hostname or "").lower()
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _invalid() -> InvalidValue:
    expected = "https://host, with a port and a path where needed, and without a user, a password or a query"
    return InvalidValue(
        f"The address of a server is {expected}.", type="room", attribute="where", value="…", expected=expected
    )
