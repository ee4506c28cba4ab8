"""A real server on loopback for tests: in a thread with a loop of its own, or in a process that can be killed.

    with served(where) as server:
        session = connect(server.url, api_key=server.api_key)

`server.api_key` is one of an administrator.
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
from recordroom.server.run import bound_socket, serve
from recordroom.server.settings import ServerSettings

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
def served(where: str, *, process: bool = False, port: int = 0, limits: Limits | None = None) -> Iterator[Served]:
    """A server of the room at `where` that is ready; it is stopped at the end, if it still runs."""
    start = _in_process if process else _in_thread
    with start(str(where), port, limits or Limits()) as found:
        _await_ready(found)
        yield found


@contextlib.contextmanager
def _in_thread(where: str, port: int, limits: Limits) -> Iterator[Served]:
    listening = bound_socket("127.0.0.1", port)
    running: dict[str, Any] = {}
    started = threading.Event()

    def note(server: Any, service: Any) -> None:
        running.update(server=server, service=service, loop=asyncio.get_running_loop())
        started.set()

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve(ServerSettings(room=where, limits=limits), listening, Owner, note))
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            running["error"] = error
        finally:
            started.set()

    def stop() -> None:
        if "server" in running:
            running["server"].should_exit = True
        thread.join(_PATIENCE)
        assert not thread.is_alive(), "the server does not stop"

    thread = threading.Thread(target=work, name="server", daemon=True)
    thread.start()
    started.wait(_PATIENCE)
    try:
        if "error" in running:
            raise running["error"]
        found = Served("127.0.0.1", listening.getsockname()[1], KEY, stop)
        found.service, found.loop = running["service"], running["loop"]
        yield found
    finally:
        stop()
        listening.close()
    if "error" in running:
        raise running["error"]


@contextlib.contextmanager
def _in_process(where: str, port: int, limits: Limits) -> Iterator[Served]:
    given = json.dumps({"where": where, "port": port, "limits": msgspec.to_builtins(limits)})
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
        found = Served("127.0.0.1", told["port"], told["api_key"], stop)
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
    told = json.loads(given)
    listening = bound_socket("127.0.0.1", told["port"])

    def say(server: Any, service: Any) -> None:
        print(json.dumps({"port": listening.getsockname()[1], "api_key": KEY}), flush=True)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        limits = msgspec.convert(told["limits"], Limits)
        runner.run(serve(ServerSettings(room=told["where"], limits=limits), listening, Owner, say))


if __name__ == "__main__":
    _child(sys.argv[1])
