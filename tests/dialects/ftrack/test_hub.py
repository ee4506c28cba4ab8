"""The event hub of the unmodified client against a server."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from tests.dialects.ftrack.hubs import Event, EventHub, Hubs, Stage, settle, stage, until

KEYS = {"topic", "id", "data", "sent", "source", "target", "in_reply_to_event"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A server for all tests of this module."""
    with stage(str(tmp_path_factory.mktemp("hub") / "a.room")) as found:
        yield found


@pytest.fixture
def hubs(here: Stage) -> Iterator[Hubs]:
    found = Hubs(here.server.url, here.user, here.key)
    yield found
    found.close()


def listen(hub: EventHub, expression: str, **options: Any) -> list[Any]:
    """What a new subscription of a hub hears from now on."""
    heard: list[Any] = []
    hub.subscribe(expression, heard.append, **options)
    settle(hub)
    return heard


def publish(hub: EventHub, topic: str, data: Any = None, **more: Any) -> Any:
    event = Event(topic, data=data, **more)
    hub.publish(event)
    settle(hub)
    return event


def test_an_event_is_heard_as_it_was_published(hubs: Hubs) -> None:
    one, other = hubs(), hubs()
    heard = listen(other, "topic=render.*")

    sent = publish(one, "render.done", {"frames": [1, 2], "text": 'ä:"{}', "none": None})

    [event] = until(lambda: heard, other)
    assert set(event) == KEYS
    assert {name: event[name] for name in KEYS - {"sent"}} == {name: sent[name] for name in KEYS - {"sent"}}
    assert event["source"]["user"] == {"username": "administrator"}
    assert event["sent"]


def test_only_what_fits_is_heard_and_only_from_then_on(hubs: Hubs) -> None:
    one, other = hubs(), hubs()
    publish(one, "a", {"n": "0"})
    heard = listen(other, "topic=a and data.n=1")

    for number in ("2", "1", "3", "1"):
        publish(one, "a", {"n": number})
    ends = listen(other, "topic=end")
    publish(one, "end")

    until(lambda: ends, other)
    assert [each["data"]["n"] for each in heard] == ["1", "1"]


def test_whoever_publishes_hears_it_too(hubs: Hubs) -> None:
    hub = hubs()
    heard = listen(hub, "topic=own")

    publish(hub, "own")

    assert len(until(lambda: heard, hub)) == 1


def test_an_event_comes_once_whatever_number_of_subscriptions_fit(hubs: Hubs) -> None:
    one, other = hubs(), hubs()
    first, second = listen(other, "topic=twice"), listen(other, "topic=twice*")
    ends = listen(other, "topic=end")

    publish(one, "twice")
    publish(one, "end")

    until(lambda: ends, other)
    assert (len(first), len(second)) == (1, 1)


def test_nothing_comes_after_unsubscribing(hubs: Hubs) -> None:
    hub = hubs()
    heard: list[Any] = []
    identifier = hub.subscribe("topic=a", heard.append)
    ends = listen(hub, "topic=end")
    hub.unsubscribe(identifier)

    publish(hub, "a")
    publish(hub, "end")

    until(lambda: ends, hub)
    assert heard == []


def test_what_a_callback_returns_is_the_reply(hubs: Hubs) -> None:
    one, other = hubs(), hubs()
    third = listen(hubs(), "topic=ftrack.meta.reply")
    other.subscribe("topic=question", lambda event: {"answer": event["data"]["n"] + 1})
    settle(other)
    replies: list[Any] = []

    asked = Event("question", data={"n": 41})
    one.publish(asked, on_reply=replies.append)

    until(lambda: replies, one, other)
    assert [each["data"] for each in replies] == [{"answer": 42}]
    assert replies[0]["in_reply_to_event"] == asked["id"]
    assert third == []


def test_replies_of_several_subscribers_all_come(hubs: Hubs) -> None:
    one = hubs()
    others = [hubs() for _ in range(3)]
    for number, each in enumerate(others):
        each.subscribe("topic=roll-call", lambda event, number=number: number + 1)
    settle(*others)
    replies: list[Any] = []

    one.publish(Event("roll-call"), on_reply=replies.append)

    until(lambda: len(replies) == 3, one, *others)
    assert sorted(each["data"] for each in replies) == [1, 2, 3]


def test_a_target_means_subscribers(hubs: Hubs) -> None:
    one, other = hubs(), hubs()
    maya = listen(other, "topic=a", subscriber={"id": "in-maya", "applicationId": "maya"})
    nuke = listen(other, "topic=a", subscriber={"id": "in-nuke", "applicationId": "nuke"})
    ends = listen(other, "topic=end")

    publish(one, "a", 1, target="applicationId=maya")
    publish(one, "a", 2, target="id=in-nuke or id=nobody")
    publish(one, "a", 3, target="id=nobody")
    publish(one, "end")

    until(lambda: ends, other)
    assert ([each["data"] for each in maya], [each["data"] for each in nuke]) == ([1], [2])


