"""`Subscription`: the expression of a subscriber."""

from __future__ import annotations

from typing import Any

from .expression import Parser

__all__ = ["Subscription"]


class Subscription:
    """What somebody wants to hear of; ParseError for what is no expression."""

    parser = Parser()

    def __init__(self, subscription: str) -> None:
        self._subscription = subscription
        self._expression = self.parser.parse(subscription)

    def __str__(self) -> str:
        return self._subscription

    def includes(self, event: Any) -> bool:
        """Whether an event fits."""
        return self._expression.match(event)
