"""Asking a room what the dialect's server asks it: its reader, over the transport of a session.

The reader's coroutines wait for nothing else than a room; here a room answers at once, so they run to their end.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from msgspec.structs import replace

from ....query.request import Members, MembersRequest, Page, QueryRequest
from ..asking import Question, answered
from ..configurations import Configuration
from ..custom import configurations_of
from ..names import Names
from ..reading import Reader

if TYPE_CHECKING:
    from ....client.session import Session as NativeSession

__all__ = ["load_configurations", "reader_of", "rows_of", "run"]

R = TypeVar("R")
_PAGE = 500


class _Room:
    """As much of a room as a reader needs."""

    def __init__(self, native: NativeSession) -> None:
        self._native = native

    async def query(self, request: QueryRequest) -> Page:
        asked = replace(request, database=self._native.database, at=self._native._at)
        return self._native.transport.query(asked)

    async def members(self, request: MembersRequest) -> Members:
        asked = replace(request, database=self._native.database, at=self._native._at)
        return self._native.transport.members(asked)


def load_configurations(native: NativeSession, names: Names) -> list[Configuration]:
    """The custom attributes of a room."""
    return run(configurations_of(reader_of(native, names, ())))


def rows_of(
    native: NativeSession, names: Names, configurations: Sequence[Configuration], question: Question
) -> list[dict[str, Any]]:
    """Every row that answers a question, as the dialect's server would send it."""
    found: list[dict[str, Any]] = []
    limit, offset = question.tree.limit, question.tree.offset
    while limit is None or len(found) < limit:
        size = _PAGE if limit is None else min(_PAGE, limit - len(found))
        question.tree = replace(question.tree, offset=offset)
        answer = run(answered(reader_of(native, names, configurations), question, size))
        found += answer["data"]
        offset = answer["metadata"]["next"]["offset"]
        if offset is None:
            break
    return found


def reader_of(native: NativeSession, names: Names, configurations: Sequence[Configuration]) -> Reader:
    """A reader of the room of a session."""
    return Reader(cast(Any, _Room(native)), names, configurations)


def run(coroutine: Coroutine[Any, Any, R]) -> R:
    """What a coroutine gives that waits for nothing else than this room."""
    try:
        # Long work gives others their turn (None) where there is a loop; here there is none.
        while coroutine.send(None) is None:
            continue
    except StopIteration as done:
        found: R = done.value
        return found
    raise AssertionError("a room in this thread answers at once")
