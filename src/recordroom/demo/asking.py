"""Asking: queries over relations in text and in Python, a loop over entities, words, and a frame."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from .stage import Stage

if TYPE_CHECKING:
    import polars as pl

    from ..client.session import Session

__all__ = ["ask", "frame", "loop", "search"]


def ask(session: Session, stage: Stage) -> None:
    """The same language in text and in Python."""
    text = """
select flight_number, carrier.name, dest.faa, dep_delay, weather.visib
from Flight where dep_delay > 60 and weather.visib < 3
order by dep_delay desc limit 5"""
    stage.say("Late and foggy, through the references of a flight:")
    stage.code(text)
    stage.table(
        ["flight", "carrier", "to", "late (min)", "visibility (mi)"],
        [
            [str(each["flight_number"]), *_names(each), each["dep_delay"], each["weather"]["visib"]]
            for each in session.query(text)
        ],
    )
    stage.say()
    stage.say("From the other end, in Python: the oldest aircraft that flew a long way")
    stage.code("""
old = session.query(Plane).where(Plane.flights.any(Flight.distance > 1000))
old.where(Plane.year.is_not(None)).order_by(Plane.year).limit(5)""")
    Plane, Flight = session.types["Plane"], session.types["Flight"]
    old = session.query(Plane).where(Plane.flights.any(Flight.distance > 1000), Plane.year.is_not(None))
    stage.table(
        ["tail number", "year", "manufacturer", "model", "seats"],
        [
            [each["tailnum"], str(each["year"]), each["manufacturer"], each["model"], each["seats"]]
            for each in old.order_by(Plane.year, Plane.tailnum).limit(5)
        ],
    )
    stage.say()
    grouped = """
select carrier.name as carrier, count() as flights,
    avg(dep_delay) as late, avg(caught_up) as caught_up
from Flight group by carrier.name order by flights desc limit 6"""
    stage.say("Grouped by the database; caught_up is computed, dep_delay - arr_delay:")
    stage.code(grouped)
    rows = [[each["carrier"], each["flights"], each["late"], each["caught_up"]] for each in session.query(grouped)]
    stage.table(["carrier", "flights", "late (min)", "made up (min)"], rows)


def _names(flight: Any) -> list[str]:
    return [flight["carrier"]["name"], flight["dest"]["faa"] if flight["dest"] else flight["dest_code"]]


LATEST = "Flight where plane is_not None order by dep_delay desc limit 500"
LOOP = f"""
latest = "{LATEST}"
for flight in session.query(latest):
    makers[flight["plane"]["manufacturer"]] += 1"""


def loop(session: Session, stage: Stage) -> int:
    """A loop as anybody would write it, and the round trips that it made."""
    stage.code(LOOP)
    before, makers = session.round_trips, Counter[str]()
    for flight in session.query(LATEST):
        makers[flight["plane"]["manufacturer"]] += 1
    trips = session.round_trips - before
    common = ", ".join(f"{name} ({count})" for name, count in makers.most_common(3))
    stage.say(f"  {sum(makers.values())} flights, each with its aircraft, in {trips} round trips.")
    stage.say(f"  Most often: {common}.")
    return trips


def search(session: Session, stage: Stage) -> None:
    """Words in every searchable text of the room."""
    for text in ("kennedy", "air* lines"):
        stage.code(f'session.search("{text}", limit=4)')
        rows = []
        for hit in session.search(text, limit=4):
            found = ", ".join(f"{name}: {snippet}" for name, snippet in hit.snippets.items())
            rows.append([type(hit.entity).__name__, found])
        stage.table(["type", "found in"], rows)


COLUMNS = "carrier.name, month, day, hour, dep_delay, weather.precip"
FRAME = f"""
columns = "{COLUMNS}"
flights = session.query(f"select {{columns}} from Flight").to_polars()
flights.group_by("carrier.name").agg(pl.col("dep_delay").quantile(0.9))"""


def frame(session: Session, stage: Stage) -> pl.DataFrame:
    """Every flight as a polars frame, and a group-by of it."""
    import polars as pl
    import pyarrow  # noqa: F401 - the time is the query's, not that of the import

    stage.code(FRAME)
    started = time.perf_counter()
    flights = session.query(f"select {COLUMNS} from Flight").to_polars()
    seconds = time.perf_counter() - started
    stage.say(
        f"  {flights.height:,} rows × {flights.width} columns in {seconds:.1f} s, {flights.height / seconds:,.0f} rows/s"
    )
    grouped = flights.group_by("carrier.name").agg(
        pl.len().alias("flights"),
        pl.col("dep_delay").quantile(0.9).alias("late"),
        pl.col("dep_delay").is_null().mean() * 100,
    )
    stage.table(
        ["carrier", "flights", "1 in 10 later by (min)", "cancelled (%)"],
        grouped.sort("late", descending=True).head(6).rows(),
    )
    return flights
