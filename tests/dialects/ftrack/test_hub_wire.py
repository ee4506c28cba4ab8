"""The event hub's wire, packet by packet; and what is refused there."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from msgspec.structs import replace
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from recordroom.dialects.ftrack import connection as served_connection
from recordroom.dialects.ftrack.hub import Hub
from recordroom.server.limits import Limits
from tests.dialects.ftrack.hubs import Event, Hubs, Stage, settle, stage, until


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A server for all tests of this module."""
    with stage(str(tmp_path_factory.mktemp("wire") / "a.room")) as found:
        yield found


def handshake(
    here: Stage, user: str | None = None, key: str | None = None, query: str = "", path: str = "/socket.io/1/"
) -> Any:
    headers = {"ftrack-user": here.user if user is None else user, "ftrack-api-key": here.key if key is None else key}
    return urllib3.request("GET", here.server.url + path + query, headers={} if query else headers, retries=False)


def mount_of(here: Stage) -> Hub:
    """The part of the server that is the hub."""
    found: Hub = here.server.service.farewells[0].__self__
    return found


class Wire:
    """A WebSocket to the hub that speaks packets."""

    def __init__(self, inner: ClientConnection) -> None:
        self.inner = inner
        self._number = 0

    def read(self) -> str:
        """The next packet that is no heartbeat."""
        while True:
            text = str(self.inner.recv(timeout=20))
            if text != "2::":
                return text

    def send(self, event: dict[str, Any]) -> None:
        self._number += 1
        self.inner.send(f"5:{self._number}+::{json.dumps({'name': 'ftrack.event', 'args': [event]})}")

    def ask(self, event: dict[str, Any]) -> dict[str, Any]:
        """What came of an event."""
        self.send(event)
        while True:
            text = self.read()
            if text.startswith(f"6:::{self._number}+"):
                found: list[dict[str, Any]] = json.loads(text.partition("+")[2])
                return found[0]

    def subscribe(self, expression: Any, identifier: Any = "s1", **more: Any) -> dict[str, Any]:
        data = {"subscriber": {"id": identifier, **more}, "subscription": expression}
        return self.ask({"topic": "ftrack.meta.subscribe", "id": "x", "data": data})


def event(topic: str = "a", **more: Any) -> dict[str, Any]:
    return {"topic": topic, "id": "e1", "data": {}, "sent": None, "source": {"id": "h"}, "target": "", **more}


@contextlib.contextmanager
def wire(here: Stage, **credentials: str) -> Iterator[Wire]:
    ticket = handshake(here, **credentials).data.decode().split(":")[0]
    address = f"ws://{here.server.host}:{here.server.port}/socket.io/1/websocket/{ticket}"
    # It takes little that nobody reads.
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 2**10)
    small.connect((here.server.host, here.server.port))
    with connect(address, sock=small, max_queue=1, close_timeout=1, compression=None) as inner:
        found = Wire(inner)
        assert found.read() == "1::"
        yield found


# --- the handshake --------------------------------------------------------------------------------


def test_a_handshake_gives_an_address_and_what_there_is(here: Stage) -> None:
    answer = handshake(here)

    ticket, _, _, transports = answer.data.decode().split(":")
    assert answer.status == 200
    assert transports.split(",") == ["websocket"]
    assert len(ticket) >= 32
    assert ticket != handshake(here).data.decode().split(":")[0]


def test_a_handshake_takes_credentials_of_the_query_string_too(here: Stage) -> None:
    assert handshake(here, query=f"?api_user={here.user}&api_key={here.key}&t=123").status == 200
    assert handshake(here, query=f"?api_user={here.user}&api_key=rrk_wrong").status == 401


@pytest.mark.parametrize(
    ("user", "key"), [("", ""), ("administrator", ""), ("administrator", "rrk_no"), ("bob", None), ("", None)]
)
def test_wrong_credentials_get_no_address(here: Stage, user: str, key: str | None) -> None:
    answer = handshake(here, user=user, key=key)

    assert answer.status == 401
    assert here.key not in answer.data.decode()
    assert "exception" in json.loads(answer.data)


def test_other_paths_and_methods_are_refused(here: Stage) -> None:
    assert handshake(here, path="/socket.io/1").status == 200
    assert handshake(here, path="/socket.io/2/").status == 404
    assert urllib3.request("POST", f"{here.server.url}/socket.io/1/", retries=False).status == 405


