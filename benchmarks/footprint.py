"""What is not a race: memory per loaded entity, round trips, and the time an import takes.

Memory is measured in a process of its own for each contestant (`python -m benchmarks.loading`).
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import NamedTuple

from .ours import Ours, OursByColumns
from .places import Place
from .subject import Subject, filled


class Memory(NamedTuple):
    """Bytes per record: as Python's allocator counts them and as the process grew (0 where that cannot be read)."""

    name: str
    traced: float
    resident: float

    @property
    def larger(self) -> float:
        return max(self.traced, self.resident)


class Weighed(NamedTuple):
    """A subject, how many of its records are loaded, and the names by which `loading` knows ways to load them."""

    subject: Subject
    counts: tuple[int, int]
    keys: tuple[str, ...]


def memory(weighed: list[Weighed]) -> list[Memory]:
    """What one more record costs: the difference between two numbers of them loaded and held.

    So caches of a fixed size, which fill up with the first records, are not counted.
    """
    found = []
    for subject, counts, keys in weighed:
        with ExitStack() as tables:
            small, *sized = (filled(subject, tables, count) for count in (100, *counts))
            for key in keys:
                traced, resident = (slope(key, small, sized, counts, mode) for mode in ("traced", "resident"))
                found.append(Memory(NAMES[key], traced, resident))
    return found


NAMES = {
    "ours": "recordroom",
    "ours-read": "recordroom, every value read",
    "sqlite3": "sqlite3, tuples of fetchall",
    "orm": "SQLAlchemy ORM",
    "same-server": "recordroom, same server",
    "ftrack": "ftrack-python-api",
}


def slope(key: str, small: str, sized: list[str], counts: tuple[int, int], mode: str) -> float:
    few, many = (loaded(key, small, where, mode) for where in sized)
    return (many - few) / (counts[1] - counts[0])


def loaded(key: str, small: str, where: str, mode: str) -> int:
    """By how many bytes a process of its own grew when it loaded what is there."""
    command = [sys.executable, "-m", "benchmarks.loading", key, small, where, mode]
    return int(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def sibling_round_trips(place: Place, count: int) -> int:
    """Round trips of touching an attribute that was not loaded on each of `count` entities of one query."""
    ours = Ours(place)
    with ExitStack() as stack:
        where = filled(OursByColumns(place), stack, 2 * count)
        session = ours.open(stack, where)
        entities = session.query(f"select name from Record limit {count}").all()
        before = session.round_trips
        notes = [entity["note"] for entity in entities]
        assert len(set(notes)) > count // 2
        return session.round_trips - before


def import_seconds(statement: str, rounds: int) -> list[float]:
    """What `statement` adds to the start of a fresh interpreter, round by round."""
    found = []
    for number in range(rounds + 1):
        bare, full = started("pass"), started(statement)
        if number:
            found.append(full - bare)
    return found


def started(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def import_time(rounds: int) -> tuple[float, float, float]:
    """Median, least and most milliseconds of `import recordroom`."""
    took = [each * 1000 for each in import_seconds("import recordroom", rounds)]
    return statistics.median(took), min(took), max(took)
