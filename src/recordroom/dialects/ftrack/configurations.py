"""Custom attributes: configurations, and which attributes of which types here they are about."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ...model.schema import Schema

__all__ = ["Configuration", "object_types", "owners_of"]


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """One CustomAttributeConfiguration. Ids are text; `default` is a value of JSON."""

    id: str
    key: str
    entity_type: str
    object_type: str | None = None
    project: str | None = None
    is_hierarchical: bool = False
    attribute: str = ""
    default: Any = None

    @property
    def native(self) -> str:
        """The name of the attribute here."""
        return self.attribute or self.key

    def natives(self, schema: Schema) -> list[str]:
        """The native types that have it, as far down the hierarchy as it says."""
        return [each for each in owners_of(self, schema) if each in schema and self.native in schema.attributes(each)]


_HIERARCHICAL = ("Context", "Asset", "AssetVersion")
_OWNERS = {"task": "TypedContext", "show": "Project", "assetversion": "AssetVersion", "asset": "Asset", "user": "User"}


_CONSTANT = re.compile(r"""\s*['"]([0-9a-fA-F-]{36})['"]\s*""")
_MOST = 16
_known: dict[str, dict[str, str]] = {}


def object_types(schema: Schema) -> dict[str, str]:
    """The ids of object types by native type: what the room gives to new entities of it."""
    found = _known.get(schema.hash)
    if found is None:
        while len(_known) >= _MOST:
            del _known[next(iter(_known))]
        given = {name: _CONSTANT.fullmatch(schema.initials(name).get("object_type", "")) for name in schema}
        found = _known[schema.hash] = {name: match[1].lower() for name, match in given.items() if match}
    return found


def owners_of(configuration: Configuration, schema: Schema) -> tuple[str, ...]:
    """The native types that a configuration is about; none where no type has its object type."""
    if configuration.is_hierarchical:
        return _HIERARCHICAL
    if configuration.entity_type == "list":
        return ("List",)
    if configuration.entity_type == "task" and configuration.object_type is not None:
        wanted = configuration.object_type.lower()
        return tuple(name for name, number in object_types(schema).items() if number == wanted)
    return (_OWNERS[configuration.entity_type],)
