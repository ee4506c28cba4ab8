import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from recordroom.errors import InvalidSchema
from recordroom.model.evolve import evolve
from recordroom.model.operations import (
    SCHEMA_OPERATIONS,
    ChangeAttribute,
    ChangeType,
    DefineAttribute,
    DefineType,
    DropAttribute,
    DropType,
    RenameAttribute,
    RenameType,
)
from recordroom.model.schema import Attribute, EntityType, Schema
from recordroom.model.schema_diff import SchemaPlan, diff
from recordroom.model.schema_file import SchemaDocument, load_text
from recordroom.model.schema_rules import problems

from .schemas import NAMES, few, schemas


def text(name, **fields):
    return Attribute(name=name, kind="text", **fields)


def reference(name, target, **fields):
    return Attribute(name=name, kind="reference", target=target, **fields)


def entity_type(name, *attributes, **fields):
    return EntityType(name=name, attributes=attributes, **fields)


def document(*types, types_were=(), attributes_were=()):
    return SchemaDocument(types=types, renamed_types=dict(types_were), renamed_attributes=dict(attributes_were))


def applied(schema: Schema, plan: SchemaPlan) -> Schema:
    """The schema after `plan`; every step on the way is checked."""
    for operation in plan.operations:
        assert isinstance(operation, SCHEMA_OPERATIONS)
        schema = evolve(schema, operation)
        assert problems(schema) == [], operation
    return schema


def content(schema):
    """A schema whatever the order of its types and attributes."""
    return {name: (replace(each, attributes=()), set(each.attributes)) for name, each in schema.items()}


# --- any schema to any other ----------------------------------------------------------------------


@few
@given(schemas(), schemas())
def test_any_schema_becomes_any_other_in_valid_steps(old, new):
    wanted = document(*new.values())
    plan = diff(old, wanted, allow_drop=True)
    reached = applied(old, plan)

    assert content(reached) == content(new)
    assert diff(reached, wanted, allow_drop=True) == SchemaPlan()
    assert plan.empty == (content(old) == content(new))
    assert bool(plan.lines) == bool(plan.operations)


@few
@given(schemas(), schemas())
def test_without_drops_nothing_is_lost_and_the_second_time_nothing_changes(old, new):
    wanted = document(*new.values())
    try:
        plan = diff(old, wanted)
    except InvalidSchema:
        return
    reached = applied(old, plan)

    lost = {(name, each.name) for name, one in old.items() for each in one.attributes if each.computed is None}
    assert lost <= {(name, each.name) for name, one in reached.items() for each in one.attributes}
    again = diff(reached, wanted)
    assert again.empty
    assert again.left_alone == plan.left_alone
    assert not any(line.startswith("- ") for line in plan.lines)


@few
@given(schemas(), st.permutations(["Item", "Task", "Project", "Person", "Shot"]), st.permutations(NAMES))
def test_a_schema_under_other_names_is_reached_by_renames_alone(old, types, names):
    names = dict(zip(NAMES, (f"{each}_{number}" for number, each in enumerate(names)), strict=True))
    called = dict(zip(("Item", "Task", "Project", "Person", "Shot"), (f"{each}_2" for each in types), strict=True))
    new = old
    for name in old:
        for attribute in old[name].attributes:
            new = evolve(new, RenameAttribute(name, attribute.name, names[attribute.name]))
        new = evolve(new, RenameType(name, called[name])) if name in new else new
    wanted = document(
        *new.values(),
        types_were={called[name]: name for name in old},
        attributes_were={
            (called[name], names[each.name]): each.name for name, one in old.items() for each in one.attributes
        },
    )
    plan = diff(old, wanted)

    assert {type(each) for each in plan.operations} <= {RenameType, RenameAttribute}
    assert content(applied(old, plan)) == content(new)
    assert diff(new, wanted).empty


@few
@given(schemas())
def test_the_order_of_types_and_attributes_does_not_matter(schema):
    turned = [replace(each, attributes=each.attributes[::-1]) for each in schema.values()][::-1]

    assert diff(schema, document(*turned), allow_drop=True).empty


# --- lines ----------------------------------------------------------------------------------------


