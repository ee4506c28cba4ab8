"""`recordroom demo`: the main job on real data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["demo"]


def demo(
    *,
    folder: Annotated[
        Path, Parameter(name="--folder", help="Where the room and the picture go; an earlier demo there is replaced.")
    ] = Path("recordroom-demo"),
    rows: Annotated[int | None, Parameter(name="--rows", help="Only so many flights, for a quick run.")] = None,
) -> int:
    """Load 336,776 real flights into a new room and work on them.

    For example:

        recordroom demo
        recordroom demo --folder /tmp/flights --rows 20000
    """
    from ..demo import run_demo

    return run_demo(folder, rows)
