"""Names of the documents that no other test is about: parameters, methods of a payload, variables of the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recordroom.dialects.ftrack.client.session import OperationPayload, Session
from tests.dialects.ftrack.client.dropins import Dropins
from tests.dialects.ftrack.hubs import Stage


def test_query_page_size_bounds_the_pages_that_are_fetched(session: Any) -> None:
    total = len(session.query("Status").all())

    few = session.query("Status", page_size=2)

    assert total > 2
    assert few[0]["id"] == session.query("Status").first()["id"]
    assert [each["id"] for each in few] == [each["id"] for each in session.query("Status")]


def test_operation_payload_has_every_method_of_a_mapping() -> None:
    payload = OperationPayload(action="create", entity_type="Task")
    payload.update({"entity_key": ["1"]}, entity_data={})

    assert payload.get("action") == "create"
    assert payload.get("nothing", 5) == 5
    assert set(payload.keys()) == {"action", "entity_type", "entity_key", "entity_data"}
    assert ("entity_type", "Task") in payload.items()
    assert ["1"] in payload.values()
    assert payload.setdefault("more", 1) == 1
    assert payload.pop("more") == 1
    with pytest.raises(KeyError):
        payload.pop("more")
    name, _ = payload.popitem()
    assert name not in payload
    payload.clear()
    assert dict(payload) == {}
    with pytest.raises(KeyError):
        payload.popitem()


def test_schema_cache_path_comes_from_the_environment(
    studio: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTRACK_API_SCHEMA_CACHE_PATH", str(tmp_path / "schemas"))
    given = {"api_key": studio.key, "api_user": studio.user, "plugin_paths": []}

    with Session(studio.server.url, **given) as session:
        assert session.query("User").first() is not None
    assert list((tmp_path / "schemas").rglob("*"))

    with Session(studio.server.url, schema_cache_path=False, **given) as session:
        assert session.query("User").first() is not None


def test_timeout_is_that_of_the_connection(studio: Stage) -> None:
    with Session(
        studio.server.url, api_key=studio.key, api_user=studio.user, plugin_paths=[], schema_cache_path=False, timeout=7
    ) as session:
        assert "7" in repr(session.native.transport.caller._connections._options)


def test_merged_is_told_what_was_merged(session: Any, connect: Dropins) -> None:
    other = connect().query("Status").first()
    merged: dict[Any, Any] = {}

    found = session.merge(other, merged=merged)

    assert found["id"] == other["id"]
    assert found.session is session
