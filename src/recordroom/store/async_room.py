"""AsyncRoom: a room on an event loop. The same requests as `Room`, awaited; `acting` gives it for one actor."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from ..errors import RoomReadOnly, StoreUnavailable
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
from .opened import FollowersBehind, Opened
from .opening import Opening, async_driver, open_shared
from .plans import AsyncDriver, Plan, Writing
from .requests import Guard, Read, Requests, Stream, Write
from .tries import READING, Tries

__all__ = ["AsyncRoom"]

T = TypeVar("T")


class AsyncRoom:
    """A room that this process has open, for one actor, on one event loop."""

    def __init__(
        self,
        opened: Opened,
        driver: AsyncDriver,
        actor: Actor,
        give_back: Callable[[], None] | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.opened = opened
        self.driver = driver
        self.where = driver.where
        self.actor = actor
        self._give_back = give_back
        self._requests = Requests(opened, actor, guard)

    @classmethod
    async def open(cls, where: str, *, create: bool = True, wait: float = 0.0, **settings: Any) -> AsyncRoom:
        """The room at `where`, for its owner; made where there is none, unless `create` is false (RoomNotFound then).

        `settings` change the room's settings. It is for the loop that opens it.
        """
        opening = Opening(where=where, mode="write", create=create, wait=wait, settings=settings)
        # It waits for locks and servers, which must not hold up the loop.
        opened, give_back = await asyncio.to_thread(open_shared, opening)
        return cls(opened, async_driver(opened.driver, where), OWNER, give_back)

    def acting(self, actor: Actor, guard: Guard | None = None) -> AsyncRoom:
        """The same room for another actor; costs nothing and is not closed by itself.

        `guard` runs in the snapshot or transaction of each request before anything else does.
        """
        return AsyncRoom(self.opened, self.driver, actor, guard=guard)

    async def close(self) -> None:
        """Close it, when what is being written is written; only the one that was opened does something."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            await self.driver.close()
            await asyncio.to_thread(give_back)

    # --- running requests ---

    @property
    def requests(self) -> Requests:
        """What can be asked, as requests for `read` and `write`."""
        return self._requests

    async def read(self, request: Read[T]) -> T:
        """The result of a reading request."""
        tries = None
        while True:
            try:
                return await self.driver.run(request.plan())
            except FollowersBehind as lag:
                await self._catch_up(lag)
            except StoreUnavailable as error:
                tries = tries or Tries()
                await asyncio.sleep(tries.pause(error))

    async def write(self, request: Write[T]) -> T:
        """The result of a writing request."""
        if self.driver.read_only:
            raise RoomReadOnly(path=self.where)
        result = await self._tried(request.plan, request.writing)
        if isinstance(result, CommitResult):
            self.opened.wake.announce(result.revision)
        if request.tidy is not None:
            await self._tidy(request.tidy)
        return result

    async def _tried(self, make: Callable[[], Plan[T]], writing: Writing) -> T:
        """Write a plan; a connection that is lost meanwhile is replaced, and the plan made and run again."""
        tries = None
        while True:
            try:
                return await self.driver.write(make(), writing)
            except StoreUnavailable as error:
                tries = tries or Tries(writing)
                await asyncio.sleep(tries.pause(error))

    async def _stream(self, stream: Stream) -> AsyncIterator[Page]:
        tries, begun = Tries(), False
        while True:
            try:
                async with contextlib.aclosing(self.driver.stream(stream.plan(), stream.size)) as pages:
                    async for page in pages:
                        begun = True
                        yield page
            except FollowersBehind as lag:
                await self._catch_up(lag)
            except StoreUnavailable as error:
                if begun:
                    raise
                await asyncio.sleep(tries.pause(error))
            else:
                return

    async def _catch_up(self, lag: FollowersBehind) -> None:
        while await self._tried(lambda: self.opened.read_on(lag), READING):
            pass

    async def _tidy(self, moment: int) -> None:
        plan = self.opened.tidying(moment)
        if plan is not None:
            self.opened.tidied(moment, more=await self.driver.write(plan))

    # --- what a transport does ---

    async def schema(self, database: str) -> Schema:
        """The schema of `database` now: the same object as long as nothing changed."""
        return await self.read(self._requests.schema(database))

    async def databases(self) -> list[DatabaseInfo]:
        """Every database of the room, by key."""
        return await self.read(self._requests.databases())

    async def query(self, request: QueryRequest) -> Page:
        """One page of a query."""
        return await self.read(self._requests.query(request))

    def stream(self, request: QueryRequest) -> AsyncIterator[Page]:
        """Every page of a query, of one snapshot, in bounded memory."""
        return self._stream(self._requests.stream(request))

    async def count(self, request: QueryRequest) -> int:
        """How many rows a query has, its limit and offset counted in."""
        return await self.read(self._requests.count(request))

    async def explain_access(self, request: AccessRequest) -> list[AccessAnswer]:
        """For each verb the rule that allows somebody to do it with an entity, or why none does."""
        return await self.read(self._requests.explain_access(request))

    async def explain(self, request: QueryRequest) -> str:
        """The statement that would run, its parameters and the database's plan, for a person."""
        return await self.read(self._requests.explain(request))

    async def members(self, request: MembersRequest) -> Members:
        """The members of one collection, links or mapping attribute of many owners."""
        return await self.read(self._requests.members(request))

    async def commit(self, commit: Commit) -> CommitResult:
        """Apply a commit, all of it or nothing; a repeat gets the first result."""
        return await self.write(self._requests.commit(commit))

    async def history(self, request: HistoryRequest) -> list[Change]:
        """Who changed what of one entity, newest first."""
        return await self.read(self._requests.history(request))

    async def search(self, request: SearchRequest) -> list[Hit]:
        """Entities whose texts hold every word, best first."""
        return await self.read(self._requests.search(request))

    async def revision_at(self, moment: int) -> int:
        """The revision that was the latest at `moment` (microseconds since 1970, UTC); 0 before the first."""
        return await self.read(self._requests.revision_at(moment))

    async def journal(self, after: int = 0, limit: int = 100) -> list[JournalEntry]:
        """Commits with a revision above `after`, oldest first."""
        return await self.read(self._requests.journal(after, limit))

    async def fresh(self, request: FreshRequest) -> Fresh:
        """What a cache must forget since it looked last."""
        return await self.read(self._requests.fresh(request))

    async def header(self, revision_or_id: int | bytes) -> Header:
        """One commit without its operations."""
        return await self.read(self._requests.header(revision_or_id))

    async def wait(self, after: int, timeout: float | None = None) -> int:
        """The room's revision once it is above `after`, or when `timeout` seconds have passed.

        Commits of this process and of others wake it.
        """
        wake = self.opened.wake
        if wake.revision <= after:
            await self.driver.follow(wake)
        return await wake.awaited(after, timeout)

    async def follow(self, request: FollowRequest) -> Followed:
        """The events after a revision that fit subscriptions; waits for one, as long as the request says."""
        end = time.monotonic() + request.wait
        while True:
            followed = await self.read(self._requests.follow(request))
            left = end - time.monotonic()
            if request.after is None or followed.deliveries or followed.more or left <= 0:
                return followed
            request = replace(request, after=followed.position)
            await self.wait(followed.position, left)

    async def revert(self, revision: int, commit: Commit) -> CommitResult:
        """Apply the inverse of the commit with `revision` under the id and notes of `commit`."""
        return await self.write(self._requests.revert(revision, commit))

    async def preview(self, database: str, operations: Sequence[Operation]) -> list[SchemaEffect]:
        """What schema operations would do to the entities there are, one by one; nothing is changed."""
        return await self.write(self._requests.preview(database, operations))

    async def create_database(self, info: DatabaseInfo) -> DatabaseInfo:
        """A new, empty database; InvalidSchema where its key is taken or not a key."""
        return await self.write(self._requests.create_database(info))

    async def drop_database(self, key: str) -> None:
        """Drop a database with everything in it."""
        await self.write(self._requests.drop_database(key))
