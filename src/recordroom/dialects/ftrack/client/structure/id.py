"""`IdStructure`: `/prefix/1/2/3/4/56789….exr`, so that no folder has too many entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .....files.structures import ChunkedId
from ..entity.base import Entity
from .base import Structure

__all__ = ["IdStructure"]


class IdStructure(Structure):
    """Four folders of one character each from the id, and the rest of it as the name.

    Members lie in the folder of their container; those of a sequence are `file.0001.exr`.
    """

    def get_resource_identifier(self, entity: Any, context: Mapping[str, Any] | None = None) -> str:
        """The place of a component; NotImplementedError for anything else."""
        if not isinstance(entity, Entity) or not entity._native._schema.is_a(entity._native._type, "Component"):
            raise NotImplementedError(f"{entity!r} is no component.")
        return ChunkedId(self.prefix, first=True).resource_identifier(entity._native)
