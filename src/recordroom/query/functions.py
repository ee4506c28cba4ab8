"""What the functions and operators of values compute: one definition for memory and for SQLite.

All get values that are not null and give None where there is no result: division by zero, integers
beyond 64 bits, numbers that are not finite, decimals beyond their digits. PostgreSQL has the same in SQL.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from ..model.kinds import MAX_INTEGER, MIN_INTEGER

__all__ = [
    "ARITHMETIC",
    "CALENDAR",
    "MICROSECONDS_OF_A_DAY",
    "WIDE",
    "absolute_decimal",
    "absolute_integer",
    "absolute_number",
    "canonical",
    "divide",
    "round_decimal",
    "round_integer",
    "round_number",
]

MICROSECONDS_OF_A_DAY = 86_400_000_000
# Wide enough for products of two decimals of 65 digits, and for sums of very many.
WIDE = Context(prec=200)
_LARGEST = Decimal(10) ** 35
_FINEST = Decimal(10) ** -30


def _integer(number: int) -> int | None:
    return number if MIN_INTEGER <= number <= MAX_INTEGER else None


def _number(number: float) -> float | None:
    return number if math.isfinite(number) else None


def canonical(number: Decimal) -> str | None:
    """The raw form of a computed decimal: at most 30 digits after the point, half away from zero; None beyond 35 before it."""
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -30:
        number = number.quantize(_FINEST, ROUND_HALF_UP, WIDE)
    if number.copy_abs() >= _LARGEST:  # abs() would round
        return None
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def divide(left: float, right: float) -> float | None:
    """Null where the divisor is 0."""
    if right == 0:
        return None
    return _number(left / right)


def _on_decimals(operation: Callable[[Decimal, Decimal], Decimal]) -> Callable[[str, str], str | None]:
    return lambda left, right: canonical(operation(Decimal(left), Decimal(right)))


def _times(left: float, right: float) -> float | None:
    return _number(left * right)


# By storage family, then operator.
ARITHMETIC: dict[str, dict[str, Callable[[Any, Any], Any]]] = {
    "integer": {
        "+": lambda left, right: _integer(left + right),
        "-": lambda left, right: _integer(left - right),
        "*": lambda left, right: _integer(left * right),
    },
    "number": {
        "+": lambda left, right: _number(left + right),
        "-": lambda left, right: _number(left - right),
        "*": _times,
        "/": divide,
    },
    "decimal": {
        "+": _on_decimals(WIDE.add),
        "-": _on_decimals(WIDE.subtract),
        "*": _on_decimals(WIDE.multiply),
    },
}


def absolute_integer(number: int) -> int | None:
    """Null for -2⁶³, whose absolute value is beyond 64 bits."""
    return _integer(abs(number))


def absolute_number(number: float) -> float:
    """The number without its sign."""
    return abs(number)


def absolute_decimal(number: str) -> str:
    """The decimal without its sign."""
    return number.removeprefix("-")


def round_number(number: float, places: int) -> float:
    """Half away from zero, by the binary value: |x|·10ⁿ + ½, cut off, divided by 10ⁿ."""
    # From 2**52 on a float has no fraction, and scaling it might overflow.
    if abs(number) >= 4503599627370496.0:
        return number
    scale = 10.0**places
    scaled = abs(number) * scale
    if scaled >= 4503599627370496.0:
        return number
    return math.copysign(math.floor(scaled + 0.5) / scale, number)


def round_integer(number: int, places: int) -> int:
    """An integer has nothing to round."""
    return number


def round_decimal(number: str, places: int) -> str | None:
    """Half away from zero, exactly."""
    value = Decimal(number)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= -places:
        return number
    return canonical(value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, WIDE))


_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()

CALENDAR: dict[str, Callable[[int], int]] = {
    "year": lambda days: dt.date.fromordinal(days + _EPOCH_DAY).year,
    "month": lambda days: dt.date.fromordinal(days + _EPOCH_DAY).month,
    "day": lambda days: dt.date.fromordinal(days + _EPOCH_DAY).day,
}
