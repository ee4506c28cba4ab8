"""Components as scripts of studios make them: by default, on disks of plugins, in containers, encoded."""

from __future__ import annotations

import gc
import json
import time
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.media.making import picture

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api
    import ftrack_api.accessor.disk
    import ftrack_api.exception
    import ftrack_api.resource_identifier_transformer.base
    import ftrack_api.structure.base
    import ftrack_api.structure.id
    import ftrack_api.structure.standard
    import ftrack_api.symbol

Connect = Callable[..., Any]

PLUGIN = """
import ftrack_api, ftrack_api.accessor.disk, ftrack_api.structure.id

def configure(event, name, prefix):
    location = event["data"]["session"].ensure("Location", {"name": name})
    location.accessor = ftrack_api.accessor.disk.DiskAccessor(prefix=prefix)
    location.structure = ftrack_api.structure.id.IdStructure(prefix="ids")
    location.priority = 20

def register(session, name=None, prefix=None):
    session.event_hub.subscribe(
        "topic=ftrack.api.session.configure-location", lambda event: configure(event, name, prefix)
    )
"""


class Backwards(ftrack_api.resource_identifier_transformer.base.ResourceIdentifierTransformer):
    """Keeps identifiers from right to left."""

    def encode(self, resource_identifier: str, context: Any = None) -> str:
        """The identifier as it is kept."""
        return resource_identifier[::-1]

    def decode(self, resource_identifier: str, context: Any = None) -> str:
        """The identifier as the accessor takes it."""
        return resource_identifier[::-1]


class ByName(ftrack_api.structure.base.Structure):
    """A folder with everything."""

    def get_resource_identifier(self, entity: Any, context: Any = None) -> str:
        """The path of a component."""
        container = entity["container"]
        folder = f"{container['name']}/" if container else ""
        return f"{folder}{entity['name']}{entity['file_type'] or ''}"


@pytest.fixture
def server(session: Any) -> Any:
    return session.get("Location", ftrack_api.symbol.SERVER_LOCATION_ID)


@pytest.fixture
def disk(session: Any, unique: Callable[[str], str], tmp_path: Path) -> Any:
    """A location on this disk."""
    found = session.ensure("Location", {"name": unique("disk")})
    (tmp_path / "disk").mkdir()
    found.accessor = ftrack_api.accessor.disk.DiskAccessor(prefix=str(tmp_path / "disk"))
    found.structure = ByName()
    found.priority = 10
    return found


def file_of(folder: Path, data: bytes, name: str = "notes.txt") -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


def read(location: Any, identifier: str) -> bytes:
    """The bytes that a location has."""
    data = location.accessor.open(identifier, "rb")
    try:
        found: bytes = data.read()
        return found
    finally:
        data.close()


# --- where components go --------------------------------------------------------------------------


def test_a_component_is_unmanaged_unless_something_is_said(session: Any, connect: Connect, tmp_path: Path) -> None:
    path = file_of(tmp_path, b"hello")
    component = session.create_component(path, {"name": "x"})
    session.commit()

    other = connect()
    found = other.get("FileComponent", component["id"])
    assert (found["size"], found["file_type"], found["system_type"]) == (5, ".txt", "file")
    location = other.pick_location(found)
    assert location["name"] == "ftrack.unmanaged"
    assert location.get_filesystem_path(found) == path
    with pytest.raises(ftrack_api.exception.ComponentNotInLocationError):
        other.get("Location", ftrack_api.symbol.SERVER_LOCATION_ID).get_resource_identifier(found)


@pytest.mark.parametrize("name", ["ftrackreview-mp4", "ftrackreview-webm", "ftrackreview-image"])
def test_media_for_review_have_a_location_of_their_own(session: Any, name: str) -> None:
    component = session.create_component("/anywhere/a.mov", {"name": name, "size": 10})
    session.commit()

    [row] = session.query(f"ComponentLocation where component_id is {component['id']}")
    assert row["location"]["name"] == "ftrack.review"
    assert row["resource_identifier"] == "/anywhere/a.mov"


