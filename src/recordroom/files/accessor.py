"""What a location can do with bytes: one small interface, the same for disks, memory and object stores.

Paths are resource identifiers: text with `/` between names, `""` for the location itself. Everything streams: memory does
not grow with files. What goes wrong is raised as NoSuchFile, FileExists, InvalidPath, StorageFull, LocationUnavailable or
NotSupported. A subclass passes `recordroom.testing.AccessorContract` or is none.
"""

from __future__ import annotations

import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ..errors import NoSuchFile, NotSupported
from .paths import parent

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["CHUNK", "Accessor"]

# How many bytes are read at a time.
CHUNK = 1024 * 1024


class Accessor(ABC):
    """A place for bytes. Safe to use from several threads."""

    @property
    @abstractmethod
    def where(self) -> str:
        """What messages call it: a folder or an address, never with a secret."""

    @abstractmethod
    def write(self, path: str, chunks: Iterable[bytes], *, size: int | None = None, overwrite: bool = False) -> int:
        """Write a file and make its containers; how many bytes it has.

        The file is there whole or not at all: an exception of `chunks`, or a crash, leaves what was there before.
        `size` is how much will come, where it is known. FileExists where there is one, unless `overwrite`.
        """

    @abstractmethod
    def read(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes of a file from `start`, `length` of them or all, in pieces. NoSuchFile at once where there is none."""

    @abstractmethod
    def size(self, path: str) -> int:
        """How many bytes a file has."""

    @abstractmethod
    def is_file(self, path: str) -> bool:
        """Whether there is a file."""

    @abstractmethod
    def is_container(self, path: str) -> bool:
        """Whether there is a container: a folder, or what stands for one."""

    @abstractmethod
    def list(self, path: str = "") -> list[str]:
        """The paths in a container, in order. NoSuchFile where there is none, InvalidPath for a file."""

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file, or an empty container; InvalidPath for one that is not empty."""

    @abstractmethod
    def make_container(self, path: str) -> None:
        """Make a container and those around it; one that is there stays. FileExists where there is a file."""

    @abstractmethod
    def rename(self, path: str, to: str) -> None:
        """Move a file to another path in the same location. FileExists where there is something."""

    def sweep(self, older_than: float = 86_400) -> int:
        """Remove what writers that crashed left, where it is so many seconds old; how many files. Nobody else sees them."""
        return 0

    def exists(self, path: str) -> bool:
        """Whether there is a file or a container."""
        return self.is_file(path) or self.is_container(path)

    def is_sequence(self, path: str) -> bool:
        """Whether `head.%04d.ext` or `head.%04d.ext [1-5, 8]` names files of which there is one, or all that it lists."""
        from .sequences import Sequence

        if not Sequence.is_one(path):
            return False
        found = Sequence.parse(path)
        if found.indexes:
            return all(self.is_file(each) for each in found.files())
        pattern = re.compile(re.escape(found.head) + r"\d+" + re.escape(found.tail))
        container = parent(path)
        return self.is_container(container) and any(pattern.fullmatch(each) for each in self.list(container))

    def open(self, path: str) -> BinaryIO:
        """A file to read from, that can seek. Close it, or use it with `with`."""
        return cast(BinaryIO, io.BufferedReader(_Reader(self, path, self.size(path)), CHUNK))

    def url(self, path: str) -> str:
        """An address where others may read a file now. NotSupported where there is none."""
        raise NotSupported(where=self.where, what="an address of a file")

    def local_path(self, path: str) -> Path:
        """Where a file or container lies on this machine. NotSupported where it does not."""
        raise NotSupported(where=self.where, what="a path on this machine")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.where}>"


class _Reader(io.RawIOBase):
    """Reads a file of any accessor; another position begins another stream."""

    def __init__(self, accessor: Accessor, path: str, size: int) -> None:
        self._accessor, self._path, self._size = accessor, path, size
        self._position = 0
        self._stream: Iterator[bytes] | None = None
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        position = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence])
        if position != self._position:
            self._drop()
            self._position = position
        return position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._position >= self._size:
            return 0
        if self._stream is None:
            self._stream = self._accessor.read(self._path, self._position)
        while not self._rest:
            chunk = next(self._stream, None)
            if chunk is None:
                raise NoSuchFile(
                    f"{self._path!r} in {self._accessor.where} became shorter while it was read.",
                    where=self._accessor.where, path=self._path,
                )  # fmt: skip
            self._rest = memoryview(chunk)
        taken = memoryview(buffer).cast("B")
        count = min(len(taken), len(self._rest))
        taken[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        self._position += count
        return count

    def close(self) -> None:
        self._drop()
        super().close()

    def _drop(self) -> None:
        stream, self._stream, self._rest = self._stream, None, memoryview(b"")
        close = getattr(stream, "close", None)
        if close is not None:
            close()
