"""`EntityIdStructure`: the id of a component is its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Structure

__all__ = ["EntityIdStructure"]


class EntityIdStructure(Structure):
    """The id."""

    def get_resource_identifier(self, entity: Any, context: Mapping[str, Any] | None = None) -> str:
        """The id of an entity."""
        return str(entity["id"])
