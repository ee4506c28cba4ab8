import copy
import datetime as dt
import enum
import pickle
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from recordroom.errors import InvalidQuery, QueryTooComplex, UnknownAttribute
from recordroom.model.schema import Attribute as A
from recordroom.model.schema import EntityType, Schema
from recordroom.query import expressions as e
from recordroom.query import syntax as s
from recordroom.query.grammar import parse, parse_condition, parse_order, parse_selected, parse_value
from tests.query.world import SCHEMA

Item = e.TypeExpression(SCHEMA, "Item")
Shot = e.TypeExpression(SCHEMA, "Shot")
Project = e.TypeExpression(SCHEMA, "Project")
Person = e.TypeExpression(SCHEMA, "Person")
ID = uuid.UUID("ce9b348f-8809-11e3-821c-20c9d081909b")


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (Item.name == "x", 'name is "x"'),
        (Item.name != "x", 'name is_not "x"'),
        (Item.name == None, "name is None"),  # noqa: E711
        (Item.name.is_(None), "name is None"),
        (Item.name.is_not(None), "name is_not None"),
        (Item.bid < 1, "bid < 1"),
        (Item.bid <= 1, "bid <= 1"),
        (Item.bid > 1, "bid > 1"),
        (1 > Item.bid, "bid < 1"),  # noqa: SIM300
        (Item.bid >= 1.5, "bid >= 1.5"),
        (Item.done == True, "done is True"),  # noqa: E712
        (Item.bid < Item.ratio, "bid < `ratio`"),
        (Item.project.name == "x", 'project.name is "x"'),
        (Item.project["name"] == "x", 'project.name is "x"'),
        (Item["project"].lead.name == "x", 'project.lead.name is "x"'),
        (Item.bid.in_([1, 2]), "bid in (1, 2)"),
        (Item.bid.in_(n for n in (1, 2)), "bid in (1, 2)"),
        (Item.bid.not_in([]), "bid not_in ()"),
        (Item.bid.in_([1, Item.number]), "bid in (1, `number`)"),
        (Item.project.in_(parse("Project where name is x")), "project in (Project where name is x)"),
        (Item.bid.between(1, 2), "bid between 1 and 2"),
        (Item.name.like("a%"), 'name like "a%"'),
        (Item.name.not_like("a%"), 'name not_like "a%"'),
        (Item.name.contains("a"), 'name contains "a"'),
        (Item.name.starts_with("a"), 'name starts_with "a"'),
        (Item.name.ends_with("a"), 'name ends_with "a"'),
        (Item.name.matches("a b*"), 'name matches "a b*"'),
        (Project.items.any(), "items any ()"),
        (Project.items.any((Item.bid > 1) & (Item.name == "x")), 'items any (bid > 1 and name is "x")'),
        (Project.items.any("bid > 1"), "items any (bid > 1)"),
        (Item.project.has(Project.name == "x"), 'project has (name is "x")'),
        (Item.project.has(), "project has ()"),
        (Project.facts["x y"] == "a", '`facts`.`x y` is "a"'),
        (Project.facts.any('key is "a"'), 'facts any (key is "a")'),
        ((Item.bid > 1) & (Item.bid < 2) & (Item.done == True), "bid > 1 and bid < 2 and done is True"),  # noqa: E712
        ((Item.bid > 1) | (Item.bid < 2) & (Item.bid > 3), "bid > 1 or bid < 2 and bid > 3"),
        (~((Item.bid > 1) | (Item.bid < 2)), "not (bid > 1 or bid < 2)"),
        (e.not_(Item.done), "not done is True"),
        (e.and_(Item.done, "bid > 1"), "done is True and bid > 1"),
        (e.or_(Item.bid > 1), "bid > 1"),
        (e.and_(), "True is True"),
        (e.or_(), "True is False"),
        ("bid > 1" & (Item.bid < 2), "bid > 1 and bid < 2"),
        ((Item.bid > 1) | "bid < 2", "bid > 1 or bid < 2"),
        (Project.items.bid.sum_() > 1, "sum(items.bid) > 1"),
        (Project.items.count() > 1, "count(items) > 1"),
        (e.count(Project.items) > e.parameter("least"), "count(items) > $least"),
    ],
)
def test_conditions_make_the_trees_of_their_text(expression: e.ConditionExpression, text: str) -> None:
    assert e.condition_of(expression) == parse_condition(text)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (Item.bid + 1, "bid + 1"),
        (1 + Item.bid, "1 + bid"),
        (Item.bid - Item.ratio * 2, "bid - ratio * 2"),
        (2 * Item.bid, "2 * bid"),
        (1 - Item.bid / 3, "1 - bid / 3"),
        (3 / Item.bid, "3 / bid"),
        (-Item.bid, "-bid"),
        (Item.name.lower(), "lower(name)"),
        (Item.name.upper(), "upper(name)"),
        (Item.name.length(), "length(name)"),
        (Item.name.concat(" ", Item.notes), 'concat(name, " ", notes)'),
        (Item.name.coalesce("x"), 'coalesce(name, "x")'),
        (Item.ratio.round(2), "round(ratio, 2)"),
        (Item.bid.abs(), "abs(bid)"),
        (Item.due.year(), "year(due)"),
        (Item.due.month(), "month(due)"),
        (Item.due.day(), "day(due)"),
        (Item.bid.avg(), "avg(bid)"),
        (Item.bid.min_(), "min(bid)"),
        (Item.bid.max_(), "max(bid)"),
        (e.count(), "count()"),
        (e.sum_(Item.bid), "sum(bid)"),
        (e.avg(Item.bid), "avg(bid)"),
        (e.min_(Item.bid), "min(bid)"),
        (e.max_(Item.bid), "max(bid)"),
    ],
)
def test_values_make_the_trees_of_their_text(expression: e.ValueExpression, text: str) -> None:
    assert e.value_of(expression) == parse_value(text)


