"""The results as tables: ratios first, then what they were made from."""

from __future__ import annotations

import datetime as dt
import platform
import statistics
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from .footprint import Memory
from .ftrack import BARE, OURS, THEIRS
from .growth import Stage
from .harness import ratios
from .jobs import Timings
from .load import Measured
from .served import Small
from .targets import (
    DURING_EXPORT,
    FTRACK_CHANGE,
    FTRACK_MEMORY,
    GROWTH,
    IMPORT,
    MEMORY,
    ONE_CHANGE,
    SIBLINGS,
    SMALL,
    SPEED,
    STEADY,
    Target,
)

TITLES = {"create": "create + commit", "query": "query → entities", "update": "set one attribute on each + commit"}


class Row(NamedTuple):
    """One line of the table of targets."""

    work: str
    database: str
    against: str
    reached: str
    spread: str
    target: str
    verdict: str


class Section(NamedTuple):
    """A part of the report: rows that are judged, and the figures behind them as a table of their own."""

    rows: list[Row]
    title: str
    table: str


def shown(ratio: float, against: str) -> str:
    """Against a raw driver as a percentage of its speed, otherwise as a multiple."""
    return f"{ratio:.0%}" if "ORM" not in against and "ftrack" not in against else f"{ratio:.1f}×"


def middle_half(by_round: Sequence[float], against: str) -> str:
    """Between which ratios half of the rounds lie."""
    low, _, high = statistics.quantiles(by_round, n=4, method="inclusive")
    return f"{shown(low, against)} to {shown(high, against)}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def speed(job: str, database: str, timings: Timings) -> Section:
    """One job on one database: the ratios that have a target, and everybody's figures."""
    rows = []
    for (wanted, on, ours, against), target in SPEED.items():
        if (wanted, on) == (job, database):
            by_round = ratios(timings[against], timings[ours])
            # What slows the machine down for a while falls on neighbours alike, so rounds are compared with rounds.
            reached = statistics.median(by_round)
            how = (
                ours.replace("recordroom over HTTP", "")
                .replace("recordroom", "")
                .replace("same server", "")
                .strip(", ")
            )
            work = f"{TITLES[job]} ({how})" if how else TITLES[job]
            rows.append(
                Row(
                    work,
                    database,
                    against,
                    shown(reached, against),
                    middle_half(by_round, against),
                    f"{shown(target.hold, against)} / {shown(target.goal, against)}",
                    target.verdict(reached),
                )
            )
    fastest = min(each.each for each in timings.values())
    figures = table(
        ["contestant", "µs each", "per second", "± spread", "of the fastest"],
        [
            [
                each.name,
                f"{each.each:.2f}",
                f"{1e6 / each.each:,.0f}",
                f"{each.spread:.0%}",
                f"{fastest / each.each:.0%}",
            ]
            for each in sorted(timings.values(), key=lambda each: each.each)
        ],
    )
    count = next(iter(timings.values())).count
    return Section(rows, f"{TITLES[job]}, {count:,} records, {database}", figures)


def followers(database: str, timings: Timings) -> Section:
    count = next(iter(timings.values())).count
    figures = table(
        ["when", "µs per entity", "± spread"],
        [[each.name, f"{each.each:.1f}", f"{each.spread:.0%}"] for each in timings.values()],
    )
    return Section([], f"what followers do behind the commits, {count:,} entities, {database}", figures)


def one_change(database: str, timings: Timings) -> Section:
    rows = []
    for (fewer, more), target in ONE_CHANGE.items():
        if f"{more} loaded" not in timings:
            continue
        few, many = timings[f"{fewer} loaded"], timings[f"{more} loaded"]
        reached = statistics.median(ratios(many, few))
        rows.append(
            Row(
                f"commit of one change, {more:,} loaded",
                database,
                f"itself with {fewer} loaded",
                f"{reached:.2f}× the time",
                f"± {many.spread:.0%}",
                f"{target.hold:g}× / {target.goal:g}×",
                target.verdict(reached),
            )
        )
    figures = table(
        ["entities loaded", "ms per commit", "± spread"],
        [[each.name, f"{each.median * 1e3:.2f}", f"{each.spread:.0%}"] for each in timings.values()],
    )
    return Section(rows, f"commit of one change, {database}", figures)


