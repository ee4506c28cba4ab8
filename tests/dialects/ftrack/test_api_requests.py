"""How much work a request is: the number of statements depends on what is asked, not on how much there is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from recordroom.dialects.ftrack.actions import Asked
from recordroom.dialects.ftrack.api import results
from recordroom.model.actor import OWNER
from recordroom.server.auth.identity import Identity
from recordroom.server.service import Service
from recordroom.server.settings import ServerSettings
from recordroom.store.async_room import AsyncRoom


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


class Desk:
    """`/api` without HTTP, with a count of the requests to the room."""

    def __init__(self, service: Service, runner: asyncio.Runner) -> None:
        self.service = service
        self.runner = runner
        self.count = 0

    def __call__(self, *operations: dict[str, Any]) -> list[Any]:
        asked = Asked(self.service, ServerSettings(), Identity(actor=OWNER))
        room = asked.room
        read, write = room.read, room.write

        async def counted_read(request: Any) -> Any:
            self.count += 1
            return await read(request)

        async def counted_write(request: Any) -> Any:
            self.count += 1
            return await write(request)

        room.read, room.write = counted_read, counted_write  # type: ignore[method-assign]
        self.count = 0
        return self.runner.run(results(asked, list(operations)))


@pytest.fixture(scope="module")
def desk(loop: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    import recordroom as rr
    from recordroom.server.auth.accounts import Accounts

    where = str(tmp_path_factory.mktemp("desk") / "a.room")
    with rr.connect(where) as session:
        session.apply_template("production")
    room = loop.run(AsyncRoom.open(where))
    yield Desk(Service(room, Accounts(room)), loop)
    loop.run(room.close())


def create(kind: str, number: int, **data: Any) -> dict[str, Any]:
    made = f"{number:08d}-0000-4000-8000-{kind.encode().hex()[:12].ljust(12, '0')}"
    return {"action": "create", "entity_type": kind, "entity_key": [made], "entity_data": {"id": made, **data}}


def project_of(desk: Desk, number: int, shots: int) -> str:
    project = create("Project", number, name=f"p{number}")
    parent = project["entity_key"][0]
    batch = [project]
    for each in range(shots):
        shot = create("Shot", number * 10_000 + each, name=f"s{each}", parent_id=parent)
        task = create("Task", number * 10_000 + each, name="t", parent_id=shot["entity_key"][0])
        note = create(
            "Note", number * 10_000 + each, content="c", parent={"__entity_type__": "Task", "id": task["entity_key"][0]}
        )
        batch += [shot, task, note, metadata(task["entity_key"][0], "k", "v")]
    desk(*batch)
    return parent


def metadata(owner: str, key: str, value: str) -> dict[str, Any]:
    data = {"parent_id": owner, "parent_type": "Task", "key": key, "value": value}
    return {"action": "create", "entity_type": "Metadata", "entity_key": [owner, key], "entity_data": data}


@pytest.fixture(scope="module")
def projects(desk: Desk) -> tuple[str, str]:
    """One with two tasks and one with forty."""
    return project_of(desk, 1, 2), project_of(desk, 2, 40)


@pytest.mark.parametrize(
    "select",
    [
        "name",
        "name, parent.name, parent.project.full_name, status.name",
        "metadata, notes.content, notes.parent.name, notes.recipients, link, custom_attributes",
        "ancestors.name, parent.children.notes.author.username, lists.items, assignments.resource",
    ],
)
def test_a_query_is_as_many_requests_for_many_rows_as_for_few(
    desk: Desk, projects: tuple[str, str], select: str
) -> None:
    few, many = projects
    counts = []
    for project in (few, many):
        [found] = desk({"action": "query", "expression": f"select {select} from Task where project_id is {project}"})
        assert len(found["data"]) == (2 if project == few else 40)
        counts.append(desk.count)

    assert counts[0] == counts[1] <= 20


def test_a_batch_is_as_many_requests_for_many_operations_as_for_few(desk: Desk) -> None:
    counts = []
    for number, shots in ((3, 2), (4, 40)):
        project_of(desk, number, shots)
        counts.append(desk.count)
        [found] = desk({"action": "query", "expression": f"select id from Task where project.name is p{number}"})
        tasks = [each["id"] for each in found["data"]]
        changes: list[dict[str, Any]] = []
        for each in tasks:
            changes += [
                {
                    "action": "update",
                    "entity_type": "Task",
                    "entity_key": [each],
                    "entity_data": {"name": "n", "notes": [], "scopes": []},
                },
                {"action": "update", "entity_type": "Task", "entity_key": [each], "entity_data": {"metadata": []}},
                {"action": "delete", "entity_type": "Metadata", "entity_key": [each, "k"]},
            ]
        desk(*changes)
        counts.append(desk.count)
        [found] = desk(
            {"action": "query", "expression": f"select metadata, notes from Task where id in ({','.join(tasks)})"}
        )
        assert all(each["metadata"] == each["notes"] == [] for each in found["data"])

    assert counts[:2] == counts[2:]
    assert max(counts) <= 12


def test_a_batch_is_one_commit(desk: Desk) -> None:
    before = desk.runner.run(desk.service.ready())
    project_of(desk, 5, 3)

    assert desk.runner.run(desk.service.ready()) == before + 1


def test_an_answer_with_an_entity_in_many_places_stays_small(desk: Desk) -> None:
    project = project_of(desk, 6, 200)

    [found] = desk(
        {"action": "query", "expression": f"select project.children.name from Shot where project_id is {project}"}
    )

    assert len(found["data"]) == 200
    assert len(json.dumps(found)) < 5_000_000
