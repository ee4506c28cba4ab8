"""Query results: lazy, read page by page, kept once read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import msgspec

from ....client.pause import paused_collector
from ....client.results import QueryResult as NativeResult
from ....query.syntax import Path, Query, Selected
from ..parsing import parsed
from .exception import MultipleResultsFoundError, NoResultFoundError, translated
from .projecting import Split, load_split, split
from .reaching import rows_of

if TYPE_CHECKING:
    from .session import Session

__all__ = ["QueryResult"]

_GROWTH, _LARGEST = 4, 10_000


class QueryResult(Sequence[Any]):
    """What a query finds. Nothing is asked until you look; each page is larger than the one before it.

    `page_size` is the size of the first. ServerError where the query makes no sense.
    """

    def __init__(self, session: Session, expression: str | Query, page_size: int = 500) -> None:
        self._session = session
        self._expression = expression
        self._page_size = page_size
        self._results: list[Any] = []
        self._tree = expression if isinstance(expression, Query) else None
        self._rest: _Rest | None = None

    def __repr__(self) -> str:
        return f"<QueryResult {self._expression!r}>"

    # --- looking ---------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Any]:
        place = 0
        while self._have(place):
            yield self._results[place]
            place += 1

    def __len__(self) -> int:
        self._read_all()
        return len(self._results)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            if index.stop is None or index.stop < 0 or (index.start or 0) < 0:
                self._read_all()
            else:
                self._have(index.stop - 1)
        elif index < 0:
            self._read_all()
        else:
            self._have(index)
        return self._results[index]

    def all(self) -> list[Any]:
        """Every result."""
        self._read_all()
        return list(self._results)

    def first(self) -> Any:
        """The first result, or None. ValueError where the query has a limit of its own."""
        self._check_no_limit()
        found = self._few(1)
        return found[0] if found else None

    def one(self) -> Any:
        """The only result. ValueError where the query has a limit or offset of its own.

        NoResultFoundError or MultipleResultsFoundError where there is none or more than one.
        """
        self._check_no_limit()
        if self._query.offset:
            raise ValueError("The expression has an offset, which makes no sense for a single item.")
        found = self._few(2)
        if not found:
            raise NoResultFoundError
        if len(found) > 1:
            raise MultipleResultsFoundError
        return found[0]

    # --- pages -----------------------------------------------------------------------------------

    @property
    def _query(self) -> Query:
        if self._tree is None:
            with translated():
                self._tree = parsed(str(self._expression))
        return self._tree

    def _check_no_limit(self) -> None:
        if self._query.limit is not None:
            raise ValueError("The expression has a limit already.")

    def _few(self, count: int) -> list[Any]:
        with translated():
            return _Rest(self._session, msgspec.structs.replace(self._query, limit=count), count).all()

    def _begun(self) -> _Rest:
        if self._rest is None:
            self._rest = _Rest(self._session, self._query, self._page_size)
        return self._rest

    def _have(self, place: int) -> bool:
        """Read on until there is a result at a place; whether there is."""
        while len(self._results) <= place:
            with translated():
                more = self._begun().page()
            if not more:
                return False
            self._results += more
        return True

    def _read_all(self) -> None:
        with translated():
            self._results += self._begun().all()


class _Rest:
    """What is still to be read of a query."""

    def __init__(self, session: Session, tree: Query, size: int) -> None:
        self._session = session
        self._size = max(size, 1)
        self._question = question = session._question(tree)
        self._parts: list[NativeResult[Any]] = []
        self._rows: list[Any] = []
        self._after: list[Any] | None = None
        self._split = Split([], [])
        if question.grouped or not question.type.natives:
            self._rows = rows_of(session.native, session.names, session.configurations, question)
            if not question.grouped:
                self._rows = [session._pairs.met(question.type, each) for each in self._rows]
        else:
            self._parts = [self._part(native) for native in question.type.natives]

    def _part(self, native: str) -> NativeResult[Any]:
        """The native query of one native type."""
        session, question = self._session, self._question
        tree = question.tree
        paths = question.paths
        if not tree.select:
            paths = [tuple(each.split(".")) for each in session.types[question.type.name].default_projections]
        self._split = split(session, native, paths)
        direct = self._split.direct or ["id"]
        query = msgspec.structs.replace(
            question.native(native),
            select=tuple(Selected(Path(tuple(each.split(".")))) for each in direct),
            limit=tree.limit,
            offset=tree.offset,
        )
        found: NativeResult[Any] = session.native.query(query)
        return found

    def page(self) -> list[Any]:
        """The next results, or none."""
        if self._rows:
            rows, self._rows = self._rows, []
            return rows
        while self._parts:
            result = self._parts[0]
            page = result._page(result._request(self._size, after=self._after))
            self._size = min(self._size * _GROWTH, _LARGEST)
            self._after = page.next
            if page.next is None:
                self._parts.pop(0)
            found = self._faces(result._rows(page))
            if found:
                return found
        return []

    def all(self) -> list[Any]:
        """All that is left."""
        found: list[Any] = []
        if len(self._parts) == 1 and self._after is None and self._question.tree.limit is None:
            with paused_collector:
                return self._faces(self._parts.pop().all())
        while more := self.page():
            found += more
        return found

    def _faces(self, natives: list[Any]) -> list[Any]:
        if self._split.later:
            load_split(self._session, natives, self._split, loaded=True)
        return self._session.wrap_all(natives)
