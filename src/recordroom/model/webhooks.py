"""What is said of webhooks to those who manage them."""

from __future__ import annotations

import msgspec

__all__ = ["Added", "Again", "DeadDelivery", "Listed", "NewWebhook", "Retried"]


class NewWebhook(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A webhook to make: where to, of which events, and with whose eyes (your own, unless you may say otherwise)."""

    url: str
    expression: str = ""
    user: str | None = None


class Added(msgspec.Struct, kw_only=True):
    """A new webhook. The secret is shown this once."""

    id: bytes
    secret: str


class Listed(msgspec.Struct, kw_only=True):
    """A webhook and how it goes."""

    id: bytes
    url: str
    expression: str | None = None
    user: str | None = None
    active: bool = True
    waiting: int = 0
    dead: int = 0


class DeadDelivery(msgspec.Struct, kw_only=True):
    """A delivery that was given up on."""

    webhook: bytes
    revision: int
    attempts: int
    error: str


class Again(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to try again: of one webhook or all, one revision or all."""

    webhook: str | None = None
    revision: int | None = None


class Retried(msgspec.Struct, kw_only=True):
    """How many deliveries are tried again."""

    count: int