def test_what_is_only_at_its_origin_is_nowhere_for_others(session: Any, connect: Connect, tmp_path: Path) -> None:
    component = session.create_component(file_of(tmp_path, b"x"), location=None)
    session.commit()
    origin = session.get("Location", ftrack_api.symbol.ORIGIN_LOCATION_ID)
    assert origin.get_filesystem_path(component).endswith("notes.txt")

    other = connect()
    found = other.get("Component", component["id"])
    assert found.entity_type == "FileComponent"
    assert set(found.get_availability().values()) == {0.0}
    assert other.pick_location(found) is None


def test_a_plugin_gives_a_studio_its_disk(connect: Connect, unique: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "disks.py").write_text(PLUGIN)
    given = {"name": unique("studio"), "prefix": str(tmp_path / "files")}
    session = connect(plugin_paths=[str(tmp_path / "plugins")], plugin_arguments=given)

    component = session.create_component(file_of(tmp_path, b"data", "a.exr"), {"name": "a"})
    assert session.pick_location()["name"] == given["name"]

    other = connect(plugin_paths=[str(tmp_path / "plugins")], plugin_arguments=given)
    found = other.get("FileComponent", component["id"])
    place = Path(other.pick_location(found).get_filesystem_path(found))
    number = component["id"]
    assert place == tmp_path / "files" / "ids" / number[0] / number[1] / number[2] / number[3] / f"{number[4:]}.exr"
    assert place.read_bytes() == b"data"
    assert found.get_availability([other.pick_location()]) == {other.pick_location()["id"]: 100.0}
    plain = connect()
    assert plain.pick_location(plain.get("FileComponent", number)) is None


def test_locations_are_picked_by_priority(session: Any, disk: Any, server: Any, tmp_path: Path) -> None:
    components = [session.create_component(file_of(tmp_path, b"x"), {"name": str(n)}, location=None) for n in range(3)]
    session.commit()
    origin = session.get("Location", ftrack_api.symbol.ORIGIN_LOCATION_ID)
    server.add_components(components[:2], [origin, origin])
    disk.add_component(components[1], [origin])

    assert [each and each["id"] for each in session.pick_locations(components)] == [server["id"], disk["id"], None]
    assert session.get_component_availabilities(components, [disk, server]) == [
        {disk["id"]: 0.0, server["id"]: 100.0},
        {disk["id"]: 100.0, server["id"]: 100.0},
        {disk["id"]: 0.0, server["id"]: 0.0},
    ]
    with pytest.raises(ftrack_api.exception.ComponentInLocationError):
        server.add_components(components, origin)
    assert server.get_component_availability(components[2]) == 0.0


# --- sequences and containers ---------------------------------------------------------------------


def test_a_sequence_is_a_component_with_one_for_each_file(
    session: Any, connect: Connect, disk: Any, tmp_path: Path
) -> None:
    for number in (1, 2, 3, 5):
        file_of(tmp_path, b"x" * number, f"plate.{number:04d}.exr")

    sequence = session.create_component(str(tmp_path / "plate.%04d.exr [1-3, 5]"), {"name": "plate"}, location=disk)

    seen = connect().query(
        f"select name, padding, size, file_type, system_type, members.name, members.size from SequenceComponent where id is {sequence['id']}"
    ).one()  # fmt: skip
    assert (seen["padding"], seen["size"], seen["file_type"], seen["system_type"]) == (4, 11, ".exr", "sequence")
    assert {each["name"]: each["size"] for each in seen["members"]} == {"0001": 1, "0002": 2, "0003": 3, "0005": 5}
    assert sorted(each.name for each in (tmp_path / "disk" / "plate").iterdir()) == [
        f"{n:04d}.exr" for n in (1, 2, 3, 5)
    ]
    assert [each["container"]["id"] for each in seen["members"]] == [sequence["id"]] * 4


