"""`recordroom demo`: the main job on real data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from .output import print_json
from .rooms import Json

__all__ = ["demo"]


def demo(
    *,
    folder: Annotated[
        Path, Parameter(name="--folder", help="Where the room and the picture go; an earlier demo there is replaced.")
    ] = Path("recordroom-demo"),
    rows: Annotated[int | None, Parameter(name="--rows", help="Only so many flights, for a quick run.")] = None,
    json: Json = False,
) -> int:
    """Load 336,776 real flights into a new room and work on them.

    For example:

        recordroom demo
        recordroom demo --folder /tmp/flights --rows 20000
    """
    from rich.console import Console

    from ..demo import run_demo
    from ..demo.stage import Stage

    stage = Stage(Console(highlight=False, stderr=json))
    code = run_demo(folder, rows, stage)
    if json:
        print_json({"folder": str(folder), "agrees": code == 0, "seconds": stage.seconds})
    return code