def test_lines_say_what_changes():
    old = Schema(
        [
            entity_type("Plane", text("tailnum"), Attribute(name="year", kind="integer")),
            entity_type("Task", text("name"), text("old"), Attribute(name="status", kind="choice", choices=("a", "b"))),
            entity_type("Gone"),
        ]
    )
    wanted = load_text("""
        [Plane]
        label = "Aircraft"
        unique = [["tailnum"]]
        attributes = { tailnum = "text", year = { kind = "number", required = true } }
        [Flight.attributes]
        delay = "integer"
        plane = { kind = "reference", target = "Plane", reverse = "flights" }
        late = { kind = "boolean", computed = "delay" }
        [Task.attributes]
        title = { kind = "text", was = "name", multi = true }
        status = { kind = "choice", choices = ["b", "c", "a"], default = "c" }
    """)
    plan = diff(old, wanted, allow_drop=True)

    assert plan.lines == (
        "> Task.title was Task.name",
        "~ Plane unique: +(tailnum)",
        '~ Plane label: "" → "Aircraft"',
        '~ Plane.year kind: "integer" → "number"',
        "~ Plane.year required: false → true",
        "~ Task.title multi: false → true",
        '~ Task.status default: none → "c"',
        '~ Task.status choices: +"c" order "b", "c", "a"',
        "+ type Flight",
        "+ Flight.delay integer",
        "+ Flight.plane reference to Plane",
        "+ Flight.late boolean = delay",
        "- Task.old text",
        "- type Gone",
    )
    assert applied(old, plan)["Plane"].label == "Aircraft"


def test_what_the_document_does_not_name_is_left_alone_and_said():
    old = Schema([entity_type("Task", text("name"), text("old")), entity_type("Gone", text("x"))])
    plan = diff(old, document(entity_type("Task", text("name"))))

    assert plan.empty
    assert plan.lines == ()
    assert plan.left_alone == ("Task.old", "Gone")


# --- order of operations --------------------------------------------------------------------------


def test_a_type_comes_after_those_that_it_needs():
    wanted = document(
        entity_type("Shot", reference("project", "Project"), extends="Item"),
        entity_type("Project"),
        entity_type("Item"),
    )
    plan = diff(Schema(), wanted)

    assert [each.definition.name for each in plan.operations] == ["Project", "Item", "Shot"]


def test_types_that_refer_to_each_other_get_their_references_when_both_are_there():
    wanted = document(
        entity_type("A", reference("b", "B", reverse="as"), text("x"), unique=(("b", "x"),), display="x"),
        entity_type("B", reference("a", "A", reverse="bs")),
    )
    plan = diff(Schema(), wanted)

    assert [type(each) for each in plan.operations] == [DefineType, DefineType, DefineAttribute, ChangeType]
    assert content(applied(Schema(), plan)) == content(wanted.schema)


def test_a_set_of_a_new_type_may_name_what_its_parent_gets_later():
    wanted = document(
        entity_type("Item", reference("task", "Task")), entity_type("Task", extends="Item", unique=(("task",),))
    )

    assert content(applied(Schema(), diff(Schema(), wanted))) == content(wanted.schema)


def test_computed_attributes_come_after_what_they_name():
    wanted = document(
        entity_type(
            "A",
            Attribute(name="twice", kind="integer", computed="half * 4"),
            Attribute(name="half", kind="number", computed="bid / 2"),
            Attribute(name="bid", kind="integer"),
        )
    )
    plan = diff(Schema(), wanted)

    assert [each.attribute.name for each in plan.operations[1:]] == ["half", "twice"]


def test_types_that_refer_to_each_other_can_be_dropped():
    old = Schema(
        [
            entity_type("A", reference("b", "B"), unique=(("b",),)),
            entity_type("B", reference("a", "A"), display=""),
            entity_type("C", extends="B"),
        ]
    )
    plan = diff(old, document(), allow_drop=True)

    assert applied(old, plan) == {}
    assert next(each.name for each in plan.operations if isinstance(each, DropType)) == "C"


def test_a_reference_goes_before_the_type_that_it_refers_to():
    old = Schema([entity_type("A"), entity_type("B", reference("a", "A"))])
    plan = diff(old, document(entity_type("B")), allow_drop=True)

    assert plan.operations == (DropAttribute("B", "a"), DropType("A"))


def test_reverse_names_can_be_exchanged():
    def task(first, second):
        return entity_type("Task", reference("a", "Task", reverse=first), reference("b", "Task", reverse=second))

    plan = diff(Schema([task("x", "y")]), document(task("y", "x")))

    assert applied(Schema([task("x", "y")]), plan)["Task"] == task("y", "x")


def test_what_counts_within_a_reference_that_becomes_something_else_stops_counting_first():
    old = Schema([entity_type("Shot", reference("b", "Shot"), Attribute(name="a", kind="integer", numbered="b"))])
    wanted = document(entity_type("Shot", text("b", computed="'x'")))

    assert content(applied(old, diff(old, wanted, allow_drop=True))) == content(wanted.schema)


