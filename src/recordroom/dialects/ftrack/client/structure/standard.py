"""`StandardStructure`: `project/folder/asset/v003/name.exr`, where a person would look for a component."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from ..exception import StructureError
from .base import Structure

__all__ = ["StandardStructure"]

_DEEPEST = 100


class StandardStructure(Structure):
    """Follows the project: its name, what the asset is in, the asset, the version, and then the component.

    A file is `name.exr`, a sequence `name.%04d.exr` with members `name.0042.exr`, a container the folder `name`. What is awkward
    in a name becomes `illegal_character_substitute`; None leaves names as they are. `project_versions_prefix` is a folder for
    assets right below the project.
    """

    def __init__(
        self, project_versions_prefix: str | None = None, illegal_character_substitute: str | None = "_"
    ) -> None:
        super().__init__()
        self.project_versions_prefix = project_versions_prefix
        self.illegal_character_substitute = illegal_character_substitute

    def get_resource_identifier(self, entity: Any, context: Mapping[str, Any] | None = None) -> str:
        """The place of a component; StructureError where it belongs to no committed version."""
        return self.path_separator.join(self._path(entity))

    def sanitise_for_filesystem(self, value: str) -> str:
        """A name with nothing in it that is awkward in a file system: in small letters, without accents and spaces."""
        if self.illegal_character_substitute is None:
            return value
        plain = unicodedata.normalize("NFKD", str(value)).encode("ascii", "ignore").decode()
        return re.sub(r"[^\w.-]", self.illegal_character_substitute, plain).strip().lower()

    def _path(self, entity: Any) -> list[str]:
        name, ending = entity["name"] or entity["id"], entity["file_type"] or ""
        container = entity["container"] if entity.entity_type == "FileComponent" else None
        if container:
            return self._member(container, name, ending)
        if entity.entity_type == "SequenceComponent":
            form = self._get_sequence_expression(entity)
            name = f"{self._plain(name)}.{form}{self._plain(ending) if ending else ''}"
        elif entity.entity_type == "FileComponent":
            name = self._plain(name + ending)
        elif entity.entity_type == "ContainerComponent":
            name = self._plain(name)
        else:
            raise NotImplementedError(f"{entity!r} is no component.")
        return [*self._get_parts(entity), name]

    def _member(self, container: Any, name: str, ending: str) -> list[str]:
        outside = self.get_resource_identifier(container)
        if container.entity_type != "SequenceComponent":
            return [outside, self._plain(name + ending)]
        whole = f"{container['name'] or container['id']}.{name}{ending}"
        return [posixpath.dirname(outside), self._plain(whole)]

    def _get_parts(self, entity: Any) -> list[str]:
        """The folders down to the version."""
        version = entity["version"]
        asset = version["asset"] if version and version not in entity.session.created else None
        names = self._line(asset["parent"]) if asset is not None else []
        if version is None or asset is None or not names:
            raise StructureError(f"{entity!r} belongs to no committed version of an asset in a project.")
        if len(names) == 1 and self.project_versions_prefix:
            names.append(self.project_versions_prefix)
        return [*map(self._plain, [*names, asset["name"]]), self._format_version(version["version"])]

    def _line(self, context: Any) -> list[str]:
        """The names from the project down to a context."""
        names: list[str] = []
        while context:
            if len(names) >= _DEEPEST:
                raise StructureError(f"{names[-1]!r} is too deep, or goes in a circle.")
            names.insert(0, context["name"])
            context = None if context.entity_type == "Project" else context["parent"]
        return names

    def _format_version(self, number: int) -> str:
        """`v003`."""
        return f"v{number:03d}"

    def _plain(self, name: str) -> str:
        """A name of one file or folder: whatever people call things, it leaves no folder."""
        found = self.sanitise_for_filesystem(name)
        if found in ("", ".", "..") or "/" in found or "\0" in found:
            raise StructureError(f"{name!r} cannot be the name of a file.")
        return found
