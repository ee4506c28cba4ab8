"""Attempts: those who guess passwords are slowed down, and nobody is locked out.

Three things are counted in the room, so that every process of a server knows them: attempts for a user from an address,
for a user from anywhere, and from an address for anybody. After some that failed each further one has to wait, longer
and longer up to a limit; an attempt that comes too early is not looked at and does not count. From an address where a
user has logged in before only the first of the three holds for that user: others who guess do not hinder them.
An attempt is counted before the password is looked at, so that many at once gain nothing, and taken back if it was right.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from typing import NamedTuple

import msgspec

from ...store.plans import Plan
from ...store.secrets import Secret, forget_secrets, keep_secret, secret_of

__all__ = ["begin_attempt", "network_of", "succeeded", "wait_after"]

_SECOND = 1_000_000
_REMEMBERED = 3600 * _SECOND  # after an hour without attempts it all begins anew
_KNOWN = 90 * 86400 * _SECOND
ATTEMPTS, KNOWN = "attempts", "known_address"


class _Limit(NamedTuple):
    free: int  # attempts that need not wait
    most: int  # seconds to wait at most


PAIR, USER, ADDRESS = _Limit(10, 300), _Limit(30, 20), _Limit(50, 60)


class _Count(msgspec.Struct):
    count: int = 0


def wait_after(count: int, limit: _Limit) -> int:
    """Seconds to wait after the last of `count` attempts that failed."""
    return 0 if count < limit.free else min(limit.most, 2 ** min(count - limit.free, 20))


def network_of(client: str) -> str:
    """The address as what one household or machine has: an IPv4 address, or the first half of an IPv6 address."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _key(*parts: str) -> bytes:
    text = "\0".join(parts).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16, person=b"rr_attempts").digest()


def _counters(user: str, client: str) -> tuple[tuple[bytes, _Limit], ...]:
    return (
        (_key("pair", user, client), PAIR),
        (_key("user", user), USER),
        (_key("address", client), ADDRESS),
    )


def begin_attempt(dialect: str, user: str, client: str, now: int) -> Plan[int]:
    """Count an attempt; or the seconds after which it may be made, if that is not now."""
    trusted = yield from _is_known(dialect, user, client, now)
    counted, wait = [], 0.0
    for key, limit in _counters(user, client):
        if trusted and limit is not PAIR:
            continue
        kept = yield from secret_of(dialect, key, ATTEMPTS)
        count = _count(kept, now)
        counted.append((key, count + 1))
        if kept is not None:
            wait = max(wait, (kept.used or 0) / _SECOND + wait_after(count, limit) - now / _SECOND)
    if wait > 0:
        return math.ceil(wait)
    for key, count in counted:
        yield from _keep(dialect, key, count, now)
    return 0


def _is_known(dialect: str, user: str, client: str, now: int) -> Plan[bool]:
    known = yield from secret_of(dialect, _key("known", user, client), KNOWN)
    return known is not None and now < (known.expires or 0)


def _count(kept: Secret | None, now: int) -> int:
    if kept is None or now >= (kept.expires or 0):
        return 0
    return msgspec.json.decode(kept.data, type=_Count).count


def _keep(dialect: str, key: bytes, count: int, used: int) -> Plan[None]:
    data = msgspec.json.encode(_Count(count)).decode()
    yield from keep_secret(dialect, Secret(key, ATTEMPTS, data, expires=used + _REMEMBERED, used=used))


def succeeded(dialect: str, user: str, client: str, now: int) -> Plan[None]:
    """The attempt was right: it does not count, and the address is one of the user's from now on."""
    pair, *others = _counters(user, client)
    yield from forget_secrets(dialect, [pair[0]], [ATTEMPTS])
    # From a known address only the first was counted.
    trusted = yield from _is_known(dialect, user, client, now)
    for key, _ in () if trusted else others:
        kept = yield from secret_of(dialect, key, ATTEMPTS)
        count = _count(kept, now)
        if kept is not None and count:
            # What others guessed wrongly stays counted.
            yield from _keep(dialect, key, count - 1, kept.used or now)
    yield from keep_secret(dialect, Secret(_key("known", user, client), KNOWN, expires=now + _KNOWN))
