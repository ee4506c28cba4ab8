"""How many statements commits take: a number that does not depend on how much they change."""

from __future__ import annotations

import pytest

from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import Commit, Create, Delete, Operation, Update
from tests.store.desk import Desk

SIZES = (1, 2, 500)


def statements(desk: Desk, *operations: Operation) -> int:
    desk.room.schema("main")  # which somebody may have changed: then it is read anew
    start = desk.room.driver.statements
    desk.commit(*operations)
    return desk.room.driver.statements - start


def test_creates_of_one_type(desk: Desk) -> None:
    counts = {
        statements(desk, Create("Task", new_ids(size), {"name": [f"n{n}" for n in range(size)]})) for size in SIZES
    }

    # The schema's revision, the commit's start, savepoint, counter, rows, counter, journal, header, revision.
    assert counts == {9}


def test_creates_that_refer_take_one_more_for_each_table_referred_to(desk: Desk) -> None:
    assets = desk.create("Asset", name=["a", "b"])
    [lead] = desk.create("Task", name=["lead"])
    counts = set()
    for size in SIZES:
        columns = {"asset": [assets[n % 2] for n in range(size)], "parent": [lead] * size, "lead": [lead] * size}
        counts.add(statements(desk, Create("Task", new_ids(size), columns)))

    assert counts == {11}


def test_references_to_what_the_commit_creates_cost_nothing(desk: Desk) -> None:
    counts = set()
    for size in SIZES:
        parents, children = new_ids(size), new_ids(size)
        counts.add(
            statements(
                desk, Create("Task", parents, {}), Create("Task", children, {"parent": parents, "lead": parents})
            )
        )

    assert counts == {10}


def test_updates(desk: Desk) -> None:
    ids = desk.create("Task", name=["x"] * 500)
    counts = {statements(desk, Update("Task", ids[:size], {"bid": [size] * size})) for size in SIZES}

    # The schema's revision, the commit's start, savepoint, before, rows, journal, header, revision.
    assert counts == {8}


def test_deletes(desk: Desk) -> None:
    counts = {
        statements(desk, Delete("Tag", desk.create("Tag", name=[f"{size}-{n}" for n in range(size)]))) for size in SIZES
    }

    # As updates, and one look for links.
    assert counts == {9}


@pytest.mark.parametrize("size", SIZES)
def test_a_repeat_asks_once(desk: Desk, size: int) -> None:
    once = Commit(id=new_id(), operations=[Create("Task", new_ids(size), {})])
    desk.room.commit(once)
    start = desk.room.driver.statements

    desk.room.commit(once)

    assert desk.room.driver.statements - start == 2


def test_handing_unique_values_around_takes_a_number_of_statements_that_does_not_grow(desk: Desk) -> None:
    counts = set()
    for size in (2, 300):
        names = [f"{size}-{n}" for n in range(size)]
        ids = desk.create("Tag", name=names)
        counts.add(statements(desk, Update("Tag", ids, {"name": [*names[1:], names[0]]})))

    assert len(counts) == 1
