"""Values and paths, resolved: the lower half of `resolve`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import InvalidQuery, QuerySyntaxError, QueryTooComplex, UnknownAttribute, shown
from ..model.kinds import WrongValue
from ..model.schema import Attribute, Schema
from . import literals, syntax
from .grammar import parse_value
from .limits import MAX_COLLECTIONS, MAX_DEPTH, MAX_NODES, too_complex
from .render import render
from .resolved import (
    Aggregate,
    Arithmetic,
    Bound,
    Commit,
    Convert,
    Entry,
    Function,
    Get,
    Key,
    LinkRow,
    Members,
    Rank,
    Root,
    Row,
    Through,
    UnderKey,
    Unrank,
    Value,
    ValueType,
)

__all__ = ["BOOLEAN", "INTEGER", "NUMBER", "TEXT", "Binders", "Context", "Scope", "ValueResolver", "invalid"]

TEXT, INTEGER, NUMBER = ValueType("text"), ValueType("integer"), ValueType("number")
BOOLEAN, DATETIME = ValueType("boolean"), ValueType("datetime")
_NUMERIC = ("integer", "decimal", "number")  # each converts to those behind it
_TEXTUAL = ("text", "choice")
_ORDERED = ("text", "choice", "integer", "number", "decimal", "date", "datetime")
_DERIVED_SYSTEM = {
    "created_at": ("created_revision", "time", DATETIME),
    "created_by": ("created_revision", "actor", TEXT),
    "modified_at": ("revision", "time", DATETIME),
    "modified_by": ("revision", "actor", TEXT),
}

At = tuple[int, int] | None


def invalid(reason: str, at: At = None) -> InvalidQuery:
    """The error for a query that asks for what cannot be, with its place in the text where that is known."""
    if at is None:
        return InvalidQuery(reason=reason)
    return InvalidQuery(
        f"Line {at[0]}, column {at[1]}: the query asks for something that cannot be: {reason}.",
        reason=reason,
        line=at[0],
        column=at[1],
    )


class Scope(NamedTuple):
    """What the names of a condition start from: an entity, or an entry of a mapping (`entry`)."""

    row: Row
    type: str
    link: LinkRow | None = None
    entry: Attribute | None = None


class Binders:
    """The members that the paths of one comparison walk through, each collection once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Row, str], Members] = {}

    def find(self, row: Row, attribute: Attribute, make: Callable[[], Root | Entry]) -> Members:
        """The binding of `attribute` of `row`."""
        found = self._found.get((row, attribute.name))
        if found is None:
            found = self._found[row, attribute.name] = Members(row, attribute, make())
        return found

    def __iter__(self) -> Any:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def __reversed__(self) -> Any:
        return reversed(self._found.values())


