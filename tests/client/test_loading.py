"""Loading on touch: for whole pages, in one request, and never of a wrong class."""

from __future__ import annotations

from typing import Any

import pytest

from recordroom.client.session import Session
from recordroom.client.symbols import NOT_SET
from recordroom.errors import NotFound
from recordroom.model.schema import Attribute, EntityType
from tests.client.conftest import define


def fill(session: Session, count: int = 12) -> None:
    users = [session.create("User", {"name": f"u{i}", "age": i}) for i in range(3)]
    groups = [session.create("Group", {"name": f"g{i}", "motto": "m"}) for i in range(3)]
    projects = [session.create("Project", {"name": f"p{i}", "lead": users[i]}) for i in range(3)]
    for i in range(count):
        owner = (users + groups)[i % 6]
        session.create("Task", {"name": f"t{i:02}", "bid": i, "project": projects[i % 3], "owner": owner})
    session.commit()


def calls(session: Session) -> int:
    return session.round_trips


def test_touching_an_unloaded_attribute_loads_it_for_all_siblings(session: Session, other: Session) -> None:
    fill(session)
    tasks = other.query("select name from Task order by name").all()
    before = calls(other)

    assert [task["bid"] for task in tasks] == list(range(12))
    assert calls(other) == before + 1
    assert [task["hours"] for task in tasks] == [None] * 12
    assert calls(other) == before + 2


def test_loading_is_bounded_by_the_page_size(session: Session, connect: Any) -> None:
    fill(session)
    other = connect(page_size=5)
    tasks = other.query("select name from Task order by name").all()
    before = calls(other)

    assert tasks[7]["bid"] == 7
    assert calls(other) == before + 1
    assert [task["bid"] for task in tasks[5:10]] == [5, 6, 7, 8, 9]
    assert calls(other) == before + 1
    assert [task["bid"] for task in tasks] == list(range(12))
    assert calls(other) == before + 3


def test_siblings_that_are_loaded_already_are_not_asked_for_again(session: Session, other: Session) -> None:
    fill(session)
    other.query("select name, bid from Task where bid < 11").all()
    late = other.query("select name from Task where bid is 11").one()
    assert late["bid"] == 11
    tasks = other.query("select name from Task order by name").all()
    before = calls(other)

    assert [task["bid"] for task in tasks] == list(range(12))
    assert calls(other) == before


def test_stubs_load_together_with_everything_a_query_would_bring(session: Session, other: Session) -> None:
    fill(session)
    tasks = other.query("Task").all()
    before = calls(other)

    assert [task["project"]["name"] for task in tasks] == [f"p{i % 3}" for i in range(12)]
    assert calls(other) == before + 1
    assert [task["project"]["budget"] for task in tasks] == [None] * 12
    assert [task["project"]["lead"]["age"] for task in tasks] == [i % 3 for i in range(12)]
    assert calls(other) == before + 2


def test_references_into_a_hierarchy_have_their_right_class_from_the_start(session: Session, other: Session) -> None:
    fill(session)
    tasks = other.query("Task order by name").all()
    before = calls(other)
    owners = [task["owner"] for task in tasks]

    assert calls(other) == before + 1
    assert [owner["entity_type"] for owner in owners[:6]] == ["User"] * 3 + ["Group"] * 3
    assert [owner["name"] for owner in owners[:6]] == ["u0", "u1", "u2", "g0", "g1", "g2"]
    assert calls(other) == before + 1
    assert [owner["age"] for owner in owners[:3]] == [0, 1, 2]
    assert [owner["motto"] for owner in owners[3:6]] == ["m"] * 3
    assert calls(other) == before + 3
    assert other.get("User", owners[0]["id"]) is owners[0]


def test_a_reference_whose_type_is_not_known_is_not_set_where_loading_is_off(session: Session, other: Session) -> None:
    fill(session)
    task = other.query("Task order by name").first()
    before = calls(other)

    with other.auto_populating(False):
        assert task["owner"] is NOT_SET
        assert task["project"]["name"] is NOT_SET
    assert calls(other) == before
    assert task["owner"]["name"] == "u0"


def test_a_reference_and_a_query_give_the_same_object(session: Session, other: Session) -> None:
    fill(session)
    project = other.query("Task order by name").first()["project"]
    found = other.query("Project where name is p0").one()

    assert found is project
    before = calls(other)
    assert project["name"] == "p0"
    assert calls(other) == before


