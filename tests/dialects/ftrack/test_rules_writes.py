"""Rules about writes: what batches hold, what is told back and what the server supplies."""

from __future__ import annotations

import uuid
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


def create(kind: str, **data: Any) -> dict[str, Any]:
    number = str(uuid.uuid4())
    return {"action": "create", "entity_type": kind, "entity_key": [number], "entity_data": {"id": number, **data}}


def update(kind: str, *key: str, **data: Any) -> dict[str, Any]:
    return {"action": "update", "entity_type": kind, "entity_key": list(key), "entity_data": data}


def ref(entity: Any) -> dict[str, str]:
    return {"__entity_type__": entity.entity_type, "id": entity["id"]}


# --- batches --------------------------------------------------------------------------------------


def test_a_batch_may_name_what_it_makes_later(studio: Stage, connect: Connect) -> None:
    project, shot, task = create("Project", name="late"), create("Shot", name="s"), create("Task", name="t")
    task["entity_data"]["parent_id"] = shot["entity_key"][0]
    shot["entity_data"]["parent"] = {"__entity_type__": "Project", "id": project["entity_key"][0]}

    answer = post(studio, task, shot, project)

    assert [each["data"]["name"] for each in answer] == ["t", "s", "late"]
    assert connect().get("Task", task["entity_key"][0])["project"]["name"] == "late"


def test_a_version_and_its_thumbnail_are_one_batch(session: Any, connect: Connect, version: Any) -> None:
    made = session.create("AssetVersion", {"asset": version["asset"]})
    component = session.create("FileComponent", {"name": "thumbnail", "version": made})
    made["thumbnail_id"] = component["id"]
    session.commit()

    seen = connect().get("AssetVersion", made["id"])
    assert (seen["thumbnail"]["id"], [each["id"] for each in seen["components"]]) == (
        component["id"],
        [component["id"]],
    )


def test_a_reference_that_closes_a_circle_may_come_in_any_way_behind_the_creation(
    session: Any, studio: Stage, connect: Connect, version: Any
) -> None:
    made, component = create("AssetVersion", asset=ref(version["asset"])), create("FileComponent", name="main")
    number, other = made["entity_key"][0], component["entity_key"][0]
    at = {"__entity_type__": "AssetVersion", "id": number}
    there = {"__entity_type__": "FileComponent", "id": other}
    made["entity_data"]["thumbnail"] = there

    answer = post(studio, component, made, update("FileComponent", other, version=at))
    assert answer[-1]["data"]["version_id"] == number
    assert connect().get("AssetVersion", number)["thumbnail_id"] == other
    third, fourth = create("AssetVersion", asset=ref(version["asset"])), create("FileComponent", name="second")
    third["entity_data"]["thumbnail_id"] = fourth["entity_key"][0]
    listed = [{"__entity_type__": "FileComponent", "id": fourth["entity_key"][0]}]
    answer = post(studio, fourth, third, update("AssetVersion", third["entity_key"][0], components=listed))
    assert [each["id"] for each in answer[-1]["data"]["components"]] == fourth["entity_key"]


def test_two_cannot_be_made_within_each_other(studio: Stage, connect: Connect) -> None:
    first, second = create("Shot", name="a"), create("Shot", name="b")
    first["entity_data"]["parent_id"], second["entity_data"]["parent_id"] = (
        second["entity_key"][0],
        first["entity_key"][0],
    )

    answer = post(studio, first, second)

    assert answer["exception"] == "ValidationError"
    assert connect().get("Shot", first["entity_key"][0]) is None


def test_two_that_refer_to_each_other_are_one_batch(session: Any, connect: Connect, project: Any) -> None:
    first, second = (session.create("Shot", {"name": name, "parent": project}) for name in ("a", "b"))
    session.create("TypedContextLink", {"from": first, "to": second})
    session.create("TypedContextLink", {"from": second, "to": first})
    session.commit()

    [found] = connect().query(f"select incoming_links.from, outgoing_links.to from Shot where id is {first['id']}")
    assert [each["from"]["id"] for each in found["incoming_links"]] == [second["id"]]
    assert [each["to"]["id"] for each in found["outgoing_links"]] == [second["id"]]


