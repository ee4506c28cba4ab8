"""The session of the drop-in client, name by name, with an embedded room and through a server."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
import recordroom.dialects.ftrack.client as ftrack_api
from recordroom.dialects.ftrack.client.session import (
    AutoPopulatingContext,
    OperationPayload,
    OperationRecordingContext,
    Session,
    SessionAuthentication,
)
from tests.dialects.ftrack.client.dropins import Dropins
from tests.dialects.ftrack.hubs import Stage
from tests.media.making import picture

Unique = Callable[[str], str]
NOT_SET = ftrack_api.symbol.NOT_SET


# --- beginning and end ----------------------------------------------------------------------------


def test_session_without_a_server_or_credentials_is_a_type_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FTRACK_SERVER", "FTRACK_API_KEY", "FTRACK_API_USER"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(TypeError, match="FTRACK_SERVER"):
        Session()
    with pytest.raises(TypeError, match="FTRACK_API_KEY"):
        Session("http://127.0.0.1:9", api_user="ann")
    with pytest.raises(TypeError, match="FTRACK_API_USER"):
        Session("http://127.0.0.1:9", api_key="key")


def test_session_at_a_server_that_is_not_there_is_a_server_error() -> None:
    with pytest.raises(ftrack_api.exception.ServerError):
        Session("http://127.0.0.1:9", api_key="key", api_user="ann", timeout=1)


def test_session_with_credentials_of_another_is_an_authentication_error(studio: Stage) -> None:
    given = {"plugin_paths": [], "schema_cache_path": False}

    with pytest.raises(ftrack_api.exception.AuthenticationError):
        Session(studio.server.url, api_key=studio.key, api_user="somebody", **given)
    with pytest.raises(ftrack_api.exception.ServerError, match="AuthenticationError"):
        Session(studio.server.url, api_key="rrk_wrong", api_user=studio.user, **given)


def test_session_refuses_a_room_without_the_types_of_production(tmp_path: Path) -> None:
    with rr.connect(tmp_path / "bare.room"):
        pass

    with pytest.raises(ftrack_api.exception.ServerCompatibilityError, match="production"):
        Session(str(tmp_path / "bare.room"))
    with pytest.raises(ftrack_api.exception.ServerError):
        Session(str(tmp_path / "missing.room"))
    assert not (tmp_path / "missing.room").exists()


def test_session_properties_say_where_and_as_whom(connect: Dropins) -> None:
    session = connect()

    assert session.server_url == connect.where
    assert session.api_user == connect._given.get("api_user")
    assert session.api_key == connect._given.get("api_key")
    assert session.server_information["version"]
    assert session.event_hub.connected is False
    assert session.closed is False
    assert session.check_server_compatibility() is None


def test_session_sends_headers_and_cookies_and_keeps_schemas_in_a_folder(studio: Stage, tmp_path: Path) -> None:
    with Session(
        studio.server.url,
        api_key=studio.key,
        api_user=studio.user,
        plugin_paths=[],
        schema_cache_path=str(tmp_path),
        timeout=20,
        headers={"x-studio": "one"},
        cookies={"a": "b"},
        strict_api=True,
    ) as session:
        options = session.native.transport.caller._connections._options  # type: ignore[attr-defined]
        assert options.headers == {"ftrack-strict-api": "true", "x-studio": "one"}
        assert options.cookies == {"a": "b"}
        assert session.query("User").first() is not None
    assert list(tmp_path.rglob("*"))


def test_session_close_ends_it_and_again_does_nothing(connect: Dropins) -> None:
    session = connect()
    session.create("User", {"username": "nobody"})
    session.close()
    session.close()

    assert session.closed
    assert not session.recorded_operations
    for use in (lambda: session.query("User"), session.commit, lambda: session.create("User", {})):
        with pytest.raises(ftrack_api.exception.ConnectionClosedError):
            use()
    with connect() as other:
        assert not other.closed
    assert other.closed


def test_session_authentication_puts_headers_into_a_request() -> None:
    class Request:
        headers: dict[str, str] = {}  # noqa: RUF012

    assert SessionAuthentication("key", "ann")(Request()).headers == {"ftrack-api-key": "key", "ftrack-user": "ann"}


# --- switches -------------------------------------------------------------------------------------


def test_auto_populating_is_switched_for_a_block(connect: Dropins, user: Any) -> None:
    session = connect()
    found = session.query(f'User where id is "{user["id"]}"').one()

    with session.auto_populating(False):
        assert session.auto_populate is False
        assert found["email"] is NOT_SET
    assert session.auto_populate is True
    with AutoPopulatingContext(session, False):
        assert found["email"] is NOT_SET
    assert found["email"] == user["email"]


def test_auto_populate_is_kept_by_thread(connect: Dropins) -> None:
    session = connect(auto_populate=False)
    session.auto_populate = True
    session.record_operations = False
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.extend((session.auto_populate, session.record_operations)))
    thread.start()
    thread.join()

    assert (session.auto_populate, session.record_operations) == (True, False)
    assert seen == [False, True]


def test_operation_recording_off_shows_a_change_and_never_sends_it(connect: Dropins, session: Any, task: Any) -> None:
    with session.operation_recording(False):
        task["name"] = "not recorded"
    assert session.record_operations
    with OperationRecordingContext(session, False):
        task["description"] = "neither"

    assert task["name"] == "not recorded"
    assert not session.recorded_operations
    session.commit()
    assert connect().get("Task", task["id"])["name"] == "light"


# --- what is recorded -----------------------------------------------------------------------------


def test_created_modified_and_deleted_list_what_is_not_committed(
    session: Any, shots: list[Any], unique: Unique
) -> None:
    new = session.create("User", {"username": unique("new")})
    shots[0]["name"] = "other"
    session.delete(shots[1])

    assert session.created == [new]
    assert session.modified == [shots[0]]
    assert session.deleted == [shots[1]]
    states = ftrack_api.inspection.states([new, shots[0], shots[1], shots[2]])
    symbol = ftrack_api.symbol
    assert states == [symbol.CREATED, symbol.MODIFIED, symbol.DELETED, NOT_SET]
    session.commit()
    assert session.created + session.modified + session.deleted == []


def test_recorded_operations_can_be_pushed_popped_and_cleared(session: Any, connect: Dropins, task: Any) -> None:
    operation = ftrack_api.operation
    key = {"id": task["id"]}
    session.recorded_operations.push(operation.UpdateEntityOperation("Task", key, "name", NOT_SET, "pushed"))
    assert task["name"] == "pushed"
    task["name"] = "later"
    popped = session.recorded_operations.pop()
    assert (popped.attribute_name, popped.old_value, popped.new_value) == ("name", "pushed", "later")
    assert task["name"] == "pushed"
    session.commit()
    assert connect().get("Task", task["id"])["name"] == "pushed"

    task["name"] = "never"
    session.recorded_operations.clear()
    assert len(session.recorded_operations) == 0
    assert task["name"] == "pushed"


def test_commit_that_is_refused_leaves_everything_recorded(session: Any, unique: Unique) -> None:
    name = unique("twice")
    session.create("User", {"username": name})
    session.create("User", {"username": name})

    with pytest.raises(ftrack_api.exception.ServerError, match="DuplicateEntryError"):
        session.commit()
    assert len(session.recorded_operations) == 2
    session.rollback()
    assert not session.created
    assert len(session.recorded_operations) == 0
    session.commit()
    assert session.query(f'User where username is "{name}"').first() is None


def test_commit_of_nothing_asks_nothing(session: Any) -> None:
    calls = session.native.round_trips
    session.commit()

    assert session.native.round_trips == calls


def test_reset_forgets_entities_and_configures_locations_again(session: Any, task: Any) -> None:
    heard: list[str] = []
    for name in ("configure-location", "reset"):
        topic = f"ftrack.api.session.{name}"
        session.event_hub.subscribe(f"topic={topic}", lambda event: heard.append(event["topic"].rpartition(".")[2]))
    task["name"] = "forgotten"
    session.reset()

    assert heard == ["configure-location", "reset"]
    assert not session.recorded_operations
    again = session.get("Task", task["id"])
    assert again is not task
    assert again["name"] == "light"


# --- create, ensure, get, query -------------------------------------------------------------------


def test_create_knows_references_by_entity_and_by_id(session: Any, connect: Dropins, project: Any) -> None:
    shot = session.create("Shot", {"name": "sh", "parent": project, "unknown": "ignored"})
    task = session.create("Task", {"name": "anim", "parent_id": shot["id"], "metadata": {"a": "b"}})
    session.commit()

    seen = connect().get("Task", task["id"])
    assert (seen["parent_id"], seen["project_id"], seen["metadata"]["a"]) == (shot["id"], project["id"], "b")
    with pytest.raises(ftrack_api.exception.UnrecognisedEntityTypeError):
        session.create("Nothing", {})


def test_create_that_cannot_be_made_whole_makes_nothing(session: Any) -> None:
    with pytest.raises(ftrack_api.exception.ServerError):
        session.create("Note", {"content": "a", "parent_id": "01890a5d-ac96-774b-bcce-b302099a8057"})
    with pytest.raises(ftrack_api.exception.CollectionError):
        session.create("Status", {"name": "x", "workflow_schemas": ["nonsense"]})

    assert session.created == []
    assert not session.recorded_operations


def test_create_reconstructing_records_nothing(session: Any, connect: Dropins, task: Any) -> None:
    other = connect()
    known = other.create("Task", {"id": task["id"], "name": "as it is said"}, reconstructing=True)

    assert not other.recorded_operations
    with other.auto_populating(False):
        assert known["name"] == "as it is said"
    assert known["parent_id"] == task["parent_id"]
    assert other.create("Task", {"id": task["id"]}, reconstructing=True) is known


def test_ensure_finds_creates_and_updates(session: Any, connect: Dropins, unique: Unique) -> None:
    name = unique('mar"tin')
    entity = session.ensure("User", {"username": name})
    assert session.ensure("User", {"username": name}) is entity
    assert not session.recorded_operations
    session.ensure("User", {"username": name, "email": "martin@example.com"}, identifying_keys=["username"])

    assert connect().get("User", entity["id"])["email"] == "martin@example.com"
    with pytest.raises(KeyError):
        session.ensure("User", {"username": name}, identifying_keys=["email"])
    with pytest.raises(ValueError, match="identifying"):
        session.ensure("User", {})
    with pytest.raises(ftrack_api.exception.MultipleResultsFoundError):
        session.ensure("Type", {"is_billable": True})


def test_get_takes_ids_and_composite_keys(session: Any, task: Any, user: Any) -> None:
    note = task.create_note("hello", author=user, recipients=[user])
    session.commit()

    assert session.get("Task", task["id"]) is task
    assert session.get("Context", [task["id"]]) is task
    assert session.get("Recipient", [note["id"], user["id"]])["resource"] is user
    assert session.get("Resource", user["id"]) is user
    assert session.get("Task", "01890a5d-ac96-774b-bcce-b302099a8057") is None
    assert session.get("Task", "nonsense") is None
    assert session.get("Shot", task["id"]) is None
    with pytest.raises(ValueError, match="2 parts"):
        session.get("Recipient", note["id"])
    with pytest.raises(ftrack_api.exception.UnrecognisedEntityTypeError):
        session.get("Nothing", "x")


def test_get_asks_once(connect: Dropins, task: Any) -> None:
    session = connect()
    found = session.get("Task", task["id"])
    calls = session.native.round_trips

    assert session.get("Task", task["id"]) is found
    assert session.native.round_trips == calls


def test_populate_loads_projections_and_keeps_local_values(connect: Dropins, task: Any) -> None:
    session = connect()
    found = session.query(f'Task where id is "{task["id"]}"').all()
    found[0]["name"] = "mine"
    session.populate(found, "name, description, parent.name, project.full_name, type.name, notes.content, link")

    with session.auto_populating(False):
        assert found[0]["name"] == "mine"
        assert found[0]["description"] is None
        assert found[0]["parent"]["name"] == task["parent"]["name"]
        assert found[0]["project"]["full_name"] == task["project"]["full_name"]
        assert len(found[0]["notes"]) == 0
    session.populate(session.create("Task", {"name": "new", "parent": found[0]}), "description")
    with pytest.raises(ftrack_api.exception.ServerError, match="nothing"):
        session.populate(found, "nothing")


def test_merge_brings_entities_of_another_session(connect: Dropins, session: Any, task: Any) -> None:
    other = connect()
    merged = other.merge({"task": task, "more": [task["parent"]], "plain": 1})

    assert merged["task"].session is other
    assert merged["task"] == task
    assert merged["task"] is not task
    assert merged["more"][0] is other.get("Shot", task["parent_id"])
    assert merged["plain"] == 1
    assert session.merge(task) is task


def test_delete_is_sent_with_the_commit(session: Any, connect: Dropins, task: Any) -> None:
    session.delete(task)
    assert connect().get("Task", task["id"]) is not None
    session.commit()

    assert connect().get("Task", task["id"]) is None
    assert session.get("Task", task["id"]) is None


# --- JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["all", "set_only", "modified_only", "persisted_only"])
def test_encode_and_decode_know_entities(connect: Dropins, task: Any, strategy: str) -> None:
    session = connect()
    found = session.query(f'select name, parent_id from Task where id is "{task["id"]}"').one()
    found["name"] = "mine"
    calls = session.native.round_trips
    text = session.encode({"tasks": [found]}, entity_attribute_strategy=strategy)
    data = json.loads(text)["tasks"][0]

    assert data["__entity_type__"] == "Task"
    assert data["id"] == task["id"]
    assert data["name"] == ("light" if strategy == "persisted_only" else "mine")
    assert ("description" in data) is (strategy == "all")
    assert ("parent_id" in data) is (strategy != "modified_only")
    if strategy == "all":
        assert data["parent"] == {"__entity_type__": "Shot", "id": task["parent_id"]}
        assert data["created_at"]["__type__"] == "datetime"
    else:
        assert session.native.round_trips == calls
    assert session.decode(text)["tasks"][0] is found
    assert not connect().decode(text)["tasks"][0].session.recorded_operations


def test_encode_refuses_other_strategies_and_decode_knows_moments(session: Any, task: Any) -> None:
    with pytest.raises(ValueError, match="set_only"):
        session.encode(task, entity_attribute_strategy="some")
    with pytest.raises(TypeError):
        session.encode(object())
    assert session.decode(session.encode({"at": task["created_at"]}))["at"] == task["created_at"]


def test_entity_reference_is_type_and_key(session: Any, task: Any, user: Any) -> None:
    note = task.create_note("a", author=user, recipients=[user])

    assert session.entity_reference(task) == {"__entity_type__": "Task", "id": task["id"]}
    [recipient] = note["recipients"]
    assert session.entity_reference(recipient) == {
        "__entity_type__": "Recipient",
        "note_id": note["id"],
        "resource_id": user["id"],
    }


def test_operation_payload_is_a_mapping() -> None:
    payload = OperationPayload({"action": "create"}, entity_type="Task")
    payload["more"] = 1

    assert payload.pop("more") == 1
    assert payload.setdefault("action", "x") == "create"
    assert dict(payload) == {"action": "create", "entity_type": "Task"}
    assert "create" in str(payload)


def test_call_does_actions_and_refuses_others(session: Any, task: Any) -> None:
    answers = session.call(
        [
            {"action": "query", "expression": f'select name from Task where id is "{task["id"]}"'},
            {"action": "update", "entity_type": "Task", "entity_key": task["id"], "entity_data": {"name": "called"}},
            {"action": "query_server_information"},
        ]
    )

    assert answers[0]["data"] == [task]
    assert task["name"] == "called"
    assert answers[2]["version"]
    with pytest.raises(ftrack_api.exception.ServerError, match="no action"):
        session.call([{"action": "dance"}])


# --- people and media -----------------------------------------------------------------------------


def test_get_widget_url_opens_at_a_server_only(connect: Dropins, session: Any, task: Any) -> None:
    if "api_key" in connect._given:
        assert session.get_widget_url("info", entity=task, theme="light").startswith(connect.where)
        with pytest.raises(ftrack_api.exception.ServerError):
            session.get_widget_url("nothing")
    else:
        with pytest.raises(ftrack_api.exception.ServerError, match="server"):
            session.get_widget_url("tasks_browser")


def test_reset_remote_gives_a_new_api_key(connect: Dropins, session: Any, user: Any) -> None:
    with pytest.raises(ftrack_api.exception.ServerError):
        session.reset_remote("api_key", entity=session.query("Status").first())
    if "api_key" in connect._given:
        key = session.reset_remote("api_key", entity=user)["api_key"]
        assert key != user.reset_api_key()
        with pytest.raises(ftrack_api.exception.ServerError):
            session.reset_remote("everything", entity=user)
    else:
        with pytest.raises(ftrack_api.exception.ServerError):
            session.reset_remote("api_key", entity=user)


def test_send_user_invites_needs_a_server_that_sends_mail(session: Any, user: Any) -> None:
    with pytest.raises(ftrack_api.exception.ServerError):
        session.send_user_invites([user])
    with pytest.raises(ftrack_api.exception.ServerError):
        user.send_invite()


def test_get_upload_metadata_says_where_to_put_bytes(connect: Dropins, session: Any) -> None:
    import urllib3

    content = b"some bytes"
    checksum = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    component = session.create("FileComponent", {"name": "a", "size": len(content), "file_type": ".txt"})
    session.commit()
    if "api_key" not in connect._given:
        with pytest.raises(ftrack_api.exception.ServerError):
            session.get_upload_metadata(component["id"], "a.txt", len(content))
        return
    found = session.get_upload_metadata(component["id"], "a.txt", len(content), checksum)
    answer = urllib3.request("PUT", found["url"], body=content, headers=found["headers"], retries=False)
    assert answer.status < 300
    assert set(found) == {"url", "headers", "component_id"}


def test_encode_media_makes_a_job(session: Any, task: Any, tmp_path: Path) -> None:
    asset = session.create("Asset", {"name": "media", "parent": task})
    version = session.create("AssetVersion", {"asset": asset, "task": task})
    session.commit()
    source = tmp_path / "movie.mov"
    source.write_bytes(b"no film at all")

    job = version.encode_media(str(source))
    data = json.loads(job["data"])
    assert isinstance(job, session.types["Job"])
    assert {each["format"] for each in data["output"]} == {"video/mp4", "image/jpeg"}
    assert data["keep_original"] is False
    kept = json.loads(session.encode_media(str(source), keep_original=True)["data"])
    assert kept["keep_original"] is True


def test_the_picture_of_media_becomes_the_thumbnail_of_its_version(
    session: Any, connect: Dropins, task: Any, tmp_path: Path
) -> None:
    version = session.create("AssetVersion", {"asset": session.create("Asset", {"name": "media", "parent": task})})
    session.commit()

    job = version.encode_media(str(picture(tmp_path / "still.png")))

    session.native.jobs.run_pending()
    end = time.monotonic() + 60
    while connect().get("Job", job["id"])["status"] in ("queued", "running"):
        assert time.monotonic() < end, "it is not encoded"
        time.sleep(0.1)
    [made] = json.loads(job["data"])["output"]
    assert connect().get("AssetVersion", version["id"])["thumbnail_id"] == made["component_id"]


def test_create_component_picks_a_location_and_says_how_available_it_is(session: Any, tmp_path: Path) -> None:
    source = tmp_path / "a.txt"
    source.write_text("hello")
    component = session.create_component(str(source), {"name": "words"})
    location = session.pick_location(component)

    assert (component["name"], component["file_type"], component["size"]) == ("words", ".txt", 5)
    assert location == session.pick_location()
    assert session.pick_locations([component]) == [location]
    assert session.get_component_availability(component, [location]) == {location["id"]: 100.0}
    assert session.get_component_availabilities([component], [location]) == [{location["id"]: 100.0}]
    assert component.get_availability([location]) == {location["id"]: 100.0}


def test_cache_that_people_bring_stands_below_memory(connect: Dropins, task: Any) -> None:
    from recordroom.dialects.ftrack.client.cache import LayeredCache, MemoryCache, StringKeyMaker

    mine, asked = MemoryCache(), []
    session = connect(cache=lambda given: asked.append(given) or mine, cache_key_maker=StringKeyMaker())

    assert asked == [session]
    assert isinstance(session.cache, LayeredCache)
    assert session.cache.caches[1] is mine
    assert session.get("Task", task["id"])["name"] == "light"
    assert connect(cache=mine).get("Task", task["id"])["name"] == "light"
    assert connect(cache=lambda given: None).get("Task", task["id"])["name"] == "light"


def test_mixin_gives_one_instance_more_methods(session: Any, task: Any) -> None:
    class Loud:
        def shout(self) -> str:
            return str(self["name"]).upper()  # type: ignore[index]

    ftrack_api.mixin(task, Loud)
    ftrack_api.mixin(task, Loud)

    assert task.shout() == "LIGHT"
    assert isinstance(task, session.types["Task"])
