"""Many rooms behind one real server on loopback: each has an address of its own while it is open.

One server for a whole run makes tests of remote sessions quick. Accounts have tests of their own: here the key
`rrk_ann` is of whoever is called ann, for whom everything is allowed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Coroutine, Iterator
from typing import Any
from urllib.parse import urlsplit

import uvicorn
import uvloop

import recordroom as rr
from recordroom.client.session import Session
from recordroom.errors import NotAuthenticated
from recordroom.model.actor import Actor
from recordroom.server.app import App
from recordroom.server.auth.identity import Identity
from recordroom.server.run import bound_socket
from recordroom.server.service import Service
from recordroom.store.async_room import AsyncRoom
from recordroom.store.room import Room

_PATIENCE = 30.0
_KEY = "Bearer rrk_"
_PLACES: dict[str, str] = {}  # address → where its room is


class Everybody:
    """Accounts of whoever comes."""

    async def identify(self, authorization: str | None) -> Identity:
        if authorization is None or not authorization.startswith(_KEY):
            raise NotAuthenticated(where="the server", reason="the key is not known")
        return Identity(actor=Actor(name=authorization.removeprefix(_KEY)))

    def expect(self, authorization: str | None) -> None:
        """Nobody is known before."""

    async def me(self, identity: Identity) -> dict[str, Any]:
        return {"name": identity.actor.name}


class Street:
    """A server in a thread, and the rooms behind it. Start it with `with`."""

    def __init__(self) -> None:
        self._rooms: dict[str, AsyncRoom] = {}
        self._apps: dict[str, App] = {}
        self._numbers = itertools.count(1)
        self._listening = bound_socket("127.0.0.1", 0)
        self._url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="street", daemon=True)

    def __enter__(self) -> Street:
        self._thread.start()
        assert self._started.wait(_PATIENCE)
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.should_exit = True
        self._thread.join(_PATIENCE)
        self._listening.close()
        assert not self._thread.is_alive()

    def open(self, where: str) -> str:
        """The address of the room at `where`, which the server opens."""
        name = f"/room{next(self._numbers)}"
        self._do(self._open(name, where))
        _PLACES[self._url + name] = where
        return self._url + name

    def close(self, address: str) -> None:
        """Close the room at an address."""
        name = urlsplit(address).path
        del self._apps[name], _PLACES[address]
        self._do(self._rooms.pop(name).close())

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    async def _open(self, name: str, where: str) -> None:
        room = await AsyncRoom.open(where)
        self._rooms[name] = room
        self._apps[name] = App(Service(room, Everybody()))

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = uvicorn.Server(
            uvicorn.Config(self, http="httptools", lifespan="off", interface="asgi3", log_config=None)
        )
        self._loop.call_soon(self._started.set)
        await self._server.serve(sockets=[self._listening])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        name, path = scope["path"][1:].partition("/")[::2]
        await self._apps[f"/{name}"]({**scope, "path": f"/{path}"}, receive, send)


def open_session(where: str, *, actor: str = "owner", **options: Any) -> Session:
    """A session with the room at an address of either kind, as `actor`."""
    if where.startswith("http"):
        return rr.connect(where, api_key=f"rrk_{actor}", **options)
    return rr.connect(where, actor=actor, **options)


@contextlib.contextmanager
def room_behind(session: Session) -> Iterator[Room]:
    """The room that a session reaches, as this process has it open: for upkeep, and to look behind the scenes."""
    place = _PLACES.get(session.transport.where)
    if place is None:
        yield session.transport  # type: ignore[misc]
        return
    with Room.open(place) as room:
        yield room
