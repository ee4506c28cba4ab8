"""The bytes of components over HTTP: sent in one go, read in parts, removed, by signed addresses; on both databases."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import socket
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from recordroom.model.ids import as_id
from recordroom.model.operations import Commit, Create, DefineType, Delete
from recordroom.model.schema import Attribute, EntityType
from recordroom.server.downloads import disposition
from recordroom.server.limits import Limits
from recordroom.store.room import Room
from tests.conftest import DATABASES, Places
from tests.served import Served, served

COMPONENT = EntityType(
    name="Component", attributes=(Attribute(name="name", kind="text"), Attribute(name="size", kind="integer"))
)
LIMITS = Limits(file=50_000_000, uploads=6, body=1_000_000, body_seconds=2.0)


def new_component() -> str:
    return str(uuid.uuid4())


def files_folder(where: str, tmp_path: Path) -> Path:
    return Path(where) / "files" if "://" not in where else tmp_path / "blobs of pg"


class Site:
    """A server with components, and where its blobs lie."""

    def __init__(self, server: Served, where: str, folder: Path) -> None:
        self.server = server
        self.where = where
        self.folder = folder

    def put(self, data: bytes, component: str = "", **headers: str) -> tuple[str, urllib3.BaseHTTPResponse]:
        component = component or new_component()
        return component, self.server.request("PUT", f"/v1/files/{component}?name=plate.exr", data, **headers)

    def commit(self, *components: str) -> None:
        for each in components:
            body = {
                "id": new_component(),
                "operations": [{"op": "Create", "type": "Component", "ids": [each], "columns": {"name": ["x"]}}],
            }
            assert self.server.request("POST", "/v1/commit", body).status == 200

    def get(self, component: str, **headers: str) -> urllib3.BaseHTTPResponse:
        return self.server.request("GET", f"/v1/files/{component}", **headers)

    def stored(self, data: bytes) -> str:
        component, answer = self.put(data)
        assert answer.status == 200, answer.data
        self.commit(component)
        return component

    def blobs(self) -> list[Path]:
        return [each for each in (self.folder / "blobs").rglob("*") if each.is_file()]

    def leftovers(self) -> list[str]:
        place = self.folder / "uploads"
        return sorted(each.name for each in place.iterdir()) if place.exists() else []


def make_room(where: str, folder: Path, types: tuple[EntityType, ...] = (COMPONENT,)) -> None:
    settings = {"files": str(folder)} if "://" in where else {}
    with Room.open(where, **settings) as room:
        room.commit(Commit(id=uuid.uuid4().bytes, operations=[DefineType(each) for each in types]))


@pytest.fixture(scope="module", params=DATABASES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("files")
    places = Places(folder, request.getfixturevalue("postgres_url") if request.param == "postgresql" else "")
    where = places("files")
    make_room(where, files_folder(where, folder))
    with served(where, limits=LIMITS) as server:
        yield Site(server, where, files_folder(where, folder))
    places.clean()


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that is about to happen."""
    end = time.monotonic() + 20
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)


def error_of(answer: urllib3.BaseHTTPResponse) -> Any:
    return json.loads(answer.data)["error"]["code"]


# --- in one go ------------------------------------------------------------------------------------


