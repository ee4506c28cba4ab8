"""Creating and deleting custom attributes: a configuration is also an attribute of the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from ...errors import InvalidValue
from ...model.evolve import evolve
from ...model.ids import show_id
from ...model.operations import DefineAttribute, DropAttribute, Operation
from ...model.schema import Attribute
from ...query.syntax import Path, Query, Selected
from .batches import Change
from .configurations import Configuration, owners_of
from .names import Names, names_of
from .reading import Reader
from .values import id_of, untagged

__all__ = ["Definitions"]

CONFIGURATION = "CustomAttributeConfiguration"
_KINDS = {"boolean": "boolean", "date": "datetime", "number": "number", "integer": "integer"}
_LISTS = ("enumerator", "dynamic enumerator")
_MOST = 1000
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_]+")


class Definitions:
    """What a batch does to custom attributes. `names` and `configurations` are those after it."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.names: Names = reader.names
        self.configurations: list[Configuration] = list(reader.configurations)
        self.first: list[Operation] = []
        self.last: list[Operation] = []
        self._attributes: dict[str, str] = {}  # of new configurations, by id

    async def prepare(self, changes: Sequence[Change]) -> None:
        """Find out which attributes come and go."""
        made = [each for each in changes if each.type.name == CONFIGURATION and each.action == "create"]
        if made:
            types = await self._types()
            # What a later operation of the batch says of the same configuration counts too.
            for change in made:
                self._define(_whole(change, changes), types)
            self._names_after()
        for change in changes:
            if change.type.name == CONFIGURATION and change.action == "delete":
                self._drop(change.key[0])

    def completed(self, change: Change) -> Change:
        """The change, with where its configuration keeps values."""
        attribute = self._attributes.get(change.key[0]) if change.type.name == CONFIGURATION else None
        if attribute is None or change.action != "create":
            return change
        field = replace(change.type.fields["key"], name="attribute", natives=("attribute",))
        type = replace(change.type, fields={**change.type.fields, "attribute": field})
        return replace(change, type=type, data={**change.data, "attribute": attribute})

    async def _types(self) -> dict[str, str]:
        """Names of types of custom attributes, by id."""
        page = await self.reader.page(Query("CustomAttributeType", (Selected(Path(("name",))),)), _MOST)
        return {show_id(entity): name for entity, name in zip(page.ids, page.columns["name"], strict=True)}

    def _define(self, data: dict[str, Any], types: dict[str, str]) -> None:
        configuration = self._configuration(data)
        attribute = _attribute(configuration.key, data, types)
        shared = self._shared(configuration, attribute)
        name = shared or self._free_name(attribute.name, configuration)
        if shared is None:
            made = replace(attribute, name=name)
            owners = [each for each in self._owners(configuration) if each in self.reader.schema]
            if not owners:
                raise InvalidValue(
                    type=CONFIGURATION,
                    attribute="object_type",
                    value=configuration.object_type,
                    expected="the object type of an entity type",
                )
            self.first += [DefineAttribute(owner, made) for owner in owners]
        self._attributes[configuration.id] = name
        self.configurations.append(replace(configuration, attribute=name))

    def _configuration(self, data: dict[str, Any]) -> Configuration:
        key, kind = untagged(data.get("key")), data.get("entity_type")
        if not isinstance(key, str) or not key:
            raise InvalidValue(type=CONFIGURATION, attribute="key", value=key, expected="a text")
        choices = self.reader.names[CONFIGURATION].fields["entity_type"].choices
        if kind not in choices:
            raise InvalidValue(type=CONFIGURATION, attribute="entity_type", value=kind, expected=" or ".join(choices))
        return Configuration(
            id=str(data["id"]),
            key=key,
            entity_type=str(kind),
            object_type=_id_in(data, "object_type"),
            project=_id_in(data, "project"),
            is_hierarchical=bool(data.get("is_hierarchical")),
            default=data.get("default"),
        )

    def _shared(self, configuration: Configuration, attribute: Attribute) -> str | None:
        """The attribute of another configuration that keeps the same: that of another project."""
        alike = [
            each
            for each in self.configurations
            if each.key == configuration.key and self._owners(each) == self._owners(configuration)
        ]
        if any(each.project == configuration.project for each in alike):
            raise InvalidValue(
                type=CONFIGURATION, attribute="key", value=configuration.key, expected="a key that is not taken"
            )
        for each in alike:
            known = self._known(each)
            if known is not None and (known.kind, known.multi) == (attribute.kind, attribute.multi):
                return each.native
        return None

    def _owners(self, configuration: Configuration) -> tuple[str, ...]:
        return owners_of(configuration, self.reader.schema)

    def _known(self, configuration: Configuration) -> Attribute | None:
        natives = configuration.natives(self.reader.schema)
        if natives:
            return self.reader.schema.attribute(natives[0], configuration.native)
        made = (each.attribute for each in self.first if isinstance(each, DefineAttribute))
        return next((each for each in made if each.name == configuration.native), None)

    def _free_name(self, name: str, configuration: Configuration) -> str:
        schema = self.reader.schema
        taken = {
            each.lower()
            for owner in self._owners(configuration)
            if owner in schema
            for kind in {*schema.subtypes(owner), *schema.ancestors(owner)}
            for each in schema.attributes(kind)
        }
        taken |= {each.attribute.name.lower() for each in self.first if isinstance(each, DefineAttribute)}
        found, number = name, 2
        while found.lower() in taken:
            found, number = f"{name}_{number}", number + 1
        return found

    def _names_after(self) -> None:
        schema = self.reader.schema
        for each in self.first:
            schema = evolve(schema, each)
        self.names = names_of(schema)

    def _drop(self, number: str) -> None:
        gone = next((each for each in self.configurations if each.id == number), None)
        if gone is None:
            return
        self.configurations.remove(gone)
        if any(each.native == gone.native and self._owners(each) == self._owners(gone) for each in self.configurations):
            return
        self.last += [DropAttribute(native, gone.native) for native in gone.natives(self.reader.schema)]


def _whole(change: Change, changes: Sequence[Change]) -> dict[str, Any]:
    found = dict(change.data)
    for each in changes:
        if each.type.name == CONFIGURATION and each.key == change.key and each.action == "update":
            found.update(each.data)
    return {**found, "id": change.key[0]}


def _id_in(data: dict[str, Any], name: str) -> str | None:
    found = id_of(data.get(name)) or data.get(f"{name}_id")
    return None if found is None else str(found)


def _attribute(key: str, data: dict[str, Any], types: dict[str, str]) -> Attribute:
    kind = types.get(_id_in(data, "type") or "", "text")
    config = _config(data.get("config"))
    if kind == "number" and config.get("isdecimal") is False:
        kind = "integer"
    name = _NOT_A_NAME.sub("_", key).strip("_") or "custom"
    return Attribute(
        name=name if name[0].isalpha() else f"custom_{name}",
        kind=_KINDS.get(kind, "text"),
        label=str(data.get("label") or ""),
        multi=kind in _LISTS,
    )


def _config(text: Any) -> dict[str, Any]:
    try:
        found = json.loads(text) if isinstance(text, str) else {}
    except ValueError:
        raise InvalidValue(type=CONFIGURATION, attribute="config", value=text, expected="JSON in a text") from None
    return found if isinstance(found, dict) else {}