class Color(enum.StrEnum):
    RED = "red"


class Entity(Mapping[str, object]):
    def __getitem__(self, name: str) -> object:
        return {"id": ID}[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(["id"])

    def __len__(self) -> int:
        return 1


class Thing:
    id = str(ID)


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("x", "x"),
        (Color.RED, "red"),
        (None, None),
        (True, True),
        (5, 5),
        (2.5, 2.5),
        (Decimal("1E+2"), "100"),
        (Decimal("1.50"), "1.50"),
        (dt.date(2026, 11, 21), "2026-11-21"),
        (dt.datetime(2026, 11, 21, 12, tzinfo=dt.timezone(dt.timedelta(hours=2))), "2026-11-21T10:00:00+00:00"),
        (ID, str(ID)),
        (ID.bytes, str(ID)),
        (Entity(), str(ID)),
        (Thing(), str(ID)),
        ({"a": 1}, '{"a": 1}'),
    ],
)
def test_python_values_become_literals(value: object, literal: object) -> None:
    found = e.value_of(value)

    assert isinstance(found, s.Literal)
    assert (type(found.value), found.value) == (type(literal), literal)


def test_numbers_of_numpy_become_plain_ones() -> None:
    numpy = pytest.importorskip("numpy")

    found = [e.value_of(value) for value in (numpy.int32(5), numpy.float64(2.5), numpy.float32(0.5))]

    assert found == [s.Literal(5), s.Literal(2.5), s.Literal(0.5)]
    assert [type(each.value) for each in found] == [int, float, float]  # type: ignore[union-attr]


@pytest.mark.parametrize("value", [object(), {1}, Item, Item.name.desc(), Item.name == "x"])
def test_what_no_query_can_hold_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        e.value_of(value)


@pytest.mark.parametrize("value", [dt.datetime(2026, 11, 21), b"short"])
def test_values_that_say_too_little_are_refused(value: object) -> None:
    with pytest.raises(InvalidQuery):
        e.value_of(value)


def test_types_and_paths_serve_as_keys() -> None:
    keys = {Item: "type", Item.name: "name", Item.project: "project", Item.project.name: "project name"}

    assert keys[Item] == "type"
    assert keys[Item.name] == "name"
    assert keys[Item.project.name] == "project name"
    assert Item.bid not in keys
    assert Person.name not in keys
    assert Item.name in [Item.bid, Item.name]


def test_other_conditions_have_no_truth() -> None:
    for condition in (Item.name == "x", Item.bid > 1, (Item.bid > 1) & (Item.bid < 2), Item.bid < Item.ratio):
        with pytest.raises(TypeError, match="write & for and"):
            bool(condition)
    with pytest.raises(TypeError):
        0 < Item.bid < 5  # noqa: B015


def test_expressions_are_hashable_and_compare_by_structure() -> None:
    assert hash(Item.name == "x") == hash(Item.name == "x")
    assert ((Item.name == "x") == (Item.name == "x")) is True
    assert ((Item.name == "x") == (Item.name == "y")) is False


def test_a_wrong_attribute_is_named_with_close_ones() -> None:
    with pytest.raises(UnknownAttribute) as caught:
        _ = Item.project.nme

    error = caught.value
    assert isinstance(error, AttributeError)
    assert (error.type, error.name, error.suggestions[0]) == ("Project", "nme", "name")
    assert str(error) == "Project has no attribute 'nme'. Did you mean 'name' or 'number'?"
    assert not hasattr(Item, "nme")
    assert not hasattr(Item.project, "__deepcopy__")


