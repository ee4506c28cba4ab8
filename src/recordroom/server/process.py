"""A server as processes: one that serves, or one that looks after several which do, on one listening socket.

SIGTERM and SIGINT stop it when what it has begun is done. SIGHUP reads the settings and the certificate again: in
place where there is one process; with several, new ones start with them before the old ones stop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import msgspec

from ..errors import Error, InvalidSettings
from ..store.async_room import AsyncRoom
from . import logs
from .auth.accounts import Accounts
from .files import check_place
from .mount import module_of
from .run import Server, bound_socket, run, serve
from .service import Service
from .settings import ServerSettings

__all__ = ["Started", "Workers", "check", "main", "run_worker", "serve_here"]

_LOG = logging.getLogger("recordroom.server")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_AGAIN_SECONDS = 1.0
_QUICK_SECONDS = 5.0


class Started(NamedTuple):
    """A server that listens at `url`. `code` is the one-time code of an administrator, at the first start only."""

    url: str
    code: str | None


Load = Callable[[], ServerSettings]
Tell = Callable[[Started], None]


def main(load: Load, tell: Tell) -> None:
    """Serve as the settings say until told to stop. Settings that cannot be are InvalidSettings."""
    settings = load()
    check(settings)
    logs.configure(settings.log_level, settings.log_format)
    listening = _listen(settings)
    try:
        code = asyncio.run(_prepare(settings))
        tell(Started(_address(settings, listening), code))
        if _count(settings) == 1:
            run(serve_here(settings, listening, load))
        else:
            Workers(settings, listening, load).run()
    finally:
        listening.close()


def check(settings: ServerSettings) -> None:
    """InvalidSettings where a server with these would be unsafe, or cannot be."""
    if not settings.room:
        raise InvalidSettings(where="settings", reason="room: which room is to be served?")
    for name in settings.dialects:
        module_of(name)
    if settings.host not in _LOOPBACK and not settings.tls_cert and not settings.behind_proxy:
        reason = (
            f"host {settings.host} can be reached from other machines, and what is sent there could be read on the way: give"
            " --tls-cert and --tls-key, or --behind-proxy where a proxy in front does TLS"
        )
        raise InvalidSettings(where="settings", reason=reason)
    if settings.workers != 1 and not _is_shared(settings):
        reason = f"workers: an embedded room is served by one process; {settings.workers} need a room on PostgreSQL"
        raise InvalidSettings(where="settings", reason=reason)


def _is_shared(settings: ServerSettings) -> bool:
    return settings.room.startswith(("postgresql://", "postgres://"))


def _count(settings: ServerSettings) -> int:
    return settings.workers or len(os.sched_getaffinity(0))


def _listen(settings: ServerSettings) -> socket.socket:
    try:
        return bound_socket(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise InvalidSettings(where="settings", reason=f"cannot listen on {where}: {error.strerror}") from error


def _address(settings: ServerSettings, listening: socket.socket) -> str:
    if settings.url:
        return settings.url
    scheme = "https" if settings.tls_cert else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{listening.getsockname()[1]}"


async def _prepare(settings: ServerSettings) -> str | None:
    """Make or migrate the room, and its first administrator; the code for whom, at the first start."""
    room = await AsyncRoom.open(settings.room)
    accounts = Accounts(room, settings.auth)
    try:
        await check_place(room, settings.files)
        code = await accounts.first_run()
    finally:
        await accounts.close()
        await room.close()
    if "://" not in settings.room:
        _keep_private(Path(settings.room), first=code is not None)
    return code


def _keep_private(folder: Path, *, first: bool) -> None:
    """See to it that nobody else on this machine reads the hashes and keys in a room: at the first start, or by a warning."""
    mode = folder.stat().st_mode
    if first:
        with suppress(PermissionError):  # of another owner
            folder.chmod(stat.S_IMODE(mode) & ~0o077)
            return
    if mode & 0o007:
        _LOG.warning("others on this machine can read the room: chmod o= %s", folder)


# --- one process ----------------------------------------------------------------------------------


async def serve_here(settings: ServerSettings, listening: socket.socket, load: Load | None = None) -> None:
    """Serve in this process, on this loop."""

    def started(server: Server, service: Service) -> None:
        if load is not None:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, _reload, load, server, service)

    await serve(settings, listening, lambda room: Accounts(room, settings.auth), started)


def _reload(load: Load, server: Server, service: Service) -> None:
    """Take on what may change while serving: limits, accounts, logs, the certificate."""
    try:
        settings = load()
        check(settings)
        if server.config.ssl is not None:
            server.config.ssl.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (Error, OSError) as error:
        _LOG.error("the settings stay as they were: %s", error)
        return
    service.change_limits(settings.limits)
    service.accounts.settings = settings.auth
    logs.configure(settings.log_level, settings.log_format)
    _LOG.info("the settings were read again")


# --- several processes ----------------------------------------------------------------------------


class _Worker:
    """A process that serves."""

    def __init__(self, settings: ServerSettings, listening: socket.socket) -> None:
        self.started = time.monotonic()
        listening.set_inheritable(True)
        number = listening.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "recordroom.server.worker", str(number)],
            stdin=subprocess.PIPE,
            pass_fds=[number],
        )
        assert self.process.stdin is not None
        with self.process.stdin as stdin:
            # Not in its arguments, where others on the machine could read them.
            stdin.write(msgspec.json.encode(settings))

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def stop(self) -> None:
        if not self.ended:
            self.process.terminate()


class Workers:
    """Keeps as many workers running as the settings say."""

    def __init__(self, settings: ServerSettings, listening: socket.socket, load: Load) -> None:
        self.settings = settings
        self.listening = listening
        self.load = load
        self.workers: list[_Worker] = []
        self.leaving: list[_Worker] = []
        self._stop = False
        self._again = False

    def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        signal.signal(signal.SIGHUP, self._told_to_reload)
        try:
            while not self._stop:
                if self._again:
                    self._reload()
                self._keep()
                time.sleep(0.2)
        finally:
            self._end()

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop = True

    def _told_to_reload(self, number: int, frame: FrameType | None) -> None:
        self._again = True

    def _keep(self) -> None:
        """Start what is missing. One that ends at once is not started again at once."""
        self.leaving = [each for each in self.leaving if not each.ended]
        for worker in [each for each in self.workers if each.ended]:
            self.workers.remove(worker)
            _LOG.error("worker %s ended with %s", worker.process.pid, worker.process.returncode)
            if time.monotonic() - worker.started < _QUICK_SECONDS:
                time.sleep(_AGAIN_SECONDS)
        while len(self.workers) < _count(self.settings) and not self._stop:
            self.workers.append(_Worker(self.settings, self.listening))

    def _reload(self) -> None:
        self._again = False
        try:
            settings = self.load()
            check(settings)
        except Error as error:
            _LOG.error("the settings stay as they were: %s", error)
            return
        self.settings = settings
        logs.configure(settings.log_level, settings.log_format)
        old, self.workers = self.workers, []
        self._keep()
        time.sleep(_AGAIN_SECONDS)
        for worker in old:
            worker.stop()
        self.leaving += old
        _LOG.info("the settings were read again")

    def _end(self) -> None:
        everyone = self.workers + self.leaving
        for worker in everyone:
            worker.stop()
        end = time.monotonic() + self.settings.graceful_seconds + 5
        for worker in everyone:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(end - time.monotonic(), 0.1))
            if not worker.ended:
                worker.process.kill()
                worker.process.wait()


def run_worker(number: int, given: bytes) -> None:
    """What a worker does: serve on a socket that it was given, while its parent lives."""
    settings = msgspec.json.decode(given, type=ServerSettings)
    logs.configure(settings.log_level, settings.log_format)
    listening = socket.socket(fileno=number)
    run(_with_parent(serve_here(settings, listening)))


async def _with_parent(serving: Any) -> None:
    task = asyncio.ensure_future(serving)
    parent = os.getppid()
    while not task.done():
        await asyncio.wait([task], timeout=1.0)
        if os.getppid() != parent:
            # Nobody would stop it any more.
            os.kill(os.getpid(), signal.SIGTERM)
            break
    await task
