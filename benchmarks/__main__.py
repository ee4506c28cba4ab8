"""`python -m benchmarks`: runs the benchmarks and prints their tables; `make bench` also writes RESULTS.md."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from . import footprint, ftrack, jobs, report, served
from .growth import growth
from .harness import say
from .orm import Orm
from .ours import OursByColumns, sqlite_settings
from .places import Folders, Place, postgres
from .raw import Settings, Sqlite3

RESULTS = Path(__file__).with_name("RESULTS.md")
NAMES = (
    "create",
    "query",
    "update",
    "followers",
    "change",
    "memory",
    "siblings",
    "import",
    "growth",
    "http",
    "small",
    "ftrack",
)


class Scale(NamedTuple):
    """How much is measured, and how often."""

    count: int
    rounds: int
    loaded: tuple[int, ...]
    memory: tuple[int, int]
    sizes: tuple[int, ...]
    small: tuple[int, int]  # reads and commits of a round
    many: int  # requests while memory is watched


CONDITIONS = (
    "a record has 3 texts, 2 integers, 2 floats, a boolean and a datetime, and everybody gets the records in the form it "
    "takes, ready-made: dicts, columns, tuples",
    "recordroom: a room on disk with its default settings; journal, checks and detection of conflicts are on; "
    "followers (search, history) work behind the commits, and are measured by themselves",
    "raw drivers: one table with the same columns, the 16-byte id ready-made and as primary key, the datetime as integer",
    "SQLAlchemy ORM: a declarative class, `add_all`, `scalars(select(…)).all()`, ids ready-made",
    "over HTTP: `recordroom serve` in a process of its own on loopback, msgpack, an API key, access rules, journal and events on",
    "small requests: 8 connections of a load generator in a process of its own; the bare handler is raw ASGI on the same uvicorn",
    "beside ftrack-python-api: one server with `--dialect ftrack` for both; their client reads with a projection, in pages of 500",
    "everybody's garbage collector runs as Python sets it up; what pauses it is recordroom's own code",
)
FULL = Scale(
    10_000,
    7,
    (10, 10_000, 100_000),
    (100_000, 200_000),
    (1_000, 10_000, 100_000, 1_000_000),
    (10_000, 4_000),
    1_000_000,
)
QUICK = Scale(10_000, 3, (10, 10_000), (20_000, 50_000), (1_000, 10_000), (3_000, 1_500), 20_000)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and smaller rooms: a first look in a minute")
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="only on this one")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} beside this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a hold is missed")
    return parser.parse_args()


def over_http(place: Place, settings: Settings | None, scale: Scale) -> Iterator[report.Section]:
    """The same jobs through a server."""
    with ExitStack() as stack:
        server = stack.enter_context(served.served(place.new(stack), process=True, accounts=True))
        field = served.HttpField(place, settings, server)
        yield from timed_jobs(field, scale, {"create", "query", "update", "change"})


def small(scale: Scale) -> Iterator[report.Section]:
    """Small requests from many connections, next to a bare handler; then next to an export; then a million of them."""
    reads, commits = scale.small
    with served.small_requests(Folders(), 100_000) as (port, server):
        for kind, requests in (("read", reads), ("commit", commits)):
            say(f"small {kind}s")
            yield report.small(kind, served.compare(port, server, kind, scale.rounds, requests))
        say("small reads during an export")
        yield report.during_export(*served.during_export(server, reads))
        say(f"memory over {scale.many:,} requests")
        yield report.steady(scale.many, served.memory(server, scale.many))


def beside_ftrack(place: Place, scale: Scale) -> Iterator[report.Section]:
    """The same work by ftrack's own client and by ours."""
    loaded = 10_000
    few, many = scale.memory
    with ftrack.field(place) as field:
        yield from timed_jobs(field, scale, {"create", "query", "update"})
        work = f"commit of one change, {loaded:,} loaded"
        for of, in_a_row, rounds in ((", ten in a row", 10, scale.rounds), (", one alone", 1, 3 * scale.rounds)):
            say(f"{work}{of}, one server")
            yield report.ftrack_change(ftrack.one_change(field, loaded, in_a_row, rounds), work + of)
        say("memory, one server")
        counts = (few // 20, many // 20)
        weighed = [
            footprint.Weighed(field.ours, counts, ("same-server",)),
            footprint.Weighed(field.theirs, counts, ("ftrack",)),
        ]
        yield report.ftrack_memory(footprint.memory(weighed))
        yield report.siblings(ftrack.siblings(field, 500), 500)


def timed_jobs(
    field: jobs.Field | served.HttpField | ftrack.FtrackField, scale: Scale, chosen: set[str]
) -> Iterator[report.Section]:
    """The jobs that are run on each make of database."""
    name = field.place.name
    for job in (jobs.create, jobs.query, jobs.update):
        if job.__name__ in chosen:
            say(f"{job.__name__}, {name}")
            yield report.speed(job.__name__, name, job(field, scale.count, scale.rounds))
    if "followers" in chosen:
        say(f"followers, {name}")
        yield report.followers(name, jobs.followers(field, scale.count, scale.rounds))
    if "change" in chosen:
        say(f"commit of one change, {name}")
        yield report.one_change(name, jobs.one_change(field, scale.loaded, 30 * scale.rounds))


def once(scale: Scale, settings: Settings, chosen: set[str]) -> Iterator[report.Section]:
    """What is measured on SQLite alone."""
    place = Folders()
    if "memory" in chosen:
        say("memory")
        few, many = scale.memory
        weighed = [
            footprint.Weighed(OursByColumns(place), scale.memory, ("ours", "ours-read")),
            footprint.Weighed(Sqlite3(place, settings), scale.memory, ("sqlite3",)),
            footprint.Weighed(Orm(place, settings), (few // 5, many // 5), ("orm",)),
        ]
        yield report.memory(footprint.memory(weighed))
    if "siblings" in chosen:
        say("siblings")
        yield report.siblings(footprint.sibling_round_trips(place, 500), 500)
    if "import" in chosen:
        say("import")
        yield report.import_time(footprint.import_time(3 * scale.rounds))
    if "growth" in chosen:
        yield report.growth(place.name, growth(place, scale.sizes, scale.rounds))


def main() -> int:
    wanted = arguments()
    scale = QUICK if wanted.quick else FULL
    chosen = set(wanted.only or NAMES)
    started = time.perf_counter()
    sections: list[report.Section] = []
    settings = sqlite_settings()
    notes = [*CONDITIONS, f"SQLite files: {settings}, for all contestants"]
    with ExitStack() as stack:
        if wanted.database != "postgresql":
            sections += timed_jobs(jobs.Field(Folders(), settings), scale, chosen)
            sections += once(scale, settings, chosen)
            if "http" in chosen:
                sections += over_http(Folders(), settings, scale)
            if "small" in chosen:
                sections += small(scale)
            if "ftrack" in chosen:
                sections += beside_ftrack(Folders(), scale)
        if wanted.database != "sqlite" and chosen & {"create", "query", "update", "followers", "change", "http"}:
            databases = stack.enter_context(postgres())
            notes.append(f"{databases.version()}, with its default settings: a commit waits for the disk")
            sections += timed_jobs(jobs.Field(databases, None), scale, chosen)
            if "http" in chosen:
                sections += over_http(databases, None, scale)
    notes.append(
        f"{scale.rounds} rounds after a warm-up ({3 * scale.rounds} of queries), medians; the whole run took {time.perf_counter() - started:.0f} s"
    )
    found = report.text(sections, notes)
    print(found)
    if wanted.write:
        RESULTS.write_text(found)
    missed = report.missed(sections)
    for row in missed:
        say(f"missed: {row.work}, {row.database}, against {row.against}: {row.reached} where {row.target} is wanted")
    return 1 if missed and wanted.check else 0


if __name__ == "__main__":
    sys.exit(main())
