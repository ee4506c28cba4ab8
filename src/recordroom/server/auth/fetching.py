"""Fetching documents of providers: JSON over https, small, in time, and from where it was asked."""

from __future__ import annotations

import ipaddress
import json
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.util import Timeout

from ...errors import ProviderUnavailable

__all__ = ["check_address", "fetch", "make_pool"]

_MOST = 1_000_000  # bytes of a document
_REDIRECTS = 3
_TIMEOUT = Timeout(connect=5, read=10)


def make_pool() -> urllib3.PoolManager:
    """Connections to providers."""
    return urllib3.PoolManager(num_pools=8, maxsize=2, timeout=_TIMEOUT, retries=False)


def check_address(issuer: str, address: Any) -> str:
    """The address; ProviderUnavailable unless it is https, or http on a loopback."""
    try:
        parts = urlsplit(address) if isinstance(address, str) else None
        host = None if parts is None else parts.hostname
        _ = None if parts is None else parts.port
    except ValueError:
        parts = host = None
    if parts is None or not host or parts.username is not None:
        raise ProviderUnavailable(issuer=issuer, reason="one of its addresses is none")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ProviderUnavailable(issuer=issuer, reason=f"its address at {host} is not https")
    return str(address)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fetch(pool: urllib3.PoolManager, issuer: str, address: str) -> dict[str, Any]:
    """The JSON object at an address: slow. ProviderUnavailable where there is none."""
    try:
        for _ in range(_REDIRECTS + 1):
            response = pool.request("GET", check_address(issuer, address), preload_content=False, redirect=False)
            try:
                target = response.headers.get("location") if 300 <= response.status < 400 else None
                if target is None:
                    return _document(issuer, response)
            finally:
                response.release_conn()
            address = _same_host(issuer, address, target)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise ProviderUnavailable(issuer=issuer, reason=type(error).__name__) from error
    raise ProviderUnavailable(issuer=issuer, reason="it redirects too often")


def _document(issuer: str, response: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    if response.status != 200:
        raise ProviderUnavailable(issuer=issuer, reason=f"it answered with status {response.status}")
    data = response.read(_MOST + 1, decode_content=True)
    if len(data) > _MOST:
        response.close()
        raise ProviderUnavailable(issuer=issuer, reason="its answer is too large")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ProviderUnavailable(issuer=issuer, reason="its answer is not a JSON object")
    return document


def _same_host(issuer: str, address: str, target: str) -> str:
    following = urljoin(address, target)
    before, after = urlsplit(address), urlsplit(following)
    if (before.scheme, before.hostname, before.port) != (after.scheme, after.hostname, after.port):
        raise ProviderUnavailable(issuer=issuer, reason="it redirects to another host")
    return following
