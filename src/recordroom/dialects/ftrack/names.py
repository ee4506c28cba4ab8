"""ftrack's names for the types and attributes of a schema: `Names` is a schema as the dialect tells it.

What the tables do not speak of keeps its name, so that types and attributes that a studio adds are there too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from ...errors import UnknownAttribute, UnknownType
from ...model.schema import Attribute, Schema, close_names
from . import tables

__all__ = ["Field", "Names", "Type", "lacks_production", "names_of"]

Form = Literal["id", "scalar", "key", "reference", "collection", "pairs", "metadata", "custom", "typed", "worked"]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a type of the dialect.

    `natives` are the attributes here that it stands for: several where a reference may lead to several kinds of things.
    `target` is the type at the other end. `only` narrows a collection to members whose attribute has a value. `typed` is
    the value by native type.
    """

    name: str
    form: Form
    natives: tuple[str, ...] = ()
    kind: str = "text"
    multi: bool = False
    choices: tuple[str, ...] = ()
    told: dict[str, str] | None = None  # choices by other names
    target: str = ""
    only: tuple[str, str] | None = None
    typed: dict[str, str] | None = None
    fixed: bool = False  # nobody sets it
    immutable: bool = False
    required: bool = False

    @property
    def many(self) -> bool:
        """Whether it is a list."""
        return self.form in ("collection", "pairs", "metadata", "custom")

    @property
    def leads(self) -> bool:
        """Whether there is something behind it to ask for."""
        return self.many or self.form == "reference" or (self.form == "worked" and bool(self.target))


class Pair(msgspec.Struct, frozen=True):
    """A type whose rows are the pairs of a links attribute. `owner` and `member` are what it calls the two."""

    natives: tuple[str, ...]
    attribute: str
    owner: str
    member: str
    target: str  # the native type of members, of the first of `natives`


class Type(msgspec.Struct, frozen=True, kw_only=True):
    """One type of the dialect. `natives` are the types here; none for metadata and values of custom attributes."""

    name: str
    natives: tuple[str, ...]
    key: tuple[str, ...]
    fields: dict[str, Field]
    projections: tuple[str, ...]
    pair: Pair | None = None

    @property
    def native(self) -> str:
        """The type here, where it is one."""
        return self.natives[0]


_VALUES = ("configuration_id", "entity_id")
_OF_VALUES = {
    "configuration_id": Field(name="configuration_id", form="scalar", kind="uuid"),
    "entity_id": Field(name="entity_id", form="scalar", kind="uuid"),
    "key": Field(name="key", form="scalar", fixed=True),
    "value": Field(name="value", form="scalar", kind="json"),
    "configuration": Field(name="configuration", form="reference", target="CustomAttributeConfiguration", fixed=True),
}
_OF_METADATA = {
    "key": Field(name="key", form="scalar"),
    "value": Field(name="value", form="scalar"),
    "parent_id": Field(name="parent_id", form="scalar", kind="uuid"),
    "parent_type": Field(name="parent_type", form="scalar"),
}


