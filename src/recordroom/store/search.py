"""Full-text search: an index of words, kept by the follower `search`, and what is asked of it.

`rr_search` has a row per text with words in it: hierarchy (its table), type, id, attribute (its column)
and a weight, by which shorter texts rank higher. The words are in an FTS5 table beside it on SQLite and
in a tsvector on PostgreSQL; both are cut by `model.words`. The index knows the present only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY

from ..errors import InvalidQuery, QueryTooComplex
from ..model.evolve import Renames, renames
from ..model.kinds import KINDS, MAX_INTEGER, Storage, text_is_clean
from ..model.operations import ChangeAttribute, ChangeType, Create, DefineAttribute, Delete, DropType, Operation, Update
from ..model.schema import Attribute, Schema
from ..model.words import Term, distinct, terms
from ..query.request import Hit, SearchRequest
from .catalog import Catalog
from .journal import BORN, Reading, after_schema_changes, move_position, position
from .layout import Layout, layout_of, roots
from .plans import DeleteKeys, Fetch, FetchKeys, InsertColumns, Plan, Row, Run
from .snippets import snippet
from .sqltext import id_list, marked, quoted

__all__ = [
    "HIT_STORAGE",
    "follow_search",
    "forget",
    "index_entities",
    "joined_text",
    "match_expression",
    "matches_subquery",
    "one_term",
    "search_plan",
    "search_sql",
    "search_tables_ddl",
    "searchable",
    "searchable_columns",
    "snippets_of",
    "term_text",
    "types_of",
    "wanted_terms",
    "weight_of",
]

_SLICE = 5_000  # entities indexed in one go
MOST_TERMS = 50


def search_tables_ddl(dialect: str) -> list[str]:
    """The statements that make the index."""
    if dialect == "sqlite":
        return [
            "CREATE TABLE rr_search (row INTEGER PRIMARY KEY, hierarchy TEXT NOT NULL, type TEXT NOT NULL,"
            " id BLOB NOT NULL, attribute TEXT NOT NULL, weight REAL NOT NULL) STRICT",
            "CREATE UNIQUE INDEX rr_search_text ON rr_search (id, hierarchy, attribute)",
            # Python has cut the words; the tokenizer `ascii` takes them apart at the spaces and nowhere else.
            "CREATE VIRTUAL TABLE rr_search_words USING fts5"
            "(words, content='', contentless_delete=1, detail='none', tokenize='ascii')",
            "CREATE VIRTUAL TABLE rr_search_vocabulary USING fts5vocab(rr_search_words, row)",
        ]
    return [
        'CREATE TABLE rr_search (hierarchy text COLLATE "C" NOT NULL, type text COLLATE "C" NOT NULL,'
        ' id bytea NOT NULL, attribute text COLLATE "C" NOT NULL, weight double precision NOT NULL,'
        " words tsvector NOT NULL, PRIMARY KEY (id, hierarchy, attribute))",
        "CREATE INDEX rr_search_words ON rr_search USING gin (words)",
    ]


# --- what is indexed ------------------------------------------------------------------------------


def searchable(attribute: Attribute) -> bool:
    """Whether the words of an attribute are indexed."""
    return attribute.is_searchable and attribute.stored and KINDS[attribute.kind].storage is Storage.TEXT


def searchable_columns(catalog: Catalog, root: str) -> dict[str, Attribute]:
    """The indexed columns of a hierarchy's table."""
    return {column: attribute for column, attribute in catalog.tables.columns(root) if searchable(attribute)}


def joined_text(raw: Any, attribute: Attribute) -> str:
    """The text of a raw scalar; the items of a multi-valued one with spaces between."""
    if not attribute.multi:
        return str(raw)
    return " ".join(json.loads(raw))


# --- the follower ---------------------------------------------------------------------------------


def follow_search(catalog: Catalog, upto: int, batch: int) -> Plan[bool]:
    """Index what commits up to `upto` changed, about `batch` entities; whether more is left."""
    start = yield from position(catalog.dialect, "search", catalog.database)
    after = start
    changed: dict[str, dict[bytes, None]] = {}
    reading = Reading(catalog.dialect, catalog.database, start, upto)
    while some := (yield from reading.next()):
        for revision, operations in some:
            _note_changed(catalog, after_schema_changes(operations), changed)
            after = revision
            if sum(map(len, changed.values())) >= batch:
                break
        else:
            continue
        break
    else:
        after = upto
    yield from _index_changed(catalog, changed)
    if after > start:
        yield from move_position(catalog.dialect, "search", catalog.database, after)
    return after < upto


