"""Times contestants in turn (A B C, B C A, …), so that whatever else the machine does falls on all alike.

A contestant prepares a round off the clock and returns what is to be timed. The garbage collector runs
as Python sets it up, for all of them, and starts each round clean.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

Work = Callable[[], object]


class Contestant(NamedTuple):
    """`prepare(stack)` makes one round ready; what it opens is closed by the stack, off the clock."""

    name: str
    prepare: Callable[[ExitStack], Work]


class Timing(NamedTuple):
    """Seconds of every round of one contestant, for `count` things each."""

    name: str
    count: int
    seconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def each(self) -> float:
        """Microseconds per thing."""
        return self.median / self.count * 1e6

    @property
    def spread(self) -> float:
        """Half of the distance between the quartiles, as a part of the median."""
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (high - low) / 2 / self.median


def interleaved(
    contestants: Sequence[Contestant], *, count: int, rounds: int, collect: bool = True
) -> dict[str, Timing]:
    """The timings by name, after one round that is not counted. `collect`: collect garbage before each."""
    seconds: dict[str, list[float]] = {each.name: [] for each in contestants}
    for number in range(rounds + 1):
        start = number % len(contestants)
        for contestant in (*contestants[start:], *contestants[:start]):
            took = timed(contestant, collect=collect)
            if number:
                seconds[contestant.name].append(took)
    return {name: Timing(name, count, each) for name, each in seconds.items()}


def timed(contestant: Contestant, *, collect: bool = True) -> float:
    """Seconds of one round. What the work returns is freed after the clock has stopped."""
    with ExitStack() as stack:
        work = contestant.prepare(stack)
        if collect:
            gc.collect()
        start = time.perf_counter()
        result = work()
        took = time.perf_counter() - start
        del result, work
    return took


def ratios(theirs: Timing, ours: Timing) -> list[float]:
    """How many times as fast we were, round by round."""
    pairs = zip(theirs.seconds, ours.seconds, strict=True)
    return [(they / theirs.count) / (we / ours.count) for they, we in pairs]


def say(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)
