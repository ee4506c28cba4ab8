"""What every part of the accounts works with: the room, its settings, and the plans that several parts share."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from ...errors import NotFound, PermissionDenied, TooManyAttempts
from ...store.access import access_of, allowed, visible
from ...store.accounts import UserState, ended_tokens, main_of, tokens_of, user_named, user_state
from ...store.async_room import AsyncRoom
from ...store.catalog import Catalog, Catalogs
from ...store.creation import room_facts
from ...store.plans import Plan
from ...store.requests import Requests, now
from ...store.secrets import Secret, forget_expired, keep_secret, secret_of
from .attempts import begin_attempt
from .identity import Identity
from .known import Known, Uses
from .oidc import Oidc
from .password import PASSWORD, Passwords, is_right
from .requests import not_right
from .settings import AuthSettings
from .tokens import (
    SESSION,
    Opened,
    Signer,
    Times,
    delete_tokens,
    end_tokens,
    new_signing_key,
    open_session,
    signing_keys,
)

__all__ = ["Desk", "check_scope", "scopes_json", "shown"]

T = TypeVar("T")
_HOUR = 3600 * 1_000_000
_KEPT = 90 * 24 * _HOUR  # tokens stay so long after their end, for people to see
_WHOLE_USER = ("name", "active", "roles")  # whoever may change these may act in a user's place


class Desk:
    """The accounts of one room, as their parts share them. `room` is the owner's; safe for many tasks of one event loop."""

    def __init__(self, room: AsyncRoom, settings: AuthSettings | None = None) -> None:
        self._room = room
        self._requests = Requests(room.opened, room.actor)
        self._dialect = room.driver.dialect
        self.settings = settings or AuthSettings()
        self._times = Times(
            self.settings.session_idle_seconds, self.settings.session_seconds, self.settings.grace_seconds
        )
        self._passwords = Passwords(self.settings.password_workers, self.settings.password_queue)
        self._oidc = Oidc(self.settings.providers)
        self._known = Known()
        self._uses = Uses()
        self._writing: asyncio.Task[None] | None = None
        self._signer: Signer | None = None
        self._signed = ""
        self._tidied = 0

    async def _read(self, make: Callable[[Catalogs], Plan[T]]) -> T:
        return await self._room.read(self._requests.read(make))

    async def _write(self, make: Callable[[Catalogs], Plan[T]]) -> T:
        return await self._room.write(self._requests.write(make))

    # --- sessions ---

    def _open(
        self, main: Catalog, user: UserState, client: str, moment: int, *, by_code: bool = False
    ) -> Plan[dict[str, Any]]:
        """A new session of a user, as grants answer."""
        yield from self._tidy(main, moment)
        opened = yield from open_session(main, user, client, moment, self._times, by_code=by_code)
        return (yield from self._answer(opened, moment))

    def _answer(self, opened: Opened, moment: int) -> Plan[dict[str, Any]]:
        kept = yield from signing_keys(self._dialect)
        if kept is None:
            kept = yield from new_signing_key(self._dialect, moment, self._key_seconds)
        signer = yield from self._signer_of(kept)
        seconds = min(self.settings.access_seconds, max(1, (opened.expires - moment) // 1_000_000))
        return {
            "access_token": signer.sign(opened.token.id, opened.token.user.id, moment, seconds),
            "token_type": "Bearer",
            "expires_in": seconds,
            "refresh_token": opened.refresh,
            "refresh_expires_in": (opened.expires - moment) // 1_000_000,
            "user": opened.token.user.name,
        }

    @property
    def _key_seconds(self) -> int:
        return self.settings.access_seconds + 60

    def _signer_of(self, kept: str) -> Plan[Signer]:
        if self._signer is None or kept != self._signed:
            self._signer, self._signed = Signer((yield from room_facts()).id, kept), kept
        return self._signer

    def _tidy(self, main: Catalog, moment: int) -> Plan[None]:
        """Now and then: forget what has expired, and tokens that ended long ago."""
        if moment - self._tidied < _HOUR:
            return
        self._tidied = moment
        yield from forget_expired(self._dialect, moment)
        yield from delete_tokens(main, (yield from ended_tokens(main, moment - _KEPT, 500)), moment)

    def _end_sessions(self, main: Catalog, user: UserState, actor: str, but: bytes | None) -> Plan[None]:
        found = yield from tokens_of(main, user)
        going = [each.id for each in found if each.kind == SESSION and each.revoked is None and each.id != but]
        yield from end_tokens(main, going, actor, now())

    # --- passwords and rights ---

    async def _checked(self, name: str, password: str, client: str, wrong: str) -> str:
        """The hash of the user's password, if it is this one; counts the attempt. NotAuthenticated otherwise."""
        wait = await self._write(lambda catalogs: begin_attempt(self._dialect, name, client, now()))
        if wait:
            raise TooManyAttempts(retry_after=wait)

        def plan(catalogs: Catalogs) -> Plan[str | None]:
            user = yield from user_named(main_of(catalogs), name)
            # As many statements for users who are not there.
            kept = yield from self._password_of(user or UserState(bytes(16), "", False))
            return kept if user is not None and user.active else None

        clean = not any("\ud800" <= each <= "\udfff" for each in name) and "\0" not in name
        kept = await self._read(plan) if clean else None
        right = await self._passwords.run(is_right, kept, password)
        if kept is None or not right:
            not_right(wrong)
        return kept

    def _password_of(self, user: UserState) -> Plan[str | None]:
        secret = yield from secret_of(self._dialect, user.id, PASSWORD)
        return None if secret is None else str(msgspec.json.decode(secret.data)["hash"])

    def _keep_password(self, user: bytes, hash_: str) -> Plan[None]:
        data = msgspec.json.encode({"hash": hash_}).decode()
        yield from keep_secret(self._dialect, Secret(user, PASSWORD, data, used=now()))

    def _changeable(
        self, catalogs: Catalogs, identity: Identity, whose: str | None, *, own_too: bool = True
    ) -> Plan[UserState]:
        """The user one is, or another in whose place one may act; NotFound or PermissionDenied otherwise.

        Without `own_too` it takes the same right for oneself.
        """
        main, own = main_of(catalogs), identity.actor.user
        user = yield from user_state(main, whose if whose is not None else own or b"")
        if own_too and user is not None and user.id == own:
            return user
        access = yield from access_of(self._room.opened, identity.actor, catalogs)
        if user is None or not (yield from visible(main, access, "User", [user.id])):
            raise NotFound(f"There is no User {(whose or '')[:200]!r}.", type="User", entity=(whose or "")[:200])
        if not (yield from allowed(main, access, "update", "User", [user.id], _WHOLE_USER)):
            raise PermissionDenied(what=f"acting for the user {user.name!r}")
        return user


def check_scope(identity: Identity, what: str) -> None:
    """PermissionDenied with a token that is not for accounts."""
    if identity.actor.scopes and "admin" not in identity.actor.scopes:
        raise PermissionDenied(what=f"{what} with a token of scope {', '.join(identity.actor.scopes)}")


def shown(moment: int | None) -> str | None:
    """A moment as answers show it, ISO 8601; None: never."""
    if moment is None:
        return None
    found = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=moment)
    return found.isoformat().replace("+00:00", "Z")


def scopes_json(scopes: tuple[str, ...]) -> str | None:
    """Scopes as a Token keeps them; None: all."""
    return msgspec.json.encode(scopes).decode() if scopes else None
