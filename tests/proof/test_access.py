"""Nothing that an actor may not see can be learned by any reader: generated rules, data and actors.

Two ways to show it. Against an oracle: for random rules, worlds and queries, SQL gives what the evaluator in memory gives
over a world that holds nothing but what plain Python says the actor may see. By non-interference: two rooms with
journals that differ only in what the actor may not see answer alike, whatever is asked.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from recordroom.model.actor import Actor
from recordroom.model.words import holds as words_hold
from recordroom.model.words import terms
from recordroom.query.grammar import parse
from recordroom.query.request import QueryRequest, SearchRequest
from recordroom.store.access import Access
from recordroom.store.access_rules import Rules
from recordroom.store.access_search import search_seen
from recordroom.store.compile_access import AccessBuilder
from recordroom.store.room import Room
from recordroom.store.search import joined_text, searchable
from tests.conftest import Places
from tests.proof import twins
from tests.proof.eyes import Eyes, Grants
from tests.query.asking import Asked
from tests.query.test_agreement import COLLECTIONS, check_members, check_query
from tests.query.world import NOW, SCHEMA, THEN, Queries, World

ACTORS = 4  # of each world
QUERIES = 5


class Restricted(Asked):
    """The small world in a room, asked by an actor."""

    def become(self, given: Grants) -> None:
        access = Access(Actor(name="ada", user=bytes(16)), given.grants, given.facts)
        self.catalog = self.catalog.seen_by(access)


# --- against an oracle ----------------------------------------------------------------------------


def agree(asked: Restricted, seed: int) -> int:
    """Compare what some actors see of one world with what they may see; how many actors."""
    dice = random.Random(seed)
    world = World(dice)
    asked.catalog = asked.catalog.plain
    asked.tell(world)
    for _ in range(ACTORS):
        given = Grants.random(dice, world)
        asked.become(given)
        now, then = Eyes(given, world.now, world.now), Eyes(given, world.then, world.now)
        for _ in range(QUERIES):
            eyes, at = dice.choice([(now, None), (now, None), (now, NOW), (then, THEN)])
            query = Queries(dice, world, eyes.state, search=at is None).query()
            check_query(asked, query, eyes, dice.choice([1, 2, 1000]), at)  # type: ignore[arg-type]
        for type_name, attribute in dice.sample(COLLECTIONS, 3):
            eyes, at = dice.choice([(now, None), (then, THEN)])
            check_seen_members(asked, eyes, (type_name, attribute), at)
        check_search(asked, now, dice)
    return ACTORS


def check_seen_members(asked: Restricted, eyes: Eyes, about: tuple[str, str], at: int | None) -> None:
    check_members(asked, eyes, *about, at)  # type: ignore[arg-type]
    type_name, attribute = about
    hidden = sorted(set(eyes.state.entities(type_name)) - set(eyes.entities(type_name)))
    found = asked.members(type_name, attribute, hidden, at=at)
    assert found.owners == []


def check_search(asked: Restricted, eyes: Eyes, dice: random.Random) -> None:
    text = dice.choice(["fox", "quick", "a", "ab", "fox brown", "b*", "a fox"])
    found = asked.driver.run(search_seen(asked.catalog, SearchRequest(database="main", text=text, limit=1000)))
    expected = {}
    for root in ("Person", "Project", "Item"):
        for entity in eyes.entities(root):
            exact = eyes.find(root, entity).type
            texts = {
                each.name: joined_text(raw, each)
                for each in SCHEMA.stored_attributes(exact)
                if searchable(each) and (raw := eyes.value(exact, entity, each.name))
            }
            if all(any(words_hold(each, [term]) for each in texts.values()) for term in terms(text)):
                expected[entity] = {
                    name for name, each in texts.items() if any(words_hold(each, [term]) for term in terms(text))
                }
    assert {hit.id: set(hit.snippets) for hit in found} == expected


def test_actors_see_what_they_may_see(room: Room) -> None:
    asked = Restricted(room)

    assert sum(agree(asked, seed) for seed in range(3)) == 12


@pytest.mark.parametrize(
    ("where", "part", "seed"),
    [
        (Rules, "hides", 0),
        (AccessBuilder, "sees", 0),
        (AccessBuilder, "visible", 0),
        (AccessBuilder, "today", 4),
    ],
)
def test_a_broken_compiler_of_rules_is_found(
    room_sqlite: Room, monkeypatch: pytest.MonkeyPatch, where: type, part: str, seed: int
) -> None:
    monkeypatch.setattr(where, part, lambda *_: [])

    with pytest.raises(AssertionError):
        agree(Restricted(room_sqlite), seed)


@pytest.mark.proof
def test_many_actors_see_what_they_may_see(room: Room, rounds: Callable[[int], int]) -> None:
    asked, count = Restricted(room), rounds(250)
    cases = sum(agree(asked, 1_000 + seed) for seed in range(count))
    print(f"{cases} actors of {count} worlds on {room.driver.version()}")

    assert cases == count * ACTORS


# --- non-interference -----------------------------------------------------------------------------

USERS = 8  # of each pair of rooms


class Pairs:
    """Makes pairs of rooms that differ a little, and asks both the same as users who may not see the difference."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._made = 0
        self.cases = 0
        self.differing = 0

    def compare(self, seed: int) -> None:
        """Make a pair, and compare what all those see of it who may know the same of both."""
        dice = random.Random(seed)
        first = twins.script(seed, USERS)
        second = twins.varied(first, dice)
        with self._room(first) as one, self._room(second) as other:
            head = one.query(QueryRequest(database="main", query=parse("Tag"))).revision
            states = twins.states(one, head), twins.states(other, head)
            raw = [[(state.raw, state.links, state.extra) for state in each] for each in states]
            questions = twins.questions(first, head, dice)
            for user in first.users:
                if twins.view(states[0], user) == twins.view(states[1], user):
                    self.cases += 1
                    self.differing += raw[0] != raw[1]
                    for what, ask in questions:
                        assert twins.answer(one, user, ask) == twins.answer(other, user, ask), (seed, user.name, what)

    @contextmanager
    def _room(self, script: twins.Script) -> Iterator[Room]:
        self._made += 1
        with Room.open(self._places(f"r{self._made}"), durability="normal") as room:
            twins.prepare(room)
            twins.perform(room, script)
            yield room


def test_what_may_not_be_seen_changes_no_answer(places: Places) -> None:
    pairs = Pairs(places)
    for seed in range(2):
        pairs.compare(seed)

    assert pairs.differing >= 2


@pytest.mark.proof
def test_what_may_not_be_seen_changes_no_answer_to_many(places: Places, rounds: Callable[[int], int]) -> None:
    pairs, wanted = Pairs(places), rounds(400)
    seed = 1_000
    while pairs.differing < wanted:
        pairs.compare(seed)
        seed += 1
    print(f"{pairs.differing} actors who may not see the difference, of {pairs.cases} ({seed - 1_000} pairs of rooms)")

    assert pairs.differing >= wanted
