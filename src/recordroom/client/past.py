"""Sessions that read the past, and commits as people name them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from ..errors import InvalidValue, NotFound
from ..model.ids import as_id
from .committing import Committed
from .hooks import Hooks

if TYPE_CHECKING:
    from .session import Session

__all__ = ["revision_of", "session_at"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_EVER = 2**62


def session_at(session: Session, moment: int | dt.datetime | Committed) -> Session:
    """A session of its own that reads the room as of a revision."""
    if isinstance(moment, dt.datetime):
        if moment.tzinfo is None:
            raise _wrong(moment, "a datetime with a time zone")
        revision = session.transport.revision_at((moment - _EPOCH) // _MICROSECOND)
    else:
        revision = revision_of(session, moment)
        latest = session.transport.revision_at(_EVER)
        if revision > latest:
            raise NotFound(
                f"There is no revision {revision} yet; the latest is {latest}.", type="commit", entity=revision
            )
    view = type(session)(session._meter, database=session.database, page_size=session.page_size, at=revision)
    view.auto_populate = session.auto_populate
    view.hooks = Hooks(view, session.hooks)
    return view


def revision_of(session: Session, commit: Any) -> int:
    """The revision of a commit given by its revision, its id or its result."""
    if isinstance(commit, Committed):
        commit = commit.revision
    if isinstance(commit, int) and not isinstance(commit, bool):
        if commit < 0:
            raise _wrong(commit, "a revision from 0")
        return commit
    try:
        each = as_id(commit)
    except ValueError:
        raise _wrong(commit, "a revision, the id of a commit, or what commit() gave") from None
    return session.transport.header(each).revision


def _wrong(value: Any, expected: str) -> InvalidValue:
    return InvalidValue(type="Session", attribute="revision", value=value, expected=expected)
