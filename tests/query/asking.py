"""The small world in a room, and questions to it that go straight to the plans of reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from recordroom.model.schema import Schema
from recordroom.query.grammar import parse
from recordroom.query.request import Members, MembersRequest, Page, QueryRequest
from recordroom.query.syntax import Query
from recordroom.store.catalog import Catalog
from recordroom.store.ddl import create_index, create_table, shapes
from recordroom.store.plans import Driver, Fetch, Plan, Row, Run
from recordroom.store.reading import count_rows, explain, members, query_page, stream_plan
from recordroom.store.room import Room
from recordroom.store.search import index_entities
from tests.query.world import SCHEMA, World, fill


def tables_of(catalog: Catalog) -> Plan[None]:
    """Make every table of the schema, without references, so that rows may come in any order."""
    found = shapes(catalog).values()
    for shape in found:
        yield Run(create_table(shape, catalog.dialect, without_references=True))
    for shape in found:
        for index in shape.indexes:
            yield Run(create_index(index))


class Asked:
    """A room with the tables of a schema, asked without a session."""

    def __init__(self, room: Room, schema: Schema = SCHEMA) -> None:
        self.driver: Driver = room.driver
        self.catalog = Catalog("main", schema, self.driver.dialect)
        self.driver.write(tables_of(self.catalog))

    def tell(self, world: World) -> None:
        """Put a world into the room, in place of the one before."""
        self.driver.write(self._tell(world))

    def _tell(self, world: World) -> Plan[None]:
        yield from fill(self.catalog, world)
        yield Run("DELETE FROM rr_search")
        if self.catalog.dialect == "sqlite":
            yield Run("DELETE FROM rr_search_words")
        for root, found in world.now.entities_by_root.items():
            yield from index_entities(self.catalog, root, list(found))

    def request(self, query: Query | str, **facts: Any) -> QueryRequest:
        tree = parse(query) if isinstance(query, str) else query
        return QueryRequest(database="main", query=tree, **facts)

    def page(self, query: Query | str, **facts: Any) -> Page:
        return self.driver.run(query_page(self.catalog, self.request(query, **facts)))

    def pages(self, request: QueryRequest) -> Iterator[Page]:
        """Every page of a query, each asked for as JSON would carry it."""
        while True:
            page = self.driver.run(query_page(self.catalog, request))
            yield page
            if page.next is None:
                return
            assert page.count == request.size
            request = msgspec.structs.replace(request, after=msgspec.json.decode(msgspec.json.encode(page.next)))

    def stream(self, request: QueryRequest) -> list[Page]:
        def plan() -> Plan[tuple[Fetch, Callable[[list[Row]], Page]]]:
            return (yield from stream_plan(self.catalog, request))
            yield

        return list(self.driver.stream(plan(), request.size))

    def count(self, query: Query | str, **facts: Any) -> int:
        return self.driver.run(count_rows(self.catalog, self.request(query, **facts)))

    def explain(self, query: Query | str, **facts: Any) -> str:
        return self.driver.run(explain(self.catalog, self.request(query, **facts)))

    def members(self, type_name: str, attribute: str, owners: list[bytes], **facts: Any) -> Members:
        request = MembersRequest(database="main", type=type_name, attribute=attribute, owners=owners, **facts)
        return self.driver.run(members(self.catalog, request))

    def value(self, expression: str, type_name: str = "Person") -> Any:
        """What a value comes to for the first entity of a type."""
        page = self.page(f"select {expression} as v from {type_name} limit 1")
        return page.columns["v"][0]


def rows_of(pages: list[Page], names: list[str]) -> list[tuple[Any, ...]]:
    """The rows of pages, as tuples of the named columns."""
    return [row for page in pages for row in zip(*(page.columns[name] for name in names), strict=True)]
