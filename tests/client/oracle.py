"""What a session and its room should do, in plain Python: dicts, and no caching, no columns, no SQL.

`World` is the room: what is committed, with every value that an attribute had. `View` is one session: what it has
read, and what it has recorded. The model-based test does the same to these and to the real thing.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

GONE = object()
SCALARS = ("name", "bid")
REFERENCES = {"project": "Project", "parent": "Task"}
ATTRIBUTES = (*SCALARS, *REFERENCES)


@dataclass
class Row:
    """One committed task: values, its revision, and (revision, value) of each attribute, oldest first."""

    values: dict[str, Any]
    revision: int
    past: dict[str, list[tuple[int, Any]]]

    def value_at(self, name: str, revision: int) -> Any:
        return [value for since, value in self.past[name] if since <= revision][-1]


@dataclass
class World:
    """The room."""

    revision: int
    tasks: dict[str, Row] = field(default_factory=dict)
    projects: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    links: dict[tuple[str, str], str | None] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    snapshots: dict[int, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def remember(self) -> None:
        self.snapshots[self.revision] = {each: dict(row.values) for each, row in self.tasks.items()}

    def create(self, each: str, values: dict[str, Any]) -> None:
        whole = {name: values.get(name) for name in ATTRIBUTES}
        past = {name: [(0, None), (self.revision, value)] for name, value in whole.items()}
        self.tasks[each] = Row(whole, self.revision, past)

    def update(self, each: str, values: dict[str, Any]) -> None:
        row = self.tasks[each]
        changed = {name: value for name, value in values.items() if row.values[name] != value}
        for name, value in changed.items():
            row.values[name] = value
            row.past[name].append((self.revision, value))
        if changed:
            row.revision = self.revision

    def delete(self, each: str) -> set[str]:
        """Delete an entity; tasks that changed or went because of it."""
        self.links = {pair: note for pair, note in self.links.items() if each not in pair}
        self.keys = {key: value for key, value in self.keys.items() if key[0] != each}
        self.users.discard(each)
        self.projects.discard(each)
        self.tasks.pop(each, None)
        touched: set[str] = set()
        for other, row in list(self.tasks.items()):
            if other in self.tasks and row.values["project"] == each:
                touched |= {other} | self.delete(other)
            elif other in self.tasks and row.values["parent"] == each:
                self.update(other, {"parent": None})
                touched.add(other)
        return touched

    def has(self, each: str) -> bool:
        return each in self.tasks or each in self.projects or each in self.users


@dataclass
class Pending:
    """What is recorded. `edits`: task → attribute → (value, revision that it is based on)."""

    created: dict[str, dict[str, Any]] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)  # new projects and users: id → type
    edits: dict[str, dict[str, tuple[Any, int]]] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    links: dict[tuple[str, str], Any] = field(default_factory=dict)
    keys: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any((self.created, self.others, self.edits, self.deleted, self.links, self.keys))

    def is_new(self, each: str) -> bool:
        return each in self.created or each in self.others

    def referred(self) -> set[str]:
        """Everything that recorded references and links name."""
        found = {values.get(name) for values in self.created.values() for name in REFERENCES}
        found |= {edits[name][0] for edits in self.edits.values() for name in REFERENCES if name in edits}
        found |= {each for pair, note in self.links.items() if note is not GONE for each in pair}
        return {each for each in found if each is not None}


class View:
    """A session: `known` is what it has read of each task, with the revision that it read."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.known: dict[str, tuple[int, dict[str, Any]]] = {}
        self.pending = Pending()

    # --- what is read ----------------------------------------------------------------------------

    def read(self, each: str) -> None:
        """What a query does: newer values replace known ones."""
        row = self.world.tasks.get(each)
        if row is not None and (each not in self.known or row.revision > self.known[each][0]):
            self.known[each] = (row.revision, dict(row.values))

    def refresh(self, each: str) -> None:
        self.read(each)
        row = self.world.tasks.get(each)
        if row is not None:
            for name, (value, _) in self.pending.edits.get(each, {}).items():
                self.pending.edits[each][name] = (value, row.revision)
            if each in self.pending.deleted:
                self.pending.deleted[each] = row.revision

    def shown(self, each: str) -> dict[str, Any]:
        if each in self.pending.created:
            return {name: self.pending.created[each].get(name) for name in ATTRIBUTES}
        values = dict(self.known[each][1])
        values.update({name: value for name, (value, _) in self.pending.edits.get(each, {}).items()})
        return values

    def shown_links(self) -> dict[tuple[str, str], str | None]:
        """Only right while nobody else has committed since everything was refreshed."""
        found = {**self.world.links, **self.pending.links}
        gone = self.pending.deleted
        return {pair: note for pair, note in found.items() if note is not GONE and not gone.keys() & set(pair)}

    def shown_keys(self, task: str) -> dict[str, str]:
        found = {**self.world.keys, **self.pending.keys}
        return {key: value for (owner, key), value in found.items() if owner == task and value is not GONE}

    # --- what is recorded ------------------------------------------------------------------------

    def set(self, each: str, name: str, value: Any, *, sent: Pending | None = None) -> None:
        """Set an attribute; `sent` is what is on its way meanwhile."""
        pending = self.pending
        if each in pending.created:
            pending.created[each][name] = value
            return
        flying = sent is not None and (each in sent.edits or each in sent.created)
        revision, values = self.known.get(each, (0, {}))
        if not flying and value == values.get(name):
            edits = pending.edits.get(each, {})
            edits.pop(name, None)
            if not edits:
                pending.edits.pop(each, None)
            return
        edits = pending.edits.setdefault(each, {})
        edits[name] = (value, edits[name][1] if name in edits else revision)

    def link(self, task: str, user: str, note: Any) -> None:
        """Link or unlink, knowing what the room has: what is so already is not recorded."""
        if self.world.links.get((task, user), GONE) == note:
            self.pending.links.pop((task, user), None)
        else:
            self.pending.links[task, user] = note

    def delete(self, each: str) -> None:
        pending = self.pending
        if pending.is_new(each):
            pending.created.pop(each, None)
            pending.others.pop(each, None)
        else:
            pending.deleted[each] = self.known[each][0] if each in self.known else 0
        pending.edits.pop(each, None)
        pending.links = {pair: note for pair, note in pending.links.items() if each not in pair}
        pending.keys = {key: value for key, value in pending.keys.items() if key[0] != each}

    # --- commit ----------------------------------------------------------------------------------

    def obstacles(self, pending: Pending) -> list[str]:
        """Why a commit must be refused, in words for a failing test."""
        world = self.world
        there = set(pending.created) | set(pending.others)
        found = [f"{e} is gone" for e in (*pending.edits, *pending.deleted) if not world.has(e)]
        # Taking away what is not there is no fault.
        touched = {each for pair, note in pending.links.items() if note is not GONE for each in pair}
        touched |= {owner for (owner, _), value in pending.keys.items() if value is not GONE}
        found += [f"{e} of a relation is gone" for e in touched if not (world.has(e) or e in there)]
        found += [f"{e} is referred to and gone" for e in pending.referred() if not (world.has(e) or e in there)]
        for each, edits in pending.edits.items():
            if each in world.tasks:
                found += [f"{each}.{n} clashes" for n, (v, base) in edits.items() if self._clashes(each, n, v, base)]
        for each, base in pending.deleted.items():
            row = world.tasks.get(each)
            if row is not None and any(row.value_at(n, base) != row.values[n] for n in ATTRIBUTES if base):
                found.append(f"{each} was changed before it is deleted")
        return found

    def _clashes(self, each: str, name: str, mine: Any, base: int) -> bool:
        row = self.world.tasks[each]
        theirs = row.values[name]
        return bool(base) and row.revision > base and theirs not in (mine, row.value_at(name, base))

    def commit(self, sent: Pending) -> None:
        """Apply what was sent; what was recorded meanwhile stays in `pending`."""
        world = self.world
        before = {each: row.revision for each, row in world.tasks.items()}
        image = copy.deepcopy((world.tasks, world.links, world.keys, world.projects, world.users))
        world.revision += 1
        world.projects |= {each for each, kind in sent.others.items() if kind == "Project"}
        world.users |= {each for each, kind in sent.others.items() if kind == "User"}
        for each, values in sent.created.items():
            world.create(each, values)
        for each, edits in sent.edits.items():
            world.update(each, {name: value for name, (value, _) in edits.items()})
        for pair, note in sent.links.items():
            if note is GONE:
                world.links.pop(pair, None)
            else:
                world.links[pair] = note
        for key, value in sent.keys.items():
            if value is GONE:
                world.keys.pop(key, None)
            else:
                world.keys[key] = value
        side_effects: set[str] = set()
        for each in sent.deleted:
            side_effects |= world.delete(each)
        if image == (world.tasks, world.links, world.keys, world.projects, world.users):
            world.revision -= 1  # Nothing changed: there is no such commit.
        else:
            world.remember()
        self._settle(sent, before, side_effects)

    def _settle(self, sent: Pending, before: dict[str, int], side_effects: set[str]) -> None:
        world = self.world
        for each in sent.created:
            self._reload(each)
        for each, edits in sent.edits.items():
            bases = [base for _, base in edits.values() if base]
            overtaken = any(before[each] > base for base in bases)
            later = self.pending.edits.get(each, {})
            for name, (value, base) in list(later.items()):
                if name in edits or not overtaken:
                    later[name] = (value, world.revision if each in world.tasks else base)
                if name in edits and edits[name][0] == value:
                    del later[name]
            if not later:
                self.pending.edits.pop(each, None)
            self._reload(each) if overtaken else self._advance(each, edits)
        for each in sent.created:
            later = self.pending.edits.get(each, {})
            for name, (value, _) in list(later.items()):
                if sent.created[each].get(name) == value:
                    del later[name]
                else:
                    later[name] = (value, world.revision)
            if not later:
                self.pending.edits.pop(each, None)
        for each in (*sent.deleted, *side_effects):
            self._reload(each)

    def _advance(self, each: str, edits: dict[str, tuple[Any, int]]) -> None:
        """What was known before, with what was sent; nobody else had changed it."""
        if each in self.known:
            revision, values = self.known[each]
            values.update({name: value for name, (value, _) in edits.items()})
            self.known[each] = (max(revision, self.world.revision), values)

    def _reload(self, each: str) -> None:
        """It loads again when it is touched."""
        row = self.world.tasks.get(each)
        if row is None:
            self.known.pop(each, None)
            self.pending.edits.pop(each, None)
        else:
            self.known[each] = (row.revision, dict(row.values))

    def rollback(self) -> None:
        self.pending = Pending()
