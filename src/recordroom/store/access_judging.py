"""Judging what a restricted actor writes: which questions a segment asks before it starts, and at its end.

An update needs a grant before and after, a create one after, a delete one before. Links and mappings count as
attributes of the entity whose type declares them, from whichever side they are named; where both ends are about
accounts, both have to be granted. What the engine adds (cascades, references set to null) needs none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from ..model.operations import Create, Delete, Link, Operation, Publish, Unlink, Update
from .access_writes import Guard, Question, denied
from .attempt import Segment
from .faults import Fault
from .file_owners import bytes_of_others
from .plans import Plan
from .relations import ends_of

__all__ = ["judge_end", "prepare"]


# --- the state before -----------------------------------------------------------------------------


def prepare(segment: Segment, operations: Sequence[Operation]) -> Plan[None]:
    """Ask everything about the state before that these operations will need."""
    guard = segment.guard
    if guard is None:
        return
    for operation in operations:
        if isinstance(operation, (Create, Update)):
            _want_references(segment, guard, operation)
        if not isinstance(operation, (Create, Publish)):
            for question, ids in _needed(segment, operation):
                guard.want(question, ids)
    yield from guard.answer()


def _want_references(segment: Segment, guard: Guard, block: Create | Update) -> None:
    for attribute in segment.layout(block.type).references:
        if attribute.name in block.columns:
            guard.want(Question("read", attribute.target), block.columns[attribute.name])


def _needed(segment: Segment, operation: Any) -> Iterator[tuple[Question, Sequence[bytes]]]:
    """What must hold for which entities before an operation changes them; and which must be visible."""
    if isinstance(operation, (Link, Unlink)):
        for end in ends_of(segment, operation):
            yield Question("read", end.type), end.ids
            if end.attributes is not None:
                yield Question("update", end.type, end.attributes), end.ids
        return
    yield Question("read", operation.type), operation.ids
    if isinstance(operation, Delete):
        yield Question("delete", operation.type), operation.ids
        return
    names = tuple(sorted(operation.columns)) if isinstance(operation, Update) else (operation.attribute,)
    yield Question("update", operation.type, names), operation.ids
    for name in names:
        if segment.guard is not None and segment.guard.masks(operation.type, name):
            yield Question("read", operation.type, (name,)), operation.ids


# --- the state after ------------------------------------------------------------------------------


def judge_end(segment: Segment) -> Plan[None]:
    """Faults for what the actor may not leave as it is now."""
    guard = segment.guard
    if guard is None:
        return
    guard.check_answered()
    for question, ids in _left(segment, guard).items():
        held = yield from _held(segment, guard, question, ids)
        segment.faults.add(Fault(question.type, each, denied(question, each)) for each in ids if each not in held)


def _held(segment: Segment, guard: Guard, question: Question, ids: Collection[bytes]) -> Plan[set[bytes]]:
    """Those of `ids` that the actor may leave so. What a revert brings back must be seen too."""
    held = set(ids) if guard.always(question) else (yield from guard.after(question, ids))
    if question.verb != "create":
        return held
    if guard.reverting:
        return held & (yield from guard.after(question._replace(verb="read"), held))
    writer = segment.mode.writer
    if writer is not None:
        held -= yield from bytes_of_others(segment.catalog, question.type, held, writer.actor)
    return held


def _left(segment: Segment, guard: Guard) -> dict[Question, dict[bytes, None]]:
    """What must hold for which entities as they are now."""
    found: dict[Question, dict[bytes, None]] = {}
    for type_name, ids, attributes in guard.changed:
        for question, some in _by_birth(segment, type_name, ids, attributes):
            found.setdefault(question, {}).update(dict.fromkeys(some))
    return found


def _by_birth(
    segment: Segment, type_name: str, ids: Sequence[bytes], attributes: tuple[str, ...]
) -> Iterator[tuple[Question, Iterable[bytes]]]:
    created, deleted = segment.created, segment.deleted
    old = [each for each in ids if each not in created and each not in deleted]
    if old:
        yield Question("update", type_name, attributes), old
    new = [each for each in ids if each in created]
    for name in {created[each] for each in new}:
        yield Question("create", name, attributes), [each for each in new if created[each] == name]
