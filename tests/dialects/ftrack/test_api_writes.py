"""Creating, changing and deleting, through the unmodified client: what it sees after its commit, and what others see."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import arrow
import ftrack_api.exception
import pytest

Connect = Callable[..., Any]
Unique = Callable[[str], str]


def test_what_was_created_is_there_for_others(session: Any, connect: Connect, project: Any) -> None:
    moment = dt.datetime(2021, 3, 4, 5, 6, 7, 890123, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    shot = session.create("Shot", {"name": "a", "parent": project, "start_date": moment, "bid": 3.5, "sort": 2})
    session.commit()

    assert shot["start_date"] == arrow.get(moment)
    assert (shot["project_id"], shot["parent_id"], shot["object_type"]["name"]) == (
        project["id"],
        project["id"],
        "Shot",
    )
    seen = connect().query(f"select name, start_date, bid, parent.name from Shot where id is {shot['id']}").one()
    assert (seen["name"], seen["bid"], seen["start_date"]) == ("a", 3.5, arrow.get(moment))
    assert seen["parent"]["name"] == project["name"]


def test_after_a_commit_nothing_has_to_be_asked_for_again(session: Any, project: Any) -> None:
    shot = session.create("Shot", {"name": "a", "parent": project, "description": "d"})
    session.commit()

    with session.auto_populating(False):
        assert (shot["name"], shot["description"], shot["bid"], shot["parent_id"]) == ("a", "d", 0, project["id"])
        assert shot["parent"] is project
        assert shot["end_date"] is ftrack_api.symbol.NOT_SET
    shot["parent_id"] = None
    shot["description"] = None
    session.commit()
    with session.auto_populating(False):
        assert shot["parent"] is None
        assert shot["description"] is None


def test_a_user_may_be_created_with_nothing(session: Any) -> None:
    user = session.create("User", {})
    session.commit()

    with session.auto_populating(False):
        assert user["username"]
        assert user["email"] is ftrack_api.symbol.NOT_SET
        assert user["resource_type"] == "user"


def test_a_batch_is_judged_at_its_end(session: Any) -> None:
    first = session.create("Scope", {})
    session.create("Scope", {"name": "other"})
    first["name"] = "later"
    session.commit()

    assert session.query(f"Scope where id is {first['id']}").one()["name"] == "later"


def test_a_batch_is_all_or_nothing(session: Any, connect: Connect, project: Any, unique: Unique) -> None:
    name = unique("status")
    good = session.create("Shot", {"name": "good", "parent": project})
    session.create("Status", {"name": name})
    session.create("Status", {"name": name})

    with pytest.raises(ftrack_api.exception.ServerError, match="DuplicateEntryError"):
        session.commit()

    assert connect().get("Shot", good["id"]) is None
    assert session.recorded_operations
    session.rollback()
    session.create("Shot", {"name": "again", "parent": project})
    session.commit()


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("Shot", {"name": "a", "parent_id": "01890a5d-ac96-774b-bcce-b302099a8057"}),
        ("Shot", {"name": "a", "parent_id": "nonsense"}),
        ("Shot", {"name": "a", "bid": "many"}),
        ("Shot", {"name": 5, "start_date": "yesterday {}"}),
        ("Shot", {"name": None}),
        ("Project", {"name": "a", "status": "asleep"}),
        ("Context", {"name": "a"}),
        ("Resource", {"id": "01890a5d-ac96-774b-bcce-b302099a8057"}),
        ("Note", {"content": "a", "parent_id": "01890a5d-ac96-774b-bcce-b302099a8057"}),
        (
            "Metadata",
            {"key": "a", "value": "b", "parent_id": "01890a5d-ac96-774b-bcce-b302099a8057", "parent_type": "Task"},
        ),
        ("CustomAttributeConfiguration", {"key": "", "entity_type": "task"}),
        ("CustomAttributeConfiguration", {"key": "a", "entity_type": "nothing"}),
        ("CustomAttributeConfiguration", {"key": "a", "entity_type": "task", "config": "no json"}),
    ],
)
def test_what_cannot_be_is_said_and_leaves_nothing(session: Any, kind: str, data: dict[str, Any]) -> None:
    session.create(kind, data)

    with pytest.raises(ftrack_api.exception.ServerError) as caught:
        session.commit()

    assert "Server reported error: " in str(caught.value)
    assert "ServerError(" not in str(caught.value)
    session.rollback()


def test_created_and_deleted_in_one_batch_is_nothing(session: Any, project: Any) -> None:
    shot = session.create("Shot", {"name": "a", "parent": project})
    session.delete(shot)
    session.commit()

    session.reset()
    assert session.get("Shot", shot["id"]) is None


def test_deleting_a_project_takes_its_tree_along(session: Any, project: Any, task: Any, user: Any) -> None:
    note = task.create_note("hello", author=user)
    asset = session.create("Asset", {"name": "a", "parent": task, "type": session.query("AssetType").first()})
    version = session.create("AssetVersion", {"asset": asset, "task": task})
    assignment = session.create("Appointment", {"context": task, "resource": user, "type": "assignment"})
    project["metadata"]["a"] = "b"
    session.commit()

    session.delete(project)
    session.commit()

    session.reset()
    for kind, each in (
        ("Project", project), ("Task", task), ("Note", note), ("Asset", asset), ("AssetVersion", version),
        ("Appointment", assignment),
    ):  # fmt: skip
        assert session.get(kind, each["id"]) is None
    assert session.get("Metadata", [project["id"], "a"]) is None
    assert session.get("User", user["id"]) is not None


def test_deleting_what_is_not_there_is_an_error(session: Any, connect: Connect, project: Any) -> None:
    other = connect()
    other.delete(other.get("Project", project["id"]))
    other.commit()

    session.delete(project)
    with pytest.raises(ftrack_api.exception.ServerError, match="EntityNotFoundError"):
        session.commit()


def test_ensure_finds_creates_and_changes(session: Any, unique: Unique) -> None:
    name = unique("ann")
    made = session.ensure("User", {"username": name, "email": "a@example.org"})
    again = session.ensure("User", {"username": name, "email": "b@example.org"}, identifying_keys=["username"])
    moment = arrow.get(2020, 5, 5, 1, 2, 3, 500_000)
    event = session.ensure("CalendarEvent", {"name": name, "start": moment, "leave": True})

    assert made is again
    assert made["email"] == "b@example.org"
    assert (
        session.ensure("CalendarEvent", {"name": name, "start": moment.replace(microsecond=0), "leave": True}) is event
    )


def test_many_entities_are_one_call(session: Any, project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    call = ftrack_api.Session.call
    monkeypatch.setattr(ftrack_api.Session, "call", lambda self, data: calls.append(data) or call(self, data))

    made = [session.create("Shot", {"name": f"{n:04d}", "parent": project}) for n in range(300)]
    session.commit()

    assert len(calls) == 1
    assert len(session.query(f"Shot where project_id is {project['id']}").all()) == 300
    for each in made:
        each["name"] += "x"
    session.commit()
    assert len(session.query(f'Shot where project_id is {project["id"]} and name like "%x"').all()) == 300


def test_versions_are_numbered_and_linked(session: Any, task: Any) -> None:
    asset = session.create(
        "Asset", {"name": "beauty", "parent": task["parent"], "type": session.query("AssetType").first()}
    )
    first = session.create("AssetVersion", {"asset": asset, "task": task, "comment": "one"})
    session.commit()
    second = session.create("AssetVersion", {"asset_id": asset["id"], "uses_versions": [first]})
    session.commit()

    assert (first["version"], second["version"]) == (1, 2)
    assert asset["context_id"] == asset["parent_id"] == task["parent_id"]
    assert asset["parent"]["project_id"] == task["project_id"]
    assert [each["id"] for each in second["link"]] == [
        task["project_id"], task["parent"]["parent_id"], task["parent_id"], second["id"]
    ]  # fmt: skip
    assert [each["version"] for each in asset["versions"]] == [1, 2]
    session.reset()
    found = session.query(
        f"select uses_versions.version, used_in_versions from AssetVersion where id is {second['id']}"
    ).one()
    assert [each["version"] for each in found["uses_versions"]] == [1]
    assert [each["id"] for each in found["uses_versions"][0]["used_in_versions"]] == [second["id"]]
