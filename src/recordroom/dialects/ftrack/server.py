"""The mount of the dialect: everything that ftrack's client asks a server for, each part answering its own paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...server.call import Receive, Send
from ...server.mount import Mount, Mounts
from ...server.service import Service
from ...server.settings import ServerSettings
from .api import Api
from .components import Components
from .hub import Hub

__all__ = ["Ftrack", "make"]

# Each part is a mount itself.
PARTS: tuple[Callable[[Service, ServerSettings], Mount], ...] = (Api, Hub, Components)


class Ftrack:
    """All parts as one mount."""

    def __init__(self, service: Service, settings: ServerSettings) -> None:
        self._parts = Mounts(part(service, settings) for part in PARTS)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The paths of all parts."""
        return tuple(prefix for part in self._parts.all for prefix in part.prefixes)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """The part whose path it is answers."""
        found = self._parts.find(scope["path"])
        assert found is not None, "the prefixes are those of the parts"
        await found[0](scope, receive, send)

    async def close(self) -> None:
        """Close all parts."""
        await self._parts.close()


def make(service: Service, settings: ServerSettings) -> Ftrack:
    """The mount, for one process."""
    return Ftrack(service, settings)
