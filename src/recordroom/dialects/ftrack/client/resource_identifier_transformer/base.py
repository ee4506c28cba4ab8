"""`ResourceIdentifierTransformer`: what the room keeps of a resource identifier, and what this machine makes of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ResourceIdentifierTransformer"]


class ResourceIdentifierTransformer:
    """Leaves resource identifiers as they are; derive from it. `decode(encode(x))` has to be x."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def encode(self, resource_identifier: str, context: Mapping[str, Any] | None = None) -> str:
        """What the room keeps. `context["component"]` is whose it is."""
        return resource_identifier

    def decode(self, resource_identifier: str, context: Mapping[str, Any] | None = None) -> str:
        """What it is on this machine."""
        return resource_identifier
