"""Whether the server lives, and whether it can work."""

from __future__ import annotations

from ...model import wire
from ..call import Call
from ..route import Route

__all__ = ["ROUTES"]


async def alive(call: Call) -> None:
    await call.answer(b'{"status":"alive"}', wire.JSON)


async def ready(call: Call) -> None:
    await call.give({"status": "ready", "revision": await call.service.ready()})


ROUTES = (
    Route(
        method="GET",
        path="/healthz",
        handler=alive,
        summary="The process lives",
        gives=dict[str, str],
        kinds=(wire.JSON,),
        open=True,
        group="health",
    ),
    Route(
        method="GET",
        path="/readyz",
        handler=ready,
        summary="The database answers",
        gives=dict[str, str | int],
        kinds=(wire.JSON,),
        open=True,
        group="health",
    ),
)