class Context:
    """What the resolution of one whole query shares: schema, parameters, and counts that bound it."""

    def __init__(self, schema: Schema, parameters: Mapping[str, Any]) -> None:
        self.schema = schema
        self.parameters = parameters
        self.computing: list[tuple[str, str]] = []
        self._rows = 0
        self._nodes = 0
        self.depth = 0
        self.collections = 0  # how many the condition at hand is inside of

    def number(self) -> int:
        """A number for a row that no other row of the query has."""
        self._rows += 1
        return self._rows

    def check_collections(self, more: Binders) -> None:
        """SQLite takes some thirty sub-queries inside each other."""
        if self.collections + len(more) > MAX_COLLECTIONS:
            raise QueryTooComplex(
                f"The query goes through more than {MAX_COLLECTIONS} collections within each other.",
                limit=MAX_COLLECTIONS,
            )

    def count_node(self) -> None:
        """Computed attributes may multiply what the text of a query holds."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise QueryTooComplex(
                f"The query and the computed attributes in it have more than {MAX_NODES} parts.", limit=MAX_NODES
            )


class ValueResolver:
    """Resolves values of one query. `keys` maps what stands in `group by`, while select and order are resolved."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.schema = context.schema
        self.keys: dict[syntax.Value, Key] = {}
        self.grouping = False  # whether an aggregate over the rows of a group may stand here
        self.has_group_aggregate = False
        self.at: At = None  # the last path that was met, for messages

    # --- values ---

    def value(
        self, node: syntax.Value, scope: Scope, binders: Binders | None, wanted: ValueType | None = None
    ) -> Value:
        """`node` as one value. `wanted` is the type for a constant; None: its own."""
        context = self.context
        context.count_node()
        context.depth += 1
        if context.depth > MAX_DEPTH:
            raise too_complex()
        try:
            if self.grouping and (key := self.keys.get(node)) is not None:
                return key
            match node:
                case syntax.Path():
                    return self._single(node, scope, binders)
                case syntax.Literal() | syntax.Parameter():
                    return self._constant(node, wanted)
                case syntax.Arithmetic():
                    return self._arithmetic(node, scope, binders)
                case syntax.Call():
                    return self._call(node, scope, binders)
        finally:
            context.depth -= 1
        raise self.invalid(f"{type(node).__name__} is no value")

    def _single(self, path: syntax.Path, scope: Scope, binders: Binders | None) -> Value:
        value, attribute = self.read(path, scope, binders)
        if attribute.multi:
            raise self.invalid(f"{render(path)} has several values; compare it by itself")
        return value

    def given(self, node: syntax.Literal | syntax.Parameter) -> Any:
        """The Python value of a constant."""
        if isinstance(node, syntax.Literal):
            if node.unit:
                raise self.invalid(f"units are not supported here: write {node.value} without {node.unit!r}")
            return node.value
        try:
            return self.context.parameters[node.name]
        except KeyError:
            raise self.invalid(f"no value was given for ${node.name}") from None

    def constant(self, node: Any, type: ValueType, convert: Callable[[Any], Any], given: Any) -> Bound:
        """What was `given` by `node`, converted; where it cannot be, an error that says what was expected."""
        try:
            return Bound(convert(given), type, node, convert)
        except WrongValue as error:
            raise self.invalid(f"expected {error}, got {_shown(given)}") from None

    def _constant(self, node: syntax.Literal | syntax.Parameter, wanted: ValueType | None) -> Bound:
        given = self.given(node)
        if given is None:
            raise self.invalid("None has no place here; ask for it with `is None`")
        try:
            type = wanted or literals.natural_type(given)
        except WrongValue as error:
            raise self.invalid(f"expected {error}, got {_shown(given)}") from None
        return self.constant(node, type, literals.read(type), given)

    def invalid(self, reason: str) -> InvalidQuery:
        """The error, at the path that was met last."""
        return invalid(reason, self.at)

    # --- paths ---

    def read(self, path: syntax.Path, scope: Scope, binders: Binders | None) -> tuple[Value, Attribute]:
        """What `path` names, and its attribute; a path that ends in a collection names its members' ids."""
        self.at = path.at
        if not path.names:
            raise self.invalid("a path without names")
        if scope.entry is not None:
            return self._read_entry(path, scope, scope.entry)
        row, type_name, rest = self.walk(path, scope, binders)
        if not rest:
            attribute = self.schema.attribute(type_name, "id")
            return Get(row, "id", ValueType("uuid", target=type_name)), attribute
        name = rest[0]
        if (
            rest == ("note",)
            and scope.link is not None
            and row == scope.row
            and name not in self.schema.attributes(type_name)
        ):
            return Get(scope.link, "note", TEXT), Attribute(name="note", kind="text")
        attribute = self.attribute(type_name, name)
        if attribute.kind == "mapping":
            return self._under_key(path, row, attribute, rest)
        if attribute.kind == "reference" and rest[1:] == ("id",):
            # A reference holds the id of what it refers to.
            of_target = self.schema.attribute(attribute.target, "id")
            return Get(row, name, ValueType("uuid", target=attribute.target)), of_target
        if len(rest) > 1:
            raise self.invalid(f"{type_name}.{name} is a {attribute.kind}; it has no attribute {rest[1]!r}")
        return self._scalar(row, type_name, attribute), attribute

    def walk(
        self, path: syntax.Path, scope: Scope, binders: Binders | None, *, whole: bool = False
    ) -> tuple[Row, str, tuple[str, ...]]:
        """Follow the relations of `path`: the row they lead to, its type, and the names that are left.

        A reference at the end is not followed (its id is a column of the row before), unless `whole`.
        """
        row, type_name, names = scope.row, scope.type, path.names
        self.at = path.at
        for place, name in enumerate(names):
            attribute = self.schema.attributes(type_name).get(name)
            if attribute is None or not attribute.relation or attribute.kind == "mapping":
                return row, type_name, names[place:]
            if attribute.kind == "reference":
                if not whole and names[place + 1 :] in ((), ("id",)):
                    return row, type_name, names[place:]
                row = Through(row, name, attribute.target)
            else:
                row = self.member(row, attribute, binders, path).member
            type_name = attribute.target
        return row, type_name, ()

    def member(self, row: Row, attribute: Attribute, binders: Binders | None, path: syntax.Path) -> Members:
        """The binding of one member of a collection, links or mapping in turn."""
        if binders is None:
            raise self.invalid(
                f"{render(path)} leads through {attribute.name!r}, which has many members: "
                "use it in a condition, or inside count, sum, avg, min or max"
            )

        def make() -> Root | Entry:
            number = self.context.number()
            return Entry(number) if attribute.kind == "mapping" else Root(number, attribute.target)

        return binders.find(row, attribute, make)

    def attribute(self, type_name: str, name: str) -> Attribute:
        """The attribute; UnknownAttribute with close names, and the place in the text."""
        try:
            return self.schema.attribute(type_name, name)
        except UnknownAttribute as error:
            if self.at is None:
                raise
            facts = error.facts | {"line": self.at[0], "column": self.at[1]}
            raise UnknownAttribute(f"Line {self.at[0]}, column {self.at[1]}: {error.message}", **facts) from None

    def _under_key(
        self, path: syntax.Path, row: Row, attribute: Attribute, rest: tuple[str, ...]
    ) -> tuple[Value, Attribute]:
        name = render(path)
        if len(rest) == 1:
            raise self.invalid(
                f'{name} is a mapping: name a key, as in {name}["key"], or use any (key is … and value is …)'
            )
        if len(rest) > 2:
            raise self.invalid(f"the values of the mapping {attribute.name!r} have no attributes ({rest[2]!r})")
        try:
            key = literals.read_text(rest[1])
        except WrongValue as error:
            raise self.invalid(f"a key must be {error}") from None
        kind = Attribute(name=key, kind=attribute.of, choices=attribute.choices)
        return Get(UnderKey(row, attribute, key), "value", _type_of(kind)), kind

    def _read_entry(self, path: syntax.Path, scope: Scope, mapping: Attribute) -> tuple[Value, Attribute]:
        if path.names == ("key",):
            return Get(scope.row, "key", TEXT), Attribute(name="key", kind="text")
        if path.names == ("value",):
            kind = Attribute(name="value", kind=mapping.of, choices=mapping.choices)
            return Get(scope.row, "value", _type_of(kind)), kind
        raise self.invalid(f"an entry of the mapping {mapping.name!r} has only `key` and `value`, not {render(path)}")

    def _scalar(self, row: Row, type_name: str, attribute: Attribute) -> Value:
        if attribute.system and attribute.name in _DERIVED_SYSTEM:
            revision, name, type = _DERIVED_SYSTEM[attribute.name]
            return Get(Commit(row, revision), name, type)
        if attribute.computed is not None:
            return self._computed(row, type_name, attribute)
        if attribute.name == "id":
            return Get(row, "id", ValueType("uuid", target=type_name))
        return Get(row, attribute.name, _type_of(attribute))

    def _computed(self, row: Row, type_name: str, attribute: Attribute) -> Value:
        name = f"{type_name}.{attribute.name}"
        computing = self.context.computing
        if (type_name, attribute.name) in computing:
            circle = " → ".join(f"{each}.{of}" for each, of in [*computing, (type_name, attribute.name)])
            raise self.invalid(f"computed attributes refer to each other in a circle: {circle}")
        try:
            tree = parse_value(attribute.computed or "")
        except QuerySyntaxError as error:
            raise self.invalid(f"the computed attribute {name} cannot be read: {error}") from error
        at, grouping = self.at, self.grouping
        computing.append((type_name, attribute.name))
        self.grouping = False
        try:
            value = self.value(tree, Scope(row, type_name), None)
        finally:
            computing.pop()
            self.at, self.grouping = at, grouping
        return self.converted(value, _type_of(attribute), f"the computed attribute {name}")

    # --- types ---

    def converted(self, value: Value, type: ValueType, what: str) -> Value:
        """`value` as a value of `type`."""
        have, want = value.type.family, type.family
        if have == want or (have == "choice" and want == "text"):
            return value
        if (have in _NUMERIC and want in _NUMERIC and _NUMERIC.index(have) < _NUMERIC.index(want)) or (
            (have, want) == ("date", "datetime")
        ):
            return Convert(value, type)
        raise self.invalid(f"{what} is {_named(value.type)}, not {_named(type)}")

    def unified(self, values: Iterable[Value], doing: str) -> list[Value]:
        """The values, converted to the one type that fits them all."""
        found = list(values)
        families = {value.type.family for value in found}
        if len(families) == 1:
            return found
        if families <= set(_NUMERIC):
            widest = max(families, key=_NUMERIC.index)
            return [self.converted(value, ValueType(widest), "") for value in found]
        if families == {"date", "datetime"}:
            return [self.converted(value, DATETIME, "") for value in found]
        if families == {"text", "choice"}:
            return found
        first, second = found[0], next(each for each in found if each.type.family != found[0].type.family)
        raise self.invalid(f"{doing} {_named(first.type)} and {_named(second.type)}")

    def together(
        self,
        nodes: tuple[syntax.Value, ...],
        scope: Scope,
        binders: Binders | None,
        check: Callable[[Value], None] | None = None,
    ) -> list[Value]:
        """Several values of what will be one type; constants take the type of the first other value.

        Beside a choice they are texts: a constant need not be in its list. `check` is for values that are
        no constants.
        """
        values: dict[int, Value] = {}
        for place, node in enumerate(nodes):
            if not is_constant(node):
                found = values[place] = self.value(node, scope, binders)
                if check is not None:
                    check(found)
        leading = next(iter(values.values())).type if values else None
        if leading is not None and leading.family == "choice":
            leading = TEXT
        for place, node in enumerate(nodes):
            if place not in values:
                values[place] = self._fitting(node, leading, scope)
        return [values[place] for place in range(len(nodes))]

    def _fitting(self, node: Any, leading: ValueType | None, scope: Scope) -> Value:
        given = self.given(node)
        if leading is None or (leading.family in _NUMERIC and isinstance(given, int | float)):
            own = self.value(node, scope, None)
            wider = leading is not None and leading.family == "decimal" and own.type.family == "number"
            # 1.1 beside a decimal is the decimal that was written.
            return self.value(node, scope, None, leading) if wider else own
        return self.value(node, scope, None, leading)

    # --- arithmetic and functions ---

    def _arithmetic(self, node: syntax.Arithmetic, scope: Scope, binders: Binders | None) -> Value:
        if node.operator not in ("+", "-", "*", "/"):
            raise self.invalid(f"there is no operator {node.operator!r}")

        def check(side: Value) -> None:
            if side.type.family not in _NUMERIC:
                raise self.invalid(f"{node.operator} needs numbers, not {_named(side.type)}")

        left, right = self.together((node.left, node.right), scope, binders, check)
        check(left)
        check(right)
        if node.operator == "/":
            left, right = (self.converted(side, NUMBER, "") for side in (left, right))
        else:
            left, right = self.unified((left, right), "")
        return Arithmetic(node.operator, left, right, ValueType(left.type.family))

    def _call(self, node: syntax.Call, scope: Scope, binders: Binders | None) -> Value:
        if node.function in syntax.AGGREGATES:
            return self._aggregate(node, scope)
        count = len(node.arguments)
        low, high = _ARGUMENTS.get(node.function, (0, -1))
        if high < 0:
            raise self.invalid(f"there is no function {node.function!r}")
        if not low <= count <= high:
            raise self.invalid(f"{node.function} takes {low if low == high else f'{low} or more'} values, not {count}")
        return _FUNCTIONS[node.function](self, node, scope, binders)

    def case(self, node: syntax.Call, scope: Scope, binders: Binders | None) -> Value:
        """lower, upper, length."""
        value = self._of_family(node.arguments[0], _TEXTUAL, node.function, scope, binders)
        return Function(node.function, (value,), INTEGER if node.function == "length" else TEXT)

    def concat(self, node: syntax.Call, scope: Scope, binders: Binders | None) -> Value:
        """Texts and integers one behind the other; null counts as the empty text."""
        families = (*_TEXTUAL, "integer")
        values = tuple(self._of_family(each, families, "concat", scope, binders) for each in node.arguments)
        return Function("concat", values, TEXT)

    def coalesce(self, node: syntax.Call, scope: Scope, binders: Binders | None) -> Value:
        """The first value that is not null."""
        values = self.unified(self.together(node.arguments, scope, binders), "coalesce cannot choose between")
        mixed = len({value.type for value in values}) > 1
        type = (
            ValueType(values[0].type.family)
            if mixed and values[0].type.family not in ("choice", "id")
            else values[0].type
        )
        return Function("coalesce", tuple(values), TEXT if mixed and type.family == "choice" else type)

    def rounding(self, node: syntax.Call, scope: Scope, binders: Binders | None) -> Value:
        """round(x) and round(x, places)."""
        value = self._of_family(node.arguments[0], _NUMERIC, "round", scope, binders)
        places = node.arguments[1] if len(node.arguments) == 2 else syntax.Literal(0)
        if not isinstance(places, syntax.Literal | syntax.Parameter):
            raise self.invalid("the second value of round is a whole number from 0 to 15")
        bound = self.constant(places, INTEGER, literals.read_places, self.given(places))
        return Function("round", (value, bound), ValueType(value.type.family))

    def absolute(self, node: syntax.Call, scope: Scope, binders: Binders | None) -> Value:
        """The value without its sign."""
        value = self._of_family(node.arguments[0], _NUMERIC, "abs", scope, binders)
        return Function("abs", (value,), ValueType(value.type.family))

    def calendar(self, node: syntax.Call, scope: Scope, binders: Binders | None) -> Value:
        """year, month, day, of a moment in UTC."""
        value = self._of_family(node.arguments[0], ("date", "datetime"), node.function, scope, binders)
        return Function(node.function, (value,), INTEGER)

    def _of_family(
        self, node: syntax.Value, families: tuple[str, ...], function: str, scope: Scope, binders: Binders | None
    ) -> Value:
        value = self.value(node, scope, binders)
        if value.type.family not in families:
            raise self.invalid(f"{function} takes {' or '.join(families)}, not {_named(value.type)}")
        return value

    # --- aggregates ---

    def _aggregate(self, node: syntax.Call, scope: Scope) -> Value:
        function = node.function
        if len(node.arguments) > 1 or (not node.arguments and function != "count"):
            raise self.invalid(f"{function} takes one value")
        if not node.arguments:
            return self._of_group("count", Aggregate("count", None, (), INTEGER))
        binders = Binders()
        grouping, self.grouping = self.grouping, False
        try:
            value = self._aggregated(node.arguments[0], scope, binders, function)
        finally:
            self.grouping = grouping
        self.context.check_collections(binders)
        over = tuple(binders)
        found = self._made(function, value, over)
        return found if over else self._of_group(function, found)

    def _aggregated(self, node: syntax.Value, scope: Scope, binders: Binders, function: str) -> Value | None:
        """What is aggregated; None where members themselves are counted."""
        if not isinstance(node, syntax.Path) or scope.entry is not None:
            return self.value(node, scope, binders)
        row, type_name, rest = self.walk(node, scope, binders)
        if not rest:
            return None
        attribute = self.attribute(type_name, rest[0])
        if attribute.kind == "mapping" and len(rest) == 1:
            self.member(row, attribute, binders, node)
            return None
        return self.value(node, scope, binders)

    def _of_group(self, function: str, found: Value) -> Value:
        if not self.grouping:
            raise self.invalid(
                f"{function} over rows belongs into select or order by; here it needs a collection to go over"
            )
        self.has_group_aggregate = True
        return found

    def _made(self, function: str, value: Value | None, over: tuple[Members, ...]) -> Value:
        if function == "count":
            return Aggregate("count", value, over, INTEGER)
        if value is None:
            raise self.invalid(f"{function} needs an attribute of the members")
        family = value.type.family
        if function in ("sum", "avg"):
            if family not in _NUMERIC:
                raise self.invalid(f"{function} needs numbers, not {_named(value.type)}")
            if function == "avg":
                return Aggregate("avg", self.converted(value, NUMBER, ""), over, NUMBER)
            return Aggregate("sum", value, over, ValueType(family))
        if family not in _ORDERED:
            raise self.invalid(f"{function} needs values with an order, not {_named(value.type)}")
        if family == "choice":
            return Unrank(Aggregate(function, Rank(value), over, INTEGER), value.type)
        return Aggregate(function, value, over, value.type)


