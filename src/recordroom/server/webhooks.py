"""Webhooks: addresses that are told of events with signed requests, in order, again and again for a day, then no more.

Each worker process runs `Webhooks`. A webhook sees with the eyes of its user, at the time of delivery. Leases are longer than
any request may take, so two workers never deliver the same at the same time; a worker that is killed after a delivery
arrived and before that was noted delivers it again, under the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import secrets
import time
from typing import Any, NamedTuple

import msgspec

from ..errors import Error, NotFound, PastPruned, PermissionDenied, StoreUnavailable, UnknownDatabase, UnknownType
from ..model.actor import Actor
from ..model.ids import as_id, new_id, show_id
from ..model.operations import Commit, CommitResult, Create
from ..model.signing import ID, SIGNATURE, TIMESTAMP, new_secret, sign
from ..model.webhooks import Added, Listed
from ..query.grammar import parse
from ..query.request import QueryRequest
from ..query.subscriptions import Followed, FollowRequest
from ..store.access import access_of, visible
from ..store.accounts import UserState, main_of, user_state
from ..store.async_room import AsyncRoom
from ..store.catalog import Catalogs
from ..store.deliveries import (
    Dead,
    Leased,
    Move,
    Queued,
    bury,
    dead_letters,
    delivered,
    enqueue,
    failed,
    forget,
    lease,
    positions,
    queued,
    retry,
)
from ..store.plans import Plan
from ..store.requests import Requests, Write, now
from ..store.secrets import Secret, forget_secrets, keep_secret, secret_of
from .posting import NotDelivered, Poster, check_url
from .stream import json_frame
from .waiting import until_first

__all__ = ["WEBHOOK", "Webhooks", "add_webhook", "dead", "listed", "retry_dead"]

WEBHOOK = "webhook"  # the kind of its secret
_SECOND = 1_000_000
_LEASE = 60 * _SECOND
_CALM, _CALM_WITHOUT = 0.05, 1.0  # seconds between looks, with webhooks and without any
_LOOK_SECONDS = 60.0  # the longest sleep without a look
_MOST_QUEUED = 1000  # of one webhook; the journal keeps the rest
_FIRST_PAUSE, _LONGEST_PAUSE, _DAY = 5.0, 3600.0, 86_400.0
_AT_ONCE = 20  # deliveries of one worker

_log = logging.getLogger("recordroom.webhooks")


class _Hook(NamedTuple):
    id: bytes
    url: str
    expression: str
    actor: Actor
    created: int

    @property
    def request(self) -> FollowRequest:
        return FollowRequest(subscriptions=[self.expression or "*"])


class Webhooks:
    """Delivers the webhooks of one room, until it is stopped."""

    def __init__(self, room: AsyncRoom, poster: Poster, stopping: asyncio.Event | None = None) -> None:
        self._room = room
        self._poster = poster
        self._stopping = stopping or asyncio.Event()
        self._owner = secrets.token_hex(8)
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._busy: dict[bytes, asyncio.Task[None]] = {}
        self._idle = asyncio.Event()
        self._position = 0
        self._calm = _CALM_WITHOUT

    async def run(self) -> None:
        """Deliver until told to stop; then let deliveries that are under way come to their end."""
        try:
            while not self._stopping.is_set():
                await self._rest(await self._round())
                # Many commits in a row are looked at together.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), self._calm)
        finally:
            if self._busy:
                await asyncio.wait(list(self._busy.values()), timeout=_LEASE / _SECOND)

    async def _round(self) -> float:
        """Queue what is new and set off what is due; for how many seconds there is nothing to do."""
        try:
            self._position = await self._room.revision_at(2**62)
            return await self.look()
        except StoreUnavailable as error:
            _log.warning("webhooks wait: %s", error)
            return 1.0
        except Exception:  # noqa: BLE001 - whatever it is, there is another round
            _log.exception("webhooks cannot be delivered")
            return 5.0

    async def _rest(self, seconds: float) -> None:
        self._idle.clear()
        await until_first(self._room.wait(self._position, seconds), self._stopping.wait(), self._idle.wait())

    async def look(self) -> float:
        """One round over all webhooks; for how many seconds none is due."""
        if not await self._may_have_any():
            return _LOOK_SECONDS
        hooks = await self._hooks()
        self._calm = _CALM if hooks else _CALM_WITHOUT
        await self._forget_gone({each.id for each in hooks})
        known, found = await self._read(positions), await self._read(queued)
        for hook in hooks:
            await self._queue(hook, known.get(hook.id), found.get(hook.id))
        found = await self._read(queued)
        nearest = _LOOK_SECONDS
        for hook in hooks:
            due = found.get(hook.id, Queued(0, 0, 0))
            if due.waiting and hook.id not in self._busy:
                left = (due.due - now()) / _SECOND
                if left <= 0:
                    self._set_off(hook)
                else:
                    nearest = min(nearest, left)
        return nearest

    def _set_off(self, hook: _Hook) -> None:
        task = asyncio.ensure_future(self._drain(hook))
        self._busy[hook.id] = task
        task.add_done_callback(lambda _: self._finished(hook.id))

    def _finished(self, hook: bytes) -> None:
        self._busy.pop(hook, None)
        self._idle.set()

    async def settled(self) -> None:
        """Until no delivery is under way, for tests and tools."""
        while self._busy:
            await asyncio.wait(list(self._busy.values()))
            await asyncio.sleep(0)

    # --- which there are ---

    async def _may_have_any(self) -> bool:
        """A room without accounts has none, and is not asked."""
        try:
            return "Webhook" in await self._room.schema("main")
        except UnknownDatabase:
            return False

    async def _hooks(self) -> list[_Hook]:
        page = await _query(self._room, f"{_SELECT} where active is true and user.active is true order by id")
        return [
            _Hook(each, row["url"], row["expression"] or "", Actor(name=row["user.name"], user=row["user"], scopes=("read",)),
                  row["created_revision"])
            for each, row in page
        ]  # fmt: skip

    async def _forget_gone(self, active: set[bytes]) -> None:
        """What is left of webhooks that were deleted; of those that only rest nothing is forgotten."""
        left = set(await self._read(positions)) - active
        if left:
            there = {each for each, _ in await _query(self._room, "select id from Webhook")}
            for webhook in left - there:
                await self._write(lambda webhook=webhook: _forget(self._room, webhook))

    # --- queue ---

    async def _queue(self, hook: _Hook, before: int | None, queue: Queued | None) -> None:
        """Read the journal on for a webhook, as far as its queue has room."""
        room = self._room.acting(hook.actor)
        waiting = queue.waiting if queue else 0
        while waiting < _MOST_QUEUED:
            after = hook.created if before is None else before
            try:
                followed = await room.follow(msgspec.structs.replace(hook.request, after=after))
            except PastPruned as error:
                followed = Followed(position=int(error.facts["oldest"]) - 1, more=True)
                message = f"revisions {after + 1} to {followed.position} were pruned before they were delivered"
                await self._write(lambda at=followed.position, why=message: self._bury(hook, at, why))
            except StoreUnavailable:
                raise
            except Error as error:
                # Its expression or its user's rights are not what they were.
                _log.warning("webhook %s is not read on: %s", show_id(hook.id), error)
                return
            if followed.position == before:
                return
            revisions = sorted({each.event.revision for each in followed.deliveries})
            move = Move(before, followed.position)
            moved = await self._write(lambda move=move, them=revisions: self._enqueue(hook, move, them))
            if not moved or not followed.more:
                return
            waiting += len(revisions)
            before = followed.position

    def _enqueue(self, hook: _Hook, move: Move, revisions: list[int]) -> Plan[bool]:
        return enqueue(self._room.driver.dialect, hook.id, move, revisions, now())

    def _bury(self, hook: _Hook, revision: int, error: str) -> Plan[None]:
        return bury(self._room.driver.dialect, hook.id, revision, error, now())

    # --- deliver ---

    async def _drain(self, hook: _Hook) -> None:
        """Deliver what is due of one webhook, in order, until one fails."""
        dialect = self._room.driver.dialect
        async with self._at_once:
            try:
                while not self._stopping.is_set():
                    moment = now()
                    leased = await self._write(lambda: lease(dialect, hook.id, self._owner, moment, moment + _LEASE))  # noqa: B023
                    if leased is None or not await self._attempt(hook, leased):
                        return
            except Error as error:
                _log.warning("webhook %s: %s", show_id(hook.id), error)

    async def _attempt(self, hook: _Hook, leased: Leased) -> bool:
        """Deliver; whether it arrived."""
        dialect = self._room.driver.dialect
        try:
            await self._deliver(hook, leased)
        except (NotDelivered, PastPruned) as error:
            due = _due(leased.attempts) if isinstance(error, NotDelivered) else None
            why = str(error)
            if due is None:
                _log.warning("webhook %s: revision %d was given up on: %s", show_id(hook.id), leased.revision, why)
            await self._write(lambda: failed(dialect, leased, self._owner, why, due))
            return False
        arrived: bool = await self._write(lambda: delivered(dialect, leased, self._owner))
        return arrived

    async def _deliver(self, hook: _Hook, leased: Leased) -> None:
        room = self._room.acting(hook.actor)
        request = msgspec.structs.replace(hook.request, after=leased.revision - 1, limit=1)
        followed = await room.follow(request)
        if not followed.deliveries:
            # Its user may not see it any more, or the expression was changed.
            return
        secret = await self._read(lambda: secret_of(self._room.driver.dialect, hook.id, WEBHOOK))
        if secret is None:
            raise NotDelivered("the webhook has no secret; make another")
        frame = await json_frame(room, followed)
        body = msgspec.json.encode(
            {"webhook": show_id(hook.id), "revision": leased.revision, "events": frame["events"]}
        )
        delivery, stamp = f"{show_id(hook.id)}.{leased.revision}", int(time.time())
        headers = {
            "content-type": "application/json",
            "user-agent": "recordroom",
            ID: delivery,
            TIMESTAMP: str(stamp),
            SIGNATURE: sign(json.loads(secret.data)["secret"], delivery, stamp, body),
        }
        await self._poster.post(hook.url, body, headers)

    # --- the room ---

    async def _read(self, plan: Any) -> Any:
        return await self._room.driver.run(plan())

    async def _write(self, plan: Any) -> Any:
        return await self._room.write(Write(plan))


def _due(attempts: int) -> int | None:
    """When to try again after one failure more than `attempts`; None after a day of it."""
    pauses = [min(_FIRST_PAUSE * 2**each, _LONGEST_PAUSE) for each in range(attempts + 1)]
    if sum(pauses) > _DAY:
        return None
    return now() + int(pauses[-1] * random.uniform(0.5, 1.0) * _SECOND)


def _forget(room: AsyncRoom, webhook: bytes) -> Plan[None]:
    dialect = room.driver.dialect
    yield from forget(dialect, webhook)
    yield from forget_secrets(dialect, [webhook], [WEBHOOK])


_SELECT = "select url, expression, active, user, user.name, created_revision from Webhook"


async def _query(room: AsyncRoom, text: str) -> list[tuple[bytes, dict[str, Any]]]:
    """(id, values) of webhooks; [] where the room has no accounts."""
    found: list[tuple[bytes, dict[str, Any]]] = []
    request = QueryRequest(database="main", query=parse(text))
    while True:
        try:
            page = await room.query(request)
        except (UnknownType, UnknownDatabase):
            return []
        for row, each in enumerate(page.ids):
            found.append((each, {name: column[row] for name, column in page.columns.items()}))
        if page.next is None:
            return found
        request = msgspec.structs.replace(request, after=page.next)


# --- for those who manage them --------------------------------------------------------------------


async def add_webhook(room: AsyncRoom, url: str, expression: str = "", user: str | None = None) -> Added:
    """Make a webhook for a user, or for the one who asks. InvalidValue, InvalidQuery … for what is wrong."""
    check_url(url)
    await room.follow(FollowRequest(subscriptions=[expression or "*"]))
    added = Added(id=new_id(), secret=new_secret())
    requests = Requests(room.opened, room.actor)

    def plan() -> Plan[CommitResult]:
        whose = yield from _user(room, requests, user or room.actor.user or room.actor.name)
        columns: dict[str, list[Any]] = {"user": [whose.id], "url": [url], "expression": [expression or None]}
        commit = Commit(id=new_id(), operations=[Create(type="Webhook", ids=[added.id], columns=columns)])
        result: CommitResult = yield from requests.commit(commit).plan()
        kept = Secret(added.id, WEBHOOK, json.dumps({"secret": added.secret}))
        yield from keep_secret(room.driver.dialect, kept)
        return result

    await room.write(Write(plan))
    return added


def _user(room: AsyncRoom, requests: Requests, which: str | bytes) -> Plan[UserState]:
    """A user whom the actor sees; NotFound."""

    def find(catalogs: Catalogs) -> Plan[UserState]:
        main = main_of(catalogs)
        found = yield from user_state(main, which)
        access = yield from access_of(room.opened, room.actor, catalogs)
        if found is None or (
            found.id != room.actor.user and not (yield from visible(main, access, "User", [found.id]))
        ):
            shown = show_id(which) if isinstance(which, bytes) else which
            raise NotFound(f"There is no user {shown!r}; a webhook needs one, to see with.", type="User", entity=shown)
        return found

    return requests.read(find).plan()


async def listed(room: AsyncRoom) -> list[Listed]:
    """The webhooks that the actor may see."""
    counts: dict[bytes, Queued] = await room.driver.run(queued())
    found = []
    for each, row in await _query(room, f"{_SELECT} order by id"):
        count = counts.get(each, Queued(0, 0, 0))
        found.append(
            Listed(
                id=each,
                url=row["url"],
                expression=row["expression"],
                user=row["user.name"],
                active=row["active"] is not False,
                waiting=count.waiting,
                dead=count.dead,
            )
        )
    return found


async def dead(room: AsyncRoom) -> list[Dead]:
    """What was given up on, of webhooks that the actor may see."""
    seen = {each for each, _ in await _query(room, "select id from Webhook")}
    return [each for each in await room.driver.run(dead_letters()) if each.webhook in seen]


async def retry_dead(room: AsyncRoom, webhook: str | None = None, revision: int | None = None) -> int:
    """Try again what was given up on: of one webhook or of all, one revision or all; how much that is."""
    if room.actor.scopes and {"write", "admin"}.isdisjoint(room.actor.scopes):
        raise PermissionDenied(what="trying deliveries again with a token for reading")
    wanted = None if webhook is None else as_id(webhook)
    seen = [each for each, _ in await _query(room, "select id from Webhook")]
    if wanted is not None and wanted not in seen:
        raise NotFound(type="Webhook", entity=webhook)
    chosen = seen if wanted is None else [wanted]
    if revision is not None and not 0 <= revision < 2**63:
        return 0

    def plan() -> Plan[int]:
        count = 0
        for each in chosen:
            count += yield from retry(room.driver.dialect, each, revision, now())
        return count

    return await room.write(Write(plan))
