"""Rooms that cannot be used: damaged, foreign, full, forbidden, locked, too new; and sessions that are closed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.rows import export_rows, import_rows
from recordroom.store import migrations
from tests.acceptance.bad_input.conftest import SCHEMA, Desk, named
from tests.conftest import Places
from tests.store.test_room import set_format, small_disk
from tests.store.unprivileged import as_nobody, reachable_folder

__all__ = ["small_disk"]

ROWS = 300


@pytest.fixture(scope="module")
def whole_room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A room with rows in it, which tests copy."""
    place = tmp_path_factory.mktemp("whole") / "whole.room"
    with rr.connect(place) as session:
        session.apply_schema(SCHEMA)
        session.create_many("Thing", {"name": [f"thing {n} " + "x" * 200 for n in range(ROWS)]})
        session.commit()
    return place


@pytest.fixture
def room(whole_room: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole_room, tmp_path / "a.room"))


def refused(error: type[rr.Error], act: Callable[[], Any], **facts: Any) -> rr.Error:
    with pytest.raises(error) as caught:
        act()
    named(caught.value, error, **facts)
    return caught.value


# --- damaged and foreign files ---


@pytest.mark.parametrize("mode", ["write", "read"])
@pytest.mark.parametrize("part", [0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_database_file(room: Path, part: float, mode: Any) -> None:
    file = room / "room.sqlite"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises((rr.RoomDamaged, rr.NotARoom)) as caught:
        rr.connect(room, mode=mode)
    assert caught.value.path == str(room)
    assert caught.value.reason
    file.write_bytes(whole)
    with rr.connect(room) as session:
        assert session.query("Thing").count() == ROWS


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_noise_in_a_database_file(room: Path, place: float) -> None:
    file = room / "room.sqlite"
    whole = file.read_bytes()
    start = int(len(whole) * place) // 4096 * 4096
    file.write_bytes(whole[:start] + os.urandom(4096 * 4) + whole[start + 4096 * 4 :])
    assert found_damage(room)


def found_damage(room: Path) -> bool:
    """Whether work in a room meets the damage by its name, or `check` tells it."""
    try:
        with rr.connect(room) as session:
            session.query("Thing").all()
            session.search("thing")
            session.create("Thing", {"name": "x"})
            session.commit()
            return bool(list(session.transport.check()))  # type: ignore[attr-defined]
    except (rr.RoomDamaged, rr.NotARoom) as error:
        return bool(error.path == str(room))


@pytest.mark.parametrize("mode", ["write", "read"])
@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n", b"SQLite format 3\0", os.urandom(5000)], ids=["text", "head", "noise"]
)
def test_a_file_that_is_no_database(room: Path, content: bytes, mode: Any) -> None:
    file = room / "room.sqlite"
    file.write_bytes(content)
    with pytest.raises((rr.RoomDamaged, rr.NotARoom)) as caught:
        rr.connect(room, mode=mode)
    assert caught.value.path == str(room)
    assert file.read_bytes() == content


@pytest.mark.parametrize("mode", ["write", "read"])
def test_a_database_of_something_else(room: Path, mode: Any) -> None:
    (room / "room.sqlite").unlink()
    with sqlite3.connect(room / "room.sqlite") as database:
        database.execute("CREATE TABLE photos (id)")
    database.close()
    before = (room / "room.sqlite").read_bytes()
    refused(rr.NotARoom, lambda: rr.connect(room, mode=mode), path=str(room))
    assert (room / "room.sqlite").read_bytes() == before


def test_places_that_are_no_rooms(tmp_path: Path) -> None:
    file, folder = tmp_path / "data.csv", tmp_path / "pictures"
    file.write_text("a,b\n")
    folder.mkdir()
    (folder / "holiday.jpg").write_bytes(b"x")
    refused(rr.NotARoom, lambda: rr.connect(file), path=str(file))
    refused(rr.NotARoom, lambda: rr.connect(folder), path=str(folder))
    refused(rr.NotARoom, lambda: rr.connect(file / "below"))
    refused(rr.RoomNotFound, lambda: rr.connect(tmp_path / "gone", create=False), path=str(tmp_path / "gone"))
    refused(rr.RoomNotFound, lambda: rr.connect(tmp_path / "no" / "such" / "folder"))
    refused(rr.NotAuthenticated, lambda: rr.connect("http://localhost/room"))
    for name in ("nul\0", "\ud800", "a" * 300):
        with pytest.raises(rr.Error) as caught:
            rr.connect(tmp_path / name)
        assert str(caught.value).encode()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["data.csv", "pictures"]
    assert [each.name for each in folder.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize(
    "where",
    ["postgresql://", "postgresql://nobody@127.0.0.1:1/x?connect_timeout=2", "postgresql://[", "postgres://%zz"],
)
def test_a_server_that_is_not_there(where: str) -> None:
    with pytest.raises((rr.StoreUnavailable, rr.InvalidValue)) as caught:
        rr.connect(where)
    assert str(caught.value)


# --- a full disk ---


def fill(disk: Path, left: int) -> Path:
    filler = disk / "filler"
    filler.write_bytes(b"x" * max(shutil.disk_usage(disk).free - left, 0))
    return filler


def test_a_full_disk(small_disk: Path) -> None:
    place = small_disk / "a.room"
    with rr.connect(place) as session:
        session.apply_schema(SCHEMA)
        session.create("Place", {"name": "kept"})
        session.commit()
        filler = fill(small_disk, 200_000)
        session.create_many("Place", {"name": [os.urandom(500).hex() for _ in range(1000)]})
        refused(rr.StorageFull, session.commit, path=str(place))
        assert session.query("Place").count() == 1
        session.rollback()
        csv = small_disk.parent / f"{small_disk.name}.csv"
        csv.write_text("name\n" + "".join(f"{os.urandom(500).hex()}\n" for _ in range(1000)))
        try:
            error = refused(rr.StorageFull, lambda: import_rows(session, "Place", csv), path=str(place))
        finally:
            csv.unlink()
        assert error.report.created == 0
        assert session.query("Place").count() == 1
        filler.unlink()
        session.create("Place", {"name": "after"})
        session.commit()
        session.search("after")
        assert session.query("Place").count() == 2
        assert [str(each) for each in session.transport.check()] == []  # type: ignore[attr-defined]


def test_a_full_disk_where_a_room_is_made_or_a_file_is_written(small_disk: Path, room: Path) -> None:
    filler = fill(small_disk, 20_000)
    refused(rr.StorageFull, lambda: rr.connect(small_disk / "a.room"))
    assert [each.name for each in small_disk.iterdir()] == ["filler"]
    with rr.connect(room) as session:
        refused(rr.StorageFull, lambda: export_rows(session.query("Thing"), small_disk / "out.csv"))
        assert session.query("Thing").count() == ROWS
    filler.unlink()


# --- permission ---


@pytest.mark.parametrize("mode", ["write", "read"])
def test_a_folder_without_permission(mode: Any) -> None:
    with reachable_folder() as folder:
        place = folder / "a.room"
        rr.connect(place).close()
        place.chmod(0o000)
        error = as_nobody(lambda: rr.connect(place, mode=mode))
        place.chmod(0o755)
        named(error, rr.PermissionDenied)
        assert str(place) in error.what
        rr.connect(place).close()


def test_a_folder_where_nothing_may_be_made() -> None:
    with reachable_folder() as folder:
        folder.chmod(0o555)
        error = as_nobody(lambda: rr.connect(folder / "a.room"))
        named(error, rr.PermissionDenied)
        assert [*folder.iterdir()] == []


# --- locked, newer, closed ---

HOLD = (
    "import sys, recordroom as rr; s = rr.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read(); s.close()"
)


@pytest.fixture
def other_writer(room: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the room open for writing until its input ends."""
    command = [sys.executable, "-c", HOLD, str(room)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "open\n"
        yield process
        process.stdin.close()


def test_a_room_that_another_process_writes_to(room: Path, other_writer: subprocess.Popen[str]) -> None:
    refused(rr.RoomLocked, lambda: rr.connect(room), path=str(room), pid=other_writer.pid)
    started = time.monotonic()
    refused(rr.RoomLocked, lambda: rr.connect(room, wait=0.3), pid=other_writer.pid)
    assert 0.25 < time.monotonic() - started < 5
    with rr.connect(room, mode="read") as reader:
        assert reader.query("Thing").count() == ROWS
        reader.create("Thing", {"name": "x"})
        refused(rr.RoomReadOnly, reader.commit, path=str(room))
    assert other_writer.stdin
    threading.Timer(0.2, other_writer.stdin.close).start()
    with rr.connect(room, wait=30) as session:
        session.create("Thing", {"name": "x"})
        assert session.commit()


def test_a_room_of_a_newer_format(places: Places) -> None:
    rr.connect(places()).close()
    set_format(places(), migrations.FORMAT + 1)
    for mode in ("write", "read"):
        refused(
            rr.RoomTooNew,
            lambda mode=mode: rr.connect(places(), mode=mode),  # type: ignore[misc]
            found=migrations.FORMAT + 1,
            supported=migrations.FORMAT,
        )


@pytest.mark.parametrize(
    "settings", [{"retention": -1}, {"retention": "x"}, {"durability": "no"}, {"duriability": "full"}]
)
def test_a_setting_that_cannot_be(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises((rr.InvalidValue, rr.UnknownName)) as caught:
        rr.connect(tmp_path / "a.room", **settings)
    assert next(iter(settings)) in str(caught.value)
    assert [*tmp_path.iterdir()] == []


VERBS: dict[str, Callable[[rr.Session, Any], Any]] = {
    "create": lambda s, e: s.create("Thing", {"name": "x"}),
    "create_many": lambda s, e: s.create_many("Thing", {"name": ["x"]}),
    "ensure": lambda s, e: s.ensure("Thing", {"name": "x"}),
    "get": lambda s, e: s.get("Thing", e["id"]),
    "get_many": lambda s, e: s.get_many("Thing", [e["id"]]),
    "query": lambda s, e: s.query("Thing"),
    "populate": lambda s, e: s.populate(e, "k_text"),
    "merge": lambda s, e: s.merge(e),
    "delete": lambda s, e: s.delete(e),
    "commit": lambda s, e: s.commit(),
    "rollback": lambda s, e: s.rollback(),
    "reset": lambda s, e: s.reset(),
    "refresh": lambda s, e: s.refresh(e),
    "publish": lambda s, e: s.publish("topic"),
    "state": lambda s, e: s.state(e),
    "plan_schema": lambda s, e: s.plan_schema(SCHEMA),
    "apply_schema": lambda s, e: s.apply_schema(SCHEMA),
    "plan_template": lambda s, e: s.plan_template("files"),
    "apply_template": lambda s, e: s.apply_template("files"),
    "production": lambda s, e: s.production.stop_timer(e),
    "create_component": lambda s, e: s.create_component(__file__),
    "component_availability": lambda s, e: s.component_availability(e),
    "component_availabilities": lambda s, e: s.component_availabilities([e]),
    "pick_location": lambda s, e: s.pick_location(),
    "pick_locations": lambda s, e: s.pick_locations([e]),
    "locations": lambda s, e: s.locations,
    "files": lambda s, e: s.files,
    "upload_metadata": lambda s, e: s.upload_metadata(e["id"], "x", 1),
    "create_thumbnail": lambda s, e: s.create_thumbnail(e, __file__),
    "encode_media": lambda s, e: s.encode_media(__file__),
    "jobs": lambda s, e: s.jobs,
    "reset_remote": lambda s, e: s.reset_remote(),
    "send_user_invites": lambda s, e: s.send_user_invites("ada"),
    "widget_url": lambda s, e: s.widget_url("tasks"),
    "history": lambda s, e: s.history(e),
    "at": lambda s, e: s.at(1),
    "revert": lambda s, e: s.revert(1),
    "search": lambda s, e: s.search("anchor"),
    "import_rows": lambda s, e: s.import_rows("Thing", "nowhere.csv"),
    "export_rows": lambda s, e: s.export_rows("Thing", "nowhere.csv"),
    "events": lambda s, e: s.events.subscribe("*", print),
    "explain_access": lambda s, e: s.explain_access(e),
    "encode": lambda s, e: s.encode(e),
    "decode": lambda s, e: s.decode("[]"),
    "databases": lambda s, e: list(s.databases),
    "set": lambda s, e: e.__setitem__("k_text", "x"),
    "load": lambda s, e: e["k_mapping"]["x"],
}
HARMLESS = {
    "auto_populating", "close", "closed", "created", "deleted", "modified", "operations", "recording", "reference",
    "round_trips", "schema", "statistics", "types", "serialize", "deserialize",
}  # fmt: skip


def test_every_verb_of_a_session_is_tried_when_it_is_closed() -> None:
    public = {name for name in dir(rr.Session) if not name.startswith("_")}
    assert public - HARMLESS == set(VERBS) - {"set", "load"}


@pytest.mark.parametrize("verb", VERBS)
def test_a_closed_session(desk: Desk, verb: str) -> None:
    before = desk.state()
    session = rr.connect(desk.where)
    entity = session.query("Thing").first()
    session.close()
    session.close()
    assert session.closed
    refused(rr.SessionClosed, lambda: VERBS[verb](session, entity))
    assert desk.state() == before


def test_a_result_of_a_closed_session(desk: Desk) -> None:
    session = rr.connect(desk.where)
    result, past = session.query("Thing"), session.at(2)
    session.close()
    for use in (result.all, result.count, result.first, result.exists, lambda: list(result), result.explain):
        refused(rr.SessionClosed, use)
    refused(rr.SessionClosed, lambda: past.query("Thing").all())
    refused(rr.SessionClosed, lambda: import_rows(session, "Thing", __file__, format="csv"))
