"""Bars on stderr that show how far something has come; none where that is not a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

__all__ = ["Tell", "bar_of_bytes", "bar_of_rows"]

# Is told how much is done, and how much there is in all where that is known.
Tell = Callable[[int, "int | None"], None]


@contextmanager
def bar_of_rows(what: str, total: int | None = None) -> Iterator[Tell | None]:
    """A bar of rows while the block runs; None (and no bar) where stderr is not a terminal."""
    with _bar(what, total, _of_rows) as tell:
        yield tell


@contextmanager
def bar_of_bytes(what: str, total: int | None = None) -> Iterator[Tell | None]:
    """A bar of bytes while the block runs; None (and no bar) where stderr is not a terminal."""
    with _bar(what, total, _of_bytes) as tell:
        yield tell


def _of_rows() -> list[ProgressColumn]:
    from rich.progress import MofNCompleteColumn, TextColumn, TimeElapsedColumn

    return [MofNCompleteColumn(), TextColumn("rows"), TimeElapsedColumn()]


def _of_bytes() -> list[ProgressColumn]:
    from rich.progress import DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    return [DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn()]


@contextmanager
def _bar(what: str, total: int | None, columns: Callable[[], list[ProgressColumn]]) -> Iterator[Tell | None]:
    from rich.console import Console

    out = Console(stderr=True, highlight=False)
    if not out.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn

    with Progress(TextColumn("{task.description}"), BarColumn(), *columns(), console=out, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, known: bar.update(task, completed=done, total=total if known is None else known)
