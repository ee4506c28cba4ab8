"""Blobs: the same on a disk and in an object store."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recordroom.errors import ChecksumMismatch, LocationUnavailable, NoSuchFile, StorageFull, UploadBusy, WrongOffset
from recordroom.files.blobs import Blobs, Wanted, check_digest, collect, open_blobs
from recordroom.files.blobs_disk import DiskBlobs
from recordroom.files.blobs_object import ObjectBlobs
from tests.files.s3 import S3

MEGABYTE = 1 << 20


@pytest.fixture(params=["disk", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "disk":
        return open_blobs(str(tmp_path / "files"))
    s3: S3 = request.getfixturevalue("s3")
    options: dict[str, Any] = {**s3.options(), "client_options": {"allow_http": True}}
    return ObjectBlobs(f"s3://bucket/{tmp_path.name}-{time.time_ns()}", **options)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def send(blobs: Blobs, upload: str, offset: int, data: bytes) -> None:
    with blobs.begin(upload, offset) as incoming:
        for start in range(0, len(data), MEGABYTE):
            incoming.write(data[start : start + MEGABYTE])


@pytest.mark.parametrize("size", [0, 1, MEGABYTE, 20 * MEGABYTE + 7])
def test_what_was_put_is_read_whole_and_in_parts(blobs: Blobs, size: int) -> None:
    data = os.urandom(size)
    known = blobs.put("u1", iter([data[: size // 2], data[size // 2 :]]))
    blobs.discard("u1")

    assert (known.digest, known.size) == (digest(data), size)
    assert blobs.size(known.digest) == size
    assert b"".join(blobs.read(known.digest)) == data
    assert b"".join(blobs.read(known.digest, size // 2)) == data[size // 2 :]
    assert b"".join(blobs.read(known.digest, 1, 5)) == data[1:6]
    assert all(len(piece) <= MEGABYTE for piece in blobs.read(known.digest))
    assert [(each.name, each.size) for each in blobs.all()] == [(known.digest, size)]
    assert list(blobs.uploads()) == []


def test_an_upload_comes_in_pieces_that_are_remembered(blobs: Blobs) -> None:
    data = os.urandom(10 * MEGABYTE)
    assert blobs.offset("u1") == 0
    send(blobs, "u1", 0, data[:9_000_000])
    assert blobs.offset("u1") == 9_000_000
    for wrong in (0, 8_999_999, 9_000_001):
        with pytest.raises(WrongOffset):
            blobs.begin("u1", wrong)
    send(blobs, "u1", 9_000_000, data[9_000_000:])
    known = blobs.finish(["u1"], Wanted(sha256=digest(data), size=len(data)))

    assert b"".join(blobs.read(known.digest)) == data
    assert [(each.name, each.size) for each in blobs.uploads()] == [("u1", len(data))]
    assert blobs.finish(["u1"]) == known
    blobs.discard("u1")
    assert blobs.offset("u1") == 0


def test_what_came_last_can_be_forgotten(blobs: Blobs) -> None:
    send(blobs, "u1", 0, b"kept")
    send(blobs, "u1", 4, b"spoiled")
    blobs.shorten("u1", 4)
    send(blobs, "u1", 4, b" and good")

    assert b"".join(blobs.read(blobs.finish(["u1"]).digest)) == b"kept and good"


def test_parts_are_joined_in_their_order(blobs: Blobs) -> None:
    for name, data in (("c", b"3" * 10), ("a", b"1" * 9_000_000), ("b", b"")):
        send(blobs, name, 0, data)
    known = blobs.finish(["a", "b", "c"])

    assert b"".join(blobs.read(known.digest)) == b"1" * 9_000_000 + b"3" * 10


def test_what_is_not_what_was_wanted_is_no_blob(blobs: Blobs) -> None:
    send(blobs, "u1", 0, b"data")
    md5 = hashlib.md5(b"data", usedforsecurity=False).hexdigest()
    for wanted in (Wanted(sha256="0" * 64), Wanted(md5="0" * 32), Wanted(size=3), Wanted(size=5)):
        with pytest.raises(ChecksumMismatch):
            blobs.finish(["u1"], wanted)
    assert list(blobs.all()) == []
    assert blobs.finish(["u1"], Wanted(sha256=digest(b"data"), md5=md5, size=4)).md5 == md5


def test_a_source_that_fails_leaves_nothing(blobs: Blobs) -> None:
    def pieces() -> Iterator[bytes]:
        yield bytes(MEGABYTE)
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError):
        blobs.put("u1", pieces())
    assert list(blobs.all()) == list(blobs.uploads()) == []


def test_what_is_not_there_is_said(blobs: Blobs) -> None:
    assert blobs.size(digest(b"x")) is None
    with pytest.raises(NoSuchFile):
        blobs.read(digest(b"x"))
    blobs.remove(digest(b"x"))
    blobs.discard("nothing")


def test_names_lead_nowhere_else(blobs: Blobs) -> None:
    for name in ("../x", "/etc/passwd", "a/b", "", "..", "a\0b", "."):
        with pytest.raises(ValueError, match="is no SHA-256"):
            blobs.size(name)
        with pytest.raises(ValueError, match="is no name"):
            blobs.begin(name, 0)
    assert check_digest("a" * 64) == "a" * 64


def test_only_what_is_old_and_unknown_is_collected(blobs: Blobs) -> None:
    kept, left = blobs.put("u1", [b"kept"]), blobs.put("u2", [b"left"])
    later = time.time() + 60

    assert collect(blobs, lambda digests: {kept.digest}, time.time() - 60) == 0
    assert collect(blobs, lambda digests: {kept.digest} & set(digests), later) == 1
    assert [each.name for each in blobs.all()] == [kept.digest]
    assert blobs.size(left.digest) is None


# --- disks ----------------------------------------------------------------------------------------


def test_one_at_a_time_takes_an_upload(tmp_path: Path) -> None:
    one, other = DiskBlobs(tmp_path), DiskBlobs(tmp_path)
    with one.begin("u1", 0) as incoming:
        incoming.write(b"abc")
        with pytest.raises(UploadBusy):
            other.begin("u1", 0)
    assert other.begin("u1", 3).offset == 3


def test_a_blob_that_is_made_again_is_young_again(tmp_path: Path) -> None:
    blobs = DiskBlobs(tmp_path)
    known = blobs.put("u1", [b"again"])
    path = tmp_path / "blobs" / known.digest[:2] / known.digest
    os.utime(path, (0, 0))
    blobs.put("u2", [b"again"])

    assert time.time() - path.stat().st_mtime < 60


def test_a_disk_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    blobs = DiskBlobs(tmp_path)
    for number, error in ((errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, LocationUnavailable)):

        def refuse(*_: object, number: int = number) -> int:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr("recordroom.files.blobs_disk.os.pwrite", refuse)
            with pytest.raises(error):
                blobs.put(f"u{number}", [b"x"])
    assert list(blobs.all()) == list(blobs.uploads()) == []


def test_what_vanished_while_it_was_finished_makes_no_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = DiskBlobs(tmp_path)
    send(blobs, "u1", 0, b"data")
    known = blobs.finish(["u1"])
    blobs.remove(known.digest)
    blobs.discard("u1")

    with pytest.raises(LocationUnavailable):
        blobs.finish(["u1"], known=known)
    assert list(blobs.all()) == []


# --- object stores --------------------------------------------------------------------------------


def test_a_store_that_does_not_answer_is_named_without_its_secrets() -> None:
    nowhere = ObjectBlobs(
        "s3://bucket/prefix", endpoint="http://127.0.0.1:1", region="x", access_key_id="a", secret_access_key="hush",
        client_options={"allow_http": True}, retry_config={"max_retries": 0},
    )  # fmt: skip
    with pytest.raises(LocationUnavailable) as refused:
        nowhere.size("a" * 64)
    assert "hush" not in str(refused.value)
    assert str(refused.value).startswith("s3://bucket/prefix cannot be used now")
