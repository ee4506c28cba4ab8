"""Reverts by restricted actors: they name a commit, not what it changed, so errors may not tell what that was.

A revert changes what the actor sees and may change, all of it, or nothing: entities that are there must be
visible, those that come back must be visible then. Whatever else is wrong is one error that says nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ..errors import (
    DeleteRestricted,
    ImmutableAttribute,
    InvalidReference,
    InvalidValue,
    MissingValue,
    NotFound,
    NotUnique,
    PermissionDenied,
    SchemaChangeRefused,
)
from ..model.operations import (
    SCHEMA_OPERATIONS,
    Commit,
    CommitResult,
    Create,
    DropKeys,
    Link,
    Operation,
    Publish,
    SetKeys,
    Unlink,
    Update,
)
from .access import Access, allowed
from .catalog import Catalog
from .plans import Fetch, Plan
from .sqltext import marked

__all__ = ["check_all_seen", "veiled", "was_made"]

T = TypeVar("T")
_TELLING = (
    DeleteRestricted,
    ImmutableAttribute,
    InvalidReference,
    InvalidValue,
    MissingValue,
    NotFound,
    NotUnique,
    PermissionDenied,
    SchemaChangeRefused,
)


class _Hidden(Exception):
    """Part of what is to be reverted is not visible."""


def veiled(plan: Plan[CommitResult], revision: int) -> Plan[CommitResult]:
    """The same plan, whose errors do not tell what the commit with `revision` changed.

    A revert that goes on without what is refused goes on without anything.
    """
    try:
        result = yield from plan
    except (_Hidden, *_TELLING):
        raise _denied(revision) from None
    if result.refused:
        raise _denied(revision)
    return result


def _denied(revision: int) -> PermissionDenied:
    return PermissionDenied(what=f"reverting commit {revision}: it changed more than you may")


def was_made(catalog: Catalog, actor: str, commit: Commit) -> Plan[bool]:
    """Whether this is the repeat of a commit."""
    rows = yield Fetch(
        marked(catalog.dialect, "SELECT 1 FROM rr_commit WHERE actor = ? AND id = ?"), (actor, commit.id)
    )
    return bool(rows)


def check_all_seen(catalog: Catalog, access: Access, operations: Sequence[Operation]) -> Plan[None]:
    """Raise where an operation is about an entity that is there and that the actor does not see, or not all of it."""
    created = {each for operation in operations if isinstance(operation, Create) for each in operation.ids}
    for operation in operations:
        if isinstance(operation, SCHEMA_OPERATIONS):
            return
        if isinstance(operation, (Create, Publish)):
            continue
        ids = operation.sources if isinstance(operation, (Link, Unlink)) else operation.ids
        names: tuple[str, ...] = ()
        if isinstance(operation, Update):
            names = tuple(sorted(operation.columns))
        elif isinstance(operation, (Link, Unlink, SetKeys, DropKeys)):
            names = (operation.attribute,)
        old = [each for each in dict.fromkeys(ids) if each not in created]
        seen = yield from allowed(catalog, access, "read", operation.type, old, names)
        if len(seen) < len(old):
            raise _Hidden
        if isinstance(operation, (Link, Unlink)):
            target = catalog.schema.attribute(operation.type, operation.attribute).target
            others = [each for each in dict.fromkeys(operation.targets) if each not in created]
            if len((yield from allowed(catalog, access, "read", target, others))) < len(others):
                raise _Hidden
