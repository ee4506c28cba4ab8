"""What a process remembers of credentials that it has verified, and of when they were used.

A credential is remembered with the room's access revision at that moment. Every commit that ends a token, or changes a
user, raises that, in whichever process it is made; each request reads it with the catalogs, and what was verified before
it was raised is verified anew. So revocation is noticed by the next request everywhere, at no statement more.
"""

from __future__ import annotations

from typing import NamedTuple

from .identity import Identity

__all__ = ["Known", "Uses"]

_MOST = 20_000
_MINUTE = 60_000_000


class _Verified(NamedTuple):
    identity: Identity
    revision: tuple[int, int]


class Known:
    """Verified credentials by their digests: bounded, the oldest go first."""

    def __init__(self) -> None:
        self._verified: dict[bytes, _Verified] = {}

    def get(self, credential: bytes, revision: tuple[int, int], now: int) -> Identity | None:
        """Whose credential it is, if that still holds at these revisions (of access and of schemas)."""
        found = self._verified.get(credential)
        if found is None or found.revision != revision:
            return None
        ends = found.identity.expires
        return found.identity if ends is None or now < ends else None

    def last(self, credential: bytes) -> Identity | None:
        """Whose credential it was when it was verified last."""
        found = self._verified.get(credential)
        return None if found is None else found.identity

    def put(self, credential: bytes, revision: tuple[int, int], identity: Identity) -> None:
        """Remember it."""
        self._verified.pop(credential, None)
        while len(self._verified) >= _MOST:
            del self._verified[next(iter(self._verified))]
        self._verified[credential] = _Verified(identity, revision)


class Uses:
    """When tokens were used: written down at most once a minute, all together."""

    def __init__(self) -> None:
        self._noted: dict[bytes, int] = {}
        self._written_at = 0

    def note(self, token: bytes, now: int) -> bool:
        """It was used; whether it is time to write that down."""
        self._noted[token] = now
        return now - self._written_at >= _MINUTE

    def take(self, now: int) -> dict[bytes, int]:
        """What is still to be written."""
        noted, self._noted = self._noted, {}
        self._written_at = now
        return noted

    def give_back(self, noted: dict[bytes, int]) -> None:
        """It could not be written."""
        self._noted = noted | self._noted
