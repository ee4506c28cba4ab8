"""What entities show for relations to many: lists of entities, and dicts of metadata and custom attributes.

They hold nothing: the session behind has the members, and shows every change on both sides of a relation at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping, MutableSequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, overload

from ....client.symbols import NOT_SET
from ....model.ids import show_id
from ..values import python_value
from . import moments
from .exception import CollectionError, DuplicateItemInCollectionError, ImmutableCollectionError, translated
from .natives import attribute_of, raw_reference

if TYPE_CHECKING:
    from ..configurations import Configuration
    from .attribute import Attribute
    from .entity.base import Entity

__all__ = [
    "Collection",
    "CustomAttributeCollectionProxy",
    "KeyValueMappedCollectionProxy",
    "MappedCollectionProxy",
    "PairCollection",
]


class Collection(MutableSequence[Any]):
    """Entities that are related to `entity`, as a list without duplicates."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, entity: Entity, attribute: Attribute) -> None:
        self.entity = entity
        self.attribute = attribute
        self.mutable = not attribute.computed
        self.native = self._opened()

    def _opened(self) -> Any:
        return self.entity._native[self.attribute.native]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.entity.entity_type}.{self.attribute.name}>"

    # --- reading ---------------------------------------------------------------------------------

    def _all(self) -> list[Any]:
        session = self.entity.session
        if self.attribute.field.only is None:
            return session.wrap_all(self.native)
        name, value = self.attribute.field.only
        return session.wrap_all([each for each in self.native if each[name] == value])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self.native) if self.attribute.field.only is None else len(self._all())

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._all()[index]

    def __contains__(self, item: object) -> bool:
        native = getattr(item, "_native", None)
        if native is None:
            return False
        only = self.attribute.field.only
        return native in self.native and (only is None or native[only[0]] == only[1])

    def __eq__(self, other: object) -> bool:
        """True for the same entities, in any order."""
        if not isinstance(other, Collection | list | tuple):
            return NotImplemented
        return set(self) == set(other) and len(self) == len(other)

    # --- changing --------------------------------------------------------------------------------

    def insert(self, index: int, item: Any) -> None:
        """Add an entity; the order is the room's. DuplicateItemInCollectionError where it is there already."""
        self._check_mutable()
        self._check_new(item)
        before = self._before()
        self._add(item)
        self._changed(before)

    def __setitem__(self, index: Any, item: Any) -> None:
        self._check_mutable()
        members = self._all()
        old = members[index]
        members[index] = item
        for each in [old] if not isinstance(index, slice) else old:
            if each not in members:
                self.remove(each)
        for each in [item] if not isinstance(index, slice) else item:
            if each not in self:
                self.append(each)

    def __delitem__(self, index: Any) -> None:
        self._check_mutable()
        old = self._all()[index]
        before = self._before()
        for each in old if isinstance(index, slice) else [old]:
            self._remove(each)
        self._changed(before)

    def remove(self, item: Any) -> None:
        """Take an entity out. ValueError where it is not there."""
        self._check_mutable()
        if item not in self:
            raise ValueError(f"{item!r} is not in {self!r}")
        before = self._before()
        self._remove(item)
        self._changed(before)

    def assign(self, items: Iterable[Any]) -> None:
        """Make these the members."""
        if isinstance(items, Collection) and items.entity is self.entity and items.attribute is self.attribute:
            return
        self._check_mutable()
        wanted = list(items)
        if len(set(wanted)) < len(wanted):
            raise DuplicateItemInCollectionError(next(x for x in wanted if wanted.count(x) > 1), self)
        for each in [each for each in self._all() if each not in wanted]:
            self._remove(each)
        for each in wanted:
            if each not in self:
                self._add(each)

    def __iadd__(self, items: Iterable[Any]) -> Collection:
        self.extend(items)
        return self

    def _check_mutable(self) -> None:
        if not self.mutable:
            raise ImmutableCollectionError(self)

    def _check_new(self, item: Any) -> None:
        """Refuse what is there already, unless only its own reference, set here, says so."""
        given = self.entity._given.get(self.attribute.name, ())
        loaded = getattr(self.native, "_loaded", None) or {}
        if item in self and (item in given or item._native in loaded):
            raise DuplicateItemInCollectionError(item, self)

    def _before(self) -> Any:
        return NOT_SET

    def _changed(self, before: Any) -> None:
        self.entity.session._note_update(self.entity, self.attribute.name, before, self)

    def _add(self, item: Any) -> None:
        native = getattr(item, "_native", None)
        if native is None:
            raise CollectionError(self, message=f"{item!r} is no entity that {self!r} can have.")
        if self.attribute.field.only is not None:
            name, value = self.attribute.field.only
            native[name] = value
        self.native.add(native)
        self.entity._given.setdefault(self.attribute.name, []).append(item)

    def _remove(self, item: Any) -> None:
        self.native.discard(item._native)
        given = self.entity._given.get(self.attribute.name, [])
        if item in given:
            given.remove(item)


class PairCollection(Collection):
    """Rows that stand for pairs of related entities, such as memberships."""

    def _opened(self) -> Any:
        return self.entity._native[self.attribute.native]

    def _all(self) -> list[Any]:
        return self.entity.session._pairs.pairs.of(self.entity, self.attribute.field, self.native)

    def __len__(self) -> int:
        return len(self.native)

    def __contains__(self, item: object) -> bool:
        return any(each == item for each in self._all())

    def _check_new(self, item: Any) -> None:
        """A pair that was made is here by that."""

    def _add(self, item: Any) -> None:
        if item not in self:
            self.entity.session._pairs.pairs.link(item)

    def _remove(self, item: Any) -> None:
        self.entity.session._pairs.pairs.unlink(item)


