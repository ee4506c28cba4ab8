"""A server that does what a script says, byte for byte: whatever can go wrong between a client and a server."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

from recordroom.model import wire

__all__ = ["Script", "answer", "close", "good", "noise", "reset", "scripted"]

Act = Callable[[socket.socket], bool]  # whether the connection stays open
_PATIENCE = 20.0


def answer(
    status: int, body: bytes = b"", content_type: str = wire.MSGPACK, *, cut: int | None = None, **more: str
) -> Act:
    """Answer; with `cut`, only so many bytes of the body, and then close."""

    def act(connection: socket.socket) -> bool:
        head = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", f"content-type: {content_type}"]
        head += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body[:cut])
        return cut is None

    return act


def good(value: Any, **more: Any) -> Act:
    """The right answer."""
    return answer(200, wire.encode(value), **more)


def close(connection: socket.socket) -> bool:
    """Hang up without a word."""
    return False


def reset(connection: socket.socket) -> bool:
    """Break off hard."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def noise(connection: socket.socket) -> bool:
    """Say what is not HTTP."""
    connection.sendall(b"\x00\x01garbage\r\n\r\n")
    return False


class Script:
    """What the server does, request by request, over all connections; `heard` is what it was asked."""

    def __init__(self, url: str, acts: list[Act]) -> None:
        self.url = url
        self.acts = acts
        self.heard: list[bytes] = []
        self.connections = 0
        self.lock = threading.Lock()

    @property
    def lines(self) -> list[str]:
        """The request lines."""
        return [each.split(b"\r\n", 1)[0].decode() for each in self.heard]

    def next(self, request: bytes) -> Act:
        with self.lock:
            self.heard.append(request)
            return self.acts.pop(0) if self.acts else close


@contextlib.contextmanager
def scripted(*acts: Act) -> Iterator[Script]:
    """A server with a script on loopback."""
    listening = socket.create_server(("127.0.0.1", 0))
    script = Script(f"http://127.0.0.1:{listening.getsockname()[1]}", list(acts))
    threads: list[threading.Thread] = []
    open_ones: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.settimeout(_PATIENCE)
            script.connections += 1
            open_ones.append(connection)
            threads.append(threading.Thread(target=_serve, args=(connection, script)))
            threads[-1].start()

    first = threading.Thread(target=accept)
    first.start()
    try:
        yield script
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        first.join(_PATIENCE)
        for connection in open_ones:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(_PATIENCE)


def _serve(connection: socket.socket, script: Script) -> None:
    with connection, contextlib.suppress(OSError):
        while (request := _request(connection)) is not None:
            if not script.next(request)(connection):
                return


def _request(connection: socket.socket) -> bytes | None:
    held = b""
    while b"\r\n\r\n" not in held:
        piece = connection.recv(65536)
        if not piece:
            return None
        held += piece
    head, _, body = held.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    missing = (int(length[1]) if length else 0) - len(body)
    while missing > 0:
        piece = connection.recv(65536)
        if not piece:
            return None
        held, missing = held + piece, missing - len(piece)
    return held
