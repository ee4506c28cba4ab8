"""Streams of events: server-sent events, long polls, and what WebSockets share with them.

A stream holds a position and no queue: a client that reads slowly is read on for from the journal, and one that does not
read at all is cut off after a time. On each wake-up the credential is looked at again, so that one that was revoked
ends its streams.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import groupby
from typing import Any

import msgspec
from msgspec.structs import replace

from ..errors import Error, UnknownDatabase
from ..model import wire
from ..model.events import json_event
from ..model.ids import show_id
from ..model.schema import Schema
from ..query.subscriptions import Delivery, Followed, FollowRequest
from ..store.async_room import AsyncRoom
from .service import Service
from .waiting import race

__all__ = ["HEARTBEAT", "Follower", "frames", "json_frame", "server_sent"]

HEARTBEAT = 15.0  # seconds
_RETRY_MILLISECONDS = 500


class Follower:
    """Somebody who follows: who they are, what they subscribe to, and how far they have heard."""

    def __init__(self, service: Service, authorization: str | None, request: FollowRequest) -> None:
        self._service = service
        self._authorization = authorization
        self.request = request
        self.room: AsyncRoom = service.room

    @property
    def position(self) -> int:
        """The revision up to which everything was heard."""
        return self.request.after or 0

    async def begin(self) -> int:
        """Check the subscriptions, and begin where the journal ends unless a position is given; the position."""
        await self._identify()
        followed = await self.room.follow(replace(self.request, after=None, wait=0))
        if self.request.after is None:
            self.request = replace(self.request, after=followed.position)
        return self.position

    async def step(self) -> Followed:
        """What there is after the position, without waiting; the position moves on."""
        await self._identify()
        followed = await self.room.follow(replace(self.request, wait=0))
        self.request = replace(self.request, after=followed.position)
        return followed

    async def rest(self, seconds: float) -> None:
        """Wait for something new."""
        await self.room.wait(self.position, seconds)

    async def _identify(self) -> None:
        identity = await self._service.accounts.identify(self._authorization)
        self.room = self._service.acting(identity.actor)

    async def poll(self, seconds: float, ended: Callable[[], Awaitable[Any]]) -> Followed:
        """What there is; waits up to `seconds` for something that fits, or until the client or the server ends."""
        end = time.monotonic() + seconds
        while True:
            followed = await self.step()
            left = end - time.monotonic()
            if followed.deliveries or followed.more or left <= 0:
                return followed
            if await race(self.rest(left), ended(), self._service.stopping.wait()) > 0:
                return followed


# --- frames ---------------------------------------------------------------------------------------


def frames(followed: Followed, before: int) -> Iterator[Followed]:
    """One part for each revision, so that every place between two parts is one to resume at; then the position reached."""
    last = before
    for revision, deliveries in groupby(followed.deliveries, lambda each: each.event.revision):
        last = revision
        yield Followed(position=revision, deliveries=list(deliveries))
    if followed.position > last:
        yield Followed(position=followed.position)


async def json_frame(room: AsyncRoom, followed: Followed) -> dict[str, Any]:
    """What `followed` is in JSON: `position`, and where there are any, `events` with what they fit."""
    if not followed.deliveries:
        return {"position": followed.position}
    schemas: dict[str, Schema | None] = {}
    for name in {each.event.database for each in followed.deliveries}:
        with contextlib.suppress(UnknownDatabase):
            schemas[name] = await room.schema(name)
    events = [_json_delivery(each, schemas.get(each.event.database)) for each in followed.deliveries]
    return {"position": followed.position, "events": events}


def _json_delivery(delivery: Delivery, schema: Schema | None) -> dict[str, Any]:
    matches = [
        {"subscription": each.subscription, "entities": list(map(show_id, each.entities))} for each in delivery.matches
    ]
    return json_event(delivery.event, schema) | {"matches": matches}


# --- server-sent events ---------------------------------------------------------------------------


async def server_sent(
    follower: Follower, stopping: asyncio.Event, ended: Callable[[], Awaitable[Any]]
) -> AsyncIterator[bytes]:
    """The text of a stream of server-sent events, until the client, the server or the credential ends."""
    yield b"retry: %d\nid: %d\n\n" % (_RETRY_MILLISECONDS, follower.position)
    rested = False
    while True:
        before = follower.position
        try:
            followed = await follower.step()
        except Error as error:
            yield b"event: failure\ndata: " + wire.encode_error(error) + b"\n\n"
            return
        for part in frames(followed, before):
            yield await _text(follower.room, part)
        if stopping.is_set():
            yield b"event: bye\ndata: {}\n\n"
            return
        if rested and followed.position == before:
            yield b": alive\n\n"
        if not followed.more and await race(follower.rest(HEARTBEAT), ended(), stopping.wait()) == 1:
            return
        rested = not followed.more


async def _text(room: AsyncRoom, part: Followed) -> bytes:
    """A part as an event whose id is the position; without data it only moves the id on."""
    if not part.deliveries:
        return b"id: %d\n\n" % part.position
    return b"id: %d\ndata: %s\n\n" % (part.position, msgspec.json.encode(await json_frame(room, part)))
