"""Components and locations through sessions: on both databases, in this process and behind a server."""

from __future__ import annotations

import errno
import itertools
import json
import os
import secrets
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

import recordroom as rr
from recordroom.client.entity import Entity
from recordroom.client.files import ADDED, REMOVED
from recordroom.client.session import Session
from recordroom.errors import (
    ChecksumMismatch,
    ComponentInLocation,
    ComponentNotInLocation,
    FileExists,
    InvalidPath,
    InvalidSequence,
    InvalidValue,
    LocationNotConfigured,
    NoSuchFile,
    NotFound,
    NotSupported,
    NotUnique,
    StorageFull,
    TransferFailed,
)
from recordroom.files import Accessor, DiskAccessor, MemoryAccessor, ReplacePrefix
from recordroom.files.fixed import ORIGIN, REVIEW, SERVER, UNMANAGED
from recordroom.files.transfer import checksum_of
from tests.client.conftest import furnished, sessions_at

Open = Callable[..., Session]
_numbers = itertools.count()


@pytest.fixture(scope="module", params=["sqlite, embedded", "postgresql, http"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A room with the template of a studio, for the tests of a module."""
    with furnished(request, tmp_path_factory.mktemp("production"), "production") as found:
        yield found


@pytest.fixture
def opening(address: str) -> Iterator[Open]:
    with sessions_at(address) as opened:
        yield opened


@pytest.fixture
def session(opening: Open) -> Session:
    return opening()


def location(session: Session, accessor: Any, structure: str = "chunked_id", **given: Any) -> Entity:
    """A new location that the session reaches."""
    made = session.create("Location", {"name": f"place {next(_numbers)} {secrets.token_hex(4)}"})
    session.commit()
    session.locations.configure(made, accessor=accessor, structure=structure, **given)
    return made


@pytest.fixture
def memory(session: Session) -> Entity:
    return location(session, MemoryAccessor(), priority=1)


@pytest.fixture
def disk(session: Session, tmp_path: Path) -> Entity:
    return location(session, tmp_path / "store")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture one.png"
    path.write_bytes(b"pixels")
    return path


def frames(folder: Path, *numbers: int, name: str = "file") -> str:
    for number in numbers:
        (folder / f"{name}.{number:04d}.exr").write_bytes(b"%d" % number * number)
    return str(folder / f"{name}.%04d.exr")


def accessor(session: Session, where: Entity) -> Accessor:
    return session.locations[where].reached()


# --- making -------------------------------------------------------------------------------------------


def test_a_file_becomes_a_component_in_the_best_location(
    session: Session, memory: Entity, picture: Path, opening: Open
) -> None:
    component = session.create_component(picture)

    seen = opening().get("Component", component["id"])
    assert seen is not None
    assert [seen[name] for name in ("entity_type", "name", "file_type", "size")] == [
        "FileComponent",
        "picture one",
        ".png",
        6,
    ]
    assert seen["checksum"] == checksum_of([b"pixels"])
    (row,) = seen["component_locations"]
    assert row["location"]["id"] == memory["id"]
    assert b"".join(accessor(session, memory).read(row["resource_identifier"])) == b"pixels"


def test_the_component_comes_with_what_refers_to_it_in_one_commit(
    session: Session, memory: Entity, picture: Path
) -> None:
    project = session.create("Project", {"name": f"p{next(_numbers)}"})
    component = session.create_component(picture, {"name": "thumb"}, commit=False)
    project["thumbnail"] = component
    done = session.commit()

    assert project["revision"] == component["revision"] == done.revision
    assert session.component_availability(component)[memory["id"]] == 100


def test_what_the_session_has_recorded_goes_with_the_registration(
    session: Session, memory: Entity, picture: Path
) -> None:
    project = session.create("Project", {"name": f"p{next(_numbers)}"})
    component = session.create_component(picture)

    assert session.state(project) == "clean"
    assert project["revision"] == component["revision"]


def test_a_location_may_learn_of_files_that_stay_where_they_are(session: Session, disk: Entity, picture: Path) -> None:
    session.locations.configure(disk, accessor=DiskAccessor(), structure="origin", manages=False)

    component = session.create_component(picture, location=disk)
    assert session.files.filesystem_path(component, disk) == str(picture)
    session.files.remove_component(component, disk)

    assert picture.exists()


def test_without_a_location_nothing_is_committed(session: Session, picture: Path, opening: Open) -> None:
    component = session.create_component(picture, {"name": "later"}, None)

    assert session.state(component) == "created"
    assert session.files.resource_identifier(component, ORIGIN) == str(picture)
    assert session.files.filesystem_path(component) == str(picture)
    assert opening().get("Component", component["id"]) is None


def test_data_that_is_given_counts(session: Session, picture: Path) -> None:
    given = {"name": "main", "file_type": ".x", "size": 99, "metadata": {"frames": "1"}}
    component = session.create_component(picture, given, None)

    assert [component[name] for name in ("name", "file_type", "size")] == ["main", ".x", 99]
    assert dict(component["metadata"]) == {"frames": "1"}
    assert given["name"] == "main"


def test_a_hook_says_the_file_type_first(session: Session, tmp_path: Path) -> None:
    (tmp_path / "scene.tar.gz").write_bytes(b"")
    asked: list[str] = []

    def answer(event: Any) -> str | None:
        asked.append(event.data["path"])
        return ".tar.gz" if event.data["path"].endswith(".tar.gz") else None

    session.hooks.subscribe("file-type", answer)
    component = session.create_component(tmp_path / "scene.tar.gz", location=None)
    assert (component["name"], component["file_type"], component["size"]) == ("scene", ".tar.gz", 0)
    assert asked == [str(tmp_path / "scene.tar.gz")]


@pytest.mark.parametrize("name", ["with space.ext", "ünï.ćode", "new\nline.txt", "no ending", ".hidden"])
def test_names_of_files_may_have_any_character(session: Session, disk: Entity, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    component = session.create_component(tmp_path / name, location=disk)

    assert component["name"] + component["file_type"] == name
    (target,) = session.files.download(component, tmp_path / "out" / name, disk)
    assert target.read_bytes() == b"x"


def test_a_file_that_there_is_not_makes_no_component(session: Session, memory: Entity, tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", "", "bad\0name", "/dev/zero"):
        with pytest.raises(NoSuchFile):
            session.create_component(path)
    assert session.operations == []


# --- sequences and containers -------------------------------------------------------------------------


def test_a_sequence_becomes_a_component_with_members(
    session: Session, disk: Entity, tmp_path: Path, opening: Open
) -> None:
    pattern = frames(tmp_path, 1, 2, 8)
    component = session.create_component(f"{pattern} [1-2, 8]", {"name": "main"}, disk)

    seen = opening().get("Component", component["id"])
    assert seen is not None
    assert [seen[name] for name in ("entity_type", "padding", "file_type", "size")] == [
        "SequenceComponent",
        4,
        ".exr",
        11,
    ]
    members = sorted(seen["members"], key=lambda each: each["name"])
    assert [(each["name"], each["size"]) for each in members] == [("0001", 1), ("0002", 2), ("0008", 8)]
    assert members[2]["checksum"] == checksum_of([b"8" * 8])
    path = session.files.filesystem_path(component, disk)
    assert path.endswith("/file.%04d.exr")
    assert [Path(path.replace("%04d", f"{n:04d}")).read_bytes() for n in (1, 2, 8)] == [b"1", b"22", b"88888888"]
    assert accessor(session, disk).is_sequence(f"{path} [1-2, 8]")


def test_a_sequence_without_ranges_has_the_files_that_there_are(session: Session, tmp_path: Path) -> None:
    pattern = frames(tmp_path, 3, 4)
    (tmp_path / "file.5.exr").write_bytes(b"other padding")
    component = session.create_component(pattern, location=None)

    assert sorted(each["name"] for each in component["members"]) == ["0003", "0004"]
    assert component["name"] == "file"


def test_a_size_that_is_given_is_shared_by_the_members(session: Session) -> None:
    component = session.create_component("/not/here/f.%04d.exr [1-4]", {"size": 400}, None)

    assert [each["size"] for each in component["members"]] == [100] * 4


def test_holes_in_a_sequence_are_named_and_nothing_is_made(session: Session, memory: Entity, tmp_path: Path) -> None:
    pattern = frames(tmp_path, 1, 2, 4)
    with pytest.raises(InvalidSequence) as caught:
        session.create_component(f"{pattern} [1-5]")

    assert caught.value.missing == [str(tmp_path / f"file.{n:04d}.exr") for n in (3, 5)]
    for wrong in (
        f"{pattern} [5-1]",
        f"{pattern} [a]",
        str(tmp_path / "none.%04d.exr"),
        str(tmp_path / "no/f.%04d.exr"),
    ):
        with pytest.raises(InvalidSequence):
            session.create_component(wrong)
    assert session.operations == []


def test_a_folder_becomes_a_container_with_what_is_in_it(session: Session, disk: Entity, tmp_path: Path) -> None:
    folder = tmp_path / "scene"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"aa")
    (folder / "deep/b.txt").write_bytes(b"bbb")
    component = session.create_component(folder, location=disk)

    assert (component["entity_type"], component["name"], component["size"]) == ("ContainerComponent", "scene", 5)
    assert session.component_availability(component)[disk["id"]] == 100
    written = session.files.download(component, tmp_path / "copy", disk)
    found = {str(each.relative_to(tmp_path / "copy")): each.read_bytes() for each in written}
    assert found == {"a.txt": b"aa", "deep/b.txt": b"bbb"}


def test_a_link_in_a_folder_is_refused(session: Session, memory: Entity, tmp_path: Path) -> None:
    (tmp_path / "scene").mkdir()
    (tmp_path / "scene/link").symlink_to(tmp_path)
    with pytest.raises(InvalidValue, match="symbolic link"):
        session.create_component(tmp_path / "scene")


def test_a_tree_of_a_project_holds_what_is_published(session: Session, tmp_path: Path) -> None:
    where = location(session, tmp_path / "tree", "standard")
    project = session.create("Project", {"name": f"Bunny {next(_numbers)}"})
    shot = session.create("Shot", {"name": "Shot 010", "parent": project})
    asset = session.create("Asset", {"name": "Comp", "parent": shot})
    version = session.create("AssetVersion", {"asset": asset})
    session.commit()
    pattern = frames(tmp_path, 1, 2)
    component = session.create_component(f"{pattern} [1-2]", {"name": "main", "version": version}, where)

    base = tmp_path / "tree" / project["name"].lower().replace(" ", "_") / "shot_010/comp/v001"
    assert session.files.filesystem_path(component, where) == str(base / "main.%04d.exr")
    assert sorted(each.name for each in base.iterdir()) == ["main.0001.exr", "main.0002.exr"]
    loose = session.create_component(tmp_path / "file.0001.exr", location=None)
    with pytest.raises(InvalidPath, match="version"):
        session.files.add_component(loose, where)


# --- the fixed locations ------------------------------------------------------------------------------


def test_unmanaged_is_picked_where_nothing_else_is_configured(session: Session, picture: Path) -> None:
    component = session.create_component(picture)

    assert [place.id for place in session.locations][:1] == [UNMANAGED]
    assert session.pick_location() == session.locations.unmanaged.location
    assert session.pick_location(component) == session.locations.unmanaged.location
    assert session.files.resource_identifier(component, UNMANAGED) == str(picture)


def test_the_fixed_locations_have_their_priorities(session: Session) -> None:
    found = {place.id: place.priority for place in session.locations}

    assert {key: found[key] for key in (UNMANAGED, ORIGIN, REVIEW, SERVER)} == {
        UNMANAGED: 90,
        ORIGIN: 100,
        REVIEW: 110,
        SERVER: 150,
    }
    assert [place.id for place in session.locations if place.priority < 96] == [UNMANAGED]


@pytest.mark.parametrize("name", ["ftrackreview-mp4", "ftrackreview-webm", "ftrackreview-image"])
def test_what_is_made_for_review_goes_to_review(session: Session, picture: Path, name: str) -> None:
    component = session.create_component(picture, {"name": name})

    assert session.component_availability(component)[REVIEW] == 100
    assert session.component_availability(component)[UNMANAGED] == 0


def test_the_room_is_never_told_of_origins(session: Session, memory: Entity, picture: Path) -> None:
    component = session.create_component(picture)

    assert session.component_availability(component)[ORIGIN] == 0
    assert session.files.resource_identifier(component, ORIGIN) == str(picture)


# --- the room's own location --------------------------------------------------------------------------


def test_the_room_keeps_files_itself(session: Session, opening: Open, tmp_path: Path) -> None:
    data = bytes(range(256)) * 20_000
    (tmp_path / "scene.mov").write_bytes(data)
    component = session.create_component(tmp_path / "scene.mov", location=SERVER)

    other = opening()
    seen = other.get("Component", component["id"])
    assert seen is not None
    assert other.pick_location(seen) == other.locations.server.location
    assert (seen["size"], seen["checksum"]) == (len(data), checksum_of([data]))
    with other.files.open(seen) as file:
        file.seek(1_000_003)
        assert file.read(5) == data[1_000_003:1_000_008]
    assert b"".join(other.files.read(seen)) == data
    other.files.download(seen, tmp_path / "again.mov")
    assert (tmp_path / "again.mov").read_bytes() == data
    assert other.files.resource_identifier(seen, SERVER) == component["id"]


def test_the_room_keeps_empty_files_and_sequences(session: Session, opening: Open, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    empty = session.create_component(tmp_path / "empty", location=SERVER)
    pattern = frames(tmp_path, 1, 2)
    sequence = session.create_component(f"{pattern} [1-2]", {"name": "main"}, SERVER)

    other = opening()
    seen, frames_seen = other.get_many("Component", [empty["id"], sequence["id"]])
    assert seen is not None
    assert frames_seen is not None
    assert b"".join(other.files.read(seen)) == b""
    written = other.files.download(frames_seen, tmp_path / "got")
    assert [each.read_bytes() for each in sorted(written)] == [b"1", b"22"]
    assert other.component_availability(frames_seen)[SERVER] == 100


def test_what_the_room_keeps_goes_to_other_locations_and_away(session: Session, disk: Entity, picture: Path) -> None:
    component = session.create_component(picture, location=SERVER)
    session.locations.origins.clear()
    session.files.transfer([component], SERVER, disk)
    session.files.remove_component(component, SERVER)

    assert session.pick_location(component) == disk
    assert accessor(session, session.locations.server.location).exists(component["id"]) is False
    session.files.transfer([component], disk, SERVER)
    assert b"".join(session.files.read(component, SERVER)) == b"pixels"


def test_an_attempt_that_was_not_committed_is_made_again(session: Session, picture: Path) -> None:
    component = session.create_component(picture, location=None)
    with pytest.raises(ComponentNotInLocation):
        session.files.add_component(component, SERVER, UNMANAGED)
    session.files.add_component(component, SERVER, commit=False)
    for row in [each for each in session.created if each["entity_type"] == "ComponentLocation"]:
        session.delete(row)
    session.files.add_component(component, SERVER)

    assert b"".join(session.files.read(component, SERVER)) == b"pixels"


def test_the_room_has_addresses_behind_a_server_only(session: Session, picture: Path) -> None:
    component = session.create_component(picture, location=SERVER)
    if session.transport.where.startswith("http"):
        assert urllib3.request("GET", session.files.url(component, SERVER)).data == b"pixels"
        return
    with pytest.raises(NotSupported):
        session.files.url(component, SERVER)


def test_paths_in_the_room_are_ids(session: Session) -> None:
    room = session.locations.server.reached()
    for path in ("", "../x", "main.exr"):
        with pytest.raises(InvalidPath):
            room.read(path)
    with pytest.raises(NotSupported):
        room.list()
    with pytest.raises(NotSupported):
        room.local_path("x")


# --- picking and availability -------------------------------------------------------------------------


def test_the_best_location_that_has_a_component_is_picked(session: Session, picture: Path) -> None:
    far, near = location(session, MemoryAccessor(), priority=20), location(session, MemoryAccessor(), priority=10)
    inside = session.create_component(picture, location=far)
    both = session.create_component(picture, location=far)
    session.files.add_component(both, near)
    nowhere = session.create_component(picture, location=None)

    assert session.pick_location() == near
    assert session.pick_locations([inside, both, nowhere]) == [far, near, None]


def test_a_location_without_an_accessor_is_out_of_reach(session: Session, picture: Path) -> None:
    bare = session.create("Location", {"name": f"bare {next(_numbers)} {secrets.token_hex(4)}"})
    session.commit()
    session.locations.forget()
    component = session.create_component(picture, location=None)

    assert session.locations[bare].priority == 95
    assert bare not in [place.location for place in session.locations]
    with pytest.raises(LocationNotConfigured) as caught:
        session.files.add_component(component, bare)
    assert (caught.value.location, caught.value.part) == (bare["name"], "structure")
    session.locations.configure(bare, structure="id")
    with pytest.raises(LocationNotConfigured, match="accessor"):
        session.files.add_component(component, bare)
    with pytest.raises(NotFound):
        session.locations["no such place"]


def test_what_is_only_where_the_session_does_not_reach_is_said(
    session: Session, opening: Open, picture: Path, memory: Entity
) -> None:
    component = session.create_component(picture)
    other = opening()

    seen = other.get("Component", component["id"])
    assert seen is not None
    assert other.pick_location(seen) is None
    with pytest.raises(LocationNotConfigured, match=memory["name"]):
        other.files.filesystem_path(seen)


def test_a_part_of_a_sequence_counts_in_part(session: Session, memory: Entity, tmp_path: Path) -> None:
    pattern = frames(tmp_path, 1, 2, 3)
    component = session.create_component(f"{pattern} [1-3]", location=None)
    session.commit()
    first, second, third = sorted(component["members"], key=lambda each: each["name"])
    session.files.add_component(first, memory)
    assert session.component_availability(component, [memory]) == {memory["id"]: 33.333333333}
    session.files.add_components([second, third], memory)

    assert session.component_availability(component, [memory]) == {memory["id"]: 100}
    assert session.component_availabilities([component, first], [memory]) == [{memory["id"]: 100}] * 2


def test_registrations_that_are_not_committed_count_here(session: Session, memory: Entity, picture: Path) -> None:
    component = session.create_component(picture, commit=False)

    assert session.component_availability(component, [memory]) == {memory["id"]: 100}
    session.rollback()


def test_availability_of_many_is_asked_in_few_round_trips(session: Session, memory: Entity, tmp_path: Path) -> None:
    pattern = frames(tmp_path, *range(1, 30))
    components = [session.create_component(f"{pattern} [1-29]", location=memory) for _ in range(3)]
    before = session.transport.calls.total()  # type: ignore[attr-defined]

    assert [each[memory["id"]] for each in session.component_availabilities(components, [memory])] == [100] * 3
    assert session.transport.calls.total() - before <= 6  # type: ignore[attr-defined]


# --- adding, transferring, removing -------------------------------------------------------------------


def test_a_component_is_added_to_a_location_once(session: Session, memory: Entity, picture: Path) -> None:
    component = session.create_component(picture)
    with pytest.raises(ComponentInLocation) as caught:
        session.files.add_component(component, memory)

    assert (caught.value.components, caught.value.count) == ([component["id"]], 1)
    assert session.operations == []


def test_data_that_is_there_is_not_overwritten(session: Session, tmp_path: Path) -> None:
    frames(tmp_path, 1, 2)
    where = location(session, tmp_path / "plain", "id")
    first = session.create_component(tmp_path / "file.0001.exr", location=None)
    second = session.create_component(tmp_path / "file.0002.exr", location=None)
    session.commit()
    accessor(session, where).write(second["id"], [b"precious"])
    with pytest.raises(TransferFailed) as caught:
        session.files.add_components([first, second], where)

    assert isinstance(caught.value.__cause__, FileExists)
    assert (caught.value.component, caught.value.transferred) == (second["id"], [(first["id"], first["id"])])
    assert b"".join(accessor(session, where).read(second["id"])) == b"precious"
    assert session.component_availabilities([first, second], [where]) == [{where["id"]: 0}] * 2


def test_two_components_never_go_to_one_path(session: Session, memory: Entity, picture: Path) -> None:
    class Same:
        def resource_identifier(self, component: Any, source: str | None = None) -> str:
            return "same"

    session.locations.configure(memory, structure=Same())
    components = [session.create_component(picture, location=None) for _ in range(2)]
    with pytest.raises(FileExists):
        session.files.add_components(components, memory)
    assert accessor(session, memory).list() == []


def test_a_registration_that_is_there_is_an_error_that_lists_what_was_transferred(
    session: Session, opening: Open, memory: Entity, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    component = session.create_component(picture, location=None)
    session.commit()
    other = opening()
    other.create(
        "ComponentLocation", {"component": component["id"], "location": memory["id"], "resource_identifier": "x"}
    )

    def write_first(*arguments: Any, **options: Any) -> int:
        other.commit()
        return MemoryAccessor.write(store, *arguments, **options)

    store = accessor(session, memory)
    assert isinstance(store, MemoryAccessor)
    monkeypatch.setattr(store, "write", write_first)
    with pytest.raises(TransferFailed) as caught:
        session.files.add_component(component, memory)
    assert isinstance(caught.value.__cause__, NotUnique)
    ((identity, path),) = caught.value.transferred
    assert identity == component["id"]
    assert store.is_file(path)
    assert session.operations == []
    assert component["checksum"] is None


def test_a_full_location_takes_nothing_and_says_so(
    session: Session, disk: Entity, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(TransferFailed) as caught:
            session.create_component(picture, location=disk)
    assert isinstance(caught.value.__cause__, StorageFull)
    assert session.operations == []
    assert session.create_component(picture, location=disk)["size"] == 6


class Vanishing(DiskAccessor):
    """A disk on which a file becomes another while it is read."""

    def __init__(self, prefix: Path, act: Callable[[Path], object]) -> None:
        super().__init__(prefix)
        self._act = act

    def read(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        self._act(self.local_path(path))
        return super().read(path, start, length)


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        (lambda path: path.unlink(), NoSuchFile),
        (lambda path: path.write_bytes(b"less"), ChecksumMismatch),
        (lambda path: path.write_bytes(b"others"), ChecksumMismatch),
    ],
    ids=["vanishes", "becomes shorter", "becomes another"],
)
def test_a_file_that_changes_on_its_way_does_not_arrive(
    session: Session, memory: Entity, tmp_path: Path, picture: Path, act: Any, cause: type[Exception]
) -> None:
    source = location(session, tmp_path / "source")
    component = session.create_component(picture, location=source)
    session.locations.configure(source, accessor=Vanishing(tmp_path / "source", act))
    with pytest.raises(TransferFailed) as caught:
        session.files.add_component(component, memory, source)

    assert isinstance(caught.value.__cause__, cause)
    assert not list_all(accessor(session, memory))
    assert session.component_availability(component, [memory]) == {memory["id"]: 0}


def list_all(accessor: Accessor, path: str = "") -> list[str]:
    names = accessor.list(path)
    return [each for each in names if accessor.is_file(each)] + [
        found for each in names if accessor.is_container(each) for found in list_all(accessor, each)
    ]


def test_what_was_damaged_is_not_read_as_if_it_were_whole(
    session: Session, memory: Entity, picture: Path, tmp_path: Path
) -> None:
    component = session.create_component(picture)
    store = accessor(session, memory)
    (path,) = list_all(store)
    store.write(path, [b"damage"], overwrite=True)

    with pytest.raises(ChecksumMismatch):
        b"".join(session.files.read(component, memory))
    with pytest.raises(ChecksumMismatch):
        session.files.download(component, tmp_path / "out.png", memory)
    assert not (tmp_path / "out.png").exists()


def test_a_transfer_goes_on_where_it_was(session: Session, memory: Entity, disk: Entity, tmp_path: Path) -> None:
    pattern = frames(tmp_path, 1, 2, 3)
    sequence = session.create_component(f"{pattern} [1-3]", location=memory)
    single = session.create_component(tmp_path / "file.0001.exr", location=memory)
    session.files.add_component(sorted(sequence["members"], key=lambda each: each["name"])[0], disk)

    assert session.files.transfer([sequence, single], memory, disk) == [sequence, single]
    assert session.files.transfer([sequence, single], memory, disk) == []
    assert session.component_availabilities([sequence, single], [disk]) == [{disk["id"]: 100}] * 2


def test_a_transfer_that_broke_off_in_a_sequence_goes_on(
    session: Session, memory: Entity, disk: Entity, tmp_path: Path
) -> None:
    pattern = frames(tmp_path, 1, 2, 3)
    component = session.create_component(f"{pattern} [1-3]", location=memory)
    first, second, _ = sorted(component["members"], key=lambda each: each["name"])
    store, structure = accessor(session, disk), session.locations[disk].structured()
    store.write(structure.resource_identifier(first), [b"1"])
    store.write(structure.resource_identifier(second), [b"??"])
    with pytest.raises(TransferFailed) as caught:
        session.files.transfer([component], memory, disk)
    assert isinstance(caught.value.__cause__, FileExists)
    assert b"".join(store.read(structure.resource_identifier(second))) == b"??"
    store.remove(structure.resource_identifier(second))

    assert session.files.transfer([component], memory, disk) == [component]
    assert session.component_availability(component, [disk]) == {disk["id"]: 100}


def test_a_transfer_of_many_is_few_commits(session: Session, memory: Entity, disk: Entity, tmp_path: Path) -> None:
    frames(tmp_path, *range(1, 13))
    components = [
        session.create_component(tmp_path / f"file.{number:04d}.exr", location=memory, commit=False)
        for number in range(1, 13)
    ]
    session.commit()
    before = session.transport.calls["commit"]  # type: ignore[attr-defined]

    session.files.transfer(components, None, disk)
    assert session.transport.calls["commit"] - before == 1  # type: ignore[attr-defined]


def test_a_transfer_finds_the_source_by_itself(
    session: Session, opening: Open, memory: Entity, disk: Entity, picture: Path
) -> None:
    component = session.create_component(picture)
    other = opening()
    other.locations.configure(memory["id"], accessor=accessor(session, memory), structure="chunked_id")
    other.locations.configure(disk["id"], accessor=accessor(session, disk), structure="chunked_id")
    seen = other.get("Component", component["id"])
    assert seen is not None

    assert other.files.transfer([seen], None, disk["id"]) == [seen]
    assert other.component_availability(seen)[disk["id"]] == 100


def test_what_is_registered_is_read_before_where_it_once_was(session: Session, memory: Entity, picture: Path) -> None:
    component = session.create_component(picture)
    picture.write_bytes(b"another picture")
    assert b"".join(session.files.read(component)) == b"pixels"
    picture.unlink()
    session.files.add_component(component, SERVER)

    assert b"".join(session.files.read(component, SERVER)) == b"pixels"


def test_a_component_is_taken_out_with_its_data(
    session: Session, memory: Entity, disk: Entity, tmp_path: Path, opening: Open
) -> None:
    pattern = frames(tmp_path, 1, 2)
    component = session.create_component(f"{pattern} [1-2]", location=memory)
    session.files.add_component(component, disk)
    session.files.remove_component(component, memory)

    seen = opening().get("Component", component["id"])
    assert seen is not None
    assert opening().component_availability(opening().get("Component", component["id"]))[memory["id"]] == 0  # type: ignore[arg-type]
    assert session.component_availability(component, [memory, disk]) == {memory["id"]: 0, disk["id"]: 100}
    assert list_all(accessor(session, memory)) == []
    with pytest.raises(ComponentNotInLocation) as caught:
        session.files.remove_component(component, memory)
    assert caught.value.components == [component["id"]]


def test_what_is_taken_out_of_unmanaged_stays_on_disk(session: Session, picture: Path) -> None:
    component = session.create_component(picture, location=UNMANAGED)
    session.files.remove_component(component, UNMANAGED)

    assert picture.read_bytes() == b"pixels"
    assert session.component_availability(component)[UNMANAGED] == 0


def test_data_that_is_gone_already_is_taken_out_all_the_same(session: Session, memory: Entity, picture: Path) -> None:
    component = session.create_component(picture)
    store = accessor(session, memory)
    store.remove(list_all(store)[0])
    session.files.remove_component(component, memory)

    assert session.component_availability(component, [memory]) == {memory["id"]: 0}


def test_a_transformer_stands_between_the_room_and_the_accessor(
    session: Session, opening: Open, tmp_path: Path, picture: Path
) -> None:
    roots = ReplacePrefix({"store": "shows"})
    where = location(session, tmp_path / "store", transformer=roots)
    session.locations.configure(where, structure=Under("shows"))
    component = session.create_component(picture, location=where)

    (row,) = component["component_locations"]
    assert row["resource_identifier"] == "${store}/" + component["id"]
    assert session.files.resource_identifier(component, where) == "shows/" + component["id"]
    assert b"".join(session.files.read(component, where)) == b"pixels"


class Under:
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def resource_identifier(self, component: Any, source: str | None = None) -> str:
        return f"{self._folder}/{component['id']}"


def test_events_go_out_with_the_commit_that_registers(session: Session, memory: Entity, picture: Path) -> None:
    heard: list[Any] = []
    with session.events.subscribe("location.*", heard.append):
        component = session.create_component(picture)
        session.files.remove_component(component, memory)
        session.events.wait(1)

    about = {"component_id": component["id"], "location_id": memory["id"]}
    assert [(each.topic, each.data) for each in heard] == [(ADDED, about), (REMOVED, about)]
    assert heard[0].revision == component["created_revision"]


# --- reading ------------------------------------------------------------------------------------------


def test_a_component_is_opened_read_and_downloaded(
    session: Session, memory: Entity, picture: Path, tmp_path: Path
) -> None:
    component = session.create_component(picture)

    with session.files.open(component, memory) as file:
        assert (file.read(3), file.seek(1), file.read()) == (b"pix", 1, b"ixels")
    assert b"".join(session.files.read(component, memory)) == b"pixels"
    assert session.files.download(component, tmp_path / "out.png", memory) == [tmp_path / "out.png"]
    with pytest.raises(FileExists):
        session.files.download(component, tmp_path / "out.png", memory)
    with pytest.raises(NotSupported):
        session.files.filesystem_path(component, memory)
    with pytest.raises(NotSupported):
        session.files.url(component, memory)


def test_a_downloaded_sequence_is_a_folder_of_files(session: Session, memory: Entity, tmp_path: Path) -> None:
    pattern = frames(tmp_path, 1, 2)
    component = session.create_component(f"{pattern} [1-2]", {"name": "../up"}, memory)
    session.files.download(component, tmp_path / "got", memory)

    assert sorted(each.name for each in (tmp_path / "got").iterdir()) == [".._up.0001.exr", ".._up.0002.exr"]


def test_what_is_nowhere_is_said(session: Session, memory: Entity) -> None:
    component = session.create("FileComponent", {"name": "empty"})
    session.commit()
    for attempt in (
        lambda: session.files.read(component),
        lambda: session.files.url(component),
        lambda: session.files.add_component(component, memory),
        lambda: session.files.resource_identifier(component, memory),
    ):
        with pytest.raises(ComponentNotInLocation):
            attempt()


def test_a_sequence_has_no_bytes_of_its_own(session: Session, memory: Entity, tmp_path: Path) -> None:
    pattern = frames(tmp_path, 1)
    component = session.create_component(f"{pattern} [1]", location=memory)
    with pytest.raises(InvalidValue, match="members"):
        session.files.open(component)


def test_what_is_no_component_is_refused(session: Session, memory: Entity) -> None:
    with pytest.raises(InvalidValue, match="component"):
        session.files.add_component(memory, memory)


# --- progress -----------------------------------------------------------------------------------------


def test_progress_is_told_in_bytes(session: Session, memory: Entity, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(3_000_000))
    told: list[tuple[int, int]] = []
    session.create_component(
        tmp_path / "large", location=memory, progress=lambda done, total: told.append((done, total))
    )

    assert told[-1] == (3_000_000, 3_000_000)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert len(told) == 3


def test_a_bar_is_shown_on_a_terminal_only(
    session: Session, memory: Entity, picture: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    session.create_component(picture, location=memory, progress=True)

    assert capfd.readouterr() == ("", "")


def test_a_bar_is_shown_on_a_terminal(
    session: Session, memory: Entity, picture: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    session.create_component(picture, location=memory, progress=True)

    out, err = capfd.readouterr()
    assert out == ""
    assert "6/6 bytes" in err


def test_whoever_is_told_may_stop_it(session: Session, memory: Entity, picture: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.create_component(picture, location=memory, progress=stop)
    assert list_all(accessor(session, memory)) == []
    assert session.operations == []


# --- locations that say how they are reached ----------------------------------------------------------


def test_a_location_may_say_how_it_is_reached(session: Session, opening: Open, tmp_path: Path, picture: Path) -> None:
    name = f"stored {next(_numbers)} {secrets.token_hex(4)}"
    points = {"linux": str(tmp_path / "mnt"), "osx": "/Volumes/x", "windows": "X:/"}
    session.create("Location", {"name": name, "storage": {"mount_points": points, "structure": "id", "priority": 3}})
    session.commit()
    other = opening()
    component = other.create_component(picture, location=name)

    assert other.locations[name].priority == 3
    assert (tmp_path / "mnt" / component["id"]).read_bytes() == b"pixels"
    session.delete(session.query("Location where name is $name", name=name).one())
    session.commit()


@pytest.mark.parametrize(
    "storage",
    [
        {"url": "ftp://x"},
        {"structure": "odd"},
        {"mount_points": 5},
        {"mount_points": {"beos": "/x"}},
        {"priority": "no"},
        [],
        "x",
    ],
)
def test_a_location_that_says_it_wrong_is_out_of_reach(session: Session, opening: Open, storage: Any) -> None:
    made = session.create("Location", {"name": f"wrong {secrets.token_hex(4)}", "storage": storage})
    session.commit()

    assert made["id"] not in [place.id for place in opening().locations]
    session.delete(made)
    session.commit()


def test_the_setting_for_centralised_storage_configures_its_location(
    session: Session, opening: Open, tmp_path: Path, picture: Path
) -> None:
    made = session.create("Location", {"name": f"central {secrets.token_hex(4)}"})
    points = {each: str(tmp_path / "central") for each in ("linux", "osx", "windows")}
    data = {"location_name": made["name"], "location_id": made["id"], "accessor": {"mount_points": points}}
    text = json.dumps({"scenario": "ftrack.centralized-storage", "data": data})
    setting = session.ensure(
        "Setting", {"name": "storage_scenario", "group": "STORAGE", "value": text}, ["name", "group"]
    )
    session.commit()
    try:
        place = next(iter(opening().locations))
        assert (place.id, place.priority, place.manages) == (made["id"], 1, True)
        assert place.reached().where == str(tmp_path / "central")
        setting["value"] = json.dumps({"scenario": "ftrack.centralized-storage", "data": {}})
        session.commit()
        assert made["id"] not in [each.id for each in opening().locations]
    finally:
        session.delete([setting])
        session.commit()


def test_what_was_configured_stays_after_a_reset(session: Session, memory: Entity) -> None:
    identity = memory["id"]
    session.reset()

    assert next(iter(session.locations)).id == identity


def test_a_new_location_is_found_by_name_without_a_reset(session: Session, opening: Open) -> None:
    session.locations.all()
    other = opening()
    name = f"new {secrets.token_hex(4)}"
    other.create("Location", {"name": name})
    other.commit()

    assert session.locations[name].name == name


def test_a_structure_is_given_by_a_name_that_there_is(session: Session, memory: Entity) -> None:
    with pytest.raises(InvalidValue, match="chunked_id"):
        session.locations.configure(memory, structure="odd")


PLUGIN = """
import recordroom.files

def register(session, name, folder):
    def configure(event):
        if name in [each.name for each in event.session.locations.all()]:
            event.session.locations.configure(name, accessor=folder, structure="id", priority=2)

    session.hooks.subscribe("configure-location", configure)
"""


def test_a_plugin_configures_a_location_at_connect_and_after_a_reset(
    session: Session, opening: Open, tmp_path: Path, picture: Path
) -> None:
    name = f"plugged {secrets.token_hex(4)}"
    session.create("Location", {"name": name})
    session.commit()
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/places.py").write_text(PLUGIN)
    given = {"name": name, "folder": str(tmp_path / "plugged")}
    other = opening(plugins=[tmp_path / "plugins"], plugin_arguments=given)

    component = other.create_component(picture, location=name)
    assert (tmp_path / "plugged" / component["id"]).read_bytes() == b"pixels"
    other.reset()
    assert other.locations[name].priority == 2


def test_threads_bring_components_at_once(session: Session, disk: Entity, tmp_path: Path) -> None:
    frames(tmp_path, *range(1, 13))

    def bring(number: int) -> Entity:
        return session.create_component(tmp_path / f"file.{number:04d}.exr", location=disk)

    with ThreadPoolExecutor(4) as pool:
        components = list(pool.map(bring, range(1, 13)))
    assert [each[disk["id"]] for each in session.component_availabilities(components, [disk])] == [100] * 12


def test_a_large_file_is_copied_in_little_memory(session: Session, disk: Entity, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    session.locations.forget()
    tracemalloc.start()
    try:
        component = session.create_component(tmp_path / "large", location=disk)
        session.files.download(component, tmp_path / "again", disk)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert component["size"] == (tmp_path / "again").stat().st_size == 64 * 1024 * 1024
    assert most < 12 * 1024 * 1024


def test_a_room_without_locations_says_what_it_lacks(tmp_path: Path, picture: Path) -> None:
    with rr.connect(tmp_path / "plain.room") as session, pytest.raises(rr.UnknownType, match="apply_template"):
        session.create_component(picture)
