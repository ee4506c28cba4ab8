"""Shapes of tables, and the SQL that makes and changes them.

`shapes(catalog)` says which tables a schema needs, with keys, foreign keys and indexes. A schema change
is carried out by comparing the shapes before and after it (`store.table_changes`).

Entity tables on SQLite are ordinary tables with an index for the 16-byte id. Kept in the key's own tree
(WITHOUT ROWID) narrow rows are some 15 % faster to insert and to page through, but rows with a text of 1,500
characters are two times slower to insert, three to update, and ten times slower to find by another index.
Links tables have narrow rows only, and are kept in their key's tree.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from ..model.kinds import KINDS, Storage
from ..model.schema import STORED_SYSTEM, Attribute, EntityType, Schema
from .catalog import Catalog
from .sqltext import quoted
from .tables import LINK_COLUMNS, LINK_STORAGE, MAPPING_COLUMNS, attribute_storage, column_type, physical, sql_dialect
from .tables import past as past_name

__all__ = [
    "ColumnKey",
    "ColumnShape",
    "IndexShape",
    "TableKey",
    "TableShape",
    "add_column",
    "create_index",
    "create_table",
    "drop_everything",
    "shapes",
    "type_text",
]

# What stays the same when names change: ("entity", root, "") or ("relation", type, attribute), and whether it is
# of the past; (declaring type, attribute), with "" for columns that every such table has.
TableKey = tuple[str, str, str, bool]
ColumnKey = tuple[str, str]


class ColumnShape(msgspec.Struct, frozen=True):
    """One column; `references` is the table that a foreign key points to, or "".

    `meaning` changes where values that are kept alike stand for something else: days and microseconds, say.
    """

    name: str
    storage: Storage
    references: str = ""
    required: bool = False
    meaning: str = ""


class IndexShape(msgspec.Struct, frozen=True):
    """One index; `where` makes it partial, `about` names what it is for in messages."""

    name: str
    table: str
    columns: tuple[str, ...]
    unique: bool = False
    where: str = ""
    about: str = ""


class TableShape(msgspec.Struct, frozen=True, kw_only=True):
    """One table. `narrow`: its rows are small, so SQLite keeps them in the key's tree."""

    key: TableKey
    name: str
    columns: Mapping[ColumnKey, ColumnShape]
    primary: tuple[str, ...] = ()
    indexes: tuple[IndexShape, ...] = ()
    narrow: bool = False


# --- shapes ---


_shapes: WeakKeyDictionary[Catalog, dict[TableKey, TableShape]] = WeakKeyDictionary()


def shapes(catalog: Catalog) -> Mapping[TableKey, TableShape]:
    """Every table that the schema of `catalog` needs, referred-to tables before those that refer where possible."""
    found = _shapes.get(catalog.plain)
    if found is None:
        # The shapes after one change are those before the next.
        found = _shapes[catalog.plain] = _made(catalog)
    return found


def _made(catalog: Catalog) -> dict[TableKey, TableShape]:
    found = {}
    for root in _in_order(catalog.schema):
        for shape in _entity_shapes(catalog, root):
            found[shape.key] = shape
    for entity_type in catalog.schema.values():
        for attribute in entity_type.attributes:
            if attribute.kind in ("links", "mapping"):
                for shape in _relation_shapes(catalog, entity_type.name, attribute):
                    found[shape.key] = shape
    return found


class _Known(NamedTuple):
    """Shapes of a hierarchy, and all that they follow from."""

    types: tuple[EntityType, ...]
    targets: list[str]
    alone: bool
    shapes: tuple[TableShape, ...]


_MOST_KNOWN = 1_000
_known: dict[tuple[str, str], _Known] = {}


def _entity_shapes(catalog: Catalog, root: str) -> tuple[TableShape, ...]:
    """The tables of a hierarchy. One change leaves most as they were, so that the last ones are kept."""
    schema = catalog.schema
    types = tuple(schema[name] for name in schema.subtypes(root))
    targets = [schema.root(each.target) for own in types for each in own.attributes if each.kind == "reference"]
    alone = not schema.in_hierarchy(root)
    known = _known.get((catalog.database, root))
    same = known is not None and (known.targets, known.alone, len(known.types)) == (targets, alone, len(types))
    if known is not None and same and all(map(operator.is_, known.types, types)):
        return known.shapes
    made = (_entity_shape(catalog, root), _entity_past_shape(catalog, root))
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[catalog.database, root] = _Known(types, targets, alone, made)
    return made


