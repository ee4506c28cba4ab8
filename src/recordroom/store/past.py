"""Pruning: what of the past is kept no longer.

Up to a revision, the journal's operations and replaced rows go, and `rr_room.pruned` says so: that
revision is the oldest that can be read. Headers stay as long as something that is kept names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..errors import NotFound, PastPruned
from ..model.kinds import Storage
from .catalog import Catalog
from .followers import catch_up
from .journal import revision_at_plan
from .layout import layout_of, roots
from .plans import DeleteKeys, Fetch, Plan, Run
from .relations import relations_of
from .sqltext import marked, quoted
from .tables import past

__all__ = ["check_readable", "prune_plan", "pruned_plan", "retention_plan"]

_DAY = 24 * 60 * 60 * 1_000_000
_STEP = 10_000


def pruned_plan() -> Plan[int]:
    """The oldest revision whose state can be read; 0 where nothing was pruned."""
    rows = yield Fetch("SELECT pruned FROM rr_room")
    pruned: int = rows[0][0]
    return pruned


def check_readable(revision: int) -> Plan[None]:
    """PastPruned where the state at `revision` can no longer be read, NotFound where it is still to come."""
    rows = yield Fetch("SELECT revision, pruned FROM rr_room")
    head, pruned = rows[0]
    if revision > head:
        raise NotFound(f"There is no revision {revision} yet; the latest is {head}.", type="revision", entity=revision)
    if revision < pruned:
        raise PastPruned(revision=revision, oldest=pruned)


def retention_plan(catalogs: Mapping[str, Catalog], dialect: str, days: int, now: int) -> Plan[bool]:
    """Prune what is older than `days` before `now` (microseconds since 1970); whether more is left to prune."""
    upto = yield from revision_at_plan(now - days * _DAY)
    return (yield from prune_plan(catalogs, dialect, upto))


def prune_plan(catalogs: Mapping[str, Catalog], dialect: str, upto: int) -> Plan[bool]:
    """Prune the past before revision `upto`, up to 10,000 commits of it; whether more is left to prune.

    The state at `upto`, and at every revision after it, can still be read.
    """
    rows = yield Fetch("SELECT revision, pruned FROM rr_room")
    head, pruned = rows[0]
    upto = min(upto, head)
    if upto <= pruned:
        return False
    while (yield from catch_up(catalogs)):
        pass
    step = min(upto, pruned + _STEP)
    for table in _past_tables(catalogs):
        yield Run(marked(dialect, f"DELETE FROM {quoted(table)} WHERE until <= ?"), (step,))
    yield Run(marked(dialect, "DELETE FROM rr_journal WHERE revision <= ?"), (step,))
    yield Run(marked(dialect, "UPDATE rr_room SET pruned = ?"), (step,))
    if step < upto:
        return True
    yield from _prune_headers(catalogs, dialect, upto)
    return False


def _past_tables(catalogs: Mapping[str, Catalog]) -> Iterator[str]:
    for catalog in catalogs.values():
        for root in roots(catalog.schema):
            yield layout_of(catalog, root).past
        for relation in relations_of(catalog):
            yield past(relation.table)


def _prune_headers(catalogs: Mapping[str, Catalog], dialect: str, upto: int) -> Plan[None]:
    """Headers tell who made and last changed what there is: those that nothing names any longer go."""
    named = ["SELECT revision FROM rr_room"]
    for catalog in catalogs.values():
        for root in roots(catalog.schema):
            layout = layout_of(catalog, root)
            for table in (layout.table, layout.past):
                named += [f"SELECT revision FROM {quoted(table)}", f"SELECT created_revision FROM {quoted(table)}"]
        for relation in relations_of(catalog):
            named += [f"SELECT revision FROM {quoted(table)}" for table in (relation.table, past(relation.table))]
    # SQLite takes 500 parts of a compound select at most: they are asked for in turn.
    kept: set[int] = set()
    for part in named:
        rows = yield Fetch(f"SELECT DISTINCT * FROM ({part}) AS named")
        kept.update(row[0] for row in rows)
    rows = yield Fetch(marked(dialect, "SELECT revision FROM rr_commit WHERE revision <= ?"), (upto,))
    gone = [row[0] for row in rows if row[0] not in kept]
    if gone:
        yield DeleteKeys("rr_commit", {"revision": gone}, (Storage.INTEGER,))
