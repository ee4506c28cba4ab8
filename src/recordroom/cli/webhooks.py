"""`recordroom webhook add|list|dead|retry`: addresses that are told of events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Parameter

from ..client.urls import is_server
from ..errors import InvalidValue
from ..model.ids import as_id, show_id
from ..model.webhooks import Added, Again, DeadDelivery, Listed, NewWebhook, Retried
from .apps import group_of_commands, print_rows, usage
from .asking import of_room, of_server
from .output import counted, note, print_json, say
from .rooms import Json, Room, Words, placed

if TYPE_CHECKING:
    from ..store.async_room import AsyncRoom

__all__ = ["webhook_app"]

T = TypeVar("T")

webhook_app = group_of_commands("webhook", "Tell addresses of events, with signed requests.")


@webhook_app.command(usage=usage("webhook add", "URL"))
def add(
    *words: Words,
    expression: Annotated[str, Parameter(name="--expression", help="Which events: an expression or a query.")] = "",
    user: Annotated[str | None, Parameter(name="--user", help="With whose eyes it sees (your own).")] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """Make a webhook. Its secret is shown this once; the receiver checks requests with it (recordroom.verify_webhook).

    For example:

        recordroom webhook add studio.room https://example.org/hook --expression 'topic=render.*' --user ann
    """
    where, (url,) = placed(words, room, ["URL"])
    given = NewWebhook(url=url, expression=expression, user=user)

    async def here(found: AsyncRoom) -> Added:
        from ..server.webhooks import add_webhook

        return await add_webhook(found, url, expression, user)

    added = _asked(where, here, "POST", "/v1/webhooks", Added, given)
    if json:
        print_json({"id": show_id(added.id), "secret": added.secret})
        return
    say(f"{show_id(added.id)}")
    note("The secret, shown this once:")
    say(added.secret)


@webhook_app.command(name="list", usage=usage("webhook list"))
def list_(*words: Words, room: Room = None, json: Json = False) -> None:
    """List webhooks, with what waits to be delivered and what was given up on.

    For example:

        recordroom webhook list studio.room
    """
    where, _ = placed(words, room, [])

    async def here(found: AsyncRoom) -> list[Listed]:
        from ..server.webhooks import listed

        return await listed(found)

    hooks = _asked(where, here, "GET", "/v1/webhooks", list[Listed])
    rows = [
        (show_id(each.id), each.url, each.expression or "*", each.user, each.active, each.waiting, each.dead)
        for each in hooks
    ]
    print_rows(
        ("id", "url", "expression", "user", "active", "waiting", "dead"), rows, numbers=("waiting", "dead"), json=json
    )


@webhook_app.command(usage=usage("webhook dead"))
def dead(*words: Words, room: Room = None, json: Json = False) -> None:
    """List deliveries that were given up on after a day of trying.

    For example:

        recordroom webhook dead studio.room --json
    """
    where, _ = placed(words, room, [])

    async def here(found: AsyncRoom) -> list[DeadDelivery]:
        from ..server.webhooks import dead

        return [DeadDelivery(**each._asdict()) for each in await dead(found)]

    found = _asked(where, here, "GET", "/v1/webhooks/dead", list[DeadDelivery])
    rows = [(show_id(each.webhook), each.revision, each.attempts, each.error) for each in found]
    print_rows(("webhook", "revision", "attempts", "error"), rows, numbers=("revision", "attempts"), json=json)


@webhook_app.command(usage=usage("webhook retry"))
def retry(
    *words: Words,
    webhook: Annotated[
        str | None, Parameter(name="--webhook", help="Of one webhook, by its id; all otherwise.")
    ] = None,
    revision: Annotated[int | None, Parameter(name="--revision", help="Only this revision.")] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """Try again what was given up on.

    For example:

        recordroom webhook retry studio.room
        recordroom webhook retry studio.room --webhook 01890a5d-ac96-774b-bcce-b302099a8057 --revision 812
    """
    where, _ = placed(words, room, [])
    if webhook is not None:
        try:
            as_id(webhook)
        except ValueError as error:
            raise InvalidValue(type="Webhook", attribute="id", value=webhook, expected=str(error)) from None

    async def here(found: AsyncRoom) -> Retried:
        from ..server.webhooks import retry_dead

        return Retried(count=await retry_dead(found, webhook, revision))

    given = Again(webhook=webhook, revision=revision)
    result = _asked(where, here, "POST", "/v1/webhooks/retry", Retried, given)
    if json:
        print_json({"count": result.count})
    else:
        say(f"{counted(result.count, 'delivery', 'deliveries')} will be tried again")


def _asked(  # noqa: PLR0913 - the same question in two ways
    where: str, here: Callable[[AsyncRoom], Awaitable[T]], method: str, path: str, kind: type[T], body: Any = None
) -> T:
    """The answer of a server, or of the room itself."""
    return of_server(where, method, path, kind, body) if is_server(where) else of_room(where, here)
