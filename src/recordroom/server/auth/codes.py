"""One-time codes: a way in for whoever has no password, made by a first start or by an administrator."""

from __future__ import annotations

import base64
import secrets

from ...store.accounts import UserState, main_of, user_state
from ...store.catalog import Catalogs
from ...store.plans import Plan
from ...store.secrets import Secret, digest, forget_secrets, keep_secret, secret_by

__all__ = ["CODE", "keep_code", "new_code", "use_code", "user_of_code"]

CODE = "code"  # the kind of secret
_SECOND = 1_000_000


def new_code() -> str:
    """A new code: 100 random bits as letters and digits that people can type."""
    text = base64.b32encode(secrets.token_bytes(13)).decode()[:20]
    return "-".join(text[start : start + 4] for start in range(0, 20, 4))


def _lookup(code: str) -> bytes:
    plain = "".join(code.upper().replace("-", "").split())
    return digest(plain.encode(errors="surrogatepass"))


def keep_code(dialect: str, user: bytes, code: str, now: int, seconds: int) -> Plan[None]:
    """Let `code` be the user's, in place of one before, for so many seconds."""
    yield from keep_secret(dialect, Secret(user, CODE, lookup=_lookup(code), expires=now + seconds * _SECOND))


def user_of_code(catalogs: Catalogs, code: str, now: int) -> Plan[UserState | None]:
    """The active user whose code it is; it stays good."""
    main = main_of(catalogs)
    kept = yield from secret_by(main.dialect, CODE, _lookup(code))
    if kept is None or now >= (kept.expires or 0):
        return None
    user = yield from user_state(main, bytes(kept.entity))
    return user if user is not None and user.active else None


def use_code(catalogs: Catalogs, code: str, now: int) -> Plan[UserState | None]:
    """The active user whose code it was: it is good once."""
    user = yield from user_of_code(catalogs, code, now)
    if user is not None:
        yield from forget_secrets(main_of(catalogs).dialect, [user.id], [CODE])
    return user
