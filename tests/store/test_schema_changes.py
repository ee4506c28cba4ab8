from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from recordroom.errors import InvalidSchema, NotUnique, SchemaChangeRefused, UnknownAttribute, UnknownType
from recordroom.model.ids import new_id, new_ids, show_id
from recordroom.model.operations import (
    ChangeAttribute,
    ChangeType,
    Commit,
    Create,
    DefineAttribute,
    DefineType,
    Delete,
    DropAttribute,
    DropType,
    Link,
    Operation,
    RenameAttribute,
    RenameType,
    SetKeys,
    Update,
)
from recordroom.model.schema import Attribute, EntityType
from recordroom.store.ddl import shapes
from recordroom.store.plans import Fetch, Plan
from recordroom.store.room import Room
from recordroom.store.tables import attribute_storage
from recordroom.store.tables import past as of_past

NAME = Attribute(name="name", kind="text")
PROJECT = DefineType(EntityType(name="Project", attributes=(NAME,)))
TASK = DefineType(
    EntityType(
        name="Task",
        attributes=(
            NAME,
            Attribute(name="bid", kind="text"),
            Attribute(name="project", kind="reference", target="Project", reverse="tasks"),
            Attribute(name="watchers", kind="links", target="Project", reverse="watched", notes=True),
            Attribute(name="info", kind="mapping", of="text"),
        ),
    )
)
SHOT = DefineType(EntityType(name="Shot", extends="Task", attributes=(Attribute(name="frames", kind="integer"),)))


def commit(room: Room, *operations: Operation) -> int:
    return room.commit(Commit(id=new_id(), operations=list(operations))).revision


def refused(room: Room, *operations: Operation) -> SchemaChangeRefused:
    """The refusal of operations, which change nothing."""
    before = contents(room)
    with pytest.raises(SchemaChangeRefused) as caught:
        commit(room, *operations)
    assert contents(room) == before
    assert_tables_fit(room)
    return caught.value


def fetched(room: Room, sql: str, storage: tuple[Any, ...] = ()) -> list[Any]:
    def plan() -> Plan[list[Any]]:
        return (yield Fetch(sql, (), storage))

    return room.driver.run(plan())


def values(room: Room, type_name: str, name: str, *, past: bool = False) -> list[Any]:
    """The values of one attribute as raw scalars, in order of number."""
    catalog = room.catalog("main")
    attribute = catalog.schema.attribute(type_name, name)
    column = catalog.tables.column_name(type_name, name)
    table = catalog.tables.entity_name(type_name)
    order = "number, until" if past else "number"
    sql = f'SELECT "{column}" FROM "{of_past(table) if past else table}" ORDER BY {order}'
    return [value for (value,) in fetched(room, sql, (attribute_storage(attribute),))]


def contents(room: Room) -> dict[str, list[Any]]:
    """Every row of every table of the database."""
    tables = [shape.name for shape in shapes(room.catalog("main")).values()]
    return {table: sorted(map(repr, fetched(room, f'SELECT * FROM "{table}"'))) for table in tables}


def assert_tables_fit(room: Room) -> None:
    """The tables and indexes are those that the schema would be given if it were new."""
    catalog = room.catalog("main")
    wanted = shapes(catalog)
    columns = {
        "sqlite": "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'",
        "postgresql": "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()",
    }
    indexes = {
        "sqlite": "SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
        "postgresql": (
            "SELECT c.relname, t.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_class t ON t.oid = i.indrelid"
            " WHERE c.relnamespace = current_schema()::regnamespace AND NOT i.indisprimary"
        ),
    }
    keys = {
        "sqlite": (
            'SELECT m.name, f."from", f."table" FROM sqlite_schema m'
            " JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'"
        ),
        "postgresql": (
            "SELECT t.relname, a.attname, r.relname FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid"
            " JOIN pg_class r ON r.oid = k.confrelid"
            " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.conkey[1]"
            " WHERE k.contype = 'f' AND t.relnamespace = current_schema()::regnamespace"
        ),
    }
    dialect = room.driver.dialect

    def ours(rows: list[Any], place: int = 0) -> set[Any]:
        return {row for row in rows if row[place].startswith("main.")}

    assert ours(fetched(room, columns[dialect])) == {
        (shape.name, column.name) for shape in wanted.values() for column in shape.columns.values()
    }
    assert ours(fetched(room, indexes[dialect]), 1) == {
        (index.name, shape.name) for shape in wanted.values() for index in shape.indexes
    }
    assert ours(fetched(room, keys[dialect])) == {
        (shape.name, column.name, column.references)
        for shape in wanted.values()
        for column in shape.columns.values()
        if column.references
    }


