"""Attributes of entity types: how scripts see what the session behind has under its own names.

An attribute holds no value. `get_value` reads the native entity, `set_local_value` writes it, and `direct` says what a create
passes on as it is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ....client.symbols import NOT_SET
from ....model.ids import show_id
from ....model.schema import Attribute as NativeAttribute
from ..names import Field
from ..values import python_value
from . import moments, working
from .collection import Collection, CustomAttributeCollectionProxy, KeyValueMappedCollectionProxy, PairCollection
from .exception import ImmutableAttributeError, ServerError
from .natives import attribute_of, moved, peek, raw_reference

if TYPE_CHECKING:
    from .entity.base import Entity

__all__ = [
    "AbstractCollectionAttribute",
    "Attribute",
    "Attributes",
    "CollectionAttribute",
    "CustomAttributeCollectionAttribute",
    "KeyValueMappedCollectionAttribute",
    "ReferenceAttribute",
    "ScalarAttribute",
    "attribute_for",
]

_MOMENTS = ("datetime", "date")
_OWN: dict[str, type] = {"text": str, "long_text": str, "number": float, "integer": int, "boolean": bool}


class Attributes:
    """The attributes of a type, by name."""

    def __init__(self, attributes: list[Attribute] | None = None) -> None:
        self._attributes = {each.name: each for each in attributes or ()}

    def get(self, name: str) -> Attribute | None:
        """The attribute of that name, or None."""
        return self._attributes.get(name)

    def keys(self) -> list[str]:
        """The names."""
        return list(self._attributes)

    def __contains__(self, item: object) -> bool:
        return isinstance(item, Attribute) and self._attributes.get(item.name) is item

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self._attributes.values())

    def __len__(self) -> int:
        return len(self._attributes)


class Attribute:
    """One attribute of a type."""

    # (native name, what makes a native value of one given) where a create passes it on.
    direct: tuple[str, Callable[[Any], Any] | None] | None = None

    def __init__(self, field: Field, *, key: bool = False) -> None:
        self.field = field
        self.name = field.name
        self.computed = field.fixed
        self.mutable = not (field.fixed or field.immutable or key)
        self.native = field.natives[0] if field.natives else ""
        self.default_value: Any = NOT_SET

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def get_value(self, entity: Entity) -> Any:
        """The value: the local one, else what the room said, which is loaded where it has to be."""
        raise NotImplementedError

    def set_local_value(self, entity: Entity, value: Any) -> None:
        """Give the attribute a local value. ImmutableAttributeError where it cannot be changed."""
        if not self.mutable and (self.computed or self._differs(entity, value)):
            raise ImmutableAttributeError(self)
        self.put(entity, value)

    def put(self, entity: Entity, value: Any) -> None:
        """Hand a value over to the session behind."""
        raise ImmutableAttributeError(self)

    def forget(self, entity: Entity) -> None:
        """Forget the local value."""
        for name in self.field.natives:
            del entity._native[name]

    def get_local_value(self, entity: Entity) -> Any:
        """The local value, or NOT_SET."""
        return self._known(entity, True)

    def get_remote_value(self, entity: Entity) -> Any:
        """What the room said, or NOT_SET where it was not asked."""
        return self._known(entity, False)

    def is_set(self, entity: Entity) -> bool:
        """Whether there is a value without asking the room."""
        return self._known(entity, None) is not NOT_SET

    def is_modified(self, entity: Entity) -> bool:
        """Whether there is a local value."""
        return self.get_local_value(entity) is not NOT_SET

    def populate_remote_value(self, entity: Entity) -> Any:
        """What the room says, asked for where it has to be."""
        entity.session.populate(entity, self.name)
        return self.get_remote_value(entity)

    def _known(self, entity: Entity, local: bool | None) -> Any:
        """A value without asking: the local one (True), the room's (False), or either (None)."""
        return NOT_SET

    def _differs(self, entity: Entity, value: Any) -> bool:
        known = self._known(entity, None)
        return known is not NOT_SET and known is not None and known != value


