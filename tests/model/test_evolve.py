from __future__ import annotations

import pytest

from recordroom.errors import InvalidSchema, UnknownAttribute, UnknownType
from recordroom.model.evolve import evolve, renames
from recordroom.model.operations import (
    ChangeAttribute,
    ChangeType,
    Create,
    DefineAttribute,
    DefineType,
    DropAttribute,
    DropType,
    RenameAttribute,
    RenameType,
)
from recordroom.model.schema import Attribute, EntityType, Schema

NAME = Attribute(name="name", kind="text")
PARENT = Attribute(name="parent", kind="reference", target="Thing", reverse="children")
SCHEMA = Schema(
    [
        EntityType(name="Thing", attributes=(NAME, PARENT), unique=(("name", "parent"),), display="name"),
        EntityType(name="Shot", extends="Thing", unique=(("name",),), display="name"),
        EntityType(name="Note", attributes=(Attribute(name="about", kind="reference", target="Shot"),)),
    ],
    7,
)


def test_a_renamed_type_is_renamed_wherever_it_is_mentioned() -> None:
    schema = evolve(evolve(SCHEMA, RenameType("Thing", "Item")), RenameType("Shot", "Plate"))

    assert list(schema) == ["Item", "Plate", "Note"]
    assert schema["Plate"].extends == "Item"
    assert schema["Item"].attributes[1].target == "Item"
    assert schema["Note"].attributes[0].target == "Plate"
    assert schema.revision == 7


def test_a_renamed_attribute_is_renamed_in_unique_sets_and_display_of_subtypes_too() -> None:
    schema = evolve(SCHEMA, RenameAttribute("Thing", "name", "title"))

    assert schema["Thing"].unique == (("title", "parent"),)
    assert schema["Shot"].unique == (("title",),)
    assert schema["Thing"].display == schema["Shot"].display == "title"
    assert [each.name for each in schema["Thing"].attributes] == ["title", "parent"]


def test_a_changed_type_keeps_its_attributes() -> None:
    schema = evolve(SCHEMA, ChangeType(EntityType(name="Thing", label="A thing", attributes=())))

    assert schema["Thing"].label == "A thing"
    assert schema["Thing"].attributes == SCHEMA["Thing"].attributes
    assert schema["Thing"].unique == ()


def test_attributes_come_change_and_go() -> None:
    size = Attribute(name="size", kind="integer")
    schema = evolve(SCHEMA, DefineAttribute("Shot", size))
    assert schema["Shot"].attributes == (size,)
    changed = Attribute(name="size", kind="number", label="Size")
    schema = evolve(schema, ChangeAttribute("Shot", changed))
    assert schema["Shot"].attributes == (changed,)
    schema = evolve(schema, DropAttribute("Shot", "size"))
    assert schema["Shot"].attributes == ()


def test_types_come_and_go_and_the_schema_before_stays_as_it_was() -> None:
    schema = evolve(evolve(SCHEMA, DefineType(EntityType(name="Tag"))), DropType("Note"))

    assert list(schema) == ["Thing", "Shot", "Tag"]
    assert list(SCHEMA) == ["Thing", "Shot", "Note"]


def test_a_type_that_refers_to_itself_can_be_dropped() -> None:
    schema = Schema([EntityType(name="Node", attributes=(Attribute(name="up", kind="reference", target="Node"),))])

    assert list(evolve(schema, DropType("Node"))) == []


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (DefineType(EntityType(name="Thing")), "there is a type"),
        (RenameType("Thing", "Note"), "there is a type"),
        (DropType("Thing"), "Shot extends it"),
        (DropType("Shot"), "Note.about refers to it"),
        (DefineAttribute("Thing", NAME), "there is an attribute"),
        (RenameAttribute("Thing", "name", "parent"), "there is an attribute"),
        (RenameAttribute("Thing", "name", "children"), "there is an attribute"),
        (RenameAttribute("Thing", "name", "id"), "there is an attribute"),
        (RenameAttribute("Shot", "name", "title"), "Thing declares it"),
        (ChangeAttribute("Shot", NAME), "Thing declares it"),
        (DropAttribute("Thing", "children"), r"the other side of Thing.parent"),
        (DropAttribute("Thing", "number"), "every type has"),
    ],
)
def test_what_cannot_be_says_why(operation: DefineType, words: str) -> None:
    with pytest.raises(InvalidSchema, match=words):
        evolve(SCHEMA, operation)


def test_unknown_names_are_named() -> None:
    with pytest.raises(UnknownType):
        evolve(SCHEMA, RenameType("Thnig", "Item"))
    with pytest.raises(UnknownAttribute) as caught:
        evolve(SCHEMA, DropAttribute("Thing", "nmae"))
    assert caught.value.suggestions[0] == "name"


def test_operations_on_data_are_not_for_schemas() -> None:
    with pytest.raises(TypeError):
        evolve(SCHEMA, Create("Thing", []))


def test_renames_say_which_names_went_where() -> None:
    assert renames(Schema(), RenameType("A", "B")) == {("A", ""): ("B", "")}
    assert renames(Schema(), RenameAttribute("A", "x", "y")) == {("A", "x"): ("A", "y")}
    assert renames(Schema(), DropType("A")) == {}
