"""Functions that SQLite lacks and PostgreSQL has, under names that only this package uses.

`FUNCTIONS` maps a name to (function, number of arguments); each is deterministic, gets and gives raw
values of SQLite (decimals in the form of `store.decimals`), and gives None where an argument is None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw

from ..decimals import decode, encode

__all__ = ["FUNCTIONS", "register_functions"]


def _number_of(form: str) -> float:
    return float(decode(form))


FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "rr_lower": (str.lower, 1),
    "rr_upper": (str.upper, 1),
    "rr_decimal": (encode, 1),
    "rr_decimal_text": (decode, 1),
    "rr_decimal_number": (_number_of, 1),
}


def register_functions(connection: apsw.Connection) -> None:
    """Make `FUNCTIONS` known to one connection."""
    for name, (function, arguments) in FUNCTIONS.items():
        connection.create_scalar_function(name, _strict(function), arguments, deterministic=True)


def _strict(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        return None if None in arguments else function(*arguments)

    return call
