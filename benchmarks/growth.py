"""What one entity and one commit cost while a room grows from a thousand entities to a million."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from .data import columns, mappings
from .harness import Contestant, Work, say, timed
from .ours import Ours
from .places import Place

BLOCK = 10_000
FEW = 500
GETS = 200


class Stage(NamedTuple):
    """Costs in a room with `size` entities; microseconds, except `change` (milliseconds)."""

    size: int
    fill: float  # per entity, create_many in commits of 10,000
    create: float  # per entity, 500 by create + commit
    query: float  # per entity, all of them
    get: float  # per entity, one by one by id
    change: float  # one value changed and committed, one entity loaded


def growth(place: Place, sizes: Sequence[int], rounds: int) -> list[Stage]:
    """The costs at each size; one room grows from the first to the last."""
    ours = Ours(place)
    found = []
    with ExitStack() as stack:
        where = ours.fresh(stack)
        held = 0
        for size in sizes:
            say(f"  growth: {place.name}, {size:,} entities")
            fill = filled_up(ours, where, size - held)
            stage = measured(ours, where, size, fill, rounds)
            found.append(stage)
            held = size + (rounds + 1) * FEW
    return found


def filled_up(ours: Ours, where: str, more: int) -> float:
    """Adds `more` entities; seconds per entity."""
    block = columns(min(BLOCK, more))
    length = len(block["name"])
    start = time.perf_counter()
    for begin in range(0, more, length):
        part = min(length, more - begin)
        with ExitStack() as stack:
            session = ours.open(stack, where)
            session.create_many("Record", {name: values[:part] for name, values in block.items()})
            session.commit()
    return (time.perf_counter() - start) / more


def measured(ours: Ours, where: str, size: int, fill: float, rounds: int) -> Stage:
    """The costs in a room that has `size` entities now; creates last, because they add to it."""
    with ExitStack() as stack:
        ids = ours.open(stack, where).query("select id from Record").all()
        chosen = [each["id"] for each in random.Random(7).sample(ids, GETS)]
        del ids

    def query_all(stack: ExitStack) -> Work:
        session = ours.open(stack, where)
        return lambda: session.query("Record").all()

    def get_some(stack: ExitStack) -> Work:
        session = ours.open(stack, where)
        return lambda: [session.get("Record", each) for each in chosen]

    def change_one(stack: ExitStack) -> Work:
        session = ours.open(stack, where)
        entity = session.get("Record", chosen[0])
        entity["priority"] = time.perf_counter_ns()
        return session.commit

    def create_few(stack: ExitStack) -> Work:
        session, records = ours.open(stack, where), mappings(FEW)
        return lambda: ours.create(session, records)

    # A million entities are their own average: two rounds are enough, and each takes seconds.
    query = median(query_all, rounds if size <= 100_000 else 2) / size
    get = median(get_some, rounds) / GETS
    change = median(change_one, 4 * rounds)
    create = median(create_few, rounds) / FEW
    return Stage(size, fill * 1e6, create * 1e6, query * 1e6, get * 1e6, change * 1e3)


def median(prepare: Callable[[ExitStack], Work], rounds: int) -> float:
    """Seconds, after one round that is not counted."""
    contestant = Contestant("", prepare)
    return statistics.median([timed(contestant) for _ in range(rounds + 1)][1:])
