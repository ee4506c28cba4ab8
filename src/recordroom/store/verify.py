"""Verifying a room: journal, tables, index of words, followers and the database itself must agree.

`check_plan` reads everything in one snapshot and bounded memory, and changes nothing. Followers must
have caught up; one that has not is reported, and what depends on it is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ..model.ids import show_id
from ..model.kinds import Storage, wrong_at
from ..model.words import distinct
from .catalog import Catalog
from .faults import shown
from .followers import behind
from .journal import load_operations
from .layout import Layout, layout_of, roots
from .ledger import compare
from .plans import Fetch, FetchKeys, Plan, Row
from .relations import Relation, relations_of
from .search import joined_text, searchable_columns, weight_of
from .sqltext import marked, quoted

__all__ = ["Problem", "Report", "check_plan"]

_PAGE = 5_000
_EXAMPLES = 20
# A text that is no UTF-8 is not an error of msgspec's own.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong: `what` in words, `where` (a table, column, or "journal"), and some of the entities."""

    what: str
    where: str
    entities: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown_ids = (
            f" ({', '.join(self.entities[:3])}{', …' if len(self.entities) > 3 else ''})" if self.entities else ""
        )
        return f"{self.where}: {self.what}{shown_ids}"


class Report(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was found; `counts` says what was looked at. Iterating gives the problems: none when all is well.

    `unchecked` says what could not be looked at, because it is behind the journal and the room is open for reading only.
    """

    problems: list[Problem] = []
    counts: dict[str, int] = {}
    unchecked: list[str] = []

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.problems)

    def __len__(self) -> int:
        return len(self.problems)


def check_plan(catalogs: Mapping[str, Catalog], dialect: str) -> Plan[Report]:
    """Everything that does not agree in a room."""
    report = Report(problems=[], counts={}, unchecked=[])
    yield from _check_database(dialect, report)
    head, pruned = yield from _check_journal(dialect, report)
    vocabulary: Counter[str] = Counter()
    searched = True
    for catalog in catalogs.values():
        yield from _check_entities(catalog, head, report)
        for relation in relations_of(catalog):
            yield from _check_relation(catalog, relation, report)
        if (yield from _has_read(catalog, "history", report)):
            yield from _check_ledger(catalog, pruned, head, report)
        if (yield from _has_read(catalog, "search", report)):
            yield from _check_search(catalog, vocabulary, report)
        else:
            searched = False
    if searched:
        yield from _check_vocabulary(dialect, vocabulary, report)
    return report


def _has_read(catalog: Catalog, follower: str, report: Report) -> Plan[bool]:
    late = yield from behind({catalog.database: catalog}, (follower,))
    if late:
        report.unchecked.append(f"{catalog.database}: what {follower!r} keeps, which is behind the journal")
    return not late


def _add(report: Report, what: str, where: str, ids: Sequence[bytes] = ()) -> None:
    entities = tuple(show_id(each) if len(each) == 16 else each.hex() for each in ids[:_EXAMPLES])
    report.problems.append(Problem(what=what, where=where, entities=entities))


# --- the database ---------------------------------------------------------------------------------


def _check_database(dialect: str, report: Report) -> Plan[None]:
    """What the database says of its own pages and indexes."""
    if dialect == "sqlite":
        # The check of an FTS5 table trusts what the connection remembers of it; a query looks whether others wrote.
        yield Fetch("SELECT rowid FROM rr_search_words WHERE rr_search_words MATCH '\"a\"' LIMIT 1")
        rows = yield Fetch("PRAGMA integrity_check(20)")
        for (text,) in rows:
            if text != "ok":
                _add(report, str(text), "database file")
        return
    rows = yield Fetch(
        "SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
        " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE n.nspname = current_schema() AND NOT (i.indisvalid AND i.indisready)"
    )
    for (name,) in rows:
        _add(report, "the index is not valid", str(name))
    rows = yield Fetch(
        "SELECT n.nspname FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace"
        " WHERE e.extname = 'amcheck'"
    )
    if rows:
        function = f"{quoted(rows[0][0])}.bt_index_check"
        yield Fetch(
            f"SELECT count({function}(c.oid, false)::text) FROM pg_class AS c JOIN pg_am AS a ON a.oid = c.relam"
            " JOIN pg_namespace AS n ON n.oid = c.relnamespace"
            " WHERE a.amname = 'btree' AND c.relkind = 'i' AND n.nspname = current_schema()"
        )


# --- the journal ----------------------------------------------------------------------------------


def _check_journal(dialect: str, report: Report) -> Plan[tuple[int, int]]:
    """The room's revision, and up to where the past was pruned; headers and operations are all there."""
    rows = yield Fetch("SELECT revision, pruned FROM rr_room")
    head, pruned = rows[0]
    after, expected, time = pruned, pruned + 1, 0
    sql = (
        "SELECT c.revision, c.time, j.operations FROM rr_commit AS c LEFT JOIN rr_journal AS j"
        " ON j.revision = c.revision WHERE c.revision > ? ORDER BY c.revision LIMIT 16"
    )
    count = 0
    while rows := (yield Fetch(marked(dialect, sql), (after,))):
        for revision, moment, data in rows:
            if revision != expected:
                _add(report, f"commits {expected} to {revision - 1} are missing", "journal")
            if moment < time:
                _add(report, f"commit {revision} is older than the one before it", "journal")
            _check_operations(revision, data, report)
            expected, time = revision + 1, moment
            count += 1
        after = rows[-1][0]
    if expected != head + 1:
        _add(report, f"the last commit is {expected - 1}, but the room is at revision {head}", "journal")
    rows = yield Fetch(
        "SELECT j.revision FROM rr_journal AS j LEFT JOIN rr_commit AS c ON c.revision = j.revision"
        " WHERE c.revision IS NULL"
    )
    for (revision,) in rows:
        _add(report, f"commit {revision} has operations and no header", "journal")
    report.counts["commits"] = count
    return head, pruned


def _check_operations(revision: int, data: bytes | None, report: Report) -> None:
    if data is None:
        _add(report, f"the operations of commit {revision} are missing", "journal")
        return
    try:
        load_operations(data)
    except _UNREADABLE as error:
        _add(report, f"the operations of commit {revision} cannot be read: {error}", "journal")


def _check_ledger(catalog: Catalog, pruned: int, head: int, report: Report) -> Plan[None]:
    """Replaying the journal gives the rows that there are, and the rows that were replaced."""
    try:
        wrong = yield from compare(catalog, pruned, head)
    except _UNREADABLE:
        return  # Reported already.
    for account, ids in wrong.items():
        _add(report, "not what the journal says", f"{account.table}.{account.column}", ids)


# --- entities -------------------------------------------------------------------------------------


def _check_entities(catalog: Catalog, head: int, report: Report) -> Plan[None]:
    for root in roots(catalog.schema):
        layout = layout_of(catalog, root)
        yield from _check_values(catalog, layout, report)
        yield from _check_system(catalog, layout, head, report)
        for name in catalog.schema.subtypes(root):
            yield from _check_type(catalog, layout_of(catalog, name), report)


def _check_values(catalog: Catalog, layout: Layout, report: Report) -> Plan[None]:
    """Every value is of its kind, and every type is one of the table's."""
    pairs = catalog.tables.columns(layout.root)
    names = [column for column, _ in pairs]
    types = set(catalog.schema.subtypes(layout.root))
    sql = f"SELECT {', '.join(map(quoted, names))} FROM {quoted(layout.table)} WHERE id > ? ORDER BY id LIMIT {_PAGE}"
    last, count = b"", 0
    while rows := (yield Fetch(marked(catalog.dialect, sql), (last,), layout.storage_of(names))):
        by_name = dict(zip(names, zip(*rows, strict=True), strict=True))
        for column, attribute in pairs:
            wrong = wrong_at(by_name[column], attribute)
            if wrong is not None:
                place, expected = wrong
                value = shown(by_name[column][place], attribute)
                where = f"{layout.table}.{column}"
                _add(report, f"expected {expected}, found {value!r}", where, [by_name["id"][place]])
        if layout.typed and not set(by_name["entity_type"]) <= types:
            strange = [
                row for row, name in zip(by_name["id"], by_name["entity_type"], strict=True) if name not in types
            ]
            _add(report, "entities of types that the schema does not have", layout.table, strange)
        last, count = rows[-1][names.index("id")], count + len(rows)
    report.counts["entities"] = report.counts.get("entities", 0) + count


def _check_system(catalog: Catalog, layout: Layout, head: int, report: Report) -> Plan[None]:
    """Revisions have headers, and no number will be given out twice."""
    table = quoted(layout.table)
    for column in ("revision", "created_revision"):
        yield from _check_ids(
            catalog,
            f"SELECT t.id FROM {table} AS t WHERE t.{column} > {head} OR t.created_revision > t.revision"
            f" OR NOT EXISTS (SELECT 1 FROM rr_commit AS c WHERE c.revision = t.{column})",
            (f"{column} is not one of a commit", f"{layout.table}.{column}"),
            report,
        )
    sql = (
        f'SELECT id FROM {table} WHERE "number" >= coalesce((SELECT "next" FROM rr_counter WHERE "table" = ?), 1)'
        f" LIMIT {_EXAMPLES}"
    )
    rows = yield Fetch(marked(catalog.dialect, sql), (layout.table,))
    if rows:
        _add(report, "numbers that the counter will give out again", f"{layout.table}.number", [row[0] for row in rows])


def _check_type(catalog: Catalog, layout: Layout, report: Report) -> Plan[None]:
    """References lead to entities of the right type, and required attributes have values."""
    schema = catalog.schema
    for attribute in schema[layout.type].attributes:
        if not attribute.stored:
            continue
        column = quoted(layout.columns[attribute.name])
        where = f"{layout.table}.{layout.columns[attribute.name]}"
        if attribute.required:
            of_type = f" AND {_of_types(catalog, layout.type, 't')}" if layout.typed else ""
            sql = f"SELECT t.id FROM {quoted(layout.table)} AS t WHERE t.{column} IS NULL{of_type}"
            yield from _check_ids(catalog, sql, ("a required value is missing", where), report)
        if attribute.kind == "reference":
            there = _there(catalog, attribute.target, f"t.{column}")
            sql = f"SELECT t.id FROM {quoted(layout.table)} AS t WHERE t.{column} IS NOT NULL AND NOT {there}"
            yield from _check_ids(catalog, sql, (f"there is no such {attribute.target}", where), report)


def _check_relation(catalog: Catalog, relation: Relation, report: Report) -> Plan[None]:
    """Both ends of a link, and owners of mapping entries, are there."""
    ends = [(relation.columns[0], relation.type)]
    if not relation.is_mapping:
        ends.append((relation.columns[1], relation.attribute.target))
    for end, type_name in ends:
        sql = f"SELECT t.{end} FROM {quoted(relation.table)} AS t WHERE NOT {_there(catalog, type_name, f't.{end}')}"
        yield from _check_ids(catalog, sql, (f"there is no such {type_name}", f"{relation.table}.{end}"), report)


def _check_ids(catalog: Catalog, sql: str, problem: tuple[str, str], report: Report) -> Plan[None]:
    """Report what `sql` finds: ids of entities."""
    rows = yield Fetch(f"{sql} LIMIT {_EXAMPLES}")
    if rows:
        _add(report, *problem, [row[0] for row in rows])


def _there(catalog: Catalog, type_name: str, value: str) -> str:
    layout = layout_of(catalog, type_name)
    of_type = f" AND {_of_types(catalog, type_name, 'o')}" if layout.typed else ""
    return f"EXISTS (SELECT 1 FROM {quoted(layout.table)} AS o WHERE o.id = {value}{of_type})"


def _of_types(catalog: Catalog, type_name: str, alias: str) -> str:
    # Names of types are ASCII identifiers: they need no escaping.
    names = ", ".join(f"'{name}'" for name in catalog.schema.subtypes(type_name))
    return f"{alias}.entity_type IN ({names})"


# --- the index of words ---------------------------------------------------------------------------


def _check_search(catalog: Catalog, vocabulary: Counter[str], report: Report) -> Plan[None]:
    """The index has every text that there is, and no other; counts the words."""
    for root in roots(catalog.schema):
        layout = layout_of(catalog, root)
        there, last = 0, b""
        while page := (yield from _texts_after(catalog, layout, last)):
            ids, texts = page
            last = ids[-1]
            indexed = yield from _indexed(catalog, layout, ids)
            there += len(indexed)
            wrong = {key[0] for key in texts.keys() | indexed.keys() if _differs(texts.get(key), indexed.get(key))}
            if wrong:
                _add(report, "texts that the index of words does not have as they are", layout.table, sorted(wrong))
            for words in texts.values():
                vocabulary.update(words)
            report.counts["texts"] = report.counts.get("texts", 0) + len(texts)
        sql = marked(catalog.dialect, "SELECT count(*) FROM rr_search WHERE hierarchy = ?")
        rows = yield Fetch(sql, (layout.table,))
        if rows[0][0] != there:
            _add(report, f"the index of words has {rows[0][0] - there} texts of entities that are gone", layout.table)


_Key = tuple[bytes, str]


def _texts_after(
    catalog: Catalog, layout: Layout, last: bytes
) -> Plan[tuple[list[bytes], dict[_Key, list[str]]] | None]:
    """The next entities, and the words of their texts by (id, column); None behind the last."""
    columns = searchable_columns(catalog, layout.root)
    names = ["id", *columns]
    sql = f"SELECT {', '.join(map(quoted, names))} FROM {quoted(layout.table)} WHERE id > ? ORDER BY id LIMIT {_PAGE}"
    rows: list[Row] = yield Fetch(marked(catalog.dialect, sql), (last,), layout.storage_of(names))
    if not rows:
        return None
    found = {
        (row[0], column): words
        for place, (column, attribute) in enumerate(columns.items(), 1)
        for row in rows
        if row[place] and (words := distinct(joined_text(row[place], attribute)))
    }
    return [row[0] for row in rows], found


def _indexed(catalog: Catalog, layout: Layout, ids: Sequence[bytes]) -> Plan[dict[_Key, float]]:
    """The weight of each text that the index has of some entities."""
    columns = ("id", "attribute", "weight", "hierarchy")
    storage = (Storage.BYTES, Storage.BYTES, Storage.TEXT, Storage.REAL, Storage.TEXT)
    rows = yield FetchKeys("rr_search", "id", ids, columns, storage)
    return {(row[0], row[1]): row[2] for row in rows if row[3] == layout.table}


def _differs(words: list[str] | None, weight: float | None) -> bool:
    return weight is None or words is None or abs(weight_of(words) - weight) > 1e-9


def _check_vocabulary(dialect: str, expected: Counter[str], report: Report) -> Plan[None]:
    """Each word stands in as many texts of the index as in texts of the tables."""
    if dialect == "sqlite":
        sql = "SELECT term, doc FROM rr_search_vocabulary"
    else:
        sql = "SELECT word, ndoc FROM ts_stat('SELECT words FROM rr_search')"
    rows = yield Fetch(sql)
    found: dict[str, int] = dict(rows)
    wrong = sorted(word for word in found.keys() | expected.keys() if found.get(word, 0) != expected.get(word, 0))
    if wrong:
        examples = ", ".join(repr(word) for word in wrong[:5])
        _add(report, f"{len(wrong)} words are not indexed as often as they stand in texts: {examples}", "rr_search")
