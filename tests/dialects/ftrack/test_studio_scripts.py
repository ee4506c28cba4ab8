"""Scripts as studios have them, with the unmodified client and with the drop-in: the same lines, the same results."""

from __future__ import annotations

import csv
import importlib
import io
import json
import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import arrow
import pytest
import urllib3
from PIL import Image

import recordroom.dialects.ftrack.client as ours
from tests.conftest import Places
from tests.dialects.ftrack.hubs import Stage, stage
from tests.served import served

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api as theirs

Unique = Callable[[str], str]
Connect = Callable[..., Any]
Define = Callable[..., Any]
_PARTS = ("accessor.disk", "exception", "operation", "query", "structure.base", "symbol")


@pytest.fixture(params=[theirs, ours], ids=["original", "drop-in"])
def client(request: pytest.FixtureRequest) -> ModuleType:
    """The package that a script imports as `ftrack_api`."""
    for each in _PARTS:
        importlib.import_module(f"{request.param.__name__}.{each}")
    found: ModuleType = request.param
    return found


@pytest.fixture
def connect(studio: Stage, client: ModuleType) -> Iterator[Connect]:
    made = []

    def connected(**more: Any) -> Any:
        given = {"schema_cache_path": False, "plugin_paths": [], **more}
        made.append(client.Session(studio.server.url, studio.key, "administrator", **given))
        return made[-1]

    yield connected
    for each in made:
        each.close()


# --- building -------------------------------------------------------------------------------------

SHEET = """sequence,shot,frames,description,tasks,artist
sq010,sh0010,1001-1100,"Wide, of the meadow",Layout;Animation;Lighting,ada
sq010,sh0020,1001-1050,"He says, no",Animation;Compositing,bob
sq020,sh0010,1001-1200,Näher ran,Animation,ada
"""


def _people(session: Any, code: str) -> dict[str, Any]:
    return {
        name: session.ensure("User", {"username": f"{name}-{code}", "is_active": True}, identifying_keys=["username"])
        for name in ("ada", "bob")
    }


def _build(session: Any, code: str) -> None:
    """What a spreadsheet says; twice makes nothing twice."""
    schema = session.query("ProjectSchema where name is VFX").one()
    types = {each["name"]: each for each in schema.get_types("Task")}
    data = {"name": code, "full_name": "Sheet", "project_schema_id": schema["id"]}
    project = session.ensure("Project", data, identifying_keys=["name"])
    users = _people(session, code)
    for row in csv.DictReader(io.StringIO(SHEET)):
        named = f'name is "{row["sequence"]}" and project.id is "{project["id"]}"'
        sequence = session.query(f"Sequence where {named}").first()
        if sequence is None:
            sequence = session.create("Sequence", {"name": row["sequence"], "parent": project})
            session.commit()
        if session.query(f'Shot where name is "{row["shot"]}" and parent.id is "{sequence["id"]}"').first():
            continue
        shot = session.create("Shot", {"name": row["shot"], "parent": sequence, "description": row["description"]})
        shot["metadata"]["frames"] = row["frames"]
        for name in row["tasks"].split(";"):
            status = schema.get_statuses("Task", types[name]["id"])[0]
            task = session.create("Task", {"name": name, "parent": shot, "type": types[name], "status": status})
            data = {"context": task, "resource": users[row["artist"]], "type": "assignment"}
            session.create("Appointment", data)
        session.commit()


def test_a_spreadsheet_becomes_a_project_once(session: Any, connect: Connect, unique: Unique) -> None:
    code = unique("sheet").replace(" ", "_")
    _build(session, code)
    _build(connect(), code)

    mine = connect().query(f'select link from Task where assignments any (resource.username = "ada-{code}")').all()
    assert sorted("/".join(part["name"] for part in each["link"]) for each in mine) == [
        f"{code}/sq010/sh0010/Animation", f"{code}/sq010/sh0010/Layout", f"{code}/sq010/sh0010/Lighting",
        f"{code}/sq020/sh0010/Animation",
    ]  # fmt: skip
    wide = session.query(f'Shot where project.name is "{code}" and description like "wide%"').one()
    assert (wide["metadata"]["frames"], len(wide["project"]["descendants"])) == ("1001-1100", 5 + 6)


def test_what_is_within_a_project_needs_a_parent(session: Any, client: ModuleType) -> None:
    session.create("Task", {"name": "nowhere"})

    with pytest.raises(client.exception.ServerError, match="Task"):
        session.commit()
    session.rollback()


