import datetime as dt
import re
import uuid
from typing import Any

import pytest
from hypothesis import given

from recordroom.errors import InvalidSchema
from recordroom.model.kinds import KINDS
from recordroom.model.schema import Attribute, EntityType, Schema
from recordroom.model.schema_rules import problems, validate

from .schemas import few, schemas

PROJECT = EntityType(name="Project", attributes=(Attribute(name="name", kind="text"),))


def task(*attributes: Attribute, **fields: Any) -> Schema:
    return Schema([PROJECT, EntityType(name="Task", attributes=attributes, **fields)])


def refused(schema: Schema) -> InvalidSchema:
    with pytest.raises(InvalidSchema) as caught:
        validate(schema)
    return caught.value


def of_attribute(**fields: Any) -> InvalidSchema:
    return refused(task(Attribute(**{"name": "bid", "kind": "text"} | fields)))


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", "1st", "_hidden", "two words", "größe", 'x"; DROP TABLE', "a.b", "line\n", "x" * 61]
)
def test_a_name_that_is_not_a_short_identifier_is_refused(name):
    assert of_attribute(name=name).attribute == name
    assert refused(Schema([EntityType(name=name)])).type == name


def test_a_name_of_sixty_characters_is_fine():
    validate(task(Attribute(name="x" * 60, kind="text")))


@pytest.mark.parametrize("name", ["id", "ID", "Number", "modified_by", "until", "xmin", "CTID"])
def test_names_that_the_tables_need_are_reserved(name):
    assert of_attribute(name=name).where == f"Task.{name}"
    assert "reserved" in of_attribute(kind="reference", target="Project", reverse=name).reason


def test_two_attributes_may_not_differ_by_case_only():
    error = refused(task(Attribute(name="Bid", kind="text"), Attribute(name="bid", kind="text")))

    assert error.where == "Task.bid"
    assert "Task.Bid" in error.reason


def test_an_attribute_may_not_be_there_twice():
    assert refused(task(Attribute(name="bid", kind="text"), Attribute(name="bid", kind="text"))).attribute == "bid"


def test_a_subtype_may_not_redefine_what_it_inherits():
    error = refused(task(Attribute(name="Name", kind="text"), extends="Project"))

    assert error.where == "Task.Name"
    assert "Project.name" in error.reason


def test_siblings_may_have_attributes_of_the_same_name():
    bid = (Attribute(name="bid", kind="text"),)
    siblings = [EntityType(name=name, extends="Project", attributes=bid) for name in ("Task", "Shot")]

    validate(Schema([PROJECT, *siblings]))


def test_two_types_may_not_differ_by_case_only():
    assert refused(Schema([EntityType(name="Task"), EntityType(name="TASK")])).where == "TASK"


@pytest.mark.parametrize("field", ["label", "description", "computed", "plural"])
def test_texts_with_nul_or_lone_surrogates_are_refused(field):
    for text in ("a\0", "\ud800"):
        error = refused(task(plural=text)) if field == "plural" else of_attribute(**{field: text})
        assert error.reason.startswith(field)


# --- shape ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("choices", "abc"),
        ("required", "yes"),
        ("min", "1"),
        ("max_length", 2.5),
        ("on_delete", "explode"),
        ("label", None),
    ],
)
def test_a_field_of_a_wrong_type_is_named(field, value):
    error = of_attribute(**{field: value})

    assert (error.type, error.attribute) == ("Task", "bid")
    assert error.reason.startswith(f"{field}: ")


def test_unique_sets_given_as_one_flat_list_are_refused():
    assert "unique" in refused(task(Attribute(name="ab", kind="text"), unique=("ab",))).reason


def test_lists_become_tuples():
    status = Attribute(name="status", kind="choice", choices=["open"])
    found = validate(task(status, unique=[["status"]]))["Task"]

    assert found.unique == (("status",),)
    assert found.attributes[0].choices == ("open",)
    assert isinstance(hash(found), int)


