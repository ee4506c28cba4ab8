"""`session.events`: hear of commits and of what others publish, in order, each once, and publish.

A hub asks its room for what came after the positions of its subscribers; so nothing is lost when the connection, the
server or the listener was away for a while. Callbacks run in the thread that listens or waits, one at a time. A callback
that raises is logged, and others go on. A position is moved before a callback is called: none is called twice.
"""

from __future__ import annotations

import logging
import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ..errors import Error, InvalidValue, PastPruned, SessionClosed
from ..model.event_expressions import parse_expression
from ..model.events import REPLY, RESERVED
from ..model.ids import new_id, show_id
from ..model.operations import Commit, Publish
from ..query.subscriptions import Delivery, FollowRequest, read_subscription
from ..query.subscriptions import Subscription as Question
from .event import Event

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Callback", "Events", "Listener", "Published", "Subscription"]

Callback = Callable[[Event], Any]
_Mark = tuple[int, int]  # revision, place in it
_WHOLE = sys.maxsize  # behind every place of a revision
_SLICE = 0.5  # seconds between looks at whether to stop, where asking costs nothing
_LONGEST_PAUSE = 5.0
_LONGEST_WAIT = 30.0
_PASSING = (429, 502, 503, 504)  # statuses of errors that another try may not meet

_log = logging.getLogger("recordroom.events")


class Published(NamedTuple):
    """What came of publishing: the event's id, the revision it has, and who waits for its replies."""

    id: str
    revision: int
    replies: Subscription | None


