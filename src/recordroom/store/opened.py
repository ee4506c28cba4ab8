"""A room as one process has it open: its driver, its catalogs, and what brings followers up to date."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import Error, RoomReadOnly
from .catalog import Catalog, Catalogs, catalog_of, load_catalogs
from .creation import RoomFacts, store_settings
from .followers import behind, catch_up
from .past import check_readable, retention_plan
from .plans import Driver, Plan
from .settings import Settings, changed
from .wake import Wake

__all__ = ["FollowersBehind", "Opened", "change_settings"]

_BORROW_SECONDS = 1.0
_TIDY_MICROSECONDS = 60 * 60 * 1_000_000


class FollowersBehind(Exception):
    """Followers (`names`) of a database that must have read everything before a plan can give the right answer."""

    def __init__(self, database: str, names: tuple[str, ...]) -> None:
        super().__init__(f"{', '.join(names)} of {database}")
        self.database = database
        self.names = names


class Opened:
    """`catalogs` are the newest that were seen; `users` is how many rooms share this."""

    def __init__(self, driver: Driver, facts: RoomFacts, writer: Callable[[float], Driver]) -> None:
        self.driver = driver
        self.id = facts.id  # the room's own, which its copies have too
        self.settings = facts.settings
        self.catalogs: Catalogs | None = None
        self.users = 0
        self.wake = Wake()
        self._tidy_at = 0
        self._make_writer = writer

    def current(self) -> Plan[Catalogs]:
        """The catalogs of this snapshot; another process may have changed a schema."""
        known = self.catalogs
        found = yield from load_catalogs(self.driver.dialect, known)
        if known is None or (found.revision, found.access_revision) > (known.revision, known.access_revision):
            self.catalogs = found
        return found

    def following(self, lag: FollowersBehind, at: int | None = None, catalogs: Catalogs | None = None) -> Plan[Catalog]:
        """The catalog of a database; raises `lag` where the followers it names have something to read.

        PastPruned where the state `at` a revision cannot be read any more, NotFound where it is still to come.
        `catalogs` are those of the snapshot, where they are known already.
        """
        catalog = catalog_of((yield from self.current()) if catalogs is None else catalogs, lag.database)
        if lag.names and (yield from behind({lag.database: catalog}, lag.names)):
            raise lag
        if at is not None:
            yield from check_readable(at)
        return catalog

    def catch_up(self, lag: FollowersBehind) -> None:
        """Let followers read everything there is, a batch at a time, so that commits get their turn."""
        with self._writer() as driver:
            while driver.write(self.read_on(lag)):
                pass

    def read_on(self, lag: FollowersBehind) -> Plan[bool]:
        """One batch of what followers have to read, as part of a writing plan; whether there is more."""
        catalog = catalog_of((yield from self.current()), lag.database)
        return (yield from catch_up({lag.database: catalog}, lag.names))

    def tidy(self, now: int) -> None:
        """After a commit: a step of forgetting what is older than the retention, where it is time for one."""
        plan = self.tidying(now)
        if plan is not None:
            self.tidied(now, more=self.driver.write(plan))

    def tidying(self, now: int) -> Plan[bool] | None:
        """The step of forgetting that is due, as a writing plan: whether there is more; None where it is not time."""
        days = self.settings.retention
        return None if days is None or now < self._tidy_at else self._forget(days, now)

    def tidied(self, now: int, *, more: bool) -> None:
        """A step of forgetting was made at `now`."""
        self._tidy_at = now if more else now + _TIDY_MICROSECONDS

    def _forget(self, days: int, now: int) -> Plan[bool]:
        catalogs = yield from self.current()
        return (yield from retention_plan(catalogs.by_key, self.driver.dialect, days, now))

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
