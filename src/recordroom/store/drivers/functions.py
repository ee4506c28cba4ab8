"""Functions that SQLite lacks and PostgreSQL has, under names that only this package uses.

`FUNCTIONS` maps a name to (function, number of arguments); each is deterministic, gets and gives raw
values of SQLite (decimals in the form of `store.decimals`), and gives None where an argument is None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw

from ..decimals import decode, encode
from ..functions import SQLITE_AGGREGATES, SQLITE_FUNCTIONS

__all__ = ["FUNCTIONS", "register_functions"]


def _number_of(form: str) -> float:
    return float(decode(form))


FUNCTIONS: dict[str, tuple[Callable[..., Any], int]] = {
    "rr_decimal": (encode, 1),
    "rr_decimal_text": (decode, 1),
    "rr_decimal_number": (_number_of, 1),
    **SQLITE_FUNCTIONS,
}


def register_functions(connection: apsw.Connection) -> None:
    """Make `FUNCTIONS` known to one connection."""
    for name, (function, arguments) in FUNCTIONS.items():
        connection.create_scalar_function(name, _strict(function), arguments, deterministic=True)
    for name, (factory, arguments) in SQLITE_AGGREGATES.items():
        connection.create_aggregate_function(name, factory, arguments)


def _strict(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        return None if None in arguments else function(*arguments)

    return call
