"""Finding, making and opening rooms: what stands behind `Room.open`.

An embedded room is a folder with the database `room.sqlite`; a room on PostgreSQL is a schema of a
database. Making one is atomic: until it is whole, it is not there. In one process a room is opened once
and shared by everybody who opens it in the same mode.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..errors import Error, NotARoom, PermissionDenied, RoomDamaged, RoomLocked, RoomNotFound, StorageFull
from ..model.ids import new_id
from .catalog import Catalogs, load_catalogs
from .creation import create_room, room_facts, store_settings
from .drivers.sqlite import SqliteDriver
from .lock import ProcessLock
from .migrations import check_format, migrate
from .plans import Driver, Fetch, Plan
from .settings import Settings, changed

__all__ = ["Mode", "Opened", "Opening", "open_shared"]

Mode = Literal["write", "read"]
DATABASE_FILE = "room.sqlite"
LOCK_FILE = "writer.lock"
_ABOUT_FILE = "README.txt"
_ABOUT = """This folder is a room of recordroom (an open data server for structured records).

room.sqlite        everything in the room; an SQLite database
room.sqlite-wal    its latest changes. Never delete it: it is part of the room
writer.lock        says which process has the room open for writing

Copy or move the folder as a whole, while no program has it open.
"""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """How a room is to be opened."""

    where: str
    mode: Mode = "write"
    create: bool = True
    wait: float = 0.0
    settings: Mapping[str, Any] = {}

    @property
    def read_only(self) -> bool:
        """Whether nothing will be written."""
        return self.mode == "read"


class Opened:
    """One room as one process has it open. `catalogs` are the newest that were seen."""

    def __init__(self, driver: Driver, settings: Settings, release: Callable[[], None]) -> None:
        self.driver = driver
        self.settings = settings
        self.catalogs: Catalogs | None = None
        self.users = 0
        self._release = release
        self._key: tuple[str, Mode] | None = None

    def current(self) -> Plan[Catalogs]:
        """The catalogs of this snapshot; another process may have changed a schema."""
        known = self.catalogs
        found = yield from load_catalogs(self.driver.dialect, known)
        if known is None or found.revision > known.revision:
            self.catalogs = found
        return found

    def close(self) -> None:
        """Count one user less; the last one closes the room."""
        with _registry_lock:
            self.users -= 1
            if self.users > 0 or self._key is None:
                return
            _registry.pop(self._key, None)
            self.shut()

    def shut(self) -> None:
        """Close the driver and give back the lock."""
        try:
            self.driver.close()
        finally:
            self._release()


_registry: dict[tuple[str, Mode], Opened] = {}
_registry_lock = threading.RLock()


def _forget_after_fork() -> None:
    # A child must open its rooms anew; its parent's connections are not its own.
    _registry.clear()
    _registry_lock._at_fork_reinit()  # type: ignore[attr-defined]


os.register_at_fork(after_in_child=_forget_after_fork)


def open_shared(opening: Opening) -> Opened:
    """The room, opened now or shared with those who have it open in this process."""
    key = (_identity(opening.where), opening.mode)
    with _registry_lock:
        found = _registry.get(key)
        if found is None:
            found = _open(opening)
            found._key = key
            _registry[key] = found
        elif opening.settings and not opening.read_only:
            change_settings(found, opening.settings)
        found.users += 1
        return found


def change_settings(opened: Opened, changes: Mapping[str, Any]) -> Settings:
    """Change settings of a room that is open for writing."""
    settings = changed(opened.settings, changes)
    opened.driver.write(store_settings(opened.driver.dialect, settings))
    opened.settings = settings
    return settings


def _is_postgres(where: str) -> bool:
    return where.startswith(("postgresql://", "postgres://"))


def _identity(where: str) -> str:
    return where if _is_postgres(where) else os.path.realpath(where)


def _open(opening: Opening) -> Opened:
    if opening.read_only and opening.settings:
        changed(Settings(), opening.settings)
    if _is_postgres(opening.where):
        return _open_postgres(opening)
    return _open_folder(opening)


# --- embedded rooms ---


def _open_folder(opening: Opening) -> Opened:
    folder = Path(opening.where).absolute()
    with _file_errors(folder):
        state = _state(folder)
    if state == "missing":
        if not opening.create or opening.read_only:
            raise RoomNotFound(path=str(folder))
        changed(Settings(), opening.settings)
        _make_folder(folder, opening)
    lock = ProcessLock(folder / LOCK_FILE, str(folder))
    if not opening.read_only:
        lock.acquire(opening.wait)
    try:
        driver = SqliteDriver(folder / DATABASE_FILE, read_only=opening.read_only)
        return _prepared(driver, opening, lock.release)
    except BaseException:
        lock.release()
        raise


def _state(folder: Path) -> Literal["missing", "room"]:
    """Whether there is a room in `folder`; NotARoom where there is something else."""
    if not folder.exists():
        # Anything but "does not exist" says why it cannot be seen.
        with contextlib.suppress(FileNotFoundError):
            folder.lstat()
            raise NotARoom(path=str(folder), reason="it is a link to nothing")
        return "missing"
    if not folder.is_dir():
        raise NotARoom(path=str(folder), reason="it is a file; a room is a folder")
    if (folder / DATABASE_FILE).exists():
        return "room"
    if any(folder.iterdir()):
        raise NotARoom(path=str(folder), reason=f"the folder has other files and no {DATABASE_FILE}")
    return "missing"


def _make_folder(folder: Path, opening: Opening) -> None:
    """Make the room beside its place and move it there when it is whole."""
    parent = folder.parent
    if not parent.is_dir():
        raise RoomNotFound(f"There is no folder {parent} to make the room {folder.name} in.", path=str(folder))
    with _file_errors(folder):
        _remove_leftovers(folder)
        made = parent / f"{_making_prefix(folder)}{secrets.token_hex(6)}"
        made.mkdir()
        # Held while the folder is being made, so that leftovers of a killed process can be told from it.
        lock = ProcessLock(made / LOCK_FILE, str(folder))
        try:
            lock.acquire()
            _fill_folder(made, changed(Settings(), opening.settings))
            _move_into_place(made, folder)
        finally:
            lock.release()
            shutil.rmtree(made, ignore_errors=True)


def _making_prefix(folder: Path) -> str:
    return f".{folder.name}.making-"


def _remove_leftovers(folder: Path) -> None:
    for leftover in folder.parent.glob(f"{glob.escape(_making_prefix(folder))}*"):
        lock = ProcessLock(leftover / LOCK_FILE, str(folder))
        with contextlib.suppress(RoomLocked, PermissionDenied):
            lock.acquire()
            shutil.rmtree(leftover, ignore_errors=True)
            lock.release()


def _fill_folder(made: Path, settings: Settings) -> None:
    (made / _ABOUT_FILE).write_text(_ABOUT)
    (made / DATABASE_FILE).touch()
    driver = SqliteDriver(made / DATABASE_FILE)
    try:
        driver.write(create_room(driver.dialect, new_id(), settings))
    finally:
        driver.close()
    _sync(made)


def _move_into_place(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError as error:
        # Another process was faster; its room is as good.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    _sync(folder.parent)


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


# --- rooms on PostgreSQL ---


def _open_postgres(opening: Opening) -> Opened:
    from .drivers.postgres import PostgresDriver

    driver = PostgresDriver(opening.where, read_only=opening.read_only)
    try:
        if not driver.has_room():
            if not opening.create or opening.read_only:
                raise RoomNotFound(path=driver.where)
            settings = changed(Settings(), opening.settings)
            driver.make_room(create_room(driver.dialect, new_id(), settings))
        return _prepared(driver, opening, lambda: None)
    except BaseException:
        driver.close()
        raise


# --- both ---


def _prepared(driver: Any, opening: Opening, release: Callable[[], None]) -> Opened:
    """Check what is there, migrate it where it is old, and apply settings."""
    try:
        found = driver.run(_format_of(driver))
        if check_format(found, driver.where, read_only=opening.read_only):
            driver.write(migrate(found, driver.dialect))
        facts = driver.run(room_facts())
        driver.durability = facts.settings.durability
        opened = Opened(driver, facts.settings, release)
        if opening.settings and not opening.read_only:
            driver.durability = change_settings(opened, opening.settings).durability
        driver.run(opened.current())
        return opened
    except BaseException:
        driver.close()
        raise


def _format_of(driver: Driver) -> Plan[int]:
    tables = _TABLES[driver.dialect]
    if not (yield Fetch(tables)):
        raise _without_room_table(driver)
    rows = yield Fetch("SELECT format FROM rr_room")
    if len(rows) != 1:
        raise RoomDamaged(path=driver.where, reason=f"rr_room has {len(rows)} rows instead of one")
    number: int = rows[0][0]
    return number


_TABLES = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'rr_room'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'rr_room'",
}


def _without_room_table(driver: Driver) -> Error:
    if driver.dialect == "sqlite" and Path(driver.where).stat().st_size == 0:
        return RoomDamaged(path=driver.where, reason="the database file is empty")
    return NotARoom(path=driver.where, reason="it has no table rr_room")
