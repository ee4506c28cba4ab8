"""Applying data operations: one handler each, block by block, in a constant number of statements.

Each handler reads what it replaces, writes, and puts the operation into the journal as it was applied,
with what it replaced. References, required values, unique sets and deletes are judged later (`ends`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from ..errors import ImmutableAttribute, NotFound, NotUnique
from ..model.ids import show_id
from ..model.operations import Create, Delete, DropKeys, Link, Operation, Publish, SetKeys, Unlink, Update
from .access_checks import blind, may_change, may_create, may_publish, note_unseen_references
from .attempt import Late, New, Segment
from .conflicts import judge_deletes, judge_updates
from .faults import Fault
from .layout import Layout
from .plans import DeleteKeys, FetchKeys, InsertColumns, Plan, Row, UpdateColumns, divided, nothing
from .relations import drop_keys, link, set_keys, unlink

__all__ = ["HANDLERS", "fetch_rows", "remove"]

_AT_ONCE = 5_000  # rows between turns of others
Handler = Callable[[Segment, Any], Plan[None]]


# --- create ---------------------------------------------------------------------------------------


def create(segment: Segment, block: Create) -> Plan[None]:
    """Insert new entities, with defaults, numbers and revisions."""
    layout = segment.layout(block.type)
    ids, count = block.ids, len(block.ids)
    if not count:
        segment.outcome.numbered(0)
        return
    if segment.mode.careful and (yield from _already_there(segment, layout, ids)):
        return
    may_create(segment, block)
    columns = dict(block.columns)
    for name, default in layout.defaults.items():
        if name not in columns:
            columns[name] = [default] * count
    numbers = yield from _numbers(segment, layout, ids)
    place = segment.outcome.numbered(numbers[0])
    if layout.given:
        segment.new.append(New(layout, ids, place))
    yield from divided(count)
    segment.note_values(layout, ids, columns, new=True)
    segment.note_required_left_out(layout, ids, columns)
    yield from divided(count)
    segment.created.update(dict.fromkeys(ids, layout.type))
    for entity in segment.deleted.keys() & set(ids):
        del segment.deleted[entity]
    system: dict[str, Sequence[Any]] = {"number": numbers}
    if layout.typed:
        system["entity_type"] = [layout.type] * count
    system["revision"] = system["created_revision"] = [segment.revision] * count
    written = {layout.columns[name]: values for name, values in _held_back(segment, layout, ids, columns).items()}
    values: dict[str, Sequence[Any]] = {"id": ids, **system, **written}
    yield from divided(count)
    if layout.given and segment.puts_off:
        segment.late[place] = Late(layout, values)
    else:
        yield InsertColumns(layout.table, values, layout.storage_of(list(values)))
    for run in _runs(numbers):
        whole = len(run) == count
        segment.outcome.journal.append(
            Create(
                type=layout.type,
                ids=ids if whole else ids[run.start : run.stop],
                columns=columns if whole else {name: all_[run.start : run.stop] for name, all_ in columns.items()},
                first_number=numbers[run.start],
            )
        )


def _numbers(segment: Segment, layout: Layout, ids: Sequence[bytes]) -> Plan[Sequence[int]]:
    """The numbers of new entities: the next ones, or for entities that come back those that they had."""
    kept = segment.mode.numbers
    if not kept or not kept.keys() >= set(ids):
        first = yield from segment.number(layout.table, len(ids))
        return range(first, first + len(ids))
    numbers = [kept[entity] for entity in ids]
    yield from segment.keep_number(layout.table, max(numbers))
    return numbers


def _runs(numbers: Sequence[int]) -> Iterator[range]:
    """Stretches of places whose numbers are in a row: each is an operation of its own in the journal."""
    if isinstance(numbers, range):
        yield range(len(numbers))
        return
    start = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] != numbers[place - 1] + 1:
            yield range(start, place)
            start = place


def _already_there(segment: Segment, layout: Layout, ids: Sequence[bytes]) -> Plan[bool]:
    """Whether some of `ids` have an entity already; a fault for each."""
    rows = yield FetchKeys(layout.table, "id", ids, ("id",), layout.storage_of(["id", "id"]))
    unseen = segment.unseen(layout.root, (row[0] for row in rows))
    faults = []
    for (entity,) in rows:
        name = show_id(entity)
        existing = {} if entity in unseen else {"existing": name}
        error = NotUnique(type=layout.type, attributes=("id",), values=(name,), entity=name, **existing)
        faults.append(Fault(layout.type, entity, error))
    segment.faults.add(faults)
    return bool(faults)


def _held_back(
    segment: Segment, layout: Layout, ids: Sequence[bytes], columns: dict[str, list[Any]]
) -> dict[str, list[Any]]:
    """The columns to write now: a careful attempt writes null into unique sets and keeps the values back."""
    if not segment.mode.careful or not layout.unique.intersection(columns):
        return columns
    held = segment.held.setdefault(layout.root, {})
    now = dict(columns)
    for name in layout.unique.intersection(columns):
        column = layout.columns[name]
        for entity, value in zip(ids, columns[name], strict=True):
            held.setdefault(entity, {})[column] = value
        now[name] = [None] * len(ids)
    return now


# --- reading what is replaced ---------------------------------------------------------------------


def fetch_rows(
    segment: Segment, layout: Layout, ids: Sequence[bytes], columns: Sequence[str], key: str = "id"
) -> Plan[list[Row]]:
    """Rows of (id, revision, type, *columns) whose `key` is among `ids`; values kept back are put in."""
    wanted = ["id", "revision", "entity_type" if layout.typed else "revision", *columns]
    rows: list[Row] = yield FetchKeys(layout.table, key, ids, tuple(wanted), layout.storage_of([key, *wanted]))
    if not layout.typed:
        found, rows = rows, []
        for start in range(0, len(found), _AT_ONCE):
            rows += [(row[0], row[1], layout.root, *row[3:]) for row in found[start : start + _AT_ONCE]]
            yield from divided(len(found))
    held = segment.held.get(layout.root)
    if not held:
        return rows
    return [_with_held(row, columns, held[row[0]]) if row[0] in held else row for row in rows]


def _with_held(row: Row, columns: Sequence[str], held: dict[str, Any]) -> Row:
    values = (held.get(column, value) for column, value in zip(columns, row[3:], strict=True))
    return (*row[:3], *values)


def _rows_in_order(
    segment: Segment, layout: Layout, ids: Sequence[bytes], columns: Sequence[str]
) -> Plan[list[Row] | None]:
    """The rows of `ids` in their order; None after faults where there is no such entity of the type."""
    rows = yield from fetch_rows(segment, layout, ids, columns)
    yield from divided(len(rows))
    by_id = {row[0]: row for row in rows}
    yield from divided(len(rows))
    if layout.typed:
        fitting = set(segment.schema.subtypes(layout.type))
        if not {row[2] for row in rows} <= fitting:
            by_id = {entity: row for entity, row in by_id.items() if row[2] in fitting}
    for entity in segment.unseen(layout.type, ids):
        by_id.pop(entity, None)
    yield from divided(len(rows))
    if len(by_id) == len(ids):
        return [by_id[entity] for entity in ids]
    segment.faults.add(
        Fault(layout.type, entity, NotFound(type=layout.type, entity=show_id(entity)))
        for entity in ids
        if entity not in by_id
    )
    return None


# --- update ---------------------------------------------------------------------------------------


def update(segment: Segment, block: Update) -> Plan[None]:
    """Write new values; an entity that has them all already is left alone."""
    layout = segment.layout(block.type)
    names = list(block.columns)
    if not block.ids or not names:
        return
    if segment.late and not segment.created.keys().isdisjoint(block.ids):
        yield from segment.insert_late()
    rows = yield from _rows_in_order(segment, layout, block.ids, [layout.columns[name] for name in names])
    if rows is None:
        return
    may_change(segment, "update", layout.type, block.ids, tuple(sorted(names)))
    yield from divided(len(rows))
    yield from judge_updates(segment, layout, block, rows)
    yield from divided(len(rows))
    note_unseen_references(segment, layout, block)
    block, rows = _only_changed(block, names, rows, blind(segment, layout.type, block.ids, names))
    if not rows:
        return
    yield from divided(len(rows))
    by_column = list(zip(*rows, strict=True))
    before = {name: list(values) for name, values in zip(names, by_column[3:], strict=True)}
    yield from divided(len(rows))
    _judge_immutable(segment, layout, block, before)
    segment.note_values(layout, block.ids, block.columns)
    yield from divided(len(rows))
    written = {
        layout.columns[name]: values for name, values in _held_back(segment, layout, block.ids, block.columns).items()
    }
    values: dict[str, Sequence[Any]] = {"revision": [segment.revision] * len(rows), **written}
    yield UpdateColumns(layout.table, {"id": block.ids}, values, layout.storage_of(["id", *values]))
    segment.outcome.journal.append(
        Update(
            type=block.type,
            ids=block.ids,
            columns=block.columns,
            before=before,
            before_revision=list(by_column[1]),
        )
    )


def _only_changed(
    block: Update, names: list[str], rows: list[Row], blind: Collection[bytes]
) -> tuple[Update, list[Row]]:
    """The block without the entities whose values are already as they should be; those of `blind` are never left out."""
    wanted = list(zip(*block.columns.values(), strict=True))
    changed = [
        place
        for place, (row, new) in enumerate(zip(rows, wanted, strict=True))
        if row[3:] != new or (blind and row[0] in blind)
    ]
    if len(changed) == len(rows):
        return block, rows
    columns = {name: [values[place] for place in changed] for name, values in block.columns.items()}
    kept = Update(type=block.type, ids=[block.ids[place] for place in changed], columns=columns)
    return kept, [rows[place] for place in changed]


def _judge_immutable(segment: Segment, layout: Layout, block: Update, before: dict[str, list[Any]]) -> None:
    for name in layout.immutable:
        if name in block.columns:
            segment.faults.add(
                Fault(layout.type, entity, ImmutableAttribute(type=layout.type, attribute=name, entity=show_id(entity)))
                for entity, old, new in zip(block.ids, before[name], block.columns[name], strict=True)
                if old is not None and old != new
            )


# --- delete ---------------------------------------------------------------------------------------


def delete(segment: Segment, block: Delete) -> Plan[None]:
    """Delete entities; what refers to them is looked for at the end."""
    layout = segment.layout(block.type)
    if not block.ids:
        return
    columns = list(layout.storage)
    rows = yield from _rows_in_order(segment, layout, block.ids, columns)
    if rows is None:
        return
    may_change(segment, "delete", layout.type, block.ids)
    yield from divided(len(rows))
    yield from judge_deletes(segment, layout, block, rows)
    yield from remove(segment, layout, rows, cascaded=False)


def remove(segment: Segment, layout: Layout, rows: list[Row], *, cascaded: bool) -> Plan[None]:
    """Delete the rows given, as `fetch_rows` with every column of the table gives them."""
    by_type: dict[str, list[Row]] = {}
    for row in rows:
        by_type.setdefault(row[2], []).append(row)
    ids = [row[0] for row in rows]
    yield from divided(len(rows))
    yield DeleteKeys(layout.table, {"id": ids}, layout.storage_of(["id"]))
    held = segment.held.get(layout.root, {})
    for entity in ids:
        segment.created.pop(entity, None)
        held.pop(entity, None)
    yield from divided(len(rows))
    place = {column: position for position, column in enumerate(layout.storage)}
    for type_name, of_type in by_type.items():
        segment.deleted.update(dict.fromkeys((row[0] for row in of_type), type_name))
        yield from divided(len(of_type))
        exact = segment.layout(type_name)
        by_column = yield from _columns(of_type)
        before = {
            name: by_column[3 + place[column]]
            for name, column in exact.columns.items()
            if name not in ("id", "entity_type", "revision")
        }
        segment.outcome.journal.append(
            Delete(
                type=type_name,
                ids=by_column[0],
                before=before,
                before_revision=by_column[1],
                cascaded=cascaded,
            )
        )
        yield from divided(len(of_type))


def _columns(rows: list[Row]) -> Plan[list[list[Any]]]:
    """Rows as columns."""
    columns: list[list[Any]] = [[] for _ in rows[0]]
    for start in range(0, len(rows), _AT_ONCE):
        for column, values in zip(columns, zip(*rows[start : start + _AT_ONCE], strict=True), strict=True):
            column.extend(values)
        yield from divided(len(rows))
    return columns


# --- events ---------------------------------------------------------------------------------------


def publish(segment: Segment, event: Publish) -> Plan[None]:
    """An event stands in the journal and nowhere else."""
    may_publish(segment)
    segment.outcome.journal.append(event)
    yield from nothing()


HANDLERS: dict[type[Operation], Handler] = {
    Create: create,
    Update: update,
    Delete: delete,
    Link: link,
    Unlink: unlink,
    SetKeys: set_keys,
    DropKeys: drop_keys,
    Publish: publish,
}
