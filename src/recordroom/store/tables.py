"""Tables: where everything lies. The one place that knows names of tables and columns.

For each type hierarchy of a database one table `database.Root`, a column per stored attribute of
every type in it (those of a subtype as `Subtype.attribute`), and beside it `database.Root~past`: the
rows that an update or delete replaced, with `until`, the revision that replaced them. For links and
mappings `database.Type.attribute` and its `~past`. Names starting with `rr_` are the room's own.

SQLAlchemy is used for building SQL text and DDL only; statements run through plans.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from ..model.kinds import KINDS, Storage
from ..model.schema import STORED_SYSTEM, SYSTEM, Attribute, Schema

__all__ = [
    "LINK_COLUMNS",
    "LINK_STORAGE",
    "MAPPING_COLUMNS",
    "Tables",
    "attribute_storage",
    "column_type",
    "past",
    "physical",
    "sql_dialect",
    "system_tables",
    "table_statements",
]

_LONGEST = 63  # bytes of an identifier that PostgreSQL keeps


def physical(*parts: str) -> str:
    """Parts joined by dots; a name too long for PostgreSQL ends in a hash of the whole."""
    name = ".".join(parts)
    if len(name.encode()) <= _LONGEST:
        return name
    return f"{name.encode()[: _LONGEST - 13].decode(errors='ignore')}~{hashlib.blake2b(name.encode(), digest_size=6).hexdigest()}"


def past(table: str) -> str:
    """The name of the table of replaced rows beside `table`."""
    return physical(table + "~past")


def sql_dialect(name: str) -> sa.Dialect:
    """The SQLAlchemy dialect whose positional text the driver of that name takes."""
    if name == "sqlite":
        return sqlite.dialect(paramstyle="qmark")
    return postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]


_C = sa.Text(collation="C")
# Text compares by code point on both databases: SQLite does so by itself, PostgreSQL in collation "C".
_TYPES: dict[Storage, sa.types.TypeEngine[Any]] = {
    Storage.TEXT: sa.Text().with_variant(_C, "postgresql"),
    Storage.INTEGER: sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
    Storage.REAL: sa.Double().with_variant(sa.REAL(), "sqlite"),
    Storage.BOOLEAN: sa.Boolean().with_variant(sa.Integer(), "sqlite"),
    Storage.BYTES: sa.LargeBinary(),
    Storage.DECIMAL: sa.Numeric().with_variant(sa.Text(), "sqlite"),
    Storage.JSON: sa.Text().with_variant(_C, "postgresql"),
}


def column_type(storage: Storage) -> sa.types.TypeEngine[Any]:
    """The SQL type of columns of a storage class, on either database."""
    return _TYPES[storage]


def attribute_storage(attribute: Attribute) -> Storage:
    """The storage class of an attribute's column."""
    return Storage.JSON if attribute.multi else KINDS[attribute.kind].storage


LINK_COLUMNS = ("source", "target", "note", "revision")
LINK_STORAGE = (Storage.BYTES, Storage.BYTES, Storage.TEXT, Storage.INTEGER)
MAPPING_COLUMNS = ("owner", "key", "value", "revision")


class Tables:
    """Where everything of one schema of one database lies."""

    def __init__(self, database: str, schema: Schema) -> None:
        self.database = database
        self.schema = schema

    def entity_name(self, type_name: str) -> str:
        """The table that keeps entities of `type_name`."""
        return physical(self.database, self.schema.root(type_name))

    def column_name(self, type_name: str, attribute: str) -> str:
        """The column that keeps `attribute` of `type_name`."""
        owner = self.schema.owner(type_name, attribute)
        return attribute if owner == self.schema.root(type_name) else physical(owner, attribute)

    def relation_name(self, type_name: str, attribute: Attribute) -> str:
        """The table of a links or mapping attribute, seen from either side."""
        if attribute.derived:
            return physical(self.database, attribute.target, attribute.inverse)
        return physical(self.database, self.schema.owner(type_name, attribute.name), attribute.name)

    def columns(self, root: str) -> list[tuple[str, Attribute]]:
        """(column, attribute) for every column of a hierarchy's table; system columns first.

        `entity_type` is a column only where the table keeps more than one type.
        """
        alone = not self.schema.in_hierarchy(root)
        found = [(name, SYSTEM[name]) for name in STORED_SYSTEM if not (alone and name == "entity_type")]
        for type_name in self.schema.subtypes(root):
            found.extend(
                (self.column_name(type_name, attribute.name), attribute)
                for attribute in self.schema[type_name].attributes
                if attribute.stored
            )
        return found

    @cached_property
    def storage(self) -> dict[str, dict[str, Storage]]:
        """Root type → column → storage class."""
        return {
            root: {column: attribute_storage(attribute) for column, attribute in self.columns(root)}
            for root in {self.schema.root(name) for name in self.schema}
        }


