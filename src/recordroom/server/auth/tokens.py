"""Access tokens (JWT, short-lived) and refresh tokens (opaque, rotating), which belong to a session of a user.

An access token is signed with ES256 by a key of the room; it names its session, so that ending that ends it at once.
A refresh token is `rrf_` and two random halves: the first is of the session, the second is another after each use. The
room keeps hashes of both. Who shows a used one (the right first half, and an old second one) ends the session: either they
or the rightful holder stole it. Only the one used last may be shown again, from the same address, for a short time: the
answer may have been lost. It gives the same next token again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Any, NamedTuple

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jws import extract_compact

from ...errors import TokenExpired
from ...model.ids import as_id, new_id, show_id
from ...model.operations import Delete, Operation, Update
from ...store.accounts import TokenState, UserState, commit_as, new_entity, token_state
from ...store.catalog import Catalog
from ...store.plans import Plan
from ...store.secrets import ROOM, Secret, digest, forget_secrets, keep_secret, secret_by, secret_of
from .requests import not_right

__all__ = ["REFRESH", "SESSION", "Claims", "Opened", "Signer", "end_tokens", "open_session", "renew", "signing_keys"]

SESSION, REFRESH, SIGNING = "session", "refresh", "signing_keys"
ISSUER, ALGORITHM = "recordroom", "ES256"
PREFIX = "rrf_"
_HALF = 32
_SECOND = 1_000_000
_LONGEST = 4096
_REFUSED = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


# --- access tokens --------------------------------------------------------------------------------


class Claims(NamedTuple):
    """What an access token says: its session and user, and when it ends (microseconds since 1970)."""

    session: bytes
    user: bytes
    expires: int


class _Kept(msgspec.Struct):
    """The signing keys as the room keeps them, newest first; `retired` is when each stopped signing."""

    keys: list[dict[str, Any]]
    retired: list[int]


class Signer:
    """Signs access tokens of one room, and reads them."""

    def __init__(self, room: bytes, kept: str) -> None:
        self._audience = show_id(room)
        keys = [ECKey.import_key(each) for each in msgspec.json.decode(kept, type=_Kept).keys]
        self._keys = {str(key.kid): key for key in keys}
        self._newest = keys[0]

    def __repr__(self) -> str:
        return "<Signer>"

    def sign(self, session: bytes, user: bytes, now: int, seconds: int) -> str:
        """An access token."""
        claims = {
            "iss": ISSUER,
            "aud": self._audience,
            "sub": show_id(user),
            "sid": show_id(session),
            "iat": now // _SECOND,
            "exp": now // _SECOND + seconds,
        }
        header = {"alg": ALGORITHM, "kid": self._newest.kid}
        return jwt.encode(header, claims, self._newest, algorithms=[ALGORITHM])

    def read(self, token: str, now: int) -> Claims:
        """What a token says; TokenExpired, or NotAuthenticated, the same for whatever else is wrong."""
        try:
            if len(token) > _LONGEST:
                not_right()
            key = self._keys[extract_compact(token.encode()).headers()["kid"]]
            claims = jwt.decode(token, key, algorithms=[ALGORITHM]).claims
            found = Claims(as_id(claims["sid"]), as_id(claims["sub"]), int(claims["exp"]) * _SECOND)
            right = claims["iss"] == ISSUER and claims["aud"] == self._audience
        except _REFUSED:
            not_right()
        if not right:
            not_right()
        if now >= found.expires:
            raise TokenExpired
        return found


def signing_keys(dialect: str) -> Plan[str | None]:
    """The room's signing keys, for `Signer`; None where there are none yet."""
    kept = yield from secret_of(dialect, ROOM, SIGNING)
    return None if kept is None else kept.data


def new_signing_key(dialect: str, now: int, keep_seconds: int) -> Plan[str]:
    """Sign with a new key from now on; what older ones signed is good for `keep_seconds` more."""
    kept = yield from secret_of(dialect, ROOM, SIGNING)
    before = _Kept([], []) if kept is None else msgspec.json.decode(kept.data, type=_Kept)
    retired = [each or now for each in before.retired]
    still = [at for at, since in enumerate(retired) if now - since < keep_seconds * _SECOND]
    key = ECKey.generate_key("P-256", private=True, auto_kid=True)
    keys = [key.as_dict(private=True), *(before.keys[at] for at in still)]
    data = msgspec.json.encode(_Kept(keys, [0, *(retired[at] for at in still)])).decode()
    yield from keep_secret(dialect, Secret(ROOM, SIGNING, data))
    return data


# --- sessions and their refresh tokens ------------------------------------------------------------


