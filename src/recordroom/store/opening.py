"""Opening rooms: what stands behind `Room.open`.

An embedded room is a folder (`store.folder`); a room on PostgreSQL is a schema of a database. In one
process a room is opened once and shared by everybody who opens it in the same mode.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args
from weakref import WeakValueDictionary

import msgspec

from ..errors import Error, InvalidValue, NotARoom, RoomDamaged, RoomNotFound
from ..model.ids import new_id
from .creation import create_room, room_facts
from .drivers.sqlite import SqliteDriver
from .folder import DATABASE_FILE, LOCK_FILE, has_room, make_room
from .lock import ProcessLock
from .migrations import check_format, migrate
from .opened import Opened, change_settings
from .plans import AsyncDriver, Driver, Fetch, Plan
from .settings import Settings, changed

__all__ = ["Mode", "Opening", "async_driver", "new_room", "open_shared", "reading_driver"]

Mode = Literal["write", "read"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


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


# --- one room per place and mode ---


class _Place:
    """Where this process has, or had, a room open. The lock is held while it is opened or closed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.opened: Opened | None = None


class _Registry:
    """The places of this process; one lives as long as somebody uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: WeakValueDictionary[tuple[str, Mode], _Place] = WeakValueDictionary()
        self._abandoned: list[_Place] = []

    def place(self, key: tuple[str, Mode]) -> _Place:
        with self._lock:
            found = self._places.get(key)
            if found is None:
                found = self._places[key] = _Place()
            return found

    def forget_after_fork(self) -> None:
        # A child opens its rooms anew. It keeps its parent's connections, as closing them could harm the parent.
        self._abandoned.extend(self._places.values())
        self._lock = threading.Lock()
        self._places = WeakValueDictionary()


_registry = _Registry()
os.register_at_fork(after_in_child=_registry.forget_after_fork)


def open_shared(opening: Opening) -> tuple[Opened, Callable[[], None]]:
    """The room, opened now or shared with those who have it open in this process; and what gives it back."""
    _check(opening)
    place = _registry.place((_identity(opening.where), opening.mode))
    with place.lock:
        if place.opened is None:
            place.opened = _open(opening)
        elif opening.settings and not opening.read_only:
            change_settings(place.opened, opening.settings)
        place.opened.users += 1
        return place.opened, lambda: _give_back(place)


def _give_back(place: _Place) -> None:
    """Count one user less; the last one closes the room."""
    with place.lock:
        opened = place.opened
        if opened is None:
            return
        opened.users -= 1
        if opened.users == 0:
            place.opened = None
            opened.close()


def _check(opening: Opening) -> None:
    """InvalidValue for an argument that no room can be opened with, NotARoom for a name that none can have."""
    wait = opening.wait
    if opening.mode not in get_args(Mode):
        raise _wrong("mode", opening.mode, "'read' or 'write'")
    if type(wait) not in (int, float) or not wait >= 0:
        raise _wrong("wait", wait, "a number of seconds from 0")
    _check_where(opening.where)


def _wrong(name: str, value: Any, expected: str) -> InvalidValue:
    return InvalidValue(type="connect", attribute=name, value=value, expected=expected)


def _check_where(where: str) -> None:
    scheme = _SCHEME.match(where)
    if scheme is not None and not _is_postgres(where):
        # No more of it is shown: an address may hold a password.
        raise _wrong("where", f"{scheme[1]}://…", "a folder, postgresql://… or http(s)://…")
    try:
        usable = b"\0" not in os.fsencode(where)
    except UnicodeEncodeError:
        usable = False
    if not usable:
        raise NotARoom(path=ascii(where), reason="no file can have this name")


def _is_postgres(where: str) -> bool:
    return where.startswith(("postgresql://", "postgres://"))


def _identity(where: str) -> str:
    return where if _is_postgres(where) else os.path.realpath(where)


def _open(opening: Opening) -> Opened:
    settings = changed(Settings(), opening.settings)
    return _open_postgres(opening, settings) if _is_postgres(opening.where) else _open_folder(opening, settings)


def _open_folder(opening: Opening, settings: Settings) -> Opened:
    folder = Path(opening.where).absolute()
    if not has_room(folder):
        if not opening.create or opening.read_only:
            raise RoomNotFound(path=str(folder))
        make_room(folder, lambda dialect: create_room(dialect, new_id(), settings))
    lock = ProcessLock(folder / LOCK_FILE, str(folder))

    def writer(wait: float) -> SqliteDriver:
        lock.acquire(wait)
        return SqliteDriver(folder / DATABASE_FILE, where=str(folder), on_close=lock.release)

    if opening.read_only:
        return _prepared(SqliteDriver(folder / DATABASE_FILE, where=str(folder), read_only=True), opening, writer)
    return _prepared(writer(opening.wait), opening, writer)


def _open_postgres(opening: Opening, settings: Settings) -> Opened:
    from .drivers.postgres import PostgresDriver

    driver = PostgresDriver(opening.where, read_only=opening.read_only)
    try:
        if not driver.has_room():
            if not opening.create or opening.read_only:
                raise RoomNotFound(path=driver.where)
            driver.make_room(create_room(driver.dialect, new_id(), settings))
    except BaseException:
        driver.close()
        raise
    return _prepared(driver, opening, lambda wait: PostgresDriver(opening.where))


def new_room(where: str, filling: Callable[[str], Plan[None]], beside: Callable[[Path], None] | None = None) -> bool:
    """Make a room at `where` with the plan that `filling` gives for a dialect; False where there is one already.

    Where it is a folder, `beside` puts into it what else it is to have.
    """
    _check_where(where)
    if not _is_postgres(where):
        folder = Path(where).absolute()
        return not has_room(folder) and make_room(folder, filling, beside)
    from .drivers.postgres import PostgresDriver

    driver = PostgresDriver(where)
    try:
        return driver.make_room(filling(driver.dialect))
    finally:
        driver.close()


def reading_driver(where: str) -> Driver:
    """The database of the room at `where`, to read what is there; RoomNotFound where there is no room."""
    _check_where(where)
    if not _is_postgres(where):
        folder = Path(where).absolute()
        if not has_room(folder):
            raise RoomNotFound(path=str(folder))
        return SqliteDriver(folder / DATABASE_FILE, where=str(folder), read_only=True)
    from .drivers.postgres import PostgresDriver

    driver = PostgresDriver(where, read_only=True)
    if not driver.has_room():
        driver.close()
        raise RoomNotFound(path=driver.where)
    return driver


def async_driver(driver: Driver, where: str) -> AsyncDriver:
    """What runs the plans of the room at `where` on an event loop, where `driver` runs those of threads."""
    from .drivers.sqlite_async import SqliteAsyncDriver

    if isinstance(driver, SqliteDriver):
        return SqliteAsyncDriver(driver)
    from .drivers.postgres import PostgresDriver
    from .drivers.postgres_async import PostgresAsyncDriver

    assert isinstance(driver, PostgresDriver)
    return PostgresAsyncDriver(where, driver)


def _prepared(driver: Driver, opening: Opening, writer: Callable[[float], Driver]) -> Opened:
    """Check what is there, migrate it where it is old, and apply settings."""
    try:
        found = driver.run(_format_of(driver))
        if check_format(found, driver.where, read_only=opening.read_only):
            driver.rebuild(migrate(driver.dialect))
        opened = Opened(driver, driver.run(room_facts()), writer)
        # Before anything is written: connections are made with it.
        driver.durability = changed(opened.settings, opening.settings).durability
        if opening.settings and not opening.read_only:
            change_settings(opened, opening.settings)
        driver.run(opened.current())
    except BaseException:
        driver.close()
        raise
    return opened


def _format_of(driver: Driver) -> Plan[int]:
    if not (yield Fetch(_ROOM_TABLE[driver.dialect])):
        raise _without_room_table(driver)
    rows = yield Fetch("SELECT format FROM rr_room")
    if len(rows) != 1:
        raise RoomDamaged(path=driver.where, reason=f"rr_room has {len(rows)} rows instead of one")
    number: int = rows[0][0]
    return number


_ROOM_TABLE = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'rr_room'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'rr_room'",
}


def _without_room_table(driver: Driver) -> Error:
    if isinstance(driver, SqliteDriver) and driver.path.stat().st_size == 0:
        return RoomDamaged(path=driver.where, reason="the database file is empty")
    return NotARoom(path=driver.where, reason="its database has no table rr_room")
