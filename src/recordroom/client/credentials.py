"""What proves to a server who asks: an API key, an access token, or the tokens of a session, which renew themselves.

A transport asks `header()` before each request, and `refresh(stale)` after the server refused one. Both are safe to call
from several threads. No `repr`, message or log shows a secret.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NoReturn, Protocol

import msgspec

from ..errors import Error, NotAuthenticated
from .secret import Secret, secret

__all__ = [
    "AccessToken",
    "ApiKey",
    "Credentials",
    "Granted",
    "Keeper",
    "SessionTokens",
    "credentials_of",
    "log_in_again",
]

# A token is renewed so long before its end, or in the last tenth of its life where that is shorter.
_EARLY = 60.0
# Where the server cannot be reached, and the token still does: the next attempt.
_AGAIN = 5.0


class Credentials(Protocol):
    """What a transport needs."""

    def header(self) -> str:
        """The value of `Authorization` for a request that is made now."""

    def refresh(self, stale: str) -> bool:
        """The server refused `stale`: whether `header()` is another now, so that asking again makes sense.

        NotAuthenticated, which says what to do, where there could be one but the server refuses that too.
        """

    def handover(self) -> dict[str, Any]:
        """What another process may have of it to go on for a while: an access token or nothing."""


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """What a server gives for a log-in or a refresh token. `expires_in` is in seconds."""

    access: Secret
    expires_in: float
    refresh: Secret | None = None
    user: str | None = None


class Keeper(Protocol):
    """Where a refresh token is kept for later: a keyring. Several processes may share an entry."""

    def held(self) -> AbstractContextManager[None]:
        """A lock that one process has at a time."""

    def read(self) -> Secret | None:
        """What is kept."""

    def write(self, kept: Secret) -> None:
        """Keep this instead."""


def log_in_again(where: str) -> str:
    """What to do, as the end of a message."""
    return f'log in again with rr.login("{where}") or: recordroom login {where}'


class ApiKey:
    """An API key: the same for every request, until it is revoked."""

    def __init__(self, key: str | Secret) -> None:
        self.key = secret(key, "api_key")

    def __repr__(self) -> str:
        return "<ApiKey •••>"

    def header(self) -> str:
        """The key as a bearer."""
        return _bearer(self.key)

    def refresh(self, stale: str) -> bool:
        """There is no other key."""
        return False

    def handover(self) -> dict[str, Any]:
        """Nothing: a key is given to another process by its environment or a profile."""
        return {}

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        _refuse_pickling()


class AccessToken:
    """An access token without the means to renew it. `ends` is seconds since 1970, where that is known."""

    def __init__(self, token: str | Secret, where: str = "", *, ends: float | None = None) -> None:
        self.token = secret(token, "access_token")
        self.where = where
        self.ends = ends

    def __repr__(self) -> str:
        return "<AccessToken •••>"

    def header(self) -> str:
        """The token as a bearer."""
        return _bearer(self.token)

    def refresh(self, stale: str) -> bool:
        """NotAuthenticated: there is no other token."""
        reason = "the access token has ended and cannot be renewed"
        raise NotAuthenticated(f"{reason}; {log_in_again(self.where)}", where=self.where, reason=reason)

    def handover(self) -> dict[str, Any]:
        """The token and its end."""
        return {"access_token": self.token.reveal(), "ends": self.ends}

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        _refuse_pickling()


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens of now. `due` and `ends` are on the clock: when to renew, and when the access token ends."""

    access: Secret
    refresh: Secret | None
    due: float
    ends: float


