"""Followers: they read the journal behind the commits, and catch up before anything reads what they keep.

Each has a position per database. Their lag is bounded: a commit that finds one too far behind lets it
read on first. A schema operation lets all of them read everything, so that they know one schema only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..model.operations import Operation
from .catalog import Catalog
from .plans import Fetch, Plan
from .replaced import follow_history
from .search import follow_search, index_changes

__all__ = ["FOLLOWERS", "LAG", "Lag", "before_schema_change", "behind", "catch_up", "keep_up"]

FOLLOWERS = ("history", "search")

# The history follower reads all it has missed at once: these bound its memory.
_MOST_COMMITS = 256
_MOST_BYTES = 16 * 2**20
# The search follower reads in batches; behind by more than this, each commit has it read one.
_MOST_COMMITS_UNSEARCHED = 4_096
_LOOK_EVERY = 16
_BATCH = 20_000


def catch_up(catalogs: Mapping[str, Catalog], names: Sequence[str] = FOLLOWERS, batch: int = _BATCH) -> Plan[bool]:
    """Let followers read on, `batch` entities or so; whether any has more to read."""
    head = yield from _head()
    more = False
    for catalog in catalogs.values():
        if "history" in names:
            yield from follow_history(catalog, head)
        if "search" in names:
            more |= yield from follow_search(catalog, head, batch)
    return more


def behind(catalogs: Mapping[str, Catalog], names: Sequence[str] = FOLLOWERS) -> Plan[bool]:
    """Whether some follower has something to read that `catch_up` would read; a cheap look, for readers."""
    head = yield from _head()
    rows = yield Fetch("SELECT name, revision FROM rr_follower")
    found = dict(rows)
    wanted = [f"{name}:{database}" for name in names for database in catalogs]
    return any(found.get(name, 0) < head for name in wanted)


def _head() -> Plan[int]:
    rows = yield Fetch("SELECT revision FROM rr_room")
    head: int = rows[0][0]
    return head


class Lag(NamedTuple):
    """How far followers have read, and every so often how many bytes of journal `history` has not."""

    history: int | None
    search: int | None
    unread: int | None


# As columns of a query of rr_room as r, for the names "history:…", "search:…" and "history:…" again, so that a commit
# that nothing is behind of asks nothing more.
LAG = (
    "(SELECT revision FROM rr_follower WHERE name = ?), (SELECT revision FROM rr_follower WHERE name = ?),"
    f" CASE WHEN mod(r.revision, {_LOOK_EVERY}) = 0 THEN (SELECT sum(length(operations)) FROM rr_journal"
    " WHERE revision > coalesce((SELECT revision FROM rr_follower WHERE name = ?), 0)) END"
)


def keep_up(catalog: Catalog, revision: int, lag: Lag) -> Plan[None]:
    """Before a commit: let followers that are too far behind `revision` read on."""
    if revision - (lag.history or 0) > _MOST_COMMITS or int(lag.unread or 0) > _MOST_BYTES:
        yield from follow_history(catalog, revision)
    if revision - (lag.search or 0) > _MOST_COMMITS_UNSEARCHED:
        yield from follow_search(catalog, revision, _BATCH)


def before_schema_change(catalog: Catalog, revision: int, pending: Sequence[Operation]) -> Plan[None]:
    """Let followers read everything up to a commit being made, and the operations it has applied so far."""
    yield from follow_history(catalog, revision - 1, pending, keep_pending=True)
    while (yield from follow_search(catalog, revision - 1, _BATCH)):
        pass
    yield from index_changes(catalog, pending)
