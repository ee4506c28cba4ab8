"""Reading in a thread of its own: for writers that must not be called from within themselves, as those of obstore."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

__all__ = ["read_aside"]

_AHEAD = 2  # pieces that wait to be taken
_LOOK_SECONDS = 0.5


def read_aside(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same parts in the same order; they are read in another thread. What reading raises, this raises."""
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD)
    stop = threading.Event()

    def give(found: bytes | BaseException | None) -> None:
        while not stop.is_set():
            try:
                waiting.put(found, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return

    def read() -> None:
        try:
            for part in parts:
                give(part)
                if stop.is_set():
                    return
            give(None)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            give(error)

    thread = threading.Thread(target=read, name="reading aside", daemon=True)
    thread.start()
    try:
        while (found := waiting.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        stop.set()
        thread.join()