def test_bytes_are_sent_before_their_component_is_committed_and_read_after(site: Site) -> None:
    data = os.urandom(3_000_000)

    component, answer = site.put(data)

    assert answer.status == 200
    facts = json.loads(answer.data)
    assert facts == {
        "component": component, "size": len(data), "checksum": f"sha256:{hashlib.sha256(data).hexdigest()}", "name": "plate.exr",
    }  # fmt: skip
    assert site.get(component).status == 404
    site.commit(component)
    found = site.get(component)
    assert (found.status, found.data) == (200, data)
    assert found.headers["etag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["content-disposition"].startswith('attachment; filename="plate.exr"')
    assert site.leftovers() == []


def test_an_empty_file_is_a_file_also_where_it_comes_chunked(site: Site) -> None:
    component = new_component()
    answer = urllib3.request(
        "PUT", f"{site.server.url}/v1/files/{component}", body=iter(()), headers=site.server.headers, retries=False
    )
    site.commit(component)

    assert answer.status == 200
    assert (site.get(component).status, site.get(component).data) == (200, b"")
    assert site.get(component, range="bytes=0-").status == 416


def test_the_same_bytes_are_kept_once(site: Site) -> None:
    data = secrets.token_bytes(1000)
    first, second = site.stored(data), site.stored(data)

    assert len([each for each in site.blobs() if each.name == hashlib.sha256(data).hexdigest()]) == 1
    site.server.request("DELETE", f"/v1/files/{first}")
    assert site.get(second).data == data


def test_what_does_not_have_the_md5_that_was_said_is_refused_and_nothing_of_it_stays(site: Site) -> None:
    data = b"not what was meant"
    md5 = b64encode(hashlib.md5(b"something else", usedforsecurity=False).digest()).decode()

    component, answer = site.put(data, Content_MD5=md5)

    assert (answer.status, error_of(answer)) == (422, "checksum_mismatch")
    site.commit(component)
    assert site.get(component).status == 404
    assert site.leftovers() == []
    assert hashlib.sha256(data).hexdigest() not in [each.name for each in site.blobs()]


def test_what_is_too_large_is_refused_before_and_while_it_comes(site: Site) -> None:
    _, told = site.put(b"", Content_Length=str(LIMITS.file + 1), Connection="close")

    def pieces() -> Iterator[bytes]:
        for _ in range(60):
            yield bytes(1_000_000)

    path = f"{site.server.url}/v1/files/{new_component()}"
    with urllib3.PoolManager() as alone:
        chunked = alone.request("PUT", path, body=pieces(), headers=site.server.headers, retries=False)

    assert (chunked.status, error_of(chunked)) == (413, "request_too_large")
    assert (told.status, error_of(told)) == (413, "request_too_large")
    assert site.leftovers() == []


def test_a_body_that_breaks_off_leaves_nothing(site: Site) -> None:
    component = new_component()
    with socket.create_connection((site.server.host, site.server.port)) as connection:
        head = f"PUT /v1/files/{component} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {site.server.api_key}\r\n"
        connection.sendall(f"{head}content-length: 1000000\r\n\r\n".encode() + bytes(300_000))
        until(lambda: bool(site.leftovers()))
    until(lambda: not site.leftovers())

    site.commit(component)
    assert site.leftovers() == []
    assert site.get(component).status == 404


def test_what_is_no_component_has_no_bytes(site: Site) -> None:
    for path in ("nonsense", new_component(), "..%2f..%2froom.sqlite", "a%00b"):
        answer = site.server.request("GET", f"/v1/files/{path}")
        assert (answer.status, error_of(answer)) in ((404, "no_such_file"), (404, "no_such_path"))
    other = site.server.request("PUT", f"/v1/files/{new_component()}?database=nowhere", b"x")
    assert (other.status, error_of(other)) == (404, "unknown_database")


def test_removed_bytes_are_gone_and_can_be_sent_anew(site: Site) -> None:
    component = site.stored(b"first")

    assert site.server.request("DELETE", f"/v1/files/{component}").status == 204
    assert site.server.request("DELETE", f"/v1/files/{component}").status == 404
    assert site.get(component).status == 404
    assert site.put(b"second", component)[1].status == 200
    assert site.get(component).data == b"second"


def test_a_blob_that_has_vanished_is_said(site: Site) -> None:
    data = secrets.token_bytes(100)
    component = site.stored(data)
    next(each for each in site.blobs() if each.name == hashlib.sha256(data).hexdigest()).unlink()

    answer = site.get(component)
    assert (answer.status, error_of(answer)) == (404, "no_such_file")


# --- in parts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-99", 206, (0, 100)),
        ("bytes=100-", 206, (100, 5000)),
        ("bytes=-10", 206, (4990, 5000)),
        ("bytes=4990-9999", 206, (4990, 5000)),
        ("bytes=-9999", 206, (0, 5000)),
        ("bytes=5000-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=9-3", 200, (0, 5000)),
        ("bytes=0-1,4-5", 200, (0, 5000)),
        ("bytes=-", 200, (0, 5000)),
        ("lines=0-1", 200, (0, 5000)),
        ("bytes=x-y", 200, (0, 5000)),
    ],
)
def test_ranges(site: Site, asked: str, status: int, part: tuple[int, int] | None) -> None:
    data = bytes(range(250)) * 20
    component = site.stored(data)
    answer = site.get(component, range=asked)

    assert answer.status == status
    if part is None:
        assert answer.headers["content-range"] == "bytes */5000"
    else:
        assert answer.data == data[slice(*part)]
    if status == 206 and part is not None:
        assert answer.headers["content-range"] == f"bytes {part[0]}-{part[1] - 1}/5000"