# --- kinds and what goes with them ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "meant"), [("txt", "text"), ("string", "text"), ("INT", "integer"), ("refernce", "reference")]
)
def test_an_unknown_kind_suggests_a_close_one(wrong, meant):
    assert meant in of_attribute(kind=wrong).suggestions


def test_a_collection_is_not_declared():
    assert "reverse" in of_attribute(kind="collection", target="Project").reason


@pytest.mark.parametrize("choices", [(), ("a", "a"), ("a", "")])
def test_a_choice_has_distinct_choices_that_are_not_empty(choices):
    assert of_attribute(kind="choice", choices=choices).reason.startswith("choices: ")


FIELDS: dict[str, Any] = {
    "choices": ("a",), "min": 1, "max": 2, "max_length": 5, "pattern": "a+", "searchable": True, "multi": True,
    "unique": True, "indexed": True, "default": "x", "required": True, "immutable": True, "target": "Project",
    "reverse": "tasks", "on_delete": "cascade", "notes": True, "of": "integer", "computed": "1",
}  # fmt: skip
SCALAR = {kind.name for kind in KINDS.values() if not kind.relation}
TEXTS = {"text", "long_text", "hyperlink", "color"}
COLUMN = {*SCALAR, "reference"}
FITTING = {
    "choices": {"choice"},
    "min": {"integer", "number", "decimal"},
    "max": {"integer", "number", "decimal"},
    "max_length": TEXTS,
    "pattern": TEXTS,
    "searchable": TEXTS | {"choice"},
    "multi": SCALAR - {"json"},
    "unique": COLUMN - {"json"},
    "indexed": COLUMN - {"json"},
    "default": SCALAR,
    "required": COLUMN,
    "immutable": COLUMN,
    "target": {"reference", "links"},
    "reverse": {"reference", "links"},
    "on_delete": {"reference"},
    "notes": {"links"},
    "of": {"mapping"},
    "computed": SCALAR,
}


@pytest.mark.parametrize("kind", [name for name in KINDS if name != "collection"])
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_for_its_kinds_only(field, kind):
    needed: dict[str, Any] = {}
    if kind == "choice":
        needed = {"choices": ("x",)}
    elif kind in ("reference", "links"):
        needed = {"target": "Project"}
    if (kind, field) == ("reference", "required"):
        needed["on_delete"] = "restrict"
    attribute = Attribute(**{"name": "bid", "kind": kind} | needed | {field: FIELDS[field]})
    reasons = [problem.reason for problem in problems(task(attribute))]

    misplaced = [reason for reason in reasons if reason.startswith(f"{field}: this is for ")]
    assert bool(misplaced) == (kind not in FITTING[field])


def test_a_multi_valued_attribute_can_be_neither_unique_nor_indexed():
    for field in ("unique", "indexed"):
        assert of_attribute(multi=True, **{field: True}).reason.startswith(field)


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("number", 2, 1),
        ("integer", 1.2, 1.8),
        ("number", float("nan"), None),
        ("decimal", None, float("inf")),
        ("integer", 2**63, None),
    ],
)
def test_limits_between_which_nothing_lies_are_refused(kind, low, high):
    assert of_attribute(kind=kind, min=low, max=high).reason.startswith(("min: ", "max: "))


def test_equal_limits_are_fine():
    validate(task(Attribute(name="bid", kind="integer", min=1, max=1, default=1)))


@pytest.mark.parametrize("pattern", ["(", "a{99999999999999}", "*"])
def test_a_pattern_that_is_not_a_regular_expression_is_refused(pattern):
    assert of_attribute(pattern=pattern).reason.startswith("pattern: ")


def test_a_length_of_nothing_is_refused():
    assert of_attribute(max_length=0).reason.startswith("max_length: ")


@pytest.mark.parametrize("of", ["reference", "choice", "mapping", "txt"])
def test_values_of_a_mapping_are_of_a_scalar_kind(of):
    assert of_attribute(kind="mapping", of=of).reason.startswith("of: ")