def test_attributes_beyond_relations_keep_their_names() -> None:
    schema = Schema(
        [
            EntityType(
                name="Plane", attributes=tuple(A(name=name, kind="integer") for name in ("year", "label", "any"))
            ),
            EntityType(name="Flight", attributes=(A(name="plane", kind="reference", target="Plane"),)),
        ]
    )
    plane = e.TypeExpression(schema, "Flight").plane

    assert [e.value_of(each) for each in (plane.year, plane["label"], plane["any"])] == [
        s.Path(("plane", name)) for name in ("year", "label", "any")
    ]
    assert e.condition_of(plane.any()) == s.Any(s.Path(("plane",)))


def test_paths_must_start_from_the_type_that_is_asked_for() -> None:
    assert e.condition_of(Item.bid > 1, SCHEMA, "Shot") == parse_condition("bid > 1")
    with pytest.raises(InvalidQuery, match="starts from Shot, and this asks for Item"):
        e.condition_of(Shot.frames > 1, SCHEMA, "Item")
    with pytest.raises(InvalidQuery, match="starts from Person"):
        e.condition_of((Item.bid > 1) & (Person.age > 1), SCHEMA, "Item")
    with pytest.raises(InvalidQuery, match="starts from Project"):
        Project.items.any(Project.name == "x")
    for make in (e.selected_of, e.order_of, e.group_of):
        with pytest.raises(InvalidQuery):
            make(Person.name, SCHEMA, "Item")


def test_select_order_and_group() -> None:
    assert e.selected_of("sum(bid) as total") == parse_selected("sum(bid) as total")
    assert e.selected_of(Item.bid.sum_().label("total")) == parse_selected("sum(bid) as total")
    assert e.selected_of(e.label(Item.bid, "b")) == parse_selected("bid as b")
    assert e.selected_of(Item.project.name) == s.Selected(s.Path(("project", "name")))
    assert e.selected_of(parse_selected("bid")) == parse_selected("bid")
    assert (
        e.order_of("name desc")
        == e.order_of(Item.name.desc())
        == e.order_of(e.desc(Item.name))
        == parse_order("name desc")
    )
    assert (
        e.order_of(Item.name)
        == e.order_of(Item.name.asc())
        == e.order_of(e.asc(Item.name))
        == s.OrderKey(s.Path(("name",)))
    )
    assert e.order_of(s.OrderKey(s.Path(("name",)))) == s.OrderKey(s.Path(("name",)))
    assert e.group_of("year(due)") == e.group_of(Item.due.year()) == parse_value("year(due)")
    for make in (e.selected_of, e.order_of, e.group_of, e.condition_of):
        with pytest.raises(TypeError):
            make(5)


def test_lists_and_queries_only_behind_in() -> None:
    for wrong in ("abc", 5, {"a": 1}):
        with pytest.raises(TypeError):
            Item.name.in_(wrong)


def test_what_has_a_query_for_a_tree_serves_behind_in() -> None:
    class Result:
        tree = parse("Project")

    assert e.condition_of(Item.project.in_(Result())) == s.InQuery(s.Path(("project",)), s.Query("Project"))


def test_long_chains_are_flat_and_deep_ones_refused() -> None:
    chain = Item.bid > 0
    for number in range(2_000):
        chain = chain & (Item.bid != number)
    assert isinstance(chain.tree, s.And)
    assert len(chain.tree.conditions) == 2_001
    for deepen in (lambda each: ~each, Item.parent.has):
        with pytest.raises(QueryTooComplex):
            deepened(Item.bid > 0, deepen)
    with pytest.raises(QueryTooComplex):
        deepened(Item.bid, lambda each: each + 1)


def deepened(expression: Any, deepen: Callable[[Any], Any]) -> Any:
    for _ in range(10_000):
        expression = deepen(expression)
    return expression


def test_classes_of_entities_give_paths_and_their_instances_do_not() -> None:
    class Base(metaclass=e.EntityClass):
        def keys(self) -> None: ...

    class ShotClass(Base):
        _schema = SCHEMA
        _type = "Shot"

    class Mine(ShotClass):
        pass

    assert e.condition_of(ShotClass.project.name == "x") == parse_condition('project.name is "x"')
    assert e.value_of(Mine.frames) == s.Path(("frames",))
    assert e.value_of(ShotClass["name"]) == s.Path(("name",))
    assert callable(ShotClass.keys)
    assert not hasattr(ShotClass(), "frames")
    with pytest.raises(UnknownAttribute):
        _ = ShotClass.frmes
    with pytest.raises(AttributeError):
        _ = Base.frames
    assert not hasattr(ShotClass, "_private")
    assert {ShotClass: 1, Base: 2}[ShotClass] == 1


def test_expressions_survive_copies_and_show_their_text() -> None:
    condition = (Item.project.name == "x") & ~Item.name.like("a%")

    assert repr(condition) == '<ConditionExpression project.name is "x" and not name like "a%">'
    assert copy.deepcopy(Item.project.name).tree == Item.project.name.tree
    assert copy.copy(Item.project).name.tree == Item.project.name.tree
    assert pickle.loads(pickle.dumps(Item.name.tree)) == Item.name.tree
