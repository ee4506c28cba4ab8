"""Guards of segments: where their answers come from."""

from __future__ import annotations

from collections.abc import Collection

from .access import allowed
from .access_writes import Guard, Question, Writer
from .catalog import Catalog
from .plans import Plan

__all__ = ["guard_of"]


def guard_of(writer: Writer, catalog: Catalog) -> Guard:
    """The guard of a segment of a restricted actor's commit."""
    access = writer.access
    assert access is not None

    def ask(question: Question, ids: Collection[bytes]) -> Plan[set[bytes]]:
        return allowed(catalog, access, question.verb, question.type, list(ids), question.attributes)

    return Guard(writer, catalog, access.rules(catalog), ask, ask)