def test_a_name_that_a_type_gives_both_sides_waits_for_the_change_that_parts_them():
    old = Schema([entity_type("Person"), entity_type("Item", extends="Person")])
    task = entity_type("Task", reference("a", "Person", reverse="tasks"), reference("b", "Item", reverse="tasks"))
    wanted = document(entity_type("Person"), task, entity_type("Item", extends="Task"))

    reached = applied(old, diff(old, wanted))
    assert content(reached) == content(wanted.schema)
    assert diff(reached, wanted).empty


def test_a_name_is_free_again_when_its_attribute_was_dropped():
    old = Schema([entity_type("Task", text("Name"))])
    plan = diff(old, document(entity_type("Task", text("name"))), allow_drop=True)

    assert plan.operations == (DropAttribute("Task", "Name"), DefineAttribute("Task", text("name")))


# --- renames --------------------------------------------------------------------------------------


def test_a_rename_is_made_once():
    old = Schema([entity_type("Job", text("name"))])
    wanted = document(
        entity_type("Task", text("title")), types_were={"Task": "Job"}, attributes_were={("Task", "title"): "name"}
    )
    plan = diff(old, wanted)

    assert plan.operations == (RenameType("Job", "Task"), RenameAttribute("Task", "name", "title"))
    assert plan.lines == ("> type Task was Job", "> Task.title was Task.name")
    assert diff(applied(old, plan), wanted).empty


def test_what_a_type_shares_with_the_one_it_comes_under_moves_up():
    old = Schema([entity_type("Item", text("name"), reference("lead", "User", reverse="led")), entity_type("User")])
    wanted = document(
        entity_type("Thing", text("name", required=True), reference("lead", "User", reverse="led"), abstract=True),
        entity_type("Item", text("size"), extends="Thing"),
    )
    plan = diff(old, wanted)

    assert plan.lines == (
        "> Thing.name was Item.name",
        "> Thing.lead was Item.lead",
        '~ Item extends: "" → "Thing"',
        "+ Item.size text",
        "+ type Thing",
        "~ Thing.name required: false → true",
    )
    assert plan.left_alone == ("User",)
    assert not any(isinstance(each, DropAttribute) for each in plan.operations)
    assert [each.name for each in applied(old, plan)["Item"].attributes] == ["size"]
    assert diff(applied(old, plan), wanted).empty
    every = replace(wanted, types=(*wanted.types, entity_type("User")))
    assert diff(old, every, allow_drop=True).lines == plan.lines


def test_it_moves_up_when_what_a_type_comes_under_is_under_another_itself():
    old = Schema([entity_type("Item", text("name")), entity_type("Middle")])
    wanted = document(
        entity_type("Top", text("name")),
        entity_type("Middle", extends="Top"),
        entity_type("Item", extends="Middle"),
    )
    plan = diff(old, wanted)

    assert "> Top.name was Item.name" in plan.lines
    assert not any(isinstance(each, DropAttribute) for each in plan.operations)
    assert diff(applied(old, plan), wanted).empty


def test_an_attribute_of_both_types_in_a_document_is_refused():
    old = Schema([entity_type("Item", text("name"))])
    wanted = document(
        entity_type("Thing", text("name"), abstract=True), entity_type("Item", text("name"), extends="Thing")
    )

    with pytest.raises(InvalidSchema, match=r"Thing\.name already"):
        diff(old, wanted)


def test_what_is_computed_from_a_renamed_attribute_follows_it():
    old = Schema([entity_type("Item", text("name")), entity_type("Task", text("x", computed="name"), extends="Item")])
    wanted = document(entity_type("Item", text("title")), attributes_were={("Item", "title"): "name"})
    plan = diff(old, wanted)

    assert plan.operations == (RenameAttribute("Item", "name", "title"),)
    assert applied(old, plan)["Task"].attributes[0].computed == "title"


def test_a_former_name_that_the_room_never_had_means_nothing():
    wanted = document(entity_type("Task", text("a")), types_were={"Task": "Job"}, attributes_were={("Task", "a"): "b"})

    assert diff(Schema(), wanted).operations == (DefineType(entity_type("Task", text("a"))),)


def test_a_chain_of_renames_frees_each_name_first():
    old = Schema([entity_type("A", text("a"), text("b"))])
    wanted = document(entity_type("A", text("b"), text("c")), attributes_were={("A", "b"): "a", ("A", "c"): "b"})
    plan = diff(old, wanted)

    assert plan.operations == (RenameAttribute("A", "b", "c"), RenameAttribute("A", "a", "b"))
    assert diff(applied(old, plan), wanted).empty