class Stage:
    """Two projects and tasks with bids, links, keys and a past, in a room."""

    def __init__(self, room: Room, bids: Sequence[str | None] = ("1", "2", "3")) -> None:
        self.room = room
        self.projects = new_ids(2)
        self.tasks = new_ids(len(bids))
        count = len(bids)
        commit(room, PROJECT, TASK)
        commit(
            room,
            Create("Project", self.projects, {"name": ["a", "b"]}),
            Create(
                "Task",
                self.tasks,
                {
                    "name": [f"t{number}" for number in range(count)],
                    "bid": ["0"] * count,
                    "project": [self.projects[0]] * count,
                },
            ),
            Link("Task", "watchers", self.tasks, [self.projects[1]] * count, ["why"] * count),
            SetKeys("Task", "info", self.tasks, ["size"] * count, [str(number) for number in range(count)]),
        )
        commit(room, Update("Task", self.tasks, {"bid": list(bids)}))


def bid(**changes: Any) -> ChangeAttribute:
    return ChangeAttribute("Task", Attribute(**{"name": "bid", "kind": "text", **changes}))


# --- types ---


def test_tables_follow_every_operation(room: Room) -> None:
    Stage(room)
    assert_tables_fit(room)
    for operation in (
        SHOT,
        RenameType("Task", "Job"),
        RenameType("Shot", "Plate"),
        RenameAttribute("Job", "bid", "price"),
        RenameAttribute("Plate", "frames", "length"),
        RenameAttribute("Job", "watchers", "followers"),
        RenameAttribute("Job", "info", "notes"),
        RenameType("Project", "Show"),
        ChangeType(EntityType(name="Job", unique=(("name", "project"),))),
        ChangeType(EntityType(name="Plate", extends="Job", unique=(("name",),))),
        ChangeAttribute("Job", Attribute(name="price", kind="decimal", indexed=True)),
        ChangeAttribute("Plate", Attribute(name="length", kind="text", unique=True)),
        DefineAttribute("Plate", Attribute(name="plate", kind="reference", target="Plate")),
        DefineAttribute("Show", Attribute(name="lead", kind="reference", target="Job")),
        DropAttribute("Plate", "plate"),
        DropAttribute("Show", "lead"),
        DropType("Plate"),
        DropAttribute("Job", "followers"),
        DropAttribute("Job", "notes"),
        ChangeType(EntityType(name="Job")),
        DropAttribute("Job", "project"),
        DropType("Show"),
        DropType("Job"),
    ):
        commit(room, operation)
        assert_tables_fit(room)
    assert contents(room) == {}


def test_types_that_refer_to_each_other_come_in_one_commit(room: Room) -> None:
    first = EntityType(name="A", attributes=(Attribute(name="b", kind="text"),))
    second = EntityType(name="B", attributes=(Attribute(name="a", kind="reference", target="A"),))
    change = ChangeAttribute("A", Attribute(name="b", kind="reference", target="B"))
    commit(room, DefineType(first), DefineType(second), change)

    assert_tables_fit(room)
    a, b = new_id(), new_id()
    commit(room, Create("A", [a]), Create("B", [b], {"a": [a]}))
    commit(room, Update("A", [a], {"b": [b]}))
    assert values(room, "A", "b") == [b]


