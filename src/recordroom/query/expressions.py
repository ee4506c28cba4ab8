"""Expressions: queries written in Python. `Task.project.name == "x"` builds the same tree as the text.

Every expression has `.tree`, its syntax node, and is hashable. Comparing two paths still works as a key
of a dict: `bool(a == b)` says whether they are the same path; any other condition has no truth value.
"""

from __future__ import annotations

import datetime as dt
import uuid
from abc import ABCMeta
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ..errors import InvalidQuery, UnknownAttribute
from ..model.schema import Schema, close_names
from . import syntax
from .syntax import And, Arithmetic, Between, Call, Compare, Has, In, InQuery, Literal, Not, Or, Path

__all__ = [
    "ConditionExpression",
    "EntityClass",
    "Expression",
    "LabelledExpression",
    "MappingExpression",
    "OrderExpression",
    "PathExpression",
    "RelationExpression",
    "TypeExpression",
    "UnknownPath",
    "ValueExpression",
    "and_",
    "asc",
    "avg",
    "condition_of",
    "count",
    "desc",
    "group_of",
    "label",
    "max_",
    "min_",
    "not_",
    "or_",
    "order_of",
    "parameter",
    "path_of",
    "selected_of",
    "sum_",
    "value_of",
]

_VALUES = (Path, Literal, syntax.Parameter, Call, Arithmetic)
_CONDITIONS = (syntax.Constant, Compare, Between, In, InQuery, syntax.Any, Has, Not, And, Or)


class UnknownPath(UnknownAttribute, AttributeError):
    """{type} has no attribute {name!r}."""


class Expression:
    """A piece of a query. `type` is the entity type that its paths start from, "" where it has none."""

    __slots__ = ("tree", "type")

    def __init__(self, tree: Any, type: str = "") -> None:
        self.tree = tree
        self.type = type

    def __hash__(self) -> int:
        return hash(self.tree)

    def __repr__(self) -> str:
        from .render import render

        return f"<{type(self).__name__} {render(self.tree)}>"

    def __iter__(self) -> Any:
        raise TypeError(f"{self!r} is part of a query and cannot be iterated; query for it instead")


class ConditionExpression(Expression):
    """Something that holds or does not. Combine with &, | and ~."""

    __slots__ = ()

    def __and__(self, other: Any) -> ConditionExpression:
        return and_(self, other)

    def __rand__(self, other: Any) -> ConditionExpression:
        return and_(other, self)

    def __or__(self, other: Any) -> ConditionExpression:
        return or_(self, other)

    def __ror__(self, other: Any) -> ConditionExpression:
        return or_(other, self)

    def __invert__(self) -> ConditionExpression:
        return not_(self)

    def __bool__(self) -> bool:
        tree = self.tree
        if isinstance(tree, Compare) and isinstance(tree.left, Path) and isinstance(tree.right, Path):
            if tree.operator == "is":
                return tree.left == tree.right
            if tree.operator == "is_not":
                return tree.left != tree.right
        raise TypeError(
            f"{self!r} is a condition of a query and neither true nor false here:"
            " combine conditions with & | ~ (not with and, or, not), each comparison in parentheses"
        )