def test_a_project_is_copied(session: Any, project: Any, shots: list[Any], unique: Unique) -> None:
    schema = project["project_schema"]
    copy = session.create("Project", {"name": unique("copy"), "full_name": "Copy", "project_schema": schema})
    shots[0]["metadata"]["camera"] = "red"
    session.commit()

    def copied(source: Any, target: Any) -> None:
        for child in source["children"]:
            data = {name: child[name] for name in ("description", "bid", "type", "status", "priority")}
            made = session.create(child.entity_type, {**data, "name": child["name"], "parent": target})
            for key, value in child["metadata"].items():
                made["metadata"][key] = value
            copied(child, made)

    copied(project, copy)
    session.commit()

    names = [sorted(each["name"] for each in found["descendants"]) for found in (project, copy)]
    assert names[0] == names[1]
    where = f'project.id is "{copy["id"]}" and metadata any (key is camera and value is red)'
    assert session.query(f"Shot where {where}").one()["name"] == shots[0]["name"]


def test_shots_go_to_another_sequence(session: Any, connect: Connect, project: Any, shots: list[Any]) -> None:
    other = session.create("Sequence", {"name": "sq900", "parent": project})
    shots[0]["parent"] = other
    session.commit()
    shots[1]["parent_id"] = other["id"]
    session.commit()

    there = connect().query(f'select link from Shot where parent_id is "{other["id"]}" order by name').all()
    assert [[part["name"] for part in each["link"]][1:] for each in there] == [["sq900", "sh10"], ["sq900", "sh20"]]


# --- publishing -----------------------------------------------------------------------------------


def _structure(client: ModuleType) -> Any:
    class Structure(client.structure.base.Structure):  # type: ignore[name-defined,misc]
        """project/sequence/shot/publish/asset/v001/name.0001.exr."""

        def get_resource_identifier(self, entity: Any, context: Any = None) -> str:
            if entity["container"]:
                whole = self.get_resource_identifier(entity["container"])
                padding = entity["container"]["padding"]
                return whole.replace(f"%0{padding}d", str(int(entity["name"])).zfill(padding))
            version = entity["version"]
            names = [entity.session.get(each["type"], each["id"])["name"] for each in version["link"][:-1]]
            ending = f".%0{entity['padding']}d" if entity.entity_type == "SequenceComponent" else ""
            folder = [*names, "publish", version["asset"]["name"], f"v{version['version']:03d}"]
            return "/".join([*folder, f"{entity['name']}{ending}{entity['file_type']}"])

    return Structure()


@pytest.fixture
def disk(session: Any, client: ModuleType, tmp_path: Path, unique: Unique) -> Any:
    """A studio's disk with its own names."""
    (tmp_path / "disk").mkdir()
    location = session.ensure("Location", {"name": unique("studio.disk")})
    location.accessor = client.accessor.disk.DiskAccessor(prefix=str(tmp_path / "disk"))
    location.structure = _structure(client)
    location.priority = 5
    return location


@pytest.fixture
def frames(tmp_path: Path) -> str:
    """Frames with holes."""
    for number in (1, 2, 3, 5, 8):
        (tmp_path / f"beauty.{number:04d}.exr").write_bytes(b"frame %d" % number)
    return str(tmp_path / "beauty.%04d.exr [1-3, 5, 8]")


def test_frames_with_holes_go_to_the_disk_and_to_the_server(
    session: Any, client: ModuleType, version: Any, disk: Any, frames: str
) -> None:
    component = version.create_component(frames, {"name": "main"}, location=disk)
    session.commit()
    server = session.query('Location where name is "ftrack.server"').one()
    server.add_component(component, disk)

    path = Path(disk.get_filesystem_path(component))
    assert path.parts[-6:-1] == ("sq010", "sh10", "publish", "beauty", "v001")
    assert [int(each["name"]) for each in component["members"]] == [1, 2, 3, 5, 8]
    assert Path(disk.get_filesystem_path(component["members"][3])).read_bytes() == b"frame 5"
    availability = session.get_component_availability(component)
    assert (availability[disk["id"]], availability[server["id"]]) == (100.0, 100.0)
    assert urllib3.request("GET", server.get_url(component["members"][4])).data == b"frame 8"
    with pytest.raises(client.exception.ComponentInLocationError):
        disk.add_component(component, server)
    ids = [each["id"] for each in component["members"]]
    session.delete(component)
    session.commit()
    session.reset()
    assert [session.get("Component", each) for each in ids] == [None] * 5


def test_a_thumbnail_goes_to_the_shot_and_the_task(
    session: Any, client: ModuleType, version: Any, task: Any, tmp_path: Path
) -> None:
    Image.new("RGB", (320, 180), "red").save(tmp_path / "thumb.png")
    thumbnail = version.create_thumbnail(str(tmp_path / "thumb.png"))
    session.commit()
    version["asset"]["parent"]["thumbnail_id"] = version["thumbnail_id"]
    task["thumbnail"] = version["thumbnail"]
    session.commit()

    server = session.get("Location", client.symbol.SERVER_LOCATION_ID)
    picture = Image.open(io.BytesIO(urllib3.request("GET", server.get_thumbnail_url(thumbnail, size=100)).data))
    assert picture.size == (100, 56)
    where = f'thumbnail.id is "{thumbnail["id"]}"'
    assert {each["name"] for each in session.query(f"Context where {where}")} == {"sh10", "light"}


