"""Loads a table in this fresh process and prints by how many bytes it grew: `loading SUBJECT FEW MANY traced|resident`.

A small table is loaded first, so that code, caches and connections are not counted.
"""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import recordroom as rr

from .ftrack import Ftrack, SameServer
from .orm import Orm
from .ours import KINDS, Ours
from .places import Folders
from .raw import Settings, Sqlite3
from .subject import Subject

PLAIN = Settings("wal", 1, 4096, -2000, 1000)


class OursKeptAfterReading(Ours):
    """Holds the entities after every value of each was read, as a script does that goes over them."""

    name = "recordroom, every value read"

    def query(self, handle: rr.Session) -> Sequence[Any]:
        found = super().query(handle)
        for entity in found:
            for name in KINDS:
                _ = entity[name]
        return found


SUBJECTS: dict[str, Subject] = {
    # The process that made the room has it open for writing.
    "ours": Ours(Folders(), "read"),
    "ours-read": OursKeptAfterReading(Folders(), "read"),
    "sqlite3": Sqlite3(Folders(), PLAIN),
    "orm": Orm(Folders(), PLAIN),
    "same-server": SameServer(),
    "ftrack": Ftrack(),
}


def resident() -> int:
    """Bytes of memory that the process holds; 0 where the system does not say."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[1]
    except FileNotFoundError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def grown(subject: Subject, few: str, many: str, *, traced: bool) -> int:
    """By how many bytes loading `many` grew the process."""
    with ExitStack() as stack:
        handle = subject.open(stack, few)
        assert subject.query(handle)
    with ExitStack() as stack:
        handle = subject.open(stack, many)
        gc.collect()
        if traced:
            tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0] if traced else resident()
        found = subject.query(handle)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0] if traced else resident()
        assert found
        return after - before


if __name__ == "__main__":
    _, key, few, many, mode = sys.argv
    print(grown(SUBJECTS[key], few, many, traced=mode == "traced"))
