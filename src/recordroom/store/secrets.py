"""Secrets: what only the server may know, as plans for `rr_secret`. Never journaled, never an attribute, never exported.

A row belongs to an entity (a User, a Token) or to the room itself, and has a kind. What is found by a key is
found by the SHA-256 of it (`digest`); the key itself is kept nowhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .creation import placeholders
from .plans import Fetch, Plan, Run
from .sqltext import marked

__all__ = [
    "ROOM",
    "Secret",
    "digest",
    "forget_expired",
    "forget_secrets",
    "keep_secret",
    "mark_used",
    "secret_by",
    "secret_of",
    "uses_of",
]

ROOM = bytes(16)  # the room itself, as the entity that a secret belongs to
_AT_ONCE = 500


class Secret(NamedTuple):
    """One row. `data` is JSON; `expires` and `used` are microseconds since 1970, UTC."""

    entity: bytes
    kind: str
    data: str = "{}"
    lookup: bytes | None = None
    expires: int | None = None
    used: int | None = None

    def __repr__(self) -> str:
        return f"<Secret {self.kind}>"


def digest(text: str | bytes) -> bytes:
    """What a key is found by: its SHA-256. Keys are random and long, so it needs no salt and no work."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).digest()


def keep_secret(dialect: str, secret: Secret) -> Plan[None]:
    """Keep `secret` in place of the one of that entity and kind."""
    sql = (
        "INSERT INTO rr_secret (entity, kind, data, lookup, expires, used) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (entity, kind) DO UPDATE SET data = excluded.data, lookup = excluded.lookup,"
        " expires = excluded.expires, used = excluded.used"
    )
    yield Run(marked(dialect, sql), tuple(secret))


def secret_of(dialect: str, entity: bytes, kind: str) -> Plan[Secret | None]:
    """The secret of an entity, expired or not."""
    sql = "SELECT entity, kind, data, lookup, expires, used FROM rr_secret WHERE entity = ? AND kind = ?"
    return _only((yield Fetch(marked(dialect, sql), (entity, kind))))


def secret_by(dialect: str, kind: str, lookup: bytes) -> Plan[Secret | None]:
    """The secret that is found by `lookup`, expired or not."""
    sql = "SELECT entity, kind, data, lookup, expires, used FROM rr_secret WHERE kind = ? AND lookup = ?"
    return _only((yield Fetch(marked(dialect, sql), (kind, lookup))))


def _only(rows: Sequence[Sequence[object]]) -> Secret | None:
    return Secret(*rows[0]) if rows else None  # type: ignore[arg-type]


def forget_secrets(dialect: str, entities: Iterable[bytes], kinds: Iterable[str]) -> Plan[None]:
    """Forget secrets of entities."""
    entities, kinds = list(entities), list(kinds)
    for start in range(0, len(entities), _AT_ONCE):
        some = entities[start : start + _AT_ONCE]
        sql = f"DELETE FROM rr_secret WHERE entity IN ({placeholders(dialect, len(some))})"
        yield Run(f"{sql} AND kind IN ({placeholders(dialect, len(kinds))})", (*some, *kinds))


def forget_expired(dialect: str, now: int) -> Plan[None]:
    """Forget every secret that has expired."""
    yield Run(marked(dialect, "DELETE FROM rr_secret WHERE expires < ?"), (now,))


def mark_used(dialect: str, uses: Mapping[bytes, int], kinds: Iterable[str]) -> Plan[None]:
    """Say when secrets of entities were used; what was said of a later time stays."""
    kinds = list(kinds)
    sql = f"UPDATE rr_secret SET used = ? WHERE entity = ? AND kind IN ({', '.join('?' for _ in kinds)})"
    sql = marked(dialect, f"{sql} AND (used IS NULL OR used < ?)")
    for entity, moment in uses.items():
        yield Run(sql, (moment, entity, *kinds, moment))


def uses_of(dialect: str, entities: Sequence[bytes], kinds: Iterable[str]) -> Plan[dict[bytes, int]]:
    """When secrets of entities were last used."""
    found: dict[bytes, int] = {}
    kinds = list(kinds)
    for start in range(0, len(entities), _AT_ONCE):
        some = entities[start : start + _AT_ONCE]
        sql = f"SELECT entity, used FROM rr_secret WHERE entity IN ({placeholders(dialect, len(some))})"
        sql = f"{sql} AND kind IN ({placeholders(dialect, len(kinds))}) AND used IS NOT NULL"
        found.update((bytes(entity), used) for entity, used in (yield Fetch(sql, (*some, *kinds))))
    return found
