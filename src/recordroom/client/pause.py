"""Pauses the cyclic garbage collector around bulk builds, which it would slow down several times over.

Uses may nest and may come from several threads: the collector goes on when the last one ends.
"""

from __future__ import annotations

import gc
import threading

__all__ = ["paused_collector"]

_lock = threading.Lock()
_depth = 0
_was_enabled = False


class _Pause:
    """A context manager without state of its own, so that entering it costs no allocation."""

    __slots__ = ()

    def __enter__(self) -> None:
        global _depth, _was_enabled  # noqa: PLW0603 - the collector is one for the process, too
        with _lock:
            if _depth == 0:
                _was_enabled = gc.isenabled()
                gc.disable()
            _depth += 1

    def __exit__(self, *exc_info: object) -> None:
        global _depth  # noqa: PLW0603
        with _lock:
            _depth -= 1
            if _depth == 0 and _was_enabled:
                gc.enable()


paused_collector = _Pause()
