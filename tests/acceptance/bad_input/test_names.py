"""Unknown types and attributes, wherever a name can stand."""

from __future__ import annotations

from pathlib import Path

import pytest

import recordroom as rr
from recordroom.client.rows import import_rows
from tests.acceptance.bad_input.conftest import Desk

TYPE_USES = {
    "create": lambda d: d.session.create("Thign", {"name": "x"}),
    "create_many": lambda d: d.session.create_many("Thign", {"name": ["x"]}),
    "ensure": lambda d: d.session.ensure("Thign", {"name": "x"}),
    "get": lambda d: d.session.get("Thign", d.thing["id"]),
    "get by values": lambda d: d.session.get("Thign", {"name": "x"}),
    "query": lambda d: d.session.query("Thign where name is 'x'").all(),
    "types": lambda d: d.session.types["Thign"],
    "schema": lambda d: d.session.schema.attributes("Thign"),
    "search": lambda d: d.session.search("x", types="Thign"),
    "decode": lambda d: d.session.decode('{"__entity_type__": "Thign", "id": "' + d.thing["id"] + '"}'),
}

ATTRIBUTE_USES = {
    "create": lambda d: d.session.create("Thing", {"name": "x", "nmae": "y"}),
    "create_many": lambda d: d.session.create_many("Thing", {"name": ["x"], "nmae": ["y"]}),
    "ensure": lambda d: d.session.ensure("Thing", {"nmae": "x"}),
    "ensure by keys": lambda d: d.session.ensure("Thing", {"name": "x"}, keys=["nmae"]),
    "get by values": lambda d: d.session.get("Thing", {"nmae": "x"}),
    "read": lambda d: d.thing["nmae"],
    "set": lambda d: d.thing.update(nmae="x"),
    "forget": lambda d: d.thing.__delitem__("nmae"),
    "query": lambda d: d.session.query("Thing where nmae is 'x'").all(),
    "select": lambda d: d.session.query("select nmae from Thing").all(),
    "order by": lambda d: d.session.query("Thing order by nmae").all(),
    "group by": lambda d: d.session.query("select count() as n from Thing group by nmae").all(),
    "expression": lambda d: d.session.types["Thing"].nmae == "x",
    "result.select": lambda d: d.session.query("Thing").select("nmae").all(),
    "result.order_by": lambda d: d.session.query("Thing").order_by("nmae").all(),
    "populate": lambda d: d.session.populate(d.thing, "nmae"),
    "history": lambda d: d.session.history(d.thing, attribute="nmae"),
}


@pytest.mark.parametrize("use", TYPE_USES)
def test_an_unknown_type_suggests_the_close_one(desk: Desk, use: str) -> None:
    with desk.refuses(rr.UnknownType, name="Thign", suggestions=["Thing"]) as caught:
        TYPE_USES[use](desk)
    assert "Did you mean 'Thing'" in str(caught.value)


@pytest.mark.parametrize("use", ATTRIBUTE_USES)
def test_an_unknown_attribute_suggests_the_close_one(desk: Desk, use: str) -> None:
    with desk.refuses(rr.UnknownAttribute, type="Thing", name="nmae") as caught:
        ATTRIBUTE_USES[use](desk)
    assert "name" in caught.value.suggestions
    assert "Did you mean 'name'" in str(caught.value)


def test_an_unknown_attribute_of_a_related_type_is_that_type_s(desk: Desk) -> None:
    with desk.refuses(rr.UnknownAttribute, type="Place", name="siez"):
        desk.session.query("Thing where place.siez > 5").all()


@pytest.mark.parametrize("name", ["", " ", "no such thing", "é", "\0", "\ud800", "a" * 100_000, "id;", "main.Thing"])
def test_names_that_can_be_no_names_are_unknown_too(desk: Desk, name: str) -> None:
    with desk.refuses(rr.UnknownType, name=name):
        desk.session.create(name, {})
    with desk.refuses(rr.UnknownAttribute, name=name):
        desk.session.create("Thing", {name: 1})
    with desk.refuses(rr.UnknownAttribute, name=name):
        desk.thing[name] = 1


@pytest.mark.parametrize("name", [None, 5, b"Thing", [], object()])
def test_names_that_are_no_text_are_refused(desk: Desk, name: object) -> None:
    before = desk.state()
    with pytest.raises(TypeError):
        desk.session.create(name, {})  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        desk.session.query(name)
    assert desk.state() == before


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ('[Thing.attributes]\nto = { kind = "reference", target = "Palce" }', "Thing"),
        ("[Thing]\nextends = 'Palce'\n[Thing.attributes]\nx = 'text'", "Thing"),
        ("[Thing]\nunique = [['nmae']]", "Thing"),
        ("[Thing]\ndisplay = 'nmae'", "Thing"),
        ("[Thing.attributes]\nloud = { kind = 'text', computed = 'upper(nmae)' }", "loud"),
        ("[Thing.attributes]\nx = 'txet'", "x"),
        ("[Thing.attributes]\nx = { kind = 'text', requierd = true }", "x"),
        ("[Thing]\nlabbel = 'x'", "Thing"),
    ],
)
def test_an_unknown_name_in_a_schema_file_says_where(desk: Desk, line: str, where: str) -> None:
    with desk.refuses(rr.InvalidSchema) as caught:
        desk.session.apply_schema(line)
    assert where in caught.value.where
    assert "Did you mean" in str(caught.value)


def test_an_unknown_column_of_an_imported_file_is_named(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "things.csv"
    file.write_text("name,cdoe\nx,y\n")
    with desk.refuses(rr.UnknownAttribute, name="cdoe") as caught:
        import_rows(desk.session, "Thing", file)
    assert caught.value.suggestions == ["code"]
    with desk.refuses(rr.UnknownType, name="Thign"):
        import_rows(desk.session, "Thign", file)


def test_an_unknown_database_suggests_the_close_one(desk: Desk) -> None:
    with desk.refuses(rr.UnknownDatabase, name="mian", suggestions=["main"]):
        rr.connect(desk.where, database="mian")
    with desk.refuses(rr.UnknownDatabase, name="mian"):
        desk.session.databases["mian"]
    with desk.refuses(rr.UnknownDatabase, name="mian"):
        desk.session.databases.drop("mian")
