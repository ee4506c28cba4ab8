"""Formats of a room and the way from each to the next.

A room knows its format (`rr_room.format`). One of a newer format is refused; one of an older format is
migrated when it is opened for writing, step by step, in one transaction. To change the format: raise
`FORMAT`, add the step from the format before to `MIGRATIONS`, and keep a room of the old format as a test.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import RoomDamaged, RoomReadOnly, RoomTooNew
from .plans import Fetch, Plan, Run
from .tables import table_statements

__all__ = ["FORMAT", "MIGRATIONS", "Migration", "check_format", "migrate"]

FORMAT = 3
Migration = Callable[[str], Plan[None]]  # is told the dialect


def _accounts(dialect: str) -> Plan[None]:
    """From 1 to 2: the tables that accounts, access rules and webhooks need."""
    integer = "INTEGER" if dialect == "sqlite" else "BIGINT"
    yield Run(f"ALTER TABLE rr_room ADD COLUMN access_revision {integer} NOT NULL DEFAULT 0")
    for text in table_statements(dialect, ("rr_delivery", "rr_secret")):
        yield Run(text)


def _files(dialect: str) -> Plan[None]:
    """From 2 to 3: the tables that files need."""
    for text in table_statements(dialect, ("rr_file", "rr_upload")):
        yield Run(text)


# format → the step from it to the next one
MIGRATIONS: dict[int, Migration] = {1: _accounts, 2: _files}


def check_format(found: int, where: str, *, read_only: bool) -> bool:
    """Whether a room of format `found` needs migrating; RoomTooNew and other errors where it cannot be used."""
    if found > FORMAT:
        raise RoomTooNew(path=where, found=found, supported=FORMAT)
    if found == FORMAT:
        return False
    if any(step not in MIGRATIONS for step in range(found, FORMAT)):
        raise RoomDamaged(path=where, reason=f"its format {found} was never one of recordroom's")
    if read_only:
        raise RoomReadOnly(
            f"The room at {where} has the older format {found}: open it once for writing, which migrates it.",
            path=where,
        )
    return True


def migrate(dialect: str) -> Plan[None]:
    """Take a room from the format that it has to `FORMAT`; another process may have done so a moment ago."""
    [(found,)] = yield Fetch("SELECT format FROM rr_room")
    if found >= FORMAT:
        return
    for step in range(found, FORMAT):
        yield from MIGRATIONS[step](dialect)
    yield Run(f"UPDATE rr_room SET format = {FORMAT}")
