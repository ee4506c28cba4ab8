"""Entities as mappings: reading, equality, what is not loaded, what belongs to the session."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import uuid
from collections.abc import MutableMapping
from decimal import Decimal

import pytest

from recordroom.client.session import Session
from recordroom.client.symbols import NOT_SET
from recordroom.errors import InvalidValue, UnknownAttribute, UnknownType

MOMENT = dt.datetime(2026, 11, 21, 10, 30, 0, 123456, tzinfo=dt.UTC)
VALUES = {
    "name": "anim",
    "status": "in progress",
    "note": "long\ntext",
    "bid": -(2**63),
    "hours": 2.5,
    "cost": Decimal("19.99"),
    "done": True,
    "day": dt.date(1, 1, 1),
    "due": MOMENT,
    "data": {"a": [1, None, {"b": "ü"}]},
    "key": uuid.UUID(int=7),
    "url": "https://example.org/a",
    "color": "#1e90ff",
    "tags": ("b", "a", "b"),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_of_each_kind_reads_the_same_before_and_after_its_commit_and_elsewhere(
    session: Session, other: Session, name: str
) -> None:
    task = session.create("Task", {"name": "task"})
    task[name] = VALUES[name]
    assert task[name] == VALUES[name]
    session.commit()

    assert task[name] == VALUES[name]
    found = other.query("Task").one()
    assert found[name] == VALUES[name]
    assert type(found[name]) is type(task[name])


def test_an_entity_is_a_mapping_of_all_attributes_of_its_type(session: Session) -> None:
    task = session.create("Task", {"name": "anim"})

    assert isinstance(task, MutableMapping)
    assert list(task) == list(session.schema.attributes("Task"))
    assert len(task) == len(list(task))
    assert "name" in task
    assert "nmae" not in task
    assert task.get("nmae") is None
    assert task.get("nmae", 3) == 3
    assert dict(task)["name"] == "anim"
    assert task


def test_the_id_is_text_and_an_unset_attribute_has_its_default_or_none(session: Session) -> None:
    task = session.create("Task", {"name": "anim"})

    assert len(task["id"]) == 36
    assert task["status"] == "open"
    assert task["done"] is False
    assert task["bid"] is None
    assert task["number"] is None
    assert task["entity_type"] == "Task"
    session.commit()
    assert task["number"] == 1
    assert task["status"] == "open"


def test_an_unknown_attribute_is_named_with_close_ones(session: Session) -> None:
    task = session.create("Task", {"name": "anim"})

    with pytest.raises(UnknownAttribute) as caught:
        task["nmae"]
    assert caught.value.suggestions[0] == "name"
    with pytest.raises(UnknownAttribute):
        task["nmae"] = 3
    with pytest.raises(UnknownAttribute):
        del task["nmae"]
    with pytest.raises(KeyError):
        task["nmae"]


def test_an_unknown_type_is_named_with_close_ones(session: Session) -> None:
    with pytest.raises(UnknownType) as caught:
        session.create("Taks", {})
    assert caught.value.suggestions == ["Task"]


def test_equality_and_hash_go_by_type_and_id_across_sessions(session: Session, other: Session) -> None:
    task = session.create("Task", {"name": "anim"})
    session.commit()

    theirs = other.query("Task").one()
    assert theirs is not task
    assert theirs == task
    assert hash(theirs) == hash(task)
    assert {task: 1}[theirs] == 1
    assert task != session.create("Task", {"name": "x"})
    assert task != {"name": "anim"}


def test_repr_shows_what_is_known_and_asks_nobody(session: Session, other: Session) -> None:
    task = session.create("Task", {"name": "anim", "project": session.create("Project", {"name": "P"})})
    session.commit()
    found = other.query("Task").one()
    project = found["project"]
    before = other.round_trips

    assert repr(found) == f"<Task {task['id']} 'anim'>"
    assert repr(project) == f"<Project {project['id']}>"
    assert other.round_trips == before


def test_not_set_is_falsy_and_the_only_one_of_its_kind() -> None:
    assert not NOT_SET
    assert NOT_SET is not None
    assert copy.copy(NOT_SET) is NOT_SET
    assert copy.deepcopy([NOT_SET])[0] is NOT_SET
    assert pickle.loads(pickle.dumps(NOT_SET)) is NOT_SET
    assert repr(NOT_SET) == "NOT_SET"


def test_what_is_not_loaded_shows_as_not_set_where_loading_is_off(session: Session, other: Session) -> None:
    session.create("Task", {"name": "anim", "bid": 3})
    session.commit()
    task = other.query("select name from Task").one()
    before = other.round_trips

    with other.auto_populating(False):
        assert task["bid"] is NOT_SET
        assert task["assignees"] is NOT_SET
        assert task["name"] == "anim"
        assert dict(task)["bid"] is NOT_SET
    assert other.round_trips == before
    assert task["bid"] == 3
    other.auto_populate = False
    assert task["hours"] is NOT_SET
    with other.auto_populating(True):
        assert task["hours"] is None


def test_a_json_value_is_a_fresh_copy_each_time(session: Session) -> None:
    given = {"a": [1]}
    task = session.create("Task", {"name": "x", "data": given})
    given["a"].append(2)
    task["data"]["a"].append(3)

    assert task["data"] == {"a": [1]}
    session.commit()
    task["data"]["a"].append(3)
    assert task["data"] == {"a": [1]}


def test_del_forgets_the_local_value_only(session: Session) -> None:
    task = session.create("Task", {"name": "anim", "bid": 3})
    session.commit()
    task["bid"] = 4
    task["hours"] = 1.0

    del task["bid"]
    assert task["bid"] == 3
    assert session.state(task) == "modified"
    task.clear()
    assert task["hours"] is None
    assert session.state(task) == "clean"
    del task["bid"]
    assert not session.commit()


def test_copies_of_an_entity_are_the_entity_and_it_cannot_be_pickled(session: Session) -> None:
    task = session.create("Task", {"name": "anim"})

    assert copy.copy(task) is task
    assert copy.deepcopy({"t": task})["t"] is task
    with pytest.raises(TypeError, match="session"):
        pickle.dumps(task)
    with pytest.raises(TypeError):
        task.popitem()


def test_items_and_values_load_all_unset_scalars_in_one_request(session: Session, other: Session) -> None:
    for i in range(3):
        session.create("Task", {"name": f"t{i}", "bid": i})
    session.commit()
    tasks = other.query("select name from Task order by bid").all()
    before = other.round_trips

    assert dict(tasks[0].items())["bid"] == 0
    assert list(tasks[1].values())
    assert other.round_trips == before + 1


def test_dots_do_not_read_attributes_and_say_what_does(session: Session) -> None:
    task = session.create("Task", {"name": "anim"})

    with pytest.raises(AttributeError, match=r'entity\["name"\]'):
        task.name  # type: ignore[attr-defined] # noqa: B018
    assert not hasattr(task, "nmae")
    assert task._ipython_key_completions_() == list(task)


def test_isinstance_goes_by_the_type_of_the_session(session: Session) -> None:
    user = session.create("User", {"name": "ann"})

    assert isinstance(user, session.types["User"])
    assert not isinstance(user, session.types["Task"])
    assert isinstance(user, session.types["Resource"])
    assert set(session.types) == {"Resource", "User", "Group", "Project", "Task", "Plane", "Flight"}


def test_an_entity_of_another_session_is_refused_by_verbs(session: Session, other: Session) -> None:
    task = session.create("Task", {"name": "anim"})

    with pytest.raises(InvalidValue, match="another session"):
        other.delete(task)
    with pytest.raises(InvalidValue):
        session.state("task")  # type: ignore[arg-type]
