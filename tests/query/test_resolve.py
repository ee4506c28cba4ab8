import pytest

from recordroom.errors import InvalidQuery, QueryTooComplex, UnknownAttribute, UnknownType
from recordroom.model.schema import Attribute as A
from recordroom.model.schema import EntityType, Schema
from recordroom.query import syntax as s
from recordroom.query.grammar import parse
from recordroom.query.resolve import resolve, resolve_condition, split_select
from recordroom.query.resolved import And, Compare, Constant, Exists, Get, OneOf, Query
from tests.query.world import SCHEMA


def resolved(text: str, schema: Schema = SCHEMA, **parameters: object) -> Query:
    return resolve(schema, parse(text), parameters)


def names(text: str) -> list[str]:
    return [output.name for output in resolved(text).outputs]


def test_a_query_without_select_has_every_stored_attribute() -> None:
    found = names("Person")

    assert found == ["number", "revision", "created_revision", "name", "age", "born", "mood"]


def test_a_selected_path_brings_the_ids_on_its_way() -> None:
    assert names("select name, project.lead.name from Item") == ["name", "project.lead.name", "project", "project.lead"]


def test_a_way_through_a_hierarchy_brings_the_types_too() -> None:
    assert names("select shot.name from Edit") == ["shot.name", "shot", "shot.entity_type"]


def test_a_selected_relation_is_a_column_of_ids() -> None:
    [output] = resolved("select project from Item").outputs

    assert (output.attribute.kind, output.attribute.target) == ("reference", "Project")


def test_columns_say_how_their_values_are_read() -> None:
    query = resolved(
        "select count(items) as n, sum(items.price) as p, avg(items.bid) as a, min(items.due) as d, max(items.status) as c,"
        ' concat(name, "x") as t, year(lead.born) as y, sum(items.ratio) as r, 1 / 2 as h from Project'
    )

    assert {output.name: output.attribute.kind for output in query.outputs} == {
        "n": "integer",
        "p": "decimal",
        "a": "number",
        "d": "date",
        "c": "choice",
        "t": "text",
        "y": "integer",
        "r": "number",
        "h": "number",
    }
    assert query.outputs[4].attribute.choices == ("new", "open", "closed")
    assert not query.entities


def test_values_without_a_name_are_called_as_they_are_written() -> None:
    assert names("select count(), sum(bid) from Item") == ["count()", "sum(bid)"]


def test_order_may_name_what_is_selected() -> None:
    query = resolved("select name, bid * 2 as worth from Item order by worth")

    assert query.order_by[0].value == query.outputs[1].value


def test_a_path_through_a_collection_holds_for_any_member() -> None:
    where = resolved('Project where items.people.name is "x"').where

    assert isinstance(where, Exists)
    assert where.over.attribute.name == "items"
    assert isinstance(where.condition, Exists)
    assert where.condition.over.attribute.name == "people"


def test_one_comparison_means_one_member() -> None:
    where = resolved("Project where items.bid < `items`.`number` and items.bid > 1").where

    assert isinstance(where, And)
    first, second = where.conditions
    assert isinstance(first, Exists)
    assert isinstance(second, Exists)
    assert isinstance(first.condition, Compare)
    assert first.over.member != second.over.member


def test_the_id_behind_a_reference_needs_no_join() -> None:
    where = resolved('Item where project.id is "ce9b348f-8809-11e3-821c-20c9d081909b"').where

    assert isinstance(where, Compare)
    assert isinstance(where.left, Get)
    assert where.left.name == "project"


def test_choices_compare_by_their_list() -> None:
    where = resolved("Item where status > new").where

    assert isinstance(where, OneOf)
    assert where.items.value == ["open", "closed"]


