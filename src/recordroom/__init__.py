"""recordroom: an open data server for structured records, scripted from Python.

The public names are here: `connect`, `Session`, `Entity`, `NOT_SET`, `errors` and every error by its own name.
They are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import errors as errors
    from .client.committing import Clash as Clash
    from .client.committing import Committed as Committed
    from .client.entity import Entity as Entity
    from .client.results import QueryResult as QueryResult
    from .client.session import Session as Session
    from .client.symbols import NOT_SET as NOT_SET
    from .connect import connect as connect
    from .errors import *  # noqa: F403

_NAMES = {
    "Clash": "client.committing",
    "Committed": "client.committing",
    "Entity": "client.entity",
    "Error": "errors",
    "NOT_SET": "client.symbols",
    "QueryResult": "client.results",
    "Session": "client.session",
    "connect": "connect",
}

__all__ = [
    "NOT_SET",
    "Clash",
    "Committed",
    "Entity",
    "Error",
    "QueryResult",
    "Session",
    "__version__",
    "connect",
    "errors",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        found = getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
    elif name == "errors":
        return importlib.import_module(".errors", __name__)
    elif name == "__version__":
        from importlib.metadata import version

        found = version("recordroom")
    else:
        errors = importlib.import_module(".errors", __name__)
        if name not in errors.__all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(errors, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
