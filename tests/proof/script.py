"""An endless script of commits, and what a room must hold after each: the same in every process.

Commit `n` follows from `n` and the state before it, so a process that starts late, or one that repeats a
commit, makes exactly the same one. Commit 0 defines the types. Every commit changes something that can be
seen in the rows, so a lost or doubled one shows.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from recordroom.model.operations import Commit, Create, DefineType, Delete, Link, Operation, Unlink, Update
from recordroom.model.schema import Attribute, EntityType

OWNER = ("name", "age")
ITEM = ("name", "note", "value", "size", "done", "owner")
TYPES = (
    EntityType(
        name="Owner",
        attributes=(
            Attribute(name="name", kind="text", required=True, unique=True),
            Attribute(name="age", kind="integer"),
        ),
    ),
    EntityType(
        name="Item",
        attributes=(
            Attribute(name="name", kind="text", required=True),
            Attribute(name="note", kind="long_text"),
            Attribute(name="value", kind="integer"),
            Attribute(name="size", kind="number"),
            Attribute(name="done", kind="boolean"),
            Attribute(name="owner", kind="reference", target="Owner", reverse="items", on_delete="nullify"),
            Attribute(name="friends", kind="links", target="Owner", reverse="liked", notes=True),
        ),
    ),
)
MOST = 6_000
Row = tuple[object, ...]


@dataclass
class State:
    """What the room holds: rows by id, and links with their notes. `done` commits have been applied."""

    seed: int
    done: int = 0
    items: dict[bytes, Row] = field(default_factory=dict)
    owners: dict[bytes, Row] = field(default_factory=dict)
    links: dict[tuple[bytes, bytes], str | None] = field(default_factory=dict)

    def next_commit(self) -> Commit:
        """Commit number `done`, which `apply` then adds."""
        operations: list[Operation]
        operations = list(Draft(self).operations()) if self.done else [DefineType(each) for each in TYPES]
        return Commit(id=commit_id(self.seed, self.done), operations=operations, notes=f"commit {self.done}")

    def advance(self, done: int) -> None:
        """To the state after `done` commits."""
        while self.done < done:
            self.apply(self.next_commit())

    def apply(self, commit: Commit) -> None:
        for operation in commit.operations:
            self._apply(operation)
        self.done += 1

    def _apply(self, operation: Operation) -> None:
        match operation:
            case Create(type="Owner"):
                self.owners.update(rows(operation, OWNER))
            case Create():
                self.items.update(rows(operation, ITEM))
            case Update():
                for entity, *values in zip(operation.ids, *operation.columns.values(), strict=True):
                    row = dict(zip(ITEM, self.items[entity], strict=True))
                    row.update(zip(operation.columns, values, strict=True))
                    self.items[entity] = tuple(row.values())
            case Delete(type="Owner"):
                for gone in operation.ids:
                    self._forget_owner(gone)
            case Delete():
                for gone in operation.ids:
                    del self.items[gone]
                self._unlink_all(set(operation.ids))
            case Link():
                pairs = zip(operation.sources, operation.targets, strict=True)
                self.links.update(zip(pairs, operation.notes, strict=True))
            case Unlink():
                for pair in zip(operation.sources, operation.targets, strict=True):
                    del self.links[pair]

    def _forget_owner(self, gone: bytes) -> None:
        del self.owners[gone]
        self._unlink_all({gone})
        for entity, row in self.items.items():
            if row[-1] == gone:
                self.items[entity] = (*row[:-1], None)

    def _unlink_all(self, gone: set[bytes]) -> None:
        for pair in [each for each in self.links if not gone.isdisjoint(each)]:
            del self.links[pair]


class Draft:
    """The operations of one commit. No item is in two of them, and none refers to an owner that another deletes."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.number = state.done
        self.dice = random.Random(f"{state.seed}/{state.done}")
        self.free = list(state.items)
        self.dice.shuffle(self.free)
        self.owners = list(state.owners)
        self.blocks = 0
        self.doomed = self.owners.pop(0) if len(self.owners) > 5 and self.dice.random() < 0.2 else None

    def operations(self) -> Iterator[Operation]:
        if self.doomed:
            # Its items lose their owner and its links go: the engine changes more than is asked.
            yield Delete(type="Owner", ids=[self.doomed])
        if not self.doomed or self.dice.random() < 0.3:
            yield self.create_owners(self.dice.choice((1, 3)))
        if len(self.state.items) > MOST:
            yield Delete(type="Item", ids=self.take(MOST))
        for verb in self.dice.sample(self.verbs(), k=self.dice.choice((1, 1, 2, 3))):
            if operation := verb():
                yield operation

    def verbs(self) -> list[Callable[[], Operation | None]]:
        often = [self.create_items, self.update_items]
        return [*often, *often, self.delete_items, self.link, self.unlink]

    def how_many(self) -> int:
        """Mostly one or a few, sometimes hundreds or two thousand."""
        dice = self.dice
        return dice.choice((1, 1, 1, dice.randint(2, 40), dice.randint(2, 40), dice.randint(200, 800), 2_000))

    def take(self, count: int) -> list[bytes]:
        taken, self.free = self.free[:count], self.free[count:]
        return taken

    def create_owners(self, count: int) -> Create:
        ids = [entity_id(1, self.number, i) for i in range(count)]
        columns = {"name": [f"owner {self.number} {i}" for i in range(count)], "age": [self.number] * count}
        return Create(type="Owner", ids=ids, columns=columns)

    def create_items(self) -> Create:
        count, number = self.how_many(), self.number
        owners = [*self.owners, None]
        columns = {
            "name": [f"item {number} {i}" for i in range(count)],
            "note": [f"made by commit {number} as number {i} of {count}" for i in range(count)],
            "value": [number * 10_000 + i for i in range(count)],
            "size": [i / 3 for i in range(count)],
            "done": [i % 2 == 0 for i in range(count)],
            "owner": [self.dice.choice(owners) for _ in range(count)],
        }
        self.blocks += 1
        ids = [entity_id(1 + self.blocks, number, i) for i in range(count)]
        return Create(type="Item", ids=ids, columns=columns)

    def update_items(self) -> Update | None:
        ids = self.take(self.how_many())
        columns = {"value": [-self.number] * len(ids), "note": [f"changed by commit {self.number}"] * len(ids)}
        return Update(type="Item", ids=ids, columns=columns) if ids else None

    def delete_items(self) -> Delete | None:
        ids = self.take(self.how_many() // 2)
        return Delete(type="Item", ids=ids) if ids else None

    def link(self) -> Link | None:
        sources = self.take(self.how_many()) if self.owners else []
        targets = [self.dice.choice(self.owners) for _ in sources]
        notes: list[str | None] = [f"linked by commit {self.number}"] * len(sources)
        if not sources:
            return None
        return Link(type="Item", attribute="friends", sources=sources, targets=targets, notes=notes)

    def unlink(self) -> Unlink | None:
        free = set(self.free)
        pairs = [each for each in self.state.links if each[0] in free and each[1] != self.doomed][:20]
        if not pairs:
            return None
        self.free = [each for each in self.free if each not in {source for source, _ in pairs}]
        sources, targets = zip(*pairs, strict=True)
        return Unlink(type="Item", attribute="friends", sources=list(sources), targets=list(targets))


def rows(create: Create, names: tuple[str, ...]) -> Iterator[tuple[bytes, Row]]:
    columns = [create.columns[name] for name in names]
    return zip(create.ids, zip(*columns, strict=True), strict=True)


def commit_id(seed: int, number: int) -> bytes:
    return hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=16).digest()


def entity_id(kind: int, number: int, position: int) -> bytes:
    """Rising with the commits, as real ids are."""
    return b"".join((number.to_bytes(7, "big"), bytes([kind]), position.to_bytes(8, "big")))
