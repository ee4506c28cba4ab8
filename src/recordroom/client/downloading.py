"""Downloads from a server: verified, and going on where they were. A file is there under its name when it is whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..errors import ChecksumMismatch, PermissionDenied, ServerUnavailable, StorageFull
from .calls import Caller, Request
from .http import Broken, Streamed
from .retry import Tries

try:
    import fcntl
except ImportError:  # not on Windows: there two downloads to the same place begin anew, each for itself
    fcntl = None  # type: ignore[assignment]

__all__ = ["Remote", "copied", "download", "stream"]

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_READ = 1 << 20

Tell = Callable[[int, int], object]


class Remote(NamedTuple):
    """A file of a server, at a path."""

    caller: Caller
    path: str


class _Opened(NamedTuple):
    """An answer that begins at `start` of a file of `size` bytes with that digest."""

    streamed: Streamed
    start: int
    size: int
    digest: str


def _open(remote: Remote, start: int, end: int | None, digest: str) -> _Opened:
    headers: dict[str, str] = {}
    if start or end is not None:
        headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        if digest:
            headers["If-Range"] = f'"{digest}"'
    streamed = remote.caller.open(Request(method="GET", path=remote.path), headers)
    tag = streamed.headers.get("etag", "").strip('"')
    if streamed.status == 206:
        found = _RANGE.fullmatch(streamed.headers.get("content-range", ""))
        if found is not None:
            return _Opened(streamed, int(found[1]), int(found[3]), tag)
    elif (length := streamed.headers.get("content-length", "")).isdigit():
        return _Opened(streamed, 0, int(length), tag)
    streamed.close()
    raise ServerUnavailable(where=remote.caller.where, reason="it does not say what it sends", attempts=1)


# --- as it comes ----------------------------------------------------------------------------------


def stream(remote: Remote, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """The bytes of a file from `start` on, `length` of them or all. What is wrong at the beginning is raised at once."""
    end = None if length is None else start + length
    if length == 0:
        return iter(())
    return _streamed(remote, _open(remote, start, end, ""), end)


def _streamed(remote: Remote, opened: _Opened, end: int | None) -> Iterator[bytes]:
    at, digest, tries = opened.start, opened.digest, Tries(remote.caller.retry)
    last = opened.size if end is None else min(end, opened.size)
    while True:
        try:
            with contextlib.closing(opened.streamed) as streamed:
                for piece in streamed.pieces():
                    at += len(piece)
                    yield piece
                    tries = Tries(remote.caller.retry)
            if at >= last:
                return
        except Broken as broken:
            _pause(remote, tries, broken)
        opened = _open(remote, at, end, digest)
        if (opened.start, opened.digest) != (at, digest):
            opened.streamed.close()
            raise ChecksumMismatch(
                f"{remote.path!r} was replaced while it was read.",
                path=remote.path,
                expected=digest,
                found=opened.digest,
            )


def _pause(remote: Remote, tries: Tries, broken: Broken) -> None:
    pause = tries.after_break()
    if pause is None or broken.lasting:
        raise ServerUnavailable(
            where=remote.caller.where, reason=broken.reason, attempts=tries.count, seconds=round(tries.seconds, 1)
        ) from broken
    time.sleep(pause)


# --- to a file ------------------------------------------------------------------------------------


def download(remote: Remote, path: str | Path, progress: Tell | None = None) -> tuple[int, str]:
    """Have a file at `path`: its size and SHA-256. ChecksumMismatch where what came is not what the server has.

    What is there of it after a break, or after a kill, stays beside its place, and the next attempt goes on with it.
    """
    target = Path(path)
    with _naming(target), _Beside(target) as beside:
        return _fetched(remote, beside, progress)


@contextlib.contextmanager
def _naming(target: Path) -> Iterator[None]:
    """What the system says of writing a file, as errors of recordroom."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(path=str(target)) from error
        raise PermissionDenied(what=f"writing {target} ({error.strerror})") from error


def copied(pieces: Iterator[bytes], path: Path, known: tuple[int, str], progress: Tell | None = None) -> None:
    """Have a file at `path` of pieces that come from this machine; `known` is its size and SHA-256."""
    size, digest = known
    with _naming(path), _Beside(path) as beside:
        beside.begin(digest, 0)
        for piece in pieces:
            beside.write(piece)
            if progress is not None:
                progress(beside.size, size)
        beside.finish(digest)


def _fetched(remote: Remote, beside: _Beside, progress: Tell | None) -> tuple[int, str]:
    tries = Tries(remote.caller.retry)
    while True:
        # One byte is asked for again, so that there is always something to send.
        have = max(beside.size - 1, 0)
        opened = _open(remote, have, None, beside.digest) if have else _open(remote, 0, None, "")
        beside.begin(opened.digest, opened.start)
        try:
            with contextlib.closing(opened.streamed) as streamed:
                for piece in streamed.pieces():
                    beside.write(piece)
                    tries = Tries(remote.caller.retry)
                    if progress is not None:
                        progress(beside.size, opened.size)
        except Broken as broken:
            _pause(remote, tries, broken)
        else:
            if beside.size >= opened.size:
                beside.finish(opened.digest)
                return opened.size, opened.digest


class _Beside:
    """The beginnings of a file, beside its place, named after what it is to become."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path = target
        self._file: BinaryIO | None = None
        self._hash: Any = hashlib.sha256()
        self._hashed = 0
        self.digest = ""
        self.size = 0

    def __enter__(self) -> _Beside:
        if self._target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(self._target))
        for found in sorted(self._target.parent.glob(f".{_escaped(self._target.name)}.*.part")):
            digest = found.name.split(".")[-2]
            if re.fullmatch(r"[0-9a-f]{64}", digest) and self._take(found):
                self.digest, self.size = digest, found.stat().st_size
                break
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def _take(self, path: Path) -> bool:
        file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._file, self._path = file, path
        return True

    def begin(self, digest: str, start: int) -> None:
        """What comes now belongs to `start`; what is there of something else is forgotten."""
        if self._file is None or digest != self.digest:
            self._other(digest)
        assert self._file is not None
        self._file.truncate(start)
        self.size = start
        if self._hashed > start:
            self._hash, self._hashed = hashlib.sha256(), 0
        self._file.seek(self._hashed)
        while self._hashed < start:
            piece = self._file.read(min(_READ, start - self._hashed))
            self._hash.update(piece)
            self._hashed += len(piece)
        self._file.seek(start)

    def _other(self, digest: str) -> None:
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)
        path = self._target.with_name(f".{self._target.name}.{digest}.part")
        if not self._take(path):
            self._take(path.with_name(f".{self._target.name}.{secrets.token_hex(8)}.{digest}.part"))
        self.digest, self._hash, self._hashed = digest, hashlib.sha256(), 0

    def write(self, piece: bytes) -> None:
        """The next bytes."""
        assert self._file is not None
        view = memoryview(piece)
        while view:
            view = view[self._file.write(view) :]
        self._hash.update(piece)
        self._hashed += len(piece)
        self.size += len(piece)

    def finish(self, digest: str) -> None:
        """Move it to its place, where it is what it should be; forget it otherwise."""
        assert self._file is not None
        found = self._hash.hexdigest()
        if found != digest:
            self._path.unlink(missing_ok=True)
            raise ChecksumMismatch(path=str(self._target), expected=f"sha256:{digest}", found=f"sha256:{found}")
        os.fsync(self._file.fileno())
        self._path.replace(self._target)


def _escaped(name: str) -> str:
    return re.sub(r"([\[\]*?])", r"[\1]", name)
