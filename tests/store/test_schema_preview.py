from __future__ import annotations

import pytest

from recordroom.errors import InvalidSchema, RoomReadOnly
from recordroom.model.ids import new_ids
from recordroom.model.operations import (
    ChangeAttribute,
    Commit,
    Create,
    DefineAttribute,
    DefineType,
    DropAttribute,
    DropType,
    Link,
    Operation,
    RenameAttribute,
    SetKeys,
)
from recordroom.model.schema import Attribute, EntityType
from recordroom.query.request import SchemaEffect
from recordroom.store.room import Room
from tests.conftest import Places

TASK = DefineType(
    EntityType(
        name="Task",
        attributes=(
            Attribute(name="bid", kind="text"),
            Attribute(name="after", kind="links", target="Task"),
            Attribute(name="info", kind="mapping"),
        ),
    )
)


@pytest.fixture
def filled(room: Room) -> Room:
    ids = new_ids(3)
    operations: list[Operation] = [
        TASK,
        Create("Task", ids, {"bid": ["1", "2", None]}),
        Link("Task", "after", ids[:2], ids[1:]),
        SetKeys("Task", "info", ids[:1], ["a"], ["b"]),
    ]
    room.commit(Commit(id=new_ids(1)[0], operations=operations))
    return room


@pytest.mark.parametrize(
    ("operation", "effect"),
    [
        (DropType("Task"), SchemaEffect(rows=3, what="entities are deleted")),
        (DropAttribute("Task", "bid"), SchemaEffect(rows=2, what="entities lose their bid")),
        (DropAttribute("Task", "after"), SchemaEffect(rows=2, what="entities lose their after")),
        (DropAttribute("Task", "info"), SchemaEffect(rows=1, what="entity loses its info")),
        (RenameAttribute("Task", "bid", "price"), SchemaEffect()),
        (DefineAttribute("Task", Attribute(name="note", kind="text")), SchemaEffect()),
        (
            DefineAttribute("Task", Attribute(name="size", kind="integer", default=1)),
            SchemaEffect(rows=3, what="entities get the default 1"),
        ),
        (
            DefineAttribute("Task", Attribute(name="due", kind="date", default=20778)),
            SchemaEffect(rows=3, what="entities get the default 2026-11-21"),
        ),
        (
            ChangeAttribute("Task", Attribute(name="bid", kind="integer")),
            SchemaEffect(rows=2, what="values are converted from text to integer"),
        ),
        (
            ChangeAttribute("Task", Attribute(name="bid", kind="text", required=True, default="0")),
            SchemaEffect(rows=1, what="entity without a value gets the default '0'"),
        ),
    ],
)
def test_a_preview_tells_what_happens_to_entities_and_changes_nothing(
    filled: Room, operation: Operation, effect: SchemaEffect
) -> None:
    schema = filled.schema("main")

    assert filled.preview("main", [operation]) == [effect]
    assert filled.schema("main") is schema
    assert filled.preview("main", [operation]) == [effect]


def test_a_preview_names_what_stands_in_the_way_and_goes_on(filled: Room) -> None:
    refused, later, depending = filled.preview(
        "main",
        [
            DefineAttribute("Task", Attribute(name="due", kind="date", required=True)),
            ChangeAttribute("Task", Attribute(name="bid", kind="integer")),
            RenameAttribute("Task", "due", "deadline"),
        ],
    )

    assert refused.refusal.startswith("The change to Task.due contradicts 3 existing entities")
    assert refused.facts["count"] == 3
    assert later.rows == 2
    assert depending.what == "depends on a change that is refused"


def test_operations_of_a_preview_build_on_each_other(filled: Room) -> None:
    effects = filled.preview(
        "main",
        [
            DefineType(EntityType(name="Note", attributes=(Attribute(name="text", kind="text"),))),
            RenameAttribute("Task", "bid", "price"),
            ChangeAttribute("Task", Attribute(name="price", kind="integer")),
            ChangeAttribute("Task", Attribute(name="price", kind="number")),
        ],
    )

    assert [effect.rows for effect in effects] == [0, 0, 2, 2]
    assert list(filled.schema("main")) == ["Task"]


def test_what_can_never_be_raises(filled: Room) -> None:
    with pytest.raises(InvalidSchema):
        filled.preview("main", [TASK])
    with pytest.raises(InvalidSchema, match="computed"):
        filled.preview("main", [DefineAttribute("Task", Attribute(name="more", kind="number", computed="bit + 1"))])
    assert filled.preview("main", []) == []


def test_a_room_that_only_reads_has_no_preview(places: Places) -> None:
    Room.open(places()).close()
    with Room.open(places(), mode="read") as room, pytest.raises(RoomReadOnly):
        room.preview("main", [TASK])


def test_what_is_no_change_of_a_schema_is_refused(filled: Room) -> None:
    with pytest.raises(InvalidSchema, match="Create: it is no change of a schema"):
        filled.preview("main", [DropAttribute("Task", "bid"), Create("Task", new_ids(1))])


def test_a_kind_that_there_is_not_is_refused_whatever_its_default(filled: Room) -> None:
    wrong = Attribute(name="odd", kind="oddity", default={})

    with pytest.raises(InvalidSchema, match="oddity"):
        filled.preview("main", [DefineAttribute("Task", wrong)])
