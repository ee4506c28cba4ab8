"""From the tables of one schema to those of another: which statements, in which order.

`plan_tables` compares shapes by keys that outlive a change of names and of roots. Values that must be converted are not
its business: it makes an empty column beside (`Conversion`), the caller fills it, `finish` puts it in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from ..model.evolve import Renames
from .ddl import (
    ColumnKey,
    ColumnShape,
    IndexShape,
    TableKey,
    TableShape,
    add_column,
    add_reference,
    create_table,
)
from .sqltext import quoted

__all__ = ["Conversion", "Moves", "TableChanges", "plan_tables", "table_key"]


class Moves(msgspec.Struct, frozen=True):
    """What is called otherwise now; and by the name of a type that had a table of its own, the root whose table it is."""

    names: Renames
    roots: Mapping[str, str] = {}


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """A column whose values go through Python into `into`, which then takes its place and name."""

    table: TableKey
    column: ColumnKey
    old: ColumnShape
    new: ColumnShape
    into: str


class TableChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Statements to run, in three steps; after `before` the conversions are carried out.

    `added` lists (table, column) of columns that are new in tables that were there, `indexes` are made last.
    """

    before: list[str]
    conversions: list[Conversion]
    added: list[tuple[TableKey, ColumnKey]]
    after: list[str]
    indexes: list[IndexShape]

    def __bool__(self) -> bool:
        return bool(self.before or self.conversions or self.after or self.indexes)


class _Pair(msgspec.Struct, frozen=True):
    old: TableShape
    new: TableShape
    columns: Mapping[ColumnKey, ColumnKey]  # old key → new key, of columns that stay


def plan_tables(
    old: Mapping[TableKey, TableShape], new: Mapping[TableKey, TableShape], moves: Moves, dialect: str
) -> TableChanges:
    """What to do to tables of shapes `old` so that they have shapes `new`."""
    same = set() if moves.roots else {key for key, shape in old.items() if new.get(key) == shape}
    tables = {old[key].name: old[key].name for key in same}
    old, new = ({key: shape for key, shape in each.items() if key not in same} for each in (old, new))
    pairs = [_pair(shape, new[key], moves.names) for key, shape in _staying(old, moves).items() if key in new]
    kept = {pair.new.key for pair in pairs}
    stays_as = {pair.old.key for pair in pairs}
    gone = [shape for key, shape in old.items() if key not in stays_as]
    replaced = [shape for shape in gone if shape.name in {pair.new.name for pair in pairs}]
    made = [shape for key, shape in new.items() if key not in kept]
    tables |= {pair.old.name: pair.new.name for pair in pairs}
    remade = [pair for pair in pairs if any(each.old.name in pair.old.primary for each in _conversions(pair, tables))]
    conversions = [each for pair in pairs if pair not in remade for each in _conversions(pair, tables)]
    added = [(pair.new.key, key) for pair in pairs for key in pair.new.columns if key not in pair.columns.values()]
    stays = _indexes_that_stay([pair for pair in pairs if pair not in remade], conversions)
    return TableChanges(
        before=[
            *(_drop_table(shape, dialect) for shape in reversed(replaced)),
            *(f"DROP INDEX {quoted(index.name)}" for shape in old.values() for index in shape.indexes
              if shape not in gone and index not in stays),
            *(text for pair in pairs for text in _renaming(pair)),
            *(text for pair in remade for text in _remaking(pair, dialect)),
            *_creating(made, dialect),
            *(add_column(new[table].name, new[table].columns[column], dialect) for table, column in added),
            *(add_column(new[each.table].name, _beside(each, dialect), dialect) for each in conversions),
        ],
        conversions=conversions,
        added=added,
        after=[
            *(text for each in conversions for text in _in_place(new[each.table].name, each, dialect)),
            *(text for pair in pairs for text in _dropping(pair)),
            *(_drop_table(shape) for shape in reversed(gone) if shape not in replaced),
        ],
        indexes=[index for shape in new.values() for index in shape.indexes if index not in stays],
    )  # fmt: skip


def _staying(old: Mapping[TableKey, TableShape], moves: Moves) -> dict[TableKey, TableShape]:
    """Each table by the key that it has then; one that takes the place of another, instead of that."""
    at_home = [shape for shape in old.values() if shape.key[1] not in moves.roots]
    moving = [shape for shape in old.values() if shape.key[1] in moves.roots]
    return {table_key(shape.key, moves): shape for shape in (*at_home, *moving)}


