"""Templates as files: reading them, joining what they include, and the place of what is wrong."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from recordroom.errors import InvalidSchema
from recordroom.model.schema import Schema
from recordroom.model.schema_file import load_text
from recordroom.model.template import Source, Template, load_template
from recordroom.model.template_plan import missing_schema
from recordroom.model.template_rows import Question, missing_rows


def load(name: str = "last", **texts: str) -> Template:
    return load_template(name, lambda wanted, _: Source(name=wanted, text=texts[wanted]))


class Nothing:
    """A room that has a schema and no entity."""

    def __init__(self, schema: Schema | None = None) -> None:
        self.schema = Schema() if schema is None else schema

    def there(self, question: Question) -> list[Any]:
        return []

    def was_there(self, type: str, id: bytes) -> bool:
        return False


def rows_of(text: str) -> list[Any]:
    template = load(last=text)
    return missing_rows(template, template.schema, Nothing())[0]


BASE = """
label = "Base"
[Thing.attributes]
name = { kind = "text", unique = true }
[rows]
Thing = [{ name = "a" }]
"""


def test_what_is_included_comes_first_and_once() -> None:
    template = load(
        last='includes = ["left", "right"]\nlabel = "Last"',
        left='includes = ["base"]\n[Left.attributes]\nname = "text"',
        right='includes = ["base"]\n[Right.attributes]\nname = "text"',
        base=BASE,
    )

    assert [each.name for each in template.types] == ["Thing", "Left", "Right"]
    assert [row.values for row in template.rows] == [{"name": "a"}]
    assert (template.name, template.label, template.includes) == ("last", "Last", ("left", "right"))


def test_a_type_of_two_files_has_the_attributes_of_both_and_keeps_its_settings() -> None:
    template = load(
        last='includes = ["base"]\n[Thing.attributes]\nsize = "integer"',
        base='[Thing]\nlabel = "A thing"\nunique = [["name"]]\n[Thing.attributes]\nname = "text"',
    )

    thing = template.schema["Thing"]
    assert [each.name for each in thing.attributes] == ["name", "size"]
    assert (thing.label, thing.unique) == ("A thing", (("name",),))


def test_an_attribute_goes_to_the_ancestor_that_a_later_file_gives() -> None:
    template = load(
        last="""
            includes = ["base"]
            [Root]
            abstract = true
            [Root.attributes]
            name = "text"
            [Thing]
            extends = "Root"
        """,
        base=BASE,
    )

    assert template.schema["Thing"].attributes == ()
    assert template.schema["Thing"].extends == "Root"


def test_one_table_stands_for_a_row_for_each_value() -> None:
    template = load(last=BASE.replace('{ name = "a" }', '{ name = { each = ["a", "b"] } }, { name = "c" }'))

    assert [row.values["name"] for row in template.rows] == ["a", "b", "c"]


def test_the_id_of_a_row_without_one_is_the_same_everywhere() -> None:
    [create] = rows_of(BASE)

    assert create.ids == [uuid.uuid5(uuid.NAMESPACE_URL, "recordroom:Thing:a").bytes]


def test_the_key_of_a_type_without_one_is_everything_that_a_row_says() -> None:
    [create] = rows_of("""
        [Rule.attributes]
        verb = "text"
        place = "integer"
        [rows]
        Rule = [{ verb = "read", place = 1 }, { verb = { each = ["read", "write"] } }]
    """)[:1]

    assert create.ids == [uuid.uuid5(uuid.NAMESPACE_URL, "recordroom:Rule:place/1/verb/read").bytes]


def test_references_are_ids_keys_or_lists_of_keys() -> None:
    creates = rows_of("""
        [Film.attributes]
        name = { kind = "text", unique = true }
        [Part]
        unique = [["film", "place"]]
        [Part.attributes]
        film = { kind = "reference", target = "Film" }
        place = "integer"
        [Note.attributes]
        text = { kind = "text", unique = true }
        part = { kind = "reference", target = "Part" }
        films = { kind = "links", target = "Film" }
        facts = { kind = "mapping", of = "integer" }
        [rows]
        Note = [{ text = "x", part = ["Bunny", 2], films = ["Bunny"], facts = { year = 2008 } }]
        Part = [{ film = "Bunny", place = 2 }]
        Film = [{ id = "01890a5d-ac96-774b-bcce-b302099a8057", name = "Bunny" }]
    """)

    film, part, note, link, keys = creates
    assert [each.type for each in creates] == ["Film", "Part", "Note", "Note", "Note"]
    assert part.columns == {"film": film.ids, "place": [2]}
    assert note.columns == {"text": ["x"], "part": part.ids}
    assert (link.sources, link.targets) == (note.ids, film.ids)
    assert (keys.ids, keys.keys, keys.values) == (note.ids, ["year"], [2008])


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[Thing.attributes\n", "last, line 1, column 18: "),
        ('includes = "core"', "last: includes: expected a list"),
        ("label = 5", "last: label: expected a text"),
        ("rows = 5", "last: rows: expected a table"),
        (BASE + "Thong = [{}]", "last, row 1 of Thong: there is no entity type 'Thong'. Did you mean 'Thing'?"),
        (BASE + "Other = {}", "last: rows.Other: expected a list of tables"),
        (BASE.replace('name = "a"', "nam = 'a'"), "last, row 1 of Thing: Thing has no attribute 'nam'. Did you"),
        (BASE.replace('name = "a"', "name = 5"), "last, row 1 of Thing: name: expected text, got 5"),
        (BASE.replace('name = "a"', ""), "last, row 1 of Thing: id: this is missing; without it name must be there"),
        (
            BASE.replace('name = "a"', 'name = "a", id = "x"'),
            "last, row 1 of Thing: id: expected an id, a UUID, got 'x'",
        ),
        (
            BASE.replace('name = "a"', 'name = "a", revision = 1'),
            "last, row 1 of Thing: revision: a row cannot say this",
        ),
        (
            BASE.replace(
                '{ name = "a" }', '{ name = "a" }, { name = "a", id = "01890a5d-ac96-774b-bcce-b302099a8057" }'
            ),
            "last, row 2 of Thing: another row has the same key",
        ),
        ('[Thing.attributes]\nname = "texd"', "last, line 2, Thing.name: kind: there is no kind 'texd'"),
        ('[A]\nextends = "B"\n[B]\nextends = "A"', "extends: A → B → A is a circle"),
        (
            '[Root]\nabstract = true\n[Root.attributes]\nname = "text"\n[rows]\nRoot = [{ name = "a" }]',
            "last, row 1 of Root: Root is abstract",
        ),
        (
            "[A.attributes]\nname = 'text'\nb = { kind = 'reference', target = 'A' }\n[rows]\nA = [{ name = 'x', b = 'y' }]",
            "last, row 1 of A: b: there is no row of A with the key 'y'",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str, where: str) -> None:
    with pytest.raises(InvalidSchema) as refused:
        rows_of(text)

    assert where in str(refused.value)


def test_a_circle_of_includes_is_refused() -> None:
    with pytest.raises(InvalidSchema, match="includes: last → other → last is a circle"):
        load(last='includes = ["other"]', other='includes = ["last"]')


def test_two_files_that_mean_different_things_are_refused_with_the_line() -> None:
    with pytest.raises(
        InvalidSchema, match=r"last, line 3, Thing.name: here it is text, another template has it as integer"
    ):
        load(last='includes = ["base"]\n[Thing.attributes]\nname = "integer"', base=BASE)


# --- what a room lacks ----------------------------------------------------------------------------


def lines(room: str, template: str) -> list[str]:
    return list(missing_schema(load_text(room).schema, load(last=template)).lines)


def test_a_type_gains_what_it_misses_and_keeps_what_people_changed() -> None:
    room = """
        [Thing]
        label = "Ding"
        [Thing.attributes]
        name = { kind = "text", required = true, label = "Nom" }
        status = { kind = "choice", choices = ["done", "open"] }
        own = "integer"
    """
    wanted = """
        [Thing]
        label = "Thing"
        unique = [["name"]]
        [Thing.attributes]
        name = "text"
        status = { kind = "choice", choices = ["open", "held", "done"], default = "open" }
        size = "integer"
    """

    found = lines(room, wanted)

    assert found == ["~ Thing unique: +(name)", '~ Thing.status choices: +"held"', "+ Thing.size integer"]


def test_nothing_is_missing_where_everything_is_there() -> None:
    assert lines(BASE.split("[rows]", maxsplit=1)[0].replace('label = "Base"', ""), BASE) == []


@pytest.mark.parametrize(
    ("room", "wanted", "reason"),
    [
        (
            "[A.attributes]\nx = 'integer'",
            "[A.attributes]\nx = 'text'",
            "last, line 2, A.x: here it is integer, the template",
        ),
        ("[A]\nabstract = true", "[A.attributes]\nx = 'text'", "last, line 1, A: here it is abstract"),
        (
            "[B]\n[A]\nextends = 'B'",
            "[C]\n[A]\nextends = 'C'",
            "last, line 2, A: here it extends B, and in the template C",
        ),
        (
            "[A.attributes]\nb = { kind = 'reference', target = 'A', reverse = 'x' }",
            "[A.attributes]\nb = { kind = 'reference', target = 'A', reverse = 'y' }",
            "A.b: here its other side is called 'x', the template has it as 'y'",
        ),
        (
            "[A.attributes]\nx = 'text'",
            "[A.attributes]\nb = { kind = 'reference', target = 'A', reverse = 'x' }",
            "twice",
        ),
        (
            "[A.attributes]\nx = 'text'",
            "[B.attributes]\nb = { kind = 'reference', target = 'Z' }",
            "no entity type 'Z'",
        ),
    ],
)
def test_a_contradiction_is_refused_with_the_place(room: str, wanted: str, reason: str) -> None:
    with pytest.raises(InvalidSchema) as refused:
        lines(room, wanted)

    assert reason in str(refused.value)
