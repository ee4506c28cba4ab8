"""What a session of the unmodified client does when it is constructed, and the schemas that it builds classes from."""

from __future__ import annotations

import json
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.dialects.ftrack.hubs import Stage

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api
    import ftrack_api.accessor.disk
    import ftrack_api.event.base
    import ftrack_api.exception
    import ftrack_api.symbol

Connect = Callable[..., Any]

OBJECT_TYPES = {
    "Task": "11c137c0-ee7e-4f9c-91c5-8c77cec22b2c",
    "Shot": "bad911de-3bd6-47b9-8b46-3476e237cb36",
    "Sequence": "e5139355-61da-4c8f-9db4-3abc870166bc",
    "Folder": "3c133785-51cb-11e3-980a-20c9d0831e59",
    "AssetBuild": "4be63b64-5010-42fb-bf1f-428af9d638f0",
    "Episode": "22139355-61da-4c8f-9db4-3abc870166bc",
    "Milestone": "01decdd1-51cb-11e3-9d5b-20c9d0831e59",
}
LOCATIONS = {
    "ftrack.origin": "ce9b348f-8809-11e3-821c-20c9d081909b",
    "ftrack.unmanaged": "cb268ecc-8809-11e3-a7e2-20c9d081909b",
    "ftrack.review": "cd41be70-8809-11e3-b98a-20c9d081909b",
    "ftrack.server": "3a372bde-05bc-11e4-8908-20c9d081909b",
    "ftrack.connect": "07b82a97-8cf9-11e3-9383-20c9d081909b",
}

