"""Files to and from a room, in this process and behind a server: the same calls, verified, going on where they were."""

from __future__ import annotations

import hashlib
import os
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
from recordroom.client import downloading, uploading
from recordroom.client.calls import Caller
from recordroom.client.credentials import ApiKey
from recordroom.client.retry import NEVER, Retry
from recordroom.client.secret import secret
from recordroom.client.transfers import RemoteFiles, RoomFiles, room_files
from recordroom.client.transport import Transport
from recordroom.errors import ChecksumMismatch, InvalidValue, NoSuchFile, NotSupported, PermissionDenied, StorageFull
from recordroom.files.accessor import Accessor
from recordroom.files.disk import DiskAccessor
from recordroom.files.transfer import Source
from recordroom.model.ids import as_id
from recordroom.model.operations import Commit, Create
from recordroom.server.limits import Limits
from tests.conftest import DATABASES, Places
from tests.served import Served, served
from tests.server.test_files import files_folder, make_room, until

QUICK = Retry(connection=50, first_contact=50, base=0.01, cap=0.05, budget=30.0)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("RECORDROOM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Reached:
    """Files of a room, and the room to commit components in."""

    def __init__(self, files: RoomFiles, transport: Transport, folder: Path, server: Served | None = None) -> None:
        self.files = files
        self.transport = transport
        self.folder = folder
        self.server = server
        self._before: set[str] = set()
        self._before = set(self._left())

    def committed(self, key: str) -> str:
        operation = Create("Component", [as_id(key)], {"name": ["x"]})
        self.transport.commit(Commit(id=uuid.uuid4().bytes, operations=[operation]))
        return key

    def leftovers(self) -> list[str]:
        """What is left of uploads since the test began, once the server has seen the end of requests that broke off."""
        end = time.monotonic() + 20
        while (found := self._left()) and time.monotonic() < end:
            time.sleep(0.01)
        return found

    def _left(self) -> list[str]:
        place = self.folder / "uploads"
        return sorted({each.name for each in place.iterdir()} - self._before) if place.exists() else []


@pytest.fixture(scope="module")
def room_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, Served]]:
    folder = tmp_path_factory.mktemp("transfers")
    where = Places(folder)("served")
    make_room(where, folder)
    with served(where, limits=Limits(uploads=20)) as server:
        yield where, Path(where) / "files", server


@pytest.fixture
def remote(room_of_module: tuple[str, Path, Served]) -> Iterator[Reached]:
    _, folder, server = room_of_module
    with rr.connect(server.url, api_key=server.api_key, retry=QUICK) as session:
        yield Reached(room_files(session.transport), session.transport, folder, server)


@pytest.fixture(params=["remote", *DATABASES])
def reached(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reached]:
    """A room behind a server, and rooms in this process on either database."""
    if request.param == "remote":
        yield request.getfixturevalue("remote")
        return
    places = request.getfixturevalue("places_sqlite" if request.param == "sqlite" else "places_postgres")
    where, folder = places(), files_folder(places(), tmp_path)
    make_room(where, folder)
    with rr.connect(where) as session:
        yield Reached(room_files(session.transport), session.transport, folder)


def new_key() -> str:
    return str(uuid.uuid4())


