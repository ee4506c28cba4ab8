"""Telling the session what the room gave to new entities, as far as the actor sees it."""

from __future__ import annotations

from typing import Any

from ..model.operations import Create
from .access_writes import Question
from .attempt import New, Segment
from .plans import Plan

__all__ = ["tell_given"]

Column = list[Any]


def tell_given(segment: Segment) -> Plan[None]:
    """Put what was given to entities of each create into the outcome, as far as the actor sees it."""
    creates = {
        each: operation
        for operation in segment.operations
        if isinstance(operation, Create)
        for each in operation.ids[:1]
    }
    for new in segment.new:
        operation = creates.get(new.ids[0])
        if operation is None or len(operation.ids) != len(new.ids):
            # It was put into the journal in parts, or not at all: the session asks.
            continue
        for name in segment.given.get(new.place, ()):
            column = operation.columns[name]
            if (yield from _sees(segment, new, name, column)):
                same = column.count(column[0]) == len(column)
                segment.outcome.given[new.place][name] = column[:1] if same else column


def _sees(segment: Segment, new: New, name: str, column: Column) -> Plan[bool]:
    """Whether the actor may see an attribute of every new entity, and all that it refers to."""
    guard = segment.guard
    if guard is None:
        return True
    question = Question("read", new.layout.type, (name,))
    asked = [(question, set(new.ids))]
    attribute = new.layout.attributes[name]
    if attribute.kind == "reference":
        asked.append((Question("read", attribute.target), {each for each in column if each is not None}))
    for each, ids in asked:
        if ids and not guard.always(each) and not ids <= (yield from guard.after(each, ids)):
            return False
    return True
