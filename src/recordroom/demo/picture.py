"""A picture: how delay builds up over the day for each carrier, and over the year with the rain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..client.frames import load

if TYPE_CHECKING:
    import polars as pl

__all__ = ["draw"]

_FEWEST_FLIGHTS, _FEWEST_IN_CELL = 500, 20  # fewer say nothing about a carrier, or about its hour
_INK, _RAIN, _LATE = "#333333", "#5b9bd5", "#b2182b"


def draw(flights: pl.DataFrame, path: Path) -> None:
    """Save the picture as a PNG. `flights` has carrier.name, month, day, hour, dep_delay and weather.precip."""
    matplotlib = load("matplotlib", "demo")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(12, 10), height_ratios=(3, 2), layout="constrained", facecolor="white"
    )
    _day(upper, figure, flights)
    _year(lower, flights)
    figure.suptitle(f"{flights.height:,} departures from New York City, 2013", fontsize=16, color=_INK)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _day(axes: Any, figure: Any, flights: pl.DataFrame) -> None:
    """Carriers down, hours across, the mean delay as color."""
    import polars as pl

    known = flights.drop_nulls("dep_delay")
    fewest = min(_FEWEST_FLIGHTS, known.height // 50)
    carriers = known.group_by("carrier.name").agg(pl.len(), pl.col("dep_delay").mean()).filter(pl.col("len") >= fewest)
    names = carriers.sort("dep_delay")["carrier.name"].to_list()
    means = known.group_by("carrier.name", "hour").agg(pl.len(), pl.col("dep_delay").mean())
    shown = means.filter(pl.col("carrier.name").is_in(names), pl.col("len") >= min(_FEWEST_IN_CELL, fewest))
    cells = {(name, hour): mean for name, hour, _, mean in shown.iter_rows()}
    hours = range(min(shown["hour"]), max(shown["hour"]) + 1)
    grid = [[cells.get((name, hour), float("nan")) for hour in hours] for name in names]
    mesh = axes.imshow(grid, aspect="auto", cmap="RdYlBu_r", vmin=-10, vmax=40)
    axes.set_xticks(range(len(hours)), [f"{hour}:00" for hour in hours], color=_INK)
    axes.set_yticks(range(len(names)), names, color=_INK)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_title("Delay builds up over the day", loc="left", color=_INK)
    figure.colorbar(mesh, ax=axes, label="mean delay at departure (minutes)", pad=0.01, extend="both")


def _year(axes: Any, flights: pl.DataFrame) -> None:
    """The mean delay of each day as a line, the rain hanging from above."""
    import polars as pl

    days = (
        flights.group_by("month", "day")
        .agg(pl.col("dep_delay").mean(), pl.col("weather.precip").mean() * 24)
        .with_columns(date=pl.date(2013, "month", "day"))
        .drop_nulls("dep_delay")
        .sort("date")
    )
    dates = days["date"].to_list()
    axes.plot(dates, days["dep_delay"], color=_LATE, linewidth=1.2)
    axes.set_ylabel("mean delay at departure (minutes)", color=_LATE)
    axes.axhline(0, color=_INK, linewidth=0.5)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + (high - low) / 3)
    for date, delay in days.sort("dep_delay", descending=True).head(3).select("date", "dep_delay").iter_rows():
        where = {"xytext": (0, 4), "textcoords": "offset points", "ha": "center", "color": _INK}
        axes.annotate(f"{date:%b} {date.day}", (date, delay), **where)
    rain = axes.twinx()
    rain.bar(dates, days["weather.precip"].fill_null(0), width=1.5, color=_RAIN)
    rain.set_ylabel("rain (inches a day)", color=_RAIN)
    rain.set_ylim(3 * max([*days["weather.precip"].drop_nulls(), 0.1]), 0)
    if len(dates) > 60:
        ticks = load("matplotlib.dates", "demo")
        axes.xaxis.set_major_locator(ticks.MonthLocator())
        axes.xaxis.set_major_formatter(ticks.DateFormatter("%b"))
    axes.set_title("Late days, and the rain", loc="left", color=_INK)