def _in_order(schema: Schema) -> list[str]:
    """Roots, each after those that its references point at, except where they go in a circle."""
    ordered: dict[str, None] = {}
    visiting: set[str] = set()

    def visit(root: str) -> None:
        if root in ordered or root in visiting:
            return
        visiting.add(root)
        for name in schema.subtypes(root):
            for attribute in schema[name].attributes:
                if attribute.kind == "reference":
                    visit(schema.root(attribute.target))
        ordered[root] = None

    for name in schema:
        visit(schema.root(name))
    return list(ordered)


def _entity_columns(catalog: Catalog, root: str, *, of_past: bool) -> dict[ColumnKey, ColumnShape]:
    schema, tables = catalog.schema, catalog.tables
    columns = {}
    for name in STORED_SYSTEM:
        if name == "entity_type" and not schema.in_hierarchy(root):
            continue
        storage = {"id": Storage.BYTES, "entity_type": Storage.TEXT}.get(name, Storage.INTEGER)
        # entity_type is not declared so, because it is added to tables that have rows.
        columns["", name] = ColumnShape(name, storage, "", name != "entity_type")
    for type_name in schema.subtypes(root):
        for attribute in schema[type_name].attributes:
            if attribute.stored:
                target = ""
                if attribute.kind == "reference" and not of_past:
                    target = tables.entity_name(attribute.target)
                name = tables.column_name(type_name, attribute.name)
                storage, meaning = attribute_storage(attribute), _meaning(attribute)
                columns[type_name, attribute.name] = ColumnShape(name, storage, target, False, meaning)
    if of_past:
        columns["", "until"] = ColumnShape("until", Storage.INTEGER, "", True)
    return columns


def _meaning(attribute: Attribute) -> str:
    kind = "text" if attribute.kind == "long_text" else attribute.kind
    return f"{kind}[]" if attribute.multi else kind


def _entity_shape(catalog: Catalog, root: str) -> TableShape:
    return TableShape(
        key=("entity", root, "", False),
        name=catalog.tables.entity_name(root),
        columns=_entity_columns(catalog, root, of_past=False),
        primary=("id",),
        indexes=tuple(_entity_indexes(catalog, root)),
    )


def _entity_indexes(catalog: Catalog, root: str) -> Iterator[IndexShape]:
    schema, tables = catalog.schema, catalog.tables
    table = tables.entity_name(root)
    yield IndexShape(physical(f"{table}~number"), table, ("number",), unique=True)
    for type_name in schema.subtypes(root):
        for attribute in schema[type_name].attributes:
            plain = attribute.kind == "reference" or attribute.indexed
            if attribute.stored and plain and not attribute.unique:
                column = tables.column_name(type_name, attribute.name)
                yield IndexShape(physical(f"{table}~by~{type_name}.{attribute.name}"), table, (column,))
        own = schema[type_name]
        sets = [(attribute.name,) for attribute in own.attributes if attribute.unique] + list(own.unique)
        for names in sets:
            columns = tuple(tables.column_name(type_name, name) for name in names)
            name = physical(f"{table}~unique~{type_name}.{'.'.join(names)}")
            where = _where_of_set(schema, type_name, names)
            yield IndexShape(name, table, columns, True, where, f"{type_name} ({', '.join(names)})")


def _where_of_set(schema: Schema, type_name: str, names: tuple[str, ...]) -> str:
    """A unique set of a subtype that has inherited attributes only must leave other types alone.

    Where one attribute is the subtype's own, it is null in rows of other types, and nulls are never equal.
    """
    root = schema.root(type_name)
    if type_name == root or any(schema.owner(type_name, name) == type_name for name in names):
        return ""
    return f"entity_type IN ({', '.join(_text(name) for name in schema.subtypes(type_name))})"


def _entity_past_shape(catalog: Catalog, root: str) -> TableShape:
    table = past_name(catalog.tables.entity_name(root))
    return TableShape(
        key=("entity", root, "", True),
        name=table,
        columns=_entity_columns(catalog, root, of_past=True),
        indexes=(
            IndexShape(physical(f"{table}~id"), table, ("id", "until")),
            IndexShape(physical(f"{table}~until"), table, ("until",)),
        ),
    )


