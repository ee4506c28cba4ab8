"""Leases of jobs, by ordinary commits: whoever takes, gives back or ends a job changes `lease`, so that two who do it at once clash.

Moments are those of the worker's clock; clocks of workers must agree better than a lease is long.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid4

from ..errors import Conflict, PermissionDenied
from .entity import Entity
from .jobs import FAILED, QUEUED, RUNNING, moment_now, reread

if TYPE_CHECKING:
    from .session import Session

__all__ = ["LeaseLost", "Taken", "creator", "give_back", "renew", "take"]

OWNER = "owner"
_AT_ONCE = 20
_MOST_ATTEMPTS = 1_000
_LOG_LENGTH = 50_000
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 300.0  # seconds before another attempt

_WAITING = (
    "Job where type in $types and (status is queued and (due is None or due <= $now)"
    " or status is running and lease_ends < $now)"
)


class LeaseLost(Exception):
    """The job is somebody else's by now, was cancelled, or is gone: nothing of this attempt may be kept."""


class Taken(NamedTuple):
    """A job that this worker has for some time."""

    job: UUID
    type: str
    lease: UUID
    attempt: int
    most_attempts: int


def take(keeper: Session, types: Iterable[str], worker: str, seconds: float, own: str | None) -> Taken | None:
    """The next job of these types that waits, or whose worker was not heard of; None where there is none.

    With `own` only those that somebody of this name has created.
    """
    text = f"{_WAITING} and created_by is $own" if own is not None else _WAITING
    named = {"types": list(types), "now": moment_now()} | ({} if own is None else {"own": own})
    for job in keeper.query(f"{text} order by number limit {_AT_ONCE}", **named).all():
        taken = _try(keeper, job, worker, seconds)
        if taken is not None:
            return taken
    return None


def _try(keeper: Session, job: Entity, worker: str, seconds: float) -> Taken | None:
    # Whoever may write a job may have written anything there.
    attempts, most = min(job["attempts"] or 0, _MOST_ATTEMPTS), min(job["most_attempts"] or 1, _MOST_ATTEMPTS)
    used_up = job["status"] == RUNNING and attempts >= most
    lease, now = uuid4(), moment_now()
    if used_up:
        text = f"{job['worker']} was not heard of any more; that was the last of {most} attempts."
        _set(job, status=FAILED, finished_at=now, lease_ends=None, log=extended(job["log"], text))
    else:
        _set(
            job, status=RUNNING, worker=worker, attempts=attempts + 1, progress=0.0, started_at=now,
            finished_at=None, due=None, lease_ends=now + dt.timedelta(seconds=seconds),
        )  # fmt: skip
    job["lease"] = lease
    try:
        keeper.commit()
    except Conflict:
        # Another worker was quicker.
        keeper.rollback()
        return None
    return None if used_up else Taken(job["id"], job["type"], lease, attempts + 1, most)


def renew(keeper: Session, taken: Taken, seconds: float, progress: float, log: str) -> None:
    """Have the job for longer, and tell how far it is; LeaseLost."""
    job = held(keeper, taken)
    _set(job, lease_ends=moment_now() + dt.timedelta(seconds=seconds), progress=max(progress, job["progress"] or 0.0))
    if log:
        job["log"] = extended(job["log"], log)
    commit_held(keeper)


def give_back(keeper: Session, taken: Taken, log: str, *, again: bool) -> None:
    """Queue the job for another attempt a little later, or fail it where there is none left or `again` is false; LeaseLost."""
    job = held(keeper, taken)
    again = again and taken.attempt < taken.most_attempts
    pause = min(_FIRST_PAUSE * 2.0 ** min(taken.attempt - 1, _MOST_ATTEMPTS), _LONGEST_PAUSE)
    _set(job, lease=uuid4(), lease_ends=None, log=extended(job["log"], log))
    if again:
        _set(job, status=QUEUED, due=moment_now() + dt.timedelta(seconds=pause))
    else:
        _set(job, status=FAILED, finished_at=moment_now())
    commit_held(keeper)


def put_back(keeper: Session, taken: Taken) -> None:
    """Queue the job as if it had not been taken: the worker is told to stop."""
    job = held(keeper, taken)
    _set(job, status=QUEUED, lease=uuid4(), lease_ends=None, attempts=taken.attempt - 1)
    commit_held(keeper)


def held(session: Session, taken: Taken) -> Entity:
    """The job as it is now; LeaseLost where it is not ours any more."""
    job: Entity | None = session.query("Job where id is $id", id=taken.job).first()
    if job is None or job["lease"] != taken.lease:
        raise LeaseLost
    return job


def commit_held(session: Session) -> None:
    """Commit what depends on our having the job; LeaseLost where another took it meanwhile."""
    try:
        session.commit()
    except Conflict:
        session.rollback()
        raise LeaseLost from None


def creator(keeper: Session, job: UUID) -> str:
    """With whose rights a job runs: who created it, and nobody else has said what it is to do. PermissionDenied."""
    found = reread(keeper, job)
    who = str(found["created_by"])
    others = {each.actor for name in ("data", "type") for each in keeper.history(found, name)} - {who, OWNER}
    if others:
        raise PermissionDenied(what=f"a job of {who} that {', '.join(sorted(others))} changed")
    if who == OWNER and "User" in keeper.schema and keeper.query("User where name is $name", name=OWNER).first():
        raise PermissionDenied(what="a job of a user who has the name of the owner")
    if "User" in keeper.schema:
        user = keeper.query("User where name is $name", name=who).first()
        if user is not None and user["created_revision"] > found["created_revision"]:
            raise PermissionDenied(what=f"a job of somebody else who was called {who} before")
    return who


def extended(log: str | None, text: str) -> str:
    """A log with another line; the beginning of a long one goes."""
    stamp = moment_now().strftime("%Y-%m-%d %H:%M:%S")
    return f"{log or ''}{stamp} {text.rstrip()}\n"[-_LOG_LENGTH:]


def _set(job: Entity, **values: Any) -> None:
    for name, value in values.items():
        job[name] = value