def test_rows_of_a_lone_type_name_it_when_a_subtype_comes_and_not_when_it_goes(room: Room) -> None:
    stage = Stage(room)
    commit(room, SHOT)
    commit(room, Create("Shot", [new_id()], {"frames": [7]}))

    assert values(room, "Task", "entity_type") == ["Task"] * 3 + ["Shot"]
    assert values(room, "Task", "entity_type", past=True) == ["Task"] * 3
    commit(room, DropType("Shot"))
    assert values(room, "Task", "id") == stage.tasks
    assert_tables_fit(room)


def test_a_dropped_subtype_takes_its_rows_links_keys_and_past_along(room: Room) -> None:
    stage = Stage(room)
    commit(room, SHOT)
    shots = new_ids(2)
    commit(
        room,
        Create("Shot", shots, {"name": ["x", "y"]}),
        Link("Shot", "watchers", shots, stage.projects),
        SetKeys("Shot", "info", shots, ["k", "k"], ["v", "w"]),
    )
    commit(room, Update("Shot", shots, {"frames": [1, 2]}), SetKeys("Shot", "info", shots[:1], ["k"], ["z"]))
    commit(room, DropType("Shot"))

    assert values(room, "Task", "id") == stage.tasks
    assert set(values(room, "Task", "id", past=True)) == set(stage.tasks)
    assert len(fetched(room, 'SELECT * FROM "main.Task.watchers"')) == 3
    assert len(fetched(room, 'SELECT * FROM "main.Task.info"')) == 3
    assert fetched(room, 'SELECT * FROM "main.Task.info~past"') == []


def test_a_subtype_that_others_refer_to_is_not_dropped(room: Room) -> None:
    stage = Stage(room)
    shot, other = new_ids(2)
    commit(room, SHOT, DefineAttribute("Project", Attribute(name="best", kind="reference", target="Task")))
    commit(room, Create("Shot", [shot, other]), Update("Project", stage.projects[:1], {"best": [shot]}))

    refusal = refused(room, DropType("Shot"))
    assert (refusal.where, refusal.count) == ("Shot", 1)
    assert refusal.entities == [show_id(stage.projects[0])]
    assert "Project.best" in refusal.reason

    commit(room, Update("Project", stage.projects[:1], {"best": [None]}))
    commit(room, DropType("Shot"))


def test_a_type_that_attributes_refer_to_is_not_dropped(room: Room) -> None:
    Stage(room)
    with pytest.raises(InvalidSchema) as caught:
        commit(room, DropType("Project"))

    assert caught.value.referring == ["Task.project", "Task.watchers"]
    commit(room, DropAttribute("Task", "project"), DropAttribute("Task", "watchers"), DropType("Project"))
    assert list(room.schema("main")) == ["Task"]
    assert_tables_fit(room)


def test_a_type_that_others_extend_is_not_dropped(room: Room) -> None:
    Stage(room)
    commit(room, SHOT)

    with pytest.raises(InvalidSchema, match="Shot"):
        commit(room, DropType("Task"))
    commit(room, DropType("Shot"), DropType("Task"))


def test_a_renamed_type_keeps_rows_past_links_and_numbers(room: Room) -> None:
    stage = Stage(room)
    commit(room, SHOT)
    before = contents(room)
    commit(room, RenameType("Task", "Job"))

    assert values(room, "Job", "id") == stage.tasks
    assert values(room, "Job", "entity_type") == ["Job"] * 3
    assert values(room, "Job", "entity_type", past=True) == ["Job"] * 3
    assert room.schema("main").attribute("Project", "tasks").target == "Job"
    commit(room, Create("Job", [new_id()]))
    assert values(room, "Job", "number") == [1, 2, 3, 4]
    commit(room, Delete("Job", values(room, "Job", "id")[-1:]), RenameType("Job", "Task"))
    assert {table: rows for table, rows in contents(room).items() if "past" not in table} == {
        table: rows for table, rows in before.items() if "past" not in table
    }


