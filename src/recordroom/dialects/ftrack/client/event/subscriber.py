"""`Subscriber`: who is called for which events. `Subscribers`: all of one hub, by priority."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ...envelopes import Target
from ...event_rules import may_fit_topic, parsed
from ..exception import NotFoundError, NotUniqueError
from .subscription import Subscription

__all__ = ["Subscriber", "Subscribers"]


class Subscriber:
    """A callback with its subscription, its metadata (an `id` among it), and its priority: lower ones come first."""

    def __init__(
        self, subscription: str, callback: Callable[[Any], Any], metadata: dict[str, Any], priority: int
    ) -> None:
        self.subscription = Subscription(subscription)
        self.callback = callback
        self.metadata = metadata
        self.priority = priority
        self.since = 0  # the revision of the room after which it hears

    def __str__(self) -> str:
        return f'<{type(self).__name__} metadata={self.metadata} subscription="{self.subscription}">'

    def interested_in(self, event: Any) -> bool:
        """Whether it wants an event."""
        return self.subscription.includes(event)

    def may_want(self, topic: str) -> bool:
        """Whether it may want an event of that topic."""
        return may_fit_topic(parsed(str(self.subscription).strip()), topic)


class Subscribers:
    """The subscribers of one hub. Going over them is safe while others come and go."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[Subscriber] = []

    def __iter__(self) -> Iterator[Subscriber]:
        return iter(self._found)

    def add(
        self, subscription: str, callback: Callable[[Any], Any], metadata: dict[str, Any] | None, priority: int
    ) -> Subscriber:
        """A new one; NotUniqueError where there is one with its id."""
        metadata = {} if metadata is None else metadata
        metadata.setdefault("id", uuid.uuid4().hex)
        made = Subscriber(subscription, callback, metadata, priority)
        with self._lock:
            if self.find(metadata["id"]) is not None:
                raise NotUniqueError(f"There is a subscriber with the identifier {metadata['id']} already.")
            self._found = sorted([*self._found, made], key=lambda each: each.priority)
        return made

    def remove(self, identifier: str) -> None:
        """End the one with an id; NotFoundError where there is none."""
        with self._lock:
            found = self.find(identifier)
            if found is None:
                raise NotFoundError(f"There is no subscriber with the identifier {identifier}.")
            self._found = [each for each in self._found if each is not found]

    def clear(self) -> None:
        """End all."""
        with self._lock:
            self._found = []

    def find(self, identifier: str) -> Subscriber | None:
        """The one with an id; None if there is none."""
        return next((each for each in self._found if each.metadata.get("id") == identifier), None)

    def wanting(self, event: Mapping[str, Any], actor: str, revision: int) -> Iterable[Subscriber]:
        """Those that an event is for. `revision` is that of the room in which it came, -1 where it never was there."""
        target = Target(event["target"] or "")
        return [
            each
            for each in self._found
            if not 0 <= revision <= each.since and target.reaches(each.metadata, actor) and each.interested_in(event)
        ]

    def may_want(self, topic: str) -> bool:
        """Whether one of them may want an event of that topic."""
        return any(each.may_want(topic) for each in self._found)