@pytest.mark.parametrize(
    ("text", "operator", "value"),
    [
        ("bid < 2.5", "<", 3),
        ("bid <= 2.5", "<=", 2),
        ("bid > 2.5", ">", 2),
        ("bid >= 2.5", ">=", 3),
        ("bid is 2.0", "=", 2),
        ('bid > "7"', ">", 7),
        ('bid > "-7.5"', ">", -8),
        ("ratio > 1", ">", 1.0),
        ("price = 19.99", "=", "19.99"),
        ('price = "019.990"', "=", "19.99"),
        ("due > 1970-01-02", ">", 1),
        ("seen > 1970-01-01T00:00:01", ">", 1_000_000),
        ("seen > 1970-01-02", ">", 86_400_000_000),
        ("done is true", "=", True),
        ('done is "no"', "=", False),
        ('data is "{\\"b\\": 1, \\"a\\": 2}"', "=", '{"a":2,"b":1}'),
        ("code is ce9b348f-8809-11e3-821c-20c9d081909b", "=", bytes.fromhex("ce9b348f880911e3821c20c9d081909b")),
        ("2.5 > bid", "<", 3),
    ],
)
def test_constants_are_read_by_the_kind_beside_them(text: str, operator: str, value: object) -> None:
    where = resolved(f"Item where {text}").where

    assert isinstance(where, Compare)
    assert (where.operator, type(where.right.value), where.right.value) == (operator, type(value), value)  # type: ignore[union-attr]


def test_no_integer_is_a_fraction() -> None:
    assert resolved("Item where bid is 2.5").where == Constant(False)
    where = resolved("Item where bid in (1, 2.5, 3.0)").where
    assert isinstance(where, OneOf)
    assert where.items.value == [1, 3]


