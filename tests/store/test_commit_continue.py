from __future__ import annotations

from typing import Any

import pytest

from recordroom.errors import UnknownAttribute
from recordroom.model.ids import new_id, new_ids, show_id
from recordroom.model.operations import (
    Commit,
    CommitResult,
    Create,
    Delete,
    Link,
    Operation,
    Publish,
    SetKeys,
    Update,
)
from tests.store.desk import Desk


def commit(desk: Desk, *operations: Operation, **facts: Any) -> CommitResult:
    return desk.commit(*operations, on_error="continue", **facts)


def codes(result: CommitResult) -> dict[bytes, str]:
    return {refusal.entity: refusal.code for refusal in result.refused}


def test_entities_at_fault_are_left_out_and_the_rest_is_applied(desk: Desk) -> None:
    ids = new_ids(5)

    result = commit(desk, Create("Task", ids, {"name": ["a", 5, "c", "d\0", "e"], "bid": [1, 2, "x", 4, 5]}))

    assert codes(result) == dict.fromkeys(ids[1:4], "invalid_value")
    assert desk.rows("Task", "name", "number") == {ids[0]: ("a", 1), ids[4]: ("e", 2)}
    assert result.numbers == [1]
    [entry] = desk.room.journal(after=result.revision - 1)
    [create] = entry.operations
    assert create.ids == [ids[0], ids[4]]


def test_a_refusal_says_what_is_wrong(desk: Desk) -> None:
    [task] = new_ids(1)

    [refusal] = commit(desk, Create("Task", [task], {"bid": ["x"]})).refused

    assert (refusal.type, refusal.entity, refusal.code) == ("Task", task, "invalid_value")
    assert refusal.message.startswith("Task.bid: expected")
    assert (refusal.facts["attribute"], refusal.facts["value"]) == ("bid", "x")


def test_what_depends_on_a_refused_entity_is_refused_with_it(desk: Desk) -> None:
    ids = new_ids(500)
    other = new_id()

    result = commit(
        desk,
        Create("Task", ids, {"parent": [None, *ids[:-1]], "bid": ["x"] + [1] * 499}),
        Create("Task", [other], {"name": ["fine"]}),
    )

    assert codes(result) == {ids[0]: "invalid_value", **dict.fromkeys(ids[1:], "invalid_reference")}
    assert set(desk.rows("Task", "name")) == {other}


def test_every_fault_of_a_pass_is_found_at_once(desk: Desk) -> None:
    ids = new_ids(400)
    projects = desk.create("Project", name=["p"])
    missing = new_ids(200)
    start = desk.room.driver.statements

    result = commit(desk, Create("Asset", ids, {"project": [*missing, *projects * 200]}))

    few = desk.room.driver.statements - start
    assert codes(result) == dict.fromkeys(ids[:200], "invalid_reference")
    assert few < 40


def test_unique_values_are_refused_but_for_the_first(desk: Desk) -> None:
    [there] = desk.create("Tag", name=["a"])
    ids = new_ids(5)

    result = commit(desk, Create("Tag", ids, {"name": ["a", "b", "b", "c", "b"]}))

    assert codes(result) == {ids[0]: "not_unique", ids[2]: "not_unique", ids[4]: "not_unique"}
    assert {refusal.entity: refusal.facts["existing"] for refusal in result.refused} == {
        ids[0]: show_id(there),
        ids[2]: show_id(ids[1]),
        ids[4]: show_id(ids[1]),
    }
    assert desk.rows("Tag", "name") == {there: "a", ids[1]: "b", ids[3]: "c"}


def test_a_refused_entity_does_not_take_a_unique_value_from_others(desk: Desk) -> None:
    bad, good = new_ids(2)

    result = commit(desk, Create("Project", [bad, good], {"name": [None, "g"], "code": ["x", "x"]}))

    assert codes(result) == {bad: "missing_value"}
    assert desk.rows("Project", "code") == {good: "x"}


