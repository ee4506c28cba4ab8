"""What follows from deletes, judged after everything else was applied, transitively and in bulk.

First everything that `cascade` takes along is deleted, a level at a time; then whatever still refers to
what is gone is refused (`restrict`) or set to null (`nullify`; a required reference restricts). Links
and mapping entries of what is gone are removed. All of it stands in the journal like any operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import DeleteRestricted
from ..model.ids import show_id
from ..model.kinds import Storage
from ..model.operations import Update
from ..model.schema import Attribute
from .access_checks import seen_rows
from .apply import fetch_rows, remove
from .attempt import Segment
from .faults import Fault
from .layout import Layout
from .plans import FetchKeys, Plan, Row, UpdateColumns
from .relations import relations_of, remove_entries

__all__ = ["cascade", "clear_references"]


def cascade(segment: Segment) -> Plan[None]:
    """Delete what refers to deleted entities with on_delete="cascade", and what refers to that, and so on."""
    fresh = dict(segment.deleted)
    while fresh:
        before = set(segment.deleted)
        for root, ids in _by_root(segment, fresh).items():
            for type_name, attribute in _references_to(segment, root):
                if attribute.on_delete == "cascade":
                    yield from _delete_referring(segment, type_name, attribute, ids)
        fresh = {entity: name for entity, name in segment.deleted.items() if entity not in before}


def _delete_referring(segment: Segment, type_name: str, attribute: Attribute, ids: list[bytes]) -> Plan[None]:
    layout = segment.layout(type_name)
    column = layout.columns[attribute.name]
    every = list(layout.storage)
    rows = yield from fetch_rows(segment, layout, ids, every, column)
    if not rows:
        return
    at = 3 + every.index(column)
    for row in rows:
        gone: bytes = row[at]
        segment.cause[row[0]] = segment.cause.get(gone, gone)
    segment.outcome.cascaded.extend((row[2], row[0]) for row in seen_rows(segment, layout, rows))
    yield from remove(segment, layout, rows, cascaded=True)


def clear_references(segment: Segment) -> Plan[None]:
    """Refuse or clear what still refers to deleted entities, and remove their links and mapping entries."""
    for root, ids in _by_root(segment, segment.deleted).items():
        for type_name, attribute in _references_to(segment, root):
            layout = segment.layout(type_name)
            rows = yield from fetch_rows(
                segment, layout, ids, [layout.columns[attribute.name]], layout.columns[attribute.name]
            )
            if not rows:
                continue
            if attribute.on_delete == "nullify" and not attribute.required:
                yield from _nullify(segment, layout, attribute, rows)
            else:
                segment.faults.add(_restricted(segment, type_name, attribute, rows))
        yield from _remove_relations(segment, root, ids)


def _nullify(segment: Segment, layout: Layout, attribute: Attribute, rows: list[Row]) -> Plan[None]:
    ids = [row[0] for row in rows]
    nulls = [None] * len(rows)
    column = layout.columns[attribute.name]
    columns: dict[str, Sequence[Any]] = {"revision": [segment.revision] * len(rows), column: nulls}
    yield UpdateColumns(layout.table, {"id": ids}, columns, layout.storage_of(["id", "revision", column]))
    held = segment.held.get(layout.root, {})
    for entity in held.keys() & set(ids):
        if column in held[entity]:
            held[entity][column] = None
    segment.outcome.journal.append(
        Update(
            type=layout.type,
            ids=ids,
            columns={attribute.name: nulls},
            before={attribute.name: [row[3] for row in rows]},
            before_revision=[row[1] for row in rows],
        )
    )
    segment.outcome.stale.update(((row[2], row[0]), None) for row in seen_rows(segment, layout, rows))


def _restricted(segment: Segment, type_name: str, attribute: Attribute, rows: list[Row]) -> Iterator[Fault]:
    referring: dict[bytes, list[bytes]] = {}
    unseen = segment.unseen(type_name, (row[0] for row in rows))
    for row in rows:
        found = referring.setdefault(row[3], [])
        if row[0] not in unseen:
            found.append(row[0])
    gone_unseen = segment.unseen(segment.schema.root(attribute.target), referring)
    for entity, found in referring.items():
        asked = segment.cause.get(entity, entity)
        deleted_type = segment.deleted[entity]
        asked_type = segment.deleted.get(asked, deleted_type)
        if not found or entity in gone_unseen:
            yield Fault(asked_type, asked, _restricted_unseen(asked_type, asked))
            continue
        error = DeleteRestricted(
            type=deleted_type,
            entity=show_id(entity),
            referring_type=type_name,
            attribute=attribute.name,
            count=len(found),
            examples=[show_id(each) for each in sorted(found)[:5]],
        )
        yield Fault(asked_type, asked, error)


def _restricted_unseen(type_name: str, entity: bytes) -> DeleteRestricted:
    """The error where the actor does not see what is in the way."""
    shown = show_id(entity)
    return DeleteRestricted(
        f"{type_name} {shown} cannot be deleted: something refers to it that you may not see.",
        type=type_name,
        entity=shown,
        referring_type="",
        attribute="",
        count=0,
        examples=[],
    )


def _remove_relations(segment: Segment, root: str, ids: list[bytes]) -> Plan[None]:
    """Links and mapping entries of deleted entities; they go with the entity, whichever side it was on."""
    schema = segment.schema
    for relation in relations_of(segment.catalog):
        ends = []
        if schema.root(relation.type) == root:
            ends.append(relation.columns[0])
        if not relation.is_mapping and schema.root(relation.attribute.target) == root:
            ends.append(relation.columns[1])
        there = {}
        for end in ends:
            rows = yield FetchKeys(relation.table, end, ids, relation.columns, (Storage.BYTES, *relation.storage))
            there.update({(row[0], row[1]): (row[2], row[3]) for row in rows})
        yield from remove_entries(segment, relation, there)


def _by_root(segment: Segment, deleted: dict[bytes, str]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for entity, type_name in deleted.items():
        found.setdefault(type_name, []).append(entity)
    by_root: dict[str, list[bytes]] = {}
    for type_name, ids in found.items():
        by_root.setdefault(segment.schema.root(type_name), []).extend(ids)
    return by_root


def _references_to(segment: Segment, root: str) -> list[tuple[str, Attribute]]:
    """(declaring type, attribute) of every reference into the hierarchy of `root`."""
    schema = segment.schema
    return [
        (name, attribute)
        for name in schema
        for attribute in schema[name].attributes
        if attribute.kind == "reference" and schema.root(attribute.target) == root
    ]
