"""The room's own location as an accessor: its paths are ids of components."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..errors import InvalidPath, NoSuchFile, NotSupported
from ..files.accessor import Accessor
from ..model.ids import as_id, show_id
from .transport import Transport

if TYPE_CHECKING:
    from .transfers import RoomFiles

__all__ = ["RoomAccessor"]


class RoomAccessor(Accessor):
    """What the room keeps itself, in its folder or behind its server. A sequence or a container has no bytes of its own."""

    def __init__(self, transport: Transport, database: str = "main") -> None:
        self._transport, self._database = transport, database
        self._made: RoomFiles | None = None

    @property
    def where(self) -> str:
        return self._transport.where

    @property
    def files(self) -> RoomFiles:
        """What carries the bytes."""
        if self._made is None:
            from .transfers import room_files

            self._made = room_files(self._transport, self._database)
        return self._made

    def write(self, path: str, chunks: Iterable[bytes], *, size: int | None = None, overwrite: bool = False) -> int:
        # What is there under an id that is in no location is what an attempt left that did not end; it is replaced.
        written, _ = self.files.put(self._key(path), chunks, size=size)
        return written

    def read(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self.files.get(self._key(path), start, length)

    def size(self, path: str) -> int:
        found = self.files.size(self._key(path))
        if found is None:
            raise NoSuchFile(where=self.where, path=path)
        return found

    def is_file(self, path: str) -> bool:
        return self.files.size(self._key(path)) is not None

    def is_container(self, path: str) -> bool:
        return path == ""

    def list(self, path: str = "") -> list[str]:
        raise NotSupported(where=self.where, what="a list of its files; ask for components instead")

    def remove(self, path: str) -> None:
        self.files.remove(self._key(path))

    def make_container(self, path: str) -> None:
        """Nothing: there are no folders."""

    def rename(self, path: str, to: str) -> None:
        raise NotSupported(where=self.where, what="another name to a file")

    def url(self, path: str) -> str:
        return self.files.url(self._key(path))

    def _key(self, path: str) -> str:
        try:
            return show_id(as_id(path))
        except (ValueError, TypeError):
            raise InvalidPath(where=self.where, path=path, reason="it is no id of a component") from None
