"""Entities of the drop-in client: mappings, relations, metadata and custom attributes, and their helpers."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import arrow
import pytest

import recordroom.dialects.ftrack.client as ftrack_api
from recordroom.dialects.ftrack.client.entity.base import Entity
from recordroom.dialects.ftrack.client.entity.factory import StandardFactory
from tests.dialects.ftrack.client.dropins import Dropins

Unique = Callable[[str], str]
NOT_SET = ftrack_api.symbol.NOT_SET
exception = ftrack_api.exception


# --- a mapping ------------------------------------------------------------------------------------


def test_an_entity_is_a_mapping_of_its_attributes(session: Any, task: Any) -> None:
    assert isinstance(task, MutableMapping)
    assert isinstance(task, Entity)
    assert set(task.keys()) == set(task.attributes.keys()) == set(task)
    assert "name" in task
    assert "nothing" not in task
    assert task.get("nothing", 1) == 1
    assert dict(task.items())["name"] == "light"
    assert "light" in list(task.values())
    assert len(task) == len(task.attributes)
    assert task
    for use in (lambda: task["nothing"], lambda: task.__setitem__("nothing", 1), lambda: task.__delitem__("nothing")):
        with pytest.raises(KeyError):
            use()
    with pytest.raises(TypeError):
        task.pop("name")


def test_items_load_plain_attributes_in_one_request(connect: Dropins, task: Any) -> None:
    session = connect()
    found = session.query("Status").first()
    calls = session.native.round_trips
    dict(found.items())

    assert session.native.round_trips <= calls + 2


def test_entities_are_equal_by_type_and_key(connect: Dropins, session: Any, task: Any) -> None:
    other = connect().get("Task", task["id"])

    assert other == task
    assert hash(other) == hash(task)
    assert len({other, task}) == 1
    assert task != task["parent"]
    assert task != task["id"]
    assert copy.copy(task) is task
    assert copy.deepcopy(task) is task
    assert str(task) == f"Task({task['id']})"
    assert "Task" in repr(task)
    assert ftrack_api.inspection.identity(task) == ("Task", [task["id"]])
    assert ftrack_api.inspection.primary_key(task) == {"id": task["id"]}


def test_deleting_a_value_goes_back_to_what_the_room_said(session: Any, task: Any) -> None:
    task["name"] = "mine"
    del task["name"]
    assert task["name"] == "light"

    task["name"] = NOT_SET
    assert task["name"] == "light"
    task["name"], task["description"] = "mine", "too"
    task.clear()
    assert (task["name"], task["description"]) == ("light", None)
    session.commit()


def test_a_new_entity_has_defaults_and_nothing_else(session: Any, project: Any) -> None:
    shot = session.create("Shot", {"name": "new", "parent": project})

    assert shot["bid"] == 0
    assert shot["description"] is NOT_SET
    assert not shot["description"]
    assert shot["object_type_id"] == session.types["Shot"].attributes.get("object_type_id").default_value
    session.commit()
    assert shot["description"] is None
    assert shot["object_type"]["name"] == "Shot"


def test_what_cannot_be_changed_is_refused(session: Any, task: Any) -> None:
    for name, value in (("link", []), ("context_type", "show"), ("time_logged", 5), ("id", "x")):
        with pytest.raises(exception.ImmutableAttributeError, match=name):
            task[name] = value
    assert not session.recorded_operations
    task["id"] = task["id"]
    session.rollback()


def test_a_value_of_another_kind_is_refused_at_once(session: Any, task: Any) -> None:
    with pytest.raises(exception.ServerError, match="ValidationError"):
        task["bid"] = "many"
    with pytest.raises(exception.ServerError):
        session.create("Task", {"name": "x", "parent": "nonsense"})
    assert not session.recorded_operations


def test_moments_are_arrows(session: Any, connect: Dropins, task: Any) -> None:
    moment = dt.datetime(2020, 1, 2, 3, 4, 5)
    for given in (moment, arrow.get(moment), "2020-01-02T03:04:05", moment.replace(tzinfo=dt.UTC)):
        task["start_date"] = given
        assert task["start_date"] == arrow.get(moment)
    session.commit()

    found = connect().get("Task", task["id"])["start_date"]
    assert isinstance(found, arrow.Arrow)
    assert found == arrow.get(moment)


# --- relations ------------------------------------------------------------------------------------


def test_a_reference_and_its_id_are_one(session: Any, connect: Dropins, task: Any, shots: list[Any]) -> None:
    task["parent"] = shots[1]
    assert task["parent_id"] == shots[1]["id"]
    task["parent_id"] = shots[2]["id"]
    assert task["parent"] is shots[2]
    session.commit()

    assert connect().get("Task", task["id"])["parent_id"] == shots[2]["id"]
    task["status"] = None
    task["type_id"] = None
    assert (task["status_id"], task["type"]) == (None, None)


def test_a_context_moves_to_another_project_with_all_that_hangs_on_it(
    session: Any, connect: Dropins, task: Any, unique: Unique
) -> None:
    there = session.create("Project", {"name": unique("there"), "full_name": "There"})
    asset = session.create("Asset", {"name": "a", "parent": task["parent"]})
    version = session.create("AssetVersion", {"asset": asset, "task": task})
    session.commit()
    task["parent"]["parent_id"] = there["id"]
    session.commit()

    other = connect()
    for kind, each in (("Shot", task["parent"]), ("Task", task), ("Asset", asset), ("AssetVersion", version)):
        assert other.get(kind, each["id"])["project_id"] == there["id"]
    assert other.get("Task", task["id"])["link"][0]["id"] == there["id"]


def test_link_ancestors_and_descendants(connect: Dropins, task: Any) -> None:
    found = connect().get("Task", task["id"])
    shot, sequence, project = task["parent"], task["parent"]["parent"], task["project"]

    assert found["link"] == [
        {"type": "Project", "id": project["id"], "name": project["name"]},
        {"type": "TypedContext", "id": sequence["id"], "name": "sq010"},
        {"type": "TypedContext", "id": shot["id"], "name": "sh10"},
        {"type": "TypedContext", "id": task["id"], "name": "light"},
    ]
    assert list(found["ancestors"]) == [project, sequence, shot]
    assert set(project["descendants"]) >= {sequence, shot, task}
    assert found["context_type"] == "task"
    assert project["context_type"] == "show"


def test_collections_are_lists_without_duplicates(session: Any, connect: Dropins, shots: list[Any]) -> None:
    sequence = shots[0]["parent"]
    children = sequence["children"]

    assert [each["name"] for each in children] == ["sh10", "sh20", "sh30", "sh40", "sh50"]
    assert (len(children), children[0], children[-1], children[1:3]) == (5, shots[0], shots[4], shots[1:3])
    assert shots[0] in children
    assert children == list(reversed(shots))
    with pytest.raises(exception.DuplicateItemInCollectionError):
        children.append(shots[0])
    new = session.create("Shot", {"name": "sh60", "project": sequence["project"]})
    children.append(new)
    assert new["parent"] is sequence
    with pytest.raises(exception.DuplicateItemInCollectionError):
        children.append(new)
    children.remove(shots[0])
    with pytest.raises(ValueError, match="not in"):
        children.remove(shots[0])
    with pytest.raises(exception.CollectionError):
        children.append("nonsense")
    shots[0]["parent"] = sequence["project"]
    session.commit()
    assert set(connect().get("Sequence", sequence["id"])["children"]) == {*shots[1:], new}


def test_what_was_created_with_its_parent_may_be_appended_too(session: Any, shots: list[Any]) -> None:
    shot = session.create("Shot", {"name": "sh70", "parent": shots[0]["parent"]})
    shots[0]["parent"]["children"].append(shot)

    session.commit()
    assert list(shots[0]["parent"]["children"]).count(shot) == 1


def test_a_collection_can_be_assigned_as_a_whole(session: Any, connect: Dropins, task: Any, unique: Unique) -> None:
    scopes = [session.create("Scope", {"name": unique("scope")}) for _ in range(3)]
    task["scopes"] = scopes[:2]
    task["scopes"] += [scopes[2]]
    session.commit()
    assert connect().get("Task", task["id"])["scopes"] == scopes
    task["scopes"][0] = scopes[0]
    del task["scopes"][1:]
    session.commit()

    assert len(connect().get("Task", task["id"])["scopes"]) == 1
    with pytest.raises(exception.DuplicateItemInCollectionError):
        task["scopes"] = [scopes[0], scopes[0]]


def test_assignments_and_allocations_are_appointments(session: Any, connect: Dropins, task: Any, user: Any) -> None:
    session.create("Appointment", {"context": task, "resource": user, "type": "assignment"})
    session.commit()
    found = connect().get("Task", task["id"])

    assert [each["resource"] for each in found["assignments"]] == [user]
    assert list(found["allocations"]) == []
    assert [each["context"] for each in user["assignments"]] == [task]


def test_memberships_are_pairs(session: Any, connect: Dropins, user: Any, unique: Unique) -> None:
    group = session.create("Group", {"name": unique("group")})
    made = session.create("Membership", {"user": user, "group": group})
    session.commit()
    other = connect()
    [membership] = other.get("User", user["id"])["memberships"]

    assert (membership["user"], membership["group"]) == (user, group)
    assert membership.entity_type == "Membership"
    assert other.get("Membership", made["id"]) is membership
    assert membership["id"] == made["id"]
    assert other.query(f'Membership where group_id is "{group["id"]}"').one() is membership
    other.delete(membership)
    other.commit()
    assert list(connect().get("User", user["id"])["memberships"]) == []


def test_links_of_versions_are_made_by_entities(session: Any, connect: Dropins, task: Any) -> None:
    asset = session.create("Asset", {"name": "a", "parent": task["parent"]})
    first, second = [session.create("AssetVersion", {"asset": asset, "task": task}) for _ in range(2)]
    session.create("AssetVersionLink", {"from": first, "to": second})
    session.commit()

    assert list(connect().get("AssetVersion", second["id"])["uses_versions"]) == [first]
    assert {first["version"], second["version"]} == {1, 2}
    assert first["link"][-1]["name"] == f"a - v{first['version']}"


# --- metadata and custom attributes ---------------------------------------------------------------


def test_metadata_are_a_dict(session: Any, connect: Dropins, task: Any) -> None:
    task["metadata"]["a"] = "b"
    task["metadata"].update({"number": 3, "c": "d"})
    session.commit()
    found = connect().get("Task", task["id"])

    assert dict(found["metadata"]) == {"a": "b", "number": "3", "c": "d"}
    found["metadata"] = {"a": "changed"}
    found.session.commit()
    session.native.refresh(task._native)
    assert dict(task["metadata"]) == {"a": "changed"}
    del task["metadata"]["a"]
    session.commit()
    assert dict(connect().get("Task", task["id"])["metadata"]) == {}
    with pytest.raises(KeyError):
        task["metadata"]["a"]


def test_metadata_are_rows_too(session: Any, connect: Dropins, task: Any) -> None:
    session.create("Metadata", {"key": "k", "value": "v", "parent_id": task["id"], "parent_type": "Task"})
    session.commit()
    other = connect()
    row = other.query(f'Metadata where parent_id is "{task["id"]}"').one()

    assert (row["key"], row["value"]) == ("k", "v")
    row["value"] = "w"
    other.commit()
    assert connect().get("Metadata", [task["id"], "k"])["value"] == "w"
    other.delete(row)
    other.commit()
    assert not connect().query(f'Metadata where parent_id is "{task["id"]}"').all()


def test_custom_attributes_are_made_set_and_deleted(connect: Dropins, session: Any, task: Any, unique: Unique) -> None:
    key = unique("frames").replace(" ", "_")
    configuration = session.create(
        "CustomAttributeConfiguration",
        {
            "key": key,
            "label": "Frames",
            "entity_type": "task",
            "object_type": session.query("ObjectType where name is Task").one(),
            "type": session.query("CustomAttributeType where name is number").one(),
            "config": '{"isdecimal": false}',
            "default": 24,
        },
    )
    session.commit()
    task["custom_attributes"][key] = 12
    other_task = session.create("Task", {"name": "b", "parent": task["parent"]})
    assert other_task["custom_attributes"][key] == 24
    session.commit()

    found = connect().get("Task", task["id"])
    assert found["custom_attributes"][key] == 12
    assert found["custom_attributes"].get_configuration_id_from_key(key) == configuration["id"]
    assert found.attributes.get(key) is None
    assert connect().query(f'Task where custom_attributes any (key is "{key}" and value is 12)').one() == task
    with pytest.raises(KeyError):
        found["custom_attributes"]["no such key"] = 1
    operation = ftrack_api.operation.UpdateEntityOperation(
        "ContextCustomAttributeValue",
        {"configuration_id": configuration["id"], "entity_id": task["id"]},
        "value",
        NOT_SET,
        36,
    )
    session.recorded_operations.push(operation)
    session.commit()
    assert connect().get("Task", task["id"])["custom_attributes"][key] == 36

    session.delete(configuration)
    session.commit()
    assert key not in connect().get("Task", task["id"])["custom_attributes"]


# --- types ----------------------------------------------------------------------------------------


def test_types_have_keys_projections_and_attributes(session: Any, task: Any) -> None:
    cls = session.types["Task"]

    assert isinstance(task, cls)
    assert cls.entity_type == task.entity_type == "Task"
    assert cls.primary_key_attributes == ["id"]
    assert session.types["Recipient"].primary_key_attributes == ["note_id", "resource_id"]
    assert cls.default_projections == ["context_type", "id", "name"]
    attribute = ftrack_api.attribute
    assert isinstance(cls.attributes.get("name"), attribute.ScalarAttribute)
    assert isinstance(cls.attributes.get("parent"), attribute.ReferenceAttribute)
    assert cls.attributes.get("status").entity_type == "Status"
    assert isinstance(cls.attributes.get("children"), attribute.CollectionAttribute)
    assert isinstance(cls.attributes.get("metadata"), attribute.KeyValueMappedCollectionAttribute)
    assert isinstance(cls.attributes.get("custom_attributes"), attribute.CustomAttributeCollectionAttribute)
    assert not cls.attributes.get("id").mutable
    assert cls.attributes.get("link").computed
    assert cls.attributes.get("nothing") is None
    assert "NoteCategory" in session.types
    assert session.schemas
    with pytest.raises(KeyError):
        session.types["Nothing"]


def test_attributes_tell_local_and_remote_values(session: Any, task: Any) -> None:
    name = task.attributes.get("name")
    task["name"] = "mine"

    assert (name.get_local_value(task), name.get_remote_value(task), name.get_value(task)) == ("mine", "light", "mine")
    assert name.is_modified(task)
    assert name.is_set(task)
    assert not task.attributes.get("description").is_modified(task)
    assert task.attributes.get("time_logged").populate_remote_value(task) == 0


def test_plugins_may_give_classes_to_types(connect: Dropins, tmp_path: Path, task: Any) -> None:
    (tmp_path / "tasks.py").write_text(
        """
