"""A schema with everything, and raw scalars of every kind at their edges, for tests of files and frames."""

from __future__ import annotations

from typing import Any

import pytest

from recordroom.model.ids import new_id
from recordroom.model.kinds import KINDS, MAX_DATE, MAX_DATETIME, MAX_INTEGER, MIN_DATE, MIN_DATETIME, MIN_INTEGER
from recordroom.model.schema import Attribute

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

on_both = pytest.mark.parametrize(
    "places", ["places_sqlite", "places_postgres"], indirect=True, ids=["sqlite", "postgresql"]
)

TEXTS = ["plain", "", 'quote "and", comma', "two\nlines\r\nand\rmore", " padded ", "NA", "Zürich 🎬", "=1+1", "\\N"]

SAMPLES: dict[str, list[Any]] = {
    "text": TEXTS,
    "long_text": TEXTS,
    "integer": [0, 1, -1, MIN_INTEGER, MAX_INTEGER],
    "number": [0.0, -0.5, 0.1 + 0.2, 1e308, 5e-324, 1e22],
    "decimal": ["0", "-12.5", "0.000000000000000000000000000001", "12345678901234567890123456789012345.5"],
    "boolean": [True, False],
    "date": [0, -1, MIN_DATE, MAX_DATE],
    "datetime": [0, -1, MIN_DATETIME, MAX_DATETIME, 1_357_034_400_000_000],
    "choice": ["open", "in progress"],
    "json": ['{"a":[1,2.5,null]}', "[]", '"text"', "3", "false"],
    "uuid": [bytes(16), new_id()],
    "hyperlink": ["https://example.org/a?b=c", "mailto:a@b.c"],
    "color": ["#1e90ff", "#00000080"],
    "reference": [new_id(), new_id()],
}

assert set(SAMPLES) == {name for name, kind in KINDS.items() if not kind.relation} | {"reference"}


def attribute_of(kind: str, *, multi: bool = False) -> Attribute:
    choices = ("open", "in progress", "done") if kind == "choice" else ()
    return Attribute(
        name="value", kind=kind, choices=choices, multi=multi, target="Thing" if kind == "reference" else ""
    )
