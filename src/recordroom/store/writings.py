"""How commits are written: which may share a transaction, and that all may be tried again."""

from __future__ import annotations

from ..model.operations import SCHEMA_OPERATIONS, Commit
from .account_changes import touches_accounts
from .catalog import Catalogs
from .plans import Writing

__all__ = ["REVERTING", "writing_of"]

# A commit is told from its repeat by its id.
REVERTING = Writing(announce=True, again=True)
_TOGETHER = Writing(announce=True, again=True, together=True)


def writing_of(catalogs: Catalogs | None, commit: Commit) -> Writing:
    """How `commit` may be written.

    What a process remembers of schemas and of what actors may do is never taken from a transaction that has still to
    stand: commits that change either are alone.
    """
    catalog = None if catalogs is None else catalogs.by_key.get(commit.database)
    if catalog is None or any(isinstance(each, SCHEMA_OPERATIONS) for each in commit.operations):
        return REVERTING
    return REVERTING if touches_accounts(catalog, commit.operations) else _TOGETHER
