"""New rows wait for what the room gives them; nobody can tell that they did."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from recordroom.errors import Error
from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import Commit, Create, DefineAttribute, Delete, Operation, SetKeys, Update
from recordroom.model.schema import Attribute
from recordroom.store.attempt import Segment
from recordroom.store.room import Room
from tests.conftest import Places, opened
from tests.store.test_giving import KIND, SCHEMA, apply, commit, statements, tracking
from tests.store.test_schema_changes import values

__all__ = ["tracking"]
_COMMITS = 15


def never_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Segment, "puts_off", property(lambda _: False, lambda *_: None), raising=False)


class Scripts:
    """Commits that hang together, the same for one seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.there: dict[str, list[bytes]] = {"Project": [], "Shot": [], "Task": [], "Asset": [], "Version": []}
        self.count = 0

    def id(self) -> bytes:
        self.count += 1
        return bytes(12) + self.count.to_bytes(4, "big")

    def any_of(self, *names: str) -> bytes | None:
        known = [each for name in names for each in self.there[name]]
        return self.dice.choice(known) if known and self.dice.random() < 0.98 else None

    def new(self, name: str) -> Operation:
        ids = [self.id() for _ in range(self.dice.randint(1, 3))]
        columns: dict[str, list[Any]] = {}
        if name in ("Project", "Shot", "Task"):
            columns["name"] = [self.dice.choice("abcdef") + str(each[-1] // 2) for each in ids]
            columns["parent"] = [None if name == "Project" else self.any_of("Project", "Shot") for _ in ids]
        if name == "Task":
            columns["bid"] = [self.dice.choice([None, None, 3]) for _ in ids]
        if name == "Asset":
            columns["home"] = [self.any_of("Project", "Shot", "Task") for _ in ids]
        if name == "Version":
            columns["asset"] = [self.any_of("Asset") for _ in ids]
            columns["count"] = [self.dice.choice([None, None, None, None, 7]) for _ in ids]
        self.there[name] += ids
        return Create(name, ids, columns)

    def change(self) -> Operation | None:
        kind, name, targets = self.dice.choice(
            [("Asset", "home", ("Shot", "Task")), ("Version", "asset", ("Asset",)), ("Task", "parent", ("Shot",))]
        )
        entity = self.any_of(kind)
        return None if entity is None else Update(kind, [entity], {name: [self.any_of(*targets)]})

    def notes(self) -> Operation | None:
        entity = self.any_of("Task")
        return None if entity is None else SetKeys("Task", "notes", [entity], ["k"], [str(self.dice.random())])

    def delete(self) -> Operation | None:
        kind = self.dice.choice(list(self.there))
        entity = self.any_of(kind)
        return None if entity is None else Delete(kind, [entity])

    def commit(self) -> Commit:
        makers: Sequence[Callable[[], Operation | None]] = [
            *[lambda name=name: self.new(name) for name in self.there] * 2,
            self.change,
            self.notes,
            self.delete if self.dice.random() < 0.3 else self.notes,
        ]
        made = (self.dice.choice(makers)() for _ in range(self.dice.randint(1, 8)))
        on_error = self.dice.choice(["stop", "continue"])
        return Commit(id=self.id(), operations=[each for each in made if each is not None], on_error=on_error)  # type: ignore[arg-type]


def outcomes(room: Room, seed: int) -> Iterator[Any]:
    """What each commit answers, and what is there and stands in the journal at the end."""
    apply(room, SCHEMA)
    commit(room, Create("Kind", [KIND], {"name": ["shot"]}))
    commit(room, DefineAttribute("Task", Attribute(name="notes", kind="mapping", of="text")))
    script = Scripts(seed)
    for _ in range(_COMMITS):
        try:
            result = room.commit(script.commit())
            yield result.revision, result.numbers, result.refused, [sorted(each) for each in result.given]
        except Error as error:
            yield type(error), str(error)
    for name, columns in {
        "Context": ["name", "parent", "project", "kind", "number"],
        "Task": ["bid", "title"],
        "Version": ["asset", "count", "label", "number"],
    }.items():
        yield {column: values(room, name, column) for column in columns}
    for entry in room.journal(4, 100):
        yield [
            (
                type(each),
                getattr(each, "ids", None),
                {k: v for k, v in getattr(each, "columns", {}).items() if k != "made"},
            )
            for each in entry.operations
        ]
    yield list(room.check())


@pytest.mark.parametrize("seed", range(10))
def test_whether_rows_wait_shows_nowhere(seed: int, places_sqlite: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(places_sqlite("late")) as room:
        late = list(outcomes(room, seed))
    never_late(monkeypatch)
    with opened(places_sqlite("once")) as room:
        once = list(outcomes(room, seed))

    assert late == once
    assert late[-1] == []
    assert sum(isinstance(each[0], int) for each in late[:_COMMITS]) > 3  # that were made


def test_rows_are_written_once_beside_other_changes(tracking: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    project, old = new_ids(2)
    commit(tracking, Create("Project", [project], {"name": ["film"]}))
    commit(tracking, Create("Task", [old], {"name": ["old"], "parent": [project]}))

    def changes(name: str) -> list[Operation]:
        ids = new_ids(3)
        names = [f"{name}{each}" for each in range(3)]
        return [
            Create("Shot", ids, {"name": names, "parent": [project] * 3}),
            Update("Task", [old], {"name": [name]}),
            Create("Task", new_ids(3), {"name": names, "parent": ids}),
        ]

    late = statements(tracking, *changes("a"))
    never_late(monkeypatch)

    assert statements(tracking, *changes("b")) == late + 2


def test_what_is_created_and_deleted_under_what_goes_goes_too(tracking: Room) -> None:
    project, shot, task = new_ids(3)
    commit(tracking, Create("Project", [project], {"name": ["film"]}))
    commit(tracking, Create("Shot", [shot], {"name": ["s"], "parent": [project]}))

    commit(tracking, Create("Task", [task], {"name": ["t"], "parent": [shot]}), Delete("Shot", [shot]))

    assert values(tracking, "Context", "name") == ["film"]


def test_a_name_that_is_taken_is_found_when_rows_wait(tracking: Room) -> None:
    project = new_id()
    commit(tracking, Create("Project", [project], {"name": ["film"]}))
    commit(tracking, Create("Shot", [new_id()], {"name": ["s"], "parent": [project]}))
    taken, free = new_ids(2)

    operation = Create("Shot", [taken, free], {"name": ["s", "t"], "parent": [project] * 2})
    result = commit(tracking, operation, on_error="continue")

    assert [each.entity for each in result.refused] == [taken]
    assert values(tracking, "Context", "name") == ["film", "s", "t"]
    assert values(tracking, "Context", "project") == [project] * 3
