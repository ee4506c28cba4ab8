"""Posting to addresses that others chose: bounded in time and bytes, never to where only this server could get.

A name is resolved once, every address that it has is judged, and the connection goes to one that was judged. Redirects
are not followed, and nothing of the answer's body is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

import h11

from ..errors import InvalidValue

__all__ = ["NotDelivered", "Poster", "check_url"]

_SECONDS = 15.0
_MOST_HEAD = 64 * 2**10  # bytes of an answer's head
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
Resolve = Callable[[str, int], Awaitable[list[str]]]


class NotDelivered(Exception):
    """It did not arrive; the text says why."""


class _Target(NamedTuple):
    host: str
    port: int
    path: str
    tls: bool
    authority: str


def check_url(url: str) -> SplitResult:
    """InvalidValue unless `url` is http or https with a host, and without user name and password."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    right = parts.scheme in ("http", "https") and parts.hostname and port != 0 and url.isascii() and url.isprintable()
    if not right or parts.username is not None or parts.password is not None or " " in url:
        expected = "an address such as https://example.org/hook, without user name and password"
        raise InvalidValue(type="Webhook", attribute="url", value=url, expected=expected)
    return parts


def _target(url: str) -> _Target:
    parts = check_url(url)
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(parts.hostname or "", parts.port or (443 if tls else 80), path, tls, parts.netloc)


class Poster:
    """Posts bodies. `private` allows addresses of private networks and of this machine."""

    def __init__(self, *, private: bool = False, seconds: float = _SECONDS, resolve: Resolve | None = None) -> None:
        self._private = private
        self._seconds = seconds
        self._resolve = resolve or _resolved

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Post; NotDelivered unless the answer is 2xx, in time."""
        try:
            target = _target(url)
        except InvalidValue as error:
            raise NotDelivered(error.message) from None
        try:
            async with asyncio.timeout(self._seconds):
                status = await self._status(target, body, headers)
        except TimeoutError:
            raise NotDelivered(f"no answer within {self._seconds:g} seconds") from None
        except (OSError, ssl.SSLError, h11.ProtocolError) as error:
            raise NotDelivered(f"{type(error).__name__}: {error}") from error
        if not 200 <= status < 300:
            reason = "; redirects are not followed" if 300 <= status < 400 else ""
            raise NotDelivered(f"the answer was {status}{reason}")

    async def _status(self, target: _Target, body: bytes, headers: Mapping[str, str]) -> int:
        address = await self._address(target)
        # The certificate is checked for the name, though the connection goes to the address.
        secure: dict[str, Any] = (
            {"ssl": ssl.create_default_context(), "server_hostname": target.host} if target.tls else {}
        )
        reader, writer = await asyncio.open_connection(address, target.port, limit=_MOST_HEAD, **secure)
        try:
            return await _exchange(reader, writer, target, body, headers)
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()

    async def _address(self, target: _Target) -> str:
        try:
            found = await self._resolve(target.host, target.port)
        except OSError:
            raise NotDelivered(f"{target.host} cannot be found") from None
        if not found:
            raise NotDelivered(f"{target.host} cannot be found")
        if not self._private and not all(map(_is_public, found)):
            raise NotDelivered(f"{target.host} is an address of a private network; [webhooks] private allows these")
        return found[0]


async def _resolved(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    return [str(each[4][0]) for each in found]


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(str(address.ipv4_mapped))
        if address.sixtofour or address.teredo or address in _NAT64 or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    target: _Target,
    body: bytes,
    headers: Mapping[str, str],
) -> int:
    """Send the request and read the head of its answer; the status."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD)
    given = [("host", target.authority), ("content-length", str(len(body))), ("connection", "close"), *headers.items()]
    writer.write(connection.send(h11.Request(method="POST", target=target.path, headers=given)) or b"")
    writer.write(connection.send(h11.Data(body)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(4096))
        elif isinstance(event, h11.Response):
            return event.status_code
        elif not isinstance(event, h11.InformationalResponse):
            raise NotDelivered("the connection was closed without an answer")