def test_tags_are_compared(site: Site) -> None:
    component = site.stored(b"0123456789")
    tag = site.get(component).headers["etag"]

    assert site.get(component, if_none_match=tag).status == 304
    assert site.get(component, if_none_match=f'"other", W/{tag}').status == 304
    assert site.get(component, range="bytes=0-1", if_range=tag).data == b"01"
    assert site.get(component, range="bytes=0-1", if_range='"other"').data == b"0123456789"


def test_head_says_what_get_would_give(site: Site) -> None:
    component = site.stored(b"0123456789")
    answer = site.server.request("HEAD", f"/v1/files/{component}")

    assert (answer.status, answer.data) == (200, b"")
    assert answer.headers["content-length"] == "10"


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\x.txt", "x.txt"),
        ('a"b\r\nSet-Cookie: x', "a_bSet-Cookie_ x"),
        ("…", "_"),
        ("..", "file"),
        ("", "file"),
        ("Ärger über 1.txt", "_rger _ber 1.txt"),
    ],
)
def test_names_of_downloads_do_no_harm(name: str, plain: str) -> None:
    found = disposition(name).decode("ascii")

    assert f'filename="{plain}";' in found
    assert "\r" not in found
    assert "\n" not in found


def test_a_page_is_saved_and_not_shown(site: Site) -> None:
    shown: dict[str, str] = {}
    for name in ("evil.html", "evil.svg", "photo.png", "film.mp4"):
        component = new_component()
        assert site.server.request("PUT", f"/v1/files/{component}?name={name}", b"<script>").status == 200
        site.commit(component)
        headers = site.get(component).headers
        shown[name] = f"{headers['content-type']} {headers['content-disposition'].partition(';')[0]}"
        assert "sandbox" in headers["content-security-policy"]

    assert shown == {
        "evil.html": "application/octet-stream attachment",
        "evil.svg": "application/octet-stream attachment",
        "photo.png": "image/png inline",
        "film.mp4": "video/mp4 inline",
    }


# --- signed addresses -----------------------------------------------------------------------------


def signed(site: Site, component: str, **request: Any) -> dict[str, Any]:
    answer = site.server.request("POST", f"/v1/files/{component}/url", request)
    assert answer.status == 200, answer.data
    found: dict[str, Any] = json.loads(answer.data)
    return found


