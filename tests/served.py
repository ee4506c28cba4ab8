"""A real server on loopback for tests: in a thread with a loop of its own, or in a process that can be killed.

    with served(where) as server:
        session = connect(server.url, api_key=server.api_key)

`server.api_key` is one of the room's owner, or with `accounts=True` of its administrator.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import urllib3
import uvloop

from recordroom.errors import NotAuthenticated
from recordroom.model.actor import OWNER
from recordroom.server.auth.accounts import Accounts
from recordroom.server.auth.identity import Identity
from recordroom.server.limits import Limits
from recordroom.server.mail import MailSettings
from recordroom.server.run import bound_socket, run, serve
from recordroom.server.settings import ServerSettings
from recordroom.store.async_room import AsyncRoom

__all__ = ["Served", "served"]

KEY = "rrk_for_tests_only"
_PATIENCE = 30.0


class Owner(Accounts):
    """Stands in for accounts: one key, of the room's owner."""

    async def identify(self, authorization: str | None) -> Identity:
        if authorization != f"Bearer {KEY}":
            raise NotAuthenticated(where="the server", reason="the key is not known")
        return Identity(actor=OWNER)


class Served:
    """A server that runs: where it is, and how to stop it. `service` and `loop` are there only where it is a thread."""

    def __init__(self, host: str, port: int, api_key: str, stop: Callable[[], None]) -> None:
        self.host, self.port = host, port
        self.url = f"http://{host}:{port}"
        self.api_key = api_key
        self.stop = stop
        self.process: subprocess.Popen[str] | None = None
        self.service: Any = None
        self.loop: Any = None

    @property
    def headers(self) -> dict[str, str]:
        """What every request needs."""
        return {"authorization": f"Bearer {self.api_key}"}

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        """One request with JSON, or with bytes as they are, on a connection of its own."""
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return urllib3.request(
            method, self.url + path, body=data, headers=self.headers | given, retries=False, timeout=_PATIENCE
        )

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_PATIENCE)


@contextlib.contextmanager
def served(
    where: str,
    *,
    process: bool = False,
    port: int = 0,
    limits: Limits | None = None,
    accounts: bool = False,
    api_key: str = "",
    dialects: tuple[str, ...] = (),
    mail: MailSettings | None = None,
) -> Iterator[Served]:
    """A server of the room at `where` that is ready; it is stopped at the end, if it still runs.

    With `accounts` the room has users, and the key is of its administrator; a room that has them already needs its
    `api_key`. Otherwise there is one key, of the room's owner, and the room stays as it is.
    """
    if accounts and not api_key:
        api_key = asyncio.run(administrator_key(str(where)))
    start = _in_process if process else _in_thread
    with start(
        _Start(str(where), port, limits or Limits(), api_key or KEY, accounts, dialects, mail or MailSettings())
    ) as found:
        _await_ready(found)
        yield found


class _Start(msgspec.Struct):
    where: str
    port: int
    limits: Limits
    api_key: str
    accounts: bool
    dialects: tuple[str, ...] = ()
    mail: MailSettings = MailSettings()

    @property
    def settings(self) -> ServerSettings:
        return ServerSettings(room=self.where, limits=self.limits, dialects=self.dialects, mail=self.mail)

    @property
    def asks(self) -> Callable[[Any], Accounts]:
        return Accounts if self.accounts else Owner


async def administrator_key(where: str) -> str:
    """Make accounts in a room that has none; an API key of the administrator."""
    room = await AsyncRoom.open(where)
    try:
        accounts = Accounts(room)
        code = await accounts.first_run()
        assert code is not None, "this room has accounts: give its api_key"
        tokens = await accounts.grant({"grant": "code", "code": code}, client="127.0.0.1")
        identity = await accounts.identify(f"Bearer {tokens['access_token']}")
        request = {"grant": "api_key", "name": "tests"}
        made = await accounts.grant(request, client="127.0.0.1", identity=identity)
        await accounts.close()
    finally:
        await room.close()
    key: str = made["api_key"]
    return key


@contextlib.contextmanager
def _in_thread(start: _Start) -> Iterator[Served]:
    listening = bound_socket("127.0.0.1", start.port)
    running: dict[str, Any] = {}
    started = threading.Event()

    def note(server: Any, service: Any) -> None:
        running.update(server=server, service=service, loop=asyncio.get_running_loop())
        started.set()

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve(start.settings, listening, start.asks, note))
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            running["error"] = error
        finally:
            started.set()

    def stop() -> None:
        if "server" in running and thread.is_alive():
            running["loop"].call_soon_threadsafe(running["server"].stop)
        thread.join(_PATIENCE)
        assert not thread.is_alive(), "the server does not stop"

    thread = threading.Thread(target=work, name="server", daemon=True)
    thread.start()
    started.wait(_PATIENCE)
    try:
        if "error" in running:
            raise running["error"]
        found = Served("127.0.0.1", listening.getsockname()[1], start.api_key, stop)
        found.service, found.loop = running["service"], running["loop"]
        yield found
    finally:
        stop()
        listening.close()
    if "error" in running:
        raise running["error"]


@contextlib.contextmanager
def _in_process(start: _Start) -> Iterator[Served]:
    given = msgspec.json.encode(start).decode()
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.served", given],
        stdout=subprocess.PIPE,
        text=True,
        cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))),  # noqa: PTH100, PTH120
    )

    def stop() -> None:
        if child.poll() is None:
            child.terminate()
        child.wait(_PATIENCE)

    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        assert line, "the server did not start"
        told = json.loads(line)
        found = Served("127.0.0.1", told["port"], start.api_key, stop)
        found.process = child
        yield found
    finally:
        stop()
        child.stdout.close()


def _await_ready(found: Served) -> None:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"{found.url}/readyz", timeout=5):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def _child(given: str) -> None:
    start = msgspec.json.decode(given, type=_Start)
    listening = bound_socket("127.0.0.1", start.port)

    def say(server: Any, service: Any) -> None:
        print(json.dumps({"port": listening.getsockname()[1]}), flush=True)

    run(serve(start.settings, listening, start.asks, say))


if __name__ == "__main__":
    _child(sys.argv[1])
