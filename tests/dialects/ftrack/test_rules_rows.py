"""Rules about writes: keys of several parts, what goes along with a deletion, values of custom attributes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from tests.dialects.ftrack.hubs import Stage, post

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api
    import ftrack_api.exception
    import ftrack_api.symbol

Connect = Callable[..., Any]
Unique = Callable[[str], str]


# --- keys of several parts ------------------------------------------------------------------------


def test_rows_with_keys_of_several_parts(session: Any, connect: Connect, task: Any, user: Any, unique: Unique) -> None:
    schema = session.query("Schema").first()
    status = session.create("Status", {"name": unique("status")})
    kind = session.create("Type", {"name": unique("type")})
    label = session.create("NoteLabel", {"name": unique("label")})
    component = session.create("FileComponent", {"name": "picture"})
    note = task.create_note("n", author=user)
    job = session.create("Job", {"user": user})
    session.commit()
    made = {
        "SchemaStatus": {"schema_id": schema["id"], "task_status_id": status["id"]},
        "SchemaType": {"schema_id": schema["id"], "task_type_id": kind["id"]},
        "NoteLabelLink": {"note_id": note["id"], "label_id": label["id"]},
        "NoteComponent": {"component_id": component["id"], "note_id": note["id"]},
        "JobComponent": {"job_id": job["id"], "component_id": component["id"]},
        "Recipient": {"note_id": note["id"], "resource_id": user["id"]},
        "Metadata": {"parent_id": task["id"], "key": "k"},
        "Setting": {"name": unique("setting"), "group": "RULES"},
    }
    for name, key in made.items():
        session.create(name, {**key, **({"parent_type": "Task", "value": "v"} if name == "Metadata" else {})})
    session.commit()

    other = connect()
    for name, key in made.items():
        order = next(each["primary_key"] for each in other.schemas if each["id"] == name)
        found = other.get(name, [key[each] for each in order])
        assert found is not None, name
        assert {each: found[each] for each in key} == key
        other.delete(found)
    other.commit()
    last = connect()
    for name, key in made.items():
        order = next(each["primary_key"] for each in last.schemas if each["id"] == name)
        assert last.get(name, [key[each] for each in order]) is None, name


def test_many_rows_with_keys_of_several_parts_are_filled_at_once(session: Any, task: Any) -> None:
    for each in "abc":
        task["metadata"][each] = f"value {each}"
    session.commit()
    session.reset()
    rows = [session.create("Metadata", {"parent_id": task["id"], "key": each}, reconstructing=True) for each in "abc"]

    session.populate(rows, "value, parent_type")

    with session.auto_populating(False):
        assert [(each["value"], each["parent_type"]) for each in rows] == [
            ("value a", "Task"), ("value b", "Task"), ("value c", "Task"),
        ]  # fmt: skip


def test_a_key_must_have_all_of_its_parts(session: Any) -> None:
    with pytest.raises(ValueError, match="composed of 2"):
        session.get("Metadata", ["one"])
    assert session.get("Metadata", ["x", "y"]) is None
    assert session.get("Setting", ["no", "setting"]) is None


# --- deletions ------------------------------------------------------------------------------------


def test_what_belongs_to_a_user_goes_with_them(session: Any, connect: Connect, user: Any, task: Any) -> None:
    timer = user.start_timer(task)
    session.delete(user)
    session.commit()

    other = connect()
    assert other.get("Timer", timer["id"]) is None
    assert other.get("Task", task["id"]) is not None


def test_what_belongs_to_a_component_goes_with_it(session: Any, connect: Connect, version: Any) -> None:
    component = session.create("FileComponent", {"name": "main", "version": version})
    component["metadata"]["k"] = "v"
    row = session.create(
        "ComponentLocation",
        {"component": component, "location_id": ftrack_api.symbol.UNMANAGED_LOCATION_ID, "resource_identifier": "/a"},
    )
    session.commit()
    session.delete(component)
    session.commit()

    other = connect()
    assert other.get("ComponentLocation", row["id"]) is None
    assert other.get("Metadata", [component["id"], "k"]) is None
    assert list(other.get("AssetVersion", version["id"])["components"]) == []


def test_a_container_takes_its_members_along(session: Any, connect: Connect) -> None:
    container = session.create("ContainerComponent", {"name": "all"})
    members = [session.create("FileComponent", {"name": name, "container": container}) for name in "ab"]
    session.commit()
    assert {each["name"] for each in connect().get("Component", container["id"])["members"]} == {"a", "b"}
    session.delete(container)
    session.commit()

    assert [connect().get("FileComponent", each["id"]) for each in members] == [None, None]


def test_a_shot_takes_what_is_about_it_along(
    session: Any, connect: Connect, task: Any, user: Any, version: Any
) -> None:
    shot = task["parent"]
    note = shot.create_note("gone", author=user)
    listed = session.create("TypedContextList", {"name": "l", "project": task["project"]})
    listed["items"].append(shot)
    log = session.create("Timelog", {"user": user, "context": task, "duration": 60})
    session.commit()
    session.delete(shot)
    session.commit()

    other = connect()
    for kind, each in (("Task", task), ("Note", note), ("AssetVersion", version), ("Timelog", log)):
        assert other.get(kind, each["id"]) is None
    assert list(other.get("TypedContextList", listed["id"])["items"]) == []


# --- custom attributes ----------------------------------------------------------------------------


@pytest.fixture
def fps(session: Any, project: Any) -> Any:
    """Two configurations with one key: of every project, and of one."""
    of = session.query("CustomAttributeType where name is number").one()
    data = {"key": "rate", "label": "Rate", "entity_type": "show", "type": of, "config": "{}"}
    both = [
        session.create("CustomAttributeConfiguration", {**data, "default": 24}),
        session.create("CustomAttributeConfiguration", {**data, "default": 25, "project_id": project["id"]}),
    ]
    session.commit()
    yield both
    session.rollback()
    for each in both:
        session.delete(each)
        session.commit()


def test_a_configuration_of_a_project_wins_over_that_of_all(fps: Any, connect: Connect, project: Any) -> None:
    session = connect()
    other = session.create("Project", {"name": "elsewhere", "full_name": "e"})
    session.commit()
    session = connect()

    assert session.get("Project", project["id"])["custom_attributes"]["rate"] == 25
    assert session.get("Project", other["id"])["custom_attributes"]["rate"] == 24
    session.get("Project", project["id"])["custom_attributes"]["rate"] = 30
    session.commit()
    assert connect().get("Project", project["id"])["custom_attributes"]["rate"] == 30
    assert connect().get("Project", other["id"])["custom_attributes"]["rate"] == 24


def test_a_value_may_be_created_as_well_as_updated(fps: Any, studio: Stage, project: Any, connect: Connect) -> None:
    key = [fps[1]["id"], project["id"]]
    data = {"configuration_id": key[0], "entity_id": key[1], "value": 48}

    for kind, action in (("CustomAttributeValue", "create"), ("ContextCustomAttributeValue", "update")):
        [answer] = post(studio, {"action": action, "entity_type": kind, "entity_key": key, "entity_data": data})
        assert (answer["data"]["value"], answer["data"]["configuration_id"]) == (data["value"], key[0])
        assert connect().get("Project", project["id"])["custom_attributes"]["rate"] == data["value"]
        data["value"] += 1
