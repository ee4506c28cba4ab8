"""Rights about accounts that rules alone do not say: shares, tokens and webhooks.

- A share may be made and changed by whoever may share what it names, as far as they may see (and for writing, change)
  all of it themselves; changed and deleted also by who made it.
- Users see their own tokens, name them, revoke them and delete them, but not with a token of smaller scope. Who may change
  more of tokens by a rule does so with tokens of users whose roles they may change: a token acts in its user's place.
- A webhook sees with the eyes of a user: only who may change that user's roles may make or change one of somebody else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ..model.schema import Schema
from .access import allowed
from .access_writes import Question, Writer
from .account_changes import ACCOUNTS_DATABASE
from .catalog import Catalog
from .layout import layout_of
from .plans import Fetch, Plan, Row
from .sqltext import id_list, marked, quoted

__all__ = ["judged_apart", "special_after", "special_before"]

_APART = ("Share", "Token", "Webhook")
_OWN_TOKEN = frozenset({"name", "revoked"})


def judged_apart(catalog: Catalog) -> Mapping[str, str]:
    """The types that have rights of their own: by name, which of `_APART` they are."""
    if catalog.database != ACCOUNTS_DATABASE:
        return {}
    schema = catalog.schema
    return {name: each for each in _APART if each in schema for name in schema.subtypes(each)}


def special_before(
    writer: Writer, catalog: Catalog, kind: str, question: Question, ids: Collection[bytes]
) -> Plan[set[bytes]]:
    """Those of `ids` that the actor may see, change or delete as they are before the commit."""
    held = yield from _granted(writer, catalog, question, ids)
    if kind == "Share":
        if question.verb != "read" and _scoped(writer, "write"):
            return held
        return held | (yield from _made(writer, catalog, ids)) | (yield from _could_make(writer, catalog, ids))
    if kind == "Token":
        if not _OWN_TOKEN.issuperset(question.attributes):
            return held if question.verb == "read" else (yield from _fitting(writer, catalog, kind, held))
        own = question.verb == "read" or (question.verb in ("update", "delete") and not _scoped(writer, "admin"))
        return held | (yield from _own_tokens(writer, catalog, ids, revoked=False)) if own else held
    return held if question.verb == "read" else (yield from _fitting(writer, catalog, kind, held))


def special_after(
    writer: Writer, catalog: Catalog, kind: str, question: Question, ids: Collection[bytes]
) -> Plan[set[bytes]]:
    """Those of `ids` that the actor may leave as they are now."""
    if kind == "Share":
        return (yield from _could_make(writer, catalog, ids))
    held = yield from _granted(writer, catalog, question, ids)
    if kind == "Token" and question.verb == "update" and _OWN_TOKEN.issuperset(question.attributes):
        if _scoped(writer, "admin"):
            return held
        return held | (yield from _own_tokens(writer, catalog, ids, revoked="revoked" in question.attributes))
    return (yield from _fitting(writer, catalog, kind, held))


def _scoped(writer: Writer, scope: str) -> bool:
    """Whether the actor's token is for less than `scope`."""
    return bool(writer.actor.scopes) and {scope, "admin"}.isdisjoint(writer.actor.scopes)


def _granted(writer: Writer, catalog: Catalog, question: Question, ids: Iterable[bytes]) -> Plan[set[bytes]]:
    return allowed(catalog, writer.access, question.verb, question.type, list(ids), question.attributes)


def _rows(
    catalog: Catalog, type_name: str, names: Sequence[str], ids: Collection[bytes], more: str = ""
) -> Plan[list[Row]]:
    layout = layout_of(catalog, type_name)
    columns = [layout.columns[name] for name in names]
    sql = (
        f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(layout.table)}"
        f" WHERE id IN {id_list(catalog.dialect)}{more}"
    )
    rows: list[Row] = yield Fetch(marked(catalog.dialect, sql), (list(ids),), layout.storage_of(columns))
    return rows


# --- shares ---------------------------------------------------------------------------------------


def _made(writer: Writer, catalog: Catalog, ids: Collection[bytes]) -> Plan[set[bytes]]:
    """The shares that the actor made."""
    table = layout_of(catalog, "Share").table
    sql = (
        f"SELECT s.id FROM {quoted(table)} AS s JOIN rr_commit AS c ON c.revision = s.created_revision"
        f" WHERE s.id IN {id_list(catalog.dialect)} AND c.actor = ?"
    )
    rows = yield Fetch(marked(catalog.dialect, sql), (list(ids), writer.actor.name))
    return {bytes(row[0]) for row in rows}


def _could_make(writer: Writer, catalog: Catalog, ids: Collection[bytes]) -> Plan[set[bytes]]:
    """The shares that the actor could make, as they are now."""
    rows = yield from _rows(catalog, "Share", ("id", "database", "type", "entity", "access"), ids)
    wanted: dict[tuple[str, str, bool], dict[bytes, list[bytes]]] = {}
    for share, database, type_name, entity, access in rows:
        by_entity = wanted.setdefault((database, type_name, access == "write"), {})
        by_entity.setdefault(entity, []).append(share)
    found: set[bytes] = set()
    for (database, type_name, writes), by_entity in wanted.items():
        there = catalog if database == catalog.database else writer.catalogs.get(database)
        if there is not None and type_name in there.schema:
            for entity in (yield from _shareable(writer, there, type_name, list(by_entity), writes)):
                found.update(by_entity[entity])
    return found


def _shareable(writer: Writer, catalog: Catalog, type_name: str, ids: list[bytes], writes: bool) -> Plan[set[bytes]]:
    """Those of `ids` that the actor may share: with verb "share", and all that a share gives is theirs too."""
    names = _shared_attributes(catalog.schema, type_name)
    found = yield from allowed(catalog, writer.access, "share", type_name, ids)
    found &= yield from allowed(catalog, writer.access, "read", type_name, list(found), names)
    if writes:
        found &= yield from allowed(catalog, writer.access, "update", type_name, list(found), names)
    return found


def _shared_attributes(schema: Schema, type_name: str) -> tuple[str, ...]:
    """What a share of an entity of a type lets see and change."""
    found = {
        each.name: None
        for name in schema.subtypes(type_name)
        for each in schema.attributes(name).values()
        if each.writable and not each.derived
    }
    return tuple(found)


# --- tokens and webhooks --------------------------------------------------------------------------


def _own_tokens(writer: Writer, catalog: Catalog, ids: Collection[bytes], *, revoked: bool) -> Plan[set[bytes]]:
    """The tokens that are the actor's own; `revoked`: and are revoked."""
    user = writer.actor.user
    rows = yield from _rows(catalog, "Token", ("id", "user", "revoked"), ids)
    return {row[0] for row in rows if row[1] == user and (row[2] is not None or not revoked)}


def _fitting(writer: Writer, catalog: Catalog, type_name: str, ids: Collection[bytes]) -> Plan[set[bytes]]:
    """The tokens or webhooks that are the actor's own, or of a user whose roles it may change."""
    rows: list[Row] = yield from _rows(catalog, type_name, ("id", "user"), ids)
    others: dict[Any, None] = {row[1]: None for row in rows if row[1] != writer.actor.user}
    fitting = yield from allowed(catalog, writer.access, "update", "User", list(others), ("roles",))
    return {row[0] for row in rows if row[1] == writer.actor.user or row[1] in fitting}
