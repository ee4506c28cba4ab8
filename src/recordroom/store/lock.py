"""The lock that lets one process at a time open an embedded room for writing.

It is the operating system's: it ends with the process, however that ends. The file it lies on stays and
holds the number of the process that has, or last had, the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from ..errors import PermissionDenied, RoomLocked

__all__ = ["ProcessLock"]

_POLL_SECONDS = 0.02
_held: set[int] = set()


def _forget_after_fork() -> None:
    # A child shares its parent's lock as long as it has the file open, and would keep it when the parent ends.
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget_after_fork)


class ProcessLock:
    """The lock on the file `path` of the room `room`."""

    def __init__(self, path: Path, room: str) -> None:
        self._path = path
        self._room = room
        self._descriptor: int | None = None

    def acquire(self, wait: float = 0.0) -> None:
        """Take the lock, waiting up to `wait` seconds for it; RoomLocked with the `pid` that has it otherwise."""
        descriptor = self._open()
        try:
            _lock(descriptor, wait)
        except BlockingIOError:
            pid = _read_pid(descriptor)
            os.close(descriptor)
            raise RoomLocked(path=self._room, pid=pid) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _held.add(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back; nothing happens where it is not held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor in _held:
            _held.discard(descriptor)
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise PermissionDenied(what=f"writing {self._room} ({error.strerror})") from error


def _lock(descriptor: int, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            time.sleep(min(_POLL_SECONDS, left))
        else:
            return


def _read_pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, 20, 0).strip()
    return int(text) if text.isdigit() else None
