"""A transport that counts its calls by name: what a session's round trips were."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from ..errors import SessionClosed
from .transport import Transport

__all__ = ["Metered"]

_CALLS = frozenset(
    name for name, member in vars(Transport).items() if callable(member) and not name.startswith("_")
) - {"close"}


class Metered:
    """Passes a transport's calls on and counts them; SessionClosed once it was closed.

    What an implementation has beyond the protocol, such as a room's upkeep, is passed on uncounted.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._closed = False
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._transport, name)
        if name not in _CALLS:
            return found

        def counted(*arguments: Any, **named: Any) -> Any:
            if self._closed:
                raise SessionClosed
            with self._lock:
                self.calls[name] += 1
            return found(*arguments, **named)

        return counted

    def close(self) -> None:
        """Close the transport."""
        self._closed = True
        self._transport.close()
