"""Bars on stderr that show how far something has come; none where that is not a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import ProgressColumn

__all__ = ["Tell", "bar_of_bytes", "bar_of_rows"]

# Is told how much is done, and how much there is in all where that is known.
Tell = Callable[[int, "int | None"], None]


@contextmanager
def bar_of_rows(what: str, total: int | None = None) -> Iterator[Tell | None]:
    """A bar of rows while the block runs; None (and no bar) where stderr is not a terminal."""
    out = _terminal()
    if out is None:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeElapsedColumn(),
    )
    with _bar(out, columns, what, total) as tell:
        yield tell


@contextmanager
def bar_of_bytes(what: str, total: int | None = None) -> Iterator[Tell | None]:
    """A bar of bytes while the block runs; None (and no bar) where stderr is not a terminal."""
    out = _terminal()
    if out is None:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with _bar(out, columns, what, total) as tell:
        yield tell


def _terminal() -> Console | None:
    from rich.console import Console

    out = Console(stderr=True, highlight=False)
    return out if out.is_terminal else None


@contextmanager
def _bar(out: Console, columns: tuple[ProgressColumn, ...], what: str, total: int | None) -> Iterator[Tell]:
    from rich.progress import Progress

    with Progress(*columns, console=out, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, known: bar.update(task, completed=done, total=total if known is None else known)
