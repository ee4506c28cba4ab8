"""What the room gives to new entities that leave an attribute without a value: numbers, and values of expressions.

It happens at the end of a segment, over columns in memory: the new rows are known, what they refer to is fetched once
for all of them. Entities come behind those of the same commit that they refer to (`_waves`), attributes behind those
that they are made of. What is found is written, put into the journal's creates, and told to the session. Rows that
nobody has looked for until then are written only now, whole (`Segment.late`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..errors import InvalidValue
from ..model.ids import show_id
from ..model.kinds import MAX_INTEGER, Storage, wrong_at
from ..model.operations import Create, Update
from ..query.evaluate import computed_from
from ..query.functions import MICROSECONDS_OF_A_DAY
from ..query.initial import ACTOR, NOW, Initial, reads
from ..query.resolved import Arithmetic, Bound, Convert, Function, Get, Root, Row, Through, Value
from ..query.syntax import Parameter
from .access_checks import blind
from .apply import fetch_rows
from .attempt import New, Segment
from .faults import Fault
from .layout import Layout
from .plans import Fetch, Plan, UpdateColumns
from .sqltext import id_list, marked, quoted

__all__ = ["found_values", "give_values", "judge_values", "values_of"]

Column = list[Any]
Wave = list[tuple[Layout, Sequence[bytes]]]
Found = Callable[[Layout, str], Mapping[bytes, Any]]


def give_values(segment: Segment) -> Plan[None]:
    """Find what the new entities of a segment lack, and give it to them."""
    kept = segment.mode.numbers or {}
    # What comes back has what it had.
    news = [
        new._replace(ids=[each for each in new.ids if each in segment.created and each not in kept])
        for new in segment.new
    ]
    if kept or _numbers_were_said(segment):
        yield from segment.insert_late()
    giver = _Giver(segment, [new for new in news if new.ids])
    yield from giver.find()
    yield from giver.write()
    yield from segment.insert_late()


def _numbers_were_said(segment: Segment) -> bool:
    """Whether late rows have numbers, which are looked for in the tables."""
    return any(
        value is not None
        for layout, values in segment.late.values()
        for initial in layout.initials
        if initial.within
        for value in values.get(layout.columns[initial.attribute.name], ())
    )


def found_values(segment: Segment, news: list[New]) -> Plan[Found]:
    """What would be given to entities that are there: values by entity, for an attribute of a type."""
    giver = _Giver(segment, news)
    yield from giver.find()
    return giver.given


def values_of(segment: Segment, initial: Initial, type_name: str, ids: Sequence[bytes]) -> Plan[Column]:
    """What the expression of an attribute gives for entities that are there, as everything is now."""
    assert initial.value is not None, "numbers are given once"
    return (yield from _Giver(segment, [])._column(initial.value, type_name, ids))


def judge_values(segment: Segment, layout: Layout, ids: Sequence[bytes], given: Mapping[str, Column]) -> None:
    """Faults for what was found for entities and is no value of its attribute."""
    for name, column in given.items():
        attribute = layout.attributes[name]
        if wrong_at(column, attribute) is None:
            continue
        for entity, value in zip(ids, column, strict=True):
            wrong = wrong_at([value], attribute)
            if wrong is not None:
                hidden = segment.unseen(layout.type, [entity]) or blind(segment, layout.type, [entity], [name])
                shown = None if hidden else value
                error = InvalidValue(
                    type=layout.type, attribute=name, entity=show_id(entity), value=shown, expected=wrong[1]
                )
                segment.faults.add([Fault(layout.type, entity, error)])


# --- values ---------------------------------------------------------------------------------------


class _Known:
    """Values of attributes at the end of a segment: of new entities from what was done, of others from the tables."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._columns: dict[tuple[str, str], dict[bytes, Any]] = {}

    def of(self, root: str, name: str) -> dict[bytes, Any]:
        """What is known of one attribute in a hierarchy, by entity."""
        found = self._columns.get((root, name))
        if found is None:
            found = self._columns[root, name] = self._written(root, name)
        return found

    def _written(self, root: str, name: str) -> dict[bytes, Any]:
        found: dict[bytes, Any] = {}
        for operation in self._segment.operations:
            if not isinstance(operation, (Create, Update)) or self._segment.schema.root(operation.type) != root:
                continue
            if name in operation.columns:
                found.update(zip(operation.ids, operation.columns[name], strict=True))
            elif isinstance(operation, Create):
                found.update(_made(operation, name))
        return found

    def read(self, type_name: str, ids: Sequence[bytes | None], name: str) -> Plan[Column]:
        """A column of values of entities of a type; null where there is no entity."""
        if name == "id":
            return list(ids)
        layout = self._segment.layout(type_name)
        known = self.of(layout.root, name)
        missing = {each for each in ids if each is not None and each not in known}
        if missing:
            yield from self._fetch(layout, name, missing, known)
        return [None if each is None else known[each] for each in ids]

    def _fetch(self, layout: Layout, name: str, ids: set[bytes], known: dict[bytes, Any]) -> Plan[None]:
        known.update(dict.fromkeys(ids))
        if name == "entity_type":
            rows = yield from fetch_rows(self._segment, layout, list(ids), ())
            known.update((row[0], row[2]) for row in rows)
            return
        rows = yield from fetch_rows(self._segment, layout, list(ids), (layout.columns[name],))
        known.update((row[0], row[3]) for row in rows)


