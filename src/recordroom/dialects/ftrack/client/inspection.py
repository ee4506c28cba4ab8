"""What identifies an entity, and what state it is in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .symbol import CREATED, DELETED, MODIFIED, NOT_SET

if TYPE_CHECKING:
    from .entity.base import Entity

__all__ = ["identity", "primary_key", "state", "states"]

_STATES: dict[str, Any] = {"created": CREATED, "modified": MODIFIED, "deleted": DELETED, "clean": NOT_SET}


def identity(entity: Entity) -> tuple[str, list[str]]:
    """The type and the values of the key. KeyError while a part of the key is not set."""
    return entity.entity_type, list(primary_key(entity).values())


def primary_key(entity: Entity) -> dict[str, str]:
    """The key, by attribute. KeyError while a part of it is not set."""
    found = entity._key()
    for name, value in found.items():
        if value is NOT_SET or value is None:
            raise KeyError(f"{name} of the key of this {entity.entity_type} is not set")
    return found


def state(entity: Entity) -> Any:
    """CREATED, MODIFIED or DELETED where that is not committed, else NOT_SET."""
    return _STATES[entity._state()]


def states(entities: Iterable[Entity]) -> list[Any]:
    """The state of each entity."""
    return [state(each) for each in entities]
