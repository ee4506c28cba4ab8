"""Blobs: the bytes of a room's own location, kept under their SHA-256, and the uploads that become blobs.

A place is a folder or an object store (`open_blobs`); several processes and machines may share it. A blob is there as a whole
or not at all. What has come of an upload is kept as it comes: `offset` says how much, also after a crash. A place belongs
to one room.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ..errors import ChecksumMismatch, FilesOfAnotherRoom

__all__ = [
    "ANYTHING",
    "OWNER",
    "PIECE",
    "Blobs",
    "Hashing",
    "Incoming",
    "Kept",
    "Known",
    "Wanted",
    "check",
    "check_digest",
    "collect",
    "open_blobs",
]

PIECE = 1 << 20  # bytes that are read or written at a time
OWNER = "room"  # the name of what says whose place it is
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MANY = 500


class Known(NamedTuple):
    """What a blob is: its SHA-256 and its MD5 (empty where nobody asked for it), in hexadecimal."""

    digest: str
    size: int
    md5: str = ""


class Kept(NamedTuple):
    """A blob, or the beginnings of an upload, as it lies there. `time` is in seconds since 1970."""

    name: str
    size: int
    time: float


class Wanted(NamedTuple):
    """What the bytes of an upload are said to be, as far as it is said. `path` names it in messages."""

    sha256: str = ""
    md5: str = ""
    size: int | None = None
    path: str = "the upload"


ANYTHING = Wanted()


class Incoming(ABC):
    """Takes the bytes of one upload, from its offset on, for one caller at a time."""

    offset: int  # of what has come

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Take the next bytes. StorageFull where there is no room for them."""

    @abstractmethod
    def close(self) -> None:
        """Keep what came safely. Again does nothing."""

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Blobs(ABC):
    """A place of blobs. Safe to use from several threads."""

    where: str
    room = ""  # whose place it is, an id in hexadecimal; "": nobody looks
    _is_ours = False

    def check_owner(self) -> None:
        """FilesOfAnotherRoom where another room keeps its files here. Nothing is changed, so media for reading will do."""
        owner = self._owner() if self.room and not self._is_ours else None
        if owner is not None:
            self._check(owner)

    def claim(self) -> None:
        """As `check_owner`, before something is changed here: a place that is nobody's belongs to this room from now on."""
        if self.room and not self._is_ours:
            self._check(self._owner() or self._own(self.room))

    def _check(self, owner: str) -> None:
        if owner != self.room:
            raise FilesOfAnotherRoom(where=self.where, other=owner, room=self.room)
        self._is_ours = True

    @abstractmethod
    def _owner(self) -> str | None:
        """The room that the place belongs to, as it is noted there."""

    @abstractmethod
    def _own(self, room: str) -> str:
        """Note whose place it is, unless somebody was faster; whose it is then."""

    def free(self) -> int | None:
        """How many bytes are free there; None where there is no such number."""
        return None

    @abstractmethod
    def size(self, digest: str) -> int | None:
        """How many bytes a blob has; None where there is none."""

    @abstractmethod
    def read(self, digest: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes of a blob in pieces. NoSuchFile at once where there is none."""

    @abstractmethod
    def remove(self, digest: str) -> None:
        """Remove a blob; nothing happens where there is none."""

    @abstractmethod
    def all(self) -> Iterator[Kept]:
        """Every blob."""

    # --- uploads ---

    @abstractmethod
    def offset(self, upload: str) -> int:
        """How much of an upload has come: what comes next belongs there."""

    @abstractmethod
    def begin(self, upload: str, offset: int) -> Incoming:
        """Take more of an upload. WrongOffset where another place is next, UploadBusy while another caller takes it."""

    @abstractmethod
    def shorten(self, upload: str, offset: int) -> None:
        """Forget what came of an upload from `offset` on, where a piece began."""

    @abstractmethod
    def uploads(self) -> Iterator[Kept]:
        """The beginnings of every upload."""

    @abstractmethod
    def discard(self, upload: str) -> None:
        """Forget what came of an upload; nothing happens where nothing came."""

    @abstractmethod
    def _incoming(self, upload: str) -> Iterator[bytes]:
        """What came of an upload, in pieces."""

    @abstractmethod
    def _make(self, uploads: Sequence[str], known: Known) -> None:
        """Make the blob of uploads that are whole, in their order, from what they have; again does no harm."""

    def finish(self, uploads: Sequence[str], wanted: Wanted = ANYTHING, known: Known | None = None) -> Known:
        """Make a blob of uploads, one behind the other. They stay until they are discarded.

        ChecksumMismatch where it is not what is wanted. `known` saves reading where somebody has seen all of it pass.
        """
        found = known or self._seen(uploads, md5=bool(wanted.md5))
        check(found, wanted)
        self._make(uploads, found)
        return found

    def _seen(self, uploads: Sequence[str], *, md5: bool) -> Known:
        hashing = Hashing(md5=md5)
        for upload in uploads:
            for piece in self._incoming(upload):
                hashing.update(piece)
        return hashing.known()

    def put(self, upload: str, chunks: Iterable[bytes], wanted: Wanted = ANYTHING) -> Known:
        """Make a blob of what comes, under the name of an upload that nobody else has.

        It is for the caller to discard that, once the blob is noted; where something goes wrong nothing is left of it.
        """
        hashing = Hashing(md5=bool(wanted.md5))
        try:
            with self.begin(upload, 0) as incoming:
                for piece in chunks:
                    hashing.update(piece)
                    incoming.write(piece)
            return self.finish([upload], wanted, hashing.known())
        except BaseException:
            self.discard(upload)
            raise


class Hashing:
    """Works out what passes."""

    def __init__(self, *, md5: bool = False) -> None:
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 else None
        self.size = 0

    def update(self, data: bytes) -> None:
        """The next bytes."""
        self._sha256.update(data)
        if self._md5 is not None:
            self._md5.update(data)
        self.size += len(data)

    def known(self) -> Known:
        """What has passed."""
        return Known(self._sha256.hexdigest(), self.size, "" if self._md5 is None else self._md5.hexdigest())


def check(found: Known, wanted: Wanted) -> None:
    """ChecksumMismatch where bytes are not what they were said to be."""
    if wanted.size is not None and found.size != wanted.size:
        raise ChecksumMismatch(
            f"{wanted.path!r} is not whole: it has {found.size} bytes, not {wanted.size}.",
            path=wanted.path, expected=f"{wanted.size} bytes", found=f"{found.size} bytes",
        )  # fmt: skip
    for name, expected, there in (("sha256", wanted.sha256, found.digest), ("md5", wanted.md5, found.md5)):
        if expected and expected != there:
            raise ChecksumMismatch(path=wanted.path, expected=f"{name}:{expected}", found=f"{name}:{there}")


def check_digest(text: str) -> str:
    """`text`, where it can be the name of a blob; ValueError otherwise."""
    if _DIGEST.fullmatch(text) is None:
        raise ValueError(f"{text[:80]!r} is no SHA-256 in hexadecimal")
    return text


def open_blobs(place: str, room: bytes = b"") -> Blobs:
    """The blobs at a place: a folder, or `s3://…`, `gs://…`, `az://…`. Makes and opens nothing yet.

    With the id of a room nothing is changed where another room keeps its files.
    """
    found = _blobs_at(place)
    found.room = room.hex()
    return found


def _blobs_at(place: str) -> Blobs:
    if "://" in place:
        from .blobs_object import ObjectBlobs

        return ObjectBlobs(place)
    from .blobs_disk import DiskBlobs

    return DiskBlobs(place)


def collect(blobs: Blobs, known: Callable[[Sequence[str]], set[str]], before: float) -> int:
    """Remove blobs from before a moment (seconds since 1970) that nothing knows; how many that were.

    A blob that is made again meanwhile gets younger, and whoever makes it looks afterwards whether it is still there.
    """
    count = 0
    for some in _some(each for each in blobs.all() if each.time < before):
        kept = known([each.name for each in some])
        for each in some:
            if each.name not in kept:
                blobs.remove(each.name)
                count += 1
    return count


def _some(found: Iterable[Any]) -> Iterator[list[Any]]:
    some: list[Any] = []
    for each in found:
        some.append(each)
        if len(some) == _MANY:
            yield some
            some = []
    if some:
        yield some