def index_changes(catalog: Catalog, operations: Sequence[Operation]) -> Plan[None]:
    """Index the entities that operations changed."""
    changed: dict[str, dict[bytes, None]] = {}
    _note_changed(catalog, operations, changed)
    yield from _index_changed(catalog, changed)


def _note_changed(catalog: Catalog, operations: Sequence[Operation], changed: dict[str, dict[bytes, None]]) -> None:
    """Add the entities whose texts may be others now to `changed`, by table."""
    for operation in operations:
        if isinstance(operation, (Create, Update, Delete)):
            root = catalog.schema.root(operation.type)
            if isinstance(operation, Delete) or _touches(catalog, operation):
                changed.setdefault(root, {}).update(dict.fromkeys(operation.ids))


def _index_changed(catalog: Catalog, changed: dict[str, dict[bytes, None]]) -> Plan[None]:
    for root, found in changed.items():
        ids = list(found)
        for start in range(0, len(ids), _SLICE):
            yield from index_entities(catalog, root, ids[start : start + _SLICE])


def _touches(catalog: Catalog, operation: Create | Update) -> bool:
    attributes = catalog.schema.attributes(operation.type)
    return any(searchable(attributes[name]) for name in operation.columns)


# What the index keeps of texts, as columns: type, id, attribute, weight and words of each.
_Texts = tuple[list[str], list[bytes], list[str], list[float], list[str]]


def index_entities(catalog: Catalog, root: str, ids: Sequence[bytes]) -> Plan[None]:
    """Make the index of some entities of a hierarchy say what their texts say now."""
    layout = layout_of(catalog, root)
    columns = searchable_columns(catalog, root)
    yield from _remove(catalog, layout.table, ids)
    if not columns:
        return
    rows = yield from _texts(layout, ids, list(columns))
    found: _Texts = ([], [], [], [], [])
    for place, (column, attribute) in enumerate(columns.items(), 2):
        _cut_column([(row[1], row[0], row[place]) for row in rows if row[place]], column, attribute, found)
    if found[0]:
        yield from _insert(catalog, layout.table, found)


def _cut_column(rows: list[Row], column: str, attribute: Attribute, found: _Texts) -> None:
    """Add the words of the texts in one column, given as (type, id, raw), to `found`."""
    types, ids, attributes, weights, words = found
    known: dict[str, tuple[str, float] | None] = {}
    for type_name, entity, raw in rows:
        if raw in known:
            cut = known[raw]
        else:
            cut = known[raw] = _cut(joined_text(raw, attribute))
        if cut is not None:
            types.append(type_name)
            ids.append(entity)
            attributes.append(column)
            weights.append(cut[1])
            words.append(cut[0])


def _cut(text: str) -> tuple[str, float] | None:
    """The words of a text with spaces between, and its weight; None without words."""
    words = distinct(text)
    return (" ".join(words), weight_of(words)) if words else None


def weight_of(words: Sequence[str]) -> float:
    """How much a word counts that stands in a text of these distinct words."""
    return 1 / math.sqrt(len(words))


def _texts(layout: Layout, ids: Sequence[bytes], columns: Sequence[str]) -> Plan[list[Row]]:
    """Rows of (id, type, *columns)."""
    names = ("id", "entity_type" if layout.typed else "id", *columns)
    rows: list[Row] = yield FetchKeys(layout.table, "id", ids, names, layout.storage_of(["id", *names]))
    return rows if layout.typed else [(row[0], layout.root, *row[2:]) for row in rows]


def _remove(catalog: Catalog, hierarchy: str, ids: Sequence[bytes]) -> Plan[None]:
    if catalog.dialect == "postgresql":
        sql = f"DELETE FROM rr_search WHERE hierarchy = ? AND id IN {id_list(catalog.dialect)}"
        yield Run(marked(catalog.dialect, sql), (hierarchy, list(ids)))
        return
    found = yield FetchKeys(
        "rr_search", "id", ids, ("row", "hierarchy"), (Storage.BYTES, Storage.INTEGER, Storage.TEXT)
    )
    yield from _remove_rows([row[0] for row in found if row[1] == hierarchy])


def _remove_rows(rows: list[int]) -> Plan[None]:
    if rows:
        yield DeleteKeys("rr_search", {"row": rows}, (Storage.INTEGER,))
        yield DeleteKeys("rr_search_words", {"rowid": rows}, (Storage.INTEGER,))


