"""Streams of events: resumed by revision, filtered, bounded, ended by stops and revoked credentials."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

import recordroom as rr
from recordroom.errors import NotAuthenticated
from recordroom.model.ids import new_id, show_id
from recordroom.query.subscriptions import Followed, FollowRequest
from recordroom.server.limits import Limits
from tests.conftest import Places
from tests.served import Served, served
from tests.server.streams import events_of, listening, publish, websocket

SCHEMA = {
    "op": "DefineType",
    "definition": {
        "name": "Task",
        "attributes": [{"name": "name", "kind": "text"}, {"name": "done", "kind": "boolean"}],
    },
}


@pytest.fixture
def server(places: Places) -> Iterator[Served]:
    """A server of an empty room, in a thread of this process."""
    with served(places()) as found:
        yield found


def commit(server: Served, *operations: dict[str, Any]) -> int:
    body = {"id": show_id(new_id()), "operations": list(operations)}
    response = server.request("POST", "/v1/commit", body)
    assert response.status == 200, response.data
    revision: int = response.json()["revision"]
    return revision


def create(name: str, **values: Any) -> dict[str, Any]:
    columns = {"name": [name], **{key: [value] for key, value in values.items()}}
    return {"op": "Create", "type": "Task", "ids": [show_id(new_id())], "columns": columns}


# --- server-sent events ---------------------------------------------------------------------------


def test_events_come_in_order_with_their_revision_as_id(server: Served) -> None:
    with listening(server) as stream:
        first = next(blocks := stream.blocks())
        publish(server, *(f"t.{number}" for number in range(5)))
        found = [next(blocks) for _ in range(5)]

    assert (stream.response.status, stream.response.getheader("content-type")) == (200, "text/event-stream")
    assert first.id == 0
    assert [each.id for each in found] == [1, 2, 3, 4, 5]
    assert [each.data["events"][0]["topic"] for each in found] == [f"t.{number}" for number in range(5)]


def test_a_stream_resumes_behind_the_last_event_id(server: Served) -> None:
    publish(server, "a", "b", "c", "d")
    with listening(server, "?after=1", last_event_id="2") as stream:
        events = stream.events()
        assert [next(events)["topic"] for _ in range(2)] == ["c", "d"]


def test_without_a_position_a_stream_begins_now(server: Served) -> None:
    publish(server, "a", "b")
    with listening(server) as stream:
        publish(server, "c")
        assert next(stream.events())["topic"] == "c"


def test_what_does_not_fit_only_moves_the_position(server: Served) -> None:
    with listening(server, "?expression=topic%3Drender.*") as stream:
        blocks = stream.blocks()
        next(blocks)
        last = publish(server, "a", "b", "c")
        positions = []
        while not positions or positions[-1] < last:
            block = next(blocks)
            assert block.data is None
            positions.append(block.id or 0)
        publish(server, "render.done")
        assert next(blocks).data["events"][0]["topic"] == "render.done"

    assert positions == sorted(positions)


def test_a_query_is_asked_of_the_room(server: Served) -> None:
    commit(server, SCHEMA)
    with listening(server, "?expression=Task%20where%20done%20is%20true") as stream:
        events = stream.events()
        commit(server, create("no", done=False))
        commit(server, create("yes", done=True))
        event = next(events)

    assert event["changes"][0]["after"] == {"name": "yes", "done": True}
    assert event["matches"] == [{"subscription": 0, "entities": [event["changes"][0]["id"]]}]


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ("?expression=topic%3D", 400, "query_syntax"),
        ("?expression=Tusk", 404, "unknown_type"),
        ("?after=x", 400, "invalid_request"),
        ("?nonsense=1", 400, "invalid_request"),
    ],
)
def test_what_is_wrong_is_an_error_before_anything_is_sent(
    server: Served, parameters: str, status: int, code: str
) -> None:
    with listening(server, parameters) as stream:
        assert stream.response.status == status
        assert json.loads(stream.response.read())["error"]["code"] == code


def test_without_a_credential_there_is_no_stream(server: Served) -> None:
    with listening(server, authorization="Bearer other") as stream:
        assert stream.response.status == 401


def test_a_position_that_was_pruned_is_told(server: Served) -> None:
    publish(server, "a", "b", "c")
    prune(server)
    with listening(server, "?after=1") as stream:
        assert stream.response.status == 410
        error = json.loads(stream.response.read())["error"]
        assert (error["code"], error["details"]["oldest"]) == ("past_pruned", 4)


def prune(server: Served) -> None:
    from recordroom.store.past import prune_plan

    async def work() -> None:
        room = server.service.room
        await room.driver.write(prune_plan({}, room.driver.dialect, 2**60))

    asyncio.run_coroutine_threadsafe(work(), server.loop).result(60)


def test_a_server_that_stops_says_so(server: Served) -> None:
    with listening(server) as stream:
        publish(server, "a")
        blocks = stream.blocks()
        next(blocks)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        rest = list(blocks)
        stopping.join()

    assert rest[-1].event == "bye"
    assert [each.data["events"][0]["topic"] for each in rest if each.data and not each.event] == ["a"]


def test_a_revoked_credential_ends_its_streams(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(server) as stream:
        publish(server, "a")
        blocks = stream.blocks()
        while next(blocks).id != 1:
            pass
        with monkeypatch.context() as revoked:
            revoked.setattr(server.service.accounts, "identify", _refuse)
            run(server, _owner_publishes(server))
            last = list(blocks)[-1]

    assert last.event == "failure"
    assert last.data["error"]["code"] == "not_authenticated"


async def _refuse(authorization: str | None) -> Any:
    raise NotAuthenticated(where="the server", reason="it was revoked")


async def _owner_publishes(server: Served) -> None:
    from recordroom.model.operations import Commit, Publish

    await server.service.room.commit(Commit(id=new_id(), operations=[Publish(topic="b")]))


def run(server: Served, work: Any) -> Any:
    return asyncio.run_coroutine_threadsafe(work, server.loop).result(60)


def test_a_client_that_never_reads_is_cut_off(places: Places) -> None:
    with served(places(), limits=Limits(stall_seconds=0.2)) as server, listening(server) as stream:
        blocks = stream.blocks()
        next(blocks)
        for _ in range(30):
            publish(server, "big", data="x" * 1_000_000)
        received: list[int | None] = []
        # More than both ends' buffers hold: the stream stalls, and its call ends.
        while run(server, _calls()):
            pass
        with pytest.raises(http.client.IncompleteRead):
            received += [block.id for block in blocks]

    assert len(received) < 30


async def _calls() -> int:
    await asyncio.sleep(0.01)
    return sum("run_asgi" in repr(task.get_coro()) for task in asyncio.all_tasks())


def test_a_slow_client_gets_everything_from_the_journal(server: Served) -> None:
    with listening(server) as stream:
        for number in range(300):
            publish(server, f"t.{number}")
        events = stream.events()
        assert [next(events)["topic"] for _ in range(300)] == [f"t.{number}" for number in range(300)]


# --- WebSocket ------------------------------------------------------------------------------------


def said(socket: ClientConnection) -> Any:
    return msgspec.json.decode(socket.recv(timeout=60))


def closed(socket: ClientConnection) -> int:
    """The code that the server closes with; what it says before is read over."""
    with pytest.raises(ConnectionClosed) as caught:
        _exhaust(socket)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code


def _exhaust(socket: ClientConnection) -> None:
    while True:
        socket.recv(timeout=60)


def test_a_websocket_hears_events_from_a_position(server: Served) -> None:
    publish(server, "a", "b")
    with websocket(server, {"after": 1, "subscriptions": ["*"]}) as socket:
        assert said(socket) == {"position": 1}
        assert said(socket)["events"][0]["topic"] == "b"
        publish(server, "c")
        assert [each["topic"] for each in events_of(socket, 1)] == ["c"]


def test_a_websocket_speaks_msgpack_to_those_who_do(server: Served) -> None:
    with websocket(server) as socket:
        socket.send(msgspec.msgpack.encode({"after": 0, "subscriptions": ["a*"]}))
        first = socket.recv(timeout=60)
        assert isinstance(first, bytes)
        assert msgspec.msgpack.decode(first, type=Followed) == Followed(position=0)
        revision = publish(server, "abc", data={"n": 1})
        part = Followed(position=0)
        while not part.deliveries:
            part = msgspec.msgpack.decode(socket.recv(timeout=60), type=Followed)  # type: ignore[arg-type]

    assert (part.position, part.deliveries[0].event.data) == (revision, {"n": 1})


def test_a_new_message_takes_the_place_of_the_subscriptions(server: Served) -> None:
    with websocket(server, {"subscriptions": ["topic=a"]}) as socket:
        assert said(socket) == {"position": 0}
        publish(server, "a")
        assert [each["topic"] for each in events_of(socket, 1)] == ["a"]
        socket.send(json.dumps({"subscriptions": ["topic=x", "topic=b"]}))
        said(socket)
        publish(server, "a", "b")
        (event,) = events_of(socket, 1)

    assert (event["topic"], event["matches"]) == ("b", [{"subscription": 1, "entities": []}])


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"subscriptions": ["topic="]}', "query_syntax"),
        ('{"subscriptions": ["Tusk"]}', "unknown_type"),
        ('{"nonsense": 1}', "invalid_request"),
        ("{", "invalid_request"),
    ],
)
def test_a_websocket_tells_what_is_wrong_and_closes(server: Served, message: str, code: str) -> None:
    with websocket(server) as socket:
        socket.send(message)
        assert said(socket)["error"]["code"] == code
        assert closed(socket) == 4400


def test_a_message_that_is_too_large_closes_the_socket(server: Served) -> None:
    with websocket(server) as socket:
        socket.send(json.dumps({"database": "x" * 100_000}))
        assert closed(socket) == 1009


def test_a_websocket_without_credential_is_closed(server: Served) -> None:
    with websocket(server, {}, authorized=False) as socket:
        assert said(socket)["error"]["code"] == "not_authenticated"
        assert closed(socket) == 4401


def test_a_credential_may_stand_in_the_first_message(server: Served) -> None:
    first = {"authorization": f"Bearer {server.api_key}", "after": 0}
    with websocket(server, first, authorized=False) as socket:
        publish(server, "a")
        assert [each["topic"] for each in events_of(socket, 1)] == ["a"]


def test_a_websocket_is_told_of_what_was_pruned(server: Served) -> None:
    publish(server, "a", "b")
    prune(server)
    with websocket(server, {"after": 0}) as socket:
        said(socket)
        assert said(socket)["error"]["code"] == "past_pruned"
        assert closed(socket) == 4410


def test_a_websocket_of_a_server_that_stops_closes_with_1012(server: Served) -> None:
    with websocket(server, {}) as socket:
        said(socket)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert closed(socket) == 1012
        stopping.join()


def test_a_revoked_credential_closes_its_websockets(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with websocket(server, {}) as socket:
        said(socket)
        with monkeypatch.context() as revoked:
            revoked.setattr(server.service.accounts, "identify", _refuse)
            run(server, _owner_publishes(server))
            assert closed(socket) == 4401


# --- long polls and publishing --------------------------------------------------------------------


def follow(server: Served, **body: Any) -> Any:
    response = server.request("POST", "/v1/follow", body)
    assert response.status == 200, response.data
    return response.json()


def test_a_poll_without_a_position_says_where_the_journal_ends(server: Served) -> None:
    revision = publish(server, "a", "b")

    assert follow(server, subscriptions=["*"]) == {"position": revision, "more": False}


def test_a_poll_waits_for_what_fits(server: Served) -> None:
    found: list[Any] = []
    waiting = threading.Thread(
        target=lambda: found.append(follow(server, after=0, subscriptions=["topic=b"], wait=30, limit=10))
    )
    waiting.start()
    publish(server, "a", "b")
    waiting.join(60)

    assert found[0]["position"] == 2
    assert [each["topic"] for each in found[0]["events"]] == ["b"]


def test_a_poll_that_heard_nothing_says_how_far_it_looked(server: Served) -> None:
    publish(server, "a", "b")

    assert follow(server, after=0, subscriptions=["topic=x"])["position"] == 2


def test_a_poll_in_msgpack_may_have_query_trees(server: Served) -> None:
    from recordroom.query.grammar import parse

    commit(server, SCHEMA)
    revision = commit(server, create("a", done=True))
    request = FollowRequest(after=1, subscriptions=["topic=x", parse("Task where done is true")])
    response = server.request(
        "POST",
        "/v1/follow",
        msgspec.msgpack.encode(request),
        content_type="application/msgpack",
        accept="application/msgpack",
    )
    found = msgspec.msgpack.decode(response.data, type=Followed)

    assert found.position == revision
    assert [each.subscription for each in found.deliveries[0].matches] == [1]


def test_a_poll_ends_when_the_server_stops(server: Served) -> None:
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(follow(server, after=0, subscriptions=["*"], wait=30)))
    waiting.start()
    while run(server, _calls()) < 1:
        pass
    server.stop()
    waiting.join(60)

    assert found == [{"position": 0, "more": False}]


def test_publishing_again_under_the_same_id_publishes_once(server: Served) -> None:
    body = {"topic": "a", "commit": show_id(new_id())}
    first, second = (server.request("POST", "/v1/events", body).json() for _ in range(2))

    assert first == second
    assert follow(server, after=0, subscriptions=["*"])["position"] == 1


@pytest.mark.parametrize(
    "event",
    [
        {"topic": ""},
        {"topic": "recordroom.commit"},
        {"topic": "\0"},
        {"topic": "a", "target": "\0"},
        {"topic": "a", "data": 10**40},
    ],
)
def test_an_event_that_cannot_be_is_refused(server: Served, event: dict[str, Any]) -> None:
    response = server.request("POST", "/v1/events", json.dumps(event).encode(), content_type="application/json")

    assert response.status == 422
    assert follow(server, after=0, subscriptions=["*"])["position"] == 0


# --- restarts and several processes ---------------------------------------------------------------


def test_a_listener_that_comes_back_after_a_restart_misses_nothing(places: Places) -> None:
    heard: list[dict[str, Any]] = []
    position = "0"
    for round_ in range(3):
        with served(places()) as server:
            if round_:
                publish(server, f"{round_}.before")
            with listening(server, last_event_id=position) as stream:
                publish(server, f"{round_}.during")
                for block in stream.blocks():
                    position = str(block.id or position)
                    if block.data is not None:
                        heard += block.data["events"]
                    if heard and heard[-1]["topic"] == f"{round_}.during":
                        break

    topics = ["0.during", "1.before", "1.during", "2.before", "2.during"]
    assert [each["topic"] for each in heard] == topics
    assert [each["revision"] for each in heard] == [1, 2, 3, 4, 5]


def test_processes_hear_each_others_commits_once_and_in_order(places_postgres: Places) -> None:
    where = places_postgres()
    with (
        served(where, process=True) as one,
        served(where, process=True) as two,
        listening(one, "?after=0") as first,
        listening(two, "?after=0") as second,
    ):
        writers = [
            threading.Thread(target=publish, args=(server, *(f"{name}.{step}" for step in range(10))))
            for name, server in (("one", one), ("two", two))
        ]
        for each in writers:
            each.start()
        heard = [[next(events) for _ in range(20)] for events in (first.events(), second.events())]
        for each in writers:
            each.join()

    assert [each["revision"] for each in heard[0]] == list(range(1, 21))
    assert heard[0] == heard[1]
    assert {each["topic"] for each in heard[0]} == {f"{name}.{step}" for name in ("one", "two") for step in range(10)}


def test_a_process_that_is_killed_is_resumed_on_another(places_postgres: Places) -> None:
    where = places_postgres()
    with served(where, process=True) as one, served(where, process=True) as two:
        with listening(one, "?after=0") as stream:
            publish(two, "a")
            block = next(each for each in stream.blocks() if each.data is not None)
            one.kill()
        publish(two, "b", "c")
        with listening(two, last_event_id=str(block.id)) as stream:
            events = stream.events()
            assert [next(events)["topic"] for _ in range(2)] == ["b", "c"]


def test_a_session_that_listens_outlives_restarts_of_its_server(places: Places) -> None:
    heard: list[tuple[int, str]] = []
    changed = threading.Condition()

    def hear(event: Any) -> None:
        with changed:
            heard.append((event.revision, event.topic))
            changed.notify_all()

    def until(count: int) -> None:
        with changed:
            assert changed.wait_for(lambda: len(heard) >= count, timeout=60)

    with served(places()) as server:
        port = int(server.url.rpartition(":")[2])
        session = rr.connect(server.url, api_key=server.api_key)
        session.events.subscribe("t.*", hear)
        listener = session.events.listen()
        publish(server, "t.1", "other")
        until(1)
    for round_ in range(2, 4):
        with served(places(), port=port) as server:
            publish(server, f"t.{round_}")
            until(round_)
            assert listener.running
    listener.stop()
    session.close()

    assert [topic for _, topic in heard] == ["t.1", "t.2", "t.3"]


def test_a_session_whose_credential_was_revoked_stops_listening(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = rr.connect(server.url, api_key=server.api_key)
    session.events.subscribe("*", print)
    with monkeypatch.context() as revoked:
        revoked.setattr(server.service.accounts, "identify", _refuse)
        listener = session.events.listen()
        listener._thread.join(60)
    session.close()

    assert isinstance(listener.error, NotAuthenticated)
    assert not listener.running
