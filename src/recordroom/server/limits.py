"""Limits: how much one request may cost, whoever sends it."""

from __future__ import annotations

import msgspec

__all__ = ["Limits"]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sizes in bytes, times in seconds."""

    body: int = 64 * 2**20  # of a request
    values: int = 4_000_000  # in a request
    head: int = 64 * 2**10  # of its line and headers together
    head_seconds: float = 20.0  # until the headers are there
    body_seconds: float = 30.0  # until the next piece of a body is there
    query_seconds: float = 30.0  # that a query may work for one page
    stall_seconds: float = 60.0  # that a client may leave its stream unread
    page_rows: int = 1_000  # of one page; larger pages are cut, and their `next` goes on
    listed: int = 10_000  # of changes, journal entries and hits in one answer
    streams: int = 16  # at the same time, of one actor
    listeners: int = 1_000  # who wait for events at the same time as one actor
    heartbeat_seconds: float = 10.0  # between two heartbeats of ftrack's event hub
    squeeze: int = 1_024  # answers from this size on are compressed for those who ask
    file: int = 2**40  # of a component
    uploads: int = 256  # under way, of one actor
    pending: int = 2**40  # of one actor: what uploads under way are to have, and what they left that is not committed
    free: int = 2**30  # that stay free on the disk of the room's files: what would leave less is refused
    url_seconds: int = 360  # that a signed address is good for
