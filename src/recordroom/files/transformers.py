"""Transformers: what is written of a resource identifier in the room, and what is read from it.

With one, sites can keep the same paths under other roots, or another separator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["ReplacePrefix", "Transformer"]


class Transformer(Protocol):
    """Turns what an accessor takes into what the room keeps, and back; `decode(encode(x))` is x."""

    def encode(self, identifier: str, component: Any = None) -> str:
        """What the room keeps for an identifier."""

    def decode(self, identifier: str, component: Any = None) -> str:
        """The identifier for what the room keeps."""


@dataclass(frozen=True, slots=True)
class ReplacePrefix:
    """Keeps `${name}` for a beginning of paths that differs from machine to machine.

    >>> t = ReplacePrefix({"projects": "/mnt/projects"})
    >>> t.encode("/mnt/projects/bunny/a.exr")
    '${projects}/bunny/a.exr'
    """

    roots: dict[str, str] = field(default_factory=dict)

    def encode(self, identifier: str, component: Any = None) -> str:
        """The identifier with the longest root that it begins with replaced by its name."""
        for name, root in sorted(self.roots.items(), key=lambda item: -len(item[1])):
            base = root.rstrip("/")
            if identifier == base or identifier.startswith(base + "/"):
                return f"${{{name}}}{identifier[len(base) :]}"
        return identifier

    def decode(self, identifier: str, component: Any = None) -> str:
        """The identifier with the root of this machine."""
        for name, root in self.roots.items():
            mark = f"${{{name}}}"
            if identifier.startswith(mark):
                return root.rstrip("/") + identifier[len(mark) :]
        return identifier
