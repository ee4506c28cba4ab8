"""Entities that have no native one: pairs such as memberships, metadata, values of custom attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .....client.symbols import NOT_SET
from ...names import Field
from ..attribute import Attribute
from ..virtual import plain_values
from .base import Entity

__all__ = ["VirtualAttribute", "VirtualEntity"]


class VirtualAttribute(Attribute):
    """An attribute of such an entity: only `value` changes."""

    def __init__(self, field: Field, *, key: bool = False) -> None:
        super().__init__(field, key=key)
        self.mutable = field.name == "value"

    def get_value(self, entity: Any) -> Any:
        """The value."""
        return entity.session._pairs.value(entity, self.name)

    def put(self, entity: Any, value: Any) -> None:
        """Hand a value over."""
        entity.session._pairs.put(entity, value)

    def forget(self, entity: Any) -> None:
        """Forget the local value, where there can be one."""

    def _known(self, entity: Any, local: bool | None) -> Any:
        return NOT_SET if local else entity._values.get(self.name, NOT_SET)


class VirtualEntity(Entity):
    """An entity that holds its own values."""

    _native = None  # type: ignore[assignment]

    def _construct(self, data: Mapping[str, Any], reconstructing: bool) -> None:
        self._values = plain_values(self._type, data)
        if not reconstructing:
            self.session._pairs.create(self)
            self.session._note_create(self, data)

    def _key(self) -> dict[str, Any]:
        return {name: self._values.get(name) for name in self.primary_key_attributes}

    def _state(self) -> str:
        return "clean"

    def _load_all(self) -> None:
        pass

    def clear(self) -> None:
        """Nothing: it has no local values of its own."""

    def __hash__(self) -> int:
        return hash((self.entity_type, tuple(self._key().values())))
