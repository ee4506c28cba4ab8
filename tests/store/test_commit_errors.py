from __future__ import annotations

from typing import Any

import pytest

from recordroom.errors import (
    CreateCycle,
    Error,
    ImmutableAttribute,
    InvalidReference,
    InvalidValue,
    MissingValue,
    NotFound,
    NotUnique,
    RoomDamaged,
    UnknownAttribute,
    UnknownDatabase,
    UnknownType,
)
from recordroom.model.ids import new_id, new_ids, show_id
from recordroom.model.operations import (
    Create,
    Delete,
    DropKeys,
    Link,
    Operation,
    Publish,
    SetKeys,
    Unlink,
    Update,
)
from tests.store.desk import Desk

ONE, TWO = bytes.fromhex("01890a5dac967000a000000000000001"), bytes.fromhex("01890a5dac967000a000000000000002")


def refused(desk: Desk, *operations: Operation, **facts: Any) -> Error:
    """The error of a commit, which must have changed nothing and leave the room usable."""
    before = desk.revision
    with pytest.raises(Error) as caught:
        desk.commit(*operations, **facts)
    assert desk.revision == before
    return caught.value


# --- names ---


@pytest.mark.parametrize(
    "operation",
    [
        Create("Tsk", [ONE]),
        Update("Tsk", [ONE], {"name": ["a"]}),
        Delete("Tsk", [ONE]),
        Link("Tsk", "tags", [ONE], [TWO]),
        Unlink("Tsk", "tags", [ONE], [TWO]),
        SetKeys("Tsk", "meta", [ONE], ["k"], ["v"]),
        DropKeys("Tsk", "meta", [ONE], ["k"]),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_an_unknown_type_is_named_with_close_names(desk: Desk, operation: Operation) -> None:
    error = refused(desk, operation)

    assert isinstance(error, UnknownType)
    assert (error.name, error.suggestions) == ("Tsk", ["Task"])


@pytest.mark.parametrize(
    "operation",
    [
        Create("Task", [ONE], {"nam": ["a"]}),
        Update("Task", [ONE], {"nam": ["a"]}),
        Link("Task", "nam", [ONE], [TWO]),
        SetKeys("Task", "nam", [ONE], ["k"], ["v"]),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_an_unknown_attribute_is_named_with_close_names(desk: Desk, operation: Operation) -> None:
    error = refused(desk, operation)

    assert isinstance(error, UnknownAttribute)
    assert (error.type, error.name) == ("Task", "nam")
    assert "name" in error.suggestions


def test_an_unknown_database_is_named(desk: Desk) -> None:
    error = refused(desk, Create("Task", [ONE]), database="mian")

    assert isinstance(error, UnknownDatabase)
    assert (error.name, error.suggestions) == ("mian", ["main"])


def test_an_attribute_of_a_subtype_is_unknown_to_its_ancestor(desk: Desk) -> None:
    shot = desk.create_one("Shot", frames=1)

    error = refused(desk, Update("Asset", [shot], {"frames": [2]}))

    assert isinstance(error, UnknownAttribute)


# --- values ---

WRONG: list[tuple[str, Any, str]] = [
    ("name", 5, "str"),
    ("name", "a\0b", "without NUL"),
    ("name", "\ud800", "lone surrogates"),
    ("bid", "5", "int"),
    ("bid", 2**63, "64 bits"),
    ("bid", True, "int"),
    ("rate", float("nan"), "finite"),
    ("rate", float("inf"), "finite"),
    ("rate", 1, "float"),
    ("price", "1.50", "normal form"),
    ("price", "x", "decimal"),
    ("hidden", 1, "bool"),
    ("due", -(10**18), ""),
    ("status", "lost", "'open', 'busy', 'done'"),
    ("data", "{", ""),
    ("data", '{"b":1,"a":2}', "normal form"),
    ("words", '["a",null]', "without None"),
    ("words", "[1]", "text"),
    ("asset", b"short", "Asset"),
    ("asset", "not bytes", "Asset"),
]


@pytest.mark.parametrize(("attribute", "value", "expected"), WRONG, ids=[f"{w[0]}-{w[1]!r:.20}" for w in WRONG])
def test_a_wrong_value_is_named_with_type_attribute_entity_and_what_was_expected(
    desk: Desk, attribute: str, value: Any, expected: str
) -> None:
    good, bad = new_ids(2)

    error = refused(desk, Create("Task", [good, bad], {attribute: [None, value]}))

    assert isinstance(error, InvalidValue)
    assert (error.type, error.attribute, error.entity) == ("Task", attribute, show_id(bad))
    assert expected in error.expected
    assert repr(error.value) == repr(value)


def test_a_wrong_value_in_an_update_is_named(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])

    error = refused(desk, Update("Task", [task], {"bid": [1.5]}))

    assert isinstance(error, InvalidValue)
    assert (error.attribute, error.value, error.entity) == ("bid", 1.5, show_id(task))


def test_a_number_out_of_range_is_refused(desk: Desk) -> None:
    error = refused(desk, Create("Shot", [new_id()], {"frames": [-1]}))

    assert isinstance(error, InvalidValue)
    assert error.expected == "an integer of at least 0"


@pytest.mark.parametrize(
    ("attribute", "value", "why"),
    [
        ("number", 5, "the room keeps it"),
        ("revision", 5, "the room keeps it"),
        ("id", ONE, "the room keeps it"),
        ("created_at", 5, "the room keeps it"),
        ("double", 5.0, "it is computed"),
        ("subtasks", ONE, "Task.parent"),
        ("tags", ONE, "operations of their own"),
        ("meta", "v", "operations of their own"),
    ],
)
def test_what_cannot_be_set_is_refused(desk: Desk, attribute: str, value: Any, why: str) -> None:
    error = refused(desk, Create("Task", [new_id()], {attribute: [value]}))

    assert isinstance(error, InvalidValue)
    assert error.attribute == attribute
    assert why in error.expected


def test_an_abstract_type_has_no_entities_of_its_own(desk: Desk) -> None:
    error = refused(desk, Create("Thing", [new_id()], {"label": ["x"]}))

    assert isinstance(error, InvalidValue)
    assert error.type == "Thing"
    assert "Chair" in error.expected


@pytest.mark.parametrize(
    "operation",
    [
        Create("Task", [ONE, TWO], {"name": ["a"]}),
        Update("Task", [ONE], {"name": ["a", "b"]}),
        Update("Task", [ONE], {"name": ["a"]}, base=[1, 2]),
        Delete("Task", [ONE], base=[1, 2]),
        Link("Task", "tags", [ONE], [TWO, ONE]),
        Link("Task", "tags", [ONE], [TWO], ["a", "b"]),
        SetKeys("Task", "meta", [ONE], ["k", "l"], ["v"]),
        SetKeys("Task", "meta", [ONE], ["k"], ["v", "w"]),
        DropKeys("Task", "meta", [ONE], ["k", "l"]),
    ],
    ids=repr,
)
def test_columns_of_different_lengths_are_refused(desk: Desk, operation: Operation) -> None:
    error = refused(desk, operation)

    assert isinstance(error, InvalidValue)
    assert "one for each entity" in error.expected


@pytest.mark.parametrize("bad", [b"short", "0" * 36, None], ids=repr)
def test_ids_have_16_bytes(desk: Desk, bad: Any) -> None:
    for operation in (
        Create("Task", [bad]),
        Update("Task", [bad], {"name": ["a"]}),
        Link("Task", "tags", [bad], [ONE]),
    ):
        error = refused(desk, operation)

        assert isinstance(error, InvalidValue)
        assert (error.attribute, error.value) == ("id", bad)


@pytest.mark.parametrize("bad", [b"short", None, "x" * 16], ids=repr)
def test_a_commit_has_an_id_of_16_bytes(desk: Desk, bad: Any) -> None:
    error = refused(desk, Create("Task", [ONE]), id=bad)

    assert isinstance(error, InvalidValue)
    assert (error.type, error.attribute) == ("Commit", "id")


def test_notes_of_a_commit_are_text(desk: Desk) -> None:
    error = refused(desk, Create("Task", [ONE]), notes="a\0")

    assert isinstance(error, InvalidValue)
    assert (error.type, error.attribute) == ("Commit", "notes")


@pytest.mark.parametrize(("mode", "value"), [("on_conflict", "yours"), ("on_error", "ignore"), ("on_error", None)])
def test_modes_of_a_commit_are_known(desk: Desk, mode: str, value: Any) -> None:
    error = refused(desk, Create("Task", [ONE]), **{mode: value})

    assert isinstance(error, InvalidValue)
    assert (error.type, error.attribute, error.value) == ("Commit", mode, value)


def test_a_commit_larger_than_a_database_keeps_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recordroom.store.commit._LARGEST", 1000)

    error = refused(desk, Create("Task", [ONE], {"text": ["x" * 1000]}))

    assert isinstance(error, InvalidValue)
    assert (error.type, error.attribute) == ("Commit", "operations")


def test_damage_that_only_the_database_sees_is_named(desk: Desk) -> None:
    desk.create("Tag", name=["a"])
    desk.sql('UPDATE rr_counter SET "next" = 1 WHERE "table" = \'main.Tag\' RETURNING 1')

    error = refused(desk, Create("Tag", [new_id()], {"name": ["b"]}))

    assert isinstance(error, RoomDamaged)
    desk.sql('UPDATE rr_counter SET "next" = 2 WHERE "table" = \'main.Tag\' RETURNING 1')


def test_an_entity_stands_once_in_an_update_and_in_a_delete(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])

    for operation in (Update("Task", [task, task], {"name": ["b", "c"]}), Delete("Task", [task, task])):
        error = refused(desk, operation)

        assert isinstance(error, InvalidValue)
        assert error.value == show_id(task)


def test_links_and_mappings_are_not_mixed_up(desk: Desk) -> None:
    for operation in (
        Link("Task", "meta", [ONE], [TWO]),
        Link("Task", "name", [ONE], [TWO]),
        SetKeys("Task", "tags", [ONE], ["k"], ["v"]),
        DropKeys("Task", "asset", [ONE], ["k"]),
    ):
        assert isinstance(refused(desk, operation), InvalidValue)


def test_notes_on_links_that_have_none_are_refused(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"])

    error = refused(desk, Link("Task", "friends", [one], [two], ["old friends"]))

    assert isinstance(error, InvalidValue)
    assert (error.attribute, error.value) == ("friends", "old friends")


@pytest.mark.parametrize("value", [None, "text", 1.5])
def test_values_of_a_mapping_are_of_its_kind(desk: Desk, value: Any) -> None:
    [task] = desk.create("Task", name=["a"])

    error = refused(desk, SetKeys("Task", "counts", [task], ["k"], [value]))

    assert isinstance(error, InvalidValue)
    assert (error.type, error.attribute, error.entity, error.value) == ("Task", "counts", show_id(task), value)


@pytest.mark.parametrize("key", [None, 5, "a\0b"])
def test_keys_of_a_mapping_are_text(desk: Desk, key: Any) -> None:
    [task] = desk.create("Task", name=["a"])

    assert isinstance(refused(desk, SetKeys("Task", "meta", [task], [key], ["v"])), InvalidValue)


def test_an_event_has_a_topic(desk: Desk) -> None:
    assert isinstance(refused(desk, Publish("")), InvalidValue)


# --- entities that are not there ---


def test_updating_or_deleting_what_is_not_there_is_not_found(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    missing = new_id()

    for operation in (
        Update("Task", [task, missing], {"name": ["b", "c"]}),
        Delete("Task", [task, missing]),
        SetKeys("Task", "meta", [task, missing], ["k", "k"], ["v", "v"]),
        Link("Task", "friends", [task, missing], [task, task]),
    ):
        error = refused(desk, operation)

        assert isinstance(error, NotFound)
        assert (error.type, error.entity) == ("Task", show_id(missing))


def test_an_entity_of_another_type_of_the_hierarchy_is_not_found(desk: Desk) -> None:
    prop = desk.create_one("Prop", name="p")

    for operation in (Update("Shot", [prop], {"name": ["b"]}), Delete("Shot", [prop])):
        error = refused(desk, operation)

        assert isinstance(error, NotFound)
        assert (error.type, error.entity) == ("Shot", show_id(prop))


# --- references ---


def test_a_reference_to_nothing_is_refused(desk: Desk) -> None:
    project, missing, asset = new_ids(3)

    error = refused(
        desk,
        Create("Project", [project], {"name": ["p"]}),
        Create("Asset", [asset, ONE], {"project": [project, missing]}),
    )

    assert isinstance(error, InvalidReference)
    assert error.facts == {
        "type": "Asset",
        "attribute": "project",
        "entity": show_id(ONE),
        "target": "Project",
        "value": show_id(missing),
    }


@pytest.mark.parametrize("together", [True, False], ids=["in one commit", "committed before"])
def test_a_reference_to_the_wrong_type_says_what_was_found(desk: Desk, together: bool) -> None:
    prop, tag, task = new_ids(3)
    made: list[Operation] = [Create("Prop", [prop], {"name": ["p"]}), Create("Tag", [tag], {"name": ["t"]})]
    if not together:
        desk.commit(*made)
        made = []

    for wrong, found in ((prop, "Prop"), (tag, "Tag")):
        error = refused(desk, *made, Create("Task", [task], {"shot": [wrong]}))

        assert isinstance(error, InvalidReference)
        assert (error.target, error.value, error.found) == ("Shot", show_id(wrong), found)


def test_a_reference_to_what_the_commit_deletes_is_refused(desk: Desk) -> None:
    asset = desk.create_one("Asset", name="a")
    task = new_id()

    error = refused(desk, Delete("Asset", [asset]), Create("Task", [task], {"asset": [asset]}))

    assert isinstance(error, InvalidReference)
    assert (error.entity, error.value) == (show_id(task), show_id(asset))


def test_a_link_to_nothing_or_to_the_wrong_type_is_refused(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    [tag] = desk.create("Tag", name=["t"])
    missing = new_id()

    error = refused(desk, Link("Task", "tags", [task, task], [tag, missing]))
    wrong_type = refused(desk, Link("Task", "tags", [task], [task]))
    from_the_other_side = refused(desk, Link("Tag", "tasks", [tag], [missing]))

    assert isinstance(error, InvalidReference)
    assert (error.type, error.attribute, error.entity, error.value) == (
        "Task",
        "tags",
        show_id(task),
        show_id(missing),
    )
    assert isinstance(wrong_type, InvalidReference)
    assert wrong_type.found == "Task"
    assert isinstance(from_the_other_side, InvalidReference)
    assert (from_the_other_side.type, from_the_other_side.attribute, from_the_other_side.target) == (
        "Tag",
        "tasks",
        "Task",
    )


def test_references_may_point_at_what_the_same_commit_creates_later(desk: Desk) -> None:
    parent, child = new_ids(2)

    desk.commit(Create("Task", [child], {"parent": [parent]}), Create("Task", [parent], {"name": ["p"]}))

    assert desk.rows("Task", "parent") == {child: parent, parent: None}


# --- circles ---


@pytest.mark.parametrize("size", [1, 2, 3, 2000])
def test_new_entities_that_refer_to_each_other_in_a_circle_are_refused(desk: Desk, size: int) -> None:
    ids = new_ids(size)

    error = refused(desk, Create("Task", ids, {"parent": [*ids[1:], ids[0]]}))

    assert isinstance(error, CreateCycle)
    assert sorted(error.entities) == sorted(map(show_id, ids))
    assert error.path.count("Task") == size + 1


def test_a_circle_over_several_types_and_operations_is_found(desk: Desk) -> None:
    one, two, three = new_ids(3)

    error = refused(
        desk,
        Create("Task", [one], {"lead": [two]}),
        Create("Task", [two], {"parent": [three]}),
        Create("Task", [three], {"lead": [one]}),
    )

    assert isinstance(error, CreateCycle)
    assert set(error.entities) == {show_id(one), show_id(two), show_id(three)}


def test_a_long_chain_and_a_diamond_are_no_circle(desk: Desk) -> None:
    ids = new_ids(3000)
    top, left, right, bottom = new_ids(4)

    desk.commit(
        Create("Task", ids, {"parent": [*ids[1:], None]}),
        Create(
            "Task", [bottom, left, right, top], {"parent": [left, top, top, None], "lead": [right, None, None, None]}
        ),
    )

    assert len(desk.rows("Task", "name")) == 3004


def test_a_circle_may_be_closed_by_an_update_in_the_same_commit(desk: Desk) -> None:
    one, two = new_ids(2)

    desk.commit(
        Create("Task", [one], {"name": ["version"]}),
        Create("Task", [two], {"parent": [one]}),
        Update("Task", [one], {"lead": [two]}),
    )

    assert desk.rows("Task", "parent") == {one: None, two: one}
    assert desk.rows("Task", "lead") == {one: two, two: None}


def test_an_update_opens_a_circle_that_creates_have_closed(desk: Desk) -> None:
    one, two = new_ids(2)

    desk.commit(
        Create("Task", [one], {"parent": [two]}),
        Create("Task", [two], {"parent": [one]}),
        Update("Task", [one], {"parent": [None]}),
    )

    assert desk.rows("Task", "parent") == {one: None, two: one}


def test_a_circle_may_be_closed_by_a_second_commit(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"])

    desk.commit(Update("Task", [one, two], {"lead": [two, one]}))

    assert desk.rows("Task", "lead") == {one: two, two: one}


# --- required and immutable ---


def test_missing_required_values_are_reported_together(desk: Desk) -> None:
    one, two, three = new_ids(3)

    left_out = refused(desk, Create("Project", [one, two], {"code": ["x", "y"]}))
    null = refused(desk, Create("Project", [one, two, three], {"name": ["p", None, None]}))

    assert isinstance(left_out, MissingValue)
    assert (left_out.type, left_out.attribute, left_out.count) == ("Project", "name", 2)
    assert set(left_out.entities) == {show_id(one), show_id(two)}
    assert isinstance(null, MissingValue)
    assert set(null.entities) == {show_id(two), show_id(three)}


def test_a_required_value_cannot_be_taken_away(desk: Desk) -> None:
    [project] = desk.create("Project", name=["p"])

    error = refused(desk, Update("Project", [project], {"name": [None]}))

    assert isinstance(error, MissingValue)
    assert error.entities == [show_id(project)]


def test_required_is_judged_at_the_end_of_a_commit(desk: Desk) -> None:
    one, two, gone = new_ids(3)

    desk.commit(
        Create("Project", [one, gone]),
        Create("Project", [two], {"name": [None]}),
        Update("Project", [one, two], {"name": ["a", "b"]}),
        Delete("Project", [gone]),
    )

    assert desk.rows("Project", "name") == {one: "a", two: "b"}


def test_an_immutable_attribute_may_be_set_once(desk: Desk) -> None:
    first, later = desk.create("Task", serial=["s1", None])
    desk.commit(Update("Task", [later], {"serial": ["s2"]}))
    desk.commit(Update("Task", [later], {"serial": ["s2"], "name": ["n"]}))

    for change in ("other", None):
        error = refused(desk, Update("Task", [later, first], {"serial": ["s2", change]}))

        assert isinstance(error, ImmutableAttribute)
        assert (error.type, error.attribute, error.entity) == ("Task", "serial", show_id(first))


# --- ids that are there ---


def test_an_id_that_is_there_cannot_be_created_again(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])

    error = refused(desk, Create("Task", [new_id(), task], {"name": ["b", "c"]}))

    assert isinstance(error, NotUnique)
    shown = show_id(task)
    assert (error.type, error.attributes, error.values, error.entity, error.existing) == (
        "Task",
        ("id",),
        (shown,),
        shown,
        shown,
    )


def test_an_id_cannot_be_created_twice_in_one_commit(desk: Desk) -> None:
    task = new_id()

    in_one = refused(desk, Create("Task", [task, task]))
    in_two = refused(desk, Create("Task", [task]), Create("Task", [task]))

    for error in (in_one, in_two):
        assert isinstance(error, NotUnique)
        assert error.entity == show_id(task)
