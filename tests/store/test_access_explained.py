"""Which rule allows what, and rooms that are opened as a user."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import recordroom as rr
from recordroom.errors import NotAuthenticated, NotFound, PermissionDenied, UnknownName
from recordroom.model.ids import new_id, show_id
from recordroom.model.operations import DefineType
from recordroom.model.schema import Attribute, EntityType
from recordroom.query.request import AccessAnswer, AccessRequest
from recordroom.store.room import Room
from tests.conftest import Places
from tests.store.people import People, Seen

TASK = EntityType(name="Task", attributes=(Attribute(name="name", kind="text"), Attribute(name="bid", kind="integer")))


@pytest.fixture
def people(room: Room) -> Iterator[People]:
    people = People(room)
    people.commit(DefineType(TASK))
    return people


def asked(room: Room, entity: bytes, user: bytes = b"", name: str = "") -> dict[str, AccessAnswer]:
    request = AccessRequest(database="main", type="Task", id=entity, user=user, user_name=name)
    return {each.verb: each for each in room.explain_access(request)}


def test_the_rule_that_allows_is_named(people: People) -> None:
    task = people.make("Task", name="model", bid=3)
    role = people.role("reviewer", ("read", "Task", None, ["name"]))
    rule = people.rule(role, "read", "Task", "bid > 1")
    people.rule(role, "update", "Task", "bid > 5")
    people.rule(role, "delete", "*", "nosuch = 1")
    user = people.user("ada", role)
    answers = asked(people.room, task, user)

    assert answers["read"] == AccessAnswer(
        verb="read",
        allowed=True,
        role="reviewer",
        rule=rule,
        condition="bid > 1",
        why=f"role 'reviewer', rule {show_id(rule)}",
    )
    assert {verb: each.allowed for verb, each in answers.items() if verb != "read"} == {
        "create": False,
        "update": False,
        "delete": False,
        "share": False,
    }
    assert "'bid > 5' does not hold" in answers["update"].why
    assert "makes no sense for Task" in answers["delete"].why
    assert answers["create"].why == "no rule of this user is about create of Task"
    assert asked(people.room, task, name="ada") == answers
    people.change("Task", task, bid=0)
    assert asked(people.room, task, user)["read"].attributes == ("name",)


def test_a_share_is_named(people: People) -> None:
    task = people.make("Task", name="model")
    user = people.user("ada")
    share = people.make("Share", type="Task", entity=task, access="write", user=user)
    answers = asked(people.room, task, user)

    assert [(each.verb, each.rule) for each in answers.values() if each.allowed] == [("read", share), ("update", share)]
    assert answers["read"].why == f"share {show_id(share)}"


def test_the_owner_may_do_everything(people: People) -> None:
    task = people.make("Task", name="model")

    assert all(each.allowed and each.why == "may do everything" for each in asked(people.room, task).values())


def test_one_asks_about_oneself_and_about_what_one_sees(people: People) -> None:
    seen_task, hidden = people.make("Task", name="a", bid=1), people.make("Task", name="b")
    ada = people.reader("ada", ("read", "Task", "bid = 1"))
    people.user("eve")

    assert asked(ada.room, seen_task)["read"].allowed
    assert asked(ada.room, seen_task, ada.user) == asked(ada.room, seen_task, name="ada") == asked(ada.room, seen_task)
    for entity in (hidden, new_id()):
        with pytest.raises(NotFound):
            asked(ada.room, entity)
    for name in ("eve", "nobody"):
        with pytest.raises(PermissionDenied):
            asked(ada.room, seen_task, name=name)


def test_a_room_is_opened_as_a_user(places: Places) -> None:
    with Room.open(places()) as room:
        people = People(room)
        people.commit(DefineType(TASK))
        people.make("Task", name="a", bid=1)
        people.make("Task", name="b", bid=2)
        people.user("ada", people.role("r", ("read", "Task", "bid = 1")))
        people.user("bob", active=False)
        with Room.open(places(), actor="ada") as as_ada:
            assert Seen(as_ada, as_ada._who).column("select name from Task") == ["a"]
        with pytest.raises(UnknownName, match="Did you mean 'ada'"):
            Room.open(places(), actor="adda")
        with pytest.raises(NotAuthenticated):
            Room.open(places(), actor="bob")
        with Room.open(places(), actor="owner") as owner:
            assert Seen(owner, owner._who).count("Task") == 2


def test_upkeep_is_for_those_who_may_make_databases(people: People) -> None:
    ada = people.reader("ada", ("read", "*")).room
    eve = people.reader("eve", ("define", "*")).room

    for upkeep in (ada.check, ada.compact, ada.prune, lambda: ada.change_settings(retention=1)):
        with pytest.raises(PermissionDenied):
            upkeep()
    assert eve.check().problems == []


def test_a_session_explains_access(places: Places) -> None:
    with Room.open(places()) as room:
        people = People(room)
        people.commit(DefineType(TASK))
        people.make("Task", name="a", bid=1)
        people.user("ada", people.role("r", ("read", "Task", "bid = 1")))
    with rr.connect(places()) as session:
        task, ada = session.query("Task").one(), session.query("User").one()
        reasons = session.explain_access(task, ada)

        assert [(each.verb, each.role, each.condition) for each in reasons if each.allowed] == [
            ("read", "r", "bid = 1")
        ]
        assert session.explain_access(task, "ada") == session.explain_access(task, ada["id"]) == reasons
        assert all(each.allowed for each in session.explain_access(task))
    with rr.connect(places(), actor="ada") as session:
        assert session.explain_access(session.query("Task").one())[0].role == "r"


def test_a_room_without_accounts_takes_any_name(places: Places) -> None:
    with Room.open(places(), actor="ada") as room:
        assert room.actor == "ada"