def table_key(key: TableKey, moves: Moves) -> TableKey:
    """The key after the change."""
    what, type_name, attribute, of_past = key
    type_name, attribute = _renamed((type_name, attribute), moves.names)
    if what == "entity":
        type_name = moves.roots.get(type_name, type_name)
    return what, type_name, attribute, of_past


def _drop_table(shape: TableShape, dialect: str = "") -> str:
    # Foreign keys that point to a table which another takes the place of are made again with their columns.
    return f"DROP TABLE {quoted(shape.name)}{' CASCADE' if dialect == 'postgresql' else ''}"


def _renamed(key: ColumnKey, renames: Renames) -> ColumnKey:
    type_name, attribute = renames.get(key, key)
    type_name, _ = renames.get((type_name, ""), (type_name, ""))
    return type_name, attribute


def _pair(old: TableShape, new: TableShape, renames: Renames) -> _Pair:
    columns = {key: _renamed(key, renames) for key in old.columns}
    return _Pair(old, new, {key: to for key, to in columns.items() if to in new.columns})


def _conversions(pair: _Pair, tables: Mapping[str, str]) -> Iterator[Conversion]:
    for key, to in pair.columns.items():
        old, new = pair.old.columns[key], pair.new.columns[to]
        if old.meaning != new.meaning or tables.get(old.references, "") != new.references:
            yield Conversion(table=pair.new.key, column=to, old=old, new=new, into=f"{new.name[:60]}~to")


def _indexes_that_stay(pairs: list[_Pair], conversions: list[Conversion]) -> set[IndexShape]:
    converted = {(each.table, each.old.name) for each in conversions}
    stays = set()
    for pair in pairs:
        names = {key: shape.name for key, shape in pair.new.columns.items()}
        for index in set(pair.old.indexes) & set(pair.new.indexes):
            same = all((pair.new.key, name) not in converted and name in names.values() for name in index.columns)
            if same and not _reused(pair, index):
                stays.add(index)
    return stays


def _reused(pair: _Pair, index: IndexShape) -> bool:
    """Whether a name in the index means another column now."""
    before = {shape.name: pair.columns.get(key) for key, shape in pair.old.columns.items()}
    after = {shape.name: key for key, shape in pair.new.columns.items()}
    return any(before.get(name) != after.get(name) for name in index.columns)


def _renaming(pair: _Pair) -> Iterator[str]:
    table = quoted(pair.new.name)
    if pair.old.name != pair.new.name:
        yield f"ALTER TABLE {quoted(pair.old.name)} RENAME TO {table}"
    for key, to in pair.columns.items():
        old, new = pair.old.columns[key].name, pair.new.columns[to].name
        if old != new:
            yield f"ALTER TABLE {table} RENAME COLUMN {quoted(old)} TO {quoted(new)}"


def _remaking(pair: _Pair, dialect: str) -> Iterator[str]:
    """A table whose key changes is made anew: the columns of a key cannot be dropped."""
    table, aside = quoted(pair.new.name), quoted(f"{pair.new.name[:58]}~old")
    columns = ", ".join(quoted(shape.name) for shape in pair.new.columns.values())
    yield f"ALTER TABLE {table} RENAME TO {aside}"
    yield create_table(pair.new, dialect)
    yield f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {aside}"
    yield f"DROP TABLE {aside}"


def _creating(made: list[TableShape], dialect: str) -> Iterator[str]:
    # Tables may refer to each other in a circle. SQLite does not mind, PostgreSQL gets the keys afterwards.
    apart = dialect == "postgresql"
    for shape in made:
        yield create_table(shape, dialect, without_references=apart)
    if apart:
        for shape in made:
            yield from (add_reference(shape.name, column) for column in shape.columns.values() if column.references)


def _beside(conversion: Conversion, dialect: str) -> ColumnShape:
    # PostgreSQL would check each value at once; SQLite cannot get the foreign key later, and checks at the end.
    references = conversion.new.references if dialect == "sqlite" else ""
    return msgspec.structs.replace(conversion.new, name=conversion.into, references=references, required=False)


def _in_place(table: str, conversion: Conversion, dialect: str) -> Iterator[str]:
    name = quoted(conversion.new.name)
    yield f"ALTER TABLE {quoted(table)} DROP COLUMN {name}"
    yield f"ALTER TABLE {quoted(table)} RENAME COLUMN {quoted(conversion.into)} TO {name}"
    if dialect == "postgresql" and conversion.new.references:
        yield add_reference(table, conversion.new)


def _dropping(pair: _Pair) -> Iterator[str]:
    for key, shape in pair.old.columns.items():
        if key not in pair.columns:
            yield f"ALTER TABLE {quoted(pair.new.name)} DROP COLUMN {quoted(shape.name)}"
