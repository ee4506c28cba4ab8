"""Where an entity stands: what it is in, from the top."""

from __future__ import annotations

from .asking import Asked, link_at, paths_of
from .shown import Link

__all__ = ["trail_of"]

_DEEP = 30


async def trail_of(asked: Asked, type_name: str, entity: bytes) -> list[Link]:
    """What is above an entity that the actor may see, the top first; [] for types without a `parent`."""
    found: list[Link] = []
    exact, at = type_name, entity
    while len(found) < _DEEP:
        attribute = asked.schema.attributes(exact).get("parent")
        if attribute is None or attribute.kind != "reference":
            break
        rows, _ = await asked.rows(f"{exact} where id is $id", 1, ["parent", *paths_of(asked.schema, attribute)], id=at)
        link = link_at(asked.schema, rows[0], attribute) if rows else None
        if link is None:
            break
        found.append(link)
        exact, at = link.type, rows[0]["parent"]
    return found[::-1]
