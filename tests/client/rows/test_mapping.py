"""Mapping: which column goes where is decided before the first row, and what does not fit is named."""

from __future__ import annotations

from typing import Any

import pytest

from recordroom.client.rows.mapping import Lookup, Plan, key_names, natural_key, plan_columns, read_lookup
from recordroom.errors import ImportFailed, InvalidReference, UnknownAttribute, UnknownType
from recordroom.model.schema import Attribute, EntityType, Schema
from recordroom.query.syntax import Path

TEXT = {"kind": "text"}
SCHEMA = Schema(
    [
        EntityType(
            name="Airline", attributes=(Attribute(name="code", unique=True, **TEXT), Attribute(name="name", **TEXT))
        ),
        EntityType(
            name="Hub",
            attributes=(Attribute(name="faa", unique=True, **TEXT), Attribute(name="icao", unique=True, **TEXT)),
        ),
        EntityType(
            name="Flight",
            attributes=(
                Attribute(name="number_of", kind="integer", required=True),
                Attribute(name="carrier", kind="reference", target="Airline", reverse="flights"),
                Attribute(name="hub", kind="reference", target="Hub"),
                Attribute(name="twice", kind="integer", computed="number_of * 2"),
                Attribute(name="rival", kind="reference", target="Flight", reverse="enemies"),
                Attribute(name="friends", kind="links", target="Flight"),
                Attribute(name="facts", kind="mapping"),
            ),
        ),
    ]
)


def plan(*names: str, **said: Any) -> Plan:
    said.setdefault("mapping", {})
    said.setdefault("references", {})
    return plan_columns(SCHEMA, said.pop("type", "Flight"), names, source="rows.csv", **said)


def test_columns_go_to_the_attributes_of_their_names() -> None:
    made = plan("number_of", "carrier")

    assert [(column, attribute.name) for column, attribute in made.scalars] == [("number_of", "number_of")]
    assert [(attribute.name, lookup) for attribute, lookup in made.lookups] == [
        ("carrier", Lookup(columns=("carrier",)))
    ]
    assert made.attributes == ["number_of", "carrier"]
    assert made.key == ()


def test_a_mapping_renames_columns() -> None:
    made = plan(
        "no",
        "airline",
        mapping={"no": "number_of", "airline": "carrier"},
        references={"carrier": Lookup(key=("code",))},
    )

    assert made.column_of("number_of") == "no"
    assert made.column_of("carrier") == "airline"
    assert made.lookups[0][1] == Lookup(columns=("airline",), key=("code",))


def test_one_column_may_fill_an_attribute_and_find_a_reference() -> None:
    made = plan("code", "name", type="Airline", references={})

    assert made.attributes == ["code", "name"]
    both = plan("number_of", references={"carrier": read_lookup("number_of:code")})
    assert both.columns == {"number_of"}
    assert both.attributes == ["number_of", "carrier"]


def test_a_column_with_an_id_is_the_key() -> None:
    assert plan("id", "number_of").key == ("id",)
    assert plan("id", "number_of", key=("number_of",)).key == ("number_of",)


def test_a_column_that_is_no_attribute_is_named_with_close_ones() -> None:
    with pytest.raises(UnknownAttribute, match=r"carier.*Did you mean 'carrier'") as caught:
        plan("carier")

    assert caught.value.column == "carier"
    assert plan("carier", "number_of", ignore_extra=True).attributes == ["number_of"]
    with pytest.raises(UnknownAttribute):
        plan("x", mapping={"x": "nothing"}, ignore_extra=True)


@pytest.mark.parametrize("name", ["revision", "number", "twice", "enemies", "created_at"])
def test_a_column_that_cannot_be_set_is_refused_or_ignored(name: str) -> None:
    with pytest.raises(ImportFailed, match="can be set") as caught:
        plan(name)

    assert caught.value.column == name
    assert plan(name, "number_of", ignore_extra=True).attributes == ["number_of"]


def test_links_and_mappings_have_one_column_each() -> None:
    found = plan("number_of", "mates", "facts", mapping={"mates": "friends"})
    assert [(each.name, lookup.columns) for each, lookup in found.links] == [("friends", ("mates",))]
    assert [(column, each.name) for column, each in found.mappings] == [("facts", "facts")]
    assert found.attributes == ["number_of"]
    assert (found.column_of("friends"), found.column_of("facts")) == ("mates", "facts")
    with pytest.raises(ImportFailed, match="one column of lists"):
        plan("number_of", "a", "b", references={"friends": read_lookup("a,b:number_of,twice")})
    with pytest.raises(ImportFailed, match=r"found two for Flight\.friends"):
        plan("number_of", "friends", "mates", mapping={"mates": "friends"})


def test_names_said_by_the_user_must_be_columns_of_the_file() -> None:
    with pytest.raises(ImportFailed, match="did you mean 'number_of'"):
        plan("number_of", mapping={"number_off": "number_of"})
    with pytest.raises(ImportFailed, match="'nothing'"):
        plan("number_of", references={"carrier": read_lookup("nothing:code")})
    with pytest.raises(ImportFailed, match=r"column for Flight\.carrier"):
        plan("number_of", references={"carrier": read_lookup("code")})
    with pytest.raises(ImportFailed, match="part of the key"):
        plan("number_of", key=("carrier",))


def test_the_key_of_a_reference_must_be_attributes_of_its_target() -> None:
    with pytest.raises(UnknownAttribute, match="Airline has no attribute 'cod'"):
        plan("carrier", references={"carrier": read_lookup("cod")})
    with pytest.raises(UnknownAttribute):
        plan("carrier", references={"carier": read_lookup("code")})
    with pytest.raises(ImportFailed, match="of kind integer"):
        plan("number_of", references={"number_of": read_lookup("code")})
    with pytest.raises(ImportFailed, match="as many columns"):
        plan("carrier", references={"carrier": read_lookup("carrier:code,name")})
    with pytest.raises(UnknownType):
        plan("a", type="Flights")


def test_two_columns_for_one_attribute_are_refused() -> None:
    with pytest.raises(ImportFailed, match=r"found two for Flight\.number_of"):
        plan("number_of", "no", mapping={"no": "number_of"})


def test_a_lookup_is_written_in_several_ways() -> None:
    assert read_lookup("code") == Lookup(key=("code",))
    assert read_lookup("column:code") == Lookup(columns=("column",), key=("code",))
    assert read_lookup("a, b:origin.faa,time") == Lookup(columns=("a", "b"), key=("origin.faa", "time"))
    assert read_lookup(Path(("origin", "faa"))) == Lookup(key=("origin.faa",))
    assert read_lookup(["origin.faa", Path(("time",))]) == Lookup(key=("origin.faa", "time"))
    assert key_names(None) == ()
    assert key_names("code") == ("code",)
    assert key_names(["origin", "time"]) == ("origin", "time")
    with pytest.raises(TypeError):
        read_lookup(3)


def test_a_target_with_one_unique_attribute_has_a_natural_key() -> None:
    carrier, hub = (SCHEMA.attribute("Flight", name) for name in ("carrier", "hub"))

    assert natural_key(SCHEMA, carrier, "Flight") == "code"
    with pytest.raises(InvalidReference, match="has 2: faa, icao"):
        natural_key(SCHEMA, hub, "Flight")
