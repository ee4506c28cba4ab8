"""What files of components are called on this machine: names of components are people's words, and never leave a folder."""

from __future__ import annotations

import os

from ..errors import InvalidPath
from .entity import Entity

__all__ = ["name_inside"]

_DEEPEST = 100
_APART = str.maketrans(
    dict.fromkeys("/\\\0" + (":" if os.name == "nt" else ""), "_")
)  # signs that lead elsewhere, somewhere


def name_inside(component: Entity, outermost: Entity) -> str:
    """The path of a member below its outermost container."""
    names = [_file_name(component)]
    container = component["container"]
    while container is not None and container != outermost:
        if len(names) >= _DEEPEST:
            raise InvalidPath(where=str(outermost), path=names[-1], reason="it is too deep, or goes in a circle")
        names.insert(0, _plain(str(container["name"] or container["id"])))
        container = container["container"]
    return "/".join(names)


def _file_name(component: Entity) -> str:
    container, ending = component["container"], component["file_type"] or ""
    name = str(component["name"] or component["id"])
    if container is not None and container._type == "SequenceComponent":
        name = f"{container['name'] or container['id']}.{name}"
    return _plain(name + ending)


def _plain(name: str) -> str:
    """A name that stays in its folder."""
    return name.translate(_APART) if name not in ("", ".", "..") else "_"
