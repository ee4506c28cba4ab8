"""Clients of streams for tests: server-sent events by lines, and WebSockets."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from websockets.sync.client import ClientConnection, connect

from tests.served import Served

__all__ = ["Block", "Sent", "events_of", "listening", "publish", "websocket"]


class Block(NamedTuple):
    """One block of a stream of server-sent events."""

    id: int | None
    event: str
    data: Any
    comment: str


class Sent:
    """A stream of server-sent events."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self.connection = connection
        self.response = response

    def blocks(self) -> Iterator[Block]:
        """Every block until the stream ends."""
        lines: list[str] = []
        while line := self.response.readline():
            text = line.decode().rstrip("\n")
            if text:
                lines.append(text)
                continue
            yield _block(lines)
            lines = []

    def events(self) -> Iterator[dict[str, Any]]:
        """Every event of the journal until the stream ends."""
        for block in self.blocks():
            if block.data is not None and not block.event:
                yield from block.data["events"]


def _block(lines: list[str]) -> Block:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields[name] = value.strip()
    data = json.loads(fields["data"]) if "data" in fields else None
    return Block(int(fields["id"]) if "id" in fields else None, fields.get("event", ""), data, fields.get("", ""))


@contextlib.contextmanager
def listening(server: Served, parameters: str = "", **headers: str) -> Iterator[Sent]:
    """A stream of a server; what it answers first has been read."""
    connection = http.client.HTTPConnection(server.host, int(server.url.rpartition(":")[2]), timeout=60)
    given = server.headers | {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("GET", f"/v1/events/stream{parameters}", headers=given)
        yield Sent(connection, connection.getresponse())
    finally:
        connection.close()


@contextlib.contextmanager
def websocket(
    server: Served, first: dict[str, Any] | None = None, *, authorized: bool = True
) -> Iterator[ClientConnection]:
    """A WebSocket of a server, which has been sent `first` as JSON; its answer has been read where there was one."""
    url = server.url.replace("http", "ws") + "/v1/events"
    headers = server.headers if authorized else {}
    with connect(url, additional_headers=headers, open_timeout=60, close_timeout=60, max_size=None) as found:
        if first is not None:
            found.send(json.dumps(first))
        yield found


def events_of(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next `count` events."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        found += msgspec.json.decode(socket.recv(timeout=60)).get("events", [])
    return found


def publish(server: Served, *topics: str, data: Any = None) -> int:
    """Publish events, one commit each; the last revision."""
    revision = 0
    for topic in topics:
        response = server.request("POST", "/v1/events", {"topic": topic, "data": data})
        assert response.status == 200, response.data
        revision = response.json()["revision"]
    return revision
