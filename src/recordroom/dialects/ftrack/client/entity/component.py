"""Components, and thumbnails of what has one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..symbol import ORIGIN_LOCATION_ID, SERVER_LOCATION_ID
from .base import Entity

__all__ = ["Component", "CreateThumbnailMixin"]


class Component(Entity):
    """A file, a sequence of files, or a container of components."""

    def get_availability(self, locations: Iterable[Any] | None = None) -> dict[str, float]:
        """How much of it is in each location (or in these), in percent by the location's id."""
        found: dict[str, float] = self.session.get_component_availability(self, locations=locations)
        return found


class CreateThumbnailMixin:
    """For entities that have a thumbnail."""

    def create_thumbnail(self, path: str, data: Mapping[str, Any] | None = None) -> Any:
        """A component of a picture in the server's location, as the thumbnail of this; commits."""
        about: Any = self
        session = about.session
        component = session.create_component(path, {"name": "thumbnail", **(data or {})}, location=None)
        origin = session.get("Location", ORIGIN_LOCATION_ID)
        server = session.get("Location", SERVER_LOCATION_ID)
        server.add_component(component, [origin])
        about["thumbnail_id"] = component["id"]
        session.commit()
        return component