class SessionTokens:
    """An access token that is renewed a little before it ends, by one thread at a time.

    `grant` asks the server for new tokens for a refresh token, which each such call replaces. With a keeper, the
    refresh token is kept there, and processes that share the entry renew one after the other, each with the latest.
    """

    def __init__(
        self,
        granted: Granted,
        grant: Callable[[Secret], Granted],
        *,
        where: str = "",
        keeper: Keeper | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.where = where
        self.user = granted.user
        self._grant = grant
        self._keeper = keeper
        self._clock = clock
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._refused: str | None = None
        self._held = _held(granted, clock())

    def __repr__(self) -> str:
        return f"<SessionTokens of {self.user or 'somebody'} •••>"

    def header(self) -> str:
        """The access token as a bearer, renewed first where it is about to end."""
        held, now = self._held, self._clock()
        if now < held.due:
            return _bearer(held.access)
        # Where another thread is renewing it, a token that has not ended does for this one.
        if not self._lock.acquire(blocking=now >= held.ends):
            return _bearer(held.access)
        try:
            if self._held is held:
                self._renew_in_time(held, now)
            return _bearer(self._held.access)
        finally:
            self._lock.release()

    def refresh(self, stale: str) -> bool:
        """Renew, unless another thread has since `stale`."""
        with self._lock:
            if _bearer(self._held.access) == stale:
                self._renew(self._held)
            return True

    @property
    def refresh_token(self) -> Secret | None:
        """The refresh token of now, for whoever keeps it instead of this."""
        return self._held.refresh

    def handover(self) -> dict[str, Any]:
        """The access token and its end; never the refresh token, which only one process may use."""
        self.header()
        held = self._held
        return {"access_token": held.access.reveal(), "ends": time.time() + held.ends - self._clock()}

    def _renew_in_time(self, held: _Held, now: float) -> None:
        try:
            self._renew(held)
        except Error:
            if now >= held.ends:
                raise
            self._held = msgspec.structs.replace(held, due=min(now + _AGAIN, held.ends))

    def _renew(self, held: _Held) -> None:
        if self._refused is not None:
            raise self._not_authenticated(self._refused)
        try:
            granted = self._granted(held)
        except NotAuthenticated as error:
            self._refused = str(error.facts.get("reason") or error.message)
            raise self._not_authenticated(self._refused) from error
        self._held = _held(granted, self._clock())

    def _granted(self, held: _Held) -> Granted:
        if self._keeper is not None:
            return self._granted_and_kept(held, self._keeper)
        if held.refresh is None:
            raise NotAuthenticated(where=self.where, reason="the access token has ended and cannot be renewed")
        if os.getpid() != self._process:
            # Two processes with one refresh token look to the server like a thief and a victim.
            raise NotAuthenticated(where=self.where, reason="the session belongs to the process that made this one")
        return _with_refresh(self._grant(held.refresh), held.refresh)

    def _granted_and_kept(self, held: _Held, keeper: Keeper) -> Granted:
        with keeper.held():
            latest = keeper.read() or held.refresh
            if latest is None:
                raise NotAuthenticated(where=self.where, reason="nothing is kept in the keyring any more")
            granted = _with_refresh(self._grant(latest), latest)
            if granted.refresh is not None and granted.refresh != latest:
                keeper.write(granted.refresh)
            return granted

    def _not_authenticated(self, reason: str) -> NotAuthenticated:
        text = f"{self.where or 'The server'} does not renew this session ({reason.rstrip('.')}); {log_in_again(self.where)}"
        return NotAuthenticated(text, where=self.where, reason=reason)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        _refuse_pickling()


def credentials_of(
    where: str = "", *, api_key: str | Secret | None = None, access_token: str | Secret | None = None
) -> Credentials | None:
    """The credentials for what somebody gave, or None where they gave nothing."""
    if access_token is not None:
        return AccessToken(access_token, where)
    return None if api_key is None else ApiKey(api_key)


def _bearer(token: Secret) -> str:
    return f"Bearer {token.reveal()}"


def _held(granted: Granted, now: float) -> _Held:
    ends = now + granted.expires_in
    due = ends - min(_EARLY, granted.expires_in / 10)
    return _Held(access=granted.access, refresh=granted.refresh, due=due, ends=ends)


def _with_refresh(granted: Granted, used: Secret) -> Granted:
    """A server that does not rotate gives no new refresh token: the old one stays."""
    return granted if granted.refresh is not None else msgspec.structs.replace(granted, refresh=used)


def _refuse_pickling() -> NoReturn:
    raise TypeError("credentials cannot be pickled; session.serialize() gives another process what it may have")
