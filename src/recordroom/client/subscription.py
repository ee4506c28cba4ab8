"""Subscriptions of `session.events`: who hears of what, and how far each has come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from ..errors import InvalidValue, PastPruned
from ..model.ids import new_id, show_id
from ..query.subscriptions import Subscription as Question
from .event import Event
from .hooks import name_of, plugin_now

if TYPE_CHECKING:
    from .events import Events

__all__ = ["WHOLE", "Callback", "Subscription"]

Callback = Callable[[Event], Any]
_Mark = tuple[int, int]  # revision, place in it
WHOLE = sys.maxsize  # behind every place of a revision


class Subscription:
    """One subscriber. `unsubscribe()` ends it, and so does the end of a `with` block.

    `metadata` is what targets can name it by, its `id` among it; `plugin` is whose it is, or "".
    """

    def __init__(
        self, events: Events, question: Question, callback: Callback, priority: int, metadata: Mapping[str, Any] | None
    ) -> None:
        self._events = events
        self.question = question
        self.callback = callback
        self.priority = priority
        self.described = metadata is not None
        self.metadata = _checked(metadata)
        self.id: str = self.metadata["id"]
        self.plugin = plugin_now()
        self.answers = False
        self.all_targets = False
        self.reply_to = ""  # only replies to that event
        self.on_lost: Callable[[PastPruned], Any] | None = None
        self.active = True
        self._seen: _Mark | None = (0, WHOLE)  # None: the room could not say yet where it begins

    def __repr__(self) -> str:
        whose = f" of the plugin {self.plugin}" if self.plugin else ""
        return f"<Subscription of {name_of(self.callback)}{whose} to {self._shown()}>"

    def _shown(self) -> str:
        if isinstance(self.question, str):
            return repr(self.question)
        from ..query.grammar import render

        return repr(render(self.question))

    @property
    def position(self) -> int:
        """The revision up to which it has heard everything; `subscribe(…, after=position)` goes on from there."""
        if self._seen is None:
            return 0
        revision, place = self._seen
        return revision if place == WHOLE else revision - 1

    def facts(self, hub: str) -> dict[str, Any]:
        """What a target may say of it, as a subscriber of the hub with that id."""
        return {**self.metadata, "id": [self.id, hub]} if self.described else {"id": hub}

    def unsubscribe(self) -> None:
        """End it; again does nothing."""
        self._events.unsubscribe(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unsubscribe()


def _checked(metadata: Any) -> dict[str, Any]:
    if metadata is None:
        return {"id": show_id(new_id())}
    wrong = InvalidValue(
        type="Subscription", attribute="subscriber", value=type(metadata),
        expected="a mapping from texts to values of JSON, with a text as its id",
    )  # fmt: skip
    if not isinstance(metadata, Mapping) or not all(isinstance(name, str) for name in metadata):
        raise wrong
    found = {"id": show_id(new_id()), **metadata}
    try:
        msgspec.json.encode(found)
    except (TypeError, ValueError, RecursionError) as error:
        raise wrong from error
    if not isinstance(found["id"], str) or not found["id"]:
        raise wrong
    return found