class _Family(msgspec.Struct):
    """What the room keeps of a session's refresh tokens: hashes of second halves, and what the next is made from."""

    current: str
    pepper: str
    previous: str = ""
    rotated: int = 0
    client: str = ""
    by_code: bool = False  # opened with a one-time code, so that a password may be set without the one before


class Opened(NamedTuple):
    """A session with the refresh token that is good now, and when that ends."""

    token: TokenState
    refresh: str
    expires: int

    def __repr__(self) -> str:
        return "<Opened>"


class Times(NamedTuple):
    """How long sessions hold, in seconds."""

    idle: int
    most: int
    grace: int


def open_session(  # noqa: PLR0913 - each is one fact about it
    catalog: Catalog, user: UserState, client: str, now: int, times: Times, *, by_code: bool = False
) -> Plan[Opened]:
    """A new session of a user, as a Token entity."""
    entity, ends = new_id(), now + times.most * _SECOND
    values = {"user": user.id, "kind": SESSION, "name": client[:200] or None, "expires": ends}
    yield from commit_as(catalog, [new_entity("Token", entity, values)], user.name, now)
    first, second = secrets.token_bytes(_HALF), secrets.token_bytes(_HALF)
    family = _Family(digest(second).hex(), secrets.token_hex(32), client=client, by_code=by_code)
    expires = min(ends, now + times.idle * _SECOND)
    yield from _keep(catalog.dialect, entity, digest(first), family, (expires, now))
    token = TokenState(entity, user, SESSION, client, (), ends, None)
    return Opened(token, _text(first, second), expires)


def _keep(dialect: str, entity: bytes, lookup: bytes, family: _Family, moments: tuple[int, int]) -> Plan[None]:
    data = msgspec.json.encode(family).decode()
    expires, used = moments
    yield from keep_secret(dialect, Secret(entity, REFRESH, data, lookup, expires, used))


def _text(first: bytes, second: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(first + second).decode().rstrip("=")


def _halves(text: str) -> tuple[bytes, bytes] | None:
    body = text.removeprefix(PREFIX)
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    good = text.startswith(PREFIX) and len(data) == 2 * _HALF
    return (data[:_HALF], data[_HALF:]) if good else None


def renew(catalog: Catalog, text: str, client: str, now: int, times: Times) -> Plan[Opened | None]:
    """The session of a refresh token with its next one; None where it is not good, or was used before.

    A replay ends the session; so it must not be an exception, which would undo that.
    """
    halves = _halves(text)
    kept = None if halves is None else (yield from secret_by(catalog.dialect, REFRESH, digest(halves[0])))
    if halves is None or kept is None or kept.lookup is None:
        return None
    token = yield from token_state(catalog, bytes(kept.entity))
    if token is None or not token.good(now) or now >= (kept.expires or 0):
        return None
    family, second = msgspec.json.decode(kept.data, type=_Family), halves[1]
    shown = digest(second).hex()
    following = hmac.new(bytes.fromhex(family.pepper), second, hashlib.sha256).digest()
    if hmac.compare_digest(shown, family.current):
        following_hash = digest(following).hex()
        changed = _Family(following_hash, family.pepper, shown, now, client, family.by_code)
        expires = min(token.expires or now, now + times.idle * _SECOND)
        yield from _keep(catalog.dialect, token.id, bytes(kept.lookup), changed, (expires, now))
        return Opened(token, _text(halves[0], following), expires)
    lost = hmac.compare_digest(shown, family.previous) and now - family.rotated <= times.grace * _SECOND
    if lost and client == family.client:
        return Opened(token, _text(halves[0], following), kept.expires or now)
    yield from end_tokens(catalog, [token.id], token.user.name, now)
    return None


def was_by_code(dialect: str, token: bytes) -> Plan[bool]:
    """Whether a session was opened with a one-time code."""
    kept = yield from secret_of(dialect, token, REFRESH)
    return kept is not None and msgspec.json.decode(kept.data, type=_Family).by_code


def end_tokens(catalog: Catalog, tokens: list[bytes], actor: str, now: int) -> Plan[None]:
    """Revoke Token entities and forget what proved them."""
    if not tokens:
        return
    revoke: Operation = Update(type="Token", ids=tokens, columns={"revoked": [now] * len(tokens)})
    yield from commit_as(catalog, [revoke], actor, now)
    yield from forget_secrets(catalog.dialect, tokens, [REFRESH, "api_key"])


def delete_tokens(catalog: Catalog, tokens: list[bytes], now: int) -> Plan[None]:
    """Delete Token entities that ended long ago."""
    if tokens:
        yield from commit_as(catalog, [Delete(type="Token", ids=tokens)], "recordroom", now)
        yield from forget_secrets(catalog.dialect, tokens, [REFRESH, "api_key"])
