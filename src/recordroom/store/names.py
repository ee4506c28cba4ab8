"""Where the names of an earlier time went: types and attributes followed through the schema operations since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..model.convert import converter
from ..model.operations import (
    SCHEMA_OPERATIONS,
    ChangeAttribute,
    DropAttribute,
    DropType,
    Operation,
    RenameAttribute,
    RenameType,
)
from ..model.schema import Attribute, Schema
from .journal import SCHEMA_MARK, load_operations
from .plans import Fetch, Plan
from .sqltext import marked

__all__ = ["Names", "schema_operations"]


class Names:
    """Names as they were before `operations`, in the schema that came of them."""

    def __init__(self, schema: Schema, operations: Sequence[Operation]) -> None:
        self._schema = schema
        self._operations = operations

    def type(self, name: str, start: int = 0) -> str | None:
        """What the type is called now; None where it was dropped."""
        for operation in self._operations[start:]:
            if isinstance(operation, RenameType) and operation.name == name:
                name = operation.to
            elif isinstance(operation, DropType) and operation.name == name:
                return None
        return name

    def attribute(self, type_name: str, name: str) -> str | None:
        """What the attribute is called now; None where it or its type was dropped."""
        found = self._follow(type_name, name)
        return None if found is None else found[0]

    def values(self, type_name: str, name: str, raws: Sequence[Any]) -> list[Any]:
        """Raw scalars of the attribute as its kind keeps them now; WrongValue where they cannot be."""
        found = self._follow(type_name, name)
        changed = list(raws)
        for before, after in [] if found is None else found[1]:
            convert = converter(before, after)
            changed = [None if raw is None else convert(raw) for raw in changed]
        return changed

    def _follow(self, type_name: str, name: str) -> tuple[str, list[tuple[Attribute, Attribute]]] | None:
        changes: list[tuple[Attribute, Attribute]] = []
        for place, operation in enumerate(self._operations):
            if isinstance(operation, RenameType) and operation.name == type_name:
                type_name = operation.to
            elif isinstance(operation, DropType) and operation.name == type_name:
                return None
            elif isinstance(operation, RenameAttribute):
                if operation.name == name and self._has(type_name, operation.type, place):
                    name = operation.to
            elif isinstance(operation, DropAttribute):
                if operation.name == name and self._has(type_name, operation.type, place):
                    return None
            elif isinstance(operation, ChangeAttribute) and operation.before is not None:
                before, after = operation.before, operation.attribute
                kept_alike = (before.kind, before.multi) == (after.kind, after.multi)
                if after.name == name and not kept_alike and self._has(type_name, operation.type, place):
                    changes.append((before, after))
        return name, changes

    def _has(self, type_name: str, owner: str, place: int) -> bool:
        """Whether `type_name` has the attributes that `owner` declares, both named as before operation `place`."""
        mine, its = self.type(type_name, place), self.type(owner, place)
        return mine is not None and its is not None and self._schema.is_a(mine, its)


def schema_operations(dialect: str, database: str, after: int) -> Plan[list[tuple[int, Operation]]]:
    """(revision, operation) of every schema operation of a database above a revision, in order."""
    sql = (
        "SELECT j.revision, j.operations FROM rr_journal AS j JOIN rr_commit AS c ON c.revision = j.revision"
        " WHERE j.revision > ? AND c.database = ? AND j.types LIKE ? ORDER BY j.revision"
    )
    rows = yield Fetch(marked(dialect, sql), (after, database, f'%"{SCHEMA_MARK}"%'))
    return [
        (revision, operation)
        for revision, data in rows
        for operation in load_operations(data)
        if isinstance(operation, SCHEMA_OPERATIONS)
    ]
