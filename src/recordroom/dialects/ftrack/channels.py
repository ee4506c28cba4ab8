"""Channels: everybody who listens with one credential. One follower reads the journal for all of them.

So a farm of machines with one key costs one reader. What the actor may not see is never read; each event is made
into text once and handed to those who want it. A member that does not keep up is let go, and holds up nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from ...errors import Error, NotAuthenticated, NotFound, PastPruned, PermissionDenied, StoreUnavailable
from ...model.event_expressions import Expression
from ...model.events import REPLY, EntityChange, Event, changes_of
from ...model.ids import as_id, show_id
from ...model.operations import Publish
from ...query.request import QueryRequest
from ...query.subscriptions import FollowRequest
from ...query.syntax import Compare, Parameter, Path, Query, Selected
from ...server.service import Service
from .envelopes import ORIGIN, Target, delivered
from .event_rules import fits
from .lineage import lines_of
from .socketio import sent_event
from .tickets import Holder, guard_of
from .updates import TOPIC, chunks, entities_of, is_told_of, update_event

__all__ = ["Channel", "Member", "Subscription", "reached"]

_LOG = logging.getLogger("recordroom.server")
_REST_SECONDS = 20.0
_AGAIN_SECONDS = 1.0
_PART = 500  # entities in one event, roughly


class Subscription(NamedTuple):
    """What one subscriber of a member wants to hear, of what came after revision `since`."""

    id: str
    expression: Expression
    metadata: dict[str, Any]
    since: int
    topic: str | None  # the only one that it can fit


class Member(Protocol):
    """One connection."""

    def offer(self, packet: str) -> None:
        """Send a packet when its turn comes; does not wait."""

    def end(self, reason: str) -> None:
        """Nothing more will come."""


class Channel:
    """The connections of one credential, their subscriptions, and the follower."""

    def __init__(self, service: Service, holder: Holder) -> None:
        self._service = service
        self.actor = holder.actor.name
        self.room = service.room.acting(holder.actor, guard_of(holder))
        self.members: set[Member] = set()
        self.position = 0
        self.users = 0  # who have it, connected or about to be
        self.ended = False
        self._told = (0, 0)  # the revision and the place of the last event
        self._lost = False  # events that were pruned before they were read
        self._wanted: dict[str | None, dict[tuple[Member, str], Subscription]] = {}
        self._following: asyncio.Task[None] | None = None

    # --- who listens ---

    async def start(self) -> None:
        """Begin where the journal ends, once."""
        position = await self.head()
        if self._following is None:
            self.position = position
            self._following = asyncio.ensure_future(self._follow())

    def stop(self) -> None:
        """Nobody is left."""
        if self._following is not None:
            self._following.cancel()

    async def head(self) -> int:
        """The room's revision; NotAuthenticated where the credential has ended."""
        return (await self.room.follow(FollowRequest())).position

    def add(self, member: Member, subscription: Subscription) -> None:
        """A member hears of something more."""
        self._wanted.setdefault(subscription.topic, {})[member, subscription.id] = subscription

    def drop(self, member: Member, subscription: Subscription) -> None:
        """A member hears of something no more."""
        wanted = self._wanted[subscription.topic]
        del wanted[member, subscription.id]
        if not wanted:
            del self._wanted[subscription.topic]

    def _wanting(self, topic: str) -> Iterator[tuple[Member, Subscription]]:
        for key in (topic, None):
            for (member, _), subscription in self._wanted.get(key, {}).items():
                yield member, subscription

    # --- reading on ---

    async def _follow(self) -> None:
        while True:
            try:
                await self._step()
            except PastPruned:
                _LOG.warning("listeners of %s were so far behind that events are lost", self.actor)
                self._lost = True
            except (NotAuthenticated, PermissionDenied) as error:
                self._end(error.message)
                return
            except Error as error:
                _LOG.warning("events wait: %s", error)
                await asyncio.sleep(_AGAIN_SECONDS)
            except Exception:  # noqa: BLE001 - its members must know
                _LOG.exception("the events of %s end", self.actor)
                self._end("the server failed")
                return

    def _end(self, reason: str) -> None:
        self.ended = True
        for member in list(self.members):
            member.end(reason)

    async def _step(self) -> None:
        if self._lost:
            self.position = await self.head()
            self._lost = False
        request = FollowRequest(after=self.position, subscriptions=["*"], all_targets=True)
        followed = await self.room.follow(request)
        for delivery in followed.deliveries:
            place = delivery.event.revision, delivery.event.place
            if place > self._told:
                await self._spread(delivery.event)
                self._told = place
        self.position = followed.position
        if not followed.more:
            await self.room.wait(self.position, _REST_SECONDS)

    async def _spread(self, event: Event) -> None:
        try:
            if event.place:
                await self._spread_published(event)
            elif event.database == "main" and event.changes and any(self._wanting(TOPIC)):
                await self._spread_commit(event)
        except (NotAuthenticated, StoreUnavailable):
            raise
        except Exception:  # noqa: BLE001 - the others must still come
            _LOG.exception("event %s cannot be told", event.id)

    # --- what is told ---

    async def _spread_published(self, event: Event) -> None:
        target = Target(event.target)
        reply_to = await self._reply_to(event)
        shown = delivered(event, reply_to) | {"target": target.shown(self.actor)}
        self._hand_on(shown, event.revision, target)

    async def _reply_to(self, event: Event) -> str | None:
        """The id that a client knows, of the event that a session of ours answered."""
        if event.topic != REPLY or ORIGIN in event.origin:
            return None
        commit, _, place = event.reply_to.partition(".")
        with contextlib.suppress(ValueError, NotFound):
            header = await self.room.header(as_id(commit))
            entries = await self.room.journal(header.revision - 1, 1)
            published = [each for entry in entries for each in entry.operations if isinstance(each, Publish)]
            if place.isdigit() and 0 < int(place) <= len(published):
                identifier: str | None = published[int(place) - 1].origin.get(ORIGIN, {}).get("id")
                return identifier
        return None

    async def _spread_commit(self, event: Event) -> None:
        schema = await self.room.schema(event.database)
        user: str | None = None
        for part, changes in enumerate(chunks(await self._changes(event), _PART)):
            told = [each for each in changes if is_told_of(schema, each)]
            if not told:
                continue
            user = user or await self._user(event.actor)
            lines = await lines_of(self.room.query, schema, told)
            entities = entities_of(replace(event, changes=told), schema, lines)
            if entities:
                self._hand_on(update_event(event, entities, user, part), event.revision, Target(""))

    async def _changes(self, event: Event) -> list[EntityChange]:
        """All changes of a commit; an event has the first of many only."""
        if event.count <= len(event.changes):
            return event.changes
        entries = await self.room.journal(event.revision - 1, 1)
        operations = [each for entry in entries if entry.header.revision == event.revision for each in entry.operations]
        return [change for each in operations for change in changes_of(each)]

    async def _user(self, name: str) -> str | None:
        """The id of the user of that name, whoever asks: it stands beside the name."""
        if "User" not in await self._service.room.schema("main"):
            return None
        where = Compare("is", Path(("name",)), Parameter("name"))
        query = Query(type="User", select=(Selected(Path(("id",)), "id"),), where=where)
        page = await self._service.room.query(QueryRequest(query=query, size=1, parameters={"name": name}))
        return show_id(page.ids[0]) if page.ids else None

    def _hand_on(self, event: dict[str, Any], revision: int, target: Target) -> None:
        """Give an event once to everybody of whose subscriptions one fits."""
        facts = {**event, "in_reply_to_event": event["inReplyToEvent"]}
        packet = sent_event(event)
        for member in reached(self._wanting(event["topic"]), facts, revision, target, self.actor):
            member.offer(packet)


def reached(
    wanting: Iterable[tuple[Member, Subscription]], facts: dict[str, Any], revision: int, target: Target, actor: str
) -> dict[Member, None]:
    """Who gets an event of a revision: each once, though several of their subscriptions fit."""
    found: dict[Member, None] = {}
    for member, subscription in wanting:
        if (
            member not in found
            and revision > subscription.since
            and target.reaches(subscription.metadata, actor)
            and fits(subscription.expression, facts)
        ):
            found[member] = None
    return found
