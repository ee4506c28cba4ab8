import datetime as dt
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordroom.errors import InvalidSchema
from recordroom.model.schema import Attribute, EntityType, Schema
from recordroom.model.schema_file import dump_text, load_text
from recordroom.model.schema_rules import validate

from .schemas import few, schemas

STUDIO = """\
# A studio.
[Project]
display = "name"

[Project.attributes]
name = { kind = "text", required = true, unique = true }

[Task]
label = "Task"
unique = [["project", "name"]]
was = "Job"

[Task.attributes]
name = "text"
status = { kind = "choice", choices = ["open", "done"], default = "open" }
project = { kind = "reference", target = "Project", reverse = "tasks", on_delete = "cascade", required = true }
title = { kind = "text", was = "caption" }
"""


def refused(text: str) -> InvalidSchema:
    with pytest.raises(InvalidSchema) as caught:
        load_text(text, "studio.toml")
    return caught.value


def default_of(kind: str, written: str, more: str = "") -> object:
    document = load_text(f'[T.attributes]\na = {{ kind = "{kind}", default = {written}{more} }}')
    return document.types[0].attributes[0].default


def test_a_file_becomes_types_and_former_names():
    document = load_text(STUDIO)

    project, task = document.types
    assert project == EntityType(
        name="Project", display="name", attributes=(Attribute(name="name", kind="text", required=True, unique=True),)
    )
    assert (task.label, task.unique) == ("Task", (("project", "name"),))
    assert task.attributes == (
        Attribute(name="name", kind="text"),
        Attribute(name="status", kind="choice", choices=("open", "done"), default="open"),
        Attribute(
            name="project", kind="reference", target="Project", reverse="tasks", on_delete="cascade", required=True
        ),
        Attribute(name="title", kind="text"),
    )
    assert document.renamed_types == {"Task": "Job"}
    assert document.renamed_attributes == {("Task", "title"): "caption"}
    assert list(document.schema) == ["Project", "Task"]


def test_attributes_may_have_tables_of_their_own():
    document = load_text('[T.attributes.a]\nkind = "text"\nlabel = "A"\n[T]\nlabel = "x"')

    assert document.types == (
        EntityType(name="T", label="x", attributes=(Attribute(name="a", kind="text", label="A"),)),
    )


def test_a_file_may_extend_and_refer_to_types_that_the_room_has():
    document = load_text(
        '[T]\nextends = "Other"\nunique = [["inherited"]]\n[T.attributes]\na = { kind = "links", target = "Third" }'
    )

    assert document.types[0].extends == "Other"


def test_a_byte_order_mark_and_windows_line_ends_are_read():
    assert load_text("\ufeff" + STUDIO.replace("\n", "\r\n")).types == load_text(STUDIO).types


@few
@given(schemas())
def test_what_is_written_reads_back_the_same(schema):
    text = dump_text(schema)

    assert load_text(text).types == tuple(schema.values())
    assert dump_text(load_text(text).schema) == text


@few
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_text_is_written_so_that_it_reads_back(text):
    schema = Schema([EntityType(name="T", label=text, attributes=(Attribute(name="a", kind="text", default=text),))])

    assert load_text(dump_text(schema)).types == tuple(schema.values())


def test_plain_attributes_are_written_short():
    schema = validate(
        Schema(
            [
                EntityType(
                    name="Task",
                    unique=(("a", "b"),),
                    attributes=(
                        Attribute(name="a", kind="text"),
                        Attribute(
                            name="b", kind="datetime", default=dt.datetime(2026, 1, 2, tzinfo=dt.UTC), required=True
                        ),
                        Attribute(name="c", kind="json", default={"x": [None]}),
                    ),
                ),
                EntityType(name="Empty"),
            ]
        )
    )

    assert dump_text(schema) == (
        '[Task]\nunique = [["a", "b"]]\n\n[Task.attributes]\na = "text"\n'
        'b = { kind = "datetime", required = true, default = 2026-01-02T00:00:00Z }\n'
        'c = { kind = "json", default = \'{"x":[null]}\' }\n'
        "\n[Empty]\n"
    )


@pytest.mark.parametrize(
    ("kind", "written", "more", "raw"),
    [
        ("date", "1970-01-03", "", 2),
        ("date", '"1970-01-03"', "", 2),
        ("datetime", "1970-01-01T00:00:01Z", "", 1_000_000),
        ("datetime", "1970-01-01T01:00:01+01:00", "", 1_000_000),
        ("datetime", "1970-01-01T00:00:01", "", 1_000_000),
        ("datetime", '"1970-01-01 00:00:01"', "", 1_000_000),
        ("datetime", "[1970-01-01T00:00:01]", ", multi = true", "[1000000]"),
        ("decimal", "0.1000000000000000000000001", "", "0.1000000000000000000000001"),
        ("decimal", '"1.50"', "", "1.5"),
        ("number", "1e3", "", 1000.0),
        ("number", "1", "", 1.0),
        ("json", "{ b = [1.5], a = {} }", "", '{"a":{},"b":[1.5]}'),
        ("json", "'null'", "", "null"),
        ("text", '["a", "b"]', ", multi = true", '["a","b"]'),
        ("boolean", "false", "", False),
    ],
)
def test_defaults_are_written_as_toml_values(kind, written, more, raw):
    found = default_of(kind, written, more)

    assert found == raw
    assert type(found) is type(raw)


