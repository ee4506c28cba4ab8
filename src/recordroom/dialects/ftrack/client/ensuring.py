"""Finding an entity by its values, or making it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ....query.syntax import And, Compare, Literal, Path, Query, Selected
from .entity.base import Entity
from .exception import NoResultFoundError
from .query import QueryResult
from .symbol import NOT_SET

if TYPE_CHECKING:
    from .session import Session

__all__ = ["ensure"]


def ensure(session: Session, entity_type: str, data: Mapping[str, Any], keys: Iterable[str] | None) -> Any:
    """The entity with the values of `keys`, updated or created, and committed where anything changed."""
    names = list(data) if keys is None else list(keys)
    if not names:
        raise ValueError("Could not determine any identifying keys: say them, or give data that identifies")
    for name in names:
        if name not in data:
            raise KeyError(f"The identifying key {name!r} is missing in the data {dict(data)!r}")
    conditions = tuple(Compare("is", Path((name,)), Literal(_literal(data[name]))) for name in names)
    select = tuple(Selected(Path((name,))) for name in data)
    try:
        found = QueryResult(session, Query(entity_type, select, And(conditions))).one()
    except NoResultFoundError:
        found = session.create(entity_type, data)
        session.commit()
        return found
    if _update(found, {name: value for name, value in data.items() if name not in names}):
        session.commit()
    return found


def _update(entity: Any, data: Mapping[str, Any]) -> bool:
    changed = False
    for name, value in data.items():
        if value is not NOT_SET and entity[name] != value:
            entity[name] = value
            changed = True
    return changed


def _literal(value: Any) -> Any:
    if isinstance(value, Entity):
        value = next(iter(value._key().values()))
    inner = getattr(value, "datetime", value)
    return inner.isoformat() if isinstance(inner, dt.date) else value