class ValueExpression(Expression):
    """Something with a value: a path, a call, arithmetic."""

    __slots__ = ()

    def _compare(self, operator: str, other: Any) -> ConditionExpression:
        return ConditionExpression(Compare(operator, self.tree, value_of(other)), self.type)

    def __eq__(self, other: object) -> ConditionExpression:  # type: ignore[override]
        return self._compare("is", other)

    def __ne__(self, other: object) -> ConditionExpression:  # type: ignore[override]
        return self._compare("is_not", other)

    __hash__ = Expression.__hash__

    def __lt__(self, other: Any) -> ConditionExpression:
        return self._compare("<", other)

    def __le__(self, other: Any) -> ConditionExpression:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> ConditionExpression:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> ConditionExpression:
        return self._compare(">=", other)

    def is_(self, other: Any) -> ConditionExpression:
        """As ==; `is_(None)` asks for no value."""
        return self._compare("is", other)

    def is_not(self, other: Any) -> ConditionExpression:
        """As !=; `is_not(None)` asks for a value."""
        return self._compare("is_not", other)

    def like(self, pattern: str) -> ConditionExpression:
        """Case is ignored; % stands for any text, _ for one character."""
        return self._compare("like", pattern)

    def not_like(self, pattern: str) -> ConditionExpression:
        """The opposite of `like`."""
        return self._compare("not_like", pattern)

    def contains(self, text: str) -> ConditionExpression:
        """Has `text` in it, case-sensitively."""
        return self._compare("contains", text)

    def starts_with(self, text: str) -> ConditionExpression:
        """Begins with `text`, case-sensitively."""
        return self._compare("starts_with", text)

    def ends_with(self, text: str) -> ConditionExpression:
        """Ends with `text`, case-sensitively."""
        return self._compare("ends_with", text)

    def matches(self, words: str) -> ConditionExpression:
        """Full text: has every one of the words; `word*` matches beginnings."""
        return self._compare("matches", words)

    def between(self, low: Any, high: Any) -> ConditionExpression:
        """From low to high, both included."""
        return ConditionExpression(Between(self.tree, value_of(low), value_of(high)), self.type)

    def in_(self, items: Any) -> ConditionExpression:
        """Is one of `items`: values, or a query."""
        return _in(self, items, False)

    def not_in(self, items: Any) -> ConditionExpression:
        """Is none of `items`: values, or a query."""
        return _in(self, items, True)

    def _arithmetic(self, operator: str, left: Any, right: Any) -> ValueExpression:
        return ValueExpression(Arithmetic(operator, value_of(left), value_of(right)), self.type)

    def __add__(self, other: Any) -> ValueExpression:
        return self._arithmetic("+", self, other)

    def __radd__(self, other: Any) -> ValueExpression:
        return self._arithmetic("+", other, self)

    def __sub__(self, other: Any) -> ValueExpression:
        return self._arithmetic("-", self, other)

    def __rsub__(self, other: Any) -> ValueExpression:
        return self._arithmetic("-", other, self)

    def __mul__(self, other: Any) -> ValueExpression:
        return self._arithmetic("*", self, other)

    def __rmul__(self, other: Any) -> ValueExpression:
        return self._arithmetic("*", other, self)

    def __truediv__(self, other: Any) -> ValueExpression:
        return self._arithmetic("/", self, other)

    def __rtruediv__(self, other: Any) -> ValueExpression:
        return self._arithmetic("/", other, self)

    def _call(self, function: str, *arguments: Any) -> ValueExpression:
        return ValueExpression(Call(function, (self.tree, *map(value_of, arguments))), self.type)

    def lower(self) -> ValueExpression:
        """The text in lower case."""
        return self._call("lower")

    def upper(self) -> ValueExpression:
        """The text in upper case."""
        return self._call("upper")

    def length(self) -> ValueExpression:
        """How many characters the text has."""
        return self._call("length")

    def concat(self, *others: Any) -> ValueExpression:
        """This text and the others, one behind the other."""
        return self._call("concat", *others)

    def coalesce(self, *others: Any) -> ValueExpression:
        """The first of these that has a value."""
        return self._call("coalesce", *others)

    def round(self, digits: int = 0) -> ValueExpression:
        """Rounded to `digits` after the point, half away from zero."""
        return self._call("round", digits)

    def abs(self) -> ValueExpression:
        """Without its sign."""
        return self._call("abs")

    def year(self) -> ValueExpression:
        """The year of a date or datetime (UTC)."""
        return self._call("year")

    def month(self) -> ValueExpression:
        """The month of a date or datetime (UTC), 1 to 12."""
        return self._call("month")

    def day(self) -> ValueExpression:
        """The day of the month of a date or datetime (UTC)."""
        return self._call("day")

    def count(self) -> ValueExpression:
        """How many values there are, over a collection or in a grouped select."""
        return self._call("count")

    def sum_(self) -> ValueExpression:
        """The sum of the values."""
        return self._call("sum")

    def avg(self) -> ValueExpression:
        """The mean of the values."""
        return self._call("avg")

    def min_(self) -> ValueExpression:
        """The least of the values."""
        return self._call("min")

    def max_(self) -> ValueExpression:
        """The greatest of the values."""
        return self._call("max")

    def asc(self) -> OrderExpression:
        """As a key of order_by, smallest first."""
        return asc(self)

    def desc(self) -> OrderExpression:
        """As a key of order_by, greatest first."""
        return desc(self)

    def label(self, name: str) -> LabelledExpression:
        """Under this name in the results."""
        return label(self, name)


