"""Random and mutated commits as they come over the wire: applied, or refused by name with nothing applied."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recordroom.errors import Error
from recordroom.model.operations import Commit
from recordroom.store.plans import Fetch, Plan
from recordroom.store.room import Room
from tests.postgres_server import fresh_database
from tests.proof.everything import NASTY_VALUES, filling, some_id, sound_commits

Tree = Any
SOUND: list[Tree] = [msgspec.to_builtins(each, builtin_types=(bytes,)) for each in sound_commits()]
APPLIED_PER_ROOM = 40


# --- wounds ---


def slots(tree: Tree) -> list[tuple[Any, Any]]:
    """(container, key) of every place in a tree of dicts and lists."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        container = waiting.pop()
        keys = list(container) if isinstance(container, dict) else range(len(container))
        for key in keys:
            found.append((container, key))
            if isinstance(container[key], (dict, list)):
                waiting.append(container[key])
    return found


def wounded(dice: random.Random, tree: Tree) -> None:
    places = slots(tree)
    if not places:
        return
    container, key = dice.choice(places)
    match dice.randrange(6):
        case 0 | 1 | 2:
            # Mostly one of the same type, which gets past the decoder and to the engine.
            alike = [each for each in NASTY_VALUES if type(each) is type(container[key]) or dice.random() < 0.02]
            container[key] = copied(dice.choice(alike or NASTY_VALUES))
        case 3:
            container.pop(key)
        case 4:
            other, at = dice.choice(places)
            container[key] = copied(other[at])
        case _ if isinstance(container, list):
            container.insert(key, copied(container[key]))
        case _:
            container[str(dice.choice(("base", "type", "columns", "name", "x", "\0")))] = container[key]


def copied(tree: Tree) -> Tree:
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in tree.items()}
    return [copied(each) for each in tree] if isinstance(tree, list) else tree


def message(dice: random.Random, number: int) -> bytes:
    """A damaged commit; mostly one that gets past the decoder, and so to the engine."""
    while True:
        data = wounded_commit(dice, number)
        if dice.random() < 0.1 or not refused_by_decoder(data):
            return data


def refused_by_decoder(data: bytes) -> str | None:
    """The name of the error that decoding gives."""
    try:
        msgspec.msgpack.decode(data, type=Commit)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return type(error).__name__
    return None


def wounded_commit(dice: random.Random, number: int) -> bytes:
    """A commit with one to three wounds, or one whose bytes are damaged; its id is new, mostly."""
    tree = copied(dice.choice(SOUND))
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        wounded(dice, tree)
    if isinstance(tree.get("id"), bytes) and len(tree["id"]) == 16 and dice.random() < 0.95:
        tree["id"] = some_id(10_000 + number)
    data = bytearray(msgspec.msgpack.encode(tree))
    if dice.random() < 0.2:
        for _ in range(dice.choice((1, 1, 3))):
            data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data)


# --- what a room holds ---


def everything(room: Room) -> dict[str, list[str]]:
    """Every row of every table, the room's own ones included."""
    return room.driver.run(_everything(room.driver.dialect))


def _everything(dialect: str) -> Plan[dict[str, list[str]]]:
    tables = yield Fetch(TABLES[dialect])
    found = {}
    for (name,) in tables:
        rows = yield Fetch(f'SELECT * FROM "{name}"')
        found[name] = sorted(map(repr, rows))
    return found


TABLES = {
    "sqlite": "SELECT name FROM sqlite_schema WHERE type = 'table'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
}


class Rooms:
    """Filled rooms, a new one whenever the last has taken in much."""

    def __init__(self, make: Callable[[ExitStack], Room]) -> None:
        self._make = make
        self._stack = ExitStack()
        self.taken = APPLIED_PER_ROOM
        self.room: Room | None = None

    def current(self) -> Room:
        if self.room is None or self.taken >= APPLIED_PER_ROOM:
            self.close()
            self.room = self._make(self._stack)
            self.taken = 0
        return self.room

    def close(self) -> None:
        if self.room is not None:
            assert list(self.room.check()) == []
        self._stack.close()


def fill(room: Room) -> Room:
    for commit in filling():
        room.commit(commit)
    return room


@contextmanager
def folders(tmp_path: Path) -> Iterator[Callable[[ExitStack], Room]]:
    """Copies of one filled room."""
    with Room.open(tmp_path / "template.room") as room:
        fill(room)
    shutil.copytree(tmp_path / "template.room", tmp_path / "copy.room")

    def make(stack: ExitStack) -> Room:
        shutil.rmtree(tmp_path / "copy.room")
        shutil.copytree(tmp_path / "template.room", tmp_path / "copy.room")
        return stack.enter_context(Room.open(tmp_path / "copy.room"))

    yield make


def sent(room: Room, data: bytes) -> str:
    """What came of it. Whoever is refused has changed nothing."""
    if refused := refused_by_decoder(data):
        return refused
    commit = msgspec.msgpack.decode(data, type=Commit)
    before = everything(room)
    try:
        result = room.commit(commit)
        outcome = "repeated" if result.repeated else "applied"
    except Error as error:
        outcome = type(error).__name__
    except Exception as error:
        raise AssertionError(f"{commit!r} raised {error!r}") from error
    assert outcome == "applied" or everything(room) == before, f"{outcome} left something behind, for {commit!r}"
    return outcome


def fuzz(rooms: Rooms, count: int, seed: int) -> Counter[str]:
    dice, outcomes = random.Random(seed), Counter[str]()
    for number in range(count):
        outcome = sent(rooms.current(), message(dice, number))
        outcomes[outcome] += 1
        rooms.taken += outcome == "applied"
    rooms.close()
    return outcomes


def show(database: str, outcomes: Counter[str], seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    counts = ", ".join(f"{name} {count}" for name, count in outcomes.most_common())
    with capsys.disabled():
        print(f"\nwire, {database}, seed {seed}: {outcomes.total()} messages: {counts}")


@pytest.mark.proof
def test_sqlite_applies_a_message_or_refuses_it_whole(
    tmp_path: Path, rounds: Callable[[int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(2**32)
    with folders(tmp_path) as make:
        outcomes = fuzz(Rooms(make), rounds(10_000), seed)
    show("SQLite", outcomes, seed, capsys)

    assert outcomes["applied"]
    assert outcomes["ValidationError"]
    assert outcomes["InvalidValue"]


@pytest.mark.proof
def test_postgresql_applies_a_message_or_refuses_it_whole(
    postgres_url: str, rounds: Callable[[int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    def make(stack: ExitStack) -> Room:
        return fill(stack.enter_context(Room.open(stack.enter_context(fresh_database(postgres_url)))))

    seed = random.randrange(2**32)
    outcomes = fuzz(Rooms(make), rounds(2_000), seed)
    show("PostgreSQL", outcomes, seed, capsys)

    assert outcomes["applied"]
    assert outcomes["InvalidValue"]


@pytest.mark.parametrize(
    "commit",
    [
        pytest.param(each, id=f"{number}-{type(each.operations[0]).__name__}")
        for number, each in enumerate(sound_commits())
    ],
)
def test_every_sound_commit_is_taken(tmp_path: Path, commit: Commit) -> None:
    with Room.open(tmp_path / "a.room") as room:
        fill(room)
        before = everything(room)
        message = msgspec.msgpack.encode(commit)

        assert sent(room, message) == "applied"
        assert everything(room) != before
        assert sent(room, message) == "repeated"
        assert list(room.check()) == []
