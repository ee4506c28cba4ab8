"""What the errors of PostgreSQL mean: a `Violation`, one of `recordroom.errors`, or themselves."""

from __future__ import annotations

import re

import psycopg

from ...errors import (
    InvalidValue,
    PermissionDenied,
    QueryTooComplex,
    RoomDamaged,
    RoomNotFound,
    RoomReadOnly,
    StorageFull,
    StoreUnavailable,
)
from ..plans import Interrupted, Violation

__all__ = ["connection_error", "interrupted", "translated"]

_KINDS = {"23505": "unique", "23503": "foreign_key"}
_KEY_COLUMNS = re.compile(r"\((.+?)\)=\(")  # of 'Key (a, b)=(1, 2) …', in whatever language it is told
_MISSING_DATABASE = re.compile(r'FATAL: +database ".*" does not exist')
_NO_ENTRY = re.compile(
    r"authentication failed|no password supplied|role \".*\" |no pg_hba|permission denied|not permitted"
)
# Classes and codes after which the same work may succeed at another time or with another connection.
_UNAVAILABLE = ("08", "53", "57P", "57014", "55P03", "40", "58")
_GIVEN_UP = ("08", "57P", "40")
_TOO_COMPLEX = ("54001", "54023")
_INDEX_ROW = re.compile(r'^index row (?:size|requires) (\d+) .*?(?:for index "(.*)")?$')
_DAMAGED = ("XX001", "XX002")


def translated(error: psycopg.Error, where: str) -> Exception:
    """The error that recordroom raises for `error`, or `error` itself where it has none."""
    state = error.sqlstate or ""
    if isinstance(error, psycopg.IntegrityError):
        return _violation(error)
    named: Exception = error
    if state == "53100":
        named = StorageFull(path=where)
    elif state in ("42501", "28000", "28P01"):
        named = PermissionDenied(what=f"{where}: {_first_line(error)}")
    elif state == "25006":
        named = RoomReadOnly(path=where)
    elif state == "3D000":
        named = RoomNotFound(path=where)
    elif state in _TOO_COMPLEX or (state == "42601" and "memory exhausted" in _first_line(error)):
        named = QueryTooComplex(f"The query is too complex for the database: {_first_line(error)}.", limit=None)
    elif state == "54000" and _INDEX_ROW.search(_first_line(error)):
        named = _too_long_for_index(error)
    elif state in _DAMAGED:
        named = RoomDamaged(path=where, reason=_first_line(error))
    elif state.startswith(_UNAVAILABLE) or (not state and _is_of_connection(error)):
        named = StoreUnavailable(reason=f"{where}: {_first_line(error)}")
    return named


def interrupted(error: psycopg.Error, where: str, *, lost: bool, ending: bool) -> Exception:
    """As `translated`; an `Interrupted` where the connection is lost or the transaction was given up by the server.

    `ending` says that COMMIT had been sent.
    """
    state = error.sqlstate or ""
    if not (lost or state.startswith(_GIVEN_UP) or (not state and _is_of_connection(error))):
        return translated(error, where)
    unknown = ending and not state.startswith("40")
    return Interrupted(reason=f"{where}: {_first_line(error)}", unknown=unknown)


def connection_error(error: psycopg.Error, where: str) -> Exception:
    """The error for a connection that could not be made. It must not be chained: `error` holds the password."""
    # Before there is a connection, libpq gives no code, only the text.
    text = " ".join(str(error).split())
    if _MISSING_DATABASE.search(text):
        return RoomNotFound(f"There is no room at {where}: the database does not exist.", path=where)
    if _NO_ENTRY.search(text):
        return PermissionDenied(what=f"{where}: {text}")
    return StoreUnavailable(reason=f"{where}: {text}")


def _is_of_connection(error: psycopg.Error) -> bool:
    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))


def _first_line(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).partition("\n")[0]


def _too_long_for_index(error: psycopg.Error) -> InvalidValue:
    found = _INDEX_ROW.search(_first_line(error))
    facts = {
        "value": f"a value of {found and found[1]} bytes",
        "expected": "at most 2,600 bytes, because it is unique or indexed",
    }
    # Where the message has a name: "database.Root~unique~Type.attribute". For the longest values it has none.
    type_name, _, attribute = ((found and found[2]) or "").rpartition("~")[2].partition(".")
    if attribute:
        return InvalidValue(type=type_name, attribute=attribute, **facts)
    return InvalidValue(
        f"{facts['value'].capitalize()} is too long: on PostgreSQL what is unique or indexed, and the key of a mapping, has "
        "2,600 bytes at most.",
        type="", attribute="", **facts,
    )  # fmt: skip


def _violation(error: psycopg.IntegrityError) -> Violation:
    told = error.diag
    kind = _KINDS.get(error.sqlstate or "", "other")
    return Violation(
        kind,
        told.constraint_name or "",
        " ".join(filter(None, (told.message_primary, told.message_detail))),
        table=told.table_name or "",
        columns=_columns(told.column_name, told.message_detail),
    )


def _columns(column: str | None, detail: str | None) -> tuple[str, ...]:
    # The constraint itself may be one that only this transaction has made: it cannot be looked up afterwards.
    if column:
        return (column,)
    found = _KEY_COLUMNS.search(detail or "")
    return tuple(name.strip('"') for name in found[1].split(", ")) if found else ()
