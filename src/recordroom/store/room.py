"""Room: a whole room behind the methods that a session's transport has, run on one database.

`Room.open` gives one; several for the same place share what lies beneath. Everything that decides is in
plans (`reading`, `commit`, `history` …); a room runs them on a driver, with the catalog of their snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from ..errors import RoomReadOnly, SessionClosed, StoreUnavailable
from ..model.actor import OWNER, Actor
from ..model.operations import Commit, CommitResult, Operation
from ..model.schema import Schema
from ..query.request import (
    AccessAnswer,
    AccessRequest,
    Change,
    DatabaseInfo,
    Fresh,
    FreshRequest,
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
from ..query.subscriptions import Followed, FollowRequest
from .access import access_of, user_named
from .account_changes import ACCOUNTS_DATABASE
from .catalog import Catalog, catalog_of
from .followers import FOLLOWERS
from .opened import FollowersBehind, Opened, change_settings
from .opening import Mode, Opening, open_shared
from .past import pruned_plan, retention_plan
from .plans import Driver, Plan
from .requests import Read, Requests, Write, check_actor, now
from .room_files import RoomFiles
from .settings import Settings
from .tries import Tries
from .verify import Report, check_plan

__all__ = ["Room"]

T = TypeVar("T")


class Room:
    """A room that this process has open. Safe to use from several threads. Close it, or use it with `with`."""

    def __init__(self, opened: Opened, give_back: Callable[[], None], actor: Actor) -> None:
        self._opened: Opened | None = opened
        self._give_back = give_back
        self.where = opened.driver.where
        self._who = actor
        self.actor = actor.name

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

        In a room with accounts `actor` is the name of a user, who may do what rules allow (UnknownName where there is
        none of that name); "owner" is the owner, who may do everything. In a room without it is a name for the journal.
        """
        check_actor(actor)
        opened, give_back = open_shared(
            Opening(where=str(where), mode=mode, create=create, wait=wait, settings=settings)
        )
        if actor == OWNER.name:
            return cls(opened, give_back, OWNER)
        try:
            return cls(opened, give_back, opened.driver.run(_user(opened, actor)))
        except BaseException:
            give_back()
            raise

    def acting(self, actor: Actor) -> Room:
        """The same room for another actor, for as long as this one is open."""
        return Room(self._open, lambda: None, actor)

    @property
    def is_owner(self) -> bool:
        """Whether it is the owner's: rules are for others."""
        return self._who == OWNER

    def acting_as(self, name: str) -> Room:
        """The same room for the user of that name, or the owner; UnknownName where there is none."""
        return self.acting(OWNER if name == OWNER.name else self._open.driver.run(_user(self._open, name)))

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

    def catalog(self, database: str = "main") -> Catalog:
        """A database as plans see it, for tests and tools."""
        return catalog_of(self.driver.run(self._open.current()), database)

    @property
    def settings(self) -> Settings:
        """The room's settings as this process knows them."""
        return self._open.settings

    def change_settings(self, **changes: Any) -> Settings:
        """Keep changed settings in the room; `durability` holds from the next opening on."""
        self._check_keeper("changing settings")
        self._check_writable()
        return change_settings(self._open, changes)

    def _check_writable(self) -> None:
        if self._open.driver.read_only:
            raise RoomReadOnly(path=self.where)

    def _check_keeper(self, what: str) -> None:
        """PermissionDenied unless the actor may make and drop databases: upkeep is about everything there is."""
        access = self._open.driver.run(access_of(self._open, self._who))
        if access is not None:
            access.check_define(what)

    @property
    def file_records(self) -> RoomFiles:
        """What the room knows of files, as the actor."""
        return RoomFiles(self._requests, self._read, self._write)

    # --- running requests ---

    @property
    def _requests(self) -> Requests:
        return Requests(self._open, self._who)

    def _read(self, request: Read[T]) -> T:
        opened, tries = self._open, Tries()
        while True:
            try:
                return opened.driver.run(request.plan())
            except FollowersBehind as lag:
                opened.catch_up(lag)
            except StoreUnavailable as error:
                time.sleep(tries.pause(error))

    def _write(self, request: Write[T]) -> T:
        self._check_writable()
        opened = self._open
        result = self._tried(request)
        if isinstance(result, CommitResult):
            opened.wake.announce(result.revision)
        if request.tidy is not None:
            opened.tidy(request.tidy)
        return result

    def _tried(self, request: Write[T]) -> T:
        """Write it; a connection that is lost meanwhile is replaced, and the plan made and run again."""
        tries = Tries(request.writing)
        while True:
            try:
                return self._open.driver.write(request.plan(), request.writing)
            except StoreUnavailable as error:
                time.sleep(tries.pause(error))

    # --- what a transport does ---

    def schema(self, database: str, revision: int | None = None) -> Schema:
        """The schema of `database` now: the same object as long as nothing changed."""
        return self._read(self._requests.schema(database))

    def databases(self) -> list[DatabaseInfo]:
        """Every database of the room, by key."""
        return self._read(self._requests.databases())

    def query(self, request: QueryRequest) -> Page:
        """One page of a query."""
        return self._read(self._requests.query(request))

    def stream(self, request: QueryRequest) -> Iterator[Page]:
        """Every page of a query, of one snapshot, in bounded memory."""
        opened, stream, tries = self._open, self._requests.stream(request), Tries()
        begun = False
        while True:
            try:
                for page in opened.driver.stream(stream.plan(), stream.size):
                    begun = True
                    yield page
            except FollowersBehind as lag:
                opened.catch_up(lag)
            except StoreUnavailable as error:
                if begun:
                    raise
                time.sleep(tries.pause(error))
            else:
                return

    def count(self, request: QueryRequest) -> int:
        """How many rows a query has, its limit and offset counted in."""
        return self._read(self._requests.count(request))

    def explain_access(self, request: AccessRequest) -> list[AccessAnswer]:
        """For each verb the rule that allows somebody to do it with an entity, or why none does."""
        return self._read(self._requests.explain_access(request))

    def explain(self, request: QueryRequest) -> str:
        """The statement that would run, its parameters and the database's plan, for a person."""
        return self._read(self._requests.explain(request))

    def members(self, request: MembersRequest) -> Members:
        """The members of one collection, links or mapping attribute of many owners."""
        return self._read(self._requests.members(request))

    def commit(self, commit: Commit) -> CommitResult:
        """Apply a commit, all of it or nothing; a repeat gets the first result."""
        return self._write(self._requests.commit(commit))

    def history(self, request: HistoryRequest) -> list[Change]:
        """Who changed what of one entity, newest first."""
        return self._read(self._requests.history(request))

    def search(self, request: SearchRequest) -> list[Hit]:
        """Entities whose texts hold every word, best first."""
        return self._read(self._requests.search(request))

    def revision_at(self, moment: int) -> int:
        """The revision that was the latest at `moment` (microseconds since 1970, UTC); 0 before the first."""
        return self._read(self._requests.revision_at(moment))

    def journal(self, after: int = 0, limit: int = 100) -> Sequence[JournalEntry]:
        """Commits with a revision above `after`, oldest first."""
        return self._read(self._requests.journal(after, limit))

    def fresh(self, request: FreshRequest) -> Fresh:
        """What a cache must forget since it looked last."""
        return self._read(self._requests.fresh(request))

    def header(self, revision_or_id: int | bytes) -> Header:
        """One commit without its operations."""
        return self._read(self._requests.header(revision_or_id))

    def wait(self, after: int, timeout: float | None = None) -> int:
        """The room's revision once it is above `after`, or when `timeout` seconds have passed.

        Commits of this process and of others wake it; nothing is asked again and again where that can be had.
        """
        opened = self._open
        opened.wake.announce(self._read(self._requests.revision()))
        return opened.wake.waited(after, timeout, None if opened.driver.alone else self._watch)

    def follow(self, request: FollowRequest) -> Followed:
        """The events after a revision that fit subscriptions; waits for one, as long as the request says."""
        end = time.monotonic() + request.wait
        while True:
            followed = self._read(self._requests.follow(request))
            left = end - time.monotonic()
            if request.after is None or followed.deliveries or followed.more or left <= 0:
                return followed
            request = replace(request, after=followed.position)
            self.wait(followed.position, left)

    def _watch(self, seconds: float) -> int:
        self._open.driver.watch(seconds)
        return self._read(self._requests.revision())

    def revert(self, revision: int, commit: Commit) -> CommitResult:
        """Apply the inverse of the commit with `revision` under the id and notes of `commit`."""
        return self._write(self._requests.revert(revision, commit))

    def preview(self, database: str, operations: Sequence[Operation]) -> list[SchemaEffect]:
        """What schema operations would do to the entities there are, one by one; nothing is changed."""
        return self._write(self._requests.preview(database, operations))

    def create_database(self, info: DatabaseInfo) -> DatabaseInfo:
        """A new, empty database; InvalidSchema where its key is taken or not a key."""
        return self._write(self._requests.create_database(info))

    def drop_database(self, key: str) -> None:
        """Drop a database with everything in it."""
        self._write(self._requests.drop_database(key))

    # --- upkeep ---

    def check(self) -> Report:
        """Everything in the room that does not agree; `problems` is empty when all is well.

        Followers catch up first where the room is open for writing.
        """
        self._check_keeper("checking the room")
        opened = self._open
        if not opened.driver.read_only:
            for key in opened.driver.run(opened.current()).by_key:
                opened.catch_up(FollowersBehind(key, FOLLOWERS))
        return self._read(self._requests.read(lambda catalogs: check_plan(catalogs.by_key, opened.driver.dialect)))

    def prune(self, days: int | None = None) -> int:
        """Forget the past that is older than `days`, or than the retention setting; the oldest revision that is left.

        Without either nothing is forgotten. Live entities and the headers that they name stay.
        """
        self._check_keeper("pruning the room")
        self._check_writable()
        days = self.settings.retention if days is None else days
        if days is not None:
            dialect, kept = self.driver.dialect, days
            step = self._requests.write(lambda catalogs: retention_plan(catalogs.by_key, dialect, kept, now()))
            while self._write(step):
                pass
        return self._read(self._requests.read(lambda catalogs: pruned_plan()))

    def compact(self) -> None:
        """Give back space that is not used."""
        self._check_keeper("compacting the room")
        self._check_writable()
        self.driver.compact()


def _user(opened: Opened, name: str) -> Plan[Actor]:
    catalogs = yield from opened.current()
    actor = yield from user_named(catalogs.by_key.get(ACCOUNTS_DATABASE), name)
    yield from access_of(opened, actor, catalogs)
    return actor
