"""Connecting, schemas and their cache, as the unmodified client does it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ftrack_api
import ftrack_api.exception
import pytest

from tests.dialects.ftrack.hubs import Stage


def test_a_session_connects_and_knows_the_server(session: Any) -> None:
    assert session.server_information["is_timezone_support_enabled"] is True
    assert tuple(map(int, session.server_information["version"].split("."))) >= (3, 3, 11)
    assert {"Task", "AssetVersion", "Resource", "Metadata", "NoteCategory", "SecurityRole"} <= set(session.types)
    assert not {"Token", "Rule", "Share", "Webhook", "Role"} & set(session.types)


def test_the_second_session_takes_schemas_from_its_cache(
    connect: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    call = ftrack_api.Session.call

    def noted(self: Any, data: Any) -> Any:
        calls.extend(each["action"] for each in data)
        return call(self, data)

    monkeypatch.setattr(ftrack_api.Session, "call", noted)

    connect(schema_cache_path=str(tmp_path))
    assert calls == ["query_server_information", "query_schemas"]
    calls.clear()
    second = connect(schema_cache_path=str(tmp_path))

    assert calls == ["query_server_information"]
    assert second.query("Status").first()["name"]
    assert json.loads((tmp_path / "ftrack_api_schema_cache.json").read_text())


@pytest.mark.parametrize(
    ("user", "key"),
    [("administrator", "rrk_wrong"), ("somebody", ""), ("administrator", "x" * 500), ("owner", ""), ("ÿ", "ÿ")],
)
def test_wrong_credentials_are_a_server_error(connect: Callable[..., Any], user: str, key: str) -> None:
    with pytest.raises(ftrack_api.exception.ServerError) as caught:
        connect(user=user, key=key)

    assert "AuthenticationError" in str(caught.value)
    assert "rrk_" not in str(caught.value)


def test_a_password_of_another_user_does_not_do(studio: Stage, connect: Callable[..., Any]) -> None:
    key = studio.person("ian", ("read", "*", None))
    assert connect(user="ian", key=key).query("Project").all() is not None

    with pytest.raises(ftrack_api.exception.ServerError, match="AuthenticationError"):
        connect(user="administrator", key=key)


def test_threads_with_sessions_of_their_own_and_one_that_they_share(
    connect: Callable[..., Any], session: Any, shots: list[Any]
) -> None:
    found: list[Any] = []

    def read(own: bool) -> None:
        mine = connect() if own else session
        found.extend(mine.get("Shot", shot["id"])["name"] for shot in shots)

    threads = [threading.Thread(target=read, args=(own,)) for own in (True, True, False, False)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(found) == sorted([shot["name"] for shot in shots] * 4)


def test_every_attribute_of_every_type_can_be_asked_for(session: Any, task: Any, user: Any) -> None:
    note = task.create_note("hello", author=user, recipients=[user], labels=[session.query("NoteLabel").first()])
    note.create_reply("well", author=user)
    asset = session.create("Asset", {"name": "a", "parent": task, "type": session.query("AssetType").first()})
    session.create("AssetVersion", {"asset": asset, "task": task, "user": user})
    session.create("Appointment", {"context": task, "resource": user, "type": "assignment"})
    session.commit()
    task["metadata"]["a"] = "b"
    session.commit()

    for name, kind in session.types.items():
        names = [each.name for each in kind.attributes]
        for each in kind.attributes:
            if isinstance(each, ftrack_api.attribute.ReferenceAttribute):
                names += [f"{each.name}.{inner}" for inner in session.types[each.entity_type].default_projections]
        [found] = session.call([{"action": "query", "expression": f"select {', '.join(names)} from {name} limit 3"}])
        for entity in found["data"]:
            for each in kind.attributes:
                value = entity.attributes.get(each.name).get_remote_value(entity)
                assert value is not ftrack_api.symbol.NOT_SET, (name, each.name)


def test_schemas_say_what_helpers_of_the_client_need(session: Any) -> None:
    schemas = {each["id"]: each for each in session.schemas}

    assert schemas["User"]["default_projections"] == ["id"]
    assert {name for name, each in schemas["User"]["properties"].items() if "default" in each} == {
        "id",
        "resource_type",
    }
    assert schemas["Task"]["default_projections"] == ["context_type", "id", "name"]
    assert schemas["FileComponent"]["default_projections"] == ["id", "system_type"]
    assert schemas["Metadata"]["primary_key"] == ["parent_id", "key"]
    assert schemas["Recipient"]["primary_key"] == ["note_id", "resource_id"]
    assert schemas["Setting"]["primary_key"] == ["name", "group"]
    assert schemas["Shot"]["properties"]["object_type_id"]["default"] == "bad911de-3bd6-47b9-8b46-3476e237cb36"
    assert schemas["Task"]["properties"]["metadata"] == {"type": "mapped_array", "items": {"$ref": "Metadata"}}
    assert schemas["Task"]["properties"]["start_date"] == {"type": "string", "format": "date-time"}
    assert "members" in schemas["SequenceComponent"]["properties"]
    assert "members" not in schemas["FileComponent"]["properties"]
    for schema in schemas.values():
        assert set(schema["primary_key"]) <= set(schema["properties"])
        assert not {"__entity_type__", "__type__"} & set(schema["properties"])
        for each in schema["properties"].values():
            assert each.get("$ref", "Task") in schemas
            assert each.get("items", {}).get("$ref", "Task") in schemas


def test_types_and_attributes_that_a_studio_adds_are_there(
    studio: Stage, connect: Callable[..., Any], unique: Callable[[str], str]
) -> None:
    import uuid

    import recordroom as rr

    name = f"Prop{uuid.uuid4().hex[:8]}"
    with rr.connect(studio.server.url, api_key=studio.key) as native:
        kind = native.create("ObjectType", {"name": name, "type": name})
        native.commit()
        native.apply_schema(
            f"""
            [{name}]
            extends = "TypedContext"
            initials = {{ object_type = "'{kind["id"]}'" }}
            [{name}.attributes]
            weight = {{ kind = "number" }}
            made_of = {{ kind = "text", multi = true }}
            maker = {{ kind = "reference", target = "User", reverse = "{name.lower()}s" }}
            """
        )

    session = connect()
    assert session.types[name].attributes.get("object_type_id").default_value == kind["id"]
    project = session.create("Project", {"name": unique("p"), "full_name": "P"})
    me = session.query("User where username is administrator").one()
    made = session.create(name, {"name": "chair", "parent": project, "weight": 2.5, "made_of": ["wood"], "maker": me})
    of = session.query("CustomAttributeType where name is text").one()
    data = {"key": "shop", "label": "Shop", "entity_type": "task", "object_type_id": str(kind["id"]), "type": of}
    session.create("CustomAttributeConfiguration", {**data, "config": "{}"})
    session.commit()

    found = session.query(f"{name} where maker.username is administrator and weight > 2 and object_type.name is {name}")
    assert found.one() is made
    assert made["made_of"] == ["wood"]
    assert made in me[f"{name.lower()}s"]
    assert session.query(f"select weight from TypedContext where id is {made['id']}").one()["weight"] == 2.5
    assert dict(connect().get(name, made["id"])["custom_attributes"]) == {"shop": None}
