"""The ledger: whether journal and tables say the same, found by double-entry bookkeeping.

Every value that the journal says was written is added to the sum of its column, as a hash of (id, value);
every value that it says was replaced, and every value in the tables, is subtracted. All sums must be zero.
So a room of any size is compared in one pass and constant memory. Only where a sum is not zero are the
entities looked for, by summing again per bucket of ids and then per id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from ..model.kinds import Storage
from ..model.operations import (
    SCHEMA_OPERATIONS,
    ChangeAttribute,
    ChangeType,
    Create,
    DefineAttribute,
    Delete,
    DropKeys,
    DropType,
    Link,
    Operation,
    SetKeys,
    Unlink,
    Update,
)
from ..model.schema import STORED_SYSTEM
from .catalog import Catalog
from .journal import BORN, Reading, position
from .layout import Layout, layout_of, roots
from .names import Names, schema_operations
from .plans import Fetch, FetchKeys, Plan, Row
from .relations import Relation, relation_of, relations_of
from .sqltext import marked, quoted
from .tables import past

__all__ = ["Account", "compare"]

_PAGE = 5_000
_BUCKETS = 4096
_MASK = 2**64 - 1
_GONE = "\0gone"


class Account(NamedTuple):
    """What is summed up: a table and a column of it, or "~past" for which rows were replaced when."""

    table: str
    column: str


class Entry(NamedTuple):
    """Values of one account, each with the entity that has it; `sign` is +1 to add them and -1 to subtract them."""

    account: Account
    ids: Sequence[bytes]
    values: Sequence[Any]
    sign: int


Book = Callable[[Entry], None]


def compare(catalog: Catalog, pruned: int, head: int) -> Plan[dict[Account, list[bytes]]]:
    """Accounts in which journal and tables disagree, with up to 20 ids each; {} where they agree.

    The journal is followed from the last time that a schema operation gave values to entities or took
    them away, or from what was pruned. The history follower must have caught up.
    """
    born = yield from position(catalog.dialect, BORN, catalog.database)
    changes = yield from schema_operations(catalog.dialect, catalog.database, max(pruned, born))
    since = max([pruned, born, *(revision for revision, operation in changes if _gives_values(operation))])
    span = _Span(catalog, since, head, [each for each in changes if each[0] > since])
    totals: dict[Account, int] = {}
    yield from span.book(lambda entry: _add_up(totals, entry))
    wrong = {account for account, total in totals.items() if total & _MASK}
    if not wrong:
        return {}
    buckets: dict[tuple[Account, int], int] = {}
    yield from span.book(lambda entry: _add_buckets(buckets, wrong, entry))
    bad = {key for key, total in buckets.items() if total & _MASK}
    singles: dict[tuple[Account, bytes], int] = {}
    yield from span.book(lambda entry: _add_singles(singles, bad, entry))
    found: dict[Account, list[bytes]] = {account: [] for account in sorted(wrong)}
    for (account, entity), total in sorted(singles.items()):
        if total & _MASK and len(found[account]) < 20:
            found[account].append(entity)
    return found


def _gives_values(operation: Operation) -> bool:
    """Whether a schema operation changes what entities have without saying so entity by entity."""
    if isinstance(operation, DropType):
        return operation.before is None or bool(operation.before.extends)
    if isinstance(operation, ChangeType):
        return operation.before is None or operation.before.extends != operation.definition.extends
    return isinstance(operation, (DefineAttribute, ChangeAttribute))


# --- sums -----------------------------------------------------------------------------------------


def _hashes(entry: Entry) -> Iterator[int]:
    values = entry.values
    if -1 in values:
        # -1 and -2 have the same hash in Python.
        values = [("-1",) if value == -1 and type(value) is not bool else value for value in values]
    return map(hash, zip(entry.ids, values, strict=True))


def _add_up(totals: dict[Account, int], entry: Entry) -> None:
    totals[entry.account] = totals.get(entry.account, 0) + entry.sign * sum(_hashes(entry))


def _bucket(entity: bytes) -> int:
    return int.from_bytes(entity[-2:], "big") % _BUCKETS


def _add_buckets(buckets: dict[tuple[Account, int], int], wrong: set[Account], entry: Entry) -> None:
    if entry.account not in wrong:
        return
    for entity, each in zip(entry.ids, _hashes(entry), strict=True):
        key = (entry.account, _bucket(entity))
        buckets[key] = buckets.get(key, 0) + entry.sign * each


def _add_singles(singles: dict[tuple[Account, bytes], int], bad: set[tuple[Account, int]], entry: Entry) -> None:
    for entity, each in zip(entry.ids, _hashes(entry), strict=True):
        if (entry.account, _bucket(entity)) in bad:
            key = (entry.account, entity)
            singles[key] = singles.get(key, 0) + entry.sign * each


def _entry(account: Account, ids: Sequence[bytes], values: Sequence[Any], sign: int) -> Entry:
    """An entry without the nulls: an attribute that is not named and one that is null are the same."""
    if None not in values:
        return Entry(account, ids, values, sign)
    present = [(entity, value) for entity, value in zip(ids, values, strict=True) if value is not None]
    return Entry(account, [pair[0] for pair in present], [pair[1] for pair in present], sign)


# --- what is booked -------------------------------------------------------------------------------


class _Span:
    """A stretch of the journal of one database, and the tables at both of its ends."""

    def __init__(self, catalog: Catalog, since: int, head: int, changes: Sequence[tuple[int, Operation]]) -> None:
        self.catalog = catalog
        self.since = since
        self.head = head
        self.changes = [operation for _, operation in changes]

    def book(self, book: Book) -> Plan[None]:
        """Book everything that journal and tables say."""
        yield from self._book_journal(book)
        for root in roots(self.catalog.schema):
            yield from self._book_rows(layout_of(self.catalog, root), book)
            yield from self._book_replaced(layout_of(self.catalog, root), book)
        for relation in relations_of(self.catalog):
            yield from self._book_relation(relation, book)

    # --- the journal ---

    def _book_journal(self, book: Book) -> Plan[None]:
        seen = 0
        reading = Reading(self.catalog.dialect, self.catalog.database, self.since, self.head)
        while some := (yield from reading.next()):
            for revision, operations in some:
                seen = _Commit(self, revision, book).add(operations, seen)

    # --- tables ---

    def _book_rows(self, layout: Layout, book: Book) -> Plan[None]:
        """Rows as they were at the start, and those that there are now; what did not change is both."""
        columns = list(layout.storage)
        for table, condition, sign in (
            (layout.past, f"revision <= {self.since} AND until > {self.since}", 1),
            (layout.table, f"revision > {self.since}", -1),
        ):
            at = columns.index("id")
            pages = _Pages(self.catalog, layout, table, columns)
            while rows := (yield from pages.next(condition)):
                by_column = list(zip(*rows, strict=True))
                for column, values in zip(columns, by_column, strict=True):
                    if column != "id":
                        book(_entry(Account(layout.table, column), by_column[at], values, sign))

    def _book_replaced(self, layout: Layout, book: Book) -> Plan[None]:
        """Which rows were replaced when, and how the version after them differs."""
        own = [column for column in layout.storage if column not in STORED_SYSTEM]
        columns = ["id", "revision", "created_revision", *own]
        pages = _Pages(self.catalog, layout, layout.past, [*columns, "until"])
        kept: list[Row] = []
        while rows := (yield from pages.next(f"until > {self.since}")):
            # The versions of one entity may go over the end of a page.
            rows = kept + rows
            whole = [row for row in rows if row[0] != rows[-1][0]]
            kept = [row for row in rows if row[0] == rows[-1][0]]
            yield from self._book_versions(layout, columns, whole, book)
        yield from self._book_versions(layout, columns, kept, book)

    def _book_versions(self, layout: Layout, columns: list[str], rows: list[Row], book: Book) -> Plan[None]:
        if not rows:
            return
        ids = [row[0] for row in rows]
        pairs = [(row[1], row[-1]) for row in rows]
        book(Entry(Account(layout.past, "revision"), ids, pairs, -1))
        now = yield FetchKeys(layout.table, "id", list(set(ids)), tuple(columns), layout.storage_of(["id", *columns]))
        versions: dict[bytes, list[Row]] = {}
        for row in rows:
            versions.setdefault(row[0], []).append(row)
        for row in now:
            versions[row[0]].append((*row, None))
        differences = _Differences(layout)
        for entity, of_entity in versions.items():
            of_entity.sort(key=lambda row: (row[-1] is None, row[-1]))
            for place, row in enumerate(of_entity):
                if row[-1] is not None:
                    newer = of_entity[place + 1] if place + 1 < len(of_entity) else None
                    follows = newer is not None and newer[1] == row[-1] and newer[2] == row[2]
                    after = newer[3:-1] if newer is not None and follows else repeat(_GONE)
                    differences.add(entity, row[-1], zip(columns[3:], row[3:-1], after, strict=False))
        differences.book(book, -1)

    def _book_relation(self, relation: Relation, book: Book) -> Plan[None]:
        names = ", ".join(map(quoted, relation.columns))
        first, second = relation.columns[:2]
        for table, condition, sign in (
            (past(relation.table), f"revision <= {self.since} AND until > {self.since}", 1),
            (relation.table, f"revision > {self.since}", -1),
        ):
            until = ", until" if sign > 0 else ""
            sql = (
                f"SELECT {names}{until} FROM {quoted(table)} WHERE {condition}"
                f" AND ({first}, {second}{until}) > (?, ?{', ?' if until else ''})"
                f" ORDER BY {first}, {second}{until} LIMIT {_PAGE}"
            )
            storage = (*relation.storage, Storage.INTEGER) if until else relation.storage
            last: tuple[Any, ...] = (b"", b"" if not relation.is_mapping else "", *([0] if until else []))
            while rows := (yield Fetch(marked(self.catalog.dialect, sql), last, storage)):
                ids = [row[0] for row in rows]
                book(Entry(Account(relation.table, second), ids, [tuple(row[1:4]) for row in rows], sign))
                last = (*rows[-1][:2], *([rows[-1][4]] if until else []))
        yield from self._book_past_entries(relation, book)

    def _book_past_entries(self, relation: Relation, book: Book) -> Plan[None]:
        first, second = relation.columns[:2]
        names = ", ".join(map(quoted, (*relation.columns, "until")))
        sql = (
            f"SELECT {names} FROM {quoted(past(relation.table))} WHERE until > {self.since}"
            f" AND ({first}, {second}, until) > (?, ?, ?) ORDER BY {first}, {second}, until LIMIT {_PAGE}"
        )
        last: tuple[Any, ...] = (b"", "" if relation.is_mapping else b"", 0)
        storage = (*relation.storage, Storage.INTEGER)
        while rows := (yield Fetch(marked(self.catalog.dialect, sql), last, storage)):
            ids = [row[0] for row in rows]
            book(Entry(Account(past(relation.table), second), ids, [tuple(row[1:]) for row in rows], -1))
            last = (*rows[-1][:2], rows[-1][4])


class _Pages:
    """The rows of a table in order of id (and `until`), a page at a time."""

    def __init__(self, catalog: Catalog, layout: Layout, table: str, columns: Sequence[str]) -> None:
        self.catalog = catalog
        self.columns = columns
        self.table = table
        self.of_past = table == layout.past
        self.storage = tuple(Storage.INTEGER if name == "until" else layout.storage[name] for name in columns)
        self.last: tuple[Any, ...] = (b"", 0) if self.of_past else (b"",)

    def next(self, condition: str) -> Plan[list[Row]]:
        """The next page of rows that fulfil `condition`; [] behind the last."""
        key = ("id", "until") if self.of_past else ("id",)
        wanted = [*self.columns, *(name for name in key if name not in self.columns)]
        sql = (
            f"SELECT {', '.join(map(quoted, wanted))} FROM {quoted(self.table)} WHERE {condition}"
            f" AND ({', '.join(key)}) > ({', '.join('?' * len(key))}) ORDER BY {', '.join(key)} LIMIT {_PAGE}"
        )
        storage = (*self.storage, *([Storage.INTEGER] * (len(wanted) - len(self.columns))))
        rows: list[Row] = yield Fetch(marked(self.catalog.dialect, sql), self.last, storage)
        if rows:
            self.last = tuple(rows[-1][wanted.index(name)] for name in key)
        return [row[: len(self.columns)] for row in rows] if len(wanted) > len(self.columns) else rows


class _Differences:
    """How replaced rows differ from what came after them, by column."""

    def __init__(self, layout: Layout) -> None:
        self._table = layout.past
        self._ids: dict[str, list[bytes]] = {}
        self._values: dict[str, list[Any]] = {}

    def add(self, entity: bytes, until: int, changes: Iterable[tuple[str, Any, Any]]) -> None:
        for column, before, after in changes:
            if before != after and not (before is None and after == _GONE):
                self._ids.setdefault(column, []).append(entity)
                self._values.setdefault(column, []).append((until, before, after))

    def book(self, book: Book, sign: int) -> None:
        for column, ids in self._ids.items():
            book(Entry(Account(self._table, column), ids, self._values[column], sign))


class _Commit:
    """What one commit says it wrote and replaced."""

    def __init__(self, span: _Span, revision: int, book: Book) -> None:
        self.span = span
        self.catalog = span.catalog
        self.revision = revision
        self.book = book
        self.names = Names(span.catalog.schema, ())
        # Per table: entity → column → (before, after) over the whole commit
        self.replaced: dict[str, dict[bytes, dict[str, tuple[Any, Any]]]] = {}
        self.layouts: dict[str, Layout] = {}

    def add(self, operations: Sequence[Operation], seen: int) -> int:
        """Book a commit's operations, after `seen` schema operations of the span; how many there are then."""
        self.names = Names(self.catalog.schema, self.span.changes[seen:])
        for operation in operations:
            if isinstance(operation, SCHEMA_OPERATIONS):
                seen += 1
                self.names = Names(self.catalog.schema, self.span.changes[seen:])
            elif isinstance(operation, (Create, Update, Delete)):
                self._add_rows(operation)
            elif isinstance(operation, (Link, Unlink, SetKeys, DropKeys)):
                self._add_entries(operation)
        for table, by_entity in self.replaced.items():
            differences = _Differences(self.layouts[table])
            for entity, changes in by_entity.items():
                differences.add(
                    entity, self.revision, ((column, before, after) for column, (before, after) in changes.items())
                )
            differences.book(self.book, 1)
        return seen

    def _add_rows(self, operation: Create | Update | Delete) -> None:
        name = self.names.type(operation.type)
        if name is None or name not in self.catalog.schema:
            return
        layout = layout_of(self.catalog, name)
        self.layouts[layout.table] = layout
        count = len(operation.ids)
        here = [self.revision] * count
        if isinstance(operation, Create):
            first = operation.first_number
            self._book(layout, operation.ids, self._columns(layout, operation.type, operation.columns), 1)
            system: dict[str, Sequence[Any]] = {
                "number": range(first, first + count),
                "revision": here,
                "created_revision": here,
            }
            if layout.typed:
                system["entity_type"] = [name] * count
            self._book(layout, operation.ids, system, 1)
            return
        before = self._columns(layout, operation.type, operation.before)
        self._book(layout, operation.ids, {**before, "revision": operation.before_revision}, -1)
        self._add_versions(layout, operation)
        if isinstance(operation, Update):
            after = self._columns(layout, operation.type, operation.columns)
            self._book(layout, operation.ids, {**after, "revision": here}, 1)
            self._note(layout, operation, before, after)
        else:
            if layout.typed:
                self._book(layout, operation.ids, {"entity_type": [name] * count}, -1)
            own = {column: values for column, values in before.items() if column not in STORED_SYSTEM}
            self._note(layout, operation, own, None)

    def _columns(
        self, layout: Layout, type_name: str, columns: Mapping[str, Sequence[Any]]
    ) -> dict[str, Sequence[Any]]:
        """Columns of the journal by today's columns; those of dropped attributes are left out."""
        found = {}
        for name, values in columns.items():
            now = name if name in STORED_SYSTEM else self.names.attribute(type_name, name)
            if now in layout.columns:
                found[layout.columns[now]] = values
        return found

    def _book(self, layout: Layout, ids: Sequence[bytes], columns: Mapping[str, Sequence[Any]], sign: int) -> None:
        for column, values in columns.items():
            self.book(_entry(Account(layout.table, column), ids, values, sign))

    def _add_versions(self, layout: Layout, operation: Update | Delete) -> None:
        versions = [
            (entity, (before, self.revision))
            for entity, before in zip(operation.ids, operation.before_revision, strict=True)
            if before != self.revision
        ]
        ids, values = [each[0] for each in versions], [each[1] for each in versions]
        self.book(Entry(Account(layout.past, "revision"), ids, values, 1))

    def _note(
        self,
        layout: Layout,
        operation: Update | Delete,
        before: Mapping[str, Sequence[Any]],
        after: Mapping[str, Sequence[Any]] | None,
    ) -> None:
        """Fold an operation into what the commit as a whole replaced; `after` is None where entities are gone."""
        replaced = self.replaced.setdefault(layout.table, {})
        columns = list(before)
        olds = list(zip(*before.values(), strict=True)) or [()] * len(operation.ids)
        if after is None:
            news: list[tuple[Any, ...]] = [(_GONE,) * len(columns)] * len(operation.ids)
        else:
            news = list(zip(*after.values(), strict=True))
        for entity, revision, old, new in zip(operation.ids, operation.before_revision, olds, news, strict=True):
            if revision != self.revision:
                replaced[entity] = dict(zip(columns, zip(old, new, strict=True), strict=True))
                continue
            noted = replaced.get(entity)
            # An entity that this commit made, or deleted before, is not a version that was seen.
            if noted is None or any(value == _GONE for _, value in noted.values()):
                continue
            for column, was, now in zip(columns, old, new, strict=True):
                noted[column] = (noted[column][0] if column in noted else was, now)

    def _add_entries(self, operation: Link | Unlink | SetKeys | DropKeys) -> None:
        name = self.names.type(operation.type)
        attribute = self.names.attribute(operation.type, operation.attribute)
        if name is None or attribute is None or name not in self.catalog.schema:
            return
        relation = relation_of(self.catalog, name, attribute)
        account = Account(relation.table, relation.columns[1])
        if isinstance(operation, (Link, Unlink)):
            ids, others, before = operation.sources, operation.targets, operation.before_notes
            after = operation.notes if isinstance(operation, Link) else None
        else:
            ids, others, before = operation.ids, operation.keys, operation.before  # type: ignore[assignment]
            after = operation.values if isinstance(operation, SetKeys) else None
        rows = list(zip(ids, others, before, operation.before_revision, strict=True))
        was = [row for row in rows if row[3]]
        self.book(Entry(account, [row[0] for row in was], [row[1:] for row in was], -1))
        if after is not None:
            now = [(other, value, self.revision) for other, value in zip(others, after, strict=True)]
            self.book(Entry(account, ids, now, 1))
        seen = [row for row in was if row[3] != self.revision]
        values = [(*row[1:], self.revision) for row in seen]
        self.book(Entry(Account(past(relation.table), relation.columns[1]), [row[0] for row in seen], values, 1))