def ftrack_change(timings: Timings, work: str) -> Section:
    """The commit of one change next to the client of ftrack."""
    theirs, ours = timings[THEIRS], timings[OURS]
    by_round = ratios(theirs, ours)
    reached = statistics.median(by_round)
    row = Row(
        work, "SQLite, one server", THEIRS, f"{reached:.0f}×",
        middle_half(by_round, THEIRS), f"{FTRACK_CHANGE.hold:g}× / {FTRACK_CHANGE.goal:g}×",
        FTRACK_CHANGE.verdict(reached),
    )  # fmt: skip
    figures = table(
        ["who", "ms per commit", "± spread"],
        [[each.name, f"{each.each / 1e3:.2f}", f"{each.spread:.0%}"] for each in (timings[BARE], ours, theirs)],
    )
    return Section([row], f"{work}, one server", figures)


def ftrack_memory(found: Sequence[Memory]) -> Section:
    """What an entity takes next to one of the client of ftrack."""
    ours, theirs = found
    reached = ours.larger / theirs.larger
    row = Row(
        "memory per loaded entity, values included", "SQLite, one server", THEIRS, f"1/{1 / reached:.1f}", "",
        f"1/{1 / FTRACK_MEMORY.hold:.0f} / 1/{1 / FTRACK_MEMORY.goal:.0f}", FTRACK_MEMORY.verdict(reached),
    )  # fmt: skip
    figures = table(
        ["what is held", "B each, traced", "B each, resident"],
        [[each.name, f"{each.traced:.0f}", f"{each.resident:.0f}"] for each in found],
    )
    return Section([row], "memory per loaded entity, each client in a process of its own", figures)


def memory(found: Sequence[Memory]) -> Section:
    ours = found[0]
    row = Row(
        "memory per loaded entity, values included", "SQLite", "–", f"{ours.larger:.0f} B",
        "", f"{MEMORY.hold:g} B / {MEMORY.goal:g} B", MEMORY.verdict(ours.larger),
    )  # fmt: skip
    figures = table(
        ["what is held", "B each, traced", "B each, resident"],
        [[each.name, f"{each.traced:.0f}", f"{each.resident:.0f}"] for each in found],
    )
    return Section([row], "memory per loaded record, each contestant in a process of its own", figures)


def plain(work: str, reached: float, unit: str, target: Target, spread: str = "") -> Row:
    """A row for a figure that stands for itself."""
    target_text = f"{target.hold:g} {unit} / {target.goal:g} {unit}"
    return Row(work, "–", "–", f"{reached:.0f} {unit}", spread, target_text, target.verdict(reached))


def siblings(trips: int, count: int) -> Section:
    work = f"touching an unloaded attribute on each of {count} entities of one query"
    return Section([plain(work, trips, "round trips", SIBLINGS)], "", "")


def import_time(took: tuple[float, float, float]) -> Section:
    middle, least, most = took
    return Section([plain("`import recordroom`", middle, "ms", IMPORT, f"{least:.0f} to {most:.0f} ms")], "", "")


def growth(database: str, stages: Sequence[Stage]) -> Section:
    """Flat means: an entity of the largest room costs about what one of a room of 10,000 costs."""
    rows = []
    usual = next((stage for stage in stages if stage.size == 10_000), stages[0])
    largest = stages[-1]
    if largest.size > usual.size:
        for name, cost in (
            ("create + commit", "create"),
            ("query", "query"),
            ("get by id", "get"),
            ("change", "change"),
        ):
            reached = getattr(largest, cost) / getattr(usual, cost)
            rows.append(
                Row(
                    f"cost of one {name}, {largest.size:,} in the room",
                    database,
                    f"itself with {usual.size:,}",
                    f"{reached:.2f}×",
                    "",
                    f"{GROWTH.hold:g}× / {GROWTH.goal:g}×",
                    GROWTH.verdict(reached),
                )
            )
    figures = table(
        ["entities in the room", "create_many µs each", "create µs each", "query µs each", "get by id µs", "change ms"],
        [
            [f"{s.size:,}", f"{s.fill:.1f}", f"{s.create:.1f}", f"{s.query:.2f}", f"{s.get:.0f}", f"{s.change:.2f}"]
            for s in stages
        ],
    )
    return Section(rows, f"growth, {database}", figures)