class PathExpression(ValueExpression):
    """A scalar attribute, reached by a path."""

    __slots__ = ()


class MappingExpression(Expression):
    """A mapping attribute: `Task.metadata["key"]` is the value under a key."""

    __slots__ = ()

    def __getitem__(self, key: str) -> PathExpression:
        if not isinstance(key, str):
            raise TypeError(f"a key of a mapping is text, not {key!r}")
        return PathExpression(Path((*self.tree.names, key)), self.type)

    def any(self, condition: Any = None) -> ConditionExpression:
        """One entry satisfies the condition on `key` and `value`; without one: there is an entry."""
        return ConditionExpression(syntax.Any(self.tree, _inner(condition, None, "")), self.type)


class RelationExpression(Expression):
    """A relation; attribute access goes on to the attributes of the type at its other end."""

    __slots__ = ("_schema", "_target")

    def __init__(self, tree: Path, type: str, schema: Schema, target: str) -> None:
        super().__init__(tree, type)
        self._schema = schema
        self._target = target

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        return _step(self._schema, self._target, name, self.tree.names, self.type)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._schema.attributes(self._target)]

    def __eq__(self, other: object) -> ConditionExpression:  # type: ignore[override]
        return ConditionExpression(Compare("is", self.tree, value_of(other)), self.type)

    def __ne__(self, other: object) -> ConditionExpression:  # type: ignore[override]
        return ConditionExpression(Compare("is_not", self.tree, value_of(other)), self.type)

    __hash__ = Expression.__hash__

    def is_(self, other: Any) -> ConditionExpression:
        """As ==."""
        return ConditionExpression(Compare("is", self.tree, value_of(other)), self.type)

    def is_not(self, other: Any) -> ConditionExpression:
        """As !=."""
        return ConditionExpression(Compare("is_not", self.tree, value_of(other)), self.type)

    def in_(self, items: Any) -> ConditionExpression:
        """Is one of `items`: entities, ids, or a query."""
        return _in(self, items, False)

    def not_in(self, items: Any) -> ConditionExpression:
        """Is none of `items`: entities, ids, or a query."""
        return _in(self, items, True)

    def any(self, condition: Any = None) -> ConditionExpression:
        """One member satisfies the whole condition; without one: there is a member."""
        return ConditionExpression(syntax.Any(self.tree, _inner(condition, self._schema, self._target)), self.type)

    def has(self, condition: Any = None) -> ConditionExpression:
        """The entity at the other end satisfies the condition; without one: there is one."""
        return ConditionExpression(Has(self.tree, _inner(condition, self._schema, self._target)), self.type)

    def count(self) -> ValueExpression:
        """How many members there are."""
        return ValueExpression(Call("count", (self.tree,)), self.type)


class OrderExpression(Expression):
    """A key of order_by."""

    __slots__ = ()


class LabelledExpression(Expression):
    """A value under a name of its own."""

    __slots__ = ()


# --- where paths begin ----------------------------------------------------------------------------


def path_of(schema: Schema, type_name: str, attribute: str) -> Expression:
    """The path that `type_name.attribute` is; UnknownPath, with close names, where there is none."""
    return _step(schema, type_name, attribute, (), type_name)


def _step(schema: Schema, type_name: str, name: str, before: tuple[str, ...], start: str) -> Expression:
    attributes = schema.attributes(type_name)
    if name not in attributes:
        raise UnknownPath(type=type_name, name=name, suggestions=close_names(name, attributes))
    attribute = attributes[name]
    path = Path((*before, name))
    if attribute.kind == "mapping":
        return MappingExpression(path, start)
    if attribute.relation:
        return RelationExpression(path, start, schema, attribute.target)
    return PathExpression(path, start)