PLUGIN = """
import functools
import ftrack_api

def construct(event, prefix):
    if event["data"]["schema"]["id"] != "Status":
        return None
    made = ftrack_api.entity.factory.StandardFactory().create(
        event["data"]["schema"], bases=[ftrack_api.entity.base.Entity]
    )
    made.shouted = lambda self: prefix + self["name"].upper()
    made.default_projections = ["id", "name", "color"]
    return made

def configured(event):
    session = event["data"]["session"]
    session.get("Location", ftrack_api.symbol.UNMANAGED_LOCATION_ID).priority = 3

def register(session, prefix=""):
    if not isinstance(session, ftrack_api.Session):
        return
    session.event_hub.subscribe(
        "topic=ftrack.api.session.construct-entity-type", functools.partial(construct, prefix=prefix)
    )
    session.event_hub.subscribe("topic=ftrack.api.session.configure-location", configured)
"""


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Method and path of each HTTP request that a client makes from now on."""
    import requests

    made: list[tuple[str, str]] = []
    send = requests.Session.send

    def noted(self: Any, request: Any, **more: Any) -> Any:
        made.append((request.method, urllib.parse.urlsplit(request.url).path))
        return send(self, request, **more)

    monkeypatch.setattr(requests.Session, "send", noted)
    return made


# --- connecting -----------------------------------------------------------------------------------


def test_a_session_is_two_requests_and_one_with_known_schemas(
    connect: Connect, tmp_path: Path, requests: list[tuple[str, str]]
) -> None:
    connect(schema_cache_path=str(tmp_path))
    connect(schema_cache_path=str(tmp_path))

    assert requests == [("POST", "/api")] * 3


def test_schemas_are_sent_again_when_they_have_changed(
    connect: Connect, tmp_path: Path, requests: list[tuple[str, str]], studio: Stage
) -> None:
    connect(schema_cache_path=str(tmp_path))
    studio.session.apply_schema('[Scope.attributes]\nof_a_day = { kind = "text" }')
    requests.clear()

    seen = connect(schema_cache_path=str(tmp_path))

    assert len(requests) == 2
    assert "of_a_day" in set(seen.types["Scope"].attributes.keys())
    made = seen.create("Scope", {"name": "x", "of_a_day": "sunny"})
    seen.commit()
    assert connect().get("Scope", made["id"])["of_a_day"] == "sunny"


@pytest.mark.parametrize("end", ["", "/"])
def test_a_slash_at_the_end_of_the_address_does_no_harm(studio: Stage, end: str) -> None:
    session = ftrack_api.Session(
        studio.server.url + end, studio.key, studio.user, plugin_paths=[], schema_cache_path=False
    )

    assert session.server_url == studio.server.url
    assert session.query("Status").first()["name"]
    session.close()


def test_a_session_is_configured_by_the_environment(studio: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FTRACK_SERVER", studio.server.url)
    monkeypatch.setenv("FTRACK_API_USER", studio.user)
    monkeypatch.setenv("FTRACK_API_KEY", studio.key)
    monkeypatch.setenv("FTRACK_EVENT_PLUGIN_PATH", "")

    with ftrack_api.Session(schema_cache_path=False) as session:
        assert session.query("User where username is administrator").one()["is_active"] is True
    assert session.closed
    with pytest.raises(ftrack_api.exception.ConnectionClosedError):
        session.query("User").first()


@pytest.mark.parametrize("strict", [True, False])
def test_errors_are_the_same_for_strict_sessions_and_others(connect: Connect, strict: bool) -> None:
    session = connect(strict_api=strict, headers={"x-studio": "1"}, cookies={"tea": "earl grey"})

    assert session.query("Status").first()["name"]
    with pytest.raises(ftrack_api.exception.ServerError, match=r"Server reported error: \w+\(.*nothing"):
        session.query("select nothing from Status").all()
    with pytest.raises(ftrack_api.exception.ServerError, match="AuthenticationError"):
        connect(strict_api=strict, key="rrk_wrong")


def test_requests_of_a_session_share_a_connection(session: Any) -> None:
    with session._request.get_adapter(session.server_url).poolmanager as pool:
        for _ in range(5):
            session.call([{"action": "query", "expression": "select name from Status limit 1"}])
            with pytest.raises(ftrack_api.exception.ServerError):
                session.call([{"action": "nothing"}])
        [found] = map(pool.pools.__getitem__, set(pool.pools.keys()))
        assert (found.num_connections, found.num_requests >= 10) == (1, True)


def test_headers_that_we_do_not_know_do_no_harm(studio: Stage) -> None:
    answer = urllib3.request(
        "POST",
        f"{studio.server.url}/api",
        body=json.dumps([{"action": "query", "expression": "select name from Status limit 1"}]),
        headers={
            "ftrack-user": studio.user,
            "ftrack-api-key": studio.key,
            "ftrack-api-options": "denormalize=true;strict=true",
            "cookie": "session=old; other=1",
            "content-type": "application/json",
        },
        retries=False,
    )

    assert (answer.status, len(answer.json()[0]["data"])) == (200, 1)
    assert answer.headers["content-type"].startswith("application/json")


def test_plugins_shape_entity_types_and_locations(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "loud.py").write_text(PLUGIN)
    (tmp_path / "broken.py").write_text("1 / 0")

    session = connect(plugin_paths=[str(tmp_path)], plugin_arguments={"prefix": "!", "unknown": 1})

    status = session.query('Status where name is "Not started"').one()
    with session.auto_populating(False):
        assert status["color"] == "#b3b3b3"
    assert status.shouted() == "!NOT STARTED"
    assert session.pick_location().priority == 3


def test_locations_have_the_ids_that_clients_know(connect: Connect) -> None:
    session = connect()

    found = {each["name"]: each["id"] for each in session.query("select name from Location")}

    assert LOCATIONS.items() <= found.items()
    by_name = {name: session.get("Location", each) for name, each in LOCATIONS.items()}
    assert [by_name[f"ftrack.{name}"].priority for name in ("origin", "unmanaged", "review", "server", "connect")] == [
        100, 90, 110, 150, 95,
    ]  # fmt: skip
    assert session.pick_location()["name"] == "ftrack.unmanaged"
    assert by_name["ftrack.connect"].accessor is ftrack_api.symbol.NOT_SET


# --- where files are by default -------------------------------------------------------------------


@pytest.fixture
def centralized(session: Any, unique: Callable[[str], str], tmp_path: Path) -> Iterator[str]:
    """The id of a location that a setting tells every session of."""
    location = session.create("Location", {"name": unique("central")})
    mount = str(tmp_path)
    data = {
        "location_name": location["name"],
        "location_id": location["id"],
        "accessor": {"mount_points": {"linux": mount, "osx": mount, "windows": mount}},
    }
    setting = session.query('Setting where name is "storage_scenario" and group is "STORAGE"').one()
    before = setting["value"]
    setting["value"] = json.dumps({"scenario": "ftrack.centralized-storage", "data": data})
    session.commit()
    yield location["id"]
    setting["value"] = before
    session.commit()


def test_a_setting_tells_every_session_where_files_are(
    centralized: str, connect: Connect, project: Any, tmp_path: Path
) -> None:
    session = connect()
    assert session.server_information["storage_scenario"]["scenario"] == "ftrack.centralized-storage"
    location = session.pick_location()
    assert (location["id"], location.priority) == (centralized, 1)

    shot = session.create("Shot", {"name": "sh 1", "parent": session.get("Project", project["id"])})
    asset = session.create("Asset", {"name": "geo", "parent": shot, "type": session.query("AssetType").first()})
    version = session.create("AssetVersion", {"asset": asset})
    session.commit()
    (tmp_path / "source.abc").write_bytes(b"geometry")
    component = version.create_component(str(tmp_path / "source.abc"), {"name": "main"}, location="auto")

    path = Path(connect().get("Location", centralized).get_filesystem_path(component))
    assert path.read_bytes() == b"geometry"
    assert path.relative_to(tmp_path).parts[-4:] == ("sh_1", "geo", "v001", "main.abc")


def test_without_a_scenario_there_is_none(session: Any) -> None:
    assert not (session.server_information["storage_scenario"] or {}).get("scenario")


# --- schemas --------------------------------------------------------------------------------------


def entities_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object that the client would take for an entity."""
    if isinstance(value, dict):
        if "__entity_type__" in value:
            yield value
        for each in value.values():
            yield from entities_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from entities_in(each)


