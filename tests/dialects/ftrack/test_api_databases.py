"""The essential of a working day through the unmodified client, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ftrack_api
import ftrack_api.exception
import pytest

from tests.conftest import Places
from tests.dialects.ftrack.hubs import Stage, stage


@pytest.fixture
def here(places: Places) -> Iterator[Stage]:
    with stage(places("ftrack")) as found:
        yield found


def connected(here: Stage) -> Any:
    given = {"auto_connect_event_hub": False, "schema_cache_path": False, "plugin_paths": []}
    return ftrack_api.Session(here.server.url, here.key, "administrator", **given)


def test_a_day_of_work(here: Stage) -> None:
    session = connected(here)
    schema = session.query("ProjectSchema").first()
    project = session.create("Project", {"name": "film", "full_name": "Film", "project_schema": schema})
    sequence = session.create("Sequence", {"name": "sq", "parent": project, "metadata": {"a": "b"}})
    shots = [session.create("Shot", {"name": f"sh{n:03d}", "parent": sequence}) for n in range(30)]
    work = schema.get_types("Task")[0]
    tasks = [session.create("Task", {"name": "anim", "parent": each, "type": work}) for each in shots]
    session.commit()
    of = session.query("ObjectType where name is Shot").one()
    text = session.query("CustomAttributeType where name is number").one()
    data = {"key": "fstart", "label": "F", "entity_type": "task", "object_type": of, "type": text, "config": "{}"}
    session.create("CustomAttributeConfiguration", {**data, "default": 1001})
    session.commit()
    session.close()

    session = connected(here)
    me = session.query("User where username is administrator").one()
    shot = session.query("Shot where name is sh003").one()
    shot["custom_attributes"]["fstart"] = 5
    task = session.query('Task where parent.name is "sh003" and project.name is film').one()
    task["status"] = session.query("Status where name is 'In progress'").one()
    note = task.create_note("words", author=me, labels=[session.query("NoteLabel").first()])
    asset = session.create("Asset", {"name": "beauty", "parent": shot, "type": session.query("AssetType").first()})
    versions = [session.create("AssetVersion", {"asset": asset, "task": task}) for _ in range(3)]
    listed = session.create("TypedContextList", {"name": "l", "project": task["project"]})
    listed["items"].append(task)
    session.commit()
    me.start_timer(task)
    with pytest.raises(ftrack_api.exception.NotUniqueError):
        me.start_timer(task)
    session.rollback()
    assert me.stop_timer()["context_id"] == task["id"]

    assert [each["version"] for each in versions] == [1, 2, 3]
    assert session.query('Shot where custom_attributes any (key is "fstart" and value < 10)').one() is shot
    assert len(session.query("Shot where custom_attributes any (key is fstart and value is 1001)").all()) == 29
    assert session.query("Context where metadata any (key is a and value is b)").one()["name"] == "sq"
    assert [each["name"] for each in session.query("select name from Shot order by name desc", page_size=7)] == [
        f"sh{n:03d}" for n in reversed(range(30))
    ]
    assert (
        session.query("Task where status.state.short is_not NOT_STARTED and notes any () and lists any ()").one()
        is task
    )
    assert note["category"] is not None
    assert [each["name"] for each in versions[0]["link"][:-1]] == ["film", "sq", "sh003"]
    rows = session.call([{"action": "query", "expression": "select count(id), status_id from Task group by status_id"}])
    assert sum(each["count_id"] for each in rows[0]["data"]) == len(tasks)
    for name, kind in session.types.items():
        names = [attribute.name for attribute in kind.attributes]
        session.query(f"select {', '.join(names)} from {name} limit 3").all()

    session.delete(session.query("Project").one())
    session.commit()
    assert session.query("Context").all() == session.query("AssetVersion").all() == session.query("Note").all() == []
    session.close()


def test_versions_their_links_and_what_is_worked_out_of_them(here: Stage) -> None:
    session = connected(here)
    project = session.create("Project", {"name": "film", "full_name": "Film"})
    shots = [session.create("Shot", {"name": f"sh{n}", "parent": project}) for n in range(2)]
    assets = [session.create("Asset", {"name": each["name"], "parent": each}) for each in shots]
    versions = [session.create("AssetVersion", {"asset": each}) for each in assets for _ in range(3)]
    links = [session.create("AssetVersionLink", {"from": versions[n], "to": versions[n + 1]}) for n in range(4)]
    listed = session.create("AssetVersionList", {"name": "l", "project": project})
    entry = session.create("ListObject", {"list": listed, "entity": versions[0]})
    versions[5]["uses_versions"].append(versions[0])
    session.commit()
    session.close()

    session = connected(here)
    found = session.query("select from.version, to.version from AssetVersionLink").all()
    assert {each["id"] for each in links} < {each["id"] for each in found}
    [unnamed] = [each for each in found if each["id"] not in {each["id"] for each in links}]
    assert session.query(f"AssetVersionLink where id is {unnamed['id']}").one() is unnamed
    assert session.get("ListObject", entry["id"])["entity_id"] == versions[0]["id"]
    for each in (unnamed, session.get("AssetVersionLink", links[0]["id"])):
        session.delete(each)
    session.commit()
    assert len(connected(here).query("AssetVersionLink").all()) == 3
    text = "select asset.name, version from AssetVersion"
    latest = session.query(f"{text} where is_latest_version is True order by asset.parent[Shot].name").all()
    assert [(each["asset"]["name"], each["version"]) for each in latest] == [("sh0", 3), ("sh1", 3)]
    ordered = session.query(f"{text} order by is_latest_version descending, version, asset.name").all()
    assert [each["version"] for each in ordered] == [3, 3, 1, 1, 2, 2]
    assert len(session.query("Asset where latest_version.version is 3 and parent[Shot].name is sh1").all()) == 1
    session.close()
