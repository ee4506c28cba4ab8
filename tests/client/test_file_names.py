"""Names of components on this machine: whatever people call them, they stay in their folder, on any system."""

from __future__ import annotations

from typing import Any

import pytest

import recordroom as rr
from recordroom.client.file_names import name_inside
from recordroom.files.structures import ProjectTree


def component(name: str, container: Any = None, file_type: str = "") -> Any:
    return Component(name, container, file_type)


class Component(dict[str, Any]):
    def __init__(self, name: str, container: Any, file_type: str) -> None:
        super().__init__(id="1", name=name, container=container, file_type=file_type)
        self._type = "ContainerComponent"

    def __hash__(self) -> int:
        return id(self)


@pytest.mark.parametrize("name", ["..", ".", "../../x", "/etc/passwd", "..\\..\\x", "a\\b", "\0", "a/../../b"])
def test_a_name_is_one_name(name: str) -> None:
    outermost = component("all")
    for found in (
        name_inside(component(name, outermost), outermost),
        name_inside(component("x", outermost, file_type=name), outermost),
        name_inside(component("x", component(name, outermost)), outermost).partition("/")[0],
    ):
        assert found not in ("", ".", "..")
        assert not set("/\\\0") & set(found)


def test_containers_in_a_circle_are_refused() -> None:
    first, outermost = component("a"), component("all")
    first["container"] = component("b", first)

    with pytest.raises(rr.InvalidPath, match="circle"):
        name_inside(first, outermost)


def test_contexts_in_a_circle_are_refused() -> None:
    first: dict[str, Any] = {"name": "a"}
    first["parent"] = {"name": "b", "parent": first}
    version = {"version": 1, "asset": {"name": "x", "parent": first}}
    file = {
        "id": "1",
        "name": "f",
        "file_type": ".png",
        "container": None,
        "version": version,
        "entity_type": "FileComponent",
    }

    with pytest.raises(rr.InvalidPath, match="circle"):
        ProjectTree().resource_identifier(file)