def test_nothing_that_comes_before_schemas_holds_an_entity(studio: Stage) -> None:
    body = json.dumps([{"action": "query_server_information"}, {"action": "query_schemas"}])
    headers = {"ftrack-user": studio.user, "ftrack-api-key": studio.key}
    answer = urllib3.request("POST", f"{studio.server.url}/api", body=body, headers=headers, retries=False).json()

    assert list(entities_in(answer)) == []
    information, schemas = answer
    assert (type(information), type(schemas)) == (dict, list)


def test_every_fragment_of_a_schema_is_one_that_the_client_reads(session: Any) -> None:
    scalars = {"string", "boolean", "integer", "number", "variable", "object"}
    names = {each["id"] for each in session.schemas}
    for schema in session.schemas:
        properties = schema["properties"]
        for name, fragment in properties.items():
            if "type" not in fragment:
                assert fragment["$ref"] in names, (schema["id"], name)
            elif fragment["type"] in ("array", "mapped_array"):
                assert fragment["items"]["$ref"] in names, (schema["id"], name)
            else:
                assert fragment["type"] in scalars, (schema["id"], name)
        for key in ("immutable", "computed", "default_projections", "required"):
            assert set(schema[key]) <= set(properties), (schema["id"], key)
        assert schema["type"] == "object"
        assert len(schema["default_projections"]) >= len(schema["primary_key"]) >= 1
        # Every attribute became one of the class.
        assert set(session.types[schema["id"]].attributes.keys()) == set(properties)


def test_kinds_of_contexts_have_their_known_ids(session: Any) -> None:
    for name, number in OBJECT_TYPES.items():
        assert session.types[name].attributes.get("object_type_id").default_value == number
        found = session.get("ObjectType", number)
        assert found["name"].replace(" ", "").lower() == name.lower()
        made = session.create(name, {"name": name})
        assert made["object_type_id"] == number
    session.rollback()
    assert session.get("Priority", "9661b320-3a0c-11e2-81c1-0800200c9a66")["name"] == "None"


def test_what_a_new_task_is_worth_is_the_known_priority(session: Any, task: Any) -> None:
    assert task["priority_id"] == "9661b320-3a0c-11e2-81c1-0800200c9a66"


def test_keys_are_immutable_and_computed_values_are_not_kept(session: Any, task: Any) -> None:
    with pytest.raises(ftrack_api.exception.ImmutableAttributeError):
        task["id"] = "x"
    assert len(task["link"]) == 4
    with pytest.raises(ftrack_api.exception.ImmutableAttributeError):
        task["link"] = []
    assert task["time_logged"] == 0
    kept = json.loads(session.encode(task, entity_attribute_strategy="persisted_only"))

    assert "name" in kept
    assert not {"time_logged", "link"} & set(kept)


def test_types_have_the_helpers_that_clients_give_them(session: Any) -> None:
    with_notes = {name for name, each in session.types.items() if hasattr(each, "create_note")}
    with_thumbnails = {name for name, each in session.types.items() if hasattr(each, "create_thumbnail")}

    assert {"Project", "Task", "Shot", "AssetVersion", "User", "TypedContextList", "AssetVersionList"} <= with_notes
    assert {"Project", "Task", "Shot", "AssetVersion", "User"} <= with_thumbnails
    for name, helper in (
        ("ProjectSchema", "get_statuses"), ("Location", "add_component"), ("AssetVersion", "encode_media"),
        ("FileComponent", "get_availability"), ("Note", "create_reply"), ("User", "start_timer"),
    ):  # fmt: skip
        assert hasattr(session.types[name], helper)
    with pytest.raises(ValueError, match="api_job"):
        session.create("Job", {"type": "other"})


def test_the_types_of_the_wire_are_there(session: Any) -> None:
    expected = """
        Context Project TypedContext Task Shot Sequence Folder AssetBuild Episode Milestone Component FileComponent
        ContainerComponent SequenceComponent Resource User Group List TypedContextList AssetVersionList ListObject
        ListCategory ProjectSchema ProjectSchemaOverride WorkflowSchema TaskTypeSchema Schema SchemaStatus SchemaType
        TaskTemplate TaskTemplateItem ObjectType Status State Type Priority Asset AssetType AssetVersion
        AssetVersionLink TypedContextLink ComponentLocation Location Disk Appointment Membership Manager ManagerType
        Timelog Timer CalendarEvent CalendarEventResource UserType SecurityRole UserSecurityRole Note NoteCategory
        NoteLabel NoteLabelLink NoteComponent Recipient Job JobComponent Metadata Setting Scope
        CustomAttributeConfiguration CustomAttributeGroup CustomAttributeType CustomAttributeValue
        ContextCustomAttributeValue AssetVersionCustomAttributeValue AssetCustomAttributeValue
        ListCustomAttributeValue UserCustomAttributeValue
    """
    assert set(expected.split()) <= set(session.types)