class EntityClass(ABCMeta):
    """The class of classes that stand for an entity type: their attributes are paths.

    Such a class has `_schema` and `_type`. What the class has itself hides a path of the same name;
    `Task["items"]` is always the path.
    """

    _schema: Schema
    _type: str

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_") or "_type" not in cls.__dict__:
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        return path_of(cls._schema, cls._type, name)

    def __getitem__(cls, name: str) -> Any:
        if "_type" not in cls.__dict__:
            raise TypeError(f"{cls.__name__} does not stand for an entity type")
        return path_of(cls._schema, cls._type, name)


class TypeExpression:
    """An entity type whose attributes are paths, without a class of its own."""

    __slots__ = ("_schema", "_type")

    def __init__(self, schema: Schema, name: str) -> None:
        self._schema = schema
        self._type = schema[name].name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        return path_of(self._schema, self._type, name)

    def __repr__(self) -> str:
        return f"<TypeExpression {self._type}>"


# --- what people give -----------------------------------------------------------------------------


def value_of(given: Any) -> syntax.Value:
    """The value that `given` stands for: an expression, a node, or a Python value. Text is a text."""
    if isinstance(given, Expression):
        tree = given.tree
        if isinstance(tree, syntax.Selected):
            tree = tree.value
        if isinstance(tree, _VALUES):
            return tree
        raise TypeError(f"{given!r} is not a value")
    if isinstance(given, _VALUES):
        return given
    return Literal(_literal(given))


def _literal(given: Any) -> str | int | float | bool | None:
    if given is None or isinstance(given, (str, bool, int, float)):
        return given
    if isinstance(given, (dt.date, dt.datetime)):
        return given.isoformat()
    if isinstance(given, (Decimal, uuid.UUID)):
        return str(given)
    if isinstance(given, bytes) and len(given) == 16:
        return str(uuid.UUID(bytes=given))
    identity = given.get("id") if isinstance(given, Mapping) else getattr(given, "id", None)
    if isinstance(identity, (str, uuid.UUID)):
        return str(identity)
    if type(given).__module__ == "numpy" and hasattr(given, "item"):
        return _literal(given.item())
    raise TypeError(f"{given!r} cannot stand in a query")


def condition_of(given: Any, schema: Schema | None = None, type_name: str | None = None) -> syntax.Condition:
    """The condition that `given` stands for: an expression, a node, a boolean path, or text."""
    if isinstance(given, str):
        from .grammar import parse_condition

        return parse_condition(given)
    if isinstance(given, bool):
        return syntax.Constant(given)
    _check_start(given, schema, type_name)
    tree = given.tree if isinstance(given, Expression) else given
    if isinstance(tree, _CONDITIONS):
        return tree
    if isinstance(tree, Path):
        return Compare("is", tree, Literal(True))
    raise TypeError(f"{given!r} is not a condition: a comparison such as Task.bid > 5, or text, was expected")


def selected_of(given: Any, schema: Schema | None = None, type_name: str | None = None) -> syntax.Selected:
    """What to select: an expression, a node, or text such as `sum(bid) as total`."""
    if isinstance(given, str):
        from .grammar import parse_selected

        return parse_selected(given)
    if isinstance(given, syntax.Selected):
        return given
    _check_start(given, schema, type_name)
    if isinstance(given, Expression) and isinstance(given.tree, syntax.Selected):
        return given.tree
    return syntax.Selected(value_of(_no_plain(given, "selected")))


def order_of(given: Any, schema: Schema | None = None, type_name: str | None = None) -> syntax.OrderKey:
    """A key to sort by: an expression, `expression.desc()`, a node, or text such as `name desc`."""
    if isinstance(given, str):
        from .grammar import parse_order

        return parse_order(given)
    if isinstance(given, syntax.OrderKey):
        return given
    _check_start(given, schema, type_name)
    if isinstance(given, Expression) and isinstance(given.tree, syntax.OrderKey):
        return given.tree
    return syntax.OrderKey(value_of(_no_plain(given, "sorted by")))