def test_constraints_are_judged_at_the_end_of_a_batch(studio: Stage, unique: Unique, session: Any) -> None:
    names = [unique("status") for _ in range(2)]
    first, second = create("Status", name=names[0]), create("Status", name=names[1])
    post(studio, first, second)

    swapped = post(
        studio,
        update("Status", *first["entity_key"], name=names[1]),
        update("Status", *second["entity_key"], name=names[0]),
    )

    assert [each["data"]["name"] for each in swapped] == names[::-1]
    answer = post(studio, create("Scope"), create("Scope", name="x"))
    assert answer["exception"] == "ValidationError"
    assert answer["content"].startswith("Scope.name")


def test_both_names_of_a_reference_may_be_sent(studio: Stage, session: Any, shots: list[Any], project: Any) -> None:
    made = create("Task", name="t", parent=ref(shots[0]), parent_id=shots[0]["id"], project_id=project["id"])

    [answer] = post(studio, made)

    assert (answer["data"]["parent_id"], answer["data"]["project_id"]) == (shots[0]["id"], project["id"])
    assert answer["data"]["parent"] == {"__entity_type__": "Shot", "id": shots[0]["id"]}
    [changed] = post(studio, update("Task", *made["entity_key"], parent_id=shots[1]["id"]))
    assert (changed["data"]["parent_id"], changed["data"]["parent"]["id"]) == (shots[1]["id"], shots[1]["id"])


# --- what is told back ----------------------------------------------------------------------------


def test_whatever_is_named_in_an_update_is_told_back(studio: Stage, session: Any, task: Any, user: Any) -> None:
    scopes = [session.create("Scope", {"name": name}) for name in "ab"]
    note = session.create("Note", {"content": "n", "author": user})
    session.commit()
    moment = {"__type__": "datetime", "value": "2024-01-02T03:04:05.678901"}

    [answer] = post(
        studio,
        update(
            "Task", task["id"], name="new", scopes=[ref(each) for each in scopes], notes=[ref(note)], metadata=[],
            start_date=moment, description=None, status=None, bid=7.5,
        ),
    )  # fmt: skip

    told = answer["data"]
    assert set(told) == {
        "__entity_type__", "id", "name", "scopes", "notes", "metadata", "start_date", "description", "status",
        "status_id", "bid",
    }  # fmt: skip
    assert [each["id"] for each in told["scopes"]] == [each["id"] for each in scopes]
    assert ([each["id"] for each in told["notes"]], told["metadata"]) == ([note["id"]], [])
    assert (told["start_date"], told["description"], told["status"], told["bid"]) == (moment, None, None, 7.5)


def test_the_list_of_metadata_comes_back_with_its_owner(studio: Stage, session: Any, task: Any) -> None:
    def entry(key: str) -> dict[str, Any]:
        return {"__entity_type__": "Metadata", "parent_id": task["id"], "key": key}

    def made(key: str, value: str) -> dict[str, Any]:
        data = {"parent_id": task["id"], "parent_type": "Task", "key": key, "value": value}
        return {"action": "create", "entity_type": "Metadata", "entity_key": [task["id"], key], "entity_data": data}

    *_, both = post(
        studio, made("a", "1"), made("b", "2"), update("Task", task["id"], metadata=[entry("a"), entry("b")])
    )
    assert [(each["key"], each["value"], each["parent_type"]) for each in both["data"]["metadata"]] == [
        ("a", "1", "Task"), ("b", "2", "Task"),
    ]  # fmt: skip
    away = {"action": "delete", "entity_type": "Metadata", "entity_key": [task["id"], "a"]}
    one, gone = post(studio, update("Task", task["id"], metadata=[entry("b")]), away)

    assert [each["key"] for each in one["data"]["metadata"]] == ["b"]
    assert gone == {"action": "delete", "data": True}
    [changed] = post(studio, update("Metadata", task["id"], "b", value="3"))
    assert changed["data"]["value"] == "3"


def test_a_new_user_is_told_what_was_set_and_what_the_server_gave(studio: Stage) -> None:
    [answer] = post(studio, create("User", resource_type="user"))

    told = answer["data"]
    assert {"username", "is_active", "resource_type", "id", "__entity_type__"} <= set(told)
    assert (told["resource_type"], told["is_active"]) == ("user", True)
    assert not {"email", "first_name", "last_name", "thumbnail_id"} & set(told)
    assert None not in told.values()


