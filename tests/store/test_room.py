from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from recordroom.errors import (
    InvalidSchema,
    NotARoom,
    PermissionDenied,
    RoomDamaged,
    RoomLocked,
    RoomNotFound,
    RoomReadOnly,
    RoomTooNew,
    SessionClosed,
    StorageFull,
    StoreUnavailable,
    UnknownDatabase,
    UnknownName,
)
from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import Commit, Create, DefineType
from recordroom.model.schema import Attribute, EntityType
from recordroom.query.request import DatabaseInfo
from recordroom.store import migrations
from recordroom.store.plans import Fetch, Plan, Run
from recordroom.store.room import Room
from tests.conftest import Places
from tests.store.unprivileged import as_nobody, reachable_folder

TASK = DefineType(EntityType(name="Task", attributes=(Attribute(name="name", kind="text"),)))


def committed(room: Room, *operations: Any, database: str = "main") -> int:
    return room.commit(Commit(id=new_id(), database=database, operations=list(operations))).revision


def tasks(names: list[str]) -> Create:
    return Create("Task", new_ids(len(names)), {"name": names})


def one(statement: Any) -> Plan[Any]:
    return (yield statement)


def count(room: Room, table: str = "main.Task") -> int:
    [(found,)] = room.driver.run(one(Fetch(f'SELECT count(*) FROM "{table}"')))
    return int(found)


# --- opening ---


def test_a_new_room_has_one_empty_database(room: Room) -> None:
    assert room.databases() == [DatabaseInfo(key="main")]
    assert list(room.schema("main")) == []
    assert room.journal() == []


def test_what_was_committed_is_there_when_the_room_is_opened_again(places: Places) -> None:
    with Room.open(places()) as room:
        committed(room, TASK, tasks(["a", "b"]))
    with Room.open(places(), create=False) as room:
        assert count(room) == 2
        assert list(room.schema("main")) == ["Task"]


def test_a_room_that_is_not_there_is_made_only_when_asked_for(places: Places) -> None:
    for options in ({"create": False}, {"mode": "read"}):
        with pytest.raises(RoomNotFound):
            Room.open(places(), **options)
    Room.open(places()).close()
    Room.open(places(), create=False).close()


def test_the_folder_says_what_it_is(places_sqlite: Places) -> None:
    Room.open(places_sqlite()).close()
    folder = Path(places_sqlite())

    assert "room of recordroom" in (folder / "README.txt").read_text()
    assert {"room.sqlite", "writer.lock"} <= {each.name for each in folder.iterdir()}
    assert [*folder.parent.iterdir()] == [folder]


def test_an_empty_folder_becomes_a_room(places_sqlite: Places) -> None:
    Path(places_sqlite()).mkdir()
    with Room.open(places_sqlite()) as room:
        assert room.databases()


def test_rooms_of_one_place_share_one_writer(places: Places) -> None:
    with Room.open(places(), actor="ann") as first, Room.open(places(), actor="bob") as second:
        assert first.driver is second.driver
        assert (first.actor, second.actor) == ("ann", "bob")
        committed(first, TASK)
        assert list(second.schema("main")) == ["Task"]
        first.close()
        committed(second, tasks(["a"]))
        assert count(second) == 1


def test_a_place_is_the_same_by_every_way_to_it(places_sqlite: Places, tmp_path: Path) -> None:
    with Room.open(places_sqlite()) as first:
        link = tmp_path / "link"
        link.symlink_to(first.where)
        with Room.open(link) as second, Room.open(f"{tmp_path}/x/../test.room") as third:
            assert first.driver is second.driver is third.driver


