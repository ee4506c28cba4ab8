"""Configurations of custom attributes: each is also an attribute of the schema, which comes and goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Entity

__all__ = ["CustomAttributeConfiguration"]


class CustomAttributeConfiguration(Entity):
    """Says which entities have a custom attribute. A new one takes effect with the commit."""

    def _construct(self, data: Mapping[str, Any], reconstructing: bool) -> None:
        super()._construct(data, reconstructing)
        if not reconstructing:
            self.session._unfinished.append(self)
