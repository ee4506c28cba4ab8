"""Conflicts: what others changed since a change was based, and what of that clashes with it.

Only entities whose revision is not the one they were based on cost anything: their rows at the base are
looked up in the past, which the history follower completes first. Equal values never clash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import Conflict
from ..model.ids import show_id
from ..model.operations import Clash, Create, Delete, Update
from .access_checks import visible_clashes
from .attempt import Segment
from .faults import Fault
from .layout import Layout
from .plans import FetchKeys, Plan, Row
from .replaced import follow_history, rows_at

__all__ = ["judge_deletes", "judge_updates"]


def judge_updates(segment: Segment, layout: Layout, block: Update, rows: list[Row]) -> Plan[None]:
    """Faults for updates that would overwrite what others changed since; `rows` are those to be replaced."""
    overtaken = _overtaken(segment, block.base, rows)
    if not overtaken:
        return
    segment.outcome.stale.update(((rows[place][2], rows[place][0]), None) for place in overtaken)
    if segment.mode.on_conflict == "mine":
        return
    mine = [{name: values[place] for name, values in block.columns.items()} for place in overtaken]
    names = list(block.columns) if segment.mode.on_conflict == "merge" else None
    yield from _judge(segment, layout, [(block.ids[p], block.base[p]) for p in overtaken], mine, names)


def judge_deletes(segment: Segment, layout: Layout, block: Delete, rows: list[Row]) -> Plan[None]:
    """Faults for deletes of what others changed since."""
    overtaken = _overtaken(segment, block.base, rows)
    if not overtaken or segment.mode.on_conflict == "mine":
        return
    entities = [(block.ids[place], block.base[place]) for place in overtaken]
    yield from _judge(segment, layout, entities, [None] * len(entities), None)


def _overtaken(segment: Segment, base: Sequence[int], rows: list[Row]) -> list[int]:
    """Places of the entities that others changed after the base of their change."""
    if not base:
        return []
    suspects = [place for place, (based, row) in enumerate(zip(base, rows, strict=True)) if based and row[1] > based]
    if not any(rows[place][1] == segment.revision for place in suspects):
        return suspects
    # This commit itself has touched some of them: what counts is how it found them.
    found = _found_at(segment)
    return [place for place in suspects if found.get(rows[place][0], segment.revision) > base[place]]


def _found_at(segment: Segment) -> dict[bytes, int]:
    """The revision that each entity had before this commit touched it; 0 for new ones."""
    found: dict[bytes, int] = {}
    for operation in segment.outcome.journal:
        if isinstance(operation, (Update, Delete)):
            for entity, revision in zip(operation.ids, operation.before_revision, strict=True):
                found.setdefault(entity, revision)
        elif isinstance(operation, Create):
            found.update(dict.fromkeys(operation.ids, 0))
    return found


def _judge(
    segment: Segment,
    layout: Layout,
    entities: list[tuple[bytes, int]],
    mine: Sequence[dict[str, Any] | None],
    names: list[str] | None,
) -> Plan[None]:
    """Compare base, mine and theirs of some entities. `names` limits the attributes that matter; None: all.

    `mine` is None for an entity that is to be deleted.
    """
    yield from follow_history(segment.catalog, segment.revision - 1, segment.operations)
    at_base = yield from rows_at(segment.catalog, layout, entities)
    columns = tuple(layout.storage)
    rows = yield FetchKeys(
        layout.table, "id", [entity for entity, _ in entities], columns, layout.storage_of(["id", *columns])
    )
    now = {row["id"]: row for row in (dict(zip(columns, values, strict=True)) for values in rows)}
    written = _written_here(segment)
    faults = []
    for (entity, based), wanted in zip(entities, mine, strict=True):
        row = now[entity]
        exact = segment.layout(row["entity_type"]) if layout.typed else layout
        clashes = []
        for name in exact.own if names is None else names:
            if (entity, name) not in written:
                clash = _clash(exact, name, (entity, at_base.get(entity), row, wanted))
                if clash is not None:
                    clashes.append(clash)
        if not clashes and names is None and entity not in at_base:
            clashes = [Clash(type=exact.type, entity=entity, attribute="revision", base=based, theirs=row["revision"])]
        if clashes:
            faults.append((exact.type, entity, clashes))
    if segment.guard is not None:
        visible = visible_clashes(segment, [clashes for _, _, clashes in faults], whole=names is None)
        faults = [(*fault[:2], clashes) for fault, clashes in zip(faults, visible, strict=True) if clashes]
    _add(segment, faults)


def _clash(
    layout: Layout, name: str, facts: tuple[bytes, dict[str, Any] | None, dict[str, Any], dict[str, Any] | None]
) -> Clash | None:
    entity, based, row, wanted = facts
    column = layout.columns[name]
    theirs = row[column]
    # What it was is unknown where the past was pruned: any difference counts then.
    base = None if based is None else based[column]
    if based is not None and base == theirs:
        return None
    mine = None if wanted is None else wanted.get(name, base)
    if wanted is not None and name in wanted and mine == theirs:
        return None
    return Clash(
        type=layout.type, entity=entity, attribute=name, base=base, mine=mine, theirs=theirs, revision=row["revision"]
    )


def _written_here(segment: Segment) -> set[tuple[bytes, str]]:
    """What this commit itself has written so far: that is not others' doing."""
    return {
        (entity, name)
        for operation in segment.outcome.journal
        if isinstance(operation, Update)
        for name in operation.columns
        for entity in operation.ids
    }


def _add(segment: Segment, faults: list[tuple[str, bytes, list[Clash]]]) -> None:
    every = [clash for _, _, clashes in faults for clash in clashes]
    segment.faults.add_together(
        [Fault(type_name, entity, _conflict(clashes, clashes)) for type_name, entity, clashes in faults],
        lambda: _conflict(faults[0][2], every),
    )


def _conflict(clashes: list[Clash], every: list[Clash]) -> Conflict:
    first = clashes[0]
    return Conflict(
        type=first.type,
        entity=show_id(first.entity),
        attributes={clash.attribute: clash for clash in clashes},
        names=", ".join(clash.attribute for clash in clashes),
        clashes=every,
    )
