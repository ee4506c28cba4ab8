"""Entities that have no native one: pairs such as memberships, metadata, values of custom attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .....client.symbols import NOT_SET
from ...names import Field
from ..attribute import Attribute
from ..exception import ServerError
from ..pairs import halves_of
from ..virtual import plain_values
from .base import Entity

__all__ = ["VirtualAttribute", "VirtualEntity"]


class VirtualAttribute(Attribute):
    """An attribute of such an entity: only `value` changes, and a new pair may get its other half."""

    def __init__(self, field: Field, *, key: bool = False) -> None:
        super().__init__(field, key=key)
        self.mutable = field.name == "value"

    def get_value(self, entity: Any) -> Any:
        """The value."""
        return entity.session._pairs.value(entity, self.name)

    def put(self, entity: Any, value: Any) -> None:
        """Hand a value over."""
        entity.session._pairs.put(entity, self.name, value)

    def forget(self, entity: Any) -> None:
        """Forget the local value, where there can be one."""

    def _known(self, entity: Any, local: bool | None) -> Any:
        if self.field.form == "reference":
            return NOT_SET if local or f"{self.name}_id" not in entity._values else self.get_value(entity)
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
        if self._type.pair is not None:
            return {"id": self.session._pairs.pairs.id_of(self)}
        return {name: self._values.get(name) for name in self.primary_key_attributes}

    def _identity(self) -> tuple[Any, ...]:
        """The type, and the key or the two halves of a pair; None for what is missing."""
        names = self._type.key if self._type.pair is None else halves_of(self._type)
        return (self.entity_type, *(self._values.get(each) for each in names))

    def _complete(self) -> None:
        """A pair that has not got both of its halves until now gets them no more."""
        missing = [name for name in halves_of(self._type) if name not in self._values]
        raise ServerError(f"{self.entity_type}.{missing[0].removesuffix('_id')}: expected an entity, got None")

    def _state(self) -> str:
        return "created" if None in self._identity() else "clean"

    def _load_all(self) -> None:
        pass

    def clear(self) -> None:
        """Nothing: it has no local values of its own."""

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Entity):
            return NotImplemented
        return isinstance(other, VirtualEntity) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())