def _made(operation: Create, name: str) -> Iterable[tuple[bytes, Any]]:
    """What a create gives to an attribute that it does not name."""
    if name == "number":
        return zip(
            operation.ids, range(operation.first_number, operation.first_number + len(operation.ids)), strict=True
        )
    return dict.fromkeys(operation.ids, operation.type if name == "entity_type" else None).items()


# --- finding --------------------------------------------------------------------------------------


class _Giver:
    def __init__(self, segment: Segment, news: list[New]) -> None:
        self._segment = segment
        self._news = news
        self._known = _Known(segment)
        self._lacking: dict[tuple[str, str], dict[bytes, None]] = {}  # type and attribute → entities
        self._next: dict[tuple[str, str], dict[bytes, int]] = {}  # owner and attribute → number by reference

    def find(self) -> Plan[None]:
        """Every value that is given."""
        yield from self._look()
        for new in self._news:
            # Those that count within a reference that is known are counted in the order of the commit.
            for initial in new.layout.initials:
                if initial.within and initial.within not in new.layout.given:
                    yield from self._number(new.layout, initial, new.ids)
        waves = yield from self._waves()
        for wave in waves:
            for layout, ids in wave:
                for initial in layout.initials:
                    yield from self._give(layout, initial, ids)

    def given(self, layout: Layout, name: str) -> dict[bytes, Any]:
        """What was found for an attribute of a type."""
        known, lacking = self._known.of(layout.root, name), self._lacking[layout.type, name]
        return {each: known[each] for each in lacking}

    def _look(self) -> Plan[None]:
        for new in self._news:
            for name in new.layout.given:
                column = yield from self._known.read(new.layout.type, new.ids, name)
                lacking = (each for each, value in zip(new.ids, column, strict=True) if value is None)
                self._lacking.setdefault((new.layout.type, name), {}).update(dict.fromkeys(lacking))

    def _give(self, layout: Layout, initial: Initial, ids: Sequence[bytes]) -> Plan[None]:
        lacking = self._lacking[layout.type, initial.attribute.name]
        ids = [each for each in ids if each in lacking]
        if not ids:
            return
        if initial.value is None:
            yield from self._number(layout, initial, ids)
            return
        values = yield from self._column(initial.value, layout.type, ids)
        self._known.of(layout.root, initial.attribute.name).update(zip(ids, values, strict=True))

    # --- values of expressions ---

    def _column(self, value: Value, type_name: str, ids: Sequence[bytes]) -> Plan[Column]:
        match value:
            case Get():
                entities = yield from self._entities(value.row, ids)
                owner = value.row.type if isinstance(value.row, Root | Through) else type_name
                return (yield from self._known.read(owner, entities, value.name))
            case Bound():
                return [self._constant(value)] * len(ids)
            case Function():
                parts: tuple[Value, ...] = value.arguments
            case Arithmetic():
                parts = (value.left, value.right)
            case Convert():
                parts = (value.value,)
            case _:
                raise AssertionError(value)
        columns: list[Column] = []
        for part in parts:
            columns += [(yield from self._column(part, type_name, ids))]
        return [computed_from(value, row) for row in zip(*columns, strict=True)]

    def _entities(self, row: Row, ids: Sequence[bytes]) -> Plan[Sequence[bytes | None]]:
        if not isinstance(row, Through):
            return ids
        above = yield from self._entities(row.row, ids)
        owner = row.row.type if isinstance(row.row, Root | Through) else row.type
        return (yield from self._known.read(owner, above, row.attribute))

    def _constant(self, bound: Bound) -> Any:
        if not isinstance(bound.source, Parameter):
            return bound.value
        writer, now = self._segment.mode.writer, self._segment.mode.now
        if bound.source.name == ACTOR:
            return None if writer is None else writer.actor.user
        return now if bound.source.name == NOW else now // MICROSECONDS_OF_A_DAY

    # --- numbers ---

    def _number(self, layout: Layout, initial: Initial, ids: Sequence[bytes]) -> Plan[None]:
        name = initial.attribute.name
        known, lacking = self._known.of(layout.root, name), self._lacking[layout.type, name]
        ids = [each for each in ids if each in lacking and known[each] is None]
        within = yield from self._known.read(layout.type, ids, initial.within)
        coming = yield from self._coming(layout, initial, {each for each in within if each is not None})
        for entity, each in zip(ids, within, strict=True):
            if each is None:
                continue
            number = coming[each]
            if number > MAX_INTEGER:
                expected = f"a number above those that there are within {initial.within}"
                error = InvalidValue(
                    type=layout.type, attribute=name, entity=show_id(entity), value=None, expected=expected
                )
                self._segment.faults.add([Fault(layout.type, entity, error)])
                continue
            known[entity], coming[each] = number, number + 1

    def _coming(self, layout: Layout, initial: Initial, references: set[bytes]) -> Plan[dict[bytes, int]]:
        """The next number within each reference."""
        name = initial.attribute.name
        coming = self._next.setdefault((self._segment.schema.owner(layout.type, name), name), {})
        fresh = references - coming.keys()
        if fresh:
            coming.update(dict.fromkeys(fresh, 1))
            within, column = quoted(layout.columns[initial.within]), quoted(layout.columns[name])
            dialect = self._segment.catalog.dialect
            sql = (
                f"SELECT {within}, MAX({column}) FROM {quoted(layout.table)} WHERE {within} IN {id_list(dialect)}"
                f" AND {column} IS NOT NULL GROUP BY {within}"
            )
            storage = (Storage.BYTES, Storage.INTEGER)
            rows = yield Fetch(marked(dialect, sql), (list(fresh),), storage)
            coming.update((bytes(row[0]), row[1] + 1) for row in rows)
            yield from self._count_held(layout, initial, coming)
        return coming

    def _count_held(self, layout: Layout, initial: Initial, coming: dict[bytes, int]) -> Plan[None]:
        """Numbers that a careful attempt keeps back are taken too."""
        column = layout.columns[initial.attribute.name]
        taken = {
            each: values[column]
            for each, values in self._segment.held.get(layout.root, {}).items()
            if values.get(column) is not None
        }
        within = yield from self._known.read(layout.type, list(taken), initial.within)
        for each, number in zip(within, taken.values(), strict=True):
            if each in coming:
                coming[each] = max(coming[each], number + 1)

    # --- order ---

    def _waves(self) -> Plan[list[Wave]]:
        """New entities behind those that they refer to, as far as that matters: each wave needs those before it only."""
        needs: dict[bytes, set[bytes]] = {}
        layouts = {each: new.layout for new in self._news for each in new.ids}
        for new in self._news:
            yield from self._add_needs(new, layouts, needs)
        if not needs:
            return [[(new.layout, new.ids) for new in self._news]]
        places = _places(layouts, needs)
        waves: list[dict[str, tuple[Layout, list[bytes]]]] = [{} for _ in range(max(places.values()) + 1)]
        for entity, layout in layouts.items():
            waves[places[entity]].setdefault(layout.type, (layout, []))[1].append(entity)
        return [list(wave.values()) for wave in waves]

    def _add_needs(self, new: New, waiting: Mapping[bytes, Layout], needs: dict[bytes, set[bytes]]) -> Plan[None]:
        """Add which entities among `waiting` are read through references that are known."""
        ways = {way for initial in new.layout.initials if initial.value for way, _ in reads(initial.value) if way}
        for way in sorted(ways):
            reached: Sequence[bytes | None] = new.ids
            owner = new.layout.type
            for name in way:
                reached = yield from self._known.read(owner, reached, name)
                owner = self._segment.schema.attribute(owner, name).target
                for entity, to in zip(new.ids, reached, strict=True):
                    if to in waiting and to != entity:
                        needs.setdefault(entity, set()).add(to)

    # --- what was found ---

    def write(self) -> Plan[None]:
        """Write what was found, and put it where the journal and the judges look for it."""
        self._complete_journal()
        for new in self._news:
            given: dict[str, Column] = {}
            for name in new.layout.given:
                if self._lacking[new.layout.type, name].keys().isdisjoint(new.ids):
                    continue
                known = self._known.of(new.layout.root, name)
                given[name] = [known[each] for each in new.ids]
            if given:
                self._segment.given[new.place] = tuple(given)
                judge_values(self._segment, new.layout, new.ids, given)
                self._segment.note_values(new.layout, new.ids, given, given=True)
                late = self._segment.late.get(new.place)
                if late is not None:
                    late.values.update({new.layout.columns[name]: column for name, column in given.items()})
                else:
                    yield from self._update(new, given)

    def _complete_journal(self) -> None:
        for operation in self._segment.operations:
            if not isinstance(operation, Create):
                continue
            layout = self._segment.layout(operation.type)
            for name in layout.given:
                lacking = self._lacking.get((layout.type, name), {})
                if lacking.keys().isdisjoint(operation.ids):
                    continue
                known = self._known.of(layout.root, name)
                before = operation.columns.get(name) or [None] * len(operation.ids)
                column = [
                    known[each] if each in lacking else old for each, old in zip(operation.ids, before, strict=True)
                ]
                operation.columns = {**operation.columns, name: column}

    def _update(self, new: New, given: dict[str, Column]) -> Plan[None]:
        layout = new.layout
        now = dict(given)
        if self._segment.mode.careful:
            held = self._segment.held.setdefault(layout.root, {})
            for name in layout.unique.intersection(given):
                for entity, value in zip(new.ids, now.pop(name), strict=True):
                    held.setdefault(entity, {})[layout.columns[name]] = value
        values = {layout.columns[name]: column for name, column in now.items()}
        if values:
            yield UpdateColumns(layout.table, {"id": new.ids}, values, layout.storage_of(["id", *values]))


def _places(layouts: dict[bytes, Layout], needs: dict[bytes, set[bytes]]) -> dict[bytes, int]:
    """The wave of each entity. Iterative: chains may be long. What refers to each other in a circle is not told apart."""
    places: dict[bytes, int] = {}
    for start in layouts:
        stack, open_ = [start], {start}
        while stack:
            entity = stack[-1]
            waiting = [each for each in needs.get(entity, ()) if each not in places and each not in open_]
            if waiting:
                stack.append(waiting[0])
                open_.add(waiting[0])
                continue
            stack.pop()
            if entity not in places:
                places[entity] = max((places[each] + 1 for each in needs.get(entity, ()) if each in places), default=0)
    return places
