"""Packing: a batch of changes as operations in blocks of columns. Pure functions.

Creates are one block per page of new entities, updates one per type and set of attributes, deletes one per type.
`order` puts parents before children where new ones refer to each other, then updates, pairs and keys, then
deletes (what was created last goes first), then events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from operator import itemgetter
from typing import Any

import msgspec

from ..model.operations import Create, Delete, DropKeys, Link, Operation, SetKeys, Unlink, Update
from .entity import Entity
from .facts import TypeFacts
from .symbols import NOT_SET
from .work import GONE, KEPT, Batch, Mark, NewPage, Pairs

__all__ = ["CreateBlock", "DeleteBlock", "Packed", "UpdateBlock", "fold_edits", "order", "pack"]

FactsOf = Callable[[str], TypeFacts]


class CreateBlock(msgspec.Struct):
    """A create, the page it came from, and which rows of the page it has (`columns` has all rows)."""

    operation: Create
    page: NewPage
    rows: Sequence[int]
    columns: dict[str, list[Any]]


class UpdateBlock(msgspec.Struct):
    """An update and its entities in order."""

    operation: Update
    entities: list[Entity]


class DeleteBlock(msgspec.Struct):
    """A delete and its entities in order."""

    operation: Delete
    entities: list[Entity]


class Packed(msgspec.Struct):
    """The blocks of a batch, and its operations in the order to send them."""

    creates: list[CreateBlock]
    updates: list[UpdateBlock]
    deletes: list[DeleteBlock]
    operations: list[Operation]


def pack(batch: Batch, facts_of: FactsOf, silent: Mapping[Entity, set[str]]) -> Packed:
    """The operations of a batch. `silent` has the edits that are not to be sent."""
    creates = [_create_block(page, facts_of(page.type), silent) for page in batch.new if len(page.gone) < len(page.ids)]
    updates = _update_blocks(batch, silent)
    deletes = _delete_blocks(batch.deleted)
    creates = order(creates, facts_of)
    operations: list[Operation] = [block.operation for block in creates]
    operations += [block.operation for block in updates]
    for (type_name, attribute), pairs in batch.links.items():
        operations += _pair_blocks(type_name, attribute, pairs)
    for (type_name, attribute), keys in batch.keys.items():
        operations += _key_blocks(type_name, attribute, keys)
    operations += [block.operation for block in deletes]
    operations += batch.published
    return Packed(creates, updates, deletes, operations)


# --- creates --------------------------------------------------------------------------------------


def fold_edits(batch: Batch) -> None:
    """Put the edits of new entities made by `create_many` into their columns."""
    for entity in batch.modified:
        page, row = entity._page, entity._row
        if page.new and isinstance(page, NewPage) and page.bulk and entity._edits:
            for name, raw in entity._edits.items():
                page.put(name, row, raw)
            page.changes += 1
            entity._edits = None


def _create_block(page: NewPage, facts: TypeFacts, silent: Mapping[Entity, set[str]]) -> CreateBlock:
    if page.bulk:
        columns = {n: _without_holes(column, facts.defaults.get(n)) for n, column in page.columns.items()}
    else:
        columns = columns_of_edits([_spoken(entity, silent) for entity in page.entities], facts.defaults)
    rows: Sequence[int] = range(len(page.ids))
    sent, ids = columns, page.ids
    if page.gone:
        rows = [row for row in rows if row not in page.gone]
        sent = {name: [column[row] for row in rows] for name, column in columns.items()}
        ids = [page.ids[row] for row in rows]
    return CreateBlock(Create(type=page.type, ids=list(ids), columns=dict(sent)), page, rows, columns)


def _spoken(entity: Entity, silent: Mapping[Entity, set[str]]) -> dict[str, Any]:
    edits = entity._edits or {}
    hidden = silent.get(entity) if silent else None
    return {name: raw for name, raw in edits.items() if name not in hidden} if hidden else edits


def _without_holes(column: list[Any], default: Any) -> list[Any]:
    return [default if raw is NOT_SET else raw for raw in column] if NOT_SET in column else column


def columns_of_edits(rows: Sequence[dict[str, Any]], defaults: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Dicts of raw scalars as columns; what a dict lacks gets the attribute's default."""
    if not rows:
        return {}
    names = tuple(rows[0])
    if len(names) > 1 and set(map(len, rows)) == {len(names)}:
        try:
            return dict(zip(names, map(list, zip(*map(itemgetter(*names), rows), strict=True)), strict=True))
        except KeyError:
            pass  # As many attributes each, but not the same ones.
    found = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name, default) for row in rows] for name, default in ((n, defaults.get(n)) for n in found)}


