"""Trying again: how often, after which pause, and for how long in all.

`Retry` is the policy, a value; `Tries` follows one request through it. Nothing here sends or sleeps.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import msgspec

from ..errors import InvalidValue

__all__ = ["NEVER", "Retry", "Tries"]

# A proxy says 408 on a connection that was idle too long. 429 asks for patience. 502 to 504 come from a server that starts
# or stops, or from a proxy in front of it.
_ATTEMPTS: Mapping[int, int] = MappingProxyType({408: 4, 429: 8, 502: 12, 503: 12, 504: 4})


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How requests are tried again, which is safe for all that are: reads change nothing, and commits have ids.

    `statuses` says how many attempts a status gets in all, `connection` how many a connection that cannot be made
    or breaks, `first_contact` how many where the server has not answered this session yet. Pauses are random between
    0 and `base` · 2ⁿ, at most `cap` seconds. A server's `Retry-After` of up to `longest` seconds is honoured; one that
    is longer ends the attempts. No attempt starts later than `budget` seconds after the first.
    """

    statuses: Mapping[int, int] = msgspec.field(default_factory=lambda: dict(_ATTEMPTS))
    connection: int = 12
    first_contact: int = 4
    base: float = 0.1
    cap: float = 5.0
    longest: float = 30.0
    budget: float = 60.0

    def __post_init__(self) -> None:
        for name in ("connection", "first_contact"):
            if getattr(self, name) < 1:
                raise _wrong(name, getattr(self, name), "a number of attempts from 1")
        for name in ("base", "cap", "longest", "budget"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise _wrong(name, getattr(self, name), "seconds from 0")

    def pause(self, count: int, chance: float) -> float:
        """How long to wait after `count` attempts; `chance` is a random number from 0 to 1 (full jitter)."""
        return chance * min(self.cap, self.base * 2.0 ** min(count - 1, 60))


NEVER = Retry(statuses={}, connection=1, first_contact=1, budget=0.0)


class Tries:
    """The attempts of one request: `count` of them, over `seconds`."""

    def __init__(
        self,
        policy: Retry,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._chance = chance
        self._began = clock()
        self.count = 0

    @property
    def seconds(self) -> float:
        """Since the first attempt began."""
        return self._clock() - self._began

    def after_status(self, status: int, retry_after: float | None = None) -> float | None:
        """How long to pause after an answer with a status; None where it was tried often or long enough."""
        return self._after(self._policy.statuses.get(status, 1), retry_after)

    def after_break(self, *, met: bool = True) -> float | None:
        """How long to pause after a connection broke or was not made; `met`: the server has answered before."""
        policy = self._policy
        return self._after(policy.connection if met else min(policy.first_contact, policy.connection), None)

    def _after(self, most: int, retry_after: float | None) -> float | None:
        self.count += 1
        if self.count >= most:
            return None
        pause = self._policy.pause(self.count, self._chance())
        if retry_after is not None:
            if retry_after > self._policy.longest:
                return None
            pause = max(retry_after, pause)
        return pause if self.seconds + pause <= self._policy.budget else None


def _wrong(name: str, value: object, expected: str) -> InvalidValue:
    return InvalidValue(type="Retry", attribute=name, value=value, expected=expected)
