"""Paths inside a location: text with `/` between names, never one that leaves the location."""

from __future__ import annotations

import posixpath

from ..errors import InvalidPath

__all__ = ["HIDDEN", "inside", "parent"]

# Names that locations use for themselves: files on their way, and marks of empty containers.
HIDDEN = ".rr-"


def inside(where: str, path: str) -> str:
    """The path without what means nothing (`a//b`, `./a`, a `/` at its ends); InvalidPath where it leaves its location."""
    if "\0" in path:
        raise InvalidPath(where=where, path=path, reason="it has a character NUL")
    names = [name for name in path.replace("\\", "/").split("/") if name not in ("", ".")]
    if ".." in names:
        raise InvalidPath(where=where, path=path, reason="it goes up with '..'")
    if any(name.startswith(HIDDEN) for name in names):
        raise InvalidPath(where=where, path=path, reason=f"names that begin with {HIDDEN!r} are the location's own")
    return "/".join(name for name in path.split("/") if name not in ("", "."))


def parent(path: str) -> str:
    """The container of a path; empty for the location itself."""
    return posixpath.dirname(path)
