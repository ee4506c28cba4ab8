"""Statements: made once for a shape, constants only ever as parameters, joins and indexes as hoped for."""

import random
from collections.abc import Iterator

import pytest

from recordroom.errors import Error, InvalidQuery, QueryTooComplex
from recordroom.model.schema import Attribute as A
from recordroom.model.schema import EntityType, Schema
from recordroom.query import syntax as s
from recordroom.query.grammar import parse
from recordroom.query.request import QueryRequest
from recordroom.query.resolve import resolve
from recordroom.query.resolved import Get, ValueType
from recordroom.store import compile as compiling
from recordroom.store.catalog import Catalog
from recordroom.store.compile import Ready, Window, page_statement
from recordroom.store.room import Room
from tests.query.asking import Asked
from tests.query.world import SCHEMA, World

DIALECTS = ("sqlite", "postgresql")


@pytest.fixture(params=DIALECTS)
def catalog(request: pytest.FixtureRequest) -> Catalog:
    return Catalog("main", SCHEMA, request.param)


@pytest.fixture
def asked(room: Room) -> Asked:
    return Asked(room)


def ready(catalog: Catalog, query: str | s.Query, **parameters: object) -> Ready:
    tree = parse(query) if isinstance(query, str) else query
    return page_statement(catalog, QueryRequest(database="main", query=tree, parameters=parameters), Window(10))


def statements(catalog: Catalog) -> int:
    return len(compiling._known(catalog))


def test_queries_of_one_shape_share_a_statement(catalog: Catalog) -> None:
    found = [
        ready(catalog, f'Item where name is "n{n}" and bid > {n} and project in $p limit {n + 1}', p=[bytes(16)] * n)
        for n in range(20)
    ]

    assert len({each.sql for each in found}) == 1
    assert statements(catalog) == 1
    assert [each.parameters[:2] for each in found] == [[f"n{n}", n] for n in range(20)]


def test_a_value_that_is_gone_lends_its_expression_to_no_other(catalog: Catalog) -> None:
    resolved = resolve(SCHEMA, parse("Item"), {})
    builder = compiling.StatementBuilder(catalog, (), of_past=False)
    builder.rows(resolved, ("page", None, False, True), limited=True)
    row = resolved.outputs[0].value.row

    for name in ("name", "bid") * 20:
        # Each is made where the one before it was.
        assert name in str(builder.value(Get(row, name, ValueType("text"))))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Item where bid is 1", "Item where bid is none"),
        ("Item where bid is 2.0", "Item where bid is 2.5"),
        ("Item where bid in (1)", "Item where bid in (1, none)"),
        ('Item where name starts_with "a"', 'Item where name starts_with ""'),
        ("Item where bid is 1", "Item where bid is_not 1"),
        ("Item", "Item limit 1"),
        ("Item", "Item offset 1"),
        ("Project where facts.a is x", "Project where facts.b is x"),
        ("Item where project in (Project limit 1)", "Item where project in (Project limit 2)"),
    ],
)
def test_queries_of_other_shapes_do_not(catalog: Catalog, one: str, other: str) -> None:
    ready(catalog, one)
    ready(catalog, other)

    assert statements(catalog) == 2


def test_parts_that_stand_twice_in_a_tree_are_told_apart(catalog: Catalog) -> None:
    same = s.Compare("is", s.Path(("name",)), s.Literal("same"))
    first, second = (s.Compare("is", s.Path(("name",)), s.Literal(text)) for text in ("first", "second"))
    ready(catalog, s.Query("Item", where=s.Or((same, same))))
    found = ready(catalog, s.Query("Item", where=s.Or((first, second))))

    assert statements(catalog) == 1
    assert found.parameters[:2] == ["first", "second"]


def test_empty_lists_are_told_apart(catalog: Catalog) -> None:
    text = "Item where name in $a or name in $b"
    ready(catalog, s.Query("Item", where=s.Or(tuple(s.In(s.Path(("bid",)), ()) for _ in "12"))))
    found = ready(catalog, s.Query("Item", where=s.Or(tuple(s.In(s.Path(("bid",)), (s.Literal(n),)) for n in (1, 2)))))
    again = ready(catalog, text, a=[], b=["x"])

    assert statements(catalog) == 2
    if catalog.dialect == "postgresql":
        assert found.parameters[:2] == [[1], [2]]
        assert again.parameters[:2] == [[], ["x"]]


def test_a_wrong_constant_is_named_also_where_the_statement_is_known(catalog: Catalog) -> None:
    ready(catalog, "Item where due > 2026-11-21 and round(ratio, 2) > 1")

    with pytest.raises(InvalidQuery, match=r"Line 1, column 12: .*expected a date"):
        ready(catalog, 'Item where due > "x" and round(ratio, 2) > 1')
    with pytest.raises(InvalidQuery, match="whole number from 0 to 15"):
        ready(catalog, "Item where due > 2026-11-21 and round(ratio, 99) > 1")
    with pytest.raises(InvalidQuery, match="units"):
        ready(catalog, "Item where due > 2026-11-21 and round(ratio, 2) > 1 kg")
    assert statements(catalog) == 1


