"""`OriginStructure`: components keep the place that they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Structure

__all__ = ["OriginStructure"]


class OriginStructure(Structure):
    """What the context says under `source_resource_identifier`."""

    def get_resource_identifier(self, entity: Any, context: Mapping[str, Any] | None = None) -> str:
        """The place that the context tells of; ValueError where it tells of none."""
        found = (context or {}).get("source_resource_identifier")
        if found is None:
            raise ValueError("The context says no source_resource_identifier to keep.")
        return str(found)
