"""The raw drivers: tuples in, tuples out, one table with the id as primary key, nothing checked or recorded.

The SQLite ones run with the settings of our room (`Settings`), so that the disk costs all the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

import apsw
import psycopg

from .data import NAMES, tuples
from .places import Place

Row = tuple[Any, ...]

INSERT = f"insert into record (id, {', '.join(NAMES)}) values ({', '.join('?' * (1 + len(NAMES)))})"
SELECT = f"select id, {', '.join(NAMES)} from record"
UPDATE = "update record set priority = ? where id = ?"
COPY = f"copy record (id, {', '.join(NAMES)}) from stdin"


def table(blob: str, real: str, boolean: str, integer: str) -> str:
    return f"""create table record (
        id {blob} not null primary key, name text, status text, note text, priority {integer}, size {integer},
        length {real}, weight {real}, done {boolean}, due {integer})"""


SQLITE_TABLE = table("blob", "real", "integer", "integer")
POSTGRES_TABLE = table("bytea", "double precision", "boolean", "bigint")


class Settings(NamedTuple):
    """How a SQLite file is kept."""

    journal_mode: str
    synchronous: int
    page_size: int
    cache_size: int
    wal_autocheckpoint: int

    def statements(self) -> list[str]:
        return [
            f"pragma page_size = {self.page_size}",
            f"pragma journal_mode = {self.journal_mode}",
            f"pragma synchronous = {self.synchronous}",
            f"pragma cache_size = {self.cache_size}",
            f"pragma wal_autocheckpoint = {self.wal_autocheckpoint}",
        ]

    def __str__(self) -> str:
        level = {0: "off", 1: "normal", 2: "full", 3: "extra"}[self.synchronous]
        values = {**self._asdict(), "synchronous": level}
        return ", ".join(f"{name}={value}" for name, value in values.items())


class Sqlite3:
    """The standard library's `sqlite3`."""

    name = "sqlite3"

    def __init__(self, place: Place, settings: Settings) -> None:
        self.place = place
        self.settings = settings

    def records(self, count: int) -> list[Row]:
        return tuples(count)

    def fresh(self, stack: ExitStack) -> str:
        where = self.place.new(stack)
        with ExitStack() as opened:
            self.open(opened, where).execute(SQLITE_TABLE)
        return where

    def open(self, stack: ExitStack, where: str) -> sqlite3.Connection:
        connection = stack.enter_context(closing(sqlite3.connect(where, isolation_level=None)))
        for statement in self.settings.statements():
            connection.execute(statement)
        return connection

    def create(self, handle: sqlite3.Connection, records: Iterable[Row]) -> None:
        handle.execute("begin immediate")
        handle.executemany(INSERT, records)
        handle.execute("commit")

    def query(self, handle: sqlite3.Connection) -> list[Row]:
        return handle.execute(SELECT).fetchall()

    def update(self, handle: sqlite3.Connection, found: Sequence[Row], values: Sequence[int]) -> None:
        handle.execute("begin immediate")
        handle.executemany(UPDATE, zip(values, (row[0] for row in found), strict=True))
        handle.execute("commit")


class Apsw:
    """APSW, the driver under our own SQLite rooms."""

    name = "apsw"

    def __init__(self, place: Place, settings: Settings) -> None:
        self.place = place
        self.settings = settings

    def records(self, count: int) -> list[Row]:
        return tuples(count)

    def fresh(self, stack: ExitStack) -> str:
        where = self.place.new(stack)
        with ExitStack() as opened:
            self.open(opened, where).execute(SQLITE_TABLE)
        return where

    def open(self, stack: ExitStack, where: str) -> apsw.Connection:
        connection = stack.enter_context(closing(apsw.Connection(where)))
        for statement in self.settings.statements():
            connection.execute(statement)
        return connection

    def create(self, handle: apsw.Connection, records: Iterable[Row]) -> None:
        handle.execute("begin immediate")
        handle.executemany(INSERT, records)
        handle.execute("commit")

    def query(self, handle: apsw.Connection) -> list[Row]:
        return handle.execute(SELECT).fetchall()

    def update(self, handle: apsw.Connection, found: Sequence[Row], values: Sequence[int]) -> None:
        handle.execute("begin immediate")
        handle.executemany(UPDATE, zip(values, (row[0] for row in found), strict=True))
        handle.execute("commit")


class Psycopg:
    """psycopg 3 with `executemany` (which pipelines)."""

    name = "psycopg executemany"

    def __init__(self, place: Place) -> None:
        self.place = place

    def records(self, count: int) -> list[Row]:
        return tuples(count)

    def fresh(self, stack: ExitStack) -> str:
        where = self.place.new(stack)
        with psycopg.connect(where) as connection:
            connection.execute(POSTGRES_TABLE)
        return where

    def open(self, stack: ExitStack, where: str) -> psycopg.Connection[Row]:
        return stack.enter_context(closing(psycopg.connect(where)))

    def create(self, handle: psycopg.Connection[Row], records: Iterable[Row]) -> None:
        with handle.transaction(), handle.cursor() as cursor:
            cursor.executemany(INSERT.replace("?", "%s"), records)

    def query(self, handle: psycopg.Connection[Row]) -> list[Row]:
        return handle.execute(SELECT).fetchall()

    def update(self, handle: psycopg.Connection[Row], found: Sequence[Row], values: Sequence[int]) -> None:
        with handle.transaction(), handle.cursor() as cursor:
            cursor.executemany(UPDATE.replace("?", "%s"), zip(values, (row[0] for row in found), strict=True))


class PsycopgCopy(Psycopg):
    """psycopg 3 with COPY."""

    name = "psycopg COPY"

    def create(self, handle: psycopg.Connection[Row], records: Iterable[Row]) -> None:
        with handle.transaction(), handle.cursor() as cursor, cursor.copy(COPY) as copy:
            for row in records:
                copy.write_row(row)
