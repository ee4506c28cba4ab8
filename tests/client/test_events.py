"""`session.events`: subscribers hear every commit in order and once; publishing and answering; what goes wrong."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.event import Event
from recordroom.client.session import Session
from recordroom.errors import InvalidQuery, InvalidValue, PastPruned, QuerySyntaxError, StoreUnavailable, UnknownType
from recordroom.model.events import COMMIT, MOST_CHANGES, REPLY
from recordroom.model.operations import DropAttribute, DropType
from tests.client.conftest import Connect
from tests.client.street import room_behind


class Heard:
    """A callback that keeps what it hears, and can be waited for."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    @property
    def topics(self) -> list[str]:
        return [each.topic for each in self.events]

    @property
    def revisions(self) -> list[int]:
        return [each.revision for each in self.events]

    def until(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= count, timeout=60)


def task(session: Session, name: str, **data: Any) -> rr.Entity:
    made = session.create("Task", {"name": name, **data})
    session.commit()
    return made


# --- what is heard --------------------------------------------------------------------------------


def test_a_subscriber_hears_commits_from_the_moment_of_subscribing(session: Session, other: Session) -> None:
    heard = Heard()
    task(other, "before")
    session.events.subscribe("*", heard)
    made = task(other, "after")

    assert session.events.wait(0) == 1
    (event,) = heard.events
    assert (event.topic, event.actor, event.database) == (COMMIT, "other", "main")
    assert event.changes[0][:5] == ("Task", made["id"], "create", {}, event.changes[0].after)
    assert event.changes[0].after["name"] == "after"


def test_nothing_is_heard_twice(session: Session, other: Session) -> None:
    heard = Heard()
    session.events.subscribe("*", heard)
    task(other, "one")
    session.events.wait(0)
    session.events.wait(0)
    task(other, "two")
    session.events.wait(0)

    assert [each.changes[0].after["name"] for each in heard.events] == ["one", "two"]


def test_after_a_revision_what_came_since_is_heard_in_order(session: Session, other: Session) -> None:
    heard, start = Heard(), task(other, "zero")["revision"]
    for number in range(250):
        task(other, str(number))
    session.events.subscribe("topic=recordroom.commit", heard, after=start)
    session.events.wait(0)

    assert heard.revisions == list(range(start + 1, start + 251))


def test_subscribers_with_different_positions_each_hear_once(session: Session, other: Session) -> None:
    early, late = Heard(), Heard()
    start = task(other, "zero")["revision"]
    session.events.subscribe("*", late)
    task(other, "one")
    session.events.wait(0)
    subscription = session.events.subscribe("*", early, after=start - 1)
    task(other, "two")
    session.events.wait(0)

    assert early.revisions == [start, start + 1, start + 2]
    assert late.revisions == [start + 1, start + 2]
    assert subscription.position == start + 2


def test_values_are_shown_as_people_see_them(session: Session, other: Session) -> None:
    heard = Heard()
    session.events.subscribe("Task", heard)
    data = {"day": "2026-11-21", "cost": "1.5", "tags": ["a"], "data": {"n": 1}}
    project = other.create("Project", {"name": "p"})
    made = other.create("Task", {"name": "t", **data, "project": project})
    other.commit()
    made["metadata"]["k"] = "v"
    made["assignees"].add(other.create("User", {"name": "u"}))
    other.commit()
    session.events.wait(0)

    after = heard.events[0].changes[-1].after
    assert {name: after[name] for name in ("day", "cost", "tags", "data")} == {name: made[name] for name in data}
    assert after["project"] == project["id"]
    verbs = {each.verb: each for each in heard.events[1].changes}
    assert verbs["set_key"].after == {"metadata": "v"}
    assert verbs["set_key"].key == "k"
    assert verbs["link"].member == made["assignees"][0]["id"]


def test_what_a_commit_publishes_follows_it(session: Session, other: Session) -> None:
    heard = Heard()
    session.events.subscribe("*", heard)
    other.create("Task", {"name": "t"})
    other.publish("render.started", {"frames": [1, 2]})
    other.publish("render.done")
    other.commit()
    session.events.wait(0)

    assert heard.topics == [COMMIT, "render.started", "render.done"]
    assert heard.events[1].data == {"frames": [1, 2]}
    assert len({each.revision for each in heard.events}) == 1