@pytest.mark.parametrize("field", ["derived", "inverse", "system"])
def test_what_the_schema_sets_itself_cannot_be_declared(field):
    assert of_attribute(**{field: "x" if field == "inverse" else True}).reason.startswith(field)


def test_versioned_types_are_refused_in_words():
    assert "not supported yet" in refused(task(versioned=True)).reason


# --- computed -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [("required", True), ("unique", True), ("default", "x"), ("immutable", True), ("indexed", True), ("multi", True),
     ("max_length", 3), ("pattern", "a"), ("searchable", True)],
)  # fmt: skip
def test_a_computed_attribute_has_nothing_that_is_for_stored_ones(field, value):
    assert of_attribute(computed="name", **{field: value}).reason.startswith(field)


def test_a_computed_attribute_has_an_expression():
    assert of_attribute(computed=" ").reason.startswith("computed: ")


# --- relations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["reference", "links"])
def test_a_relation_needs_a_target_that_exists(kind):
    assert of_attribute(kind=kind).reason.startswith("target: ")

    error = of_attribute(kind=kind, target="Projct")
    assert error.suggestions == ["Project"]
    assert error.unknown


def test_a_required_reference_cannot_be_nullified():
    error = of_attribute(kind="reference", target="Project", required=True)

    assert re.search("restrict.*cascade", error.reason)
    validate(task(Attribute(name="bid", kind="reference", target="Project", required=True, on_delete="cascade")))


def test_a_reverse_name_may_not_hide_an_attribute_of_the_target():
    error = of_attribute(kind="reference", target="Project", reverse="NAME")

    assert error.where == "Task.bid"
    assert "Project.name" in error.reason


def test_a_reverse_name_may_not_hide_an_attribute_of_a_subtype_of_the_target():
    shot = EntityType(name="Shot", extends="Project", attributes=(Attribute(name="tasks", kind="text"),))
    bid = Attribute(name="bid", kind="reference", target="Project", reverse="tasks")
    error = refused(Schema([PROJECT, shot, EntityType(name="Task", attributes=(bid,))]))

    assert error.where == "Shot.tasks"
    assert "the other side of Task.bid" in error.reason


def test_two_relations_may_not_have_the_same_reverse_name_on_one_type():
    error = refused(
        task(
            Attribute(name="a", kind="reference", target="Project", reverse="tasks"),
            Attribute(name="b", kind="links", target="Project", reverse="tasks"),
        )
    )

    assert error.where == "Task.b"


def test_a_relation_to_the_own_type_may_not_be_its_own_other_side():
    assert refused(task(Attribute(name="near", kind="links", target="Task", reverse="near"))).where == "Task.near"


# --- types ----------------------------------------------------------------------------------------


def test_an_unknown_parent_suggests_a_close_one():
    error = refused(task(extends="Projekt"))

    assert error.suggestions == ["Project"]
    assert error.where == "Task"


def test_a_circle_of_types_is_refused():
    circle = [EntityType(name="A", extends="B"), EntityType(name="B", extends="C"), EntityType(name="C", extends="A")]
    error = refused(Schema(circle))

    assert "A → B → C → A" in error.reason


@pytest.mark.parametrize(
    "names", [("nme",), ("project", "tags"), ("project", "project"), (), ("extra",), ("links",), ("sum",), ("number",)]
)
def test_a_unique_set_names_stored_attributes_once(names):
    schema = task(
        Attribute(name="project", kind="reference", target="Project"),
        Attribute(name="name", kind="text"),
        Attribute(name="tags", kind="text", multi=True),
        Attribute(name="extra", kind="json"),
        Attribute(name="links", kind="links", target="Task"),
        Attribute(name="sum", kind="integer", computed="1"),
        unique=(names,),
    )

    assert "unique" in refused(schema).reason


def test_a_unique_set_may_name_inherited_attributes():
    validate(task(Attribute(name="bid", kind="text"), extends="Project", unique=(("name", "bid"),)))


