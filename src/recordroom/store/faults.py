"""Faults: what is wrong with a commit, entity by entity.

A commit that stops at errors raises the first; one that continues collects them all, so that a pass
over the commit finds every entity at fault at once (`settle` raises `LeftOut` with them).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from ..errors import Error
from ..model.ids import show_id
from ..model.kinds import KINDS, raw_loader
from ..model.operations import Refusal
from ..model.schema import Attribute

__all__ = ["Fault", "Faults", "LeftOut", "shown"]


class Fault(NamedTuple):
    """One entity and what is wrong with it."""

    type: str
    entity: bytes
    error: Error


class LeftOut(Exception):
    """Entities that a commit has to do without."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} entities are at fault")
        self.faults = faults


class Faults:
    """Raises what it is given, or keeps it where the commit continues."""

    def __init__(self, *, collect: bool) -> None:
        self.collect = collect
        self.found: list[Fault] = []

    def __bool__(self) -> bool:
        return bool(self.found)

    def add(self, faults: Iterable[Fault]) -> None:
        """Take any number of faults; the first is raised where nothing is collected."""
        if self.collect:
            self.found.extend(faults)
            return
        for fault in faults:
            raise fault.error

    def add_together(self, faults: Sequence[Fault], whole: Callable[[], Error]) -> None:
        """As `add`, but what is raised is one error for all of them."""
        if not faults:
            return
        if self.collect:
            self.found.extend(faults)
            return
        raise whole()

    def settle(self) -> None:
        """Raise LeftOut with what was collected, if anything was."""
        if self.found:
            raise LeftOut(self.found)


def refusal(fault: Fault) -> Refusal:
    """How a result names a fault; facts that cannot travel are shown as Python writes them."""
    error = fault.error
    facts = {name: value if _can_travel(value) else repr(value) for name, value in error.facts.items()}
    return Refusal(type=fault.type, entity=fault.entity, code=error.code, message=error.message, facts=facts)


def _can_travel(value: Any) -> bool:
    try:
        msgspec.msgpack.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
    return True


def shown(raw: Any, attribute: Attribute) -> Any:
    """A raw scalar as messages show it: ids as text, other values as people know them; the raw one if it is wrong."""
    if raw is None:
        return None
    kind = KINDS.get(attribute.kind)
    if kind is None:  # a definition that is still to be refused
        return raw
    if not attribute.multi and (kind.relation or kind.name == "uuid"):
        return show_id(raw) if type(raw) is bytes and len(raw) == 16 else raw
    load = raw_loader(attribute)
    if load is None:
        return raw
    try:
        return load(raw)
    except (ValueError, TypeError, ArithmeticError, AttributeError):
        return raw
