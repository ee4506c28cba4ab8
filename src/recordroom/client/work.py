"""The unit of work: what a session changed and has not committed.

`Work` keeps lists of what was touched, never a look at everything loaded: new pages, edited and deleted entities,
pairs and keys. `take` hands all of it over as a `Batch` and starts afresh; `give_back` puts a batch that was not
committed in front of what came since. State stands for its history, so squashing is built in: edits of a new entity
are part of its create, a new entity that is deleted leaves nothing, and the last value of an attribute is the only one.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, TypeGuard

import msgspec

from ..model.operations import Publish
from .entity import Entity
from .pages import Page

__all__ = ["GONE", "KEPT", "Batch", "Keys", "Mark", "NewPage", "Pairs", "RelationKey", "Work", "is_open"]

RelationKey = tuple[str, str]  # declaring type, attribute


class Mark(Enum):
    """GONE: a pair or a key that is taken away. KEPT: a pair with the note that it has, or none if it is new."""

    GONE = "GONE"
    KEPT = "KEPT"


GONE, KEPT = Mark.GONE, Mark.KEPT


class NewPage(Page):
    """Entities of one type that are not committed yet.

    Those of `create` are in `entities`, with all their values as edits; those of `create_many` have columns.
    `sent`: a commit with them is on its way, so that edits belong to the next one. `changes` counts edits made
    after creating; `indexes` are `ensuring`'s: names → (changes, rows, values → row); `owners` those of `rows_by`.
    """

    __slots__ = ("__weakref__", "bulk", "changes", "entities", "indexes", "owners", "sent")

    def __init__(self, type_name: str, ids: list[bytes], columns: dict[str, list[Any]], plain: frozenset[str]) -> None:
        super().__init__(type_name, ids, columns, plain)
        self.new = True
        self.bulk = bool(ids)
        self.sent = False
        self.changes = 0
        self.owners: dict[str, tuple[int, dict[Any, list[int]]]] = {}
        self.indexes: dict[tuple[str, ...], tuple[int, int, dict[tuple[Any, ...], int]]] = {}
        self.entities: list[Entity] = []

    def rows_by(self, name: str) -> dict[Any, list[int]]:
        """Raw scalar of a loaded column → the rows that have it."""
        changes, found = self.owners.get(name, (-1, {}))
        if changes != self.changes:
            found = {}
            for row, raw in enumerate(self.columns[name]):
                found.setdefault(raw, []).append(row)
            self.owners[name] = (self.changes, found)
        return found


def is_open(page: Page) -> TypeGuard[NewPage]:
    """True for a page of new entities that no commit has taken yet: edits go into their creates."""
    return page.new and isinstance(page, NewPage) and not page.sent


class Pairs:
    """Changes of one links attribute: source → target → note or mark; readable from both sides."""

    __slots__ = ("backward", "forward")

    def __init__(self) -> None:
        self.forward: dict[Entity, dict[Entity, str | Mark | None]] = {}
        self.backward: dict[Entity, dict[Entity, str | Mark | None]] = {}

    def put(self, source: Entity, target: Entity, note: str | Mark | None) -> None:
        """Record one pair; the last word counts."""
        self.forward.setdefault(source, {})[target] = note
        self.backward.setdefault(target, {})[source] = note

    def discard(self, source: Entity, target: Entity) -> None:
        """Forget what is recorded of one pair."""
        for side, one, other in ((self.forward, source, target), (self.backward, target, source)):
            partners = side.get(one)
            if partners is not None:
                partners.pop(other, None)
                if not partners:
                    del side[one]

    def side(self, forward: bool) -> dict[Entity, dict[Entity, str | Mark | None]]:
        """The changes by source, or by target."""
        return self.forward if forward else self.backward

    def __iter__(self) -> Iterator[tuple[Entity, Entity, str | Mark | None]]:
        for source, targets in self.forward.items():
            for target, note in targets.items():
                yield source, target, note


Keys = dict[Entity, dict[str, Any]]  # owner → key → raw scalar, or GONE


class Batch(msgspec.Struct):
    """What one commit is made of.

    `modified` and `deleted` say which revision the change is based on (0: unknown); `rebased` has the attributes of
    modified entities that are based on another one.
    """

    new: list[NewPage]
    modified: dict[Entity, int]
    rebased: dict[Entity, dict[str, int]]
    deleted: dict[Entity, int]
    links: dict[RelationKey, Pairs]
    keys: dict[RelationKey, Keys]
    published: list[Publish]

    @classmethod
    def empty(cls) -> Batch:
        """A batch with nothing in it."""
        return cls([], {}, {}, {}, {}, {}, [])

    def __bool__(self) -> bool:
        return bool(
            any(len(page.gone) < len(page.ids) for page in self.new)
            or any(entity._edits for entity in self.modified)
            or self.deleted
            or any(pairs.forward for pairs in self.links.values())
            or any(any(keys.values()) for keys in self.keys.values())
            or self.published
        )

    def base_of(self, entity: Entity, name: str) -> int:
        """The revision that the edit of an attribute is based on."""
        rebased = self.rebased.get(entity)
        if rebased is not None and name in rebased:
            return rebased[name]
        return self.modified.get(entity, 0)


class Work:
    """What is not committed yet, and what is on its way. Callers hold the session's lock.

    `silent` has the attributes that were set while recording was off: they show, and are never sent.
    """

    def __init__(self) -> None:
        self.now = Batch.empty()
        self.sent: Batch | None = None
        self.silent: dict[Entity, set[str]] = {}

    # --- record ----------------------------------------------------------------------------------

    def create(self, entity_page: NewPage) -> None:
        """Record a page of new entities."""
        self.now.new.append(entity_page)

    def edit(self, entity: Entity, name: str, raw: Any, base: int) -> None:
        """Record a new value of one attribute."""
        edits = entity._edits
        modified = self.now.modified
        if edits is None:
            entity._edits = {name: raw}
            modified[entity] = base
        else:
            if modified.setdefault(entity, base) != base and name not in edits:
                self.now.rebased.setdefault(entity, {})[name] = base
            edits[name] = raw
        if self.silent:
            self.unsilence(entity, name)

    def edit_silently(self, entity: Entity, name: str, raw: Any) -> None:
        """Set a value that is never sent."""
        if entity._edits is None:
            entity._edits = {}
        entity._edits[name] = raw
        self.silent.setdefault(entity, set()).add(name)

    def unsilence(self, entity: Entity, name: str) -> None:
        """Forget that an attribute was set while recording was off."""
        names = self.silent.get(entity)
        if names is not None:
            names.discard(name)
            if not names:
                del self.silent[entity]

    def forget(self, entity: Entity, name: str) -> None:
        """Forget the local value of an attribute."""
        edits = entity._edits
        if edits is not None and name in edits:
            del edits[name]
            self.now.rebased.get(entity, {}).pop(name, None)
            self.unsilence(entity, name)
            if not edits and not entity._page.new:
                entity._edits = None
                self.now.modified.pop(entity, None)
                self.now.rebased.pop(entity, None)

    def delete(self, entity: Entity, base: int) -> None:
        """Record that an entity goes; one that was never committed leaves no trace."""
        page, row = entity._place()
        if is_open(page):
            page.gone.add(row)
        else:
            self.now.deleted[entity] = base
        self.now.modified.pop(entity, None)
        self.now.rebased.pop(entity, None)
        for pairs in self.now.links.values():
            _drop_entity(pairs, entity)
        for keys in self.now.keys.values():
            keys.pop(entity, None)

    def pairs(self, key: RelationKey) -> Pairs:
        """The recorded changes of a links attribute."""
        return self.now.links.setdefault(key, Pairs())

    def entries(self, key: RelationKey, owner: Entity) -> dict[str, Any]:
        """The recorded changes of a mapping of one entity."""
        return self.now.keys.setdefault(key, {}).setdefault(owner, {})

    # --- look ------------------------------------------------------------------------------------

    def is_deleted(self, entity: Entity) -> bool:
        """True for what was deleted here, committed or not, or is known to be deleted by others."""
        page, row = entity._place()
        if row in page.gone:
            return True
        # Hashing an entity costs more than looking whether there is anything to find.
        if self.now.deleted and entity in self.now.deleted:
            return True
        return self.sent is not None and entity in self.sent.deleted

    def is_on_its_way(self, entity: Entity) -> bool:
        """True while a commit with changes of the entity is in flight."""
        if self.sent is None:
            return False
        page = entity._page
        return entity in self.sent.modified or (isinstance(page, NewPage) and page.sent)

    def is_modified(self, entity: Entity) -> bool:
        """True for an entity with edits, links or entries of mappings that are not committed."""
        return bool(entity._edits) or any(
            any(entity in pairs.forward for pairs in batch.links.values())
            or any(keys.get(entity) for keys in batch.keys.values())
            for batch in self.batches()
        )

    def batches(self) -> tuple[Batch, ...]:
        """What is on its way, then what is recorded: later ones win."""
        return (self.now,) if self.sent is None else (self.sent, self.now)

    # --- take and give back ----------------------------------------------------------------------

    def take(self) -> Batch:
        """Everything recorded so far; what is recorded from now on belongs to the next batch."""
        self.sent, self.now = self.now, Batch.empty()
        for page in self.sent.new:
            page.sent = True
        return self.sent

    def done(self) -> None:
        """The batch that was taken is committed, or given up."""
        self.sent = None

    def give_back(self, batch: Batch) -> None:
        """Put a batch that was not committed in front of what was recorded since."""
        self.sent = None
        now = self.now
        for page in batch.new:
            page.sent = False
            # What was deleted meanwhile was never created.
            for entity in [entity for entity in now.deleted if entity._page is page]:
                del now.deleted[entity]
                page.gone.add(entity._row)
        self.now = Batch(
            new=batch.new + now.new,
            modified={**now.modified, **batch.modified},
            rebased={**now.rebased, **batch.rebased},
            deleted={**batch.deleted, **now.deleted},
            links=_joined_pairs(batch.links, now.links),
            keys=_joined_keys(batch.keys, now.keys),
            published=batch.published + now.published,
        )
        for entity in now.deleted:
            self.now.modified.pop(entity, None)

    def clear(self) -> None:
        """Forget everything recorded."""
        self.now, self.silent = Batch.empty(), {}


def _drop_entity(pairs: Pairs, entity: Entity) -> None:
    for target in tuple(pairs.forward.get(entity, ())):
        pairs.discard(entity, target)
    for source in tuple(pairs.backward.get(entity, ())):
        pairs.discard(source, entity)


def _joined_pairs(first: dict[RelationKey, Pairs], then: dict[RelationKey, Pairs]) -> dict[RelationKey, Pairs]:
    for key, pairs in then.items():
        joined = first.setdefault(key, Pairs())
        for source, target, note in pairs:
            joined.put(source, target, note)
    return first


def _joined_keys(first: dict[RelationKey, Keys], then: dict[RelationKey, Keys]) -> dict[RelationKey, Keys]:
    for key, owners in then.items():
        joined = first.setdefault(key, {})
        for owner, values in owners.items():
            joined.setdefault(owner, {}).update(values)
    return first