def _insert(catalog: Catalog, hierarchy: str, texts: _Texts) -> Plan[None]:
    types, ids, attributes, weights, words = texts
    if catalog.dialect == "postgresql":
        sql = (
            "INSERT INTO rr_search (hierarchy, type, id, attribute, weight, words)"
            " SELECT ?, t.type, t.id, t.attribute, t.weight, array_to_tsvector(string_to_array(t.words, ' '))"
            " FROM unnest(?::text[], ?::bytea[], ?::text[], ?::float8[], ?::text[])"
            " AS t(type, id, attribute, weight, words)"
        )
        yield Run(marked(catalog.dialect, sql), (hierarchy, types, ids, attributes, weights, words))
        return
    rows = yield Fetch("SELECT coalesce(max(row), 0) FROM rr_search")
    first = rows[0][0] + 1
    numbers = range(first, first + len(ids))
    columns: dict[str, Sequence[Any]] = {
        "row": numbers,
        "hierarchy": [hierarchy] * len(ids),
        "type": types,
        "id": ids,
        "attribute": attributes,
        "weight": weights,
    }
    storage = (Storage.INTEGER, Storage.TEXT, Storage.TEXT, Storage.BYTES, Storage.TEXT, Storage.REAL)
    yield InsertColumns("rr_search", columns, storage)
    yield InsertColumns("rr_search_words", {"rowid": numbers, "words": words}, (Storage.INTEGER, Storage.TEXT))


def forget(catalog: Catalog) -> Plan[None]:
    """Take a database that is about to be dropped out of the index.

    Should there be one of the same key again, what the journal has so far is not about it.
    """
    for root in roots(catalog.schema):
        yield from forget_texts(catalog, layout_of(catalog, root).table)
    rows = yield Fetch("SELECT revision FROM rr_room")
    for name in ("history", "search", BORN):
        yield from move_position(catalog.dialect, name, catalog.database, rows[0][0])


def forget_texts(catalog: Catalog, hierarchy: str, attribute: str | None = None) -> Plan[None]:
    """Take a hierarchy, or one attribute of it, out of the index."""
    condition = "hierarchy = ?" if attribute is None else "hierarchy = ? AND attribute = ?"
    parameters = (hierarchy,) if attribute is None else (hierarchy, attribute)
    if catalog.dialect == "sqlite":
        rows = f"SELECT row FROM rr_search WHERE {condition}"
        yield Run(f"DELETE FROM rr_search_words WHERE rowid IN ({rows})", parameters)
    yield Run(marked(catalog.dialect, f"DELETE FROM rr_search WHERE {condition}"), parameters)


# --- questions ------------------------------------------------------------------------------------


def match_expression(dialect: str, text: str) -> str:
    """What the database's full-text index is asked for a text as people write it (`foo ba*`): every word.

    InvalidQuery where the text has no word in it.
    """
    between = " & " if dialect == "postgresql" else " AND "
    return between.join(term_text(dialect, term) for term in _wanted(text))


def _wanted(text: str) -> list[Term]:
    if not text_is_clean(text):
        raise InvalidQuery(reason=f"expected text without NUL and without lone surrogates, got {text!r}")
    found = terms(text)
    if not found:
        raise InvalidQuery(reason="the text to search for has no word in it")
    if len(found) > MOST_TERMS:
        raise QueryTooComplex(f"A search is for at most {MOST_TERMS} words.", limit=MOST_TERMS)
    return found


def term_text(dialect: str, term: Term) -> str:
    """What the index is asked for one term."""
    # Words are letters, digits and marks only: nothing in them needs escaping.
    if dialect == "postgresql":
        return f"'{term.word}':*" if term.prefix else f"'{term.word}'"
    return f'"{term.word}"*' if term.prefix else f'"{term.word}"'


_search = sa.table("rr_search", *map(sa.column, ("row", "hierarchy", "type", "id", "attribute", "weight", "words")))
_words = sa.table("rr_search_words", sa.column("rowid"), sa.column("rr_search_words"))


def matches_subquery(dialect: str, hierarchy: Any, attribute: Any, match: Any) -> sa.Select[Any]:
    """The ids of entities whose `attribute` matches; each argument a text or a bind parameter.

    `hierarchy` is the table, `attribute` the column, `match` comes from `match_expression`.
    """
    here = sa.and_(_search.c.hierarchy == hierarchy, _search.c.attribute == attribute)
    if dialect == "postgresql":
        return sa.select(_search.c.id).where(_search.c.words.op("@@")(sa.cast(match, TSQUERY)), here)
    # The FTS5 table's name names the hidden column that a whole row is asked by.
    fits = _words.c.rr_search_words.op("MATCH")(match)
    return sa.select(_search.c.id).select_from(_words.join(_search, _search.c.row == _words.c.rowid)).where(fits, here)


