"""Accessors of the drop-in client: folders, the room's own location, and natives as scripts see them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recordroom import files
from recordroom.dialects.ftrack.client import exception as e
from recordroom.dialects.ftrack.client.accessor.base import Accessor
from recordroom.dialects.ftrack.client.accessor.disk import DiskAccessor
from recordroom.dialects.ftrack.client.accessor.server import ServerFile, _ServerAccessor
from recordroom.dialects.ftrack.client.bridging import FROM_NATIVE, TO_NATIVE
from recordroom.dialects.ftrack.client.data import File, String
from recordroom.errors import InvalidPath, NoSuchFile, NotSupported
from recordroom.testing import AccessorContract
from tests.dialects.ftrack.client.dropins import Dropins, embedded_dropins


@pytest.fixture
def disk(tmp_path: Path) -> DiskAccessor:
    root = tmp_path / "mount"
    root.mkdir()
    return DiskAccessor(str(root))


def written(accessor: Any, path: str, content: bytes) -> None:
    data = accessor.open(path, "wb")
    data.write(content)
    data.close()


def contents(accessor: Any, path: str) -> Any:
    with contextlib.closing(accessor.open(path)) as data:
        return data.read()


# --- disk --------------------------------------------------------------------------------------------------


def test_files_are_written_read_listed_and_removed(disk: DiskAccessor) -> None:
    disk.make_container("a/b")
    written(disk, "a/b/x.txt", b"hello")

    assert contents(disk, "a/b/x.txt") == b"hello"
    assert disk.list("a") == ["a/b"]
    assert (disk.exists("a/b/x.txt"), disk.is_file("a/b/x.txt"), disk.is_container("a/b")) == (True, True, True)
    disk.remove("a/b/x.txt")
    disk.remove_container("a/b")
    assert (disk.exists("a/b"), disk.exists("a")) == (False, True)


def test_paths_may_be_absolute_within_the_prefix(disk: DiskAccessor) -> None:
    inside = str(Path(disk.prefix, "x.txt"))

    assert disk.get_filesystem_path("x.txt") == disk.get_filesystem_path(inside) == inside
    assert disk.get_container("a/b/x.txt") == "a/b"
    assert disk.get_container("x.txt") == ""
    assert disk.get_url("x.txt") == Path(inside).as_uri()


@pytest.mark.parametrize("path", ["../x.txt", "a/../../x", "/etc/passwd", "a\0b"])
def test_paths_that_leave_the_prefix_are_refused(disk: DiskAccessor, path: str) -> None:
    for ask in (disk.get_filesystem_path, disk.open, disk.exists, disk.list, disk.remove, disk.make_container):
        with pytest.raises(e.AccessorFilesystemPathError):
            ask(path)


def test_a_folder_beside_that_begins_alike_is_outside(tmp_path: Path) -> None:
    (tmp_path / "mount-of-others").mkdir()

    with pytest.raises(e.AccessorFilesystemPathError):
        DiskAccessor(str(tmp_path / "mount")).get_filesystem_path(str(tmp_path / "mount-of-others" / "x"))


def test_a_symbolic_link_out_is_refused(disk: DiskAccessor, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    Path(disk.prefix, "link").symlink_to(tmp_path)

    with pytest.raises(e.AccessorFilesystemPathError):
        disk.open("link/secret")


def test_the_prefix_may_have_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STORAGE", str(tmp_path))

    assert DiskAccessor("$STORAGE/mount").get_filesystem_path("x") == str(tmp_path / "mount" / "x")


def test_without_a_prefix_paths_are_those_of_the_machine(tmp_path: Path) -> None:
    anywhere = DiskAccessor(prefix="")
    (tmp_path / "x").write_bytes(b"1")

    assert contents(anywhere, str(tmp_path / "x")) == b"1"
    assert anywhere.get_filesystem_path("C:/mnt/x") == "C:/mnt/x"
    assert anywhere.get_container(str(tmp_path / "x")) == str(tmp_path)


def test_what_is_wrong_is_said_in_the_errors_that_scripts_know(disk: DiskAccessor) -> None:
    written(disk, "x.txt", b"1")
    disk.make_container("full")
    written(disk, "full/y", b"1")

    wrong: list[tuple[type[Exception], Any]] = [
        (e.AccessorResourceNotFoundError, lambda: disk.open("missing")),
        (e.AccessorResourceNotFoundError, lambda: disk.list("missing")),
        (e.AccessorResourceNotFoundError, lambda: disk.remove("missing")),
        (e.AccessorResourceInvalidError, lambda: disk.list("x.txt")),
        (e.AccessorResourceInvalidError, lambda: disk.open("full")),
        (e.AccessorContainerNotEmptyError, lambda: disk.remove("full")),
        (e.AccessorOperationFailedError, lambda: disk.make_container("x.txt")),
        (e.AccessorParentResourceNotFoundError, lambda: disk.make_container("no/parent", recursive=False)),
    ]
    for kind, do in wrong:
        with pytest.raises(kind) as caught:
            do()
        assert isinstance(caught.value, e.AccessorError)
        assert str(caught.value)


def test_a_sequence_is_one_where_there_are_files_of_it(disk: DiskAccessor) -> None:
    written(disk, "x.0001.exr", b"1")

    assert disk.is_sequence("x.%04d.exr")
    assert not disk.is_sequence("y.%04d.exr")


def test_a_container_that_is_there_stays(disk: DiskAccessor) -> None:
    disk.make_container("a")
    disk.make_container("a")

    assert disk.list("") == ["a"]


# --- data --------------------------------------------------------------------------------------------------


def test_data_of_a_file_reads_writes_and_seeks(tmp_path: Path) -> None:
    data = File(str(tmp_path / "x"), "w+b")
    data.write(b"hello")
    data.seek(1)

    assert (data.read(2), data.tell(), data.read()) == (b"el", 3, b"lo")
    data.write(b"!")
    data.close()
    data.close()
    assert (data.closed, (tmp_path / "x").read_bytes()) == (True, b"hello!")


def test_data_in_memory_is_text_or_bytes_as_it_was_written() -> None:
    text, binary = String("grün"), String(b"\xff")

    assert (text.read(), binary.read()) == ("grün", b"\xff")
    text.seek(0, os.SEEK_END)
    assert text.tell() == 5
    text.close()
    binary.close()


# --- the room's own location -------------------------------------------------------------------------------


@pytest.fixture
def dropins(tmp_path: Path) -> Iterator[Dropins]:
    with embedded_dropins(tmp_path) as found:
        yield found


def test_the_rooms_own_location_takes_and_gives_bytes_of_components(dropins: Dropins) -> None:
    session = dropins()
    component = session.create("FileComponent", {"name": "x", "file_type": ".txt"})
    session.commit()
    accessor = _ServerAccessor(session=session)

    written(accessor, component["id"], b"hello")

    assert accessor.exists(component["id"])
    assert contents(accessor, component["id"]) == b"hello"
    accessor.remove(component["id"])
    assert not accessor.exists(component["id"])
    with pytest.raises(e.AccessorResourceNotFoundError):
        accessor.open(component["id"])


def test_what_the_rooms_own_location_cannot_do(dropins: Dropins) -> None:
    session = dropins()
    accessor = _ServerAccessor(session)

    assert accessor.get_container("x") is None
    with pytest.raises(NotImplementedError):
        accessor.list("")
    with pytest.raises(e.AccessorUnsupportedOperationError):
        accessor.get_filesystem_path("x")
    with pytest.raises(e.AccessorUnsupportedOperationError):
        accessor.get_url("01a1fd85-ebfa-706f-98f6-3b84464de049")
    with pytest.raises(e.AccessorOperationFailedError):
        written(accessor, "no id", b"x")
    ServerFile("no id", session, "wb").close()  # nothing was written, nothing is sent


# --- accessors of scripts, natively --------------------------------------------------------------------------


class Plain(DiskAccessor):
    """Derived from one of ours, so that it is asked itself."""


def bridged(accessor: Any) -> Any:
    return TO_NATIVE["accessor"](None, accessor)


class TestBridged(AccessorContract):
    """An accessor of a script does all that a native one does, but for what scripts' accessors know nothing of."""

    @pytest.fixture
    def accessor(self, tmp_path: Path) -> Any:
        root = tmp_path / "bridged"
        root.mkdir()
        return bridged(Plain(str(root)))

    # They cannot rename, and write in place.
    test_a_file_is_renamed_but_not_over_another = None
    test_files_and_containers_are_not_mixed_up = None
    test_what_is_not_there_is_said_by_name = None
    test_a_source_that_breaks_off_leaves_what_was_there = None

    def test_a_source_that_breaks_off_leaves_nothing(self, accessor: Any) -> None:
        def broken() -> Iterator[bytes]:
            yield b"begin"
            raise NoSuchFile(where="there", path="x")

        with pytest.raises(NoSuchFile):
            accessor.write("a/x", broken())

        assert accessor.list("a") == []

    def test_what_is_wrong_is_said_natively(self, accessor: Any) -> None:
        accessor.make_container("folder")

        for kind, do in (
            (NoSuchFile, lambda: accessor.read("missing")),
            (NoSuchFile, lambda: accessor.size("missing")),
            (NoSuchFile, lambda: accessor.remove("missing")),
            (InvalidPath, lambda: accessor.read("../x")),
            (InvalidPath, lambda: accessor.write("folder", [b"x"])),
            (NotSupported, lambda: accessor.rename("a", "b")),
        ):
            with pytest.raises(kind):
                do()


