"""Schema: entity types and attributes as frozen structs, and `Schema`, which answers questions about them.

A schema belongs to one database. Declared attributes are those in `EntityType.attributes`; reading a
type also shows inherited ones, the system attributes, and *derived* ones: the `collection` that a
reference with `reverse` makes on its target, and the other side of `links`.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

import msgspec

from ..errors import UnknownAttribute, UnknownType
from .kinds import KINDS, Kind

__all__ = ["SYSTEM", "Attribute", "EntityType", "Schema", "close_names"]

OnDelete = Literal["restrict", "nullify", "cascade"]


class Attribute(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One named attribute of an entity type.

    `default` is a raw scalar (see `kinds`). `computed` is a value expression of the query language, and so is
    `initial`: what the room gives to new entities that leave the attribute without a value, and with `follows` anew to
    any where what it is made of changes. `numbered` names the reference within which it counts them: 1, 2, 3 …
    `target` names the type at the other end of a relation, or is "" for scalars. `of` is the kind of a
    mapping's values. `derived` and `inverse` are set only on attributes that the schema itself makes:
    `inverse` names the attribute of `target` that this one mirrors.
    """

    name: str
    kind: str
    label: str = ""
    description: str = ""
    required: bool = False
    default: Any = None
    immutable: bool = False
    unique: bool = False
    multi: bool = False
    indexed: bool = False
    searchable: bool | None = None  # None: text and long_text are, others are not
    choices: tuple[str, ...] = ()
    min: int | float | None = None
    max: int | float | None = None
    max_length: int | None = None
    pattern: str | None = None
    computed: str | None = None
    initial: str | None = None
    follows: bool = False
    numbered: str = ""
    target: str = ""
    on_delete: OnDelete = "nullify"
    reverse: str = ""
    notes: bool = False
    of: str = "text"
    derived: bool = False
    inverse: str = ""
    system: bool = False

    @property
    def kind_of(self) -> Kind:
        """The kind itself."""
        return KINDS[self.kind]

    @property
    def relation(self) -> bool:
        """True where its values are entities, or entries of a mapping."""
        return KINDS[self.kind].relation

    @property
    def many(self) -> bool:
        """True for collection, links and mapping: they have no column of their own."""
        return self.kind in ("collection", "links", "mapping")

    @property
    def stored(self) -> bool:
        """True where the value is a column of the type's table."""
        return not self.many and self.computed is None and (not self.system or self.name in STORED_SYSTEM)

    @property
    def writable(self) -> bool:
        """True where people may set it."""
        return not self.system and self.computed is None

    @property
    def may_be_initial(self) -> bool:
        """True where the room may give it to new entities."""
        return self.writable and self.stored and not self.multi and self.default is None

    @property
    def is_searchable(self) -> bool:
        """True where full-text search reads it: `searchable`, or else whether it is a text."""
        if self.searchable is not None:
            return self.searchable
        return self.kind in ("text", "long_text") and self.computed is None


