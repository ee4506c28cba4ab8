"""What ftrack's expressions over events mean: the grammar is ours, the meaning that of its client, which judges again.

Values are texts: `data.x=1` fits "1" and not 1. A value that ends with a star fits what has the rest of it anywhere. A
field that is not there fits nothing. Where the client would raise for a comparison, the whole expression fits nothing.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import QuerySyntaxError
from ...model.event_expressions import Both, Comparison, Expression, Negation, parse_expression

__all__ = ["COMPARE", "Unfit", "compared", "fits", "may_fit_topic", "names_field", "only_topic", "parsed"]

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_LONGEST = 5_000
_LONE = re.compile(r"[^=<>]*")


class Unfit(Exception):
    """A comparison with a value that cannot be compared so."""


def parsed(text: str) -> Expression:
    """The tree of an expression; QuerySyntaxError for what is none. A lone topic, which we would take, is none here."""
    if _LONE.fullmatch(text) or len(text) > _LONGEST:
        reason = "too long" if len(text) > _LONGEST else "there is no comparison"
        raise QuerySyntaxError(
            line=1, column=1, found=repr(text[:40]), expected="a comparison such as topic=x", reason=reason
        )
    return parse_expression(text, ())


def fits(expression: Expression, facts: Mapping[str, Any]) -> bool:
    """Whether an expression fits an event, or for targets what is known of a subscriber."""
    try:
        return _fits(expression, facts)
    except Unfit:
        return False


def _fits(expression: Expression, facts: Mapping[str, Any]) -> bool:
    match expression:
        case Comparison():
            return compared(facts, expression.field, COMPARE[expression.operator], expression.value)
        case Negation():
            return not _fits(expression.condition, facts)
    # All of them are looked at, as the client does: any may be one that it raises for.
    found = [_fits(each, facts) for each in expression.conditions]
    return all(found) if isinstance(expression, Both) else any(found)


def compared(facts: Mapping[str, Any], field: Sequence[str], compare: Callable[[Any, Any], Any], wanted: Any) -> bool:
    """Whether the value at `field` compares with what is wanted; Unfit where it cannot be compared."""
    value: Any = facts
    for name in field:
        if not isinstance(value, Mapping) or name not in value:
            return False
        value = value[name]
    equal = compare is operator.eq
    if equal and wanted == "":
        raise Unfit
    try:
        if equal and isinstance(wanted, str) and wanted.endswith("*"):
            return wanted[:-1] in value
        return bool(compare(value, wanted))
    except TypeError:
        raise Unfit from None


# --- what can be said without an event ------------------------------------------------------------


def only_topic(expression: Expression) -> str | None:
    """The one topic that an expression can fit; None where it may fit several."""
    match expression:
        case Comparison(field=("topic",), operator="=", value=value) if not value.endswith("*"):
            return value
        case Both():
            return next(filter(None, map(only_topic, expression.conditions)), None)
    return None


def may_fit_topic(expression: Expression, topic: str) -> bool:
    """Whether an expression can fit some event with that topic."""
    return only_topic(expression) in (None, topic) and _possible(expression, topic) is not False


def _possible(expression: Expression, topic: str) -> bool | None:
    """Whether it fits whatever else there is; None where that cannot be said."""
    match expression:
        case Comparison():
            return _fits(expression, {"topic": topic}) if expression.field == ("topic",) else None
        case Negation():
            found = _possible(expression.condition, topic)
            return None if found is None else not found
        case Both():
            parts = [_possible(each, topic) for each in expression.conditions]
            return False if False in parts else None if None in parts else True
    parts = [_possible(each, topic) for each in expression.conditions]
    return True if True in parts else None if None in parts else False


def names_field(expression: Expression, name: str) -> bool:
    """Whether some comparison is about a field, or about something in it."""
    match expression:
        case Comparison():
            return expression.field[0] == name
        case Negation():
            return names_field(expression.condition, name)
    return any(names_field(each, name) for each in expression.conditions)