class ScalarAttribute(Attribute):
    """A plain value."""

    def __init__(self, field: Field, attribute: NativeAttribute, *, key: bool = False) -> None:
        super().__init__(field, key=key)
        self.data_type = attribute.kind
        self._native_attribute = attribute
        default = attribute.default
        self.default_value = NOT_SET if default is None else default
        self._shown: Callable[[Any], Any] | None = None
        if attribute.kind in _MOMENTS and not attribute.multi:
            self._shown = moments.shown
        elif attribute.multi:
            self._shown = list
        elif field.told:
            told = field.told
            self._shown = lambda value: told.get(value, value)
        self._own = None if attribute.multi else _OWN.get(attribute.kind)
        self._is_single = attribute.kind not in _MOMENTS and not attribute.multi
        if not field.fixed:
            self.direct = (self.native, self.prepared)

    def prepared(self, value: Any) -> Any:
        """The native value of what is given."""
        if type(value) is self._own or value is None or value is NOT_SET or (self._is_single and type(value) is str):
            return value
        try:
            found = python_value(moments.plain(value), self._native_attribute)
        except (ValueError, TypeError, OverflowError):
            # The session behind says what is wrong with it.
            return value
        return found.date() if self.data_type == "date" and isinstance(found, dt.datetime) else found

    def get_value(self, entity: Entity) -> Any:
        """The value."""
        value = attribute_of(entity._native, self.native)
        if self._shown is None or value is None or value is NOT_SET:
            return value
        return self._shown(value)

    def put(self, entity: Entity, value: Any) -> None:
        """Hand a value over."""
        entity._native[self.native] = self.prepared(value)

    def _known(self, entity: Entity, local: bool | None) -> Any:
        raw = peek(entity._native, self.native, local=local)
        if raw is None or raw is NOT_SET:
            return raw
        load = entity._native._facts.loaders.get(self.native)
        value = raw if load is None else load(raw)
        return value if self._shown is None else self._shown(value)


class IdAttribute(Attribute):
    """The id of an entity."""

    direct = ("id", None)

    def get_value(self, entity: Entity) -> Any:
        """The value."""
        return show_id(entity._native._id)

    def put(self, entity: Entity, value: Any) -> None:
        """Nothing: it is the same."""

    def forget(self, entity: Entity) -> None:
        """Forget the local value, where there can be one."""

    def _known(self, entity: Entity, local: bool | None) -> Any:
        return NOT_SET if local and not entity._native._page.new else self.get_value(entity)


class ReferenceAttribute(Attribute):
    """Another entity. Where it may be of several kinds there is a native reference for each, of which one is set."""

    def __init__(self, field: Field, *, key: bool = False) -> None:
        super().__init__(field, key=key)
        self.entity_type = field.target
        if len(field.natives) == 1 and not field.fixed:
            self.direct = (self.native, native_value)

    def get_value(self, entity: Entity) -> Any:
        """The value."""
        values = [attribute_of(entity._native, name) for name in self.field.natives]
        found = next((each for each in values if each is not None and each is not NOT_SET), None)
        return _nothing(values) if found is None else entity.session.wrap(found)

    def put(self, entity: Entity, value: Any) -> None:
        """Hand a value over."""
        native = entity._native
        if len(self.field.natives) == 1:
            found = native_value(value)
            if self.native != "parent" or not moved(native, found):
                native[self.native] = found
            return
        found = value if value is None or value is NOT_SET else _end(entity, self.field, value)
        for name in self.field.natives:
            target = native._facts.attributes[name].target
            fits = found is not None and found is not NOT_SET and native._session.schema.is_a(found._type, target)
            if fits or found is NOT_SET:
                native[name] = found
            elif peek(native, name) is not None:
                native[name] = None

    def _known(self, entity: Entity, local: bool | None) -> Any:
        raws = [peek(entity._native, name, local=local) for name in self.field.natives]
        return _first_known(entity, self.field, raws, lambda found, raw: found)


class KeyAttribute(Attribute):
    """The id of another entity."""

    def __init__(self, field: Field, *, key: bool = False) -> None:
        super().__init__(field, key=key)
        self._reference = ReferenceAttribute(field)
        if len(field.natives) == 1 and not field.fixed:
            self.direct = (self.native, native_value)

    def get_value(self, entity: Entity) -> Any:
        """The value."""
        raws = [raw_reference(entity._native, name) for name in self.field.natives]
        found = next((show_id(raw) for raw in raws if raw is not None and raw is not NOT_SET), _nothing(raws))
        return self.default_value if found is NOT_SET and entity._native._page.new else found

    def put(self, entity: Entity, value: Any) -> None:
        """Hand a value over."""
        self._reference.put(entity, value)

    def _known(self, entity: Entity, local: bool | None) -> Any:
        raws = [peek(entity._native, name, local=local) for name in self.field.natives]
        return next((show_id(raw) for raw in raws if raw is not None and raw is not NOT_SET), _nothing(raws))