def test_numbers_go_on_after_a_renaming_and_start_anew_after_dropping(room: Room) -> None:
    commit(room, PROJECT)
    commit(room, Create("Project", new_ids(2)))
    commit(room, RenameType("Project", "Show"))
    commit(room, Create("Show", [new_id()]))
    assert values(room, "Show", "number") == [1, 2, 3]

    commit(room, DropType("Show"), PROJECT, RenameType("Project", "Show"))
    commit(room, Create("Show", [new_id()]))
    assert values(room, "Show", "number") == [1]


def test_an_empty_type_may_extend_another_and_one_with_rows_not(room: Room) -> None:
    stage = Stage(room)
    commit(room, DefineType(EntityType(name="Thing", attributes=(Attribute(name="weight", kind="number"),))))

    refusal = refused(room, ChangeType(EntityType(name="Task", extends="Thing")))
    assert refusal.count == 3
    assert refusal.entities == [show_id(each) for each in stage.tasks]

    commit(room, DefineType(EntityType(name="Note", attributes=(Attribute(name="text", kind="text"),))))
    commit(room, ChangeType(EntityType(name="Note", extends="Thing")))
    assert_tables_fit(room)
    commit(room, Create("Note", [new_id()], {"text": ["x"], "weight": [1.5]}))
    assert values(room, "Thing", "weight") == [1.5]
    refused(room, ChangeType(EntityType(name="Note")))


def test_a_type_with_rows_does_not_become_abstract(room: Room) -> None:
    Stage(room)
    commit(room, SHOT)

    assert refused(room, ChangeType(EntityType(name="Task", abstract=True))).count == 3
    commit(room, Delete("Task", values(room, "Task", "id")))
    commit(room, Create("Shot", [new_id()]), ChangeType(EntityType(name="Task", abstract=True)))
    assert room.schema("main")["Task"].abstract


# --- attributes ---


def test_a_new_attribute_gives_its_default_to_every_entity(room: Room) -> None:
    Stage(room)
    attributes = {
        "flag": Attribute(name="flag", kind="boolean", default=True),
        "price": Attribute(name="price", kind="decimal", default="-12.5"),
        "tags": Attribute(name="tags", kind="text", multi=True, default='["a","b"]'),
        "key": Attribute(name="key", kind="uuid", default=bytes(range(16))),
        "state": Attribute(name="state", kind="choice", choices=("open", "done"), default="open", required=True),
    }
    commit(room, *(DefineAttribute("Task", each) for each in attributes.values()))

    for name, attribute in attributes.items():
        assert values(room, "Task", name) == [attribute.default] * 3
        assert values(room, "Task", name, past=True) == [attribute.default] * 3
        assert room.schema("main").attribute("Task", name) == attribute


def test_a_new_attribute_of_a_subtype_leaves_other_types_alone(room: Room) -> None:
    Stage(room)
    commit(room, SHOT, Create("Shot", [new_id()]))
    commit(room, DefineAttribute("Shot", Attribute(name="fps", kind="number", default=24.0, required=True)))

    assert values(room, "Shot", "fps") == [None, None, None, 24.0]


def test_a_required_attribute_without_default_needs_empty_types(room: Room) -> None:
    stage = Stage(room)
    new = DefineAttribute("Task", Attribute(name="due", kind="date", required=True))

    refusal = refused(room, new)
    assert (refusal.where, refusal.count) == ("Task.due", 3)
    assert refusal.entities == [show_id(each) for each in stage.tasks]
    commit(room, Delete("Task", stage.tasks))
    commit(room, new)


