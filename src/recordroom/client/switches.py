"""What a session has switched on or off for a block: recording, and loading on touch.

Kept by context and by the session's `id`, so that neither threads nor tasks see each other's settings.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from types import MappingProxyType

__all__ = ["POPULATING", "RECORDING", "switched"]

_NOTHING: Mapping[int, bool] = MappingProxyType({})
POPULATING: ContextVar[Mapping[int, bool]] = ContextVar("recordroom_populating", default=_NOTHING)
RECORDING: ContextVar[Mapping[int, bool]] = ContextVar("recordroom_recording", default=_NOTHING)


@contextlib.contextmanager
def switched(variable: ContextVar[Mapping[int, bool]], key: int, on: bool) -> Iterator[None]:
    """A block in which a session, by its `id`, has it so."""
    token = variable.set({**variable.get(), key: on})
    try:
        yield
    finally:
        variable.reset(token)