def group_of(given: Any, schema: Schema | None = None, type_name: str | None = None) -> syntax.Value:
    """A value to group by: an expression, a node, or text such as `project.name`."""
    if isinstance(given, str):
        from .grammar import parse_value

        return parse_value(given)
    _check_start(given, schema, type_name)
    return value_of(_no_plain(given, "grouped by"))


def _no_plain(given: Any, what: str) -> Any:
    if isinstance(given, (Expression, *_VALUES)):
        return given
    raise TypeError(f"{given!r} cannot be {what}: a path such as Task.name, or text, was expected")


def _check_start(given: Any, schema: Schema | None, type_name: str | None) -> None:
    """A path that starts at another type would be read as one of this type, and mean something else."""
    start = getattr(given, "type", "") if isinstance(given, Expression) else ""
    if not start or not type_name or schema is None or start == type_name:
        return
    if not schema.is_a(type_name, start) and not schema.is_a(start, type_name):
        raise InvalidQuery(reason=f"{given!r} starts at {start}, but the query is for {type_name}")


def _inner(condition: Any, schema: Schema | None, target: str) -> syntax.Condition | None:
    return None if condition is None else condition_of(condition, schema, target)


def _in(value: Expression, items: Any, negated: bool) -> ConditionExpression:
    query = items if isinstance(items, syntax.Query) else getattr(items, "tree", None)
    if isinstance(query, syntax.Query):
        return ConditionExpression(InQuery(value.tree, query, negated), value.type)
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        raise TypeError(f"in_ takes a list of values or a query, not {items!r}")
    return ConditionExpression(In(value.tree, tuple(map(value_of, items)), negated), value.type)


# --- functions ------------------------------------------------------------------------------------


def and_(*conditions: Any) -> ConditionExpression:
    """All of the conditions hold."""
    return _joined(And, conditions)


def or_(*conditions: Any) -> ConditionExpression:
    """One of the conditions holds."""
    return _joined(Or, conditions)


def _joined(node: type[And] | type[Or], conditions: tuple[Any, ...]) -> ConditionExpression:
    if not conditions:
        return ConditionExpression(syntax.Constant(node is And))
    parts: list[syntax.Condition] = []
    for condition in conditions:
        tree = condition_of(condition)
        # a & b & c is one And of three: chains stay flat however long.
        parts.extend(tree.conditions if type(tree) is node else (tree,))
    start = next((each.type for each in conditions if isinstance(each, Expression) and each.type), "")
    return ConditionExpression(node(tuple(parts)) if len(parts) > 1 else parts[0], start)


def not_(condition: Any) -> ConditionExpression:
    """The condition does not hold."""
    return ConditionExpression(Not(condition_of(condition)), getattr(condition, "type", ""))


def _aggregate(function: str, value: Any) -> ValueExpression:
    return ValueExpression(Call(function, (value_of(value),)), getattr(value, "type", ""))


def count(value: Any = None) -> ValueExpression:
    """How many rows there are, or how many of them have a value."""
    return ValueExpression(Call("count")) if value is None else _aggregate("count", value)


def sum_(value: Any) -> ValueExpression:
    """The sum of the values."""
    return _aggregate("sum", value)


def avg(value: Any) -> ValueExpression:
    """The mean of the values."""
    return _aggregate("avg", value)


def min_(value: Any) -> ValueExpression:
    """The least of the values."""
    return _aggregate("min", value)


def max_(value: Any) -> ValueExpression:
    """The greatest of the values."""
    return _aggregate("max", value)


def asc(value: Any) -> OrderExpression:
    """As a key of order_by, smallest first."""
    return OrderExpression(syntax.OrderKey(value_of(value), True), getattr(value, "type", ""))


def desc(value: Any) -> OrderExpression:
    """As a key of order_by, greatest first."""
    return OrderExpression(syntax.OrderKey(value_of(value), False), getattr(value, "type", ""))


def label(value: Any, name: str) -> LabelledExpression:
    """The value under this name in the results."""
    return LabelledExpression(syntax.Selected(value_of(value), name), getattr(value, "type", ""))


def parameter(name: str) -> ValueExpression:
    """`$name`: a value given with the request."""
    return ValueExpression(syntax.Parameter(name))
