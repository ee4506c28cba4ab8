"""The entity types of a session's database as classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import UnknownType
from .entity import Entity

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Types"]


class Types(Mapping[str, type[Entity]]):
    """Entity type name → class. A class is made when it is first asked for; UnknownType for a wrong name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, name: str) -> type[Entity]:
        return self._session._identity.cls(self._session._facts(name).name)

    def get(self, name: str, default: Any = None) -> Any:
        """The class of a type, or `default` where there is no such type."""
        try:
            return self[name]
        except UnknownType:
            return default

    def __contains__(self, name: object) -> bool:
        return name in self._session.schema

    def __iter__(self) -> Iterator[str]:
        return iter(self._session.schema)

    def __len__(self) -> int:
        return len(self._session.schema)

    def __repr__(self) -> str:
        return f"<types {', '.join(self)}>"
