"""A server on a room with tasks, for tests of what goes over the wire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recordroom.server.limits import Limits
from tests.conftest import Places
from tests.served import Served, served

SMALL = Limits(
    body=1_000_000,
    head=8_000,
    head_seconds=0.5,
    body_seconds=0.5,
    stall_seconds=0.5,
    page_rows=100,
    listed=50,
    streams=2,
)
SCHEMA = {
    "name": "Task",
    "attributes": [
        {"name": "name", "kind": "text", "required": True},
        {"name": "bid", "kind": "number"},
        {"name": "due", "kind": "date"},
        {"name": "when", "kind": "datetime"},
        {"name": "price", "kind": "decimal"},
        {"name": "extra", "kind": "json"},
        {"name": "tags", "kind": "text", "multi": True},
        {"name": "days", "kind": "date", "multi": True},
        {"name": "done", "kind": "boolean", "default": False},
        {"name": "key", "kind": "uuid"},
        {"name": "parent", "kind": "reference", "target": "Task", "reverse": "children"},
        {"name": "meta", "kind": "mapping", "of": "date"},
    ],
}


def task_id(number: int) -> str:
    return f"01890a5d-ac96-774b-bcce-{number:012d}"


def commit_of(number: int, *operations: object) -> dict[str, object]:
    """A commit in JSON."""
    return {"id": f"01890a5d-0000-774b-bcce-{number:012d}", "operations": list(operations)}


def tasks(first: int, count: int, **columns: list[object]) -> dict[str, object]:
    """An operation in JSON that creates tasks."""
    numbers = range(first, first + count)
    names = {"name": [f"task {number}" for number in numbers]}
    return {"op": "Create", "type": "Task", "ids": list(map(task_id, numbers)), "columns": names | columns}


@pytest.fixture
def server(places: Places) -> Iterator[Served]:
    """A server of an empty room with a type Task, on both databases."""
    with served(places()) as found:
        define(found)
        yield found


@pytest.fixture
def strict(places_sqlite: Places) -> Iterator[Served]:
    """A server with small limits, of a room with a type Task."""
    with served(places_sqlite(), limits=SMALL) as found:
        define(found)
        yield found


def define(server: Served) -> None:
    answer = server.request("POST", "/v1/commit", commit_of(1, {"op": "DefineType", "definition": SCHEMA}))
    assert answer.status == 200, answer.data