class TypedAttribute(Attribute):
    """What follows from the type of an entity."""

    def get_value(self, entity: Entity) -> Any:
        """The value."""
        typed = self.field.typed or {}
        return typed.get(entity._native._type, typed.get(""))

    def forget(self, entity: Entity) -> None:
        """Forget the local value, where there can be one."""

    def _known(self, entity: Entity, local: bool | None) -> Any:
        return NOT_SET if local else self.get_value(entity)


class WorkedAttribute(Attribute):
    """What is worked out from several entities."""

    def get_value(self, entity: Entity) -> Any:
        """The value."""
        return working.WORKERS[self.name](entity)

    def forget(self, entity: Entity) -> None:
        """Forget the local value, where there can be one."""


class AbstractCollectionAttribute(Attribute):
    """Several things."""

    made: Callable[[Entity, Any], Any] = Collection

    def get_value(self, entity: Entity) -> Any:
        """The value."""
        found = self.made(entity, self)
        return NOT_SET if found.native is NOT_SET else found

    def put(self, entity: Entity, value: Any) -> None:
        """Hand a value over."""
        if value is NOT_SET:
            self.forget(entity)
        else:
            self.made(entity, self).assign(value)

    def _differs(self, entity: Entity, value: Any) -> bool:
        return not self.mutable

    def _known(self, entity: Entity, local: bool | None) -> Any:
        native = entity._native
        opened = (native._open or {}).get(self.native)
        is_known = opened is not None and opened._loaded is not None
        if local or not is_known:
            return NOT_SET
        return self.made(entity, self)


class CollectionAttribute(AbstractCollectionAttribute):
    """Entities that are related."""


class PairsAttribute(AbstractCollectionAttribute):
    """Rows that are pairs of related entities."""

    made = PairCollection

    def forget(self, entity: Entity) -> None:
        """Forget the local value, where there can be one."""


class KeyValueMappedCollectionAttribute(AbstractCollectionAttribute):
    """Values by key."""

    made = KeyValueMappedCollectionProxy


class CustomAttributeCollectionAttribute(AbstractCollectionAttribute):
    """Custom attributes by key."""

    made = CustomAttributeCollectionProxy

    def forget(self, entity: Entity) -> None:
        """Forget the local value, where there can be one."""
        self.made(entity, self).forget()


_FORMS: dict[str, Callable[..., Attribute]] = {
    "id": IdAttribute,
    "key": KeyAttribute,
    "reference": ReferenceAttribute,
    "collection": CollectionAttribute,
    "pairs": PairsAttribute,
    "metadata": KeyValueMappedCollectionAttribute,
    "custom": CustomAttributeCollectionAttribute,
    "typed": TypedAttribute,
    "worked": WorkedAttribute,
}


def attribute_for(field: Field, native: NativeAttribute | None, *, key: bool) -> Attribute:
    """The attribute for a field; `native` is what it stands for where that is a plain value."""
    if field.form == "scalar" and native is not None:
        return ScalarAttribute(field, native, key=key)
    return _FORMS[field.form](field, key=key)


def native_value(value: Any) -> Any:
    """The native entity of an entity; anything else, such as an id, as it is."""
    if isinstance(value, dict) and "id" in value:
        return value["id"]
    return getattr(value, "_native", value)


def _end(entity: Entity, field: Field, value: Any) -> Any:
    """The native entity that a reference to one of several kinds is given, as itself or by its id."""
    found = native_value(value)
    if not isinstance(found, str):
        return found
    native = entity._native
    for name in field.natives:
        end = native._session.get(native._facts.attributes[name].target, found)
        if end is not None:
            return end
    raise ServerError(f"{entity.entity_type}.{field.name}: nothing has the id {found}")


def _first_known(entity: Entity, field: Field, raws: list[Any], show: Callable[[Any, Any], Any]) -> Any:
    native = entity._native
    for name, raw in zip(field.natives, raws, strict=True):
        if raw is not None and raw is not NOT_SET:
            target = native._facts.attributes[name].target
            return show(entity.session.wrap(native._session._loader.entities(target, [raw])[0]), raw)
    return _nothing(raws)


def _nothing(raws: list[Any]) -> Any:
    """What several references without a value show: NOT_SET where none of them is known."""
    return NOT_SET if all(raw is NOT_SET for raw in raws) else None
