"""recordroom as a user has it: a room on disk with its default settings, everything on, and a Session."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Literal

import recordroom as rr
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, DefineType
from recordroom.model.schema import Attribute, EntityType
from recordroom.store.plans import Fetch, Plan

from .data import columns, mappings
from .places import Folders, Place
from .raw import Settings

KINDS = {
    "name": "text",
    "status": "text",
    "note": "text",
    "priority": "integer",
    "size": "integer",
    "length": "number",
    "weight": "number",
    "done": "boolean",
    "due": "datetime",
}
RECORD = EntityType(name="Record", attributes=tuple(Attribute(name=name, kind=kind) for name, kind in KINDS.items()))


class Ours:
    """One `create` per entity, then one `commit`."""

    name = "recordroom"

    def __init__(self, place: Place, mode: Literal["read", "write"] = "write") -> None:
        self.place = place
        self.mode = mode

    def records(self, count: int) -> Any:
        return mappings(count)

    def fresh(self, stack: ExitStack) -> str:
        where = self.place.new(stack)
        # A program's sessions share one open room, which keeps connections and compiled statements.
        session = stack.enter_context(rr.connect(where))
        session.transport.commit(Commit(id=new_id(), operations=[DefineType(RECORD)]))
        return where

    def open(self, stack: ExitStack, where: str) -> rr.Session:
        session = stack.enter_context(rr.connect(where, mode=self.mode))
        _ = session.types["Record"]  # connected and knows its schema, as the others know their table
        return session

    def create(self, handle: rr.Session, records: Any) -> object:
        for each in records:
            handle.create("Record", each)
        return handle.commit()

    def query(self, handle: rr.Session) -> Sequence[Any]:
        return handle.query("Record").all()

    def update(self, handle: rr.Session, found: Sequence[Any], values: Sequence[int]) -> rr.Committed:
        for entity, value in zip(found, values, strict=True):
            entity["priority"] = value
        return handle.commit()


class OursByColumns(Ours):
    """`create_many` with columns, then `commit`."""

    name = "recordroom create_many"

    def records(self, count: int) -> Any:
        return columns(count)

    def create(self, handle: rr.Session, records: Any) -> object:
        handle.create_many("Record", records)
        return handle.commit()


class OursReadThrough(Ours):
    """A query, and then every value of every entity read once."""

    name = "recordroom, every value read"

    def query(self, handle: rr.Session) -> Sequence[Any]:
        found = super().query(handle)
        return [[entity[name] for name in KINDS] for entity in found]


def sqlite_settings() -> Settings:
    """How a room with its default settings keeps its SQLite file, as the writing connection says."""

    def ask() -> Plan[list[object]]:
        answers = []
        for name in Settings._fields:
            rows = yield Fetch(f"pragma {name}")
            answers.append(rows[0][0])
        return answers

    with ExitStack() as stack:
        session = stack.enter_context(rr.connect(Folders().new(stack)))
        return Settings(*session.transport.driver.write(ask()))