def _relation_shapes(catalog: Catalog, type_name: str, attribute: Attribute) -> Iterator[TableShape]:
    tables = catalog.tables
    name = tables.relation_name(type_name, attribute)
    owner_table = tables.entity_name(type_name)
    if attribute.kind == "links":
        storages, names = LINK_STORAGE, LINK_COLUMNS
        references = {"source": owner_table, "target": tables.entity_name(attribute.target)}
    else:
        storages = (Storage.BYTES, Storage.TEXT, KINDS[attribute.of].storage, Storage.INTEGER)
        names = MAPPING_COLUMNS
        references = {"owner": owner_table}
    primary = names[:2]
    required = {*primary, "revision"}
    pairs = list(zip(names, storages, strict=True))
    meaning = {"value": attribute.of}
    columns = {("", c): ColumnShape(c, s, references.get(c, ""), c in required, meaning.get(c, "")) for c, s in pairs}
    backwards = (IndexShape(physical(f"{name}~back"), name, ("target", "source")),)
    links = attribute.kind == "links"
    yield TableShape(
        key=("relation", type_name, attribute.name, False),
        name=name,
        columns=columns,
        primary=primary,
        indexes=backwards if links else (),
        narrow=links,
    )
    yield _relation_past_shape(type_name, attribute, name, pairs)


def _relation_past_shape(
    type_name: str, attribute: Attribute, name: str, pairs: list[tuple[str, Storage]]
) -> TableShape:
    table = past_name(name)
    meaning = {"value": attribute.of}
    columns = {("", c): ColumnShape(c, s, "", c not in ("note", "value"), meaning.get(c, "")) for c, s in pairs}
    columns["", "until"] = ColumnShape("until", Storage.INTEGER, "", True)
    ends = ("source", "target") if attribute.kind == "links" else ("owner",)
    return TableShape(
        key=("relation", type_name, attribute.name, True),
        name=table,
        columns=columns,
        indexes=(
            *(IndexShape(physical(f"{table}~{end}"), table, (end, "until")) for end in ends),
            IndexShape(physical(f"{table}~until"), table, ("until",)),
        ),
    )


# --- SQL ---


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@cache
def type_text(storage: Storage, dialect: str) -> str:
    """The SQL type of a storage class."""
    return str(column_type(storage).dialect_impl(sql_dialect(dialect)).compile(dialect=sql_dialect(dialect)))


def _column_text(column: ColumnShape, dialect: str) -> str:
    text = f"{quoted(column.name)} {type_text(column.storage, dialect)}"
    if column.required:
        text += " NOT NULL"
    if column.references:
        text += f' REFERENCES {quoted(column.references)} ("id") DEFERRABLE INITIALLY DEFERRED'
    return text


def create_table(shape: TableShape, dialect: str, *, without_references: bool = False) -> str:
    """The statement that makes a table, without its indexes."""
    columns = list(shape.columns.values())
    if without_references:
        columns = [msgspec.structs.replace(column, references="") for column in columns]
    parts = [_column_text(column, dialect) for column in columns]
    if shape.primary:
        parts.append(f"PRIMARY KEY ({', '.join(map(quoted, shape.primary))})")
    text = f"CREATE TABLE {quoted(shape.name)} ({', '.join(parts)})"
    if dialect == "sqlite":
        text += " STRICT, WITHOUT ROWID" if shape.narrow else " STRICT"
    return text


def create_index(index: IndexShape) -> str:
    """The statement that makes an index."""
    unique = "UNIQUE " if index.unique else ""
    where = f" WHERE {index.where}" if index.where else ""
    columns = ", ".join(map(quoted, index.columns))
    return f"CREATE {unique}INDEX {quoted(index.name)} ON {quoted(index.table)} ({columns}){where}"


def add_column(table: str, column: ColumnShape, dialect: str) -> str:
    """The statement that adds a column, null in every row."""
    return f"ALTER TABLE {quoted(table)} ADD COLUMN {_column_text(column, dialect)}"


def add_reference(table: str, column: ColumnShape) -> str:
    """The statement that gives a column its foreign key (PostgreSQL; SQLite cannot, and takes tables in any order)."""
    return (
        f"ALTER TABLE {quoted(table)} ADD FOREIGN KEY ({quoted(column.name)})"
        f' REFERENCES {quoted(column.references)} ("id") DEFERRABLE INITIALLY DEFERRED'
    )


def drop_everything(catalog: Catalog) -> list[str]:
    """The statements that drop every table of a database, those that refer to others first."""
    cascade = " CASCADE" if catalog.dialect == "postgresql" else ""
    return [f"DROP TABLE {quoted(shape.name)}{cascade}" for shape in reversed([*shapes(catalog).values()])]
