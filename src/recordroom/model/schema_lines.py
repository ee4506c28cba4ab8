"""Lines that tell people how a schema differs from another: `~ Task.status choices: +"review"`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from .schema import Attribute, EntityType

__all__ = ["attribute_line", "change_lines", "type_change_lines"]


def attribute_line(type_name: str, attribute: Attribute) -> str:
    """`Task.project reference to Project`."""
    line = f"{type_name}.{attribute.name} {attribute.kind}"
    if attribute.target:
        line += f" to {attribute.target}"
    if attribute.multi:
        line += ", multi"
    if attribute.required:
        line += ", required"
    if attribute.computed is not None:
        line += f" = {attribute.computed}"
    if attribute.initial is not None:
        line += f", {'following' if attribute.follows else 'initially'} {attribute.initial}"
    if attribute.numbered:
        line += f", numbered within {attribute.numbered}"
    return line


def change_lines(type_name: str, old: Attribute, new: Attribute) -> Iterator[str]:
    """A line for every field in which two attributes of one name differ."""
    for field in _differing(old, new):
        yield f"~ {type_name}.{old.name} {field}: {_change(getattr(old, field), getattr(new, field))}"


def type_change_lines(old: EntityType, new: EntityType) -> Iterator[str]:
    """A line for every field other than their attributes in which two types of one name differ."""
    for field in _differing(old, new):
        if field != "attributes":
            yield f"~ {old.name} {field}: {_change(getattr(old, field), getattr(new, field))}"


def _differing(old: msgspec.Struct, new: msgspec.Struct) -> Iterator[str]:
    return (field for field in old.__struct_fields__ if getattr(old, field) != getattr(new, field))


def _change(old: Any, new: Any) -> str:
    if isinstance(old, tuple) and isinstance(new, tuple):
        return _list_change(old, new)
    return f"{_shown(old)} → {_shown(new)}"


def _list_change(old: Sequence[Any], new: Sequence[Any]) -> str:
    changes = [f"-{_shown(each)}" for each in old if each not in new]
    changes += [f"+{_shown(each)}" for each in new if each not in old]
    if [each for each in old if each in new] != [each for each in new if each in old]:
        changes.append(f"order {', '.join(map(_shown, new))}")
    return " ".join(changes)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return f"({', '.join(map(str, value))})"
    if isinstance(value, bytes):
        return value.hex()
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
