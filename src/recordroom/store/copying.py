"""Copies of whole rooms, from any database to any other: commits, history, numbers and secrets stay what they are.

The source is read in one snapshot, so it may be in use. The copy is made in one transaction and is there as a
whole or not at all. What can be worked out is not copied: indexes are made anew, words are cut anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from ..errors import RoomDamaged, RoomExists
from ..model.kinds import Storage
from .catalog import Catalog, Catalogs, load_catalogs
from .creation import create_tables, store_settings
from .ddl import TableShape, add_reference, create_index, create_table, shapes
from .followers import FOLLOWERS
from .layout import layout_of, roots
from .migrations import check_format
from .opening import new_room, reading_driver
from .plans import Driver, Fetch, InsertColumns, Plan, Row, Run, Statement
from .search import index_entities
from .settings import changed, load
from .sqltext import marked, quoted
from .tables import system_tables

__all__ = ["Copied", "copy_room"]

_CHUNK = 10_000
_FEW = 16  # rows whose size has no bound
_INDEXED = 5_000

Ask = Callable[[Statement], Any]
Progress = Callable[[str, int], None]


class Copied(NamedTuple):
    """What was copied: rows by table, and the revision that the copy is of."""

    revision: int
    rows: dict[str, int]


class _Table(NamedTuple):
    """A table as it is read: `key` tells rows apart and orders them."""

    name: str
    columns: tuple[str, ...]
    storage: tuple[Storage, ...]
    key: tuple[str, ...]
    chunk: int = _CHUNK


def copy_room(
    source: str,
    target: str,
    *,
    progress: Progress | None = None,
    files: str | None = None,
    beside: Callable[[Path], None] | None = None,
) -> Copied:
    """Make the room `target` a copy of the room `source`; each is a folder or postgresql://….

    RoomExists where there is a room at `target`. `progress` is told of each table and the rows copied of it. `files` is
    what the copy says of where its files lie. `beside` is given the folder that will be the room, when its database is whole
    and before it is in its place.
    """
    driver = reading_driver(source)
    try:
        with driver.snapshot() as ask:
            facts = _Source(driver, ask)
            copied: dict[str, int] = {}

            def filling(dialect: str) -> Plan[None]:
                yield from _filling(facts, dialect, copied, progress or _silent)
                [(kept,)] = yield Fetch("SELECT settings FROM rr_room")
                yield from store_settings(dialect, changed(load(kept), {"files": files}))

            if not new_room(target, filling, beside):
                raise RoomExists(path=target)
            return Copied(facts.revision, copied)
    finally:
        driver.close()


def _silent(table: str, rows: int) -> None:
    pass


class _Source:
    """The room that is read, in its snapshot."""

    def __init__(self, driver: Driver, ask: Ask) -> None:
        self.dialect = driver.dialect
        self.where = driver.where
        self.ask = ask
        [(found,)] = ask(Fetch("SELECT format FROM rr_room"))
        check_format(found, driver.where, read_only=True)
        [(self.revision,)] = ask(Fetch("SELECT revision FROM rr_room"))
        self.catalogs = self._loaded()

    def _loaded(self) -> Catalogs:
        plan = load_catalogs(self.dialect, None)
        try:
            statement = next(plan)
            while True:
                statement = plan.send(self.ask(statement))
        except StopIteration as stop:
            found: Catalogs = stop.value
            return found

    def chunks(self, table: _Table) -> Iterator[list[Row]]:
        """Every row of a table, some at a time."""
        names, keys = (", ".join(map(quoted, each)) for each in (table.columns, table.key))
        places = [table.columns.index(name) for name in table.key]
        select = f"SELECT {names} FROM {quoted(table.name)}"
        tail = f" ORDER BY {keys} LIMIT {table.chunk}"
        after = f" WHERE ({keys}) > ({', '.join('?' * len(places))})"
        rows: list[Row] = self.ask(Fetch(f"{select}{tail}", (), table.storage))
        while rows:
            yield rows
            if len(rows) < table.chunk:
                return
            last = [rows[-1][place] for place in places]
            rows = self.ask(Fetch(marked(self.dialect, f"{select}{after}{tail}"), last, table.storage))


# --- the copy -------------------------------------------------------------------------------------


def _filling(source: _Source, dialect: str, copied: dict[str, int], progress: Progress) -> Plan[None]:
    """Make and fill every table of the room."""
    yield from create_tables(dialect)
    for table in _own_tables():
        yield from _copied(source, table, copied, progress)
    catalogs = [_as_target(each, dialect) for each in source.catalogs.by_key.values()]
    for catalog in catalogs:
        for shape in shapes(catalog).values():
            yield from _made(source, shape, dialect, copied, progress)
        yield from _finished(catalog)
    for catalog in catalogs:
        yield from _indexed(catalog, progress)
    yield from _searched(catalogs, source.revision)


def _as_target(catalog: Catalog, dialect: str) -> Catalog:
    return Catalog(catalog.database, catalog.schema, dialect)


def _made(source: _Source, shape: TableShape, dialect: str, copied: dict[str, int], progress: Progress) -> Plan[None]:
    # Rows may refer to rows that come later: PostgreSQL is given its foreign keys in the end, SQLite checks at the end.
    yield Run(create_table(shape, dialect, without_references=dialect == "postgresql"))
    yield from _copied(source, _table_of(shape), copied, progress)


def _finished(catalog: Catalog) -> Plan[None]:
    """Indexes and foreign keys, which are made faster when the rows are there."""
    for shape in shapes(catalog).values():
        for index in shape.indexes:
            yield Run(create_index(index))
    if catalog.dialect == "postgresql":
        for shape in shapes(catalog).values():
            for column in shape.columns.values():
                if column.references:
                    yield Run(add_reference(shape.name, column))


def _copied(source: _Source, table: _Table, copied: dict[str, int], progress: Progress) -> Plan[None]:
    count = 0
    for rows in source.chunks(table):
        columns = dict(zip(table.columns, map(list, zip(*rows, strict=True)), strict=True))
        yield InsertColumns(table.name, columns, table.storage)
        count += len(rows)
        progress(table.name, len(rows))
    [(there,)] = source.ask(Fetch(f"SELECT count(*) FROM {quoted(table.name)}"))
    if there != count:
        raise RoomDamaged(
            path=source.where, reason=f"{there} rows of {table.name} give {count} when they are read in order"
        )
    copied[table.name] = count


def _indexed(catalog: Catalog, progress: Progress) -> Plan[None]:
    """Cut the words of every text."""
    for root in roots(catalog.schema):
        table = quoted(layout_of(catalog, root).table)
        first = f"SELECT id FROM {table} ORDER BY id LIMIT {_INDEXED}"
        rows: list[Row] = yield Fetch(first, (), (Storage.BYTES,))
        while rows:
            yield from index_entities(catalog, root, [row[0] for row in rows])
            progress("rr_search", len(rows))
            sql = f"SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT {_INDEXED}"
            rows = yield Fetch(marked(catalog.dialect, sql), (rows[-1][0],), (Storage.BYTES,))


def _searched(catalogs: Sequence[Catalog], revision: int) -> Plan[None]:
    """The search follower has read everything."""
    assert "search" in FOLLOWERS
    for catalog in catalogs:
        name = f"search:{catalog.database}"
        yield Run(marked(catalog.dialect, "DELETE FROM rr_follower WHERE name = ?"), (name,))
        sql = marked(catalog.dialect, "INSERT INTO rr_follower (name, revision) VALUES (?, ?)")
        yield Run(sql, (name, revision))


# --- tables ---------------------------------------------------------------------------------------


def _own_tables() -> Iterator[_Table]:
    for table in system_tables().sorted_tables:
        columns = tuple(column.name for column in table.columns)
        storage = tuple(_storage_of(column.type) for column in table.columns)
        key = tuple(column.name for column in table.primary_key)
        chunk = _FEW if table.name == "rr_journal" else _CHUNK
        yield _Table(table.name, columns, storage, key, chunk)


def _storage_of(sql_type: sa.types.TypeEngine[Any]) -> Storage:
    if isinstance(sql_type, sa.LargeBinary):
        return Storage.BYTES
    return Storage.INTEGER if isinstance(sql_type, sa.Integer) else Storage.TEXT


def _table_of(shape: TableShape) -> _Table:
    columns = tuple(column.name for column in shape.columns.values())
    storage = tuple(column.storage for column in shape.columns.values())
    return _Table(shape.name, columns, storage, shape.primary or _past_key(columns))


def _past_key(columns: Sequence[str]) -> tuple[str, ...]:
    """What tells rows of the past apart."""
    for ends in (("source", "target"), ("owner", "key")):
        if columns[:2] == ends:
            return (*ends, "until")
    return ("id", "until")
