"""SQL functions of our own, so that both databases compute what `query.functions` does in memory.

`SQLITE_FUNCTIONS` maps a name to (function, number of arguments), `SQLITE_AGGREGATES` to what apsw calls
for each group; drivers register them on every connection. None in gives None out. Decimals are in
SQLite's sortable form there. `POSTGRES_FUNCTIONS` are the statements that make the same for PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ..query import fold
from ..query.functions import (
    ARITHMETIC,
    WIDE,
    absolute_decimal,
    absolute_integer,
    canonical,
    round_decimal,
    round_number,
)
from .decimals import decode, encode

__all__ = ["POSTGRES_FUNCTIONS", "SQLITE_AGGREGATES", "SQLITE_FUNCTIONS"]


def _like(pattern: str, text: str) -> bool:
    return fold.like_test(pattern)(text)


def _on_forms(function: Callable[..., str | None]) -> Callable[..., str | None]:
    """`function` on canonical decimals as a function on sortable forms; integers pass."""

    def call(*forms: Any) -> str | None:
        found = function(*(decode(form) if isinstance(form, str) else form for form in forms))
        return None if found is None else encode(found)

    return call


_NAMES = {"+": "add", "-": "subtract", "*": "multiply"}

SQLITE_FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "rr_lower": (fold.lower, 1),
    "rr_upper": (fold.upper, 1),
    "rr_like": (_like, 2),
    "rr_abs_integer": (absolute_integer, 1),
    "rr_abs_decimal": (_on_forms(absolute_decimal), 1),
    "rr_round_number": (round_number, 2),
    "rr_round_decimal": (_on_forms(round_decimal), 2),
    **{f"rr_{_NAMES[sign]}_integer": (ARITHMETIC["integer"][sign], 2) for sign in _NAMES},
    **{f"rr_{_NAMES[sign]}_decimal": (_on_forms(ARITHMETIC["decimal"][sign]), 2) for sign in _NAMES},
}


def _sum_of_decimals() -> tuple[list[Decimal], Callable[..., None], Callable[[list[Decimal]], str | None]]:
    return [], _add_decimal, _total_of_decimals


def _add_decimal(total: list[Decimal], form: str | None) -> None:
    if form is None:
        return
    number = Decimal(decode(form))
    if total:
        total[0] = WIDE.add(total[0], number)
    else:
        total.append(number)


def _total_of_decimals(total: list[Decimal]) -> str | None:
    found = canonical(total[0]) if total else None
    return None if found is None else encode(found)


SQLITE_AGGREGATES: dict[str, tuple[Callable[[], Any], int]] = {"rr_sum_decimal": (_sum_of_decimals, 1)}

# --- PostgreSQL -----------------------------------------------------------------------------------


def _function(name: str, arguments: str, result: str, body: str) -> str:
    # Not declared strict, though all are: PostgreSQL writes only those into the query that it can prove strict.
    return (
        f"CREATE OR REPLACE FUNCTION {name}({arguments}) RETURNS {result} "
        f"LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $body${body}$body$"
    )


def _case(name: str, ascii_only: str, source: str, target: str) -> str:
    # Texts of ASCII only, which most are, need no table.
    return _function(
        name,
        "x text",
        "text",
        f'SELECT CASE WHEN octet_length(x) = length(x) THEN {ascii_only}(x COLLATE "C")'
        f" ELSE translate(x, '{source}', '{target}') END",
    )


_UPPERS, _LOWERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + fold.UPPERS, "abcdefghijklmnopqrstuvwxyz" + fold.LOWERS
# translate takes the first of equal characters, as the table of upper case does.
_INTEGERS = "-9223372036854775808 AND 9223372036854775807"


def _on_integers(name: str, sign: str) -> str:
    result = f"(a::numeric {sign} b::numeric)"
    return _function(
        f"rr_{name}_integer",
        "a bigint, b bigint",
        "bigint",
        f"SELECT CASE WHEN {result} BETWEEN {_INTEGERS} THEN {result}::bigint END",
    )


def _on_numbers(name: str, sign: str, safe: str) -> list[str]:
    """Floats: PostgreSQL raises errors where a result is too large or too small; those rare cases go the slow way."""
    both = " AND ".join(safe.format(x=side) for side in "ab")
    scale = "-" if sign == "/" else "+"
    slow = (
        f"CREATE OR REPLACE FUNCTION rr_{name}_number_slowly(a double precision, b double precision)"
        " RETURNS double precision LANGUAGE plpgsql IMMUTABLE STRICT AS $body$BEGIN"
        f" RETURN a {sign} b;"
        " EXCEPTION WHEN division_by_zero THEN RETURN NULL;"
        " WHEN numeric_value_out_of_range THEN"
        f" RETURN CASE WHEN ln(abs(a)) {scale} ln(abs(b)) < 0 THEN 0 END;"
        " END$body$"
    )
    fast = _function(
        f"rr_{name}_number",
        "a double precision, b double precision",
        "double precision",
        f"SELECT CASE WHEN {both} THEN a {sign} b ELSE rr_{name}_number_slowly(a, b) END",
    ).replace(" PARALLEL SAFE", "")
    return [slow, fast]


def _canonical(value: str) -> str:
    return f"SELECT CASE WHEN abs(round({value}, 30)) < 1e35 THEN trim_scale(round({value}, 30)) END"


def _on_decimals(name: str, sign: str) -> str:
    return _function(f"rr_{name}_decimal", "a numeric, b numeric", "numeric", _canonical(f"a {sign} b"))


POSTGRES_FUNCTIONS: list[str] = [
    _case("rr_lower", "lower", _UPPERS, _LOWERS),
    _case("rr_upper", "upper", _LOWERS, _UPPERS),
    _function("rr_abs_integer", "a bigint", "bigint", "SELECT CASE WHEN a > -9223372036854775808 THEN abs(a) END"),
    _function(
        "rr_round_number",
        "a double precision, n bigint",
        "double precision",
        "SELECT CASE WHEN abs(a) >= 4503599627370496 OR abs(a) * (10::double precision ^ n) >= 4503599627370496 THEN a"
        " ELSE sign(a) * floor(abs(a) * (10::double precision ^ n) + 0.5) / (10::double precision ^ n) END",
    ),
    _function("rr_round_decimal", "a numeric, n bigint", "numeric", _canonical("round(a, n::int)")),
    _function("rr_canonical", "a numeric", "numeric", _canonical("a")),
    *(_on_integers(_NAMES[sign], sign) for sign in _NAMES),
    *(_on_decimals(_NAMES[sign], sign) for sign in _NAMES),
    *_on_numbers("add", "+", "abs({x}) < 8e307"),
    *_on_numbers("subtract", "-", "abs({x}) < 8e307"),
    *_on_numbers("multiply", "*", "({x} = 0 OR abs({x}) BETWEEN 1e-150 AND 1e150)"),
    *_on_numbers("divide", "/", "abs({x}) BETWEEN 1e-150 AND 1e150"),
]
