"""Grants: what somebody gets for a password, a code, a token of a provider or a refresh token."""

from __future__ import annotations

from typing import Any

from ...store.accounts import UserState, main_of, user_named
from ...store.catalog import Catalog, Catalogs
from ...store.plans import Plan
from ...store.requests import now
from .attempts import network_of, succeeded
from .codes import use_code, user_of_code
from .identity import Identity
from .keys import Keys
from .oidc import External, provisioned
from .password import check_new, hashed, is_stale
from .requests import Fields, not_right
from .tokens import renew

__all__ = ["Grants"]

_WRONG = "the user name or the password is not right"


class Grants(Keys):
    """POST /v1/tokens."""

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
