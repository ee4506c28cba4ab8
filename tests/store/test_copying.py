from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recordroom.errors import NotARoom, RoomExists, RoomNotFound
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, Create, Delete, DropKeys, Link, SetKeys, Unlink, Update
from recordroom.query.grammar import parse
from recordroom.query.request import DatabaseInfo, HistoryRequest, QueryRequest, SearchRequest
from recordroom.store import copying
from recordroom.store.copying import copy_room
from recordroom.store.ddl import shapes
from recordroom.store.plans import Fetch, Plan
from recordroom.store.room import Room
from recordroom.store.sqltext import quoted
from recordroom.store.tables import system_tables
from tests.conftest import Places
from tests.store.desk import Desk

OTHER = {"sqlite": "places_postgres", "postgresql": "places_sqlite"}


def rows_of(room: Room) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in the same form on both databases."""
    found: dict[str, list[tuple[Any, ...]]] = {}

    def plan() -> Plan[None]:
        for table in system_tables().sorted_tables:
            rows = yield Fetch(f"SELECT {', '.join(quoted(column.name) for column in table.columns)} FROM {table.name}")
            found[table.name] = sorted([tuple(map(plain, row)) for row in rows], key=repr)
        for key in keys:
            for shape in shapes(room.catalog(key)).values():
                columns = list(shape.columns.values())
                names = ", ".join(quoted(column.name) for column in columns)
                storage = tuple(column.storage for column in columns)
                rows = yield Fetch(f"SELECT {names} FROM {quoted(shape.name)}", (), storage)
                found[shape.name] = sorted([tuple(map(plain, row)) for row in rows], key=repr)

    keys = [info.key for info in room.databases()]
    room.driver.run(plan())
    # How far the search follower has read is not copied: the words are cut anew.
    found["rr_follower"] = [row for row in found["rr_follower"] if not row[0].startswith("search:")]
    return found


def plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def worked_at(places: Places) -> Room:
    """A room in which everything has happened that leaves a row somewhere."""
    room = Room.open(places("worked"))
    desk = Desk(room)
    project = desk.create_one("Project", name="Bunny")
    shot = desk.create_one("Shot", name="sh010", project=project, frames=24)
    tasks = desk.create(
        "Task",
        name=["anim", "light", "komp/ö"],
        shot=[shot] * 3,
        bid=[1, -(2**63), None],
        rate=[0.1, -1e300, None],
        price=["12.5", "-0.001", None],
        hidden=[True, False, None],
        due=[0, 1_700_000_000_123_456, None],
        data=['{"a":[1,null]}', "[]", None],
        words=['["x","y"]', "[]", None],
    )
    friends = desk.create("Task", name=["a", "b"], bid=[3, 4])
    desk.commit(Update("Task", tasks[:2], {"name": ["animation", "lighting"]}), notes="better words")
    desk.commit(Update("Task", tasks[:1], {"bid": [8]}))
    desk.commit(Delete("Task", friends[:1]))
    room.create_database(DatabaseInfo(key="second", label="Another"))
    return room


@pytest.mark.parametrize("name", ["same", "other"])
def test_a_copy_has_every_row_of_every_table(places: Places, name: str, request: pytest.FixtureRequest) -> None:
    with worked_at(places) as room:
        target = places("copy")
        if name == "other":
            target = request.getfixturevalue(OTHER[room.driver.dialect])("copy")
        before = rows_of(room)

        copied = copy_room(places("worked"), target)

        assert rows_of(room) == before
    with Room.open(target, create=False) as copy:
        assert rows_of(copy) == before
        assert list(copy.check()) == []
        assert copied.revision == copy.header(copied.revision).revision
        assert copied.rows["main.Task"] == 4
        assert [hit.type for hit in copy.search(SearchRequest(database="main", text="lighting"))] == ["Task"]


def test_a_room_that_went_to_another_database_and_back_is_the_same(
    places: Places, request: pytest.FixtureRequest
) -> None:
    with worked_at(places) as room:
        elsewhere = request.getfixturevalue(OTHER[room.driver.dialect])("elsewhere")
        task = room.query(QueryRequest(database="main", query=parse('Task where name is "animation"'))).ids[0]
        asked = HistoryRequest(database="main", type="Task", id=task)
        history, journal = room.history(asked), room.journal(0, 1000)
        before = rows_of(room)

        copy_room(places("worked"), elsewhere)
        copy_room(elsewhere, places("back"))

    with Room.open(places("back"), create=False) as back:
        assert rows_of(back) == before
        assert back.history(asked) == history
        assert list(back.journal(0, 1000)) == list(journal)


def test_work_goes_on_in_the_copy_where_it_stopped(places: Places) -> None:
    with worked_at(places) as room:
        last = room.query(QueryRequest(database="main", query=parse("Task order by number desc limit 1")))
        revision = last.revision
    copy_room(places("worked"), places("copy"))

    with Room.open(places("copy"), create=False) as copy:
        result = copy.commit(Commit(id=new_id(), operations=[Create("Task", [new_id()], {"name": ["new"]})]))

        assert result.revision == revision + 1
        assert result.numbers[0] > last.columns["number"][0]


def test_what_is_committed_while_a_room_is_copied_is_not_in_the_copy(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_CHUNK", 2)
    with worked_at(places) as room:
        revision = room.query(QueryRequest(database="main", query=parse("Task"))).revision
        seen: list[str] = []

        def interrupt(table: str, rows: int) -> None:
            if not seen:
                room.commit(Commit(id=new_id(), operations=[Create("Task", [new_id()], {"name": ["late"]})]))
            seen.append(table)

        copied = copy_room(places("worked"), places("copy"), progress=interrupt)

    assert copied.revision == revision
    with Room.open(places("copy"), create=False) as copy:
        assert not copy.count(QueryRequest(database="main", query=parse('Task where name is "late"')))
        assert list(copy.check()) == []


def test_links_and_mappings_with_their_past_are_copied(places: Places) -> None:
    with Room.open(places("worked")) as room:
        desk = Desk(room)
        tasks = desk.create("Task", name=["a", "b", "c"])
        links, mapping = "friends", "meta"
        desk.commit(
            Link("Task", links, [tasks[0], tasks[0]], tasks[1:]), SetKeys("Task", mapping, tasks[:1], ["k"], ["1"])
        )
        desk.commit(Unlink("Task", links, tasks[:1], tasks[1:2]), SetKeys("Task", mapping, tasks[:1], ["k"], ["2"]))
        desk.commit(DropKeys("Task", mapping, tasks[:1], ["k"]))
        desk.catch_up()
        before = rows_of(room)
    copy_room(places("worked"), places("copy"))

    with Room.open(places("copy"), create=False) as copy:
        assert rows_of(copy) == before
        assert list(copy.check()) == []


def test_a_room_is_not_copied_over_another(places: Places) -> None:
    worked_at(places).close()
    with Room.open(places("there")) as there:
        before = rows_of(there)

        with pytest.raises(RoomExists):
            copy_room(places("worked"), places("there"))

        assert rows_of(there) == before


def test_a_copy_that_fails_leaves_nothing(places: Places) -> None:
    worked_at(places).close()

    def stop(table: str, rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_room(places("worked"), places("copy"), progress=stop)

    with pytest.raises(RoomNotFound):
        Room.open(places("copy"), create=False)


def test_there_must_be_a_room_to_copy(places: Places, tmp_path: Path) -> None:
    with pytest.raises(RoomNotFound):
        copy_room(places("nowhere"), places("copy"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(NotARoom):
        copy_room(str(tmp_path / "other"), places("copy"))
