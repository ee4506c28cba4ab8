"""Entities as scripts see them: mappings from attribute names to values.

An entity is a thin face of a native entity, made when somebody meets it and kept in a slot of that. It holds no values.
`session.types` has a class for each type, which knows its session, its attributes and its key.
"""

from __future__ import annotations

import logging
from collections.abc import ItemsView, Iterator, Mapping, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from .....client.symbols import NOT_SET
from .....errors import Error as NativeError
from .....model.ids import show_id
from ..exception import translated, translation
from ..meeting import reconstructed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .....client.entity import Entity as Native
    from ...names import Type
    from ..attribute import Attributes
    from ..session import Session

__all__ = ["DynamicEntityTypeMetaclass", "Entity"]

_EMPTY: Mapping[str, Any] = {}


class DynamicEntityTypeMetaclass(type(MutableMapping)):  # type: ignore[misc]
    """Classes of entity types, which show themselves by the name of the type."""

    def __repr__(cls) -> str:
        return f"<dynamic ftrack class {cls.__name__!r}>"


class _EntityBase:
    """First among the bases: with it, Python lets an instance change to a class with something mixed in."""


class Entity(_EntityBase, MutableMapping[str, Any], metaclass=DynamicEntityTypeMetaclass):
    """One thing of a type. What is set stays local until `session.commit()`; `del entity[name]` forgets it."""

    entity_type: ClassVar[str] = ""
    attributes: ClassVar[Attributes]
    primary_key_attributes: ClassVar[list[str]] = ["id"]
    default_projections: ClassVar[list[str]] = []
    schema: ClassVar[Mapping[str, Any]] = _EMPTY

    session: Session
    _type: ClassVar[Type]
    _getters: ClassVar[dict[str, Callable[[Any], Any]]] = {}
    _direct: ClassVar[dict[str, tuple[str, Callable[[Any], Any] | None]]] = {}

    _native: Native

    def __init__(self, session: Session, data: Mapping[str, Any] | None = None, reconstructing: bool = False) -> None:
        """A new entity of the session, or with `reconstructing` one that the room has."""
        self._construct(data or _EMPTY, reconstructing)

    def _construct(self, data: Mapping[str, Any], reconstructing: bool) -> None:
        direct = self._direct
        values: dict[str, Any] = {}
        later = None
        for name, value in data.items():
            found = direct.get(name)
            if found is not None:
                native_name, prepare = found
                values[native_name] = value if prepare is None else prepare(value)
            elif name in self._getters:
                later = {**(later or {}), name: value}
        session = self.session
        if reconstructing:
            self._native = reconstructed(session, self._type, values)
        else:
            try:
                self._native = session.native.create(self._type.native, values)
            except NativeError as error:
                raise translation(error) from error
        self._native._face = self  # type: ignore[attr-defined]
        if reconstructing:
            return
        count = len(session.recorded_operations)
        session._note_create(self, data)
        try:
            for name, value in (later or _EMPTY).items():
                if value is not NOT_SET and not self.attributes.get(name).computed:  # type: ignore[union-attr]
                    self[name] = value
        except BaseException:
            # What cannot be made whole is not made.
            session.native.delete(self._native)
            session.recorded_operations._cut(count)
            raise

    def _complete(self) -> None:
        """Add what a server adds to a new entity, before it is committed."""

    @property
    def logger(self) -> logging.Logger:
        """Where entities of this class tell what they do."""
        return logging.getLogger(f"{__name__}.{type(self).__name__}")

    @property
    def _given(self) -> dict[str, list[Any]]:
        """What was put into collections by hand."""
        found: dict[str, list[Any]] = self.__dict__.setdefault("_given_members", {})
        return found

    # --- the mapping -----------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        try:
            return self._getters[key](self)
        except NativeError as error:
            raise translation(error) from error

    def __setitem__(self, key: str, value: Any) -> None:
        attribute = self.attributes.get(key)
        if attribute is None:
            raise KeyError(key)
        session = self.session
        session._note_update(self, key, attribute.get_local_value(self), value)
        try:
            attribute.set_local_value(self, value)
        except NativeError as error:
            session._unnote(self)
            raise translation(error) from error
        except BaseException:
            session._unnote(self)
            raise

    def __delitem__(self, key: str) -> None:
        attribute = self.attributes.get(key)
        if attribute is None:
            raise KeyError(key)
        with translated():
            attribute.forget(self)

    def __iter__(self) -> Iterator[str]:
        return iter(self._getters)

    def __len__(self) -> int:
        return len(self._getters)

    def __contains__(self, key: object) -> bool:
        return key in self._getters

    def __bool__(self) -> bool:
        return True

    def items(self) -> ItemsView[str, Any]:
        """(name, value) of every attribute; plain ones are loaded in one request."""
        self._load_all()
        return ItemsView(self)

    def values(self) -> ValuesView[Any]:
        """The value of every attribute; plain ones are loaded in one request."""
        self._load_all()
        return ValuesView(self)

    def clear(self) -> None:
        """Forget every local value."""
        with translated():
            self._native.clear()

    def pop(self, *given: Any) -> NoReturn:
        """TypeError: attributes cannot be taken out of an entity."""
        raise TypeError("the attributes of an entity are those of its type; del entity[name] forgets a local value")

    def popitem(self) -> NoReturn:
        """TypeError: attributes cannot be taken out of an entity."""
        self.pop()

    def merge(self, entity: Entity, merged: dict[Any, Any] | None = None) -> list[dict[str, Any]]:
        """Take over what the room said of the same entity in another session."""
        self.session.merge(entity)
        return []

    def _load_all(self) -> None:
        with translated():
            self._native._session._loader.load_all(self._native)

    # --- identity --------------------------------------------------------------------------------

    def _key(self) -> dict[str, Any]:
        """The key, by attribute, without asking the room."""
        if self.primary_key_attributes == ["id"]:
            return {"id": show_id(self._native._id)}
        with self.session.native.auto_populating(False):
            return {name: self._getters[name](self) for name in self.primary_key_attributes}

    def _state(self) -> str:
        return self.session.native.state(self._native)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Entity):
            return NotImplemented
        return self.entity_type == other.entity_type and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._native._id)

    def __repr__(self) -> str:
        return f"<dynamic ftrack {self.entity_type} object {id(self)}>"

    def __str__(self) -> str:
        return f"{self.entity_type}({', '.join(map(str, self._key().values()))})"

    def __copy__(self) -> Entity:
        return self

    def __deepcopy__(self, memo: Any) -> Entity:
        return self
