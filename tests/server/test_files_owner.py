"""Two rooms do not share one place of files: it is noticed, in words, wherever bytes could be written or collected."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from recordroom import connect
from recordroom.cli import main
from recordroom.errors import FilesOfAnotherRoom, TransferFailed
from recordroom.files.blobs import Blobs, open_blobs
from recordroom.files.blobs_object import ObjectBlobs
from recordroom.store.room import Room
from tests.conftest import Places
from tests.files.conftest import s3
from tests.files.s3 import S3
from tests.served import served

__all__ = ["s3"]
FIRST, SECOND = b"1" * 16, b"2" * 16


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "place") if request.param == "disk" else f"s3://bucket/{tmp_path.name}-{time.time_ns()}"


@pytest.fixture
def opened(request: pytest.FixtureRequest, place: str) -> dict[bytes, Blobs]:
    """The place, as two rooms have it."""
    found = {each: open_blobs(place, each) for each in (FIRST, SECOND)}
    if "://" in place:
        server: S3 = request.getfixturevalue("s3")
        for each in found.values():
            assert isinstance(each, ObjectBlobs)
            each._options = {**server.options(), "client_options": {"allow_http": True}}
    return found


def test_a_place_belongs_to_the_first_room_that_writes_there(opened: dict[bytes, Blobs]) -> None:
    for each in opened.values():
        each.check_owner()
    known = opened[FIRST].put("a", [b"bytes"])

    for wrong in (
        opened[SECOND].check_owner,
        lambda: opened[SECOND].put("b", [b"x"]),
        lambda: opened[SECOND].remove(known.digest),
        lambda: opened[SECOND].discard("a"),
    ):
        with pytest.raises(FilesOfAnotherRoom) as caught:
            wrong()
        assert (caught.value.other, caught.value.room) == (FIRST.hex(), SECOND.hex())
    opened[FIRST].check_owner()
    assert b"".join(opened[FIRST].read(known.digest)) == b"bytes"


def test_of_two_who_come_first_at_once_one_has_it(opened: dict[bytes, Blobs]) -> None:
    assert opened[SECOND]._own(SECOND.hex()) == SECOND.hex()
    assert opened[FIRST]._own(FIRST.hex()) == SECOND.hex()


def test_looking_whose_a_place_is_changes_nothing(tmp_path: Path) -> None:
    open_blobs(str(tmp_path / "none"), FIRST).check_owner()
    assert not (tmp_path / "none").exists()

    with open_blobs(str(tmp_path / "some"), FIRST).begin("a", 0):
        pass
    before = sorted(each.name for each in (tmp_path / "some").iterdir())
    open_blobs(str(tmp_path / "some"), FIRST).check_owner()
    assert sorted(each.name for each in (tmp_path / "some").iterdir()) == before == ["room", "uploads"]
    assert [each.name for each in open_blobs(str(tmp_path / "some")).uploads()] == ["a"]


# --- rooms ----------------------------------------------------------------------------------------


def furnish(where: str, files: str | None) -> None:
    with Room.open(where, **({} if files is None else {"files": files})):
        pass
    with connect(where) as session:
        session.apply_template("files")


def keep(where: str, tmp_path: Path, text: str = "bytes") -> None:
    (tmp_path / "in.bin").write_text(text)
    with connect(where) as session:
        session.create_component(tmp_path / "in.bin", location="ftrack.server")


def test_a_second_room_at_a_place_is_refused(places: Places, tmp_path: Path) -> None:
    first, second, place = places("first"), places("second"), str(tmp_path / "place")
    for each in (first, second):
        furnish(each, place)
    keep(first, tmp_path)

    with pytest.raises((FilesOfAnotherRoom, TransferFailed)) as caught:
        keep(second, tmp_path)
    with pytest.raises(FilesOfAnotherRoom, match="a place of its own"), served(second):
        pass

    assert isinstance(caught.value, FilesOfAnotherRoom) or isinstance(caught.value.__cause__, FilesOfAnotherRoom)
    with served(first) as server:
        assert server.request("GET", "/healthz").status == 200


def test_a_room_that_was_copied_or_moved_has_its_files(tmp_path: Path) -> None:
    first, place = str(tmp_path / "first.room"), str(tmp_path / "place")
    furnish(first, None)
    keep(first, tmp_path)

    shutil.copytree(first, tmp_path / "moved.room")
    keep(str(tmp_path / "moved.room"), tmp_path, "more")
    assert main(["backup", first, str(tmp_path / "backup.room")]) == 0
    assert main(["restore", str(tmp_path / "backup.room"), str(tmp_path / "restored.room")]) == 0
    keep(str(tmp_path / "restored.room"), tmp_path, "more")
    assert main(["copy", first, str(tmp_path / "copied.room"), "--files", place]) == 0
    keep(str(tmp_path / "copied.room"), tmp_path, "more")
    shutil.rmtree(tmp_path / "copied.room")
    assert main(["copy", first, str(tmp_path / "copied.room"), "--files", place]) == 0


def test_a_copy_is_not_begun_where_another_room_has_its_files(tmp_path: Path) -> None:
    first, second = str(tmp_path / "first.room"), str(tmp_path / "second.room")
    for each in (first, second):
        furnish(each, None)
        keep(each, tmp_path)

    assert main(["copy", first, str(tmp_path / "copy.room"), "--files", f"{second}/files"]) != 0
    assert not (tmp_path / "copy.room").exists()
