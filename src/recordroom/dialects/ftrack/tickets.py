"""Tickets: what the path of a hub's socket shows. Somebody who has proved who they are gets one; it is good once, soon.

They are kept in the room, as digests, so that any process that serves it may take the socket. A credential
that ends meanwhile ends what was opened with it: `guard` looks in the snapshot of every request.
"""

from __future__ import annotations

import secrets

import msgspec

from ...errors import NotAuthenticated
from ...model.actor import Actor
from ...model.ids import new_id
from ...server.auth.identity import Identity
from ...server.service import Service
from ...store.accounts import main_of, token_state
from ...store.catalog import Catalogs
from ...store.plans import Plan
from ...store.requests import Guard, Requests, now
from ...store.secrets import Secret, digest, forget_expired, forget_secrets, keep_secret, secret_by

__all__ = ["Holder", "give_ticket", "guard_of", "take_ticket"]

_KIND = "ftrack.ticket"
_LIFE = 60 * 1_000_000  # microseconds


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who opened a socket, and the credential that it hangs on (None: the owner's)."""

    actor: Actor
    token: bytes | None = None
    expires: int | None = None


async def give_ticket(service: Service, identity: Identity) -> str:
    """A new ticket."""
    ticket = secrets.token_hex(24)
    holder = Holder(actor=identity.actor, token=identity.token, expires=identity.expires)
    moment, dialect = now(), service.room.driver.dialect
    data = msgspec.json.encode(holder).decode()

    def plan(catalogs: Catalogs) -> Plan[None]:
        yield from forget_expired(dialect, moment)
        yield from keep_secret(dialect, Secret(new_id(), _KIND, data, digest(ticket), moment + _LIFE))

    await service.room.write(_requests(service).write(plan))
    return ticket


async def take_ticket(service: Service, ticket: str) -> Holder:
    """Who was given a ticket; NotAuthenticated where it is not good, or was taken before."""
    dialect = service.room.driver.dialect

    def plan(catalogs: Catalogs) -> Plan[str | None]:
        secret = yield from secret_by(dialect, _KIND, digest(ticket))
        if secret is None:
            return None
        yield from forget_secrets(dialect, [bytes(secret.entity)], [_KIND])
        return secret.data if (secret.expires or 0) > now() else None

    data = await service.room.write(_requests(service).write(plan))
    if data is None:
        raise NotAuthenticated(where="the event hub", reason="this address is not good any more; connect anew")
    return msgspec.json.decode(data, type=Holder)


def guard_of(holder: Holder) -> Guard | None:
    """What looks whether the credential is still good, in each request."""
    token = holder.token
    if token is None:
        return None

    def guard(catalogs: Catalogs) -> Plan[None]:
        moment = now()
        state = yield from token_state(main_of(catalogs), token)
        good = state is not None and state.good(moment) and state.user.name == holder.actor.name
        if not good or (holder.expires is not None and holder.expires <= moment):
            raise NotAuthenticated(where="the event hub", reason="the key is not good any more")

    return guard


def _requests(service: Service) -> Requests:
    return Requests(service.room.opened, service.room.actor)
