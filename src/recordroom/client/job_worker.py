"""A worker: takes jobs one after the other and has them done, each with the rights of who created it.

While a handler works, a thread tells the room that it is still at it. The end of a job and what its handler made are one commit: another
worker who took the job meanwhile clashes with it, so that of two only one is kept.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, cast
from uuid import uuid4

from ..errors import Conflict, Error, PermissionDenied, StoreUnavailable, UnknownType
from ..query.subscriptions import FollowRequest
from .entity import Entity
from .job_leases import LeaseLost, Taken, creator, extended, give_back, held, put_back, renew, take
from .jobs import DONE, Handler, beside, json_of, moment_now

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Running", "Sessions", "Worker"]

Sessions = Callable[[str], "Session"]

_BEAT_SECONDS = 2.0
_REST_SECONDS = 1.0
_WITHOUT_JOBS_SECONDS = 10.0


class Running:
    """A job that is being done, for its handler."""

    def __init__(self, session: Session, job: Entity, taken: Taken) -> None:
        self.session = session  # with the rights of who created the job
        self.job = job
        self.attempt = taken.attempt
        self._given = {"data": job["data"]}  # whatever becomes of the job meanwhile
        self._lost = threading.Event()
        self._lock = threading.Lock()
        self._part, self._lines = 0.0, [""]

    @property
    def data(self) -> Any:
        """What the job is about: its data, read as JSON. InvalidValue where that is none."""
        return json_of(self._given)

    def progress(self, part: float) -> None:
        """Say that so much is done, from 0 to 1; ends the handler where the job is not ours any more."""
        self.check()
        with self._lock:
            self._part = min(max(part, self._part), 1.0)

    def log(self, text: str) -> None:
        """Write a line into the job's log."""
        with self._lock:
            self._lines[0] = extended(self._lines[0], text)

    def check(self) -> None:
        """End the handler where the job was cancelled or is another worker's: what it makes would not be kept."""
        if self._lost.is_set():
            raise LeaseLost

    def lose(self) -> None:
        """The job is not ours any more."""
        self._lost.set()

    def news(self) -> tuple[float, str]:
        """How far it is, and what is new in the log."""
        with self._lock:
            text, self._lines[0] = self._lines[0], ""
            return self._part, text


class _Acting(Protocol):
    def acting_as(self, name: str) -> Any: ...


