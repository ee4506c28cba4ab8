"""One attempt at a commit: what it did so far, and what stays to be judged.

`Outcome` gathers what goes into the journal and the result. A `Segment` is a stretch of data operations
under one schema: schema operations are its boundaries, and what it leaves to be judged is judged there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from ..model.operations import Columns, Operation
from .access_writes import Guard, Question, Writer
from .catalog import Catalog
from .faults import Faults
from .layout import Layout, layout_of
from .plans import Fetch, InsertColumns, Plan, Run
from .sqltext import marked

__all__ = ["Holder", "Late", "Mode", "New", "Outcome", "Segment", "Written"]

Holder = tuple[bytes, bytes, bytes | None]  # who administers the room: user, role, and the group that lends it


class Mode(NamedTuple):
    """How a commit is applied. `careful` looks for clashes of unique values before writing them."""

    revision: int
    on_conflict: Literal["merge", "fail", "mine"] = "merge"
    careful: bool = False
    numbers: dict[bytes, int] | None = None  # of entities that come back and had numbers
    writer: Writer | None = None  # who writes, where that is not the owner
    administrators: Sequence[Holder] | None = None  # of before the commit, where that was asked
    now: int = 0  # microseconds since 1970


class Outcome:
    """What an attempt did: operations as applied, and the server-given part of the result."""

    def __init__(self) -> None:
        self.journal: list[Operation] = []
        self.numbers: list[int] = []
        self.given: list[Columns] = []  # of each Create, what the room gave
        self.stale: dict[tuple[str, bytes], None] = {}
        self.cascaded: list[tuple[str, bytes]] = []

    def mark(self) -> tuple[int, int, dict[tuple[str, bytes], None], int]:
        """What to give to `back_to`."""
        return len(self.journal), len(self.numbers), dict(self.stale), len(self.cascaded)

    def back_to(self, mark: tuple[int, int, dict[tuple[str, bytes], None], int]) -> None:
        """Forget what was done since `mark`."""
        operations, numbers, self.stale, cascaded = mark[0], mark[1], dict(mark[2]), mark[3]
        del self.journal[operations:], self.numbers[numbers:], self.given[numbers:], self.cascaded[cascaded:]

    def numbered(self, first: int) -> int:
        """The place of a Create whose first number is `first`."""
        self.numbers.append(first)
        self.given.append({})
        return len(self.numbers) - 1


class Written(NamedTuple):
    """Ids that were written somewhere and must name entities of type `target` at the end.

    `attribute` is "" where they are the entities that an operation is about. `known` counts the distinct
    new entities among `ids` that an earlier operation created; None where the owners are not new. What the room has
    `given` itself may be something that the actor does not see.
    """

    type: str
    attribute: str
    target: str
    owners: Sequence[bytes]
    ids: Sequence[bytes | None]
    known: int | None = None
    given: bool = False


class New(NamedTuple):
    """New entities to which the room gives values. `place` is that of their Create in the outcome."""

    layout: Layout
    ids: Sequence[bytes]
    place: int


class Late(NamedTuple):
    """Rows of new entities that are written when it is known what the room gives them; `values` by column."""

    layout: Layout
    values: dict[str, Sequence[Any]]


class Segment:
    """Data operations under one schema, applied but not yet judged."""

    def __init__(
        self, catalog: Catalog, mode: Mode, faults: Faults, outcome: Outcome, guard: Guard | None = None
    ) -> None:
        self.guard = guard  # of an actor who may not do everything
        self.catalog = catalog
        self.schema = catalog.schema
        self.mode = mode
        self.revision = mode.revision
        self.faults = faults
        self.outcome = outcome
        self.created: dict[bytes, str] = {}
        self.deleted: dict[bytes, str] = {}
        self.cause: dict[bytes, bytes] = {}  # of what a cascade deleted: the entity that was to be deleted
        self.followed: dict[bytes, bytes] = {}  # of what was given anew: the entity that was changed
        self.written: list[Written] = []
        self.missing: dict[tuple[str, str], dict[bytes, None]] = {}
        # Careful attempts keep back values of unique sets until the end: root → id → attribute → value.
        self.held: dict[str, dict[bytes, dict[str, Any]]] = {}
        self.new: list[New] = []
        self.given: dict[int, tuple[str, ...]] = {}  # place of a create → the attributes that the room gave
        self.puts_off = False  # whether rows may be written late: nothing will look for them in the tables
        self.late: dict[int, Late] = {}  # by place of a create
        self._counters: dict[str, int] = {}
        self._start = len(outcome.journal)

    def anew(self, guard: Guard) -> Segment:
        """The same segment before anything was done, watched by `guard`."""
        self.faults.found.clear()
        return Segment(self.catalog, self.mode, self.faults, self.outcome, guard)

    @property
    def operations(self) -> list[Operation]:
        """What this segment has applied so far, as it will stand in the journal."""
        return self.outcome.journal[self._start :]

    def layout(self, type_name: str) -> Layout:
        """The layout of a type under this segment's schema."""
        return layout_of(self.catalog, type_name)

    def unseen(self, type_name: str, ids: Iterable[bytes]) -> set[bytes]:
        """Those of `ids` that the actor does not see, or that are not there: for this commit that is the same."""
        if self.guard is None:
            return set()
        old = set(ids) - self.created.keys()
        return old - self.guard.held(Question("read", type_name), old)

    # --- late rows ---

    def insert_late(self) -> Plan[None]:
        """Write the rows that were put off."""
        late, self.late = self.late, {}
        for layout, values in late.values():
            yield InsertColumns(layout.table, values, layout.storage_of(list(values)))

    # --- numbers ---

    def number(self, table: str, count: int) -> Plan[int]:
        """The first of `count` numbers in a row for new entities in `table`."""
        first = self._counters.get(table)
        if first is None:
            sql = marked(self.catalog.dialect, 'SELECT "next" FROM rr_counter WHERE "table" = ?')
            rows = yield Fetch(sql, (table,))
            first = rows[0][0] if rows else 1
        self._counters[table] = first + count
        return first

    def keep_number(self, table: str, number: int) -> Plan[None]:
        """See to it that `number` is not given out again."""
        coming = yield from self.number(table, 0)
        self._counters[table] = max(coming, number + 1)

    def store_counters(self) -> Plan[None]:
        """Write down which numbers are used."""
        sql = marked(
            self.catalog.dialect,
            'INSERT INTO rr_counter ("table", "next") VALUES (?, ?)'
            ' ON CONFLICT ("table") DO UPDATE SET "next" = excluded."next"',
        )
        for table, coming in self._counters.items():
            yield Run(sql, (table, coming))
        self._counters.clear()

    # --- what stays to be judged ---

    def note_values(
        self,
        layout: Layout,
        ids: Sequence[bytes],
        columns: Mapping[str, Sequence[Any]],
        *,
        new: bool = False,
        given: bool = False,
    ) -> None:
        """Remember the references among written columns, and the required attributes set to null.

        `new` says that the entities are just being created, and not yet among `created`; `given`, that the room has
        found the values.
        """
        for attribute in layout.references:
            values = columns.get(attribute.name)
            if values is not None:
                known = len(self.created.keys() & set(values)) if new else None
                self.written.append(Written(layout.type, attribute.name, attribute.target, ids, values, known, given))
        for name in layout.required:
            if name in columns:
                self._note_required(layout.type, name, ids, columns[name])

    def note_required_left_out(self, layout: Layout, ids: Sequence[bytes], given: Iterable[str]) -> None:
        """Remember required attributes that a create says nothing of."""
        for name in layout.required:
            if name not in given:
                self._missing(layout.type, name).update(dict.fromkeys(ids))

    def _note_required(self, type_name: str, name: str, ids: Sequence[bytes], values: Sequence[Any]) -> None:
        missing = self._missing(type_name, name)
        if missing:
            # Values set later in the same commit make good for what was missing.
            for entity in ids:
                missing.pop(entity, None)
        if None in values:
            missing.update((entity, None) for entity, value in zip(ids, values, strict=True) if value is None)

    def _missing(self, type_name: str, name: str) -> dict[bytes, None]:
        return self.missing.setdefault((self.schema.owner(type_name, name), name), {})
