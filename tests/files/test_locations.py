"""The contract of locations over every accessor, and what each promises beyond it."""

from __future__ import annotations

import errno
import itertools
import os
import random
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from recordroom.errors import (
    ChecksumMismatch,
    FileExists,
    InvalidPath,
    InvalidValue,
    LocationUnavailable,
    NoSuchFile,
    NotSupported,
    StorageFull,
)
from recordroom.files import Accessor, DiskAccessor, MemoryAccessor, open_location
from recordroom.files.transfer import Source, checksum_of
from recordroom.testing import AccessorContract
from tests.files.s3 import S3

_numbers = itertools.count()


class TestMemory(AccessorContract):
    @pytest.fixture
    def accessor(self) -> Accessor:
        return open_location("memory://here")


class TestDisk(AccessorContract):
    @pytest.fixture
    def accessor(self, tmp_path: Path) -> Accessor:
        (tmp_path / "root").mkdir()
        return open_location(tmp_path / "root")


class TestObjectStore(AccessorContract):
    @pytest.fixture
    def accessor(self, s3: S3) -> Accessor:
        return s3.location(f"s3://bucket/pre fix/{next(_numbers)}")


@pytest.fixture
def disk(tmp_path: Path) -> DiskAccessor:
    (tmp_path / "root").mkdir()
    return DiskAccessor(tmp_path / "root")


