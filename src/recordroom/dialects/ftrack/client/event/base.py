"""`Event`: a topic, data, and who it is from and for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, MutableMapping
from typing import Any

__all__ = ["Event"]


class Event(MutableMapping[str, Any]):
    """One event, as a mapping: topic, id, data, sent, source, target, in_reply_to_event."""

    def __init__(  # noqa: PLR0913 - the parts of an event
        self,
        topic: str,
        id: str | None = None,
        data: Any = None,
        sent: str | None = None,
        source: dict[str, Any] | None = None,
        target: str | None = "",
        in_reply_to_event: str | None = None,
    ) -> None:
        self._data: dict[str, Any] = {
            "id": id or uuid.uuid4().hex,
            "data": data or {},
            "topic": topic,
            "sent": sent,
            "source": source or {},
            "target": target,
            "in_reply_to_event": in_reply_to_event,
        }
        self._stopped = False

    def stop(self) -> None:
        """Keep it from the subscribers that follow."""
        self._stopped = True

    def is_stopped(self) -> bool:
        """Whether a subscriber stopped it."""
        return self._stopped

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._data}>"

    __str__ = __repr__

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._data[key] = value

    def __delitem__(self, key: str) -> None:
        del self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)
