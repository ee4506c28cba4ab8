"""The beginning: accounts where a room has none, and somebody who administers it."""

from __future__ import annotations

from ...model.ids import new_id
from ...model.operations import Link
from ...store.accounts import (
    activate,
    commit_as,
    ids_of,
    is_activated,
    main_of,
    new_entity,
    reloaded,
    user_named,
)
from ...store.catalog import Catalogs
from ...store.default_roles import ADMINISTRATOR
from ...store.last_administrator import administrators
from ...store.plans import Plan
from ...store.requests import now
from .codes import keep_code, new_code
from .desk import Desk

__all__ = ["Beginning"]


class Beginning(Desk):
    """The first start."""

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
