"""Mounts: other systems' interfaces, which a server answers beside its own.

A dialect is a package of `recordroom.dialects`, or a module `package.module` of somebody else. It has a function
`make(service, settings)`, in its module `server` where it is ours, which gives a `Mount`; each process makes its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Protocol

from ..errors import InvalidSettings
from .call import Receive, Send
from .service import Service
from .settings import ServerSettings

__all__ = ["Mount", "Mounts", "made_mounts", "module_of"]

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


class Mount(Protocol):
    """Answers what comes to its prefixes: HTTP and WebSocket, as ASGI has them.

    `/api` is a prefix of `/api` and `/api/x`, not of `/apis`. A mount answers all of it, what is wrong too.
    """

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The beginnings of paths, without a slash at the end."""
        ...

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """One request, or one WebSocket."""
        ...

    async def close(self) -> None:
        """The server has stopped: end what is still going on."""
        ...


class Mounts:
    """Finds the mount of a path."""

    def __init__(self, mounts: Iterable[Mount] = ()) -> None:
        self.all = tuple(mounts)
        self._by_prefix = {prefix: mount for mount in self.all for prefix in mount.prefixes}

    def find(self, path: str) -> tuple[Mount, str] | None:
        """The mount with the longest prefix of a path, and that prefix."""
        if not self._by_prefix:
            return None
        while path:
            found = self._by_prefix.get(path)
            if found is not None:
                return found, path
            path = path.rpartition("/")[0]
        return None

    async def close(self) -> None:
        """Close all of them."""
        for mount in self.all:
            await mount.close()


def module_of(name: str) -> ModuleType:
    """The module that makes the mount of a dialect; InvalidSettings where there is none."""
    path = name if "." in name else f"recordroom.dialects.{name}.server"
    if not _NAME.fullmatch(name) or not _is_there(path):
        raise InvalidSettings(where="settings", reason=f"dialects: there is no dialect {name!r}; there is ftrack")
    found = import_module(path)
    if not callable(getattr(found, "make", None)):
        raise InvalidSettings(where="settings", reason=f"dialects: {name!r} is no dialect, it makes nothing")
    return found


def _is_there(path: str) -> bool:
    try:
        return find_spec(path) is not None
    except ModuleNotFoundError:
        return False


def made_mounts(service: Service, settings: ServerSettings) -> Mounts:
    """The mounts of the dialects that the settings name."""
    return Mounts(module_of(name).make(service, settings) for name in settings.dialects)
