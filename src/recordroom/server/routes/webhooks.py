"""Webhooks: made, listed, and what was given up on."""

from __future__ import annotations

from ...errors import InvalidRequest
from ...model.ids import as_id
from ...model.webhooks import Added, Again, DeadDelivery, Listed, NewWebhook, Retried
from ..call import STRUCTS, Call
from ..route import Route
from ..webhooks import add_webhook, dead, listed, retry_dead

__all__ = ["ROUTES"]


async def create(call: Call) -> None:
    given = await call.take(NewWebhook)
    await call.give(await add_webhook(call.room, given.url, given.expression, given.user))


async def show(call: Call) -> None:
    await call.give(await listed(call.room))


async def given_up(call: Call) -> None:
    await call.give([DeadDelivery(**each._asdict()) for each in await dead(call.room)])


async def again(call: Call) -> None:
    given = await call.take(Again)
    if given.webhook is not None:
        try:
            as_id(given.webhook)
        except ValueError as error:
            raise InvalidRequest(reason=f"webhook: expected {error}") from None
    await call.give(Retried(count=await retry_dead(call.room, given.webhook, given.revision)))


ROUTES = (
    Route(
        method="GET",
        path="/v1/webhooks",
        handler=show,
        summary="Webhooks and how they go",
        gives=list[Listed],
        kinds=STRUCTS,
        group="events",
    ),
    Route(
        method="POST",
        path="/v1/webhooks",
        handler=create,
        summary="Make a webhook",
        description="The answer has its secret, which is shown this once.",
        takes=NewWebhook,
        gives=Added,
        kinds=STRUCTS,
        group="events",
        example={"url": "https://example.org/hook", "expression": "topic=render.*"},
    ),
    Route(
        method="GET",
        path="/v1/webhooks/dead",
        handler=given_up,
        summary="Deliveries that were given up on",
        gives=list[DeadDelivery],
        kinds=STRUCTS,
        group="events",
    ),
    Route(
        method="POST",
        path="/v1/webhooks/retry",
        handler=again,
        summary="Try again what was given up on",
        takes=Again,
        gives=Retried,
        kinds=STRUCTS,
        group="events",
    ),
)