def test_notes_and_jobs_have_files(session: Any, client: ModuleType, task: Any, user: Any, tmp_path: Path) -> None:
    (tmp_path / "sketch.txt").write_bytes(b"like this")
    server = session.get("Location", client.symbol.SERVER_LOCATION_ID)
    note = task.create_note("see the sketch", author=user)
    job = session.create("Job", {"user": user, "status": "running", "data": json.dumps({"description": "Exporting"})})
    component = session.create_component(str(tmp_path / "sketch.txt"), data={"name": "sketch"}, location=server)
    session.create("NoteComponent", {"component_id": component["id"], "note_id": note["id"]})
    session.create("JobComponent", {"component_id": component["id"], "job_id": job["id"]})
    job["status"] = "done"
    session.commit()
    session.reset()

    found = session.query(f'select note_components.component.name from Note where id is "{note["id"]}"').one()
    assert [each["component"]["name"] for each in found["note_components"]] == ["sketch"]
    jobs = f'select job_components.component_id, status from Job where user.id is "{user["id"]}"'
    [done] = session.query(jobs)
    assert ([each["component_id"] for each in done["job_components"]], done["status"]) == ([component["id"]], "done")


# --- custom attributes and metadata ---------------------------------------------------------------


@pytest.mark.parametrize("default", [arrow.get("2026-01-02"), "2026-01-02"], ids=["moment", "text"])
def test_the_default_of_a_date_is_a_moment(
    define: Define, connect: Connect, shots: list[Any], unique: Unique, default: Any
) -> None:
    key = unique("due").replace(" ", "_")
    define(key, "date", default=default)
    other = connect()
    shot = other.get("Shot", shots[0]["id"])

    assert shot["custom_attributes"][key] == arrow.get("2026-01-02")
    shot["custom_attributes"][key] = arrow.get("2027-05-05")
    other.commit()
    later = f'custom_attributes any (key is "{key}" and value > "2027-01-01")'
    assert connect().query(f"Shot where {later}").one()["id"] == shot["id"]


def test_values_are_pushed_as_operations(
    define: Define, session: Any, connect: Connect, client: ModuleType, shots: list[Any], unique: Unique
) -> None:
    key = unique("fps").replace(" ", "_")
    made = define(key, "number", default=25, config=json.dumps({"isdecimal": True}))
    parts = OrderedDict([("configuration_id", made["id"]), ("entity_id", shots[0]["id"])])
    if client is theirs:
        update = client.operation.UpdateEntityOperation
        pushed = update("ContextCustomAttributeValue", parts, "value", client.symbol.NOT_SET, 24.5)
        session.recorded_operations.push(pushed)
        session.commit()
    else:
        other = connect()
        other.get("Shot", shots[0]["id"])["custom_attributes"][key] = 24.5
        other.commit()

    ids = ", ".join(f'"{each["id"]}"' for each in shots)
    text = f"select value, entity_id from ContextCustomAttributeValue where entity_id in ({ids})"
    rows = connect().query(f'{text} and configuration_id in ("{made["id"]}")').all()
    assert {each["entity_id"]: each["value"] for each in rows}[shots[0]["id"]] == 24.5


def test_metadata_are_texts(session: Any, connect: Connect, client: ModuleType, shots: list[Any]) -> None:
    shots[0]["metadata"].update({"number": 1, "text": "ünï\n\t'\"\\ {0} %"})
    session.commit()

    assert connect().get("Shot", shots[0]["id"])["metadata"]["number"] == "1"
    assert connect().get("Shot", shots[0]["id"])["metadata"]["text"] == "ünï\n\t'\"\\ {0} %"
    with pytest.raises(client.exception.ServerError, match="got None"):
        _set_and_commit(session, shots[0]["metadata"], "number", None)
    session.rollback()


def _set_and_commit(session: Any, of: Any, name: str, value: Any) -> None:
    """Refused where it is set, or where it is committed."""
    of[name] = value
    session.commit()


# --- asking ---------------------------------------------------------------------------------------

FORMS = [
    ("(project.id is '{p}' and name is \"light\") or (id is None)", 10),
    ('project.id is {p} and name in (light,"comp") and parent has (name is sh10 and parent has (name is sq2))', 2),
    ('project.id is {p} and name not_in (comp) and not name like "%M%"', 10),
    ("project.id is {p} and bid >= 7200 and bid less_than 14400.0", 8),
    ("parent.id in (select parent_id from Task where project_id is {p} and bid > 10800)", 4),
    ("project.id is {p} and ancestors any (name is sq1) and type is_not None and description = none", 10),
    ("project.id is {p}\n  and name is comp   and created_at after '2020-01-01'", 10),
    ("project.id is {p} and parent.children any (name is comp and bid is 0)", 4),
    ("project.id is {p} order by parent.parent.name desc, parent.name, name descending limit 7", 7),
]


