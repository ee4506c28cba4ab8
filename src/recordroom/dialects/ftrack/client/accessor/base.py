"""`Accessor`: how the data of a location is reached. Derive from it for storage of your own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ..exception import AccessorUnsupportedOperationError

__all__ = ["Accessor"]


class Accessor(ABC):
    """Reaches data by resource identifiers: what all sessions know of where it is in a location."""

    def __init__(self) -> None:
        super().__init__()

    @abstractmethod
    def list(self, resource_identifier: str) -> Any:
        """The resource identifiers in a container. AccessorResourceNotFoundError, AccessorResourceInvalidError."""

    @abstractmethod
    def exists(self, resource_identifier: str) -> bool:
        """Whether there is something."""

    @abstractmethod
    def is_file(self, resource_identifier: str) -> bool:
        """Whether there is a file."""

    @abstractmethod
    def is_container(self, resource_identifier: str) -> bool:
        """Whether there is a container."""

    @abstractmethod
    def is_sequence(self, resource_identifier: str) -> bool:
        """Whether there is a sequence of files."""

    @abstractmethod
    def open(self, resource_identifier: str, mode: str = "rb") -> Any:
        """The data, to read (`rb`) or to write (`wb`)."""

    @abstractmethod
    def remove(self, resource_identifier: str) -> None:
        """Remove what is there. AccessorResourceNotFoundError where nothing is."""

    @abstractmethod
    def make_container(self, resource_identifier: str, recursive: bool = True) -> None:
        """Make a container, and with `recursive` those around it. One that is there stays."""

    @abstractmethod
    def get_container(self, resource_identifier: str) -> str | None:
        """The container that something is in. AccessorParentResourceNotFoundError where none can be told."""

    def remove_container(self, resource_identifier: str) -> None:
        """Remove a container."""
        self.remove(resource_identifier)

    def get_filesystem_path(self, resource_identifier: str) -> str:
        """The path on this machine. AccessorFilesystemPathError, AccessorUnsupportedOperationError."""
        raise AccessorUnsupportedOperationError("get_filesystem_path", resource_identifier=resource_identifier)

    def get_url(self, resource_identifier: str) -> str:
        """An address to read from. AccessorUnsupportedOperationError where there is none."""
        raise AccessorUnsupportedOperationError("get_url", resource_identifier=resource_identifier)