def test_statements_are_kept_in_bounds(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_MOST_STATEMENTS", 10)
    for number in range(35):
        ready(catalog, f"Project where facts.k{number} is 'x'")
        assert statements(catalog) <= 10
    assert ready(catalog, "Project where facts.k34 is 'y'").parameters[1] == "y"


def test_a_path_is_joined_once(catalog: Catalog) -> None:
    text = 'Item where project.name is "x" and (project.status is new or project.lead.age > 5) order by project.name, project.lead.name'

    assert ready(catalog, text).sql.count(" JOIN ") == 2


@pytest.mark.parametrize(
    "text",
    [
        'Item where project.id is "ce9b348f-8809-11e3-821c-20c9d081909b"',
        "select project.id from Item",
        "Item where project has ()",
        "Person where items any ()",
        "select count(items) as n from Person",
    ],
)
def test_what_a_reference_holds_needs_no_join(catalog: Catalog, text: str) -> None:
    assert " JOIN " not in ready(catalog, text).sql


def test_names_of_types_are_all_of_the_statement_that_comes_from_a_schema(catalog: Catalog) -> None:
    schema = Schema(
        [EntityType(name="T", attributes=(A(name="c", kind="choice", choices=("o'hara", "50%", ":x", "\\")),))]
    )
    found = ready(Catalog("main", schema, catalog.dialect), "T order by c")

    assert "o''hara" in found.sql


NASTY = [
    "'; DROP TABLE rr_room; --",
    '"; DROP TABLE rr_room; --',
    "') OR 1=1 --",
    "\\'; DROP TABLE rr_room; --",
    "$1; DROP TABLE rr_room",
    "%s %(x)s ? :name",
    "`; DROP TABLE rr_room; --",
    "*/ DROP TABLE rr_room /*",
    "\u02bc OR 1=1",
]


def positions(text: str) -> Iterator[s.Query]:
    """Queries with `text` in every place where a tree can hold one."""
    literal, name = s.Literal(text), s.Path(("name",))
    for operator in ("is", "is_not", "<", "like", "not_like", "contains", "starts_with", "ends_with", "matches"):
        yield s.Query("Item", where=s.Compare(operator, name, literal))
        yield s.Query("Item", where=s.Compare(operator, literal, name))
        yield s.Query("Item", where=s.Compare(operator, s.Path(("tags",)), literal))
        yield s.Query("Item", where=s.Compare(operator, s.Call("lower", (name,)), literal))
    for kind in ("bid", "ratio", "price", "done", "due", "seen", "data", "code", "status", "project"):
        yield s.Query("Item", where=s.Compare("is", s.Path((kind,)), literal))
    yield s.Query("Item", where=s.In(name, (literal, literal)))
    yield s.Query("Item", where=s.Between(name, literal, literal))
    yield s.Query("Item", where=s.Compare("is", name, s.Parameter("p")))
    yield s.Query("Item", where=s.Compare("is", name, s.Parameter(text)))
    yield s.Query("Item", where=s.Compare("is", name, s.Call(text, (name,))))
    yield s.Query("Item", where=s.Compare(text, name, literal))
    yield s.Query("Item", where=s.Compare("is", s.Call("concat", (name, literal)), literal))
    yield s.Query("Item", where=s.Compare("is", s.Arithmetic(text, name, name), literal))
    yield s.Query("Item", where=s.Compare("is", s.Path((text,)), literal))
    yield s.Query("Item", where=s.Any(s.Path((text,))))
    yield s.Query("Project", where=s.Compare("is", s.Path(("facts", text)), literal))
    yield s.Query("Project", where=s.Any(s.Path(("facts",)), s.Compare("is", s.Path(("key",)), literal)))
    yield s.Query("Item", where=s.Any(s.Path(("people",)), s.Compare("is", s.Path(("note",)), literal)))
    yield s.Query("Item", (s.Selected(name, text), s.Selected(literal)))
    yield s.Query("Project", (s.Selected(s.Path(("facts", text))),))
    yield s.Query("Item", (s.Selected(s.Call("count"), text),), group_by=(name,))
    yield s.Query("Item", order_by=(s.OrderKey(s.Call("concat", (name, literal))),))
    yield s.Query("Item", group_by=(s.Call("concat", (name, literal)),))
    yield s.Query(text)


@pytest.mark.parametrize("text", NASTY)
def test_texts_are_data_wherever_they_stand(asked: Asked, text: str) -> None:
    asked.tell(World(random.Random(3)))
    answered = 0
    for query in positions(text):
        try:
            found = asked.page(query, parameters={"p": text})
        except Error:
            continue
        answered += 1
        assert found.count <= 20
        assert text not in page_statement(asked.catalog, asked.request(query, parameters={"p": text}), Window(10)).sql

    assert answered > 30
    assert asked.page("Item").count > 0


@pytest.mark.parametrize("text", NASTY)
def test_nasty_texts_are_found_as_what_they_are(asked: Asked, text: str) -> None:
    world = World(random.Random(3))
    items = world.now.entities_by_root["Item"]
    for entity in items.values():
        entity.values["name"] = "other"
    chosen = next(iter(items))
    items[chosen].values["name"] = text
    asked.tell(world)

    for operator in ("is", "contains", "starts_with", "ends_with"):
        query = s.Query("Item", where=s.Compare(operator, s.Path(("name",)), s.Literal(text)))
        assert asked.page(query).ids == [chosen]


def test_long_chains_of_conditions_run(asked: Asked) -> None:
    asked.tell(World(random.Random(3)))
    for join in (s.And, s.Or):
        parts = tuple(s.Compare("is_not", s.Path(("bid",)), s.Literal(number)) for number in range(3_000))
        assert asked.count(s.Query("Item", where=join(parts))) > 0


def test_conditions_as_deep_as_the_limit_run(asked: Asked) -> None:
    asked.tell(World(random.Random(3)))
    condition: s.Condition = s.Compare("is_not", s.Path(("bid",)), s.Literal(77))
    for level in range(96):
        other = s.Compare("is_not", s.Path(("ratio",)), s.Literal(level))
        condition = (s.And if level % 2 else s.Or)((other, condition))
    assert asked.count(s.Query("Item", where=condition)) > 0
    value: s.Value = s.Path(("bid",))
    for _ in range(95):
        value = s.Arithmetic("+", value, s.Literal(1))
    assert asked.count(s.Query("Item", where=s.Compare("is_not", value, s.Literal(1)))) > 0
    members: s.Condition = s.Any(s.Path(("children",)))
    for _ in range(15):
        members = s.Not(s.Any(s.Path(("children",)), s.And((members, s.Any(s.Path(("people",)))))))
    assert asked.count(s.Query("Item", where=members)) <= asked.count("Item")


def test_too_many_joins_are_refused(catalog: Catalog) -> None:
    many = Schema(
        [
            EntityType(name="A", attributes=(A(name="n", kind="text"),)),
            EntityType(name="B", attributes=tuple(A(name=f"r{n}", kind="reference", target="A") for n in range(80))),
        ]
    )
    paths = tuple(s.Selected(s.Path((f"r{n}", "n"))) for n in range(80))

    with pytest.raises(QueryTooComplex):
        ready(Catalog("main", many, catalog.dialect), s.Query("B", paths))
    assert ready(Catalog("main", many, catalog.dialect), s.Query("B", paths[:50])).sql.count("JOIN") == 50


def test_long_lists_are_one_parameter(asked: Asked) -> None:
    world = World(random.Random(3))
    asked.tell(world)
    items = list(world.now.entities_by_root["Item"])
    strangers = [bytes([1]) * 8 + number.to_bytes(8, "big") for number in range(100_000)]

    found = asked.page(parse("Item where id in $ids"), parameters={"ids": strangers + items})

    assert found.ids == sorted(items)
    assert asked.count(parse("Item where id in $ids"), parameters={"ids": []}) == 0
    assert asked.count(parse("Item where id not_in $ids"), parameters={"ids": []}) == len(items)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("T where name is x", {}),
        ("T where name in (x, y)", {}),
        ("T where name starts_with x", {}),
        ("T where size between 1 and 5", {}),
        ("T where price between 1.5 and 2", {}),
        ("T where id in $ids", {"ids": [bytes(16), b"x" * 16]}),
        ("T where parent is $id", {"id": bytes(16)}),
        ("T where parent in $ids", {"ids": [bytes(16), b"x" * 16]}),
    ],
)
def test_comparisons_with_constants_find_their_index(
    room_sqlite: Room, text: str, parameters: dict[str, object]
) -> None:
    schema = Schema(
        [
            EntityType(
                name="T",
                attributes=(
                    A(name="name", kind="text", indexed=True),
                    A(name="size", kind="integer", indexed=True),
                    A(name="price", kind="decimal", indexed=True),
                    A(name="parent", kind="reference", target="T", reverse="children"),
                ),
            )
        ]
    )
    asked = Asked(room_sqlite, schema)

    plan = asked.explain(text, parameters=parameters)

    assert "SEARCH t1 USING INDEX" in plan, plan


def test_an_unordered_page_reads_along_the_ids(room_sqlite: Room) -> None:
    assert "TEMP B-TREE" not in Asked(room_sqlite).explain("Person where age > 5")
