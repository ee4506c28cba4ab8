"""Queries written in Python: `(Task.project.name == "x") & (Task.bid > 5)` makes the same trees as text does.

A path is read off an entity type by attributes, or by [] for names that Python or these classes use
themselves; scalars have methods for functions, relations only a few, so that attributes of the types they lead
to keep their names. Expressions are immutable and hashable. `==` makes a condition; asked for its truth, as
dicts do with keys, a comparison of two paths says whether they are the same, and any other refuses.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from abc import ABCMeta
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ..errors import InvalidQuery, UnknownAttribute
from ..model.ids import show_id
from ..model.schema import Schema
from . import syntax
from .grammar import parse_condition, parse_order, parse_selected
from .limits import MAX_DEPTH, too_complex
from .render import render

__all__ = [
    "ConditionExpression",
    "EntityClass",
    "Expression",
    "LabelledExpression",
    "MappingExpression",
    "OrderExpression",
    "PathExpression",
    "RelationExpression",
    "ScalarExpression",
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


class UnknownPath(UnknownAttribute, AttributeError):
    """{type} has no attribute {name!r}."""

    def __init__(self, message: str | None = None, /, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.name = facts.get("name")  # AttributeError has one of its own


# --- expressions ----------------------------------------------------------------------------------


class Expression:
    """A piece of a query. `tree` is its node of `syntax`; `roots` are the types that its paths start from."""

    __slots__ = ("depth", "roots", "tree")

    def __init__(self, tree: Any, roots: frozenset[str] = frozenset(), depth: int = 1) -> None:
        if depth > MAX_DEPTH:
            raise too_complex()
        self.tree = tree
        self.roots = roots
        self.depth = depth

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.tree))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {render(self.tree)}>"


class ConditionExpression(Expression):
    """What may stand after `where`. Combine with & and |, turn around with ~."""

    __slots__ = ("_same",)

    def __init__(self, tree: Any, roots: frozenset[str], depth: int, same: bool | None = None) -> None:
        super().__init__(tree, roots, depth)
        self._same = same

    def __and__(self, other: Any) -> ConditionExpression:
        return _combined(syntax.And, self, other)

    def __or__(self, other: Any) -> ConditionExpression:
        return _combined(syntax.Or, self, other)

    def __rand__(self, other: Any) -> ConditionExpression:
        return _combined(syntax.And, other, self)

    def __ror__(self, other: Any) -> ConditionExpression:
        return _combined(syntax.Or, other, self)

    def __invert__(self) -> ConditionExpression:
        return ConditionExpression(syntax.Not(self.tree), self.roots, self.depth + 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConditionExpression) and bool(self.tree == other.tree)

    __hash__ = Expression.__hash__

    def __bool__(self) -> bool:
        if self._same is None:
            raise TypeError(
                f"{render(self.tree)!r} is a condition of a query and neither true nor false here: "
                "write & for and, | for or, ~ for not, with each comparison in parentheses"
            )
        return self._same


class ValueExpression(Expression):
    """A value of a query: a path, arithmetic, a function, an aggregate."""

    __slots__ = ()

    # --- comparisons ---

    def __eq__(self, other: object) -> ConditionExpression:  # type: ignore[override]
        same = self.tree == other.tree and self.roots == other.roots if isinstance(other, ValueExpression) else None
        return self._compared("is", other, same)

    def __ne__(self, other: object) -> ConditionExpression:  # type: ignore[override]
        different = self.tree != other.tree or self.roots != other.roots if isinstance(other, ValueExpression) else None
        return self._compared("is_not", other, different)

    __hash__ = Expression.__hash__

    def __lt__(self, other: Any) -> ConditionExpression:
        return self._compared("<", other)

    def __le__(self, other: Any) -> ConditionExpression:
        return self._compared("<=", other)

    def __gt__(self, other: Any) -> ConditionExpression:
        return self._compared(">", other)

    def __ge__(self, other: Any) -> ConditionExpression:
        return self._compared(">=", other)

    def _compared(self, operator: str, other: Any, same: bool | None = None) -> ConditionExpression:
        right = _operand(other)
        both_paths = isinstance(self.tree, syntax.Path) and isinstance(right.tree, syntax.Path)
        tree = syntax.Compare(operator, self.tree, right.tree)
        return ConditionExpression(tree, self.roots | right.roots, _above(self, right), same if both_paths else None)

    def is_(self, other: Any) -> ConditionExpression:
        """As ==; `is_(None)` asks for null."""
        return self._compared("is", other)

    def is_not(self, other: Any) -> ConditionExpression:
        """As !=; `is_not(None)` asks for anything but null."""
        return self._compared("is_not", other)

    def in_(self, items: Any) -> ConditionExpression:
        """One of the items of an iterable, or one of what a query selects."""
        return self._membership(items, False)

    def not_in(self, items: Any) -> ConditionExpression:
        """None of the items of an iterable or a query."""
        return self._membership(items, True)

    def _membership(self, items: Any, negated: bool) -> ConditionExpression:
        query = items if isinstance(items, syntax.Query) else getattr(items, "tree", None)
        if isinstance(query, syntax.Query):
            return ConditionExpression(syntax.InQuery(self.tree, query, negated), self.roots, self.depth + 1)
        if isinstance(items, str | bytes | Mapping) or not hasattr(items, "__iter__"):
            raise TypeError(f"in_ takes a list of values or a query, not {type(items).__name__}")
        operands = [_operand(item) for item in items]
        roots = self.roots.union(*(each.roots for each in operands))
        tree = syntax.In(self.tree, tuple(each.tree for each in operands), negated)
        return ConditionExpression(tree, roots, _above(self, *operands))

    # --- order, names, aggregates ---

    def asc(self) -> OrderExpression:
        """For order_by: the least first, null last."""
        return OrderExpression(syntax.OrderKey(self.tree, True), self.roots, self.depth)

    def desc(self) -> OrderExpression:
        """For order_by: the greatest first, null last."""
        return OrderExpression(syntax.OrderKey(self.tree, False), self.roots, self.depth)

    def label(self, name: str) -> LabelledExpression:
        """For select: the value under a name of its own."""
        return LabelledExpression(syntax.Selected(self.tree, name), self.roots, self.depth)

    def count(self) -> ScalarExpression:
        """How many there are: of members, or of rows where this is not null."""
        return _call("count", self)


class ScalarExpression(ValueExpression):
    """A value that is no entity: it has every operator and function."""

    __slots__ = ()

    def between(self, low: Any, high: Any) -> ConditionExpression:
        """From low to high, both included."""
        first, last = _operand(low), _operand(high)
        tree = syntax.Between(self.tree, first.tree, last.tree)
        return ConditionExpression(tree, self.roots | first.roots | last.roots, _above(self, first, last))

    def like(self, pattern: Any) -> ConditionExpression:
        """The text matches a pattern, whatever its case: % stands for any text, _ for any character."""
        return self._compared("like", pattern)

    def not_like(self, pattern: Any) -> ConditionExpression:
        """The text does not match a pattern."""
        return self._compared("not_like", pattern)

    def contains(self, part: Any) -> ConditionExpression:
        """The text has `part` in it."""
        return self._compared("contains", part)

    def starts_with(self, part: Any) -> ConditionExpression:
        """The text begins with `part`."""
        return self._compared("starts_with", part)

    def ends_with(self, part: Any) -> ConditionExpression:
        """The text ends with `part`."""
        return self._compared("ends_with", part)

    def matches(self, words: Any) -> ConditionExpression:
        """The text has every one of the words; `word*` stands for its beginnings."""
        return self._compared("matches", words)

    # --- arithmetic ---

    def __add__(self, other: Any) -> ScalarExpression:
        return _arithmetic("+", self, other)

    def __radd__(self, other: Any) -> ScalarExpression:
        return _arithmetic("+", other, self)

    def __sub__(self, other: Any) -> ScalarExpression:
        return _arithmetic("-", self, other)

    def __rsub__(self, other: Any) -> ScalarExpression:
        return _arithmetic("-", other, self)

    def __mul__(self, other: Any) -> ScalarExpression:
        return _arithmetic("*", self, other)

    def __rmul__(self, other: Any) -> ScalarExpression:
        return _arithmetic("*", other, self)

    def __truediv__(self, other: Any) -> ScalarExpression:
        return _arithmetic("/", self, other)

    def __rtruediv__(self, other: Any) -> ScalarExpression:
        return _arithmetic("/", other, self)

    def __neg__(self) -> ScalarExpression:
        return _arithmetic("-", 0, self)

    # --- functions ---

    def lower(self) -> ScalarExpression:
        """The text in lower case."""
        return _call("lower", self)

    def upper(self) -> ScalarExpression:
        """The text in upper case."""
        return _call("upper", self)

    def length(self) -> ScalarExpression:
        """How many characters the text has."""
        return _call("length", self)

    def concat(self, *others: Any) -> ScalarExpression:
        """This text and others behind it; null counts as the empty text."""
        return _call("concat", self, *others)

    def coalesce(self, *others: Any) -> ScalarExpression:
        """This, or the first of the others that is not null."""
        return _call("coalesce", self, *others)

    def round(self, places: int = 0) -> ScalarExpression:
        """Rounded to some places after the point, half away from zero."""
        return _call("round", self, places)

    def abs(self) -> ScalarExpression:
        """Without its sign."""
        return _call("abs", self)

    def year(self) -> ScalarExpression:
        """The year of a date or moment, in UTC."""
        return _call("year", self)

    def month(self) -> ScalarExpression:
        """The month of a date or moment, in UTC."""
        return _call("month", self)

    def day(self) -> ScalarExpression:
        """The day of the month of a date or moment, in UTC."""
        return _call("day", self)

    def sum_(self) -> ScalarExpression:
        """The sum; null where there is nothing to add."""
        return _call("sum", self)

    def avg(self) -> ScalarExpression:
        """The mean."""
        return _call("avg", self)

    def min_(self) -> ScalarExpression:
        """The least."""
        return _call("min", self)

    def max_(self) -> ScalarExpression:
        """The greatest."""
        return _call("max", self)


class PathExpression(ScalarExpression):
    """A path to a scalar attribute."""

    __slots__ = ()


class MappingExpression(ValueExpression):
    """A path to a mapping: the value under a key by [], conditions on its entries by `any`."""

    __slots__ = ()

    def __getitem__(self, key: str) -> PathExpression:
        return PathExpression(syntax.Path((*self.tree.names, key)), self.roots)

    def any(self, condition: Any = None) -> ConditionExpression:
        """One entry satisfies the condition, which is text: `key is "a" and value is "b"`."""
        return _of_members(syntax.Any, self, condition)


class RelationExpression(ValueExpression):
    """A path to a reference, collection or links: attributes of the type it leads to go on from here."""

    __slots__ = ("_schema", "_target")

    def __init__(self, tree: syntax.Path, roots: frozenset[str], schema: Schema, target: str) -> None:
        super().__init__(tree, roots)
        self._schema = schema
        self._target = target

    def __getattr__(self, name: str) -> ValueExpression:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> ValueExpression:
        return _stepped(self._schema, self._target, name, self.tree.names, self.roots)

    def any(self, condition: Any = None) -> ConditionExpression:
        """One member satisfies the whole condition; without one: there is a member."""
        return _of_members(syntax.Any, self, condition, self._schema, self._target)

    def has(self, condition: Any = None) -> ConditionExpression:
        """The entity referred to satisfies the condition; without one: there is one."""
        return _of_members(syntax.Has, self, condition, self._schema, self._target)


class OrderExpression(Expression):
    """One key of `order_by`."""

    __slots__ = ()


class LabelledExpression(Expression):
    """One thing of `select` under a name of its own."""

    __slots__ = ()


# --- types ----------------------------------------------------------------------------------------


class TypeExpression:
    """An entity type to start paths from: `TypeExpression(schema, "Task").project.name`."""

    __slots__ = ("_name", "_schema")

    def __init__(self, schema: Schema, name: str) -> None:
        schema[name]
        self._schema = schema
        self._name = name

    def __getattr__(self, name: str) -> ValueExpression:
        if name.startswith("_"):
            raise AttributeError(name)
        return path_of(self._schema, self._name, name)

    def __getitem__(self, name: str) -> ValueExpression:
        return path_of(self._schema, self._name, name)

    def __repr__(self) -> str:
        return f"<TypeExpression {self._name}>"


class EntityClass(ABCMeta):
    """The type of classes that stand for entity types: what they do not have themselves is a path.

    Such a class has `_schema`, and `_type`, the name of its entity type; others have plain attributes only.
    """

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        return cls[name]

    def __getitem__(cls, name: str) -> Any:
        type_name = getattr(cls, "_type", None)
        if type_name is None:
            raise AttributeError(f"{cls.__name__} stands for no entity type and has no attribute {name!r}")
        return path_of(cls._schema, type_name, name)


def path_of(schema: Schema, type_name: str, attribute: str) -> ValueExpression:
    """The path from a type to one of its attributes; UnknownPath, with close names, where it has none."""
    return _stepped(schema, type_name, attribute, (), frozenset({type_name}))


def _stepped(
    schema: Schema, type_name: str, name: str, names: tuple[str, ...], roots: frozenset[str]
) -> ValueExpression:
    try:
        attribute = schema.attribute(type_name, name)
    except UnknownAttribute as error:
        raise UnknownPath(error.message, **error.facts) from None
    path = syntax.Path((*names, name))
    if attribute.kind == "mapping":
        return MappingExpression(path, roots)
    if attribute.relation:
        return RelationExpression(path, roots, schema, attribute.target)
    return PathExpression(path, roots)


# --- making trees ---------------------------------------------------------------------------------


def value_of(given: Any) -> syntax.Value:
    """The tree of a value: an expression, a node, or any Python value, which becomes a literal."""
    tree: syntax.Value = _operand(given).tree
    return tree


def _operand(given: Any) -> Expression:
    if isinstance(given, ValueExpression):
        return given
    if isinstance(given, Expression):
        raise TypeError(f"{given!r} is no value")
    return ScalarExpression(_literal(given))


def _literal(given: Any) -> syntax.Value:
    match given:
        case None | bool():
            return syntax.Literal(given)
        # Of an enumeration or numpy: the plain value.
        case str():
            return syntax.Literal(str.__str__(given))
        case int():
            return syntax.Literal(int(given))
        case float():
            return syntax.Literal(float(given))
        case syntax.Path() | syntax.Literal() | syntax.Parameter() | syntax.Call() | syntax.Arithmetic():
            return given
        case dt.datetime():
            if given.tzinfo is None:
                raise InvalidQuery(reason=f"{given!r} has no time zone; a moment needs one")
            try:
                return syntax.Literal(given.astimezone(dt.UTC).isoformat())
            except OverflowError:
                raise InvalidQuery(reason=f"{given!r} is not from year 1 to 9999 in UTC") from None
        case dt.date():
            return syntax.Literal(given.isoformat())
        case Decimal():
            return syntax.Literal(format(given, "f"))
        case uuid.UUID():
            return syntax.Literal(str(given))
        case bytes():
            return syntax.Literal(_shown_id(given))
    return _literal_of_object(given)


def _literal_of_object(given: Any) -> syntax.Value:
    if isinstance(given, dict | list | tuple):
        return syntax.Literal(json.dumps(given))
    if not isinstance(given, type):
        entity = given["id"] if isinstance(given, Mapping) and "id" in given else getattr(given, "id", None)
        if isinstance(entity, str | bytes | uuid.UUID):
            return _literal(entity)
        if hasattr(given, "__index__"):
            return syntax.Literal(given.__index__())
        if hasattr(given, "__float__"):
            return syntax.Literal(float(given))
    raise TypeError(f"{type(given).__name__} is no value that a query can hold")


def _shown_id(given: bytes) -> str:
    if len(given) != 16:
        raise InvalidQuery(reason=f"an id has 16 bytes, not {len(given)}")
    return show_id(given)


def _above(*children: Expression) -> int:
    return 1 + max(child.depth for child in children)


def _arithmetic(operator: str, left: Any, right: Any) -> ScalarExpression:
    first, second = _operand(left), _operand(right)
    return ScalarExpression(
        syntax.Arithmetic(operator, first.tree, second.tree), first.roots | second.roots, _above(first, second)
    )


def _call(function: str, *arguments: Any) -> ScalarExpression:
    operands = [_operand(each) for each in arguments]
    roots = frozenset().union(*(each.roots for each in operands))
    return ScalarExpression(syntax.Call(function, tuple(each.tree for each in operands)), roots, _above(*operands))


def _combined(node: type[syntax.And | syntax.Or], left: Any, right: Any) -> ConditionExpression:
    first, second = _condition(left), _condition(right)
    # A long chain of & is one level, not many.
    parts = (*_parts(node, first.tree), *_parts(node, second.tree))
    depth = max(first.depth + (type(first.tree) is not node), second.depth + (type(second.tree) is not node))
    return ConditionExpression(node(parts), first.roots | second.roots, depth)


def _parts(node: type[syntax.And | syntax.Or], tree: Any) -> tuple[Any, ...]:
    return tree.conditions if type(tree) is node else (tree,)


def _condition(given: Any) -> ConditionExpression:
    match given:
        case ConditionExpression():
            return given
        case ValueExpression() if isinstance(given.tree, syntax.Path):
            return given.is_(True)
        case str():
            tree: Any = parse_condition(given)
        case bool():
            tree = syntax.Constant(given)
        case _ if isinstance(given, _CONDITIONS):
            tree = given
        case _:
            raise TypeError(f"{type(given).__name__} is no condition: compare an attribute, or give text")
    return ConditionExpression(tree, frozenset(), 1)


_CONDITIONS = (
    syntax.Constant,
    syntax.Compare,
    syntax.Between,
    syntax.In,
    syntax.InQuery,
    syntax.Any,
    syntax.Has,
    syntax.Not,
    syntax.And,
    syntax.Or,
)


def _of_members(
    node: type[syntax.Any | syntax.Has],
    path: ValueExpression,
    condition: Any,
    schema: Schema | None = None,
    target: str = "",
) -> ConditionExpression:
    if condition is None:
        return ConditionExpression(node(path.tree, None), path.roots, 1)
    inner = _condition(condition)
    _check_roots(inner, schema, target)
    return ConditionExpression(node(path.tree, inner.tree), path.roots, inner.depth + 1)


def _check_roots(expression: Expression, schema: Schema | None, type_name: str | None) -> None:
    """Refuse paths that start from another type than the one that is asked for."""
    if schema is None or not type_name:
        return
    for root in expression.roots:
        if not (schema.is_a(type_name, root) if root in schema else False):
            raise InvalidQuery(reason=f"{render(expression.tree)!r} starts from {root}, and this asks for {type_name}")


def condition_of(given: Any, schema: Schema | None = None, type_name: str | None = None) -> syntax.Condition:
    """The tree of a condition: an expression, a boolean path, a node, or text. With a schema, its paths must start at `type_name`."""
    expression = _condition(given)
    _check_roots(expression, schema, type_name)
    tree: syntax.Condition = expression.tree
    return tree


def selected_of(given: Any, schema: Schema | None = None, type_name: str | None = None) -> syntax.Selected:
    """The tree of one thing of `select`: an expression, labelled or not, a node, or text."""
    if isinstance(given, str):
        return parse_selected(given)
    if isinstance(given, syntax.Selected):
        return given
    _check_roots_of_any(given, schema, type_name)
    if isinstance(given, LabelledExpression):
        labelled: syntax.Selected = given.tree
        return labelled
    return syntax.Selected(_no_constant(given, "select"))


def order_of(given: Any, schema: Schema | None = None, type_name: str | None = None) -> syntax.OrderKey:
    """The tree of one thing of `order_by`: an expression, with a direction or without, a node, or text."""
    if isinstance(given, str):
        return parse_order(given)
    if isinstance(given, syntax.OrderKey):
        return given
    _check_roots_of_any(given, schema, type_name)
    if isinstance(given, OrderExpression):
        key: syntax.OrderKey = given.tree
        return key
    return syntax.OrderKey(_no_constant(given, "order_by"))


def group_of(given: Any, schema: Schema | None = None, type_name: str | None = None) -> syntax.Value:
    """The tree of one thing of `group_by`: an expression, a node, or text."""
    if isinstance(given, str):
        return parse_selected(given).value
    _check_roots_of_any(given, schema, type_name)
    return _no_constant(given, "group_by")


def _no_constant(given: Any, place: str) -> syntax.Value:
    if isinstance(given, ValueExpression | syntax.Path | syntax.Call | syntax.Arithmetic):
        return value_of(given)
    raise TypeError(f"{place} takes attributes and values made of them, or text, not {type(given).__name__}")


def _check_roots_of_any(given: Any, schema: Schema | None, type_name: str | None) -> None:
    if isinstance(given, Expression):
        _check_roots(given, schema, type_name)


# --- functions for all kinds of values -------------------------------------------------------------


def count(value: Any = None) -> ScalarExpression:
    """How many rows or members there are, or how many have a value."""
    return ScalarExpression(syntax.Call("count")) if value is None else _call("count", value)


def sum_(value: Any) -> ScalarExpression:
    """The sum."""
    return _call("sum", value)


def avg(value: Any) -> ScalarExpression:
    """The mean."""
    return _call("avg", value)


def min_(value: Any) -> ScalarExpression:
    """The least."""
    return _call("min", value)


def max_(value: Any) -> ScalarExpression:
    """The greatest."""
    return _call("max", value)


def label(value: Any, name: str) -> LabelledExpression:
    """A selected value under a name of its own."""
    expression = _operand(value)
    return LabelledExpression(syntax.Selected(expression.tree, name), expression.roots, expression.depth)


def asc(value: Any) -> OrderExpression:
    """The least first, null last."""
    expression = _operand(value)
    return OrderExpression(syntax.OrderKey(expression.tree, True), expression.roots, expression.depth)


def desc(value: Any) -> OrderExpression:
    """The greatest first, null last."""
    expression = _operand(value)
    return OrderExpression(syntax.OrderKey(expression.tree, False), expression.roots, expression.depth)


def parameter(name: str) -> ScalarExpression:
    """A value that is given with the request, such as the actor."""
    return ScalarExpression(syntax.Parameter(name))


def not_(condition: Any) -> ConditionExpression:
    """The opposite of a condition."""
    return ~_condition(condition)


def and_(*conditions: Any) -> ConditionExpression:
    """All of them; always true without any."""
    return _chain(syntax.And, conditions)


def or_(*conditions: Any) -> ConditionExpression:
    """One of them; never true without any."""
    return _chain(syntax.Or, conditions)


def _chain(node: type[syntax.And | syntax.Or], conditions: tuple[Any, ...]) -> ConditionExpression:
    if not conditions:
        return ConditionExpression(syntax.Constant(node is syntax.And), frozenset(), 1)
    found = [_condition(each) for each in conditions]
    if len(found) == 1:
        return found[0]
    parts = tuple(part for each in found for part in _parts(node, each.tree))
    roots = frozenset().union(*(each.roots for each in found))
    return ConditionExpression(node(parts), roots, _above(*found))
