"""Values on the wire of the dialect: raw scalars as JSON there, and what is sent as raw scalars."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from ...errors import InvalidValue
from ...model.ids import as_id, show_id
from ...model.kinds import KINDS, WrongValue, check, raw_dumper
from ...model.schema import Attribute
from .judging import moment_of

__all__ = ["as_raw_id", "id_of", "python_value", "raw", "shown_column", "shown_ids", "untagged"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DAY = dt.date(1970, 1, 1)


def shown_ids(raws: Sequence[bytes | None]) -> list[str | None]:
    """Ids as text."""
    return [None if each is None else show_id(each) for each in raws]


def shown_column(raws: Sequence[Any], kind: str, *, multi: bool = False) -> list[Any]:
    """Raw scalars of a kind as JSON there."""
    if multi or kind == "json":
        return [None if each is None else json.loads(each) for each in raws]
    show = _SHOWN.get(kind)
    return list(raws) if show is None else [None if each is None else show(each) for each in raws]


def _moment(raw: int) -> dict[str, str]:
    text = (_EPOCH + dt.timedelta(microseconds=raw)).replace(tzinfo=None).isoformat()
    return {"__type__": "datetime", "value": text}


def _date(raw: int) -> dict[str, str]:
    return {"__type__": "datetime", "value": f"{(_DAY + dt.timedelta(days=raw)).isoformat()}T00:00:00"}


def _id(raw: bytes) -> str:
    return show_id(raw)


_SHOWN: dict[str, Any] = {"uuid": _id, "reference": _id, "datetime": _moment, "date": _date, "decimal": float}


# --- what is sent -----------------------------------------------------------------------------------------


def untagged(value: Any) -> Any:
    """A value as sent, without what only marks its type: a moment is its text, an entity stays as it is."""
    if isinstance(value, dict) and value.get("__type__") in ("datetime", "date"):
        return value.get("value")
    return value


def raw(type_name: str, name: str, value: Any, attribute: Attribute) -> Any:
    """What was sent for an attribute, as a raw scalar; InvalidValue where it is none of its kind."""
    value = untagged(value)
    if value is None:
        return None
    try:
        normal = check(python_value(value, attribute), attribute)
    except WrongValue as error:
        raise InvalidValue(type=type_name, attribute=name, value=value, expected=str(error)) from None
    except (ValueError, TypeError, RecursionError, OverflowError):
        expected = KINDS[attribute.kind].expected(attribute)
        raise InvalidValue(type=type_name, attribute=name, value=value, expected=expected) from None
    dump = raw_dumper(attribute)
    return normal if dump is None else dump(normal)


def python_value(value: Any, attribute: Attribute) -> Any:
    """What a script or a client gives for an attribute, as our checks take it."""
    if attribute.kind == "datetime" and isinstance(value, str):
        return moment_of(value)
    if attribute.kind == "date" and isinstance(value, str):
        return moment_of(value).date()
    if attribute.kind in ("text", "long_text") and isinstance(value, int | float) and not attribute.multi:
        return str(value)
    if attribute.kind == "json" and isinstance(value, dt.date):
        return value.isoformat()
    if attribute.kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    if attribute.kind == "boolean" and value in (0, 1):
        return bool(value)
    if attribute.multi and not isinstance(value, list):
        return [value]
    return value


def id_of(value: Any) -> Any:
    """The id in a reference or in itself."""
    return value.get("id") if isinstance(value, dict) else value


def as_raw_id(type_name: str, name: str, value: Any) -> bytes | None:
    """An id as sent, as 16 bytes; InvalidValue where it is none."""
    if value is None:
        return None
    try:
        return as_id(value)
    except (ValueError, TypeError):
        raise InvalidValue(type=type_name, attribute=name, value=value, expected="an id of 36 characters") from None
