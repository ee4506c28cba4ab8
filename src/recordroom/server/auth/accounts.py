"""Accounts: the face of everything that proves who somebody is. `Accounts` is what the service uses.

A credential is what stands in the header `Authorization: Bearer …`: an API key (`rrk_…`) or an access token
(JWT). It identifies a Token entity of a user; what the user may do, access rules decide.
"""

from __future__ import annotations

from typing import Any

from ...model.actor import Actor
from ...store.async_room import AsyncRoom
from .identity import Identity
from .settings import AuthSettings

__all__ = ["Accounts"]


class Accounts:
    """Accounts of one room. `room` is the owner's; safe for many tasks of one event loop."""

    def __init__(self, room: AsyncRoom, settings: AuthSettings | None = None) -> None:
        self._room = room
        self.settings = settings or AuthSettings()

    async def first_run(self) -> str | None:
        """Make accounts where the room has none: types, default roles and the user "administrator".

        The one-time code to log in with, or None where there are accounts already. Safe where several processes start.
        """
        raise NotImplementedError

    async def identify(self, authorization: str | None) -> Identity:
        """Who shows this header value, `Bearer …`, and with which token. NotAuthenticated, or TokenExpired."""
        raise NotImplementedError

    async def authenticate(self, authorization: str | None) -> Actor:
        """`identify(…).actor`: what `AsyncRoom.acting` takes."""
        return (await self.identify(authorization)).actor

    async def grant(self, request: Any, *, client: str, identity: Identity | None = None) -> dict[str, Any]:
        """What POST /v1/tokens answers. `client` is the address that asks, for slowing down those who guess.

        `request` has a "grant":

        - "password": "user", "password"
        - "code": "code" (of a first start, or of a reset by an administrator), and "new_password" to set one
        - "refresh_token": "refresh_token"
        - "id_token": "provider", "id_token", "nonce"
        - "access_token": "provider", "access_token" (a JWT of the provider's)
        - "api_key": "name", "scopes", "expires" (ISO 8601) or "expires_in" (seconds), "user" (another's; needs the right
          to change that User). This one needs `identity`: NotAuthenticated without.

        The last gives {"api_key", "id", "name", "scopes", "expires"}; the others {"access_token", "token_type": "Bearer",
        "expires_in", "refresh_token", "refresh_expires_in", "user"}. InvalidValue where the request is not such a thing,
        NotAuthenticated where it proves nothing, TooManyAttempts (fact `retry_after`), ProviderUnavailable.
        """
        raise NotImplementedError

    async def providers(self) -> list[dict[str, Any]]:
        """Providers of single sign-on that clients may use, for GET /v1/login (needs no authentication)."""
        raise NotImplementedError

    async def me(self, identity: Identity) -> dict[str, Any]:
        """What GET /v1/me answers: user, name, roles, groups, scopes, kind of token, its id and its end."""
        raise NotImplementedError

    async def tokens(self, identity: Identity, user: str | None = None) -> list[dict[str, Any]]:
        """API keys and sessions of the user, or of another (name or id) whom one may change: GET /v1/tokens?user=."""
        raise NotImplementedError

    async def revoke(self, identity: Identity, token: str) -> None:
        """End an API key or a session at once (DELETE /v1/tokens/{id}). NotFound where there is none one may end."""
        raise NotImplementedError

    async def logout(self, identity: Identity) -> None:
        """End the session (or the API key) that `identity` was shown with, at once (POST /v1/logout)."""
        raise NotImplementedError

    async def set_password(self, identity: Identity, request: Any, *, client: str) -> None:
        """Change the own password: {"password": the present one, "new_password"} (POST /v1/password).

        The present one is not needed where there is none. Every other session of the user ends.
        """
        raise NotImplementedError

    async def reset(self, identity: Identity, user: str) -> dict[str, Any]:
        """{"code", "user", "expires_in"}: a one-time code for another user, whose password and sessions end.

        POST /v1/users/{name or id}/reset. Needs the right to change that User.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """Write down what is still to be written (last uses of tokens) and stop."""
        raise NotImplementedError
