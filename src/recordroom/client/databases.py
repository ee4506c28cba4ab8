"""The databases of a room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import UnknownDatabase
from ..model.schema import close_names
from ..query.request import DatabaseInfo
from .transport import Transport

__all__ = ["Databases"]


class Databases(Mapping[str, DatabaseInfo]):
    """Key → what there is to know of a database; asked for each time."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _all(self) -> dict[str, DatabaseInfo]:
        return {info.key: info for info in self._transport.databases()}

    def __getitem__(self, key: str) -> DatabaseInfo:
        found = self._all()
        try:
            return found[key]
        except KeyError:
            raise UnknownDatabase(name=key, suggestions=close_names(key, found)) from None

    def get(self, key: str, default: Any = None) -> Any:
        """What there is to know of a database, or `default` where there is no such one."""
        return self._all().get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def create(self, key: str, *, label: str = "", description: str = "") -> DatabaseInfo:
        """A new, empty database; open it with `connect(where, database=key)`."""
        return self._transport.create_database(DatabaseInfo(key=key, label=label, description=description))

    def drop(self, key: str) -> None:
        """Drop a database and everything in it."""
        self._transport.drop_database(key)
