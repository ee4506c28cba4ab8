"""Full-text search as one actor sees it: only texts that can be seen are found, ranked and quoted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..model.kinds import Storage
from ..model.words import Term
from ..query.request import Hit, QueryRequest, SearchRequest
from ..query.syntax import In, Parameter, Path, Query, Selected
from .catalog import Catalog
from .compile import StatementBuilder
from .compile_rows import Inputs
from .layout import roots
from .plans import Fetch, Plan, Row
from .reading import query_page
from .search import (
    HIT_STORAGE,
    one_term,
    search_plan,
    search_sql,
    searchable,
    searchable_columns,
    snippets_of,
    term_text,
    types_of,
    wanted_terms,
)

__all__ = ["search_seen"]


def search_seen(catalog: Catalog, request: SearchRequest) -> Plan[list[Hit]]:
    """As `search_plan`, for the actor of the catalog."""
    if catalog.access is None:
        return (yield from search_plan(catalog, request))
    wanted = wanted_terms(request)
    names = sorted(types_of(catalog, request.types))
    if not names:
        return []
    rows = yield _search(catalog, request, wanted, names)
    snippets = yield from _snippets(catalog, rows, wanted)
    return [Hit(type=row[0], id=row[1], rank=row[2], snippets=snippets.get(row[1], {})) for row in rows]


def _search(catalog: Catalog, request: SearchRequest, wanted: list[Term], names: Sequence[str]) -> Fetch:
    builder = StatementBuilder(catalog, (), of_past=False)
    condition = _condition(builder, sorted({catalog.schema.root(name) for name in names}))
    tables = sorted({catalog.tables.entity_name(name) for name in names})
    parts = []
    for term in wanted:
        part = one_term(catalog.dialect)
        for value in (term_text(catalog.dialect, term), tables, list(names)):
            mark = builder.parameter(_always(value), Storage.TEXT)
            part = part.replace("?", f"\0{mark.key}\0", 1)
        parts.append(part.replace(" GROUP BY", f" AND ({condition}) GROUP BY"))
    sql, marks = builder.finished(search_sql(parts, request))
    inputs = Inputs((), facts=catalog.facts)
    return Fetch(sql, [builder.binders[mark](inputs) for mark in marks], HIT_STORAGE)


def _always(value: Any) -> Any:
    return lambda _inputs: value


def _condition(builder: StatementBuilder, wanted: Sequence[str]) -> str:
    """That a row `s` of the index is a text that can be seen."""
    catalog = builder.catalog
    tests = []
    for root in roots(catalog.schema):
        if root in wanted:
            here = f"s.hierarchy = '{catalog.tables.entity_name(root)}'"
            if builder.masks(root):
                here += f" AND {builder.text_seen(root, searchable_columns(catalog, root))}"
            tests.append(f"({here})")
    return " OR ".join(tests)


def _snippets(catalog: Catalog, hits: Sequence[Row], wanted: list[Term]) -> Plan[dict[bytes, dict[str, str]]]:
    by_type: dict[str, list[bytes]] = {}
    for name, entity, _ in hits:
        by_type.setdefault(name, []).append(entity)
    found: dict[bytes, dict[str, str]] = {}
    for name, ids in by_type.items():
        attributes = [each for each in catalog.schema.stored_attributes(name) if searchable(each)]
        select = tuple(Selected(Path((each.name,))) for each in attributes)
        query = Query(name, select, In(Path(("id",)), (Parameter("ids"),)))
        request = QueryRequest(database=catalog.database, query=query, size=len(ids), parameters={"ids": ids})
        page = yield from query_page(catalog, request)
        for place, entity in enumerate(page.ids):
            found[entity] = snippets_of([(each, page.columns[each.name][place]) for each in attributes], wanted)
    return found
