"""Pages: columns of raw scalars that entities are rows of.

`columns` has what is loaded, by attribute name; `ready` those of them that hold Python values already (plain
kinds share the list; references are put there by the first touch). NOT_SET in a column: not loaded for that row.
A page whose columns lack `revision` knows nothing but ids: a *stub* page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..query.request import Page as WirePage
from .facts import TypeFacts
from .symbols import NOT_SET

__all__ = ["MOVING", "Page", "distinct", "from_wire", "prefixes"]


class Page:
    """Rows of one hierarchy. `new`: not committed yet. `gone`: rows deleted, here or by others."""

    __slots__ = ("columns", "gone", "ids", "new", "plain", "ready", "type", "types")

    def __init__(self, type_name: str, ids: list[bytes], columns: dict[str, list[Any]], plain: frozenset[str]) -> None:
        self.type = type_name
        self.types: list[str] = []  # of each row, where rows are of several types
        self.ids = ids
        self.columns = columns
        self.plain = plain
        self.ready = {name: columns[name] for name in columns if name in plain}
        self.new = False
        self.gone: set[int] = set()

    def type_of(self, row: int) -> str:
        """The exact type of a row."""
        return self.types[row] if self.types else self.type

    def revision_of(self, row: int) -> int:
        """The revision that the row was read at; 0 where it is not known."""
        revisions = self.columns.get("revision")
        if revisions is None:
            return 0
        found = revisions[row]
        return 0 if found is NOT_SET or found is None else int(found)

    def raw(self, name: str, row: int) -> Any:
        """The loaded raw scalar, or NOT_SET."""
        column = self.columns.get(name)
        return NOT_SET if column is None else column[row]

    def column(self, name: str) -> list[Any]:
        """The column of that name, made empty (of NOT_SET) where there is none."""
        column = self.columns.get(name)
        if column is None:
            column = [NOT_SET] * len(self.ids)
            self.columns[name] = column
            if name in self.plain:
                self.ready[name] = column
        return column

    def put(self, name: str, row: int, raw: Any) -> None:
        """Make `raw` the loaded value of one row."""
        self.column(name)[row] = raw
        if name not in self.plain and name in self.ready:
            self.ready[name][row] = NOT_SET

    def forget(self, row: int, names: Iterable[str]) -> None:
        """Make these attributes of one row not loaded."""
        for name in names:
            if name in self.columns:
                self.put(name, row, NOT_SET)

    def fill(self, rows: Sequence[int], columns: dict[str, list[Any]]) -> None:
        """Put loaded columns in place: value i belongs to `rows[i]`.

        Rows that were changed by others meanwhile (their revision differs) forget what was loaded before.
        """
        fresh = columns.get("revision")
        if fresh is not None and "revision" in self.columns:
            known = self.columns["revision"]
            for row, revision in zip(rows, fresh, strict=True):
                if known[row] != revision and known[row] is not NOT_SET:
                    self.forget(row, [name for name in self.columns if name not in columns])
        whole = len(rows) == len(self.ids) and all(row == i for i, row in enumerate(rows))
        for name, values in columns.items():
            self._fill_one(name, rows, values, whole)

    def _fill_one(self, name: str, rows: Sequence[int], values: list[Any], whole: bool) -> None:
        if whole:
            self.ready.pop(name, None)
            self.columns[name] = values
            if name in self.plain:
                self.ready[name] = values
            return
        column = self.column(name)
        for row, value in zip(rows, values, strict=True):
            column[row] = value
        if name not in self.plain:
            self.ready.pop(name, None)


# What an entity shows as its page while it moves from one to another: readers look again.
MOVING = Page("", [], {}, frozenset())


def from_wire(wire: WirePage, facts: TypeFacts) -> Page:
    """The page of a wire page's own columns (dotted ones belong to related entities). It takes over the lists."""
    columns = {name: column for name, column in wire.columns.items() if "." not in name and name not in _IN_ROW}
    for name, column in columns.items():
        if name in _SHARED or _repeats(column):
            columns[name] = shared(column)
    page = Page(facts.name, wire.ids, columns, facts.plain)
    if wire.types and (len(set(wire.types)) > 1 or wire.types[0] != facts.name):
        page.types = shared(wire.types)
    return page


_IN_ROW = ("id", "entity_type")
_SHARED = ("revision", "created_revision")
_SAMPLE = 256


def _repeats(column: list[Any]) -> bool:
    """True for texts of which, going by the first few hundred, at least half are repeated."""
    sample = column[:_SAMPLE]
    return len(sample) > 1 and type(sample[0]) is str and len(set(sample)) * 2 <= len(sample)


def shared(values: list[Any]) -> list[Any]:
    """The list with one object for equal values: what is repeated takes no memory of its own."""
    found = set(values)
    if len(found) == 1:
        return values[:1] * len(values)
    seen = dict(zip(found, found, strict=True))
    return list(map(seen.__getitem__, values))


def prefixes(columns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Of dotted names, the first step → {rest: whole name}: what a page tells about related entities."""
    found: dict[str, dict[str, str]] = {}
    for name in columns:
        first, dot, rest = name.partition(".")
        if dot:
            found.setdefault(first, {})[rest] = name
    return found


def distinct(ids: Sequence[bytes | None]) -> list[int]:
    """The first row of each different id, in order; None is left out."""
    first: dict[bytes | None, int] = {}
    for row, each in enumerate(ids):
        if each not in first:
            first[each] = row
    first.pop(None, None)
    return list(first.values())
