"""Schema operations on a database with rows: tables follow the schema, in the commit's transaction.

`apply_schema` is a plan that changes schema, tables and values, or raises: InvalidSchema where the new schema
makes no sense, SchemaChangeRefused where rows contradict it. What it does to rows:

- An attribute that is defined with a default gives it to every entity, past ones too.
- A type with entities that is put under an abstract one without any brings its table along: that is the table of both.
- One that becomes required gives its default to entities that have no value.
- A change of kind converts every value, or is refused. Past values that cannot be converted become null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..model.convert import converter
from ..model.evolve import evolve, renames
from ..model.kinds import Storage, WrongValue
from ..model.operations import Operation
from ..model.schema import Attribute, Schema
from ..model.schema_rules import validate
from .catalog import Catalog, dump_schema
from .creation import next_schema_revision
from .ddl import TableKey, create_index, shapes
from .decimals import encode
from .faults import shown
from .plans import Plan, Run, UpdateColumns
from .schema_checks import (
    EXAMPLES,
    PAGE,
    AttributePair,
    adopted_attributes,
    check_duplicates,
    check_targets,
    check_types,
    check_values,
    of_types,
    paged,
    paired_attributes,
    refused,
)
from .sqltext import marked, quoted
from .table_changes import Conversion, Moves, TableChanges, plan_tables, table_key
from .tables import attribute_storage, past

__all__ = ["apply_schema"]


class _Change:
    """One change of a schema: what was, what will be, and how they hang together."""

    def __init__(self, old: Catalog, new: Catalog, moves: Moves) -> None:
        self.old = old
        self.new = new
        self.names = moves.names
        self.moves = moves
        self.old_shapes = shapes(old)
        self.new_shapes = shapes(new)
        self.pairs = [
            *(pair for name in moves.roots for pair in adopted_attributes(old.schema, new.schema, name, moves.names)),
            *paired_attributes(old.schema, new.schema, moves.names),
        ]
        self.tables = plan_tables(self.old_shapes, self.new_shapes, moves, old.dialect)
        self.dialect = old.dialect
        # Who had a table of its own that is now that of a hierarchy, by its root.
        self.adopted = {root: name for name, root in moves.roots.items()}
        kept = {table_key(key, moves) for key in self.old_shapes}
        # Tables that were there and stay, by the name they have now.
        self.kept = {shape.name: shape for key, shape in self.new_shapes.items() if key in kept}

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> Run:
        return Run(marked(self.dialect, sql), parameters)


def apply_schema(catalog: Catalog, operation: Operation) -> Plan[Catalog]:
    """Carry out a schema operation; the catalog to go on with."""
    schema = validate(evolve(catalog.schema, operation), catalog.schema)
    revision = yield from next_schema_revision()
    new, names = catalog.with_schema(Schema(schema.values(), revision)), renames(catalog.schema, operation)
    roots = yield from check_types(catalog, new, names)
    yield from _change_tables(_Change(catalog, new, Moves(names, roots)))
    sql = "UPDATE rr_database SET schema = ?, schema_revision = ? WHERE key = ?"
    yield Run(marked(catalog.dialect, sql), (dump_schema(schema), revision, catalog.database))
    return new


def _change_tables(change: _Change) -> Plan[None]:
    tables = change.tables
    guarded = bool(tables) and change.dialect == "postgresql"
    if guarded:
        # A table whose foreign keys have checks still to be made cannot be altered.
        yield Run("SET CONSTRAINTS ALL IMMEDIATE")
    yield from _check_targets_that_stay(change)
    yield from _delete_rows_of_dropped_types(change)
    for text in tables.before:
        yield Run(text)
    for conversion in tables.conversions:
        yield from _convert(change, conversion)
    for text in tables.after:
        yield Run(text)
    yield from _fill(change)
    yield from check_values(change.new, change.pairs)
    yield from _make_indexes(change, tables)
    yield from _move_counters(change)
    if guarded:
        yield Run("SET CONSTRAINTS ALL DEFERRED")


# --- rows of types that go or change their names ---


def _delete_rows_of_dropped_types(change: _Change) -> Plan[None]:
    schema, tables = change.old.schema, change.old.tables
    for name in schema:
        stays = change.names.get((name, ""), (name, ""))[0] in change.new.schema
        if stays or schema.root(name) == name:
            continue
        table = tables.entity_name(name)
        for each in (table, past(table)):
            rows = f"SELECT id FROM {quoted(each)} WHERE entity_type = '{name}'"
            for relation, end in _ends(change.old, name):
                yield Run(
                    f"DELETE FROM {quoted(past(relation) if each != table else relation)} WHERE {end} IN ({rows})"
                )
            yield Run(f"DELETE FROM {quoted(each)} WHERE entity_type = '{name}'")


def _ends(catalog: Catalog, name: str) -> list[tuple[str, str]]:
    """(table, column) of links and mappings in which entities of type `name` stand."""
    schema, tables = catalog.schema, catalog.tables
    lineage = schema.ancestors(name)
    found = []
    for owner in schema.values():
        for attribute in owner.attributes:
            if attribute.kind in ("links", "mapping") and owner.name in lineage:
                end = "source" if attribute.kind == "links" else "owner"
                found.append((tables.relation_name(owner.name, attribute), end))
            if attribute.kind == "links" and attribute.target in lineage:
                found.append((tables.relation_name(owner.name, attribute), "target"))
    return found


def _fill(change: _Change) -> Plan[None]:
    """Type names and defaults in rows that have none."""
    for key, column in change.tables.added:
        if column == ("", "entity_type"):
            _, root, _, _ = key
            name = change.adopted.get(root, root)
            yield change.run(f"UPDATE {quoted(change.new_shapes[key].name)} SET entity_type = ?", (name,))
    for (name, attribute), (to, _) in change.names.items():
        if not attribute and change.new.schema.in_hierarchy(to):
            table = change.new.tables.entity_name(to)
            for each in (table, past(table)):
                yield change.run(f"UPDATE {quoted(each)} SET entity_type = ? WHERE entity_type = ?", (to, name))
    for pair in change.pairs:
        if pair.new.stored and pair.new.default is not None:
            yield from _fill_default(change, pair)


def _fill_default(change: _Change, pair: AttributePair) -> Plan[None]:
    old, new = pair.old, pair.new
    fresh = old is None or not old.stored
    if not fresh and not (new.required and old is not None and not old.required):
        return
    table = change.new.tables.entity_name(pair.type)
    column = quoted(change.new.tables.column_name(pair.type, new.name))
    types = of_types(change.new.schema, pair.type)
    value = new.default
    if change.dialect == "sqlite" and attribute_storage(new) is Storage.DECIMAL:
        value = encode(value)
    for each in (table, past(table)) if fresh else (table,):
        condition = f"{column} IS NULL{' AND ' + types if types else ''}"
        yield change.run(f"UPDATE {quoted(each)} SET {column} = ? WHERE {condition}", (value,))


# --- values that become others ---


def _convert(change: _Change, conversion: Conversion) -> Plan[None]:
    table = change.new_shapes[conversion.table].name
    if conversion.old.meaning == conversion.new.meaning:
        # Only the foreign key is another one.
        yield Run(f"UPDATE {quoted(table)} SET {quoted(conversion.into)} = {quoted(conversion.new.name)}")
        return
    pair, old, new = _attributes_of(change, conversion)
    work = _Converting(old, converter(old, new))
    keys = _keys_of(conversion.table)
    column = conversion.new.name
    pages = paged(change.dialect, table, keys, column, conversion.old.storage)
    of_past = conversion.table[3]
    rows = yield next(pages)
    while rows:
        values = [work.value(row[0], row[-1]) for row in rows]
        if of_past or not work.count:
            columns = {key: [row[place] for row in rows] for place, key in enumerate(keys)}
            yield UpdateColumns(table, columns, {conversion.into: values}, (*keys.values(), conversion.new.storage))
        rows = [] if len(rows) < PAGE else (yield pages.send(rows[-1]))
    if work.count and not of_past:
        raise refused(pair.where, f"expected {work.expected}", work.count, work.wrong)
    if conversion.new.references:
        yield from check_targets(change.new, pair, table, conversion.into, "id")


class _Converting:
    """Converts values one by one and remembers those that cannot be."""

    def __init__(self, old: Attribute, convert: Callable[[Any], Any]) -> None:
        self._old = old
        self._convert = convert
        self.count = 0
        self.expected = ""
        self.wrong: list[tuple[bytes, Any]] = []

    def value(self, entity: bytes, raw: Any) -> Any:
        try:
            return self._convert(raw)
        except WrongValue as error:
            self.count += 1
            self.expected = str(error)
            if len(self.wrong) < EXAMPLES:
                self.wrong.append((entity, shown(raw, self._old)))
            return None


def _keys_of(table: TableKey) -> dict[str, Storage]:
    """The columns that name one row of a table."""
    what, _, _, of_past = table
    keys = {"id": Storage.BYTES} if what == "entity" else {"owner": Storage.BYTES, "key": Storage.TEXT}
    return {**keys, "until": Storage.INTEGER} if of_past else keys


def _attributes_of(change: _Change, conversion: Conversion) -> tuple[AttributePair, Attribute, Attribute]:
    what, type_name, name, _ = conversion.table
    if what == "entity":
        type_name, name = conversion.column
    pair = next(each for each in change.pairs if (each.type, each.new.name) == (type_name, name))
    assert pair.old is not None
    if what == "entity":
        return pair, pair.old, pair.new
    # The values of a mapping are scalars of its kind `of`.
    return pair, Attribute(name=name, kind=pair.old.of), Attribute(name=name, kind=pair.new.of)


# --- what must hold ---


def _check_targets_that_stay(change: _Change) -> Plan[None]:
    """References and links whose ids stay where they are, and must name entities of another type now."""
    tables = change.new.tables
    for pair in change.pairs:
        if pair.old is None or pair.old.kind != pair.new.kind or pair.new.kind not in ("reference", "links"):
            continue
        if change.names.get((pair.old.target, ""), (pair.old.target, ""))[0] == pair.new.target:
            continue
        if pair.new.kind == "reference":
            column = tables.column_name(pair.type, pair.new.name)
            yield from check_targets(change.new, pair, tables.entity_name(pair.type), column, "id")
        else:
            yield from check_targets(change.new, pair, tables.relation_name(pair.type, pair.new), "target", "source")


def _make_indexes(change: _Change, tables: TableChanges) -> Plan[None]:
    for index in tables.indexes:
        shape = change.kept.get(index.table)
        # Renaming makes indexes anew that held before.
        if index.unique and shape is not None and (change.adopted or not change.names):
            storages = {each.name: each.storage for each in shape.columns.values()}
            storage = tuple(storages[name] for name in index.columns)
            yield from check_duplicates(change.new, index, index.about, storage)
        yield Run(create_index(index))


def _move_counters(change: _Change) -> Plan[None]:
    """The next numbers of hierarchies lie under the names of their tables."""
    moved: dict[str, str] = {}
    for shape in change.old_shapes.values():
        what, root, _, of_past = shape.key
        if what != "entity" or of_past:
            continue
        new = change.new_shapes.get(table_key(shape.key, change.moves))
        if new is None or root in change.adopted:
            yield change.run('DELETE FROM rr_counter WHERE "table" = ?', (shape.name,))
        elif new.name != shape.name:
            moved[shape.name] = new.name
    for before, now in moved.items():
        yield change.run('UPDATE rr_counter SET "table" = ? WHERE "table" = ?', (now, before))
