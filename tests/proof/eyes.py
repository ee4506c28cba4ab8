"""What an actor may see of the small world, worked out in plain Python: the measure that rules in SQL are held against.

`Grants.random` makes rules; `Eyes` is a `Source` for the evaluator that has nothing but what they show.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from recordroom.errors import Error
from recordroom.model.schema import SYSTEM, Attribute
from recordroom.query.evaluate import holds
from recordroom.query.grammar import parse_condition
from recordroom.query.render import render
from recordroom.query.resolve import resolve_condition
from recordroom.store.access_rules import Grant
from tests.query.world import SCHEMA, Entity, Queries, State, World

PRIVATE = ("Project",)  # also the name of a type about accounts: a rule for every type is not for it


class Grants(NamedTuple):
    """The rules of one actor, and facts about that actor."""

    grants: tuple[Grant, ...]
    facts: Mapping[str, Any]

    @classmethod
    def random(cls, dice: random.Random, world: World) -> Grants:
        facts = {
            "actor": dice.choice([*world.now.entities("Person"), bytes(16)]),
            "actor.projects": dice.sample(
                list(world.now.entities("Project")), min(1, len(list(world.now.entities("Project"))))
            ),
            "actor.name": dice.choice(world.pools["text"]) or "x",
        }
        grants = [_grant(dice, world) for _ in range(dice.randint(1, 6))]
        return cls(tuple(grants), facts)


_OF_FACTS = (
    "project in $actor.projects",
    "id in $actor.projects",
    "items.project in $actor.projects",
    "people any (id is $actor)",
    "name is_not $actor.name",
    "not (name is $actor.name)",
    "lead is $actor or parent.name is $actor.name",
)


def _grant(dice: random.Random, world: World) -> Grant:
    type_name = dice.choice(["*", "Person", "Project", "Item", "Item", "Shot", "Edit"])
    about = "Item" if type_name == "*" else type_name
    state = dice.choice([world.now, world.then])
    roll = dice.random()
    if roll < 0.35:
        condition = ""
    elif roll < 0.55:
        condition = dice.choice(_OF_FACTS)
    else:
        condition = render(Queries(dice, world, state, search=False).condition(about, 1))
    attributes: tuple[str, ...] = ()
    if dice.random() < 0.5:
        names = [name for name in SCHEMA.attributes(about) if name not in SYSTEM]
        attributes = tuple(dice.sample(names, dice.randint(1, len(names))))
    return Grant(verb="read", type=type_name, condition=condition, attributes=attributes)


class Eyes:
    """What the rules show of a state; `now` is the present one."""

    def __init__(self, given: Grants, state: State, now: State) -> None:
        self._given = given
        self.state = state
        self._now = now
        self._shown: dict[bytes, list[Grant]] = {}
        self._seen: dict[bytes, bool] = {}

    # --- what is seen ---

    def _grants(self, entity: bytes, exact: str, state: State) -> list[Grant]:
        """The grants that hold for an entity in a state."""
        return [grant for grant in self._given.grants if self._holds(grant, entity, exact, state)]

    def _holds(self, grant: Grant, entity: bytes, exact: str, state: State) -> bool:
        lineage = list(reversed(SCHEMA.ancestors(exact)))
        if grant.type == "*":
            if exact in PRIVATE:
                return False
        elif grant.type not in lineage:
            return False
        else:
            lineage = [grant.type]
        if not grant.condition:
            return True
        for name in lineage:
            try:
                root, condition = resolve_condition(SCHEMA, name, parse_condition(grant.condition), self._given.facts)
            except Error:
                continue
            return holds(condition, root, entity, state)
        return False

    def shown(self, entity: bytes, exact: str) -> list[Grant]:
        found = self._shown.get(entity)
        if found is None:
            found = self._shown[entity] = self._grants(entity, exact, self.state)
        return found

    def sees(self, type_name: str, entity: bytes) -> bool:
        """Whether an entity is there."""
        known = self._seen.get(entity)
        if known is None:
            known = self._seen[entity] = self._judge(SCHEMA.root(type_name), entity)
        return known

    def _judge(self, root: str, entity: bytes) -> bool:
        there = self.state.entities_by_root[root].get(entity)
        if there is None or not self.shown(entity, there.type):
            return False
        today = self._now.entities_by_root[root].get(entity)
        return today is None or bool(self._grants(entity, today.type, self._now))

    def covers(self, type_name: str, entity: bytes, attribute: str) -> bool:
        """Whether an attribute of an entity is shown."""
        if not self.sees(type_name, entity):
            return False
        exact = self.state.find(type_name, entity).type
        return any(not each.attributes or attribute in each.attributes for each in self.shown(entity, exact))

    # --- a source ---

    def entities(self, type_name: str) -> Iterator[bytes]:
        return (entity for entity in self.state.entities(type_name) if self.sees(type_name, entity))

    def find(self, type_name: str, entity: bytes) -> Entity:
        return self.state.find(type_name, entity)

    def value(self, type_name: str, entity: bytes, attribute: str) -> Any:
        raw = self.state.value(type_name, entity, attribute)
        if raw is None or attribute in SYSTEM:
            return raw
        if not self.covers(type_name, entity, attribute):
            return None
        declared = self._attribute(type_name, entity, attribute)
        return raw if declared.kind != "reference" or self.sees(declared.target, raw) else None

    def _attribute(self, type_name: str, entity: bytes, attribute: str) -> Attribute:
        return SCHEMA.attribute(self.state.find(type_name, entity).type, attribute)

    def members(self, type_name: str, entity: bytes, attribute: str) -> Iterator[tuple[bytes, str | None]]:
        if not self.covers(type_name, entity, attribute):
            return
        declared = SCHEMA.attribute(type_name, attribute)
        for member, note in self.state.members(type_name, entity, attribute):
            if declared.kind == "collection":
                seen = self.sees(declared.target, member) and self.value(declared.target, member, declared.inverse)
            elif declared.derived:
                seen = self.covers(declared.target, member, declared.inverse)
            else:
                seen = self.sees(declared.target, member)
            if seen:
                yield member, note

    def entries(self, type_name: str, entity: bytes, attribute: str) -> Mapping[str, Any]:
        return self.state.entries(type_name, entity, attribute) if self.covers(type_name, entity, attribute) else {}
