"""Actors: who asks. The journal keeps the name; access rules look at the user."""

from __future__ import annotations

import msgspec

__all__ = ["OWNER", "SCOPES", "Actor"]

SCOPES = ("read", "write", "admin")


class Actor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who asks.

    `user` is the id of a User of the room, whose roles and shares decide. None is whoever has the room itself: the
    owner of an embedded room, who may do everything. `scopes` narrow what a token may be used for to some of
    `SCOPES`: "read", "write" (which reads too), "admin" (accounts, rules, schema; which writes too); () is all that the
    user may.
    """

    name: str
    user: bytes | None = None
    scopes: tuple[str, ...] = ()


OWNER = Actor(name="owner")
