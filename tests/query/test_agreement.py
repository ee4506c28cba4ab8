"""SQL and memory give the same rows, in the same order, for random queries over random data, on both databases.

`RECORDROOM_EXAMPLES` sets how many worlds are tried on each database, `RECORDROOM_SEED` the first of them; each
is asked several queries.
"""

from __future__ import annotations

import os
import random

import pytest

from recordroom.query.evaluate import evaluate
from recordroom.query.grammar import parse, render
from recordroom.query.resolve import resolve
from recordroom.query.syntax import Query
from recordroom.store.room import Room
from tests.query.asking import Asked, rows_of
from tests.query.world import NOW, SCHEMA, THEN, Queries, State, World

EXAMPLES = int(os.environ.get("RECORDROOM_EXAMPLES", "25"))
FIRST = int(os.environ.get("RECORDROOM_SEED", "0"))
QUERIES = 6


def check_query(asked: Asked, query: Query, state: State, size: int, at: int | None) -> None:
    text = render(query)
    assert parse(text) == query
    resolved = resolve(SCHEMA, query)
    expected = evaluate(resolved, state)
    request = asked.request(query, size=size, at=at)
    names = [output.name for output in resolved.outputs]
    pages = list(asked.pages(request))
    if expected.ids:
        assert [entity for page in pages for entity in page.ids] == expected.ids, text
    if names:
        assert rows_of(pages, names) == expected.rows, text
        assert rows_of(asked.stream(request), names) == expected.rows, text
    if resolved.entities and SCHEMA.in_hierarchy(query.type):
        types = [state.find(query.type, entity).type for entity in expected.ids]
        assert [each for page in pages for each in page.types] == types, text
    assert asked.count(query, at=at) == len(expected.rows), text


def check_members(asked: Asked, state: State, type_name: str, attribute: str, at: int | None) -> None:
    owners = sorted(state.entities(type_name))
    found = asked.members(type_name, attribute, owners, at=at)
    declared = SCHEMA.attribute(type_name, attribute)
    if declared.kind == "mapping":
        entries = [(owner, state.entries(type_name, owner, attribute)) for owner in owners]
        rows = [(owner, key, value) for owner, each in entries for key, value in sorted(each.items())]
        assert list(zip(found.owners, found.keys, found.values, strict=True)) == rows
        return
    rows = [(owner, *member) for owner in owners for member in sorted(state.members(type_name, owner, attribute))]
    assert found.page is not None
    assert list(zip(found.owners, found.page.ids, strict=True)) == [row[:2] for row in rows]
    if declared.notes:
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
    return Asked(room)


def test_sql_and_memory_agree(asked: Asked) -> None:
    for seed in range(FIRST, FIRST + EXAMPLES):
        agree(asked, seed)
