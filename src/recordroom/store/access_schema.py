"""Schema operations of actors who may not do everything: verb "define", and more for the types of accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import PermissionDenied, SchemaChangeRefused
from ..model.operations import Operation
from .access_writes import Writer
from .account_changes import ACCOUNTS_DATABASE, is_account_type, types_named
from .actor_facts import has_accounts
from .catalog import Catalog
from .plans import Plan

if TYPE_CHECKING:
    from .access import Access

__all__ = ["check_define", "check_drop", "define", "without_examples"]


def check_define(access: Access | None, catalog: Catalog, operation: Operation) -> None:
    """PermissionDenied unless the actor may change the schema so.

    The types of accounts say who may do what: their schema is for those who may change all of their entities.
    """
    if access is None:
        return
    what = f"changing the schema of database {catalog.database!r}"
    access.check_define(what, catalog.database)
    rules = access.rules(catalog)
    for name in types_named(operation):
        if is_account_type(catalog, name) and not (
            name in catalog.schema
            and all(rules.always(rules.covering(verb, name), name) for verb in ("read", "update", "delete"))
        ):
            raise PermissionDenied(what=f"{what}: {name} is about accounts", type=name)


def check_drop(writer: Writer | None, database: str) -> None:
    """PermissionDenied unless an actor may drop a database: that of the accounts, only the owner."""
    if writer is None:
        return
    if writer.access is not None:
        writer.access.check_define(f"dropping database {database!r}")
    accounts = writer.catalogs.get(ACCOUNTS_DATABASE)
    if database == ACCOUNTS_DATABASE and accounts is not None and has_accounts(accounts.schema):
        what = f"dropping database {database!r}: accounts are in it, so that only the owner of the room may"
        raise PermissionDenied(what=what)


def define(writer: Writer, catalog: Catalog, operation: Operation, change: Plan[Catalog]) -> Plan[Catalog]:
    """Carry out `change`, which applies a schema operation, if the actor may."""
    check_define(writer.access, catalog, operation)
    try:
        return (yield from change)
    except SchemaChangeRefused as refusal:
        raise without_examples(writer.access, catalog, refusal) from None


def without_examples(access: Access | None, catalog: Catalog, refusal: SchemaChangeRefused) -> SchemaChangeRefused:
    """The same refusal, without ids and values for an actor who may not see everything in the database."""
    if access is None or all(access.rules(catalog).open(name) for name in catalog.schema):
        return refusal
    facts = {**refusal.facts, "entities": [], "values": []}
    return SchemaChangeRefused(refusal.message, **facts)
