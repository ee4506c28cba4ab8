"""A room as one process has it open: its driver, its catalogs, and what brings followers up to date."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import Error, RoomReadOnly
from .catalog import Catalog, Catalogs, catalog_of, load_catalogs
from .creation import store_settings
from .followers import behind, catch_up
from .plans import Driver, Plan
from .settings import Settings, changed

__all__ = ["FollowersBehind", "Needs", "Opened", "change_settings"]

_BORROW_SECONDS = 1.0

# Which followers must have read everything before something is read from a database.
Needs = Callable[[Catalog], tuple[str, ...]]


class FollowersBehind(Exception):
    """Followers must read on before a plan can give the right answer."""

    def __init__(self, database: str, names: tuple[str, ...]) -> None:
        super().__init__(f"{', '.join(names)} of {database}")
        self.database = database
        self.names = names


class Opened:
    """`catalogs` are the newest that were seen; `users` is how many rooms share this."""

    def __init__(self, driver: Driver, settings: Settings, writer: Callable[[float], Driver]) -> None:
        self.driver = driver
        self.settings = settings
        self.catalogs: Catalogs | None = None
        self.users = 0
        self._make_writer = writer

    def current(self) -> Plan[Catalogs]:
        """The catalogs of this snapshot; another process may have changed a schema."""
        known = self.catalogs
        found = yield from load_catalogs(self.driver.dialect, known)
        if known is None or found.revision > known.revision:
            self.catalogs = found
        return found

    def following(self, database: str, needs: Needs) -> Plan[Catalog]:
        """The catalog of `database`; FollowersBehind where followers it needs have something to read."""
        catalog = catalog_of((yield from self.current()), database)
        names = needs(catalog)
        if names and (yield from behind({database: catalog}, names)):
            raise FollowersBehind(database, names)
        return catalog

    def catch_up(self, lag: FollowersBehind) -> None:
        """Let followers read everything there is, a batch at a time, so that commits get their turn."""
        with self._writer() as driver:
            more = True
            while more:
                more = driver.write(self._read_on(lag))

    def _read_on(self, lag: FollowersBehind) -> Plan[bool]:
        catalog = catalog_of((yield from self.current()), lag.database)
        return (yield from catch_up({lag.database: catalog}, lag.names))

    @contextlib.contextmanager
    def _writer(self) -> Iterator[Driver]:
        """The driver, or where it only reads, one that writes for a moment."""
        if not self.driver.read_only:
            yield self.driver
            return
        try:
            driver = self._make_writer(_BORROW_SECONDS)
        except Error as error:
            raise RoomReadOnly(
                f"{self.driver.where} has changes that are not indexed yet, and is open for reading only; the index"
                f" cannot be brought up to date from here: {error}",
                path=self.driver.where,
            ) from error
        try:
            yield driver
        finally:
            driver.close()

    def close(self) -> None:
        """Let the history follower read on, so that those who only read can use it; then close the driver."""
        if not self.driver.read_only:
            # What is wrong with the room, its next use will say.
            with contextlib.suppress(Error):
                self.driver.write(self._close_plan())
        self.driver.close()

    def _close_plan(self) -> Plan[None]:
        catalogs = yield from self.current()
        yield from catch_up(catalogs.by_key, ("history",))


def change_settings(opened: Opened, changes: Mapping[str, Any]) -> Settings:
    """Change settings of a room that is open for writing."""
    settings = changed(opened.settings, changes)
    opened.driver.write(store_settings(opened.driver.dialect, settings))
    opened.settings = settings
    return settings