def test_loading_a_collection_loads_it_for_all_siblings(session: Session, other: Session) -> None:
    fill(session)
    projects = other.query("Project order by name").all()
    before = calls(other)

    assert [len(list(project["tasks"])) for project in projects] == [4, 4, 4]
    assert [task["bid"] for task in projects[1]["tasks"]] == [1, 4, 7, 10]
    assert [len(project["tasks"]) for project in projects] == [4, 4, 4]
    assert calls(other) == before + 1


def test_an_entity_that_others_deleted_says_so_when_it_must_be_loaded(session: Session, other: Session) -> None:
    fill(session)
    task = other.query("select name from Task where bid is 3").one()
    session.delete(session.query("Task where bid is 3").one())
    session.commit()

    assert task["name"] == "t03"
    with pytest.raises(NotFound) as caught:
        task["bid"]
    assert caught.value.entity == task["id"]
    assert other.state(task) == "deleted"
    assert other.get("Task", task["id"]) is None


def test_what_others_changed_meanwhile_replaces_what_was_loaded_before(session: Session, other: Session) -> None:
    fill(session)
    task = other.query("select name from Task where bid is 3").one()
    mine = session.query("Task where bid is 3").one()
    mine["name"], mine["bid"] = "new", 33
    session.commit()

    assert task["name"] == "t03"
    assert task["bid"] == 33
    assert task["name"] == "new"


def test_get_asks_only_for_what_is_not_loaded(session: Session, other: Session) -> None:
    fill(session)
    ids = [task["id"] for task in session.query("Task order by name")]
    first = other.get("Task", ids[0])
    before = calls(other)

    assert other.get("Task", ids[0]) is first
    assert calls(other) == before
    found = other.get_many("Task", [*ids, "01890a5d-ac96-774b-bcce-b302099a8057", ids[0]])
    assert calls(other) == before + 1
    assert [task and task["bid"] for task in found] == [*range(12), None, 0]
    assert other.get("Project", ids[0]) is None
    assert other.get("Resource", session.query("User").first()["id"])["entity_type"] == "User"  # type: ignore[index]


def test_a_stub_that_names_nothing_is_not_found(session: Session) -> None:
    nothing = "01890a5d-ac96-774b-bcce-b302099a8057"
    task = session.create("Task", {"name": "t", "project": nothing})

    with pytest.raises(NotFound):
        task["project"]["name"]
    assert session.get("Project", nothing) is None


def test_refresh_brings_what_is_there_now(session: Session, other: Session) -> None:
    fill(session)
    tasks = other.query("Task order by name").all()
    for task in session.query("Task"):
        task["bid"] += 100
    session.create("User", {"name": "late", "assignments": session.query("Task").all()})
    session.commit()
    assert list(tasks[0]["assignees"])
    before = calls(other)
    other.refresh(tasks)

    assert calls(other) == before + 1
    assert [task["bid"] for task in tasks] == list(range(100, 112))


def test_the_past_is_a_session_of_its_own(session: Session) -> None:
    fill(session)
    task = session.query("Task where bid is 3").one()
    project, created = task["project"], task["revision"]
    created_at = task["created_at"]
    task["bid"], task["project"] = 33, session.query("Project where name is p1").one()
    task["assignees"] = session.query("User").all()
    session.delete(session.query("Task where bid is 4").one())
    result = session.commit()

    then = session.at(created)
    found = then.get("Task", task["id"])
    assert found is not None
    assert found is not task
    assert (found["bid"], found["project"]["name"]) == (3, "p0")
    assert [each["bid"] for each in found["project"]["tasks"]] == [0, 3, 6, 9]
    assert list(found["assignees"]) == []
    assert then.query("Task").count() == 12
    assert len(then.get("Project", project["id"])["tasks"]) == 4  # type: ignore[index]
    assert len(session.at(created_at).query("Task")) == 12
    assert session.at(result).query("Task").count() == 11
    assert session.at(0).query("Task").count() == 0


def test_types_and_attributes_that_are_new_in_the_room_are_learned(session: Session, other: Session) -> None:
    task = session.create("Task", {"name": "t"})
    session.commit()
    assert len(other.query("Task")) == 1
    define(session, EntityType(name="Box", attributes=(Attribute(name="name", kind="text"),)))

    box = other.create("Box", {"name": "b"})
    other.commit()
    assert session.query("Box").one()["name"] == "b"
    assert (task["name"], box["name"]) == ("t", "b")