class EntityType(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One entity type as declared. `unique` lists sets of attribute names that must be unique together.

    `display` names the attribute that stands for an entity of this type in messages and tables. `initials` are
    (attribute, expression): what stands here instead of the `initial` of attributes, inherited ones too.
    """

    name: str
    attributes: tuple[Attribute, ...] = ()
    extends: str = ""
    abstract: bool = False
    unique: tuple[tuple[str, ...], ...] = ()
    label: str = ""
    plural: str = ""
    description: str = ""
    display: str = ""
    initials: tuple[tuple[str, str], ...] = ()
    versioned: bool = False


STORED_SYSTEM = ("id", "number", "entity_type", "revision", "created_revision")

SYSTEM: dict[str, Attribute] = {
    attribute.name: attribute
    for attribute in (
        Attribute(name="id", kind="uuid", system=True, description="The entity's id, a UUID."),
        Attribute(name="number", kind="integer", system=True, description="A small number, unique in the type."),
        Attribute(name="entity_type", kind="text", system=True, searchable=False, description="Name of its type."),
        Attribute(name="revision", kind="integer", system=True, description="Revision of its last change."),
        Attribute(name="created_revision", kind="integer", system=True, description="Revision that created it."),
        Attribute(name="created_at", kind="datetime", system=True, description="When it was created."),
        Attribute(name="created_by", kind="text", system=True, searchable=False, description="Who created it."),
        Attribute(name="modified_at", kind="datetime", system=True, description="When it was last changed."),
        Attribute(name="modified_by", kind="text", system=True, searchable=False, description="Who last changed it."),
    )
}


def close_names(name: str, names: Iterable[str]) -> list[str]:
    """Up to three of `names` that look like `name`, best first, case ignored."""
    by_fold: dict[str, str] = {}
    for each in names:
        by_fold.setdefault(each.casefold(), each)
    return [by_fold[fold] for fold in difflib.get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.6)]


class Schema(Mapping[str, EntityType]):
    """The entity types of one database, by name. Immutable; a change makes a new one."""

    def __init__(self, types: Iterable[EntityType] = (), revision: int = 0) -> None:
        self._types = {entity_type.name: entity_type for entity_type in types}
        self.revision = revision
        self._attributes: dict[str, dict[str, Attribute]] = {}
        self._owners: dict[tuple[str, str], str] = {}

    def __getitem__(self, name: str) -> EntityType:
        try:
            return self._types[name]
        except KeyError:
            raise UnknownType(name=name, suggestions=close_names(name, self._types)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._types

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    @cached_property
    def hash(self) -> str:
        """Changes whenever anything in the schema changes; 32 hexadecimal digits."""
        data = msgspec.json.encode(sorted(self._types.values(), key=lambda each: each.name))
        return hashlib.blake2b(data, digest_size=16).hexdigest()

    def ancestors(self, name: str) -> list[str]:
        """`name` and the types it extends, nearest first."""
        found = [name]
        entity_type = self[name]
        while entity_type.extends and entity_type.extends not in found:
            found.append(entity_type.extends)
            entity_type = self[entity_type.extends]
        return found

    def root(self, name: str) -> str:
        """The top of the hierarchy: the type whose table keeps entities of type `name`."""
        return self.ancestors(name)[-1]

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        children: dict[str, list[str]] = {}
        for entity_type in self._types.values():
            if entity_type.extends:
                children.setdefault(entity_type.extends, []).append(entity_type.name)
        return children

    def subtypes(self, name: str) -> list[str]:
        """`name` and every type that extends it, however far down, in order of declaration."""
        found = [name]
        for each in found:
            found.extend(self._children.get(each, ()))
        return found

    def is_a(self, name: str, ancestor: str) -> bool:
        """True where `name` is `ancestor` or extends it, however far down."""
        return name in self._types and ancestor in self.ancestors(name)

    def in_hierarchy(self, name: str) -> bool:
        """True where the type's table keeps more than one type, so that rows name theirs."""
        return len(self.subtypes(self.root(name))) > 1

    def attributes(self, name: str) -> dict[str, Attribute]:
        """Every attribute of type `name` by name: system, inherited, own and derived, in that order."""
        found = self._attributes.get(name)
        if found is None:
            found = self._attributes[name] = self._collect(name)
        return found

    def _collect(self, name: str) -> dict[str, Attribute]:
        found = dict(SYSTEM)
        lineage = self.ancestors(name)
        for type_name in reversed(lineage):
            for attribute in self._types[type_name].attributes:
                found[attribute.name] = attribute
                self._owners[name, attribute.name] = type_name
        for type_name in reversed(lineage):
            for attribute in self._derived.get(type_name, ()):
                found[attribute.name] = attribute
                self._owners[name, attribute.name] = type_name
        return found

    @cached_property
    def _derived(self) -> dict[str, list[Attribute]]:
        derived: dict[str, list[Attribute]] = {}
        for entity_type in self._types.values():
            for attribute in entity_type.attributes:
                if attribute.kind in ("reference", "links") and attribute.reverse:
                    derived.setdefault(attribute.target, []).append(
                        Attribute(
                            name=attribute.reverse,
                            kind="collection" if attribute.kind == "reference" else "links",
                            target=entity_type.name,
                            inverse=attribute.name,
                            notes=attribute.notes,
                            derived=True,
                        )
                    )
        return derived

    def attribute(self, type_name: str, name: str) -> Attribute:
        """The attribute `name` of type `type_name`; UnknownAttribute with close names otherwise."""
        found = self.attributes(type_name)
        try:
            return found[name]
        except KeyError:
            raise UnknownAttribute(type=type_name, name=name, suggestions=close_names(name, found)) from None

    def owner(self, type_name: str, name: str) -> str:
        """The type that declares attribute `name` as seen from `type_name` (for system attributes: the root)."""
        if name in SYSTEM:
            return self.root(type_name)
        self.attribute(type_name, name)
        return self._owners[type_name, name]

    def stored_attributes(self, name: str) -> list[Attribute]:
        """The attributes of `name` that are columns, system ones (of `STORED_SYSTEM`) first."""
        return [attribute for attribute in self.attributes(name).values() if attribute.stored]

    def unique_sets(self, name: str) -> list[tuple[str, tuple[str, ...]]]:
        """(declaring type, attribute names) of every unique set that holds for `name`, single attributes included."""
        found: list[tuple[str, tuple[str, ...]]] = []
        for type_name in reversed(self.ancestors(name)):
            entity_type = self._types[type_name]
            found.extend((type_name, (each.name,)) for each in entity_type.attributes if each.unique)
            found.extend((type_name, tuple(each)) for each in entity_type.unique)
        return found

    def initials(self, name: str) -> dict[str, str]:
        """Attribute → the expression that gives it to new entities of type `name`."""
        found: dict[str, str] = {}
        for type_name in reversed(self.ancestors(name)):
            entity_type = self._types[type_name]
            found.update((each.name, each.initial) for each in entity_type.attributes if each.initial is not None)
            found.update(entity_type.initials)
        return found

    def numbered(self, name: str) -> dict[str, str]:
        """Attribute → the reference within which new entities of type `name` are counted."""
        return {each.name: each.numbered for each in self.attributes(name).values() if each.numbered}

    def references_to(self, name: str) -> list[tuple[str, Attribute]]:
        """(declaring type, attribute) of every stored reference and links attribute that may point at a `name`."""
        lineage = set(self.ancestors(name)) | set(self.subtypes(name))
        return [
            (entity_type.name, attribute)
            for entity_type in self._types.values()
            for attribute in entity_type.attributes
            if attribute.kind in ("reference", "links") and attribute.target in lineage
        ]

    def display(self, name: str) -> str:
        """The attribute that stands for an entity of type `name` in messages: `display`, or a text one, or `number`."""
        for type_name in self.ancestors(name):
            if self._types[type_name].display:
                return self._types[type_name].display
        attributes = self.attributes(name)
        if "name" in attributes:
            return "name"
        for attribute in attributes.values():
            if attribute.kind == "text" and attribute.stored and not attribute.system:
                return attribute.name
        return "number"
