"""SQL and memory give the same rows, in the same order, for random queries over random data, on both databases.

`RECORDROOM_EXAMPLES` sets how many worlds are tried for each database; each is asked several queries.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from recordroom.query.evaluate import evaluate
from recordroom.query.grammar import parse, render
from recordroom.query.request import MembersRequest, Page, QueryRequest
from recordroom.query.resolve import resolve
from recordroom.query.syntax import Query
from recordroom.store.catalog import Catalog
from recordroom.store.plans import Driver, Plan, Run
from recordroom.store.reading import count_rows, members, query_page, stream_fetch
from recordroom.store.room import Room
from recordroom.store.search import index_entities
from tests.query.world import NOW, SCHEMA, THEN, Queries, State, World, fill

EXAMPLES = int(os.environ.get("RECORDROOM_EXAMPLES", "40"))
FIRST = int(os.environ.get("RECORDROOM_SEED", "0"))
QUERIES = 6


class Asked:
    """One world in one room."""

    def __init__(self, room: Room) -> None:
        self.driver: Driver = room.driver
        self.catalog = Catalog("main", SCHEMA, self.driver.dialect)

    def tell(self, world: World) -> None:
        self.driver.write(self._tell(world))

    def _tell(self, world: World) -> Plan[None]:
        yield from fill(self.catalog, world)
        yield Run("DELETE FROM rr_search")
        if self.catalog.dialect == "sqlite":
            yield Run("DELETE FROM rr_search_words")
        for root, found in world.now.entities_by_root.items():
            yield from index_entities(self.catalog, root, list(found))

    def pages(self, request: QueryRequest) -> Iterator[Page]:
        while True:
            page = self.driver.run(query_page(self.catalog, request))
            yield page
            if page.next is None:
                return
            assert page.count == request.size
            request = QueryRequest(
                database="main", query=request.query, size=request.size, after=page.next, at=request.at
            )

    def stream(self, request: QueryRequest) -> list[Page]:
        def plan() -> Plan[Any]:
            return stream_fetch(self.catalog, request)
            yield

        return list(self.driver.stream(plan(), request.size))  # type: ignore[arg-type,call-arg]


def rows_of(pages: list[Page], names: list[str]) -> list[tuple[Any, ...]]:
    return [row for page in pages for row in zip(*(page.columns[name] for name in names), strict=True)]


def check_query(asked: Asked, query: Query, state: State, size: int, at: int | None) -> None:
    text = render(query)
    assert parse(text) == query
    resolved = resolve(SCHEMA, query)
    expected = evaluate(resolved, state)
    request = QueryRequest(database="main", query=query, size=size, at=at)
    names = [output.name for output in resolved.outputs]
    pages = list(asked.pages(request))
    if expected.ids:
        assert [entity for page in pages for entity in page.ids] == expected.ids, text
    if names:
        assert rows_of(pages, names) == expected.rows, text
        assert rows_of(asked.stream(request), names) == expected.rows, text
    if resolved.entities and SCHEMA.in_hierarchy(query.type):
        types = [state.find(query.type, entity).type for entity in expected.ids]
        assert [each for page in pages for each in page.types] == types
    assert asked.driver.run(count_rows(asked.catalog, request)) == len(expected.rows), text


def check_members(asked: Asked, state: State, type_name: str, attribute: str, at: int | None) -> None:
    owners = sorted(state.entities(type_name))
    found = asked.driver.run(
        members(
            asked.catalog, MembersRequest(database="main", type=type_name, attribute=attribute, owners=owners, at=at)
        )
    )
    if SCHEMA.attribute(type_name, attribute).kind == "mapping":
        rows = [
            (owner, *entry) for owner in owners for entry in sorted(state.entries(type_name, owner, attribute).items())
        ]
        assert list(zip(found.owners, found.keys, found.values, strict=True)) == rows
        return
    rows = [(owner, *member) for owner in owners for member in sorted(state.members(type_name, owner, attribute))]
    assert found.page is not None
    assert list(zip(found.owners, found.page.ids, strict=True)) == [row[:2] for row in rows]
    if SCHEMA.attribute(type_name, attribute).notes:
        assert found.notes == [row[2] for row in rows]


COLLECTIONS = [
    ("Project", "items"),
    ("Project", "facts"),
    ("Project", "scores"),
    ("Item", "children"),
    ("Item", "people"),
    ("Person", "items"),
    ("Person", "leads"),
    ("Shot", "edits"),
]


def agree(asked: Asked, seed: int) -> None:
    dice = random.Random(seed)
    world = World(dice)
    asked.tell(world)
    for _ in range(QUERIES):
        state, at = dice.choice([(world.now, None), (world.now, NOW), (world.then, THEN)])
        query = Queries(dice, world, state, search=at is None).query()
        check_query(asked, query, state, dice.choice([1, 2, 1000]), at)
    for type_name, attribute in COLLECTIONS:
        state, at = dice.choice([(world.now, None), (world.then, THEN)])
        check_members(asked, state, type_name, attribute, at)


@pytest.fixture
def asked(room: Room) -> Asked:
    made = Asked(room)
    made.driver.write(made_tables(made.catalog))
    return made


def made_tables(catalog: Catalog) -> Plan[None]:
    from recordroom.store.ddl import create_index, create_table, shapes

    found = shapes(catalog).values()
    for shape in found:
        yield Run(create_table(shape, catalog.dialect, without_references=True))
    for shape in found:
        for index in shape.indexes:
            yield Run(create_index(index))


def test_sql_and_memory_agree(asked: Asked) -> None:
    for seed in range(FIRST, FIRST + EXAMPLES):
        agree(asked, seed)
