"""What one entity and one commit cost in rooms of a thousand entities to a million, measured in turn.

A `Stage` is the cost in one room. The rooms are filled first, each by commits of at most 10,000.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from .data import columns, mappings
from .harness import Contestant, Timing, Work, interleaved, say
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


class Filled(NamedTuple):
    """A room with `size` entities, some of their ids, and what filling it took."""

    where: str
    size: int
    seconds: float
    ids: list[str]


def growth(place: Place, sizes: Sequence[int], rounds: int) -> list[Stage]:
    """The costs at each size."""
    ours = Ours(place)
    with ExitStack() as stack:
        rooms = [filled(ours, stack, size) for size in sizes]
        say(f"growth: {place.name}, measuring")
        query = in_turn(rooms, lambda room: query_all(ours, room), rounds)
        get = in_turn(rooms, lambda room: get_some(ours, room), 2 * rounds)
        change = in_turn(rooms, lambda room: change_one(ours, room), 6 * rounds)
        create = in_turn(rooms, lambda room: create_few(ours, room), 2 * rounds)
    return [
        Stage(
            room.size,
            room.seconds / room.size * 1e6,
            create[room.where].median / FEW * 1e6,
            query[room.where].median / room.size * 1e6,
            get[room.where].median / GETS * 1e6,
            change[room.where].median * 1e3,
        )
        for room in rooms
    ]


def filled(ours: Ours, stack: ExitStack, size: int) -> Filled:
    say(f"growth: {ours.place.name}, a room of {size:,} entities")
    where = ours.fresh(stack)
    block = columns(min(BLOCK, size))
    start = time.perf_counter()
    for begin in range(0, size, BLOCK):
        part = min(BLOCK, size - begin)
        with ExitStack() as opened:
            session = ours.open(opened, where)
            session.create_many("Record", {name: values[:part] for name, values in block.items()})
            session.commit()
    seconds = time.perf_counter() - start
    with ExitStack() as opened:
        found = ours.open(opened, where).query("select id from Record").all()
        return Filled(where, size, seconds, [each["id"] for each in random.Random(7).sample(found, GETS)])


def in_turn(
    rooms: Sequence[Filled], prepare: Callable[[Filled], Callable[[ExitStack], Work]], rounds: int
) -> dict[str, Timing]:
    """The timings of one kind of work in each room, by where the room is."""
    return interleaved([Contestant(room.where, prepare(room)) for room in rooms], count=1, rounds=rounds)


def query_all(ours: Ours, room: Filled) -> Callable[[ExitStack], Work]:
    def prepare(stack: ExitStack) -> Work:
        session = ours.open(stack, room.where)
        return lambda: session.query("Record").all()

    return prepare


def get_some(ours: Ours, room: Filled) -> Callable[[ExitStack], Work]:
    def prepare(stack: ExitStack) -> Work:
        session = ours.open(stack, room.where)
        return lambda: [session.get("Record", each) for each in room.ids]

    return prepare


def change_one(ours: Ours, room: Filled) -> Callable[[ExitStack], Work]:
    def prepare(stack: ExitStack) -> Work:
        session = ours.open(stack, room.where)
        entity = session.get("Record", room.ids[0])
        entity["priority"] = time.perf_counter_ns()
        return session.commit

    return prepare


def create_few(ours: Ours, room: Filled) -> Callable[[ExitStack], Work]:
    def prepare(stack: ExitStack) -> Work:
        session, records = ours.open(stack, room.where), mappings(FEW)
        return lambda: ours.create(session, records)

    return prepare
