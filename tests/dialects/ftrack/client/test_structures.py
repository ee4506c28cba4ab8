"""Structures of the drop-in client: the same places as the unmodified client gives for the same components."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recordroom.dialects.ftrack.client.exception import StructureError
from recordroom.dialects.ftrack.client.structure.entity_id import EntityIdStructure
from recordroom.dialects.ftrack.client.structure.id import IdStructure
from recordroom.dialects.ftrack.client.structure.origin import OriginStructure
from recordroom.dialects.ftrack.client.structure.standard import StandardStructure
from tests.dialects.ftrack.client.dropins import embedded_dropins, served_dropins
from tests.dialects.ftrack.hubs import Stage

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api
    import ftrack_api.structure.id
    import ftrack_api.structure.standard


@pytest.fixture(scope="module")
def session(studio: Stage) -> Iterator[Any]:
    with served_dropins(studio) as dropins:
        yield dropins()


@pytest.fixture(scope="module")
def unmodified(studio: Stage) -> Iterator[Any]:
    with ftrack_api.Session(
        studio.server.url, studio.key, studio.user, plugin_paths=[], schema_cache_path=False
    ) as found:
        yield found


@pytest.fixture(scope="module")
def version(session: Any) -> Any:
    schema = session.query("ProjectSchema").first()
    project = session.create("Project", {"name": "été_structures", "full_name": "x", "project_schema": schema})
    folder = session.create("Folder", {"name": "Set Pieces", "parent": project})
    asset = session.create("Asset", {"name": "Häuser/2", "parent": folder, "type": session.query("AssetType").first()})
    made = session.create("AssetVersion", {"asset": asset})
    session.commit()
    return made


@pytest.fixture(scope="module")
def components(session: Any, version: Any) -> dict[str, Any]:
    make = session.create
    file = make("FileComponent", {"name": "Main é", "file_type": ".EXR", "version": version})
    sequence = make("SequenceComponent", {"name": "beauty", "file_type": ".exr", "padding": 4, "version": version})
    member = make("FileComponent", {"name": "0042", "file_type": ".exr", "container": sequence})
    unpadded = make("SequenceComponent", {"name": "raw", "file_type": ".dpx", "padding": 0, "version": version})
    container = make("ContainerComponent", {"name": "extras", "version": version})
    inside = make("FileComponent", {"name": "notes", "file_type": ".pdf", "container": container})
    session.commit()
    return {
        "file": file, "sequence": sequence, "member": member,
        "unpadded": unpadded, "container": container, "inside": inside,
    }  # fmt: skip


KINDS = ["file", "sequence", "member", "unpadded", "container", "inside"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("StandardStructure", {}),
        ("StandardStructure", {"illegal_character_substitute": "-"}),
        ("IdStructure", {}),
        ("IdStructure", {"prefix": "store"}),
    ],
)
def test_places_are_those_of_the_unmodified_client(
    unmodified: Any, components: dict[str, Any], kind: str, name: str, given: dict[str, Any]
) -> None:
    mine = {"StandardStructure": StandardStructure, "IdStructure": IdStructure}[name]
    module = {"StandardStructure": ftrack_api.structure.standard, "IdStructure": ftrack_api.structure.id}[name]
    component = components[kind]
    same = unmodified.get(component.entity_type, component["id"])

    found = mine(**given).get_resource_identifier(component)

    assert found == getattr(module, name)(**given).get_resource_identifier(same)


def test_a_component_of_no_committed_version_has_no_place(session: Any, version: Any) -> None:
    alone = session.create("FileComponent", {"name": "alone", "file_type": ".txt"})
    new = session.create("AssetVersion", {"asset": version["asset"]})
    of_new = session.create("FileComponent", {"name": "new", "file_type": ".txt", "version": new})

    for each in (alone, of_new):
        with pytest.raises(StructureError, match="no committed version"):
            StandardStructure().get_resource_identifier(each)
    session.rollback()


def test_assets_right_below_a_project_may_have_a_folder(session: Any) -> None:
    schema = session.query("ProjectSchema").first()
    project = session.create("Project", {"name": "below", "full_name": "below", "project_schema": schema})
    asset = session.create("Asset", {"name": "plate", "parent": project, "type": session.query("AssetType").first()})
    version = session.create("AssetVersion", {"asset": asset})
    component = session.create("FileComponent", {"name": "main", "file_type": ".mov", "version": version})
    session.commit()

    found = [StandardStructure(), StandardStructure(project_versions_prefix="versions")]

    assert [each.get_resource_identifier(component) for each in found] == [
        "below/plate/v001/main.mov",
        "below/versions/plate/v001/main.mov",
    ]


def test_names_leave_no_folder_also_where_they_are_kept_as_they_are(session: Any, version: Any) -> None:
    component = session.create("FileComponent", {"name": "../../etc/passwd", "file_type": "", "version": version})

    with pytest.raises(StructureError):
        StandardStructure(illegal_character_substitute=None).get_resource_identifier(component)
    assert StandardStructure().get_resource_identifier(component).endswith("/v001/.._.._etc_passwd")
    session.rollback()


def test_a_layout_of_ones_own_may_change_a_part(session: Any, components: dict[str, Any]) -> None:
    class Mine(StandardStructure):
        def _format_version(self, number: int) -> str:
            return f"version-{number}"

        def _get_parts(self, entity: Any) -> list[str]:
            return ["mnt", *super()._get_parts(entity)]

    assert Mine().get_resource_identifier(components["file"]).split("/")[0] == "mnt"
    assert "/version-1/" in Mine().get_resource_identifier(components["file"])


def test_ids_and_origins(tmp_path: Path) -> None:
    with embedded_dropins(tmp_path) as dropins:
        component = dropins().create("FileComponent", {"name": "x"})

        assert EntityIdStructure().get_resource_identifier(component) == component["id"]
        context = {"source_resource_identifier": "/mnt/x.txt"}
        assert OriginStructure().get_resource_identifier(component, context) == "/mnt/x.txt"
        with pytest.raises(ValueError, match="source_resource_identifier"):
            OriginStructure().get_resource_identifier(component)


def test_what_is_no_component_has_no_place(session: Any) -> None:
    user = session.query("User").first()

    for structure in (StandardStructure(), IdStructure()):
        with pytest.raises((NotImplementedError, KeyError)):
            structure.get_resource_identifier(user)
