"""Accounts through HTTP: who one is decides what one sees, and secrets stay where they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import urllib3

from tests.conftest import Places
from tests.served import Served, served
from tests.server.conftest import commit_of, define, task_id, tasks


@pytest.fixture
def server(places: Places) -> Iterator[Served]:
    """A server of a room with accounts and three tasks, on both databases."""
    with served(places(), accounts=True) as found:
        define(found)
        assert found.request("POST", "/v1/commit", commit_of(2, tasks(1, 3))).status == 200
        yield found


def with_key(server: Served, key: str, method: str, path: str, body: object = None) -> urllib3.BaseHTTPResponse:
    return urllib3.request(method, server.url + path, json=body, headers={"authorization": f"Bearer {key}"})


def new_user(server: Served, name: str) -> str:
    """A user without roles; its API key."""
    create = {"op": "Create", "type": "User", "ids": [task_id(500)], "columns": {"name": [name]}}
    assert server.request("POST", "/v1/commit", commit_of(50, create)).status == 200
    made = server.request("POST", "/v1/tokens", {"grant": "api_key", "name": "script", "user": name})
    assert made.status == 200, made.data
    key: str = made.json()["api_key"]
    return key


def test_the_administrator_is_told_who_that_is(server: Served) -> None:
    me = server.request("GET", "/v1/me").json()

    assert me["name"] == "administrator"
    assert me["kind"] == "api_key"


def test_a_user_without_roles_sees_nothing(server: Served) -> None:
    key = new_user(server, "ada")

    assert with_key(server, key, "GET", "/v1/me").json()["name"] == "ada"
    assert with_key(server, key, "POST", "/v1/query/count", {"query": "Task"}).json() == 0
    assert with_key(server, key, "POST", "/v1/query", {"query": "Task"}).json().get("count", 0) == 0
    assert b"task 1" not in with_key(server, key, "POST", "/v1/query/stream", {"query": "Task"}).data
    assert b"task 1" not in with_key(server, key, "GET", "/v1/journal").data
    assert with_key(server, key, "POST", "/v1/history", {"type": "Task", "id": task_id(1)}).status == 404
    assert with_key(server, key, "POST", "/v1/search", {"text": "task"}).json() == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/commit", commit_of(60, tasks(70, 1))),
        ("POST", "/v1/query/explain", {"query": "Task"}),
        ("POST", "/v1/databases", {"key": "mine"}),
        ("DELETE", "/v1/databases/main", None),
        ("POST", "/v1/preview", {"operations": [{"op": "DropType", "name": "Task"}]}),
        ("POST", "/v1/commit", commit_of(61, {"op": "DropType", "name": "Task"})),
        ("POST", "/v1/users/administrator/reset", {}),
    ],
)
def test_a_user_without_roles_changes_nothing(server: Served, method: str, path: str, body: object) -> None:
    key = new_user(server, "ada")
    answer = with_key(server, key, method, path, body)

    assert answer.status in (403, 404), answer.data
    assert server.request("POST", "/v1/query/count", {"query": "Task"}).json() == 3
    assert [each["key"] for each in server.request("GET", "/v1/databases").json()] == ["main"]


def test_a_key_that_was_revoked_opens_nothing(server: Served) -> None:
    key = new_user(server, "ada")
    (token,) = with_key(server, key, "GET", "/v1/tokens").json()

    assert with_key(server, key, "DELETE", f"/v1/tokens/{token['id']}").status == 204
    answer = with_key(server, key, "GET", "/v1/me")
    assert (answer.status, answer.json()["error"]["code"]) == (401, "not_authenticated")
    assert key.encode() not in answer.data


def test_how_one_logs_in_is_told_to_everybody(server: Served) -> None:
    assert urllib3.request("GET", f"{server.url}/v1/login").json() == {"methods": ["password", "oidc"], "providers": []}


@pytest.mark.parametrize("body", [{}, {"grant": "magic"}, {"grant": "password"}, {"grant": 5}, {"grant": "api_key"}])
def test_a_grant_that_is_none_is_refused(server: Served, body: object) -> None:
    answer = urllib3.request("POST", f"{server.url}/v1/tokens", json=body)

    assert answer.status in (400, 401, 422)
    assert answer.json()["error"]["code"] in ("invalid_value", "not_authenticated", "missing_value")


def test_a_wrong_password_is_not_repeated(server: Served) -> None:
    body = {"grant": "password", "user": "administrator", "password": "swordfish-swordfish"}
    answer = urllib3.request("POST", f"{server.url}/v1/tokens", json=body)

    assert answer.status == 401
    assert b"swordfish" not in answer.data


def test_a_key_that_is_known_is_looked_at_in_the_snapshot_of_the_request(places_sqlite: Places) -> None:
    with served(places_sqlite(), accounts=True) as server:
        define(server)
        driver, counted = server.service.room.opened.driver, []
        for _ in range(3):
            before = driver.statements
            assert server.request("POST", "/v1/query/count", {"query": "Task"}).json() == 0
            counted.append(driver.statements - before)

        assert counted[1:] == [2, 2]  # the room's row and the count


@pytest.mark.parametrize("change", ["revoked", "deactivated"])
def test_a_known_key_that_ended_reads_and_writes_nothing(server: Served, change: str) -> None:
    key = new_user(server, "ada")
    assert with_key(server, key, "POST", "/v1/query/count", {"query": "Task"}).json() == 0
    if change == "revoked":
        (token,) = with_key(server, key, "GET", "/v1/tokens").json()
        assert server.request("DELETE", f"/v1/tokens/{token['id']}").status == 204
    else:
        update = {"op": "Update", "type": "User", "ids": [task_id(500)], "columns": {"active": [False]}}
        assert server.request("POST", "/v1/commit", commit_of(51, update)).status == 200

    assert with_key(server, key, "POST", "/v1/commit", commit_of(60, tasks(70, 1))).status == 401
    assert with_key(server, key, "POST", "/v1/query/count", {"query": "Task"}).status == 401
    assert with_key(server, key, "POST", "/v1/query/stream", {"query": "Task"}).status == 401


def test_a_known_key_is_that_of_the_user_under_a_new_name(server: Served) -> None:
    key = new_user(server, "ada")
    assert with_key(server, key, "POST", "/v1/query/count", {"query": "User"}).json() == 1
    grant = {"op": "Link", "type": "User", "attribute": "roles", "sources": [task_id(500)], "targets": [role(server)]}
    rename = {"op": "Update", "type": "User", "ids": [task_id(500)], "columns": {"name": ["grace"]}}
    assert server.request("POST", "/v1/commit", commit_of(51, grant, rename)).status == 200

    assert with_key(server, key, "POST", "/v1/commit", commit_of(52, tasks(70, 1))).status == 200
    assert server.request("GET", "/v1/journal?after=0&limit=100").json()[-1]["header"]["actor"] == "grace"


def role(server: Served) -> str:
    """The id of the role of administrators."""
    page = server.request("POST", "/v1/query", {"query": 'Role where name = "administrator"'}).json()
    found: str = page["ids"][0]
    return found
