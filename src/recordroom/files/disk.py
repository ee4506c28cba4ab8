"""A location on disk: a folder that no path leaves.

A file is written beside its place, synced, and moved there in one step, so that a crash leaves the old one or none.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import FileExists, InvalidPath, LocationUnavailable, NoSuchFile, StorageFull
from .accessor import CHUNK, Accessor
from .paths import HIDDEN, inside

__all__ = ["DiskAccessor"]

_PART = re.compile(re.escape(HIDDEN) + r"[0-9a-f]{16}\.part")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskAccessor(Accessor):
    """Files below a folder, which need not be there before the first is written.

    A path may be absolute where it lies in the folder. With the folder `""` every absolute path of this machine is in it:
    for files that stay where they are. A symbolic link that leads out of the folder is refused.
    """

    def __init__(self, prefix: str | Path = "") -> None:
        text = os.fspath(prefix)
        self.prefix = Path(os.path.abspath(text)) if text else None  # noqa: PTH100 - links stay as they are named

    @property
    def where(self) -> str:
        return str(self.prefix or "this machine")

    def write(self, path: str, chunks: Iterable[bytes], *, size: int | None = None, overwrite: bool = False) -> int:
        target = self._place(path)
        with self._named(path):
            if target.is_dir():
                raise InvalidPath(where=self.where, path=path, reason="it is a container")
            if not overwrite and target.exists():
                raise FileExists(where=self.where, path=path)
            target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{HIDDEN}{secrets.token_hex(8)}.part")
        try:
            written = self._fill(part, path, chunks)
            with self._named(path):
                _settle(part, target, overwrite)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        return written

    def read(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        source = self._place(path)
        self.size(path)
        return self._chunks(source, path, start, length)

    def size(self, path: str) -> int:
        place = self._place(path)
        with self._named(path):
            if place.is_dir():
                raise InvalidPath(where=self.where, path=path, reason="it is a container")
            return place.stat().st_size

    def is_file(self, path: str) -> bool:
        with self._named(path):
            return self._place(path).is_file()

    def is_container(self, path: str) -> bool:
        with self._named(path):
            return self._place(path).is_dir()

    def list(self, path: str = "") -> list[str]:
        place = self._place(path)
        with self._named(path):
            if place.is_file():
                raise InvalidPath(where=self.where, path=path, reason="it is a file")
            names = [each for each in os.listdir(place) if not each.startswith(HIDDEN)]  # noqa: PTH208 - names
        base = path.rstrip("/")
        return sorted(f"{base}/{name}" if base or path else name for name in names)

    def remove(self, path: str) -> None:
        place = self._place(path)
        with self._named(path):
            if not place.is_dir() or place.is_symlink():
                place.unlink()
                return
            try:
                place.rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                reason = "it is a container with something in it"
                raise InvalidPath(where=self.where, path=path, reason=reason) from error

    def make_container(self, path: str) -> None:
        with self._named(path):
            self._place(path).mkdir(parents=True, exist_ok=True)

    def rename(self, path: str, to: str) -> None:
        source, target = self._place(path), self._place(to)
        self.size(path)
        with self._named(to):
            target.parent.mkdir(parents=True, exist_ok=True)
            _settle(source, target, overwrite=False)

    def sweep(self, older_than: float = 86_400) -> int:
        before, count = time.time() - older_than, 0
        for folder, _, names in os.walk(self.prefix) if self.prefix is not None else ():
            for name in names:
                part = Path(folder, name)
                with contextlib.suppress(NoSuchFile), self._named(str(part)):
                    if _PART.fullmatch(name) and part.stat().st_mtime < before:
                        part.unlink()
                        count += 1
        return count

    def url(self, path: str) -> str:
        """A `file://` address, which whoever has the same disk may use."""
        return self._place(path).as_uri()

    def local_path(self, path: str) -> Path:
        return self._place(path)

    def _place(self, path: str) -> Path:
        """Where a path lies on disk; InvalidPath where that is not in the folder."""
        if "\0" in path:
            raise InvalidPath(where=self.where, path=path, reason="it has a character NUL")
        if self.prefix is None:
            if not Path(path).is_absolute():
                raise InvalidPath(where=self.where, path=path, reason="it is not absolute")
            return Path(path)
        if Path(path).is_absolute():
            found = Path(os.path.normpath(path))
            if not found.is_relative_to(self.prefix):
                raise InvalidPath(where=self.where, path=path, reason="it is absolute, and elsewhere")
            path = str(found.relative_to(self.prefix))
        place = self.prefix / inside(self.where, path)
        # What a link points to is judged, and so is a part of the path that is one.
        if not Path(os.path.realpath(place)).is_relative_to(os.path.realpath(self.prefix)):
            raise InvalidPath(where=self.where, path=path, reason="a symbolic link leads out of the folder")
        return place

    def _fill(self, part: Path, path: str, chunks: Iterable[bytes]) -> int:
        written = 0
        with self._named(path):
            file = part.open("xb")
        with file:
            for chunk in chunks:
                with self._named(path):
                    written += file.write(chunk)
            with self._named(path):
                file.flush()
                os.fsync(file.fileno())
        return written

    def _chunks(self, source: Path, path: str, start: int, length: int | None) -> Iterator[bytes]:
        with self._named(path):
            file = source.open("rb")
        with file:
            file.seek(start)
            left = length
            while left is None or left > 0:
                with self._named(path):
                    chunk = file.read(CHUNK if left is None else min(CHUNK, left))
                if not chunk:
                    return
                left = None if left is None else left - len(chunk)
                yield chunk

    @contextlib.contextmanager
    def _named(self, path: str) -> Iterator[None]:
        """What the operating system says, as an error of ours."""
        try:
            yield
        except FileNotFoundError as error:
            raise NoSuchFile(where=self.where, path=path) from error
        except FileExistsError as error:
            raise FileExists(where=self.where, path=path) from error
        except (IsADirectoryError, NotADirectoryError) as error:
            raise InvalidPath(where=self.where, path=path, reason="a part of it is not what it should be") from error
        except OSError as error:
            if error.errno in _FULL:
                raise StorageFull(path=self.where) from error
            if error.errno in (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL):
                raise InvalidPath(where=self.where, path=path, reason=error.strerror or "the system refuses") from error
            raise LocationUnavailable(where=self.where, reason=f"{error.strerror} ({path!r})") from error


def _settle(part: Path, target: Path, overwrite: bool) -> None:
    """Move a file to its place in one step, and make that last."""
    if overwrite:
        part.replace(target)
    else:
        _move_new(part, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _move_new(part: Path, target: Path) -> None:
    """As a rename that fails where there is something: a link does, a rename would replace it."""
    try:
        os.link(part, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        # Some disks have no hard links; between this question and the rename another may write.
        if target.exists():
            raise FileExistsError(errno.EEXIST, "exists") from error
        part.rename(target)
        return
    part.unlink()
