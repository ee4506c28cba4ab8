"""Structures: where in a location a component goes. Each is one small part; another is a class with one method.

They see components as mappings (`component["name"]`), so that entities of any session will do.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import InvalidPath
from .sequences import form_of

__all__ = ["ById", "ChunkedId", "Origin", "ProjectTree", "Structure", "structure_named"]

_FILE, _SEQUENCE = "FileComponent", "SequenceComponent"


class Structure(Protocol):
    """Names the place of a component in a location."""

    def resource_identifier(self, component: Mapping[str, Any], source: str | None = None) -> str:
        """The path for a component; `source` is its path in the location that it comes from, where it has one."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The path that a component has where it comes from."""

    def resource_identifier(self, component: Mapping[str, Any], source: str | None = None) -> str:
        """The source's path; InvalidPath where there is none."""
        if source is None:
            raise InvalidPath(where="origin", path=_named(component), reason="it comes from no location")
        return source


@dataclass(frozen=True, slots=True)
class ById:
    """The component's id."""

    def resource_identifier(self, component: Mapping[str, Any], source: str | None = None) -> str:
        """The id as text."""
        return str(component["id"])


@dataclass(frozen=True, slots=True)
class ChunkedId:
    """`a/9/f/4/….exr`: ids over folders by their last four digits, so that none has too many entries.

    Members lie in their container. The first digits of ids are the time of their making, alike for weeks, so that with
    `first=True` (`0/1/a/1/fd4f-….exr`, as other systems have it) ids of today lie in one folder.
    """

    prefix: str = ""
    first: bool = False

    def resource_identifier(self, component: Mapping[str, Any], source: str | None = None) -> str:
        """The path below `prefix`."""
        container, kind = component["container"], _kind(component)
        identity, ending = str(component["id"]), component["file_type"] or ""
        if container is not None and _kind(container) == _SEQUENCE:
            outside = self.resource_identifier(container)
            return f"{posixpath.dirname(outside)}/file.{component['name']}{ending}"
        if container is not None:
            own = [self.resource_identifier(container), identity]
        else:
            own = [self.prefix, *(identity[:4] if self.first else identity[-4:])]
            own.append(identity[4:] if self.first else identity)
        if kind == _SEQUENCE:
            own.append(f"file.{form_of(component['padding'])}{ending}")
        elif kind == _FILE:
            own[-1] += ending
        return "/".join(own).strip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectTree:
    """`project/folder/…/asset/v001/name.ext`: where a person would look for it.

    Sequences are `name.%04d.ext` with members `name.0042.ext`; a container is a folder. What is awkward in a name of a file
    becomes `substitute`; None leaves names as they are. `prefix_of_project_versions` is a folder for assets right below a project.
    """

    substitute: str | None = "_"
    prefix_of_project_versions: str | None = None

    def resource_identifier(self, component: Mapping[str, Any], source: str | None = None) -> str:
        """The path; InvalidPath where a component belongs to no version of an asset that has a number."""
        container, ending = component["container"], component["file_type"] or ""
        if container is None:
            return "/".join([*self._folders(component), self._own_name(component, ending)])
        outside = self.resource_identifier(container)
        if _kind(container) == _SEQUENCE:
            name = f"{container['name']}.{component['name']}{ending}"
            return f"{posixpath.dirname(outside)}/{self.slug(name)}"
        return f"{outside}/{self._own_name(component, ending)}"

    def slug(self, name: str) -> str:
        """A name without accents, in small letters, with `substitute` for all but letters, digits, `_`, `.` and `-`.

        >>> ProjectTree().slug("Été à la plage.EXR")
        'ete_a_la_plage.exr'
        """
        if self.substitute is not None:
            plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
            name = re.sub(r"[^\w.-]", self.substitute, plain).strip().lower()
        if name in ("", ".", "..") or "/" in name:
            raise InvalidPath(where="the project's tree", path=name, reason="it is no name of a file")
        return name

    def _own_name(self, component: Mapping[str, Any], ending: str) -> str:
        name = _named(component)
        if _kind(component) == _SEQUENCE:
            return f"{self.slug(name)}.{form_of(component['padding'])}{self.slug(ending) if ending else ''}"
        return self.slug(name + ending if _kind(component) == _FILE else name)

    def _folders(self, component: Mapping[str, Any]) -> list[str]:
        version = component.get("version")
        asset = None if version is None else version["asset"]
        context = None if asset is None else asset["parent"]
        if version is None or version["version"] is None or asset is None or context is None:
            reason = "it belongs to no committed version of an asset in a project"
            raise InvalidPath(where="the project's tree", path=_named(component), reason=reason)
        folders = _line(context)
        if len(folders) == 1 and self.prefix_of_project_versions:
            folders.append(self.prefix_of_project_versions)
        return [*map(self.slug, [*folders, asset["name"]]), f"v{version['version']:03d}"]


_DEEPEST = 100
_BY_NAME: dict[str, Structure] = {
    "origin": Origin(),
    "id": ById(),
    "chunked_id": ChunkedId(),
    "standard": ProjectTree(),
}


def structure_named(name: str) -> Structure | None:
    """`origin`, `id`, `chunked_id` or `standard`; None for another name."""
    return _BY_NAME.get(name)


def _line(context: Any) -> list[str]:
    """The names from the project down to a context."""
    names: list[str] = []
    while context is not None:
        if len(names) >= _DEEPEST:
            raise InvalidPath(where="the project's tree", path=names[-1], reason="it is too deep, or goes in a circle")
        names.insert(0, context["name"])
        context = context.get("parent")
    return names


def _kind(component: Mapping[str, Any]) -> str:
    return str(component["entity_type"])


def _named(component: Mapping[str, Any]) -> str:
    return str(component["name"] or component["id"])
