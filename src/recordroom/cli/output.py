"""What commands print: tables that fit the terminal, JSON for scripts, and errors as one line.

Results go to stdout, everything about them (notes, progress, errors) to stderr. Nothing is cut silently: what a
table leaves out is said in a note.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import Error
from ..model.ids import show_id

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "complain",
    "complain_with_facts",
    "counted",
    "note",
    "print_json",
    "print_json_lines",
    "print_table",
    "print_text",
    "say",
]

# A cell of a table in a terminal; longer texts end in an ellipsis there (never in a pipe).
_WIDEST_CELL = 48
_GAP = 2


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """A console for stdout or stderr as they are now."""
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    return Console(file=file, highlight=False, soft_wrap=True, width=width)


def say(text: str = "") -> None:
    """One line of results."""
    console().print(text, markup=False)


def note(text: str) -> None:
    """One line about the results."""
    console(stderr=True).print(text, markup=False, style="dim")


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun: `1 row`, `2,000 rows`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def print_text(text: str) -> None:
    """A text as it is, ending in one line end."""
    sys.stdout.write(text.rstrip("\n") + "\n")


# --- errors -------------------------------------------------------------------------------------------


def complain(text: str) -> None:
    """One line that says what went wrong."""
    console(stderr=True).print(f"recordroom: {' '.join(text.split())}", markup=False)


def complain_with_facts(error: Error) -> None:
    """The error as one line of JSON: its code, its message and its facts."""
    plain = {"code": error.code, "message": error.message, "details": error.facts}
    sys.stderr.write(json.dumps({"error": plain}, default=_plain, ensure_ascii=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return show_id(value) if len(value) == 16 else value.hex()
    if hasattr(value, "summary"):
        return value.summary()
    if isinstance(value, Mapping):
        return dict(value)
    try:
        return msgspec.to_builtins(value, str_keys=True)
    except (TypeError, ValueError):
        return str(value)


# --- JSON ---------------------------------------------------------------------------------------------


def print_json(document: Any) -> None:
    """One JSON document, indented."""
    sys.stdout.write(json.dumps(document, default=_plain, ensure_ascii=False, indent=2) + "\n")


def print_json_lines(documents: Iterable[Any]) -> None:
    """One line of JSON for each."""
    for document in documents:
        sys.stdout.write(json.dumps(document, default=_plain, ensure_ascii=False) + "\n")


# --- tables -------------------------------------------------------------------------------------------


def print_table(names: Sequence[str], rows: Sequence[Sequence[Any]], *, numbers: Iterable[str] = ()) -> list[str]:
    """A table of as many columns as the terminal is wide; the names of the others.

    In a pipe there are all columns, whole. `numbers` are columns to align at the right.
    """
    from rich.table import Table

    out = console()
    texts = [[shown(cell) for cell in row] for row in rows]
    fits = len(names) if not out.is_terminal else _fitting(names, texts, out.width)
    right = set(numbers)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name in names[:fits]:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True, overflow="ellipsis")
    for row in texts:
        table.add_row(*map(_as_it_is, row[:fits]))
    if not out.is_terminal:
        out = console(width=sum(_widths(names, texts, None)) + _GAP * len(names))
    out.print(table, soft_wrap=False)
    return list(names[fits:])


def _as_it_is(text: str) -> Any:
    from rich.text import Text

    return Text(text)


def shown(value: Any) -> str:
    """A value as a cell shows it, on one line; nothing for a missing one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else str(value)
    return text.replace("\r\n", "⏎").replace("\n", "⏎").replace("\t", " ")


def _widths(names: Sequence[str], texts: Sequence[Sequence[str]], limit: int | None) -> list[int]:
    from rich.cells import cell_len

    found = []
    for position, name in enumerate(names):
        widest = max((cell_len(row[position]) for row in texts), default=0)
        found.append(max(cell_len(name), min(widest, limit) if limit else widest))
    return found


def _fitting(names: Sequence[str], texts: Sequence[Sequence[str]], width: int) -> int:
    """How many columns fit; the first always does."""
    left = width
    for position, needed in enumerate(_widths(names, texts, _WIDEST_CELL)):
        left -= needed + (_GAP if position else 0)
        if left < 0:
            return max(position, 1)
    return len(names)
