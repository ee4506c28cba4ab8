"""HTTP to one server: connections that are kept, one attempt of one request at a time.

Nothing is tried again here, no redirect is followed, and no status is an error. What breaks is `Broken`.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..errors import InvalidValue
from .urls import is_loopback

if TYPE_CHECKING:
    import urllib3

__all__ = ["Answer", "Broken", "Connections", "Message", "Options", "Streamed", "timeouts"]

_KEPT = 64  # idle connections
_PIECE = 1 << 16
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# What the transport says by itself, and nobody else.
_RESERVED = {"authorization", "content-type", "content-length", "accept", "host", "transfer-encoding", "connection"}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a server: seconds to connect and between two pieces of an answer, and what goes with each request.

    `ca_certs` is a file of certificates to trust instead of those of the machine.
    """

    connect: float = 10.0
    read: float = 120.0
    headers: Mapping[str, str] = {}
    cookies: Mapping[str, str] = {}
    ca_certs: str | None = None

    def __post_init__(self) -> None:
        for name, value in self.headers.items():
            if not _is_header(name, value) or name.lower() in _RESERVED:
                raise _wrong("headers", name, "names and printable texts, and none that the transport sets itself")
        for name, value in self.cookies.items():
            if not _is_header(name, value) or any(mark in value for mark in ' ",;\\'):
                raise _wrong("cookies", name, "names and printable texts without spaces, quotes, commas or semicolons")

    def fields(self) -> dict[str, str]:
        """The header fields of every request."""
        fields = {"User-Agent": _user_agent(), **self.headers}
        if self.cookies:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return fields