def test_the_same_set_is_not_declared_unique_twice():
    bid, name = Attribute(name="bid", kind="text", unique=True), Attribute(name="name", kind="text")

    assert "more than once" in refused(task(bid, name, unique=(("bid",),))).reason
    assert "more than once" in refused(task(bid, name, unique=(("bid", "name"), ("name", "bid")))).reason


def test_display_names_an_attribute_with_a_value():
    project = Attribute(name="project", kind="reference", target="Project")

    assert refused(task(project, display="projct")).suggestions == ["project"]
    assert "relation" in refused(task(project, display="project")).reason
    validate(task(extends="Project", display="name"))


# --- defaults -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "default", "raw"),
    [
        ({"kind": "integer"}, 5, 5),
        ({"kind": "number"}, 5, 5.0),
        ({"kind": "decimal"}, "1.50", "1.5"),
        ({"kind": "date"}, "1970-01-02", 1),
        ({"kind": "date"}, dt.date(1970, 1, 2), 1),
        ({"kind": "datetime"}, "1970-01-01T00:00:01Z", 1_000_000),
        ({"kind": "json"}, {"b": 1, "a": None}, '{"a":null,"b":1}'),
        ({"kind": "json"}, '{"b": 1}', '{"b":1}'),
        ({"kind": "uuid"}, str(uuid.UUID(int=5)), uuid.UUID(int=5).bytes),
        ({"kind": "color"}, "#FFFFFF", "#ffffff"),
        ({"kind": "date", "multi": True}, ["1970-01-02"], "[1]"),
        ({"kind": "text", "multi": True}, (), "[]"),
        ({"kind": "boolean"}, False, False),
    ],
)
def test_a_default_becomes_the_raw_scalar_and_stays_it(fields, default, raw):
    once = validate(task(Attribute(name="bid", default=default, **fields)))
    twice = validate(once)

    assert once["Task"].attributes[0].default == raw
    assert type(once["Task"].attributes[0].default) is type(raw)
    assert twice["Task"] == once["Task"]


@pytest.mark.parametrize(
    ("fields", "default"),
    [
        ({"kind": "integer"}, True),
        ({"kind": "integer", "max": 3}, 4),
        ({"kind": "number"}, float("nan")),
        ({"kind": "decimal"}, 1.5),
        ({"kind": "decimal"}, "x"),
        ({"kind": "date"}, 10**30),
        ({"kind": "datetime"}, dt.datetime(2020, 1, 1)),
        ({"kind": "choice", "choices": ("a",)}, "b"),
        ({"kind": "json"}, "{"),
        ({"kind": "json"}, "[" * 100_000),
        ({"kind": "uuid"}, "x"),
        ({"kind": "text", "max_length": 1}, "ab"),
        ({"kind": "text", "pattern": "a"}, "b"),
        ({"kind": "text", "multi": True}, "a"),
        ({"kind": "date", "multi": True}, f"[{10**30}]"),
        ({"kind": "text"}, "\0"),
    ],
)
def test_a_default_that_is_no_value_of_its_kind_is_refused(fields, default):
    assert of_attribute(default=default, **fields).reason.startswith("default: expected ")


# --- the whole ------------------------------------------------------------------------------------


def test_every_problem_is_listed():
    found = problems(task(Attribute(name="id", kind="text"), Attribute(name="b", kind="txt"), extends="X", display="y"))

    assert [problem.where for problem in found] == ["Task.id", "Task.b", "Task", "Task"]


def test_a_problem_of_a_missing_name_says_that_it_is_one():
    found = {problem.where: problem.unknown for problem in problems(task(Attribute(name="b", kind="txt"), extends="X"))}

    assert found == {"Task.b": False, "Task": True}


@few
@given(schemas())
def test_the_normal_form_is_valid_and_normal(schema):
    assert problems(schema) == []
    assert dict(validate(schema)) == dict(schema)


def test_the_revision_stays():
    assert validate(Schema([PROJECT], 7)).revision == 7
