"""A room with accounts keeps somebody who can let others in: one active user with the role of administrators.

Only the owner of the room may do without. It is looked at when a commit of anybody else touched users, groups or
roles, which takes one statement; how it was before is asked only where there is nobody left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..errors import PermissionDenied
from ..model.operations import Delete, Link, Operation, Unlink, Update
from .account_changes import touches
from .actor_facts import has_accounts
from .attempt import Holder
from .catalog import Catalog
from .default_roles import ADMINISTRATOR
from .faults import Fault, Faults
from .layout import layout_of
from .plans import Fetch, Plan
from .relations import relation_of
from .sqltext import marked, quoted

__all__ = ["NobodyLeft", "administrators", "keep_administrator"]

_TYPES = frozenset({"Group", "Role", "Rule", "User"})


class NobodyLeft(Exception):
    """No administrator is left; whether there was one before has to be asked."""


def administrators(catalog: Catalog) -> Plan[list[Holder]]:
    """Who administers the room now, and why."""
    if not has_accounts(catalog.schema):
        return []
    user, role = layout_of(catalog, "User"), layout_of(catalog, "Role")
    active = f"u.{quoted(user.columns['active'])} IS NOT FALSE" if "active" in user.columns else "1 = 1"
    named = f"r.{quoted(role.columns['name'])} = ?"
    own = relation_of(catalog, "User", "roles").table
    sql = (
        f"SELECT u.id, r.id, NULL FROM {quoted(user.table)} AS u JOIN {quoted(own)} AS l ON l.source = u.id"
        f" JOIN {quoted(role.table)} AS r ON r.id = l.target WHERE {active} AND {named}"
    )
    parameters = [ADMINISTRATOR]
    if "groups" in catalog.schema.attributes("User") and "roles" in catalog.schema.attributes("Group"):
        member, lent = relation_of(catalog, "User", "groups").table, relation_of(catalog, "Group", "roles").table
        sql += (
            f" UNION ALL SELECT u.id, r.id, m.target FROM {quoted(user.table)} AS u"
            f" JOIN {quoted(member)} AS m ON m.source = u.id JOIN {quoted(lent)} AS l ON l.source = m.target"
            f" JOIN {quoted(role.table)} AS r ON r.id = l.target WHERE {active} AND {named}"
        )
        parameters.append(ADMINISTRATOR)
    rows = yield Fetch(marked(catalog.dialect, sql), parameters)
    return [(bytes(row[0]), bytes(row[1]), None if row[2] is None else bytes(row[2])) for row in rows]


def keep_administrator(
    catalog: Catalog, operations: Sequence[Operation], before: Sequence[Holder] | None, faults: Faults
) -> Plan[None]:
    """Faults for those who take the last administrator away; NobodyLeft where `before` has to be known for that.

    `catalog` is that from after the operations.
    """
    if not touches(catalog, operations, _TYPES) or (yield from administrators(catalog)):
        return
    if before is None:
        raise NobodyLeft
    if not before:
        return
    related = {each for holder in before for each in holder if each is not None}
    error = PermissionDenied(
        "Somebody has to administer this room: an active user must keep the role"
        f" {ADMINISTRATOR!r}. Give it to somebody else first.",
        what="removing the last active administrator",
    )
    found = {each: name for name, ids in _touched(operations) for each in ids if each in related}
    if not faults.collect or not found:
        raise error
    faults.add(Fault(name, each, error) for each, name in found.items())


def _touched(operations: Sequence[Operation]) -> Iterator[tuple[str, Sequence[bytes]]]:
    for operation in operations:
        if isinstance(operation, (Update, Delete)):
            yield operation.type, operation.ids
        elif isinstance(operation, (Link, Unlink)):
            yield operation.type, operation.sources
            yield operation.type, operation.targets
