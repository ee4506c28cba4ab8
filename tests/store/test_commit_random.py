"""Random commits: whatever they are, they are applied or refused, and the room stays in order."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from recordroom.errors import Error
from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import (
    Commit,
    CommitResult,
    Create,
    Delete,
    DropKeys,
    Link,
    Operation,
    SetKeys,
    Unlink,
    Update,
)
from recordroom.store.past import prune_plan
from tests.store.desk import Desk

NAMES = [None, "a", "b", "c", "d", "e", "f"]


class Chaos:
    """Random operations on a few entities, most of them sensible."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk = desk
        self.random = random.Random(seed)
        self.ids: dict[str, list[bytes]] = {"Tag": [], "Project": [], "Shot": [], "Prop": [], "Task": []}
        self.applied = 0
        self.refused = 0

    def some(self, *types: str, most: int = 3) -> list[bytes]:
        known = [each for name in types for each in self.ids[name]]
        return self.random.sample(known, min(len(known), self.random.randint(1, most)))

    def one(self, *types: str) -> bytes | None:
        if self.random.random() < 0.03:
            return new_id()
        return self.random.choice([None, *self.some(*types)])

    def columns(self, type_name: str, count: int) -> dict[str, list[Any]]:
        makers: dict[str, dict[str, Callable[[], Any]]] = {
            "Tag": {"name": lambda: self.random.choice([*NAMES, f"t{self.random.random()}"])},
            "Project": {
                "name": lambda: self.random.choice(NAMES if self.random.random() < 0.1 else NAMES[1:]),
                "code": lambda: self.random.choice(NAMES),
            },
            "Shot": {
                "name": lambda: self.random.choice([*NAMES, f"s{self.random.random()}"]),
                "project": lambda: self.one("Project"),
                "frames": lambda: self.random.choice([-1, 0, 1, 2, None] if self.random.random() < 0.1 else [1, 2]),
                "slate": lambda: self.random.choice(NAMES),
            },
            "Prop": {
                "name": lambda: f"p{self.random.random()}",
                "project": lambda: self.one("Project"),
                "material": lambda: self.random.choice(["red oak", "pine", None]),
            },
            "Task": {
                "name": lambda: self.random.choice(NAMES),
                "text": lambda: " ".join(self.random.choice(["some", "words", "here"]) for _ in range(3)),
                "bid": lambda: self.random.choice([-2, -1, 0, 1, None]),
                "serial": lambda: self.random.choice(["x", None]),
                "asset": lambda: self.one("Shot", "Prop"),
                "shot": lambda: self.one("Shot"),
                "parent": lambda: self.one("Task"),
                "lead": lambda: self.one("Task"),
            },
        }
        made = makers[type_name]
        names = [name for name in made if self.random.random() < 0.6 or name == "name"]
        return {name: [made[name]() for _ in range(count)] for name in names}

    def operation(self) -> Operation:
        type_name = self.random.choice(list(self.ids))
        kind = self.random.random()
        if kind < 0.35 or not self.ids[type_name]:
            ids = new_ids(self.random.randint(1, 3))
            if self.random.random() < 0.1 and self.ids[type_name]:
                ids[0] = self.random.choice(self.ids[type_name])
            self.ids[type_name] = self.ids[type_name][-12:] + ids
            return Create(type_name, ids, self.columns(type_name, len(ids)))
        ids = self.some(type_name)
        base = [self.random.choice([0, self.desk_revision - self.random.randint(0, 4)]) for _ in ids]
        if kind < 0.7:
            return Update(type_name, ids, self.columns(type_name, len(ids)), base=base)
        if kind < 0.8:
            return Delete(type_name, ids, base=base)
        return self.relation()

    def relation(self) -> Operation:
        tasks, tags = self.some("Task"), self.some("Tag")
        count = min(len(tasks), len(tags))
        pick = self.random.randrange(4)
        if pick == 0:
            return Link("Task", "tags", tasks[:count], tags[:count], [self.random.choice(NAMES) for _ in range(count)])
        if pick == 1:
            return Unlink("Tag", "tasks", tags[:count], tasks[:count])
        keys = [self.random.choice("kl") for _ in tasks]
        if pick == 2:
            return SetKeys("Task", "meta", tasks, keys, [self.random.choice("vw") for _ in tasks])
        return DropKeys("Task", "meta", tasks, keys)

    def step(self) -> None:
        self.desk_revision = self.desk.revision
        chance = self.random.random()
        try:
            if chance < 0.06 and self.applied:
                result = self.desk.room.revert(self.desk_revision, Commit(id=new_id(), **self.modes()))
            elif chance < 0.1:
                self.desk.catch_up()
                return
            else:
                operations = [self.operation() for _ in range(self.random.randint(1, 4))]
                result = self.desk.commit(*operations, **self.modes())
        except Error:
            self.refused += 1
            assert self.desk.revision == self.desk_revision
            return
        self.applied += 1
        self.look_at(result)

    def modes(self) -> dict[str, Any]:
        return {
            "on_conflict": self.random.choice(["merge", "merge", "fail", "mine"]),
            "on_error": self.random.choice(["stop", "continue"]),
        }

    def look_at(self, result: CommitResult) -> None:
        assert result.revision in (self.desk_revision, self.desk_revision + 1)
        assert self.desk.revision == result.revision

    def prune(self) -> None:
        desk, upto = self.desk, self.desk.revision - self.random.randint(0, 10)
        desk.room.driver.write(prune_plan({"main": desk.catalog}, desk.room.driver.dialect, upto))


@pytest.mark.parametrize("seed", range(4))
def test_a_room_stays_in_order_whatever_is_committed(desk: Desk, seed: int) -> None:
    chaos = Chaos(desk, seed)

    for step in range(120):
        chaos.step()
        if step % 40 == 39:
            assert [str(problem) for problem in desk.report()] == []
            if step == 79:
                chaos.prune()

    print(f"applied {chaos.applied}, refused {chaos.refused}")
    assert chaos.applied > 20
    assert chaos.refused > 5