def test_a_size_that_is_given_is_shared_among_the_files(session: Any) -> None:
    sequence = session.create_component("/no/where.%d.jpg [9-12]", {"size": 100}, location=None)
    session.commit()

    assert [(each["name"], each["size"]) for each in sequence["members"]] == [
        ("9", 25), ("10", 25), ("11", 25), ("12", 25),
    ]  # fmt: skip


def test_a_container_is_as_available_as_its_members(session: Any, connect: Connect, disk: Any, tmp_path: Path) -> None:
    container = session.create("ContainerComponent", {"name": "textures"})
    session.commit()
    paths = [file_of(tmp_path, name.encode(), f"{name}.tif") for name in ("a", "b")]
    for path in paths:
        part = session.create_component(path, {"name": Path(path).stem, "container": container}, location=None)
        container["members"].append(part)
    session.commit()
    origin = session.get("Location", ftrack_api.symbol.ORIGIN_LOCATION_ID)
    origin.add_component(container, "textures", recursive=False)

    disk.add_component(container, origin)

    assert (tmp_path / "disk" / "textures" / "a.tif").read_bytes() == b"a"
    assert session.get_component_availability(container)[disk["id"]] == 100.0
    disk.remove_component(container["members"][0])
    other = connect()
    found = other.get("Component", container["id"])
    assert found.entity_type == "ContainerComponent"
    assert other.get_component_availability(found)[disk["id"]] == 50.0
    with pytest.raises(ftrack_api.exception.AccessorContainerNotEmptyError):
        disk.remove_component(container, recursive=False)
    disk.remove_component(container["members"][1])
    disk.remove_component(container, recursive=False)
    assert not (tmp_path / "disk" / "textures").exists()
    assert session.get_component_availability(container, [disk]) == {disk["id"]: 0.0}


# --- what can go wrong ----------------------------------------------------------------------------


def test_data_that_is_there_is_not_written_over(session: Any, disk: Any, tmp_path: Path) -> None:
    (tmp_path / "disk" / "same.txt").write_bytes(b"first")

    with pytest.raises(ftrack_api.exception.LocationError):
        session.create_component(file_of(tmp_path, b"second", "b.txt"), {"name": "same"}, location=disk)

    assert (tmp_path / "disk" / "same.txt").read_bytes() == b"first"
    session.rollback()


def test_a_location_without_accessor_or_structure_takes_nothing(
    session: Any, unique: Callable[[str], str], tmp_path: Path
) -> None:
    bare = session.create("Location", {"name": unique("bare")})
    session.commit()
    component = session.create_component(file_of(tmp_path, b"x"), location=None)
    origin = session.get("Location", ftrack_api.symbol.ORIGIN_LOCATION_ID)

    with pytest.raises(ftrack_api.exception.LocationError):
        bare.add_component(component, origin)
    bare.structure = ByName()
    with pytest.raises(ftrack_api.exception.LocationError):
        bare.add_component(component, origin)
    assert bare["id"] not in [each["id"] for each in session._get_locations()]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files that the client leaves open
def test_what_the_server_has_not_is_an_error_of_its_accessor(session: Any, server: Any, tmp_path: Path) -> None:
    component = session.create_component(file_of(tmp_path, b"hello"), location=server)
    with pytest.raises(ftrack_api.exception.AccessorOperationFailedError):
        server.accessor.open(str(uuid.uuid4()), "rb").read()
    with pytest.raises(ftrack_api.exception.AccessorOperationFailedError):
        server.accessor.remove("nothing")

    server.accessor.remove(component["id"])
    with pytest.raises(ftrack_api.exception.AccessorOperationFailedError):
        server.accessor.open(component["id"], "rb").read()
    gc.collect()


def test_a_component_can_come_back_to_the_server(session: Any, server: Any, disk: Any, tmp_path: Path) -> None:
    component = session.create_component(file_of(tmp_path, b"hello"), {"name": "back"}, location=server)
    disk.add_component(component, server)
    server.remove_component(component)
    server.add_component(component, disk)

    assert read(server, component["id"]) == b"hello"


