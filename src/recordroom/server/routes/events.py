"""Events: published, streamed as server-sent events, and asked for by sessions."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import msgspec
from msgspec.structs import replace

from ...errors import InvalidRequest, PastPruned
from ...model import wire
from ...model.ids import new_id, show_id
from ...model.operations import Commit, Publish
from ...query.subscriptions import Followed, FollowRequest
from ..call import STRUCTS, Call
from ..json_form import show_moment, write_json
from ..route import Parameter, Route
from ..stream import Follower, json_frame, server_sent

__all__ = ["ROUTES"]

_LONGEST_WAIT = 30.0  # seconds
_EVENT_STREAM = "text/event-stream"


class Following(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Ask for the events after a revision that fit a subscription; without `after`, where the journal ends."""

    after: int | None = None
    subscriptions: list[str] = []
    database: str = "main"
    wait: float = 0.0
    limit: int = 100
    subscriber: dict[str, str] = {}


class Publishing(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An event to publish. `commit` is an id of yours: sent again, it publishes once."""

    topic: str
    data: Any = None
    target: str = ""
    source: str = ""
    reply_to: str = ""
    database: str = "main"
    commit: bytes | None = None


class PublishedEvent(msgspec.Struct, kw_only=True):
    """What was published."""

    id: str
    revision: int
    time: str


async def follow(call: Call) -> None:
    """A long poll: one answer as soon as there is something, or when the time has passed."""
    request = await _request(call)
    kind = call.wants(*STRUCTS)
    follower = Follower(call.service, _authorization(call), request)
    if request.after is None:
        followed = Followed(position=await follower.begin())
    else:
        with call.service.listening(call.identity.actor):
            followed = await follower.poll(min(max(request.wait, 0.0), _LONGEST_WAIT), call.gone)
    if kind == wire.MSGPACK:
        await call.answer(wire.encode(followed), kind)
    else:
        shown = await json_frame(follower.room, followed)
        await call.answer(write_json(shown | {"more": followed.more}), kind)


async def _request(call: Call) -> FollowRequest:
    """Subscriptions are texts in JSON; in msgpack they may be trees too."""
    if b"msgpack" in call.headers.get(b"content-type", b""):
        request = await call.take(FollowRequest)
    else:
        given = await call.take(Following)
        request = FollowRequest(**{name: getattr(given, name) for name in given.__struct_fields__})
    if not request.wait < float("inf"):
        raise InvalidRequest(reason="wait: expected seconds")
    return request


async def stream(call: Call) -> None:
    """Server-sent events, for as long as somebody listens."""
    given = call.parameters("after", "expression", "database", "subscriber")
    call.wants(_EVENT_STREAM)
    subscriber = {"id": given["subscriber"]} if "subscriber" in given else {}
    request = FollowRequest(
        after=_position(call.headers.get(b"last-event-id", given.get("after", "").encode())),
        subscriptions=[given.get("expression", "*")],
        database=given.get("database", "main"),
        subscriber=subscriber,
    )
    follower = Follower(call.service, _authorization(call), request)
    await follower.begin()
    # What was pruned is told as an error before anything else is said.
    await follower.room.follow(replace(follower.request, limit=1))
    if call.method == "HEAD":
        await call.answer(b"", _EVENT_STREAM)
        return
    with call.service.listening(call.identity.actor):
        parts = server_sent(follower, call.service.stopping, call.gone)
        async with aclosing(parts):  # type: ignore[type-var]
            await call.stream(parts, _EVENT_STREAM)


def _position(given: bytes) -> int | None:
    if not given:
        return None
    if not (given.isdigit() and len(given) < 19):
        raise InvalidRequest(reason=f"after: expected a revision, got {given[:100]!r}")
    return int(given)


async def publish(call: Call) -> None:
    """Publish an event with a commit of its own."""
    given = await call.take(Publishing)
    event = Publish(
        topic=given.topic, data=given.data, target=given.target, source=given.source, reply_to=given.reply_to
    )
    commit = Commit(id=given.commit or new_id(), database=given.database, operations=[event])
    result = await call.room.commit(commit)
    found = PublishedEvent(id=f"{show_id(commit.id)}.1", revision=result.revision, time=show_moment(result.time))
    if call.wants(*STRUCTS) == wire.MSGPACK:
        await call.answer(wire.encode(found), wire.MSGPACK)
    else:
        await call.answer(msgspec.json.encode(found), wire.JSON)


def _authorization(call: Call) -> str | None:
    given = call.headers.get(b"authorization")
    return None if given is None else given.decode("latin-1")


_NUMBER = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}

ROUTES = (
    Route(
        method="POST",
        path="/v1/follow",
        handler=follow,
        summary="Wait for events",
        description="One answer as soon as there are events after a revision that fit a subscription, or when `wait`"
        " seconds have passed. `position` is where to go on from.",
        takes=Following,
        gives=dict[str, Any],
        kinds=STRUCTS,
        fails=(PastPruned,),
        group="events",
        example={"after": 0, "subscriptions": ["topic=render.*", "Task"], "wait": 0},
    ),
    Route(
        method="GET",
        path="/v1/events/stream",
        handler=stream,
        summary="Events as they happen (server-sent events)",
        description="The id of each event is the position to resume at: `Last-Event-ID` does. A WebSocket at"
        " `/v1/events` gives the same.",
        kinds=(_EVENT_STREAM,),
        parameters=(
            Parameter("after", "Only events of higher revisions; without it from now on.", _NUMBER),
            Parameter("expression", "Which events: an expression or a query.", example="topic=render.*"),
            Parameter("database", "The database that a query is about.", example="main"),
            Parameter("subscriber", "Who listens, for the targets of events."),
        ),
        fails=(PastPruned,),
        group="events",
    ),
    Route(
        method="POST",
        path="/v1/events",
        handler=publish,
        summary="Publish an event",
        takes=Publishing,
        gives=PublishedEvent,
        kinds=STRUCTS,
        group="events",
        example={"topic": "render.done", "data": {"shot": "sh010"}},
    ),
)