def test_the_freed_name_can_be_given_to_something_new():
    old = Schema([entity_type("A", text("a"))])
    wanted = document(entity_type("A", text("a", label="new"), text("b")), attributes_were={("A", "b"): "a"})
    plan = diff(old, wanted)

    assert plan.operations == (RenameAttribute("A", "a", "b"), DefineAttribute("A", text("a", label="new")))
    assert diff(applied(old, plan), wanted).empty


# --- what becomes something else ------------------------------------------------------------------


def test_a_change_of_kind_is_a_change_where_values_can_be_converted():
    old = Schema([entity_type("Task", text("bid"))])
    plan = diff(old, document(entity_type("Task", Attribute(name="bid", kind="integer"))))

    assert plan.operations == (ChangeAttribute("Task", Attribute(name="bid", kind="integer")),)


@pytest.mark.parametrize(
    "becomes",
    [
        Attribute(name="x", kind="links", target="Task"),
        Attribute(name="x", kind="mapping"),
        text("x", computed="name"),
    ],
)
def test_values_that_would_be_lost_are_dropped_only_where_that_is_allowed(becomes):
    old = Schema([entity_type("Task", text("name"), text("x"), unique=(("name", "x"),), display="x")])
    wanted = document(entity_type("Task", text("name"), becomes))
    with pytest.raises(InvalidSchema) as caught:
        diff(old, wanted)

    assert caught.value.where == "Task.x"
    plan = diff(old, wanted, allow_drop=True)
    assert [type(each) for each in plan.operations] == [ChangeType, DropAttribute, DefineAttribute]
    assert content(applied(old, plan)) == content(wanted.schema)


def test_a_computed_attribute_that_becomes_stored_loses_nothing():
    old = Schema([entity_type("Task", text("x", computed="1"))])
    plan = diff(old, document(entity_type("Task", text("x"), display="x")))

    assert plan.operations[:2] == (DropAttribute("Task", "x"), DefineAttribute("Task", text("x")))


def test_what_names_a_replaced_attribute_names_it_again_afterwards():
    old = Schema([entity_type("Task", Attribute(name="x", kind="mapping")), entity_type("Shot", extends="Task")])
    new = [entity_type("Task", text("x"), display="x"), entity_type("Shot", extends="Task", unique=(("x",),))]
    there = applied(old, diff(old, document(*new), allow_drop=True))
    assert content(there) == content(Schema(new))

    computed = [entity_type("Task", text("x", computed="1"), display="x"), entity_type("Shot", extends="Task")]
    assert content(applied(there, diff(there, document(*computed), allow_drop=True))) == content(Schema(computed))


# --- what cannot be -------------------------------------------------------------------------------


def test_names_that_neither_room_nor_document_have_are_refused_with_their_line():
    wanted = load_text('[T]\n[T.attributes]\na = { kind = "reference", target = "Tsk" }', "studio.toml")
    with pytest.raises(InvalidSchema) as caught:
        diff(Schema([entity_type("Task")]), wanted)

    assert caught.value.where == "studio.toml, line 3, T.a"
    assert caught.value.suggestions == ["Task"]
    assert caught.value.line == 3


def test_a_document_may_build_on_what_the_room_has():
    old = Schema([entity_type("Item", text("name"))])
    wanted = load_text(
        '[Task]\nextends = "Item"\nunique = [["name", "item"]]\n[Task.attributes]\nitem = { kind = "reference", target = "Item" }'
    )

    assert content(applied(old, diff(old, wanted)))["Task"] == content(wanted.schema)["Task"]


def test_a_clash_with_what_is_left_alone_is_refused():
    old = Schema([entity_type("Task", text("Name"))])
    with pytest.raises(InvalidSchema) as caught:
        diff(old, document(entity_type("Task", text("name"))))

    assert "Task.name" in str(caught.value)


def test_a_file_with_attributes_only_leaves_the_settings_of_the_type_alone() -> None:
    whole = load_text('[Task]\nlabel = "Job"\nunique = [["name"]]\n[Task.attributes]\nname = "text"\n').schema
    partial = load_text('[Task.attributes]\nbid = "number"\n')

    kept = diff(whole, partial)
    dropped = diff(whole, partial, allow_drop=True)

    assert list(kept.lines) == ["+ Task.bid number"]
    assert len(dropped.operations) > 1
