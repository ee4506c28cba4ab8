"""What ties a hub to a room: the native session's events, in and out, as scripts know them.

Published events come with the keys that they were sent with; `ftrack.update` is made here of the commits of the room.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from .....client.event import Event as NativeEvent
from .....client.hooks import Hook
from .....client.listening import Listener
from .....client.outbox import Posted
from .....client.session import Session
from .....client.subscription import Subscription
from .....errors import Error
from .....model.events import COMMIT
from .....model.events import Event as WireEvent
from .....model.ids import show_id
from .....query.request import Page, QueryRequest
from .....query.subscriptions import FollowRequest
from .....query.syntax import Compare, Parameter, Path, Query, Selected
from ...envelopes import delivered, published, read_sent
from ...lineage import answered
from ...updates import chunks, entities_of, is_told_of, update_event

__all__ = ["Link", "Make"]

_PART = 500  # entities in one event, roughly

# Gives events as mappings, when somebody comes to handle them.
Make = Callable[[], Sequence[dict[str, Any]]]
# Gets the revision, what makes the events, and the event itself where it is made already.
Take = Callable[[int, Make, dict[str, Any] | None], None]


class Link:
    """One connection of a hub. `take(revision, make, event)` is called, in another thread, for whatever the room tells of.

    `again()` is called when the room could not be reached for a while, and is there again.
    """

    def __init__(self, native: Session, take: Take, again: Callable[[], None]) -> None:
        self.native = native
        self.actor = ""
        self._take = take
        self._again = again
        self._away = False
        self._listener: Listener | None = None
        self._heard: list[Subscription] = []
        self._hooks: list[Hook] = []
        self._hearing = threading.Lock()

    def start(self, *, updates: bool) -> int:
        """Begin to hear what comes from now on; the revision of the room."""
        native = self.native
        self.actor = native.transport.actor
        self._hear(f"not topic={COMMIT}", self._publication)
        if updates:
            self.hear_updates()
        self._hooks = [
            native.hooks.subscribe("events-disconnected", self._lose),
            native.hooks.subscribe("events-connected", self._find),
        ]
        self._listener = native.events.connect()
        return self._heard[0].position

    def hear_updates(self) -> None:
        """Hear of commits too; again does nothing."""
        with self._hearing:
            if len(self._heard) < 2:
                self._hear(f"topic={COMMIT}", self._commit)

    def stop(self) -> None:
        """End it. What was posted still goes out."""
        for subscription in self._heard:
            subscription.unsubscribe()
        for hook in self._hooks:
            hook.unsubscribe()
        if self._listener is not None:
            self._listener.stop()

    @property
    def alive(self) -> bool:
        """Whether the room could be reached when it was asked last."""
        return not self._away and not self.ended

    @property
    def ended(self) -> bool:
        """Whether nothing will come any more: the session is closed, or the room refuses it."""
        return self.native.closed or self._listener is None or not self._listener.running

    def position(self) -> int:
        """The revision of the room; as far as it was heard where it cannot be reached."""
        try:
            return self.native.transport.follow(FollowRequest(database=self.native.database)).position
        except Error:
            return self._heard[0].position

    def post(self, event: dict[str, Any], on_error: Callable[[Error], Any]) -> Posted:
        """Send an event as soon as the room can be reached. InvalidValue, TypeError … for what is none."""
        plain = json.loads(json.dumps(event))
        return self.native.events.post(published(read_sent(plain), self.actor), on_error=on_error)

    # --- in --------------------------------------------------------------------------------------------------

    def _hear(self, question: str, callback: Callable[[NativeEvent], None]) -> None:
        self._heard.append(self.native.events.subscribe(question, callback, all_targets=True))

    def _publication(self, event: NativeEvent) -> None:
        found = delivered(event.wire)
        self._take(event.revision, lambda: [found], found)

    def _commit(self, event: NativeEvent) -> None:
        if event.database == self.native.database:
            self._take(event.revision, lambda: list(_updates(self.native, event.wire)), None)

    def _lose(self, _: object) -> None:
        self._away = True

    def _find(self, _: object) -> None:
        if self._away:
            self._away = False
            self._again()


def _updates(native: Session, event: WireEvent) -> Iterator[dict[str, Any]]:
    """The events `ftrack.update` of a commit; several of a large one."""

    def ask(request: QueryRequest) -> Page:
        return native.transport.query(replace(request, database=native.database))

    schema, user = native.schema, ""
    for part, changes in enumerate(chunks(event.changes, _PART)):
        told = [each for each in changes if is_told_of(schema, each)]
        if told:
            user = user or _user(ask, event.actor)
            entities = entities_of(replace(event, changes=told), schema, answered(ask, schema, told))
            if entities:
                yield update_event(event, entities, user or None, part)


def _user(ask: Callable[[QueryRequest], Page], name: str) -> str:
    """The id of a user; "" where there is none of that name, or none that may be seen."""
    where = Compare("is", Path(("name",)), Parameter("name"))
    query = Query(type="User", select=(Selected(Path(("id",)), "id"),), where=where)
    try:
        page = ask(QueryRequest(query=query, size=1, parameters={"name": name}))
    except Error:
        return ""
    return show_id(page.ids[0]) if page.ids else ""
