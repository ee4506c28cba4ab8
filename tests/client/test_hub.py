"""`session.events` as a hub: who is told apart, what is stopped and answered, and what happens while the room is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.event import Event
from recordroom.client.hooks import HookEvent
from recordroom.client.session import Session
from recordroom.errors import (
    Error,
    InvalidValue,
    NotUnique,
    PermissionDenied,
    QuerySyntaxError,
    ServerUnavailable,
    SessionClosed,
)
from recordroom.model.operations import Publish
from tests.client.conftest import Connect
from tests.served import served

sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
embedded = pytest.mark.parametrize("transport", ["embedded"], indirect=True)


class Heard:
    """A callback that keeps what it hears, and can be waited for."""

    def __init__(self, answer: Any = None) -> None:
        self.events: list[Any] = []
        self._answer = answer
        self._changed = threading.Condition()

    def __call__(self, event: Any) -> Any:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()
        return self._answer

    @property
    def topics(self) -> list[str]:
        return [each.topic for each in self.events]

    def until(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= count, timeout=60)


# --- who is told apart ----------------------------------------------------------------------------

SUBSCRIBERS = {
    "anybody": None,
    "nuke": {"id": "nuke-1", "application": {"name": "nuke", "version": 15}},
    "maya": {"id": "maya-1", "application": {"name": "maya", "version": 2026}, "labels": ["rig", "anim"]},
}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("", ["anybody", "maya", "nuke"]),
        ("id=nuke-1", ["nuke"]),
        ("nuke-1", ["nuke"]),
        ("application.name=nuke", ["nuke"]),
        ('application.name="m*" or id=nuke-1', ["maya", "nuke"]),
        ("application.version > 20", ["maya"]),
        ("labels=anim", ["maya"]),
        ("not application.name=nuke", ["anybody", "maya"]),
        ("not id=nuke-1", ["anybody", "maya"]),
        ("actor=owner", ["anybody", "maya", "nuke"]),
        ("actor=somebody", []),
        ("application.name=houdini", []),
        ("application > 3", []),
        ("nobody", []),
    ],
)
@sqlite
def test_a_target_names_subscribers_by_what_they_say_of_themselves(
    session: Session, other: Session, target: str, expected: list[str]
) -> None:
    heard = {name: Heard() for name in SUBSCRIBERS}
    for name, subscriber in SUBSCRIBERS.items():
        session.events.subscribe("topic=render.*", heard[name], subscriber=subscriber)
    other.events.publish("render.done", target=target)
    session.events.publish_here("render.done", target=target)
    session.events.wait(0)

    assert sorted(name for name, each in heard.items() for _ in each.events) == sorted(expected * 2)


@sqlite
def test_who_hands_events_on_hears_what_is_meant_for_others(session: Session, other: Session) -> None:
    all_of_it, mine = Heard(), Heard()
    session.events.subscribe("not topic=recordroom.commit", all_of_it, all_targets=True)
    session.events.subscribe("*", mine, subscriber={"id": "mine"})
    other.events.publish("a", target="id=theirs")
    other.events.publish("b", target="id=mine")
    other.events.post(Publish(topic="c", data={"n": 1}, source="elsewhere")).wait(20)
    session.events.wait(0)

    assert (all_of_it.topics, mine.topics) == (["a", "b", "c"], ["b", "c"])
    assert [each.wire.source for each in all_of_it.events] == [other.events.id, other.events.id, "elsewhere"]


def test_a_target_of_one_session_is_not_heard_by_another(session: Session, other: Session) -> None:
    mine, theirs = Heard(), Heard()
    session.events.subscribe("*", mine, subscriber={"id": "mine"})
    other.events.subscribe("*", theirs, subscriber={"id": "theirs"})
    session.events.publish("a", target="id=theirs")
    other.events.publish("b", target=f'id="{session.events.id}"')
    for each in (session, other):
        each.events.wait(0)

    assert (mine.topics, theirs.topics) == (["b"], ["a"])


@sqlite
@embedded
def test_an_id_belongs_to_one_subscriber(session: Session) -> None:
    first = session.events.subscribe("*", print, subscriber={"id": "mine"})
    with pytest.raises(NotUnique, match="'mine'"):
        session.events.subscribe("*", print, subscriber={"id": "mine"})

    assert session.events.find("mine") is first
    assert first.metadata == {"id": "mine"}
    first.unsubscribe()
    assert session.events.find("mine") is None
    assert session.events.subscribe("*", print, subscriber={"id": "mine"}).active


@sqlite
@embedded
def test_a_subscriber_without_an_id_gets_one(session: Session) -> None:
    one = session.events.subscribe("*", print)
    two = session.events.subscribe("*", print, subscriber={"name": "nuke"})

    assert len({one.id, two.id, session.events.id}) == 3
    assert two.metadata == {"id": two.id, "name": "nuke"}


@sqlite
@embedded
@pytest.mark.parametrize("wrong", ["mine", {"id": 3}, {"id": ""}, {1: 2}, {"a": object()}, {"a": {1, 2}}.items()])
def test_a_subscriber_that_cannot_be_told_is_refused(session: Session, wrong: Any) -> None:
    with pytest.raises(InvalidValue):
        session.events.subscribe("*", print, subscriber=wrong)


@sqlite
@embedded
def test_hundreds_of_subscribers_who_are_told_apart_are_one_question(session: Session) -> None:
    heard = [Heard() for _ in range(300)]
    for number, each in enumerate(heard):
        session.events.subscribe("*", each, subscriber={"id": f"s{number}"})
    session.events.publish("a", target="id=s7 or id=s299")
    session.events.wait(0)

    assert [number for number, each in enumerate(heard) if each.events] == [7, 299]


# --- order, stop, answers -------------------------------------------------------------------------


@sqlite
def test_a_subscriber_that_stops_an_event_is_its_last(session: Session, other: Session) -> None:
    def stops(event: Event) -> None:
        if event.topic == "a":
            event.stop()

    first, last = Heard(), Heard()
    session.events.subscribe("*", last, priority=200)
    session.events.subscribe("*", stops, priority=100)
    session.events.subscribe("*", first, priority=0)
    for topic in "ab":
        other.events.publish(topic)
    session.events.wait(0)
    session.events.wait(0)

    assert (first.topics, last.topics) == (["a", "b"], ["b"])
    assert [each.stopped for each in first.events] == [True, False]


@sqlite
def test_what_a_callback_returns_may_be_the_reply(session: Session, other: Session) -> None:
    replies = Heard()
    other.events.subscribe("topic=question", lambda event: {"answer": event.data + 1}, answers=True)
    other.events.subscribe("topic=question", lambda event: None, answers=True)
    other.events.subscribe("topic=question", lambda event: "not meant as one")
    session.events.publish("question", 41, on_reply=replies)
    session.publish("question", 1)  # has no source that could be answered
    session.commit()
    other.events.wait(0)
    session.events.wait(0)

    assert [each.data for each in replies.events] == [{"answer": 42}]


@sqlite
@embedded
def test_hundreds_may_wait_for_replies(session: Session, other: Session) -> None:
    other.events.subscribe("topic=question", lambda event: event.data, answers=True)
    heard = [Heard() for _ in range(300)]
    for number, each in enumerate(heard):
        session.events.publish("question", number, on_reply=each)
    other.events.wait(0)
    session.events.wait(0)

    assert [[event.data for event in each.events] for each in heard] == [[number] for number in range(300)]


@sqlite
@embedded
def test_an_error_in_a_callback_is_logged_with_its_subscriber(
    session: Session, other: Session, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(event: Event) -> None:
        raise ZeroDivisionError("on purpose")

    session.events.subscribe("topic=render.*", fails)
    other.events.publish("render.done")
    with caplog.at_level(logging.ERROR, logger="recordroom.events"):
        session.events.wait(0)
        assert session.events.publish_here("render.done") == []

    assert len(caplog.records) == 2
    for record in caplog.records:
        assert "fails to 'topic=render.*'" in record.getMessage()
    assert caplog.text.count("ZeroDivisionError: on purpose") == 2


# --- here and now ---------------------------------------------------------------------------------


@sqlite
def test_what_is_published_here_is_answered_at_once_and_stays_here(session: Session, other: Session) -> None:
    elsewhere, events = Heard(), Heard("last")
    other.events.subscribe("*", elsewhere)
    session.events.subscribe("topic=check and data.shot=sh1", lambda event: ("first", event.data["shot"]), priority=1)
    session.events.subscribe("check.*", Heard("another topic"))
    session.events.subscribe("Task", Heard("a query"))
    session.events.subscribe("*", events, priority=200)
    before = session.transport.revision_at(2**62)

    assert session.events.publish_here("check", {"shot": "sh1"}) == [("first", "sh1"), "last"]
    assert session.events.publish_here("check", {"shot": "sh2"}) == ["last"]
    assert events.events[0].source == session.events.id
    assert events.events[0].changes == []
    session.events.wait(0)
    other.events.wait(0)
    assert (elsewhere.events, session.transport.revision_at(2**62)) == ([], before)


@sqlite
@embedded
def test_what_is_published_here_can_be_stopped(session: Session) -> None:
    session.events.subscribe("*", lambda event: event.stop())
    session.events.subscribe("*", Heard("late"), priority=200)

    assert session.events.publish_here("a") == [None]


@sqlite
@embedded
@pytest.mark.parametrize("publish", ["publish", "publish_soon", "publish_here"])
@pytest.mark.parametrize(
    ("topic", "data", "target", "error"),
    [
        ("recordroom.commit", None, "", InvalidValue),
        ("", None, "", InvalidValue),
        (3, None, "", InvalidValue),
        ("a", object(), "", InvalidValue),
        ("a", 2**70, "", InvalidValue),
        ("a", None, "id=", QuerySyntaxError),
        ("a", None, "id=(", QuerySyntaxError),
    ],
)
def test_what_cannot_be_published_is_refused_at_once(
    session: Session, publish: str, topic: Any, data: Any, target: str, error: type[Exception]
) -> None:
    before = session.transport.revision_at(2**62)
    with pytest.raises(error):
        getattr(session.events, publish)(topic, data, target=target)

    assert session.transport.revision_at(2**62) == before


# --- without waiting ------------------------------------------------------------------------------


def test_what_is_published_soon_arrives_in_order_and_once(session: Session, other: Session) -> None:
    heard, replies = Heard(), Heard()
    other.events.subscribe("topic=step", heard, answers=True)
    posted = [session.events.publish_soon("step", number, on_reply=replies) for number in range(20)]
    heard._answer = "seen"
    revisions = [each.wait(60) for each in posted]
    other.events.wait(0)
    session.events.wait(0)

    assert revisions == sorted(revisions)
    assert [each.data for each in heard.events] == list(range(20))
    assert [each.id for each in heard.events] == [each.id for each in posted]
    assert [each.reply_to for each in replies.events] == [each.id for each in posted]
    assert all(each.done and each.error is None for each in posted)


class Room:
    """What stands between a session and its room: it can be away, and can refuse."""

    def __init__(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: Error | None = None
        self.asked = threading.Event()
        room: Any = session.transport._transport  # type: ignore[attr-defined]
        for name in ("commit", "follow"):
            monkeypatch.setattr(room, name, self._around(getattr(room, name)))

    def _around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*given: Any) -> Any:
            if self.error is not None:
                self.asked.set()
                raise self.error
            return real(*given)

        return asked

    def leave(self) -> None:
        self.asked.clear()
        self.error = ServerUnavailable(where="here", reason="gone for lunch", attempts=1, seconds=0.0)


@pytest.fixture
def away(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    found = Room(session, monkeypatch)
    yield found
    found.error = None


@sqlite
@embedded
def test_what_is_published_while_the_room_is_away_arrives_when_it_is_back(
    session: Session, other: Session, away: Room, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    other.events.subscribe("step.*", heard)
    away.leave()
    posted = [session.events.publish_soon(f"step.{number}") for number in range(3)]
    assert away.asked.wait(60)
    assert not any(each.done for each in posted)
    with pytest.raises(TimeoutError):
        posted[0].wait(0)
    away.error = None
    for each in posted:
        each.wait(60)
    other.events.wait(0)

    assert heard.topics == ["step.0", "step.1", "step.2"]
    assert "wait to be published" in caplog.text


@sqlite
@embedded
def test_what_the_room_refuses_is_told_and_the_rest_goes_on(
    session: Session, other: Session, away: Room, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Error] = []
    away.error = PermissionDenied(verb="publish", type="", actor="owner")
    refused = session.events.publish_soon("a", on_error=told.append, on_reply=print)
    silent = session.events.publish_soon("b", on_error=lambda error: 1 / 0)
    logged = session.events.publish_soon("c")
    for each in (refused, silent, logged):
        with pytest.raises((PermissionDenied, ZeroDivisionError)):
            each.wait(60)
    away.error = None
    session.events.publish_soon("d").wait(60)

    assert told == [refused.error]
    assert refused.replies is None or not refused.replies.active
    assert "on_error of b failed" in caplog.text
    assert "c was not published" in caplog.text
    assert "a was not published" not in caplog.text


@sqlite
@embedded
def test_what_is_on_its_way_goes_out_before_the_session_closes(connect: Connect, other: Session) -> None:
    heard = Heard()
    other.events.subscribe("*", heard)
    with connect() as session:
        for number in range(5):
            session.events.publish_soon(f"step.{number}")
    other.events.wait(0)

    assert len(heard.events) == 5


@sqlite
@embedded
def test_what_could_not_go_out_is_told_when_the_session_closes(session: Session, away: Room) -> None:
    told: list[Error] = []
    away.leave()
    posted = [session.events.publish_soon("a", on_error=told.append) for _ in range(3)]
    assert away.asked.wait(60)
    session.close()

    assert [each.done for each in posted] == [True] * 3
    assert len(told) == 3
    with pytest.raises((SessionClosed, ServerUnavailable)):
        posted[0].wait(0)
    with pytest.raises(SessionClosed):
        session.events  # noqa: B018


@sqlite
@embedded
def test_a_session_that_reads_only_publishes_nothing(connect: Connect, session: Session) -> None:
    with session.at(session.transport.revision_at(2**62)) as past, pytest.raises(Error):
        past.events.publish_soon("a")


# --- connected ------------------------------------------------------------------------------------


@sqlite
def test_a_session_can_connect_to_its_events_when_it_begins(connect: Connect, other: Session) -> None:
    heard, there = Heard(), Heard()
    session = connect(connect_events=True)
    session.hooks.subscribe("events-connected", there)
    session.events.subscribe("topic=render.*", heard)
    other.events.publish("render.done")
    heard.until(1)

    assert session.events.connected
    session.close()
    assert not session._hub.connected  # type: ignore[union-attr]


@sqlite
@embedded
def test_hooks_tell_when_the_room_is_away_and_back(session: Session, other: Session, away: Room) -> None:
    gone, back, heard = Heard(), Heard(), Heard()
    session.hooks.subscribe("events-disconnected", gone)
    session.hooks.subscribe("events-connected", back)
    session.events.subscribe("*", heard)
    session.events.connect()
    back.until(1)
    away.leave()
    gone.until(1)
    assert not session.events.connected
    other.events.publish("while.away")
    away.error = None
    back.until(2)
    heard.until(1)

    assert session.events.connected
    assert isinstance(gone.events[0].data["error"], ServerUnavailable)
    assert heard.topics == ["while.away"]


@sqlite
@embedded
def test_without_connecting_a_subscription_needs_the_room(session: Session, away: Room) -> None:
    away.leave()
    with pytest.raises(ServerUnavailable):
        session.events.subscribe("*", print)


@sqlite
@embedded
def test_a_subscription_that_is_made_while_the_room_is_away_begins_where_it_was_seen_last(
    session: Session, other: Session, away: Room
) -> None:
    back, heard = Heard(), Heard()
    session.hooks.subscribe("events-connected", back)
    session.events.connect()
    back.until(1)
    away.leave()
    session.events.subscribe("step.*", heard)
    other.events.publish("step.missed")
    away.error = None
    heard.until(1)

    assert heard.topics == ["step.missed"]


@sqlite
@embedded
def test_a_subscription_before_the_first_contact_begins_with_it_and_a_wrong_one_ends(
    session: Session, other: Session, away: Room, caplog: pytest.LogCaptureFixture
) -> None:
    away.leave()
    session.events.connect()
    heard, back = Heard(), Heard()
    right = session.events.subscribe("step.*", heard)
    wrong = session.events.subscribe("Tusk where name is x", heard)
    with pytest.raises(QuerySyntaxError):
        session.events.subscribe("topic=", heard)
    session.hooks.subscribe("events-connected", back)
    away.error = None
    back.until(1)
    while right.position == 0:
        other.events.publish("too.early")
    other.events.publish("step.heard")
    heard.until(1)

    assert heard.topics == ["step.heard"]
    assert not wrong.active
    assert "Tusk" in caplog.text


@sqlite
@embedded
def test_a_listener_that_the_room_sends_away_says_why(session: Session, away: Room) -> None:
    listener = session.events.connect()
    session.events.subscribe("*", print)
    away.error = PermissionDenied(verb="read", type="", actor="owner")
    listener._thread.join(60)

    assert isinstance(listener.error, PermissionDenied)
    assert not session.events.connected


@sqlite
@embedded
def test_another_process_is_told_to_have_a_session_of_its_own(session: Session) -> None:
    hub = session.events
    hub._process += 1

    for use in (
        hub.listen,
        hub.connect,
        lambda: hub.wait(0),
        lambda: hub.publish_soon("a"),
        lambda: hub.subscribe("*", print),
    ):
        with pytest.raises(SessionClosed, match="serialize"):
            use()


@sqlite
@embedded
def test_threads_subscribe_and_unsubscribe_while_events_come(session: Session, other: Session) -> None:
    steady = Heard()
    session.events.subscribe("step.*", steady)
    errors: list[BaseException] = []

    def churn() -> None:
        try:
            for number in range(20):
                with session.events.subscribe("step.*", Heard(), subscriber={"number": number}):
                    session.events.publish_soon("step.other").wait(60)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test says so
            errors.append(error)

    with session.events.listen():
        threads = [threading.Thread(target=churn) for _ in range(3)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        steady.until(60)

    assert errors == []
    assert len(steady.events) == 60


# --- a real server that goes and comes ------------------------------------------------------------


def test_a_server_that_restarts_loses_and_repeats_nothing(tmp_path: Path) -> None:
    where = str(tmp_path / "studio.room")
    heard, gone, back = Heard(), Heard(), Heard()
    with served(where) as server:
        session = rr.connect(server.url, api_key=server.api_key, connect_events=True)
        session.hooks.subscribe("events-disconnected", gone)
        session.events.subscribe("step.*", heard)
        session.events.publish_soon("step.1").wait(60)
        heard.until(1)
        session.hooks.subscribe("events-connected", back)
        port = server.port
    gone.until(1)
    posted = [session.events.publish_soon(f"step.{number}") for number in (2, 3)]
    with served(where, port=port):
        for each in posted:
            each.wait(60)
        heard.until(3)
        back.until(1)
        session.close()

    assert heard.topics == ["step.1", "step.2", "step.3"]
    assert isinstance(gone.events[0], HookEvent)
