"""Whether the server lives, and whether it can work."""

from __future__ import annotations

from ...model import wire
from ..call import Call
from ..metrics import METRICS_TYPE
from ..route import Route

__all__ = ["ROUTES"]


async def alive(call: Call) -> None:
    await call.answer(b'{"status":"alive"}', wire.JSON)


async def ready(call: Call) -> None:
    await call.give({"status": "ready", "revision": await call.service.ready()})


async def metrics(call: Call) -> None:
    await call.answer(call.metrics.text(), METRICS_TYPE)


ROUTES = (
    Route(
        method="GET",
        path="/metrics",
        handler=metrics,
        summary="Numbers for Prometheus",
        gives=str,
        kinds=(METRICS_TYPE,),
        group="health",
    ),
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
