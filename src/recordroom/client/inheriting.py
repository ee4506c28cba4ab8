"""Values that are handed down the tree of contexts: what has none of its own has that of the nearest above it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import InvalidValue, UnknownAttribute
from ..model.schema import close_names
from .entity import Entity

if TYPE_CHECKING:
    from .session import Session

__all__ = ["handed_down"]

_ABOVE = {"Context": "parent", "Asset": "parent", "AssetVersion": "asset"}
_DEEPEST = 64


def handed_down(session: Session, entities: Iterable[Entity], name: str) -> list[Any]:
    """The value of each entity, or else of the nearest above it that has one; None where none has.

    One request for each level and type, whatever the number of entities. UnknownAttribute where no kind of context,
    asset or version has the attribute; InvalidValue for entities of other kinds.
    """
    schema = session.schema
    roots = [each for each in _ABOVE if each in schema]
    known = {each for root in roots for kind in schema.subtypes(root) for each in schema.attributes(kind)}
    if name not in known:
        raise UnknownAttribute(type="Context", name=name, suggestions=close_names(name, known))
    asked = list(entities)
    at = {entity: entity for entity in asked}
    found: dict[Entity, Any] = {}
    for _ in range(_DEEPEST):
        if not at:
            break
        _load(session, at.values(), name)
        above: dict[Entity, Entity] = {}
        for entity, here in at.items():
            value = here[name] if name in schema.attributes(here["entity_type"]) else None
            if value is not None:
                found[entity] = value
                continue
            up = here[_way_up(session, here)]
            if up is not None:
                above[entity] = up
        at = above
    return [found.get(entity) for entity in asked]


def _load(session: Session, entities: Iterable[Entity], name: str) -> None:
    groups: dict[str, dict[Entity, None]] = {}
    for each in entities:
        groups.setdefault(each["entity_type"], {})[each] = None
    for kind, group in groups.items():
        way = _way_up(session, next(iter(group)))
        session.populate(group, [way, name] if name in session.schema.attributes(kind) else [way])


def _way_up(session: Session, entity: Entity) -> str:
    way = _ABOVE.get(session.schema.root(entity["entity_type"]))
    if way is None:
        expected = "contexts, assets or versions"
        raise InvalidValue(type=entity["entity_type"], attribute="entities", value=entity, expected=expected)
    return way