def test_an_attribute_becomes_required_where_every_entity_has_a_value(room: Room) -> None:
    stage = Stage(room, ["1", None, None])

    refusal = refused(room, bid(required=True))
    assert (refusal.count, refusal.entities) == (2, [show_id(each) for each in stage.tasks[1:]])
    commit(room, bid(required=True, default="9"))
    assert values(room, "Task", "bid") == ["1", "9", "9"]
    commit(room, bid(), bid(required=True))


def test_values_in_the_way_of_narrower_limits_are_named(room: Room) -> None:
    stage = Stage(room, ["short", "much too long", None])
    for limits in ({"max_length": 5}, {"pattern": "[a-z]+"}, {"kind": "choice", "choices": ("short",)}):
        refusal = refused(room, bid(**limits))

        assert (refusal.where, refusal.count) == ("Task.bid", 1)
        assert refusal.entities == [show_id(stage.tasks[1])]
        assert refusal.values == ["much too long"]
    commit(room, bid(kind="choice", choices=("short", "much too long", "more")))
    refused(room, bid(kind="choice", choices=("short",)))
    commit(room, bid(kind="choice", choices=("much too long", "short")))
    assert values(room, "Task", "bid") == ["short", "much too long", None]


def test_limits_of_numbers_are_checked_against_values(room: Room) -> None:
    Stage(room, ["1", "20", "300"])
    commit(room, bid(kind="integer"))

    refusal = refused(room, bid(kind="integer", max=100))
    assert refusal.values == [300]
    assert "at most 100" in refusal.reason
    assert refused(room, bid(kind="integer", min=2, max=400)).values == [1]
    commit(room, bid(kind="integer", min=1, max=300))


def test_only_the_first_entities_in_the_way_are_listed_and_all_are_counted(room: Room) -> None:
    Stage(room, ["x"] * 25)

    refusal = refused(room, bid(kind="integer"))
    assert (refusal.count, len(refusal.entities), len(refusal.values)) == (25, 10, 10)


def test_an_attribute_becomes_unique_where_no_value_is_there_twice(room: Room) -> None:
    stage = Stage(room, ["1", "2", "2", None, None])

    refusal = refused(room, bid(unique=True))
    assert (refusal.where, refusal.count) == ("Task (bid)", 2)
    assert refusal.entities == [show_id(each) for each in stage.tasks[1:3]]
    assert refusal.values == ["2", "2"]
    commit(room, Update("Task", stage.tasks[1:2], {"bid": ["3"]}), bid(unique=True))
    with pytest.raises(NotUnique):
        commit(room, Create("Task", [new_id()], {"bid": ["3"]}))
    commit(room, bid())
    commit(room, Create("Task", [new_id()], {"bid": ["3"]}))


def test_a_unique_set_of_several_attributes_is_checked(room: Room) -> None:
    stage = Stage(room)
    together = ChangeType(EntityType(name="Task", unique=(("bid", "project"),)))
    commit(room, Update("Task", stage.tasks, {"bid": ["1", "1", "2"]}))

    refusal = refused(room, together)
    assert (refusal.where, refusal.count) == ("Task (bid, project)", 2)
    commit(room, Update("Task", stage.tasks[:1], {"project": [stage.projects[1]]}), together)
    with pytest.raises(NotUnique):
        commit(room, Update("Task", stage.tasks[:1], {"project": [stage.projects[0]]}))


def test_a_unique_set_of_a_subtype_leaves_other_types_alone(room: Room) -> None:
    Stage(room)
    commit(room, SHOT, Create("Shot", new_ids(2), {"name": ["t0", "t1"]}))
    commit(room, ChangeType(EntityType(name="Shot", extends="Task", unique=(("name",),))))

    commit(room, Create("Task", [new_id()], {"name": ["t0"]}))
    with pytest.raises(NotUnique):
        commit(room, Create("Shot", [new_id()], {"name": ["t0"]}))


# --- kinds ---


