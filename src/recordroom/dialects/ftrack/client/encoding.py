"""JSON of entities, as ftrack's clients write it: with types, and with references in place of relations."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..judging import moment_of
from . import moments
from .attribute import Attribute, KeyAttribute
from .collection import Collection, KeyValueMappedCollectionProxy, MappedCollectionProxy
from .entity.base import Entity
from .symbol import NOT_SET

if TYPE_CHECKING:
    from .session import Session

__all__ = ["OperationPayload", "decode", "encode", "reference"]


class OperationPayload(dict[str, Any]):
    """One operation of a call, as a mapping."""

    def __str__(self) -> str:
        return f"<{type(self).__name__} {super().__repr__()}>"


def reference(entity: Entity) -> dict[str, Any]:
    """What identifies an entity: `__entity_type__` and its key."""
    return {"__entity_type__": entity.entity_type, **entity._key()}


def encode(session: Session, data: Any, strategy: str) -> str:
    """JSON text of data with entities in it. ValueError for a strategy that there is not."""
    choose = _STRATEGIES.get(strategy)
    if choose is None:
        raise ValueError(f"Unsupported entity_attribute_strategy {strategy!r}. Must be one of {', '.join(_STRATEGIES)}")
    with session.auto_populating(strategy == "all"):
        return json.dumps(data, sort_keys=True, default=lambda each: _encoded(each, choose))


def _encoded(item: Any, choose: Callable[[Attribute, Entity], Any]) -> Any:
    inner = getattr(item, "datetime", item)
    if isinstance(inner, dt.datetime | dt.date):
        return {"__type__": "datetime", "value": inner.isoformat()}
    if isinstance(item, Entity):
        return _entity(item, choose)
    if isinstance(item, KeyValueMappedCollectionProxy):
        about = {"parent_id": item.entity["id"], "parent_type": item.entity.entity_type}
        return [{"__entity_type__": "Metadata", **about, "key": key, "value": item[key]} for key in item]
    if isinstance(item, MappedCollectionProxy):
        return dict(item)
    if isinstance(item, Collection):
        return [reference(each) for each in item]
    raise TypeError(f"{item!r} is not JSON serializable")


def _entity(entity: Entity, choose: Callable[[Attribute, Entity], Any]) -> dict[str, Any]:
    found = reference(entity)
    for each in entity.attributes:
        value = choose(each, entity)
        if value is not NOT_SET:
            found[each.name] = _short(value)
    return found


def _short(value: Any) -> Any:
    """References in place of entities."""
    if isinstance(value, list):
        return [_short(each) for each in value]
    return reference(value) if isinstance(value, Entity) else value


def _modified(attribute: Attribute, entity: Entity) -> Any:
    # What is set by its id is not said a second time as an entity.
    return NOT_SET if isinstance(attribute, KeyAttribute) else attribute.get_local_value(entity)


def _persisted(attribute: Attribute, entity: Entity) -> Any:
    return NOT_SET if attribute.computed else attribute.get_remote_value(entity)


_STRATEGIES: dict[str, Callable[[Attribute, Entity], Any]] = {
    "all": lambda attribute, entity: attribute.get_value(entity),
    "set_only": lambda attribute, entity: attribute._known(entity, None),
    "modified_only": _modified,
    "persisted_only": _persisted,
}


def decode(session: Session, text: str) -> Any:
    """What `encode` made, with entities of this session. Nothing is recorded."""
    return json.loads(text, object_hook=lambda item: _decoded(session, item))


def _decoded(session: Session, item: dict[str, Any]) -> Any:
    if item.get("__type__") in ("datetime", "date"):
        return moments.shown(moment_of(item["value"]))
    if "__entity_type__" in item:
        return session.create(item["__entity_type__"], item, reconstructing=True)
    return item
