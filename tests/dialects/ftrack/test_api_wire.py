"""The wire of `/api` without the client: headers, envelopes, errors, encodings."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
import urllib3

from tests.dialects.ftrack.hubs import Stage


def post(studio: Stage, body: Any, **headers: str | None) -> urllib3.BaseHTTPResponse:
    given = {"ftrack-user": "administrator", "ftrack-api-key": studio.key, "content-type": "application/json"}
    for name, value in headers.items():
        given[name.replace("_", "-")] = value
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {name: value for name, value in given.items() if value is not None}
    return urllib3.request("POST", f"{studio.server.url}/api", body=data, headers=sent, retries=False, timeout=30)


def call(studio: Stage, *operations: dict[str, Any]) -> Any:
    answer = post(studio, list(operations))
    assert answer.status == 200
    return answer.json()


def query(studio: Stage, text: str) -> Any:
    [found] = call(studio, {"action": "query", "expression": text})
    assert set(found) == {"action", "data", "metadata"}
    return found["data"]


def make(studio: Stage, kind: str, **data: Any) -> str:
    number = str(uuid.uuid4())
    call(
        studio, {"action": "create", "entity_type": kind, "entity_key": [number], "entity_data": {"id": number, **data}}
    )
    return number


def test_results_are_as_many_as_operations(studio: Stage) -> None:
    assert call(studio) == []
    information, schemas, found = call(
        studio,
        {"action": "query_server_information", "values": ["version"]},
        {"action": "query_schemas"},
        {"action": "query", "expression": "select name from Status limit 1"},
    )
    assert {"version", "schema_hash", "is_timezone_support_enabled"} <= set(information)
    assert isinstance(schemas, list)
    assert len(found["data"]) == 1
    import hashlib

    assert information["schema_hash"] == hashlib.md5(json.dumps(schemas, sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"ftrack_api_key": "rrk_wrong"}, 401),
        ({"ftrack_api_key": None}, 401),
        ({"ftrack_user": None}, 401),
        ({"ftrack_user": "somebody"}, 401),
    ],
)
def test_wrong_credentials(studio: Stage, headers: dict[str, str | None], status: int) -> None:
    operation = [{"action": "query_server_information"}]

    strict = post(studio, operation, ftrack_strict_api="true", **headers)
    lax = post(studio, operation, ftrack_strict_api="false", **headers)

    assert (strict.status, lax.status) == (status, 200)
    assert strict.json() == lax.json()
    assert strict.json()["exception"] == "AuthenticationError"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"no json", b"{}", b"null", b"[1]", b'[{"action": 5}]', b'[{"action": "do {it}"}]', b'[{"no": "action"}]',
        b"\xff\xfe", b"[" * 5000, b'[{"action": "query"}]', b'[{"action": "query", "expression": 5}]',
        b'[{"action": "create"}]', b'[{"action": "create", "entity_type": "Nothing"}]',
        b'[{"action": "create", "entity_type": "Task", "entity_data": 5}]',
        b'[{"action": "create", "entity_type": "Task", "entity_key": [5], "entity_data": {}}]',
        b'[{"action": "update", "entity_type": "Task", "entity_key": ["x"], "entity_data": {"name": "a"}}]',
        b'[{"action": "update", "entity_type": "Task", "entity_key": "x"}]',
        b'[{"action": "update", "entity_type": "Metadata", "entity_key": ["x"], "entity_data": {"value": "a"}}]',
        b'[{"action": "delete", "entity_type": "Task", "entity_key": []}]',
        b'[{"action": "create", "entity_type": "Scope", "entity_data": {"name": {"a": {}}}}]',
        b'[{"action": "create", "entity_type": "Shot", "entity_data": {"name": "a", "scopes": 5}}]',
        b'[{"action": "create", "entity_type": "Shot", "entity_data": {"name": "a", "scopes": [5]}}]',
        b'[{"action": "create", "entity_type": "Shot", "entity_data": {"name": "a", "parent": [5]}}]',
        b'[{"action": "create", "entity_type": "Shot", "entity_data": {"name": "a", "nothing{}": 5}}]',
        b'[{"action": "get_widget_url", "name": "nothing"}]', b'[{"action": "reset_remote", "reset_type": "all"}]',
        b'[{"action": "reset_remote", "reset_type": "api_key", "entity_type": "User", "entity_key": ["a"]}]',
        b'[{"action": "encode_media"}]', b'[{"action": "encode_media", "component_id": "x{}"}]',
        b'[{"action": "send_user_invite", "user_id": 5}]', b'[{"action": "delayed_job", "job_type": "SYNC_USERS_LDAP"}]',
        b'[{"action": "get_upload_metadata"}]', b'[{"action": "add_user_security_role", "user_id": "a"}]',
    ],
)  # fmt: skip
def test_what_cannot_be_read_or_done_is_an_error_object(studio: Stage, body: bytes) -> None:
    answer = post(studio, body, ftrack_strict_api="true")

    assert 400 <= answer.status < 500
    found = answer.json()
    assert set(found) == {"exception", "content", "error_code"}
    assert found["content"]
    assert not set("{}") & set(found["content"])
    lax = post(studio, body)
    assert (lax.status, lax.json()["exception"]) == (200, found["exception"])


def test_other_paths_and_methods_are_errors_too(studio: Stage) -> None:
    for method, path in (("GET", "/api"), ("POST", "/api/more"), ("DELETE", "/api")):
        answer = studio.server.request(method, path, {}, ftrack_strict_api="true")
        assert answer.status in (404, 405)
        assert answer.json()["exception"]


def test_an_unknown_action_is_said_in_the_words_that_the_client_looks_for(studio: Stage) -> None:
    answer = post(studio, [{"action": "send_review_session_invite"}])

    assert "Invalid action u'send_review_session_invite'" in answer.json()["content"]


def test_one_wrong_operation_undoes_the_others(studio: Stage) -> None:
    name = f"scope {uuid.uuid4()}"
    good = {"action": "create", "entity_type": "Scope", "entity_data": {"id": str(uuid.uuid4()), "name": name}}
    for wrong in (
        {"action": "nothing"},
        {"action": "query", "expression": "select x from Nothing"},
        {"action": "update", "entity_type": "Scope", "entity_key": [str(uuid.uuid4())], "entity_data": {"name": "a"}},
    ):
        assert "exception" in post(studio, [good, wrong]).json()
        assert "exception" in post(studio, [wrong, good]).json()
    assert query(studio, f'select name from Scope where name is "{name}"') == []


def test_writes_and_queries_of_one_batch(studio: Stage) -> None:
    name = f"scope {uuid.uuid4()}"
    number = str(uuid.uuid4())
    ask = {"action": "query", "expression": f'select name from Scope where name is "{name}"'}
    create = {
        "action": "create",
        "entity_type": "Scope",
        "entity_key": [number],
        "entity_data": {"id": number, "name": name},
    }

    before, made, after, gone, last = call(
        studio,
        ask,
        create,
        ask,
        {"action": "delete", "entity_type": "Scope", "entity_key": [make(studio, "Scope", name="x")]},
        ask,
    )

    assert (before["data"], after["data"]) == ([], [])
    assert made == {"action": "create", "data": {"__entity_type__": "Scope", "id": number, "name": name}}
    assert gone == {"action": "delete", "data": True}
    assert last["data"] == [{"__entity_type__": "Scope", "id": number, "name": name}]


def test_rows_have_their_type_their_key_and_what_was_asked_for(studio: Stage) -> None:
    project = make(
        studio, "Project", name="wire", start_date={"__type__": "datetime", "value": "2020-05-05T01:02:03+02:00"}
    )
    shot = make(studio, "Shot", name="s", parent={"__entity_type__": "Project", "id": project})

    [row] = query(
        studio, f"select name, parent.start_date, description, scopes, context_type from Context where id is {shot}"
    )

    assert row == {
        "__entity_type__": "Shot",
        "id": shot,
        "name": "s",
        "description": None,
        "scopes": [],
        "context_type": "task",
        "parent": {
            "__entity_type__": "Project",
            "id": project,
            "start_date": {"__type__": "datetime", "value": "2020-05-04T23:02:03"},
        },
    }
    [same] = query(studio, f"select parent.start_date, project.name from Shot where id is {shot}")
    assert same["parent"] == same["project"] == {**row["parent"], "name": "wire"}


def test_an_entity_within_itself_is_its_key(studio: Stage) -> None:
    parent = make(studio, "Project", name="within")
    child = make(studio, "Shot", name="s", parent_id=parent)

    [row] = query(studio, f"select children.parent.name from Project where id is {parent}")

    assert row["children"] == [
        {"__entity_type__": "Shot", "id": child, "parent": {"__entity_type__": "Project", "id": parent}}
    ]
    assert row["name"] == "within"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("2020-05-05T01:02:03.123456+02:00", "2020-05-04T23:02:03.123456"),
        ("2020-05-05T01:02:03", "2020-05-05T01:02:03"),
        ("2020-05-05", "2020-05-05T00:00:00"),
        ("2020-05-05T01:02:03Z", "2020-05-05T01:02:03"),
    ],
)
def test_moments_are_taken_in_every_form(studio: Stage, sent: str, shown: str) -> None:
    number = make(studio, "Project", name="m", start_date={"__type__": "datetime", "value": sent})

    [row] = query(studio, f"select start_date from Project where id is {number}")

    assert row["start_date"] == {"__type__": "datetime", "value": shown}


def test_an_update_of_a_value_that_is_not_there_makes_it(studio: Stage) -> None:
    number = make(studio, "Project", name="values")
    configuration = make(studio, "CustomAttributeConfiguration", key="wired", entity_type="show", label="Wired")

    [made] = call(
        studio,
        {
            "action": "update",
            "entity_type": "ContextCustomAttributeValue",
            "entity_key": [configuration, number],
            "entity_data": {"value": "x"},
        },
    )

    value = {"configuration_id": configuration, "entity_id": number, "value": "x"}
    assert made["data"] == {"__entity_type__": "ContextCustomAttributeValue", **value}
    [row] = query(studio, f"select custom_attributes from Project where id is {number}")
    assert row["custom_attributes"] == [{**made["data"], "key": "wired"}]


def test_a_recipient_that_is_there_already_is_a_success(studio: Stage) -> None:
    [me] = query(studio, "select id from User where username is administrator")
    note = make(studio, "Note", content="a")
    key = [note, me["id"]]

    [made] = call(
        studio,
        {
            "action": "create",
            "entity_type": "Recipient",
            "entity_key": key,
            "entity_data": {"note_id": note, "resource_id": me["id"]},
        },
    )

    assert made["data"]["resource_id"] == me["id"]
    assert len(query(studio, f"select resource_id from Recipient where note_id is {note}")) == 1


def test_bodies_that_are_too_large_are_refused(studio: Stage) -> None:
    limits = studio.server.service.limits
    studio.server.service.change_limits(type(limits)(body=1000))
    try:
        answer = post(studio, b" " * 2000, ftrack_strict_api="true")
    finally:
        studio.server.service.change_limits(limits)

    assert (answer.status, answer.json()["error_code"]) == (413, None)
