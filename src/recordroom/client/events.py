"""`session.events`: hear of commits and of what others publish, in order, each once, and publish.

A hub asks its room for what came after the positions of its subscribers; so nothing is lost when the connection, the
server or the listener was away for a while. Callbacks run in the thread that listens or waits, one at a time. A callback
that raises is logged, and others go on. A position is moved before a callback is called: none is called twice.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..errors import Error, InvalidValue, NotUnique, PastPruned, SessionClosed
from ..model.event_expressions import facts_of, matches, parse_expression, reaches
from ..model.events import REPLY, RESERVED
from ..model.events import Event as WireEvent
from ..model.ids import new_id, show_id
from ..model.operations import Commit, Publish
from ..query.subscriptions import FollowRequest, read_subscription
from ..query.subscriptions import Subscription as Question
from ..query.syntax import Query
from .event import Delivered, Event
from .listening import Listener
from .outbox import PASSING, Outbox, Posted
from .pump import Pump
from .questions import query_of
from .subscription import WHOLE, Callback, Subscription

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Callback", "Events", "Listener", "Posted", "Published", "Subscription"]

_LONE = re.compile(r"[\w.@+:-]+")  # a target that is the id of a subscriber, or the name of an actor
_FAREWELL = 1.0  # seconds that what is on its way has when the session is closed

_log = logging.getLogger("recordroom.events")


class Published(NamedTuple):
    """What came of publishing: the event's id, the revision it has, and who waits for its replies."""

    id: str
    revision: int
    replies: Subscription | None


