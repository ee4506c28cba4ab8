"""SQL statements of a request to `/api`: their number depends on what is asked, never on how many rows there are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import recordroom as rr
from recordroom.dialects.ftrack.actions import Asked
from recordroom.dialects.ftrack.api import results
from recordroom.model.actor import OWNER
from recordroom.server.auth.accounts import Accounts
from recordroom.server.auth.identity import Identity
from recordroom.server.service import Service
from recordroom.server.settings import ServerSettings
from recordroom.store.async_room import AsyncRoom
from tests.conftest import DATABASES, Places

Operation = dict[str, Any]
FEW, MANY = 1, 200


class Desk:
    """`/api` without HTTP, and how many statements it ran."""

    def __init__(self, room: AsyncRoom, runner: asyncio.Runner) -> None:
        self._service = Service(room, Accounts(room))
        self._room = room
        self._runner = runner

    def __call__(self, *operations: Operation) -> list[Any]:
        asked = Asked(self._service, ServerSettings(), Identity(actor=OWNER))
        return self._runner.run(results(asked, list(operations)))

    def count(self, *operations: Operation) -> int:
        """How many statements a request is."""
        self._runner.run(self._room.schema("main"))  # which somebody may have changed: then it is read anew
        driver: Any = self._room.driver if hasattr(self._room.driver, "statements") else self._room.opened.driver
        start = driver.statements
        self(*operations)
        found: int = driver.statements - start
        return found

    def rows(self, expression: str) -> list[Any]:
        [found] = self({"action": "query", "expression": expression})
        rows: list[Any] = found["data"]
        return rows


def number_of(kind: str, number: int) -> str:
    return f"{number:08d}-0000-4000-8000-{kind.encode().hex()[:12].ljust(12, '0')}"


def create(kind: str, number: int, **data: Any) -> Operation:
    made = number_of(kind, number)
    return {"action": "create", "entity_type": kind, "entity_key": [made], "entity_data": {"id": made, **data}}


def update(kind: str, number: int, **data: Any) -> Operation:
    return {"action": "update", "entity_type": kind, "entity_key": [number_of(kind, number)], "entity_data": data}


def delete(kind: str, number: int) -> Operation:
    return {"action": "delete", "entity_type": kind, "entity_key": [number_of(kind, number)]}


def metadata(task: int, value: str, action: str) -> Operation:
    key = [number_of("Task", task), "k"]
    data = {"parent_id": key[0], "parent_type": "Task", "key": "k", "value": value}
    return {"action": action, "entity_type": "Metadata", "entity_key": key, "entity_data": data}


def of_project(project: int, size: int) -> list[Operation]:
    """A batch that makes a project with `size` tasks, and something around each of them."""
    first = project * 1000
    task = [number_of("Task", first + n) for n in range(size)]
    made = [create("Project", project, name=f"p{project}"), create("Scope", project, name="s")]
    for n in range(size):
        at = {"__entity_type__": "Task", "id": task[n]}
        made += [
            create("Task", first + n, name=f"t{n}", parent_id=number_of("Project", project), bid=n),
            create("Note", first + n, content="hello", parent=at),
            metadata(first + n, "v", "create"),
            create("Timelog", first + n, context=at, duration=n),
            create("Asset", first + n, name=f"a{n}", parent=at),
            create("AssetVersion", first + n, asset_id=number_of("Asset", first + n), task=at),
            update("Task", first + n, scopes=[{"__entity_type__": "Scope", "id": number_of("Scope", project)}]),
        ]
    return made


@pytest.fixture(scope="module", params=DATABASES)
def where(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a room with the template `production`."""
    server = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    places = Places(tmp_path_factory.mktemp("statements"), server)
    with rr.connect(places("statements")) as session:
        session.apply_template("production")
    yield places("statements")
    places.clean()


@pytest.fixture(scope="module")
def desk(where: str) -> Iterator[Desk]:
    """A room with two custom attributes, a project of one task and one of many."""
    with asyncio.Runner() as runner:
        room = runner.run(AsyncRoom.open(where))
        made = Desk(room, runner)
        [task] = made.rows('ObjectType where name is "Task"')
        for number, (key, default) in enumerate((("fstart", 1001), ("remark", None))):
            data = {"key": key, "label": key, "default": default, "config": "{}", "object_type_id": task["id"]}
            made(create("CustomAttributeConfiguration", number, entity_type="task", **data))
        made(*of_project(1, FEW))
        made(*of_project(2, MANY))
        yield made
        runner.run(room.close())