class Subscription:
    """One subscriber. `unsubscribe()` ends it, and so does the end of a `with` block."""

    def __init__(self, events: Events, question: Question, callback: Callback, priority: int) -> None:
        self._events = events
        self.question = question
        self.callback = callback
        self.priority = priority
        self.on_lost: Callable[[PastPruned], Any] | None = None
        self.active = True
        self._seen: _Mark = (0, _WHOLE)

    def __repr__(self) -> str:
        name = getattr(self.callback, "__qualname__", repr(self.callback))
        return f"<Subscription of {name} to {self._shown()}>"

    def _shown(self) -> str:
        if isinstance(self.question, str):
            return repr(self.question)
        from ..query.grammar import render

        return repr(render(self.question))

    @property
    def position(self) -> int:
        """The revision up to which it has heard everything; `subscribe(…, after=position)` goes on from there."""
        revision, place = self._seen
        return revision if place == _WHOLE else revision - 1

    def unsubscribe(self) -> None:
        """End it; again does nothing."""
        self._events.unsubscribe(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unsubscribe()


class Listener:
    """A thread that delivers events. `stop()` ends it, and so does the end of a `with` block.

    `error` is what ended it where nobody asked it to: the log-in was revoked, for example.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._stopped = threading.Event()
        self.error: Error | None = None
        self._thread = threading.Thread(target=self._run, name="recordroom-events", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it still delivers."""
        return self._thread.is_alive() and not self._stopped.is_set()

    def stop(self, timeout: float = 1.0) -> None:
        """End it. No callback starts after this; one that runs is waited for, up to `timeout` seconds."""
        self._stopped.set()
        if threading.current_thread() is not self._thread and self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            self._events._run(self._stopped, None)
        except SessionClosed:
            pass
        except Error as error:
            self.error = error
            _log.error("listening ended: %s", error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Events:
    """The events of one session. `id` is what replies are sent to."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.id = show_id(new_id())
        self._lock = threading.RLock()
        self._subscribers: list[Subscription] = []
        self._changed = threading.Event()
        self._pumping = threading.Lock()
        self._pumper = 0
        self._listener: Listener | None = None
        self._pause = 0.0
        self._patience = _SLICE

    def __repr__(self) -> str:
        return f"<Events of {self._session!r}: {len(self._subscribers)} subscribers>"

    # --- subscribers -----------------------------------------------------------------------------

    def subscribe(
        self,
        question: Any,
        callback: Callback,
        *,
        priority: int = 100,
        after: int | None = None,
        on_lost: Callable[[PastPruned], Any] | None = None,
    ) -> Subscription:
        """Call `callback(event)` for each event from now on, or after the revision `after`, once, in order.

        `question` is an expression such as `"topic=render.* and not actor=me"`, a lone topic such as `"render.*"` (`"*"` is
        everything), or a query (`"Task where status is done"`, a type, `Task.bid > 5`): it fits a commit that leaves an entity
        that it wants, or deletes one. Of several subscribers the one of lower `priority` is called first. Nothing is
        called until somebody listens or waits. `on_lost(error)` is called where events were pruned before they
        were heard, and what is left follows; without it the subscription ends.
        """
        wire = _question(question)
        read_subscription(wire)
        request = FollowRequest(subscriptions=[wire], database=self._session.database)
        position = self._session.transport.follow(request).position
        subscription = Subscription(self, wire, callback, priority)
        subscription.on_lost = on_lost
        subscription._seen = (position if after is None else after, _WHOLE)
        with self._lock:
            self._subscribers.append(subscription)
            self._subscribers.sort(key=lambda each: each.priority)
        self._patience = _SLICE
        self._changed.set()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; again does nothing."""
        subscription.active = False
        with self._lock:
            if subscription in self._subscribers:
                self._subscribers.remove(subscription)

    # --- publish ---------------------------------------------------------------------------------

    def publish(self, topic: str, data: Any = None, *, target: str = "", on_reply: Callback | None = None) -> Published:
        """Publish an event now, with a commit of its own: kept, in order, and heard by whoever comes back later.

        `target` says for whom: an expression over the subscriber (`id=…`, `actor=ann`), a lone id or actor; everybody
        without. It is an address and no lock. `on_reply(event)` is called for each reply, until `.replies.unsubscribe()`.
        `session.publish` records an event that goes out with the next commit instead.
        """
        if topic.startswith(RESERVED):
            expected = f"a topic that does not begin with {RESERVED!r}"
            raise InvalidValue(type="Publish", attribute="topic", value=topic, expected=expected)
        if target and not target.isidentifier():
            parse_expression(target, ())
        return self._publish(Publish(topic=topic, data=data, target=target, source=self.id), on_reply)

    def reply(self, event: Event, data: Any = None) -> Published:
        """Answer an event that somebody published: only its publisher hears it."""
        if not event.source:
            raise InvalidValue(
                f"{event!r} cannot be answered; only what was published by `events.publish` can",
                type="Publish", attribute="reply_to", value=event.id, expected="an event with a source",
            )  # fmt: skip
        target = f'id="{event.source}"'
        return self._publish(Publish(topic=REPLY, data=data, target=target, source=self.id, reply_to=event.id), None)

    def _publish(self, event: Publish, on_reply: Callback | None) -> Published:
        session = self._session
        session._editor.allow()
        commit = Commit(id=new_id(), database=session.database, operations=[event])
        name = f"{show_id(commit.id)}.1"
        replies = None
        if on_reply is not None:
            # Before it is published: an answer may come at once.
            replies = self.subscribe(f'topic={REPLY} and reply_to="{name}"', on_reply)
        try:
            result = session._committer.send(commit)
        except BaseException:
            if replies is not None:
                replies.unsubscribe()
            raise
        return Published(name, result.revision, replies)

    # --- deliver ---------------------------------------------------------------------------------

    def listen(self) -> Listener:
        """Deliver events in a thread of its own until `stop()`, the end of a `with` block or that of the session."""
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
        if self._pumper == threading.get_ident():
            raise RuntimeError("events.wait() cannot be called by a callback: it is what called it")
        return self._run(threading.Event(), duration)

    def close(self) -> None:
        """End the listener and every subscription."""
        with self._lock:
            listener, subscribers = self._listener, list(self._subscribers)
        for each in subscribers:
            self.unsubscribe(each)
        if listener is not None:
            listener.stop()

    def _run(self, stopped: threading.Event, duration: float | None) -> int:
        end = None if duration is None else time.monotonic() + duration
        called = 0
        while not stopped.is_set():
            left = self._slice() if end is None else min(max(end - time.monotonic(), 0.0), self._slice())
            count, more = self._step(stopped, left)
            called += count
            if end is not None and not more and time.monotonic() >= end:
                break
        return called

    def _slice(self) -> float:
        """How long one request may wait.

        A transport to which asking costs something says how long; one that has just begun to wait waits less, as a new
        subscriber is heard with the next request.
        """
        longest: float = getattr(self._session.transport, "longest_wait", _SLICE)
        return min(self._patience, longest)

    def _step(self, stopped: threading.Event, wait: float) -> tuple[int, bool]:
        """Ask once and deliver; what cannot be reached is asked again, after a pause that grows."""
        try:
            with self._pumping:
                self._pumper = threading.get_ident()
                try:
                    found = self._pump(stopped, wait)
                finally:
                    self._pumper = 0
        except PastPruned as error:
            self._lose(error)
            return 0, True
        except Error as error:
            if error.status not in _PASSING:
                raise
            self._rest(stopped, wait, error)
            return 0, False
        if self._pause:
            _log.info("%s is there again", self._session.transport.where)
            self._pause = 0.0
        return found

    def _rest(self, stopped: threading.Event, most: float, error: Error) -> None:
        if not self._pause:
            _log.warning("events of %s: %s; trying again", self._session.transport.where, error)
        self._pause = min(self._pause * 2 or 0.05, _LONGEST_PAUSE)
        stopped.wait(min(self._pause * random.uniform(0.5, 1.0), most))

    def _pump(self, stopped: threading.Event, wait: float) -> tuple[int, bool]:
        """One request, and the callbacks of what it brought: how many were called, and whether there is more."""
        self._changed.clear()
        with self._lock:
            subscribers = list(self._subscribers)
        if not subscribers:
            self._session._check_open()
            self._changed.wait(min(wait, _SLICE))
            return 0, False
        questions = list(dict.fromkeys(each.question for each in subscribers))
        request = FollowRequest(
            after=min(each.position for each in subscribers),
            subscriptions=questions,
            database=self._session.database,
            wait=wait,
            subscriber={"id": self.id},
        )
        followed = self._session.transport.follow(request)
        self._patience = _SLICE if followed.deliveries else min(self._patience * 2, _LONGEST_WAIT)
        called = 0
        places = {question: place for place, question in enumerate(questions)}
        for delivery in followed.deliveries:
            called += self._deliver(delivery, subscribers, places, stopped)
        if not stopped.is_set():
            for each in subscribers:
                each._seen = max(each._seen, (followed.position, _WHOLE))
        return called, followed.more

    def _deliver(
        self,
        delivery: Delivery,
        subscribers: Sequence[Subscription],
        places: dict[Question, int],
        stopped: threading.Event,
    ) -> int:
        wire = delivery.event
        fits = {match.subscription: match.entities for match in delivery.matches}
        mark = (wire.revision, wire.place)
        called = 0
        for each in subscribers:
            place = places[each.question]
            if place not in fits or mark <= each._seen or not each.active or stopped.is_set():
                continue
            each._seen = mark
            self._call(each, Event(self._session, wire, fits[place] or None))
            called += 1
        return called

    def _call(self, subscription: Subscription, event: Event) -> None:
        try:
            subscription.callback(event)
        except Exception:  # noqa: BLE001 - whatever it is, others go on
            _log.exception("%r failed on %r", subscription, event)

    def _lose(self, error: PastPruned) -> None:
        """Subscribers whose next events were pruned hear of it and go on with what is left, or end."""
        oldest = int(error.facts.get("oldest", 0))
        with self._lock:
            lost = [each for each in self._subscribers if each.position < oldest - 1]
        if not lost:
            raise error
        for each in lost:
            each._seen = (oldest - 1, _WHOLE)
            if each.on_lost is None:
                _log.error("%r ended: events that it had not heard were pruned. %s", each, error)
                self.unsubscribe(each)
                continue
            try:
                each.on_lost(error)
            except Exception:  # noqa: BLE001 - whatever it is, others go on
                _log.exception("%r failed on what was lost", each)


def _question(question: Any) -> Question:
    """What travels for a question: text as it is, anything else as a tree."""
    if isinstance(question, str):
        return question
    from .session import _query_of

    return _query_of(question)
