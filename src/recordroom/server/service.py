"""The whole API without HTTP: who asks, what they may ask at most, and the room that answers.

`acting` gives the room for one actor: the same methods as a session's transport has, awaited. Requests whose cost
must be bounded go through the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager

import msgspec
from msgspec.structs import replace

from ..errors import InvalidRequest, TooManyAttempts
from ..model.actor import Actor
from ..model.operations import SCHEMA_OPERATIONS, Commit, CommitResult
from ..query.request import HistoryRequest, Page, QueryRequest, SearchRequest
from ..store.async_room import AsyncRoom
from .auth.accounts import Accounts
from .files import Files
from .limits import Limits
from .mail import MailSettings
from .people import People
from .uploads import Uploads

__all__ = ["Counts", "Service"]

_RETRY_SECONDS = 5


class Counts(msgspec.Struct):
    """What was done since the start of the process."""

    commits: int = 0
    rows: int = 0
    revision: int = 0


class Service:
    """One room for many actors, on one event loop. `room` is the owner's."""

    def __init__(
        self,
        room: AsyncRoom,
        accounts: Accounts,
        limits: Limits | None = None,
        *,
        mail: MailSettings | None = None,
        url: str = "",
    ) -> None:
        self.room = room
        self.accounts = accounts
        self.change_limits(limits or Limits())
        self.counts = Counts()
        self.files = Files(self)
        self.uploads = Uploads(self)
        self.people = People(self, mail or MailSettings(), url)
        self.stopping = asyncio.Event()  # set as soon as the server is told to stop
        self.farewells: list[Callable[[], Awaitable[None]]] = []  # called then, before connections are closed
        self._streams: dict[str, int] = {}
        self._listeners: dict[str, int] = {}

    async def close(self) -> None:
        """End what it does by itself."""
        await self.uploads.close()
        await self.files.close()

    def change_limits(self, limits: Limits) -> None:
        """These hold from the next request on."""
        self.limits = limits
        self.room.driver.budget = limits.query_seconds

    async def ready(self) -> int:
        """The room's newest revision, from the database itself: whether it answers."""
        self.counts.revision = await self.room.revision_at(2**62)
        return self.counts.revision

    def acting(self, actor: Actor) -> AsyncRoom:
        """The room for an actor."""
        return self.room.acting(actor)

    @property
    def schema_revision(self) -> int:
        """The revision of the room's schemas as this process has seen them last."""
        catalogs = self.room.opened.catalogs
        return 0 if catalogs is None else catalogs.revision

    # --- requests that have limits ---

    async def query(self, room: AsyncRoom, request: QueryRequest) -> Page:
        """One page, no larger than pages may be."""
        page = await room.query(self.bounded(request))
        self._note(page)
        return page

    async def look(self) -> None:
        """See whether schemas have changed."""
        await self.room.databases()

    async def commit(self, room: AsyncRoom, commit: Commit) -> CommitResult:
        """Apply a commit, and count it."""
        result = await room.commit(commit)
        if any(isinstance(each, SCHEMA_OPERATIONS) for each in commit.operations):
            await self.look()
        self.counts.commits += not result.repeated
        self.counts.revision = max(self.counts.revision, result.revision)
        return result

    def _note(self, page: Page) -> None:
        self.counts.rows += page.count
        self.counts.revision = max(self.counts.revision, page.revision)

    def bounded(self, request: QueryRequest) -> QueryRequest:
        """The request with a page no larger than pages may be; its `next` goes on from there."""
        return request if request.size <= self.limits.page_rows else replace(request, size=self.limits.page_rows)

    def check_listed(self, limit: int) -> int:
        """`limit`, where an answer may have as many things; InvalidRequest otherwise."""
        if not 0 <= limit <= self.limits.listed:
            raise InvalidRequest(reason=f"limit: at most {self.limits.listed} at a time, not {limit}")
        return limit

    def check_history(self, request: HistoryRequest) -> HistoryRequest:
        """The request, where it asks for no more changes than may be asked for."""
        self.check_listed(request.limit)
        return request

    def check_search(self, request: SearchRequest) -> SearchRequest:
        """The request, where it asks for no more hits than may be asked for."""
        self.check_listed(request.limit)
        return request

    async def stream(self, room: AsyncRoom, request: QueryRequest) -> AsyncGenerator[Page, None]:
        """Every page of a query, for as long as it is read. TooManyAttempts where the actor reads too many already."""
        reason = f"{room.actor.name} reads {self.limits.streams} streams already; finish one first."
        with _counted(self._streams, room.actor.name, self.limits.streams, reason):
            async with aclosing(room.stream(self.bounded(request))) as pages:  # type: ignore[type-var]
                async for page in pages:
                    self._note(page)
                    yield page

    def listening(self, actor: Actor) -> AbstractContextManager[None]:
        """While somebody waits for events. TooManyAttempts where too many wait as that actor already."""
        reason = f"{actor.name} listens {self.limits.listeners} times already; end one first."
        return _counted(self._listeners, actor.name, self.limits.listeners, reason)

    @property
    def streams(self) -> int:
        """How many streams are being read."""
        return sum(self._streams.values())


@contextmanager
def _counted(counts: dict[str, int], name: str, most: int, reason: str) -> Iterator[None]:
    """One more under a name while it lasts; TooManyAttempts where there are `most`."""
    if counts.get(name, 0) >= most:
        raise TooManyAttempts(reason, retry_after=_RETRY_SECONDS)
    counts[name] = counts.get(name, 0) + 1
    try:
        yield
    finally:
        counts[name] -= 1
        if not counts[name]:
            del counts[name]
