"""Custom attributes: configurations, and which attributes of which types here they are about."""

from __future__ import annotations

from typing import Any

import msgspec

from ...model.schema import Schema
from . import tables

__all__ = ["Configuration", "owners_of"]


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
        return [each for each in owners_of(self) if each in schema and self.native in schema.attributes(each)]


_HIERARCHICAL = ("Context", "Asset", "AssetVersion")
_OBJECT_TYPES = {number: name for name, number in tables.OBJECT_TYPES.items()}
_OWNERS = {"task": "TypedContext", "show": "Project", "assetversion": "AssetVersion", "asset": "Asset", "user": "User"}


def owners_of(configuration: Configuration) -> tuple[str, ...]:
    """The native types that a configuration is about."""
    if configuration.is_hierarchical:
        return _HIERARCHICAL
    if configuration.entity_type == "list":
        return ("List",)
    if configuration.entity_type == "task" and configuration.object_type in _OBJECT_TYPES:
        return (_OBJECT_TYPES[configuration.object_type or ""],)
    return (_OWNERS[configuration.entity_type],)
