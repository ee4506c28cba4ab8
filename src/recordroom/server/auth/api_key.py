"""API keys: `rrk_` and 32 random bytes. Shown once; the room keeps a SHA-256 of them, which they are found by."""

from __future__ import annotations

import hmac
import secrets

from ...store.accounts import TokenState, main_of, token_state
from ...store.catalog import Catalogs
from ...store.plans import Plan
from ...store.secrets import Secret, digest, keep_secret, secret_by

__all__ = ["API_KEY", "keep_key", "key_state", "new_key"]

API_KEY = "api_key"  # the kind of Token and of secret
PREFIX = "rrk_"


def new_key() -> str:
    """A new key."""
    return PREFIX + secrets.token_urlsafe(32)


def keep_key(dialect: str, token: bytes, key: str) -> Plan[None]:
    """Keep what finds the Token entity `token` by `key`."""
    yield from keep_secret(dialect, Secret(token, API_KEY, lookup=digest(key)))


def key_state(catalogs: Catalogs, key: str) -> Plan[TokenState | None]:
    """The token that `key` is of, good or not; None where there is none."""
    main = main_of(catalogs)
    lookup = digest(key)
    secret = yield from secret_by(main.dialect, API_KEY, lookup)
    if secret is None or secret.lookup is None or not hmac.compare_digest(bytes(secret.lookup), lookup):
        return None
    return (yield from token_state(main, bytes(secret.entity)))
