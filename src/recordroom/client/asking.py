"""Single requests that a log-in makes before there is a session: to a room's server and to a provider of single sign-on.

What is sent holds secrets, so it goes over TLS or stays on this machine, no redirect is followed, and no answer is
quoted in a message. Proxies are those of the environment.
"""

from __future__ import annotations

import json as json_
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec

from ..errors import InvalidValue, StoreUnavailable
from .urls import is_loopback

__all__ = ["Answer", "Trust", "ask", "private"]

_SECONDS = 30.0
# More than any answer to a log-in has.
_MOST_BYTES = 1 << 20


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """What is trusted: a file of certificates instead of the machine's; with `insecure`, also the way of http://."""

    ca_certs: str | None = None
    insecure: bool = False


class Answer(NamedTuple):
    """The status of an answer, its body, and the JSON object in it ({} where it is none)."""

    status: int
    data: dict[str, Any]
    body: bytes = b""


def private(url: str, trust: Trust = Trust()) -> str:  # noqa: B008 - it is frozen
    """The address; InvalidValue where a secret would travel in the open."""
    if trust.insecure or url.lower().startswith("https://") or is_loopback(url):
        return url
    host = urlsplit(url).netloc
    raise InvalidValue(
        f"Nothing secret is sent to http://{host}: it would travel in the open. Use https://.",
        type="room", attribute="where", value=host, expected="https://, or http:// on this machine",
    )  # fmt: skip


def ask(  # noqa: PLR0913 - each is a part of a request
    method: str,
    url: str,
    *,
    json: Mapping[str, Any] | None = None,
    form: Mapping[str, str] | None = None,
    bearer: str = "",
    trust: Trust = Trust(),  # noqa: B008 - it is frozen
) -> Answer:
    """One request and its answer, whatever its status. StoreUnavailable where there is none."""
    import urllib3

    sent, headers = _body(json, form)
    if bearer:
        headers["Authorization"] = bearer
    pool = _pool(private(url, trust), trust)
    try:
        reply = pool.request(
            method, url, body=sent, headers=headers, timeout=_SECONDS, retries=False, preload_content=False
        )
        body = reply.read(_MOST_BYTES)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        place = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
        reason = _reason(error)
        raise StoreUnavailable(f"{place} cannot be reached: {reason}.", reason=reason, where=place) from None
    finally:
        pool.clear()
    return Answer(reply.status, _object(body), body)


def _body(json: Mapping[str, Any] | None, form: Mapping[str, str] | None) -> tuple[bytes | None, dict[str, str]]:
    headers = {"Accept": "application/json", "User-Agent": "recordroom"}
    if json is not None:
        return json_.dumps(json).encode(), {**headers, "Content-Type": "application/json"}
    if form is not None:
        return urlencode(form).encode(), {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    return None, headers


def _pool(url: str, trust: Trust) -> Any:
    """A pool for one request, through the proxy of the environment where it names one for this host."""
    from urllib.request import getproxies, proxy_bypass

    import urllib3

    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not is_loopback(url) and not proxy_bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy, ca_certs=trust.ca_certs)
    return urllib3.PoolManager(ca_certs=trust.ca_certs)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json_.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _reason(error: Exception) -> str:
    """What went wrong in a few words; never the address, which may hold a code."""
    import urllib3

    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "there is no host of that name"
    if isinstance(error, urllib3.exceptions.SSLError):
        return "its certificate is not one that this machine trusts"
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return "nothing answers there"
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "it does not answer in time"
    return "the connection broke off"