# --- queries --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "select",
    [
        "name",
        "name, bid, project.full_name, parent.name, status.name, priority.name, object_type.name",
        "metadata",
        "custom_attributes",
        "notes.content, notes.author.username, notes.recipients.resource, notes.replies, timelogs.duration, scopes.name",
        "assets.versions.components.component_locations, asset_versions.link, asset_versions.asset.parent.name",
        "link, ancestors.name, created_by.username, time_logged, descendants",
        "assignments.resource, allocations, lists.items, incoming_links.from.name",
        "name, parent.name, notes.content, metadata, custom_attributes, scopes, assets.name",
    ],
)
def test_a_query_of_many_rows_runs_what_one_of_few_does(desk: Desk, select: str) -> None:
    def expression(project: int) -> str:
        return f"select {select} from Task where project_id is {number_of('Project', project)}"

    few, many = (desk.rows(expression(project)) for project in (1, 2))
    counts = [desk.count({"action": "query", "expression": expression(project)}) for project in (1, 2)]

    assert (len(few), len(many)) == (FEW, MANY)
    assert counts[0] == counts[1]
    assert 0 < counts[0] <= 4 + 4 * (select.count(",") + select.count(".") + 1)


@pytest.mark.parametrize(
    "expression",
    [
        "select value from Metadata where parent_id in (IDS)",
        "select value, configuration.label from ContextCustomAttributeValue where entity_id in (IDS)",
        "select name, custom_attributes from Task where custom_attributes any (key is fstart and value is 1001)"
        " and id in (IDS)",
        "select name from Task where metadata any (key is k and value is v) and notes any (content is hello)"
        " and id in (IDS)",
    ],
)
def test_conditions_on_many_entities_run_what_those_on_one_do(desk: Desk, expression: str) -> None:
    counts, found = [], []
    for project, size in ((1, FEW), (2, MANY)):
        ids = ",".join(number_of("Task", project * 1000 + n) for n in range(size))
        found.append(len(desk.rows(expression.replace("IDS", ids))))
        counts.append(desk.count({"action": "query", "expression": expression.replace("IDS", ids)}))

    assert counts[0] == counts[1]
    assert found[1] == found[0] * MANY > 0


# --- batches --------------------------------------------------------------------------------------


def test_a_batch_that_creates_much_runs_what_one_that_creates_little_does(desk: Desk) -> None:
    counts = [desk.count(*of_project(project, size)) for project, size in ((3, FEW), (4, MANY))]

    assert counts[0] == counts[1]
    [found] = desk.rows(f"select children.metadata from Project where id is {number_of('Project', 4)}")
    assert [each["metadata"][0]["value"] for each in found["children"]] == ["v"] * MANY


def test_a_batch_that_changes_much_runs_what_one_that_changes_little_does(desk: Desk) -> None:
    def changes(project: int, size: int) -> list[Operation]:
        first, made = project * 1000, []
        for n in range(first, first + size):
            at = [number_of("CustomAttributeConfiguration", 0), number_of("Task", n)]
            value = {"configuration_id": at[0], "entity_id": at[1], "value": f"value {n}"}
            made += [
                update("Task", n, name="new", description="d", scopes=[], notes=[], bid=5),
                update("Note", n, content="changed"),
                metadata(n, "w", "update"),
                {"action": "update", "entity_type": "ContextCustomAttributeValue", "entity_key": at, "entity_data": value},
            ]  # fmt: skip
        return made

    desk(*of_project(5, FEW))
    desk(*of_project(6, MANY))
    counts = [desk.count(*changes(project, size)) for project, size in ((5, FEW), (6, MANY))]

    assert counts[0] == counts[1]
    rows = desk.rows(
        f"select name, metadata, custom_attributes, scopes from Task where project_id is {number_of('Project', 6)}"
    )
    assert {(each["name"], each["metadata"][0]["value"], len(each["scopes"])) for each in rows} == {("new", "w", 0)}
    assert sorted(each["custom_attributes"][0]["value"] for each in rows) == [f"value {6000 + n}" for n in range(MANY)]


def test_a_batch_that_deletes_much_runs_what_one_that_deletes_little_does(desk: Desk) -> None:
    desk(*of_project(7, FEW))
    desk(*of_project(8, MANY))
    of_tasks = [
        desk.count(*(delete("Timelog", project * 1000 + n) for n in range(size)))
        for project, size in ((7, FEW), (8, MANY))
    ]
    of_all = [desk.count(delete("Project", project)) for project in (7, 8)]

    assert of_tasks[0] == of_tasks[1]
    assert of_all[0] == of_all[1]
    assert desk.rows(f"Task where project_id is {number_of('Project', 8)}") == []
