"""The past of a room: who changed what, how it was, and taking a commit back."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from .. import past
from ..committing import Committed
from ..entity import Entity
from ..history import ChangeRecord, history
from .base import Verbs

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["PastVerbs"]


class PastVerbs(Verbs):
    """History, time travel and undoing."""

    def history(self, entity: Entity, attribute: str | None = None, *, limit: int | None = None) -> list[ChangeRecord]:
        """Who changed what of an entity and when, newest first; of one attribute where it is named.

        With `limit`, the commits that have the latest so many changes; a commit is never cut in two.
        """
        session = self._open()
        session._own(entity)
        return history(session, entity, attribute, limit)

    def at(self, moment: int | dt.datetime | Committed) -> Session:
        """A session that reads the past as it was at a revision, a commit or a moment, and refuses changes.

        PastPruned where that is no longer kept.
        """
        return past.session_at(self._open(), moment)

    def revert(self, commit: int | str | Committed, *, notes: str | None = None) -> Committed:
        """Undo a commit, given by its revision, its id or what `commit()` gave, with a commit of its own.

        Conflict where others have changed the same attributes since.
        """
        session = self._open()
        return session._committer.revert(past.revision_of(session, commit), notes)
