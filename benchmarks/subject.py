"""What is measured: something that keeps the records of `data` and can create, query and update them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Protocol


class Subject(Protocol):
    """`where` is a path or URL; a handle is an open connection or session, as new as a user would have it."""

    name: str

    def records(self, count: int) -> Any:
        """Records in the form that `create` takes; off the clock."""

    def fresh(self, stack: ExitStack) -> str:
        """Where a new empty table is; off the clock."""

    def open(self, stack: ExitStack, where: str) -> Any:
        """A new handle; off the clock."""

    def create(self, handle: Any, records: Any) -> object:
        """All of them, in one transaction."""

    def query(self, handle: Any) -> Sequence[Any]:
        """All records, as rows or as objects."""

    def update(self, handle: Any, found: Sequence[Any], values: Sequence[int]) -> object:
        """Set `priority` of each that a query found, in one transaction."""


def filled(subject: Subject, stack: ExitStack, count: int) -> str:
    """Where a new table with `count` records is."""
    where = subject.fresh(stack)
    with ExitStack() as opened:
        subject.create(subject.open(opened, where), subject.records(count))
    return where
