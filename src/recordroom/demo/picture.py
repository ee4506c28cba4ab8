"""A picture: how delay builds up over the day for each carrier, and over the year with the rain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..client.frames import load

if TYPE_CHECKING:
    import polars as pl

__all__ = ["draw"]

_FEWEST = 500  # flights of a carrier for a row of its own
_INK, _RAIN, _LATE = "#333333", "#7fb2e5", "#b2182b"


def draw(flights: pl.DataFrame, path: Path) -> None:
    """Save the picture as a PNG. `flights` has carrier.name, month, day, hour, dep_delay and weather.precip."""
    matplotlib = load("matplotlib", "demo")
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(12, 10), height_ratios=(3, 2), layout="constrained", facecolor="white"
    )
    _heat(upper, figure, flights)
    _year(lower, flights)
    figure.suptitle(f"{flights.height:,} departures from New York City, 2013", fontsize=16, color=_INK)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _heat(axes: Any, figure: Any, flights: pl.DataFrame) -> None:
    import polars as pl

    known = flights.drop_nulls("dep_delay")
    carriers = (
        known.group_by("carrier.name")
        .agg(pl.len(), pl.col("dep_delay").mean())
        .filter(pl.col("len") >= min(_FEWEST, known.height // 50))
        .sort("dep_delay")
    )
    hours = sorted(known["hour"].unique().to_list())
    means = known.group_by("carrier.name", "hour").agg(pl.col("dep_delay").mean())
    cells = {(name, hour): mean for name, hour, mean in means.iter_rows()}
    names = carriers["carrier.name"].to_list()
    grid = [[cells.get((name, hour), float("nan")) for hour in hours] for name in names]
    mesh = axes.imshow(grid, aspect="auto", cmap="RdYlBu_r", vmin=-10, vmax=50)
    axes.set_xticks(range(len(hours)), [f"{hour}:00" for hour in hours], color=_INK)
    axes.set_yticks(range(len(names)), names, color=_INK)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_title("Delay builds up over the day", loc="left", color=_INK)
    figure.colorbar(mesh, ax=axes, label="mean delay at departure (minutes)", pad=0.01, extend="both")


def _year(axes: Any, flights: pl.DataFrame) -> None:
    import polars as pl

    days = (
        flights.group_by("month", "day")
        .agg(pl.col("dep_delay").mean(), pl.col("weather.precip").mean() * 24)
        .with_columns(date=pl.date(2013, "month", "day"))
        .drop_nulls("dep_delay")
        .sort("date")
    )
    axes.bar(days["date"], days["weather.precip"], width=1.0, color=_RAIN)
    axes.set_ylabel("rain (inches a day)", color=_RAIN)
    axes.set_ylim(0, 3 * max([*days["weather.precip"].drop_nulls(), 0.1]))
    late = axes.twinx()
    late.plot(days["date"], days["dep_delay"], color=_LATE, linewidth=1.2)
    late.set_ylabel("mean delay at departure (minutes)", color=_LATE)
    late.axhline(0, color=_INK, linewidth=0.5)
    for date, delay in days.sort("dep_delay", descending=True).head(3).select("date", "dep_delay").iter_rows():
        late.annotate(
            f"{date:%d %b}", (date, delay), xytext=(0, 4), textcoords="offset points", ha="center", color=_INK
        )
    for each in (axes, late):
        each.spines["top"].set_visible(False)
    axes.set_title("Rainy days are late days", loc="left", color=_INK)