class Broken(Exception):
    """No whole answer came. `sent`: the server may have got the request; `lasting`: trying again would not help."""

    def __init__(self, reason: str, *, sent: bool = True, lasting: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.lasting = lasting


class Answer(NamedTuple):
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Message(NamedTuple):
    """A request as it is sent, its body as bytes or in pieces. `read`: seconds between two pieces of the answer, where it is not as usual."""

    method: str
    path: str
    body: bytes | Iterable[bytes] | None
    headers: Mapping[str, str]
    read: float | None = None


class Streamed:
    """An answer that is read piece by piece. `close` it where it is left early; its connection is not kept then."""

    def __init__(self, reply: urllib3.BaseHTTPResponse) -> None:
        self._reply = reply
        self.status: int = reply.status
        self.headers: Mapping[str, str] = reply.headers

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces, none of them large. Broken where it ends before it is whole."""
        with _translated():
            yield from self._reply.stream(_PIECE)
            self._reply.release_conn()

    def whole(self) -> Answer:
        """The rest at once, where the answer is not a stream after all."""
        return Answer(self.status, self.headers, b"".join(self.pieces()))

    def close(self) -> None:
        """Let go of it."""
        self._reply.close()


class _Place(NamedTuple):
    """A server's connections in one process, what stands in front of each path, and the headers of every request."""

    process: int
    manager: urllib3.PoolManager
    pool: urllib3.HTTPConnectionPool
    prefix: str
    fields: Mapping[str, str]


class Connections:
    """The connections to one server. Safe to call from several threads, and in a forked child. Opens nothing by itself."""

    def __init__(self, url: str, options: Options) -> None:
        self._url = url
        self._options = options
        self._lock = threading.Lock()
        self._made: _Place | None = None

    def send(self, message: Message, *, alone: bool = False) -> Answer:
        """One attempt of one request. `alone`: on a connection of its own, which nobody has closed meanwhile."""
        if not alone:
            return _whole(self._pool(), message)
        place = self._make()
        try:
            return _whole(place, message)
        finally:
            place.manager.clear()

    def stream(self, message: Message) -> Streamed:
        """One attempt of one request, whose answer is read as it comes."""
        with _translated():
            return Streamed(_ask(self._pool(), message, preload=False))

    def close(self) -> None:
        """Close what is open; the next request opens again."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None and made.process == os.getpid():
            made.manager.clear()

    def _pool(self) -> _Place:
        made = self._made
        # A forked child must not speak on its parent's connections.
        if made is None or made.process != os.getpid():
            with self._lock:
                made = self._made
                if made is None or made.process != os.getpid():
                    self._made = made = self._make()
        return made

    def _make(self) -> _Place:
        import urllib3
        from urllib3.util import make_headers, parse_url

        parts, fields = parse_url(self._url), self._options.fields()
        settings: dict[str, Any] = {
            "maxsize": _KEPT,
            "block": False,
            "timeout": urllib3.Timeout(connect=self._options.connect, read=self._options.read),
        }
        if parts.scheme == "https":
            settings["cert_reqs"] = "CERT_REQUIRED"
            if self._options.ca_certs is not None:
                settings["ca_certs"] = self._options.ca_certs
        proxy = _proxy(self._url)
        if proxy is None:
            manager = urllib3.PoolManager(**settings)
            return _Place(os.getpid(), manager, manager.connection_from_url(self._url), parts.path or "", fields)
        login = parse_url(proxy).auth
        manager = urllib3.ProxyManager(
            proxy, proxy_headers=make_headers(proxy_basic_auth=login) if login else None, **settings
        )
        # A proxy is told the whole address, but where it only passes bytes on, as it does for TLS.
        prefix = (parts.path or "") if parts.scheme == "https" else self._url
        return _Place(os.getpid(), manager, manager.connection_from_url(self._url), prefix, fields)


def _ask(place: _Place, message: Message, *, preload: bool) -> urllib3.BaseHTTPResponse:
    timeout = place.pool.timeout
    if message.read is not None:
        timeout = type(timeout)(connect=timeout.connect_timeout, read=message.read)
    return place.pool.urlopen(
        message.method,
        place.prefix + message.path,
        body=message.body,
        headers={**place.fields, **message.headers},
        timeout=timeout,
        retries=False,
        redirect=False,
        assert_same_host=False,  # the whole address, where a proxy is told it
        preload_content=preload,
    )


def _whole(place: _Place, message: Message) -> Answer:
    with _translated():
        reply = _ask(place, message, preload=True)
        return Answer(reply.status, reply.headers, reply.data)


class _translated:
    """What urllib3 and the system say, as `Broken`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and not isinstance(error, Broken):
            broken = _broken(error)
            if broken is not None:
                raise broken from error


def _broken(error: BaseException) -> Broken | None:
    from urllib3 import exceptions

    if isinstance(error, exceptions.ProxyError):
        return Broken("the proxy does not pass it on", sent=False)
    if isinstance(error, exceptions.NameResolutionError):
        return Broken("there is no host of that name", sent=False)
    # A NewConnectionError is a ConnectTimeoutError by descent.
    if isinstance(error, exceptions.NewConnectionError):
        return Broken("nothing answers there", sent=False)
    if isinstance(error, exceptions.ConnectTimeoutError):
        return Broken("it does not answer in time", sent=False)
    if isinstance(error, exceptions.SSLError):
        return Broken(*_tls_reason(error), sent=False, lasting=True)
    if isinstance(error, exceptions.TimeoutError | TimeoutError):
        return Broken("it does not answer in time")
    if isinstance(error, exceptions.LocationValueError | exceptions.LocationParseError):
        return Broken("the address makes no sense", sent=False, lasting=True)
    if isinstance(error, exceptions.HTTPError | OSError):
        return Broken("the connection broke off")
    return None


def _tls_reason(error: BaseException) -> tuple[str]:
    if "CERTIFICATE_VERIFY_FAILED" in str(error).upper():
        return ("its certificate is not one that this machine trusts (ca_certs=… names others)",)
    return ("TLS cannot be agreed on",)


def _proxy(url: str) -> str | None:
    """The proxy of the environment for an address."""
    from urllib.parse import urlsplit
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    found = getproxies().get(parts.scheme)
    if not found or is_loopback(url) or proxy_bypass(parts.hostname or ""):
        return None
    return found if "://" in found else f"http://{found}"


def _user_agent() -> str:
    from importlib.metadata import version

    return f"recordroom/{version('recordroom')}"


def timeouts(timeout: float | tuple[float, float] | None) -> dict[str, float]:
    """`timeout` as people give it: seconds for both, or (to connect, between two pieces of an answer)."""
    if timeout is None:
        return {}
    pair: Any = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    if len(pair) != 2 or not all(isinstance(each, int | float) and 0 < each < float("inf") for each in pair):
        raise _wrong("timeout", timeout, "seconds, or (seconds to connect, seconds to read)")
    return {"connect": float(pair[0]), "read": float(pair[1])}


def _is_header(name: Any, value: Any) -> bool:
    return (
        isinstance(name, str)
        and isinstance(value, str)
        and _TOKEN.fullmatch(name) is not None
        and value.isascii()
        and value.isprintable()
    )


def _wrong(what: str, value: object, expected: str) -> InvalidValue:
    return InvalidValue(type="connect", attribute=what, value=value, expected=expected)
