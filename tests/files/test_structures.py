from __future__ import annotations

from typing import Any

import pytest

from recordroom.errors import InvalidPath
from recordroom.files import ById, ChunkedId, Origin, ProjectTree, ReplacePrefix
from recordroom.files.structures import structure_named

ID = "12345678-0000-4000-8000-000000000000"


def component(kind: str = "FileComponent", **given: Any) -> dict[str, Any]:
    plain = {"id": ID, "entity_type": kind, "name": "foo", "file_type": ".exr", "padding": 4, "container": None}
    return plain | {"version": None} | given


def version(number: int | None = 1, folders: tuple[str, ...] = ("seq",)) -> dict[str, Any]:
    context: dict[str, Any] = {"name": "My Project", "parent": None}
    for name in folders:
        context = {"name": name, "parent": context}
    return {"version": number, "asset": {"name": "Asset Ä", "parent": context}}


def test_origin_passes_the_path_of_the_source_on() -> None:
    assert Origin().resource_identifier(component(), "/a/b.exr") == "/a/b.exr"
    with pytest.raises(InvalidPath):
        Origin().resource_identifier(component())


def test_by_id_is_the_id() -> None:
    assert ById().resource_identifier(component()) == ID


SEQUENCE = component("SequenceComponent")
CONTAINER = component("ContainerComponent", file_type=None)
MEMBER = "99999999-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (component(), f"1/2/3/4/{ID[4:]}.exr"),
        (component(file_type=None), f"1/2/3/4/{ID[4:]}"),
        (SEQUENCE, f"1/2/3/4/{ID[4:]}/file.%04d.exr"),
        (component("SequenceComponent", padding=0), f"1/2/3/4/{ID[4:]}/file.%d.exr"),
        (component("SequenceComponent", padding=None, file_type=None), f"1/2/3/4/{ID[4:]}/file.%d"),
        (component(container=SEQUENCE, name="0042"), f"1/2/3/4/{ID[4:]}/file.0042.exr"),
        (CONTAINER, f"1/2/3/4/{ID[4:]}"),
        (component(id=MEMBER, container=CONTAINER), f"1/2/3/4/{ID[4:]}/{MEMBER}.exr"),
        (component("ContainerComponent", id=MEMBER, container=CONTAINER), f"1/2/3/4/{ID[4:]}/{MEMBER}"),
        (
            component("SequenceComponent", id=MEMBER, container=CONTAINER),
            f"1/2/3/4/{ID[4:]}/{MEMBER}/file.%04d.exr",
        ),
    ],
)
def test_chunked_ids_lie_over_four_folders(given: dict[str, Any], path: str) -> None:
    assert ChunkedId(first=True).resource_identifier(given) == path
    assert ChunkedId("shows", first=True).resource_identifier(given) == f"shows/{path}"


def test_chunked_ids_go_by_what_differs_among_ids_of_one_day() -> None:
    assert ChunkedId().resource_identifier(component(id=f"{ID[:-4]}abcd")) == f"a/b/c/d/{ID[:-4]}abcd.exr"
    member = component(container=component("SequenceComponent", id=f"{ID[:-4]}abcd"), name="0042")
    assert ChunkedId("x").resource_identifier(member) == f"x/a/b/c/d/{ID[:-4]}abcd/file.0042.exr"


BASE = "my_project/seq/asset_a/v001"
IN_TREE = {"version": version()}
TREE_SEQUENCE = component("SequenceComponent", **IN_TREE)
TREE_CONTAINER = component("ContainerComponent", name="Bar", **IN_TREE)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (component(name="Été 1", **IN_TREE), f"{BASE}/ete_1.exr"),
        (component(file_type=None, **IN_TREE), f"{BASE}/foo"),
        (TREE_SEQUENCE, f"{BASE}/foo.%04d.exr"),
        (component("SequenceComponent", padding=None, **IN_TREE), f"{BASE}/foo.%d.exr"),
        (component(container=TREE_SEQUENCE, name="0042"), f"{BASE}/foo.0042.exr"),
        (TREE_CONTAINER, f"{BASE}/bar"),
        (component(container=TREE_CONTAINER, name="baz", file_type=".pdf"), f"{BASE}/bar/baz.pdf"),
        (component("ContainerComponent", name="In", container=TREE_CONTAINER), f"{BASE}/bar/in"),
        (component(version=version(12, ("a", "b c"))), "my_project/a/b_c/asset_a/v012/foo.exr"),
        (component(version=version(1234)), "my_project/seq/asset_a/v1234/foo.exr"),
        (component(version=version(1, ())), "my_project/asset_a/v001/foo.exr"),
    ],
)
def test_the_tree_of_a_project_is_what_a_person_would_expect(given: dict[str, Any], path: str) -> None:
    assert ProjectTree().resource_identifier(given) == path


def test_versions_right_below_a_project_may_have_a_folder_of_their_own() -> None:
    tree = ProjectTree(prefix_of_project_versions="assets")

    assert tree.resource_identifier(component(version=version(1, ()))) == "my_project/assets/asset_a/v001/foo.exr"
    assert tree.resource_identifier(component(**IN_TREE)) == f"{BASE}/foo.exr"


def test_names_may_stay_as_they_are() -> None:
    tree = ProjectTree(substitute=None)
    given = component(name="Été 1", **IN_TREE)

    assert tree.resource_identifier(given) == "My Project/seq/Asset Ä/v001/Été 1.exr"


@pytest.mark.parametrize("given", [None, version(None), version() | {"asset": None}])
def test_what_belongs_to_no_committed_version_has_no_place_in_a_tree(given: Any) -> None:
    with pytest.raises(InvalidPath, match="version"):
        ProjectTree().resource_identifier(component(version=given))


@pytest.mark.parametrize("name", ["..", "a/b", "."])
def test_a_name_that_would_leave_its_folder_is_refused(name: str) -> None:
    with pytest.raises(InvalidPath):
        ProjectTree(substitute=None).resource_identifier(component(name=name, file_type="", **IN_TREE))


def test_structures_are_found_by_name() -> None:
    assert isinstance(structure_named("standard"), ProjectTree)
    assert isinstance(structure_named("id"), ById)
    assert structure_named("other") is None


def test_a_prefix_is_replaced_and_put_back() -> None:
    here = ReplacePrefix({"projects": "/mnt/projects/", "cache": "/mnt/projects/cache"})
    there = ReplacePrefix({"projects": "/Volumes/p", "cache": "/tmp"})
    for path in ("/mnt/projects/a/b", "/mnt/projects/cache/c", "/mnt/projects", "/mnt/projects2/a", "other"):
        assert here.decode(here.encode(path)) == path
    assert here.encode("/mnt/projects/cache/c") == "${cache}/c"
    assert there.decode(here.encode("/mnt/projects/a/b")) == "/Volumes/p/a/b"
