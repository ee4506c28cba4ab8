"""Moments as scripts know them: `arrow.Arrow` where that package is installed, else `datetime` with a zone."""

from __future__ import annotations

import datetime as dt
import importlib
from functools import cache
from typing import Any

__all__ = ["plain", "shown"]


@cache
def _arrow() -> Any:
    try:
        return importlib.import_module("arrow").Arrow
    except ImportError:
        return None


def shown(value: dt.datetime | dt.date) -> Any:
    """A moment, or the beginning of a day, for a script."""
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    arrow = _arrow()
    return value if arrow is None else arrow.fromdatetime(value)


def plain(value: Any) -> Any:
    """What a script gives for a moment as a datetime with a zone (UTC where none is said); anything else as it is."""
    if not isinstance(value, dt.date):
        inner = getattr(value, "datetime", None)
        if not isinstance(inner, dt.datetime):
            return value
        value = inner
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        return value.replace(tzinfo=dt.UTC)
    return value