def test_lists_that_were_changed_show_what_there_is_now(session: Any, connect: Connect, task: Any, user: Any) -> None:
    scopes = [session.create("Scope", {"name": name}) for name in "abc"]
    session.commit()
    task["scopes"] = scopes[:2]
    task.create_note("one", author=user)
    session.commit()
    task["scopes"].append(scopes[2])
    task["scopes"].remove(scopes[0])
    note = task.create_note("two", author=user)
    note.create_reply("three", author=user)
    session.commit()

    with session.auto_populating(False):
        assert {each["name"] for each in task["scopes"]} == {"b", "c"}
        assert sorted(each["content"] for each in task["notes"]) == ["one", "two"]
        assert [each["content"] for each in note["replies"]] == ["three"]
        with pytest.raises(ftrack_api.exception.DuplicateItemInCollectionError):
            task["scopes"].append(scopes[1])


# --- what the server supplies ---------------------------------------------------------------------


def test_a_project_is_its_own_project(session: Any, connect: Connect, project: Any) -> None:
    asset = session.create("Asset", {"name": "of all", "parent": project, "type": session.query("AssetType").first()})
    session.commit()

    seen = connect().get("Asset", asset["id"])
    assert seen["parent"]["project_id"] == project["id"]
    assert connect().get("Project", project["id"])["project"]["id"] == project["id"]


def test_links_say_the_way_from_the_project(session: Any, project: Any, task: Any, version: Any) -> None:
    assert project["link"] == [{"type": "Project", "id": project["id"], "name": project["name"]}]
    assert [(each["type"], each["name"]) for each in task["link"]] == [
        ("Project", project["name"]), ("TypedContext", "sq010"), ("TypedContext", "sh10"), ("TypedContext", "light"),
    ]  # fmt: skip
    assert [each["type"] for each in version["link"]] == ["Project", "TypedContext", "TypedContext", "AssetVersion"]
    assert [set(each) for each in version["link"]] == [{"type", "id", "name"}] * 4
    assert version["asset"]["id"] not in [each["id"] for each in version["link"]]


def test_versions_of_one_batch_are_numbered_in_their_order(session: Any, version: Any) -> None:
    made = [session.create("AssetVersion", {"asset": version["asset"], "comment": f"{n}"}) for n in range(2, 6)]
    session.commit()

    assert [(each["version"], each["comment"]) for each in made] == [(n, f"{n}") for n in range(2, 6)]
    other = session.create("Asset", {"name": "other", "parent": version["asset"]["parent"]})
    first = session.create("AssetVersion", {"asset": other})
    session.commit()
    assert first["version"] == 1


def test_a_version_without_an_asset_leads_nowhere(session: Any, connect: Connect, version: Any) -> None:
    alone = session.create("AssetVersion", {"comment": "of nothing yet"})
    session.commit()

    seen = connect().get("AssetVersion", alone["id"])
    assert (seen["link"], seen["asset"], seen["version"]) == ([], None, None)
    alone["asset"] = version["asset"]
    session.commit()
    assert [each["type"] for each in connect().get("AssetVersion", alone["id"])["link"]][-1] == "AssetVersion"


def test_what_a_job_is_by_default(session: Any, user: Any) -> None:
    job = session.create("Job", {"user": user})
    session.commit()

    with session.auto_populating(False):
        assert (job["type"], job["status"]) == ("api_job", "queued")


def test_another_timer_is_refused_in_the_words_that_the_client_looks_for(studio: Stage, user: Any) -> None:
    first, second = (create("Timer", user_id=user["id"]) for _ in range(2))

    [made] = post(studio, first)
    refused = post(studio, second)

    assert made["data"]["start"]["__type__"] == "datetime"
    assert refused["exception"] == "DuplicateEntryError"


def test_one_note_for_its_author_has_one_recipient(session: Any, connect: Connect, task: Any) -> None:
    me = session.query("User where username is administrator").one()
    note = task.create_note("to myself", author=me, recipients=[me])
    session.commit()

    [found] = connect().query(f"select recipients from Note where id is {note['id']}")
    assert [each["resource_id"] for each in found["recipients"]] == [me["id"]]


def test_metadata_keep_the_type_of_their_owner(session: Any, connect: Connect, task: Any, version: Any) -> None:
    for entity in (task, version, task["parent"]):
        entity["metadata"]["k"] = "v"
        session.commit()
        assert connect().get("Metadata", [entity["id"], "k"])["parent_type"] == entity.entity_type