def test_a_huge_commit_is_one_event_with_all_its_changes(session: Session, other: Session) -> None:
    heard = Heard()
    session.events.subscribe("*", heard)
    count = MOST_CHANGES + 10
    other.create_many("Plane", {"tail": [str(number) for number in range(count)]})
    other.commit()
    session.events.wait(0)

    assert [each.after["tail"] for each in heard.events[0].changes] == [str(number) for number in range(count)]
    assert len(heard.events[0].entities) == count


# --- expressions and queries ----------------------------------------------------------------------


def test_an_expression_narrows_what_is_heard(session: Session, other: Session) -> None:
    heard = Heard()
    session.events.subscribe("topic=render.* and data.shot=sh010 and not actor=owner", heard)
    for shot in ("sh010", "sh020"):
        session.events.publish("render.done", {"shot": shot})
        other.events.publish("render.done", {"shot": shot})
    session.events.wait(0)

    assert [(each.actor, each.data["shot"]) for each in heard.events] == [("other", "sh010")]


def test_a_query_hears_of_entities_that_are_so_after_the_change(session: Session, other: Session) -> None:
    heard = Heard()
    session.events.subscribe('Task where status is "done"', heard)
    one, two = task(other, "one"), task(other, "two", status="done")
    one["status"] = "done"
    other.commit()
    one["status"] = "open"
    other.commit()
    other.delete(two)
    other.commit()
    session.events.wait(0)

    assert [[(each.verb, each.id) for each in event.changes] for event in heard.events] == [
        [("create", two["id"])],
        [("update", one["id"])],
        [("delete", two["id"])],
    ]


def test_a_query_is_judged_as_of_the_commit_however_late_somebody_listens(session: Session, other: Session) -> None:
    heard = Heard()
    session.events.subscribe('Task where status is "done" and project.name is "p"', heard)
    project = other.create("Project", {"name": "p"})
    made = task(other, "t", status="done", project=project)
    project["name"] = "q"
    other.commit()
    made["status"] = "open"
    other.commit()
    session.events.wait(0)

    assert [each.changes[-1].after.get("name") for each in heard.events] == ["t"]


def test_an_event_names_the_entities_that_fit_with_their_values_of_now(session: Session, other: Session) -> None:
    heard = Heard()
    done, still = task(session, "done"), task(session, "open")
    assert done["status"] == "open"
    session.events.subscribe(session.types["Task"].status == "done", heard)
    for entity in other.get_many("Task", [done["id"], still["id"]]):
        assert entity is not None
        entity["bid"] = 3
        entity["status"] = "done" if entity["name"] == "done" else "in progress"
    other.commit()
    session.events.wait(0)

    assert heard.events[0].entities == [done]
    assert done["bid"] == 3


def test_links_and_entries_count_as_changes_of_their_owner(session: Session, other: Session) -> None:
    heard = Heard()
    made = task(other, "t")
    session.events.subscribe("Task where name is t", heard)
    made["metadata"]["k"] = "v"
    other.commit()
    other.create("User", {"name": "u"})
    other.commit()
    session.events.wait(0)

    assert [each.changes[0].verb for each in heard.events] == ["set_key"]


