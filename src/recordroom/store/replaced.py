"""Replaced rows: what updates and deletes replaced, in the `~past` tables.

The follower `history` writes them from the before-values in the journal: a replaced row is the current
one, walked backwards. It reads everything since its position at once; how much that can be is bounded
by `followers.keep_up`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from ..model.kinds import Storage
from ..model.operations import Delete, DropKeys, Link, Operation, SetKeys, Unlink, Update
from .catalog import Catalog
from .journal import Reading, after_schema_changes, move_position, position
from .layout import Layout, layout_of
from .plans import TURN, Fetch, FetchKeys, InsertColumns, Plan, Row, divided
from .relations import relation_of
from .sqltext import id_list, marked, quoted
from .tables import past

__all__ = ["follow_history", "rows_at"]

_AT_ONCE = 5_000  # rows between turns of others
_FOLLOWED = (Update, Delete, Link, Unlink, SetKeys, DropKeys)
Entry = tuple[int, list[Operation]]


def follow_history(
    catalog: Catalog, upto: int, pending: Sequence[Operation] = (), *, keep_pending: bool = False
) -> Plan[None]:
    """Read the journal of a database up to revision `upto` into its `~past` tables.

    `pending` are operations applied after that by a commit still being made, of revision `upto + 1`;
    with `keep_pending` what they replaced is written too.
    """
    start = yield from position(catalog.dialect, "history", catalog.database)
    read = yield from _unread(catalog, start, upto)
    walk = _Walk(catalog)
    if any(operations for _, operations in read) or keep_pending:
        yield from walk.load(operations for _, operations in [*read, (0, pending)])
        yield from walk.back(upto + 1, pending, keep=keep_pending)
        for revision, operations in reversed(read):
            yield from walk.back(revision, operations, keep=True)
        yield from walk.store()
    if upto > start:
        yield from move_position(catalog.dialect, "history", catalog.database, upto)


def _unread(catalog: Catalog, start: int, upto: int) -> Plan[list[Entry]]:
    """What the follower has to read, without creates, which replace nothing."""
    found: list[Entry] = []
    reading = Reading(catalog.dialect, catalog.database, start, upto)
    while some := (yield from reading.next()):
        for revision, operations in some:
            replacing: list[Operation] = [
                each for each in after_schema_changes(operations) if isinstance(each, _FOLLOWED)
            ]
            found.append((revision, replacing))
    return found


class _Walk:
    """Rows of one database on their way back through what changed them."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.rows: dict[str, dict[bytes, Row]] = {}
        self.replaced: dict[str, list[Row]] = {}
        self.entries: dict[str, tuple[tuple[str, ...], tuple[Storage, ...], list[Row]]] = {}

    def load(self, changes: Iterable[Sequence[Operation]]) -> Plan[None]:
        """Fetch the current rows of every entity that was updated."""
        wanted: dict[str, set[bytes]] = {}
        for operations in changes:
            for operation in operations:
                if isinstance(operation, Update):
                    root = self.catalog.schema.root(operation.type)
                    wanted.setdefault(root, set()).update(operation.ids)
        for root, ids in wanted.items():
            layout = layout_of(self.catalog, root)
            columns = tuple(layout.storage)
            rows = yield FetchKeys(layout.table, "id", list(ids), columns, layout.storage_of(["id", *columns]))
            at = columns.index("id")
            yield from divided(len(rows))
            self.rows[root] = {row[at]: row for row in rows}
            yield from divided(len(rows))

    def back(self, revision: int, operations: Sequence[Operation], *, keep: bool) -> Plan[None]:
        """Undo the operations of one commit in memory, keeping the rows that they replaced."""
        for operation in reversed(operations):
            if isinstance(operation, Update):
                yield from self._back_update(revision, operation, keep)
            elif isinstance(operation, Delete):
                yield from self._back_delete(revision, operation, keep)
            elif keep and isinstance(operation, (Link, Unlink)):
                pairs = zip(operation.sources, operation.targets, operation.before_notes, strict=True)
                self._entries(revision, operation, list(pairs))
            elif keep and isinstance(operation, (SetKeys, DropKeys)):
                keys = zip(operation.ids, operation.keys, operation.before, strict=True)
                self._entries(revision, operation, list(keys))

    def _back_update(self, revision: int, operation: Update, keep: bool) -> Plan[None]:
        layout = layout_of(self.catalog, operation.type)
        rows = self.rows.setdefault(layout.root, {})
        columns = list(layout.storage)
        places = [columns.index("revision"), *(columns.index(layout.columns[name]) for name in operation.before)]
        replaced = self.replaced.setdefault(layout.root, [])
        values = zip(operation.before_revision, *operation.before.values(), strict=True)
        changes = zip(operation.ids, values, strict=True)
        while some := list(islice(changes, _AT_ONCE)):
            for entity, old in some:
                row = list(rows[entity])
                for place, value in zip(places, old, strict=True):
                    row[place] = value
                rows[entity] = tuple(row)
                # What a commit replaced of its own doing was never seen.
                if keep and old[0] != revision:
                    replaced.append((*row, revision))
            yield TURN

    def _back_delete(self, revision: int, operation: Delete, keep: bool) -> Plan[None]:
        layout = layout_of(self.catalog, operation.type)
        rows = self.rows.setdefault(layout.root, {})
        given: dict[str, Sequence[Any]] = {
            layout.columns[name]: values for name, values in operation.before.items() if name in layout.columns
        }
        given["id"], given["revision"] = operation.ids, operation.before_revision
        if layout.typed:
            given["entity_type"] = [operation.type] * len(operation.ids)
        nothing = [None] * len(operation.ids)
        old = list(zip(*(given.get(column, nothing) for column in layout.storage), strict=True))
        yield from divided(len(old))
        rows.update(zip(operation.ids, old, strict=True))
        yield from divided(len(old))
        if keep:
            replaced = self.replaced.setdefault(layout.root, [])
            found = zip(old, operation.before_revision, strict=True)
            replaced.extend((*row, revision) for row, before in found if before != revision)

    def _entries(self, revision: int, operation: Link | Unlink | SetKeys | DropKeys, keys: list[Row]) -> None:
        relation = relation_of(self.catalog, operation.type, operation.attribute)
        _, _, kept = self.entries.setdefault(relation.table, (relation.columns, relation.storage, []))
        kept.extend(
            (*key, before, revision)
            for key, before in zip(keys, operation.before_revision, strict=True)
            if before not in (0, revision)
        )

    def store(self) -> Plan[None]:
        """Write the rows kept."""
        for root, rows in self.replaced.items():
            layout = layout_of(self.catalog, root)
            yield from _insert(layout.past, tuple(layout.storage), tuple(layout.storage.values()), rows)
        for table, (columns, storage, rows) in self.entries.items():
            yield from _insert(past(table), columns, storage, rows)


