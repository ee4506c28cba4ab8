"""The demo, from an empty folder to a picture: a script as a user would write it."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .. import connect
from ..errors import Error, NotARoom, RoomLocked
from . import asking, editing, loading
from .picture import draw
from .source import data_folder
from .stage import Stage, peak_memory

if TYPE_CHECKING:
    from ..client.session import Session

__all__ = ["run_demo"]

MARK, ROOM = ".recordroom-demo", "flights.room"
ROUND_TRIPS = 2


def run_demo(folder: Path, most: int | None = None, stage: Stage | None = None) -> int:
    """Run it in `folder`, with `most` flights or all; 0 if every number agrees with the source, else 1.

    An earlier demo in the folder is replaced; NotARoom where something else is there.
    """
    stage = stage or Stage()
    data_folder()
    room = _fresh(folder)
    stage.say("recordroom demo: every flight that left New York City in 2013")
    stage.say(f"The room is {room}")
    with connect(str(room)) as session:
        return _story(session, folder, most, stage)


def _fresh(folder: Path) -> Path:
    """The place of the room in an empty folder that is marked as a demo's."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).is_file():
            raise NotARoom(
                f"{folder} has files that are not of a demo; choose an empty folder with --folder.",
                path=str(folder),
                reason="it has files that are not of a demo",
            )
        _must_be_free(folder / ROOM)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("The demo made this folder, and replaces it when it runs again.\n", encoding="utf-8")
    return folder / ROOM


def _must_be_free(room: Path) -> None:
    """RoomLocked where another process works in the room of an earlier demo; what is broken may go."""
    try:
        connect(str(room), create=False).close()
    except RoomLocked:
        raise
    except Error:
        return


def _story(session: Session, folder: Path, most: int | None, stage: Stage) -> int:
    with stage.step("A schema"):
        loading.apply_schema(session, stage)
    with stage.step("Five tables"):
        reports = loading.load(session, stage, most)
    with stage.step("Questions"):
        asking.ask(session, stage)
    with stage.step("A loop over entities"):
        trips = asking.loop(session, stage)
    with stage.step("Two sessions, one record"), connect(str(folder / ROOM)) as other:
        plane = editing.two_sessions(session, other, stage)
    with stage.step("History, the past, and undo"):
        editing.history(session, plane, stage)
    with stage.step("Words"):
        asking.search(session, stage)
    with stage.step("A frame"):
        flights = asking.frame(session, stage)
    with stage.step("A picture"):
        draw(flights, folder / "flights.png")
        stage.say(f"  {folder / 'flights.png'}")
    with stage.step("Does it add up?"):
        counts = loading.counts(session, reports, most)
    stage.table(
        ["", "room", "source", ""],
        [[each.what, each.room, each.source, "same" if each.agrees else "DIFFERENT"] for each in counts],
    )
    rows = sum(report.rows for report in reports.values())
    seconds = sum(report.seconds for report in reports.values())
    stage.say()
    stage.say(
        f"{rows:,} rows in {seconds:.1f} s ({rows / seconds:,.0f} rows/s), all of it in {sum(stage.seconds.values()):.1f} s;"
    )
    stage.say(f"the room takes {_size(folder) / 1e6:,.0f} MB on disk; peak memory was {peak_memory() / 1e6:,.0f} MB.")
    _what_next(folder, stage)
    return 0 if all(each.agrees for each in counts) and trips <= ROUND_TRIPS else 1


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def _what_next(folder: Path, stage: Stage) -> None:
    stage.say()
    stage.say("Try next:")
    stage.code(f"""
{_command_here()}
export RECORDROOM_URL={shlex.quote(str(folder / ROOM))}
recordroom query 'Flight where dest.faa is "HNL" order by dep_delay desc'
recordroom history Airline UA
recordroom search 'international'
recordroom export 'Flight where month is 7' july.parquet
recordroom schema show
recordroom check""")


def _command_here() -> str:
    """What makes `recordroom` a command of the shell, where it is none yet: `make` runs it without that."""
    beside = Path(sys.executable).with_name("recordroom")
    if shutil.which("recordroom") is not None or not beside.exists():
        return ""
    return f"export PATH={shlex.quote(str(beside.parent))}:$PATH"