def is_constant(node: Any) -> bool:
    """Whether `node` is a literal or a parameter."""
    return isinstance(node, syntax.Literal | syntax.Parameter)


def _type_of(attribute: Attribute) -> ValueType:
    return ValueType(attribute.kind, attribute.choices if attribute.kind == "choice" else (), attribute.target)


def _named(type: ValueType) -> str:
    if type.target:
        return f"an id of {type.target}"
    return {"id": "an id", "integer": "an integer"}.get(type.family, f"a {type.family}")


def _shown(given: Any) -> str:
    text = shown(given)
    return text if len(text) <= 80 else text[:79] + "…"


_Make = Callable[[ValueResolver, syntax.Call, Scope, Binders | None], Value]
_FUNCTIONS: dict[str, _Make] = {
    "lower": ValueResolver.case,
    "upper": ValueResolver.case,
    "length": ValueResolver.case,
    "concat": ValueResolver.concat,
    "coalesce": ValueResolver.coalesce,
    "round": ValueResolver.rounding,
    "abs": ValueResolver.absolute,
    "year": ValueResolver.calendar,
    "month": ValueResolver.calendar,
    "day": ValueResolver.calendar,
}
_MANY = 100
_ARGUMENTS = {
    "lower": (1, 1),
    "upper": (1, 1),
    "length": (1, 1),
    "concat": (1, _MANY),
    "coalesce": (1, _MANY),
    "round": (1, 2),
    "abs": (1, 1),
    "year": (1, 1),
    "month": (1, 1),
    "day": (1, 1),
}
