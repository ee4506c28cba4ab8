"""Rooms with a schema that has every kind, references of several sorts and a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import recordroom as rr
from recordroom.client.session import Session

SCHEMA = """
[Airline.attributes]
code = { kind = "text", unique = true, required = true }
name = "text"

[Airport.attributes]
faa = { kind = "text", unique = true }
name = "text"

[Weather]
unique = [["origin", "time"]]
[Weather.attributes]
origin = { kind = "reference", target = "Airport", reverse = "weather", required = true, on_delete = "cascade" }
time = { kind = "datetime", required = true }
visib = "number"

[Flight.attributes]
no = { kind = "integer", required = true, min = 0 }
carrier = { kind = "reference", target = "Airline", reverse = "flights" }
dest = { kind = "reference", target = "Airport" }
weather = { kind = "reference", target = "Weather" }
dest_code = "text"
status = { kind = "choice", choices = ["open", "done"], default = "open" }

[Folder.attributes]
path = { kind = "text", unique = true }
parent = { kind = "reference", target = "Folder", reverse = "children" }

[Thing]
abstract = true
[Thing.attributes]
name = "text"
[Stone]
extends = "Thing"
[Plant]
extends = "Thing"

[Everything.attributes]
text = "text"
long_text = "long_text"
integer = "integer"
real = "number"
decimal = "decimal"
boolean = "boolean"
date = "date"
datetime = "datetime"
choice = { kind = "choice", choices = ["open", "in progress", "done"] }
json = "json"
uuid = "uuid"
hyperlink = "hyperlink"
color = "color"
reference = { kind = "reference", target = "Airline" }
texts = { kind = "text", multi = true }
numbers = { kind = "number", multi = true }
dates = { kind = "date", multi = true }
uuids = { kind = "uuid", multi = true }
decimals = { kind = "decimal", multi = true }
twice = { kind = "integer", computed = "integer * 2" }
friends = { kind = "links", target = "Everything" }
"""


@pytest.fixture
def places(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """On SQLite; on both databases with `on_both`: rows come and go above the store, so few tests need it."""
    return request.getfixturevalue(getattr(request, "param", "places_sqlite"))


@pytest.fixture
def session(places: Callable[[str], str]) -> Iterator[Session]:
    with rr.connect(places("rows")) as session:
        session.apply_schema(SCHEMA)
        yield session


@pytest.fixture
def other(places: Callable[[str], str]) -> Iterator[Session]:
    """A session with a second room of the same schema."""
    with rr.connect(places("other")) as session:
        session.apply_schema(SCHEMA)
        yield session


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str | bytes, name: str = "rows.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write
