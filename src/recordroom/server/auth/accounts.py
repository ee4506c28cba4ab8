"""Accounts: the face of everything that proves who somebody is. `Accounts` is what the service uses.

A credential is what stands in the header `Authorization: Bearer …`: an API key (`rrk_…`) or an access token
(JWT). It identifies a Token entity of a user; what the user may do, access rules decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

from ...errors import Error, NotAuthenticated, NotFound, PermissionDenied, TooManyAttempts
from ...model.actor import Actor
from ...model.ids import as_id, new_id, show_id
from ...model.operations import Commit, Link, Update
from ...store.access import access_of, allowed, visible
from ...store.account_changes import raise_access
from ...store.accounts import (
    TokenState,
    UserState,
    activate,
    commit_as,
    created_at,
    ended_tokens,
    ids_of,
    is_activated,
    main_of,
    names_of,
    new_entity,
    reloaded,
    token_state,
    tokens_of,
    user_named,
    user_state,
)
from ...store.actor_facts import facts_of
from ...store.async_room import AsyncRoom
from ...store.catalog import Catalog, Catalogs
from ...store.creation import room_facts
from ...store.default_roles import ADMINISTRATOR
from ...store.last_administrator import administrators
from ...store.plans import Plan
from ...store.requests import Guard, Requests, now
from ...store.secrets import Secret, digest, forget_expired, forget_secrets, keep_secret, mark_used, secret_of, uses_of
from .api_key import API_KEY, PREFIX, keep_key, key_state, new_key
from .attempts import begin_attempt, network_of, succeeded
from .codes import CODE, keep_code, new_code, use_code, user_of_code
from .identity import Identity
from .known import Known, Uses
from .oidc import External, Oidc, provisioned
from .password import PASSWORD, Passwords, check_new, hashed, is_right, is_stale
from .requests import Fields, not_right, read_expiry, read_scopes
from .settings import AuthSettings
from .tokens import (
    REFRESH,
    SESSION,
    Opened,
    Signer,
    Times,
    delete_tokens,
    end_tokens,
    new_signing_key,
    open_session,
    renew,
    signing_keys,
    was_by_code,
)

__all__ = ["Accounts", "Renewed"]

T = TypeVar("T")
_HOUR = 3600 * 1_000_000
_KEPT = 90 * 24 * _HOUR  # tokens stay so long after their end, for people to see
_RENEWED = "renewed"  # the name of the one key of a user that is given anew
_WRONG = "the user name or the password is not right"
_WHOLE_USER = ("name", "active", "roles")  # whoever may change these may act in a user's place


class Renewed(Exception):
    """A credential is good, but not what it was: identify anew."""


class Accounts:
    """Accounts of one room. `room` is the owner's; safe for many tasks of one event loop."""

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

    # --- running plans ---

    async def _read(self, make: Callable[[Catalogs], Plan[T]]) -> T:
        return await self._room.read(self._requests.read(make))

    async def _write(self, make: Callable[[Catalogs], Plan[T]]) -> T:
        return await self._room.write(self._requests.write(make))

    # --- beginning ---

    async def first_run(self) -> str | None:
        """Make accounts where the room has none, and the user "administrator" where nobody administers it.

        The one-time code to log in with, or None where there was nothing to do. Safe where several processes start.
        """
        if await self._read(self._has_begun):
            return None
        return await self._write(self._begin)

    def _has_begun(self, catalogs: Catalogs) -> Plan[bool]:
        main = main_of(catalogs)
        if not (yield from is_activated(main)):
            return False
        # One who was deactivated stays so.
        there = (yield from user_named(main, ADMINISTRATOR)) is not None
        return there or bool((yield from administrators(main)))

    async def activate(self) -> bool:
        """Make accounts without any user; whether there was something to do. InvalidSchema where it cannot be."""
        return await self._write(lambda catalogs: activate(catalogs, self._room.actor.name, now()))

    def _begin(self, catalogs: Catalogs) -> Plan[str | None]:
        if (yield from self._has_begun(catalogs)):
            return None
        moment, actor = now(), self._room.actor.name
        yield from activate(catalogs, actor, moment)
        main = yield from reloaded(main_of(catalogs))
        user = yield from user_named(main, ADMINISTRATOR)
        role = (yield from ids_of(main, "Role", [ADMINISTRATOR])).get(ADMINISTRATOR)
        if role is None:
            return None
        entity = new_id() if user is None else user.id
        made = [] if user else [new_entity("User", entity, {"name": ADMINISTRATOR, "active": True})]
        give = Link(type="User", attribute="roles", sources=[entity], targets=[role])
        yield from commit_as(main, [*made, give], actor, moment)
        code = new_code()
        yield from keep_code(self._dialect, entity, code, moment, self.settings.code_seconds)
        return code

    # --- who asks ---

    async def identify(self, authorization: str | None) -> Identity:
        """Who shows this header value, `Bearer …`, and with which token. NotAuthenticated, or TokenExpired."""
        credential, moment = _bearer(authorization), now()
        key = digest(credential)
        identity = await self._read(lambda catalogs: self._identified(catalogs, credential, key, moment))
        self._used(identity, moment)
        return identity

    def expect(self, authorization: str | None) -> tuple[Identity, Guard] | None:
        """Who showed this header value when it was verified last, if anybody did.

        It holds only with its guard, which verifies that it is still so in the snapshot or the transaction of each request:
        NotAuthenticated where it is not good any more, Renewed where the identity has changed.
        """
        credential, moment = _bearer(authorization), now()
        key = digest(credential)
        expected = self._known.last(key)
        if expected is None:
            return None

        def guard(catalogs: Catalogs) -> Plan[None]:
            identity = yield from self._identified(catalogs, credential, key, moment)
            if identity is not expected and identity != expected:
                raise Renewed

        self._used(expected, moment)
        return expected, guard

    def _used(self, identity: Identity, moment: int) -> None:
        if identity.token is not None and self._uses.note(identity.token, moment) and self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_uses())

    def _identified(self, catalogs: Catalogs, credential: str, key: bytes, moment: int) -> Plan[Identity]:
        revision = (catalogs.access_revision, catalogs.revision)
        known = self._known.get(key, revision, moment)
        if known is not None:
            return known
        if credential.startswith(PREFIX):
            token = yield from key_state(catalogs, credential)
            ends = None if token is None else token.expires
        else:
            signer = yield from self._known_signer(credential)
            claims = signer.read(credential, moment)
            token = yield from token_state(main_of(catalogs), claims.session)
            ends = claims.expires
            if token is not None and (token.user.id != claims.user or token.kind != SESSION):
                token = None
        if token is None or not token.good(moment):
            not_right()
        actor = Actor(name=token.user.name, user=token.user.id, scopes=token.scopes)
        identity = Identity(actor=actor, token=token.id, kind=token.kind, expires=ends)
        self._known.put(key, revision, identity)
        return identity

    def _known_signer(self, token: str) -> Plan[Signer]:
        """What reads `token`: keys are looked up again, for another process may have made or dropped one."""
        kept = yield from signing_keys(self._dialect)
        if kept is None:
            not_right()
        return (yield from self._signer_of(kept))

    def _signer_of(self, kept: str) -> Plan[Signer]:
        if self._signer is None or kept != self._signed:
            self._signer, self._signed = Signer((yield from room_facts()).id, kept), kept
        return self._signer

    async def _write_uses(self) -> None:
        try:
            await self.write_uses()
        finally:
            self._writing = None

    async def write_uses(self) -> None:
        """Write down when tokens were last used."""
        noted = self._uses.take(now())
        try:
            if noted:
                await self._write(lambda catalogs: mark_used(self._dialect, noted, (API_KEY, REFRESH)))
        except Error:
            self._uses.give_back(noted)

    # --- grants ---

    async def grant(self, request: Any, *, client: str, identity: Identity | None = None) -> dict[str, Any]:
        """What POST /v1/tokens answers. `client` is the address that asks, for slowing down those who guess.

        `request` has a "grant":

        - "password": "user", "password"
        - "code": "code" (of a first start, or of a reset by an administrator), and "new_password" to set one
        - "refresh_token": "refresh_token"
        - "id_token": "provider", "id_token", "nonce"
        - "access_token": "provider", "access_token" (a JWT of the provider's)
        - "api_key": "name", "scopes", "expires" (ISO 8601) or "expires_in" (seconds), "user" (another's; needs the right
          to change that User). This one needs `identity`: NotAuthenticated without. A key gives no key that may more
          or ends later than itself.

        The last gives {"api_key", "id", "name", "scopes", "expires"}; the others {"access_token", "token_type": "Bearer",
        "expires_in", "refresh_token", "refresh_expires_in", "user"}. InvalidValue where the request is not such a thing,
        NotAuthenticated where it proves nothing, TooManyAttempts (fact `retry_after`), ProviderUnavailable.
        """
        fields = Fields(request, "tokens")
        kind = fields.text("grant")
        if kind == "api_key":
            return await self._grant_key(fields, identity)
        grants = {
            "password": self._grant_password,
            "code": self._grant_code,
            "refresh_token": self._grant_refresh,
            "id_token": self._grant_provider,
            "access_token": self._grant_provider,
        }
        if kind not in grants:
            fields.wrong("grant", kind, f"one of {', '.join([*grants, 'api_key'])}")
        return await grants[kind](fields, network_of(client))

    async def _grant_password(self, fields: Fields, client: str) -> dict[str, Any]:
        name, password = fields.text("user"), fields.text("password")
        fields.done()
        kept = await self._checked(name, password, client, _WRONG)
        fresh = await self._passwords.run(hashed, password) if is_stale(kept) else kept
        moment = now()

        def plan(catalogs: Catalogs) -> Plan[dict[str, Any] | None]:
            main = main_of(catalogs)
            user = yield from user_named(main, name)
            # It may have been changed since.
            if user is None or not user.active or kept != (yield from self._password_of(user)):
                return None
            yield from succeeded(self._dialect, name, client, moment)
            if fresh != kept:
                yield from self._keep_password(user.id, fresh)
            return (yield from self._open(main, user, client, moment))

        return await self._write(plan) or not_right(_WRONG)

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

    async def _grant_code(self, fields: Fields, client: str) -> dict[str, Any]:
        code, new = fields.text("code"), fields.maybe("new_password")
        fields.done()
        wrong = "this one-time code is not right, was used, or has expired"
        user = await self._read(lambda catalogs: user_of_code(catalogs, code, now()))
        if user is None:
            not_right(wrong)
        hash_ = None
        if new is not None:
            hash_ = await self._passwords.run(hashed, check_new(new, user.name, self.settings.password_length))
        moment = now()

        def plan(catalogs: Catalogs) -> Plan[dict[str, Any] | None]:
            main = main_of(catalogs)
            found = yield from use_code(catalogs, code, moment)
            if found is None:
                return None
            if hash_ is not None:
                yield from self._keep_password(found.id, hash_)
            return (yield from self._open(main, found, client, moment, by_code=hash_ is None))

        return await self._write(plan) or not_right(wrong)

    async def _grant_refresh(self, fields: Fields, client: str) -> dict[str, Any]:
        text, moment = fields.text("refresh_token"), now()
        fields.done()

        def plan(catalogs: Catalogs) -> Plan[dict[str, Any] | None]:
            opened = yield from renew(main_of(catalogs), text, client, moment, self._times)
            return None if opened is None else (yield from self._answer(opened, moment))

        return await self._write(plan) or not_right("this refresh token is not good any more; log in again")

    async def _grant_provider(self, fields: Fields, client: str) -> dict[str, Any]:
        kind, name = fields.text("grant"), fields.text("provider")
        token, nonce = fields.text(kind), fields.maybe("nonce") if kind == "id_token" else None
        fields.done()
        external = await self._oidc.verify(name, kind, token, nonce)
        moment = now()

        def plan(catalogs: Catalogs) -> Plan[dict[str, Any] | None]:
            main = main_of(catalogs)
            user = yield from self._user_of(main, external, moment)
            return None if user is None else (yield from self._open(main, user, client, moment))

        reason = f"{external.provider.label or name} knows you, but you have no account here that you may use"
        return await self._write(plan) or not_right(reason)

    def _user_of(self, main: Catalog, external: External, moment: int) -> Plan[UserState | None]:
        user = yield from provisioned(main, external, moment)
        return user if user is not None and user.active else None

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

    async def new_signing_key(self, *, keep: bool = True) -> None:
        """Sign access tokens with a new key; `keep`: what the one before signed is good until it ends."""

        def plan(catalogs: Catalogs) -> Plan[None]:
            yield from new_signing_key(self._dialect, now(), self._key_seconds if keep else 0)
            yield from raise_access()

        await self._write(plan)

    def _tidy(self, main: Catalog, moment: int) -> Plan[None]:
        """Now and then: forget what has expired, and tokens that ended long ago."""
        if moment - self._tidied < _HOUR:
            return
        self._tidied = moment
        yield from forget_expired(self._dialect, moment)
        yield from delete_tokens(main, (yield from ended_tokens(main, moment - _KEPT, 500)), moment)

    async def _grant_key(self, fields: Fields, identity: Identity | None) -> dict[str, Any]:
        if identity is None:
            raise NotAuthenticated(where="The room", reason="an API key is made by somebody who is logged in")
        _check_scope(identity, "making API keys")
        moment, whose = now(), fields.maybe("user")
        fields.text("grant")
        name, scopes = fields.clean("name"), read_scopes(fields, identity.actor.scopes)
        expires = read_expiry(fields, moment, identity.expires if identity.kind == API_KEY else None)
        fields.done()
        key, entity = new_key(), new_id()
        values = {"kind": API_KEY, "name": name, "scopes": _json(scopes), "expires": expires}

        def plan(catalogs: Catalogs) -> Plan[None]:
            main = main_of(catalogs)
            user = yield from self._changeable(catalogs, identity, whose)
            create = new_entity("Token", entity, {"user": user.id, **values})
            yield from commit_as(main, [create], identity.actor.name, moment)
            yield from keep_key(self._dialect, entity, key)

        await self._write(plan)
        return {
            "api_key": key,
            "id": show_id(entity),
            "name": name,
            "scopes": list(scopes),
            "expires": _shown(expires),
        }

    async def renew_key(self, identity: Identity, user: str | None = None) -> str:
        """A new API key of a user (None: oneself) in place of the one that this gave before, which ends.

        POST /v1/users/{name or id}/api-key. Keys that were made under a name of their own stay.
        """
        _check_scope(identity, "making API keys")
        key, entity, moment = new_key(), new_id(), now()
        expires = identity.expires if identity.kind == API_KEY else None
        values = {"kind": API_KEY, "name": _RENEWED, "scopes": _json(identity.actor.scopes), "expires": expires}

        def plan(catalogs: Catalogs) -> Plan[None]:
            main = main_of(catalogs)
            whose = yield from self._changeable(catalogs, identity, user)
            known = yield from tokens_of(main, whose)
            before = [each.id for each in known if each.name == _RENEWED and each.good(moment)]
            yield from end_tokens(main, before, identity.actor.name, moment)
            create = new_entity("Token", entity, {"user": whose.id, **values})
            yield from commit_as(main, [create], identity.actor.name, moment)
            yield from keep_key(self._dialect, entity, key)

        await self._write(plan)
        return key

    async def invitation(self, identity: Identity, user: str) -> Invitation:
        """What to write to a user who is invited: a one-time code, unless they can log in already."""
        _check_scope(identity, "inviting users")
        code = new_code()

        def plan(catalogs: Catalogs) -> Plan[Invitation]:
            whose = yield from self._changeable(catalogs, identity, user, own_too=False)
            if (yield from self._password_of(whose)) is not None:
                return Invitation(whose, None)
            yield from keep_code(self._dialect, whose.id, code, now(), self.settings.invitation_seconds)
            return Invitation(whose, code)

        return await self._write(plan)

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

    # --- what people see and end ---

    async def providers(self) -> list[dict[str, Any]]:
        """Providers of single sign-on that clients may use, for GET /v1/login (needs no authentication)."""
        return self._oidc.shown()

    async def me(self, identity: Identity) -> dict[str, Any]:
        """What GET /v1/me answers: user, name, roles, groups, scopes, kind of token, its id and its end."""
        actor = identity.actor
        found = {
            "name": actor.name,
            "user": None if actor.user is None else show_id(actor.user),
            "scopes": list(actor.scopes),
            "kind": identity.kind,
            "token": None if identity.token is None else show_id(identity.token),
            "expires": _shown(identity.expires),
        }
        return found | (await self._read(lambda catalogs: self._facts(catalogs, actor)))

    def _facts(self, catalogs: Catalogs, actor: Actor) -> Plan[dict[str, Any]]:
        room = show_id((yield from room_facts()).id)
        if actor.user is None:
            return {"room": room, "full_name": None, "email": None, "roles": [], "groups": [], "projects": []}
        main = main_of(catalogs)
        facts = (yield from facts_of(main, actor.user, now())).facts
        return {
            "room": room,
            "full_name": facts.get("actor.full_name"),
            "email": facts.get("actor.email"),
            "roles": list(facts["actor.roles"]),
            "groups": (yield from names_of(main, "Group", facts["actor.groups"])),
            "projects": [show_id(each) for each in facts["actor.projects"]],
        }

    async def tokens(self, identity: Identity, user: str | None = None) -> list[dict[str, Any]]:
        """API keys and sessions of the user, or of another (name or id) whom one may change: GET /v1/tokens?user=."""

        def plan(catalogs: Catalogs) -> Plan[list[dict[str, Any]]]:
            whose = yield from self._changeable(catalogs, identity, user)
            found = yield from tokens_of(main_of(catalogs), whose)
            ids = [each.id for each in found]
            made = yield from created_at(main_of(catalogs), ids)
            used = yield from uses_of(self._dialect, ids, (API_KEY, REFRESH))
            return [_described(each, made.get(each.id), used.get(each.id), identity) for each in found]

        return await self._read(plan)

    async def revoke(self, identity: Identity, token: str) -> None:
        """End an API key or a session at once (DELETE /v1/tokens/{id}). NotFound where there is none one may end."""
        try:
            entity = as_id(token)
        except ValueError:
            raise NotFound(type="Token", entity=token[:100]) from None
        if entity == identity.token:
            await self.logout(identity)
            return
        # Rules decide, as for whatever else somebody changes.
        revoke = Update(type="Token", ids=[entity], columns={"revoked": [now()]})
        await self._room.acting(identity.actor).commit(Commit(id=new_id(), operations=[revoke]))
        await self._write(lambda catalogs: forget_secrets(self._dialect, [entity], (API_KEY, REFRESH)))

    async def logout(self, identity: Identity) -> None:
        """End the session (or the API key) that `identity` was shown with, at once (POST /v1/logout)."""
        token, name = identity.token, identity.actor.name
        if token is not None:
            await self._write(lambda catalogs: end_tokens(main_of(catalogs), [token], name, now()))

    async def set_password(self, identity: Identity, request: Any, *, client: str) -> None:
        """Change the own password: {"password": the present one, "new_password"} (POST /v1/password).

        The present one is not needed where there is none, in a session that was opened with a one-time code. Every other
        session of the user ends.
        """
        fields = Fields(request, "password")
        present, new = fields.maybe("password"), fields.text("new_password")
        fields.done()
        actor, token = identity.actor, identity.token
        _check_scope(identity, "changing the password")
        if actor.user is None or token is None:
            raise PermissionDenied(what="changing the password of nobody")
        if not await self._read(lambda catalogs: self._needs_none(identity)):
            await self._checked(actor.name, present or "", network_of(client), "the present password is not right")
        normal = check_new(new, actor.name, self.settings.password_length)
        hash_ = await self._passwords.run(hashed, normal)
        await self._write(lambda catalogs: self._change_password(catalogs, identity, hash_, network_of(client)))

    def _needs_none(self, identity: Identity) -> Plan[bool]:
        """Whether a password may be set without the one before: there is none, and a one-time code opened the session."""
        if (yield from secret_of(self._dialect, identity.actor.user or b"", PASSWORD)) is not None:
            return False
        return (yield from was_by_code(self._dialect, identity.token or b""))

    def _change_password(self, catalogs: Catalogs, identity: Identity, hash_: str, client: str) -> Plan[None]:
        main, moment, actor = main_of(catalogs), now(), identity.actor
        user = yield from user_state(main, actor.user or b"")
        if user is None or not user.active:
            not_right()
        yield from self._keep_password(user.id, hash_)
        yield from succeeded(self._dialect, user.name, client, moment)
        yield from forget_secrets(self._dialect, [user.id], [CODE])
        yield from self._end_sessions(main, user, actor.name, identity.token)

    def _end_sessions(self, main: Catalog, user: UserState, actor: str, but: bytes | None) -> Plan[None]:
        found = yield from tokens_of(main, user)
        going = [each.id for each in found if each.kind == SESSION and each.revoked is None and each.id != but]
        yield from end_tokens(main, going, actor, now())

    async def reset(self, identity: Identity, user: str) -> dict[str, Any]:
        """{"code", "user", "expires_in"}: a one-time code for a user, whose password and sessions end.

        POST /v1/users/{name or id}/reset. Needs the right to change that User, for oneself too: whoever found a key or
        a token of somebody must not be able to take their place for good.
        """
        _check_scope(identity, "resetting passwords")
        code = new_code()

        def plan(catalogs: Catalogs) -> Plan[str]:
            whose = yield from self._changeable(catalogs, identity, user, own_too=False)
            yield from forget_secrets(self._dialect, [whose.id], [PASSWORD])
            yield from self._end_sessions(main_of(catalogs), whose, identity.actor.name, None)
            yield from keep_code(self._dialect, whose.id, code, now(), self.settings.code_seconds)
            return whose.name

        name = await self._write(plan)
        return {"code": code, "user": name, "expires_in": self.settings.code_seconds}

    async def close(self) -> None:
        """Write down what is still to be written (last uses of tokens) and stop."""
        if self._writing is not None:
            with contextlib.suppress(Error):
                await self._writing
        await self.write_uses()
        await asyncio.to_thread(self._passwords.close)
        await self._oidc.close()


