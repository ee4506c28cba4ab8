"""Keys and sessions of a user, as people see, make and end them; and the key that the room signs with."""

from __future__ import annotations

from typing import Any

from ...errors import NotAuthenticated, NotFound
from ...model.ids import as_id, new_id, show_id
from ...model.operations import Commit, Update
from ...store.access import access_of
from ...store.account_changes import raise_access
from ...store.accounts import TokenState, commit_as, created_at, main_of, new_entity, tokens_of
from ...store.catalog import Catalogs
from ...store.plans import Plan
from ...store.requests import now
from ...store.secrets import forget_secrets, uses_of
from ..signed import forget_keys
from .api_key import API_KEY, keep_key, new_key
from .desk import Desk, check_scope, scopes_json, shown
from .identity import Identity
from .requests import Fields, read_expiry, read_scopes
from .tokens import REFRESH, end_tokens, new_signing_key

__all__ = ["Keys"]

_RENEWED = "renewed"  # the name of the one key of a user that is given anew


class Keys(Desk):
    """API keys, sessions and the signing key."""

    async def _grant_key(self, fields: Fields, identity: Identity | None) -> dict[str, Any]:
        if identity is None:
            raise NotAuthenticated(where="The room", reason="an API key is made by somebody who is logged in")
        check_scope(identity, "making API keys")
        moment, whose = now(), fields.maybe("user")
        fields.text("grant")
        name, scopes = fields.clean("name"), read_scopes(fields, identity.actor.scopes)
        expires = read_expiry(fields, moment, identity.expires if identity.kind == API_KEY else None)
        fields.done()
        key, entity = new_key(), new_id()
        values = {"kind": API_KEY, "name": name, "scopes": scopes_json(scopes), "expires": expires}

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
            "expires": shown(expires),
        }

    async def renew_key(self, identity: Identity, user: str | None = None) -> str:
        """A new API key of a user (None: oneself) in place of the one that this gave before, which ends.

        POST /v1/users/{name or id}/api-key. Keys that were made under a name of their own stay.
        """
        check_scope(identity, "making API keys")
        key, entity, moment = new_key(), new_id(), now()
        expires = identity.expires if identity.kind == API_KEY else None
        values = {"kind": API_KEY, "name": _RENEWED, "scopes": scopes_json(identity.actor.scopes), "expires": expires}

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

    async def rotate_keys(self, identity: Identity) -> None:
        """End every access token and every signed address, of files and of pages, by signing with new keys (POST /v1/keys).

        Sessions and API keys stay: whoever has a refresh token gets another access token for it. PermissionDenied for
        who may not change the schema.
        """
        check_scope(identity, "rotating keys")

        def plan(catalogs: Catalogs) -> Plan[None]:
            access = yield from access_of(self._room.opened, identity.actor, catalogs)
            if access is not None:
                access.check_define("rotating keys")
            yield from forget_keys(self._dialect)
            yield from new_signing_key(self._dialect, now(), 0)
            yield from raise_access()

        await self._write(plan)

    async def new_signing_key(self, *, keep: bool = True) -> None:
        """Sign access tokens with a new key; `keep`: what the one before signed is good until it ends."""

        def plan(catalogs: Catalogs) -> Plan[None]:
            yield from new_signing_key(self._dialect, now(), self._key_seconds if keep else 0)
            yield from raise_access()

        await self._write(plan)


def _described(token: TokenState, made: int | None, used: int | None, identity: Identity) -> dict[str, Any]:
    return {
        "id": show_id(token.id),
        "user": token.user.name,
        "kind": token.kind,
        "name": token.name,
        "scopes": list(token.scopes),
        "created": shown(made),
        "expires": shown(token.expires),
        "revoked": shown(token.revoked),
        "used": shown(used),
        "current": token.id == identity.token,
    }