@pytest.mark.parametrize(
    ("kind", "bids", "expected"),
    [
        ("integer", ["1", " 20 ", None], [1, 20, None]),
        ("number", ["1", "2.5", "1e3"], [1.0, 2.5, 1000.0]),
        ("decimal", ["1.50", "-0.1", None], ["1.5", "-0.1", None]),
        ("boolean", ["yes", "false", "1"], [True, False, True]),
        ("date", ["1970-01-03", None, None], [2, None, None]),
        ("datetime", ["1970-01-01T00:00:01", None, None], [1_000_000, None, None]),
        ("long_text", ["a", "b", None], ["a", "b", None]),
        ("json", ["{}", "[1, 2]", None], ['"{}"', '"[1, 2]"', None]),
        ("color", ["#FF0000", None, None], ["#ff0000", None, None]),
        (
            "uuid",
            ["01890a5d-ac96-774b-bcce-b302099a8057", None, None],
            [bytes.fromhex("01890a5dac96774bbcceb302099a8057"), None, None],
        ),
    ],
)
def test_texts_become_values_of_other_kinds_where_all_of_them_can(
    room: Room, kind: str, bids: list[str | None], expected: list[Any]
) -> None:
    Stage(room, bids)
    commit(room, bid(kind=kind))

    assert values(room, "Task", "bid") == expected
    assert_tables_fit(room)
    commit(room, Update("Task", values(room, "Task", "id")[:1], {"bid": [None]}))


def test_values_that_cannot_be_converted_are_named(room: Room) -> None:
    stage = Stage(room, ["1", "about 2", None])

    refusal = refused(room, bid(kind="integer"))
    assert (refusal.where, refusal.count) == ("Task.bid", 1)
    assert (refusal.entities, refusal.values) == ([show_id(stage.tasks[1])], ["about 2"])
    assert "integer" in refusal.reason


def test_past_values_are_converted_where_they_can_and_null_where_not(room: Room) -> None:
    stage = Stage(room, ["one", "2", "3"])
    commit(room, Update("Task", stage.tasks[:1], {"bid": ["1"]}))
    commit(room, bid(kind="integer"))

    assert values(room, "Task", "bid") == [1, 2, 3]
    assert values(room, "Task", "bid", past=True) == [0, None, 0, 0]


def test_kinds_that_are_kept_alike_are_not_mistaken_for_each_other(room: Room) -> None:
    Stage(room, ["1", "2", "3"])
    commit(room, bid(kind="integer"))
    refused(room, bid(kind="date"))
    commit(room, bid(kind="text"))
    assert values(room, "Task", "bid") == ["1", "2", "3"]


def test_dates_become_moments_and_back(room: Room) -> None:
    Stage(room, ["1970-01-02", None, None])
    commit(room, bid(kind="date"))
    commit(room, bid(kind="datetime"))
    assert values(room, "Task", "bid") == [86_400_000_000, None, None]
    commit(room, bid(kind="date"))
    assert values(room, "Task", "bid") == [1, None, None]
    commit(room, bid(kind="text"))
    assert values(room, "Task", "bid") == ["1970-01-02", None, None]


def test_numbers_become_integers_only_where_nothing_is_lost(room: Room) -> None:
    Stage(room, ["1.0", "2.5", None])
    commit(room, bid(kind="number"))
    assert refused(room, bid(kind="integer")).values == [2.5]
    commit(room, Update("Task", values(room, "Task", "id")[1:2], {"bid": [2.0]}), bid(kind="integer"))
    assert values(room, "Task", "bid") == [1, 2, None]


def test_one_value_becomes_a_list_and_a_list_of_one_a_value(room: Room) -> None:
    stage = Stage(room, ["a", "b", None])
    commit(room, bid(multi=True))
    assert values(room, "Task", "bid") == ['["a"]', '["b"]', None]

    commit(room, Update("Task", stage.tasks[:1], {"bid": ['["a","c"]']}))
    assert refused(room, bid()).count == 1
    commit(room, Update("Task", stage.tasks[:1], {"bid": ["[]"]}), bid())
    assert values(room, "Task", "bid") == [None, "b", None]


