"""Rows that are none here: metadata and values of custom attributes, and pairs. What is done to them is done to what they are of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ....client.symbols import NOT_SET
from ....model.ids import show_id
from ..names import Type
from .exception import ServerError
from .pairs import Pairs

if TYPE_CHECKING:
    from .entity.virtual import VirtualEntity
    from .session import Session

__all__ = ["Virtuals", "plain_values"]


class Virtuals:
    """The virtual entities of a session: one object for each key."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, tuple[Any, ...]], VirtualEntity] = {}
        self.pairs = Pairs(session)

    def clear(self) -> None:
        """Forget them."""
        self._known.clear()
        self.pairs.clear()

    def met(self, type: Type, values: Mapping[str, Any]) -> Any:
        """The entity with these values, which are what the room says now."""
        if type.pair is not None:
            return self.pairs.met(type, values)
        key = (type.name, tuple(values.get(each) for each in type.key))
        found = self._known.get(key)
        if found is None:
            cls: Any = self._session.types[type.name]
            found = self._known[key] = cls(self._session, values, reconstructing=True)
        else:
            found._values.update(values)
        return found

    def kept(self, entity: VirtualEntity) -> None:
        """Remember a new one."""
        self._known[entity.entity_type, tuple(entity._key().values())] = entity

    # --- all kinds -------------------------------------------------------------------------------

    def create(self, item: VirtualEntity) -> None:
        """Do what a new one means."""
        if item._type.pair is not None:
            self.pairs.create(item)
            return
        self.put(item, "value", item._values.get("value"))
        self.kept(item)

    def put(self, item: VirtualEntity, name: str, value: Any) -> None:
        """Give metadata or a custom attribute a value, or a new pair its other half."""
        if item._type.pair is not None:
            self.pairs.put(item, name, value)
            return
        owner, key = self._owner(item)
        if item.entity_type == "Metadata":
            owner["metadata"][key] = value
        else:
            owner["custom_attributes"][key] = value
        item._values["value"] = value

    def delete(self, item: VirtualEntity) -> None:
        """Do what its end means."""
        if item._type.pair is not None:
            self.pairs.delete(item)
            return
        owner, key = self._owner(item)
        found = owner["metadata" if item.entity_type == "Metadata" else "custom_attributes"]
        if key in found:
            del found[key]

    def _owner(self, item: VirtualEntity) -> tuple[Any, str]:
        """The entity that metadata or a value are of, and their key."""
        values = item._values
        if item.entity_type == "Metadata":
            return self._find(values.get("parent_type"), values.get("parent_id")), str(values.get("key"))
        configuration = next(
            (each for each in self._session.configurations if each.id == values.get("configuration_id")), None
        )
        if configuration is None:
            raise ServerError(f"There is no custom attribute {values.get('configuration_id')}")
        names = self._session.names
        for native in configuration.natives(names.schema):
            found = self._session.get(names.of(native).name, values.get("entity_id"))
            if found is not None:
                return found, configuration.key
        raise ServerError(f"There is no entity {values.get('entity_id')} that has {configuration.key}")

    def _find(self, kind: Any, key: Any) -> Any:
        names = self._session.names
        types = [str(kind)] if kind in names.types else [t for t in _WITH_METADATA if t in names.types]
        for each in types:
            found = self._session.get(each, key)
            if found is not None:
                return found
        raise ServerError(f"There is no {kind or 'entity'} {key}")

    def value(self, item: VirtualEntity, name: str) -> Any:
        """One of its values; an entity is fetched where it is one."""
        if item._type.pair is not None:
            return self.pairs.value(item, name)
        field = item._type.fields[name]
        if field.form != "reference":
            return item._values.get(name)
        key = item._values.get(f"{name}_id")
        return None if key is None else self._session.get(field.target, key)


_WITH_METADATA = ("Context", "Asset", "AssetVersion", "Component", "User", "Note", "List")


def plain_values(type: Type, data: Mapping[str, Any]) -> dict[str, Any]:
    """What is given to a virtual entity, with ids in place of entities."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        field = type.fields.get(name)
        if field is None or value is NOT_SET:
            continue
        if field.form == "reference":
            native = getattr(value, "_native", None)
            key = value.get("id") if isinstance(value, dict) else None
            found[f"{name}_id"] = show_id(native._id) if native is not None else key
        else:
            found[name] = value
    return found
