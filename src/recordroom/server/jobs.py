"""Jobs of a served room: processes that do them, started when there are some, and a listener that only they can use.

They reach the room as clients do, at an address of this machine, with a key that is nowhere but in the memory of this process
and theirs. It is the owner's; with the name of a user it is that user's, whose jobs are done with their rights. The server itself answers
to no such key.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import hmac
import logging
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import Error, NotFound, UnknownDatabase, UnknownType
from ..model.actor import OWNER, Actor
from ..model.ids import new_id, show_id
from ..model.operations import Commit, Create
from ..query.grammar import parse
from ..query.request import QueryRequest
from ..store.access import user_named
from ..store.accounts import main_of, user_state
from ..store.async_room import AsyncRoom
from ..store.catalog import Catalogs
from ..store.plans import Plan
from ..store.requests import Requests
from .auth.identity import Identity
from .auth.requests import not_right
from .service import Service
from .settings import JobSettings
from .waiting import until_first

__all__ = ["JobAccounts", "Jobs", "Order", "submit_encoding"]

_PENDING = (
    'Job where type is_not "api_job" and (status is queued and (due is None or due <= $now)'
    " or status is running and lease_ends < $now)"
)
_REST_SECONDS = 5.0
_CALM_SECONDS = 0.1
_WITHOUT_JOBS_SECONDS = 60.0
_AGAIN_SECONDS = 30.0  # before a worker is started again for jobs that the last one did not take
_GRACE_SECONDS = 10.0
_log = logging.getLogger("recordroom.jobs")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a process that does jobs is told, on its input."""

    url: str
    key: str
    lease: float
    idle: float
    log_level: str = "info"

    def __repr__(self) -> str:
        return f"<Order {self.url}>"


class JobAccounts:
    """Accounts of the listener for jobs: one key, alone the owner's, with `.` and a name that user's."""

    def __init__(self, room: AsyncRoom, key: str) -> None:
        self._room = room
        self._key = key
        self._requests = Requests(room.opened, room.actor)

    async def identify(self, authorization: str | None) -> Identity:
        """Who asks; NotAuthenticated."""
        key, _, name = (authorization or "").removeprefix("Bearer ").partition(".")
        if not hmac.compare_digest(key.encode(), self._key.encode()):
            not_right()
        return Identity(actor=await self._actor(name) if name else OWNER)

    async def _actor(self, name: str) -> Actor:
        try:
            plain = base64.urlsafe_b64decode(name).decode()
            return await self._room.read(self._requests.read(lambda catalogs: self._named(catalogs, plain)))
        except (ValueError, Error):
            not_right()

    def _named(self, catalogs: Catalogs, name: str) -> Plan[Actor]:
        main = main_of(catalogs)
        actor = yield from user_named(main, name)
        state = None if actor.user is None else (yield from user_state(main, actor.user))
        if state is not None and not state.active:
            not_right()
        return actor

    def expect(self, authorization: str | None) -> None:
        """Nobody is known before."""

    async def me(self, identity: Identity) -> dict[str, Any]:
        """What GET /v1/me answers."""
        actor = identity.actor
        return {"name": actor.name, "user": None if actor.user is None else show_id(actor.user)}


