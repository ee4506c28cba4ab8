"""Plans that make and describe a whole room: its own tables, its databases, its one row of facts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ..errors import InvalidSchema
from ..model.kinds import text_is_clean
from ..model.schema import Schema
from ..query.request import DatabaseInfo
from .catalog import Catalog, dump_schema, load_schema
from .ddl import drop_everything
from .functions import POSTGRES_FUNCTIONS
from .migrations import FORMAT
from .plans import Fetch, Plan, Run
from .search import forget, search_tables_ddl
from .settings import Settings, dump, load
from .tables import table_statements

__all__ = [
    "RoomFacts",
    "check_database",
    "create_room",
    "create_tables",
    "database_infos",
    "drop_database",
    "insert_database",
    "next_schema_revision",
    "placeholders",
    "room_facts",
    "store_settings",
]

DEFAULT_DATABASE = "main"
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


class RoomFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The row of `rr_room`."""

    format: int
    id: bytes
    revision: int
    schema_revision: int
    pruned: int
    settings: Settings


def placeholders(dialect: str, count: int) -> str:
    """`count` positional parameters, with commas between."""
    return ", ".join(["?" if dialect == "sqlite" else "%s"] * count)


def create_room(dialect: str, room_id: bytes, settings: Settings) -> Plan[None]:
    """Every table of the room itself, its functions, and its default database."""
    yield from create_tables(dialect)
    yield Run(
        'INSERT INTO rr_room ("only", format, id, revision, schema_revision, pruned, access_revision, settings)'
        f" VALUES ({placeholders(dialect, 8)})",
        (1, FORMAT, room_id, 0, 1, 0, 0, dump(settings)),
    )
    yield from insert_database(dialect, DatabaseInfo(key=DEFAULT_DATABASE), 1)


def create_tables(dialect: str) -> Plan[None]:
    """Every table of the room itself, empty, and its functions."""
    # In one go: a round trip for each is what takes time on a server.
    yield Run(";\n".join(_own_statements(dialect)))


def _own_statements(dialect: str) -> Iterator[str]:
    if dialect == "postgresql":
        yield from POSTGRES_FUNCTIONS
    yield from table_statements(dialect)
    yield from search_tables_ddl(dialect)


def insert_database(dialect: str, info: DatabaseInfo, schema_revision: int) -> Plan[None]:
    """A new database without types."""
    yield Run(
        "INSERT INTO rr_database (key, label, description, schema, schema_revision)"
        f" VALUES ({placeholders(dialect, 5)})",
        (info.key, info.label, info.description, dump_schema(Schema()), schema_revision),
    )


def next_schema_revision() -> Plan[int]:
    """Count the room's schema revision up, so that every process reads the schemas anew."""
    yield Run("UPDATE rr_room SET schema_revision = schema_revision + 1")
    rows = yield Fetch("SELECT schema_revision FROM rr_room")
    revision: int = rows[0][0]
    return revision


def _check_key(key: str) -> None:
    """InvalidSchema unless `key` can name a database."""
    if not _KEY.fullmatch(key) or key.lower().startswith("rr_"):
        reason = "a key has 1 to 40 ASCII letters, digits and _, starts with a letter, and not with rr_"
        raise InvalidSchema(where=f"database {key!r}", reason=reason)


def check_database(info: DatabaseInfo) -> None:
    """InvalidSchema unless a database can be made as `info` says."""
    _check_key(info.key)
    for name, text in (("label", info.label), ("description", info.description)):
        if not text_is_clean(text):
            reason = f"expected a {name} without NUL and without lone surrogates, got {text!r}"
            raise InvalidSchema(where=f"database {info.key!r}", reason=reason)


def room_facts() -> Plan[RoomFacts]:
    """What the room says of itself."""
    rows = yield Fetch("SELECT format, id, revision, schema_revision, pruned, settings FROM rr_room")
    number, room_id, revision, schema_revision, pruned, settings = rows[0]
    return RoomFacts(
        format=number,
        id=bytes(room_id),
        revision=revision,
        schema_revision=schema_revision,
        pruned=pruned,
        settings=load(settings),
    )


def store_settings(dialect: str, settings: Settings) -> Plan[None]:
    """Keep `settings` in the room."""
    yield Run(f"UPDATE rr_room SET settings = {placeholders(dialect, 1)}", (dump(settings),))


def database_infos() -> Plan[list[DatabaseInfo]]:
    """Every database of the room, by key."""
    rows = yield Fetch("SELECT key, label, description, schema FROM rr_database ORDER BY key")
    return [
        DatabaseInfo(key=key, label=label, description=description, types=len(load_schema(schema, 0)))
        for key, label, description, schema in rows
    ]


def drop_database(catalog: Catalog) -> Plan[None]:
    """Drop a database, its tables and what followers keep of it. The journal keeps its commits."""
    yield from forget(catalog)
    for text in drop_everything(catalog):
        yield Run(text)
    yield Run(f"DELETE FROM rr_database WHERE key = {placeholders(catalog.dialect, 1)}", (catalog.database,))
    yield from next_schema_revision()
