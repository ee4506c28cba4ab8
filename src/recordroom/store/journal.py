"""The journal: every commit in order, its operations, and how far each follower has read.

A row of `rr_journal` has the operations as they were applied, msgpack of `model.operations`, with what
they replaced; `rr_commit` has the header. Followers have a position per database.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from ..errors import NotFound, PastPruned
from ..model.ids import show_id
from ..model.kinds import Storage
from ..model.operations import SCHEMA_OPERATIONS, Operation, Publish
from ..query.request import Header, JournalEntry
from .plans import ROOM, Fetch, FetchKeys, Plan, Run
from .sqltext import marked

__all__ = [
    "BORN",
    "SCHEMA_MARK",
    "Reading",
    "after_schema_changes",
    "dump_operations",
    "header_plan",
    "headers",
    "journal_plan",
    "load_operations",
    "move_position",
    "no_commit",
    "position",
    "revision_at_plan",
    "revision_plan",
    "types_touched",
]

BORN = "born"  # a position too: what the journal has up to it is about a dropped database of the same key
SCHEMA_MARK = "~schema"  # among the types of an entry: it has schema operations

FIRST_READ = 16  # commits
_SMALL = 2**20  # bytes
_HEADER = ("revision", "id", "database", "actor", "time", "notes")
_HEADER_STORAGE = (
    Storage.INTEGER,
    Storage.BYTES,
    Storage.TEXT,
    Storage.TEXT,
    Storage.INTEGER,
    Storage.TEXT,
)
_encoder = msgspec.msgpack.Encoder()


@cache
def _decoder() -> msgspec.msgpack.Decoder[list[Operation]]:
    return msgspec.msgpack.Decoder(list[Operation])


def dump_operations(operations: Sequence[Operation]) -> bytes:
    """Operations as a journal row keeps them."""
    return _encoder.encode(operations)


def load_operations(data: bytes) -> list[Operation]:
    """What `dump_operations` gave."""
    return _decoder().decode(data)


def types_touched(operations: Sequence[Operation]) -> str:
    """JSON list of the types that operations name, with a mark if the schema changes."""
    found: set[str] = set()
    for operation in operations:
        if isinstance(operation, SCHEMA_OPERATIONS):
            found.add(SCHEMA_MARK)
        elif not isinstance(operation, Publish):
            found.add(operation.type)
    return json.dumps(sorted(found))


def after_schema_changes(operations: list[Operation]) -> list[Operation]:
    """The operations that followers have to read: a commit lets them catch up at each schema operation."""
    for place in range(len(operations) - 1, -1, -1):
        if isinstance(operations[place], SCHEMA_OPERATIONS):
            return operations[place + 1 :]
    return operations


# --- reading --------------------------------------------------------------------------------------


def journal_plan(after: int, limit: int) -> Plan[list[JournalEntry]]:
    """Commits with a revision above `after`, oldest first; PastPruned where some of them are gone."""
    rows = yield Fetch("SELECT pruned FROM rr_room")
    pruned = rows[0][0]
    if after < pruned:
        raise PastPruned(revision=after + 1, oldest=pruned + 1)
    rows = yield Fetch(
        "SELECT c.revision, c.id, c.database, c.actor, c.time, c.notes, j.operations"
        " FROM rr_journal AS j JOIN rr_commit AS c ON c.revision = j.revision"
        f" WHERE j.revision > {int(after)} ORDER BY j.revision LIMIT {int(limit)}"
    )
    return [JournalEntry(header=_header(row[:6]), operations=list(load_operations(row[6]))) for row in rows]


def header_plan(revision_or_id: int | bytes) -> Plan[Header]:
    """The header of one commit; NotFound where there is none (or it was pruned)."""
    key = "id" if isinstance(revision_or_id, bytes) else "revision"
    storage = Storage.BYTES if key == "id" else Storage.INTEGER
    rows = yield FetchKeys("rr_commit", key, [revision_or_id], _HEADER, (storage, *_HEADER_STORAGE))
    if not rows:
        raise no_commit(revision_or_id)
    return _header(max(rows))


def no_commit(revision_or_id: int | bytes) -> NotFound:
    """The error of a commit that is not there."""
    shown: int | str | bytes = revision_or_id
    if isinstance(shown, bytes):
        shown = show_id(shown) if len(shown) == 16 else shown.hex()
    return NotFound(f"There is no commit {shown}.", type="commit", entity=shown)


def headers(revisions: Sequence[int]) -> Plan[dict[int, Header]]:
    """Headers by revision; those that were pruned are left out."""
    rows = yield FetchKeys("rr_commit", "revision", revisions, _HEADER, (Storage.INTEGER, *_HEADER_STORAGE))
    return {row[0]: _header(row) for row in rows}


def revision_plan() -> Plan[int]:
    """The revision of the room now."""
    rows = yield ROOM
    revision: int = rows[0][2]
    return revision


def revision_at_plan(moment: int) -> Plan[int]:
    """The revision that was the latest at `moment`; 0 before the first."""
    rows = yield Fetch(
        f"SELECT revision FROM rr_commit WHERE time <= {int(moment)} ORDER BY time DESC, revision DESC LIMIT 1"
    )
    return rows[0][0] if rows else 0


def _header(row: Sequence[Any]) -> Header:
    revision, commit_id, database, actor, time, notes = row
    return Header(revision=revision, commit_id=bytes(commit_id), database=database, actor=actor, time=time, notes=notes)


# --- followers ------------------------------------------------------------------------------------


def position(dialect: str, follower: str, database: str) -> Plan[int]:
    """The revision up to which a follower has read the commits of a database."""
    sql = marked(dialect, "SELECT revision FROM rr_follower WHERE name = ?")
    rows = yield Fetch(sql, (f"{follower}:{database}",))
    return rows[0][0] if rows else 0


def move_position(dialect: str, follower: str, database: str, revision: int) -> Plan[None]:
    """Note how far a follower has read."""
    sql = marked(
        dialect,
        "INSERT INTO rr_follower (name, revision) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET revision = excluded.revision",
    )
    yield Run(sql, (f"{follower}:{database}", revision))


class Reading:
    """The commits of a database above one revision and up to another, oldest first, as a follower reads them.

    `next` brings as many at a time as are small together: many of one change each, or one of a million.
    """

    def __init__(self, dialect: str, database: str, after: int, upto: int) -> None:
        self._sql = marked(
            dialect,
            "SELECT j.revision, j.operations FROM rr_journal AS j JOIN rr_commit AS c ON c.revision = j.revision"
            " WHERE j.revision > ? AND j.revision <= ? AND c.database = ? ORDER BY j.revision LIMIT ?",
        )
        self._database = database
        self._after = after
        self._upto = upto
        self._limit = FIRST_READ

    def next(self) -> Plan[list[tuple[int, list[Operation]]]]:
        """(revision, operations) of the next commits; [] behind the last."""
        if self._after >= self._upto:
            return []
        rows = yield Fetch(self._sql, (self._after, self._upto, self._database, self._limit))
        self._after = rows[-1][0] if len(rows) == self._limit else self._upto
        size = sum(len(row[1]) for row in rows)
        if size < _SMALL:
            self._limit = min(self._limit * 4, 1024)
        elif size > 8 * _SMALL:
            self._limit = max(self._limit // 4, 1)
        return [(row[0], load_operations(row[1])) for row in rows]
