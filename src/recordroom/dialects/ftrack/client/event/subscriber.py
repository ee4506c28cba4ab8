"""`Subscriber`: who is called for which events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .subscription import Subscription

__all__ = ["Subscriber"]


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
