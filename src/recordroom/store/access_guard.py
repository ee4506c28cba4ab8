"""Guards of segments: where their answers come from."""

from __future__ import annotations

from collections.abc import Collection

from .access import allowed
from .access_writes import Guard, Question, Writer
from .account_writes import judged_apart, special_after, special_before
from .catalog import Catalog
from .plans import Plan

__all__ = ["guard_of"]


def guard_of(writer: Writer, catalog: Catalog) -> Guard:
    """The guard of a segment of a restricted actor's commit."""
    access = writer.access
    assert access is not None
    apart = judged_apart(catalog)

    def before(question: Question, ids: Collection[bytes]) -> Plan[set[bytes]]:
        kind = apart.get(question.type)
        if kind is not None:
            return special_before(writer, catalog, kind, question, ids)
        return allowed(catalog, access, question.verb, question.type, list(ids), question.attributes)

    def after(question: Question, ids: Collection[bytes]) -> Plan[set[bytes]]:
        kind = apart.get(question.type)
        if kind is not None and question.verb != "read":
            return special_after(writer, catalog, kind, question, ids)
        return allowed(catalog, access, question.verb, question.type, list(ids), question.attributes)

    guard = Guard(access.rules(catalog), catalog, (before, after), frozenset(apart))
    guard.reverting = writer.reverting
    return guard