def search_plan(catalog: Catalog, request: SearchRequest) -> Plan[list[Hit]]:
    """Entities whose searchable texts together hold every word, best first; UnknownType for a type not there.

    The fewer other words a text has, the higher it ranks.
    """
    wanted = wanted_terms(request)
    names = types_of(catalog, request.types)
    tables = sorted({catalog.tables.entity_name(name) for name in names})
    if not tables:
        return []
    sql = search_sql([one_term(catalog.dialect)] * len(wanted), request)
    parameters = [each for term in wanted for each in (term_text(catalog.dialect, term), tables, sorted(names))]
    rows = yield Fetch(marked(catalog.dialect, sql), parameters, HIT_STORAGE)
    snippets = yield from _snippets(catalog, rows, wanted)
    return [Hit(type=row[0], id=row[1], rank=row[2], snippets=snippets.get(row[1], {})) for row in rows]


HIT_STORAGE = (Storage.TEXT, Storage.BYTES, Storage.REAL)


def wanted_terms(request: SearchRequest) -> list[Term]:
    """What a search is for; InvalidQuery where it cannot be."""
    for count in (request.limit, request.offset):
        if not 0 <= count <= MAX_INTEGER:
            raise InvalidQuery(reason=f"expected a limit and an offset from 0 and below 2**63, got {count}")
    return _wanted(request.text)


def search_sql(parts: Sequence[str], request: SearchRequest) -> str:
    """(type, id, rank) of entities in which every part, one for each term (`one_term`), finds something."""
    return (
        f"SELECT type, id, sum(weight) AS rank FROM ({' UNION ALL '.join(parts)}) AS found"
        f" GROUP BY type, id HAVING count(*) = {len(parts)}"
        f" ORDER BY rank DESC, id LIMIT {int(request.limit)} OFFSET {int(request.offset)}"
    )


def one_term(dialect: str) -> str:
    """Where one term stands, in rows `s`: its parameters are the term, hierarchies and types."""
    return _ONE_TERM_SQLITE if dialect == "sqlite" else _ONE_TERM_POSTGRES


_ONE_TERM_SQLITE = (
    "SELECT s.type, s.id, max(s.weight) AS weight FROM rr_search_words JOIN rr_search AS s"
    " ON s.row = rr_search_words.rowid WHERE rr_search_words MATCH ?"
    " AND s.hierarchy IN (SELECT value FROM json_each(?)) AND s.type IN (SELECT value FROM json_each(?))"
    " GROUP BY s.type, s.id"
)
_ONE_TERM_POSTGRES = (
    "SELECT s.type, s.id, max(s.weight) AS weight FROM rr_search AS s WHERE s.words @@ CAST(? AS tsquery)"
    " AND s.hierarchy = ANY(?::text[]) AND s.type = ANY(?::text[]) GROUP BY s.type, s.id"
)


def types_of(catalog: Catalog, asked: Sequence[str]) -> set[str]:
    """The types asked for and those that extend them; every type where none is asked for."""
    schema = catalog.schema
    return {each for name in asked or schema for each in schema.subtypes(schema[name].name)}


def _snippets(catalog: Catalog, hits: list[Row], wanted: list[Term]) -> Plan[dict[bytes, dict[str, str]]]:
    by_type: dict[str, list[bytes]] = {}
    for name, entity, _ in hits:
        by_type.setdefault(name, []).append(entity)
    found: dict[bytes, dict[str, str]] = {}
    for name, ids in by_type.items():
        layout = layout_of(catalog, name)
        attributes = [each for each in layout.attributes.values() if searchable(each)]
        rows = yield from _texts(layout, ids, [layout.columns[each.name] for each in attributes])
        for row in rows:
            found[row[0]] = snippets_of(zip(attributes, row[2:], strict=True), wanted)
    return found


def snippets_of(texts: Iterable[tuple[Attribute, Any]], wanted: list[Term]) -> dict[str, str]:
    """The snippets of (attribute, raw scalar) of one entity, by attribute."""
    cut = ((each.name, snippet(joined_text(raw, each), wanted)) for each, raw in texts if raw)
    return {attribute: text for attribute, text in cut if text is not None}