def system_tables() -> sa.MetaData:
    """The room's own tables, the same on both databases.

    rr_room        one row: format, room id, last revision, last schema revision, settings (JSON)
    rr_database    one row per database: key, label, description, schema (JSON), schema_revision
    rr_commit      one small row per commit, kept as long as an entity's revision refers to it
    rr_journal     the operations of a commit (msgpack); pruned by the retention setting
    rr_counter     next `number` of each hierarchy
    rr_follower    how far each follower has read
    rr_secret      what only the server may know (hashes of passwords and keys), one row per entity and kind; not journaled
    rr_delivery    what webhooks still have to deliver, and what they gave up on
    rr_file        which bytes each component has in the room's own location; not journaled
    rr_upload      uploads that are under way, and those that ended a while ago; not journaled
    """
    metadata = sa.MetaData()
    text, integer, data = column_type(Storage.TEXT), column_type(Storage.INTEGER), column_type(Storage.BYTES)
    sa.Table(
        "rr_room",
        metadata,
        sa.Column("only", integer, primary_key=True, autoincrement=False),
        sa.Column("format", integer, nullable=False),
        sa.Column("id", data, nullable=False),
        sa.Column("revision", integer, nullable=False),
        sa.Column("schema_revision", integer, nullable=False),
        sa.Column("pruned", integer, nullable=False),  # the past before this revision is gone
        sa.Column("access_revision", integer, nullable=False),  # of the last commit that changed accounts or rules
        sa.Column("settings", text, nullable=False),
    )
    sa.Table(
        "rr_database",
        metadata,
        sa.Column("key", text, primary_key=True),
        sa.Column("label", text, nullable=False),
        sa.Column("description", text, nullable=False),
        sa.Column("schema", text, nullable=False),
        sa.Column("schema_revision", integer, nullable=False),
    )
    sa.Table(
        "rr_commit",
        metadata,
        sa.Column("revision", integer, primary_key=True, autoincrement=False),
        sa.Column("id", data, nullable=False),
        sa.Column("database", text, nullable=False),
        sa.Column("actor", text, nullable=False),
        sa.Column("time", integer, nullable=False),
        sa.Column("notes", text),
        sa.Column("result", data, nullable=False),
        sa.UniqueConstraint("actor", "id", name="rr_commit_once"),
        sa.Index("rr_commit_time", "time"),
    )
    sa.Table(
        "rr_journal",
        metadata,
        sa.Column("revision", integer, primary_key=True, autoincrement=False),
        sa.Column("types", text, nullable=False),  # JSON list of type names touched
        sa.Column("operations", data, nullable=False),
    )
    sa.Table(
        "rr_counter",
        metadata,
        sa.Column("table", text, primary_key=True),
        sa.Column("next", integer, nullable=False),
    )
    sa.Table(
        "rr_follower",
        metadata,
        sa.Column("name", text, primary_key=True),
        sa.Column("revision", integer, nullable=False),
    )
    sa.Table(
        "rr_secret",
        metadata,
        sa.Column("entity", data, primary_key=True),  # a User, a Token, or 16 zero bytes for the room itself
        sa.Column("kind", text, primary_key=True),  # password, api_key, refresh, signing_key …
        sa.Column("lookup", data),  # what it is found by: a SHA-256 of a key
        sa.Column("data", text, nullable=False),  # JSON
        sa.Column("expires", integer),  # microseconds since 1970, UTC
        sa.Column("used", integer),
        sa.Index("rr_secret_lookup", "kind", "lookup", unique=True),
    )
    sa.Table(
        "rr_delivery",
        metadata,
        sa.Column("webhook", data, primary_key=True),
        sa.Column("revision", integer, primary_key=True, autoincrement=False),
        sa.Column("state", text, nullable=False),  # waiting, leased, dead
        sa.Column("attempts", integer, nullable=False),
        sa.Column("due", integer, nullable=False),  # microseconds since 1970: not before; of a lease, its end
        sa.Column("owner", text),  # of the lease
        sa.Column("error", text),
        sa.Index("rr_delivery_due", "state", "due"),
    )
    sa.Table(
        "rr_file",
        metadata,
        sa.Column("component", data, primary_key=True),
        sa.Column("database", text, nullable=False),
        sa.Column("digest", text, nullable=False),  # SHA-256 of the bytes, in hexadecimal
        sa.Column("size", integer, nullable=False),
        sa.Column("md5", text, nullable=False),  # "" where nobody asked for it
        sa.Column("name", text, nullable=False),  # as the uploader called it
        sa.Column("owner", text, nullable=False),  # who uploaded it: the id of a user, or a name
        sa.Column("time", integer, nullable=False),  # microseconds since 1970, UTC
        sa.Index("rr_file_digest", "digest"),
        sa.Index("rr_file_time", "time"),
    )
    sa.Table(
        "rr_upload",
        metadata,
        sa.Column("id", data, primary_key=True),
        sa.Column("owner", text, nullable=False),
        sa.Column("state", text, nullable=False),  # open, joining, done, refused
        sa.Column("expires", integer, nullable=False),  # microseconds since 1970
        sa.Column("busy", integer, nullable=False),  # a worker joins its parts until then
        sa.Column("data", text, nullable=False),  # JSON
        sa.Index("rr_upload_owner", "owner", "state"),
        sa.Index("rr_upload_expires", "expires"),
    )
    return metadata


def table_statements(dialect: str, names: Sequence[str] | None = None) -> Iterator[str]:
    """What makes the room's own tables with their indexes: all, or those of `names`."""
    sql = sql_dialect(dialect)
    for table in system_tables().sorted_tables:
        if names is None or table.name in names:
            text = str(CreateTable(table).compile(dialect=sql)).rstrip()
            yield f"{text} STRICT" if dialect == "sqlite" else text
            for index in sorted(table.indexes, key=lambda each: str(each.name)):
                yield str(CreateIndex(index).compile(dialect=sql))