class Names:
    """The types of the dialect, by name, for one schema."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._of = {native: tables.TYPES.get(native, native) for native in schema if native not in tables.HIDDEN_TYPES}
        self.types: dict[str, Type] = {}
        for native, name in self._of.items():
            self.types[name] = self._type(name, native)
        self._add_others()

    def __getitem__(self, name: str) -> Type:
        try:
            return self.types[name]
        except KeyError:
            raise UnknownType(name=name, suggestions=close_names(name, self.types)) from None

    def of(self, native: str) -> Type:
        """The type of a native type."""
        return self.types[self._of[native]]

    def field(self, type: Type, name: str) -> Field:
        """An attribute of a type; UnknownAttribute where it has none of that name."""
        found = type.fields.get(name)
        if found is None:
            raise UnknownAttribute(type=type.name, name=name, suggestions=close_names(name, type.fields))
        return found

    def has(self, type: Type, name: str) -> bool:
        """Whether a type, or a subtype of it, has an attribute."""
        return name in type.fields or any(
            name in self.of(each).fields for native in type.natives for each in self.schema.subtypes(native)
        )

    def ends(self, type: Type, field: Field) -> list[Type]:
        """The types that a relation may lead to."""
        pair = type.pair
        if pair is not None and field.name == pair.member:
            return [self.of(self.schema.attribute(each, pair.attribute).target) for each in pair.natives]
        if len(field.natives) < 2 or not type.natives:
            return [self.types[field.target]]
        return [self.of(self.schema.attribute(type.native, each).target) for each in field.natives]

    def having(self, type: Type, name: str) -> list[Type]:
        """The nearest subtypes of a type that have an attribute; UnknownAttribute where none has."""
        found: list[Type] = []
        for native in type.natives:
            for each in self.schema.subtypes(native):
                if not any(self.schema.is_a(each, other.native) for other in found):
                    sub = self.of(each)
                    if name in sub.fields:
                        found.append(sub)
        if not found:
            self.field(type, name)
        return found

    # --- making types ---

    def _type(self, name: str, native: str) -> Type:
        fields: dict[str, Field] = {}
        for attribute in self.schema.attributes(native).values():
            for field in self._fields(native, attribute):
                fields.setdefault(field.name, field)
        lineage = self.schema.ancestors(native)
        for each in reversed(lineage):
            fields.update({field.name: field for field in self._more(each)})
        values = next((name for name, root in tables.CUSTOM_ROOTS.items() if root in lineage), "")
        if values and "CustomAttributeConfiguration" in self._of:
            fields["custom_attributes"] = Field(name="custom_attributes", form="custom", target=values)
        key = tables.COMPOSITE.get(native, ("id",))
        if key != ("id",):
            del fields["id"]
        projections = next((tables.PROJECTIONS[each] for each in lineage if each in tables.PROJECTIONS), key)
        return Type(name=name, natives=(native,), key=key, fields=fields, projections=projections)

    def _fields(self, native: str, attribute: Attribute) -> Iterator[Field]:
        owner = self.schema.owner(native, attribute.name)
        if attribute.system and attribute.name not in ("id", "created_at"):
            return
        if self._is_hidden(native, owner, attribute):
            return
        name = tables.RENAMED.get((owner, attribute.name), attribute.name)
        if attribute.name == "id":
            yield Field(name="id", form="id", natives=("id",), kind="uuid", immutable=True)
        elif attribute.kind == "reference":
            yield from self._reference(owner, name, attribute)
        elif attribute.kind in ("collection", "links"):
            yield Field(name=name, form="collection", natives=(attribute.name,), target=self._of[attribute.target])
        elif attribute.kind == "mapping":
            yield Field(name=name, form="metadata", natives=(attribute.name,), target="Metadata")
        else:
            yield Field(
                name=name,
                form="scalar",
                natives=(attribute.name,),
                kind=attribute.kind,
                multi=attribute.multi,
                choices=attribute.choices,
                told=tables.TOLD.get((owner, attribute.name)),
                fixed=not attribute.writable,
                immutable=attribute.immutable,
                required=attribute.required,
            )

    def _is_hidden(self, native: str, owner: str, attribute: Attribute) -> bool:
        if attribute.target and attribute.target not in self._of:
            return True
        if attribute.kind == "mapping" and attribute.name != "metadata":
            return True
        pair = (owner, attribute.name)
        return pair in tables.HIDDEN and native not in tables.EXCEPT.get(pair, ())

    def _reference(self, owner: str, name: str, attribute: Attribute) -> Iterator[Field]:
        target = self._of[attribute.target]
        natives, required = (attribute.name,), attribute.required
        yield Field(name=name, form="reference", natives=natives, target=target, required=required)
        for key in tables.KEYS.get((owner, attribute.name), (f"{name}_id",)):
            yield Field(name=key, form="key", natives=natives, kind="uuid", target=target)

    def _more(self, native: str) -> Iterator[Field]:
        """What the tables add to a native type."""
        for name, natives in tables.POLYMORPHIC.get(native, {}).items():
            target = tables.POLYMORPHIC_TARGETS[name]
            yield Field(name=name, form="reference", natives=natives, target=target)
            yield Field(name=f"{name}_id", form="key", natives=natives, kind="uuid", target=target)
        for (owner, name), (collection, attribute, value) in tables.FILTERED.items():
            if owner == native and collection in self.schema.attributes(native):
                target = self._of[self.schema.attribute(native, collection).target]
                natives, only = (collection,), (attribute, value)
                yield Field(name=name, form="collection", natives=natives, target=target, only=only)
        for (owner, name), (pair, owning) in tables.PAIR_COLLECTIONS.items():
            if owner == native:
                yield Field(name=name, form="pairs", natives=(self._side(pair, owning),), target=pair)
        for (owner, name), typed in tables.BY_TYPE.items():
            if owner == native:
                yield Field(name=name, form="typed", typed=typed, fixed=True)
        for (owner, name), fragment in tables.WORKED.items():
            if owner == native:
                kind = {"variable": "json", "boolean": "boolean"}.get(fragment.get("type", ""), "text")
                target = fragment.get("$ref") or fragment.get("items", {}).get("$ref", "")
                yield Field(name=name, form="worked", kind=kind, target=target, fixed=True)

    def _side(self, pair: str, owning: bool) -> str:
        """The links attribute that has pairs, as their owners call it or as their members do."""
        natives, attribute, _, _ = tables.PAIRS[pair]
        return attribute if owning else self.schema.attribute(natives[0], attribute).reverse

    def _add_others(self) -> None:
        """Types that are none here: several in one, pairs, metadata, values of custom attributes."""
        for name, natives in tables.UNIONS.items():
            if all(each in self._of for each in natives):
                self.types[name] = self._union(name, natives)
        for name, (natives, attribute, owner, member) in tables.PAIRS.items():
            if all(each in self._of for each in natives):
                self.types[name] = self._pair(name, natives, (attribute, owner, member))
        for alias, name in tables.ALIASES.items():
            if name in self.types:
                self.types[alias] = msgspec.structs.replace(self.types[name], name=alias)
        key = ("parent_id", "key")
        self.types["Metadata"] = Type(name="Metadata", natives=(), key=key, fields=_OF_METADATA, projections=key)
        if "CustomAttributeConfiguration" in self._of:
            for name in ["CustomAttributeValue", *dict.fromkeys(name for name, _ in tables.CUSTOM.values())]:
                self.types[name] = Type(
                    name=name, natives=(), key=_VALUES, fields=_OF_VALUES, projections=(*_VALUES, "key", "value")
                )

    def _union(self, name: str, natives: tuple[str, ...]) -> Type:
        all_fields = [self.of(each).fields for each in natives]
        fields = {
            name: field for name, field in all_fields[0].items() if all(field == each.get(name) for each in all_fields)
        }
        fields["id"] = all_fields[0]["id"]
        return Type(name=name, natives=natives, key=("id",), fields=fields, projections=("id",))

    def _pair(self, name: str, natives: tuple[str, ...], parts: tuple[str, str, str]) -> Type:
        attribute, owner, member = parts
        target = self.schema.attribute(natives[0], attribute).target
        owners = self._of[natives[0]] if len(natives) == 1 else self._of[self.schema.root(natives[0])]
        fields = {"id": Field(name="id", form="id", kind="uuid", immutable=True)}
        for each, at in ((owner, owners), (member, self._of[target])):
            fields[each] = Field(name=each, form="reference", target=at, immutable=True, required=True)
            fields[f"{each}_id"] = Field(name=f"{each}_id", form="key", kind="uuid", target=at, immutable=True)
        projections = ("id", f"{owner}_id", f"{member}_id")
        pair = Pair(natives, attribute, owner, member, target)
        return Type(name=name, natives=(), key=("id",), fields=fields, projections=projections, pair=pair)


_NEEDED = ("Context", "Task", "AssetVersion", "Note", "Location")
_MOST = 16
_made: dict[str, Names] = {}


def lacks_production(schema: Schema) -> bool:
    """Whether it is not the schema of a room with the template `production`, which all that ftrack knows stands in."""
    return any(name not in schema for name in _NEEDED)


def names_of(schema: Schema) -> Names:
    """The names for a schema; the same object as long as the schema is."""
    found = _made.get(schema.hash)
    if found is None:
        while len(_made) >= _MOST:
            del _made[next(iter(_made))]
        found = _made[schema.hash] = Names(schema)
    return found
