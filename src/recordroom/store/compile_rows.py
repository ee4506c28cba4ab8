"""Rows of resolved queries as SQL: tables, joins and their past. The lowest part of the query compiler.

A `Level` is one SELECT in the making: the query itself, an EXISTS, an aggregate, a sub-query. To-one paths
join to the level of the row they start from, each once; collections become levels of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..errors import QueryTooComplex
from ..model.kinds import Storage
from ..model.schema import Attribute
from ..query.resolved import Bound, Commit, Entry, LinkRow, Members, Root, Row, Through, UnderKey, ValueType
from .catalog import Catalog
from .compile_text import marked_text
from .decimals import encode
from .lists import list_parameter
from .sqltext import quoted
from .tables import LINK_COLUMNS, MAPPING_COLUMNS, column_type, past

__all__ = ["Binder", "Inputs", "Level", "RowBuilder", "Source"]


class Inputs(NamedTuple):
    """What one run of a statement gets: constants in the order of the query's shape, and what the request says."""

    given: Sequence[Any]
    at: int | None = None
    after: Sequence[Any] = ()
    limit: int = 0
    offset: int = 0
    owners: Sequence[bytes] = ()
    facts: Mapping[str, Any] = {}  # what stands for `$actor` in rules


Binder = Callable[[Inputs], Any]


_MOST_JOINS = 60  # SQLite joins at most 64 tables


def _always(value: Any) -> Binder:
    return lambda _inputs: value


class Source:
    """A table under a name of its own. Its columns are plain text, so a piece of SQL may be written out anywhere."""

    def __init__(self, clause: sa.FromClause, name: str) -> None:
        self.clause = clause
        self.name = name
        self._name = quoted(name)

    def __getitem__(self, name: str) -> sa.ColumnElement[Any]:
        return sa.literal_column(f"{self._name}.{quoted(name)}")