def small(kind: str, found: Small) -> Section:
    """Small requests next to a bare handler."""
    target = SMALL[kind]
    by_round = [ours / bare for ours, bare in zip(found.ours, found.bare, strict=True)]
    reached = statistics.median(by_round)
    work = {"read": "small reads of 100 rows, 8 connections", "commit": "small commits, 8 connections"}[kind]
    low, _, high = statistics.quantiles(by_round, n=4, method="inclusive")
    row = Row(
        work, "SQLite, HTTP", "a bare handler", f"{reached:.0%}", f"{low:.0%} to {high:.0%}",
        f"{target.hold:.0%} / {target.goal:.0%}", target.verdict(reached),
    )  # fmt: skip
    figures = table(
        ["who", "requests per second", "p99"],
        [
            ["bare handler", f"{statistics.median(found.bare):,.0f}", ""],
            ["recordroom", f"{statistics.median(found.ours):,.0f}", f"{statistics.median(found.p99) * 1e3:.1f} ms"],
        ],
    )
    return Section([row], f"{work}, SQLite", figures)


def during_export(alone: Measured, busy: Measured) -> Section:
    """Latency of small reads next to an export."""
    reached = busy.quantile(0.99) * 1e3
    work = "p99 of small reads during an export of 100,000 rows"
    target = DURING_EXPORT
    row = Row(
        work, "SQLite, HTTP", "–", f"{reached:.1f} ms", "", f"{target.hold:g} ms / {target.goal:g} ms",
        target.verdict(reached),
    )  # fmt: skip
    figures = table(
        ["when", "p50", "p99", "longest"],
        [
            [name, *(f"{measured.quantile(part) * 1e3:.1f} ms" for part in (0.5, 0.99, 1.0))]
            for name, measured in (("alone", alone), ("during an export", busy))
        ],
    )
    return Section([row], "small reads on one connection, SQLite", figures)


def steady(requests: int, found: Sequence[int]) -> Section:
    """Memory of a server over many requests."""
    reached = found[-1] / found[0]
    row = Row(
        f"memory of the server over {requests:,} small reads", "SQLite, HTTP", "itself after a tenth of them",
        f"{reached:.2f}×", "", f"{STEADY.hold:g}× / {STEADY.goal:g}×", STEADY.verdict(reached),
    )  # fmt: skip
    figures = table(
        ["requests", "resident"],
        [[f"{requests * (place + 1) // len(found):,}", f"{size / 2**20:.1f} MB"] for place, size in enumerate(found)],
    )
    return Section([row], "memory of a server", figures)


def machine() -> list[str]:
    """What the figures hold for."""
    import apsw
    import psutil

    processor = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    packages = ", ".join(f"{name} {version(name)}" for name in ("apsw", "psycopg", "sqlalchemy", "msgspec"))
    return [
        f"{processor}, {psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GB, {platform.system()}",
        f"Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}, {packages}",
    ]


def text(sections: Sequence[Section], notes: Sequence[str]) -> str:
    """The whole report as Markdown."""
    judged = [row for section in sections for row in section.rows]
    lines = [
        "# Results",
        "",
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, made by `make bench`. Each ratio comes from one interleaved run, so it is",
        "comparable; the absolute figures hold for this machine only.",
        "",
        *(f"- {note}" for note in (*machine(), *notes)),
        "",
        *(targets(judged) if judged else ()),
        "## Figures",
    ]
    for section in sections:
        if section.table:
            lines += ["", f"### {section.title}", "", section.table]
    return "\n".join(lines) + "\n"


def targets(judged: Sequence[Row]) -> list[str]:
    """The part that says what is to be reached and what was."""
    verdicts = [row.verdict for row in judged]
    counts = f"{verdicts.count('goal')} of {len(verdicts)} reach the goal, {verdicts.count('hold')} hold"
    return [
        "## Targets",
        "",
        f"{counts}, {verdicts.count('MISSED')} are missed. A percentage is of the raw driver's speed.",
        "",
        table(["work", "database", "against", "reached", "half of the rounds", "hold / goal", "verdict"], judged),
        "",
    ]


def missed(sections: Sequence[Section]) -> list[Row]:
    return [row for section in sections for row in section.rows if row.verdict == "MISSED"]
