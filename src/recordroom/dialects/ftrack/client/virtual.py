"""Rows that are none here: pairs of links, metadata, values of custom attributes. What is done to them is done to what they are of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ....client.symbols import NOT_SET
from ....model.ids import show_id
from ..known import links_of
from ..names import Field, Type
from .exception import ServerError

if TYPE_CHECKING:
    from ....client.entity import Entity as Native
    from .entity.virtual import VirtualEntity
    from .session import Session

__all__ = ["Virtuals", "plain_values"]


class Virtuals:
    """The virtual entities of a session: one object for each key."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, tuple[Any, ...]], VirtualEntity] = {}

    def clear(self) -> None:
        """Forget them."""
        self._known.clear()

    def met(self, type: Type, values: Mapping[str, Any]) -> Any:
        """The entity with these values, which are what the room says now."""
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

    # --- pairs -----------------------------------------------------------------------------------

    def attribute(self, native: Native, field: Field) -> str:
        """The links attribute that a collection of pairs is made of."""
        return links_of(self._session.names, native._type, field)

    def of(self, entity: Any, field: Field, members: Any) -> list[Any]:
        """The pairs of an entity."""
        type = self._session.names[field.target]
        pair = type.pair
        assert pair is not None, "a collection of pairs"
        schema = self._session.names.schema
        owning = any(schema.is_a(entity._native._type, each) for each in pair.natives)
        here, there = (pair.owner, pair.member) if owning else (pair.member, pair.owner)
        own = show_id(entity._native._id)
        return [self.met(type, {f"{here}_id": own, f"{there}_id": show_id(each._id)}) for each in members]

    def link(self, item: VirtualEntity) -> None:
        """Put a pair into the links that it stands for."""
        owner, member, attribute = self._ends(item)
        owner[attribute].add(member)

    def unlink(self, item: VirtualEntity) -> None:
        """Take a pair out of the links that it stands for."""
        owner, member, attribute = self._ends(item)
        owner[attribute].discard(member)

    def _ends(self, item: VirtualEntity) -> tuple[Native, Native, str]:
        pair = item._type.pair
        assert pair is not None, "a pair"
        owner = self._session.get(item._type.fields[pair.owner].target, item._values.get(f"{pair.owner}_id"))
        member = self._session.get(item._type.fields[pair.member].target, item._values.get(f"{pair.member}_id"))
        if owner is None or member is None:
            raise ServerError(f"{item.entity_type}: {pair.owner} and {pair.member} have to be there")
        return owner._native, member._native, pair.attribute

    # --- all kinds -------------------------------------------------------------------------------

    def create(self, item: VirtualEntity) -> None:
        """Do what a new one means."""
        if item._type.pair is not None:
            self.link(item)
        else:
            self.put(item, item._values.get("value"))
        self.kept(item)

    def put(self, item: VirtualEntity, value: Any) -> None:
        """Give metadata or a custom attribute a value."""
        if item._type.pair is not None:
            raise ServerError(f"{item.entity_type}: create another one, and delete this")
        owner, key = self._owner(item)
        if item.entity_type == "Metadata":
            owner["metadata"][key] = value
        else:
            owner["custom_attributes"][key] = value
        item._values["value"] = value

    def delete(self, item: VirtualEntity) -> None:
        """Do what its end means."""
        if item._type.pair is not None:
            self.unlink(item)
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
