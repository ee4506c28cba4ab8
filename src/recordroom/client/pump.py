"""What brings events to the subscribers of a session: asks its room for what came after their positions, and calls them.

One request at a time, in whichever thread listens or waits. What cannot be reached is asked again, after pauses that
grow. A position is moved before a callback is called, so that none is called twice.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from ..errors import Error, PastPruned
from ..model.events import Event as WireEvent
from ..query.subscriptions import MOST_SUBSCRIPTIONS, Delivery, Followed, FollowRequest
from ..query.subscriptions import Subscription as Question
from .event import Delivered, Event
from .outbox import PASSING
from .subscription import WHOLE, Subscription

if TYPE_CHECKING:
    from .events import Events

__all__ = ["Pump"]

_SLICE = 0.5  # seconds between looks at whether to stop, where asking costs nothing
_HEARTBEAT = 20.0  # seconds between looks at whether the room is there, while nobody subscribes
_LONGEST_PAUSE = 5.0
_LONGEST_WAIT = 30.0

_log = logging.getLogger("recordroom.events")


class Pump:
    """Delivers the events of one hub. `connected` says whether the room could be reached when it was asked last."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._session = events._session
        self._changed = threading.Event()
        self._pumping = threading.Lock()
        self._pumper = 0
        self._pause = 0.0
        self._patience = _SLICE
        self._asked = 0.0
        self.connected = False
        self.position: int | None = None

    @property
    def is_mine(self) -> bool:
        """Whether this thread is delivering now."""
        return self._pumper == threading.get_ident()

    def hurry(self) -> None:
        """There is a new subscriber."""
        self._patience = _SLICE
        self._changed.set()

    def run(self, stopped: threading.Event, duration: float | None) -> int:
        """Deliver until it is stopped, or for so many seconds; how many callbacks were called."""
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
                    return self._pump(stopped, wait)
                finally:
                    self._pumper = 0
        except PastPruned as error:
            self._lose(error)
            return 0, True
        except Error as error:
            if error.status not in PASSING:
                raise
            self._rest(stopped, wait, error)
            return 0, False

    def _rest(self, stopped: threading.Event, most: float, error: Error) -> None:
        if not self._pause:
            _log.warning("events of %s: %s; trying again", self._session.transport.where, error)
        self._pause = min(self._pause * 2 or 0.05, _LONGEST_PAUSE)
        if self.connected:
            self.connected = False
            self._session.hooks.publish("events-disconnected", error=error)
        stopped.wait(min(self._pause * random.uniform(0.5, 1.0), most))

    def _follow(self, request: FollowRequest) -> Followed:
        followed = self._session.transport.follow(request)
        self._asked = time.monotonic()
        self.position = max(followed.position, self.position or 0)
        if self._pause:
            _log.info("%s is there again", self._session.transport.where)
            self._pause = 0.0
        if not self.connected:
            self.connected = True
            self._session.hooks.publish("events-connected")
        return followed

    # --- one request -----------------------------------------------------------------------------

    def _pump(self, stopped: threading.Event, wait: float) -> tuple[int, bool]:
        """One request, and the callbacks of what it brought: how many were called, and whether there is more."""
        self._changed.clear()
        subscribers = self._events._subscribed()
        if not subscribers:
            self._beat(wait)
            return 0, False
        self._begin([each for each in subscribers if each._seen is None])
        subscribers = [each for each in subscribers if each.active]
        questions = list(dict.fromkeys(each.question for each in subscribers))
        request = FollowRequest(
            after=min((each.position for each in subscribers), default=None),
            subscriptions=questions,
            database=self._session.database,
            wait=wait,
            subscriber={"id": self._events.id},
        )
        followed = self._follow(self._described(request, subscribers))
        self._patience = _SLICE if followed.deliveries else min(self._patience * 2, _LONGEST_WAIT)
        called = 0
        places = {question: place for place, question in enumerate(questions)}
        for delivery in followed.deliveries:
            called += self._deliver(delivery, subscribers, places, stopped)
        if not stopped.is_set():
            for each in subscribers:
                each._seen = max(each._seen or (0, 0), (followed.position, WHOLE))
        return called, followed.more

    def _beat(self, wait: float) -> None:
        """Nobody subscribes: look now and then whether the room is there, where somebody wants to know."""
        self._session._check_open()
        is_late = time.monotonic() - self._asked > _HEARTBEAT
        if self._events.wants_connection and (not self.connected or is_late):
            self._follow(FollowRequest(database=self._session.database))
        self._changed.wait(min(wait, _SLICE))

    def _begin(self, pending: Sequence[Subscription]) -> None:
        """Subscriptions that were made while the room was away begin now; one that the room refuses ends."""
        for each in pending:
            try:
                followed = self._follow(FollowRequest(subscriptions=[each.question], database=self._session.database))
            except Error as error:
                if error.status in PASSING:
                    raise
                _log.error("%r ended: %s", each, error)
                each.unsubscribe()
            else:
                each._seen = (followed.position, WHOLE)

    def _described(self, request: FollowRequest, subscribers: Sequence[Subscription]) -> FollowRequest:
        """The request, with who listens here as far as targets may name them one by one."""
        described = [each.facts(self._events.id) for each in subscribers if each.described]
        if any(each.all_targets for each in subscribers):
            return msgspec.structs.replace(request, all_targets=True)
        if not described:
            return request
        if len(described) >= MOST_SUBSCRIPTIONS:
            return msgspec.structs.replace(request, all_targets=True)
        return msgspec.structs.replace(request, subscribers=[{"id": self._events.id}, *described])

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
        # Where nobody is told apart, the room has judged whom it is meant for.
        judged = not any(each.described or each.all_targets for each in subscribers)
        delivered = Delivered()
        called = 0
        for each in subscribers:
            place = places[each.question]
            if place not in fits or mark <= (each._seen or mark) or not each.active or stopped.is_set():
                continue
            each._seen = mark
            if delivered.stopped or not self._events._is_for(each, wire, judged=judged):
                continue
            self._call(each, Event(self._session, wire, fits[place] or None, delivered), wire)
            called += 1
        return called

    def _call(self, subscription: Subscription, event: Event, wire: WireEvent) -> None:
        try:
            answer = subscription.callback(event)
            if subscription.answers and answer is not None and wire.source:
                self._events.reply(event, answer)
        except Exception:  # noqa: BLE001 - whatever it is, others go on
            _log.exception("%r failed on %r", subscription, event)

    def _lose(self, error: PastPruned) -> None:
        """Subscribers whose next events were pruned hear of it and go on with what is left, or end."""
        oldest = int(error.facts.get("oldest", 0))
        lost = [each for each in self._events._subscribed() if each.position < oldest - 1]
        if not lost:
            raise error
        for each in lost:
            each._seen = (oldest - 1, WHOLE)
            if each.on_lost is None:
                _log.error("%r ended: events that it had not heard were pruned. %s", each, error)
                each.unsubscribe()
                continue
            try:
                each.on_lost(error)
            except Exception:  # noqa: BLE001 - whatever it is, others go on
                _log.exception("%r failed on what was lost", each)
