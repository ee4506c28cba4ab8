"""Which commits change what actors may do: facts about actors are resolved anew after them.

`rr_room.access_revision` is raised by every commit to database `main` that touches a type that facts about
actors or rules are read from, or changes or deletes a Token, and by everything that makes or drops a database. It never falls and never
stays: it becomes the commit's revision, or one more than it was where it is above that already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..model.operations import (
    ChangeType,
    Create,
    DefineType,
    DropKeys,
    DropType,
    Operation,
    Publish,
    RenameType,
    SetKeys,
)
from ..model.schema import Schema
from .catalog import Catalog
from .default_roles import ACCOUNT_TYPES
from .plans import Plan, Run

__all__ = [
    "ACCOUNTS_DATABASE",
    "FACT_TYPES",
    "RAISE_ACCESS",
    "is_account_type",
    "raise_access",
    "touches",
    "touches_accounts",
    "types_named",
]

ACCOUNTS_DATABASE = "main"
FACT_TYPES = frozenset({"Group", "Project", "ProjectMember", "Role", "Rule", "Share", "User"})
_TOKENS = frozenset({"Token"})
# The room's revision has been counted up before, or is by the same statement.
RAISE_ACCESS = ", access_revision = CASE WHEN access_revision > revision THEN access_revision + 1 ELSE revision + 1 END"


def touches_accounts(catalog: Catalog, operations: Sequence[Operation]) -> bool:
    """Whether operations of a commit change anything that says what actors may do, or which tokens are good.

    `catalog` is that from before the commit. A new token, as every log-in makes one, changes nothing for others. Nothing
    is read from mappings.
    """
    operations = [each for each in operations if not isinstance(each, (SetKeys, DropKeys))]
    changes = [each for each in operations if not isinstance(each, Create)]
    return touches(catalog, operations, FACT_TYPES) or touches(catalog, changes, _TOKENS)


def touches(catalog: Catalog, operations: Sequence[Operation], types: frozenset[str]) -> bool:
    """Whether operations are about entities of some of `types`, which are about accounts."""
    if catalog.database != ACCOUNTS_DATABASE:
        return False
    named = {each for operation in operations for each in types_named(operation)}
    return any(_is_related(catalog.schema, name, types) for name in named)


def is_account_type(catalog: Catalog, name: str) -> bool:
    """Whether a type is about accounts: only rules that name it, or what it extends, cover it."""
    return catalog.database == ACCOUNTS_DATABASE and _is_related(catalog.schema, name, frozenset(ACCOUNT_TYPES))


def raise_access() -> Plan[None]:
    """Raise the access revision without a commit."""
    yield Run("UPDATE rr_room SET access_revision = access_revision + 1")


def _is_related(schema: Schema, name: str, types: frozenset[str]) -> bool:
    """Whether rows of a type may be of one of `types`: it is one, extends one, or is extended by one."""
    if name in types or name not in schema:
        return name in types
    return not (types.isdisjoint(schema.ancestors(name)) and types.isdisjoint(schema.subtypes(name)))


def types_named(operation: Operation) -> Iterator[str]:
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
