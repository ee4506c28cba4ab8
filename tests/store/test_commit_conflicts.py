from __future__ import annotations

from typing import Any

import pytest

from recordroom.errors import Conflict
from recordroom.model.ids import new_ids, show_id
from recordroom.model.operations import Clash, Create, Delete, Link, SetKeys, Update
from tests.store.desk import Desk


def two_tasks(desk: Desk) -> tuple[bytes, bytes, int]:
    one, two = desk.create("Task", name=["a", "b"], bid=[1, 2], status=["open", "open"])
    return one, two, desk.revision


def clash_of(desk: Desk, *operations: Any, **facts: Any) -> Conflict:
    before = desk.revision
    with pytest.raises(Conflict) as caught:
        desk.commit(*operations, **facts)
    assert desk.revision == before
    return caught.value


def test_disjoint_edits_merge_and_the_entity_is_reported_stale(desk: Desk) -> None:
    one, two, base = two_tasks(desk)
    desk.commit(Update("Task", [one], {"name": ["theirs"]}))

    result = desk.commit(Update("Task", [one, two], {"bid": [5, 6]}, base=[base, base]))

    assert result.stale == [("Task", one)]
    assert desk.rows("Task", "name", "bid") == {one: ("theirs", 5), two: ("b", 6)}


def test_a_clash_names_base_mine_and_theirs(desk: Desk) -> None:
    one, _, base = two_tasks(desk)
    desk.commit(Update("Task", [one], {"name": ["theirs"], "status": ["busy"]}))
    now = desk.revision

    error = clash_of(desk, Update("Task", [one], {"name": ["mine"], "bid": [5]}, base=[base]))

    clash = Clash(type="Task", entity=one, attribute="name", base="a", mine="mine", theirs="theirs", revision=now)
    assert (error.type, error.entity, error.names) == ("Task", show_id(one), "name")
    assert error.attributes == {"name": clash}
    assert error.clashes == [clash]


def test_clashes_of_every_entity_and_attribute_are_collected(desk: Desk) -> None:
    one, two, base = two_tasks(desk)
    desk.commit(Update("Task", [one, two], {"name": ["t1", "t2"], "bid": [7, 2]}))

    error = clash_of(desk, Update("Task", [one, two], {"name": ["m1", "m2"], "bid": [8, 9]}, base=[base, base]))

    found = {(clash.entity, clash.attribute): (clash.base, clash.mine, clash.theirs) for clash in error.clashes}
    assert found == {
        (one, "name"): ("a", "m1", "t1"),
        (one, "bid"): (1, 8, 7),
        (two, "name"): ("b", "m2", "t2"),
    }
    assert set(error.attributes) == {"name", "bid"}


def test_values_that_ended_up_equal_never_clash(desk: Desk) -> None:
    one, two, base = two_tasks(desk)
    desk.commit(Update("Task", [one, two], {"name": ["same", "there and back"]}))
    desk.commit(Update("Task", [two], {"name": ["b"]}))

    desk.commit(Update("Task", [one, two], {"name": ["same", "mine"]}, base=[base, base]))

    assert desk.rows("Task", "name") == {one: "same", two: "mine"}


def test_the_value_at_the_base_is_found_however_often_it_was_changed_since(desk: Desk) -> None:
    one, _, _ = two_tasks(desk)
    bases = []
    for bid in range(10, 15):
        desk.commit(Update("Task", [one], {"bid": [bid]}))
        bases.append((desk.revision, bid))

    for base, bid in bases[:-1]:
        error = clash_of(desk, Update("Task", [one], {"bid": [99]}, base=[base]))

        assert (error.clashes[0].base, error.clashes[0].theirs) == (bid, 14)
    desk.commit(Update("Task", [one], {"bid": [99]}, base=[bases[-1][0]]))
    assert desk.rows("Task", "bid")[one] == 99


def test_no_base_means_whatever_is_there(desk: Desk) -> None:
    one, two, _ = two_tasks(desk)
    desk.commit(Update("Task", [one, two], {"name": ["x", "y"]}))

    desk.commit(Update("Task", [one], {"name": ["mine"]}), Update("Task", [two], {"name": ["mine"]}, base=[0]))

    assert desk.rows("Task", "name") == {one: "mine", two: "mine"}


def test_mine_overwrites(desk: Desk) -> None:
    one, _, base = two_tasks(desk)
    desk.commit(Update("Task", [one], {"name": ["theirs"], "bid": [9]}))

    result = desk.commit(Update("Task", [one], {"name": ["mine"]}, base=[base]), on_conflict="mine")

    assert result.stale == [("Task", one)]
    assert desk.rows("Task", "name", "bid")[one] == ("mine", 9)


def test_fail_refuses_what_merge_would_merge(desk: Desk) -> None:
    one, _, base = two_tasks(desk)
    desk.commit(Update("Task", [one], {"name": ["theirs"]}))

    error = clash_of(desk, Update("Task", [one], {"bid": [5]}, base=[base]), on_conflict="fail")

    [clash] = error.clashes
    assert (clash.attribute, clash.base, clash.mine, clash.theirs) == ("name", "a", "a", "theirs")


