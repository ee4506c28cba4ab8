"""Catalogs: what a plan needs to know of one database at one revision of its schema."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from ..errors import UnknownDatabase
from ..model.schema import Attribute, EntityType, Schema, close_names
from .plans import ROOM, Fetch, Plan
from .tables import Tables, sql_dialect

if TYPE_CHECKING:
    from .access import Access

__all__ = ["Catalog", "Catalogs", "catalog_of", "dump_schema", "load_catalogs", "load_schema"]


class Catalog:
    """One database as plans see it. Immutable; a change of the schema makes a new one.

    `dialect` is "sqlite" or "postgresql", `sql` the SQLAlchemy dialect that writes the driver's SQL. `access` is that
    of the actor whom statements are compiled for; None: one who may see everything. `plain` is the catalog without it.
    """

    access: Access | None = None
    _plain: Catalog | None = None

    def __init__(self, database: str, schema: Schema, dialect: str, sql: sa.Dialect | None = None) -> None:
        self.database = database
        self.schema = schema
        self.dialect = dialect
        self.sql = sql_dialect(dialect) if sql is None else sql
        self.tables = Tables(database, schema)

    @property
    def plain(self) -> Catalog:
        """The catalog of those who may see everything: what is worked out for a schema is kept for it."""
        return self if self._plain is None else self._plain

    def seen_by(self, access: Access | None) -> Catalog:
        """The same catalog for an actor."""
        plain = self.plain
        if access is None:
            return plain
        found = Catalog.__new__(Catalog)
        found.__dict__.update(plain.__dict__)
        found.access, found._plain = access, plain
        return found

    @property
    def facts(self) -> Mapping[str, Any]:
        """What stands for `$actor` in rules."""
        return {} if self.access is None else self.access.facts

    def with_schema(self, schema: Schema) -> Catalog:
        """The same database with another schema."""
        changed = Catalog(self.database, schema, self.dialect, self.sql)
        return changed if self.access is None else changed.seen_by(self.access)


class Catalogs(msgspec.Struct, frozen=True):
    """Every database of a room at one revision of the room's schemas.

    `access_revision` is that of the last change to what actors may do.
    """

    revision: int
    by_key: Mapping[str, Catalog]
    access_revision: int = 0


def catalog_of(catalogs: Catalogs, database: str) -> Catalog:
    """The catalog of `database`; UnknownDatabase with close names otherwise."""
    found = catalogs.by_key.get(database)
    if found is None:
        raise UnknownDatabase(name=database, suggestions=close_names(database, catalogs.by_key))
    return found


def dump_schema(schema: Schema) -> str:
    """The types of a schema as JSON text."""
    return msgspec.json.encode(list(schema.values())).decode()


def load_schema(text: str, revision: int) -> Schema:
    """What `dump_schema` gave."""
    return Schema(map(_restored, msgspec.json.decode(text, type=list[EntityType])), revision)


def _restored(entity_type: EntityType) -> EntityType:
    """JSON has no bytes: the default of a uuid is base64 in it."""
    if not any(_is_text_of_bytes(each) for each in entity_type.attributes):
        return entity_type
    return replace(
        entity_type,
        attributes=tuple(
            replace(each, default=b64decode(each.default)) if _is_text_of_bytes(each) else each
            for each in entity_type.attributes
        ),
    )


def _is_text_of_bytes(attribute: Attribute) -> bool:
    return attribute.kind == "uuid" and not attribute.multi and isinstance(attribute.default, str)


_DATABASES = Fetch("SELECT key, schema, schema_revision FROM rr_database ORDER BY key")


def load_catalogs(dialect: str, known: Catalogs | None) -> Plan[Catalogs]:
    """Every database of the room; a catalog of `known` whose schema is still the same is kept, caches and all."""
    [(revision, access_revision, _)] = yield ROOM
    if known is not None and known.revision == revision:
        return known if known.access_revision == access_revision else replace(known, access_revision=access_revision)
    rows = yield _DATABASES
    before: Mapping[str, Catalog] = {} if known is None else known.by_key
    sql = sql_dialect(dialect)
    found: dict[str, Catalog] = {}
    for key, text, changed in rows:
        kept = before.get(key)
        if kept is not None and kept.schema.revision == changed:
            found[key] = kept
        else:
            found[key] = Catalog(key, load_schema(text, changed), dialect, sql)
    return Catalogs(revision, found, access_revision)
