"""What is sent: bytes that can be read from any place on, so that a transfer goes on where it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from ..errors import ChecksumMismatch, NoSuchFile, PermissionDenied

__all__ = ["LocalFile", "Readable", "SequentialSource", "sized"]

_CHUNK = 256 * 1024


class Readable(Protocol):
    """Bytes to be sent. `identity` is the same for the same bytes in another process; "" where nothing is.

    `at_once` says that several readers may read different parts of it.
    """

    size: int
    identity: str
    at_once: bool

    def open(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` until before `end`, in small pieces."""

    def checksum(self) -> str:
        """The SHA-256 of all of it, in hexadecimal."""


class LocalFile:
    """A file of this machine. It must stay as it is while it is sent: ChecksumMismatch, or NoSuchFile, where it does not."""

    at_once = True

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._known = self._looked()
        self.size = self._known.st_size
        place = os.path.abspath(self.path)  # noqa: PTH100 - links are not followed
        self.identity = f"{place}\0{self._known.st_size}\0{self._known.st_mtime_ns}\0{self._known.st_ino}"

    def open(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` until before `end`."""
        self._check()
        with self._opened() as file:
            file.seek(start)
            while start < end:
                piece = file.read(min(_CHUNK, end - start))
                if not piece:
                    raise self._changed()
                start += len(piece)
                yield piece
        self._check()

    def checksum(self) -> str:
        """The SHA-256 of all of it."""
        with self._opened() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _opened(self) -> Any:
        try:
            return self.path.open("rb", buffering=0)
        except FileNotFoundError:
            raise NoSuchFile(where="this machine", path=str(self.path)) from None
        except OSError as error:
            raise PermissionDenied(what=f"reading {self.path} ({error.strerror})") from error

    def _looked(self) -> os.stat_result:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            raise NoSuchFile(where="this machine", path=str(self.path)) from None
        if not self.path.is_file():
            raise NoSuchFile(f"{self.path} is no file.", where="this machine", path=str(self.path))
        return found

    def _check(self) -> None:
        now = self._looked()
        if (now.st_size, now.st_mtime_ns, now.st_ino) != (
            self._known.st_size, self._known.st_mtime_ns, self._known.st_ino,
        ):  # fmt: skip
            raise self._changed()

    def _changed(self) -> ChecksumMismatch:
        text = f"{str(self.path)!r} changed while it was sent."
        return ChecksumMismatch(text, path=str(self.path), expected=f"{self.size} bytes as they were", found="others")


class SequentialSource:
    """Another source (`files.transfer.Source`): read by one reader, and summed by itself while it is read."""

    at_once = False

    def __init__(self, source: Any, identity: str = "") -> None:
        self._source = source
        self.size: int = source.size
        self.identity = identity
        self._parts: Iterator[bytes] = iter(())
        self._at = -1
        self._rest = b""

    def open(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` until before `end`; reading on where the last reader stopped costs nothing."""
        if start != self._at:
            self._parts, self._rest, self._at = self._source.open(start), b"", start
        while self._at < end:
            piece = self._rest or next(self._parts, b"")
            if not piece:
                return
            now, self._rest = piece[: end - self._at], piece[end - self._at :]
            self._at += len(now)
            yield now
        if end >= self.size:
            # At its end it says whether it was what it should be.
            for _ in self._parts:
                pass

    def checksum(self) -> str:
        """The SHA-256 of all of it. What was not read yet, because it had been sent before, is read now."""
        if self._at != self.size:
            for _ in self._source.open(self.size):
                pass
        found: str = self._source.checksum
        return found.removeprefix("sha256:")


def sized(parts: Iterator[bytes], tell: Callable[[int], None]) -> Iterator[bytes]:
    """The same parts; `tell` hears how many bytes each has."""
    for part in parts:
        yield part
        tell(len(part))
