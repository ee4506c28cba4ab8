"""What each request to a room is, as plans, for one actor. `Room` runs them in the calling thread, `AsyncRoom` on a loop.

A request is made once for each call and says how it is to be run: in one snapshot (`Read`), once followers
have read everything there is (`Read.lag`), as the one writer (`Write`), or as a stream of chunks (`Stream`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from ..errors import InvalidSchema, InvalidValue
from ..model.actor import Actor
from ..model.kinds import text_is_clean
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
from .access import access_of, now
from .access_explained import explain_access_plan
from .access_journal import entries_seen, header_seen
from .access_schema import check_drop
from .access_search import search_seen
from .access_writes import Writer
from .account_changes import raise_access
from .catalog import Catalog, Catalogs, catalog_of
from .commit import By, commit_plan
from .creation import check_database, database_infos, drop_database, insert_database, next_schema_revision
from .following import follow_plan
from .freshness import fresh_plan
from .history import history_plan
from .journal import header_plan, journal_plan, revision_at_plan, revision_plan
from .opened import FollowersBehind, Opened
from .plans import ALONE, Fetch, Plan, Row, Writing
from .reading import count_rows, explain, members, needs_search, query_page, stream_plan
from .revert import revert_plan
from .schema_preview import preview
from .writings import REVERTING, writing_of

__all__ = ["Guard", "Read", "Requests", "Stream", "Write", "check_actor", "now"]

T = TypeVar("T")
Guard = Callable[[Catalogs], Plan[None]]


class Read(NamedTuple, Generic[T]):
    """Make the plan and run it in one snapshot; where it raises FollowersBehind, let them catch up and do so again."""

    plan: Callable[[], Plan[T]]


class Write(NamedTuple, Generic[T]):
    """Make the plan and run it as the one writer. `tidy`: it was a commit, after which there may be something to forget."""

    plan: Callable[[], Plan[T]]
    tidy: int | None = None
    writing: Writing = ALONE


class Stream(NamedTuple):
    """Make the plan, run it, and then its statement, `size` rows at a time."""

    plan: Callable[[], Plan[tuple[Fetch, Callable[[list[Row]], Page]]]]
    size: int


class Requests:
    """Every request of a transport, for one actor of one opened room.

    `guard` runs in the snapshot or transaction of each request before anything else does; what it raises ends the request.
    """

    def __init__(self, opened: Opened, actor: Actor, guard: Guard | None = None) -> None:
        self._opened = self.opened = opened
        self._guard = guard
        self.actor = actor

    # --- how plans find their database ---

    def read(self, make: Callable[[Catalogs], Plan[T]]) -> Read[T]:
        """What `make` plans with the catalogs of the snapshot."""

        def plan() -> Plan[T]:
            catalogs = yield from self._opened.current()
            if self._guard is not None:
                yield from self._guard(catalogs)
            yield from access_of(self._opened, self.actor, catalogs)
            return (yield from make(catalogs))

        return Read(plan)

    def _catalog(self, lag: FollowersBehind, at: int | None = None) -> Plan[Catalog]:
        """The catalog of a database as the actor sees it, once followers have read everything there is."""
        catalogs = yield from self._opened.current()
        if self._guard is not None:
            yield from self._guard(catalogs)
        access = yield from access_of(self._opened, self.actor, catalogs)
        catalog = yield from self._opened.following(lag, at, catalogs)
        return catalog.seen_by(access)

    def write(self, make: Callable[[Catalogs], Plan[T]], tidy: int | None = None, writing: Writing = ALONE) -> Write[T]:
        """What `make` plans with the catalogs of the transaction."""
        return Write(self.read(make).plan, tidy, writing)

    def _followed(self, lag: FollowersBehind, make: Callable[[Catalog], Plan[T]], at: int | None = None) -> Read[T]:
        """Read from a database once followers have read everything there is."""

        def plan() -> Plan[T]:
            catalog = yield from self._catalog(lag, at)
            return (yield from make(catalog))

        return Read(plan)

    # --- requests ---

    def schema(self, database: str) -> Read[Schema]:
        """The schema of `database` now: the same object as long as nothing changed."""

        def plan(catalogs: Catalogs) -> Plan[Schema]:
            yield from ()
            return catalog_of(catalogs, database).schema

        return self.read(plan)

    def databases(self) -> Read[list[DatabaseInfo]]:
        """Every database of the room, by key."""
        return self.read(lambda catalogs: database_infos())

    def query(self, request: QueryRequest) -> Read[Page]:
        """One page of a query."""
        return self._followed(_needs(request), lambda catalog: query_page(catalog, request), request.at)

    def stream(self, request: QueryRequest) -> Stream:
        """Every page of a query, of one snapshot, in bounded memory."""
        lag = _needs(request)

        def plan() -> Plan[tuple[Fetch, Callable[[list[Row]], Page]]]:
            catalog = yield from self._catalog(lag, request.at)
            return (yield from stream_plan(catalog, request))

        return Stream(plan, request.size)

    def count(self, request: QueryRequest) -> Read[int]:
        """How many rows a query has, its limit and offset counted in."""
        return self._followed(_needs(request), lambda catalog: count_rows(catalog, request), request.at)

    def explain(self, request: QueryRequest) -> Read[str]:
        """The statement that would run, its parameters and the database's plan, for a person who may change the schema.

        It tells of conditions and of values in rules.
        """

        def make(catalog: Catalog) -> Plan[str]:
            if catalog.access is not None:
                catalog.access.check_define("explaining queries", request.database)
            return (yield from explain(catalog, request))

        return self._followed(FollowersBehind(request.database, ()), make)

    def members(self, request: MembersRequest) -> Read[Members]:
        """The members of one collection, links or mapping attribute of many owners."""
        lag = FollowersBehind(request.database, () if request.at is None else ("history",))
        return self._followed(lag, lambda catalog: members(catalog, request), request.at)

    def commit(self, commit: Commit) -> Write[CommitResult]:
        """Apply a commit, all of it or nothing; a repeat gets the first result."""
        moment = now()

        def plan(catalogs: Catalogs) -> Plan[CommitResult]:
            by = By(self.actor.name, moment, (yield from self._writer(catalogs)))
            return (yield from commit_plan(catalog_of(catalogs, commit.database), commit, by))

        return self.write(plan, tidy=moment, writing=writing_of(self._opened.catalogs, commit))

    def _writer(self, catalogs: Catalogs) -> Plan[Writer | None]:
        """Who writes; None for the owner."""
        access = yield from access_of(self._opened, self.actor, catalogs)
        if access is None and self.actor.user is None:
            return None
        return Writer(self.actor, access, catalogs.by_key)

    def history(self, request: HistoryRequest) -> Read[list[Change]]:
        """Who changed what of one entity, newest first."""
        lag = FollowersBehind(request.database, ("history",))
        return self._followed(lag, lambda catalog: history_plan(catalog, request))

    def search(self, request: SearchRequest) -> Read[list[Hit]]:
        """Entities whose texts hold every word, best first."""
        lag = FollowersBehind(request.database, ("search",))
        return self._followed(lag, lambda catalog: search_seen(catalog, request))

    def revision_at(self, moment: int) -> Read[int]:
        """The revision that was the latest at `moment` (microseconds since 1970, UTC); 0 before the first."""
        return self.read(lambda catalogs: revision_at_plan(moment))

    def revision(self) -> Read[int]:
        """The revision of the room now."""
        return Read(revision_plan)

    def journal(self, after: int = 0, limit: int = 100) -> Read[list[JournalEntry]]:
        """Commits with a revision above `after`, oldest first."""

        def plan(catalogs: Catalogs) -> Plan[list[JournalEntry]]:
            access = yield from access_of(self._opened, self.actor, catalogs)
            entries = yield from journal_plan(after, limit)
            return entries if access is None else (yield from entries_seen(access, catalogs, entries))

        return self.read(plan)

    def follow(self, request: FollowRequest) -> Read[Followed]:
        """The events after a revision that fit subscriptions, without waiting for any."""
        return self.read(lambda catalogs: follow_plan(self, catalogs, request))

    def header(self, revision_or_id: int | bytes) -> Read[Header]:
        """One commit without its operations."""

        def plan(catalogs: Catalogs) -> Plan[Header]:
            access = yield from access_of(self._opened, self.actor, catalogs)
            if access is not None:
                return (yield from header_seen(access, catalogs, revision_or_id))
            return (yield from header_plan(revision_or_id))

        return self.read(plan)

    def fresh(self, request: FreshRequest) -> Read[Fresh]:
        """What a cache must forget since it looked last."""

        def plan(catalogs: Catalogs) -> Plan[Fresh]:
            access = yield from access_of(self._opened, self.actor, catalogs)
            return (yield from fresh_plan(catalog_of(catalogs, request.database), access, request))

        return self.read(plan)

    def explain_access(self, request: AccessRequest) -> Read[list[AccessAnswer]]:
        """For each verb the rule that allows somebody to do it with an entity, or why none does."""
        return self.read(lambda catalogs: explain_access_plan(self._opened, self.actor, catalogs, request))

    def revert(self, revision: int, commit: Commit) -> Write[CommitResult]:
        """Apply the inverse of the commit with `revision` under the id and notes of `commit`."""

        def plan(catalogs: Catalogs) -> Plan[CommitResult]:
            by = By(self.actor.name, now(), (yield from self._writer(catalogs)))
            return (yield from revert_plan(catalogs.by_key, revision, commit, by))

        return self.write(plan, writing=REVERTING)

    def preview(self, database: str, operations: Sequence[Operation]) -> Write[list[SchemaEffect]]:
        """What schema operations would do to the entities there are, one by one; nothing is changed."""

        def plan(catalogs: Catalogs) -> Plan[list[SchemaEffect]]:
            writer = yield from self._writer(catalogs)
            return (yield from preview(catalog_of(catalogs, database), operations, writer and writer.access))

        return self.write(plan)

    def create_database(self, info: DatabaseInfo) -> Write[DatabaseInfo]:
        """A new, empty database; InvalidSchema where its key is taken or not a key."""
        check_database(info)
        dialect = self._opened.driver.dialect

        def plan(catalogs: Catalogs) -> Plan[DatabaseInfo]:
            writer = yield from self._writer(catalogs)
            if writer is not None and writer.access is not None:
                writer.access.check_define(f"making database {info.key!r}")
            if info.key.lower() in map(str.lower, catalogs.by_key):
                raise InvalidSchema(where=f"database {info.key!r}", reason="there is one of that key")
            revision = yield from next_schema_revision()
            yield from insert_database(dialect, info, revision)
            yield from raise_access()
            return info

        return self.write(plan)

    def drop_database(self, key: str) -> Write[None]:
        """Drop a database with everything in it."""

        def plan(catalogs: Catalogs) -> Plan[None]:
            check_drop((yield from self._writer(catalogs)), key)
            yield from drop_database(catalog_of(catalogs, key))
            yield from raise_access()

        return self.write(plan)


def check_actor(name: str) -> None:
    """InvalidValue unless `name` can stand in the journal."""
    if not name or not text_is_clean(name):
        expected = "a name without NUL and without lone surrogates"
        raise InvalidValue(type="Session", attribute="actor", value=name, expected=expected)


def _needs(request: QueryRequest) -> FollowersBehind:
    """Which followers must have read everything before a query can be answered."""
    if request.at is not None:
        return FollowersBehind(request.database, ("history",))
    return FollowersBehind(request.database, ("search",) if needs_search(None, request.query) else ())
