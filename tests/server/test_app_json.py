"""JSON for everyone: the same requests with values as people write them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from recordroom.model import wire
from recordroom.model.operations import CommitResult
from recordroom.query.grammar import parse
from recordroom.query.request import Page, QueryRequest
from tests.served import Served
from tests.server.conftest import commit_of, task_id, tasks

VALUES: dict[str, Any] = {
    "bid": 3.0,
    "due": "2026-11-21",
    "when": "2026-11-21T10:30:00.500000Z",
    "price": "19.99",
    "extra": {"a": [1, None, "x"]},
    "tags": ["b", "a"],
    "days": ["2026-11-21", "2026-11-22"],
    "done": True,
    "key": "01890a5d-ac96-774b-bcce-b302099a8057",
}


def ask(server: Served, path: str, body: Any, **headers: str) -> Any:
    answer = server.request("POST", path, body, **headers)
    assert answer.status == 200, answer.data
    return answer.json()


def fill(server: Served) -> Any:
    columns = {name: [value, None] for name, value in VALUES.items()}
    return ask(server, "/v1/commit", commit_of(2, tasks(1, 2, **columns, parent=[None, task_id(1)])))


def test_values_come_back_as_they_were_written(server: Served) -> None:
    fill(server)

    page = ask(server, "/v1/query", {"query": "Task order by number"})
    assert page["ids"] == [task_id(1), task_id(2)]
    assert {name: page["columns"][name] for name in VALUES} == {name: [value, None] for name, value in VALUES.items()}
    assert page["columns"]["parent"] == [None, task_id(1)]


def test_the_same_page_in_msgpack_has_raw_scalars(server: Served) -> None:
    fill(server)
    request = wire.encode(QueryRequest(query=parse("Task order by number")))

    answer = server.request(
        "POST", "/v1/query", request, content_type="application/msgpack", accept="application/msgpack"
    )
    assert answer.headers["content-type"] == "application/msgpack"
    page = wire.decode(answer.data, Page)
    assert page.columns["due"] == [20778, None]
    assert page.columns["extra"] == ['{"a":[1,null,"x"]}', None]
    assert page.columns["key"][0] == bytes.fromhex("01890a5dac96774bbcceb302099a8057")


def test_a_type_may_be_defined_and_used_in_one_commit(server: Served) -> None:
    define = {"op": "DefineType", "definition": {"name": "Day", "attributes": [{"name": "on", "kind": "date"}]}}
    create = {"op": "Create", "type": "Day", "ids": [task_id(9)], "columns": {"on": ["2026-11-21"]}}
    ask(server, "/v1/commit", commit_of(2, define, create))

    assert ask(server, "/v1/query", {"query": "Day"})["columns"]["on"] == ["2026-11-21"]


def test_what_the_room_gives_is_shown_as_values(server: Served) -> None:
    attributes = [
        {"name": "on", "kind": "date", "initial": "today()"},
        {"name": "above", "kind": "reference", "target": "Day", "initial": "id"},
    ]
    define = {"op": "DefineType", "definition": {"name": "Day", "attributes": attributes}}
    create = {"op": "Create", "type": "Day", "ids": [task_id(9)], "columns": {}}
    made = ask(server, "/v1/commit", commit_of(2, define, tasks(1, 1), create))

    assert made["given"] == [{}, {"on": [made["time"][:10]], "above": [task_id(9)]}]


def test_defaults_are_written_and_shown_as_values(server: Served) -> None:
    attribute = {"name": "start", "kind": "date", "default": "2026-01-31"}
    ask(server, "/v1/commit", commit_of(2, {"op": "DefineAttribute", "type": "Task", "attribute": attribute}))
    ask(server, "/v1/commit", commit_of(3, tasks(1, 1)))

    assert ask(server, "/v1/query", {"query": "select start from Task"})["columns"]["start"] == ["2026-01-31"]
    (task,) = server.request("GET", "/v1/schema/main").json()["types"]
    assert task["attributes"][-1] == attribute


def test_grouped_and_computed_columns_are_shown_by_what_they_are(server: Served) -> None:
    fill(server)

    page = ask(server, "/v1/query", {"query": "select max(due) as latest, count() as n from Task"})
    assert page["columns"] == {"latest": ["2026-11-21"], "n": [2]}


def test_an_update_may_name_its_base_and_a_reference(server: Served) -> None:
    first = fill(server)
    update = {
        "op": "Update",
        "type": "Task",
        "ids": [task_id(1)],
        "columns": {"due": ["2026-12-24"], "parent": [task_id(2)]},
        "base": [first["revision"]],
    }
    ask(server, "/v1/commit", commit_of(3, update))

    page = ask(server, "/v1/query", {"query": f"select due, parent from Task where id is '{task_id(1)}'"})
    assert (page["columns"]["due"], page["columns"]["parent"]) == (["2026-12-24"], [task_id(2)])


def test_members_and_entries_of_mappings_are_shown(server: Served) -> None:
    fill(server)
    entry = {
        "op": "SetKeys",
        "type": "Task",
        "attribute": "meta",
        "ids": [task_id(1)],
        "keys": ["review"],
        "values": ["2026-11-25"],
    }
    ask(server, "/v1/commit", commit_of(3, entry))

    entries = ask(server, "/v1/members", {"type": "Task", "attribute": "meta", "owners": [task_id(1)]})
    assert entries == {"owners": [task_id(1)], "keys": ["review"], "values": ["2026-11-25"]}
    children = {"type": "Task", "attribute": "children", "owners": [task_id(1)], "select": ["name", "due"]}
    members = ask(server, "/v1/members", children)
    assert (members["owners"], members["page"]["ids"]) == ([task_id(1)], [task_id(2)])
    assert members["page"]["columns"]["due"] == [None]


def test_history_and_journal_show_values_and_moments(server: Served) -> None:
    fill(server)

    changes = ask(server, "/v1/history", {"type": "Task", "id": task_id(1), "attribute": "due"})
    assert [(each["verb"], each.get("before"), each["after"]) for each in changes] == [("create", None, "2026-11-21")]
    assert changes[0]["time"].endswith("Z")
    first, second = server.request("GET", "/v1/journal?after=0&limit=10").json()
    assert first["operations"][0]["definition"]["name"] == "Task"
    assert second["operations"][0]["columns"]["when"] == ["2026-11-21T10:30:00.500000Z", None]
    header = server.request("GET", f"/v1/headers/{second['header']['commit_id']}").json()
    assert header == second["header"]
    assert server.request("GET", f"/v1/headers/{header['revision']}").json() == header
    assert server.request("GET", f"/v1/revision?at={header['time']}").json() == header["revision"]
    assert server.request("GET", "/v1/revision?at=2001-01-01").json() == 0


def test_search_counts_and_explains(server: Served) -> None:
    fill(server)

    (hit,) = ask(server, "/v1/search", {"text": "2"})
    assert (hit["type"], hit["id"]) == ("Task", task_id(2))
    assert ask(server, "/v1/query/count", {"query": "Task"}) == 2
    assert "SELECT" in ask(server, "/v1/query/explain", {"query": "Task"})


def test_a_commit_can_be_undone(server: Served) -> None:
    made = fill(server)
    undo = {"revision": made["revision"], "commit": {"id": task_id(77), "notes": "never mind"}}

    assert ask(server, "/v1/revert", undo)["revision"] == made["revision"] + 1
    assert ask(server, "/v1/query/count", {"query": "Task"}) == 0


def test_a_preview_changes_nothing(server: Served) -> None:
    fill(server)
    drop = {"operations": [{"op": "DropAttribute", "type": "Task", "name": "due"}]}

    (effect,) = ask(server, "/v1/preview", drop)
    assert effect["rows"] == 1
    assert "due" in ask(server, "/v1/query", {"query": "Task"})["columns"]


def test_databases_are_made_and_dropped(server: Served) -> None:
    assert ask(server, "/v1/databases", {"key": "other", "label": "Another"})["key"] == "other"
    assert [each["key"] for each in server.request("GET", "/v1/databases").json()] == ["main", "other"]
    assert server.request("DELETE", "/v1/databases/other").status == 204
    assert [each["key"] for each in server.request("GET", "/v1/databases").json()] == ["main"]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("due", "tomorrow", "a date"),
        ("when", "2026-11-21T10:30:00", "time zone"),
        ("bid", "3", "a finite number"),
        ("price", 19.99, "not exact"),
        ("parent", "x", "Task"),
        ("tags", "a", "a list"),
        ("days", ["x"], "a date"),
        ("key", 7, "a UUID"),
        ("done", 1, "True or False"),
    ],
)
def test_a_wrong_value_names_its_attribute_and_what_was_expected(
    server: Served, column: str, value: Any, expected: str
) -> None:
    answer = server.request("POST", "/v1/commit", commit_of(2, tasks(1, 1, **{column: [value]})))

    error = answer.json()["error"]
    assert (answer.status, error["code"]) == (422, "invalid_value")
    assert error["details"]["attribute"] == column
    assert expected in error["details"]["expected"]


def test_a_page_says_where_the_next_begins(server: Served) -> None:
    ask(server, "/v1/commit", commit_of(2, tasks(1, 5)))
    names: list[str] = []
    after = None
    for _ in range(3):
        page = ask(server, "/v1/query", {"query": "select name from Task order by name", "size": 2, "after": after})
        names += page["columns"]["name"]
        after = page.get("next")

    assert names == [f"task {number}" for number in range(1, 6)]
    assert after is None


def test_parameters_fill_a_query(server: Served) -> None:
    fill(server)
    body = {
        "query": "Task where due is $day and parent is_not $id",
        "parameters": {"day": "2026-11-21", "id": task_id(2)},
    }

    assert ask(server, "/v1/query", body)["count"] == 1


def test_a_repeated_commit_is_answered_as_the_first_time(server: Served) -> None:
    commit = msgspec.json.encode(commit_of(2, tasks(1, 1)))

    first = ask(server, "/v1/commit", commit, content_type="application/json")
    again = server.request("POST", "/v1/commit", commit, accept="application/msgpack")
    assert wire.decode(again.data, CommitResult).repeated
    assert json.loads(server.request("POST", "/v1/commit", commit).data) == first | {"repeated": True}
