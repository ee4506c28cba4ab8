"""How much one actor may have under way and uncommitted, and what stays free on the disk; on both databases."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from recordroom import connect
from recordroom.client.transfers import room_files
from recordroom.errors import StorageFull, UploadQuotaExceeded
from recordroom.files import blobs_disk
from recordroom.server.limits import Limits
from recordroom.store import file_charges
from tests.conftest import Places
from tests.served import served
from tests.server.test_files import Site, error_of, files_folder, make_room, new_component, until
from tests.server.test_uploads import TUS, begin, begun, give_up, head, send, state

MOST = 1_000_000
EXCEEDED = (507, "upload_quota_exceeded")


@pytest.fixture
def site(places: Places, tmp_path: Path) -> Iterator[Site]:
    where = places("quotas")
    folder = files_folder(where, tmp_path)
    make_room(where, folder)
    with served(where, limits=Limits(pending=MOST, body_seconds=5.0)) as server:
        yield Site(server, where, folder)


def put(site: Site, size: int, component: str = "", fill: bytes = b"x") -> tuple[int, str]:
    """The status and the name of the error."""
    answer = site.put(fill * size, component)[1]
    return answer.status, "" if answer.status == 200 else error_of(answer)


def began(site: Site, length: int, **headers: str) -> tuple[int, str]:
    answer = begin(site, length, **headers)
    return answer.status, "" if answer.status == 201 else error_of(answer)


# --- of one actor ---------------------------------------------------------------------------------


def test_what_is_to_come_counts_from_the_beginning(site: Site) -> None:
    place = begun(site, 600_000)

    assert began(site, 400_001) == EXCEEDED == put(site, 400_001)
    assert put(site, 400_000) == (200, "")
    assert send(site, place, 0, b"x" * 600_000).status == 204
    assert began(site, 1) == EXCEEDED


def test_what_was_given_up_counts_no_more(site: Site) -> None:
    place = begun(site, MOST)

    assert began(site, 1) == EXCEEDED
    give_up(site, place)
    assert put(site, MOST) == (200, "")


def test_what_is_committed_counts_no_more(site: Site) -> None:
    for fill in (b"a", b"b", b"c"):
        component, answer = site.put(fill * 900_000)
        assert answer.status == 200
        assert put(site, 200_000) == EXCEEDED
        site.commit(component)
    assert put(site, 200_000) == (200, "")


def test_sending_again_what_is_committed_makes_no_room_for_more(site: Site) -> None:
    component = site.stored(b"0" * 400_000)

    assert put(site, 400_000, component, b"1") == (200, "")
    assert put(site, 400_000, component, b"2") == (200, "")
    assert put(site, 400_000, component, b"3") == EXCEEDED
    assert len(site.blobs()) == 3


def test_removing_bytes_makes_room_only_when_they_are_collected(site: Site) -> None:
    component = site.stored(b"0" * 700_000)

    assert site.server.request("DELETE", f"/v1/files/{component}").status == 204
    assert put(site, 400_000) == EXCEEDED
    assert put(site, 300_000) == (200, "")


def test_ending_an_upload_that_is_done_makes_no_room(site: Site) -> None:
    place = begun(site, 700_000)
    assert send(site, place, 0, b"x" * 700_000).status == 204

    give_up(site, place)

    assert head(site, place).status == 410
    assert put(site, 400_000) == EXCEEDED


def test_parts_count_once(site: Site) -> None:
    parts = [begun_part(site, 300_000, fill) for fill in (b"a", b"b")]
    answer = begin(site, None, Upload_Concat=f"final;{' '.join(parts)}")
    assert answer.status == 201
    until(lambda: state(site, answer.headers["location"])["state"] == "done")

    assert put(site, 400_001) == EXCEEDED
    assert put(site, 400_000) == (200, "")


def begun_part(site: Site, size: int, fill: bytes) -> str:
    place = str(begin(site, size, Upload_Concat="partial").headers["location"])
    assert send(site, place, 0, fill * size).status == 204
    return place


def chunked(site: Site, pieces: list[bytes]) -> tuple[int, bytes]:
    """PUT of bytes whose number is not said."""
    alone = http.client.HTTPConnection(site.server.host, site.server.port, timeout=30)
    try:
        path = f"/v1/files/{new_component()}"
        alone.request("PUT", path, iter(pieces), dict(site.server.headers), encode_chunked=True)
        answer = alone.getresponse()
        return answer.status, answer.read()
    finally:
        alone.close()


def test_what_does_not_say_how_long_it_is_counts_as_it_comes(site: Site) -> None:
    status, body = chunked(site, [b"x" * 100_000] * 9)
    assert status == 200, body

    status, body = chunked(site, [b"y" * 100_000] * 2)

    assert (status, b"upload_quota_exceeded" in body) == (507, True)
    assert site.leftovers() == []
    assert put(site, 100_000) == (200, "")


def test_what_fails_counts_no_more(site: Site) -> None:
    component, answer = site.put(b"x" * 900_000, Content_MD5="0" * 32)
    assert error_of(answer) == "checksum_mismatch"

    assert put(site, MOST, component) == (200, "")


def test_nothing_is_counted_anew_before_there_is_too_much(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[Any] = []
    counted = file_charges._counted
    monkeypatch.setattr(file_charges, "_counted", lambda *given: counts.append(given) or counted(*given))

    for _ in range(9):
        assert put(site, 100_000) == (200, "")

    assert not counts


def test_an_account_is_nobodys_upload(site: Site) -> None:
    assert put(site, MOST) == (200, "")
    owner = "owner"
    name = file_charges._account_id(owner).hex()
    place = f"/v1/uploads/{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"

    assert site.server.request("DELETE", place, **TUS).status == 410
    assert head(site, place).status == 410
    assert put(site, 1) == EXCEEDED


def test_a_session_says_what_was_too_much(site: Site, tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(b"x" * (MOST + 1))
    with connect(site.server.url, api_key=site.server.api_key) as session, pytest.raises(UploadQuotaExceeded) as caught:
        room_files(session.transport).upload(new_component(), large)

    assert (caught.value.used, caught.value.asked, caught.value.limit) == (0, MOST + 1, MOST)
    assert isinstance(caught.value, StorageFull)


# --- the disk -------------------------------------------------------------------------------------


class Disk(NamedTuple):
    """What `shutil.disk_usage` says."""

    free: int


def test_what_would_leave_too_little_on_the_disk_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    floor = Limits().free
    place = begun(site, 300_000)
    assert send(site, place, 0, b"x" * 100_000).status == 204

    monkeypatch.setattr(blobs_disk.shutil, "disk_usage", lambda folder: Disk(floor + 1_000))
    assert began(site, 1_001) == (507, "storage_full") == put(site, 1_001)
    assert put(site, 1_000) == (200, "")
    monkeypatch.setattr(blobs_disk.shutil, "disk_usage", lambda folder: Disk(floor - 1))
    assert send(site, place, 100_000, b"x" * 200_000).status == 507
    status, body = chunked(site, [b"y" * 1_000])
    assert (status, b"storage_full" in body) == (507, True)

    monkeypatch.undo()
    there = int(head(site, place).headers["upload-offset"])
    assert send(site, place, there, b"x" * (300_000 - there)).status == 204


def test_space_is_that_of_the_nearest_folder_there_is(tmp_path: Path) -> None:
    free = blobs_disk.DiskBlobs(tmp_path / "not" / "yet").free()

    assert free is not None
    assert free > 0
