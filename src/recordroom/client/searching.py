"""Full-text search: hits with their entities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidQuery
from ..query.request import Hit, SearchRequest
from .entity import Entity

if TYPE_CHECKING:
    from .session import Session

__all__ = ["SearchHit", "search"]


class SearchHit(NamedTuple):
    """An entity that was found; `rank` falls from hit to hit, `snippets` has attribute → text with [matched] words."""

    entity: Entity
    rank: float
    snippets: Mapping[str, str]


def search(session: Session, text: str, types: str | Iterable[str], limit: int, offset: int) -> list[SearchHit]:
    """The hits for a text; their entities load together when the first is touched."""
    session._check_open()
    if session._at is not None:
        raise InvalidQuery(reason="search reads the present; this session reads the past")
    names = tuple(name.strip() for name in types.split(",")) if isinstance(types, str) else tuple(types)
    for name in names:
        session._facts(name)
    request = SearchRequest(database=session.database, text=text, types=names, limit=limit, offset=offset)
    hits = session.transport.search(request)
    _meet(session, hits)
    maps = session._identity
    return [SearchHit(maps.map(maps.facts(hit.type).root)[hit.id], hit.rank, hit.snippets) for hit in hits]


def _meet(session: Session, hits: list[Hit]) -> None:
    by_type: dict[str, list[bytes]] = {}
    for hit in hits:
        by_type.setdefault(hit.type, []).append(hit.id)
    with session._lock:
        for name, ids in by_type.items():
            session._identity.stubs(name, ids, [name] * len(ids))
