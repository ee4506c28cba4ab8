"""Unique sets in a careful attempt: values are kept back, compared, and written when all is known to fit.

A commit is first applied as it comes and the database's unique indexes judge it. Only where they object
is it applied again carefully: rows get null in the columns of their unique sets, which never clashes, so
that values may be handed around among entities; at the end the sets are compared as they will be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import NotUnique
from ..model.ids import show_id
from .access_checks import blind
from .attempt import Segment
from .faults import Fault, shown
from .layout import Layout, layout_of
from .plans import FetchKeys, Plan, Row, UpdateColumns

__all__ = ["settle_unique"]

UniqueSet = tuple[str, tuple[str, ...]]


def settle_unique(segment: Segment) -> Plan[None]:
    """Faults for every clash of unique values; without one, write the values that were kept back."""
    for root, held in segment.held.items():
        if not held:
            continue
        for unique_set in _sets(segment, root):
            yield from _judge(segment, unique_set, held)
        if not segment.faults:
            yield from _release(segment, layout_of(segment.catalog, root), held)


def _sets(segment: Segment, root: str) -> list[UniqueSet]:
    found: dict[UniqueSet, None] = {}
    for name in segment.schema.subtypes(root):
        found.update(dict.fromkeys(segment.schema.unique_sets(name)))
    return list(found)


def _judge(segment: Segment, unique_set: UniqueSet, held: dict[bytes, dict[str, Any]]) -> Plan[None]:
    declaring, names = unique_set
    layout = segment.layout(declaring)
    columns = [layout.columns[name] for name in names]
    fitting = set(segment.schema.subtypes(declaring))
    rows = yield from _final_rows(layout, columns, held)
    # In the order in which the commit wrote them: the first of two keeps its value.
    wanted = [(entity, rows[entity]) for entity in held if entity in rows and rows[entity][0] in fitting]
    wanted = [(entity, row) for entity, row in wanted if None not in row[1:]]
    if not wanted:
        return
    taken: dict[Row, bytes] = {}
    there = yield from _rows_like(layout, columns, [row[1:] for _, row in wanted])
    for row in there:
        if row[0] not in held and row[1] in fitting:
            taken[row[2:]] = row[0]
    segment.faults.add(_clashes(segment, layout, names, _clashing(wanted, taken)))


def _clashing(wanted: list[tuple[bytes, Row]], taken: dict[Row, bytes]) -> list[tuple[bytes, Row, bytes]]:
    """(entity, (type, *values), who has them) for each entity that comes too late."""
    found = []
    for entity, row in wanted:
        existing = taken.setdefault(row[1:], entity)
        if existing != entity:
            found.append((entity, row, existing))
    return found


def _clashes(
    segment: Segment, layout: Layout, names: tuple[str, ...], clashing: list[tuple[bytes, Row, bytes]]
) -> Iterator[Fault]:
    if not clashing:
        return
    unseen = segment.unseen(layout.type, {existing for _, _, existing in clashing})
    # What the actor does not see may follow from what it changes.
    strange = segment.unseen(layout.type, {each[0] for each in clashing})
    hidden = {name: strange | blind(segment, layout.type, [each[0] for each in clashing], [name]) for name in names}
    for entity, row, existing in clashing:
        values = (
            None if entity in hidden[name] else shown(raw, layout.attributes[name])
            for name, raw in zip(names, row[1:], strict=True)
        )
        existing_fact = {} if existing in unseen else {"existing": show_id(existing)}
        error = NotUnique(
            type=layout.type, attributes=names, values=tuple(values), entity=show_id(entity), **existing_fact
        )
        yield Fault(row[0], entity, error)


def _final_rows(layout: Layout, columns: list[str], held: dict[bytes, dict[str, Any]]) -> Plan[dict[bytes, Row]]:
    """(type, *columns) of every entity that has values kept back, as they will be."""
    rows = yield from _fetch(layout, "id", list(held), columns)
    found: dict[bytes, Row] = {}
    for row in rows:
        mine = held[row[0]]
        found[row[0]] = (row[1], *(mine.get(name, raw) for name, raw in zip(columns, row[2:], strict=True)))
    return found


def _rows_like(layout: Layout, columns: list[str], wanted: list[Row]) -> Plan[list[Row]]:
    """Rows that share a value with `wanted` in the column that tells them apart best."""
    by_column = [list(set(values)) for values in zip(*wanted, strict=True)]
    best = max(range(len(columns)), key=lambda place: len(by_column[place]))
    return (yield from _fetch(layout, columns[best], by_column[best], columns))


def _fetch(layout: Layout, key: str, values: Sequence[Any], columns: list[str]) -> Plan[list[Row]]:
    """Rows of (id, type, *columns)."""
    names = ["id", "entity_type" if layout.typed else "id", *columns]
    rows: list[Row] = yield FetchKeys(layout.table, key, values, tuple(names), layout.storage_of([key, *names]))
    return rows if layout.typed else [(row[0], layout.root, *row[2:]) for row in rows]


def _release(segment: Segment, layout: Layout, held: dict[bytes, dict[str, Any]]) -> Plan[None]:
    """Write the values kept back, a statement for each set of columns."""
    groups: dict[tuple[str, ...], list[bytes]] = {}
    for entity, values in held.items():
        groups.setdefault(tuple(values), []).append(entity)
    for columns, ids in groups.items():
        if columns:
            values = {name: [held[entity][name] for entity in ids] for name in columns}
            yield UpdateColumns(layout.table, {"id": ids}, values, layout.storage_of(["id", *columns]))
