"""Random moves, creates, deletes and reverts of a tree: what follows is what its expressions say."""

from __future__ import annotations

from random import Random

import pytest

from recordroom.errors import Error
from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import Commit, Create, Delete, Operation, Update
from recordroom.store.room import Room
from tests.store.test_giving import apply, commit
from tests.store.test_regiving import SCHEMA
from tests.store.test_schema_changes import values

UNIQUE = SCHEMA.replace("abstract = true", 'abstract = true\nunique = [["parent", "name"]]')


def some_operations(room: Room, random: Random) -> list[Operation]:
    contexts = values(room, "Context", "id")
    shots = [each for each, parent in zip(contexts, values(room, "Context", "parent"), strict=True) if parent]
    operations: list[Operation] = []
    for _ in range(random.randint(1, 4)):
        new, what, name = new_id(), random.random(), random.choice("abcdef")
        if what < 0.3:
            operations.append(Create("Shot", [new], {"name": [name], "parent": [random.choice(contexts)]}))
            contexts.append(new)
            shots.append(new)
        elif what < 0.4:
            operations.append(Create("Asset", [new], {"name": [new.hex()], "home": [random.choice(contexts)]}))
        elif what < 0.45:
            operations.append(Create("Project", [new], {"name": [name]}))
        elif what < 0.5 and shots:
            operations.append(Delete("Shot", [random.choice(shots)]))
        elif what < 0.6 and shots:
            operations.append(Update("Shot", [random.choice(shots)], {"name": [name]}))
        elif shots:
            some = random.sample(shots, min(len(shots), 2))
            parents = [random.choice(contexts) for _ in some]
            operations.append(Update("Shot", some, {"parent": parents}))
    return operations


def check(room: Room) -> None:
    assert list(room.check()) == []
    project = dict(zip(values(room, "Context", "id"), values(room, "Context", "project"), strict=True))
    name = dict(zip(values(room, "Context", "id"), values(room, "Context", "name"), strict=True))
    shots = zip(*(values(room, "Shot", each) for each in ("id", "parent", "code")), strict=True)
    for shot, parent, code in shots:
        if parent is not None:
            assert project[shot] == project[parent]
            assert code == f"{name[parent]}_{name[shot]}"
    for home, of in zip(values(room, "Asset", "home"), values(room, "Asset", "project"), strict=True):
        assert of == project[home]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_to_a_tree_it_stays_right(room: Room, seed: int) -> None:
    random = Random(seed)
    apply(room, UNIQUE)
    first = new_ids(2)
    start = commit(room, Create("Project", first, {"name": ["one", "two"]})).revision
    done: list[int] = []
    for _ in range(40):
        try:
            if done and random.random() < 0.15:
                room.revert(random.choice(done), Commit(id=new_id()))
            else:
                how = random.choice(["continue", "stop"])
                operations = some_operations(room, random)
                revision = commit(room, *operations, on_error=how).revision
                if revision > start and not any(isinstance(each, Delete) for each in operations):
                    done.append(revision)  # what comes back after a delete has what it had
        except Error:
            continue
        check(room)
    assert len(done) > 5
