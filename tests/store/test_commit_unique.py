from __future__ import annotations

import pytest

from recordroom.errors import NotUnique
from recordroom.model.ids import new_id, new_ids, show_id
from recordroom.model.operations import Create, Delete, Operation, Update
from tests.store.desk import Desk


def refused(desk: Desk, *operations: Operation) -> NotUnique:
    before = desk.revision
    with pytest.raises(NotUnique) as caught:
        desk.commit(*operations)
    assert desk.revision == before
    return caught.value


def test_a_value_that_is_taken_is_named_with_who_has_it(desk: Desk) -> None:
    [there] = desk.create("Tag", name=["red"])
    fine, wrong = new_ids(2)

    error = refused(desk, Create("Tag", [fine, wrong], {"name": ["blue", "red"]}))

    assert error.facts == {
        "type": "Tag",
        "attributes": ("name",),
        "values": ("red",),
        "entity": show_id(wrong),
        "existing": show_id(there),
    }


def test_of_two_in_one_commit_the_second_is_named(desk: Desk) -> None:
    one, two, three = new_ids(3)

    in_one = refused(desk, Create("Tag", [one, two, three], {"name": ["a", "b", "a"]}))
    in_two = refused(desk, Create("Tag", [three], {"name": ["x"]}), Create("Tag", [one], {"name": ["x"]}))

    assert (in_one.entity, in_one.existing) == (show_id(three), show_id(one))
    assert (in_two.entity, in_two.existing) == (show_id(one), show_id(three))


def test_an_update_to_a_taken_value_is_refused(desk: Desk) -> None:
    red, blue = desk.create("Tag", name=["red", "blue"])

    error = refused(desk, Update("Tag", [blue], {"name": ["red"]}))

    assert (error.entity, error.existing) == (show_id(blue), show_id(red))


def test_nulls_are_never_equal(desk: Desk) -> None:
    ids = desk.create("Tag", name=[None, None, None])

    desk.commit(Update("Tag", ids[:1], {"name": ["x"]}))
    desk.commit(Update("Tag", ids[:1], {"name": [None]}))

    assert list(desk.rows("Tag", "name").values()) == [None, None, None]


def test_values_may_be_swapped(desk: Desk) -> None:
    one, two = desk.create("Tag", name=["a", "b"])
    created = desk.revision

    desk.commit(Update("Tag", [one, two], {"name": ["b", "a"]}))

    assert desk.rows("Tag", "name") == {one: "b", two: "a"}
    assert desk.past("Tag", "name") == [(one, "a", created, created + 1), (two, "b", created, created + 1)]


def test_values_may_go_round_among_many(desk: Desk) -> None:
    names = [f"n{i}" for i in range(300)]
    ids = desk.create("Tag", name=names)

    desk.commit(Update("Tag", ids, {"name": [*names[1:], names[0]]}))

    assert list(desk.rows("Tag", "name").values()) == [*names[1:], names[0]]


def test_a_new_entity_may_have_the_value_that_another_gives_up(desk: Desk) -> None:
    [old] = desk.create("Tag", name=["a"])
    new, newer = new_ids(2)

    desk.commit(Create("Tag", [new], {"name": ["a"]}), Update("Tag", [old], {"name": ["b"]}))
    desk.commit(Create("Tag", [newer], {"name": ["b"]}), Delete("Tag", [old]))

    assert desk.rows("Tag", "name") == {new: "a", newer: "b"}


def test_the_last_of_several_values_counts(desk: Desk) -> None:
    [taken] = desk.create("Tag", name=["a"])
    tag = new_id()

    desk.commit(
        Create("Tag", [tag], {"name": ["a"]}),
        Update("Tag", [tag], {"name": ["b"]}),
        Update("Tag", [taken], {"name": ["c"]}),
        Update("Tag", [taken], {"name": ["d"]}),
    )

    assert desk.rows("Tag", "name") == {taken: "d", tag: "b"}
    [entry] = desk.room.journal(after=desk.revision - 1)
    assert [operation.before for operation in entry.operations[1:]] == [
        {"name": ["a"]},
        {"name": ["a"]},
        {"name": ["c"]},
    ]


def test_a_set_of_attributes_is_unique_together(desk: Desk) -> None:
    p, q = desk.create("Project", name=["p", "q"])
    desk.create("Asset", name=["a", "b", "a"], project=[p, p, q])

    error = refused(desk, Create("Prop", [new_id()], {"name": ["b"], "project": [p]}))

    assert (error.type, error.attributes, error.values) == ("Asset", ("project", "name"), (show_id(p), "b"))


def test_part_of_a_set_may_change_while_another_entity_takes_its_place(desk: Desk) -> None:
    p, q = desk.create("Project", name=["p", "q"])
    one, two = desk.create("Asset", name=["a", "a"], project=[p, q])

    desk.commit(Update("Asset", [one, two], {"project": [q, p]}))

    assert desk.rows("Asset", "project") == {one: q, two: p}


def test_a_set_with_a_null_in_it_is_free(desk: Desk) -> None:
    [p] = desk.create("Project", name=["p"])

    desk.create("Asset", name=["a", "a", None, None], project=[None, None, p, p])

    assert len(desk.rows("Asset", "name")) == 4


def test_a_set_of_a_subtype_holds_for_it(desk: Desk) -> None:
    [there] = desk.create("Shot", slate=["7A"])

    error = refused(desk, Create("Shot", [new_id()], {"slate": ["7A"]}))

    assert (error.type, error.attributes, error.existing) == ("Shot", ("slate",), show_id(there))


def test_a_clash_is_found_even_where_an_earlier_operation_hid_it(desk: Desk) -> None:
    one, two, three = desk.create("Tag", name=["a", "b", "c"])

    error = refused(desk, Update("Tag", [one, two, three], {"name": ["b", "a", "a"]}))

    assert {error.entity, error.existing} == {show_id(two), show_id(three)}


def test_clashes_are_found_in_large_commits(desk: Desk) -> None:
    names = [f"n{i}" for i in range(1000)]
    ids = desk.create("Tag", name=names)
    new = new_ids(1000)

    error = refused(desk, Create("Tag", new, {"name": [*(f"m{i}" for i in range(999)), "n500"]}))

    assert (error.entity, error.existing) == (show_id(new[999]), show_id(ids[500]))
