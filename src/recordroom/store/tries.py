"""How often work that a lost connection has interrupted is tried again."""

from __future__ import annotations

from ..errors import StoreUnavailable
from .plans import ALONE, Interrupted, Writing

__all__ = ["READING", "Tries"]

READING = Writing(again=True)
_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)  # seconds


class Tries:
    """Counts the tries of one piece of work."""

    def __init__(self, writing: Writing = ALONE) -> None:
        self._again = writing.again
        self._count = 0

    def pause(self, error: StoreUnavailable) -> float:
        """How many seconds to wait before the next try; `error` is raised where there is to be none.

        What may stand already is not tried again unless that does no harm. After a connection was lost, one that
        cannot be made is waited for too: the database may be starting again.
        """
        tried = isinstance(error, Interrupted)
        if not (tried or self._count) or self._count == len(_PAUSES):
            raise error
        if tried and error.facts.get("unknown") and not self._again:
            raise error
        self._count += 1
        return _PAUSES[self._count - 1]
