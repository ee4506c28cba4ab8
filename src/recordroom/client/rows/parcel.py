"""A parcel: the rows of one batch on their way into the room, as raw columns, with what is wrong with each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...model.schema import Attribute
from .cells import Converter, cell_text
from .mapping import Plan
from .readers import Cells, Rows
from .report import Problem

if TYPE_CHECKING:
    from .finding import Existing, Finder, Found

__all__ = ["Parcel"]


class Parcel:
    """Rows of a file and, by attribute, their raw scalars, the members of their links and the entries of their mappings.

    Everything is by the position of a row in the batch; rows with problems stay where they are and are passed over.
    """

    def __init__(self, rows: Rows) -> None:
        self.lines = rows.lines
        self.cells = rows.columns
        self.raws: dict[str, list[Any]] = {}
        self.links: dict[str, list[list[bytes]]] = {}
        self.entries: dict[str, list[dict[str, Any]]] = {}
        self.types: list[str] = []
        self.ids: list[bytes] = []
        self.matches: dict[int, Existing] = {}
        self.problems: dict[int, list[Problem]] = {}
        for position, expected in rows.faults.items():
            self.blame(position, "", expected)

    def __len__(self) -> int:
        return len(self.lines)

    def sound(self) -> list[int]:
        """The positions of rows without problems."""
        if not self.problems:
            return list(range(len(self.lines)))
        return [position for position in range(len(self.lines)) if position not in self.problems]

    def column(self, name: str) -> Any:
        """The cells of a column; all missing where no row of the batch has it."""
        found = self.cells.get(name)
        return [None] * len(self.lines) if found is None else found

    def text(self, columns: str, position: int) -> str:
        """What a row has in columns whose names are joined by commas, for messages."""
        return ", ".join(cell_text(self.column(name)[position]) for name in columns.split(", "))

    def blame(self, position: int, column: str, expected: str, value: Any = None) -> None:
        """Say what is wrong with a row. One that could not be taken apart has nothing else wrong."""
        already = self.problems.setdefault(position, [])
        if not already or already[0].column:
            already.append(Problem(line=self.lines[position], column=column, value=value, expected=expected))

    def convert(self, column: str, converter: Converter) -> None:
        """Make the raw scalars of one attribute."""
        self.raws[converter.attribute.name], wrong = converter(self.column(column))
        for position, expected in wrong.items():
            self.blame(position, column, expected, self.text(column, position))

    def find(self, finder: Finder, cells: Cells, nulls: Sequence[str]) -> Found:
        """Make the ids of one reference; what names nothing is left to the caller."""
        found = finder.find([self.column(name) for name in finder.lookup.columns], cells, nulls)
        self.raws[finder.attribute.name] = found.ids
        columns = ", ".join(finder.lookup.columns)
        for position, expected in found.faults.items():
            self.blame(position, columns, expected, self.text(columns, position))
        return found

    def choose_types(self, plan: Plan, texts: Sequence[Any], allowed: Mapping[str, bool]) -> None:
        """The type of each row, from the column that names it."""
        self.types = [plan.type if text in (None, "") else str(text) for text in map(cell_text, texts)]
        for position, name in enumerate(self.types):
            if not allowed.get(name, False):
                expected = f"one of {', '.join(each for each, free in allowed.items() if free)}"
                self.blame(position, plan.type_column or "", expected, name)

    def require(self, plan: Plan, attributes: Sequence[Attribute]) -> None:
        """Blame rows that lack a value which every entity must have."""
        for attribute in attributes:
            raws = self.raws.get(attribute.name)
            if raws is not None and None in raws:
                column = plan.column_of(attribute.name)
                for position, raw in enumerate(raws):
                    if raw is None and position not in self.problems:
                        self.blame(position, column, f"a value, which {plan.type}.{attribute.name} requires")