def test_identifiers_are_kept_as_a_transformer_makes_them(session: Any, disk: Any, tmp_path: Path) -> None:
    disk.resource_identifier_transformer = Backwards(session)
    component = session.create_component(file_of(tmp_path, b"hello"), {"name": "turned"}, location=disk)

    [row] = session.query(f"select resource_identifier from ComponentLocation where component_id is {component['id']}")
    assert row["resource_identifier"] == "txt.denrut"
    assert disk.get_resource_identifier(component) == "turned.txt"
    assert disk.get_resource_identifiers([component]) == ["turned.txt"]


def test_a_plugin_says_what_type_a_file_has(session: Any, tmp_path: Path) -> None:
    session.event_hub.subscribe(
        "topic=ftrack.api.session.get-file-type-from-string",
        lambda event: ".tar.gz" if event["data"]["file_path"].endswith(".tar.gz") else None,
    )

    packed = session.create_component(file_of(tmp_path, b"x", "a.tar.gz"), location=None)
    other = session.create_component(file_of(tmp_path, b"x", "a.b.exr"), location=None)
    session.commit()

    assert (packed["file_type"], other["file_type"]) == (".tar.gz", ".exr")


def test_the_standard_structure_needs_a_version_that_is_committed(session: Any, disk: Any, shots: list[Any]) -> None:
    disk.structure = ftrack_api.structure.standard.StandardStructure()
    asset = session.create(
        "Asset", {"name": "Fur Ball", "parent": shots[0], "type": session.query("AssetType").first()}
    )
    version = session.create("AssetVersion", {"asset": asset})
    component = session.create("FileComponent", {"name": "Main", "file_type": ".abc", "version": version})
    alone = session.create("FileComponent", {"name": "alone", "file_type": ".abc"})
    with pytest.raises(ftrack_api.exception.StructureError):
        disk.structure.get_resource_identifier(component)
    with pytest.raises(ftrack_api.exception.StructureError):
        disk.structure.get_resource_identifier(alone)
    session.commit()

    found = disk.structure.get_resource_identifier(component)
    assert found.split("/")[-5:] == ["sq010", "sh10", "fur_ball", "v001", "main.abc"]
    assert found.startswith("project_")


# --- media ----------------------------------------------------------------------------------------


def test_a_picture_is_encoded_for_its_version(session: Any, connect: Connect, shots: list[Any], tmp_path: Path) -> None:
    asset = session.create("Asset", {"name": "still", "parent": shots[0], "type": session.query("AssetType").first()})
    version = session.create("AssetVersion", {"asset": asset})
    session.commit()

    job = version.encode_media(str(picture(tmp_path / "still.png")), keep_original=True)

    data = json.loads(job["data"])
    assert {"output", "source_component_id", "keep_original"} <= set(data)
    assert data["keep_original"] is True
    end = time.monotonic() + 60
    while connect().get("Job", job["id"])["status"] in ("queued", "running"):
        assert time.monotonic() < end, "it is not encoded"
        time.sleep(0.1)
    other = connect()
    done = other.get("Job", job["id"])
    assert (done["status"], done["type"]) == ("done", "api_job")
    made = {each["component_id"]: each["format"] for each in data["output"]}
    assert "image/jpeg" in made.values()
    assert made.keys() <= {each["component_id"] for each in done["job_components"]}
    of_version = other.get("AssetVersion", version["id"])
    assert made.keys() <= {each["id"] for each in of_version["components"]}
    server = other.get("Location", ftrack_api.symbol.SERVER_LOCATION_ID)
    for number in made:
        component = other.get("FileComponent", number)
        assert server.get_component_availability(component) == 100.0
        assert len(read(server, number)) == component["size"]
    [image] = [number for number, kind in made.items() if kind == "image/jpeg"]
    assert of_version["thumbnail_id"] == image
    assert of_version["thumbnail"]["id"] == image


def test_only_files_are_encoded(session: Any, shots: list[Any]) -> None:
    with pytest.raises(ValueError, match="Unable to encode"):
        session.encode_media(shots[0])
