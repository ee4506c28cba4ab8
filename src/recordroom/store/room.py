"""Room: a whole room behind the methods that a session's transport has, run on one database.

`Room.open` gives one; several for the same place share what lies beneath. Everything that decides is in
plans (`reading`, `commit`, `history` …); a room runs them on a driver, with the catalog of their snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InvalidSchema, InvalidValue, RoomReadOnly, SessionClosed
from ..model.kinds import text_is_clean
from ..model.operations import Commit, CommitResult, Operation
from ..model.schema import Schema
from ..query.request import (
    Change,
    DatabaseInfo,
    Header,
    HistoryRequest,
    Hit,
    JournalEntry,
    Members,
    MembersRequest,
    Page,
    QueryRequest,
    SchemaEffect,
    SearchRequest,
)
from .catalog import Catalog, Catalogs, catalog_of
from .commit import commit_plan
from .creation import check_database, database_infos, drop_database, insert_database, next_schema_revision
from .followers import FOLLOWERS
from .history import history_plan
from .journal import header_plan, journal_plan, revision_at_plan
from .opened import FollowersBehind, Opened, change_settings
from .opening import Mode, Opening, open_shared
from .past import pruned_plan, retention_plan
from .plans import Driver, Fetch, Plan, Row
from .reading import count_rows, explain, members, needs_search, query_page, stream_fetch
from .revert import revert_plan
from .schema_preview import preview
from .search import search_plan
from .settings import Settings
from .verify import Report, check_plan

__all__ = ["Room"]

T = TypeVar("T")


class Room:
    """A room that this process has open. Safe to use from several threads. Close it, or use it with `with`."""

    def __init__(self, opened: Opened, give_back: Callable[[], None], actor: str) -> None:
        self._opened: Opened | None = opened
        self._give_back = give_back
        self.where = opened.driver.where
        self.actor = actor

    @classmethod
    def open(
        cls,
        where: str | Path,
        *,
        mode: Mode = "write",
        create: bool = True,
        wait: float = 0.0,
        actor: str = "owner",
        **settings: Any,
    ) -> Room:
        """The room at `where`: a folder, or a database as postgresql://…?schema=recordroom.

        Made where there is none, unless `create` is false (RoomNotFound then). For writing, an embedded room is
        one process's at a time: RoomLocked after `wait` seconds. `settings` change the room's settings.
        """
        if not actor or not text_is_clean(actor):
            raise InvalidValue(
                type="Session",
                attribute="actor",
                value=actor,
                expected="a name without NUL and without lone surrogates",
            )
        opened, give_back = open_shared(
            Opening(where=str(where), mode=mode, create=create, wait=wait, settings=settings)
        )
        return cls(opened, give_back, actor)

    def __enter__(self) -> Room:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Room {self.where}{'' if self._opened else ' (closed)'}>"

    def close(self) -> None:
        """Close it; again does nothing."""
        opened, self._opened = self._opened, None
        if opened is not None:
            self._give_back()

    # --- parts ---

    @property
    def _open(self) -> Opened:
        if self._opened is None:
            raise SessionClosed
        return self._opened

    @property
    def driver(self) -> Driver:
        """What runs plans, for tests and tools."""
        return self._open.driver

    @property
    def settings(self) -> Settings:
        """The room's settings as this process knows them."""
        return self._open.settings

    def change_settings(self, **changes: Any) -> Settings:
        """Keep changed settings in the room; `durability` holds from the next opening on."""
        self._check_writable()
        return change_settings(self._open, changes)

    def _check_writable(self) -> None:
        if self._open.driver.read_only:
            raise RoomReadOnly(path=self.where)

    def _read(self, make: Callable[[Catalogs], Plan[T]]) -> T:
        opened = self._open

        def plan() -> Plan[T]:
            catalogs = yield from opened.current()
            return (yield from make(catalogs))

        return opened.driver.run(plan())

    def _write(self, make: Callable[[Catalogs], Plan[T]]) -> T:
        self._check_writable()
        opened = self._open

        def plan() -> Plan[T]:
            catalogs = yield from opened.current()
            return (yield from make(catalogs))

        return opened.driver.write(plan())

    def _followed(self, lag: FollowersBehind, make: Callable[[Catalog], Plan[T]], at: int | None = None) -> T:
        """Read from a database once followers have read everything there is."""
        opened = self._open

        def plan() -> Plan[T]:
            catalog = yield from opened.following(lag, at)
            return (yield from make(catalog))

        while True:
            try:
                return opened.driver.run(plan())
            except FollowersBehind:
                opened.catch_up(lag)

    # --- what a transport does ---

    def schema(self, database: str, revision: int | None = None) -> Schema:
        """The schema of `database` now: the same object as long as nothing changed."""
        return self._catalog(database).schema

    def _catalog(self, database: str) -> Catalog:
        opened = self._open
        return catalog_of(opened.driver.run(opened.current()), database)

    def databases(self) -> list[DatabaseInfo]:
        """Every database of the room, by key."""
        return self._read(lambda catalogs: database_infos())

    def query(self, request: QueryRequest) -> Page:
        """One page of a query."""
        return self._followed(_needs(request), lambda catalog: query_page(catalog, request), request.at)

    def stream(self, request: QueryRequest) -> Iterator[Page]:
        """Every page of a query, of one snapshot, in bounded memory."""
        opened, lag = self._open, _needs(request)

        def plan() -> Plan[tuple[Fetch, Callable[[list[Row]], Page]]]:
            catalog = yield from opened.following(lag, request.at)
            return stream_fetch(catalog, request)

        while True:
            try:
                yield from opened.driver.stream(plan(), request.size)
            except FollowersBehind:
                opened.catch_up(lag)
            else:
                return

    def count(self, request: QueryRequest) -> int:
        """How many rows a query has, its limit and offset counted in."""
        return self._followed(_needs(request), lambda catalog: count_rows(catalog, request), request.at)

    def explain(self, request: QueryRequest) -> str:
        """The statement that would run, its parameters and the database's plan, for a person."""
        return self._read(lambda catalogs: explain(catalog_of(catalogs, request.database), request))

    def members(self, request: MembersRequest) -> Members:
        """The members of one collection, links or mapping attribute of many owners."""
        lag = FollowersBehind(request.database, () if request.at is None else ("history",))
        return self._followed(lag, lambda catalog: members(catalog, request), request.at)

    def commit(self, commit: Commit) -> CommitResult:
        """Apply a commit, all of it or nothing; a repeat gets the first result."""
        now = _now()
        result = self._write(
            lambda catalogs: commit_plan(catalog_of(catalogs, commit.database), commit, self.actor, now)
        )
        self._open.tidy(now)
        return result

    def history(self, request: HistoryRequest) -> list[Change]:
        """Who changed what of one entity, newest first."""
        lag = FollowersBehind(request.database, ("history",))
        return self._followed(lag, lambda catalog: history_plan(catalog, request))

    def search(self, request: SearchRequest) -> list[Hit]:
        """Entities whose texts hold every word, best first."""
        lag = FollowersBehind(request.database, ("search",))
        return self._followed(lag, lambda catalog: search_plan(catalog, request))

    def revision_at(self, moment: int) -> int:
        """The revision that was the latest at `moment` (microseconds since 1970, UTC); 0 before the first."""
        return self._read(lambda catalogs: revision_at_plan(moment))

    def journal(self, after: int = 0, limit: int = 100) -> Sequence[JournalEntry]:
        """Commits with a revision above `after`, oldest first."""
        return self._read(lambda catalogs: journal_plan(after, limit))

    def header(self, revision_or_id: int | bytes) -> Header:
        """One commit without its operations."""
        return self._read(lambda catalogs: header_plan(revision_or_id))

    def revert(self, revision: int, commit: Commit) -> CommitResult:
        """Apply the inverse of the commit with `revision` under the id and notes of `commit`."""
        return self._write(lambda catalogs: revert_plan(catalogs.by_key, revision, commit, self.actor, _now()))

    def preview(self, database: str, operations: Sequence[Operation]) -> list[SchemaEffect]:
        """What schema operations would do to the entities there are, one by one; nothing is changed."""
        return self._write(lambda catalogs: preview(catalog_of(catalogs, database), operations))

    def create_database(self, info: DatabaseInfo) -> DatabaseInfo:
        """A new, empty database; InvalidSchema where its key is taken or not a key."""
        check_database(info)
        dialect = self.driver.dialect

        def plan(catalogs: Catalogs) -> Plan[DatabaseInfo]:
            if info.key.lower() in map(str.lower, catalogs.by_key):
                raise InvalidSchema(where=f"database {info.key!r}", reason="there is one of that key")
            revision = yield from next_schema_revision()
            yield from insert_database(dialect, info, revision)
            return info

        return self._write(plan)

    def drop_database(self, key: str) -> None:
        """Drop a database with everything in it."""

        def plan(catalogs: Catalogs) -> Plan[None]:
            yield from drop_database(catalog_of(catalogs, key))

        self._write(plan)

    # --- upkeep ---

    def check(self) -> Report:
        """Everything in the room that does not agree; `problems` is empty when all is well.

        Followers catch up first where the room is open for writing.
        """
        opened = self._open
        if not opened.driver.read_only:
            for key in opened.driver.run(opened.current()).by_key:
                opened.catch_up(FollowersBehind(key, FOLLOWERS))
        return self._read(lambda catalogs: check_plan(catalogs.by_key, opened.driver.dialect))

    def prune(self, days: int | None = None) -> int:
        """Forget the past that is older than `days`, or than the retention setting; the oldest revision that is left.

        Without either nothing is forgotten. Live entities and the headers that they name stay.
        """
        self._check_writable()
        days = self.settings.retention if days is None else days
        if days is not None:
            dialect, kept = self.driver.dialect, days
            while self._write(lambda catalogs: retention_plan(catalogs.by_key, dialect, kept, _now())):
                pass
        return self._read(lambda catalogs: pruned_plan())

    def compact(self) -> None:
        """Give back space that is not used."""
        self._check_writable()
        self.driver.compact()


def _now() -> int:
    return time.time_ns() // 1000


def _needs(request: QueryRequest) -> FollowersBehind:
    """Which followers must have read everything before a query can be answered."""
    if request.at is not None:
        return FollowersBehind(request.database, ("history",))
    return FollowersBehind(request.database, ("search",) if needs_search(None, request.query) else ())
