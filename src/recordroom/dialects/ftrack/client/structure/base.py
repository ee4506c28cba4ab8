"""`Structure`: names the place of a component in a location. Derive from it for a layout of your own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from .....files.sequences import form_of

__all__ = ["Structure"]


class Structure(ABC):
    """Makes resource identifiers."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.path_separator = "/"
        super().__init__()

    @abstractmethod
    def get_resource_identifier(self, entity: Any, context: Mapping[str, Any] | None = None) -> str:
        """The resource identifier of an entity. `context["source_resource_identifier"]` is what it is called where it is."""

    def _get_sequence_expression(self, sequence: Any) -> str:
        """`%04d` for a sequence whose numbers have four digits."""
        return form_of(sequence["padding"] or 0)