def test_an_address_is_good_once(here: Stage) -> None:
    ticket = handshake(here).data.decode().split(":")[0]
    address = f"ws://{here.server.host}:{here.server.port}/socket.io/1/websocket/"

    with connect(address + ticket) as inner:
        assert inner.recv() == "1::"
    for wrong in (ticket, "", "0" * 48, f"{ticket}/x"):
        with pytest.raises(InvalidStatus), connect(address + wrong):
            pass


# --- packets --------------------------------------------------------------------------------------


def test_events_come_in_the_form_of_the_wire(here: Stage) -> None:
    with wire(here) as hub:
        assert hub.subscribe("topic=a") == {"success": True}
        hub.inner.send(f"5:::{json.dumps({'name': 'ftrack.event', 'args': [event(data={'x': 1}, more='dropped')]})}")

        code, identifier, path, data = hub.read().split(":", 3)

    [found] = json.loads(data)["args"]
    assert (code, identifier, path) == ("5", "", "")
    assert set(found) == {"topic", "id", "data", "sent", "source", "target", "inReplyToEvent"}
    assert (found["data"], found["id"], found["target"], found["inReplyToEvent"]) == ({"x": 1}, "e1", "", None)


def test_the_end_is_said_by_a_packet_and_not_by_a_close_frame(here: Stage) -> None:
    with wire(here) as hub:
        hub.inner.send("0::")
        with pytest.raises(ConnectionClosedError) as ended:
            hub.read()

    assert ended.value.rcvd is None


@pytest.mark.parametrize(
    "data",
    [
        {"subscriber": {"id": "s"}, "subscription": ""},
        {"subscriber": {"id": "s"}, "subscription": "topic"},
        {"subscriber": {"id": "s"}, "subscription": "topic=a and"},
        {"subscriber": {"id": "s"}, "subscription": "render.*"},
        {"subscriber": {"id": "s"}, "subscription": "(" * 100 + "topic=a" + ")" * 100},
        {"subscriber": {"id": "s"}, "subscription": None},
        {"subscriber": {"id": ""}, "subscription": "topic=a"},
        {"subscriber": {}, "subscription": "topic=a"},
        {"subscriber": {"id": "s", "more": "x" * 20_000}, "subscription": "topic=a"},
        {"subscription": "topic=a"},
        None,
        [],
    ],
)
def test_a_bad_subscription_is_refused_and_the_connection_goes_on(here: Stage, data: Any) -> None:
    with wire(here) as hub:
        answer = hub.ask({"topic": "ftrack.meta.subscribe", "id": "x", "data": data})

        assert answer["success"] is False
        assert answer["message"]
        assert hub.subscribe("topic=a") == {"success": True}


def test_a_subscriber_subscribes_once(here: Stage) -> None:
    with wire(here) as hub:
        assert hub.subscribe("topic=a")["success"]
        assert not hub.subscribe("topic=b")["success"]
        assert hub.subscribe("topic = a")["success"]
        hub.send(event("a"))
        hub.send(event("a"))
        assert len(_events(hub, "a")) == 1

        gone = {"topic": "ftrack.meta.unsubscribe", "id": "x", "data": {"subscriber": {"id": "s1", "host": "new"}}}
        assert hub.ask(gone) == {"success": True}
        assert not hub.ask(gone)["success"]
        assert hub.subscribe("topic=b")["success"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"topic": ""},
        {"topic": 7},
        {"topic": "recordroom.commit"},
        {"topic": "ftrack.meta.connected"},
        {"id": 5},
        {"target": "id=="},
        {"data": {"n": 2**70}},
        {"source": "me"},
    ],
)
def test_what_cannot_be_published_is_refused(here: Stage, wrong: dict[str, Any]) -> None:
    with wire(here) as hub:
        answer = hub.ask(event(**wrong))

        assert answer["success"] is False
        assert hub.ask(event()) == {"success": True}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "99::",
        "5:99+::",
        "5:99+::{",
        '5:99+::{"name":"x","args":[{}]}',
        "5:99+::[]",
        "7:::x",
        "2::",
        "4:::{}",
    ],
)
def test_odd_packets_end_nothing(here: Stage, text: str) -> None:
    with wire(here) as hub:
        hub.inner.send(text)

        assert hub.ask(event()) == {"success": True}


def test_a_type_clash_fits_nothing(here: Stage) -> None:
    with wire(here) as hub:
        assert hub.subscribe("topic=a and not data.n>5", "clash")["success"]
        assert hub.subscribe("topic=end", "end")["success"]
        hub.ask(event(data={"n": 3}))
        hub.send(event("end"))
        heard = _events(hub, "end")

    assert [each["topic"] for each in heard] == ["end"]