@pytest.mark.parametrize(
    ("question", "error"),
    [
        ("topic=", QuerySyntaxError),
        ("Task wher x", QuerySyntaxError),
        ("Tusk", UnknownType),
        ("Task limit 3", InvalidQuery),
        ('Task where note matches "x"', InvalidQuery),
    ],
)
def test_a_wrong_question_is_refused_at_once(session: Session, question: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        session.events.subscribe(question, print)


def test_a_question_whose_type_is_gone_hears_nothing_and_harms_nobody(session: Session, other: Session) -> None:
    heard, all_of_it = Heard(), Heard()
    session.events.subscribe("Plane", heard)
    session.events.subscribe("*", all_of_it)
    other._committer.send_operations([DropAttribute(type="Flight", name="plane"), DropType(name="Plane")], None)
    task(other, "t")
    session.events.wait(0)

    assert heard.events == []
    assert len(all_of_it.events) == 2
    assert all_of_it.events[0].schema == ("Flight", "Plane")


# --- subscribers ----------------------------------------------------------------------------------


def test_a_callback_that_raises_is_logged_and_stops_nobody(
    session: Session, other: Session, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()

    def fails(event: Event) -> None:
        raise ZeroDivisionError("on purpose")

    session.events.subscribe("*", fails, priority=1)
    session.events.subscribe("*", heard)
    with caplog.at_level(logging.ERROR, logger="recordroom.events"):
        for name in "ab":
            task(other, name)
        session.events.wait(0)

    assert len(heard.events) == 2
    assert len(caplog.records) == 2
    assert "fails" in caplog.records[0].getMessage()
    assert "on purpose" in caplog.text


def test_subscribers_are_called_by_priority(session: Session, other: Session) -> None:
    order: list[str] = []
    session.events.subscribe("*", lambda _: order.append("last"), priority=200)
    session.events.subscribe("*", lambda _: order.append("middle"))
    session.events.subscribe("*", lambda _: order.append("first"), priority=1)
    task(other, "a")
    task(other, "b")
    session.events.wait(0)

    assert order == ["first", "middle", "last"] * 2


def test_after_unsubscribing_nothing_is_heard(session: Session, other: Session) -> None:
    heard = Heard()
    with session.events.subscribe("*", heard):
        task(other, "a")
        session.events.wait(0)
    task(other, "b")
    session.events.wait(0)

    assert len(heard.events) == 1


def test_a_callback_may_subscribe_unsubscribe_and_use_the_session(session: Session, other: Session) -> None:
    later = Heard()

    def first(event: Event) -> None:
        subscription.unsubscribe()
        session.create("Task", {"name": "made by a callback"})
        session.commit()
        session.events.subscribe("*", later)

    subscription = session.events.subscribe("*", first)
    task(other, "a")
    session.events.wait(0)
    task(other, "b")
    session.events.wait(0)

    assert [each.changes[0].after["name"] for each in later.events] == ["b"]
    assert session.query('Task where name is "made by a callback"').count() == 1


def test_a_callback_cannot_wait(session: Session, other: Session) -> None:
    raised: list[RuntimeError] = []

    def waits(event: Event) -> None:
        try:
            session.events.wait(0)
        except RuntimeError as error:
            raised.append(error)

    session.events.subscribe("*", waits)
    task(other, "a")
    session.events.wait(0)

    assert len(raised) == 1


def test_an_interrupted_callback_is_not_called_again_and_the_rest_follows(session: Session, other: Session) -> None:
    heard: list[str] = []

    def interrupted(event: Event) -> None:
        heard.append(event.topic)
        if event.topic == "b":
            raise KeyboardInterrupt

    session.events.subscribe("*", interrupted)
    for topic in "abc":
        other.publish(topic)
    other.commit()
    with pytest.raises(KeyboardInterrupt):
        session.events.wait(0)
    session.events.wait(0)

    assert heard == ["a", "b", "c"]


# --- threads --------------------------------------------------------------------------------------


def test_a_listener_hears_what_other_threads_commit_in_order_and_once(connect: Connect, session: Session) -> None:
    heard, topics = Heard(), Heard()
    session.events.subscribe("Task", heard)
    session.events.subscribe("done.*", topics)

    def work(number: int) -> None:
        mine = connect(actor=f"w{number}")
        for step in range(10):
            mine.create("Task", {"name": f"{number}.{step}"})
            mine.publish(f"done.{number}", step)
            mine.commit()

    with session.events.listen() as listener:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        heard.until(30)
        topics.until(30)
        assert listener.running

    assert heard.revisions == sorted(set(heard.revisions))
    assert Counter(each.actor for each in heard.events) == {"w0": 10, "w1": 10, "w2": 10}
    assert topics.revisions == heard.revisions
    assert not listener.running


def test_a_listener_that_was_stopped_goes_on_where_it_was(session: Session, other: Session) -> None:
    heard = Heard()
    session.events.subscribe("*", heard)
    with session.events.listen():
        task(other, "a")
        heard.until(1)
    task(other, "b")
    with session.events.listen():
        heard.until(2)

    assert [each.changes[0].after["name"] for each in heard.events] == ["a", "b"]


def test_a_listener_may_be_there_before_any_subscriber(session: Session, other: Session) -> None:
    heard = Heard()
    with session.events.listen() as listener:
        assert session.events.listen() is listener
        session.events.subscribe("*", heard)
        task(other, "a")
        heard.until(1)


def test_closing_the_session_ends_the_listener(connect: Connect) -> None:
    session = connect()
    session.events.subscribe("*", print)
    listener = session.events.listen()
    session.close()

    assert not listener.running
    assert listener.error is None
    with pytest.raises(rr.SessionClosed):
        session.events  # noqa: B018


@pytest.mark.parametrize("transport", ["embedded"], indirect=True)
def test_a_database_that_is_away_for_a_while_loses_nothing(
    session: Session, other: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    session.events.subscribe("*", heard)
    task(other, "a")
    room = session.transport._transport  # type: ignore[attr-defined]
    real, failures = room.follow, iter(range(3))

    def flaky(request: Any) -> Any:
        if next(failures, None) is not None:
            raise StoreUnavailable(reason="gone for lunch")
        return real(request)

    monkeypatch.setattr(room, "follow", flaky)
    with caplog.at_level(logging.WARNING, logger="recordroom.events"), session.events.listen():
        heard.until(1)

    assert len(caplog.records) == 1


# --- publishing -----------------------------------------------------------------------------------


def test_published_events_are_durable_and_say_who_and_what(session: Session, other: Session) -> None:
    start = task(session, "t")["revision"]
    published = other.events.publish("render.done", {"shot": "sh010"})
    heard = Heard()
    session.events.subscribe("render.*", heard, after=start)
    session.events.wait(0)

    (event,) = heard.events
    assert (event.id, event.revision) == published[:2]
    assert (event.actor, event.source, event.changes) == ("other", other.events.id, [])


def test_a_target_is_heard_by_those_it_names(session: Session, other: Session, connect: Connect) -> None:
    sessions = [session, other, connect(actor="third")]
    heard = [Heard() for _ in sessions]
    for each, callback in zip(sessions, heard, strict=True):
        each.events.subscribe("*", callback)
    session.events.publish("a", target="other")
    session.events.publish("b", target=f'id="{session.events.id}" or actor=third')
    session.events.publish("c")
    for each in sessions:
        each.events.wait(0)

    assert [each.topics for each in heard] == [["b", "c"], ["a", "c"], ["b", "c"]]


def test_a_reply_reaches_only_who_asked(session: Session, other: Session) -> None:
    replies, elsewhere = Heard(), Heard()
    other.events.subscribe("topic=question", lambda event: other.events.reply(event, {"answer": event.data + 1}))
    other.events.subscribe("*", elsewhere)
    published = session.events.publish("question", 41, on_reply=replies)
    session.events.publish("question", 1)
    other.events.wait(0)
    session.events.wait(0)

    assert [each.data for each in replies.events] == [{"answer": 42}]
    assert (replies.events[0].topic, replies.events[0].reply_to) == (REPLY, published.id)
    assert elsewhere.topics == ["question", "question"]
    assert published.replies is not None
    published.replies.unsubscribe()


def test_a_commit_cannot_be_answered(session: Session, other: Session) -> None:
    heard = Heard()
    session.events.subscribe("*", heard)
    task(other, "a")
    session.events.wait(0)

    with pytest.raises(InvalidValue):
        session.events.reply(heard.events[0])


def test_topics_of_our_own_cannot_be_published(session: Session) -> None:
    with pytest.raises(InvalidValue):
        session.events.publish("recordroom.commit")
    session.publish("recordroom.commit")
    with pytest.raises(InvalidValue):
        session.commit()


# --- what was pruned ------------------------------------------------------------------------------


def pruned(session: Session, other: Session) -> int:
    for name in "abc":
        task(other, name)
    with room_behind(session) as room:
        room.prune(0)
    last = task(other, "d")["revision"]
    assert isinstance(last, int)
    return last


@pytest.mark.parametrize("transport", ["embedded"], indirect=True)
def test_a_subscriber_is_told_what_was_pruned_and_hears_the_rest(session: Session, other: Session) -> None:
    heard, lost = Heard(), []
    session.events.subscribe("*", heard, on_lost=lost.append)
    last = pruned(session, other)
    session.events.wait(0)

    assert [type(each) for each in lost] == [PastPruned]
    assert heard.revisions[-1] == last
    assert lost[0].oldest == heard.revisions[0]


@pytest.mark.parametrize("transport", ["embedded"], indirect=True)
def test_without_on_lost_a_subscription_ends_and_others_go_on(
    session: Session, other: Session, caplog: pytest.LogCaptureFixture
) -> None:
    heard, behind = Heard(), Heard()
    subscription = session.events.subscribe("*", behind)
    last = pruned(session, other)
    session.events.subscribe("*", heard, after=last - 1)
    with caplog.at_level(logging.ERROR, logger="recordroom.events"):
        session.events.wait(0)

    assert not subscription.active
    assert behind.events == []
    assert heard.revisions == [last]
    assert "pruned" in caplog.text
