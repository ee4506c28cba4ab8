"""The bytes of components on the command line: checked, collected, and in copies of a room."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from recordroom.files.blobs import open_blobs
from recordroom.model.operations import Commit, Create
from recordroom.store.file_records import FileRow
from recordroom.store.room import Room
from tests.conftest import Places
from tests.server.test_files import files_folder, make_room

from .conftest import Cli


def stock(where: str, folder: Path, *contents: bytes) -> list[str]:
    """A room with components that have these bytes; their digests."""
    make_room(where, folder)
    blobs, digests = open_blobs(str(folder)), []
    with Room.open(where) as room:
        for number, data in enumerate(contents):
            component = uuid.uuid4().bytes
            room.commit(Commit(id=uuid.uuid4().bytes, operations=[Create("Component", [component], {"name": ["x"]})]))
            known = blobs.put(f"u{number}", [data])
            blobs.discard(f"u{number}")
            room.file_records.keep(FileRow(component, "main", known.digest, known.size, "", "", "", 0))
            digests.append(known.digest)
    return digests


def blob(folder: Path, digest: str) -> Path:
    return folder / "blobs" / digest[:2] / digest


def test_a_check_says_whose_bytes_are_lost_short_or_spoiled(cli: Cli, places: Places, tmp_path: Path) -> None:
    folder = files_folder(places(), tmp_path)
    lost, short, spoiled, _ = stock(places(), folder, b"lost", b"short", b"spoiled", b"sound")
    assert cli("check", places(), "--digests").code == 0
    blob(folder, lost).unlink()
    blob(folder, short).write_bytes(b"sh")
    blob(folder, spoiled).write_bytes(b"SPOILED")

    quick, thorough = cli("check", places()), cli("check", places(), "--digests")
    assert (quick.code, thorough.code) == (3, 3)
    assert ("has lost its bytes" in quick.out, "has 2 bytes instead of 5" in quick.out, "other bytes" in quick.out) == (
        True,
        True,
        False,
    )
    assert "has other bytes than it was given" in thorough.out


def test_a_copy_has_the_bytes_too_and_keeps_them_by_itself(cli: Cli, places: Places, tmp_path: Path) -> None:
    folder, target = files_folder(places(), tmp_path), tmp_path / "copy.room"
    digests = stock(places(), folder, b"one", b"two", os.urandom(2_000_000))
    assert cli("backup", places(), str(target)).code == 0

    with Room.open(target) as room:
        assert room.file_records.place == str(target / "files")
        assert sorted(each.digest for each in room.file_records.all()) == sorted(digests)
    assert sorted(each.name for each in open_blobs(str(target / "files")).all()) == sorted(digests)
    assert cli("check", str(target), "--digests").code == 0


def test_a_copy_of_lost_bytes_is_not_made(cli: Cli, places_sqlite: Places, tmp_path: Path) -> None:
    folder, target = files_folder(places_sqlite(), tmp_path), tmp_path / "copy.room"
    (digest,) = stock(places_sqlite(), folder, b"one")
    blob(folder, digest).unlink()

    assert cli("backup", places_sqlite(), str(target)).code != 0
    assert not target.exists()


def test_a_copy_into_a_database_is_told_where_its_files_are_to_lie(
    cli: Cli, places_sqlite: Places, places_postgres: Places, tmp_path: Path
) -> None:
    (digest,) = stock(places_sqlite(), files_folder(places_sqlite(), tmp_path), b"one")
    target, place = places_postgres("copied"), tmp_path / "files of the copy"

    assert cli("copy", places_sqlite(), target).code != 0
    assert cli("copy", places_sqlite(), target, "--files", str(place)).code == 0
    assert blob(place, digest).read_bytes() == b"one"
    with Room.open(target) as room:
        assert room.file_records.place == str(place)


def test_compacting_gives_back_bytes_that_no_component_has(cli: Cli, places: Places, tmp_path: Path) -> None:
    folder = files_folder(places(), tmp_path)
    (digest,) = stock(places(), folder, b"kept")
    blobs = open_blobs(str(folder))
    left = blobs.put("u", [b"left"])
    fresh = blobs.put("v", [b"fresh"])
    for name in ("u", "v"):
        blobs.discard(name)
    os.utime(blob(folder, left.digest), (0, 0))
    os.utime(blob(folder, digest), (0, 0))

    assert cli("compact", places()).code == 0
    assert sorted(each.name for each in blobs.all()) == sorted([digest, fresh.digest])
