"""What somebody who follows a room asks and gets: subscriptions, and the events that fit them.

A subscription is an expression over events (`model.event_expressions`), or a query: it fits a commit that leaves an entity
it names as the query wants it, or deletes one that was.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import InvalidQuery
from ..model.event_expressions import Expression, is_expression, parse_expression
from ..model.events import Event
from .limits import check_size
from .syntax import Query

__all__ = ["MOST_SUBSCRIPTIONS", "Delivery", "FollowRequest", "Followed", "Match", "Subscription", "read_subscription"]

MOST_SUBSCRIPTIONS = 256

Subscription = str | Query


class FollowRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Ask for the events after revision `after` that fit a subscription; None asks only where the journal ends.

    Waits up to `wait` seconds for one. Queries are about `database`. At most `limit` commits are looked at in one go.
    `subscriber` says who listens, for targets: `id` is the one that a reply goes to. `all_targets`: what is meant for
    others too, for who hands events on to many. `subscribers`: who listens there, where they are told apart; what is meant for
    one of them comes.
    """

    after: int | None = None
    subscriptions: list[Subscription] = []
    database: str = "main"
    wait: float = 0.0
    limit: int = 100
    subscriber: dict[str, str] = {}
    subscribers: list[dict[str, Any]] = []
    all_targets: bool = False


class Match(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The subscription (its place in the request) that an event fits, and for a query the entities that do."""

    subscription: int
    entities: list[bytes] = []


class Delivery(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An event and what it fits."""

    event: Event
    matches: list[Match] = []


class Followed(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What fits, in order. Everything up to `position` was looked at: go on from there. `more`: there is more already."""

    position: int
    deliveries: list[Delivery] = []
    more: bool = False


def read_subscription(subscription: Subscription) -> Expression | Query:
    """The tree of a subscription; QuerySyntaxError and InvalidQuery for what is not one."""
    if isinstance(subscription, str):
        if is_expression(subscription):
            return parse_expression(subscription)
        from .grammar import parse

        subscription = parse(subscription)
    check_size(subscription)
    if subscription.group_by or subscription.limit is not None or subscription.offset:
        raise InvalidQuery(reason="a subscription is a type and a condition; it has no groups and no limit")
    return Query(type=subscription.type, where=subscription.where)
