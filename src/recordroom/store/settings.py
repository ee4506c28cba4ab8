"""Settings of a room: kept in the room, the same for every process that opens it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ..errors import InvalidValue, UnknownName
from ..model.schema import close_names

__all__ = ["Settings", "changed", "dump", "load"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What can be set.

    `retention` is how many days of history are kept (None: all of it). `durability` is "full" (a commit that
    was acknowledged survives a loss of power) or "normal" (the last moments may be lost then, never half a
    commit; a crash of the process alone loses nothing).
    """

    retention: int | None = None
    durability: Literal["full", "normal"] = "full"


_EXPECTED = {
    "retention": "a number of days from 0 on, or None to keep everything",
    "durability": "'full' or 'normal'",
}


def changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """`settings` with `changes`; UnknownName or InvalidValue where they cannot be."""
    for name, value in changes.items():
        if name not in _EXPECTED:
            raise UnknownName(
                f"There is no setting {name!r}; there are {', '.join(_EXPECTED)}.",
                name=name,
                suggestions=close_names(name, _EXPECTED),
            )
        if not _is_right(name, value):
            raise InvalidValue(type="settings", attribute=name, value=value, expected=_EXPECTED[name])
    return msgspec.structs.replace(settings, **changes)


def _is_right(name: str, value: Any) -> bool:
    if name == "durability":
        return value in ("full", "normal")
    return value is None or (type(value) is int and 0 <= value <= 1_000_000)


def dump(settings: Settings) -> str:
    """Settings as the room keeps them."""
    return msgspec.json.encode(settings).decode()


def load(text: str) -> Settings:
    """What `dump` gave."""
    return msgspec.json.decode(text, type=Settings)
