"""What transfers are proved with: a client that can be killed, and a go-between that counts what passes.

python -m tests.proof.carrier upload|download URL KEY COMPONENT PATH
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import recordroom as rr
from recordroom.client.retry import Retry
from recordroom.client.transfers import room_files

__all__ = ["Between", "Memory", "carrying"]

PATIENT = Retry(connection=10_000, first_contact=10_000, base=0.02, cap=0.3, budget=600.0)
_BUFFER = 1 << 17


class Between:
    """Passes bytes on to a server, and counts them: `up` to it and `down` from it. Little is under way at any time."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.up = self.down = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # Closing alone does not wake who waits for the next.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket()
                for each in (client, server):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
                try:
                    server.connect(("127.0.0.1", self._server))
                except OSError:
                    client.close()
                    server.close()
                    continue
                ends = _Ends(client, server)
                threading.Thread(target=self._pass, args=(client, server, "up", ends), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, "down", ends), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, name: str, ends: _Ends) -> None:
        with suppress(OSError):
            while data := source.recv(_BUFFER):
                target.sendall(data)
                with self._lock:
                    setattr(self, name, getattr(self, name) + len(data))
        ends.done()


class _Ends:
    """Two ends of one connection, closed when nobody uses them any more."""

    def __init__(self, *sockets: socket.socket) -> None:
        self._sockets = sockets
        self._lock = threading.Lock()
        self._left = 2

    def done(self) -> None:
        with self._lock:
            self._left -= 1
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            if not self._left:
                for each in self._sockets:
                    each.close()


class Memory:
    """The most memory that processes had, in bytes, looked at again and again."""

    def __init__(self) -> None:
        self._watched: dict[int, str] = {}
        self._stop = threading.Event()
        self.most: dict[str, int] = {}
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def watch(self, name: str, process: int) -> None:
        self._watched[process] = name

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            for process, name in list(self._watched.items()):
                with suppress(OSError, StopIteration):
                    lines = Path(f"/proc/{process}/status").read_text().splitlines()
                    line = next(each for each in lines if each.startswith("VmHWM"))
                    self.most[name] = max(self.most.get(name, 0), int(line.split()[1]) * 1024)


@contextmanager
def carrying(verb: str, url: str, key: str, component: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """A client at work, in a process of its own."""
    command = [sys.executable, "-m", "tests.proof.carrier", verb, url, key, component, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def _main(verb: str, url: str, key: str, component: str, path: str) -> None:
    with rr.connect(url, api_key=key, retry=PATIENT) as session:
        files = room_files(session.transport)
        began = time.monotonic()
        found = files.upload(component, path) if verb == "upload" else files.download(component, path)
        print(found.checksum, found.size, f"{time.monotonic() - began:.1f}", flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
