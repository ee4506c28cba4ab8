"""A drop-in for scripts written for ftrack's client: `import recordroom.dialects.ftrack.client as ftrack_api`.

It works on recordroom's own session: with an embedded room (a path or postgresql://…) or a server, at its speed.
"""

from __future__ import annotations

from typing import Any

from . import (
    accessor,
    attribute,
    cache,
    collection,
    entity,
    event,
    exception,
    inspection,
    operation,
    plugin,
    query,
    session,
    structure,
    symbol,
)
from .event.base import Event
from .session import Session
from .symbol import NOT_SET

__all__ = [
    "NOT_SET",
    "Event",
    "Session",
    "accessor",
    "attribute",
    "cache",
    "collection",
    "entity",
    "event",
    "exception",
    "inspection",
    "mixin",
    "operation",
    "plugin",
    "query",
    "session",
    "structure",
    "symbol",
]


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("recordroom")


def mixin(instance: Any, mixin_class: type, name: str | None = None) -> None:
    """Give one instance the methods of a class, before its own; again does nothing."""
    own: Any = type(instance)
    if issubclass(own, mixin_class):
        return
    instance.__class__ = type(own)(name or f"{own.__name__}{mixin_class.__name__}", (mixin_class, own), {})
