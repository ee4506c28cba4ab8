"""Reading plans: queries and members as pages of columns, counts, and explanations.

Statements come from `store.compile`; here they are run, and their rows become columns in one go. A page
fetches one row more than it holds, so that `next` needs no second look. Values that a database keeps in
a form of its own are turned into raw scalars by column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import InvalidQuery
from ..model.kinds import Storage
from ..query import syntax
from ..query.limits import check_size
from ..query.request import Members, MembersRequest, Page, QueryRequest
from .catalog import Catalog
from .compile import Field, Layout, Ready, Window, count_statement, members_statement, page_statement, shown_key
from .decimals import decode_column
from .plans import ROOM, Fetch, Plan, Row

__all__ = ["count_rows", "explain", "members", "needs_search", "query_page", "stream_plan"]

_OWNERS_AT_ONCE = 20_000


def query_page(catalog: Catalog, request: QueryRequest) -> Plan[Page]:
    """One page; `next` says where the following one begins."""
    _check(request)
    done, after = _place(request.after)
    wanted, more = _wanted(request, done)
    if wanted <= 0:
        return (yield from _empty_page(catalog, request))
    ready = page_statement(catalog, request, Window(wanted + more, after))
    rows: list[Row] = yield _fetch(catalog, ready)
    following = None
    if len(rows) > wanted:
        del rows[wanted:]
        following = [done + wanted, *_keys_of(rows[-1], ready.layout, catalog)]
    page = _page(catalog, ready.layout, rows)
    page.next = following
    page.revision = yield from _revision()
    return page


def _check(request: QueryRequest) -> None:
    if request.size < 1:
        raise InvalidQuery(reason=f"a page has at least one row, not {request.size}")
    _check_past(request)


def _check_past(request: QueryRequest) -> None:
    if request.at is not None and needs_search(None, request.query):
        raise InvalidQuery(reason="`matches` searches the present only, not the past")


def _place(after: Sequence[Any] | None) -> tuple[int, Sequence[Any] | None]:
    """How many rows the pages before this one had, and the keys of the last of them."""
    if after is None:
        return 0, None
    if len(after) < 2 or type(after[0]) is not int or after[0] < 1:
        raise InvalidQuery(reason="the place to go on from is not one that a page gave")
    return after[0], after[1:]


def _wanted(request: QueryRequest, done: int) -> tuple[int, bool]:
    """How many rows this page holds at most, and whether there may be more behind them."""
    limit = request.query.limit
    if limit is None or limit - done > request.size:
        return request.size, True
    return limit - done, False


def _empty_page(catalog: Catalog, request: QueryRequest) -> Plan[Page]:
    # Made like any other, so that what is wrong with the query is said.
    ready = page_statement(catalog, request, Window(0, None))
    page = _page(catalog, ready.layout, [])
    page.revision = yield from _revision()
    return page


def _revision() -> Plan[int]:
    rows = yield ROOM
    revision: int = rows[0][2]
    return revision


def stream_plan(catalog: Catalog, request: QueryRequest) -> Plan[tuple[Fetch, Callable[[list[Row]], Page]]]:
    """The statement for every row, and what makes a page of a chunk of its rows (without `next`)."""
    _check(request)
    ready = page_statement(catalog, request, Window(None))
    layout = ready.layout
    revision = yield from _revision()

    def page(rows: list[Row]) -> Page:
        found = _page(catalog, layout, rows)
        found.revision = revision
        return found

    return _fetch(catalog, ready), page


def count_rows(catalog: Catalog, request: QueryRequest) -> Plan[int]:
    """How many rows the query has, its limit and offset counted in."""
    _check_past(request)
    query = request.query
    ready = count_statement(catalog, request)
    rows = yield _fetch(catalog, ready)
    count: int = max(0, rows[0][0] - query.offset)
    return count if query.limit is None else min(count, query.limit)


def _fetch(catalog: Catalog, ready: Ready) -> Fetch:
    # SQLite's rows are converted by column here, once they are columns; going through rows again takes longer.
    storage = () if catalog.dialect == "sqlite" else ready.layout.storage
    return Fetch(ready.sql, ready.parameters, storage)


def needs_search(catalog: Catalog | None, query: syntax.Query) -> bool:
    """Whether there is a `matches` in the query, so that the search index must be up to date."""
    if query.where is None:
        return False
    level: list[Any] = [query.where]
    while level:
        node = level.pop()
        kind = type(node)
        if kind is syntax.Compare:
            if node.operator == "matches":
                return True
        elif kind is syntax.And or kind is syntax.Or:
            level += node.conditions
        elif kind is syntax.InQuery:
            level.append(node.query.where)
        elif kind is syntax.Not or kind is syntax.Any or kind is syntax.Has:
            level.append(node.condition)
    return False


# --- members --------------------------------------------------------------------------------------


def members(catalog: Catalog, request: MembersRequest) -> Plan[Members]:
    """The members of one attribute of many owners, in the order of (owner, member) or (owner, key)."""
    for owner in request.owners:
        if type(owner) is not bytes or len(owner) != 16:
            raise InvalidQuery(reason=f"an owner is an id of 16 bytes, not {owner!r}")
    owners = sorted(set(request.owners))
    rows: list[Row] = []
    ready = members_statement(catalog, request, owners[:_OWNERS_AT_ONCE])
    for start in range(0, len(owners), _OWNERS_AT_ONCE):
        if start:
            ready = members_statement(catalog, request, owners[start : start + _OWNERS_AT_ONCE])
        rows += yield _fetch(catalog, ready)
    layout = ready.layout
    columns = _columns(rows, layout)
    found = Members(owners=columns[layout.owner or 0] if rows else [])
    if layout.ids is None:
        (_, key), (_, value) = layout.outputs
        found.keys, found.values = _column(columns, key, catalog), _column(columns, value, catalog)
        return found
    found.page = _page_of_columns(catalog, layout, columns, len(rows))
    found.page.revision = yield from _revision()
    if layout.note is not None and rows:
        found.notes = columns[layout.note]
    return found


# --- from rows to columns -------------------------------------------------------------------------


def _columns(rows: list[Row], layout: Layout) -> list[list[Any]]:
    return list(map(list, zip(*rows, strict=True)))


def _page(catalog: Catalog, layout: Layout, rows: list[Row]) -> Page:
    return _page_of_columns(catalog, layout, _columns(rows, layout), len(rows))


def _page_of_columns(catalog: Catalog, layout: Layout, columns: list[list[Any]], count: int) -> Page:
    if not count:
        return Page(type=layout.type, columns={name: [] for name, _ in layout.outputs})
    return Page(
        type=layout.type,
        ids=[] if layout.ids is None else columns[layout.ids],
        types=[] if layout.types is None else columns[layout.types],
        columns={name: _column(columns, field, catalog) for name, field in layout.outputs},
        count=count,
    )


def _column(columns: list[list[Any]], field: Field, catalog: Catalog) -> list[Any]:
    if not columns:
        return []
    decode = _DECODERS.get(field.storage) if catalog.dialect == "sqlite" else None
    column = columns[field.place]
    return column if decode is None else decode(column)


_BOOLEANS = {0: False, 1: True, None: None}
_DECODERS: dict[Storage, Callable[[list[Any]], list[Any]]] = {
    Storage.BOOLEAN: lambda column: list(map(_BOOLEANS.__getitem__, column)),
    Storage.DECIMAL: decode_column,
}


def _keys_of(row: Row, layout: Layout, catalog: Catalog) -> list[Any]:
    """The keys of a row as the next request carries them."""
    cells = [[cell] for cell in row]
    return [shown_key(_column(cells, field, catalog)[0]) for field in layout.keys]


# --- explanations ---------------------------------------------------------------------------------


def explain(catalog: Catalog, request: QueryRequest) -> Plan[str]:
    """The statement of a query's first page, its parameters, and how the database would go about it."""
    _check(request)
    check_size(request.query)
    wanted, more = _wanted(request, 0)
    ready = page_statement(catalog, request, Window(max(wanted, 0) + more))
    parts = [ready.sql, _shown_parameters(ready)]
    if catalog.dialect == "sqlite":
        rows = yield Fetch(f"EXPLAIN QUERY PLAN {ready.sql}", ready.parameters)
        parts += _tree(rows)
    else:
        rows = yield Fetch(f"EXPLAIN {ready.sql}", ready.parameters)
        parts += [row[0] for row in rows]
    return "\n".join(part for part in parts if part)


def _shown_parameters(ready: Ready) -> str:
    return "\n".join(f"-- {place}: {_shown(value)}" for place, value in enumerate(ready.parameters, 1))


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str | int | float | None):
        text = repr(value)
        return text if len(text) <= 200 else text[:199] + "…"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "a list"


def _tree(rows: list[Row]) -> list[str]:
    depth = {0: -1}
    lines = []
    for number, parent, _, detail in rows:
        depth[number] = depth.get(parent, -1) + 1
        lines.append(f"{'  ' * depth[number]}{detail}")
    return lines