def test_an_entitys_operations_stand_or_fall_together(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"])
    [red] = desk.create("Tag", name=["red"])

    result = commit(
        desk,
        Update("Task", [one, two], {"name": ["a2", "b2"]}),
        SetKeys("Task", "meta", [one, two], ["k", "k"], ["v", "v"]),
        Link("Task", "tags", [one, two], [red, red]),
        Update("Task", [one], {"bid": ["x"]}),
    )

    assert codes(result) == {one: "invalid_value"}
    assert desk.rows("Task", "name") == {one: "a", two: "b2"}
    assert desk.entries("Task", "meta") == {(two, "k"): "v"}
    assert desk.entries("Task", "tags") == {(two, red): None}


def test_conflicts_missing_and_immutable_are_refused_one_by_one(desk: Desk) -> None:
    clash, serial, fine = desk.create("Task", name=["a", "b", "c"], serial=["1", "2", "3"])
    gone = new_id()
    base = desk.revision
    desk.commit(Update("Task", [clash], {"name": ["theirs"]}))

    result = commit(
        desk,
        Update("Task", [clash, fine], {"name": ["mine", "ok"]}, base=[base, base]),
        Update("Task", [gone], {"name": ["x"]}),
        Update("Task", [serial], {"serial": ["9"]}),
    )

    assert codes(result) == {clash: "conflict", gone: "not_found", serial: "immutable_attribute"}
    assert desk.rows("Task", "name") == {clash: "theirs", serial: "b", fine: "ok"}


def test_restricted_deletes_are_refused(desk: Desk) -> None:
    held, free = desk.create("Asset", name=["a", "b"])
    desk.create("Task", asset=[held])

    result = commit(desk, Delete("Asset", [held, free]))

    assert codes(result) == {held: "delete_restricted"}
    assert set(desk.rows("Asset", "name")) == {held}


def test_a_cascade_that_is_restricted_is_refused_for_what_was_asked(desk: Desk) -> None:
    held, free = desk.create("Project", name=["a", "b"])
    assets = desk.create("Asset", project=[held, free], name=["x", "y"])
    desk.create("Task", asset=assets[:1])

    result = commit(desk, Delete("Project", [held, free]))

    assert codes(result) == {held: "delete_restricted"}
    assert set(desk.rows("Project", "name")) == {held}
    assert set(desk.rows("Asset", "name")) == {assets[0]}


def test_circles_are_refused_and_the_rest_stands(desk: Desk) -> None:
    one, two, three, four, fine = new_ids(5)

    result = commit(desk, Create("Task", [one, two, three, four, fine], {"parent": [two, one, one, four, None]}))

    assert codes(result) == {
        one: "create_cycle",
        two: "create_cycle",
        three: "invalid_reference",
        four: "create_cycle",
    }
    assert set(desk.rows("Task", "name")) == {fine}


def test_when_nothing_stands_nothing_is_committed(desk: Desk) -> None:
    before = desk.revision

    result = commit(desk, Create("Task", new_ids(2), {"bid": ["x", "y"]}))

    assert (result.revision, desk.revision) == (before, before)
    assert len(result.refused) == 2
    assert result.numbers == []


def test_a_repeat_gets_the_refusals_of_the_first_time(desk: Desk) -> None:
    good, bad = new_ids(2)
    once = Commit(id=new_id(), operations=[Create("Task", [good, bad], {"bid": [1, "x"]})], on_error="continue")

    first = desk.room.commit(once)
    again = desk.room.commit(once)

    assert again.repeated
    assert codes(again) == codes(first) == {bad: "invalid_value"}


def test_what_is_wrong_with_an_operation_as_a_whole_is_raised(desk: Desk) -> None:
    with pytest.raises(UnknownAttribute):
        commit(desk, Create("Task", [new_id()], {"nam": ["a"]}))


@pytest.mark.parametrize(
    "value", [2**70, "\ud800", {1, 2}, object(), float("nan")], ids=["large", "text", "set", "object", "nan"]
)
def test_a_refusal_survives_values_that_cannot_travel(desk: Desk, value: Any) -> None:
    task = new_id()

    [refusal] = commit(desk, Create("Task", [task], {"bid": [value]}), Publish("x")).refused

    assert refusal.code == "invalid_value"
    assert refusal.facts["attribute"] == "bid"


def test_events_are_published_whoever_is_refused(desk: Desk) -> None:
    result = commit(desk, Create("Task", [new_id()], {"bid": ["x"]}), Publish("done"))

    [entry] = desk.room.journal(after=result.revision - 1)
    assert entry.operations[-1] == Publish("done")


def test_a_chain_of_handed_on_values_falls_with_its_end(desk: Desk) -> None:
    ids = desk.create("Tag", name=["a", "b", "c", "d"])

    result = commit(desk, Update("Tag", ids, {"name": ["b", "c", "d", "d\0"]}))

    assert codes(result) == {ids[3]: "invalid_value", **dict.fromkeys(ids[:3], "not_unique")}
    assert desk.rows("Tag", "name") == dict(zip(ids, "abcd", strict=True))