def no_more(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


# --- disk ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["file", "folder", "folder/below", "dangling"])
def test_a_symbolic_link_out_of_the_folder_is_refused(disk: DiskAccessor, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "below").write_bytes(b"secret")
    (tmp_path / "root/file").symlink_to(outside / "below")
    (tmp_path / "root/folder").symlink_to(outside)
    (tmp_path / "root/dangling").symlink_to(outside / "new")

    for attempt in (
        lambda: disk.read(name),
        lambda: disk.open(name),
        lambda: disk.write(name, [b"x"], overwrite=True),
        lambda: disk.local_path(name),
        lambda: disk.remove(name),
        lambda: disk.list(name),
    ):
        with pytest.raises(InvalidPath, match="symbolic link"):
            attempt()
    assert sorted(each.name for each in outside.iterdir()) == ["below"]


def test_a_symbolic_link_inside_the_folder_is_followed(disk: DiskAccessor, tmp_path: Path) -> None:
    disk.write("real", [b"x"])
    (tmp_path / "root/link").symlink_to("real")

    assert b"".join(disk.read("link")) == b"x"


def test_a_folder_that_is_a_link_itself_is_a_location(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    disk = DiskAccessor(tmp_path / "link")
    disk.write("a", [b"x"])

    assert disk.local_path("a") == tmp_path / "link/a"
    assert b"".join(disk.read("a")) == b"x"


def test_an_absolute_path_counts_where_it_lies_in_the_folder(disk: DiskAccessor, tmp_path: Path) -> None:
    disk.write(str(tmp_path / "root/a"), [b"x"])

    assert b"".join(disk.read("a")) == b"x"
    for path in ("/etc/passwd", str(tmp_path / "root2/a"), str(tmp_path / "root/../b")):
        with pytest.raises(InvalidPath, match="elsewhere"):
            disk.read(path)


def test_without_a_folder_only_absolute_paths_count(tmp_path: Path) -> None:
    anywhere = DiskAccessor()
    (tmp_path / "a").write_bytes(b"x")

    assert b"".join(anywhere.read(str(tmp_path / "a"))) == b"x"
    with pytest.raises(InvalidPath, match="absolute"):
        anywhere.read("a")


def test_files_on_disk_have_paths_and_addresses(disk: DiskAccessor, tmp_path: Path) -> None:
    assert disk.local_path("a b") == tmp_path / "root/a b"
    assert disk.url("a b") == (tmp_path / "root/a b").as_uri()


def test_a_full_disk_is_said_and_leaves_nothing(
    disk: DiskAccessor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", no_more)
    with pytest.raises(StorageFull) as caught:
        disk.write("a", [b"x"])

    assert caught.value.path == str(tmp_path / "root")
    assert list((tmp_path / "root").iterdir()) == []


def test_a_disk_that_is_really_full_is_said() -> None:
    with pytest.raises(StorageFull), DiskAccessor("/dev")._named("full"), open("/dev/full", "wb", buffering=0) as file:  # noqa: PTH123
        file.write(b"x")


def test_what_the_system_refuses_is_said(disk: DiskAccessor, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.write("a", [b"x"])

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(LocationUnavailable, match="Permission denied"):
        disk.write("b", [b"x"])
    with pytest.raises(LocationUnavailable, match="Permission denied"):
        list(disk.read("a"))


def test_a_name_that_is_too_long_is_refused(disk: DiskAccessor) -> None:
    with pytest.raises(InvalidPath):
        disk.write("x" * 300, [b"x"])


def test_a_file_where_a_folder_should_be_is_refused(disk: DiskAccessor) -> None:
    disk.write("a", [b"x"])
    with pytest.raises((InvalidPath, FileExists)):
        disk.write("a/b", [b"x"])


def test_a_file_that_vanishes_while_it_is_read_is_said(disk: DiskAccessor, tmp_path: Path) -> None:
    disk.write("a", [b"x"])
    stream = disk.read("a")
    (tmp_path / "root/a").unlink()
    with pytest.raises(NoSuchFile):
        list(stream)


def test_a_file_that_becomes_shorter_while_it_is_read_is_said(disk: DiskAccessor, tmp_path: Path) -> None:
    disk.write("a", [bytes(100)])
    with disk.open("a") as file:
        (tmp_path / "root/a").write_bytes(b"")
        with pytest.raises(NoSuchFile, match="shorter"):
            file.read(100)


def test_files_on_their_way_cannot_be_named_nor_seen(disk: DiskAccessor, tmp_path: Path) -> None:
    def source() -> Iterator[bytes]:
        (part,) = (tmp_path / "root").iterdir()
        assert stat.S_ISREG(part.stat().st_mode)
        assert disk.list() == []
        with pytest.raises(InvalidPath):
            disk.read(part.name)
        yield b"x"

    disk.write("a", source())
    assert disk.list() == ["a"]


def test_what_a_writer_that_crashed_left_is_swept_when_it_is_old(disk: DiskAccessor, tmp_path: Path) -> None:
    disk.write("a/b", [b"whole"])
    left = tmp_path / "root/a/.rr-0123456789abcdef.part"
    left.write_bytes(b"half")
    assert disk.list("a") == ["a/b"]
    assert disk.sweep() == 0
    os.utime(left, (0, 0))

    assert disk.sweep() == 1
    assert sorted(each.name for each in (tmp_path / "root/a").iterdir()) == ["b"]
    assert DiskAccessor().sweep(0) == 0


def test_a_disk_without_hard_links_is_written_to(disk: DiskAccessor, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    disk.write("a", [b"x"])
    assert disk.list() == ["a"]
    with pytest.raises(FileExists):
        disk.write("a", [b"y"])


# --- object stores ------------------------------------------------------------------------------------


def test_an_object_has_a_signed_address_and_no_path(s3: S3) -> None:
    accessor = s3.location("s3://bucket/signed")
    accessor.write("a b", [b"hello"])

    assert urllib3.request("GET", accessor.url("a b")).data == b"hello"
    with pytest.raises(NotSupported):
        accessor.local_path("a b")
    with pytest.raises(NoSuchFile):
        accessor.url("other")


def test_the_options_may_stand_in_the_address_but_no_secret(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    accessor = open_location(f"s3://bucket/options?endpoint={s3.endpoint}&region=us-east-1")
    accessor.write("a", [b"x"])

    assert s3.location("s3://bucket/options").list() == ["a"]
    assert accessor.where == "s3://bucket/options"
    for address in ("s3://bucket/a?secret_access_key=abc", "s3://me:abc@bucket/a"):
        with pytest.raises(InvalidValue) as caught:
            open_location(address)
        assert "abc" not in str(caught.value)


def test_a_bucket_that_there_is_not_is_said(s3: S3) -> None:
    accessor = s3.location("s3://nobucket/a")
    with pytest.raises(LocationUnavailable):
        accessor.list("a")
    with pytest.raises((LocationUnavailable, NoSuchFile)):
        accessor.write("a", [b"x"])


def test_a_store_that_cannot_be_reached_is_said(s3: S3) -> None:
    options = s3.options() | {"endpoint": "http://127.0.0.1:9", "retry_config": {"max_retries": 0}}
    accessor = open_location("s3://bucket/a", **options)
    with pytest.raises(LocationUnavailable) as caught:
        accessor.size("a")
    assert caught.value.where == "s3://bucket/a"
    assert "nothing" not in caught.value.message


def test_a_large_file_goes_from_store_to_store(s3: S3) -> None:
    one, two = s3.location("s3://bucket/from"), s3.location("s3://bucket/to")
    data = random.Random(1).randbytes(20_000_000)
    one.write("large", [data])
    source = Source(one, "large")
    assert two.write("large", source, size=source.size) == len(data)

    assert checksum_of(two.read("large")) == source.checksum == checksum_of([data])
    wrong = Source(one, "large", checksum=checksum_of([b"other"]))
    with pytest.raises(ChecksumMismatch):
        two.write("wrong", wrong, size=wrong.size)
    assert not two.exists("wrong")


def test_a_bucket_is_shared_by_prefixes(s3: S3) -> None:
    one, two = s3.location("s3://bucket/one"), s3.location("s3://bucket/two")
    one.write("a", [b"1"])
    two.write("a", [b"2"])

    assert (b"".join(one.read("a")), b"".join(two.read("a"))) == (b"1", b"2")


# --- addresses ----------------------------------------------------------------------------------------


def test_an_address_says_which_accessor(tmp_path: Path) -> None:
    assert isinstance(open_location("memory://x"), MemoryAccessor)
    assert open_location(tmp_path.as_uri()).where == str(tmp_path)
    assert open_location(str(tmp_path)).where == str(tmp_path)
    with pytest.raises(InvalidValue, match="ftp"):
        open_location("ftp://host/x")
