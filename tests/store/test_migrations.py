"""Rooms of older formats: migrated once, whoever opens them first; refused in words where they are opened for reading."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from recordroom.errors import RoomReadOnly
from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import Commit, Create, DefineType
from recordroom.model.schema import EntityType
from recordroom.store.drivers.postgres import PostgresDriver
from recordroom.store.drivers.sqlite import SqliteDriver
from recordroom.store.folder import DATABASE_FILE
from recordroom.store.migrations import FORMAT
from recordroom.store.plans import Driver, Fetch, Plan, Run
from recordroom.store.room import Room
from tests.conftest import Places
from tests.store.desk import Desk, a

NOTE = EntityType(name="Note", attributes=(a("name", required=True, unique=True),))

# What formats 3 and 2 added.
TO_FORMAT_1 = (
    "DROP TABLE rr_file",
    "DROP TABLE rr_upload",
    "DROP TABLE rr_secret",
    "DROP TABLE rr_delivery",
    "ALTER TABLE rr_room DROP COLUMN access_revision",
    "UPDATE rr_room SET format = 1",
)
COLUMNS = {
    "sqlite": 'SELECT m.name, c.name, c.type, c."notnull" FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c'
    " WHERE m.name LIKE 'rr_%' ORDER BY 1, 2",
    "postgresql": "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
    " WHERE table_schema = current_schema() AND table_name LIKE 'rr_%' ORDER BY 1, 2",
}
OPENER = """
import sys
from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import Commit, Create
from recordroom.store.room import Room

where, name = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
with Room.open(where, wait=60.0) as room:
    room.commit(Commit(id=new_id(), operations=[Create("Note", new_ids(1), {"name": [name]})]))
print("done", flush=True)
"""


def rows(room: Room, text: str) -> list[Any]:
    """The rows of a statement."""

    def plan() -> Plan[list[Any]]:
        return (yield Fetch(text))

    return room.driver.run(plan())


def old_room(where: str) -> None:
    """A room of format 1 with something in it."""
    with Room.open(where) as room:
        operations = [DefineType(NOTE), Create("Note", new_ids(2), {"name": ["a", "b"]})]
        room.commit(Commit(id=new_id(), operations=operations))
    driver = driver_of(where)
    driver.write(_each(TO_FORMAT_1))
    driver.close()


def driver_of(where: str) -> Driver:
    """The database of a room, without opening the room."""
    if where.startswith("postgresql:"):
        return PostgresDriver(where)
    return SqliteDriver(Path(where) / DATABASE_FILE, where=where)


def _each(texts: Sequence[str]) -> Plan[None]:
    for text in texts:
        yield Run(text)


def shape(room: Room) -> list[Any]:
    """Every column of the room's own tables."""
    return rows(room, COLUMNS[room.driver.dialect])


def test_an_old_room_becomes_what_a_new_one_is(places: Places) -> None:
    old_room(places("old"))

    with Room.open(places("old")) as old, Room.open(places("new")) as new:
        desk = Desk(old, ())

        assert rows(old, "SELECT format, access_revision, revision FROM rr_room") == [(FORMAT, 0, 1)]
        assert shape(old) == shape(new)
        assert sorted(desk.rows("Note", "name").values()) == ["a", "b"]
        desk.create_one("Note", name="c")
        assert [str(problem) for problem in desk.report()] == []


def test_an_old_room_is_not_opened_for_reading_and_stays_as_it_is(places: Places) -> None:
    old_room(places())

    for _ in range(2):
        with pytest.raises(RoomReadOnly, match="older format 1: open it once for writing"):
            Room.open(places(), mode="read")
    with Room.open(places()):
        pass
    with Room.open(places(), mode="read") as room:
        assert names(room) == ["a", "b"]


def names(room: Room) -> list[str]:
    return [row[0] for row in rows(room, 'SELECT name FROM "main.Note" ORDER BY name')]


def test_several_processes_that_open_an_old_room_together_migrate_it_once(places: Places) -> None:
    old_room(places())
    given = ["p0", "p1", "p2"]
    command = [sys.executable, "-c", OPENER, places()]
    processes = [
        subprocess.Popen(
            [*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for name in given
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        # All at once: each waits for a line.
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()

    assert [error for _, error in told] == [""] * len(given)
    with Room.open(places()) as room:
        assert names(room) == ["a", "b", *given]
        assert rows(room, "SELECT format FROM rr_room") == [(FORMAT,)]
