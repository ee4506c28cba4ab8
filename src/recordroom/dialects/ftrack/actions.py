"""What can be asked for at `/api`: a function for each action."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ...server.auth.identity import Identity
from ...server.service import Service
from ...server.settings import ServerSettings

__all__ = ["ACTIONS", "Action", "Asked"]


class Asked:
    """One request: who asks, and the room as they see it."""

    def __init__(self, service: Service, settings: ServerSettings, identity: Identity) -> None:
        self.service = service
        self.settings = settings
        self.identity = identity
        self.room = service.acting(identity.actor)


Action = Callable[[Asked, dict[str, Any]], Awaitable[Any]]


async def server_information(asked: Asked, operation: dict[str, Any]) -> Any:
    """What the client looks at first."""
    return {"version": "4.13.0", "is_timezone_support_enabled": True}


ACTIONS: dict[str, Action] = {"query_server_information": server_information}
