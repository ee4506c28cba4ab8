"""Settings of a room: kept in the room, the same for every process that opens it."""

from __future__ import annotations

import re
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
    commit; a crash of the process alone loses nothing). `files` is where the bytes of components lie (None: in the
    room's folder, where it has one). `orphans` is for how many hours bytes are kept whose component is not committed.
    """

    retention: int | None = None
    durability: Literal["full", "normal"] = "full"
    files: str | None = None
    orphans: int = 24


_EXPECTED = {
    "retention": "a number of days from 0 on, or None to keep everything",
    "durability": "'full' or 'normal'",
    "files": "an absolute path, s3://…, gs://…, az://…, or None",
    "orphans": "a number of hours from 1 on",
}
_FILES = re.compile(r"(/|[A-Za-z]:[\\/])[^\0]*|(s3|gs|az)://[^/?#@:]+(/[^?#@\0]*)?")


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
    if name == "files":
        return value is None or (isinstance(value, str) and _FILES.fullmatch(value) is not None)
    if name == "orphans":
        return type(value) is int and 1 <= value <= 1_000_000
    return value is None or (type(value) is int and 0 <= value <= 1_000_000)


def dump(settings: Settings) -> str:
    """Settings as the room keeps them."""
    return msgspec.json.encode(settings).decode()


def load(text: str) -> Settings:
    """What `dump` gave."""
    return msgspec.json.decode(text, type=Settings)
