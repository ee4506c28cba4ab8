"""The stage: headings, lines, tables and progress of the demo, and what each step took."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

__all__ = ["Stage", "peak_memory"]


def peak_memory() -> int:
    """The most memory that this process has held so far, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Stage:
    """Prints to stdout, and keeps the time of every step."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._step = 0
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A numbered heading; the time that the block took is kept under its title."""
        self._step += 1
        self._console.print()
        self._console.rule(Text(f"{self._step}  {title}", style="bold"), align="left", style="dim")
        started = time.perf_counter()
        yield
        self.seconds[title] = time.perf_counter() - started

    def say(self, text: str = "") -> None:
        """A line of text."""
        self._console.print(Text(text))

    def code(self, text: str) -> None:
        """Lines as a script would have them."""
        for line in text.strip("\n").splitlines():
            # Never broken by us: it is there to be copied.
            self._console.print(Text(f"  {line}", style="cyan"), soft_wrap=True)

    def table(self, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """A table; numbers stand at the right."""
        listed = [[_cell(each) for each in row] for row in rows]
        if not listed:
            return self.say("  (none)")
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="bold")
        for position, name in enumerate(names):
            numeric = all(row[position][1] for row in listed)
            table.add_column(name, justify="right" if numeric else "left", overflow="fold")
        for row in listed:
            table.add_row(*(Text(text) for text, _ in row))
        return self._console.print(table)

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Any]:
        """A bar while the block runs, in a terminal; the block gets a function to tell how many rows are done."""
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True, disable=not self._console.is_terminal) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done, _total: bar.update(task, completed=done)


def _cell(value: Any) -> tuple[str, bool]:
    if value is None:
        return "–", True
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value), False
    return (f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"), True