def _events(hub: Wire, last: str) -> list[dict[str, Any]]:
    """What is delivered, up to the first event with the topic `last`."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["topic"] != last:
        text = hub.read()
        if text.startswith("5:::"):
            found += json.loads(text[4:])["args"]
    return found


def test_a_key_for_reading_hears_and_publishes_nothing(here: Stage) -> None:
    asked = {"grant": "api_key", "name": "reading", "user": here.user, "scopes": ["read"]}
    key = json.loads(here.server.request("POST", "/v1/tokens", asked).data)["api_key"]
    with wire(here, key=key) as hub, wire(here) as other:
        assert hub.subscribe("topic=*")["success"]

        assert not hub.ask(event("mine"))["success"]
        assert other.ask(event("end"))["success"]

        assert [each["topic"] for each in _events(hub, "end")] == ["end"]


# --- what ends a connection -----------------------------------------------------------------------


def test_a_key_that_is_revoked_ends_its_connections(here: Stage) -> None:
    key, token = here.new_key("administrator")
    with wire(here, key=key) as hub:
        assert hub.subscribe("topic=a")["success"]
        assert here.server.request("DELETE", f"/v1/tokens/{token}").status < 300
        packets = [hub.read()]
        while packets[-1] != "0::":
            packets.append(hub.read())

    assert packets[0].startswith("7:::")
    assert handshake(here, key=key).status == 401


def test_nobody_publishes_with_a_key_that_was_revoked(here: Stage) -> None:
    key, token = here.new_key("administrator")
    with wire(here) as other, wire(here, key=key) as hub:
        assert other.subscribe("topic=*", "all")["success"]
        here.server.request("DELETE", f"/v1/tokens/{token}")
        hub.send(event("late"))
        while hub.read() != "0::":
            pass
        other.send(event("end"))

        assert "late" not in [each["topic"] for each in _events(other, "end")]


def test_who_answers_no_heartbeats_is_let_go_without_a_close_frame(
    here: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = replace(here.server.service.limits, heartbeat_seconds=0.02)
    monkeypatch.setattr(here.server.service, "limits", limits)
    monkeypatch.setattr(served_connection, "_SILENT_SECONDS", 0.5)
    with wire(here) as silent, wire(here) as alive:

        def wait() -> None:
            while silent.inner.recv(timeout=20):
                alive.inner.send("2:::")

        with pytest.raises(ConnectionClosedError) as ended:
            wait()
        assert ended.value.rcvd is None
        alive.inner.send("2:::")
        assert alive.ask(event())["success"]


def test_who_reads_nothing_is_let_go_and_holds_up_nobody(here: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_connection, "_MOST_WAITING", 2**20)
    mount = mount_of(here)
    hubs = Hubs(here.server.url, here.user, here.key)
    hub = hubs()
    heard: list[Any] = []
    hub.subscribe("topic=big", lambda event: heard.append(event["data"]["number"]))
    settle(hub)

    with wire(here) as lazy:
        assert lazy.subscribe("topic=big")["success"]
        for number in range(20):
            hub.publish(Event("big", data={"number": number, "text": secrets.token_hex(200_000)}))
            settle(hub)
        until(lambda: len(heard) == 20, hub)
        until(lambda: len(mount._connections) == 1)
    hubs.close()
    assert heard == list(range(20))


def test_everybody_is_told_when_the_server_stops(tmp_path: Path) -> None:
    with stage(str(tmp_path / "a.room")) as other, wire(other) as hub:
        stopping = threading.Thread(target=other.server.stop)
        stopping.start()
        packets = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                packets.append(hub.read())
        stopping.join(30)

    assert packets == ["0::"]


def test_too_many_listeners_are_refused(tmp_path: Path) -> None:
    with stage(str(tmp_path / "a.room"), limits=Limits(listeners=2)) as here:
        with wire(here), wire(here):
            ticket = handshake(here).data.decode().split(":")[0]
            address = f"ws://{here.server.host}:{here.server.port}/socket.io/1/websocket/{ticket}"
            with pytest.raises(InvalidStatus), connect(address):
                pass
        with wire(here) as hub:
            assert hub.ask(event())["success"]


def test_connections_with_one_key_share_a_reader(here: Stage) -> None:
    mount = mount_of(here)
    until(lambda: not mount._connections)
    with contextlib.ExitStack() as stack:
        hubs = [stack.enter_context(wire(here)) for _ in range(20)]
        for hub in hubs:
            assert hub.subscribe("topic=a")["success"]
        assert (len(mount._connections), len(mount._channels)) == (20, 1)
        hubs[0].send(event("a"))
        assert all(len(_events(hub, "a")) == 1 for hub in hubs)
    until(lambda: not mount._connections and not mount._channels)
