"""What the drop-in client needs, and what it lets a person see and do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
import recordroom.dialects.ftrack.client as ftrack_api
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, DropAttribute
from tests.conftest import Places
from tests.dialects.ftrack.client.dropins import Dropins
from tests.dialects.ftrack.hubs import Stage

_HEAVY = (
    "sqlalchemy apsw psycopg uvicorn starlette jinja2 av PIL obstore clique arrow recordroom.store recordroom.server"
)


def test_the_client_needs_no_database_and_no_web_framework() -> None:
    code = f"""
import sys, recordroom.dialects.ftrack.client as ftrack_api
heavy = "{_HEAVY}".split()
print([name for name in sys.modules if any(name == each or name.startswith(each + ".") for each in heavy)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_the_modules_that_scripts_import_are_there() -> None:
    code = """
import recordroom.dialects.ftrack.client as ftrack_api
ftrack_api.symbol.NOT_SET, ftrack_api.exception.ServerError, ftrack_api.inspection.identity
ftrack_api.event.base.Event, ftrack_api.event.hub.EventHub, ftrack_api.entity.base.Entity
ftrack_api.entity.factory.StandardFactory, ftrack_api.entity.location.UnmanagedLocationMixin
ftrack_api.structure.standard.StandardStructure, ftrack_api.accessor.disk.DiskAccessor
ftrack_api.query.QueryResult, ftrack_api.operation.Operations, ftrack_api.cache.FileCache
ftrack_api.plugin.discover, ftrack_api.attribute.Attributes, ftrack_api.collection.Collection
ftrack_api.Session, ftrack_api.session.Session, ftrack_api.mixin, ftrack_api.__version__
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_session_has_a_room_of_either_database_in_its_process(places: Places) -> None:
    with rr.connect(places()) as native:
        native.apply_template("production")
    with ftrack_api.Session(places(), plugin_paths=[]) as session:
        project = session.create("Project", {"name": "p", "full_name": "P"})
        session.create("Task", {"name": "t", "parent": project, "metadata": {"a": "b"}})
        session.commit()

    with ftrack_api.Session(places(), plugin_paths=[]) as session:
        [task] = session.query('Task where project.name is p and metadata any (key is "a")')
        assert task["link"] == [
            {"type": "Project", "id": task["project_id"], "name": "p"},
            {"type": "TypedContext", "id": task["id"], "name": "t"},
        ]


def test_a_room_of_before_keeps_its_pairs_and_learns_their_ids(places: Places) -> None:
    with rr.connect(places()) as native:
        native.apply_template("production")
        dropped = [DropAttribute(name, "link_ids") for name in ("User", "List", "AssetVersion")]
        native.transport.commit(Commit(id=new_id(), operations=[*dropped]))
    with ftrack_api.Session(places(), plugin_paths=[]) as session:
        project = session.create("Project", {"name": "p", "full_name": "P"})
        asset = session.create("Asset", {"name": "a", "parent": project})
        first, second, third = [session.create("AssetVersion", {"asset": asset}) for _ in range(3)]
        session.create("AssetVersionLink", {"from": first, "to": second})
        session.commit()

    with rr.connect(places()) as native:
        native.apply_template("production")
        assert not native.apply_template("production").operations
    with ftrack_api.Session(places(), plugin_paths=[]) as session:
        [old] = session.query("AssetVersionLink")
        assert session.get("AssetVersionLink", old["id"]) is old
        new = session.create("AssetVersionLink", {"from_id": first["id"], "to_id": third["id"]})
        session.delete(old)
        session.commit()
    with ftrack_api.Session(places(), plugin_paths=[]) as session:
        [seen] = session.query("AssetVersionLink")
        assert seen["id"] == new["id"]
        assert [each["version"] for each in session.query("AssetVersion where uses_versions any ()")] == [3]


def test_a_person_sees_and_changes_only_what_the_rules_allow(
    studio: Stage, unique: Callable[[str], str], tmp_path: Path
) -> None:
    name = unique("ann").replace(" ", "")
    key = studio.person(name, ("read", "Status", "name is 'Approved'"), ("read", "User", f"name is '{name}'"))
    given = {"plugin_paths": [], "schema_cache_path": False}

    with ftrack_api.Session(studio.server.url, api_key=key, api_user=name, **given) as session:
        statuses = session.query("Status").all()
        assert [each["name"] for each in statuses] == ["Approved"]
        assert session.query("Project").all() == []
        statuses[0]["name"] = "mine"
        with pytest.raises(ftrack_api.exception.PermissionDeniedError):
            session.commit()
        with pytest.raises(ftrack_api.exception.ServerError, match="PermissionError"):
            session.commit()
        session.rollback()
        assert statuses[0]["name"] == "Approved"


def test_auto_connect_event_hub_connects_in_the_background(connect: Dropins) -> None:
    session = connect(auto_connect_event_hub=True)
    end = time.monotonic() + 20
    while not session.event_hub.connected:
        assert time.monotonic() < end
        time.sleep(0.01)

    session.close()
    assert not session.event_hub.connected


def test_what_another_session_commits_is_seen_by_a_new_query(connect: Dropins, task: Any) -> None:
    session, other = connect(), connect()
    mine = session.get("Task", task["id"])
    other.get("Task", task["id"])["name"] = "by another"
    other.commit()
    mine["description"] = "mine"
    session.commit()

    assert session.query(f"select name from Task where id is {task['id']}").one() is mine
    assert (mine["name"], mine["description"]) == ("by another", "mine")


def test_the_last_of_two_changes_of_one_attribute_wins(connect: Dropins, task: Any) -> None:
    first, second = connect(), connect()
    mine, theirs = (each.get("Task", task["id"]) for each in (first, second))
    mine["name"], theirs["name"] = "first", "second"
    first.commit()
    second.commit()

    assert connect().get("Task", task["id"])["name"] == "second"
