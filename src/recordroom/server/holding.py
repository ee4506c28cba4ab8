"""Whether what was given to somebody still holds: addresses and pages end with the credential that asked for them."""

from __future__ import annotations

from ..model.actor import Actor
from ..store.accounts import main_of, token_state, user_state
from ..store.async_room import AsyncRoom
from ..store.catalog import Catalogs
from ..store.plans import Plan
from ..store.requests import now

__all__ = ["holds"]


async def holds(room: AsyncRoom, actor: Actor, token: bytes | None) -> bool:
    """Whether the credential `token` is good, or where there was none (None) the actor's user is active; the owner always is."""

    def plan(catalogs: Catalogs) -> Plan[bool]:
        if token is not None:
            state = yield from token_state(main_of(catalogs), token)
            return state is not None and state.good(now())
        if actor.user is None:
            return True
        user = yield from user_state(main_of(catalogs), actor.user)
        return user is not None and user.active

    return await room.read(room.requests.read(plan))
