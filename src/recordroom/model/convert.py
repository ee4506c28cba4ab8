"""Values of one attribute as values of another kind: what a change of an attribute's kind does to them.

Only conversions that lose nothing are made: "12" becomes 12, 2.0 becomes 2 and 2.5 is refused.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .ids import show_id
from .kinds import KINDS, WrongValue, check, raw_dumper, raw_loader
from .schema import Attribute

__all__ = ["converter"]

_MIDNIGHT = dt.time(0)


def converter(old: Attribute, new: Attribute) -> Callable[[Any], Any]:
    """The function from a non-None raw scalar of `old` to one of `new`; it raises WrongValue where there is none."""
    load, dump = raw_loader(old), raw_dumper(new)

    def convert(raw: Any) -> Any:
        value = raw if load is None else load(raw)
        if old.multi and not new.multi:
            if len(value) > 1:
                raise WrongValue(f"one value, not {len(value)}")
            value = value[0] if value else None
        elif new.multi and not old.multi:
            value = (value,)
        if value is None:
            return None
        checked = tuple(_as(new, each) for each in value) if new.multi else _as(new, value)
        return checked if dump is None else dump(checked)

    return convert


def _as(new: Attribute, value: Any) -> Any:
    kind = KINDS[new.kind]
    if kind.relation:
        return _as_id(value)
    one = Attribute(
        name=new.name,
        kind=new.kind,
        min=new.min,
        max=new.max,
        max_length=new.max_length,
        pattern=new.pattern,
        choices=new.choices,
    )
    value = _nearest(new.kind, value)
    try:
        return check(value, one)
    except WrongValue:
        # Only from and to text: the texts of other kinds may look alike and mean something else.
        if not isinstance(value, str) and not kind.textual:
            raise
        return kind.parse(_text_of(value), one)


def _as_id(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return (value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))).bytes
    except ValueError:
        raise WrongValue("an id") from None


def _nearest(kind: str, value: Any) -> Any:
    """`value` in the type that `kind` wants, where both stand for the same."""
    match kind, value:
        case ("integer" | "number" | "decimal", bool()):
            return int(value)
        case "boolean", int() if value in (0, 1):
            return bool(value)
        case "integer", float() if value.is_integer():
            return int(value)
        case "decimal", float():
            return Decimal(repr(value))
        case "number", Decimal():
            if Decimal(repr(float(value))) != value:
                raise WrongValue("a number of no more digits than a 64-bit float keeps")
            return float(value)
        case "integer", Decimal() if value == value.to_integral_value():
            return int(value)
        case "date", dt.datetime() if value.time() == _MIDNIGHT:
            return value.date()
        case "datetime", dt.date() if not isinstance(value, dt.datetime):
            return dt.datetime.combine(value, _MIDNIGHT, dt.UTC)
    return value


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if isinstance(value, bytes):
        return show_id(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return str(value)
