"""The records: a uuid, 3 texts, 2 integers, 2 floats, a boolean and a datetime, in the form each contestant takes.

The same numbers give the same values in every run and to every contestant. All forms are made before
the clock starts; a contestant that needs another one (our datetimes as microseconds) makes it on the clock.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from typing import Any

from recordroom.model.ids import new_ids

NAMES = ("name", "status", "note", "priority", "size", "length", "weight", "done", "due")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
STATUSES = ("open", "in progress", "waiting", "in review", "done")
WORDS = ("steel", "layout", "harbor", "signal", "compound", "garden", "mirror", "carbon", "winter", "anchor")


def columns(count: int, first: int = 0) -> dict[str, list[Any]]:
    """Python values by attribute: names and notes differ from record to record, the status repeats."""
    dice = random.Random(first)
    due = [dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=61 * (first + i)) for i in range(count)]
    return {
        "name": [f"record {first + i:07}" for i in range(count)],
        "status": [dice.choice(STATUSES) for _ in range(count)],
        "note": [f"{dice.choice(WORDS)} {dice.choice(WORDS)} {dice.randrange(10**6)}" for _ in range(count)],
        "priority": [dice.randrange(100) for _ in range(count)],
        "size": [dice.randrange(10**9) for _ in range(count)],
        "length": [dice.random() * 1000 for _ in range(count)],
        "weight": [dice.random() for _ in range(count)],
        "done": [dice.random() < 0.5 for _ in range(count)],
        "due": due,
    }


def mappings(count: int, first: int = 0) -> list[dict[str, Any]]:
    """One dict per record."""
    by_name = columns(count, first)
    return [dict(zip(NAMES, row, strict=True)) for row in zip(*by_name.values(), strict=True)]


def mappings_with_uuid(count: int, first: int = 0) -> list[dict[str, Any]]:
    """One dict per record, with an id of the same kind as ours (version 7, rising)."""
    ids = [uuid.UUID(bytes=each) for each in new_ids(count)]
    return [{"id": each, **values} for each, values in zip(ids, mappings(count, first), strict=True)]


def tuples(count: int, first: int = 0) -> list[tuple[Any, ...]]:
    """One tuple per record of what a table keeps: the id as 16 bytes, the datetime as microseconds."""
    by_name = columns(count, first)
    by_name["due"] = [(each - EPOCH) // dt.timedelta(microseconds=1) for each in by_name["due"]]
    return list(zip(new_ids(count), *by_name.values(), strict=True))