def test_parameters_stand_for_values_and_lists() -> None:
    ids = [bytes(16), "ce9b348f-8809-11e3-821c-20c9d081909b"]
    where = resolved("Item where id in $ids and project in ($p, $q)", ids=ids, p=ids[0], q=[]).where

    assert isinstance(where, And)
    first, second = where.conditions
    assert isinstance(first, OneOf)
    assert isinstance(second, OneOf)
    assert first.items.value == [bytes(16), bytes.fromhex("ce9b348f880911e3821c20c9d081909b")]
    assert second.items.value == [bytes(16)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Item where bid like '1%'", "'like' is for texts, not for integer"),
        ("Item where due contains '1'", "'contains' is for texts, not for date"),
        ("Item where done < true", "boolean has no order"),
        ("Item where data > '1'", "json has no order"),
        ("Item where project < 'ce9b348f-8809-11e3-821c-20c9d081909b'", "reference has no order"),
        ("Item where bid > none", "None has no place behind '>'"),
        ("Item where name like none", "expected a text"),
        ("Item where bid is x", "expected an integer of 64 bits, got 'x'"),
        ("Item where bid is 9223372036854775808", "expected an integer of 64 bits"),
        ("Item where bid > 1e300", "expected an integer of 64 bits"),
        ("Item where ratio is x", "expected a finite number, got 'x'"),
        ("Item where due > 2026-13-01", "expected a date"),
        ("Item where due > '0000-01-01'", "expected a date"),
        ("Item where seen > yesterday", "expected a datetime"),
        ("Item where done is 1", "expected True or False, got 1"),
        ("Item where status is opn", "expected one of 'new', 'open', 'closed', got 'opn'"),
        ("Item where status < opn", "expected one of"),
        ("Item where name is 5", "expected a text, in quotes: '5', got 5"),
        ("Item where project is 'Big Buck Bunny'", "expected an id of Project, 36 characters such as"),
        (r'Item where name is "a\u0000b"', "NUL"),
        (r'Item where name is "\ud800"', "lone surrogates"),
        (r'Project where facts["\u0000"] is "x"', "NUL"),
        ("Item where bid > 5 kg", "units are not supported here: write 5 without 'kg'"),
        ("Item where name is $who", "no value was given for $who"),
        ("Item where name is `project`", "there is no way to compare a text and an id of Project"),
        ("Item where project is `parent`", "an id of Project is never one of Item"),
        ("Item where project in (Person limit 1)", "an id of Project is never one of Person"),
        ("Item where name in (select bid from Item)", "there is no way to compare a text and an integer"),
        ("Item where name in (select name, bid from Item)", "selects one value"),
        ("Item where name in (select tags from Item)", "several values"),
        ("Project where items is none", "to ask for an empty collection write: not items any ()"),
        ("Project where facts is 'x'", "facts is a mapping: name a key"),
        ("Project where facts.a.b is 'x'", "have no attributes ('b')"),
        ("Project where facts any (name is x)", "has only `key` and `value`, not name"),
        ("Item where name.length is 5", "Item.name is a text; it has no attribute 'length'"),
        ("Item where name any ()", "Item.name is a text, no collection"),
        ("Item where project any ()", "Item.project is a reference, no collection; use has"),
        ("Project where items has ()", "items has many members; use any"),
        ("Item where name has ()", "Item.name is a text, no reference"),
        ("Item where name < `tags`", "tags has several values"),
        ("Item where lower(tags) is x", "tags has several values"),
        ("Item where name + 1 > 2", "+ needs numbers, not a text"),
        ("Item where lower(bid) is x", "lower takes text or choice, not an integer"),
        ("Item where year(name) is 5", "year takes date or datetime"),
        ("Item where round(bid, 16) is 5", "a whole number from 0 to 15"),
        ("Item where round(bid, 1, 2) is 5", "round takes 1 or more values, not 3"),
        ("Item where lower() is x", "lower takes 1 values, not 0"),
        ("Item where coalesce(name, bid) is x", "coalesce cannot choose between a text and an integer"),
        ("Item where count() > 5", "count over rows belongs into select or order by"),
        ("Item where sum(bid) > 5", "sum over rows belongs into select or order by"),
        ("Project where sum(items) > 5", "sum needs an attribute of the members"),
        ("Project where sum(items.name) > 5", "sum needs numbers, not a text"),
        ("Project where min(items.done) is true", "min needs values with an order"),
        ("Project where count(items.tags) > 1", "several values"),
        ("select items from Project", "which has many members"),
        ("select items.name from Project", "which has many members"),
        ("Item order by project", "Project has no order of its own"),
        ("Item order by data", "json has no order"),
        ("Item order by tags", "several values"),
        ("Project order by items.name", "which has many members"),
        ("select name, count() from Item", "'name' must stand in group by"),
        ("select status, bid from Item group by status", "'bid' must stand in group by"),
        ("select count() from Item order by name", "'order by' must stand in group by"),
        ("select count(people) from Item group by name", "must stand in group by"),
        ("select count() from Item group by 1", "group by takes attributes, not constants"),
        ("select name as a, bid as a from Item", "two selected values are called 'a'"),
        ("Item where name matches '!!'", "a text with a word in it"),
        ("Item where bid matches 'x'", "bid is not searchable"),
        ("Item where created_by matches 'x'", "created_by is not searchable"),
        ("Item where name matches `notes`", "`matches` takes an attribute on its left"),
        ("Item where name like `notes`", "the pattern behind `like` is a text in quotes"),
    ],
)
def test_what_cannot_be_is_said(text: str, reason: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        resolved(text)

    assert reason in str(caught.value)


def test_errors_name_the_place_in_the_text() -> None:
    with pytest.raises(InvalidQuery) as caught:
        resolved("Item where name is x\n and bid is y")

    assert (caught.value.line, caught.value.column) == (2, 6)
    assert str(caught.value).startswith("Line 2, column 6: ")


def test_unknown_names_come_with_close_ones() -> None:
    with pytest.raises(UnknownType) as of_type:
        resolved("Itm where name is x")
    with pytest.raises(UnknownAttribute) as of_attribute:
        resolved("Item where project.nme is x")

    assert of_type.value.suggestions == ["Item"]
    error = of_attribute.value
    assert (error.type, error.name, error.line, error.column) == ("Project", "nme", 1, 12)
    assert error.suggestions[0] == "name"


@pytest.mark.parametrize("parameter", [object(), {"a": 1}, [[1]]])
def test_parameters_that_are_no_values_are_refused(parameter: object) -> None:
    for text in ("Item where bid is $p", "Item where bid in $p", "Item where $p is `bid`"):
        with pytest.raises(InvalidQuery):
            resolved(text, p=parameter)


def test_a_list_belongs_behind_in() -> None:
    with pytest.raises(InvalidQuery, match="a list belongs behind `in`"):
        resolved("Item where bid is $p", p=[1])


def test_trees_made_by_hand_are_checked_too() -> None:
    path = s.Path(("bid",))
    for where in (
        s.Compare("~", path, s.Literal(1)),
        s.Compare("is", path, s.Call("nothing", ())),
        s.Compare("is", s.Path(()), s.Literal(1)),
        s.Compare("is", s.Arithmetic("%", path, path), s.Literal(1)),
        s.Compare("is", s.Path(("a\x00b",)), s.Literal(1)),
    ):
        with pytest.raises((InvalidQuery, UnknownAttribute)):
            resolve(SCHEMA, s.Query("Item", where=where))
    for query in (s.Query("Item", limit=-1), s.Query("Item", offset=-1), s.Query("Item", limit=2**63)):
        with pytest.raises(InvalidQuery):
            resolve(SCHEMA, query)


@pytest.mark.parametrize(
    "text",
    [
        f"Item where {'children any (' * 17}bid > 1{')' * 17}",
        f"Item where {'children.' * 17}bid > 1",
        f"Item where {'children.' * 10}children any ({'children.' * 8}bid > 1)",
        f"select count({'children.' * 17}id) as n from Item",
    ],
)
def test_too_many_collections_within_each_other_are_refused(text: str) -> None:
    with pytest.raises(QueryTooComplex, match="16 collections"):
        resolved(text)
    assert resolved(
        text.replace("children any (children any (", "(children any (").replace("children.children.", "children.")
    )


def nested(levels: int) -> s.Condition:
    condition: s.Condition = s.Any(s.Path(("children",)))
    for _ in range(levels):
        condition = s.Not(condition)
    return condition


def test_trees_as_deep_as_the_limit_are_read_and_deeper_ones_refused() -> None:
    assert resolve(SCHEMA, s.Query("Item", where=nested(95))).where is not None
    for levels in (101, 10_000):
        with pytest.raises(QueryTooComplex):
            resolve(SCHEMA, s.Query("Item", where=nested(levels)))


def test_trees_with_too_many_parts_are_refused() -> None:
    with pytest.raises(QueryTooComplex):
        resolve(SCHEMA, s.Query("Item", where=s.Or((s.Compare("is", s.Path(("bid",)), s.Literal(1)),) * 5_000)))


def computed(**expressions: str) -> Schema:
    attributes = tuple(A(name=name, kind="integer", computed=text) for name, text in expressions.items())
    return Schema(
        [EntityType(name="T", attributes=(A(name="n", kind="integer"), A(name="t", kind="text"), *attributes))]
    )


def test_computed_attributes_stand_for_their_expression() -> None:
    schema = computed(twice="n * 2", more="twice + 1")
    where = resolved("T where more > 5", schema).where

    assert isinstance(where, Compare)
    assert [output.attribute.name for output in resolved("select more from T", schema).outputs] == ["more"]
    assert resolved("select more from T", schema).entities


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (computed(a="b", b="c + 1", c="a"), "in a circle: T.a → T.b → T.c → T.a"),
        (computed(a="a"), "in a circle: T.a → T.a"),
        (computed(a="n +"), "the computed attribute T.a cannot be read: Line 1, column 4"),
        (computed(a="t"), "the computed attribute T.a is a text, not an integer"),
        (computed(a="count()"), "count over rows"),
    ],
)
def test_computed_attributes_that_cannot_be_are_refused(schema: Schema, reason: str) -> None:
    for text in ("T where a is 1", "select a from T"):
        with pytest.raises(InvalidQuery) as caught:
            resolved(text, schema)
        assert reason in str(caught.value)


