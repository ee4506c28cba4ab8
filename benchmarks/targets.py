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
    # Over HTTP on loopback, with accounts, access rules, journal and events.
    ("create", "SQLite, HTTP", "recordroom over HTTP", "sqlite3"): Target(0.15, 0.30),
    ("create", "SQLite, HTTP", "recordroom over HTTP, create_many", "sqlite3"): Target(0.35, 0.60),
    ("query", "SQLite, HTTP", "recordroom over HTTP", "sqlite3"): Target(0.40, 0.80),
    ("update", "SQLite, HTTP", "recordroom over HTTP", "sqlite3"): Target(0.30, 0.60),
    ("create", "SQLite, HTTP", "recordroom over HTTP", "SQLAlchemy ORM"): Target(3.0, 6.0),
    ("query", "SQLite, HTTP", "recordroom over HTTP", "SQLAlchemy ORM"): Target(4.0, 6.0),
    ("create", "PostgreSQL, HTTP", "recordroom over HTTP", "SQLAlchemy ORM"): Target(2.0, 4.0),
    ("query", "PostgreSQL, HTTP", "recordroom over HTTP", "SQLAlchemy ORM"): Target(3.0, 5.0),
    # The same work on one server, which the unmodified client of ftrack asks through the dialect.
    ("create", "SQLite, one server", "recordroom, same server", "ftrack-python-api"): Target(15.0, 30.0),
    ("query", "SQLite, one server", "recordroom, same server", "ftrack-python-api"): Target(30.0, 60.0),
}
# How many times as fast the commit of one change is with 10,000 loaded, and what part of the memory an entity takes.
FTRACK_CHANGE = Target(50.0, 150.0)
FTRACK_MEMORY = Target(1 / 4, 1 / 5, True)
# (fewer loaded, more loaded): how many times as long the commit of one change takes.
ONE_CHANGE = {(10, 10_000): Target(1.25, 1.10, True), (10, 100_000): Target(1.25, 1.10, True)}
MEMORY = Target(800, 680, True)  # bytes per entity
SIBLINGS = Target(2, 1, True)  # round trips, the query not counted
IMPORT = Target(150, 60, True)  # milliseconds
# How many times as much an entity costs in the largest room as in one of 10,000.
GROWTH = Target(1.5, 1.2, True)

# Small requests from 8 connections, as a part of the rate of a bare handler that runs the same SQL.
SMALL = {"read": Target(0.55, 0.70), "commit": Target(0.30, 0.50)}
DURING_EXPORT = Target(10, 5, True)  # milliseconds: the 99th percentile of small reads
STEADY = Target(1.05, 1.02, True)  # how many times the memory of a server after the first part of the requests
