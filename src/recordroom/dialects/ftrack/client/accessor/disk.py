"""`DiskAccessor`: a folder that no path leaves, also not by a symbolic link."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .....errors import InvalidPath
from .....files import disk
from ..data import Data, File
from ..exception import (
    AccessorContainerNotEmptyError,
    AccessorFilesystemPathError,
    AccessorOperationFailedError,
    AccessorParentResourceNotFoundError,
    AccessorPermissionDeniedError,
    AccessorResourceInvalidError,
    AccessorResourceNotFoundError,
)
from .base import Accessor

__all__ = ["DiskAccessor"]

_ERRORS: dict[int, type[Any]] = {
    errno.ENOENT: AccessorResourceNotFoundError,
    errno.EPERM: AccessorPermissionDeniedError,
    errno.EACCES: AccessorPermissionDeniedError,
    errno.ENOTEMPTY: AccessorContainerNotEmptyError,
    errno.ENOTDIR: AccessorResourceInvalidError,
    errno.EISDIR: AccessorResourceInvalidError,
    errno.EINVAL: AccessorResourceInvalidError,
}


class DiskAccessor(Accessor):
    """Files below a folder; resource identifiers are paths in it, or absolute ones that lie in it.

    Variables and `~` in `prefix` are filled in. With the prefix "" a resource identifier is any path of this machine.
    """

    def __init__(self, prefix: str | Path, **kw: Any) -> None:
        text = os.fspath(prefix)
        self.prefix = os.path.abspath(os.path.expanduser(os.path.expandvars(text))) if text else ""  # noqa: PTH100, PTH111
        self.native = disk.DiskAccessor(self.prefix)
        super().__init__(**kw)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.prefix!r}>"

    def list(self, resource_identifier: str) -> list[str]:
        """The resource identifiers in a container."""
        path = self.get_filesystem_path(resource_identifier)
        with _named("list", resource_identifier):
            return [os.path.join(resource_identifier, each) for each in os.listdir(path)]  # noqa: PTH118, PTH208

    def exists(self, resource_identifier: str) -> bool:
        """Whether there is something."""
        return Path(self.get_filesystem_path(resource_identifier)).exists()

    def is_file(self, resource_identifier: str) -> bool:
        """Whether there is a file."""
        return Path(self.get_filesystem_path(resource_identifier)).is_file()

    def is_container(self, resource_identifier: str) -> bool:
        """Whether there is a folder."""
        return Path(self.get_filesystem_path(resource_identifier)).is_dir()

    def is_sequence(self, resource_identifier: str) -> bool:
        """Whether there are files of a sequence such as `head.%04d.exr`."""
        self.get_filesystem_path(resource_identifier)
        return self.native.is_sequence(resource_identifier)

    def open(self, resource_identifier: str, mode: str = "rb") -> Data:
        """The file, as Python opens it."""
        path = self.get_filesystem_path(resource_identifier)
        with _named("open", resource_identifier):
            return File(path, mode)

    def remove(self, resource_identifier: str) -> None:
        """Remove a file, or a folder with nothing in it."""
        path = Path(self.get_filesystem_path(resource_identifier))
        with _named("remove", resource_identifier):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink()

    def make_container(self, resource_identifier: str, recursive: bool = True) -> None:
        """Make a folder, and with `recursive` those around it."""
        path = Path(self.get_filesystem_path(resource_identifier))
        with _named("make_container", resource_identifier):
            try:
                path.mkdir(parents=recursive, exist_ok=True)
            except FileNotFoundError as error:
                raise AccessorParentResourceNotFoundError(
                    "make_container", resource_identifier=resource_identifier, error=error
                ) from error

    def get_container(self, resource_identifier: str) -> str:
        """The folder that something is in, as a resource identifier."""
        outside = os.path.dirname(self.get_filesystem_path(resource_identifier))  # noqa: PTH120
        if not self.prefix:
            return outside
        if not Path(outside).is_relative_to(self.prefix):
            raise AccessorParentResourceNotFoundError(
                "get_container", resource_identifier=resource_identifier,
                message="What {resource_identifier} is in lies outside of the prefix.",
            )  # fmt: skip
        found = os.path.relpath(outside, self.prefix)
        return "" if found == "." else found

    def get_filesystem_path(self, resource_identifier: str) -> str:
        """The path on this machine. AccessorFilesystemPathError for one outside of the prefix."""
        if not self.prefix:
            return os.path.normpath(resource_identifier) if resource_identifier else resource_identifier
        try:
            return str(self.native.local_path(resource_identifier))
        except InvalidPath as error:
            raise AccessorFilesystemPathError(
                resource_identifier=resource_identifier,
                message="{resource_identifier} has no path within the prefix.",
            ) from error

    def get_url(self, resource_identifier: str) -> str:
        """A `file://` address, for whoever has the same disk."""
        return Path(self.get_filesystem_path(resource_identifier)).absolute().as_uri()


@contextlib.contextmanager
def _named(operation: str, resource_identifier: str) -> Iterator[None]:
    """What the operating system says, as an error that scripts know."""
    try:
        yield
    except OSError as error:
        kind = _ERRORS.get(error.errno or 0, AccessorOperationFailedError)
        raise kind(operation=operation, resource_identifier=resource_identifier, error=error) from error
