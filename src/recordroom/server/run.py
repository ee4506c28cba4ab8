"""Running the application: uvicorn on a socket, in this process, on this thread's loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
import uvloop
from msgspec.structs import replace

from ..query.grammar import parse
from ..store.async_room import AsyncRoom
from .app import App
from .auth.accounts import Accounts
from .files import check_place
from .jobs import Jobs
from .logs import RequestLog
from .mount import made_mounts
from .posting import Poster
from .protocol import protocol_of
from .service import Service
from .settings import ServerSettings
from .webhooks import Webhooks

__all__ = ["Server", "bound_socket", "run", "serve"]

_KEEP_ALIVE_SECONDS = 75
_BACKLOG = 2048
_MESSAGE_BYTES = 2**20  # of a WebSocket; larger ones are not even kept until somebody judges them
_IDLE_SECONDS = 1.0
_FAREWELL_SECONDS = 2.0
_TICK_SECONDS = 1.0  # between two dates in the heads of answers
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.001, 0.1  # seconds between looks whether everybody has finished
_STALL_MILLISECONDS = 120_000
_YOUNG, _AGED, _OLD = 20_000, 20, 20
_SETTLED_SECONDS = 1.0


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # A peer that is gone, or reads nothing, does not hold its connection and what waits to be sent for ever.
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _STALL_MILLISECONDS)
    try:
        found.bind((host, port))
        found.listen(_BACKLOG)
    except OSError:
        found.close()
        raise
    return found


class Server(uvicorn.Server):
    """Stops at SIGTERM and SIGINT, and at `stop`; those who follow the room are told first.

    Whoever runs it closes what is still open afterwards. Uvicorn's own loops look every tenth of a second whether they
    are to end; these wait to be told, so that a server with nothing to do stops at once.
    """

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._told = asyncio.Event()

    def stop(self) -> None:
        """Begin to stop. Call it in the thread of the server's loop."""
        self.should_exit = True
        self._told.set()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal stops it; a second one does not wait for anybody."""
        super().handle_exit(sig, frame)
        self._told.set()

    async def main_loop(self) -> None:
        """Serve until told to stop."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let everybody finish, and close."""
        self._service.stopping.set()
        await self._say_farewell()
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        cutting = asyncio.ensure_future(self._cut_idle())
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                await self._until_quiet()
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel(msg="there was no time left")
        finally:
            cutting.cancel()

    async def _until_quiet(self) -> None:
        """Until all connections are closed and all requests answered, or somebody does not want to wait."""
        state, pause = self.server_state, _SHORTEST_PAUSE
        while (state.connections or state.tasks) and not self.force_exit:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        if not self.force_exit:
            for server in self.servers:
                await server.wait_closed()

    async def _say_farewell(self) -> None:
        """Let those who speak another protocol say that it ends, before theirs is closed below them."""
        for farewell in self._service.farewells:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await farewell()

    async def _cut_idle(self) -> None:
        """Closing a connection with TLS waits for the other side, who may be asleep."""
        await asyncio.sleep(_IDLE_SECONDS)
        for protocol in list(self.server_state.connections):
            cycle = getattr(protocol, "cycle", None)
            if cycle is None or cycle.response_complete:
                protocol.transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """While it serves, these signals are its own."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def server_of(app: App, settings: ServerSettings) -> Server:
    """A server of the application that is still to be started on a socket."""
    return Server(
        uvicorn.Config(
            app,
            ssl_certfile=settings.tls_cert or None,
            ssl_keyfile=settings.tls_key or None,
            proxy_headers=settings.behind_proxy,
            forwarded_allow_ips=list(settings.proxies),
            http=protocol_of(app.service.limits),
            ws="websockets-sansio",
            ws_max_size=_MESSAGE_BYTES,
            # Whoever sleeps is told nothing that would keep them away: TCP finds out who is gone, as there are heartbeats.
            ws_ping_interval=None,
            lifespan="off",
            interface="asgi3",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(settings.graceful_seconds),
        ),
        app.service,
    )


async def serve(
    settings: ServerSettings,
    listening: socket.socket,
    accounts: Callable[[AsyncRoom], Accounts],
    started: Callable[[Server, Service], None] | None = None,
) -> None:
    """Serve a room until the process is told to stop, or until `should_exit` of the server is set."""
    parse("User")  # the parser takes a while to be made
    room = await AsyncRoom.open(settings.room, **_room_settings(settings))
    try:
        await check_place(room)
        service = Service(room, accounts(room), settings.limits, mail=settings.mail, url=settings.url)
        log = RequestLog(every=settings.log_requests == "all", slow=settings.slow_seconds)
        mounts = made_mounts(service, settings)
        server = server_of(App(service, log=log, mounts=mounts.all), settings)
        if started is not None:
            started(server, service)
        try:
            async with _webhooks(room, service, settings), _collecting(service), _jobs(service, settings):
                await server.serve(sockets=[listening])
        finally:
            await mounts.close()
            await service.close()
    finally:
        await room.close()


def _room_settings(settings: ServerSettings) -> dict[str, Any]:
    """What the settings of a server say of the room itself, which keeps it: whoever opens it finds its files."""
    if not settings.files:
        return {}
    return {"files": settings.files if "://" in settings.files else str(Path(settings.files).absolute())}


@contextlib.asynccontextmanager
async def _collecting(service: Service) -> AsyncIterator[None]:
    """Collect what nobody needs in the block."""
    task = asyncio.ensure_future(service.files.collect_now_and_then())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def _webhooks(room: AsyncRoom, service: Service, settings: ServerSettings) -> AsyncIterator[None]:
    """Deliver webhooks in the block; at its end what is on its way comes to its end."""
    if not settings.webhooks.enabled:
        yield
        return
    poster = Poster(private=settings.webhooks.private)
    delivering = asyncio.ensure_future(Webhooks(room, poster, service.stopping).run())
    try:
        yield
    finally:
        service.stopping.set()
        await delivering


@contextlib.asynccontextmanager
async def _jobs(service: Service, settings: ServerSettings) -> AsyncIterator[None]:
    """Have jobs done in the block; at its end those under way are given back."""
    if not settings.jobs.workers:
        yield
        return
    plain = replace(settings, tls_cert="", tls_key="", behind_proxy=False, graceful_seconds=1.0)
    jobs = Jobs(service, settings.jobs, lambda private: _Private(server_of(App(private), plain).config, private))
    working = asyncio.ensure_future(jobs.run())
    try:
        yield
    finally:
        service.stopping.set()
        await working


class _Private(Server):
    """A second server in a process: signals are the first one's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine, which is all that this process does, on a new loop of the fast kind."""
    gc.set_threshold(_YOUNG, _AGED, _OLD)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().call_later(_SETTLED_SECONDS, _settle)
        runner.run(main)


def _settle() -> None:
    """What is there now stays: looking for garbage among it would hold up everybody for tens of milliseconds."""
    gc.collect()
    gc.freeze()