def bare(site: Site, method: str, url: str, body: bytes | None = None, **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request(method, site.server.url + url, body=body, headers=headers, retries=False)


def test_a_signed_address_reads_one_component_without_a_credential(site: Site) -> None:
    component, other = site.stored(b"signed"), site.stored(b"other")
    found = signed(site, component)

    assert bare(site, "GET", found["url"]).data == b"signed"
    assert site.server.api_key not in found["url"]
    assert bare(site, "GET", found["url"].replace(component, other)).status == 400
    assert bare(site, "PUT", found["url"], b"x").status == 400
    assert bare(site, "DELETE", found["url"]).status == 401
    assert bare(site, "GET", f"/v1/files/{component}").status == 401


def test_an_address_that_was_altered_or_has_ended_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    component = site.stored(b"signed")
    url = signed(site, component)["url"]
    head, token = url.split("token=")
    payload, mac = token.split(".")

    for wrong in (f"{payload}x.{mac}", f"{payload}.{mac[:-2]}AA", payload, "", "a.b", "é.x", token * 40):
        answer = bare(site, "GET", f"{head}token={wrong}")
        assert (answer.status, error_of(answer)) in ((401, "invalid_signature"), (400, "invalid_request"))
    later = time.time() + 400
    monkeypatch.setattr("recordroom.server.files.time.time", lambda: later)
    ended = bare(site, "GET", url)
    assert (ended.status, error_of(ended)) == (401, "token_expired")


def test_a_signed_upload_takes_what_was_said_and_nothing_else(site: Site) -> None:
    component, data = new_component(), b"by the dialect"
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    found = signed(site, component, method="PUT", name="a.mov", size=len(data), md5=md5)

    assert found["headers"]["Content-MD5"] == b64encode(bytes.fromhex(md5)).decode()
    longer = bare(site, "PUT", found["url"], data + b"!")
    assert (longer.status, error_of(longer)) == (400, "invalid_request")
    other = bare(site, "PUT", found["url"], b"By the dialect")
    assert (other.status, error_of(other)) == (422, "checksum_mismatch")
    sent = bare(site, "PUT", found["url"], data, **found["headers"])
    assert sent.status == 200
    site.commit(component)
    assert site.get(component).data == data
    assert 'filename="a.mov"' in site.get(component).headers["content-disposition"]


# --- what nobody needs ----------------------------------------------------------------------------


def test_orphans_are_collected_after_their_time_and_deleted_components_when_history_forgets_them(
    places: Places, tmp_path: Path
) -> None:
    from recordroom.files.blobs import open_blobs
    from recordroom.files.collecting import collect_all
    from recordroom.store.file_records import FileRow

    where, folder = places(), files_folder(places(), tmp_path)
    make_room(where, folder)
    blobs = open_blobs(str(folder))
    ids = [uuid.uuid4().bytes for _ in range(3)]
    kept, _, deleted = ids
    with Room.open(where) as room:
        records = room.file_records
        room.commit(
            Commit(id=uuid.uuid4().bytes, operations=[Create("Component", [kept, deleted], {"name": ["a", "b"]})])
        )
        for number, component in enumerate(ids):
            known = blobs.put(f"{number}", [b"data %d" % number])
            records.keep(FileRow(component, "main", known.digest, known.size, "", "", "", 0))
            os.utime(next(each for each in (folder / "blobs").rglob(known.digest)), (0, 0))
        room.commit(Commit(id=uuid.uuid4().bytes, operations=[Delete("Component", [deleted])]))

        assert collect_all(records, blobs) == (0, 0, 0)  # all of it is young

        class Later:
            """The same records, in two days."""

            orphans_before = records.orphans_before + 48 * 3_600_000_000

            def __getattr__(self, name: str) -> Any:
                return getattr(records, name)

        assert collect_all(Later(), blobs) == (1, 0, 1)
        assert {each.component for each in records.all()} == {kept, deleted}
        room.prune(days=0)
        assert collect_all(Later(), blobs) == (1, 0, 1)
        assert [each.component for each in records.all()] == [kept]
        assert len(list(blobs.all())) == 1
        assert as_id(str(uuid.UUID(bytes=kept))) == kept


def test_a_server_collects_beside_its_requests(site: Site) -> None:
    data = secrets.token_bytes(2000)
    component = site.stored(data)
    _, orphan = site.put(secrets.token_bytes(3000))
    known = blob_of(site, data)
    left = site.folder / "blobs" / "00" / ("00" * 32)
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"of nobody")
    for each in (known, left):
        os.utime(each, (0, 0))
    found = asyncio.run_coroutine_threadsafe(site.server.service.files.collect(), site.server.loop).result(30)

    assert (found.orphans, orphan.status, left.exists()) == (0, 200, False)
    assert site.get(component).data == data


def blob_of(site: Site, data: bytes) -> Path:
    return next(each for each in site.blobs() if each.name == hashlib.sha256(data).hexdigest())