class Level:
    """One SELECT: what it reads from, and what else must hold."""

    def __init__(self, base: Source) -> None:
        self._from: sa.FromClause = base.clause
        self.joined = False
        self.conditions: list[sa.ColumnElement[bool]] = []

    def join(self, other: Source, on: sa.ColumnElement[bool]) -> None:
        """Read from `other` too; rows without a partner fall away."""
        self.joined = True
        self._from = self._from.join(other.clause, on)

    def left_join(self, other: Source, on: sa.ColumnElement[bool]) -> None:
        """Read from `other` too, where there is a partner."""
        self.joined = True
        self._from = self._from.outerjoin(other.clause, on)

    def select(self, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
        """The SELECT."""
        return sa.select(*columns).select_from(self._from).where(*self.conditions)


class RowBuilder:
    """Knows the table of each row of one query, and the parameters of its statement."""

    def __init__(self, catalog: Catalog, sources: Sequence[Any], *, of_past: bool) -> None:
        self.catalog = catalog
        self.tables = catalog.tables
        self.schema = catalog.schema
        self.sqlite = catalog.dialect == "sqlite"
        self.of_past = of_past
        self.binders: dict[str, Binder] = {}
        self._slots = {id(source): slot for slot, source in enumerate(sources)}
        self._found: dict[Row, tuple[Source, Level]] = {}
        self._links: dict[int, tuple[Source, str]] = {}
        self._names = 0
        self._past: sa.ColumnElement[Any] = sa.bindparam("at", type_=column_type(Storage.INTEGER))
        if of_past:
            self.binders["at"] = lambda inputs: inputs.at

    # --- parameters ---

    def parameter(self, binder: Binder, storage: Storage) -> sa.BindParameter[Any]:
        """A parameter of the statement, filled by `binder`."""
        name = f"p{len(self.binders)}"
        self.binders[name] = binder
        return sa.bindparam(name, type_=column_type(storage))

    def bound(self, bound: Bound, type: ValueType | None = None) -> sa.BindParameter[Any]:
        """The parameter for one constant."""
        storage = (type or bound.type).storage
        encoded = self.sqlite and storage is Storage.DECIMAL
        return self.parameter(self._binder(bound, encode if encoded else None), storage)

    def bound_list(self, bound: Bound) -> sa.BindParameter[Any]:
        """The one parameter for a list of constants."""
        storage = bound.type.storage
        sqlite = self.sqlite
        return self.parameter(self._binder(bound, lambda items: list_parameter(items, storage, sqlite)), storage)

    def derived(self, bound: Bound, finish: Callable[[Any], Any], storage: Storage) -> sa.BindParameter[Any]:
        """The parameter for something worked out from a constant."""
        return self.parameter(self._binder(bound, finish), storage)

    def _binder(self, bound: Bound, finish: Callable[[Any], Any] | None) -> Binder:
        slot, convert = self._slots.get(id(bound.source)), bound.convert
        if slot is None or convert is None:
            # A constant of a computed attribute: part of the schema, not of the question.
            value = bound.value if finish is None else finish(bound.value)
            return _always(value)
        if finish is None:
            return lambda inputs: convert(inputs.given[slot])
        return lambda inputs: finish(convert(inputs.given[slot]))

    # --- pieces of text ---

    def written(self, element: sa.ClauseElement) -> str:
        """The text of a piece of SQL, with a mark for each parameter."""
        text, given = marked_text(element, self.catalog.dialect)
        for name, value in given.items():
            if name not in self.binders:
                # SQLAlchemy's own, such as an offset of 0: its names begin anew in each piece.
                own = self.parameter(_always(value), Storage.TEXT)
                text = text.replace(f"\0{name}\0", f"\0{own.key}\0")
        return text

    def piece(self, element: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """The same, written out already, so that what it becomes part of is not deep."""
        return sa.literal_column(f"({self.written(element)})")

    # --- tables ---

    def name(self, letter: str) -> str:
        """A name for an alias that no other has."""
        self._names += 1
        return f"{letter}{self._names}"

    def _table(self, table: str, columns: Iterable[str], letter: str) -> Source:
        name = self.name(letter)
        if not self.of_past:
            return Source(sa.table(table).alias(name), name)
        names: list[sa.ColumnElement[Any]] = [sa.literal_column(quoted(column)) for column in columns]
        revision, until = (sa.literal_column(each, column_type(Storage.INTEGER)) for each in ("revision", "until"))
        unchanged = sa.select(*names).select_from(sa.table(table)).where(revision <= self._past)
        replaced = sa.select(*names).select_from(sa.table(past(table)))
        replaced = replaced.where(revision <= self._past, until > self._past)
        return Source(sa.union_all(unchanged, replaced).subquery(name), name)

    def entities(self, type_name: str) -> Source:
        """The table of the hierarchy of `type_name`, under a name of its own."""
        columns = self.tables.storage[self.schema.root(type_name)]
        return self._table(self.tables.entity_name(type_name), columns, "t")

    def relations(self, type_name: str, attribute: Attribute) -> Source:
        """The table of a links or mapping attribute, under a name of its own."""
        columns = LINK_COLUMNS if attribute.kind == "links" else MAPPING_COLUMNS
        return self._table(self.tables.relation_name(type_name, attribute), columns, "r")

    def of_type(self, table: Source, type_name: str) -> list[sa.ColumnElement[bool]]:
        """The condition that a row of the hierarchy's table is a `type_name`; none where all are."""
        if self.schema.root(type_name) == type_name:
            return []
        names: list[sa.ColumnElement[str]] = [
            sa.literal_column(f"'{name}'") for name in self.schema.subtypes(type_name)
        ]
        column = table["entity_type"]
        return [column == names[0] if len(names) == 1 else column.in_(names)]

    # --- rows ---

    def start(self, root: Root) -> Level:
        """A level that reads the entities of the type of `root`."""
        table = self.entities(root.type)
        level = Level(table)
        self._found[root] = (table, level)
        level.conditions += self.of_type(table, root.type)
        return level

    def at(self, row: Row, table: Source, level: Level) -> None:
        """Say that `row` is read from `table` in `level`."""
        self._found[row] = (table, level)

    def found(self, row: Row) -> tuple[Source, Level]:
        """The table that `row` is read from, joined to its level where it was not yet."""
        known = self._found.get(row)
        if known is None:
            known = self._found[row] = self._join(row)
            if len(self._found) > _MOST_JOINS:
                raise QueryTooComplex(f"The query reads from more than {_MOST_JOINS} places.", limit=_MOST_JOINS)
        return known

    def _join(self, row: Row) -> tuple[Source, Level]:
        match row:
            case Through():
                target = self.entities(row.type)
                reference, level = self.column(row.row, row.attribute), self.level(row.row)
                level.left_join(target, target["id"] == reference)
                return target, level
            case Commit():
                name = self.name("c")
                commit = Source(sa.table("rr_commit").alias(name), name)
                revision, level = self.column(row.row, row.revision), self.level(row.row)
                level.left_join(commit, commit["revision"] == revision)
                return commit, level
            case UnderKey():
                return self._join_entry(row)
            case Root():
                return self._join_member(row)
        raise AssertionError(f"{row} was never bound")

    def _join_entry(self, row: UnderKey) -> tuple[Source, Level]:
        assert isinstance(row.row, Root | Through)
        entries = self.relations(row.row.type, row.attribute)
        owner, level = self.column(row.row, "id"), self.level(row.row)
        key = self.parameter(lambda _inputs: row.key, Storage.TEXT)
        level.left_join(entries, sa.and_(entries["owner"] == owner, entries["key"] == key))
        return entries, level

    def _join_member(self, row: Root) -> tuple[Source, Level]:
        """The entity at the other end of a link; reached only where more than its id is asked for."""
        links, far = self._links[row.number]
        _, level = self._found[LinkRow(row.number)]
        target = self.entities(row.type)
        level.join(target, target["id"] == links[far])
        return target, level

    def level(self, row: Row) -> Level:
        """The level that `row` is read in."""
        if isinstance(row, Root) and row.number in self._links:
            return self._found[LinkRow(row.number)][1]
        return self.found(row)[1]

    def column(self, row: Row, attribute: str) -> sa.ColumnElement[Any]:
        """The column of a stored attribute of an entity."""
        if attribute == "id":
            if isinstance(row, Root) and row.number in self._links and row not in self._found:
                links, far = self._links[row.number]
                return links[far]
            if isinstance(row, Through):
                # A reference holds the id of what it refers to.
                return self.column(row.row, row.attribute)
        assert isinstance(row, Root | Through)
        table, _ = self.found(row)
        return table[self.tables.column_name(row.type, attribute)]

    # --- members ---

    def members(self, over: Members, level: Level | None = None) -> Level:
        """Read the members of a collection: in a new level that is tied to their owner's, or joined to `level`."""
        owner = over.row
        assert isinstance(owner, Root | Through)
        owner_id = self.column(owner, "id")
        attribute = over.attribute
        if attribute.kind == "collection":
            table = self.entities(attribute.target)
            near = table[self.tables.column_name(attribute.target, attribute.inverse)]
        else:
            table = self.relations(owner.type, attribute)
            near = table[self.near_end(attribute)]
        tied = [near == owner_id, *self.gate(table, owner_id, owner.type, attribute)]
        if level is None:
            level = Level(table)
            level.conditions += tied
        else:
            level.join(table, sa.and_(*tied))
        self._say_where(over, table, level)
        return level

    def gate(
        self, _table: Source, _owner_id: sa.ColumnElement[Any], _type_name: str, _attribute: Attribute
    ) -> list[sa.ColumnElement[bool]]:
        """What else must hold for members to be seen in an attribute of their owner: nothing, for those who see all."""
        return []

    def masks(self, _type_name: str) -> bool:
        """Whether values of entities of a type may be hidden."""
        return False

    def near_end(self, attribute: Attribute) -> str:
        """The column of a links or mapping table that holds the owner's id."""
        if attribute.kind == "mapping":
            return "owner"
        return "target" if attribute.derived else "source"

    def _say_where(self, over: Members, table: Source, level: Level) -> None:
        member, attribute = over.member, over.attribute
        if attribute.kind == "links":
            self.at(LinkRow(member.number), table, level)
            self._links[member.number] = (table, "source" if attribute.derived else "target")
        else:
            self.at(member, table, level)

    def cell(self, row: Commit | UnderKey | Entry | LinkRow, name: str) -> sa.ColumnElement[Any]:
        """A column of a row that is no entity."""
        table, _ = self.found(row)
        return table[name]
