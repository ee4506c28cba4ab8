"""What every accessor of a location does, as tests: about forty, with what is promised of names, ranges, failures and threads."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ..errors import Error, FileExists, InvalidPath, NoSuchFile
from ..files.accessor import CHUNK, Accessor

__all__ = ["AccessorContract"]

_ODD_NAMES = (
    "with space",
    "ünï ćode ✓",
    "new\nline",
    "tab\tand 100% a%20b",
    "#?&;'\"*~",
    "..dots",
    "-dash",
    "a\\b",
    "x" * 200,
)


class AccessorContract:
    """The behaviour that `recordroom.files.Accessor` promises.

    A subclass, named `Test…`, gives the fixture `accessor`: a new, empty location for each test.
    """

    def test_what_was_written_is_read(self, accessor: Accessor) -> None:
        assert accessor.write("a/b/c.txt", [b"he", b"", b"llo"]) == 5

        assert b"".join(accessor.read("a/b/c.txt")) == b"hello"
        assert accessor.size("a/b/c.txt") == 5
        assert accessor.is_file("a/b/c.txt")
        assert accessor.exists("a/b/c.txt")
        assert not accessor.is_container("a/b/c.txt")

    def test_an_empty_file_is_a_file(self, accessor: Accessor) -> None:
        assert accessor.write("empty", []) == 0

        assert list(accessor.read("empty")) == []
        assert (accessor.size("empty"), accessor.is_file("empty")) == (0, True)
        with accessor.open("empty") as file:
            assert file.read() == b""

    @pytest.mark.parametrize("name", _ODD_NAMES)
    def test_a_name_may_have_any_character(self, accessor: Accessor, name: str) -> None:
        accessor.write(f"folder/{name}", [b"x"])

        assert accessor.list("folder") == [f"folder/{name}"]
        assert b"".join(accessor.read(f"folder/{name}")) == b"x"
        accessor.remove(f"folder/{name}")
        assert not accessor.exists(f"folder/{name}")

    def test_ranges_are_read(self, accessor: Accessor) -> None:
        accessor.write("r", [b"0123456789"])

        assert b"".join(accessor.read("r", 3)) == b"3456789"
        assert b"".join(accessor.read("r", 3, 4)) == b"3456"
        assert b"".join(accessor.read("r", 8, 100)) == b"89"
        assert b"".join(accessor.read("r", 10)) == b""
        assert b"".join(accessor.read("r", 0, 0)) == b""
        assert b"".join(accessor.read("r", 99, 5)) == b""

    def test_a_large_file_comes_and_goes_in_pieces(self, accessor: Accessor) -> None:
        rest = random.Random(4)
        pieces = [rest.randbytes(CHUNK - 3) for _ in range(19)]

        assert accessor.write("large", iter(pieces), size=19 * (CHUNK - 3)) == 19 * (CHUNK - 3)
        wanted, found = hashlib.sha256(b"".join(pieces)), hashlib.sha256()
        for piece in accessor.read("large"):
            assert len(piece) <= 4 * CHUNK
            found.update(piece)
        assert found.digest() == wanted.digest()

    def test_an_opened_file_seeks(self, accessor: Accessor) -> None:
        accessor.write("s", [b"0123456789" * 300_000])

        with accessor.open("s") as file:
            assert file.read(4) == b"0123"
            assert file.seek(2_500_005) == 2_500_005
            assert file.read(3) == b"567"
            assert file.seek(-2, io.SEEK_END) == 2_999_998
            assert file.read() == b"89"
            assert file.tell() == 3_000_000
            file.seek(1)
            assert file.read(2) == b"12"

    def test_a_file_is_not_overwritten_unasked(self, accessor: Accessor) -> None:
        accessor.write("once", [b"first"])

        with pytest.raises(FileExists) as caught:
            accessor.write("once", [b"second"])
        assert caught.value.path == "once"
        assert b"".join(accessor.read("once")) == b"first"
        accessor.write("once", [b"third"], overwrite=True)
        assert b"".join(accessor.read("once")) == b"third"

    @pytest.mark.parametrize("count", [0, 1, 12], ids=["at once", "soon", "late"])
    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_source_that_breaks_off_leaves_what_was_there(
        self, accessor: Accessor, count: int, overwrite: bool
    ) -> None:
        def source() -> Iterator[bytes]:
            for _ in range(count):
                yield bytes(CHUNK)
            raise NoSuchFile(where="elsewhere", path="gone")

        if overwrite:
            accessor.write("kept/f", [b"old"])
        with pytest.raises(NoSuchFile) as caught:
            accessor.write("kept/f", source(), overwrite=overwrite)
        assert caught.value.where == "elsewhere"
        assert accessor.exists("kept/f") == overwrite
        assert not overwrite or b"".join(accessor.read("kept/f")) == b"old"
        assert not accessor.is_container("kept") or accessor.list("kept") == ["kept/f"] * overwrite

    def test_what_is_not_there_is_said_by_name(self, accessor: Accessor) -> None:
        for attempt in (
            lambda: accessor.read("no/such"),
            lambda: accessor.size("no/such"),
            lambda: accessor.open("no/such"),
            lambda: accessor.remove("no/such"),
            lambda: accessor.list("no/such"),
            lambda: accessor.rename("no/such", "other"),
        ):
            with pytest.raises(NoSuchFile) as caught:
                attempt()
            assert caught.value.path == "no/such"
            assert accessor.where in caught.value.message
        assert not accessor.exists("no/such")
        assert not accessor.is_file("no/such")
        assert not accessor.is_container("no/such")

    @pytest.mark.parametrize("path", ["../out", "a/../../out", "a/..", "..", "\0", "a\0b"])
    def test_a_path_that_leaves_the_location_is_refused(self, accessor: Accessor, path: str) -> None:
        for attempt in (
            lambda: accessor.write(path, [b"x"]),
            lambda: accessor.read(path),
            lambda: accessor.size(path),
            lambda: accessor.remove(path),
            lambda: accessor.list(path),
            lambda: accessor.make_container(path),
            lambda: accessor.is_file(path),
            lambda: accessor.exists(path),
        ):
            with pytest.raises(InvalidPath):
                attempt()

    def test_a_path_may_be_written_carelessly(self, accessor: Accessor) -> None:
        accessor.write("a//b/./c", [b"x"])

        assert accessor.list("a/b/") == ["a/b/c"]
        assert b"".join(accessor.read("a/b/c")) == b"x"

    def test_containers_are_listed_with_what_is_in_them(self, accessor: Accessor) -> None:
        for path in ("top", "d/one", "d/two", "d/e/three"):
            accessor.write(path, [b"x"])

        assert accessor.list() == ["d", "top"]
        assert accessor.list("d") == ["d/e", "d/one", "d/two"]
        assert accessor.is_container("d")
        assert accessor.is_container("d/e")
        assert not accessor.is_file("d")
        assert not accessor.exists("d/o")

    def test_an_empty_location_is_an_empty_container(self, accessor: Accessor) -> None:
        assert accessor.is_container("")
        assert accessor.list() == []

    def test_a_container_can_be_made_before_anything_is_in_it(self, accessor: Accessor) -> None:
        accessor.make_container("x/y")
        accessor.make_container("x/y")

        assert accessor.is_container("x")
        assert accessor.is_container("x/y")
        assert accessor.list("x") == ["x/y"]
        assert accessor.list("x/y") == []

    def test_a_container_is_removed_when_it_is_empty(self, accessor: Accessor) -> None:
        accessor.make_container("x/y")
        accessor.write("x/y/z", [b"1"])

        with pytest.raises(InvalidPath):
            accessor.remove("x/y")
        accessor.remove("x/y/z")
        accessor.remove("x/y")
        assert not accessor.exists("x/y")
        assert accessor.is_container("x")

    def test_files_and_containers_are_not_mixed_up(self, accessor: Accessor) -> None:
        accessor.write("d/f", [b"x"])

        for attempt in (
            lambda: accessor.read("d"),
            lambda: accessor.size("d"),
            lambda: accessor.write("d", [b"x"]),
            lambda: accessor.list("d/f"),
        ):
            with pytest.raises(InvalidPath):
                attempt()
        with pytest.raises(Error):
            accessor.make_container("d/f")
        with pytest.raises(InvalidPath):
            accessor.write("", [b"x"])

    def test_a_file_is_renamed_but_not_over_another(self, accessor: Accessor) -> None:
        accessor.write("a", [b"1"])
        accessor.write("b", [b"2"])

        with pytest.raises(FileExists):
            accessor.rename("a", "b")
        accessor.rename("a", "deep/er/c")
        assert (accessor.exists("a"), b"".join(accessor.read("deep/er/c"))) == (False, b"1")
        assert b"".join(accessor.read("b")) == b"2"

    def test_a_sequence_is_there_when_its_files_are(self, accessor: Accessor) -> None:
        for number in (1, 2, 4):
            accessor.write(f"seq/f.{number:04d}.exr", [b"x"])

        assert accessor.is_sequence("seq/f.%04d.exr [1-2, 4]")
        assert accessor.is_sequence("seq/f.%04d.exr")
        assert not accessor.is_sequence("seq/f.%04d.exr [1-4]")
        assert not accessor.is_sequence("seq/g.%04d.exr")
        assert not accessor.is_sequence("none/f.%04d.exr")
        assert not accessor.is_sequence("seq/f.0001.exr")

    def test_sweeping_leaves_what_is_whole(self, accessor: Accessor) -> None:
        accessor.write("d/a", [b"x"])
        accessor.make_container("e")

        assert accessor.sweep(0) == 0
        assert (accessor.list(), accessor.is_file("d/a")) == (["d", "e"], True)

    def test_of_several_who_write_one_new_file_one_wins(self, accessor: Accessor) -> None:
        def attempt(number: int) -> int | None:
            try:
                accessor.write("race", [b"%d" % number] * 10)
            except FileExists:
                return None
            return number

        with ThreadPoolExecutor(6) as pool:
            won = [each for each in pool.map(attempt, range(6)) if each is not None]
        assert len(won) == 1
        assert b"".join(accessor.read("race")) == b"%d" % won[0] * 10

    def test_many_threads_use_it_at_once(self, accessor: Accessor) -> None:
        def work(number: int) -> bytes:
            accessor.write(f"t/{number}", [b"%d" % number])
            return b"".join(accessor.read(f"t/{number}"))

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(work, range(24))) == [b"%d" % number for number in range(24)]
        assert len(accessor.list("t")) == 24
