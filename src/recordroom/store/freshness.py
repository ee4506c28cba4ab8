"""What a cache of a client must forget: the entities that commits touched since it looked last.

A cache keeps rows of types that its actor may read whole, so that a row is the same for everybody and what happens to
it stands in the journal. Where that is not so, or where too much happened, the answer says so and the cache begins anew.
"""

from __future__ import annotations

from collections.abc import Set

from ..model.operations import SCHEMA_OPERATIONS, Create, Delete, Operation, Update
from ..query.request import Fresh, FreshRequest
from .access import Access
from .catalog import Catalog
from .journal import load_operations
from .plans import Fetch, Plan
from .sqltext import marked

__all__ = ["fresh_plan"]

_MOST_COMMITS = 500
_MOST_BYTES = 4 * 2**20
_MOST_IDS = 20_000


def fresh_plan(catalog: Catalog, access: Access | None, request: FreshRequest) -> Plan[Fresh]:
    """What changed since the commit that the cache has seen last."""
    [(room, revision, access_revision)] = yield Fetch("SELECT id, revision, access_revision FROM rr_room")
    head = yield from _commit_at(catalog.dialect, revision)
    rules = None if access is None else access.rules(catalog)
    found = Fresh(
        room=bytes(room),
        revision=revision,
        commit=head,
        access_revision=access_revision,
        schema_revision=catalog.schema.revision,
        types=[name for name in catalog.schema if rules is None or rules.open(name)],
    )
    changed = yield from _changed(catalog, request, {catalog.schema.root(name) for name in found.types})
    if changed is None:
        found.reset = True
    else:
        found.changed = changed
    return found


def _commit_at(dialect: str, revision: int) -> Plan[bytes]:
    rows = yield Fetch(marked(dialect, "SELECT id FROM rr_commit WHERE revision = ?"), (revision,))
    return bytes(rows[0][0]) if rows else b""


def _changed(catalog: Catalog, request: FreshRequest, roots: Set[str]) -> Plan[list[bytes] | None]:
    """Ids in hierarchies of `roots` that commits after the cache's touched; None where that cannot be told."""
    known = yield from _commit_at(catalog.dialect, request.after)
    if not request.commit or known != request.commit:
        return None  # a room that was restored from a backup may have other commits of the same revisions
    sql = marked(
        catalog.dialect,
        "SELECT count(*), sum(length(j.operations)) FROM rr_journal AS j WHERE j.revision > ?",
    )
    [(commits, size)] = yield Fetch(sql, (request.after,))
    [(pruned,)] = yield Fetch("SELECT pruned FROM rr_room")
    if commits > _MOST_COMMITS or (size or 0) > _MOST_BYTES or request.after < pruned:
        return None
    return (yield from _ids(catalog, request.after, roots)) if commits else []


def _ids(catalog: Catalog, after: int, roots: Set[str]) -> Plan[list[bytes] | None]:
    sql = marked(
        catalog.dialect,
        "SELECT j.operations FROM rr_journal AS j JOIN rr_commit AS c ON c.revision = j.revision"
        " WHERE j.revision > ? AND c.database = ?",
    )
    rows = yield Fetch(sql, (after, catalog.database))
    found: dict[bytes, None] = {}
    for (data,) in rows:
        for operation in load_operations(data):
            if isinstance(operation, SCHEMA_OPERATIONS):
                return None
            found.update(dict.fromkeys(_touched(operation, catalog, roots)))
    return list(found) if len(found) <= _MOST_IDS else None


def _touched(operation: Operation, catalog: Catalog, roots: Set[str]) -> list[bytes]:
    if not isinstance(operation, (Create, Update, Delete)) or operation.type not in catalog.schema:
        return []
    return operation.ids if catalog.schema.root(operation.type) in roots else []