def test_computed_attributes_cannot_blow_a_query_up() -> None:
    doubling = {f"a{n}": f"a{n + 1} + a{n + 1}" for n in range(40)}
    with pytest.raises(QueryTooComplex):
        resolved("T where a0 is 1", computed(**doubling, a40="n"))
    chain = {f"a{n}": f"a{n + 1} + 1" for n in range(200)}
    with pytest.raises(QueryTooComplex):
        resolved("T where a0 is 1", computed(**chain, a200="n"))


def test_selected_collections_are_split_off() -> None:
    query = parse("select name, items.name, facts, facts.a, lead.name, lead.leads from Project where name is x")

    rest, many = split_select(SCHEMA, query)

    assert [".".join(path.names) for path in many] == ["items.name", "facts", "lead.leads"]
    assert names_of(rest) == ["name", "facts.a", "lead.name"]
    assert rest.where == query.where
    only, _ = split_select(SCHEMA, parse("select items from Project"))
    assert names_of(only) == ["id"]
    same = parse("select name from Project")
    assert split_select(SCHEMA, same) == (same, ())
    with pytest.raises(UnknownAttribute):
        split_select(SCHEMA, parse("select nme from Project"))


def names_of(query: s.Query) -> list[str]:
    return [".".join(each.value.names) for each in query.select]  # type: ignore[union-attr]


def test_a_condition_alone_can_be_resolved() -> None:
    root, condition = resolve_condition(SCHEMA, "Item", parse("Item where project.name is $n").where, {"n": "x"})  # type: ignore[arg-type]

    assert root.type == "Item"
    assert isinstance(condition, Compare)