def test_ours_are_used_natively_and_shown_as_they_were(disk: DiskAccessor) -> None:
    assert bridged(disk) is disk.native
    assert FROM_NATIVE["accessor"](None, disk.native).prefix == disk.prefix


def test_those_of_scripts_are_asked_themselves(disk: DiskAccessor) -> None:
    plain = Plain(disk.prefix)
    made = bridged(plain)

    assert FROM_NATIVE["accessor"](None, made) is plain
    assert made.write("a/b/x.txt", [b"hel", b"lo"]) == 5
    assert (made.size("a/b/x.txt"), b"".join(made.read("a/b/x.txt", 1, 3))) == (5, b"ell")
    assert (made.is_file("a/b/x.txt"), made.is_container("a/b"), made.list("a")) == (True, True, ["a/b"])
    assert made.local_path("a/b/x.txt") == Path(disk.prefix, "a/b/x.txt")


def test_a_native_accessor_serves_scripts() -> None:
    memory = files.MemoryAccessor("memory://dropin")
    shown = FROM_NATIVE["accessor"](None, memory)
    memory.write("a/x.txt", [b"hello"])

    assert isinstance(shown, Accessor)
    assert (contents(shown, "a/x.txt"), shown.list("a"), shown.get_container("a/x.txt")) == (b"hello", ["a/x.txt"], "a")
    with pytest.raises(e.AccessorResourceNotFoundError):
        shown.open("missing")
    with pytest.raises(e.AccessorUnsupportedOperationError):
        shown.get_filesystem_path("a/x.txt")