@pytest.mark.parametrize(
    ("kind", "written", "more"),
    [
        ("date", "5", ""),
        ("datetime", "5", ""),
        ("date", "[5]", ", multi = true"),
        ("datetime", "1970-01-01", ""),
        ("text", "10:00:00", ""),
        ("integer", "5.0", ""),
        ("number", "nan", ""),
        ("number", "1e999999999999999999999", ""),
        ("text", '"a"', ", multi = true"),
        ("text", "\"['a']\"", ", multi = true"),
        ("json", "{ a = 1970-01-01 }", ""),
        ("json", "'{'", ""),
        ("decimal", "true", ""),
        ("boolean", '"true"', ""),
        ("uuid", "1", ""),
        ("reference", "1", ""),
    ],
)
def test_defaults_of_another_kind_are_refused_with_their_line(kind, written, more):
    with pytest.raises(InvalidSchema) as caught:
        default_of(kind, written, more)

    assert caught.value.where == "schema, line 2, T.a"
    assert caught.value.reason.startswith("default: ")


def test_a_syntax_error_has_line_and_column():
    error = refused(STUDIO.replace('label = "Task"', "label = Task"))

    assert error.where == "studio.toml, line 9, column 9"
    assert (error.line, error.column) == (9, 9)


def test_a_file_that_ends_too_early_is_told_so():
    assert refused('[T]\nlabel = "x').where.startswith("studio.toml, line 2, column ")


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "1" * 5000])
def test_a_file_beyond_any_limit_is_refused(text):
    assert refused(text).where == "studio.toml"


@pytest.mark.parametrize(
    ("was", "becomes", "where", "suggestion"),
    [
        ("required = true, unique", "requird = true, unique", "line 6, Project.name", "required"),
        ('label = "Task"', 'lable = "Task"', "line 8, Task", "label"),
        ('"choice"', '"chioce"', "line 15, Task.status", "choice"),
        ("[Task.attributes]", "[Task.atributes]", "line 8, Task", "attributes"),
    ],
)
def test_a_wrong_word_is_named_with_its_place_and_a_close_one(was, becomes, where, suggestion):
    error = refused(STUDIO.replace(was, becomes))

    assert error.where == f"studio.toml, {where}"
    assert suggestion in error.suggestions


@pytest.mark.parametrize(
    ("was", "becomes", "where"),
    [
        ('unique = [["project", "name"]]', 'unique = ["project", "name"]', "line 8, Task"),
        ('label = "Task"', "label = 1.5", "line 8, Task"),
        ('display = "name"', "abstract = 1", "line 2, Project"),
        ('name = "text"', "name = 5", "line 14, Task.name"),
        ("required = true, unique", "required = 1, unique", "line 6, Project.name"),
        ('choices = ["open", "done"]', 'choices = "open"', "line 15, Task.status"),
        ('kind = "text", was = "caption"', 'was = "caption"', "line 17, Task.title"),
        ('kind = "text", was = "caption"', 'kind = ["text"]', "line 17, Task.title"),
        ('was = "caption"', "was = 5", "line 17, Task.title"),
        ('was = "caption"', 'was = ""', "line 17, Task.title"),
        ('was = "Job"', "was = true", "line 8, Task"),
        ('name = "text"', 'id = "text"', "line 14, Task.id"),
        ('name = "text"', '"my name" = "text"', "line 14, Task.my name"),
        ("# A studio.", "studio = 1", "line 1, studio"),
        ("[Task.attributes]", "attributes = 1\n[X.attributes]", "line 8, Task"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(was, becomes, where):
    assert was in STUDIO

    assert refused(STUDIO.replace(was, becomes)).where == f"studio.toml, {where}"


def test_lines_are_right_behind_texts_of_several_lines():
    text = '[T]\ndescription = """\n[A]\nb = 1 \\"""\n"""\n[A.attributes]\nb = "txt"\n'

    assert refused(text).where == "studio.toml, line 7, A.b"


def test_former_names_that_go_round_in_a_circle_are_refused():
    for text in ('[A]\nwas = "B"\n[B]\nwas = "A"', '[A]\nwas = "A"'):
        assert "circle" in refused(text).reason
    assert refused('[T.attributes]\na = { kind = "text", was = "a" }').where == "studio.toml, line 2, T.a"


def test_a_former_name_belongs_to_one_only():
    error = refused('[A]\nwas = "C"\n[B]\nwas = "C"')

    assert error.where == "studio.toml, line 3, B"


def test_former_names_may_form_a_chain():
    assert load_text('[A]\nwas = "B"\n[B]\nwas = "C"').renamed_types == {"A": "B", "B": "C"}


@few
@given(st.text(max_size=60) | st.lists(st.sampled_from(["[T]", "[T.attributes]", "a", "=", '"text"', "{", "}", "\n", "kind", "5", "'", '"""']), max_size=20).map(" ".join))  # fmt: skip
def test_any_text_is_a_document_or_an_invalid_schema(text):
    with suppress(InvalidSchema):
        document = load_text(text)
        assert load_text(dump_text(document.schema)).types == document.types
