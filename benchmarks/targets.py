"""What is to be reached. "Hold": below it something is broken. "Goal": what we are after.

A target is a ratio to a contestant of the same interleaved run wherever there is one, because ratios
hold from machine to machine; bytes, round trips and the import time stand for themselves.
"""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    hold: float
    goal: float
    less_is_better: bool = False

    def verdict(self, reached: float) -> str:
        """`goal`, `hold` or `MISSED`."""
        if self.reaches(reached, self.goal):
            return "goal"
        return "hold" if self.reaches(reached, self.hold) else "MISSED"

    def reaches(self, reached: float, wanted: float) -> bool:
        return reached <= wanted if self.less_is_better else reached >= wanted


# (job, database, ours, against): the ratio of the speeds.
SPEED: dict[tuple[str, str, str, str], Target] = {
    ("create", "SQLite", "recordroom", "sqlite3"): Target(0.30, 0.40),
    ("create", "SQLite", "recordroom create_many", "sqlite3"): Target(0.60, 0.75),
    ("query", "SQLite", "recordroom", "sqlite3"): Target(0.80, 1.00),
    ("update", "SQLite", "recordroom", "sqlite3"): Target(0.30, 0.60),
    ("create", "SQLite", "recordroom", "SQLAlchemy ORM"): Target(6.0, 8.0),
    ("query", "SQLite", "recordroom", "SQLAlchemy ORM"): Target(6.0, 9.0),
    ("create", "PostgreSQL", "recordroom", "SQLAlchemy ORM"): Target(4.0, 5.0),
    ("query", "PostgreSQL", "recordroom", "SQLAlchemy ORM"): Target(5.0, 6.0),
}
# (fewer loaded, more loaded): how many times as long the commit of one change takes.
ONE_CHANGE = {(10, 10_000): Target(1.25, 1.10, True), (10, 100_000): Target(1.25, 1.10, True)}
MEMORY = Target(800, 680, True)  # bytes per entity
SIBLINGS = Target(2, 1, True)  # round trips, the query not counted
IMPORT = Target(150, 60, True)  # milliseconds
# How many times as much an entity costs in the largest room as in one of 10,000.
GROWTH = Target(1.5, 1.2, True)
