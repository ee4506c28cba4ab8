"""Events as ftrack's clients have them, from and to what is published in a room.

A client gets an event as it was sent, its id and its source among it. Replies are replies here too, so that sessions of
both kinds can answer each other. What the room itself tells of its commits is made in `updates`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from ...errors import InvalidRequest, InvalidValue, QuerySyntaxError, QueryTooComplex
from ...model.event_expressions import Expression
from ...model.events import REPLY, Event
from ...model.operations import Publish
from .event_rules import fits, names_field, parsed

__all__ = [
    "ORIGIN",
    "REPLIED",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "Sent",
    "Target",
    "delivered",
    "published",
    "read_sent",
    "shown_moment",
]

SUBSCRIBE, UNSUBSCRIBE, REPLIED = "ftrack.meta.subscribe", "ftrack.meta.unsubscribe", "ftrack.meta.reply"
_LOCAL = "ftrack.meta."  # clients tell themselves such
# Events that sessions of both kinds publish of the same things.
_TOPICS = {
    REPLIED: REPLY,
    "ftrack.location.component-added": "location.component-added",
    "ftrack.location.component-removed": "location.component-removed",
}
_SHOWN = {ours: theirs for theirs, ours in _TOPICS.items()}
ORIGIN = "ftrack"  # in the origin of what was published by a client of this dialect


class Sent(msgspec.Struct):
    """An event as a client sends it; what else it has is dropped."""

    topic: str
    id: str
    data: Any = None
    source: dict[str, Any] | None = None
    target: str | None = None
    inReplyToEvent: str | None = None


def read_sent(event: dict[str, Any]) -> Sent:
    """The event that a client sent; InvalidRequest where it is none."""
    try:
        return msgspec.convert(event, Sent)
    except msgspec.ValidationError as error:
        raise InvalidRequest(reason=str(error)) from None


def published(sent: Sent, actor: str) -> Publish:
    """What goes into the journal. Whatever a client says of its user, it is the one who showed the key."""
    if sent.topic.startswith(_LOCAL) and sent.topic != REPLIED:
        raise InvalidValue(type="Event", attribute="topic", value=sent.topic, expected="a topic of your own")
    target = (sent.target or "").strip()
    if target:
        parsed(target)
    source = sent.source or {}
    user = source.get("user")
    named = {**(user if isinstance(user, dict) else {}), "username": actor}
    identifier = source.get("id")
    return Publish(
        topic=_TOPICS.get(sent.topic, sent.topic),
        data=sent.data,
        target=target,
        source=identifier if isinstance(identifier, str) else "",
        reply_to=sent.inReplyToEvent or "",
        origin={ORIGIN: {"id": sent.id, "source": {**source, "user": named}}},
    )


def delivered(event: Event, reply_to: str | None = None) -> dict[str, Any]:
    """A published event as clients get it: exactly the keys that they know. `reply_to` in place of the event's own."""
    origin = event.origin.get(ORIGIN) or {}
    source = origin.get("source") or {"id": event.source}
    # Whatever somebody said of themselves: it is who committed it.
    user = source.get("user")
    source = {**source, "user": {**(user if isinstance(user, dict) else {}), "username": event.actor}}
    return {
        "topic": _SHOWN.get(event.topic, event.topic),
        "id": origin.get("id") or event.id,
        "data": event.data,
        "sent": shown_moment(event.time),
        "source": source,
        "target": event.target,
        "inReplyToEvent": (event.reply_to if reply_to is None else reply_to) or None,
    }


def shown_moment(micros: int) -> str:
    """A moment as ISO 8601, UTC, without a zone as ftrack writes it."""
    moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds")


class Target:
    """Whom an event is for. Sessions of our own may name an actor or an id alone, which ftrack's clients cannot."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._expression = _expression(text) if text else None

    def reaches(self, subscriber: dict[str, Any], actor: str) -> bool:
        """Whether it means a subscriber of that actor."""
        if not self.text:
            return True
        if self._expression is None:
            return self.text in (actor, subscriber.get("id"))
        return fits(self._expression, {**subscriber, "actor": actor})

    def shown(self, actor: str) -> str:
        """The target in words that a client can judge itself, once it is known that it reaches one of that actor."""
        if self._expression is None:
            return "" if not self.text or self.text == actor else f'id="{self.text}"'
        return "" if names_field(self._expression, "actor") else self.text


def _expression(text: str) -> Expression | None:
    try:
        return parsed(text)
    except (QuerySyntaxError, QueryTooComplex):
        return None