def test_more_rows_than_one_page_are_converted(room: Room) -> None:
    count = 20_010
    ids = new_ids(count)
    commit(room, TASK_ALONE, Create("Task", ids, {"bid": [str(number) for number in range(count)]}))
    commit(room, bid(kind="integer", unique=True))

    assert values(room, "Task", "bid") == list(range(count))


TASK_ALONE = DefineType(EntityType(name="Task", attributes=(Attribute(name="bid", kind="text"),)))


def test_a_mapping_changes_the_kind_of_its_values(room: Room) -> None:
    Stage(room)
    commit(room, ChangeAttribute("Task", Attribute(name="info", kind="mapping", of="integer")))
    assert sorted(fetched(room, 'SELECT value FROM "main.Task.info"')) == [(0,), (1,), (2,)]
    assert_tables_fit(room)

    commit(room, ChangeAttribute("Task", Attribute(name="info", kind="mapping", of="text")))
    tasks = values(room, "Task", "id")
    commit(room, SetKeys("Task", "info", tasks[:1], ["size"], ["huge"]))
    refusal = refused(room, ChangeAttribute("Task", Attribute(name="info", kind="mapping", of="integer")))
    assert (refusal.entities, refusal.values) == ([show_id(tasks[0])], ["huge"])


# --- relations ---


def test_ids_become_references_where_they_name_something(room: Room) -> None:
    stage = Stage(room, [None, None])
    name = {"name": "project", "kind": "uuid"}
    commit(room, ChangeAttribute("Task", Attribute(**name)))
    assert_tables_fit(room)
    back = ChangeAttribute("Task", Attribute(name="project", kind="reference", target="Project"))
    commit(room, back)
    assert values(room, "Task", "project") == [stage.projects[0]] * 2
    assert_tables_fit(room)

    lost = new_id()
    commit(room, ChangeAttribute("Task", Attribute(**name)), Update("Task", stage.tasks[:1], {"project": [lost]}))
    refusal = refused(room, back)
    assert (refusal.entities, refusal.values) == ([show_id(stage.tasks[0])], [show_id(lost)])


def test_a_reference_changes_its_target_where_its_values_fit(room: Room) -> None:
    stage = Stage(room)
    commit(room, SHOT, DefineAttribute("Task", Attribute(name="parent", kind="reference", target="Task")))
    shot = new_id()
    commit(room, Create("Shot", [shot]), Update("Task", stage.tasks, {"parent": [shot, shot, stage.tasks[0]]}))

    narrower = ChangeAttribute("Task", Attribute(name="parent", kind="reference", target="Shot"))
    assert refused(room, narrower).values == [show_id(stage.tasks[0])]
    commit(room, Update("Task", stage.tasks[2:], {"parent": [None]}), narrower)
    assert_tables_fit(room)

    elsewhere = ChangeAttribute("Task", Attribute(name="parent", kind="reference", target="Project"))
    assert refused(room, elsewhere).count == 2
    commit(room, Update("Task", stage.tasks, {"parent": [None] * 3}), elsewhere)
    assert_tables_fit(room)


def test_links_change_their_target_where_their_members_fit(room: Room) -> None:
    Stage(room)
    elsewhere = ChangeAttribute("Task", Attribute(name="watchers", kind="links", target="Task", reverse="watched"))

    assert refused(room, elsewhere).count == 3
    tasks = values(room, "Task", "id")
    commit(room, Delete("Task", tasks))
    commit(room, elsewhere)
    assert_tables_fit(room)


