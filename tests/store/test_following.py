"""Following a room: what fits after a revision, for whom, and how far was looked."""

from __future__ import annotations

import pytest

from recordroom.errors import InvalidQuery, InvalidValue, PastPruned
from recordroom.model.events import Event
from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import Create, DefineType, Publish
from recordroom.model.schema import Attribute, EntityType
from recordroom.query.subscriptions import Followed, FollowRequest
from recordroom.store import following
from recordroom.store.room import Room
from tests.store.people import People, Seen

TASK = EntityType(
    name="Task",
    attributes=(
        Attribute(name="name", kind="text"),
        Attribute(name="salary", kind="integer"),
        Attribute(name="open", kind="boolean"),
    ),
)


@pytest.fixture
def people(room: Room) -> People:
    """A room with accounts and tasks."""
    found = People(room)
    found.commit(DefineType(definition=TASK))
    return found


@pytest.fixture
def reader(people: People) -> Seen:
    """Somebody who sees open tasks, but not what they pay."""
    return people.reader("reader", ("read", "Task", "open is true", ["name", "open"]))


def head(room: Room) -> int:
    return room.follow(FollowRequest()).position


def follow(room: Room, after: int, *subscriptions: str, limit: int = 1000) -> Followed:
    return room.follow(FollowRequest(after=after, subscriptions=list(subscriptions), limit=limit))


def events(room: Room, after: int, *subscriptions: str) -> list[Event]:
    return [each.event for each in follow(room, after, *subscriptions).deliveries]


# --- access ---------------------------------------------------------------------------------------


def test_a_restricted_actor_hears_of_what_it_may_see_and_nothing_else(people: People, reader: Seen) -> None:
    start = head(people.room)
    people.commit(
        Create(type="Task", ids=new_ids(2), columns={"name": ["a", "b"], "open": [True, False], "salary": [7, 8]}),
        notes="two tasks",
    )
    people.make("Task", name="hidden", open=False, salary=9)
    people.make("User", name="somebody")
    found = follow(reader.room, start, "*")

    (event,) = [each.event for each in found.deliveries]
    assert [each.after for each in event.changes] == [{"name": "a", "open": True}]
    assert (event.count, event.notes) == (1, "two tasks")
    assert found.position == head(people.room)


@pytest.mark.parametrize(
    "question",
    [
        "attribute=salary", "verb=create and attribute=salary", "type=User", "notes=secret*",
        "Task where salary is 9", "Task where salary > 0", "Task where open is false", "User",
    ],
)  # fmt: skip
def test_expressions_and_queries_tell_nothing_of_what_is_hidden(people: People, reader: Seen, question: str) -> None:
    start = head(people.room)
    hidden = {"name": ["x"], "open": [False], "salary": [9]}
    people.commit(Create(type="Task", ids=[new_id()], columns=hidden), notes="secret plan")
    people.make("Task", name="seen", open=True, salary=9)
    people.make("User", name="somebody")

    assert events(people.room, start, question) != []
    assert events(reader.room, start, question) == []


def test_what_becomes_visible_is_heard_from_then_on(people: People, reader: Seen) -> None:
    start = head(people.room)
    task = people.make("Task", name="a", open=False)
    people.change("Task", task, open=True)
    people.change("Task", task, name="b")
    people.delete("Task", task)
    found = [[(each.verb, each.after) for each in event.changes] for event in events(reader.room, start, "Task")]

    assert ("update", {"name": "b"}) in found[-2]
    assert found[-1] == [("delete", {})]
    assert all(after.get("open") is not False for event in found for _, after in event)


def test_published_events_are_heard_by_everybody_they_are_for(people: People, reader: Seen) -> None:
    start = head(people.room)
    people.commit(Publish(topic="all"))
    people.commit(Publish(topic="mine", target="reader"))
    people.commit(Publish(topic="theirs", target="actor=somebody"))

    assert [each.topic for each in events(reader.room, start, "*")] == ["all", "mine"]


# --- how far --------------------------------------------------------------------------------------


def test_the_position_moves_on_past_what_does_not_fit(room: Room) -> None:
    people = People(room)
    start = head(room)
    for number in range(5):
        people.commit(Publish(topic=f"t.{number}"))

    assert follow(room, start, "topic=x") == Followed(position=start + 5)
    assert follow(room, start, "topic=x", limit=2) == Followed(position=start + 2, more=True)
    assert follow(room, start + 5, "*") == Followed(position=start + 5)
    assert follow(room, start + 50, "*") == Followed(position=start + 50)


def test_going_on_from_each_position_gives_each_event_once(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_BYTES", 200)
    monkeypatch.setattr(following, "_MOST_CHANGES", 5)
    people = People(room)
    people.commit(DefineType(definition=TASK))
    start = position = head(room)
    for number in range(20):
        people.commit(Create(type="Task", ids=new_ids(3), columns={"name": ["n" * number] * 3}), Publish(topic="t"))
    heard = []
    more, rounds = True, 0
    while more:
        found = follow(room, position, "*")
        heard += [(each.event.revision, each.event.place) for each in found.deliveries]
        position, more, rounds = found.position, found.more, rounds + 1

    assert heard == [(start + number, place) for number in range(1, 21) for place in (0, 1)]
    assert rounds > 5


def test_a_position_before_everything_is_the_beginning(room: Room) -> None:
    People(room).commit(Publish(topic="t"))

    assert [each.topic for each in events(room, -5, "topic=t")] == ["t"]


def test_what_was_pruned_is_refused_with_what_is_left(room: Room) -> None:
    people = People(room)
    people.commit(Publish(topic="t"))
    people.commit(Publish(topic="t"))
    room.prune(0)
    people.commit(Publish(topic="u"))

    with pytest.raises(PastPruned) as caught:
        follow(room, 1, "*")
    assert [each.topic for each in events(room, caught.value.oldest - 1, "*")][-1] == "u"


def test_an_answer_asks_the_database_no_more_than_so_often(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_MOST_QUESTIONS", 3)
    room, start = people.room, head(people.room)
    for _ in range(5):
        people.commit(Create(type="Task", ids=new_ids(1), columns={"open": [True]}))

    assert follow(room, start, "*").position == start + 5
    found = follow(room, start, "Task where open is true")
    assert (found.position, len(found.deliveries), found.more) == (start + 2, 2, True)
    assert follow(room, found.position, *["Task where open is true"] * 9).position == start + 3


def test_there_may_not_be_too_many_subscriptions(room: Room) -> None:
    with pytest.raises(InvalidQuery):
        follow(room, 0, *["*"] * 257)


def test_who_hands_events_on_hears_what_is_meant_for_others_and_what_came_with_it(people: People, reader: Seen) -> None:
    start = head(people.room)
    origin = {"id": "e1", "source": {"id": "hub", "host": "here"}}
    people.commit(Publish(topic="theirs", target="actor=somebody", origin=origin))

    request = FollowRequest(after=start, subscriptions=["*"], all_targets=True)
    [delivery] = reader.room.follow(request).deliveries

    assert (delivery.event.topic, delivery.event.target, delivery.event.origin) == ("theirs", "actor=somebody", origin)
    assert not reader.room.follow(FollowRequest(after=start, subscriptions=["*"])).deliveries


def test_what_comes_with_an_event_is_json(people: People) -> None:
    with pytest.raises(InvalidValue, match="origin"):
        people.commit(Publish(topic="x", origin={"size": 2**80}))
