"""The files of a room, as those who look after it need them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidSettings

if TYPE_CHECKING:
    from ..files.blobs import Blobs
    from ..files.collecting import Collected
    from ..store.room import Room

__all__ = ["blobs_of", "carry_files", "check_place", "collect_files", "files_beside", "has_files", "problems_of"]


def blobs_of(room: Room) -> Blobs | None:
    """Where the bytes of components lie; None where nothing says so."""
    from ..files.blobs import open_blobs

    try:
        return open_blobs(room.file_records.place, room.file_records.room)
    except InvalidSettings:
        return None


def has_files(where: str) -> bool:
    """Whether any component of a room has bytes in it."""
    from ..store.room import Room

    with Room.open(where, mode="read", create=False) as room:
        return next(room.file_records.all(), None) is not None


def problems_of(room: Room, *, digests: bool = False) -> list[str]:
    """What is wrong with the bytes of components, in words."""
    from ..files.keeping import wrong_files

    blobs = blobs_of(room)
    if blobs is not None:
        return list(wrong_files(room.file_records.all(), blobs, digests=digests))
    lost = next(room.file_records.all(), None) is not None
    return ["files: components have bytes, and nothing says where they lie (settings: files)"] if lost else []


def collect_files(room: Room) -> Collected | None:
    """Give back what uploads left that were never committed, and blobs that nothing needs."""
    from ..files.collecting import collect_all

    blobs = blobs_of(room)
    return None if blobs is None else collect_all(room.file_records, blobs)


def check_place(source: str, place: str) -> None:
    """FilesOfAnotherRoom where the files of a copy of a room cannot lie."""
    from ..files.blobs import open_blobs
    from ..store.room import Room

    with Room.open(source, mode="read", create=False) as room:
        open_blobs(place, room.file_records.room).check_owner()


def carry_files(source: str, known: str, place: str) -> int:
    """Copy the bytes that the room `known` knows, from those of the room `source` to `place`; how many blobs."""
    from ..files.blobs import open_blobs
    from ..files.keeping import carry_blobs
    from ..store.room import Room

    with Room.open(source, mode="read", create=False) as room, Room.open(known, mode="read", create=False) as copy:
        there = blobs_of(room)
        return (
            0
            if there is None
            else carry_blobs(copy.file_records.all(), there, open_blobs(place, copy.file_records.room))
        )


def files_beside(source: str, made: Path) -> None:
    """Copy the bytes of a room that is being copied to a folder."""
    from ..store.room_files import FOLDER

    carry_files(source, str(made), str(made / FOLDER))
