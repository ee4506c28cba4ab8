"""What a batch changes, gathered entity by entity, and the native operations that do it: in one commit, in whole blocks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import NotFound
from ...model.ids import show_id
from ...model.operations import Create, Delete, DropKeys, Link, Operation, SetKeys, Unlink, Update

__all__ = ["Draft"]

Columns = dict[str, Any]


class Draft:
    """Changes so far. An update of what the batch creates is a part of its creation, whichever comes first.

    But where it makes new entities refer to each other in a circle: that reference is set behind their creation.
    """

    def __init__(self) -> None:
        self.created: dict[bytes, tuple[str, Columns]] = {}
        self._later: dict[bytes, set[str]] = {}  # what was said of new entities behind their creation
        self.updated: dict[tuple[str, bytes], Columns] = {}
        self._updated_as: dict[bytes, set[str]] = {}  # the types under which an entity was updated
        self.deleted: dict[bytes, str] = {}
        self.linked: dict[tuple[str, str], dict[tuple[bytes, bytes], bool]] = {}
        self.keys: dict[tuple[str, str], dict[tuple[bytes, str], Any]] = {}
        self.first: list[Operation] = []  # changes of the schema that the rest needs
        self.last: list[Operation] = []  # and those that nothing may need any more

    def create(self, native: str, entity: bytes, columns: Columns) -> None:
        """A new entity."""
        known = self.created.get(entity)
        self.created[entity] = (native, {**(known[1] if known else {}), **columns})

    def update(self, native: str, entity: bytes, columns: Columns, *, later: bool = True) -> None:
        """New values; NotFound where the batch has deleted the entity. Those of a creation do not come `later`."""
        if entity in self.deleted:
            raise NotFound(type=native, entity=show_id(entity))
        if entity in self.created:
            self.created[entity][1].update(columns)
            if later:
                self._later.setdefault(entity, set()).update(columns)
        elif columns:
            self.updated.setdefault((native, entity), {}).update(columns)
            self._updated_as.setdefault(entity, set()).add(native)

    def delete(self, native: str, entity: bytes) -> None:
        """An entity goes, and what the batch did to it."""
        if self.created.pop(entity, None) is None:
            self.deleted[entity] = native
        for kind in self._updated_as.pop(entity, ()):
            del self.updated[kind, entity]

    def link(self, native: str, attribute: str, pair: tuple[bytes, bytes], *, there: bool) -> None:
        """A pair of a links attribute is there, or is not."""
        self.linked.setdefault((native, attribute), {})[pair] = there

    def set_key(self, native: str, attribute: str, entry: tuple[bytes, str], value: Any) -> None:
        """A value of a mapping."""
        self.keys.setdefault((native, attribute), {})[entry] = value

    def drop_key(self, native: str, attribute: str, entry: tuple[bytes, str]) -> None:
        """A key that a mapping has no more."""
        self.set_key(native, attribute, entry, _GONE)

    def operations(self) -> list[Operation]:
        """Everything, what frees a value before what takes it."""
        gone = self.deleted
        closing = self._take_closing()
        return [
            *self.first,
            *_updates(self.updated),
            *self._unlinks(gone),
            *self._drops(gone),
            *_deletes(self.deleted),
            *_creates(self.created),
            *_updates(closing),
            *self._links(gone),
            *self._sets(gone),
            *self.last,
        ]

    def _take_closing(self) -> dict[tuple[str, bytes], Columns]:
        """References that would close circles of new entities, taken out of their creation."""
        found: dict[tuple[str, bytes], Columns] = {}
        for entity in self._later.keys() & self.created.keys():
            native, columns = self.created[entity]
            for name in sorted(self._later[entity] & columns.keys()):
                value = columns[name]
                if isinstance(value, bytes) and value != entity and self._leads(value, entity):
                    found.setdefault((native, entity), {})[name] = columns.pop(name)
        return found

    def _leads(self, start: bytes, end: bytes) -> bool:
        """Whether references of new entities lead from one to another."""
        seen, waiting = {start}, [start]
        while waiting:
            each = waiting.pop()
            if each == end:
                return True
            _, columns = self.created.get(each, ("", {}))
            ahead = {value for value in columns.values() if isinstance(value, bytes)} & self.created.keys() - seen
            seen |= ahead
            waiting += ahead
        return False

    def _links(self, gone: Iterable[bytes]) -> Iterable[Operation]:
        for (native, attribute), pairs in self.linked.items():
            there = [each for each, stays in pairs.items() if stays and each[0] not in gone and each[1] not in gone]
            if there:
                yield Link(native, attribute, [one for one, _ in there], [other for _, other in there])

    def _unlinks(self, gone: Iterable[bytes]) -> Iterable[Operation]:
        for (native, attribute), pairs in self.linked.items():
            ended = [each for each, stays in pairs.items() if not stays and each[0] not in gone and each[1] not in gone]
            if ended:
                yield Unlink(native, attribute, [one for one, _ in ended], [other for _, other in ended])

    def _sets(self, gone: Iterable[bytes]) -> Iterable[Operation]:
        for (native, attribute), entries in self.keys.items():
            kept = {entry: value for entry, value in entries.items() if value is not _GONE and entry[0] not in gone}
            if kept:
                ids, keys = [entity for entity, _ in kept], [key for _, key in kept]
                yield SetKeys(native, attribute, ids, keys, list(kept.values()))

    def _drops(self, gone: Iterable[bytes]) -> Iterable[Operation]:
        for (native, attribute), entries in self.keys.items():
            dropped = [entry for entry, value in entries.items() if value is _GONE and entry[0] not in gone]
            if dropped:
                yield DropKeys(native, attribute, [entity for entity, _ in dropped], [key for _, key in dropped])


_GONE = object()


def _creates(created: dict[bytes, tuple[str, Columns]]) -> Iterable[Operation]:
    blocks: dict[tuple[str, tuple[str, ...]], dict[bytes, Columns]] = {}
    for entity, (native, columns) in created.items():
        blocks.setdefault((native, tuple(sorted(columns))), {})[entity] = columns
    for (native, names), rows in blocks.items():
        yield Create(native, list(rows), {name: [each[name] for each in rows.values()] for name in names})


def _updates(updated: dict[tuple[str, bytes], Columns]) -> Iterable[Operation]:
    blocks: dict[tuple[str, tuple[str, ...]], dict[bytes, Columns]] = {}
    for (native, entity), columns in updated.items():
        blocks.setdefault((native, tuple(sorted(columns))), {})[entity] = columns
    for (native, names), rows in blocks.items():
        yield Update(native, list(rows), {name: [each[name] for each in rows.values()] for name in names})


def _deletes(deleted: dict[bytes, str]) -> Iterable[Operation]:
    blocks: dict[str, list[bytes]] = {}
    for entity, native in deleted.items():
        blocks.setdefault(native, []).append(entity)
    for native, ids in blocks.items():
        yield Delete(native, ids)
