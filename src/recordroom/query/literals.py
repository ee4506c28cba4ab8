"""Constants of a query as raw scalars, by the type of what they are compared with.

What is *given* is a literal's value or a parameter's: str, int, float, bool, None, or bytes for an id.
Every function raises WrongValue, which says what was expected, and none depends on anything but the
given value and the type, so that a statement made for one value serves another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from ..model.ids import as_id
from ..model.kinds import KINDS, MAX_INTEGER, MIN_INTEGER, WrongValue, check
from ..model.words import terms
from .fold import like_pattern
from .resolved import ValueType

__all__ = [
    "choices_where",
    "integer_bound",
    "natural_type",
    "read",
    "read_all",
    "read_like",
    "read_places",
    "read_text",
    "read_words",
]

_LONGEST_PATTERN = 10_000
_MOST_DIGITS = 20  # more than an integer of 64 bits has
_TEXT = ValueType("text")

Read = Callable[[Any], Any]


def natural_type(given: Any) -> ValueType:
    """The type of a constant that stands alone."""
    match given:
        case bool():
            return ValueType("boolean")
        case int():
            return ValueType("integer")
        case float():
            return ValueType("number")
        case str():
            return _TEXT
        case bytes():
            return ValueType("uuid")
    raise WrongValue("a text, a number, True, False or None")


def read(type: ValueType) -> Read:
    """The function from what was given to the raw scalar of `type`."""
    return partial(_READERS.get(type.family, _checked), type)


def read_text(given: Any) -> str:
    """A text without NUL and lone surrogates."""
    if not isinstance(given, str):
        raise WrongValue(f"a text, in quotes: {str(given)!r}")
    text: str = check(given, _TEXT.attribute)
    return text


def _text(type: ValueType, given: Any) -> Any:
    return read_text(given)


def _checked(type: ValueType, given: Any) -> Any:
    kind, attribute = KINDS[type.kind], type.attribute
    value = kind.parse(given, attribute) if isinstance(given, str) else kind.check(given, attribute)
    return kind.dump(value)


def _integer(type: ValueType, given: Any) -> Any:
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    return _checked(type, given)


def _decimal(type: ValueType, given: Any) -> Any:
    # The shortest text of a float is what stood in the query.
    return _checked(type, repr(given) if isinstance(given, float) else given)


def _choice(type: ValueType, given: Any) -> Any:
    return KINDS["choice"].check(given, type.attribute)


def _id(type: ValueType, given: Any) -> Any:
    try:
        return as_id(given)
    except ValueError:
        of = f" of {type.target}" if type.target else ""
        raise WrongValue(f"an id{of}, 36 characters such as 01890a5d-ac96-774b-bcce-b302099a8057") from None


_READERS: dict[str, Callable[[ValueType, Any], Any]] = {
    "text": _text,
    "integer": _integer,
    "decimal": _decimal,
    "choice": _choice,
    "id": _id,
}


def read_all(type: ValueType) -> Callable[[Iterable[Any]], list[Any]]:
    """As `read` for a list: nulls are left out, and so are numbers that no integer equals."""
    return partial(_read_all, type)


def _read_all(type: ValueType, given: Iterable[Any]) -> list[Any]:
    one = read(type)
    whole = type.family == "integer"
    return [
        one(each)
        for each in given
        if each is not None and not (whole and isinstance(each, float) and not each.is_integer())
    ]


def integer_bound(operator: str) -> Read:
    """For `integer operator given` with an order: the integer that gives the same answer."""
    return partial(_integer_bound, operator)


def _integer_bound(operator: str, given: Any) -> int:
    number = given
    if isinstance(given, str):
        try:
            number = Decimal(given.strip())
        except InvalidOperation:
            number = None
    if isinstance(number, bool) or not isinstance(number, int | float | Decimal):
        raise WrongValue("a number")
    # An integer is finite, also one that no float can hold.
    if not isinstance(number, int) and not math.isfinite(number):
        raise WrongValue("a number")
    if isinstance(number, Decimal) and number.adjusted() > _MOST_DIGITS:
        raise WrongValue("an integer of 64 bits")
    bound = math.ceil(number) if operator in ("<", ">=") else math.floor(number)
    if not MIN_INTEGER <= bound <= MAX_INTEGER:
        raise WrongValue("an integer of 64 bits")
    return bound


def choices_where(type: ValueType, operator: str) -> Read:
    """For `choice operator given` with an order: the choices that satisfy it."""
    return partial(_choices_where, type, operator)


def _choices_where(type: ValueType, operator: str, given: Any) -> list[str]:
    place = type.choices.index(_choice(type, given))
    slices = {
        "<": slice(place),
        "<=": slice(place + 1),
        ">": slice(place + 1, None),
        ">=": slice(place, None),
    }
    return list(type.choices[slices[operator]])


def read_places(given: Any) -> int:
    """The second value of `round`."""
    if type(given) is not int or not 0 <= given <= 15:
        raise WrongValue("a whole number from 0 to 15 as the second value of round")
    return given


def read_like(given: Any) -> str:
    """The pattern of a `like` in its normal form."""
    pattern = like_pattern(read_text(given))
    if len(pattern) > _LONGEST_PATTERN:
        raise WrongValue(f"a pattern of at most {_LONGEST_PATTERN} characters")
    return pattern


def read_words(given: Any) -> str:
    """The text of a `matches`, which must have a word in it."""
    text = read_text(given)
    if not terms(text):
        raise WrongValue("a text with a word in it to search for")
    return text