import recordroom.dialects.ftrack.client.entity.base as base
import recordroom.dialects.ftrack.client.entity.factory as factory

class Task(base.Entity):
    def loud(self):
        return self["name"].upper()

def register(session):
    made = factory.StandardFactory()

    def construct(event):
        schema = event["data"]["schema"]
        if schema["id"] == "Task":
            cls = made.create(schema, bases=[Task])
            cls.default_projections = ["id", "name", "description"]
            return cls

    session.event_hub.subscribe("topic=ftrack.api.session.construct-entity-type", construct)
"""
    )
    session = connect(plugin_paths=[str(tmp_path)])
    found = session.query(f'Task where id is "{task["id"]}"').one()

    assert found.loud() == "LIGHT"
    assert hasattr(found, "create_note")
    with session.auto_populating(False):
        assert found["description"] is None
    assert not hasattr(connect().get("Task", task["id"]), "loud")
    assert StandardFactory().create({"id": "Anything"}).entity_type == "Anything"


# --- helpers --------------------------------------------------------------------------------------


def test_notes_have_recipients_labels_and_replies(session: Any, connect: Dropins, task: Any, user: Any) -> None:
    labels = session.query("NoteLabel").all()[:1]
    note = task.create_note("hello", author=user, recipients=[user], labels=labels)
    reply = note.create_reply("well", author=user)
    with pytest.warns(PendingDeprecationWarning):
        second = task.create_note("more", user, category=labels[0])
    with pytest.raises(ValueError, match="category"):
        task.create_note("no", user, category=labels[0], labels=labels)
    session.commit()

    found = connect().get("Note", note["id"])
    assert (found["parent"], found["parent_id"], found["parent_type"]) == (task, task["id"], "task")
    assert (found["author"], found["user_id"]) == (user, user["id"])
    assert user in [each["resource"] for each in found["recipients"]]
    assert [each["label"] for each in found["note_label_links"]] == labels
    assert list(found["replies"]) == [reply]
    assert reply["parent_type"] == "note"
    assert second["category"] is labels[0]
    assert set(task["notes"]) == {note, second}


def test_who_writes_a_note_hears_of_it_and_users_have_names(connect: Dropins, session: Any, task: Any) -> None:
    author = session.query("User where username is administrator").first()
    note = session.create("Note", {"content": "a", "author": author, "parent": task})
    nameless = session.create("User", {})
    session.commit()

    heard = [each["resource"]["username"] for each in connect().get("Note", note["id"])["recipients"]]
    assert heard == ([session.api_user] if session.api_user else [])
    assert len(nameless["username"]) == 36


def test_timers_become_timelogs(session: Any, task: Any, user: Any) -> None:
    timer = user.start_timer(context=task, comment="c", name="n")

    assert (timer["user"], timer["context"], timer["comment"]) == (user, task, "c")
    with pytest.raises(exception.NotUniqueError):
        user.start_timer(context=task)
    again = user.start_timer(context=task, force=True)
    timelog = user.stop_timer()
    assert timelog["context"] is task
    assert timelog["duration"] >= 0
    assert session.get("Timer", again["id"]) is None
    with pytest.raises(exception.NoResultFoundError):
        user.stop_timer()


def test_project_schemas_say_statuses_and_types(session: Any, project: Any) -> None:
    schema = project["project_schema"]

    assert "In progress" in [each["name"] for each in schema.get_statuses("Task")]
    assert schema.get_statuses("Task", session.query("Type").first()["id"])
    assert schema.get_statuses("AssetVersion")
    assert schema.get_types("Task")
    assert set(schema.get_statuses("Shot")) <= set(session.query("Status"))
    with pytest.raises(ValueError, match="exist"):
        schema.get_statuses("Nothing")
    with pytest.raises(ValueError, match="does not have"):
        schema.get_types("User")


def test_jobs_of_scripts_are_api_jobs(session: Any, connect: Dropins, user: Any) -> None:
    job = session.create("Job", {"user": user, "status": "running", "data": '{"description": "rendering"}'})
    session.commit()

    assert connect().get("Job", job["id"])["type"] == "api_job"
    with pytest.raises(ValueError, match="api_job"):
        session.create("Job", {"user": user, "type": "other"})


def test_versions_have_components_and_thumbnails(session: Any, connect: Dropins, task: Any, tmp_path: Path) -> None:
    from PIL import Image

    picture = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(picture)
    asset = session.create("Asset", {"name": "a", "parent": task["parent"]})
    version = session.create("AssetVersion", {"asset": asset, "task": task})
    session.commit()
    component = version.create_component(str(picture), {"name": "main", "version_id": "ignored"})
    session.commit()
    thumbnail = version.create_thumbnail(str(picture))

    found = connect().get("AssetVersion", version["id"])
    assert component in found["components"]
    assert found["thumbnail_id"] == thumbnail["id"]
    assert (thumbnail["name"], thumbnail["system_type"]) == ("thumbnail", "file")
    assert task.create_thumbnail(str(picture))["id"] == task["thumbnail_id"]