# --- changes of the schema ------------------------------------------------------------------------


def follow_schema(old: Catalog, new: Catalog, operation: Operation) -> Plan[None]:
    """Make the index fit a changed schema; it was complete before the change."""
    names = renames(old.schema, operation)
    # Where an attribute moves up, the one that takes it in has no texts yet.
    fields = sorted(_fields(old).items(), key=lambda each: each[0] in names)
    before = {_renamed(key, names): field for key, field in fields}
    after = _fields(new)
    for key, field in before.items():
        if key not in after:
            yield from forget_texts(new, field.table, field.column)
        elif (field.table, field.column) != (after[key].table, after[key].column):
            yield from _move_texts(new, field, after[key])
    for name in old.schema:
        now, _ = _renamed((name, ""), names)
        if now != name:
            yield from _rename_type(new, name, now)
    if isinstance(operation, DropType) and operation.before is not None and operation.before.extends:
        yield from _forget_type(new, operation.name, operation.before.extends)
    if isinstance(operation, (DefineAttribute, ChangeAttribute)) and _fills(operation):
        yield from _index_all(new, new.schema.root(operation.type))
    if isinstance(operation, ChangeType) and _changes_root(old.schema, new.schema, operation.definition.name):
        # What is declared above may be searched otherwise, and give values.
        yield from _index_all(new, new.schema.root(operation.definition.name))


def _changes_root(old: Schema, new: Schema, name: str) -> bool:
    return old.root(name) != new.root(name)


def _fills(operation: DefineAttribute | ChangeAttribute) -> bool:
    """Whether an operation may have given entities values that the index does not know."""
    now = operation.attribute
    if not searchable(now):
        return False
    if isinstance(operation, DefineAttribute):
        return now.default is not None
    before = operation.before
    return before is None or _indexed_as(before) != _indexed_as(now)


def _indexed_as(attribute: Attribute) -> tuple[bool, str, bool, bool]:
    return (searchable(attribute), attribute.kind, attribute.multi, attribute.required)


class _Field(NamedTuple):
    """Where the texts of one attribute lie."""

    table: str
    column: str


def _fields(catalog: Catalog) -> dict[tuple[str, str], _Field]:
    """Every indexed attribute by (declaring type, name)."""
    tables, schema = catalog.tables, catalog.schema
    return {
        (name, each.name): _Field(tables.entity_name(name), tables.column_name(name, each.name))
        for name in schema
        for each in schema[name].attributes
        if searchable(each)
    }


def _renamed(key: tuple[str, str], names: Renames) -> tuple[str, str]:
    if key in names:
        return names[key]
    return (names.get((key[0], ""), (key[0], ""))[0], key[1])


def _move_texts(catalog: Catalog, old: _Field, new: _Field) -> Plan[None]:
    sql = "UPDATE rr_search SET hierarchy = ?, attribute = ? WHERE hierarchy = ? AND attribute = ?"
    yield Run(marked(catalog.dialect, sql), (new.table, new.column, old.table, old.column))


def _rename_type(catalog: Catalog, old: str, new: str) -> Plan[None]:
    table = layout_of(catalog, new).table
    yield Run(
        marked(catalog.dialect, "UPDATE rr_search SET type = ? WHERE hierarchy = ? AND type = ?"), (new, table, old)
    )


def _forget_type(catalog: Catalog, name: str, parent: str) -> Plan[None]:
    """The entities of a dropped subtype are gone; the table they shared with its parent is not."""
    condition, parameters = "hierarchy = ? AND type = ?", (layout_of(catalog, parent).table, name)
    if catalog.dialect == "sqlite":
        rows = f"SELECT row FROM rr_search WHERE {condition}"
        yield Run(f"DELETE FROM rr_search_words WHERE rowid IN ({rows})", parameters)
    yield Run(marked(catalog.dialect, f"DELETE FROM rr_search WHERE {condition}"), parameters)


def _index_all(catalog: Catalog, root: str) -> Plan[None]:
    """Index every entity of a hierarchy anew, a slice at a time."""
    table = layout_of(catalog, root).table
    sql = marked(catalog.dialect, f"SELECT id FROM {quoted(table)} WHERE id > ? ORDER BY id LIMIT {_SLICE}")
    last = b""
    while True:
        rows = yield Fetch(sql, (last,), (Storage.BYTES,))
        if not rows:
            return
        yield from index_entities(catalog, root, [row[0] for row in rows])
        last = rows[-1][0]