@pytest.fixture
def show(session: Any, project: Any) -> Any:
    """Two sequences of five shots with two tasks each."""
    type = project["project_schema"].get_types("Task")[0]
    for sequence in ("sq1", "sq2"):
        above = session.create("Sequence", {"name": sequence, "parent": project})
        for number in range(5):
            shot = session.create("Shot", {"name": f"sh{number}0", "parent": above})
            for name in ("light", "comp"):
                data = {"name": name, "parent": shot, "type": type, "bid": number * 3600.0}
                session.create("Task", data)
    session.commit()
    return project


def test_conditions_as_they_stand_in_scripts(session: Any, show: Any) -> None:
    assert {form: len(session.query(f"Task where {form.format(p=show['id'])}").all()) for form, _ in FORMS} == dict(
        FORMS
    )


def test_projections_of_a_report_ask_for_nothing_more(connect: Connect, show: Any) -> None:
    session = connect()
    paths = "name, status.name, type.name, parent.parent.name, project.full_name, assignments.resource.username, link"
    tasks = session.query(f"select {paths} from Task where project.id is {show['id']}", page_size=7).all()

    with session.auto_populating(False):
        assert {(each["parent"]["parent"]["name"], each["link"][-1]["name"]) for each in tasks} == {
            ("sq1", "light"), ("sq1", "comp"), ("sq2", "light"), ("sq2", "comp"),
        }  # fmt: skip
        assert all(list(each["assignments"]) == [] and each["type"]["name"] for each in tasks)


def test_the_last_of_two_sessions_wins_and_what_is_gone_is_gone(
    connect: Connect, client: ModuleType, show: Any
) -> None:
    one, other = connect(), connect()
    text = f"select description from Task where project.id is {show['id']} and name is comp"
    mine, same = one.query(text).first(), other.query(text).first()
    mine["description"] = "mine"
    one.commit()
    mine["description"] = "mine again"
    one.commit()
    other.delete(same)
    other.commit()

    mine["description"] = "too late"
    with pytest.raises(client.exception.ServerError, match=r"no Task"):
        one.commit()
    one.rollback()


def test_threads_with_sessions_of_their_own_change_a_show(connect: Connect, show: Any) -> None:
    def renamed(number: int) -> None:
        session = connect()
        for each in session.query(f"Task where project.id is {show['id']} and parent.name is sh{number}0"):
            each["description"] = f"thread {number}"
        session.commit()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(renamed, range(4)))

    found = connect().query(f"select description from Task where project.id is {show['id']} and description like 'th%'")
    assert len({each["description"] for each in found}) == 4
    assert len(found.all()) == 16


PLUGIN = """
import {package}.entity.factory as factory

class Factory(factory.StandardFactory):
    def create(self, schema, bases=None):
        made = super().create(schema, bases=bases)
        if schema["id"] == "Task":
            made.default_projections = ["name", "bid", "parent.name", "status.name"]
        return made

def register(session):
    made = Factory()
    topic = "topic=ftrack.api.session.construct-entity-type"
    session.event_hub.subscribe(topic, lambda event: made.create(event["data"]["schema"]))
"""


def test_a_plugin_says_what_every_query_brings(connect: Connect, client: ModuleType, task: Any, tmp_path: Path) -> None:
    (tmp_path / "projections.py").write_text(PLUGIN.format(package=client.__name__), encoding="utf-8")
    session = connect(plugin_paths=[str(tmp_path)])

    found = session.query(f'Task where id is "{task["id"]}"').one()
    with session.auto_populating(False):
        assert (found["parent"]["name"], found["bid"]) == ("sh10", 0)


# --- a room that is not ready ---------------------------------------------------------------------


def test_a_room_without_the_template_is_told_so(client: ModuleType, tmp_path: Path) -> None:
    with (
        served(str(tmp_path / "plain.room"), accounts=True, dialects=("ftrack",)) as server,
        pytest.raises((theirs.exception.ServerError, ours.exception.ServerCompatibilityError), match="production"),
    ):
        client.Session(server.url, server.api_key, "administrator", schema_cache_path=False, plugin_paths=[])


def test_a_room_without_a_place_for_files_says_so_before_any_are_sent(places_postgres: Places) -> None:
    with stage(places_postgres("ftrack")) as studio:
        session = theirs.Session(studio.server.url, studio.key, "administrator", schema_cache_path=False)

        with pytest.raises(theirs.exception.ServerError, match="where the bytes of its components lie"):
            session.get_upload_metadata(str(uuid.uuid4()), "scene.ma", 4, None)
        session.close()
