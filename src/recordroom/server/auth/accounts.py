"""Accounts: the face of everything that proves who somebody is. `Accounts` is what the service uses.

A credential is what stands in the header `Authorization: Bearer …`: an API key (`rrk_…`) or an access token
(JWT). It identifies a Token entity of a user; what the user may do, access rules decide.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from ...errors import Error
from ...model.actor import Actor
from ...model.ids import show_id
from ...store.accounts import main_of, names_of
from ...store.actor_facts import facts_of
from ...store.catalog import Catalogs
from ...store.creation import room_facts
from ...store.plans import Plan
from ...store.requests import now
from .beginning import Beginning
from .desk import shown
from .grants import Grants
from .identity import Identity
from .recognition import Recognition, Renewed
from .resetting import Resetting

__all__ = ["Accounts", "Renewed"]


class Accounts(Beginning, Recognition, Grants, Resetting):
    """Accounts of one room. `room` is the owner's; safe for many tasks of one event loop."""

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
            "expires": shown(identity.expires),
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

    async def close(self) -> None:
        """Write down what is still to be written (last uses of tokens) and stop."""
        if self._writing is not None:
            with contextlib.suppress(Error):
                await self._writing
        await self.write_uses()
        await asyncio.to_thread(self._passwords.close)
        await self._oidc.close()
