"""Resumable uploads as tus 1.0 has them: by raw HTTP and by other people's uploader; on both databases."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from recordroom.errors import UploadBusy
from recordroom.files.blobs import open_blobs
from tests.conftest import DATABASES, Places
from tests.served import served
from tests.server.test_files import LIMITS, Site, error_of, files_folder, make_room, new_component, until

OCTETS = "application/offset+octet-stream"
TUS = {"Tus_Resumable": "1.0.0"}


@pytest.fixture(scope="module", params=DATABASES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("uploads")
    places = Places(folder, request.getfixturevalue("postgres_url") if request.param == "postgresql" else "")
    where = places("uploads")
    make_room(where, files_folder(where, folder))
    with served(where, limits=LIMITS) as server:
        yield Site(server, where, files_folder(where, folder))
    places.clean()


def metadata(**values: str) -> str:
    return ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in values.items())


def begin(site: Site, length: int | None, body: bytes | None = None, **headers: str) -> urllib3.BaseHTTPResponse:
    given = {} if length is None else {"Upload_Length": str(length)}
    return site.server.request("POST", "/v1/uploads", body, **TUS, **given, **headers)


def begun(site: Site, length: int, **values: str) -> str:
    answer = begin(site, length, Upload_Metadata=metadata(**values)) if values else begin(site, length)
    assert answer.status == 201, answer.data
    return str(answer.headers["location"])


def send(site: Site, place: str, offset: int, data: bytes, **headers: str) -> urllib3.BaseHTTPResponse:
    given = {"Content_Type": OCTETS, "Upload_Offset": str(offset), **TUS, **headers}
    return site.server.request("PATCH", place, data, **given)


def head(site: Site, place: str) -> urllib3.BaseHTTPResponse:
    return site.server.request("HEAD", place, **TUS)


def state(site: Site, place: str) -> Any:
    return json.loads(site.server.request("GET", place).data)


def give_up(site: Site, *places: str) -> None:
    for place in places:
        assert site.server.request("DELETE", place, **TUS).status == 204


# --- the protocol ---------------------------------------------------------------------------------


def test_options_say_what_there_is_without_a_credential(site: Site) -> None:
    answer = urllib3.request("OPTIONS", f"{site.server.url}/v1/uploads")

    assert answer.status == 204
    assert answer.headers["tus-resumable"] == answer.headers["tus-version"] == "1.0.0"
    extensions = set(answer.headers["tus-extension"].split(","))
    assert {"creation", "creation-with-upload", "checksum", "termination", "expiration", "concatenation"} == extensions
    assert answer.headers["tus-max-size"] == str(LIMITS.file)
    assert answer.headers["tus-checksum-algorithm"] == "md5,sha1,sha256"


def test_an_upload_in_pieces_becomes_the_file_of_its_component(site: Site) -> None:
    component, data = new_component(), os.urandom(2_500_000)
    place = begun(site, len(data), component=component, filename="plate.png", sha256=hashlib.sha256(data).hexdigest())
    offsets = [head(site, place).headers["upload-offset"]]
    for start in range(0, len(data), 1_000_000):
        answer = send(site, place, start, data[start : start + 1_000_000])
        assert answer.status == 204
        offsets.append(answer.headers["upload-offset"])

    assert offsets == ["0", "1000000", "2000000", "2500000"]
    found = state(site, place)
    assert (found["state"], found["component"], found["file"]["size"]) == ("done", component, len(data))
    assert found["file"]["checksum"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    site.commit(component)
    answer = site.get(component)
    assert answer.data == data
    assert answer.headers["content-type"] == "image/png"
    assert head(site, place).headers["upload-offset"] == "2500000"
    assert site.leftovers() == []


def test_head_says_everything_of_an_upload(site: Site) -> None:
    given = metadata(filename="a.txt")
    place = str(begin(site, 10, Upload_Metadata=given).headers["location"])
    answer = head(site, place)

    assert (answer.status, answer.data) == (200, b"")
    assert answer.headers["upload-length"] == "10"
    assert answer.headers["upload-metadata"] == given
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert answer.headers["upload-expires"].endswith(" GMT")
    give_up(site, place)


def test_an_upload_may_come_with_its_creation(site: Site) -> None:
    answer = begin(site, 5, b"whole", Content_Type=OCTETS)
    assert (answer.status, answer.headers["upload-offset"]) == (201, "5")
    component = answer.headers["x-recordroom-component"]
    site.commit(component)
    assert site.get(component).data == b"whole"

    part = begin(site, 5, b"par", Content_Type=OCTETS)
    assert part.headers["upload-offset"] == "3"
    assert send(site, part.headers["location"], 3, b"ts").headers["upload-offset"] == "5"


def test_an_upload_of_nothing_is_done_at_once(site: Site) -> None:
    answer = begin(site, 0)

    assert answer.status == 201
    assert state(site, answer.headers["location"])["state"] == "done"


def test_pieces_have_checksums(site: Site) -> None:
    place = begun(site, 10)
    wrong = send(site, place, 0, b"01234", Upload_Checksum=f"sha1 {b64encode(hashlib.sha1(b'x').digest()).decode()}")
    assert (wrong.status, error_of(wrong)) == (460, "checksum_mismatch")
    assert head(site, place).headers["upload-offset"] == "0"

    for offset, name in ((0, "sha256"), (5, "md5")):
        data = b"0123456789"[offset : offset + 5]
        digest = b64encode(hashlib.new(name, data).digest()).decode()
        assert send(site, place, offset, data, Upload_Checksum=f"{name} {digest}").status == 204
    assert state(site, place)["state"] == "done"
    other = begun(site, 1)
    for unknown in ("crc32 AAAA", "sha1", "sha1 !!", f"sha1 {b64encode(b'short').decode()}"):
        assert error_of(send(site, other, 0, b"x", Upload_Checksum=unknown)) == "invalid_request"
    give_up(site, other)


def test_a_file_that_is_not_what_was_said_is_refused_now_and_later(site: Site) -> None:
    component = new_component()
    place = begun(site, 4, component=component, sha256="0" * 64)
    for _ in range(2):
        answer = send(site, place, 0, b"data")
        assert (answer.status, error_of(answer)) == (422, "checksum_mismatch")
    site.commit(component)
    assert site.get(component).status == 404
    assert site.server.request("GET", place).status == 422
    give_up(site, place)


def test_an_upload_that_is_given_up_is_gone_with_what_came(site: Site) -> None:
    place = begun(site, 10)
    assert send(site, place, 0, b"0123").status == 204
    assert len(site.leftovers()) == 1

    give_up(site, place)

    assert (head(site, place).status, send(site, place, 4, b"4").status) == (410, 410)
    assert site.leftovers() == []
    assert site.server.request("DELETE", place).status == 410


def test_who_can_only_post_says_the_method_in_a_header(site: Site) -> None:
    place = begun(site, 3)
    given = {"Content_Type": OCTETS, "Upload_Offset": "0", "X_HTTP_Method_Override": "PATCH", **TUS}
    assert site.server.request("POST", place, b"abc", **given).status == 204
    assert site.server.request("POST", place, X_HTTP_Method_Override="HEAD").headers["upload-offset"] == "3"
    assert site.server.request("POST", place, X_HTTP_Method_Override="GET").status == 405
    assert site.server.request("POST", place, X_HTTP_Method_Override="DELETE").status == 204


# --- parts ----------------------------------------------------------------------------------------


def test_parts_that_came_in_any_order_are_joined(site: Site) -> None:
    component, parts = new_component(), [os.urandom(300_000) for _ in range(3)]
    places = [str(begin(site, len(each), Upload_Concat="partial").headers["location"]) for each in parts]
    for place, data in reversed(list(zip(places, parts, strict=True))):
        assert send(site, place, 0, data).status == 204
    given = metadata(component=component, sha256=hashlib.sha256(b"".join(parts)).hexdigest())
    answer = begin(site, None, Upload_Concat=f"final;{' '.join(places)}", Upload_Metadata=given)

    assert answer.status == 201
    place = answer.headers["location"]
    until(lambda: bool(state(site, place)["state"] == "done"))
    found = head(site, place)
    assert found.headers["upload-offset"] == found.headers["upload-length"] == "900000"
    assert found.headers["upload-concat"] == f"final;{' '.join(places)}"
    site.commit(component)
    assert site.get(component).data == b"".join(parts)
    assert site.leftovers() == []
    assert send(site, place, 900_000, b"x").status == 409
    assert head(site, places[0]).status == 410


def test_parts_that_are_not_whole_or_none_of_ours_are_not_joined(site: Site) -> None:
    part = str(begin(site, 5, Upload_Concat="partial").headers["location"])
    whole = begun(site, 5)
    half = begin(site, None, Upload_Concat=f"final;{part}")
    assert error_of(begin(site, None, Upload_Concat=f"final;{whole}")) == "invalid_request"
    assert error_of(begin(site, None, Upload_Concat=f"final;/v1/uploads/{new_component()}")) == "upload_gone"
    for wrong in ("final", "final;", "final;nonsense", "both", f"final;{part} {part}"):
        assert error_of(begin(site, None, Upload_Concat=wrong)) == "invalid_request"
    assert error_of(half) == "invalid_request" if half.status != 201 else True
    give_up(site, part, whole)


def test_joining_goes_on_where_a_server_was_killed(site: Site) -> None:
    part = str(begin(site, 5, Upload_Concat="partial").headers["location"])
    assert send(site, part, 0, b"12345").status == 204
    uploads = site.server.service.uploads
    join, uploads.join = uploads.join, lambda room, row: _as_it_is(row)
    try:
        place = begin(site, None, Upload_Concat=f"final;{part}").headers["location"]
        assert "upload-offset" not in head(site, place).headers
    finally:
        uploads.join = join

    until(lambda: bool(state(site, place)["state"] == "done"))
    assert state(site, place)["file"]["size"] == 5


async def _as_it_is(row: Any) -> Any:
    return row


# --- what is wrong --------------------------------------------------------------------------------


def test_a_wrong_offset_is_told_the_right_one(site: Site) -> None:
    place = begun(site, 10)
    assert send(site, place, 0, b"01234").status == 204
    for offset in (0, 4, 6, 10, 11):
        answer = send(site, place, offset, b"5")
        assert (answer.status, error_of(answer)) == (409, "wrong_offset")
        assert json.loads(answer.data)["error"]["details"]["offset"] == 5
    assert head(site, place).headers["upload-offset"] == "5"
    give_up(site, place)


def test_more_than_was_said_is_refused(site: Site) -> None:
    place = begun(site, 5)
    assert error_of(send(site, place, 0, b"012345")) == "request_too_large"
    answer = urllib3.request(
        "PATCH", site.server.url + place, body=iter([b"012", b"3456"]), retries=False,
        headers=site.server.headers | {"Content-Type": OCTETS, "Upload-Offset": "0"},
    )  # fmt: skip
    assert (answer.status, error_of(answer)) == (413, "request_too_large")
    give_up(site, place)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "invalid_request"),
        ({"Upload_Length": "-1"}, "invalid_request"),
        ({"Upload_Length": "1e3"}, "invalid_request"),
        ({"Upload_Length": "٣"}, "invalid_request"),
        ({"Upload_Length": str(LIMITS.file + 1)}, "request_too_large"),
        ({"Upload_Length": "9" * 19}, "invalid_request"),
        ({"Upload_Defer_Length": "1"}, "invalid_request"),
        ({"Upload_Length": "1", "Tus_Resumable": "0.2.2"}, "other_protocol"),
        ({"Upload_Length": "1", "Upload_Metadata": "filename ***"}, "invalid_request"),
        ({"Upload_Length": "1", "Upload_Metadata": metadata(component="x")}, "invalid_request"),
        ({"Upload_Length": "1", "Upload_Metadata": metadata(md5="x")}, "invalid_request"),
        ({"Upload_Length": "1", "Upload_Metadata": metadata(sha256="sha256:00")}, "invalid_request"),
        ({"Upload_Length": "1", "Upload_Metadata": metadata(filename="a\0b")}, "invalid_request"),
        ({"Upload_Length": "1", "Upload_Metadata": metadata(database="../x")}, "invalid_request"),
        ({"Upload_Length": "1", "Upload_Metadata": metadata(database="other")}, "unknown_database"),
    ],
)
def test_creations_that_make_no_sense(site: Site, headers: dict[str, str], code: str) -> None:
    given = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    answer = site.server.request("POST", "/v1/uploads", **given)

    assert error_of(answer) == code
    assert answer.headers["tus-resumable"] == "1.0.0"


def test_a_piece_says_what_it_is_and_where_it_belongs(site: Site) -> None:
    place = begun(site, 5)
    as_json = site.server.request("PATCH", place, b"x", Content_Type="application/json", Upload_Offset="0")
    nowhere = site.server.request("PATCH", place, b"x", Content_Type=OCTETS)
    assert (error_of(as_json), error_of(nowhere)) == ("unsupported_content", "invalid_request")
    assert error_of(send(site, f"/v1/uploads/{new_component()}", 0, b"x")) == "upload_gone"
    assert error_of(send(site, "/v1/uploads/nonsense", 0, b"x")) == "no_such_path"
    give_up(site, place)


def test_what_came_of_a_piece_that_broke_off_is_kept(site: Site) -> None:
    import socket

    place = begun(site, 1_000_000)
    with socket.create_connection((site.server.host, site.server.port)) as connection:
        lines = [
            f"PATCH {place} HTTP/1.1", "host: x", f"authorization: Bearer {site.server.api_key}",
            f"content-type: {OCTETS}", "upload-offset: 0", "content-length: 1000000",
        ]  # fmt: skip
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + b"x" * 400_000)
        until(lambda: bool(site.leftovers()))
    until(lambda: head(site, place).headers["upload-offset"] == "400000")

    assert head(site, place).headers["upload-offset"] == "400000"
    # The request that broke off may hold it still, while what came is written down.
    answers: list[int] = []
    until(lambda: answers.append(send(site, place, 400_000, b"y" * 600_000).status) or answers[-1] != 423)
    assert answers[-1] == 204
    assert state(site, place)["state"] == "done"


def test_two_who_send_the_same_upload_do_not_mix(site: Site) -> None:
    place = begun(site, 10)
    blobs = open_blobs(str(site.folder))
    with blobs.begin(uuid.UUID(place.rpartition("/")[2]).hex, 0):
        answer = send(site, place, 0, b"0123456789")
        assert (answer.status, error_of(answer)) == (423, UploadBusy.code)
    assert send(site, place, 0, b"0123456789").status == 204


def test_there_are_only_so_many_uploads_under_way(site: Site) -> None:
    places: list[str] = []
    while (answer := begin(site, 10)).status == 201:
        places.append(str(answer.headers["location"]))

    assert (answer.status, error_of(answer)) == (429, "too_many_attempts")
    assert int(answer.headers["retry-after"]) > 0
    assert 0 < len(places) <= LIMITS.uploads
    give_up(site, *places)
    assert begin(site, 0).status == 201


def test_an_upload_ends_when_nothing_comes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    place = begun(site, 10)
    later = time.time_ns() + 25 * 3600 * 10**9
    monkeypatch.setattr("recordroom.server.uploads.now", lambda: later // 1000)
    assert head(site, place).status == 410
    monkeypatch.undo()
    give_up(site, place)


def test_a_full_disk_is_said_and_what_came_stays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    place = begun(site, 10)
    assert send(site, place, 0, b"01234").status == 204
    full = OSError(errno.ENOSPC, "No space left on device")

    def refuse(*_: object) -> int:
        raise full

    monkeypatch.setattr("recordroom.files.blobs_disk.os.pwrite", refuse)
    answer = send(site, place, 5, b"56789")
    monkeypatch.undo()

    assert (answer.status, error_of(answer)) == (507, "storage_full")
    assert head(site, place).headers["upload-offset"] == "5"
    assert send(site, place, 5, b"56789").status == 204


# --- other people's uploader ----------------------------------------------------------------------


def test_tuspy_uploads_and_resumes(site: Site, tmp_path: Path) -> None:
    from tusclient.client import TusClient

    component, data = new_component(), os.urandom(1_000_000)
    (tmp_path / "a.bin").write_bytes(data)
    client = TusClient(f"{site.server.url}/v1/uploads", headers=site.server.headers)
    with (tmp_path / "a.bin").open("rb") as file:
        given = {"file_stream": file, "chunk_size": 300_000}
        first = client.uploader(**given, metadata={"component": component}, upload_checksum=True)
        first.upload_chunk()
        second = client.uploader(**given, url=first.url)
        assert second.offset == 300_000
        second.upload()

    site.commit(component)
    assert site.get(component).data == data