def checksum(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def parts_of_a_megabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small parts and pieces, so that a small file has several."""
    monkeypatch.setattr(uploading, "_WHOLE", 1000)
    monkeypatch.setattr(uploading, "_PART", 1 << 20)
    monkeypatch.setattr(uploading, "_PIECE", 1 << 18)


# --- there and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 300_000, 5_000_001])
def test_a_file_comes_back_as_it_was(reached: Reached, tmp_path: Path, size: int) -> None:
    key, data = new_key(), os.urandom(size)
    (tmp_path / "in.bin").write_bytes(data)
    told: list[tuple[int, int]] = []

    sent = reached.files.upload(key, tmp_path / "in.bin", progress=lambda done, all_: told.append((done, all_)))
    assert (sent.size, sent.checksum) == (size, checksum(data))
    assert reached.files.size(key) is None
    reached.committed(key)
    assert reached.files.size(key) == size
    got = reached.files.download(key, tmp_path / "out.bin")

    assert (got.size, got.checksum) == (size, checksum(data))
    assert (tmp_path / "out.bin").read_bytes() == data
    assert b"".join(reached.files.get(key)) == data
    assert b"".join(reached.files.get(key, 1, 10)) == data[1:11]
    assert b"".join(reached.files.get(key, size + 5)) == b""
    assert told == [] or told[-1] == (size, size)
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith(".")) == []
    assert reached.leftovers() == []


def test_pieces_that_can_be_read_once_are_kept_however_many(reached: Reached) -> None:
    for pieces in ([], [b"a", b"bc"], [os.urandom(1 << 20) for _ in range(6)]):
        key, data = new_key(), b"".join(pieces)
        assert reached.files.put(key, iter(pieces)) == (len(data), checksum(data))
        other = new_key()
        assert reached.files.put(other, iter(pieces), size=len(data), checksum=checksum(data))[0] == len(data)
        assert b"".join(reached.files.get(reached.committed(other))) == data


def test_what_is_not_what_was_said_is_refused(reached: Reached) -> None:
    for size in (1000, 6_000_000):
        for given in ({"size": size + 1}, {"size": size - 1}):
            with pytest.raises(ChecksumMismatch):
                reached.files.put(new_key(), iter([bytes(size)]), **given)
    with pytest.raises(ChecksumMismatch):
        reached.files.put(new_key(), iter([b"abc"]), checksum=checksum(b"abd"))
    until(lambda: not reached.leftovers())
    assert reached.leftovers() == []


def test_removed_is_removed(reached: Reached) -> None:
    key = new_key()
    reached.files.put(key, [b"x"])
    reached.committed(key)
    reached.files.remove(key)

    assert reached.files.size(key) is None
    for call in (reached.files.remove, reached.files.get, lambda each: reached.files.download(each, "unused")):
        with pytest.raises(NoSuchFile):
            call(key)
    with pytest.raises(InvalidValue):
        reached.files.get("nonsense")


def test_only_a_server_has_addresses(remote: Reached, room_sqlite: Any) -> None:
    key = new_key()
    remote.files.put(key, [b"by url"])
    remote.committed(key)
    with urllib.request.urlopen(remote.files.url(key)) as answer:
        assert answer.read() == b"by url"
    found = remote.files.upload_url(key, "a.txt", 3, hashlib.md5(b"new", usedforsecurity=False).hexdigest())
    request = urllib.request.Request(found.url, b"new", dict(found.headers), method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    assert b"".join(remote.files.get(key)) == b"new"
    with pytest.raises(NotSupported):
        room_files(room_sqlite).url(key)


# --- what happens to files of this machine --------------------------------------------------------


def test_a_file_that_is_not_there_or_changes_is_said(reached: Reached, tmp_path: Path) -> None:
    with pytest.raises(NoSuchFile):
        reached.files.upload(new_key(), tmp_path / "missing")
    with pytest.raises(NoSuchFile, match="is no file"):
        reached.files.upload(new_key(), tmp_path)
    path = tmp_path / "growing"
    path.write_bytes(bytes(6_000_000))

    def grow(done: int, _: int) -> None:
        if done < 6_000_000:
            with path.open("ab") as file:
                file.write(b"more")

    def vanish(done: int, _: int) -> None:
        path.unlink(missing_ok=True)

    with pytest.raises(ChecksumMismatch, match="changed while it was sent"):
        reached.files.upload(new_key(), path, progress=grow)
    with pytest.raises(NoSuchFile):
        reached.files.upload(new_key(), path, progress=vanish)
    assert reached.leftovers() == []


def test_a_download_to_no_place_is_said_and_leaves_nothing(reached: Reached, tmp_path: Path) -> None:
    key = new_key()
    reached.files.put(key, [b"data"])
    reached.committed(key)
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "missing" / "x", tmp_path / "folder"):
        with pytest.raises(PermissionDenied):
            reached.files.download(key, target)
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_full_disk_is_said(reached: Reached, tmp_path: Path) -> None:
    key = new_key()
    reached.files.put(key, [b"data"])
    reached.committed(key)
    beside = downloading._Beside
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beside, "write", _full)
        with pytest.raises(StorageFull):
            reached.files.download(key, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _full(*_: object) -> None:
    import errno

    raise OSError(errno.ENOSPC, "No space left on device")


# --- going on -------------------------------------------------------------------------------------


class Watch:
    """Counts the bytes of bodies that are sent, and breaks where it is told to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.sent = 0
        self.breaks: Callable[[int], bool] = lambda sent: False
        inner = uploading.sized

        def counting(parts: Iterator[bytes], tell: Callable[[int], None]) -> Iterator[bytes]:
            for part in inner(parts, tell):
                if self.breaks(self.sent):
                    raise KeyboardInterrupt
                self.sent += len(part)
                yield part

        patch.setattr(uploading, "sized", counting)


def test_an_upload_that_was_killed_goes_on_even_for_another_component(
    remote: Reached, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of_a_megabyte(monkeypatch)
    watch, data = Watch(monkeypatch), os.urandom(4_500_000)
    (tmp_path / "a.bin").write_bytes(data)
    watch.breaks = lambda sent: sent > 2_000_000
    with pytest.raises(KeyboardInterrupt):
        remote.files.upload(new_key(), tmp_path / "a.bin")
    assert len(list((cache / "uploads").glob("*.json"))) == 1

    watch.breaks = lambda sent: False
    key = new_key()
    remote.files.upload(key, tmp_path / "a.bin")

    assert b"".join(remote.files.get(remote.committed(key))) == data
    assert watch.sent < len(data) + 4 * (1 << 18)
    assert list((cache / "uploads").iterdir()) == []
    assert remote.leftovers() == []


def test_an_upload_whose_parts_have_expired_begins_anew(
    remote: Reached, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of_a_megabyte(monkeypatch)
    watch, data, key = Watch(monkeypatch), os.urandom(2_500_000), new_key()
    (tmp_path / "a.bin").write_bytes(data)
    watch.breaks = lambda sent: sent > 1_000_000
    with pytest.raises(KeyboardInterrupt):
        remote.files.upload(key, tmp_path / "a.bin")
    watch.breaks = lambda sent: False
    later = time.time_ns() // 1000 + 25 * 3_600_000_000
    with pytest.MonkeyPatch.context() as patch:
        for module in ("uploads", "files", "quotas"):
            patch.setattr(f"recordroom.server.{module}.now", lambda: later)
        remote.files.upload(key, tmp_path / "a.bin")

    assert b"".join(remote.files.get(remote.committed(key))) == data


def test_two_who_upload_the_same_file_do_not_disturb_each_other(
    remote: Reached, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of_a_megabyte(monkeypatch)
    data, keys = os.urandom(2_500_000), [new_key() for _ in range(3)]
    (tmp_path / "a.bin").write_bytes(data)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda key: remote.files.upload(key, tmp_path / "a.bin"), keys))

    assert [b"".join(remote.files.get(remote.committed(key))) == data for key in keys] == [True] * 3


def test_a_source_of_a_location_goes_on_too(remote: Reached, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts_of_a_megabyte(monkeypatch)
    watch, data, key = Watch(monkeypatch), os.urandom(3_000_000), new_key()
    accessor: Accessor = DiskAccessor(tmp_path)
    accessor.write("a.bin", [data])
    watch.breaks = lambda sent: sent > 1_500_000
    with pytest.raises(KeyboardInterrupt):
        remote.files.put(key, Source(accessor, "a.bin"))
    watch.breaks = lambda sent: False
    source = Source(accessor, "a.bin")

    assert remote.files.put(key, source, size=len(data)) == (len(data), checksum(data))
    assert source.checksum == checksum(data)
    assert watch.sent < len(data) + 2 * (1 << 18)
    assert b"".join(remote.files.get(remote.committed(key))) == data


def test_a_source_that_became_another_is_noticed(
    remote: Reached, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts_of_a_megabyte(monkeypatch)
    watch, key = Watch(monkeypatch), new_key()
    accessor: Accessor = DiskAccessor(tmp_path)
    accessor.write("a.bin", [bytes(2_000_000)])
    watch.breaks = lambda sent: sent > 1_000_000
    with pytest.raises(KeyboardInterrupt):
        remote.files.put(key, Source(accessor, "a.bin"))
    watch.breaks = lambda sent: False
    accessor.write("a.bin", [b"x" * 2_000_000], overwrite=True)
    with pytest.raises(ChecksumMismatch):
        remote.files.put(key, Source(accessor, "a.bin"))

    assert remote.files.put(key, Source(accessor, "a.bin"))[1] == checksum(b"x" * 2_000_000)


def test_a_download_goes_on_with_what_is_there(remote: Reached, tmp_path: Path) -> None:
    key, data = new_key(), os.urandom(3_000_000)
    remote.files.put(key, [data])
    remote.committed(key)
    digest = hashlib.sha256(data).hexdigest()
    part = tmp_path / f".out.{digest}.part"
    part.write_bytes(data[:2_000_000])
    told: list[int] = []

    remote.files.download(key, tmp_path / "out", progress=lambda done, _: told.append(done))

    assert (tmp_path / "out").read_bytes() == data
    assert told[0] > 1_999_999
    assert not part.exists()


def test_a_download_that_is_not_what_the_server_has_is_not_kept(remote: Reached, tmp_path: Path) -> None:
    key, data = new_key(), os.urandom(1_000_000)
    remote.files.put(key, [data])
    remote.committed(key)
    part = tmp_path / f".out.{hashlib.sha256(data).hexdigest()}.part"
    part.write_bytes(b"spoiled" * 1000)
    with pytest.raises(ChecksumMismatch):
        remote.files.download(key, tmp_path / "out")
    assert list(tmp_path.glob("*out*")) == []
    remote.files.download(key, tmp_path / "out")

    assert (tmp_path / "out").read_bytes() == data


def test_what_was_begun_of_other_bytes_is_forgotten(remote: Reached, tmp_path: Path) -> None:
    key = new_key()
    remote.files.put(key, [b"the new bytes"])
    remote.committed(key)
    part = tmp_path / f".out.{'0' * 64}.part"
    part.write_bytes(b"of the old")

    remote.files.download(key, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"the new bytes"
    assert not part.exists()


def test_bytes_are_not_sent_to_those_who_may_not_have_them(remote: Reached) -> None:
    assert remote.server is not None
    key = new_key()
    remote.files.put(key, [b"mine"])
    remote.committed(key)
    stranger = RemoteFiles(Caller(remote.server.url, ApiKey(secret("rrk_of_nobody_here", "api_key")), retry=NEVER))
    for call in (stranger.get, stranger.remove, stranger.url):
        with pytest.raises(rr.NotAuthenticated):
            call(key)
