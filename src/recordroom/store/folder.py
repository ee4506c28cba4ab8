"""Embedded rooms as folders: telling one from other folders, and making one so that it is never half there."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import NotARoom, PermissionDenied, RoomLocked, RoomNotFound, StorageFull
from .drivers.sqlite import SqliteDriver
from .lock import ProcessLock
from .plans import Plan

__all__ = ["DATABASE_FILE", "LOCK_FILE", "has_room", "make_room"]

DATABASE_FILE = "room.sqlite"
LOCK_FILE = "writer.lock"
_LEFTOVER_SECONDS = 60
_ABOUT_FILE = "README.txt"
_ABOUT = """This folder is a room of recordroom (an open data server for structured records).

room.sqlite        everything in the room; an SQLite database
room.sqlite-wal    its latest changes. Never delete it: it is part of the room
files              the bytes of components, if there are any; each is named by its SHA-256
writer.lock        says which process has the room open for writing

Copy or move the folder as a whole, while no program has it open.
"""


def has_room(folder: Path) -> bool:
    """Whether there is a room in `folder`; NotARoom where there is something else."""
    with _file_errors(folder):
        return _looks_like_room(folder)


def _looks_like_room(folder: Path) -> bool:
    if not folder.exists():
        # Anything but "does not exist" says why it cannot be seen.
        with contextlib.suppress(FileNotFoundError):
            folder.lstat()
            raise NotARoom(path=str(folder), reason="it is a link to nothing")
        return False
    if not folder.is_dir():
        raise NotARoom(path=str(folder), reason="it is a file; a room is a folder")
    if (folder / DATABASE_FILE).exists():
        return True
    if any(folder.iterdir()):
        raise NotARoom(path=str(folder), reason=f"the folder has other files and no {DATABASE_FILE}")
    return False


def make_room(folder: Path, filling: Callable[[str], Plan[None]], beside: Callable[[Path], None] | None = None) -> bool:
    """Make a room beside its place and move it there when it is whole; False where one has come meanwhile.

    `filling` gives the plan that makes its tables, for the dialect that it is told; `beside` puts into the folder what else
    is to be there.
    """
    parent = folder.parent
    if not parent.is_dir():
        raise RoomNotFound(f"There is no folder {parent} to make the room {folder.name} in.", path=str(folder))
    with _file_errors(folder):
        _remove_leftovers(folder)
        made = parent / f"{_making_prefix(folder)}{secrets.token_hex(6)}"
        made.mkdir()
        # Held while the folder is being made, so that what a killed process left can be told from it.
        lock = ProcessLock(made / LOCK_FILE, str(folder))
        try:
            lock.acquire()
            _fill(made, filling)
            if beside is not None:
                beside(made)
            return _move_into_place(made, folder)
        finally:
            lock.release()
            shutil.rmtree(made, ignore_errors=True)


def _making_prefix(folder: Path) -> str:
    return f".{folder.name}.making-"


def _remove_leftovers(folder: Path) -> None:
    for leftover in folder.parent.glob(f"{glob.escape(_making_prefix(folder))}*"):
        # A young one may be about to be locked.
        if time.time() - leftover.stat().st_mtime < _LEFTOVER_SECONDS:
            continue
        lock = ProcessLock(leftover / LOCK_FILE, str(folder))
        with contextlib.suppress(RoomLocked, PermissionDenied):
            lock.acquire()
            shutil.rmtree(leftover, ignore_errors=True)
            lock.release()


def _fill(made: Path, filling: Callable[[str], Plan[None]]) -> None:
    (made / _ABOUT_FILE).write_text(_ABOUT)
    (made / DATABASE_FILE).touch()
    driver = SqliteDriver(made / DATABASE_FILE)
    try:
        driver.write(filling(driver.dialect))
    finally:
        driver.close()
    _sync(made)


def _move_into_place(made: Path, folder: Path) -> bool:
    try:
        made.rename(folder)
    except OSError as error:
        # Another process was faster.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    finally:
        _sync(folder.parent)
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _file_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(path=str(folder)) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise PermissionDenied(what=f"{error.filename or folder} ({error.strerror})") from error
        raise NotARoom(path=str(folder), reason=str(error.strerror)) from error
