"""Classes for entity types: what plugins extend when they answer `ftrack.api.session.construct-entity-type`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ... import tables
from .asset_version import AssetVersion
from .base import DynamicEntityTypeMetaclass, Entity
from .component import Component, CreateThumbnailMixin
from .custom_attribute import CustomAttributeConfiguration
from .job import Job
from .location import Location
from .note import CreateNoteMixin, Note
from .project_schema import ProjectSchema
from .user import User
from .virtual import VirtualEntity

__all__ = ["Factory", "StandardFactory"]

_HELPERS: dict[str, type] = {
    "AssetVersion": AssetVersion,
    "Component": Component,
    "ContainerComponent": Component,
    "CustomAttributeConfiguration": CustomAttributeConfiguration,
    "FileComponent": Component,
    "Job": Job,
    "Location": Location,
    "Note": Note,
    "ProjectSchema": ProjectSchema,
    "SequenceComponent": Component,
    "User": User,
}
_MIXINS = {"notes": CreateNoteMixin, "thumbnail_id": CreateThumbnailMixin}


def _is_virtual(schema: Mapping[str, Any]) -> bool:
    """Whether entities of a type have no row of their own: pairs, metadata, values."""
    name = str(schema["id"])
    return name == "Metadata" or name.endswith("CustomAttributeValue") or name in tables.PAIRS


class Factory:
    """Makes classes with nothing but the bases that are given."""

    def create(self, schema: Mapping[str, Any], bases: Iterable[type] | None = None) -> type[Entity]:
        """The class for a schema. A session gives it its attributes when it takes it."""
        found = list(bases or ())
        if not any(issubclass(each, Entity) for each in found):
            found.append(VirtualEntity if _is_virtual(schema) else Entity)
        made: type[Entity] = DynamicEntityTypeMetaclass(
            str(schema["id"]),
            tuple(found),
            {
                "__module__": __name__,
                "entity_type": str(schema["id"]),
                "schema": schema,
                "primary_key_attributes": list(schema.get("primary_key", ())),
                "default_projections": list(schema.get("default_projections", ())),
            },
        )
        return made


class StandardFactory(Factory):
    """Makes classes with the helpers that a type has: notes, thumbnails, timers …"""

    def create(self, schema: Mapping[str, Any], bases: Iterable[type] | None = None) -> type[Entity]:
        """The class for a schema, with its helpers behind the bases that are given."""
        found = [each for each in bases or () if each is not Entity]
        helper = _HELPERS.get(str(schema["id"]))
        if helper is not None and not any(issubclass(each, helper) for each in found):
            found.append(helper)
        if _is_virtual(schema):
            found.append(VirtualEntity)
        elif not any(issubclass(each, Entity) for each in found):
            found.append(Entity)
        for name, mixin in _MIXINS.items():
            if name in schema.get("properties", {}) and not any(issubclass(each, mixin) for each in found):
                found.append(mixin)
        return super().create(schema, found)