def test_values_of_a_column_do_not_become_links(room: Room) -> None:
    Stage(room)
    refusal = refused(room, ChangeAttribute("Task", Attribute(name="project", kind="links", target="Project")))
    assert (refusal.where, refusal.count) == ("Task.project", 3)
    refusal = refused(room, ChangeAttribute("Task", Attribute(name="watchers", kind="text")))
    assert refusal.count == 3

    commit(room, Delete("Task", values(room, "Task", "id")))
    commit(room, ChangeAttribute("Task", Attribute(name="watchers", kind="text")))
    assert_tables_fit(room)


# --- all or nothing ---


def test_a_commit_with_a_refused_change_changes_nothing_at_all(room: Room) -> None:
    Stage(room, ["1", "x", None])
    before = room.schema("main")

    refused(
        room,
        Create("Project", [new_id()], {"name": ["new"]}),
        DefineAttribute("Project", Attribute(name="color", kind="color")),
        RenameType("Project", "Show"),
        bid(kind="integer"),
    )
    assert room.schema("main") is before


def test_data_and_schema_change_in_order_in_one_commit(room: Room) -> None:
    project, task = new_id(), new_id()
    commit(
        room,
        PROJECT,
        Create("Project", [project], {"name": ["12"]}),
        TASK,
        Create("Task", [task], {"project": [project]}),
        ChangeAttribute("Project", Attribute(name="name", kind="integer")),
        Update("Project", [project], {"name": [13]}),
        RenameAttribute("Project", "name", "size"),
        Update("Project", [project], {"size": [14]}),
    )

    assert values(room, "Project", "size") == [14]
    assert values(room, "Task", "project") == [project]


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (PROJECT, InvalidSchema),
        (RenameType("Task", "Project"), InvalidSchema),
        (RenameType("Tusk", "Job"), UnknownType),
        (DropType("Tusk"), UnknownType),
        (ChangeType(EntityType(name="Tusk")), UnknownType),
        (DefineAttribute("Task", NAME), InvalidSchema),
        (DefineAttribute("Tusk", NAME), UnknownType),
        (ChangeAttribute("Task", Attribute(name="bit", kind="text")), UnknownAttribute),
        (RenameAttribute("Task", "bid", "name"), InvalidSchema),
        (RenameAttribute("Task", "bit", "b"), UnknownAttribute),
        (DropAttribute("Task", "bit"), UnknownAttribute),
        (DropAttribute("Task", "id"), InvalidSchema),
        (DropAttribute("Project", "tasks"), InvalidSchema),
        (DefineAttribute("Task", Attribute(name="a b", kind="text")), InvalidSchema),
        (RenameAttribute("Task", "bid", 'x"; DROP TABLE rr_room; --'), InvalidSchema),
        (RenameType("Task", 'x"; DROP TABLE rr_room; --'), InvalidSchema),
        (DefineAttribute("Task", Attribute(name="sum", kind="number", computed="bid +")), InvalidSchema),
        (DefineAttribute("Task", Attribute(name="sum", kind="number", computed="nothing + 1")), InvalidSchema),
    ],
)
def test_an_operation_that_can_never_be_is_refused_and_changes_nothing(
    room: Room, operation: Operation, error: type[Exception]
) -> None:
    Stage(room)
    before = contents(room)
    with pytest.raises(error):
        commit(room, operation)

    assert contents(room) == before
    assert_tables_fit(room)


def test_long_names_stay_apart(room: Room) -> None:
    long = "a" * 58
    names = [f"{long}_1", f"{long}_2"]
    for name in names:
        attributes = tuple(Attribute(name=each, kind="text", unique=True) for each in names)
        links = Attribute(name=f"{long[:-2]}_l", kind="links", target=name)
        commit(room, DefineType(EntityType(name=name, attributes=(*attributes, links))))
    subtype = EntityType(name="Sub", extends=names[0], attributes=(Attribute(name="b" * 60, kind="text", unique=True),))
    commit(room, DefineType(subtype))

    assert_tables_fit(room)
    commit(room, Create(names[1], [new_id()], {names[0]: ["x"], names[1]: ["y"]}))
    assert values(room, names[1], names[1]) == ["y"]