def test_opening_at_once_in_threads_makes_one_room(places: Places) -> None:
    found: list[Room] = []
    barrier = threading.Barrier(4)

    def open_room() -> None:
        barrier.wait()
        found.append(Room.open(places()))

    threads = [threading.Thread(target=open_room) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({id(room.driver) for room in found}) == 1
    for room in found:
        room.close()
    with Room.open(places(), create=False) as room:
        assert room.databases()


def test_a_closed_room_says_so_and_closes_again(room: Room) -> None:
    room.close()
    room.close()

    with pytest.raises(SessionClosed):
        room.databases()
    with pytest.raises(SessionClosed):
        committed(room, TASK)


# --- one writer, many readers ---

HOLD = """
import sys
from recordroom.store.room import Room
room = Room.open(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
room.close()
"""


@pytest.fixture
def other_writer(places_sqlite: Places) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the room open for writing until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, places_sqlite()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "open\n"
        yield process
        process.stdin.close()


def test_a_second_process_is_told_who_writes(places_sqlite: Places, other_writer: subprocess.Popen[str]) -> None:
    with pytest.raises(RoomLocked) as caught:
        Room.open(places_sqlite())

    assert caught.value.pid == other_writer.pid
    assert caught.value.path == places_sqlite()
    assert str(other_writer.pid) in str(caught.value)


def test_a_second_process_may_wait(places_sqlite: Places, other_writer: subprocess.Popen[str]) -> None:
    assert other_writer.stdin
    threading.Timer(0.2, other_writer.stdin.close).start()

    with Room.open(places_sqlite(), wait=30) as room:
        committed(room, TASK)


def test_a_second_process_may_read(places_sqlite: Places, other_writer: subprocess.Popen[str]) -> None:
    with Room.open(places_sqlite(), mode="read") as room:
        assert room.databases()


def test_several_processes_write_to_a_room_on_a_server(places_postgres: Places) -> None:
    with Room.open(places_postgres()) as room:
        code = HOLD.replace("sys.stdin.read()", "print(len(room.schema('main')), flush=True)")
        committed(room, TASK)
        out = subprocess.run(
            [sys.executable, "-c", code, places_postgres()], capture_output=True, text=True, check=True
        ).stdout
    assert out == "open\n1\n"


def test_a_reading_room_changes_nothing_and_sees_what_others_commit(places: Places) -> None:
    with Room.open(places()) as writer, Room.open(places(), mode="read") as reader:
        with pytest.raises(RoomReadOnly):
            committed(reader, TASK)
        with pytest.raises(RoomReadOnly):
            reader.create_database(DatabaseInfo(key="b"))
        with pytest.raises(RoomReadOnly):
            reader.compact()
        with pytest.raises(RoomReadOnly):
            reader.change_settings(retention=1)
        assert list(reader.schema("main")) == []

        committed(writer, TASK)
        assert list(reader.schema("main")) == ["Task"]


# --- what is not a room ---


def test_a_file_is_not_a_room(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n")

    with pytest.raises(NotARoom, match="a room is a folder"):
        Room.open(path)
    assert path.read_text() == "a,b\n1,2\n"


def test_a_folder_with_other_files_is_not_a_room(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")

    with pytest.raises(NotARoom, match="other files"):
        Room.open(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_link_to_nothing_is_not_a_room(tmp_path: Path) -> None:
    (tmp_path / "a.room").symlink_to(tmp_path / "gone")

    with pytest.raises(NotARoom, match="link"):
        Room.open(tmp_path / "a.room")


def test_a_room_is_not_made_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RoomNotFound, match="no folder"):
        Room.open(tmp_path / "typo" / "a.room")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("mode", ["write", "read"])
def test_a_foreign_database_is_not_a_room(tmp_path: Path, mode: Any) -> None:
    folder = tmp_path / "a.room"
    folder.mkdir()
    apsw.Connection(str(folder / "room.sqlite")).execute("CREATE TABLE photos (id)")

    with pytest.raises(NotARoom, match="rr_room"):
        Room.open(folder, mode=mode)


@pytest.mark.parametrize("mode", ["write", "read"])
def test_a_foreign_file_is_not_a_room(tmp_path: Path, mode: Any) -> None:
    folder = tmp_path / "a.room"
    folder.mkdir()
    (folder / "room.sqlite").write_bytes(os.urandom(10_000))

    with pytest.raises(NotARoom, match="not an SQLite database"):
        Room.open(folder, mode=mode)


@pytest.mark.parametrize("mode", ["write", "read"])
@pytest.mark.parametrize("part", [0, 0.5, 0.9])
def test_a_truncated_room_is_damaged(places_sqlite: Places, mode: Any, part: float) -> None:
    with Room.open(places_sqlite()) as room:
        committed(room, TASK, tasks([f"task {n}" for n in range(500)]))
    file = Path(places_sqlite()) / "room.sqlite"
    with file.open("rb+") as opened:
        opened.truncate(int(file.stat().st_size * part))

    with pytest.raises(RoomDamaged) as caught:
        Room.open(places_sqlite(), mode=mode)
    assert caught.value.path == places_sqlite()


def test_a_failed_opening_gives_the_lock_back(places_sqlite: Places) -> None:
    Room.open(places_sqlite()).close()
    file = Path(places_sqlite()) / "room.sqlite"
    whole = file.read_bytes()
    file.write_bytes(b"")
    with pytest.raises(RoomDamaged):
        Room.open(places_sqlite())
    file.write_bytes(whole)

    Room.open(places_sqlite()).close()


def test_a_schema_with_other_tables_is_not_a_room(places_postgres: Places, postgres_url: str) -> None:
    import psycopg

    schema = places_postgres().rpartition("schema=")[2]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        connection.execute(f"CREATE TABLE {schema}.photos (id int)")

    with pytest.raises(NotARoom):
        Room.open(places_postgres())


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    where = "postgresql://ann:s3cret@127.0.0.1:1/studio?connect_timeout=2"
    with pytest.raises(StoreUnavailable) as caught:
        Room.open(where)

    assert "s3cret" not in f"{caught.value}{caught.value.facts}{caught.value!r}"


# --- permission and space ---


@pytest.mark.parametrize("mode", ["write", "read"])
def test_a_folder_that_may_not_be_seen_is_named(mode: Any) -> None:
    with reachable_folder() as folder:
        place = folder / "a.room"
        Room.open(place).close()
        place.chmod(0o000)
        error = as_nobody(lambda: Room.open(place, mode=mode))
        place.chmod(0o755)

    assert isinstance(error, PermissionDenied)
    assert str(place) in error.what


def test_a_room_is_not_made_where_nothing_may_be_written() -> None:
    with reachable_folder() as folder:
        folder.chmod(0o555)
        error = as_nobody(lambda: Room.open(folder / "a.room"))
        left = [*folder.iterdir()]

    assert isinstance(error, PermissionDenied)
    assert left == []


def test_a_room_that_may_not_be_written_can_be_read() -> None:
    with reachable_folder() as folder:
        place = folder / "a.room"
        with Room.open(place) as room:
            committed(room, TASK)
        for each in place.iterdir():
            each.chmod(0o444)
        place.chmod(0o555)
        error = as_nobody(lambda: Room.open(place))
        names = as_nobody(lambda: list(Room.open(place, mode="read").schema("main")))

    assert isinstance(error, PermissionDenied)
    assert names == ["Task"]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder on a disk of 3 MB of its own."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, text=True, check=False
        )
        if mounted.returncode:
            pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_named_and_nothing_is_changed(small_disk: Path) -> None:
    with Room.open(small_disk / "a.room") as room:
        committed(room, TASK, tasks(["a"]))
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 200_000))

        with pytest.raises(StorageFull) as caught:
            committed(room, tasks([os.urandom(500).hex() for _ in range(1000)]))
        assert caught.value.path == room.where
        assert count(room) == 1
        filler.unlink()
        committed(room, tasks(["b"]))
        assert count(room) == 2


