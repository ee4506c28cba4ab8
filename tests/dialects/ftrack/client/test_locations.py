"""Locations and components of the drop-in client, with a room in this process and through a server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from recordroom.dialects.ftrack.client import exception as e
from recordroom.dialects.ftrack.client import mixin, symbol
from recordroom.dialects.ftrack.client.accessor.disk import DiskAccessor
from recordroom.dialects.ftrack.client.entity.location import (
    MemoryLocationMixin,
    OriginLocationMixin,
    UnmanagedLocationMixin,
)
from recordroom.dialects.ftrack.client.resource_identifier_transformer.base import ResourceIdentifierTransformer
from recordroom.dialects.ftrack.client.structure.id import IdStructure
from recordroom.dialects.ftrack.client.structure.origin import OriginStructure
from recordroom.dialects.ftrack.client.structure.standard import StandardStructure
from recordroom.files import MemoryAccessor
from tests.dialects.ftrack.client.dropins import Dropins, served_dropins
from tests.dialects.ftrack.hubs import Stage

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api


@pytest.fixture
def source(tmp_path: Path) -> Path:
    found = tmp_path / "source"
    found.mkdir()
    (found / "x.txt").write_bytes(b"hello")
    for number in (1, 2, 3, 5):
        (found / f"shot.{number:04d}.exr").write_bytes(b"x" * number)
    return found


@pytest.fixture
def store(session: Any, unique: Callable[[str], str], tmp_path: Path) -> Any:
    """A location on a disk."""
    found = session.create("Location", {"name": unique("store")})
    session.commit()
    found.accessor = DiskAccessor(prefix=str(tmp_path / "store"))
    found.structure = IdStructure()
    return found


def fixed(session: Any, name: str) -> Any:
    return session.query(f'Location where name is "{name}"').one()


# --- what there is -----------------------------------------------------------------------------------------


def test_the_fixed_locations_are_configured(session: Any) -> None:
    found = {each["name"]: each for each in session.query("Location") if each["name"].startswith("ftrack.")}

    assert {name: each.priority for name, each in found.items()} == {
        "ftrack.unmanaged": 90, "ftrack.origin": 100, "ftrack.review": 110, "ftrack.server": 150, "ftrack.connect": 95,
    }  # fmt: skip
    assert found["ftrack.connect"].accessor is symbol.NOT_SET
    assert found["ftrack.server"]["id"] == symbol.SERVER_LOCATION_ID
    assert isinstance(found["ftrack.origin"].accessor, DiskAccessor)
    assert isinstance(found["ftrack.origin"].structure, OriginStructure)
    assert not found["ftrack.server"].resource_identifier_transformer
    assert str(found["ftrack.server"]) == f'Location("ftrack.server", {symbol.SERVER_LOCATION_ID})'


def test_what_is_set_on_a_location_stays_with_the_session(session: Any, store: Any) -> None:
    accessor, structure, identifier = store.accessor, store.structure, store["id"]
    store.priority = 7
    del store

    again = session.get("Location", identifier)

    assert (again.accessor, again.structure, again.priority) == (accessor, structure, 7)
    again.accessor = symbol.NOT_SET
    again.structure = None
    assert (again.accessor, again.structure) == (symbol.NOT_SET, symbol.NOT_SET)


def test_the_best_location_within_reach_is_picked(session: Any, store: Any) -> None:
    assert session.pick_location()["name"] == "ftrack.unmanaged"
    store.priority = 1
    assert session.pick_location() == store
    store.accessor = None
    assert session.pick_location()["name"] == "ftrack.unmanaged"


# --- components --------------------------------------------------------------------------------------------


def test_a_file_becomes_a_component_where_it_is(session: Any, source: Path) -> None:
    component = session.create_component(str(source / "x.txt"), {"name": "main", "metadata": {"a": "1"}})
    location = session.pick_location(component)

    assert (component.entity_type, component["name"], component["size"], component["file_type"]) == (
        "FileComponent", "main", 5, ".txt",
    )  # fmt: skip
    assert component["metadata"]["a"] == "1"
    assert location["name"] == "ftrack.unmanaged"
    assert location.get_filesystem_path(component) == str(source / "x.txt")
    assert component.get_availability([location]) == {location["id"]: 100.0}
    assert session.created == []


def test_what_is_given_is_left_as_it_was(session: Any, source: Path) -> None:
    data = {"name": "main"}
    session.create_component(str(source / "x.txt"), data, location=None)

    assert data == {"name": "main"}
    session.rollback()


def test_without_a_location_nothing_is_committed(session: Any, source: Path) -> None:
    component = session.create_component(str(source / "x.txt"), location=None)
    origin = session.get("Location", symbol.ORIGIN_LOCATION_ID)

    assert session.created == [component]
    assert session.pick_location(component) is None
    assert origin.get_filesystem_path(component) == str(source / "x.txt")
    session.rollback()


def test_a_sequence_becomes_a_component_of_its_files(session: Any, store: Any, source: Path) -> None:
    component = session.create_component(f"{source}/shot.%04d.exr [1-3, 5]", {"name": "beauty"}, location=store)

    assert (component.entity_type, component["padding"], component["size"], component["file_type"]) == (
        "SequenceComponent", 4, 11, ".exr",
    )  # fmt: skip
    members = sorted(component["members"], key=lambda each: each["name"])
    assert [(each["name"], each["size"]) for each in members] == [("0001", 1), ("0002", 2), ("0003", 3), ("0005", 5)]
    assert store.get_component_availability(component) == 100.0
    assert Path(store.get_filesystem_path(members[3])).read_bytes() == b"xxxxx"
    assert store.get_filesystem_path(component).endswith("file.%04d.exr")
    assert [Path(each).name for each in store.get_filesystem_paths(members[:2])] == ["file.0001.exr", "file.0002.exr"]


def test_a_size_that_is_given_is_shared_by_the_members(session: Any, source: Path) -> None:
    component = session.create_component("/missing/a.%d.exr [1-4]", {"size": 10}, location=None)

    assert component["size"] == 10
    assert {each["size"] for each in session.created if each.entity_type == "FileComponent"} == {2}
    session.rollback()


def test_part_of_a_sequence_is_available_in_percent(session: Any, store: Any, source: Path) -> None:
    component = session.create_component(f"{source}/shot.%04d.exr [1-3, 5]", location=store)
    store.remove_component(component["members"][0])

    assert store.get_component_availabilities([component]) == [75.0]
    assert session.get_component_availability(component, locations=[store]) == {store["id"]: 75.0}


def test_review_components_go_to_the_location_for_review(session: Any, source: Path) -> None:
    component = session.create_component(str(source / "x.txt"), {"name": "ftrackreview-mp4"})

    assert session.pick_location(component)["id"] == symbol.REVIEW_LOCATION_ID


def test_a_path_of_another_machine_can_be_registered(session: Any) -> None:
    component = session.create_component("/mnt/elsewhere/x.txt", location="auto")

    assert component["size"] == 0
    assert session.pick_location(component).get_resource_identifier(component) == "/mnt/elsewhere/x.txt"


def test_a_component_that_cannot_be_copied_was_never_made(session: Any, store: Any) -> None:
    with pytest.raises(e.LocationError):
        session.create_component("/mnt/elsewhere/x.txt", location=store)

    assert session.created == []
    session.commit()


# --- bringing and taking away ------------------------------------------------------------------------------


def test_data_goes_from_location_to_location(session: Any, store: Any, source: Path) -> None:
    server = fixed(session, "ftrack.server")
    component = session.create_component(str(source / "x.txt"), location=server)

    store.add_component(component, server)

    assert store.get_resource_identifier(component) == IdStructure().get_resource_identifier(component)
    assert Path(store.get_filesystem_path(component)).read_bytes() == b"hello"
    data = server.accessor.open(server.get_resource_identifier(component))
    assert data.read() == b"hello"
    data.close()
    server.remove_component(component)
    assert [each["name"] for each in session.pick_locations([component])] == [store["name"]]


def test_a_component_is_in_a_location_once(session: Any, store: Any, source: Path) -> None:
    component = session.create_component(str(source / "x.txt"), location=store)
    other = session.create_component(str(source / "shot.0001.exr"), location=None)
    origin = session.get("Location", symbol.ORIGIN_LOCATION_ID)

    with pytest.raises(e.ComponentInLocationError) as caught:
        store.add_components([other, component], origin)

    assert caught.value.details["components"] == [component]
    assert caught.value.details["location"] is store
    assert store.get_component_availability(other) == 0.0


def test_a_component_that_is_not_there_is_named(session: Any, store: Any, source: Path) -> None:
    component = session.create_component(str(source / "x.txt"))

    for ask in (store.get_resource_identifier, store.get_filesystem_path, store.remove_component, store.get_url):
        with pytest.raises(e.ComponentNotInLocationError) as caught:
            ask(component)
        assert caught.value.details["components"] == [component]


def test_what_is_recorded_goes_with_the_component(session: Any, source: Path, unique: Callable[[str], str]) -> None:
    user = session.create("User", {"username": unique("with")})
    component = session.create_component(str(source / "x.txt"), location=fixed(session, "ftrack.server"))

    assert (list(session.recorded_operations), session.created, session.modified) == ([], [], [])
    assert session.query(f'User where id is "{user["id"]}"').one() is user
    assert session.query(f'FileComponent where id is "{component["id"]}"').one() is component


def test_each_component_may_have_a_source_of_its_own(session: Any, store: Any, source: Path) -> None:
    origin, server = session.get("Location", symbol.ORIGIN_LOCATION_ID), fixed(session, "ftrack.server")
    one = session.create_component(str(source / "x.txt"), location=server)
    other = session.create_component(str(source / "shot.0001.exr"), location=None)

    store.add_components([one, other], [server, origin])

    assert store.get_component_availabilities([one, other]) == [100.0, 100.0]
    with pytest.raises(ValueError, match="sources"):
        store.add_components([one, other], [server, origin, store])


def test_data_that_is_there_is_not_overwritten(session: Any, store: Any, source: Path) -> None:
    component = session.create_component(str(source / "x.txt"), location=None)
    target = Path(store.accessor.get_filesystem_path(store.structure.get_resource_identifier(component)))
    target.parent.mkdir(parents=True)
    target.write_bytes(b"of somebody else")

    with pytest.raises(e.LocationError):
        store.add_component(component, session.get("Location", symbol.ORIGIN_LOCATION_ID))

    assert target.read_bytes() == b"of somebody else"
    assert store.get_component_availability(component) == 0.0


def test_what_was_copied_before_a_failure_is_named(session: Any, store: Any, source: Path) -> None:
    component = session.create_component(f"{source}/shot.%04d.exr [1-3, 5]", location=None)
    (source / "shot.0005.exr").unlink()

    with pytest.raises(e.LocationError) as caught:
        store.add_component(component, session.get("Location", symbol.ORIGIN_LOCATION_ID))

    done = caught.value.details["transferred"]
    assert {each["name"] for each, _ in done} <= {"0001", "0002", "0003"}
    assert all(store.accessor.exists(path) for _, path in done)
    assert store.get_component_availability(component) == 0.0


def test_a_location_without_structure_or_accessor_says_so(session: Any, store: Any, source: Path) -> None:
    component = session.create_component(str(source / "x.txt"))
    unmanaged = session.pick_location(component)

    store.structure = None
    with pytest.raises(e.LocationError, match="structure"):
        store.add_component(component, unmanaged)
    store.structure, store.accessor = IdStructure(), None
    with pytest.raises(e.LocationError, match="accessor"):
        store.add_component(component, unmanaged)


def test_a_structure_that_has_no_place_leaves_everything_as_it_was(session: Any, store: Any, source: Path) -> None:
    store.structure = StandardStructure()

    with pytest.raises(e.LocationError, match="no committed version"):
        session.create_component(str(source / "x.txt"), location=store)

    assert session.created == []


def test_components_of_versions_follow_the_project(session: Any, shots: list[Any], store: Any, source: Path) -> None:
    store.structure = StandardStructure()
    asset = session.create("Asset", {"name": "Plate", "parent": shots[0], "type": session.query("AssetType").first()})
    version = session.create("AssetVersion", {"asset": asset})
    session.commit()

    component = version.create_component(str(source / "x.txt"), {"name": "main"}, location=store)

    project = store.structure.sanitise_for_filesystem(shots[0]["project"]["name"])
    assert store.get_resource_identifier(component) == f"{project}/sq010/{shots[0]['name']}/plate/v001/main.txt"
    assert Path(store.get_filesystem_path(component)).read_bytes() == b"hello"


# --- what scripts bring ------------------------------------------------------------------------------------


class Counting(DiskAccessor):
    """An accessor of a script."""

    opened: list[tuple[str, str]]

    def open(self, resource_identifier: str, mode: str = "rb") -> Any:
        self.opened.append((resource_identifier, mode))
        return super().open(resource_identifier, mode)


def test_an_accessor_of_a_script_is_asked_for_everything(session: Any, store: Any, source: Path) -> None:
    store.accessor = accessor = Counting(store.accessor.prefix)
    accessor.opened = []

    component = session.create_component(f"{source}/shot.%04d.exr [1-3]", location=store)
    fixed(session, "ftrack.server").add_component(component, store)

    assert store.accessor is accessor
    assert [mode for _, mode in accessor.opened].count("wb") == 3
    assert [mode for _, mode in accessor.opened].count("rb") >= 3
    store.remove_component(component)
    assert not any(accessor.is_file(path) for path, _ in accessor.opened)


def test_an_accessor_of_a_script_that_fails_is_an_error_of_the_location(session: Any, store: Any, source: Path) -> None:
    class Broken(DiskAccessor):
        def open(self, resource_identifier: str, mode: str = "rb") -> Any:
            raise RuntimeError("the tape is not in")

    store.accessor = Broken(store.accessor.prefix)

    with pytest.raises(e.LocationError, match="the tape is not in"):
        session.create_component(str(source / "x.txt"), location=store)


def test_a_native_accessor_will_do(session: Any, store: Any, source: Path) -> None:
    store.accessor = MemoryAccessor("memory://locations")

    component = session.create_component(str(source / "x.txt"), location=store)

    with store.accessor.open(store.get_resource_identifier(component)) as data:
        assert data.read() == b"hello"
    with pytest.raises(e.AccessorUnsupportedOperationError):
        store.get_filesystem_path(component)


class Upside(ResourceIdentifierTransformer):
    def encode(self, resource_identifier: str, context: Any = None) -> str:
        return f"{context['component']['name']}:{resource_identifier[::-1]}"

    def decode(self, resource_identifier: str, context: Any = None) -> str:
        return resource_identifier.partition(":")[2][::-1]


def test_a_transformer_says_what_the_room_keeps(session: Any, store: Any, source: Path) -> None:
    store.resource_identifier_transformer = Upside(session)

    component = session.create_component(str(source / "x.txt"), {"name": "main"}, location=store)
    row = session.query(f'ComponentLocation where component_id is "{component["id"]}"').one()

    plain = IdStructure().get_resource_identifier(component)
    assert row["resource_identifier"] == f"main:{plain[::-1]}"
    assert store.get_resource_identifier(component) == plain
    assert Path(store.get_filesystem_path(component)).read_bytes() == b"hello"
    assert isinstance(store.resource_identifier_transformer, Upside)


def test_an_unmanaged_location_leaves_data_where_it_is(session: Any, store: Any, source: Path) -> None:
    mixin(store, UnmanagedLocationMixin)
    store.structure = OriginStructure()
    store.accessor = DiskAccessor(prefix="")

    component = session.create_component(str(source / "x.txt"), location=store)
    assert store.get_filesystem_path(component) == str(source / "x.txt")
    store.remove_component(component)

    assert (source / "x.txt").exists()


def test_a_location_in_memory_is_known_to_its_session_only(session: Any, store: Any, source: Path) -> None:
    mixin(store, MemoryLocationMixin)
    component = session.create_component(f"{source}/shot.%04d.exr [1-3]", location=store)
    server = fixed(session, "ftrack.server")

    assert Path(store.get_filesystem_path(component["members"][0])).exists()
    assert list(session.query(f'ComponentLocation where location_id is "{store["id"]}"')) == []
    server.add_component(component, store)
    assert server.get_component_availability(component) == 100.0
    with pytest.raises(e.ComponentInLocationError):
        store.add_component(component, server)
    store.remove_component(component)
    with pytest.raises(e.ComponentNotInLocationError):
        store.get_resource_identifier(component)


def test_an_origin_of_ones_own_takes_paths(session: Any, store: Any, source: Path) -> None:
    mixin(store, OriginLocationMixin)
    store.accessor, store.structure = DiskAccessor(prefix=""), OriginStructure()
    component = session.create("FileComponent", {"name": "x", "file_type": ".txt"})

    store.add_component(component, str(source / "x.txt"), recursive=False)

    assert store.get_filesystem_path(component) == str(source / "x.txt")
    fixed(session, "ftrack.server").add_component(component, store)
    assert session.pick_location(component)["name"] == "ftrack.server"


# --- together with the unmodified client -------------------------------------------------------------------


def test_what_one_client_brings_the_other_finds(studio: Stage, source: Path) -> None:
    with (
        served_dropins(studio) as dropins,
        ftrack_api.Session(
            studio.server.url, studio.key, studio.user, plugin_paths=[], schema_cache_path=False
        ) as theirs,
    ):
        mine = dropins()
        component = mine.create_component(
            f"{source}/shot.%04d.exr [1-3]", {"name": "mine"}, location=fixed(mine, "ftrack.server")
        )
        same = theirs.get("SequenceComponent", component["id"])
        location = theirs.pick_location(same)
        assert location["name"] == "ftrack.server"
        assert theirs.get_component_availability(same)[location["id"]] == 100.0
        member = next(each for each in same["members"] if each["name"] == "0003")
        with closing(location.accessor.open(location.get_resource_identifier(member))) as data:
            assert data.read() == b"xxx"

        other = theirs.create_component(str(source / "x.txt"), {"name": "theirs"}, location=location)
        found = mine.get("FileComponent", other["id"])
        server = mine.pick_location(found)
        assert server["name"] == "ftrack.server"
        with closing(server.accessor.open(server.get_resource_identifier(found))) as data:
            assert data.read() == b"hello"
        server.remove_component(found)
        assert theirs.query(f'ComponentLocation where component_id is "{other["id"]}"').all() == []


# --- addresses ---------------------------------------------------------------------------------------------


def test_addresses_hold_no_key_and_give_the_bytes(session: Any, source: Path, request: pytest.FixtureRequest) -> None:
    server = fixed(session, "ftrack.server")
    component = session.create_component(str(source / "x.txt"), location=server)

    if "embedded" in request.node.callspec.id:
        with pytest.raises(e.AccessorUnsupportedOperationError):
            server.get_url(component)
        return
    url = server.get_url(component)
    assert session.api_key not in url
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert answer.read() == b"hello"
    thumbnail = server.get_thumbnail_url(component, size=64)
    assert session.api_key not in thumbnail
    with urllib.request.urlopen(thumbnail, timeout=20) as answer:
        assert answer.headers["content-type"] in ("image/png", "image/jpeg")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(thumbnail.replace("token=", "token=x"), timeout=20)


def test_a_file_on_a_disk_has_an_address_for_who_has_the_disk(session: Any, store: Any, source: Path) -> None:
    component = session.create_component(str(source / "x.txt"), location=store)

    assert store.get_url(component) == Path(store.get_filesystem_path(component)).as_uri()
    with pytest.raises(e.AccessorUnsupportedOperationError):
        store.get_thumbnail_url(component)


def test_an_entity_gets_a_thumbnail(session: Any, task: Any, source: Path) -> None:
    component = task.create_thumbnail(str(source / "x.txt"))

    assert (task["thumbnail"], component["name"]) == (component, "thumbnail")
    assert session.pick_location(component)["name"] == "ftrack.server"


# --- the centralised storage scenario ----------------------------------------------------------------------


def test_a_storage_scenario_configures_its_location(
    connect: Dropins, session: Any, store: Any, source: Path, tmp_path: Path, shots: list[Any]
) -> None:
    mount = {"linux": str(tmp_path / "central"), "osx": str(tmp_path / "central"), "windows": "Z:/central"}
    data = {"location_name": store["name"], "location_id": store["id"], "accessor": {"mount_points": mount}}
    scenario = {"scenario": "ftrack.centralized-storage", "data": data}
    setting = session.query('Setting where name is "storage_scenario" and group is "STORAGE"').first()
    if setting is None:
        setting = session.create("Setting", {"name": "storage_scenario", "group": "STORAGE"})
    setting["value"] = json.dumps(scenario)
    session.commit()
    try:
        other = connect()
        location = other.pick_location()

        assert location["id"] == store["id"]
        assert (location.priority, location.accessor.prefix) == (1, str(tmp_path / "central"))
        assert isinstance(location.structure, StandardStructure)
        assert other.server_information["storage_scenario"]["scenario"] == "ftrack.centralized-storage"
        activated = []
        other.event_hub.subscribe("topic=ftrack.storage-scenario.activate", activated.append)
        other.reset()
        assert activated[0]["data"]["storage_scenario"]["data"]["location_name"] == store["name"]
    finally:
        setting["value"] = json.dumps({"scenario": None, "data": {}})
        session.commit()
