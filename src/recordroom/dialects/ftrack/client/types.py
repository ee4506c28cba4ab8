"""`session.types`: the classes of entity types, each made when somebody asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..configurations import object_types
from ..names import Field, Type
from ..schemas import described
from .attribute import Attribute, Attributes, attribute_for
from .entity.base import Entity
from .entity.factory import StandardFactory
from .entity.virtual import VirtualAttribute
from .symbol import NOT_SET

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Types"]

CONSTRUCT = "ftrack.api.session.construct-entity-type"


class Types(Mapping[str, type[Entity]]):
    """Type name → class. Classes that plugins give come from the event `ftrack.api.session.construct-entity-type`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made: dict[str, type[Entity]] = {}
        self._factory = StandardFactory()

    def __getitem__(self, name: str) -> type[Entity]:
        found = self._made.get(name)
        return self._make(name) if found is None else found

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._session.names.types))

    def __len__(self) -> int:
        return len(self._session.names.types)

    def __contains__(self, name: object) -> bool:
        return name in self._session.names.types

    def __repr__(self) -> str:
        return f"<types {', '.join(self)}>"

    def make_all(self) -> None:
        """Make every class, where somebody listens who may give one."""
        if self._session.event_hub.has_subscribers(CONSTRUCT):
            for name in self:
                self[name]

    @cached_property
    def schemas(self) -> list[dict[str, Any]]:
        """Every type as ftrack's schemas tell it."""
        return described(self._session.names, self._session.configurations)

    def _make(self, name: str) -> type[Entity]:
        type = self._session.names.types.get(name)
        if type is None:
            raise KeyError(name)
        with self._session._lock:
            if name not in self._made:
                own = self._session.names.of(type.native).name if len(type.natives) == 1 else name
                self._made[name] = self[own] if own != name else self._bound(self._class(type), type)
            return self._made[name]

    def _class(self, type: Type) -> type[Entity]:
        """The class that plugins give, or the usual one."""
        session = self._session
        if not session.event_hub.has_subscribers(CONSTRUCT):
            return self._factory.create(_outline(type))
        from .event.base import Event

        schema = next(each for each in self.schemas if each["id"] == type.name)
        data = {"schema": schema, "schemas": self.schemas}
        results = session.event_hub.publish(Event(topic=CONSTRUCT, data=data), synchronous=True)
        found = [each for each in results or () if each is not None]
        if len(found) > 1:
            raise ValueError(f"Expected one class for {type.name}, got {len(found)}: {found!r}")
        return found[0] if found else self._factory.create(schema)

    def _bound(self, cls: type[Entity], type: Type) -> type[Entity]:
        """The class with what it knows of its type in this session."""
        if "_type" in vars(cls):
            cls = self._factory.create(_outline(type), [cls])
        hidden = {each.native for native in type.natives for each in self._session._custom_of(native)}
        fields = [each for each in type.fields.values() if not (each.form == "scalar" and each.name in hidden)]
        attributes = [self._attribute(type, each) for each in fields]
        cls.entity_type = type.name
        cls.session = self._session
        cls._type = type
        cls.attributes = Attributes(attributes)
        cls._getters = {each.name: each.get_value for each in attributes}
        cls._direct = {each.name: each.direct for each in attributes if each.direct is not None}
        if not cls.__dict__.get("primary_key_attributes"):
            cls.primary_key_attributes = list(type.key)
        if not cls.__dict__.get("default_projections"):
            cls.default_projections = list(type.projections)
        return cls

    def _attribute(self, type: Type, field: Field) -> Attribute:
        is_key = field.name in type.key
        if not type.natives:
            return VirtualAttribute(field, key=is_key)
        native = None
        if field.form == "scalar":
            native = self._session.names.schema.attribute(type.native, field.natives[0])
        found = attribute_for(field, native, key=is_key)
        if field.name == "object_type_id":
            found.default_value = object_types(self._session.names.schema).get(type.native, NOT_SET)
        return found


def _outline(type: Type) -> dict[str, Any]:
    """As much of a schema as makes a class."""
    return {
        "id": type.name,
        "properties": type.fields,
        "primary_key": list(type.key),
        "default_projections": list(type.projections),
    }
