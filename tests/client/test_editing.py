"""Editing: wrong values are refused at once, with their facts, and change nothing."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pytest

from recordroom.client.session import Session
from recordroom.client.symbols import NOT_SET
from recordroom.errors import (
    Error,
    ImmutableAttribute,
    InvalidReference,
    InvalidValue,
    NotFound,
    NotUnique,
    RoomReadOnly,
    SessionClosed,
)

WRONG: list[tuple[str, Any]] = [
    ("name", 3),
    ("name", "nul \0"),
    ("name", "\ud800"),
    ("status", "finished"),
    ("status", ["open"]),
    ("bid", "3"),
    ("bid", True),
    ("bid", 2**63),
    ("bid", 1.5),
    ("hours", math.nan),
    ("hours", math.inf),
    ("hours", "1"),
    ("cost", 1.5),
    ("cost", "abc"),
    ("done", 1),
    ("day", dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    ("day", "2026-13-01"),
    ("due", dt.datetime(2026, 1, 1)),
    ("due", "0000-01-01T00:00Z"),
    ("data", {1, 2}),
    ("key", "not a uuid"),
    ("url", "no link"),
    ("color", "blue"),
    ("tags", "abc"),
    ("tags", ["a", None]),
    ("project", 3),
    ("metadata", ["a"]),
    ("assignees", 3),
]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda x: repr(x)[:20])
def test_a_wrong_value_is_refused_at_once_and_changes_nothing(session: Session, name: str, value: Any) -> None:
    task = session.create("Task", {"name": "anim"})
    session.commit()
    before = task[name]

    with pytest.raises(InvalidValue) as caught:
        task[name] = value
    assert caught.value.type == "Task"
    assert caught.value.attribute == name
    assert caught.value.expected
    assert task[name] == before
    assert not session.operations
    with pytest.raises(InvalidValue):
        session.create("Task", {"name": "x", name: value})
    assert not session.created


def test_the_error_names_the_entity_the_value_and_what_was_expected(session: Session) -> None:
    user = session.create("User", {"name": "ann"})

    with pytest.raises(InvalidValue) as caught:
        user["age"] = 151
    assert caught.value.entity == user["id"]
    assert caught.value.value == 151
    assert "from 0 to 150" in caught.value.expected


def test_values_take_their_normal_form(session: Session) -> None:
    task = session.create("Task", {"name": "x", "hours": 2, "cost": "1.50", "day": "2026-01-02", "color": "#AABBCC"})

    assert task["hours"] == 2.0
    assert isinstance(task["hours"], float)
    assert task["cost"] == Decimal("1.5")
    assert task["day"] == dt.date(2026, 1, 2)
    assert task["color"] == "#aabbcc"
    task["due"] = "2026-11-21T12:00:00+02:00"
    assert task["due"] == dt.datetime(2026, 11, 21, 10, tzinfo=dt.UTC)
    assert task["due"].tzinfo is dt.UTC
    task["tags"] = ["a", "b"]
    assert task["tags"] == ("a", "b")


def test_a_reference_takes_an_entity_of_the_right_type_or_its_id(session: Session) -> None:
    project = session.create("Project", {"name": "P"})
    user = session.create("User", {"name": "ann"})
    task = session.create("Task", {"name": "anim", "project": project["id"]})

    assert task["project"] is project
    task["owner"] = user
    assert task["owner"] is user
    with pytest.raises(InvalidReference) as caught:
        task["project"] = user
    assert caught.value.target == "Project"
    assert caught.value.found == "User"
    assert caught.value.value == user["id"]
    assert caught.value.entity == task["id"]
    with pytest.raises(InvalidReference):
        session.create("Project", {"name": "Q", "lead": session.create("Group", {"name": "g"})})
    task["project"] = None
    assert task["project"] is None


def test_an_entity_of_another_session_is_refused_with_a_hint(session: Session, other: Session) -> None:
    project = session.create("Project", {"name": "P"})
    session.commit()

    with pytest.raises(InvalidReference, match=r"session\.merge"):
        other.create("Task", {"name": "x", "project": project})
    task = other.create("Task", {"name": "x", "project": other.merge(project)})
    assert task["project"]["name"] == "P"


def test_what_the_room_keeps_and_what_is_computed_cannot_be_set(session: Session) -> None:
    task = session.create("Task", {"name": "anim"})

    for name in ("id", "number", "revision", "created_at", "loud", "entity_type"):
        with pytest.raises(ImmutableAttribute) as caught:
            task[name] = "x"
        assert caught.value.attribute == name
    with pytest.raises(ImmutableAttribute):
        session.create("Task", {"name": "x", "number": 3})


def test_an_immutable_attribute_is_set_once(session: Session) -> None:
    project = session.create("Project", {"name": "P"})
    session.commit()
    project["code"] = "A"
    project["code"] = "B"
    session.commit()

    with pytest.raises(ImmutableAttribute):
        project["code"] = "C"
    project["code"] = "B"
    assert not session.modified


def test_an_id_may_be_given_once(session: Session) -> None:
    task = session.create("Task", {"id": "01890a5d-ac96-774b-bcce-b302099a8057", "name": "x"})

    assert task["id"] == "01890a5d-ac96-774b-bcce-b302099a8057"
    with pytest.raises(NotUnique):
        session.create("Task", {"id": task["id"], "name": "y"})
    with pytest.raises(InvalidValue):
        session.create("Task", {"id": "abc", "name": "y"})
    session.commit()
    assert session.get("Task", task["id"]) is task


def test_an_abstract_type_has_no_entities_of_its_own(session: Session) -> None:
    with pytest.raises(InvalidValue, match="abstract"):
        session.create("Resource", {"name": "x"})
    with pytest.raises(InvalidValue, match="abstract"):
        session.create_many("Resource", {"name": ["x"]})


def test_setting_what_is_there_already_is_no_change(session: Session) -> None:
    task = session.create("Task", {"name": "anim", "bid": 3, "due": "2026-01-01T00:00Z"})
    session.commit()
    task["bid"] = 3
    task["due"] = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert session.state(task) == "clean"
    task["bid"] = 4
    task["bid"] = 3

    assert session.state(task) == "clean"
    assert not session.commit()


def test_assigning_not_set_forgets_the_local_value(session: Session) -> None:
    task = session.create("Task", {"name": "anim", "bid": NOT_SET})
    session.commit()
    task["bid"] = 3
    task["bid"] = NOT_SET

    assert task["bid"] is None
    assert not session.commit()


def test_states_follow_what_is_recorded(session: Session) -> None:
    first = session.create("Task", {"name": "a"})
    second = session.create("Task", {"name": "b"})
    assert session.state(first) == "created"
    session.commit()
    first["bid"] = 1
    session.delete(second)

    assert (session.state(first), session.state(second)) == ("modified", "deleted")
    assert session.modified == [first]
    assert session.deleted == [second]
    assert session.created == []
    first["bid"] = 2
    session.delete(first)
    assert session.state(first) == "deleted"
    assert session.modified == []
    session.rollback()
    assert session.state(first) == "clean"
    assert first["bid"] is None


def test_a_deleted_entity_takes_no_edits(session: Session) -> None:
    task = session.create("Task", {"name": "a"})
    session.commit()
    session.delete(task)
    with pytest.raises(NotFound):
        task["name"] = "b"
    session.commit()

    with pytest.raises(NotFound):
        task["name"] = "b"
    assert task["name"] == "a"
    session.delete(task)
    assert not session.commit()
    assert session.get("Task", task["id"]) is None


def test_recording_switched_off_shows_and_never_sends(session: Session, other: Session) -> None:
    task = session.create("Task", {"name": "a", "bid": 1})
    user = session.create("User", {"name": "ann"})
    session.commit()
    with session.recording(False):
        task["bid"] = 2
        task["assignees"].add(user)
        task["metadata"]["k"] = "v"
        draft = session.create("Task", {"name": "draft"})
    assert task["bid"] == 2
    assert list(task["assignees"]) == [user]
    assert dict(task["metadata"]) == {"k": "v"}
    assert session.operations == []
    task["hours"] = 1.0
    session.commit()

    theirs = other.get("Task", task["id"])
    assert theirs is not None
    assert theirs["bid"] == 1
    assert theirs["hours"] == 1.0
    assert list(theirs["assignees"]) == []
    assert dict(theirs["metadata"]) == {}
    assert other.get("Task", draft["id"]) is None
    assert task["bid"] == 2
    session.rollback()
    assert task["bid"] == 1


def test_a_closed_session_refuses_every_verb(session: Session) -> None:
    task = session.create("Task", {"name": "a"})
    session.commit()
    session.close()
    session.close()

    assert session.closed
    verbs: list[Any] = [
        lambda: session.create("Task", {"name": "b"}),
        lambda: session.create_many("Task", {"name": ["b"]}),
        lambda: session.query("Task"),
        lambda: session.get("Task", task["id"]),
        session.commit,
        session.rollback,
        lambda: session.delete(task),
        lambda: session.refresh(task),
        lambda: session.history(task),
        lambda: session.at(1),
        lambda: session.search("a"),
        lambda: session.publish("t"),
        lambda: task["due"],
        lambda: list(session.databases),
        lambda: task.__setitem__("name", "b"),
    ]
    refused = 0
    for verb in verbs:
        try:
            verb()
        except SessionClosed:
            refused += 1
    # `due` was loaded; reading what is loaded goes on.
    assert refused == len(verbs) - 1


def test_the_past_refuses_changes(session: Session) -> None:
    task = session.create("Task", {"name": "a"})
    session.commit()
    past = session.at(session.commit() or task["revision"])
    found = past.query("Task").one()

    changes: list[Any] = [
        lambda: found.__setitem__("name", "b"),
        lambda: past.create("Task", {"name": "b"}),
        lambda: past.create_many("Task", {"name": ["b"]}),
        lambda: past.delete(found),
        lambda: found["assignees"].clear() or found["metadata"].update(a="b"),
        past.commit,
        lambda: past.publish("t"),
        lambda: past.apply_schema("x = 1\n"),
    ]
    for change in changes:
        with pytest.raises(RoomReadOnly, match="past"):
            change()
    assert found["name"] == "a"


def test_a_bad_edit_never_raises_anything_but_our_errors(session: Session) -> None:
    task = session.create("Task", {"name": "a"})
    accepted = []
    for value in (object(), b"x", 1j, [task], {"a": task}, float, ...):
        for name in session.schema.attributes("Task"):
            try:
                task[name] = value
            except Error:
                continue
            accepted.append(name)

    assert accepted == ["children"]
