"""`recordroom backup`, `restore` and `copy`: whole rooms, to another place or another database."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..client.bars import bar_of_rows
from .output import counted, note, print_json, say
from .rooms import Json, Room, UsageError, Words, placed

__all__ = ["backup", "copy", "restore"]

Files = Annotated[
    str | None,
    Parameter(name="--files", help="Where the copy keeps the bytes of components: a folder, s3://…, gs://…, az://…."),
]


def backup(*words: Words, room: Room = None, json: Json = False) -> int:
    """Make a verified copy of a room in a new folder, while the room is in use.

    A backup is a room: it can be opened, asked and checked like any other. The folder is there as a
    whole or not at all. Passwords and keys are in it as hashes; keep it as safe as the room.

    For example:

        recordroom backup studio.room backups/studio-2026-11-21.room
        recordroom backup 'postgresql://user@host/studio' studio.room
    """
    source, (target,) = placed(words, room, ("FOLDER",))
    if "://" in target:
        raise UsageError(f"a backup is a folder, not {target!r}; `recordroom copy` copies into any room")
    return _copy(source, target, "Backed up", json)


def restore(*words: Words, json: Json = False) -> int:
    """Make a room from a backup, where there is none yet.

    The backup is verified first, and the room when it is made.

    For example:

        recordroom restore backups/studio-2026-11-21.room studio.room
    """
    if len(words) != 2:
        raise UsageError("expected the arguments BACKUP ROOM")
    source, target = words
    problems = _problems(source)
    if problems:
        return _damaged(source, problems, json)
    return _copy(source, target, "Restored", json)


def copy(*words: Words, files: Files = None, json: Json = False) -> int:
    """Copy a room to another place or database, with its whole history.

    Commits keep their revisions, times and actors, entities their ids and numbers. So a room that has
    outgrown its folder moves into PostgreSQL, or back. The bytes of components go into the folder, or where --files
    says.

    For example:

        recordroom copy studio.room 'postgresql://user@host/studio'
        recordroom copy studio.room 'postgresql://user@host/studio' --files s3://studio-files
    """
    if len(words) != 2:
        raise UsageError("expected the arguments SOURCE TARGET")
    return _copy(*words, "Copied", json, files)


def _copy(source: str, target: str, done: str, json: bool, files: str | None = None) -> int:
    from ..store.copying import copy_room
    from .blobs import carry_files, check_place, files_beside, has_files

    if files is not None and "://" not in files:
        files = str(Path(files).absolute())
    if "://" in target and files is None and has_files(source):
        raise UsageError("components have bytes: say with --files where they are to lie")
    if files is not None:
        check_place(source, files)
    beside = None if files else partial(files_beside, source)

    start = time.monotonic()
    done_rows = 0

    def tell(rows: int) -> None:
        nonlocal done_rows
        done_rows += rows
        if bar is not None:
            bar(done_rows, None)

    with bar_of_rows(f"Copying {_short(source)}") as bar:
        copied = copy_room(source, target, progress=lambda table, rows: tell(rows), files=files, beside=beside)
        if files is not None:
            carry_files(source, target, files)
    problems = _problems(target)
    if problems:
        return _damaged(target, problems, json)
    rows = sum(copied.rows.values())
    if json:
        print_json({"target": _short(target), "revision": copied.revision, "rows": copied.rows})
    else:
        seconds = time.monotonic() - start
        say(
            f"{done} revision {copied.revision}, {counted(rows, 'row')} in {seconds:.1f} s, and checked: {_short(target)}"
        )
    return 0


def _short(where: str) -> str:
    """An address without its password."""
    if "://" not in where:
        return str(Path(where))
    from ..store.drivers.postgres_address import parse_address

    return parse_address(where).where


def _problems(where: str) -> list[str]:
    from ..store.room import Room as Stored
    from .blobs import problems_of

    with Stored.open(where, create=False) as room:
        return [*map(str, room.check().problems), *problems_of(room)]


def _damaged(where: str, problems: list[str], json: bool) -> int:
    from .upkeep import FOUND_PROBLEMS

    if json:
        print_json({"target": _short(where), "problems": problems})
    for each in problems:
        note(each)
    note(f"{_short(where)} has {counted(len(problems), 'problem')}; do not rely on it.")
    return FOUND_PROBLEMS
