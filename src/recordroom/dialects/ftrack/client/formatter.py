"""`format`: an entity as indented text, for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from .collection import Collection
from .entity.base import Entity
from .inspection import identity
from .symbol import NOT_SET

__all__ = ["FILTER", "format"]

Formatters = Mapping[str, Callable[[str], str]]
Filter = Callable[[Entity, str, Any], bool]

FILTER: dict[str, Filter] = {"ignore_unset": lambda entity, name, value: value is not NOT_SET}

_HEADER, _LABEL, _PLAIN = "\x1b[1m\x1b[44m\x1b[97m", "\x1b[1m\x1b[34m", "\x1b[0m"


def format(  # noqa: PLR0913 - as scripts call it
    entity: Entity,
    formatters: Formatters | None = None,
    attribute_filter: Filter | None = None,
    recursive: bool = False,
    indent: int = 0,
    indent_first_line: bool = True,
    _seen: frozenset[str] = frozenset(),
) -> str:
    """An entity with all its attributes, `{...}` where it stands within itself. It loads what is not loaded.

    `formatters` may say how a `header` (the type) and a `label` (a name) look; otherwise they are coloured on a terminal.
    `attribute_filter(entity, name, value)` says what is shown; `recursive` shows the members of collections too.
    """
    looks = {"header": _coloured(_HEADER), "label": _coloured(_LABEL), **(formatters or {})}
    margin = " " * indent
    first = (margin if indent_first_line else "") + looks["header"](entity.entity_type)
    name_of = str(identity(entity))
    if name_of in _seen:
        return first + "{...}"
    seen = _seen | {name_of}

    def shown(value: Any, inner: int) -> str:
        return format(value, looks, attribute_filter, recursive, inner, indent_first_line=False, _seen=seen)

    lines = [first]
    for name, value in sorted(entity.items(), key=lambda item: item[0]):
        if attribute_filter is not None and not attribute_filter(entity, name, value):
            continue
        inner = indent + len(name) + 3
        text = value
        if isinstance(value, Entity):
            text = shown(value, inner)
        elif recursive and isinstance(value, Collection):
            text = f"\n{' ' * inner}".join(shown(each, inner) for each in value)
        lines.append(f"{margin} {looks['label'](name)}: {text}")
    return "\n".join(lines)


def _coloured(code: str) -> Callable[[str], str]:
    return lambda text: f"{code}{text}{_PLAIN}" if _has_colours() else text


def _has_colours() -> bool:
    """Whether there is a terminal with colours; NO_COLOR and others say otherwise (https://no-color.org)."""
    if "ANSI_COLORS_DISABLED" in os.environ or "NO_COLOR" in os.environ:
        return False
    if "FORCE_COLOR" in os.environ:
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
