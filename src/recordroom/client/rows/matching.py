"""Matching: which rows of a parcel make new entities, which change one, and which change nothing.

Rows act as if they were applied one after another: a later row of the same key changes what an earlier one made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...model.ids import new_ids
from ...model.operations import Create, Update
from .finding import Existing, Key, existing_rows
from .mapping import Plan
from .parcel import Parcel

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["Changes", "changes_of", "match"]


def match(session: Session, plan: Plan, parcel: Parcel) -> None:
    """Give each row the entity that has its key, or a new id; blame rows without a key, or whose key several have."""
    keys = _keys(plan, parcel) if plan.key else []
    found = existing_rows(session, plan.type, plan.key, keys, plan.attributes) if keys else {}
    fresh = new_ids(len(parcel))
    given = parcel.raws.get("id")
    parcel.ids = fresh if given is None else [own or new for own, new in zip(given, fresh, strict=True)]
    first: dict[Key, bytes] = {}
    for position, key in enumerate(keys):
        if None in key:
            if plan.key != ("id",):
                missing = plan.key[key.index(None)]
                parcel.blame(position, plan.column_of(missing), "a value, which is part of the key")
            continue
        existing = found.get(key)
        if existing is not None:
            parcel.matches[position] = existing
            parcel.ids[position] = existing.id
            if existing.page is None:
                columns = ", ".join(plan.column_of(name) for name in plan.key)
                parcel.blame(
                    position, columns, f"the key of one {plan.type}, several have it", parcel.text(columns, position)
                )
        else:
            parcel.ids[position] = first.setdefault(key, parcel.ids[position])


def _keys(plan: Plan, parcel: Parcel) -> list[Key]:
    return list(zip(*(parcel.raws[name] for name in plan.key), strict=True))


class Changes(NamedTuple):
    """The operations that a parcel makes, and the positions of the rows that create, change, and change nothing."""

    operations: list[Create | Update]
    created: list[int]
    updated: list[int]
    unchanged: list[int]


def changes_of(plan: Plan, parcel: Parcel) -> Changes:
    """What the rows without problems do: one Create for each type, one Update for each set of attributes that change."""
    raws = {name: parcel.raws[name] for name in plan.attributes}
    sound = parcel.sound()
    if not parcel.matches and len(set(parcel.ids)) == len(parcel.ids):
        return Changes(list(_creates(plan, parcel, sound, raws)), sound, [], [])
    before, last = _repeats(parcel.ids, sound)
    changes = Changes([], [], [], [])
    creates: list[int] = []
    groups: dict[tuple[str, ...], list[int]] = {}
    for position in sound:
        existing = parcel.matches.get(position)
        differing = () if existing is None else _differing(existing, raws, position)
        if position in before:
            same = all(column[before[position]] == column[position] for column in raws.values())
            (changes.unchanged if same else changes.updated).append(position)
        elif existing is None:
            changes.created.append(position)
        else:
            (changes.updated if differing else changes.unchanged).append(position)
        if last.get(parcel.ids[position], position) == position:
            if existing is None:
                creates.append(position)
            elif differing:
                groups.setdefault(differing, []).append(position)
    changes.operations.extend(_creates(plan, parcel, creates, raws))
    changes.operations.extend(_updates(plan, parcel, groups, raws))
    return changes


def _repeats(ids: Sequence[bytes], sound: Sequence[int]) -> tuple[dict[int, int], dict[bytes, int]]:
    """From the position of a row to that of the row before of the same entity; and the last row of each such entity."""
    last: dict[bytes, int] = {}
    before: dict[int, int] = {}
    for position in sound:
        if ids[position] in last:
            before[position] = last[ids[position]]
        last[ids[position]] = position
    return before, last


def _creates(plan: Plan, parcel: Parcel, positions: Sequence[int], raws: Mapping[str, list[Any]]) -> Iterator[Create]:
    by_type: dict[str, Sequence[int]] = {}
    if parcel.types:
        chosen: dict[str, list[int]] = {}
        for position in positions:
            chosen.setdefault(parcel.types[position], []).append(position)
        by_type.update(chosen)
    elif positions:
        by_type[plan.type] = positions
    for type_name, those in by_type.items():
        if len(those) == len(parcel):
            yield Create(type=type_name, ids=parcel.ids, columns=dict(raws))
            continue
        columns = {name: [column[position] for position in those] for name, column in raws.items()}
        yield Create(type=type_name, ids=[parcel.ids[position] for position in those], columns=columns)


def _updates(
    plan: Plan, parcel: Parcel, groups: Mapping[tuple[str, ...], list[int]], raws: Mapping[str, list[Any]]
) -> Iterator[Update]:
    for names, positions in groups.items():
        yield Update(
            type=plan.type,
            ids=[parcel.ids[position] for position in positions],
            columns={name: [raws[name][position] for position in positions] for name in names},
            base=[parcel.matches[position].revision for position in positions],
        )


def _differing(existing: Existing, raws: Mapping[str, list[Any]], position: int) -> tuple[str, ...]:
    assert existing.page is not None  # rows whose key several have are not sound
    columns, row = existing.page.columns, existing.row
    return tuple(name for name, column in raws.items() if columns[name][row] != column[position])
