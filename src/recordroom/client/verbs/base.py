"""What the verbs of a topic know of the session that they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["Verbs"]


class Verbs:
    """Verbs of a session on one topic."""

    def _open(self) -> Session:
        """The session itself; SessionClosed where it is closed."""
        raise NotImplementedError