class MappedCollectionProxy(MutableMapping[str, Any]):
    """What is several rows, as a dict."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, entity: Entity, attribute: Attribute) -> None:
        self.entity = entity
        self.attribute = attribute
        self.mutable = True
        self.native = self._opened()

    def _opened(self) -> Any:
        return self.entity._native[self.attribute.native]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.entity.entity_type}.{self.attribute.name} {dict(self)!r}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MappedCollectionProxy | dict):
            return NotImplemented
        return dict(self) == dict(other)

    @property
    def collection(self) -> list[Any]:
        """The rows behind it, as entities."""
        type = self.entity.session.names[self.attribute.field.target]
        return [
            self.entity.session._pairs.met(type, {**self._row(key), "key": key, "value": self[key]}) for key in self
        ]

    def _row(self, key: str) -> dict[str, Any]:
        """What identifies a row beside its key."""
        return {"parent_id": self.entity["id"], "parent_type": self.entity.entity_type}

    def assign(self, values: Any) -> None:
        """Make these the values: sets and drops what differs."""
        if isinstance(values, MappedCollectionProxy) and values.entity is self.entity:
            return
        wanted = dict(values)
        for key in list(self):
            if key not in wanted:
                del self[key]
        for key, value in wanted.items():
            self[key] = value

    def _note(self) -> None:
        if not self.mutable:
            raise ImmutableCollectionError(self)
        self.entity.session._note_update(self.entity, self.attribute.name, NOT_SET, self)


class KeyValueMappedCollectionProxy(MappedCollectionProxy):
    """Metadata."""

    def __getitem__(self, key: str) -> Any:
        return self.native[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._note()
        with translated():
            self.native[key] = value if value is None or isinstance(value, str) else str(value)

    def __delitem__(self, key: str) -> None:
        self._note()
        del self.native[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.native)

    def __len__(self) -> int:
        return len(self.native)

    def __contains__(self, key: object) -> bool:
        return key in self.native


class CustomAttributeCollectionProxy(MappedCollectionProxy):
    """Custom attributes: every key that a configuration gives to the entity, with its value or the default."""

    def _opened(self) -> Any:
        return None

    def _configurations(self) -> dict[str, Configuration]:
        native = self.entity._native
        found: dict[str, Configuration] = {}
        for each in self.entity.session._custom_of(native._type):
            if each.project is None or each.project == self._project():
                found.setdefault(each.key, each)
        return found

    def _configuration(self, key: str) -> Configuration:
        """That of a key, which may be new in the room."""
        found = self._configurations().get(key)
        if found is None and self.entity.session.native._learn_schema():
            self.entity.session._forget_configurations()
            found = self._configurations().get(key)
        if found is None:
            if self.entity._native._page.new:
                raise ValueError(f"No valid custom attribute {key!r} for {self.entity!r}")
            raise KeyError(key)
        return found

    def _project(self) -> str | None:
        native = self.entity._native
        if native._type == "Project":
            return show_id(native._id)
        raw = raw_reference(native, "project") if "project" in native._facts.references else None
        return None if raw is None or raw is NOT_SET else show_id(raw)

    def _row(self, key: str) -> dict[str, Any]:
        return {"configuration_id": self._configuration(key).id, "entity_id": self.entity["id"]}

    def get_configuration_id_from_key(self, key: str) -> str:
        """The id of the configuration that gives a key. KeyError where none does."""
        return self._configuration(key).id

    def __getitem__(self, key: str) -> Any:
        configuration = self._configuration(key)
        value = attribute_of(self.entity._native, configuration.native)
        if configuration.is_hierarchical and (value is None or value is NOT_SET):
            value = self._handed_down(configuration.native, value)
        if value is None or (value is NOT_SET and self.entity._native._page.new):
            return self._default(configuration)
        attribute = self.entity._native._facts.attribute(configuration.native)
        if value is NOT_SET:
            return value
        if attribute.multi:
            return list(value)
        return moments.shown(value) if attribute.kind in ("datetime", "date") else value

    def _default(self, configuration: Configuration) -> Any:
        """What it has without a value, a moment where the attribute keeps moments."""
        attribute = self.entity._native._facts.attribute(configuration.native)
        if attribute.kind in ("datetime", "date") and isinstance(configuration.default, str):
            with suppress(ValueError):
                return moments.shown(python_value(configuration.default, attribute))
        return configuration.default

    def _handed_down(self, name: str, value: Any) -> Any:
        """What is above the entity hands down: pages of entities are loaded together, so it is a request for each level."""
        native: Any = self.entity._native
        seen = set()
        while native is not None and native is not NOT_SET and native not in seen:
            seen.add(native)
            if name in native._facts.attributes:
                value = attribute_of(native, name)
                if value is not None and value is not NOT_SET:
                    return value
            native = attribute_of(native, "asset" if native._type == "AssetVersion" else "parent")
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        configuration = self._configuration(key)
        self._note()
        native = self.entity._native
        native[configuration.native] = python_value(moments.plain(value), native._facts.attribute(configuration.native))

    def __delitem__(self, key: str) -> None:
        configuration = self._configuration(key)
        self._note()
        self.entity._native[configuration.native] = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._configurations())

    def __len__(self) -> int:
        return len(self._configurations())

    def __contains__(self, key: object) -> bool:
        return key in self._configurations()

    def assign(self, values: Any) -> None:
        """Set these; others stay as they are."""
        if isinstance(values, MappedCollectionProxy) and values.entity is self.entity:
            return
        for key, value in dict(values).items():
            self[key] = value

    def forget(self) -> None:
        """Forget the local values."""
        for each in self._configurations().values():
            del self.entity._native[each.native]
