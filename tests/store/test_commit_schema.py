"""Schema operations and data operations in one commit, and what followers make of both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recordroom.errors import Error, InvalidSchema, MissingValue, SchemaChangeRefused, UnknownAttribute
from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import (
    ChangeAttribute,
    ChangeType,
    Create,
    DefineAttribute,
    DefineType,
    Delete,
    DropAttribute,
    DropType,
    Link,
    RenameAttribute,
    RenameType,
    SetKeys,
    Update,
)
from recordroom.model.schema import EntityType
from recordroom.query.request import SearchRequest
from recordroom.store.room import Room
from tests.store.desk import Desk, a, ref, working

SMALL = (
    EntityType(name="Owner", attributes=(a("name"),)),
    EntityType(
        name="Item",
        attributes=(
            a("name"),
            a("size", "integer"),
            ref("owner", "Owner", reverse="items"),
            a("near", "links", target="Item", notes=True),
            a("meta", "mapping"),
        ),
    ),
    EntityType(name="Box", extends="Item", attributes=(a("label"),)),
)


@pytest.fixture
def desk(room: Room) -> Iterator[Desk]:
    yield from working(room, SMALL)


def found(desk: Desk, text: str) -> set[bytes]:
    return {hit.id for hit in desk.room.search(SearchRequest(database="main", text=text))}


def test_a_type_is_defined_and_filled_in_one_commit(desk: Desk) -> None:
    car = new_id()

    result = desk.commit(
        DefineType(EntityType(name="Car", attributes=(a("plate", unique=True),))),
        Create("Car", [car], {"plate": ["X 1"]}),
        DefineAttribute("Car", a("seats", "integer", default=4)),
        Update("Car", [car], {"plate": ["X 2"]}),
    )

    assert desk.rows("Car", "plate", "seats", "revision") == {car: ("X 2", 4, result.revision)}
    assert desk.told("Car", car) == [
        (result.revision, "create", "plate", None, "X 2"),
        (result.revision, "create", "seats", None, 4),
    ]


def test_data_before_and_after_a_rename_in_one_commit(desk: Desk) -> None:
    one, two = desk.create("Item", name=["first", "second"])
    created = desk.revision

    desk.commit(
        Update("Item", [one], {"name": ["before"]}),
        RenameAttribute("Item", "name", "title"),
        RenameType("Item", "Thing"),
        Update("Thing", [one, two], {"title": ["after", "later"]}),
    )

    assert desk.rows("Thing", "title") == {one: "after", two: "later"}
    assert desk.past("Thing", "title") == [
        (one, "first", created, created + 1),
        (two, "second", created, created + 1),
    ]
    assert found(desk, "after") == {one}
    assert found(desk, "second") == set()
    assert desk.told("Thing", one)[0] == (created + 1, "update", "title", "first", "after")


def test_followers_read_everything_before_the_schema_changes(desk: Desk) -> None:
    [box] = desk.create("Box", name=["red box"], label=["fragile"])
    desk.commit(Update("Box", [box], {"label": ["heavy"]}))

    desk.commit(RenameType("Box", "Crate"), RenameAttribute("Crate", "label", "sticker"))
    desk.commit(RenameType("Item", "Piece"))

    assert desk.told("Crate", box)[0][2:] == ("sticker", "fragile", "heavy")
    assert found(desk, "heavy red") == {box}
    [hit] = desk.room.search(SearchRequest(database="main", text="heavy"))
    assert (hit.type, hit.snippets) == ("Crate", {"sticker": "[heavy]"})


def test_dropped_attributes_and_types_leave_the_index(desk: Desk) -> None:
    [item] = desk.create("Item", name=["plain"])
    [box] = desk.create("Box", name=["packed"], label=["fragile"])

    desk.commit(DropAttribute("Box", "label"))
    assert found(desk, "fragile") == set()

    desk.commit(DropType("Box"))
    assert found(desk, "packed") == set()
    assert found(desk, "plain") == {item}
    assert set(desk.rows("Item", "name")) == {item}
    assert box not in desk.rows("Item", "name")

    desk.commit(DropType("Item"), DropType("Owner"))
    with pytest.raises(Error):
        desk.create("Item", name=["x"])


def test_an_attribute_that_becomes_searchable_is_indexed(desk: Desk) -> None:
    desk.commit(DefineAttribute("Item", a("secret", searchable=False)))
    [item] = desk.create("Item", secret=["hidden words"])
    assert found(desk, "hidden") == set()

    desk.commit(ChangeAttribute("Item", a("secret")))
    assert found(desk, "hidden") == {item}

    desk.commit(ChangeAttribute("Item", a("secret", searchable=False)))
    assert found(desk, "hidden") == set()


def test_a_default_given_to_every_entity_is_indexed(desk: Desk) -> None:
    [item] = desk.create("Item", name=["x"])

    desk.commit(DefineAttribute("Item", a("origin", default="far away")))

    assert found(desk, "away") == {item}


def test_values_that_change_kind_are_indexed_as_they_are(desk: Desk) -> None:
    [item] = desk.create("Item", size=[42])

    desk.commit(ChangeAttribute("Item", a("size")))

    assert found(desk, "42") == {item}


def test_a_schema_operation_that_rows_contradict_undoes_the_whole_commit(desk: Desk) -> None:
    desk.create("Item", name=["same", "same"])
    before = desk.revision

    with pytest.raises(SchemaChangeRefused):
        desk.commit(Create("Item", [new_id()], {"name": ["other"]}), ChangeAttribute("Item", a("name", unique=True)))

    assert desk.revision == before
    assert list(desk.rows("Item", "name").values()) == ["same", "same"]
    desk.commit(Create("Item", [new_id()], {"name": ["same"]}))


def test_what_precedes_a_schema_operation_is_judged_before_it(desk: Desk) -> None:
    with pytest.raises(MissingValue):
        desk.commit(
            DefineAttribute("Item", a("must", required=True)),
            Create("Item", [new_id()], {"name": ["x"]}),
            DropAttribute("Item", "must"),
        )

    with pytest.raises(UnknownAttribute):
        desk.create("Item", must=["x"])


def test_computed_attributes_are_judged_when_the_schema_is_whole(desk: Desk) -> None:
    desk.commit(
        DefineAttribute("Item", a("twice", "integer", computed="base * 2")),
        DefineAttribute("Item", a("base", "integer")),
    )

    with pytest.raises(InvalidSchema):
        desk.commit(DefineAttribute("Item", a("thrice", "integer", computed="nothing * 3")))


def test_what_a_schema_operation_replaced_stands_in_the_journal(desk: Desk) -> None:
    before = desk.revision

    desk.commit(
        ChangeAttribute("Item", a("name", label="Name")),
        ChangeType(EntityType(name="Item", label="Items")),
        DropAttribute("Box", "label"),
        DropType("Box"),
    )

    [entry] = desk.room.journal(after=before)
    changed, relabelled, dropped, gone = entry.operations
    assert changed.before == a("name")
    assert relabelled.before.label == ""
    assert dropped.before == a("label")
    assert (gone.before.name, gone.before.extends) == ("Box", "Item")


def test_links_and_keys_follow_renames(desk: Desk) -> None:
    one, two = desk.create("Item", name=["a", "b"])
    desk.commit(Link("Item", "near", [one], [two], ["n"]), SetKeys("Item", "meta", [one], ["k"], ["v"]))
    desk.commit(Link("Item", "near", [one], [two], ["m"]), SetKeys("Item", "meta", [one], ["k"], ["w"]))

    desk.commit(
        SetKeys("Item", "meta", [one], ["k"], ["x"]),
        RenameAttribute("Item", "near", "close"),
        RenameAttribute("Item", "meta", "facts"),
        RenameType("Item", "Piece"),
        SetKeys("Piece", "facts", [one], ["k"], ["y"]),
    )

    assert desk.entries("Piece", "close") == {(one, two): "m"}
    told = [each[2:] for each in desk.told("Piece", one) if each[1] in ("link", "set_key")]
    assert told == [
        ("facts", "w", "y"),
        ("close", "n", "m"),
        ("facts", "v", "w"),
        ("close", None, "n"),
        ("facts", None, "v"),
    ]


def test_a_commit_of_many_operations_of_both_kinds_leaves_a_room_in_order(desk: Desk) -> None:
    ids = new_ids(20)
    desk.commit(Create("Item", ids, {"name": [f"n{n}" for n in range(20)]}))
    desk.commit(Update("Item", ids[:10], {"size": list(range(10))}))
    desk.commit(
        DefineAttribute("Item", a("note", default="none")),
        Update("Item", ids[5:15], {"note": ["some"] * 10}),
        Delete("Item", ids[:3]),
        ChangeAttribute("Item", a("size", "number")),
        Update("Item", ids[10:], {"size": [0.5] * 10}),
        DropAttribute("Item", "note"),
    )
    desk.commit(Delete("Item", ids[10:12]))

    assert len(desk.rows("Item", "size")) == 15
    assert desk.rows("Item", "size")[ids[12]] == 0.5
    assert desk.rows("Item", "size")[ids[4]] == 4.0
