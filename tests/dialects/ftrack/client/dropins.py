"""Sessions of the drop-in client: with a room in this process and with one behind a server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import recordroom as rr
from recordroom.dialects.ftrack.client.session import Session
from tests.dialects.ftrack.hubs import Stage

__all__ = ["Dropins", "embedded_dropins", "served_dropins"]


class Dropins:
    """Makes sessions with one room, which are closed at the end."""

    def __init__(self, where: str, **given: Any) -> None:
        self.where = where
        self._given = given
        self._made: list[Any] = []

    def __call__(self, **more: Any) -> Any:
        given = {"plugin_paths": [], "schema_cache_path": False, **self._given, **more}
        self._made.append(Session(self.where, **given))
        return self._made[-1]

    def native(self, **more: Any) -> Any:
        """A native session with the same room."""
        key = {"api_key": self._given["api_key"]} if "api_key" in self._given else {}
        self._made.append(rr.connect(self.where, **key, **more))
        return self._made[-1]

    def close(self) -> None:
        for each in self._made:
            each.close()


@contextlib.contextmanager
def embedded_dropins(folder: Path) -> Iterator[Dropins]:
    where = folder / "studio.room"
    if not where.exists():
        with rr.connect(where) as session:
            session.apply_template("production")
    made = Dropins(str(where))
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def served_dropins(studio: Stage) -> Iterator[Dropins]:
    made = Dropins(studio.server.url, api_user=studio.user, api_key=studio.key)
    try:
        yield made
    finally:
        made.close()
