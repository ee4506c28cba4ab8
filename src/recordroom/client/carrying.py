"""Carrying files from location to location: several at a time, in bounded memory, and told of as they go."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeAlias

from ..errors import Error, FileExists
from ..files.accessor import Accessor
from ..files.transfer import Source, checksum_of
from .bars import bar_of_bytes
from .entity import Entity

__all__ = ["Carried", "Move", "Progress", "Tell", "carry", "told"]

# How many files are on their way at once.
AT_ONCE = 4

# Is told how many bytes are done, and how many there are in all.
Progress: TypeAlias = "Callable[[int, int], object] | Literal[True] | _Told | None"
Tell: TypeAlias = "Callable[[int], object]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One component on its way: from `path` of `source` (None: nothing to carry) to `target`."""

    component: Entity
    target: str
    source: Accessor | None
    path: str
    checksum: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What came of one move: its size and checksum, or an error."""

    move: Move
    size: int = 0
    checksum: str = ""
    error: Error | None = None

    def raised(self) -> None:
        """Raise the error, if there is one."""
        if self.error is not None:
            raise self.error


def carry(moves: Sequence[Move], target: Accessor, tell: Tell | None, *, adopt: bool = False) -> Iterator[Carried]:
    """Copy files, and say of each what came of it, in their order. After one that failed no other is begun.

    With `adopt` a file that is there already will do where it is the same.
    """
    stop, waiting = threading.Event(), iter(moves)

    def carried(move: Move) -> Carried:
        found = _carried(move, target, tell, stop)
        return (_adopted(move, target) or found) if adopt and isinstance(found.error, FileExists) else found

    if len(moves) < 2:
        yield from map(carried, moves)
        return
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="recordroom-files") as pool:

        def begin(count: int) -> list[Future[Carried]]:
            return [pool.submit(carried, each) for each in islice(waiting, count)]

        begun = deque(begin(2 * AT_ONCE))
        try:
            while begun:
                yield begun.popleft().result()
                begun.extend(begin(1))
        finally:
            stop.set()


class _Stopped(Exception):
    """Another file failed; this one is left."""


def _carried(move: Move, target: Accessor, tell: Tell | None, stop: threading.Event) -> Carried:
    def passing(count: int) -> None:
        if stop.is_set():
            raise _Stopped
        if tell is not None:
            tell(count)

    assert move.source is not None
    try:
        source = Source(move.source, move.path, checksum=move.checksum, progress=passing)
        size = target.write(move.target, source, size=source.size)
    except Error as error:
        return Carried(move=move, error=error)
    except _Stopped:
        return Carried(move=move, error=Error("Stopped."))
    return Carried(move=move, size=size, checksum=source.checksum)


def _adopted(move: Move, target: Accessor) -> Carried | None:
    """The file that is there, where it has the bytes of the one that should come."""
    assert move.source is not None
    try:
        size = target.size(move.target)
        if size != move.source.size(move.path):
            return None
        checksum = checksum_of(target.read(move.target))
        same = checksum == checksum_of(move.source.read(move.path))
    except Error:
        return None
    return Carried(move=move, size=size, checksum=checksum) if same else None


class _Told:
    """Adds up what is done, for several threads, and tells of it one after the other."""

    def __init__(self, tell: Callable[[int, int], object], total: int) -> None:
        self._tell, self._total = tell, total
        self._lock = threading.Lock()
        self._done = 0

    def __call__(self, count: int) -> None:
        with self._lock:
            self._done += count
            self._tell(self._done, self._total)


@contextlib.contextmanager
def told(progress: Any, total: int) -> Iterator[_Told | None]:
    """What to tell of bytes as they pass, or None where nobody wants to know."""
    if progress is None or isinstance(progress, _Told):
        yield progress
    elif progress is True:
        with bar_of_bytes("files", total) as tell:
            yield None if tell is None else _Told(tell, total)
    else:
        yield _Told(progress, total)
