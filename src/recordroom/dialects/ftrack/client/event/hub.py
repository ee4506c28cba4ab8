"""`EventHub`: publish and subscribe, within a session and through the room to every other session.

Callbacks run in `wait()`, or at once where somebody publishes with `synchronous=True`; lower priority first. What one raises
is logged. Subscribers may come before there is a connection. The room's journal carries the events: those of this
client, of the unmodified one and of native sessions are the same, and `ftrack.update` tells of every commit.
"""

from __future__ import annotations

import contextlib
import logging
import platform
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from .....client.session import Session as NativeSession
from .....connection import connect
from .....errors import Error
from ...envelopes import REPLIED
from ...updates import TOPIC as UPDATED
from ..exception import EventHubConnectionError
from .base import Event
from .link import Link, Make
from .server import Server, ServerDetails
from .subscriber import Subscriber, Subscribers

__all__ = ["EventHub", "ServerDetails"]

Callback = Callable[[Event], Any]
_MOST_ANSWERED = 10_000  # events of which replies are waited for
_TICK = 0.1  # seconds between looks at whether waiting is over
_CONNECTED, _DISCONNECTED = "ftrack.meta.connected", "ftrack.meta.disconnected"


class EventHub(Server):
    """The events of one session. `session` is whose; without, it has a native session of its own while it is connected."""

    def __init__(  # noqa: PLR0913 - as scripts make one
        self,
        server_url: str,
        api_user: str,
        api_key: str,
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        session: Any = None,
    ) -> None:
        self.logger = logging.getLogger(f"{__name__}.{type(self).__name__}")
        self.id = uuid.uuid4().hex
        super().__init__(server_url)
        self._api_user = api_user
        self._api_key = api_key
        self._headers = _mapping(headers)
        self._cookies = _mapping(cookies)
        self._session = session
        self._own: NativeSession | None = None
        self._lock = threading.RLock()
        self._subscribers = Subscribers()
        self._reply_callbacks: dict[str, Callback] = {}
        self._answered: dict[str, str] = {}  # the room's id of an event that replies are wanted for: its id
        self._event_queue: queue.Queue[tuple[int, Make]] = queue.Queue()
        self._event_send_queue: list[tuple[Event, Callback | None]] = []
        self._connection_initialised = False
        self._link: Link | None = None
        self._connecting: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} of {self.get_server_url()}>"

    # --- connection ------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether events come and go."""
        link = self._link
        return link is not None and link.alive

    def init_connection(self) -> None:
        """Say that there will be a connection: what is published until then waits for it."""
        self._connection_initialised = True

    def connect(self) -> None:
        """Hear what comes from now on, and send what waits. EventHubConnectionError where that cannot be."""
        self.init_connection()
        with self._lock:
            if self.connected:
                raise EventHubConnectionError("Already connected.")
            if self._link is not None:
                self._link.stop()
            self._expect_replies()
            self._begin()
            self._announce(_CONNECTED)
            waiting, self._event_send_queue = self._event_send_queue, []
        for event, on_reply in waiting:
            self._send(event, on_reply)

    def connect_soon(self) -> None:
        """Connect in the background: what is published meanwhile waits. What goes wrong is logged."""
        self.init_connection()
        self._connecting = threading.Thread(target=self._try_to_connect, name="recordroom-ftrack-hub", daemon=True)
        self._connecting.start()

    def _try_to_connect(self) -> None:
        try:
            self.connect()
        except EventHubConnectionError as error:
            self.logger.error("the event hub is not connected: %s", error)

    def _begin(self) -> None:
        link = Link(self._native(), self._take, lambda: self._announce(_CONNECTED))
        try:
            position = link.start(updates=self._subscribers.may_want(UPDATED))
        except Error as error:
            link.stop()
            self._close_own()
            raise EventHubConnectionError(
                "Cannot connect to the events of {server_url}: {error}",
                {"error": str(error), "server_url": self.get_server_url()},
            ) from error
        for each in self._subscribers:
            each.since = position
        self._link = link
        if self._subscribers.may_want(UPDATED):
            # Whoever subscribed while it began found no link yet.
            link.hear_updates()

    def disconnect(self, unsubscribe: bool = True, reconnect: bool = False) -> None:
        """Hear nothing more. `unsubscribe`: forget all subscribers. `reconnect`: what is published waits.

        EventHubConnectionError where it is not connected.
        """
        with self._lock:
            if not self.connected:
                raise EventHubConnectionError("Not connected.")
            self._connection_initialised = reconnect
            self._end()
            if unsubscribe:
                self._subscribers.clear()

    def reconnect(self, attempts: int = 10, delay: float = 5) -> None:
        """Connect anew, subscribers and all; EventHubConnectionError after so many attempts, `delay` seconds apart."""
        with contextlib.suppress(EventHubConnectionError):
            self.disconnect(unsubscribe=False, reconnect=True)
        for _ in range(attempts):
            try:
                self.connect()
            except EventHubConnectionError:
                time.sleep(delay)
            else:
                return
        raise EventHubConnectionError(f"Cannot reach {self.get_server_url()} after {attempts} attempts.")

    def close(self) -> None:
        """Disconnect, if it is connected."""
        if self._connecting is not None:
            self._connecting.join()
        with self._lock:
            self._connection_initialised = False
            self._end()

    def _end(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.stop()
        self._close_own()

    def _native(self) -> NativeSession:
        if self._session is not None:
            native: NativeSession = self._session.native
            return native
        try:
            self._own = connect(
                self._server_url, api_key=self._api_key, headers=self._headers, cookies=self._cookies, plugins=False
            )
        except Error as error:
            raise EventHubConnectionError(str(error)) from error
        return self._own

    def _close_own(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            own.close()

    # --- subscribers -----------------------------------------------------------------------------------------

    def subscribe(
        self,
        subscription: str,
        callback: Callback,
        subscriber: dict[str, Any] | None = None,
        priority: int = 100,
    ) -> str:
        """Call `callback(event)` for what fits an expression; the id of the subscriber.

        `subscriber` is what targets may say of it, its `id` among it; NotUniqueError where there is one with that id.
        """
        made = self._subscribers.add(subscription, callback, subscriber, priority)
        link = self._link
        if link is not None:
            if made.may_want(UPDATED):
                link.hear_updates()
            made.since = link.position()
        return str(made.metadata["id"])

    def unsubscribe(self, subscriber_identifier: str) -> None:
        """End a subscriber; NotFoundError where there is none of that id."""
        self._subscribers.remove(subscriber_identifier)

    def get_subscriber_by_identifier(self, identifier: str) -> Subscriber | None:
        """The subscriber with an id; None if there is none."""
        return self._subscribers.find(identifier)

    @contextlib.contextmanager
    def subscription(
        self,
        subscription: str,
        callback: Callback,
        subscriber: dict[str, Any] | None = None,
        priority: int = 100,
    ) -> Iterator[None]:
        """Subscribed within a `with` block."""
        identifier = self.subscribe(subscription, callback, subscriber=subscriber, priority=priority)
        try:
            yield
        finally:
            self.unsubscribe(identifier)

    def has_subscribers(self, topic: str) -> bool:
        """Whether somebody here may want an event of that topic."""
        return self._subscribers.may_want(topic)

    def _expect_replies(self) -> None:
        if self.get_subscriber_by_identifier(self.id) is None:
            self._subscribers.add(f"topic={REPLIED}", self._handle_reply, {"id": self.id}, 100)

    # --- publish ---------------------------------------------------------------------------------------------

    def publish(
        self,
        event: Event,
        synchronous: bool = False,
        on_reply: Callback | None = None,
        on_error: Literal["raise", "ignore"] | str = "raise",
    ) -> Any:
        """Send an event to everybody who wants it; with `synchronous`, call the subscribers of this hub only, now.

        Returns what they returned where it is synchronous. `on_reply(event)` is called for each reply. Sending goes on in the
        background; what the room refuses is logged. EventHubConnectionError where there is no connection and none was
        announced, unless `on_error` is "ignore".
        """
        try:
            return self._publish(event, synchronous, on_reply)
        except Exception:
            if on_error == "ignore":
                return None
            raise

    def publish_reply(self, source_event: Event, data: Any, source: dict[str, Any] | None = None) -> None:
        """Answer an event: its publisher alone hears it."""
        target = f"id={source_event['source']['id']}"
        reply = Event(REPLIED, data=data, target=target, in_reply_to_event=source_event["id"])
        if source is not None:
            reply["source"] = dict(source)
        self.publish(reply)

    def _publish(self, event: Event, synchronous: bool, on_reply: Callback | None) -> Any:
        self._sign(event)
        if synchronous:
            return self._handle(event, synchronous=True)
        with self._lock:
            if self._link is None or self._link.ended:
                if not self._connection_initialised:
                    raise EventHubConnectionError("An event can be sent once the hub is connected.")
                self._event_send_queue.append((event, on_reply))
                return True
        self._send(event, on_reply)
        return None

    def _sign(self, event: Event) -> None:
        """Say who it is from."""
        known = {"id": self.id, "user": {"username": self._api_user}, "host": platform.node()}
        event["source"] = {**known, **event["source"]}

    def _send(self, event: Event, on_reply: Callback | None) -> None:
        link = self._link
        if link is None:
            return
        if on_reply is not None:
            self._reply_callbacks[event["id"]] = on_reply
            _bound(self._reply_callbacks)
        sent = {"inReplyToEvent" if name == "in_reply_to_event" else name: value for name, value in event.items()}
        try:
            posted = link.post(
                sent,
                lambda error: self.logger.error("%s of %s was not published: %s", event["id"], event["topic"], error),
            )
        except Exception:
            self.logger.exception("%s cannot be published", event)
        else:
            if on_reply is not None:
                self._answered[posted.id] = event["id"]
                _bound(self._answered)

    # --- handle ----------------------------------------------------------------------------------------------

    def wait(self, duration: float | None = None) -> None:
        """Handle events as they come, for so many seconds; for ever without.

        EventHubConnectionError where there is no connection and none was announced. It ends when nothing can come any more.
        """
        if not self._connection_initialised:
            raise EventHubConnectionError("The hub is not connected: no events will come. See EventHub.connect().")
        end = None if duration is None else time.monotonic() + duration
        while True:
            try:
                revision, make = self._event_queue.get(timeout=_TICK)
            except queue.Empty:
                if self._link is not None and self._link.ended:
                    self._handle(Event(_DISCONNECTED, source={"id": self.id}))
                    return
            else:
                self._made(revision, make)
            if end is not None and time.monotonic() >= end:
                return

    def _made(self, revision: int, make: Make) -> None:
        try:
            found = make()
        except Exception:
            self.logger.exception("the event of revision %d cannot be told", revision)
            return
        for each in found:
            reply_to = each.pop("inReplyToEvent")
            known = self._answered.get(reply_to, reply_to)
            self._handle(Event(**each, in_reply_to_event=known), revision=revision)

    def _take(self, revision: int, make: Make, event: dict[str, Any] | None) -> None:
        """Keep what somebody wants until they wait. Without `event`, it is an update that is not made yet."""
        if event is None:
            wanted = self._subscribers.may_want(UPDATED)
        else:
            wanted = bool(self._subscribers.wanting(event, self._actor, revision))
        if wanted:
            self._event_queue.put((revision, make))

    def _announce(self, topic: str) -> None:
        event = Event(topic)
        self._sign(event)
        # Whoever subscribes, before or after, hears of it.
        self._event_queue.put((-1, lambda: [_sent(event)]))

    def _handle(self, event: Event, synchronous: bool = False, revision: int = -1) -> list[Any]:
        """Call the subscribers of this hub that an event is for; what those returned that did not raise."""
        results: list[Any] = []
        for each in self._subscribers.wanting(event, self._actor, revision):
            self._call(each, event, results, synchronous)
            if event.is_stopped():
                self.logger.debug("%s stopped %s", each, event)
                break
        return results

    @property
    def _actor(self) -> str:
        """Who this session acts as, as targets may name them."""
        return self._link.actor if self._link is not None else self._api_user

    def _call(self, subscriber: Subscriber, event: Event, results: list[Any], synchronous: bool) -> None:
        try:
            response = subscriber.callback(event)
        except Exception:
            self.logger.exception("%s failed on %s", subscriber, event)
            return
        results.append(response)
        if response is None or synchronous or subscriber.metadata.get("id") == self.id:
            return
        try:
            self.publish_reply(event, response, source=subscriber.metadata)
        except Exception:
            self.logger.exception("the reply of %s to %s cannot be published", subscriber, event)

    def _handle_reply(self, event: Event) -> None:
        callback = self._reply_callbacks.get(event["in_reply_to_event"])
        if callback is not None:
            callback(event)


def _sent(event: Event) -> dict[str, Any]:
    """An event with the names that it travels under."""
    return {"inReplyToEvent" if name == "in_reply_to_event" else name: value for name, value in event.items()}


def _bound(kept: dict[str, Any]) -> None:
    """Forget the oldest, so that a session which publishes for months does not grow."""
    while len(kept) > _MOST_ANSWERED:
        del kept[next(iter(kept))]


def _mapping(given: Any) -> dict[str, str]:
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(f"A mapping is expected, not {given!r}.")
    return dict(given or {})
