"""Deliveries of webhooks, as plans for `rr_delivery`: what is still to be delivered, by whom, and what was given up on.

A webhook has a position in the journal and a row for each revision that it is to be told of. Both change in one
transaction, so no revision is queued twice or left out. Its rows are delivered in order: only the first can be leased, by
one worker at a time, until the lease ends. What was given up on (dead) stays until somebody tries it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .journal import move_position
from .plans import Fetch, Plan, Run
from .sqltext import marked

__all__ = [
    "DEAD",
    "Dead",
    "Leased",
    "dead_letters",
    "delivered",
    "enqueue",
    "failed",
    "forget",
    "lease",
    "positions",
    "queued",
    "retry",
]

WAITING, DEAD = "waiting", "dead"
_MOST_ERROR = 500  # characters kept of why a delivery failed
_FOLLOWER = "webhook"


class Leased(NamedTuple):
    """A delivery that a worker has for itself; `attempts` were made before."""

    webhook: bytes
    revision: int
    attempts: int


class Dead(NamedTuple):
    """A delivery that was given up on."""

    webhook: bytes
    revision: int
    attempts: int
    error: str


def positions() -> Plan[dict[bytes, int]]:
    """How far each webhook has read the journal."""
    rows = yield Fetch(f"SELECT name, revision FROM rr_follower WHERE name LIKE '{_FOLLOWER}:%'".replace("%", "%%"))
    return {bytes.fromhex(name.partition(":")[2]): revision for name, revision in rows}


def _position(dialect: str, webhook: bytes) -> Plan[int | None]:
    rows = yield Fetch(
        marked(dialect, "SELECT revision FROM rr_follower WHERE name = ?"), (f"{_FOLLOWER}:{webhook.hex()}",)
    )
    return rows[0][0] if rows else None


class Queued(NamedTuple):
    """How much there is of a webhook, and when the first of it is due (0: nothing is)."""

    waiting: int
    dead: int
    due: int


def queued() -> Plan[dict[bytes, Queued]]:
    """How much of each webhook waits and is dead."""
    rows = yield Fetch(
        "SELECT webhook, sum(CASE WHEN state = 'dead' THEN 0 ELSE 1 END), sum(CASE WHEN state = 'dead' THEN 1 ELSE 0 END)"
        " FROM rr_delivery GROUP BY webhook"
    )
    first = yield Fetch(
        "SELECT d.webhook, d.due FROM rr_delivery AS d WHERE d.state <> 'dead' AND d.revision ="
        " (SELECT min(revision) FROM rr_delivery WHERE webhook = d.webhook AND state <> 'dead')"
    )
    dues = {bytes(webhook): due for webhook, due in first}
    return {
        bytes(webhook): Queued(int(waiting), int(dead), dues.get(bytes(webhook), 0)) for webhook, waiting, dead in rows
    }


class Move(NamedTuple):
    """A webhook's position from (None: it has none yet) and to."""

    before: int | None
    after: int


def enqueue(dialect: str, webhook: bytes, move: Move, revisions: Sequence[int], now: int) -> Plan[bool]:
    """Queue revisions and move the position; False, and nothing done, where another worker moved it meanwhile."""
    if (yield from _position(dialect, webhook)) != move.before:
        return False
    sql = (
        "INSERT INTO rr_delivery (webhook, revision, state, attempts, due, owner, error)"
        " VALUES (?, ?, 'waiting', 0, ?, NULL, NULL) ON CONFLICT (webhook, revision) DO NOTHING"
    )
    for revision in revisions:
        yield Run(marked(dialect, sql), (webhook, revision, now))
    yield from move_position(dialect, _FOLLOWER, webhook.hex(), move.after)
    return True


def bury(dialect: str, webhook: bytes, revision: int, error: str, now: int) -> Plan[None]:
    """Note something that cannot be delivered at all."""
    sql = (
        "INSERT INTO rr_delivery (webhook, revision, state, attempts, due, owner, error) VALUES (?, ?, 'dead', 0, ?, NULL, ?)"
        " ON CONFLICT (webhook, revision) DO NOTHING"
    )
    yield Run(marked(dialect, sql), (webhook, revision, now, error[:_MOST_ERROR]))


def lease(dialect: str, webhook: bytes, owner: str, now: int, until: int) -> Plan[Leased | None]:
    """The webhook's next delivery, for `owner` until `until`; None where nothing is due, or another worker has it."""
    sql = "SELECT revision, attempts, due FROM rr_delivery WHERE webhook = ? AND state <> 'dead' ORDER BY revision LIMIT 1"
    rows = yield Fetch(marked(dialect, sql), (webhook,))
    if not rows or rows[0][2] > now:
        return None
    revision, attempts, _ = rows[0]
    sql = "UPDATE rr_delivery SET state = 'leased', owner = ?, due = ? WHERE webhook = ? AND revision = ?"
    yield Run(marked(dialect, sql), (owner, until, webhook, revision))
    return Leased(webhook, revision, attempts)


def delivered(dialect: str, leased: Leased, owner: str) -> Plan[bool]:
    """It arrived; False where the lease is another's by now."""
    sql = "DELETE FROM rr_delivery WHERE webhook = ? AND revision = ? AND state = 'leased' AND owner = ?"
    count: int = yield Run(marked(dialect, sql), (leased.webhook, leased.revision, owner))
    return count > 0


def failed(dialect: str, leased: Leased, owner: str, error: str, due: int | None) -> Plan[bool]:
    """It did not arrive: try again at `due`, or give up where that is None. False where the lease is another's by now."""
    sql = (
        "UPDATE rr_delivery SET state = ?, attempts = ?, due = ?, owner = NULL, error = ?"
        " WHERE webhook = ? AND revision = ? AND state = 'leased' AND owner = ?"
    )
    state = DEAD if due is None else WAITING
    found = (state, leased.attempts + 1, due or 0, error[:_MOST_ERROR], leased.webhook, leased.revision, owner)
    count: int = yield Run(marked(dialect, sql), found)
    return count > 0


def dead_letters(limit: int = 1000) -> Plan[list[Dead]]:
    """What was given up on, oldest first."""
    rows = yield Fetch(
        "SELECT webhook, revision, attempts, error FROM rr_delivery WHERE state = 'dead'"
        f" ORDER BY revision, webhook LIMIT {int(limit)}"
    )
    return [Dead(bytes(webhook), revision, attempts, error or "") for webhook, revision, attempts, error in rows]


def retry(dialect: str, webhook: bytes, revision: int | None, now: int) -> Plan[int]:
    """Try again what was given up on, all of a webhook's or of one revision; how much that is."""
    sql = "UPDATE rr_delivery SET state = 'waiting', attempts = 0, due = ?, error = NULL WHERE webhook = ? AND state = 'dead'"
    parameters: tuple[object, ...] = (now, webhook)
    if revision is not None:
        sql, parameters = f"{sql} AND revision = ?", (*parameters, revision)
    count: int = yield Run(marked(dialect, sql), parameters)
    return count


def forget(dialect: str, webhook: bytes) -> Plan[None]:
    """Forget a webhook that is gone."""
    yield Run(marked(dialect, "DELETE FROM rr_delivery WHERE webhook = ?"), (webhook,))
    yield Run(marked(dialect, "DELETE FROM rr_follower WHERE name = ?"), (f"{_FOLLOWER}:{webhook.hex()}",))
