"""Collections, metadata, notes, timers, lists and the like, through the unmodified client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ftrack_api.exception
import pytest

from tests.dialects.ftrack.hubs import Stage

Connect = Callable[..., Any]
Unique = Callable[[str], str]


def stored(session: Any, entity: Any) -> dict[str, str]:
    """The metadata of an entity as others see them."""
    return dict(
        session.query(f"select metadata from {entity.entity_type} where id is {entity['id']}").one()["metadata"]
    )


@pytest.mark.parametrize(
    "kind", ["Project", "Shot", "AssetVersion", "User", "Note", "TypedContextList", "FileComponent"]
)
def test_metadata_are_a_dict(session: Any, connect: Connect, task: Any, unique: Unique, kind: str) -> None:
    given: dict[str, Any] = {
        "AssetVersion": {"asset": session.create("Asset", {"name": "a", "parent": task})},
        "TypedContextList": {"name": "l", "project": task["project"]},
        "User": {"username": unique("u")},
        "Project": {"name": unique("p")},
        "Shot": {"name": "s", "parent": task["project"]},
    }
    entity = session.create(kind, {**given.get(kind, {}), "metadata": {"made": "with it"}})
    session.commit()
    assert stored(connect(), entity) == {"made": "with it"}

    entity["metadata"]["key"] = "value"
    entity["metadata"]["ключ {}"] = ""
    session.commit()
    assert stored(connect(), entity) == {"made": "with it", "key": "value", "ключ {}": ""}

    entity["metadata"]["key"] = "other"
    del entity["metadata"]["made"]
    session.commit()
    assert dict(entity["metadata"]) == stored(connect(), entity) == {"key": "other", "ключ {}": ""}

    entity["metadata"] = {"all": "new"}
    session.commit()
    assert dict(entity["metadata"]) == stored(connect(), entity) == {"all": "new"}

    [found] = connect().query(f'{kind} where id is {entity["id"]} and metadata any (key is "all" and value is "new")')
    assert found["id"] == entity["id"]
    assert connect().get("Metadata", [entity["id"], "all"])["value"] == "new"


def test_metadata_can_be_asked_for_by_themselves(session: Any, project: Any, unique: Unique) -> None:
    key = unique("key")
    project["metadata"].update({key: "1", "other": "2"})
    session.commit()

    [found] = session.query(f'Metadata where key is "{key}"')
    assert (found["value"], found["parent_id"], found["parent_type"]) == ("1", project["id"], "Project")
    assert len(session.query(f"Metadata where parent_id is {project['id']}").all()) == 2
    assert [
        each["key"] for each in session.query(f"Metadata where parent_id is {project['id']} and not value is 1")
    ] == ["other"]


def test_a_list_replaces_what_was_there(session: Any, connect: Connect, shots: list[Any], unique: Unique) -> None:
    names = [unique("scope") for _ in range(3)]
    scopes = [session.create("Scope", {"name": name}) for name in names]
    shots[0]["scopes"] = scopes[:2]
    session.commit()

    shots[0]["scopes"].append(scopes[2])
    shots[0]["scopes"].remove(scopes[0])
    session.commit()

    seen = connect().query(f"select scopes.name from Shot where id is {shots[0]['id']}").one()
    assert {each["name"] for each in seen["scopes"]} == set(names[1:])
    assert session.query(f'Shot where scopes any (name is "{names[1]}")').one() is shots[0]
    shots[0]["scopes"] = []
    session.commit()
    assert shots[0] in session.query("Shot where not scopes any ()").all()


def test_what_is_put_into_a_collection_gets_its_owner(session: Any, shots: list[Any], project: Any) -> None:
    sequence = session.create("Sequence", {"name": "new", "parent": project})
    sequence["children"] = shots[:2]
    session.commit()

    session.reset()
    found = session.query(f"select children.name, children.parent_id from Sequence where id is {sequence['id']}").one()
    assert [each["name"] for each in found["children"]] == ["sh10", "sh20"]
    found["children"] = found["children"][:1]
    session.commit()
    session.reset()
    assert session.get("Shot", shots[1]["id"])["parent"] is None
    assert session.get("Shot", shots[0]["id"])["parent_id"] == sequence["id"]


def test_notes_replies_recipients_and_labels(
    session: Any, connect: Connect, task: Any, user: Any, unique: Unique
) -> None:
    group = session.create("Group", {"name": unique("group")})
    me = session.query("User where username is administrator").one()
    label = session.query("NoteLabel").first()
    note = task.create_note("hello", author=user, recipients=[group, me], labels=[label])
    session.commit()
    reply = note.create_reply("well", author=me)
    session.commit()

    assert [each["content"] for each in task["notes"]] == ["hello"]
    assert reply in note["replies"]
    seen = (
        connect()
        .query(
            "select parent, parent_type, author.username, user_id, recipients.resource, note_label_links.label.name, category,"
            f" category_id, replies.content, replies.parent_type from Note where id is {note['id']}"
        )
        .one()
    )
    assert (seen["parent"]["id"], seen["parent_type"], seen["user_id"]) == (task["id"], "task", user["id"])
    assert {each["resource_id"] for each in seen["recipients"]} == {group["id"], me["id"]}
    assert {each["resource"].entity_type for each in seen["recipients"]} == {"User", "Group"}
    assert [each["label"]["name"] for each in seen["note_label_links"]] == [label["name"]]
    assert (seen["category"].entity_type, seen["category"]["name"]) == ("NoteCategory", label["name"])
    assert [(each["content"], each["parent_type"]) for each in seen["replies"]] == [("well", "note")]
    assert session.query(f"Note where parent_id is {task['id']} and parent_type is task").one() is note
    assert (
        session.query(
            f'Note where parent.name is light and author.username is "{user["username"]}" and parent_id is {task["id"]}'
        ).one()
        is note
    )
    assert session.query(f'Note where category.name is "{label["name"]}" and id is {note["id"]}').one() is note
    session.delete(note)
    session.commit()
    assert not connect().query(f"Recipient where note_id is {note['id']}").all()


def test_who_writes_a_note_hears_of_it(session: Any, task: Any, user: Any) -> None:
    note = session.create("Note", {"content": "a", "author": user, "parent_id": task["id"], "parent_type": "task"})
    session.commit()

    assert note["parent"] is task
    assert [each["resource"]["username"] for each in note["recipients"]] == ["administrator"]


def test_notes_of_everything_that_can_have_some(session: Any, task: Any, user: Any, unique: Unique) -> None:
    asset = session.create("Asset", {"name": "a", "parent": task})
    version = session.create("AssetVersion", {"asset": asset})
    listed = session.create("TypedContextList", {"name": "l", "project": task["project"]})
    session.commit()

    for owner, kind in ((version, "asset_version"), (task["project"], "show"), (user, "user"), (listed, "list")):
        note = owner.create_note("about it", author=user)
        session.commit()
        assert (note["parent_type"], note["parent"]["id"]) == (kind, owner["id"])
        assert note in owner["notes"]


def test_a_user_has_one_timer(session: Any, task: Any, user: Any) -> None:
    timer = user.start_timer(task, comment="work", name="t")
    assert timer["start"]
    with pytest.raises(ftrack_api.exception.NotUniqueError):
        user.start_timer(task)
    session.rollback()

    log = user.stop_timer()

    assert (log["context_id"], log["comment"], log["name"]) == (task["id"], "work", "t")
    assert 0 <= log["duration"] < 600
    with pytest.raises(ftrack_api.exception.NoResultFoundError):
        user.stop_timer()
    again = user.start_timer(task, force=True)
    user.start_timer(task, force=True)
    assert again["id"]
    assert len(session.query(f"Timelog where user_id is {user['id']}").all()) == 2


def test_lists_of_contexts_and_versions(session: Any, connect: Connect, shots: list[Any]) -> None:
    project = shots[0]["project"]
    category = session.query("ListCategory").first()
    listed = session.create("TypedContextList", {"name": "l", "project": project, "category": category})
    listed["items"].extend(shots[:3])
    session.commit()
    listed["items"].remove(shots[1])
    session.commit()

    other = connect()
    seen = other.query(f"List where project_id is {project['id']}").one()
    assert seen.entity_type == "TypedContextList"
    assert [each["name"] for each in seen["items"]] == ["sh10", "sh30"]
    assert {each["entity_id"] for each in other.query(f'ListObject where list_id is {listed["id"]}')} == {
        shots[0]["id"], shots[2]["id"]
    }  # fmt: skip
    assert [each["name"] for each in other.query(f"Shot where lists any (id is {listed['id']})")] == ["sh10", "sh30"]


def test_assignments_of_people(session: Any, connect: Connect, task: Any, user: Any) -> None:
    session.create("Appointment", {"context": task, "resource_id": user["id"], "type": "assignment"})
    session.create("Appointment", {"context": task["project"], "resource": user, "type": "allocation"})
    session.commit()

    seen = (
        connect().query(f"select assignments.resource.username, allocations from Task where id is {task['id']}").one()
    )
    assert [each["resource"]["username"] for each in seen["assignments"]] == [user["username"]]
    assert len(seen["allocations"]) == 0
    assert session.query(f'Task where assignments any (resource.username is "{user["username"]}")').one() is task
    assert session.query(f'Task where assignments.resource.id is "{user["id"]}"').one() is task
    assert session.query(f'Project where allocations any (resource_id is "{user["id"]}")').one() is task["project"]


def test_groups_and_roles_are_pairs(session: Any, connect: Connect, user: Any, unique: Unique) -> None:
    group = session.create("Group", {"name": unique("group")})
    session.create("Membership", {"user_id": user["id"], "group_id": group["id"]})
    role = session.query("SecurityRole where name is reader").one()
    given = session.create("UserSecurityRole", {"user_id": user["id"], "security_role_id": role["id"]})
    session.commit()

    other = connect()
    seen = other.query(
        f"select memberships.group.name, user_security_roles.security_role.name from User where id is {user['id']}"
    ).one()
    assert [each["group"]["name"] for each in seen["memberships"]] == [group["name"]]
    assert [each["security_role"]["name"] for each in seen["user_security_roles"]] == ["reader"]
    assert other.query(f'User where memberships.group.name is "{group["name"]}"').one() is seen
    assert other.query(f'Membership where group.name is "{group["name"]}"').one()["user_id"] == user["id"]
    assert other.get("UserSecurityRole", given["id"])["security_role"]["name"] == "reader"
    session.delete(given)
    session.commit()
    assert connect().get("UserSecurityRole", given["id"]) is None
    call = {
        "user_id": user["id"],
        "role_id": role["id"],
        "new_role_id": session.query("SecurityRole where name is editor").one()["id"],
    }
    session.call([{"action": "add_user_security_role", **call}])
    session.call([{"action": "update_user_security_role", **call}])
    [found] = connect().query(f"UserSecurityRole where user_id is {user['id']}")
    assert found["security_role"]["name"] == "editor"


def test_links_between_contexts(session: Any, shots: list[Any]) -> None:
    link = session.create("TypedContextLink", {"from": shots[0], "to": shots[1]})
    session.commit()

    assert (link["from_id"], link["to_id"]) == (shots[0]["id"], shots[1]["id"])
    session.reset()
    [found] = session.query(f"select incoming_links.from.name from Shot where id is {shots[1]['id']}")
    assert [each["from"]["name"] for each in found["incoming_links"]] == ["sh10"]


def test_settings_have_a_key_of_two_parts(session: Any, connect: Connect, unique: Unique) -> None:
    name = unique("setting")
    made = session.create("Setting", {"name": name, "group": "TESTS", "value": "1"})
    session.commit()
    made["value"] = "2"
    session.commit()

    seen = connect()
    found = seen.get("Setting", [name, "TESTS"])
    assert found["value"] == "2"
    seen.delete(found)
    seen.commit()
    assert connect().get("Setting", [name, "TESTS"]) is None


def test_jobs_belong_to_people(session: Any, user: Any) -> None:
    job = session.create("Job", {"user": user, "status": "running", "data": '{"description": "x"}'})
    component = session.create("FileComponent", {"name": "log", "file_type": ".txt"})
    session.create("JobComponent", {"component_id": component["id"], "job_id": job["id"]})
    session.commit()

    assert (job["type"], job["status"]) == ("api_job", "running")
    assert [each["component"]["name"] for each in job["job_components"]] == ["log"]
    assert component["system_type"] == "file"


def test_a_category_is_a_label_by_another_name(session: Any, task: Any, user: Any, unique: Unique) -> None:
    category = session.create("NoteCategory", {"name": unique("category")})
    session.commit()
    note = session.create("Note", {"content": "a", "author": user, "category_id": category["id"]})
    task["notes"].append(note)
    session.commit()

    assert note["category"] is category
    assert [each["label"]["name"] for each in note["note_label_links"]] == [category["name"]]
    assert session.get("NoteLabel", category["id"])["name"] == category["name"]


def test_what_lies_below_and_above(session: Any, connect: Connect, shots: list[Any], task: Any) -> None:
    project = task["project"]
    [found] = connect().query(f"select descendants.name from Project where id is {project['id']}")
    assert [each["name"] for each in found["descendants"]] == ["sq010", *(f"sh{n}0" for n in range(1, 6)), "light"]
    assert session.query(f"Sequence where project_id is {project['id']} and descendants any (name is light)").one()
    assert session.query(f"Shot where descendants.name is light and project_id is {project['id']}").one() is shots[0]
    assert not session.query(f"Shot where descendants any (name is sh10) and project_id is {project['id']}").all()
    assert session.query(f"Task where ancestors any (id is {project['id']})").one() is task


def test_pairs_can_stand_in_a_query_within_a_query(session: Any, user: Any, unique: Unique) -> None:
    group = session.create("Group", {"name": unique("group")})
    session.create("Membership", {"user_id": user["id"], "group_id": group["id"]})
    session.commit()

    assert (
        session.query(f"User where id in (select user_id from Membership where group_id is {group['id']})").one()
        is user
    )
    assert (
        session.query(f"Group where id in (select group.id from Membership where user.id is {user['id']})").one()
        is group
    )
    assert not session.query(f"User where id is {user['id']} and id not_in (select user_id from Membership)").all()


def test_jobs_of_the_room_are_told_as_clients_know_them(session: Any, studio: Stage, connect: Connect) -> None:
    made = studio.session.create("Job", {"type": "something_else", "status": "cancelled", "data": "{}"})
    studio.session.commit()

    found = connect().query(f"Job where id is {made['id']} and type is api_job and status is failed").one()
    assert (found["type"], found["status"]) == ("api_job", "failed")
    assert not session.query(f"Job where id is {made['id']} and status in (cancelled, running)").all()
    assert session.query(f"Job where id is {made['id']} and status not_in (done, running)").all()
