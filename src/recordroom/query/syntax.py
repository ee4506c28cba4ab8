"""The query tree, before names are looked up: frozen, hashable, ready for the wire.

The text parser and the Python expressions build it; `resolve` checks it against a schema. A tree
never knows who will run it. Literals are str, int, float, bool or None: dates, decimals and ids are
written as text, and the resolver reads them by the kind of what they are compared with.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "AGGREGATES",
    "FUNCTIONS",
    "OPERATORS",
    "And",
    "Any",
    "Arithmetic",
    "Between",
    "Call",
    "Compare",
    "Condition",
    "Constant",
    "Has",
    "In",
    "InQuery",
    "Literal",
    "Not",
    "Or",
    "OrderKey",
    "Parameter",
    "Path",
    "Query",
    "Selected",
    "Value",
]

OPERATORS = (
    "is",
    "is_not",
    "<",
    "<=",
    ">",
    ">=",
    "like",
    "not_like",
    "contains",
    "starts_with",
    "ends_with",
    "matches",
)
AGGREGATES = ("count", "sum", "avg", "min", "max")
FUNCTIONS = ("lower", "upper", "length", "concat", "coalesce", "round", "abs", "year", "month", "day")


class _Node(msgspec.Struct, frozen=True, tag=True, tag_field="node", omit_defaults=True, forbid_unknown_fields=True):
    pass


class Path(_Node, frozen=True):
    """`project.name` → ("project", "name"). `at` is (line, column) in the text, for messages only."""

    names: tuple[str, ...]
    at: tuple[int, int] | None = None

    def __eq__(self, other: object) -> bool:
        return type(other) is Path and self.names == other.names

    def __hash__(self) -> int:
        return hash(self.names)


class Literal(_Node, frozen=True):
    """A constant. `unit` is what stood behind a number: `2.7 g/cm^3`.

    1, 1.0 and True are three constants: trees that differ in them mean different things.
    """

    value: str | int | float | bool | None
    unit: str = ""

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is Literal
            and type(self.value) is type(other.value)
            and self.value == other.value
            and self.unit == other.unit
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value, self.unit))


class Parameter(_Node, frozen=True):
    """`$name`: a value given with the request, such as `$actor`."""

    name: str


class Call(_Node, frozen=True):
    """A function of `FUNCTIONS` or, over a path through a collection or in a grouped select, of `AGGREGATES`.

    `count()` without arguments counts rows.
    """

    function: str
    arguments: tuple[Value, ...] = ()


class Arithmetic(_Node, frozen=True):
    """`+ - * /` of two values; `/` gives a number, and null where the divisor is 0."""

    operator: str
    left: Value
    right: Value


class Constant(_Node, frozen=True):
    """Always true or always false."""

    holds: bool


class Compare(_Node, frozen=True):
    """`left operator right`, with an operator of `OPERATORS`. `is None` asks for null."""

    operator: str
    left: Value
    right: Value


class Between(_Node, frozen=True):
    """low <= value <= high."""

    value: Value
    low: Value
    high: Value


class In(_Node, frozen=True):
    """`value in (a, b, …)`; `negated` for not_in."""

    value: Value
    items: tuple[Value, ...]
    negated: bool = False


class InQuery(_Node, frozen=True):
    """`value in (select path from Type where …)`; without a select the entities themselves."""

    value: Value
    query: Query
    negated: bool = False


class Any(_Node, frozen=True):
    """`path any (condition)`: one member satisfies the whole condition; without one: there is a member."""

    path: Path
    condition: Condition | None = None


class Has(_Node, frozen=True):
    """`path has (condition)`: the one entity at the other end satisfies it; without one: there is one."""

    path: Path
    condition: Condition | None = None


class Not(_Node, frozen=True):
    """The condition does not hold."""

    condition: Condition


class And(_Node, frozen=True):
    """All of the conditions hold."""

    conditions: tuple[Condition, ...]


class Or(_Node, frozen=True):
    """One of the conditions holds."""

    conditions: tuple[Condition, ...]


Value = Path | Literal | Parameter | Call | Arithmetic
Condition = Constant | Compare | Between | In | InQuery | Any | Has | Not | And | Or


class Selected(_Node, frozen=True):
    """One thing after `select`, under the name it has in results."""

    value: Value
    name: str = ""


class OrderKey(_Node, frozen=True):
    """A value to sort by; what has no value comes last."""

    value: Value
    ascending: bool = True


class Query(_Node, frozen=True):
    """A whole question. An empty `select` asks for every stored scalar and reference of the type."""

    type: str
    select: tuple[Selected, ...] = ()
    where: Condition | None = None
    group_by: tuple[Value, ...] = ()
    order_by: tuple[OrderKey, ...] = ()
    limit: int | None = None
    offset: int = 0