class Events:
    """The events of one session. `id` is what replies are sent to."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._process = os.getpid()
        self.id = show_id(new_id())
        self._lock = threading.RLock()
        self._subscribers: list[Subscription] = []
        self._listener: Listener | None = None
        self._pump = Pump(self)
        self._outbox = Outbox(self)
        self._actor: str | None = None
        self.wants_connection = False

    def __repr__(self) -> str:
        return f"<Events of {self._session!r}: {len(self._subscribers)} subscribers>"

    # --- subscribers -----------------------------------------------------------------------------

    def subscribe(  # noqa: PLR0913 - each is one thing that the user may say
        self,
        question: Any,
        callback: Callback,
        *,
        priority: int = 100,
        after: int | None = None,
        on_lost: Callable[[PastPruned], Any] | None = None,
        subscriber: Mapping[str, Any] | None = None,
        answers: bool = False,
        all_targets: bool = False,
    ) -> Subscription:
        """Call `callback(event)` for each event from now on, or after the revision `after`, once, in order.

        `question` is an expression such as `"topic=render.* and not actor=me"`, a lone topic such as `"render.*"` (`"*"` is
        everything), or a query (`"Task where status is done"`, a type, `Task.bid > 5`): it fits a commit that leaves an entity
        that it wants, or deletes one. Of several subscribers the one of lower `priority` is called first; `event.stop()` ends
        it there. Nothing is called until somebody listens or waits. `on_lost(error)` is called where events were pruned
        before they were heard, and what is left follows; without it the subscription ends.

        `subscriber` is what targets can name this subscriber by, with an `id` of its own or a new one; NotUnique where
        another of the session has that id. With `answers`, what the callback returns is sent as the reply, unless it is None.
        With `all_targets` it hears what is meant for others too: for whoever hands events on.
        Where the room is away and `connect` was called, the subscription begins when it is there again.
        """
        wire = _question(question)
        read_subscription(wire)
        subscription = Subscription(self, wire, callback, priority, subscriber)
        subscription.on_lost = on_lost
        subscription.answers = answers
        subscription.all_targets = all_targets
        self._check_id(subscription.id)
        position = self._position(wire)
        if after is not None:
            position = after
        subscription._seen = None if position is None else (position, WHOLE)
        self._add(subscription)
        return subscription

    def _position(self, wire: Question) -> int | None:
        """The room's revision; that which was seen last where it is away and will be there again."""
        self._check_process()
        request = FollowRequest(subscriptions=[wire], database=self._session.database)
        try:
            return self._session.transport.follow(request).position
        except Error as error:
            if error.status not in PASSING or not self.wants_connection:
                raise
            return self._pump.position

    def _add(self, subscription: Subscription) -> None:
        with self._lock:
            self._check_id(subscription.id)
            self._subscribers.append(subscription)
            self._subscribers.sort(key=lambda each: each.priority)
        self._pump.hurry()

    def _check_id(self, id: str) -> None:
        if any(each.id == id for each in self._subscribed()):
            raise NotUnique(
                f"There is a subscriber with the id {id!r} already.",
                type="subscriber", attributes=("id",), values=(id,), entity=None, existing=id,
            )  # fmt: skip

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; again does nothing."""
        subscription.active = False
        with self._lock:
            if subscription in self._subscribers:
                self._subscribers.remove(subscription)

    def find(self, id: str) -> Subscription | None:
        """The subscriber with an id; None if there is none."""
        return next((each for each in self._subscribed() if each.id == id), None)

    def _subscribed(self) -> list[Subscription]:
        with self._lock:
            return list(self._subscribers)

    # --- publish ---------------------------------------------------------------------------------

    def publish(self, topic: str, data: Any = None, *, target: str = "", on_reply: Callback | None = None) -> Published:
        """Publish an event now, with a commit of its own: kept, in order, and heard by whoever comes back later.

        `target` says for whom: an expression over the subscriber (`id=…`, `actor=ann`, or what its `subscriber` says), a lone id
        or actor; everybody without. It is an address and no lock. `on_reply(event)` is called for each reply, until
        `.replies.unsubscribe()`. `session.publish` records an event that goes out with the next commit instead.
        """
        return self._publish(self._event(topic, data, target), on_reply)

    def publish_soon(
        self,
        topic: str,
        data: Any = None,
        *,
        target: str = "",
        on_reply: Callback | None = None,
        on_error: Callable[[Error], Any] | None = None,
    ) -> Posted:
        """Publish an event without waiting for the room: in order, once, as soon as it can be reached.

        What the room refuses, or what is still on its way when the session is closed, is told to `on_error(error)`, or to the
        log. `.wait()` waits for its revision.
        """
        return self.post(self._event(topic, data, target), on_reply=on_reply, on_error=on_error)

    def post(
        self,
        event: Publish,
        *,
        on_reply: Callback | None = None,
        on_error: Callable[[Error], Any] | None = None,
    ) -> Posted:
        """As `publish_soon`, of an event that is made already, such as one of a dialect."""
        self._session._editor.allow()
        self._check_process()
        commit = Commit(id=new_id(), database=self._session.database, operations=[event])
        posted = Posted(commit, on_reply, on_error, event.topic)
        self._outbox.add(posted)
        return posted

    def publish_here(self, topic: str, data: Any = None, *, target: str = "") -> list[Any]:
        """Call this session's own subscribers that an event fits, now and in this thread; what they returned, by priority.

        Nothing is sent to the room or kept. One that raises is logged and returns nothing.
        """
        self._session._check_open()
        event = self._event(topic, data, target)
        wire = WireEvent(
            topic=topic, revision=0, place=1, commit=new_id(), database=self._session.database,
            time=time.time_ns() // 1000, data=data, target=event.target, source=self.id,
        )  # fmt: skip
        delivered, results = Delivered(), []
        for each in self._subscribed():
            if delivered.stopped:
                break
            if self._fits(each, wire):
                try:
                    results.append(each.callback(Event(self._session, wire, None, delivered)))
                except Exception:  # noqa: BLE001 - whatever it is, others go on
                    _log.exception("%r failed on %r", each, topic)
        return results

    def _fits(self, subscription: Subscription, wire: WireEvent) -> bool:
        tree = read_subscription(subscription.question)
        return not isinstance(tree, Query) and matches(tree, facts_of(wire)) and self._is_for(subscription, wire)

    def _is_for(self, subscription: Subscription, wire: WireEvent, *, judged: bool = False) -> bool:
        """Whether an event is meant for a subscriber; `judged`: the room said that it is meant for this hub."""
        if subscription.reply_to and subscription.reply_to != wire.reply_to:
            return False
        if judged or not wire.target or subscription.all_targets:
            return True
        return reaches(wire.target, {**subscription.facts(self.id), "actor": self._name()})

    def _name(self) -> str:
        """Who this session acts as, as targets name them."""
        if self._actor is None:
            self._actor = self._session.transport.actor
        return self._actor

    def reply(self, event: Event, data: Any = None) -> Published:
        """Answer an event that somebody published: only its publisher hears it."""
        if not event.source:
            raise InvalidValue(
                f"{event!r} cannot be answered; only what was published by `events.publish` can",
                type="Publish", attribute="reply_to", value=event.id, expected="an event with a source",
            )  # fmt: skip
        target = f'id="{event.source}"'
        return self._publish(Publish(topic=REPLY, data=data, target=target, source=self.id, reply_to=event.id), None)

    def _event(self, topic: Any, data: Any, target: str) -> Publish:
        if not isinstance(topic, str) or not topic or topic.startswith(RESERVED):
            expected = f"a topic that does not begin with {RESERVED!r}"
            raise InvalidValue(type="Publish", attribute="topic", value=topic, expected=expected)
        if target and not _LONE.fullmatch(target):
            parse_expression(target, ())
        event = Publish(topic=topic, data=data, target=target, source=self.id)
        try:
            msgspec.msgpack.encode(event)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            expected = f"texts, numbers, lists and mappings ({error})"
            raise InvalidValue(type="Publish", attribute="data", value=type(data), expected=expected) from error
        return event

    def _publish(self, event: Publish, on_reply: Callback | None) -> Published:
        session = self._session
        session._editor.allow()
        commit = Commit(id=new_id(), database=session.database, operations=[event])
        name = f"{show_id(commit.id)}.1"
        # Before it is published: an answer may come at once.
        replies = None if on_reply is None else self._await_replies(name, on_reply)
        try:
            result = session._committer.send(commit)
        except BaseException:
            if replies is not None:
                replies.unsubscribe()
            raise
        return Published(name, result.revision, replies)

    def _await_replies(self, name: str, on_reply: Callback) -> Subscription:
        # One question for the replies to all events, as the room answers few questions at a time.
        question = f"topic={REPLY}"
        subscription = Subscription(self, question, on_reply, 100, None)
        subscription.reply_to = name
        subscription._seen = (self._session.transport.follow(FollowRequest(subscriptions=[question])).position, WHOLE)
        self._add(subscription)
        return subscription

    # --- deliver ---------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether a listener runs and could reach the room when it asked last."""
        return self._pump.connected and self._listener is not None and self._listener.running

    def connect(self) -> Listener:
        """Listen in a thread of its own, as `listen`, and keep looking whether the room is there. Returns at once.

        The hooks "events-connected" and "events-disconnected" tell when that changes.
        """
        self.wants_connection = True
        return self.listen()

    def listen(self) -> Listener:
        """Deliver events in a thread of its own until `stop()`, the end of a `with` block or that of the session."""
        self._check_process()
        with self._lock:
            if self._listener is None or not self._listener.running:
                self._session._check_open()
                self._listener = Listener(self)
                self._listener.start()
            return self._listener

    def wait(self, duration: float | None = None) -> int:
        """Deliver events in this thread for `duration` seconds, for ever without; how many callbacks were called.

        With 0 what is there already is delivered. Interruptions of the connection are waited out.
        """
        self._check_process()
        if self._pump.is_mine:
            raise RuntimeError("events.wait() cannot be called by a callback: it is what called it")
        return self._run(threading.Event(), duration)

    def _run(self, stopped: threading.Event, duration: float | None) -> int:
        return self._pump.run(stopped, duration)

    def close(self) -> None:
        """End the listener and every subscription, once what is on its way has gone out or a second has passed."""
        self._outbox.close(_FAREWELL)
        with self._lock:
            listener, subscribers = self._listener, list(self._subscribers)
        for each in subscribers:
            self.unsubscribe(each)
        if listener is not None:
            listener.stop()

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise SessionClosed(
                "A session belongs to the process that made it; give others session.serialize(), for one of their own."
            )


def _question(question: Any) -> Question:
    """What travels for a question: text as it is, anything else as a tree."""
    if isinstance(question, str):
        return question
    return query_of(question)
