"""Events that are published without waiting: in order, each once, as soon as the room can be reached.

A thread sends them while there are any. Each has the id of its commit from the beginning, so that sending it again
publishes nothing twice. What the room refuses is told to `on_error`, or to the log.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import Error, SessionClosed
from ..model.ids import show_id
from ..model.operations import Commit
from .subscription import Callback, Subscription

if TYPE_CHECKING:
    from .events import Events

__all__ = ["PASSING", "Outbox", "Posted"]

PASSING = (429, 502, 503, 504)  # statuses of errors that another try may not meet
_LONGEST_PAUSE = 5.0

_log = logging.getLogger("recordroom.events")


class Posted:
    """An event on its way. `wait()` gives its revision, or raises what became of it; `id` is the event's."""

    def __init__(
        self, commit: Commit, on_reply: Callback | None, on_error: Callable[[Error], Any] | None, name: str
    ) -> None:
        self.id = f"{show_id(commit.id)}.1"
        self.replies: Subscription | None = None
        self.revision: int | None = None
        self.error: Error | None = None
        self._name = name
        self._commit = commit
        self._on_reply = on_reply
        self._on_error = on_error
        self._done = threading.Event()

    def __repr__(self) -> str:
        state = "on its way" if not self.done else f"not published: {self.error}" if self.error else str(self.revision)
        return f"<Posted {self._name} {state}>"

    @property
    def done(self) -> bool:
        """Whether it was published or refused."""
        return self._done.is_set()

    def wait(self, timeout: float | None = None) -> int:
        """Its revision, once it is published. TimeoutError where that takes longer than `timeout` seconds."""
        if not self._done.wait(timeout):
            raise TimeoutError(f"{self._name} is still on its way after {timeout} seconds")
        if self.error is not None:
            raise self.error
        assert self.revision is not None
        return self.revision

    def _end(self, revision: int | None, error: Error | None) -> None:
        self.revision, self.error = revision, error
        self._done.set()
        if error is None:
            return
        if self.replies is not None:
            self.replies.unsubscribe()
        if self._on_error is None:
            _log.error("%s was not published: %s", self._name, error)
            return
        try:
            self._on_error(error)
        except Exception:  # noqa: BLE001 - whatever it is, others go on
            _log.exception("on_error of %s failed", self._name)


class Outbox:
    """The events of one session that are on their way."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._changed = threading.Condition()
        self._queue: deque[Posted] = deque()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, posted: Posted) -> None:
        """Put an event behind the others."""
        with self._changed:
            self._queue.append(posted)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="recordroom-outbox", daemon=True)
                self._thread.start()

    def close(self, patience: float) -> None:
        """Give what is on its way so many seconds; what is left then is told of as not published."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(patience)
        self._closing.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(patience)
        self._give_up(SessionClosed())

    def _run(self) -> None:
        pause = 0.0
        while True:
            with self._changed:
                if not self._queue:
                    self._thread = None
                    return
                posted = self._queue[0]
            try:
                revision = self._send(posted)
            except Error as error:
                if isinstance(error, SessionClosed) or self._closing.is_set():
                    self._give_up(error)
                elif error.status in PASSING:
                    pause = self._rest(pause, error)
                else:
                    self._finish(posted, None, error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others behind it go on
                _log.exception("%r failed", posted)
                self._finish(posted, None, Error(f"{type(error).__name__}: {error}"))
            else:
                pause = 0.0
                self._finish(posted, revision, None)

    def _send(self, posted: Posted) -> int:
        if posted._on_reply is not None and posted.replies is None:
            # Before it is published: an answer may come at once.
            posted.replies = self._events._await_replies(posted.id, posted._on_reply)
        # Not by way of the session's commits: those do not wait for what waits here.
        return self._events._session.transport.commit(posted._commit).revision

    def _rest(self, pause: float, error: Error) -> float:
        if not pause:
            _log.warning("%d events wait to be published: %s", len(self._queue), error)
        pause = min(pause * 2 or 0.05, _LONGEST_PAUSE)
        self._closing.wait(pause * random.uniform(0.5, 1.0))
        return pause

    def _finish(self, posted: Posted, revision: int | None, error: Error | None) -> None:
        with self._changed:
            if self._queue and self._queue[0] is posted:
                self._queue.popleft()
        if not posted.done:
            posted._end(revision, error)

    def _give_up(self, error: Error) -> None:
        with self._changed:
            left = list(self._queue)
            self._queue.clear()
        for each in left:
            if not each.done:
                each._end(None, error)