def order(blocks: list[CreateBlock], facts_of: FactsOf) -> list[CreateBlock]:
    """Blocks whose entities others refer to come first; blocks in a circle keep their order, which the engine judges."""
    if len(blocks) < 2:
        return blocks
    places: dict[str, list[int]] = {}
    for place, block in enumerate(blocks):
        places.setdefault(facts_of(block.operation.type).root, []).append(place)
    needed = {place: _needed(block, facts_of, places) - {place} for place, block in enumerate(blocks)}
    try:
        return [blocks[place] for place in TopologicalSorter(needed).static_order()]
    except CycleError:
        return blocks


def _needed(block: CreateBlock, facts_of: FactsOf, places: Mapping[str, list[int]]) -> set[int]:
    """The blocks of types that this one's references may point into."""
    facts = facts_of(block.operation.type)
    found: set[int] = set()
    for name in block.columns:
        reference = facts.references.get(name)
        if reference is not None:
            found.update(places.get(facts_of(reference.target).root, ()))
    return found


# --- updates and deletes --------------------------------------------------------------------------


def _update_blocks(batch: Batch, silent: Mapping[Entity, set[str]]) -> list[UpdateBlock]:
    groups: dict[tuple[str, ...], tuple[list[Entity], list[int]]] = {}
    special = batch.rebased or silent
    # Most entities have the same attributes edited as the one before: that is looked at first.
    cls: type[Entity] | None = None
    keys: Any = None
    group: tuple[list[Entity], list[int]] = ([], [])
    for entity, base in batch.modified.items():
        edits = entity._edits
        if not edits or entity._page.new:
            continue
        if special and (entity in batch.rebased or entity in silent):
            for shape, its_base in _shapes(batch, entity, silent):
                _add(groups.setdefault(shape, ([], [])), entity, its_base)
            continue
        if type(entity) is not cls or edits.keys() != keys:
            cls, keys = type(entity), edits.keys()
            group = groups.setdefault((entity._type, *sorted(edits)), ([], []))
        _add(group, entity, base)
    return [_update_block(shape, entities, bases) for shape, (entities, bases) in groups.items()]


def _add(group: tuple[list[Entity], list[int]], entity: Entity, base: int) -> None:
    group[0].append(entity)
    group[1].append(base)


def _shapes(batch: Batch, entity: Entity, silent: Mapping[Entity, set[str]]) -> list[tuple[tuple[str, ...], int]]:
    """The groups of an entity whose edits are based on different revisions, or are not all to be sent."""
    by_base: dict[int, list[str]] = {}
    for name in sorted(_spoken(entity, silent)):
        by_base.setdefault(batch.base_of(entity, name), []).append(name)
    return [((entity._type, *names), base) for base, names in by_base.items()]


def _update_block(shape: tuple[str, ...], entities: list[Entity], bases: list[int]) -> UpdateBlock:
    edits = [entity._edits or {} for entity in entities]
    columns = {name: [each[name] for each in edits] for name in shape[1:]}
    ids = [entity._id for entity in entities]
    return UpdateBlock(Update(type=shape[0], ids=ids, columns=columns, base=bases), entities)


def _delete_blocks(deleted: Mapping[Entity, int]) -> list[DeleteBlock]:
    groups: dict[str, list[Entity]] = {}
    for entity in reversed(list(deleted)):
        groups.setdefault(entity._type, []).append(entity)
    return [
        DeleteBlock(Delete(type=name, ids=[e._id for e in found], base=[deleted[e] for e in found]), found)
        for name, found in groups.items()
    ]


# --- pairs and keys -------------------------------------------------------------------------------


def _pair_blocks(type_name: str, attribute: str, pairs: Pairs) -> Iterable[Operation]:
    gone = [(source._id, target._id) for source, target, note in pairs if note is GONE]
    kept = [(source._id, target._id) for source, target, note in pairs if note is KEPT]
    noted = [(source._id, target._id, note) for source, target, note in pairs if type(note) is not Mark]
    if gone:
        sources, targets = (list(each) for each in zip(*gone, strict=True))
        yield Unlink(type=type_name, attribute=attribute, sources=sources, targets=targets)
    if kept:
        sources, targets = (list(each) for each in zip(*kept, strict=True))
        yield Link(type=type_name, attribute=attribute, sources=sources, targets=targets)
    if noted:
        sources, targets, notes = (list(each) for each in zip(*noted, strict=True))
        yield Link(type=type_name, attribute=attribute, sources=sources, targets=targets, notes=notes)


def _key_blocks(type_name: str, attribute: str, keys: Mapping[Entity, Mapping[str, Any]]) -> Iterable[Operation]:
    entries = [(owner._id, key, raw) for owner, values in keys.items() for key, raw in values.items()]
    gone = [(owner, key) for owner, key, raw in entries if raw is GONE]
    there = [entry for entry in entries if entry[2] is not GONE]
    if gone:
        yield DropKeys(type=type_name, attribute=attribute, ids=[o for o, _ in gone], keys=[k for _, k in gone])
    if there:
        ids, names, values = (list(each) for each in zip(*there, strict=True))
        yield SetKeys(type=type_name, attribute=attribute, ids=ids, keys=names, values=values)