class Worker:
    """Does jobs of a session's room. `sessions` opens one for a user; without it the session's room does, if it can."""

    def __init__(
        self,
        session: Session,
        handlers: Mapping[str, Handler],
        *,
        lease: float,
        sessions: Sessions | None = None,
        name: str = "",
    ) -> None:
        self._session = session
        self._handlers = handlers
        self._lease = lease
        self._keeper = beside(session)
        self._own: str | None = None
        self._sessions = sessions or self._by_itself()
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"

    def _by_itself(self) -> Sessions:
        """Embedded, the owner's sessions act for everybody; otherwise a worker does its own jobs only."""
        session = self._session
        if getattr(session.transport, "is_owner", False):
            room = cast(_Acting, session.transport)
            return lambda name: type(session)(room.acting_as(name), database=session.database)
        self._own = session.transport.actor
        return lambda _: beside(session)

    # --- again and again -------------------------------------------------------------------------

    def run(self, stop: threading.Event, idle: float | None = None) -> int:
        """Do jobs until told to stop, or idle for so many seconds; how many. A job that is under way is finished first."""
        position: int | None = None
        count, busy = 0, time.monotonic()
        while not stop.is_set() and (idle is None or time.monotonic() - busy < idle):
            try:
                position = self._followed(position, 0.0) if position is None else position
                while not stop.is_set() and self.run_one():
                    count, busy = count + 1, time.monotonic()
                position = self._followed(position, _REST_SECONDS)
            except UnknownType:
                # The room has no jobs yet.
                stop.wait(_WITHOUT_JOBS_SECONDS)
            except StoreUnavailable:
                stop.wait(_REST_SECONDS)
        return count

    def _followed(self, position: int | None, wait: float) -> int:
        """Wait for a commit that leaves a job to be done, but not long: leases end without one."""
        asked = FollowRequest(after=position, subscriptions=["Job where status is queued"], wait=wait)
        return self._keeper.transport.follow(asked).position

    # --- one job ---------------------------------------------------------------------------------

    def run_one(self) -> bool:
        """Do a job, if there is one to be done; whether there was."""
        taken = take(self._keeper, self._handlers, self.name, self._lease, self._own)
        if taken is None:
            return False
        try:
            self._run(taken)
        except LeaseLost:
            self._keeper.rollback()
        finally:
            # What it has met of jobs is forgotten, however long it works.
            self._keeper = beside(self._session)
        return True

    def _run(self, taken: Taken) -> None:
        try:
            session = self._sessions(creator(self._keeper, taken.job))
        except Error as error:
            give_back(self._keeper, taken, _shown(error), again=_may_pass(error))
            return
        running: Running | None = None
        try:
            job = session.query("Job where id is $id", id=taken.job).first()
            if job is None:
                raise PermissionDenied(what="reading one's own job")
            running = Running(session, job, taken)
            # Once more: somebody may have changed what it is to do before it was read here.
            creator(self._keeper, taken.job)
            self._do(running, taken)
        except LeaseLost:
            raise
        except (KeyboardInterrupt, SystemExit):
            with suppress(LeaseLost, Error):
                put_back(self._keeper, taken)
            raise
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is about its job
            lines = running.news()[1] if running else ""
            give_back(self._keeper, taken, lines + _shown(error), again=_may_pass(error))
        finally:
            session.rollback()
            session.close()

    def _do(self, running: Running, taken: Taken) -> None:
        with _Heart(self, running, taken):
            result = self._handlers[taken.type](running)
        running.check()
        self._end(running, taken, result)

    def _end(self, running: Running, taken: Taken, result: Any) -> None:
        """Commit what the handler made together with the end of the job."""
        session = running.session
        job = held(session, taken)
        _, lines = running.news()
        job["status"], job["progress"], job["result"] = DONE, 1.0, result
        job["finished_at"], job["lease"], job["lease_ends"] = moment_now(), uuid4(), None
        if lines:
            job["log"] = (job["log"] or "") + lines
        try:
            session.commit()
        except Conflict:
            session.rollback()
            held(session, taken)
            raise

    def beat(self, running: Running, taken: Taken) -> None:
        """Tell the room that the job is still being done; LeaseLost."""
        part, lines = running.news()
        renew(self._keeper, taken, self._lease, part, lines)

    @property
    def pause(self) -> float:
        """Seconds between two beats."""
        return min(_BEAT_SECONDS, self._lease / 3)

    @property
    def lease(self) -> float:
        """Seconds that a job is ours without a beat."""
        return self._lease


class _Heart:
    """Beats while the block lasts."""

    def __init__(self, worker: Worker, running: Running, taken: Taken) -> None:
        self._worker, self._running, self._taken = worker, running, taken
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="job", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        end = time.monotonic() + self._worker.lease
        while not self._stop.wait(self._worker.pause):
            try:
                self._worker.beat(self._running, self._taken)
                end = time.monotonic() + self._worker.lease
            except LeaseLost:
                self._running.lose()
                return
            except Error:
                if time.monotonic() > end:
                    # Others may have it by now.
                    self._running.lose()
                    return


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt may go better: not where the error says that what was asked is wrong."""
    return not isinstance(error, Error) or isinstance(error, Conflict) or error.status >= 500


def _shown(error: BaseException) -> str:
    if isinstance(error, Error):
        return f"{type(error).__name__}: {error.message}"
    return "".join(traceback.format_exception(error)).rstrip()
