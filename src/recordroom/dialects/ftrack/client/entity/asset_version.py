"""Versions of assets and their files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Entity

__all__ = ["AssetVersion"]


class AssetVersion(Entity):
    """One state of an asset."""

    def create_component(self, path: str, data: Mapping[str, Any] | None = None, location: Any = None) -> Any:
        """A new component of this version, as `Session.create_component`; by default in no location."""
        given = {name: value for name, value in (data or {}).items() if name != "version_id"}
        return self.session.create_component(path, {**given, "version": self}, location=location)

    def encode_media(self, media: Any, keep_original: Any = "auto") -> Any:
        """A new job that makes what browsers play of a file or FileComponent, for this version."""
        return self.session.encode_media(media, version_id=self["id"], keep_original=keep_original)
