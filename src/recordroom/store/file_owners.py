"""Whose bytes are: known from when they are sent on, whether their component is there yet, still, or not any more."""

from __future__ import annotations

from collections.abc import Collection

from ..model.actor import Actor
from ..model.ids import show_id
from .catalog import Catalog
from .creation import placeholders
from .plans import Fetch, Plan

__all__ = ["COMPONENT", "bytes_of_others", "owner_of"]

COMPONENT = "Component"  # the type whose entities have bytes
_AT_ONCE = 500


def owner_of(actor: Actor) -> str:
    """Whose an upload is, as it stays when they are renamed."""
    return actor.name if actor.user is None else show_id(actor.user)


def bytes_of_others(catalog: Catalog, type_name: str, ids: Collection[bytes], actor: Actor) -> Plan[set[bytes]]:
    """Those of `ids`, new entities of a type, for which somebody else's bytes are kept.

    Whoever made such a component would have them: bytes that wait for their commit, or those of one that was deleted.
    """
    found: set[bytes] = set()
    if COMPONENT not in catalog.schema or not catalog.schema.is_a(type_name, COMPONENT):
        return found
    every = list(ids)
    for start in range(0, len(every), _AT_ONCE):
        some = every[start : start + _AT_ONCE]
        listed, one = placeholders(catalog.dialect, len(some)), placeholders(catalog.dialect, 1)
        sql = f"SELECT component FROM rr_file WHERE component IN ({listed}) AND owner <> {one} AND database = {one}"
        rows = yield Fetch(sql, [*some, owner_of(actor), catalog.database])
        found.update(bytes(row[0]) for row in rows)
    return found
