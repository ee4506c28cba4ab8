"""What has no form as an entity is asked of a server; of a room that this process opens, of what a server is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .rooms import open_session

if TYPE_CHECKING:
    from ..client.calls import Caller
    from ..client.session import Session
    from ..store.async_room import AsyncRoom

__all__ = ["of_room", "of_server", "tell_server"]

T = TypeVar("T")


def of_server(where: str, method: str, path: str, kind: type[T], body: Any = None) -> T:
    """What a server answers."""
    from ..client.calls import Request

    with open_session(where, "main") as session:
        request = Request(method=method, path=path, body=body, repeatable=method == "GET")
        return _caller(session).ask(request, kind)


def tell_server(where: str, method: str, path: str) -> None:
    """Have a server do something that it answers nothing to."""
    from ..client.calls import Request

    with open_session(where, "main") as session:
        _caller(session).do(Request(method=method, path=path))


def _caller(session: Session) -> Caller:
    caller: Caller = session.transport.caller  # type: ignore[attr-defined]
    return caller


def of_room(where: str, ask: Callable[[AsyncRoom], Awaitable[T]]) -> T:
    """What `ask` finds in a room that this process opens, as its owner."""
    return asyncio.run(_in_room(where, ask))


async def _in_room(where: str, ask: Callable[[AsyncRoom], Awaitable[T]]) -> T:
    from ..store.async_room import AsyncRoom

    room = await AsyncRoom.open(where, create=False)
    try:
        return await ask(room)
    finally:
        await room.close()