class _Process:
    """A process that does jobs."""

    def __init__(self, order: Order) -> None:
        self.process = subprocess.Popen([sys.executable, "-P", "-m", "recordroom.workers"], stdin=subprocess.PIPE)
        assert self.process.stdin is not None
        # Not in its arguments, where others on the machine could read it. The pipe stays open: its end ends the process.
        self.process.stdin.write(msgspec.json.encode(order) + b"\n")
        self.process.stdin.flush()

    @property
    def ended(self) -> bool:
        if self.process.poll() is None:
            return False
        self._close()
        return True

    def _close(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def end(self) -> None:
        """Tell it to stop, which gives its job back; kill it where it does not."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._close()


class Jobs:
    """Has the jobs of a room done for as long as `run` runs. `server` makes the server of a service."""

    def __init__(self, service: Service, settings: JobSettings, server: Callable[[Service], Any]) -> None:
        self._service = service
        self._settings = settings
        self._server_of = server
        self._key = secrets.token_urlsafe(32)
        self._processes: list[_Process] = []
        self._socket: socket.socket | None = None
        self._private: Service | None = None
        self._server: Any = None
        self._serving: asyncio.Task[None] | None = None
        self._position = 0
        self._begun = (-1, 0.0)  # at which revision and when the last process was started

    async def run(self) -> None:
        """Look for jobs until the server stops; then end the processes, and at last what they talk to."""
        try:
            while not self._service.stopping.is_set():
                await self._rest(await self._round())
        finally:
            await asyncio.gather(*(asyncio.to_thread(each.end) for each in self._processes))
            await self._close()

    async def _round(self) -> float:
        """Start what is missing; for how many seconds there is nothing to do."""
        try:
            self._position = await self._service.room.revision_at(2**62)
            waiting = await self._waiting()
            self._processes = [each for each in self._processes if not each.ended]
            if waiting and len(self._processes) < min(waiting, self._settings.workers) and self._may_begin():
                self._begun = (self._position, time.monotonic())
                await self._begin()
        except (Error, OSError) as error:
            _log.warning("jobs wait: %s", error)
            return _REST_SECONDS
        return _WITHOUT_JOBS_SECONDS if waiting is None else _REST_SECONDS

    async def _waiting(self) -> int | None:
        """How many jobs wait; None where the room has no such thing."""
        room = self._service.room
        try:
            if "Job" not in await room.schema("main"):
                return None
            moment = dt.datetime.now(dt.UTC)
            return await room.count(QueryRequest(query=parse(_PENDING), parameters={"now": moment}))
        except (UnknownDatabase, UnknownType):
            return None

    def _may_begin(self) -> bool:
        revision, moment = self._begun
        return self._position != revision or time.monotonic() - moment > _AGAIN_SECONDS

    async def _begin(self) -> None:
        if self._socket is None:
            self._open()
        assert self._socket is not None
        host, port = self._socket.getsockname()
        order = Order(
            url=f"http://{host}:{port}",
            key=self._key,
            lease=self._settings.lease_seconds,
            idle=self._settings.idle_seconds,
        )
        self._processes.append(await asyncio.to_thread(_Process, order))

    def _open(self) -> None:
        """Listen for the processes, on this machine alone."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        accounts: Any = JobAccounts(self._service.room, self._key)
        self._private = Service(self._service.room, accounts, self._service.limits)
        self._server = self._server_of(self._private)
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))

    async def _close(self) -> None:
        if self._serving is not None and self._private is not None and self._socket is not None:
            self._server.stop()
            await self._serving
            await self._private.close()
            self._socket.close()

    async def _rest(self, seconds: float) -> None:
        """Until there may be news."""
        await until_first(self._service.room.wait(self._position, seconds), self._service.stopping.wait())
        # Many commits in a row are looked at together.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._service.stopping.wait(), _CALM_SECONDS)


# --- handing in -----------------------------------------------------------------------------------


async def submit_encoding(
    room: AsyncRoom, component: bytes, version: bytes | None = None, *, keep_original: bool = True
) -> bytes:
    """Hand in a job that encodes a component, as the actor of `room`; its id. NotFound."""
    from ..model.encoding import encoding_data

    text = "select file_type from FileComponent where id is $id"
    page = await room.query(QueryRequest(query=parse(text), parameters={"id": component}))
    if not page.ids:
        raise NotFound(type="FileComponent", entity=show_id(component))
    data = encoding_data(component, page.columns["file_type"][0] or "", version, keep_original=keep_original)
    job = new_id()
    columns: dict[str, list[Any]] = {
        "type": ["encode_media"],
        "data": [msgspec.json.encode(data).decode()],
        "user": [room.actor.user],
    }
    await room.commit(Commit(id=new_id(), operations=[Create(type="Job", ids=[job], columns=columns)]))
    return job
