"""Nothing that an actor may not see can be learned by any reader: generated rules, data and actors.

Two ways to show it. Against an oracle: for random rules, worlds and queries, SQL gives what the evaluator in memory gives
over a world that holds nothing but what plain Python says the actor may see. By non-interference: two rooms with
journals that differ only in what the actor may not see answer alike, whatever is asked.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from recordroom.model.actor import Actor
from recordroom.model.words import holds as words_hold
from recordroom.model.words import terms
from recordroom.query.request import SearchRequest
from recordroom.store.access import Access
from recordroom.store.access_search import search_seen
from recordroom.store.room import Room
from recordroom.store.search import searchable
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
                each.name: raw
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

    assert sum(agree(asked, seed) for seed in range(12)) == 48


@pytest.mark.proof
def test_many_actors_see_what_they_may_see(room: Room, rounds: Callable[[int], int]) -> None:
    asked, count = Restricted(room), rounds(250)
    cases = sum(agree(asked, 1_000 + seed) for seed in range(count))
    print(f"{cases} actors of {count} worlds on {room.driver.version()}")

    assert cases == count * ACTORS
