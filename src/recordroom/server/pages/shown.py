"""Values as pages show them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import msgspec

from ...model.kinds import raw_loader
from ...model.schema import Attribute, Schema

__all__ = ["Link", "Shown", "label_of", "shown", "type_label"]

_LONG = 200
_MOST = 20_000


class Link(msgspec.Struct, frozen=True):
    """An entity: its name, and where to look at it."""

    name: str
    type: str
    id: str
    color: str = ""


class Shown(msgspec.Struct, frozen=True):
    """A value. `form` says how it is set: text, long, time, date, link, color, entity, list, code."""

    form: str
    text: str = ""
    entity: Link | None = None
    moment: str = ""
    parts: tuple[str, ...] = ()


def label_of(attribute: Attribute) -> str:
    """What people call an attribute."""
    return attribute.label or attribute.name.replace("_", " ").capitalize()


def type_label(schema: Schema, name: str) -> str:
    """What people call a type."""
    return schema[name].label or name


def shown(raw: Any, attribute: Attribute) -> Shown | None:
    """A raw scalar; None where there is none."""
    if raw is None:
        return None
    load = raw_loader(attribute)
    try:
        value = raw if load is None else load(raw)
    except (ValueError, TypeError, OverflowError):
        value = raw  # from before the attribute became what it is today
    if isinstance(value, tuple):
        return Shown("list", parts=tuple(map(_text, value))) if value else None
    form = _FORMS.get(attribute.kind, _plain)
    return form(value)


def _plain(value: Any) -> Shown:
    text = _text(value)
    return Shown("long" if len(text) > _LONG or "\n" in text else "text", text[:_MOST])


def _text(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.6g}"
        case int():
            return f"{value:,}"
        case dt.datetime():
            return f"{value:%d %b %Y, %H:%M} UTC"
        case dt.date():
            return f"{value:%d %b %Y}"
    return str(value)


def _moment(value: dt.datetime) -> Shown:
    return Shown("time", _text(value), moment=value.isoformat())


def _date(value: dt.date) -> Shown:
    return Shown("date", _text(value), moment=value.isoformat())


def _hyperlink(value: str) -> Shown:
    return Shown("link" if value.lower().startswith(("http://", "https://")) else "text", value)


def _color(value: str) -> Shown:
    return Shown("color", value)


def _json(value: Any) -> Shown:
    return Shown("code", json.dumps(value, indent=2, ensure_ascii=False)[:_MOST])


_FORMS: dict[str, Callable[[Any], Shown]] = {
    "datetime": _moment,
    "date": _date,
    "hyperlink": _hyperlink,
    "color": _color,
    "json": _json,
}