def _insert(table: str, columns: tuple[str, ...], storage: tuple[Storage, ...], rows: list[Row]) -> Plan[None]:
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        values = dict(zip((*columns, "until"), zip(*some, strict=True), strict=True))
        yield InsertColumns(table, values, (*storage, Storage.INTEGER))


# --- single rows of the past ----------------------------------------------------------------------


def rows_at(
    catalog: Catalog, layout: Layout, entities: Sequence[tuple[bytes, int]]
) -> Plan[dict[bytes, dict[str, Any]]]:
    """The replaced row of each (id, revision) as of that revision, by id; what has none is left out.

    The history follower must have caught up.
    """
    columns = list(layout.storage)
    names = ", ".join(map(quoted, ["until", *columns]))
    sql = f"SELECT {names} FROM {quoted(layout.past)} WHERE id IN {id_list(catalog.dialect)} AND until > ?"
    based = dict(entities)
    parameters = (list(based), min(based.values()))
    rows = yield Fetch(marked(catalog.dialect, sql), parameters, (Storage.INTEGER, *layout.storage_of(columns)))
    found = {}
    for row in rows:
        values = dict(zip(columns, row[1:], strict=True))
        if values["revision"] <= based[values["id"]] < row[0]:
            found[values["id"]] = values
    return found
