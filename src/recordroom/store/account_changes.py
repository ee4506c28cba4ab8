"""Which commits change what actors may do: facts about actors are resolved anew after them.

`rr_room.access_revision` is raised by every commit to database `main` that touches a type that facts about
actors or rules are read from, and by everything that makes or drops a database. It never falls and never
stays: it becomes the commit's revision, or one more than it was where it is above that already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..model.operations import (
    ChangeType,
    DefineType,
    DropType,
    Operation,
    Publish,
    RenameType,
)
from ..model.schema import Schema
from .catalog import Catalog
from .plans import Plan, Run

__all__ = ["ACCOUNTS_DATABASE", "FACT_TYPES", "RAISE_ACCESS", "raise_access", "touches_accounts"]

ACCOUNTS_DATABASE = "main"
FACT_TYPES = frozenset({"Group", "Project", "ProjectMember", "Role", "Rule", "Share", "User"})
# The room's revision has been counted up before, or is by the same statement.
RAISE_ACCESS = ", access_revision = CASE WHEN access_revision > revision THEN access_revision + 1 ELSE revision + 1 END"


def touches_accounts(catalog: Catalog, operations: Sequence[Operation]) -> bool:
    """Whether operations of a commit change anything that says what actors may do.

    `catalog` is that from before the commit.
    """
    if catalog.database != ACCOUNTS_DATABASE:
        return False
    return any(_is_about_accounts(catalog.schema, name) for name in {each for op in operations for each in _named(op)})


def raise_access() -> Plan[None]:
    """Raise the access revision without a commit."""
    yield Run("UPDATE rr_room SET access_revision = access_revision + 1")


def _is_about_accounts(schema: Schema, name: str) -> bool:
    """Whether rows of a type may be of one of `FACT_TYPES`: it is one, or is in the hierarchy of one."""
    if name in FACT_TYPES or name not in schema:
        return name in FACT_TYPES
    return not FACT_TYPES.isdisjoint(schema.subtypes(schema.root(name)))


def _named(operation: Operation) -> Iterator[str]:
    """The types that an operation is about."""
    match operation:
        case Publish():
            return
        case DefineType(definition=definition) | ChangeType(definition=definition):
            yield definition.name
            yield definition.extends
        case RenameType(name=name, to=to):
            yield name
            yield to
        case DropType(name=name):
            yield name
        case _:
            yield operation.type
