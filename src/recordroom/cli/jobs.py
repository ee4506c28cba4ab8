"""`recordroom worker` and `recordroom job list|show|cancel|retry`: work that is done later, and those who do it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..errors import InvalidValue, NotFound
from ..model.ids import as_id
from .apps import group_of_commands, switch, usage
from .output import counted, note, print_json, print_json_lines, print_table, say
from .rooms import Json, Room, Wait, Words, open_session, placed

if TYPE_CHECKING:
    from ..client.entity import Entity
    from ..client.session import Session

__all__ = ["job_app", "worker"]

_LISTED = ("id", "type", "status", "progress", "user", "created", "attempts")

job_app = group_of_commands("job", "Work that the room does later: list, show, cancel, retry.")


def worker(
    *words: Words,
    once: Annotated[bool, switch("--once", "Do what waits, and end.")] = False,
    lease: Annotated[float, Parameter(name="--lease", help="Seconds until a worker that died is replaced.")] = 60.0,
    wait: Wait = 0.0,
    room: Room = None,
    json: Json = False,
) -> None:
    """Do the jobs of a room until Ctrl-C or SIGTERM; a job that is under way then is given back.

    On a folder or PostgreSQL it does everybody's, each with the rights of who created it; at a server your own. A server
    does jobs by itself (setting `jobs`). Handlers of your own come from plugins: session.jobs.register(type, handler).

    For example:

        recordroom worker 'postgresql://user@host/studio'
        recordroom worker studio.room --once
    """
    from ..workers import end_at_signals

    where, _ = placed(words, room, [])
    if lease <= 0:
        raise InvalidValue(type="worker", attribute="lease", value=lease, expected="seconds above 0")
    end_at_signals()
    count = 0
    with open_session(where, None, mode="write", wait=wait) as session:
        if once:
            count = session.jobs.run_pending(lease=lease)
        else:
            note(f"Doing jobs of {session.transport.where} (stop with Ctrl-C)")
            count = session.jobs.work(threading.Event(), lease=lease)
    if json:
        print_json({"jobs": count})
    else:
        say(f"{counted(count, 'job', 'jobs')} done or tried")


@job_app.command(name="list", usage=usage("job list"))
def list_(
    *words: Words,
    status: Annotated[
        str | None, Parameter(name="--status", help="queued, running, done, failed or cancelled.")
    ] = None,
    limit: Annotated[int, Parameter(name="--limit", help="The newest so many.")] = 50,
    room: Room = None,
    json: Json = False,
) -> None:
    """List jobs, newest first.

    For example:

        recordroom job list studio.room --status failed
    """
    where, _ = placed(words, room, [])
    text = "Job where status is $status" if status else "Job"
    named: dict[str, Any] = {"status": status} if status else {}
    with open_session(where, None) as session:
        jobs = session.query(f"{text} order by number descending limit {max(limit, 0)}", **named).all()
        rows = [_row(each) for each in jobs]
    if json:
        print_json_lines([dict(zip(_LISTED, row, strict=True)) for row in rows])
    else:
        print_table(_LISTED, rows, numbers=("progress", "attempts"))


def _row(job: Entity) -> tuple[Any, ...]:
    user = job["user"]["name"] if job["user"] else job["created_by"]
    created = job["created_at"].isoformat(timespec="seconds")
    return str(job["id"]), job["type"], job["status"], job["progress"], user, created, job["attempts"]


@job_app.command(usage=usage("job show", "ID"))
def show(*words: Words, room: Room = None, json: Json = False) -> None:
    """Show a job: what it is about, what came of it, and its log.

    For example:

        recordroom job show studio.room 01890a5d-ac96-774b-bcce-b302099a8057
    """
    where, (which,) = placed(words, room, ["ID"])
    with open_session(where, None) as session:
        job = _job(session, which)
        outputs = [str(each["component"]["id"]) for each in job["job_components"]]
        found = dict(zip(_LISTED, _row(job), strict=True))
        found |= {"data": job["data"], "result": job["result"], "components": outputs, "log": job["log"] or ""}
    if json:
        print_json(found)
        return
    for name, value in found.items():
        if value not in (None, [], ""):
            say(f"{name}: {value}" if name != "log" else f"log:\n{value.rstrip()}")


@job_app.command(usage=usage("job cancel", "ID"))
def cancel(*words: Words, room: Room = None, json: Json = False) -> None:
    """Call a job off; one that is running stops soon, and nothing of it is kept.

    For example:

        recordroom job cancel studio.room 01890a5d-ac96-774b-bcce-b302099a8057
    """
    _change(words, room, "cancel", "cancelled", json=json)


@job_app.command(usage=usage("job retry", "ID"))
def retry(*words: Words, room: Room = None, json: Json = False) -> None:
    """Queue a job that failed or was cancelled again.

    For example:

        recordroom job retry studio.room 01890a5d-ac96-774b-bcce-b302099a8057
    """
    _change(words, room, "retry", "queued again", json=json)


def _change(words: tuple[str, ...], room: str | None, verb: str, done: str, *, json: bool) -> None:
    where, (which,) = placed(words, room, ["ID"])
    with open_session(where, None, mode="write") as session:
        job = _job(session, which)
        changed = getattr(session.jobs, verb)(job)
        status = job["status"]
    if json:
        print_json({"id": str(job["id"]), "changed": changed, "status": status})
    else:
        say(done if changed else f"nothing to do: it is {status}")


def _job(session: Session, which: str) -> Entity:
    try:
        as_id(which)
    except ValueError as error:
        raise InvalidValue(type="Job", attribute="id", value=which, expected=str(error)) from None
    found = session.get("Job", which)
    if found is None:
        raise NotFound(type="Job", entity=which)
    return found
