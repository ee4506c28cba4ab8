"""What a condition asks of one value: as a condition of our queries, or judged at once.

Values of a query are text more often than not: each is read by the kind of what it is compared with. What can be no value
of that kind, such as an id that is none, equals nothing. A moment without a fraction stands for its whole second.
"""

from __future__ import annotations

import datetime as dt
import operator as op
from typing import Any, NamedTuple

from ...errors import InvalidQuery
from ...model.ids import as_id
from ...query.fold import like_pattern, like_test
from ...query.syntax import And, Compare, Condition, Constant, In, InQuery, Literal, Not, Or, Query, Value
from .names import Field

__all__ = ["Among", "Test", "Tests", "Within", "moment_of"]

Given = str | int | float | bool | None
_NEVER = object()
_ORDERS: dict[str, Any] = {"<": op.lt, "<=": op.le, ">": op.gt, ">=": op.ge}
_NEGATIVE = {"is_not": "is", "not_like": "like"}
_SECOND = dt.timedelta(seconds=1)
_LAST = dt.datetime.max.replace(tzinfo=dt.UTC) - _SECOND


class Test(NamedTuple):
    """`operator given`, such as `is "x"`."""

    operator: str
    given: Given

    @property
    def negated(self) -> bool:
        """Whether it says what must not be."""
        return self.operator in _NEGATIVE

    def positive(self) -> Test:
        """What it says, or says must not be."""
        return Test(_NEGATIVE.get(self.operator, self.operator), self.given)

    def about(self, value: Value, field: Field) -> Condition:
        """The condition on a native value."""
        if self.negated:
            return Not(self.positive().about(value, field))
        if self.given is None:
            return Compare("is", value, Literal(None)) if self.operator == "is" else Constant(False)
        if field.kind == "choice":
            return _one_of_choices(value, field, self)
        if field.kind == "datetime" and self.operator == "is":
            return _within_second(value, self.given)
        if self.operator == "like":
            return Compare("like", value, Literal(str(self.given)))
        given = _read(self.given, field)
        return Constant(False) if given is _NEVER else Compare(self.operator, value, Literal(given))

    def holds(self, value: Any) -> bool:
        """Whether it holds for a value that is known."""
        if self.negated:
            return not self.positive().holds(value)
        if value is None or self.given is None:
            return self.operator == "is" and value is None and self.given is None
        if self.operator == "is":
            return _same(value, self.given)
        if self.operator == "like":
            return _is_like(str(value), str(self.given))
        return _ordered(self.operator, value, self.given)


class Among(NamedTuple):
    """`in (a, b)` or `not_in`."""

    given: tuple[Given, ...]
    negated: bool

    def positive(self) -> Among:
        """As `in`."""
        return Among(self.given, False)

    def about(self, value: Value, field: Field) -> Condition:
        """The condition on a native value."""
        if self.negated:
            return Not(self.positive().about(value, field))
        if field.kind == "datetime":
            return Or(tuple(Test("is", each).about(value, field) for each in self.given)) if self.given else _NOTHING
        if field.kind == "choice":
            fitting = _one_of_choices(value, field, self)
            return Or((fitting, Compare("is", value, Literal(None)))) if None in self.given else fitting
        read = (None if each is None else _read(each, field) for each in self.given)
        items = tuple(Literal(each) for each in read if each is not _NEVER)
        return In(value, items) if items else _NOTHING

    def holds(self, value: Any) -> bool:
        """Whether it holds for a value that is known."""
        return any(Test("is", each).holds(value) for each in self.given) is not self.negated


class Within(NamedTuple):
    """`in (select …)`, with the native query."""

    query: Query
    negated: bool

    def positive(self) -> Within:
        """As `in`."""
        return Within(self.query, False)

    def about(self, value: Value, field: Field) -> Condition:
        """The condition on a native value."""
        return InQuery(value, self.query, self.negated)

    def holds(self, value: Any) -> bool:
        """Nobody knows without asking."""
        raise InvalidQuery(reason="a query within a query cannot be compared with this attribute")


Tests = Test | Among | Within
_NOTHING = Constant(False)


def _one_of_choices(value: Value, field: Field, test: Test | Among) -> Condition:
    told = field.told or {}
    fitting = tuple(Literal(each) for each in field.choices if test.holds(told.get(each, each)))
    return In(value, fitting) if fitting else _NOTHING


# --- reading what is given ----------------------------------------------------------------------------


def _read(given: Given, field: Field) -> Any:
    reader = _READERS.get(field.kind)
    if reader is None:
        return given
    try:
        return reader(given)
    except (ValueError, TypeError, OverflowError):
        return _NEVER


def _text(given: Any) -> str:
    return given if isinstance(given, str) else str(given)


def _number(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return int(given)
    except ValueError:
        return float(given)


def _boolean(given: Any) -> Any:
    if isinstance(given, str):
        return _BOOLEANS.get(given.lower(), _NEVER)
    return bool(given)


_BOOLEANS: dict[str, Any] = {"true": True, "1": True, "false": False, "0": False}


def _id(given: Any) -> str:
    as_id(given)
    return str(given)


def moment_of(given: Any) -> dt.datetime:
    """A moment from its text; UTC where no zone is said. ValueError where it is none."""
    found = dt.datetime.fromisoformat(str(given))
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


def _moment(given: Any) -> str:
    return _shown(moment_of(given))


def _shown(moment: dt.datetime) -> str:
    return moment.replace(tzinfo=None).isoformat() + "Z"


def _date(given: Any) -> str:
    return moment_of(given).date().isoformat()


_READERS: dict[str, Any] = {
    "text": _text,
    "long_text": _text,
    "color": _text,
    "url": _text,
    "email": _text,
    "integer": _number,
    "number": _number,
    "decimal": _number,
    "boolean": _boolean,
    "uuid": _id,
    "datetime": _moment,
    "date": _date,
}


def _within_second(value: Value, given: Given) -> Condition:
    try:
        moment = moment_of(given)
    except (ValueError, OverflowError):
        return _NOTHING
    if moment.microsecond or moment > _LAST:
        return Compare("is", value, Literal(_shown(moment)))
    return And((Compare(">=", value, Literal(_shown(moment))), Compare("<", value, Literal(_shown(moment + _SECOND)))))


# --- judging at once --------------------------------------------------------------------------------------


def _same(value: Any, given: Any) -> bool:
    if isinstance(value, bool):
        return value is _boolean(given)
    if isinstance(value, int | float) and isinstance(given, str):
        try:
            return bool(value == float(given))
        except ValueError:
            return False
    if isinstance(value, list):
        return any(_same(each, given) for each in value)
    return bool(value == given) or str(value) == str(given)


def _ordered(operator: str, value: Any, given: Any) -> bool:
    try:
        given = type(value)(given) if isinstance(value, int | float | str) else given
        return bool(_ORDERS[operator](value, given))
    except (KeyError, TypeError, ValueError):
        return False


def _is_like(value: str, pattern: str) -> bool:
    return like_test(like_pattern(pattern))(value)