def test_a_room_is_not_half_made_on_a_full_disk(small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 20_000))

    with pytest.raises(StorageFull):
        Room.open(small_disk / "a.room")
    assert [each.name for each in small_disk.iterdir()] == ["filler"]


# --- format ---


def set_format(where: str, number: int) -> None:
    with Room.open(where) as room:
        room.driver.write(one(Run(f"UPDATE rr_room SET format = {number}")))


def test_a_newer_format_is_refused_in_words(places: Places) -> None:
    set_format(places(), migrations.FORMAT + 1)

    for mode in ("write", "read"):
        with pytest.raises(RoomTooNew) as caught:
            Room.open(places(), mode=mode)
        assert (caught.value.found, caught.value.supported) == (migrations.FORMAT + 1, migrations.FORMAT)


def test_an_older_format_is_migrated_once(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def add_color(dialect: str) -> Plan[None]:
        yield Run("ALTER TABLE rr_room ADD COLUMN color TEXT")
        yield Run(f"UPDATE rr_room SET color = '{dialect}'")

    def add_size(dialect: str) -> Plan[None]:
        yield Run("ALTER TABLE rr_room ADD COLUMN size TEXT")
        yield Run("UPDATE rr_room SET size = color")

    set_format(places(), migrations.FORMAT - 2)
    steps = {migrations.FORMAT - 2: add_color, migrations.FORMAT - 1: add_size}
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    with pytest.raises(RoomReadOnly, match="older format"):
        Room.open(places(), mode="read")

    for _ in range(2):
        with Room.open(places()) as room:
            [(number, size)] = room.driver.run(one(Fetch("SELECT format, size FROM rr_room")))
            assert (number, size) == (migrations.FORMAT, room.driver.dialect)
    Room.open(places(), mode="read").close()


def test_a_migration_that_fails_leaves_the_old_format(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(dialect: str) -> Plan[None]:
        yield Run("ALTER TABLE rr_room ADD COLUMN color TEXT")
        yield Run("ALTER TABLE nowhere ADD COLUMN color TEXT")

    before = migrations.FORMAT - 1
    set_format(places(), before)
    monkeypatch.setattr(migrations, "MIGRATIONS", {before: fail})
    with pytest.raises(Exception, match="nowhere"):
        Room.open(places())

    monkeypatch.setattr(migrations, "MIGRATIONS", {before: lambda dialect: iter(())})
    with Room.open(places()) as room:
        assert room.databases()
        with pytest.raises(Exception, match="color"):
            room.driver.run(one(Fetch("SELECT color FROM rr_room")))


def test_a_format_that_never_was_is_damage(places: Places) -> None:
    set_format(places(), -5)

    with pytest.raises(RoomDamaged, match="-5"):
        Room.open(places())


# --- making is atomic ---


def killed_while_making(place: Path, seconds: float) -> None:
    """Have a child make a room, and kill it after a while."""
    child = os.fork()
    if child == 0:
        try:
            Room.open(place)
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_a_killed_process_leaves_no_half_room(tmp_path: Path) -> None:
    made = []
    for attempt in range(25):
        place = tmp_path / f"{attempt}.room"
        killed_while_making(place, 0.002 * attempt)
        made.append(place.exists())
        with Room.open(place) as room:
            assert room.databases() == [DatabaseInfo(key="main")]

    assert not all(made)


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".a.room.making-0123"
    left.mkdir()
    (left / "room.sqlite").touch()
    os.utime(left, (0, 0))
    other = tmp_path / ".b.room.making-0123"
    other.mkdir()

    Room.open(tmp_path / "a.room").close()
    assert sorted(each.name for each in tmp_path.iterdir()) == [other.name, "a.room"]


# --- settings ---


def test_settings_are_kept_in_the_room(places: Places) -> None:
    with Room.open(places(), retention=30) as room:
        assert room.settings.retention == 30
        assert room.change_settings(durability="normal").durability == "normal"
    with Room.open(places()) as room:
        assert (room.settings.retention, room.settings.durability) == (30, "normal")
        assert room.driver.durability == "normal"
    with Room.open(places(), retention=None) as room:
        assert room.settings.retention is None


def test_durability_holds_from_the_first_commit_on(places_sqlite: Places) -> None:
    with Room.open(places_sqlite(), durability="normal") as room:
        assert room.driver.write(one(Fetch("PRAGMA synchronous"))) == [(1,)]


def test_an_unknown_setting_makes_no_room(places: Places) -> None:
    with pytest.raises(UnknownName):
        Room.open(places(), retension=3)
    with pytest.raises(RoomNotFound):
        Room.open(places(), create=False)


# --- databases ---


def test_databases_are_apart_from_each_other(room: Room) -> None:
    room.create_database(DatabaseInfo(key="archive", label="Archive", description="Old things"))
    committed(room, TASK)
    committed(room, TASK, tasks(["old"]), database="archive")

    assert room.databases() == [
        DatabaseInfo(key="archive", label="Archive", description="Old things", types=1),
        DatabaseInfo(key="main", types=1),
    ]
    assert (count(room), count(room, "archive.Task")) == (0, 1)


def test_a_dropped_database_leaves_nothing_behind(room: Room) -> None:
    room.create_database(DatabaseInfo(key="archive"))
    referring = Attribute(name="parent", kind="reference", target="Task", reverse="children")
    links = Attribute(name="tags", kind="links", target="Task")
    committed(
        room,
        DefineType(EntityType(name="Task", attributes=(*TASK.definition.attributes, referring, links))),
        database="archive",
    )
    committed(room, tasks(["old"]), database="archive")

    room.drop_database("archive")
    assert [each.key for each in room.databases()] == ["main"]
    with pytest.raises(UnknownDatabase):
        room.schema("archive")
    room.create_database(DatabaseInfo(key="archive"))
    committed(room, TASK, tasks(["new"]), database="archive")
    assert count(room, "archive.Task") == 1


def test_an_unknown_database_suggests_a_close_one(room: Room) -> None:
    with pytest.raises(UnknownDatabase) as caught:
        room.schema("mian")
    assert caught.value.suggestions == ["main"]
    with pytest.raises(UnknownDatabase):
        committed(room, TASK, database="mian")
    with pytest.raises(UnknownDatabase):
        room.drop_database("mian")


@pytest.mark.parametrize(
    "key", ["", "a b", "1a", "rr_x", 'a"; DROP TABLE rr_room; --', "a.b", "a~past", "MAIN", "é", "a" * 41]
)
def test_a_key_that_cannot_be_is_refused(room: Room, key: str) -> None:
    with pytest.raises(InvalidSchema):
        room.create_database(DatabaseInfo(key=key))
    assert [each.key for each in room.databases()] == ["main"]


# --- the schema cache ---


def test_the_schema_is_the_same_object_until_it_changes(room: Room) -> None:
    committed(room, TASK)
    schema = room.schema("main")
    committed(room, tasks(["a"]))
    room.create_database(DatabaseInfo(key="other"))

    assert room.schema("main") is schema
    committed(room, DefineType(EntityType(name="Note")))
    assert list(room.schema("main")) == ["Task", "Note"]
    assert room.schema("main").revision > schema.revision


def test_a_commit_that_fails_leaves_the_schema(room: Room) -> None:
    schema = room.schema("main")
    with pytest.raises(InvalidSchema):
        committed(room, TASK, TASK)

    assert room.schema("main") is schema
    committed(room, TASK)
    assert list(room.schema("main")) == ["Task"]


# --- forks ---


def test_a_forked_child_opens_the_room_anew() -> None:
    with reachable_folder() as folder, Room.open(folder / "a.room") as room:
        committed(room, TASK, tasks(["a"]))

        def in_child() -> Any:
            with Room.open(folder / "a.room", mode="read") as mine:
                return mine.driver is not room.driver, count(mine)

        assert as_nobody(in_child) == (True, 1)
        committed(room, tasks(["b"]))
        assert count(room) == 2
