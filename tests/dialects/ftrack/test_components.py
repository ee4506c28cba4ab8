"""Components in ftrack.server, on disk and elsewhere, by the unmodified client; and the addresses that it asks."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import secrets
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3
from PIL import Image

from tests.dialects.ftrack.hubs import Stage

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api
    import ftrack_api.accessor.disk
    import ftrack_api.exception
    import ftrack_api.structure.standard
    import ftrack_api.symbol


@pytest.fixture
def server(session: Any) -> Any:
    """The location ftrack.server."""
    return session.get("Location", ftrack_api.symbol.SERVER_LOCATION_ID)


@pytest.fixture
def disk(session: Any, unique: Callable[[str], str], tmp_path: Path) -> Any:
    """A location on this disk."""
    found = session.ensure("Location", {"name": unique("disk")})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found.accessor = ftrack_api.accessor.disk.DiskAccessor(prefix=str(tmp_path / "disk"))
    found.structure = ftrack_api.structure.standard.StandardStructure()
    found.priority = 10
    return found


def file_of(folder: Path, data: bytes, name: str = "notes.txt") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def picture(folder: Path, size: tuple[int, int] = (800, 400)) -> str:
    path = folder / "picture.png"
    Image.new("RGB", size, "red").save(path)
    return str(path)


def read(location: Any, component: Any) -> bytes:
    """The bytes of a component in a location."""
    data = location.accessor.open(location.get_resource_identifier(component), "rb")
    try:
        found: bytes = data.read()
        return found
    finally:
        data.close()


def ask(
    studio: Stage, what: str, method: str = "GET", user: str | None = None, key: str | None = None, **fields: Any
) -> Any:
    """The answer of a server to one of the addresses."""
    given = {"username": studio.user if user is None else user, "apiKey": studio.key if key is None else key, **fields}
    return urllib3.request(method, f"{studio.server.url}/component/{what}", fields=given, retries=False)


# --- ftrack.server --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 5, 3_000_000])
def test_a_file_comes_back_from_the_server_as_it_went(session: Any, server: Any, tmp_path: Path, size: int) -> None:
    data = secrets.token_bytes(size)

    component = session.create_component(file_of(tmp_path, data), {"name": "notes"}, location=server)

    assert read(server, component) == data
    assert component["size"] == size
    assert server.get_component_availability(component) == 100.0
    assert server.get_resource_identifier(component) == component["id"]


def test_another_session_reads_it_too(session: Any, server: Any, connect: Callable[..., Any], tmp_path: Path) -> None:
    component = session.create_component(file_of(tmp_path, b"hello"), location=server)
    other = connect()

    found = other.get("FileComponent", component["id"])

    assert read(other.get("Location", server["id"]), found) == b"hello"
    assert found["file_type"] == ".txt"
    assert other.get_component_availability(found)[server["id"]] == 100.0


def test_what_was_removed_is_gone(session: Any, server: Any, studio: Stage, tmp_path: Path) -> None:
    component = session.create_component(file_of(tmp_path, b"hello"), location=server)
    identifier = component["id"]
    assert ask(studio, "get", id=identifier).data == b"hello"

    server.remove_component(component)

    assert server.get_component_availability(component) == 0.0
    assert ask(studio, "get", id=identifier).status == 404
    assert ask(studio, "thumbnail", id=identifier).status == 404
    assert ask(studio, "remove", id=identifier).status == 404
    with pytest.raises(ftrack_api.exception.ComponentNotInLocationError):
        server.remove_component(component)


def test_a_component_goes_into_a_location_once(session: Any, server: Any, tmp_path: Path) -> None:
    component = session.create_component(file_of(tmp_path, b"hello"), location=server)

    with pytest.raises(ftrack_api.exception.ComponentInLocationError):
        server.add_component(component, session.get("Location", ftrack_api.symbol.ORIGIN_LOCATION_ID))


def test_a_sequence_goes_to_the_server_frame_by_frame(session: Any, server: Any, tmp_path: Path) -> None:
    for number in (1, 2, 4):
        file_of(tmp_path, f"frame {number}".encode(), f"f.{number:04d}.exr")

    sequence = session.create_component(str(tmp_path / "f.%04d.exr [1-2, 4]"), location=server)

    assert sequence.entity_type == "SequenceComponent"
    assert sequence["padding"] == 4
    members = {member["name"]: read(server, member) for member in sequence["members"]}
    assert members == {"0001": b"frame 1", "0002": b"frame 2", "0004": b"frame 4"}
    assert server.get_component_availability(sequence) == 100.0


def test_a_component_moves_between_the_disk_and_the_server(
    session: Any, server: Any, disk: Any, shots: list[Any], tmp_path: Path
) -> None:
    asset = session.create("Asset", {"name": "geo", "parent": shots[0], "type": session.query("AssetType").first()})
    version = session.create("AssetVersion", {"asset": asset})
    session.commit()

    component = version.create_component(file_of(tmp_path, b"geometry", "geo.abc"), {"name": "main"}, location=disk)
    server.add_component(component, disk)

    identifier = disk.get_resource_identifier(component)
    assert (tmp_path / "disk" / identifier).read_bytes() == b"geometry"
    assert identifier.endswith("sq010/sh10/geo/v001/main.abc")
    assert read(server, component) == b"geometry"
    availability = session.get_component_availability(component)
    assert (availability[disk["id"]], availability[server["id"]]) == (100.0, 100.0)
    assert session.pick_location(component)["id"] == disk["id"]

    disk.remove_component(component)
    assert not (tmp_path / "disk" / identifier).exists()
    assert session.get_component_availability(component)[disk["id"]] == 0.0
    assert session.pick_location(component)["id"] == server["id"]
    assert read(server, component) == b"geometry"


def test_a_sequence_goes_to_the_disk_and_from_there_to_the_server(
    session: Any, server: Any, disk: Any, shots: list[Any], tmp_path: Path
) -> None:
    asset = session.create("Asset", {"name": "plate", "parent": shots[1], "type": session.query("AssetType").first()})
    version = session.create("AssetVersion", {"asset": asset})
    session.commit()
    for number in (8, 9, 10):
        file_of(tmp_path, f"frame {number}".encode(), f"plate.{number}.exr")

    sequence = version.create_component(str(tmp_path / "plate.%d.exr [8-10]"), {"name": "main"}, location=disk)
    server.add_component(sequence, disk)

    found = [disk.get_resource_identifier(member) for member in sequence["members"]]
    assert sorted((tmp_path / "disk" / each).read_bytes() for each in found) == [b"frame 10", b"frame 8", b"frame 9"]
    assert sorted(read(server, member) for member in sequence["members"]) == [b"frame 10", b"frame 8", b"frame 9"]
    assert session.get_component_availability(sequence)[server["id"]] == 100.0

    server.remove_component(sequence["members"][0])
    availability = session.get_component_availability(sequence)
    assert (availability[disk["id"]], availability[server["id"]]) == (100.0, pytest.approx(66.6, abs=0.1))


def test_a_thumbnail_of_a_version_can_be_seen_by_its_address(
    session: Any, server: Any, shots: list[Any], tmp_path: Path, studio: Stage
) -> None:
    thumbnail = shots[0].create_thumbnail(picture(tmp_path))

    address = server.get_thumbnail_url(thumbnail)
    answer = urllib3.request("GET", address)

    assert shots[0]["thumbnail_id"] == thumbnail["id"]
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.data)).size == (300, 150)
    assert urllib3.request("GET", server.get_url(thumbnail)).data == Path(picture(tmp_path)).read_bytes()


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "found"), [(None, (300, 150)), (100, (100, 50)), (2000, (800, 400)), (1, (1, 1))])
def test_a_picture_fits_into_the_size_that_is_asked_for(
    session: Any, server: Any, studio: Stage, tmp_path: Path, size: int | None, found: tuple[int, int]
) -> None:
    component = session.create_component(picture(tmp_path), location=server)
    more = {} if size is None else {"size": size}

    answer = ask(studio, "thumbnail", id=component["id"], **more)

    assert Image.open(io.BytesIO(answer.data)).size == found
    assert ask(studio, "thumbnail", id=component["id"], **more).data == answer.data


def test_what_is_no_picture_has_the_picture_of_everything(
    session: Any, server: Any, studio: Stage, tmp_path: Path
) -> None:
    component = session.create_component(file_of(tmp_path, b"text"), location=server)

    answer = ask(studio, "thumbnail", id=component["id"])

    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert answer.data == urllib3.request("GET", f"{studio.server.url}/img/thumbnail2.png").data
    assert Image.open(io.BytesIO(answer.data)).size == (96, 96)


@pytest.mark.parametrize("size", ["0", "-1", "x", "99999", "1" * 40, "\u0665"])
def test_sizes_that_cannot_be_are_refused(session: Any, server: Any, studio: Stage, tmp_path: Path, size: str) -> None:
    component = session.create_component(picture(tmp_path), location=server)

    assert ask(studio, "thumbnail", id=component["id"], size=size).status in (400, 422)


def test_a_part_of_a_file_can_be_asked_for(session: Any, server: Any, studio: Stage, tmp_path: Path) -> None:
    component = session.create_component(file_of(tmp_path, b"0123456789"), location=server)
    fields = {"id": component["id"], "username": studio.user, "apiKey": studio.key}

    answer = urllib3.request("GET", f"{studio.server.url}/component/get", fields=fields, headers={"range": "bytes=2-4"})

    assert (answer.status, answer.data) == (206, b"234")


@pytest.mark.parametrize("what", ["get", "thumbnail", "remove"])
@pytest.mark.parametrize(
    ("user", "key"), [("", ""), ("administrator", "rrk_wrong"), ("somebody", None), ("administrator", "")]
)
def test_wrong_credentials_get_nothing_and_remove_nothing(
    session: Any, server: Any, studio: Stage, tmp_path: Path, what: str, user: str, key: str | None
) -> None:
    component = session.create_component(file_of(tmp_path, b"hello"), location=server)

    answer = ask(studio, what, user=user, key=key, id=component["id"])

    assert answer.status == 401
    assert studio.key.encode() not in answer.data
    assert ask(studio, "get", id=component["id"]).data == b"hello"


@pytest.mark.parametrize("what", ["get", "thumbnail", "remove"])
@pytest.mark.parametrize("identifier", ["", "x", "../../etc/passwd", "00000000-0000-0000-0000-000000000000"])
def test_what_is_no_component_is_not_found(studio: Stage, what: str, identifier: str) -> None:
    answer = ask(studio, what, id=identifier)

    assert answer.status == 404
    assert "exception" in json.loads(answer.data)


def test_other_paths_and_methods_are_refused(studio: Stage) -> None:
    assert ask(studio, "delete", id="x").status == 404
    assert urllib3.request("POST", f"{studio.server.url}/component/get", retries=False).status == 405
    assert ask(studio, "remove", method="HEAD", id="00000000-0000-0000-0000-000000000000").status == 405


def test_names_may_stand_in_addresses_as_they_are(session: Any, server: Any, studio: Stage, tmp_path: Path) -> None:
    component = session.create_component(file_of(tmp_path, b"hello"), location=server)
    key = studio.person("ann+x@studio.test", ("read", "FileComponent", None))

    for name in ("ann+x@studio.test", "ann%2Bx%40studio.test"):
        address = f"{studio.server.url}/component/get?id={component['id']}&username={name}&apiKey={key}"
        assert urllib3.request("GET", address).data == b"hello"


def test_keys_in_addresses_stand_in_no_log(
    session: Any, server: Any, studio: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    component = session.create_component(file_of(tmp_path, b"hello"), location=server)
    ours = [each for each in logging.root.manager.loggerDict if each.split(".")[0] in ("recordroom", "uvicorn")]
    with caplog.at_level(logging.DEBUG):
        for name in ours:
            caplog.set_level(logging.DEBUG, name)
        ask(studio, "get", id=component["id"])
        ask(studio, "thumbnail", id=component["id"], size="x")
        ask(studio, "get", key="rrk_not_this", id=component["id"])

    said = [each.getMessage() for each in caplog.records if each.name.split(".")[0] in ("recordroom", "uvicorn")]
    assert not [each for each in said if "rrk_" in each or "apiKey" in each]


def test_a_person_downloads_what_the_rules_let_them_read(
    session: Any, server: Any, studio: Stage, connect: Callable[..., Any], tmp_path: Path
) -> None:
    shown = session.create_component(file_of(tmp_path, b"shown"), {"name": "shown"}, location=server)
    hidden = session.create_component(file_of(tmp_path, b"hidden"), {"name": "hidden"}, location=server)
    everything = [("read", name, None) for name in ("Location", "ComponentLocation")]
    key = studio.person("dora", ("read", "FileComponent", 'name is "shown"'), *everything)

    assert ask(studio, "get", user="dora", key=key, id=shown["id"]).data == b"shown"
    for what in ("get", "thumbnail", "remove"):
        assert ask(studio, what, user="dora", key=key, id=hidden["id"]).status == 404
    assert ask(studio, "remove", user="dora", key=key, id=shown["id"]).status == 403
    hers = connect(user="dora", key=key)
    assert [each["name"] for each in hers.query("FileComponent")] == ["shown"]
    assert read(hers.get("Location", server["id"]), hers.get("FileComponent", shown["id"])) == b"shown"
    assert ask(studio, "get", id=hidden["id"]).data == b"hidden"


# --- uploads --------------------------------------------------------------------------------------


def upload_to(session: Any, data: bytes, **more: Any) -> Any:
    checksum = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    given = {
        "component_id": more.pop("component_id", _new_id()),
        "file_name": "a.txt",
        "file_size": len(data),
        "checksum": checksum,
    }
    return session.get_upload_metadata(**{**given, **more})


def _new_id() -> str:
    from uuid import uuid4

    return str(uuid4())


def test_an_address_to_send_to_needs_nothing_but_its_headers(session: Any, studio: Stage) -> None:
    data = b"hello"
    found = upload_to(session, data)

    assert set(found) == {"url", "headers", "component_id"}
    assert found["url"].startswith(studio.server.url)
    assert studio.key not in found["url"]
    answer = urllib3.request("PUT", found["url"], body=data, headers=found["headers"], retries=False)
    assert 200 <= answer.status < 300
    # Nobody reads it before it is somebody's component.
    assert ask(studio, "get", id=found["component_id"]).status == 404


def test_other_bytes_than_were_announced_are_refused(session: Any) -> None:
    found = upload_to(session, b"hello")

    for body in (b"hullo", b"hell", b"hello!"):
        answer = urllib3.request("PUT", found["url"], body=body, headers=found["headers"], retries=False)
        assert 400 <= answer.status < 500


def test_an_empty_file_comes_in_chunks(session: Any) -> None:
    found = upload_to(session, b"")

    with urllib3.PoolManager() as pool:
        answer = pool.urlopen("PUT", found["url"], body=iter(()), headers=found["headers"], chunked=True, retries=False)

    assert 200 <= answer.status < 300


def test_an_address_that_was_changed_is_refused(session: Any) -> None:
    found = upload_to(session, b"hello")
    other = found["url"].replace(found["component_id"], _new_id())

    for address in (other, found["url"][:-3] + "abc", found["url"].partition("?")[0]):
        assert urllib3.request("PUT", address, body=b"hello", headers=found["headers"], retries=False).status in (
            400,
            401,
            403,
        )


@pytest.mark.parametrize(
    "wrong",
    [{"component_id": "x"}, {"component_id": None}, {"file_size": "big"}, {"checksum": "??"}, {"file_size": -1}],
)
def test_what_cannot_be_sent_gets_no_address(session: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ftrack_api.exception.ServerError):
        upload_to(session, b"hello", **wrong)


def test_who_may_make_no_components_gets_no_address(studio: Stage, connect: Callable[..., Any]) -> None:
    key = studio.person("emil", ("read", "FileComponent", None))

    with pytest.raises(ftrack_api.exception.ServerError, match="Permission"):
        upload_to(connect(user="emil", key=key), b"hello")


def test_a_file_that_vanishes_leaves_nothing_behind(session: Any, server: Any, tmp_path: Path) -> None:
    path = file_of(tmp_path, b"hello")
    component = session.create_component(path, location=None)
    Path(path).unlink()

    with pytest.raises(ftrack_api.exception.Error):
        server.add_component(component, session.get("Location", ftrack_api.symbol.ORIGIN_LOCATION_ID))
    assert server.get_component_availability(component) == 0.0
