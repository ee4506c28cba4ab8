"""Query results: lazy, iterated page by page, counted and sliced on the server, never cut silently.

A result of entities gives entities of the session; one of groups, aggregates or computed values gives plain dicts.
Iterating asks again each time; `len` asks once. Pages are read by key, so a deep page costs what the first one does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, cast, overload

import msgspec

from ..errors import InvalidQuery, MultipleResults, NoResult
from ..model.ids import show_id
from ..model.kinds import raw_loader
from ..model.schema import Attribute
from ..query.request import Page, QueryRequest
from ..query.syntax import And, Path, Query, Selected
from .loading import SplitPaths, split_paths, with_revisions
from .pause import paused_collector
from .questions import check_used, value_of_parameter

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from typing_extensions import TypeVar  # with defaults, which type checkers know and Python 3.11 does not

    from .session import Session

    R = TypeVar("R", default=Any)
else:
    from typing import TypeVar

    R = TypeVar("R")

__all__ = ["QueryResult", "Shape", "shape_of"]

_GROWTH, _LARGEST = 4, 10  # each page is larger than the one before, up to this many times the page size


class Shape(NamedTuple):
    """How a query is asked and what its rows are: entities (`split` says what is loaded with them), or dicts."""

    query: Query
    split: SplitPaths | None
    columns: tuple[tuple[str, Attribute], ...]


def shape_of(session: Session, query: Query, parameters: Mapping[str, Any]) -> Shape:
    """The shape of a query; raises what is wrong with it."""
    from ..query.resolve import resolve

    identity = session._identity
    names = [each.value for each in query.select]
    if query.select and not query.group_by and all(isinstance(each, Path) for each in names):
        facts = identity.facts(query.type)
        plain = all(each.name in ("", ".".join(cast(Path, each.value).names)) for each in query.select)
        if plain:
            split = split_paths(identity.facts, facts, [".".join(cast(Path, each).names) for each in names])
            paths = with_revisions(split.to_one)
            asked = tuple(Selected(Path(tuple(path.split(".")))) for path in paths)
            asked_query = msgspec.structs.replace(query, select=asked)
            resolve(session.schema, asked_query, parameters)
            return Shape(asked_query, split, ())
    resolved = resolve(session.schema, query, parameters)
    if resolved.entities:
        return Shape(query, SplitPaths([], {}), ())
    return Shape(query, None, tuple((each.name, each.attribute) for each in resolved.outputs))


class QueryResult(Generic[R]):
    """What a query finds. Nothing is asked until you iterate, count, index or export.

    A wrong name is an error then, or at once in `session.query`.
    """

    __slots__ = ("_count", "_parameters", "query", "session")

    def __init__(self, session: Session, query: Query, parameters: Mapping[str, Any] | None = None) -> None:
        self.session = session
        self.query = query
        self._parameters = dict(parameters or {})
        self._count: int | None = None

    @property
    def _shape(self) -> Shape:
        return self.session._shape(self.query, self._parameters)

    @property
    def tree(self) -> Query:
        """The query as a tree; makes a result a value of `in_`."""
        return self.query

    def __repr__(self) -> str:
        from ..query.grammar import render

        return f"<QueryResult {render(self.query)}>"

    # --- rows ------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[R]:
        # The first page is read here and not at the first `next`: `list(result)` asks for the length in between,
        # and where one page has it all that is known by then.
        first = self._page(self._request(self.session.page_size))
        if first.next is None:
            self._count = first.count
        return self._rows_from(first)

    def _rows_from(self, page: Page) -> Iterator[R]:
        size = self.session.page_size
        largest = size * _LARGEST
        while True:
            following = page.next
            yield from self._rows(page)
            if following is None:
                return
            size = min(size * _GROWTH, largest)
            page = self._page(self._request(size, after=following))

    def _page(self, request: QueryRequest) -> Page:
        with paused_collector:
            return self.session.transport.query(request)

    def _rows(self, page: Page) -> list[Any]:
        """The rows of one page, as entities or dicts."""
        session, split = self.session, self._shape.split
        if split is None:
            return self._dicts(page)
        with session._lock:
            entities = session._identity.meet(page)
        if split.to_many:
            session._loader.populate_members(entities, split)
        return entities

    def _dicts(self, page: Page) -> list[dict[str, Any]]:
        columns = {name: self._shown(page.columns[name], attribute) for name, attribute in self._shape.columns}
        names = tuple(columns)
        return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _shown(self, raws: list[Any], attribute: Attribute) -> list[Any]:
        if attribute.kind == "reference":
            ids = [raw for raw in raws if raw is not None]
            found = dict(zip(ids, self.session._loader.entities(attribute.target, ids), strict=True))
            return [found.get(raw) for raw in raws]
        load = show_id if attribute.kind == "uuid" and attribute.system else raw_loader(attribute)
        return raws if load is None else [None if raw is None else load(raw) for raw in raws]

    def all(self) -> list[R]:
        """Every row, in one request."""
        rows: list[Any] = []
        with paused_collector:
            for page in self.session.transport.stream(self._request(self.session.page_size * _LARGEST)):
                rows.extend(self._rows(page))
        self._count = len(rows)
        return rows

    def first(self) -> R | None:
        """The first row, or None."""
        found = self._few(1)
        return found[0] if found else None

    def one(self) -> R:
        """The only row; NoResult or MultipleResults where there is none or more than one."""
        found = self._few(2)
        if not found:
            raise NoResult(type=self.query.type)
        if len(found) > 1:
            raise MultipleResults(type=self.query.type)
        return found[0]

    def _few(self, count: int) -> list[R]:
        limit = self.query.limit
        query = msgspec.structs.replace(self._shape.query, limit=count if limit is None else min(limit, count))
        rows: list[Any] = self._rows(self._page(self._request(count, query=query)))
        return rows

    def exists(self) -> bool:
        """Whether there is a row."""
        if self._shape.split is None:
            return self.count() > 0
        only = (Selected(Path(("id",))),)
        limit = 1 if self.query.limit is None else min(self.query.limit, 1)
        query = msgspec.structs.replace(self.query, select=only, limit=limit)
        return bool(self._page(self._request(1, query=query)).count)

    def __bool__(self) -> bool:
        return self.exists() if self._count is None else self._count > 0

    def count(self) -> int:
        """How many rows there are now."""
        self._count = self.session.transport.count(self.request())
        return self._count

    def __len__(self) -> int:
        return self.count() if self._count is None else self._count

    @overload
    def __getitem__(self, index: int) -> R: ...
    @overload
    def __getitem__(self, index: slice) -> QueryResult[R]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """One row, or a lazy result of some rows."""
        if isinstance(index, slice):
            return self._slice(index)
        place = index + len(self) if index < 0 else index
        limit = self.query.limit
        if place < 0 or (limit is not None and place >= limit):
            raise IndexError(index)
        query = msgspec.structs.replace(self._shape.query, offset=self.query.offset + place, limit=1)
        found = self._rows(self._page(self._request(1, query=query)))
        if not found:
            raise IndexError(index)
        return found[0]

    def _slice(self, index: slice) -> QueryResult[R]:
        if index.step not in (None, 1):
            raise InvalidQuery(reason=f"a slice of a result has no step; list(result)[::{index.step}] has")
        start, stop = index.start or 0, index.stop
        if start < 0 or (stop is not None and stop < 0):
            start, stop, _ = index.indices(len(self))
        if self.query.limit is not None:
            stop = self.query.limit if stop is None else min(stop, self.query.limit)
        limit = None if stop is None else max(stop - start, 0)
        return self._with(offset=self.query.offset + start, limit=limit)

    # --- narrower questions ----------------------------------------------------------------------

    def where(self, *conditions: Any, **parameters: Any) -> QueryResult[R]:
        """Only rows that satisfy these conditions too: expressions, or text as behind `where`.

        Keyword arguments are values for `$name` in the text.
        """
        from ..query.expressions import condition_of

        self._check_whole("where")
        found = [condition_of(each, self.session.schema, self.query.type) for each in conditions]
        if self.query.where is not None:
            found.insert(0, self.query.where)
        if not found:
            return self
        given = {name: value_of_parameter(value) for name, value in parameters.items()}
        query = msgspec.structs.replace(self.query, where=found[0] if len(found) == 1 else And(tuple(found)))
        result: QueryResult[R] = QueryResult(self.session, query, {**self._parameters, **given})
        if given:
            result._shape  # noqa: B018 - what is too deep or wrong is said first
            check_used(query, given)
        return result

    def select(self, *values: Any) -> QueryResult[Any]:
        """Load these paths only; or rows of these values, where one is computed or an aggregate."""
        from ..query.expressions import selected_of

        schema, name = self.session.schema, self.query.type
        return self._with(select=tuple(selected_of(each, schema, name) for each in values))

    def order_by(self, *keys: Any) -> QueryResult[R]:
        """In this order: paths, expressions, `"name desc"`."""
        from ..query.expressions import order_of

        self._check_whole("order_by")
        schema, name = self.session.schema, self.query.type
        return self._with(order_by=tuple(order_of(each, schema, name) for each in keys))

    def group_by(self, *values: Any) -> QueryResult[Any]:
        """One row for each group of equal values."""
        from ..query.expressions import group_of

        self._check_whole("group_by")
        schema, name = self.session.schema, self.query.type
        return self._with(group_by=tuple(group_of(each, schema, name) for each in values))

    def limit(self, count: int | None) -> QueryResult[R]:
        """At most `count` rows."""
        return self._with(limit=count)

    def offset(self, count: int) -> QueryResult[R]:
        """Without the first `count` rows."""
        return self._with(offset=count)

    def _check_whole(self, what: str) -> None:
        if self.query.limit is not None or self.query.offset:
            raise InvalidQuery(reason=f"{what} comes before limit, offset and slices")

    def _with(self, **changes: Any) -> QueryResult[Any]:
        return QueryResult(self.session, msgspec.structs.replace(self.query, **changes), self._parameters)

    # --- requests --------------------------------------------------------------------------------

    def request(self) -> QueryRequest:
        """The request for the query as it was given."""
        return self._request(self.session.page_size, query=self.query)

    def _request(self, size: int, *, query: Query | None = None, after: list[Any] | None = None) -> QueryRequest:
        session = self.session
        return QueryRequest(
            database=session.database,
            query=self._shape.query if query is None else query,
            size=size,
            after=after,
            at=session._at,
            parameters=self._parameters,
        )

    def pages(self) -> Iterator[Page]:
        """The rows as pages of columns of raw scalars, of one snapshot."""
        return self.session.transport.stream(self.request())

    def explain(self) -> str:
        """The statement that would run and the database's plan for it, for a person."""
        return self.session.transport.explain(self._request(self.session.page_size))

    # --- frames ----------------------------------------------------------------------------------

    def to_arrow(self) -> pa.Table:
        """An Arrow table; its types come from the schema."""
        from . import frames

        return frames.to_arrow(self)

    def to_batches(self, size: int = 65_536) -> Iterator[pa.RecordBatch]:
        """Arrow record batches of at most `size` rows, in bounded memory."""
        from . import frames

        return frames.batches(self, size)

    def to_polars(self) -> pl.DataFrame:
        """A polars frame."""
        from . import frames

        return frames.to_polars(self)

    def to_pandas(self) -> pd.DataFrame:
        """A pandas frame."""
        from . import frames

        return frames.to_pandas(self)
