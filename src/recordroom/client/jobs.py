"""`session.jobs`: work that is done later, somewhere, once: handing it in, calling it off, waiting for it, and doing it.

A job is an entity (template `files`). Its type names the handler that does it; a worker takes it for some time (a lease), says now and
then that it is still at it, and ends it in one commit together with what came of it. What a worker that died had begun, another
begins anew when the lease has ended. A job has the rights of whoever created it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from ..errors import Conflict, InvalidValue, NotFound
from .entity import Entity
from .meter import Metered

if TYPE_CHECKING:
    from .job_worker import Running, Sessions
    from .session import Session
    from .transport import Transport

__all__ = ["ENDED", "Handler", "Jobs", "moment_now"]

Handler = Callable[["Running"], Any]

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
ENDED = (DONE, FAILED, CANCELLED)
LEASE_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_LONGEST_LOOK = 2.0
_TRIES = 5


class Jobs:
    """The jobs of a session's room. `handlers` are those that a worker made here has, by type of job."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.handlers: dict[str, Handler] = {"encode_media": _encode}
        self.sessions: Sessions | None = None  # how a worker gets a session of a user; None: as this session can

    def __repr__(self) -> str:
        return f"<Jobs of {self._session!r}>"

    def register(self, type: str, handler: Handler) -> None:
        """Have jobs of a type done by a function; it gets a `Running` and gives what becomes the job's result (JSON).

        Entities that it creates in `running.session` are committed with the end of the job, together or not at all.
        """
        self.handlers[type] = handler

    # --- hand in, call off, wait -----------------------------------------------------------------

    def submit(self, type: str, data: Any = None, **attributes: Any) -> Entity:
        """A new job, committed with all that the session has recorded; `data` becomes JSON text.

        `attributes` are those of Job: user (whose it is; yourself without), due, most_attempts …
        """
        session = self._session
        values = {"type": type, **attributes}
        if data is not None:
            values["data"] = data if isinstance(data, str) else json.dumps(data)
        job = session.create("Job", values)
        session.commit()
        return job

    def cancel(self, job: Entity) -> bool:
        """Call a job off, also one that is running: its worker stops soon, and nothing of it is kept. False where it has ended."""
        return self._change(job, lambda found: found["status"] not in ENDED, status=CANCELLED, finished_at=moment_now())

    def retry(self, job: Entity) -> bool:
        """Queue a job that failed or was cancelled again, with all its attempts. False where it is neither."""
        again = {"status": QUEUED, "attempts": 0, "due": None, "progress": 0.0, "finished_at": None}
        return self._change(job, lambda found: found["status"] in (FAILED, CANCELLED), **again)

    def _change(self, job: Entity, may: Callable[[Entity], bool], **values: Any) -> bool:
        """Change a job in a session of its own, whatever else this one has recorded."""
        aside = beside(self._session)
        for left in range(_TRIES, 0, -1):
            found = reread(aside, job["id"])
            if not may(found):
                return False
            for name, value in {**values, "lease": uuid4(), "lease_ends": None}.items():
                found[name] = value
            try:
                aside.commit()
            except Conflict:
                aside.rollback()
                if left == 1:
                    raise
            else:
                break
        self._session.refresh([job])
        return True

    def wait(self, job: Entity, timeout: float | None = None) -> Entity:
        """The job, once it has ended; TimeoutError after `timeout` seconds. See its `status`, `result` and `log`."""
        end = None if timeout is None else time.monotonic() + timeout
        pause = _LOOK_SECONDS
        aside = beside(self._session)
        while True:
            if reread(aside, job["id"])["status"] in ENDED:
                self._session.refresh([job])
                return job
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"The job has not ended after {timeout} seconds.")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK)

    # --- do --------------------------------------------------------------------------------------

    def run_pending(self, limit: int | None = None, *, lease: float = LEASE_SECONDS) -> int:
        """Do jobs that wait for one of the handlers, here and now, one after the other; how many were begun.

        As the owner of an embedded room those of everybody, each with the rights of who created it; otherwise your own.
        """
        from .job_worker import Worker

        worker = Worker(self._session, self.handlers, lease=lease, sessions=self.sessions)
        count = 0
        while (limit is None or count < limit) and worker.run_one():
            count += 1
        return count

    def work(
        self,
        stop: threading.Event | None = None,
        *,
        lease: float = LEASE_SECONDS,
        idle: float | None = None,
        name: str = "",
    ) -> int:
        """As `run_pending`, again and again, until `stop` is set, there was nothing to do for `idle` seconds, or KeyboardInterrupt."""
        from .job_worker import Worker

        worker = Worker(self._session, self.handlers, lease=lease, sessions=self.sessions, name=name)
        return worker.run(stop or threading.Event(), idle)

    def pending(self, types: Iterable[str] = ()) -> int:
        """How many jobs wait or are running, of all types or some."""
        text = "Job where (status is queued or status is running)"
        wanted = list(types)
        return len(
            self._session.query(f"{text} and type in $types", types=wanted) if wanted else self._session.query(text)
        )


def _encode(running: Running) -> Any:
    from .media import encode

    return encode(running)


class _Lent(Metered):
    """A transport that is closed by somebody else."""

    def close(self) -> None:
        """Ask nothing more."""
        self._closed = True


def beside(session: Session) -> Session:
    """Another session with the same room, for as long as this one is open: what is recorded in the one is not in the other."""
    return type(session)(cast("Transport", _Lent(session.transport)), database=session.database)


def reread(session: Session, job: Any) -> Entity:
    """A job as it is in the room now; NotFound."""
    found: Entity | None = session.query("Job where id is $id", id=job).first()
    if found is None:
        raise NotFound(type="Job", entity=str(job))
    return found


def moment_now() -> Any:
    """Now, for attributes of jobs."""
    import datetime as dt

    return dt.datetime.now(dt.UTC)


def json_of(job: Mapping[str, Any]) -> Any:
    """The data of a job; InvalidValue where it is no JSON."""
    text = job["data"]
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidValue(type="Job", attribute="data", value=text[:100], expected="JSON") from None
