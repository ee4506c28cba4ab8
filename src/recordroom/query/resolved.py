"""Resolved queries: every name found, every value typed, every literal a raw scalar of its type.

`resolve` makes these trees, `evaluate` and the SQL compiler read them. What is sugar in `syntax` is gone:
paths are rows and attributes, a path through a collection is an `Exists`, the order of a choice is a list
or a rank. Conditions have two values, true and false: see `resolve` for what null does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..model.kinds import KINDS, Storage
from ..model.schema import Attribute
from . import syntax

__all__ = [
    "Aggregate",
    "And",
    "AnyItem",
    "Arithmetic",
    "Bound",
    "Commit",
    "Compare",
    "Condition",
    "Constant",
    "Convert",
    "Entry",
    "Exists",
    "Function",
    "Get",
    "InRows",
    "IsNull",
    "Item",
    "Key",
    "Like",
    "LinkRow",
    "Matches",
    "Members",
    "Not",
    "OneOf",
    "Or",
    "Order",
    "Output",
    "Query",
    "Rank",
    "Root",
    "Row",
    "TextTest",
    "Through",
    "UnderKey",
    "Unrank",
    "Value",
    "ValueType",
]


class _Node(msgspec.Struct, frozen=True):
    pass


FAMILIES = {
    "text": "text",
    "long_text": "text",
    "hyperlink": "text",
    "color": "text",
    "uuid": "id",
    "reference": "id",
}


class ValueType(_Node, frozen=True):
    """What a value may be. `target` is the entity type that an id names, where it names one."""

    kind: str
    choices: tuple[str, ...] = ()
    target: str = ""

    @property
    def family(self) -> str:
        """text, choice, integer, number, decimal, boolean, date, datetime, json or id."""
        return FAMILIES.get(self.kind, self.kind)

    @property
    def storage(self) -> Storage:
        """The storage class of its raw scalars."""
        return KINDS[self.kind].storage

    @property
    def attribute(self) -> Attribute:
        """A made-up attribute of this type, without limits."""
        return Attribute(name="", kind=self.kind, choices=self.choices, target=self.target)


# --- rows: what paths walk over -------------------------------------------------------------------


class Root(_Node, frozen=True):
    """The entity that a query, or a member of a collection that an `Exists`, is about; `number` tells them apart."""

    number: int
    type: str


class Through(_Node, frozen=True):
    """The entity that `row` refers to by `attribute`; absent where that is null."""

    row: Row
    attribute: str
    type: str


class Commit(_Node, frozen=True):
    """The commit that created (`revision` = "created_revision") or last changed ("revision") the entity `row`."""

    row: Row
    revision: str


class UnderKey(_Node, frozen=True):
    """The entry under `key` of the mapping `attribute` of `row`; absent where there is none."""

    row: Row
    attribute: Attribute
    key: str


class Entry(_Node, frozen=True):
    """One entry of a mapping, bound by an `Exists`."""

    number: int


class LinkRow(_Node, frozen=True):
    """The link by which the member with the same number was reached."""

    number: int


Row = Root | Through | Commit | UnderKey | Entry | LinkRow


class Members(_Node, frozen=True):
    """The members of the collection, links or mapping `attribute` of `row`; each in turn is `member`."""

    row: Row
    attribute: Attribute
    member: Root | Entry


# --- values ---------------------------------------------------------------------------------------


class Get(_Node, frozen=True):
    """A stored attribute of an entity; `time`, `actor` of a commit; `key`, `value` of an entry; `note` of a link."""

    row: Row
    name: str
    type: ValueType


class Item(_Node, frozen=True):
    """One item of a multi-valued attribute, bound by an `AnyItem`."""

    number: int
    type: ValueType


class Bound(_Node, frozen=True):
    """A constant as a raw scalar, or as a list of them without null where a list is meant.

    `source` is the literal, parameter or `in` that it came from, and `convert` makes the raw
    scalar from it: another query of the same shape converts its own literals.
    """

    value: Any
    type: ValueType
    source: Any = None
    convert: Callable[[Any], Any] | None = None

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is Bound
            and self.source is other.source
            and self.type == other.type
            and type(self.value) is type(other.value)
            and bool(self.value == other.value)
        )

    def __hash__(self) -> int:
        return hash((id(self.source), self.type))


class Function(_Node, frozen=True):
    """A function of `syntax.FUNCTIONS`; null where an argument is, but for concat and coalesce."""

    name: str
    arguments: tuple[Value, ...]
    type: ValueType


class Arithmetic(_Node, frozen=True):
    """Both sides are of `type`, but of numbers for `/`. Null where a side is null, by 0, or out of range."""

    operator: str
    left: Value
    right: Value
    type: ValueType


class Convert(_Node, frozen=True):
    """integer → decimal or number, decimal → number, date → datetime."""

    value: Value
    type: ValueType


class Rank(_Node, frozen=True):
    """The place of a choice in its list, from 0."""

    value: Value
    type: ValueType = ValueType("integer")


class Unrank(_Node, frozen=True):
    """The choice at that place."""

    value: Value
    type: ValueType


class Aggregate(_Node, frozen=True):
    """One of count, sum, avg, min and max of `value` (None: of rows).

    It goes over the members of collections, or, where `over` is empty, over the rows of a group.
    """

    function: str
    value: Value | None
    over: tuple[Members, ...]
    type: ValueType


class Key(_Node, frozen=True):
    """The value of a `group_by` of the query, by its place."""

    place: int
    type: ValueType


Value = Get | Item | Bound | Function | Arithmetic | Convert | Rank | Unrank | Aggregate | Key


# --- conditions -----------------------------------------------------------------------------------


class Constant(_Node, frozen=True):
    """Always true or always false."""

    holds: bool


class Compare(_Node, frozen=True):
    """`operator` is one of = < <= > >=; sides are of one family. `=` holds for null and null."""

    operator: str
    left: Value
    right: Value


class IsNull(_Node, frozen=True):
    """The value is null."""

    value: Value


class OneOf(_Node, frozen=True):
    """The value is in the list `items`; null is in no list."""

    value: Value
    items: Bound


class InRows(_Node, frozen=True):
    """The value is one of what the query selects; null never is."""

    value: Value
    query: Query


class Like(_Node, frozen=True):
    """The text matches the pattern, which is in the form of `fold.like_pattern`."""

    value: Value
    pattern: Bound


class TextTest(_Node, frozen=True):
    """`test` is contains, starts_with or ends_with."""

    test: str
    value: Value
    part: Value


class Matches(_Node, frozen=True):
    """Full-text search in the stored attribute `attribute` of the entity `row`."""

    row: Row
    attribute: Attribute
    text: Bound


class Exists(_Node, frozen=True):
    """A member satisfies the condition."""

    over: Members
    condition: Condition


class AnyItem(_Node, frozen=True):
    """An item of the multi-valued `value` satisfies the condition."""

    value: Get
    item: Item
    condition: Condition


class Not(_Node, frozen=True):
    """True where the condition is false."""

    condition: Condition


class And(_Node, frozen=True):
    """All hold."""

    conditions: tuple[Condition, ...]


class Or(_Node, frozen=True):
    """One holds."""

    conditions: tuple[Condition, ...]


Condition = Constant | Compare | IsNull | OneOf | InRows | Like | TextTest | Matches | Exists | AnyItem | Not | And | Or


# --- queries --------------------------------------------------------------------------------------


class Output(_Node, frozen=True):
    """One column of the result. `attribute` says how its raw scalars are to be read."""

    name: str
    value: Value
    attribute: Attribute


class Order(_Node, frozen=True):
    """One key of the order; null comes last either way."""

    value: Value
    ascending: bool = True


class Query(_Node, frozen=True):
    """A whole question. `entities`: rows are entities of `type`, and outputs are plain paths from them.

    `grouped`: one row for each distinct value of `group_by` (a single row where that is empty); outputs
    and orders are then made of `Key`, `Aggregate` and constants.
    """

    type: str
    root: Root
    where: Condition | None
    outputs: tuple[Output, ...]
    entities: bool
    grouped: bool
    group_by: tuple[Value, ...]
    order_by: tuple[Order, ...]
    limit: int | None
    offset: int
    syntax: syntax.Query