class Invitation(NamedTuple):
    """Who is invited, and the code that lets them in; None for those who have a password."""

    user: UserState
    code: str | None

    def __repr__(self) -> str:
        return f"<Invitation of {self.user.name}>"


# --- small things ---------------------------------------------------------------------------------


def _bearer(authorization: str | None) -> str:
    """The credential in a header value."""
    if not authorization:
        raise NotAuthenticated(where="The room", reason="there is no key or token; log in, or give an API key")
    scheme, _, credential = authorization.strip().partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential or len(credential) > 4096 or not credential.isascii():
        not_right()
    return credential


def _check_scope(identity: Identity, what: str) -> None:
    """PermissionDenied with a token that is not for accounts."""
    if identity.actor.scopes and "admin" not in identity.actor.scopes:
        raise PermissionDenied(what=f"{what} with a token of scope {', '.join(identity.actor.scopes)}")


def _described(token: TokenState, made: int | None, used: int | None, identity: Identity) -> dict[str, Any]:
    return {
        "id": show_id(token.id),
        "user": token.user.name,
        "kind": token.kind,
        "name": token.name,
        "scopes": list(token.scopes),
        "created": _shown(made),
        "expires": _shown(token.expires),
        "revoked": _shown(token.revoked),
        "used": _shown(used),
        "current": token.id == identity.token,
    }


def _shown(moment: int | None) -> str | None:
    if moment is None:
        return None
    found = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=moment)
    return found.isoformat().replace("+00:00", "Z")


def _json(scopes: tuple[str, ...]) -> str | None:
    return msgspec.json.encode(scopes).decode() if scopes else None
