"""`session.hooks`: moments of one session at which plugins and scripts may join in, in the thread that gets there.

A hook is published to its subscribers at once, lower priority first, and what they return is collected. Nothing of it
leaves the session; `session.events` is about what others do. A subscriber that raises is reported by name, in the log
and as a PluginWarning, and the others go on; `SessionRefused` is for one that means to stop the session.
"""

from __future__ import annotations

import difflib
import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..errors import InvalidValue, NotUnique, SessionRefused
from ..model.ids import new_id, show_id

if TYPE_CHECKING:
    from .session import Session

__all__ = ["HOOKS", "Hook", "HookEvent", "Hooks", "PluginWarning", "registering", "report"]

# What a session publishes, and the data that comes with it.
HOOKS = {
    "construct-type": "type, definition: the class of an entity type is made; return a class whose methods it shall have",
    "configure-location": "locations may be given what reaches them",
    "ready": "the session is connected and its plugins are registered",
    "reset": "the session has forgotten its entities",
    "file-type": "path: return the file type of a file, such as '.tar.gz'",
    "events-connected": "the room's events can be reached (again)",
    "events-disconnected": "error: the room's events cannot be reached for now",
}

_log = logging.getLogger("recordroom.hooks")
# The name of the plugin whose `register` runs.
_plugin: ContextVar[str] = ContextVar("recordroom_plugin", default="")


class PluginWarning(UserWarning):
    """A plugin or a subscriber did not do what it should; the session goes on without it."""


class HookEvent:
    """A hook that is published: its `topic`, `session` and `data`. `stop()` keeps it from the subscribers that follow."""

    def __init__(self, topic: str, session: Session, data: dict[str, Any]) -> None:
        self.topic = topic
        self.session = session
        self.data = data
        self.stopped = False

    def __repr__(self) -> str:
        return f"<HookEvent {self.topic} {', '.join(self.data)}>"

    def stop(self) -> None:
        """Let no further subscriber have it."""
        self.stopped = True


class Hook:
    """One subscriber. `unsubscribe()` ends it, and so does the end of a `with` block. `plugin` is whose it is, or ""."""

    def __init__(self, hooks: Hooks, topic: str, callback: Callable[[HookEvent], Any], priority: int, id: str) -> None:
        self._hooks = hooks
        self.topic = topic
        self.callback = callback
        self.priority = priority
        self.id = id
        self.plugin = _plugin.get()

    def __repr__(self) -> str:
        whose = f" of the plugin {self.plugin}" if self.plugin else ""
        return f"<Hook {name_of(self.callback)} on {self.topic!r}{whose}>"

    def unsubscribe(self) -> None:
        """End it; again does nothing."""
        self._hooks._remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unsubscribe()


class Hooks:
    """The hooks of one session. Safe to use from several threads; a callback runs in the thread that publishes."""

    def __init__(self, session: Session, others: Hooks | None = None) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._found: tuple[Hook, ...] = () if others is None else others._found

    def __repr__(self) -> str:
        return f"<Hooks of {self._session!r}: {len(self._found)} subscribers>"

    def __iter__(self) -> Iterator[Hook]:
        return iter(self._found)

    def subscribe(
        self, topic: str, callback: Callable[[HookEvent], Any], *, priority: int = 100, id: str | None = None
    ) -> Hook:
        """Call `callback(event)` whenever the session gets there; of several, lower `priority` first.

        `topic` is one of `HOOKS`, one of your own with a dot in it ("studio.publish"), or "*". InvalidValue for another;
        NotUnique where a subscriber has that `id` already.
        """
        _check(topic, callback)
        found = Hook(self, topic, callback, priority, show_id(new_id()) if id is None else id)
        with self._lock:
            if any(each.id == found.id for each in self._found):
                raise _taken(found.id)
            self._found = tuple(sorted((*self._found, found), key=lambda each: each.priority))
        return found

    def publish(self, topic: str, /, **data: Any) -> list[Any]:
        """Call the subscribers of a hook now; what they returned, in order. One that raised returned nothing."""
        return [result for _, result in self.collect(topic, data)]

    def ask(self, topic: str, /, **data: Any) -> Any:
        """What the first subscriber returned that did not return None; None where all did."""
        return next((result for _, result in self.collect(topic, data) if result is not None), None)

    def collect(self, topic: str, data: dict[str, Any]) -> Iterator[tuple[Hook, Any]]:
        """Each subscriber of a hook with what it returned; it is called when it is come to."""
        event = HookEvent(topic, self._session, data)
        for each in self._found:
            if each.topic not in (topic, "*"):
                continue
            try:
                result = each.callback(event)
            except SessionRefused:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, others go on
                report(f"{each!r} failed: {type(error).__name__}: {error}", error)
            else:
                yield each, result
            if event.stopped:
                return

    def wants(self, topic: str) -> bool:
        """Whether anybody listens to a hook."""
        return any(each.topic in (topic, "*") for each in self._found)

    def _remove(self, hook: Hook) -> None:
        with self._lock:
            self._found = tuple(each for each in self._found if each is not hook)


def report(message: str, error: BaseException | None = None) -> None:
    """Tell of something that a session goes on without."""
    _log.warning("%s", message, exc_info=error)
    warnings.warn(message, PluginWarning, stacklevel=3)


@contextmanager
def registering(plugin: str) -> Iterator[None]:
    """What subscribes in this block is the plugin's of that name."""
    token = _plugin.set(plugin)
    try:
        yield
    finally:
        _plugin.reset(token)


def plugin_now() -> str:
    """The name of the plugin that is being registered; "" otherwise."""
    return _plugin.get()


def name_of(callback: Any) -> str:
    """What a callback is called, and where it is from."""
    name = getattr(callback, "__qualname__", None) or repr(callback)
    module = getattr(callback, "__module__", None)
    return f"{module}.{name}" if isinstance(module, str) else str(name)


def _check(topic: str, callback: Any) -> None:
    if not callable(callback):
        raise InvalidValue(type="Hook", attribute="callback", value=callback, expected="something that can be called")
    if topic in HOOKS or topic == "*" or "." in topic:
        return
    expected = f"one of {', '.join(HOOKS)}, a name of your own with a dot in it, or *"
    close = difflib.get_close_matches(topic, HOOKS, 1)
    raise InvalidValue(type="Hook", attribute="topic", value=topic, expected=expected, suggestions=close)


def _taken(id: str) -> NotUnique:
    return NotUnique(
        f"There is a subscriber with the id {id!r} already.",
        type="subscriber", attributes=("id",), values=(id,), entity=None, existing=id,
    )  # fmt: skip
