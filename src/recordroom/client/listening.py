"""A thread that delivers the events of a session."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..errors import Error, SessionClosed

if TYPE_CHECKING:
    from .events import Events

__all__ = ["Listener"]

_log = logging.getLogger("recordroom.events")


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
