"""What came of an import or an export: counts, the first problems, what references did not find, rejected rows."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from ...errors import PermissionDenied
from .cells import cell_text

__all__ = ["ExportReport", "ImportReport", "Problem", "Rejects", "Unresolved"]

SHOWN_PROBLEMS = 20
SHOWN_EXAMPLES = 5
_COUNTED_VALUES = 100_000


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing wrong with one row. `column` is as in the file; "" where it is about the row as a whole."""

    line: int
    column: str
    value: Any
    expected: str

    def __str__(self) -> str:
        if not self.column:
            return f"line {self.line}: expected {self.expected}"
        return f"line {self.line}, column {self.column!r}: expected {self.expected}, got {self.value!r}"


class Unresolved(msgspec.Struct, kw_only=True):
    """Values of one reference that named nothing and were left out: how many rows, which values, how often each.

    `values` stops at 100,000 different ones (`complete` is False then); `count` never does.
    """

    attribute: str
    target: str
    count: int = 0
    values: Counter[str] = msgspec.field(default_factory=Counter)
    complete: bool = True

    def add(self, names: Iterable[str]) -> None:
        """Count one row for each of `names`."""
        for name in names:
            self.count += 1
            if len(self.values) < _COUNTED_VALUES or name in self.values:
                self.values[name] += 1
            else:
                self.complete = False

    @property
    def examples(self) -> list[tuple[str, int]]:
        """The values met most often, with how often."""
        return self.values.most_common(SHOWN_EXAMPLES)

    def __str__(self) -> str:
        more = "" if self.complete else "more than "
        examples = ", ".join(f"{name} ({count:,})" for name, count in self.examples)
        return f"{self.attribute}: {self.count:,} rows name {more}{len(self.values):,} unknown {self.target}: {examples} …".removesuffix(
            "" if len(self.values) > SHOWN_EXAMPLES else " …"
        )


class ImportReport(msgspec.Struct, kw_only=True):
    """What an import did. `rows` read = created + updated + unchanged + rejected, once it has ended.

    `problems` are the first 20; `rejects` the file that has all rejected rows, if one was asked for.
    `unresolved` maps reference attributes to what they did not find. `revision` is that of the last commit.
    """

    source: str
    type: str
    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    rejects: str | None = None
    problems: list[Problem] = []
    unresolved: dict[str, Unresolved] = {}
    commits: int = 0
    revision: int | None = None
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        """The report as plain data, examples instead of every unresolved value."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        for name, unresolved in self.unresolved.items():
            plain["unresolved"][name] = {
                "target": unresolved.target,
                "rows": unresolved.count,
                "values": len(unresolved.values),
                "complete": unresolved.complete,
                "examples": dict(unresolved.examples),
            }
        return plain


class ExportReport(msgspec.Struct, kw_only=True):
    """What an export wrote. `blurred` counts, by column, texts that a reader of the file takes for missing values."""

    target: str
    format: str
    rows: int = 0
    columns: list[str] = []
    blurred: dict[str, int] = {}
    seconds: float = 0.0


class Rejects:
    """A CSV file of the rows that were left out: their columns as in the source, then line, column and expected.

    It is made when the first row comes. Several things wrong with one row are joined by "; ".
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None
        self._names: tuple[str, ...] = ()

    def add(
        self, columns: Mapping[str, Sequence[Any]], positions: Sequence[int], problems: Sequence[list[Problem]]
    ) -> None:
        """Write the rows at `positions`, each with its problems."""
        writer = csv.writer(self._opened(tuple(columns)), lineterminator="\n")
        for position, found in zip(positions, problems, strict=True):
            cells = [cell_text(columns[name][position]) if name in columns else "" for name in self._names]
            said = [
                found[0].line,
                *("; ".join(each) for each in zip(*((p.column, p.expected) for p in found), strict=True)),
            ]
            writer.writerow([*cells, *said])

    def _opened(self, names: tuple[str, ...]) -> IO[str]:
        if self._file is None:
            self._names = names
            try:
                self._file = self.path.open("w", encoding="utf-8", newline="")
            except OSError as error:
                raise PermissionDenied(what=f"writing {self.path}: {error.strerror}") from error
            csv.writer(self._file, lineterminator="\n").writerow([*names, *_free_names(names)])
        return self._file

    def close(self) -> None:
        """Close the file, if one was made."""
        if self._file is not None:
            self._file.close()


def _free_names(taken: Sequence[str]) -> list[str]:
    """line, column, expected; with underscores where the source has such columns."""
    found = []
    for name in ("line", "column", "expected"):
        while name in taken:
            name = f"{name}_"
        found.append(name)
    return found