def test_fail_lets_equal_values_pass(desk: Desk) -> None:
    one, _, base = two_tasks(desk)
    desk.commit(Update("Task", [one], {"name": ["same"]}))

    desk.commit(Update("Task", [one], {"name": ["same"], "bid": [5]}, base=[base]), on_conflict="fail")

    assert desk.rows("Task", "name", "bid")[one] == ("same", 5)


@pytest.mark.parametrize("mode", ["merge", "fail"])
def test_deleting_what_others_changed_clashes(desk: Desk, mode: Any) -> None:
    one, _, base = two_tasks(desk)
    desk.commit(Update("Task", [one], {"name": ["theirs"]}))

    error = clash_of(desk, Delete("Task", [one], base=[base]), on_conflict=mode)

    [clash] = error.clashes
    assert (clash.attribute, clash.base, clash.mine, clash.theirs) == ("name", "a", None, "theirs")


def test_mine_deletes_what_others_changed(desk: Desk) -> None:
    one, two, base = two_tasks(desk)
    desk.commit(Update("Task", [one], {"name": ["theirs"]}))

    desk.commit(Delete("Task", [one], base=[base]), on_conflict="mine")

    assert set(desk.rows("Task", "name")) == {two}


def test_deleting_what_nobody_changed_is_no_conflict(desk: Desk) -> None:
    one, two, base = two_tasks(desk)
    desk.commit(Update("Task", [two], {"name": ["theirs"]}))

    desk.commit(Delete("Task", [one], base=[base]))

    assert set(desk.rows("Task", "name")) == {two}


def test_links_and_keys_do_not_clash_with_edits(desk: Desk) -> None:
    one, two, base = two_tasks(desk)
    desk.commit(Link("Task", "friends", [one], [two]), SetKeys("Task", "meta", [one], ["k"], ["v"]))

    result = desk.commit(Update("Task", [one], {"name": ["mine"]}, base=[base]), on_conflict="fail")

    assert result.stale == []


def test_what_the_commit_itself_did_is_no_conflict(desk: Desk) -> None:
    one, _, base = two_tasks(desk)

    desk.commit(
        Update("Task", [one], {"name": ["x"]}, base=[base]),
        Update("Task", [one], {"name": ["y"], "bid": [7]}, base=[base]),
        Delete("Task", [one], base=[base]),
    )

    assert one not in desk.rows("Task", "name")


def test_what_others_did_is_seen_behind_what_the_commit_itself_did(desk: Desk) -> None:
    one, _, base = two_tasks(desk)
    desk.commit(Update("Task", [one], {"bid": [50]}))

    error = clash_of(
        desk,
        Update("Task", [one], {"name": ["x"]}, base=[base]),
        Update("Task", [one], {"bid": [7]}, base=[base]),
    )

    [clash] = error.clashes
    assert (clash.attribute, clash.base, clash.mine, clash.theirs) == ("bid", 1, 7, 50)


def test_conflicts_in_a_hierarchy_name_the_exact_type(desk: Desk) -> None:
    shot = desk.create_one("Shot", name="s", frames=1)
    base = desk.revision
    desk.commit(Update("Shot", [shot], {"frames": [2], "name": ["t"]}))

    error = clash_of(desk, Update("Asset", [shot], {"name": ["m"]}, base=[base]))

    assert error.type == "Shot"


def test_a_commit_without_overtaken_entities_costs_no_more_with_a_base(desk: Desk) -> None:
    ids = desk.create("Task", name=[str(n) for n in range(50)])
    base = desk.revision
    driver = desk.room.driver

    start = driver.statements
    desk.commit(Update("Task", ids, {"bid": list(range(50))}))
    middle = driver.statements
    desk.commit(Update("Task", ids, {"rate": [0.5] * 50}, base=[base + 1] * 50))

    assert driver.statements - middle == middle - start


def test_an_entity_that_came_back_is_compared_with_what_it_was(desk: Desk) -> None:
    one, _, base = two_tasks(desk)
    desk.commit(Delete("Task", [one]))
    desk.commit(Create("Task", [one], {"name": ["again"]}))

    error = clash_of(desk, Update("Task", [one], {"name": ["mine"]}, base=[base]))

    [clash] = error.clashes
    assert (clash.base, clash.theirs) == ("a", "again")


def test_clashes_do_not_depend_on_where_the_history_follower_is(desk: Desk) -> None:
    one, two, base = two_tasks(desk)
    desk.commit(Update("Task", [one], {"name": ["n1"]}))
    desk.catch_up()
    desk.commit(Update("Task", [one, two], {"name": ["n2", "m2"]}))
    desk.commit(Update("Task", [one], {"bid": [7]}))

    error = clash_of(desk, Update("Task", [one, two], {"name": ["x", "y"]}, base=[base, base]))

    assert {clash.entity: clash.base for clash in error.clashes} == {one: "a", two: "b"}


def test_new_entities_never_clash(desk: Desk) -> None:
    [task] = new_ids(1)

    desk.commit(Create("Task", [task], {"name": ["a"]}), Update("Task", [task], {"name": ["b"]}, base=[1]))

    assert desk.rows("Task", "name") == {task: "b"}
