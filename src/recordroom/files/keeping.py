"""Whether the blobs of a room are what it knows of them, and copies of them for copies of a room."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from ..errors import NoSuchFile
from ..model.ids import show_id
from .blobs import Blobs, Hashing, Wanted

__all__ = ["Row", "carry_blobs", "wrong_files"]


class Row(Protocol):
    """What a room knows of one file."""

    @property
    def component(self) -> bytes:
        """The id of its component."""

    @property
    def digest(self) -> str:
        """The SHA-256 of its bytes."""

    @property
    def size(self) -> int:
        """How many there are."""


def wrong_files(rows: Iterable[Row], blobs: Blobs, *, digests: bool = False) -> Iterator[str]:
    """What is wrong with the bytes of components, in words; with `digests` everything is read."""
    sound: set[str] = set()
    for row in rows:
        if row.digest in sound:
            continue
        wrong = _wrong(row, blobs, digests=digests)
        if wrong:
            yield f"files: component {show_id(row.component)} {wrong}"
        else:
            sound.add(row.digest)


def _wrong(row: Row, blobs: Blobs, *, digests: bool) -> str:
    size = blobs.size(row.digest)
    if size is None:
        return "has lost its bytes"
    if size != row.size:
        return f"has {size} bytes instead of {row.size}"
    if not digests:
        return ""
    hashing = Hashing()
    for piece in blobs.read(row.digest):
        hashing.update(piece)
    return "" if hashing.known().digest == row.digest else "has other bytes than it was given"


def carry_blobs(
    rows: Iterable[Row], source: Blobs, target: Blobs, tell: Callable[[int], object] = lambda size: None
) -> int:
    """Copy the bytes of components that are not there yet, verified; how many blobs. NoSuchFile where some are lost."""
    count = 0
    for row in rows:
        if target.size(row.digest) == row.size:
            continue
        name = secrets.token_hex(16)
        try:
            target.put(name, source.read(row.digest), Wanted(sha256=row.digest, size=row.size, path=row.digest))
        except NoSuchFile:
            where = show_id(row.component)
            raise NoSuchFile(f"Component {where} has lost its bytes.", where=source.where, path=row.digest) from None
        finally:
            target.discard(name)
        count += 1
        tell(row.size)
    return count
