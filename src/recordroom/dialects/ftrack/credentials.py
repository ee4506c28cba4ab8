"""Who asks: a user name and an API key, wherever a request has them."""

from __future__ import annotations

from ...errors import NotAuthenticated
from ...server.auth.identity import Identity
from ...server.call import Call
from ...server.service import Service

__all__ = ["identified", "identified_by_headers"]


async def identified(service: Service, user: str, key: str) -> Identity:
    """Whose API key it is; NotAuthenticated where it is not good, or not of that user."""
    wrong = NotAuthenticated(where="the server", reason="the user name and the API key are not right")
    if not user or not key:
        raise wrong
    try:
        identity = await service.accounts.identify(f"Bearer {key}")
    except NotAuthenticated:
        raise wrong from None
    if identity.actor.name != user:
        raise wrong
    return identity


async def identified_by_headers(call: Call) -> Identity:
    """As `identified`, by the headers that the client sends."""
    user = call.headers.get(b"ftrack-user", b"").decode("latin-1")
    key = call.headers.get(b"ftrack-api-key", b"").decode("latin-1")
    return await identified(call.service, user, key)
