"""RemoteRoom: a room behind a server, as the transport of a session.

Each call is one round trip of msgpack on a connection that is kept. Making one opens nothing. What is safe to ask twice is
tried again (`retry`): reads change nothing, a commit or revert is applied once under its id. Making or dropping a database
is not, and is asked once, on a connection of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from ..errors import Error, StoreUnavailable, UnknownDatabase
from ..model.ids import show_id
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
    PreviewRequest,
    QueryRequest,
    RevertRequest,
    SchemaEffect,
    SchemaReply,
    SearchRequest,
)
from ..query.subscriptions import Followed, FollowRequest
from .calls import Caller, Request
from .credentials import Credentials
from .retry import NEVER
from .schema_cache import SchemaCache

__all__ = ["Me", "RemoteRoom"]

_SLACK = 30.0  # seconds that an answer may be late
_EVER = 10**18  # no moment is later


class Me(msgspec.Struct, kw_only=True):
    """What a server says of who asks."""

    name: str
    user: str | None = None


class _Entry(JournalEntry, kw_only=True):
    """An entry whose operations are read as what they are."""

    operations: list[Operation]


class _Known(NamedTuple):
    schema: Schema
    tag: str


class RemoteRoom:
    """The room of a server, as `caller` reaches it. Safe to use from several threads.

    `longest_wait` is how many seconds one `follow` may wait. Schemas are kept in `schemas`, if there is one, between sessions.
    """

    longest_wait = 20.0

    def __init__(self, caller: Caller, *, schemas: SchemaCache | None = None) -> None:
        self.caller = caller
        self._kept_schemas = schemas
        self.where = caller.where
        self._lock = threading.Lock()
        self._schemas: dict[str, _Known] = {}
        self._me: Me | None = None

    def __repr__(self) -> str:
        return f"<RemoteRoom {self.where}>"

    @property
    def credentials(self) -> Credentials | None:
        """What proves who asks."""
        return self.caller.credentials

    @property
    def actor(self) -> str:
        """The name of who asks; the first use asks the server."""
        return self._asked_me.name

    @property
    def user(self) -> str:
        """Who asks, as it stays when they are renamed: the id of the user. The first use asks the server."""
        return self._asked_me.user or ""

    @property
    def _asked_me(self) -> Me:
        if self._me is None:
            self._me = self.caller.ask(Request(method="GET", path="/v1/me"), Me)
        return self._me

    def known_schema(self, database: str) -> Schema:
        """The schema as it was seen last; the first use asks the server."""
        known = self._schemas.get(database)
        return self.schema(database) if known is None else known.schema

    def close(self) -> None:
        """Close the connections; again does nothing."""
        self.caller.close()

    # --- reading ---

    def schema(self, database: str, revision: int | None = None) -> Schema:
        """The schema of `database` now: the same object as long as nothing changed, which is then all that travels."""
        known = self._known_schema(database)
        request = Request(method="GET", path=f"/v1/schema/{_part(database)}")
        reply, tag = self.caller.ask_changed(request, SchemaReply, "" if known is None else known.tag)
        if known is not None and reply is None:
            return self._schemas.setdefault(database, known).schema
        assert reply is not None
        found = Schema(reply.types, reply.revision)
        if self._kept_schemas is not None:
            self._kept_schemas.write(self.where, reply, tag)
        with self._lock:
            known = self._schemas.get(database)
            if known is None or (known.schema.revision, known.schema.hash) != (found.revision, found.hash):
                self._schemas[database] = known = _Known(found, tag)
            return known.schema

    def _known_schema(self, database: str) -> _Known | None:
        """The schema as it was seen last, by this session or by one before; the server is asked whether it is still that."""
        known = self._schemas.get(database)
        if known is None and self._kept_schemas is not None:
            kept = self._kept_schemas.read(self.where, database)
            return None if kept is None else _Known(*kept)
        return known

    def databases(self) -> list[DatabaseInfo]:
        """Every database of the room, by key."""
        return self.caller.ask(Request(method="GET", path="/v1/databases"), list[DatabaseInfo])

    def query(self, request: QueryRequest) -> Page:
        """One page of a query. Where the server's pages are smaller, as many of them as it takes."""
        page = self._page(request)
        pages, missing = [page], request.size - page.count
        while page.next is not None and missing > 0:
            page = self._page(msgspec.structs.replace(request, size=missing, after=page.next))
            pages.append(page)
            missing -= page.count
        return page if len(pages) == 1 else _joined(pages)

    def _page(self, request: QueryRequest) -> Page:
        return self.caller.ask(Request(path="/v1/query", body=request), Page)

    def stream(self, request: QueryRequest) -> Iterator[Page]:
        """Every page of a query, of one snapshot, in bounded memory.

        Where it breaks off, it goes on from there, by reading the past as of the snapshot's revision.
        """
        asked, delivered, broken = request, 0, None
        while True:
            came = 0
            try:
                for page in self.caller.stream(Request(path="/v1/query/stream", body=asked), Page):
                    came += page.count
                    at = page.revision if asked.at is None else asked.at
                    asked = _behind(request, delivered + came, at)
                    yield page
            except Error as error:
                if not isinstance(error, StoreUnavailable) or not came or not asked.at:
                    # What the past refuses is not what went wrong.
                    raise broken or error from None
                broken, delivered = error, delivered + came
            else:
                return

    def count(self, request: QueryRequest) -> int:
        """How many rows a query has, its limit and offset counted in."""
        return self.caller.ask(Request(path="/v1/query/count", body=request), int)

    def explain_access(self, request: AccessRequest) -> list[AccessAnswer]:
        """For each verb the rule that allows somebody to do it with an entity, or why none does."""
        return self.caller.ask(Request(path="/v1/access", body=request), list[AccessAnswer])

    def explain(self, request: QueryRequest) -> str:
        """The statement that would run, its parameters and the database's plan, for a person."""
        return self.caller.ask(Request(path="/v1/query/explain", body=request), str)

    def members(self, request: MembersRequest) -> Members:
        """The members of one collection, links or mapping attribute of many owners."""
        return self.caller.ask(Request(path="/v1/members", body=request), Members)

    def fresh(self, request: FreshRequest) -> Fresh:
        """What a cache must forget since it looked last."""
        return self.caller.ask(Request(path="/v1/fresh", body=request), Fresh)

    def history(self, request: HistoryRequest) -> list[Change]:
        """Who changed what of one entity, newest first."""
        return self.caller.ask(Request(path="/v1/history", body=request), list[Change])

    def search(self, request: SearchRequest) -> list[Hit]:
        """Entities whose texts hold every word, best first."""
        return self.caller.ask(Request(path="/v1/search", body=request), list[Hit])

    def revision_at(self, moment: int) -> int:
        """The revision that was the latest at `moment` (microseconds since 1970, UTC); 0 before the first."""
        at = f"?at={int(moment)}" if moment < _EVER else ""
        return self.caller.ask(Request(method="GET", path=f"/v1/revision{at}"), int)

    def journal(self, after: int = 0, limit: int = 100) -> Sequence[JournalEntry]:
        """Commits with a revision above `after`, oldest first."""
        path = f"/v1/journal?after={int(after)}&limit={int(limit)}"
        return self.caller.ask(Request(method="GET", path=path), list[_Entry])

    def follow(self, request: FollowRequest) -> Followed:
        """The events after a revision that fit subscriptions; waits for one, as long as the request says.

        Asked once: who follows goes on by itself from where it was.
        """
        asked = Request(path="/v1/follow", body=request, retry=NEVER, read=request.wait + _SLACK)
        return self.caller.ask(asked, Followed)

    def header(self, revision_or_id: int | bytes) -> Header:
        """One commit without its operations."""
        key = show_id(revision_or_id) if isinstance(revision_or_id, bytes) else str(int(revision_or_id))
        return self.caller.ask(Request(method="GET", path=f"/v1/headers/{key}"), Header)

    def preview(self, database: str, operations: Sequence[Operation]) -> list[SchemaEffect]:
        """What schema operations would do to the entities there are, one by one; nothing is changed."""
        body = PreviewRequest(database=database, operations=list(operations))
        return self.caller.ask(Request(path="/v1/preview", body=body), list[SchemaEffect])

    # --- changing ---

    def commit(self, commit: Commit) -> CommitResult:
        """Apply a commit, all of it or nothing; a repeat gets the first result."""
        return self.caller.ask(Request(path="/v1/commit", body=commit), CommitResult)

    def revert(self, revision: int, commit: Commit) -> CommitResult:
        """Apply the inverse of the commit with `revision` under the id and notes of `commit`."""
        body = RevertRequest(revision=revision, commit=commit)
        return self.caller.ask(Request(path="/v1/revert", body=body), CommitResult)

    def create_database(self, info: DatabaseInfo) -> DatabaseInfo:
        """A new, empty database; InvalidSchema where its key is taken or not a key."""
        return self.caller.ask(Request(path="/v1/databases", body=info, repeatable=False), DatabaseInfo)

    def drop_database(self, key: str) -> None:
        """Drop a database with everything in it."""
        self.caller.do(Request(method="DELETE", path=f"/v1/databases/{_part(key)}", repeatable=False))


def _behind(request: QueryRequest, count: int, at: int) -> QueryRequest:
    """Ask for what comes behind the first `count` rows at a revision: rows have an order that never varies."""
    limit = request.query.limit
    query = msgspec.structs.replace(
        request.query, offset=request.query.offset + count, limit=None if limit is None else max(limit - count, 0)
    )
    return msgspec.structs.replace(request, query=query, at=at)


def _part(key: str) -> str:
    """A key as one part of a path; UnknownDatabase where it can be none."""
    if not key or "/" in key or not key.isprintable():
        raise UnknownDatabase(name=key)
    return quote(key, safe="")


def _joined(pages: Sequence[Page]) -> Page:
    """Pages that follow each other as one."""
    columns: dict[str, list[Any]] = {name: [] for name in pages[0].columns}
    for page in pages:
        for name, values in page.columns.items():
            columns[name] += values
    return msgspec.structs.replace(
        pages[-1],
        ids=[each for page in pages for each in page.ids],
        types=[each for page in pages for each in page.types],
        columns=columns,
        count=sum(page.count for page in pages),
        revision=pages[0].revision,
    )