def test_what_is_published_before_the_connection_stands_is_sent_then(hubs: Hubs) -> None:
    heard = listen(listening := hubs(), "topic=early")
    hub = hubs(connect=False)
    hub.init_connection()
    hub.publish(Event("early", data=1))
    hub.publish(Event("early", data=2))
    assert heard == []

    hub.connect()

    until(lambda: len(heard) == 2, listening)
    assert [each["data"] for each in heard] == [1, 2]


def test_what_is_published_right_before_leaving_is_heard(hubs: Hubs) -> None:
    heard = listen(listening := hubs(), "topic=last")
    hub = hubs()

    for number in range(20):
        hub.publish(Event("last", data=number + 1))
    hub.disconnect()

    until(lambda: len(heard) == 20, listening)
    assert [each["data"] for each in heard] == list(range(1, 21))


def test_many_threads_may_publish_by_one_hub(hubs: Hubs) -> None:
    one, other = hubs(), hubs()
    heard = listen(other, "topic=thread")

    def work(name: str) -> None:
        for number in range(10):
            one.publish(Event("thread", data={"name": name, "number": number}))

    threads = [threading.Thread(target=work, args=(str(each),)) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    until(lambda: len(heard) == 40, other)
    for name in map(str, range(4)):
        assert [each["data"]["number"] for each in heard if each["data"]["name"] == name] == list(range(10))


# --- sessions of our own --------------------------------------------------------------------------


def test_sessions_of_both_kinds_hear_and_answer_each_other(here: Stage, hubs: Hubs) -> None:
    hub, session = hubs(), here.session
    native: list[Any] = []
    session.events.subscribe("topic=to.ours", lambda event: session.events.reply(event, {"ours": event.data["n"]}))
    session.events.subscribe("topic=to.ours", native.append)
    hub.subscribe("topic=to.theirs", lambda event: {"theirs": event["data"]["n"]})
    settle(hub)

    answers: list[Any] = []
    hub.publish(Event("to.ours", data={"n": 1}), on_reply=answers.append)
    until(lambda: session.events.wait(0) or native)
    until(lambda: answers, hub)
    replies: list[Any] = []
    session.events.publish("to.theirs", {"n": 2}, on_reply=replies.append)
    until(lambda: session.events.wait(0) or replies, hub)

    assert [each["data"] for each in answers] == [{"ours": 1}]
    assert [each.data for each in replies] == [{"theirs": 2}]
    assert native[0].data == {"n": 1}


def test_a_session_of_ours_can_mean_a_person_or_a_subscriber(here: Stage, hubs: Hubs) -> None:
    hub = hubs()
    heard = listen(hub, "topic=mine", subscriber={"id": "s1"})
    ends = listen(hub, "topic=end")

    for number, target in enumerate(["administrator", "s1", "actor=administrator", "somebody", "s2", "id=s1"]):
        here.session.events.publish("mine", number, target=target)
    here.session.events.publish("end")

    until(lambda: ends, hub)
    assert [each["data"] for each in heard] == [{}, 1, 2, 5]  # the client takes 0 for nothing


# --- connections that break -----------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_dropped_connection_comes_back_with_its_subscriptions(hubs: Hubs) -> None:
    one, other = hubs(), hubs()
    heard = listen(other, "topic=a")
    before = other._connection

    before.sock.shutdown(2)
    until(lambda: other._connection is not before)
    before.shutdown()  # the client itself leaves the socket open
    until(lambda: publish(one, "a", 1) and heard, other)

    assert {each["data"] for each in heard} == {1}
    gc.collect()


def test_a_hub_can_connect_anew_by_itself(hubs: Hubs) -> None:
    hub = hubs()
    heard = listen(hub, "topic=a")

    hub.reconnect()
    settle(hub)
    publish(hub, "a", 1)

    assert len(until(lambda: heard, hub)) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets that the client leaves open
def test_hubs_come_back_when_the_server_has_been_started_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    where = str(tmp_path_factory.mktemp("again") / "a.room")
    with stage(where) as first:
        port, key = first.server.port, first.key
        hubs = Hubs(first.server.url, first.user, key)
        one, other = hubs(), hubs()
        heard = listen(other, "topic=a")
        before = one._connection, other._connection
    one.publish(Event("a", data=1))

    with stage(where, port=port, api_key=key):
        until(lambda: one._connection is not before[0] and other._connection is not before[1])
        for each in before:
            each.shutdown()
        settle(one)
        until(lambda: publish(one, "a", 2) and [each for each in heard if each["data"] == 2], other)
        hubs.close()
    gc.collect()


def test_heartbeats_are_answered_for_as_long_as_it_stands(
    here: Stage, hubs: Hubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = replace(here.server.service.limits, heartbeat_seconds=0.02)
    monkeypatch.setattr(here.server.service, "limits", limits)
    hub = hubs(connect=False)
    beats: list[str] = []
    handle = hub._handle_packet

    def noting(code: str, *rest: Any) -> None:
        beats.extend([code] if code == "2" else [])
        handle(code, *rest)

    hub._handle_packet = noting
    hub.connect()

    until(lambda: len(beats) > 3)
    assert hub.connected
