"""What the room gives anew: attributes with `follows`, where what their `initial` is made of has changed.

It happens at the end of a segment, in waves: entities whose own references or values were written first, then those
that refer to what a wave has changed. What is found anew is written and stands in the journal like any update. References
within one hierarchy by which values are found may not lead in a circle, but for those that the room gives itself: what
lies above everything may be its own. What is made of itself in any other way and never comes to rest is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from ..errors import InvalidValue
from ..model.ids import show_id
from ..model.operations import Delete, Update
from ..model.schema import Schema
from ..query.initial import Initial, reads
from .access_checks import seen_rows
from .apply import fetch_rows
from .attempt import Segment
from .catalog import Catalog
from .faults import Fault
from .giving import judge_values, values_of
from .layout import Layout, layout_of
from .plans import Plan, Row, UpdateColumns

__all__ = ["give_anew", "gives_anew"]

_MOST_TIMES = 1_000  # that one value is found anew in one commit
Changes = dict[tuple[str, str], dict[bytes, None]]  # hierarchy and attribute → entities in which it was written


class _Following(NamedTuple):
    """An attribute of a type that follows: from its own `attributes`, and from (reference, attribute) behind them."""

    layout: Layout
    initial: Initial
    attributes: frozenset[str]
    behind: frozenset[tuple[str, str]]


class _Followers:
    """Everything that follows in one catalog.

    `all` has what follows in entities of each type; `watched` the (hierarchy, attribute) that something follows from.
    `ways` are, for each of those that lie behind a reference, the declaring types of such references, and their names;
    `circular` the references from a hierarchy into itself.
    """

    def __init__(self, catalog: Catalog) -> None:
        schema = catalog.schema
        self.all: list[_Following] = []
        self.watched: set[tuple[str, str]] = set()
        self.ways: dict[tuple[str, str], set[tuple[str, str]]] = {}
        self.circular: set[tuple[str, str]] = set()
        for name in schema:
            if not schema[name].abstract and any(each.follows for each in schema.attributes(name).values()):
                self.all += _following(layout_of(catalog, name))
        for each in self.all:
            self._add(schema, each)

    def _add(self, schema: Schema, following: _Following) -> None:
        root, kind = following.layout.root, following.layout.type
        self.watched.update((root, name) for name in following.attributes)
        for way, name in following.behind:
            target = schema.root(schema.attribute(kind, way).target)
            self.watched.add((target, name))
            self.ways.setdefault((target, name), set()).add((schema.owner(kind, way), way))
            if target == root and way not in following.layout.given:
                self.circular.add((root, way))


_known: WeakKeyDictionary[Catalog, _Followers] = WeakKeyDictionary()


def _followers_of(catalog: Catalog) -> _Followers:
    catalog = catalog.plain
    found = _known.get(catalog)
    if found is None:
        found = _known[catalog] = _Followers(catalog)
    return found


def _following(layout: Layout) -> Iterator[_Following]:
    for initial in layout.initials:
        if initial.attribute.follows and initial.value is not None:
            read = set(reads(initial.value))
            own = frozenset((*way, name)[0] for way, name in read)
            yield _Following(layout, initial, own, frozenset((way[0], name) for way, name in read if way))


def gives_anew(segment: Segment) -> bool:
    """Whether something follows from what a segment has written so far."""
    followers = _followers_of(segment.catalog)
    return bool(followers.all and _updated(segment, followers, 0))


def give_anew(segment: Segment, start: int = 0) -> Plan[None]:
    """Find anew what follows from what a segment has updated, in its operations from `start` on, and write it."""
    followers = _followers_of(segment.catalog)
    if not followers.all:
        return
    changes = _updated(segment, followers, start)
    came_back = _came_back(segment, followers, start)
    if not changes and not came_back:
        return
    for (root, name), ids in changes.items():
        if (root, name) in followers.circular:
            yield from _judge_circles(segment, root, name, list(ids))
    segment.faults.settle()
    if came_back:
        for place, found in (yield from _wave(segment, followers, came_back, own=False)).items():
            changes.setdefault(place, {}).update(found)
    times: Counter[tuple[str, str, bytes]] = Counter()
    while changes:
        changes = yield from _wave(segment, followers, changes)
        for (root, name), ids in changes.items():
            times.update((root, name, each) for each in ids)
            segment.faults.add(
                Fault(root, each, _restless(root, name, each)) for each in ids if times[root, name, each] > _MOST_TIMES
            )
        segment.faults.settle()


def _restless(root: str, name: str, entity: bytes) -> InvalidValue:
    facts = {"type": root, "attribute": name, "entity": show_id(entity), "value": None}
    return InvalidValue(
        f"{root}.{name} follows from itself, in a circle, and never comes to rest.",
        **facts,
        expected="what does not follow from itself",
    )


def _updated(segment: Segment, followers: _Followers, start: int) -> Changes:
    schema = segment.schema
    found: Changes = {}
    for operation in segment.operations[start:]:
        if isinstance(operation, Update):
            root = schema.root(operation.type)
            for name in operation.columns:
                if (root, name) in followers.watched:
                    found.setdefault((root, name), {}).update(dict.fromkeys(operation.ids))
    return found


def _came_back(segment: Segment, followers: _Followers, start: int) -> Changes:
    """What others follow from in entities that were deleted and created again: it may be anything."""
    if not segment.created:
        return {}
    gone = {each for operation in segment.operations[start:] if isinstance(operation, Delete) for each in operation.ids}
    found: Changes = {}
    for entity in gone & segment.created.keys():
        kind = segment.created[entity]
        root = segment.schema.root(kind)
        for name in segment.schema.attributes(kind):
            if (root, name) in followers.ways:
                found.setdefault((root, name), {})[entity] = None
    return found


# --- circles --------------------------------------------------------------------------------------


def _judge_circles(segment: Segment, root: str, name: str, ids: list[bytes]) -> Plan[None]:
    """Faults of entities that are above themselves."""
    above: dict[bytes, bytes | None] = {}
    kinds: dict[bytes, str] = {}
    level = ids
    while level:
        owners = {segment.schema.owner(kind, name): None for kind in _having(segment, root, name)}
        rows: list[Row] = []
        for owner in owners:
            layout, kinds_of = segment.layout(owner), set(segment.schema.subtypes(owner))
            found = yield from fetch_rows(segment, layout, level, (layout.columns[name],))
            rows += [row for row in found if row[2] in kinds_of]
        above.update(dict.fromkeys(level))
        above.update((row[0], row[3]) for row in rows)
        kinds.update((row[0], row[2]) for row in rows)
        level = list({row[3] for row in rows} - above.keys() - {None})
    ending: set[bytes] = set()
    segment.faults.add(
        Fault(kinds[entity], entity, _circle(kinds[entity], name, entity, above[entity]))
        for entity in ids
        if entity not in segment.deleted and _is_above_itself(entity, above, ending)
    )


def _having(segment: Segment, root: str, name: str) -> list[str]:
    schema = segment.schema
    return [each for each in schema.subtypes(root) if name in schema.attributes(each)]


def _is_above_itself(entity: bytes, above: Mapping[bytes, bytes | None], ending: set[bytes]) -> bool:
    """Whether the way up leads back. `ending` are those known to be below an end; more are found."""
    seen = {entity}
    at = above.get(entity)
    while at is not None and at not in seen and at not in ending:
        seen.add(at)
        at = above.get(at)
    if at is None or at in ending:
        ending |= seen
    return at == entity


def _circle(kind: str, name: str, entity: bytes, value: bytes | None) -> InvalidValue:
    shown = None if value is None else show_id(value)
    expected = "what is neither itself nor below it, which would be a circle"
    return InvalidValue(type=kind, attribute=name, entity=show_id(entity), value=shown, expected=expected)


# --- waves ----------------------------------------------------------------------------------------


def _wave(segment: Segment, followers: _Followers, changes: Changes, *, own: bool = True) -> Plan[Changes]:
    """Give anew what follows from changes, in the changed entities themselves only with `own`; what that has changed."""
    concerned = _Concerned()
    for (root, name), ids in changes.items():
        here = [each for each in followers.all if own and each.layout.root == root and name in each.attributes]
        if here:
            concerned.add(here, (yield from fetch_rows(segment, segment.layout(root), list(ids), ())))
        for owner, way in sorted(followers.ways.get((root, name), ())):
            layout = segment.layout(owner)
            behind = [each for each in followers.all if (way, name) in each.behind]
            rows = yield from _referring(segment, layout, list(ids), layout.columns[way])
            concerned.add(behind, rows)
            for row in rows:
                cause: bytes = row[3]
                segment.followed.setdefault(row[0], segment.followed.get(cause, cause))
    found: Changes = {}
    for following, ids in concerned.found.values():
        place = (following.layout.root, following.initial.attribute.name)
        changed = yield from _give(segment, following, [each for each in ids if each not in segment.deleted])
        if changed and place in followers.watched:
            found.setdefault(place, {}).update(dict.fromkeys(changed))
    return found


def _referring(segment: Segment, layout: Layout, ids: list[bytes], column: str) -> Plan[list[Row]]:
    """Rows of (id, revision, type, id of `ids` that it refers to); those that are kept back too."""
    rows = yield from fetch_rows(segment, layout, ids, (column,), column)
    held = segment.held.get(layout.root)
    if held:
        wanted = set(ids)
        kept = [each for each, values in held.items() if values.get(column) in wanted]
        rows += (yield from fetch_rows(segment, layout, kept, (column,))) if kept else []
    return rows


class _Concerned:
    """The entities in which something is to be found anew."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], tuple[_Following, dict[bytes, None]]] = {}

    def add(self, following: list[_Following], rows: list[Row]) -> None:
        """Rows, of each what of `following` is there."""
        by_kind: dict[str, list[bytes]] = {}
        for row in rows:
            by_kind.setdefault(row[2], []).append(row[0])
        for each in following:
            ids = by_kind.get(each.layout.type)
            if ids:
                place = (each.layout.type, each.initial.attribute.name)
                self.found.setdefault(place, (each, {}))[1].update(dict.fromkeys(ids))


def _give(segment: Segment, following: _Following, ids: Sequence[bytes]) -> Plan[list[bytes]]:
    """Those of some entities whose value is another now. Where nothing is found, what is there stays."""
    layout, name = following.layout, following.initial.attribute.name
    if not ids:
        return []
    values = yield from values_of(segment, following.initial, layout.type, ids)
    rows = yield from fetch_rows(segment, layout, ids, (layout.columns[name],))
    by_id = {row[0]: row for row in rows}
    new = {each: value for each, value in zip(ids, values, strict=True) if each in by_id and value is not None}
    if not _may_be_itself(segment, following):
        new = {each: value for each, value in new.items() if value != each}
    changed = [each for each, value in new.items() if value != by_id[each][3]]
    if changed:
        yield from _write(segment, layout, name, [by_id[each] for each in changed], [new[each] for each in changed])
    return changed


def _may_be_itself(segment: Segment, following: _Following) -> bool:
    """Whether an entity may be what is found for it: `coalesce(parent.project, id)` finds a project for projects only."""
    target = following.initial.attribute.target
    return not target or segment.schema.is_a(following.layout.type, target)


def _write(segment: Segment, layout: Layout, name: str, rows: list[Row], values: list[Any]) -> Plan[None]:
    ids = [row[0] for row in rows]
    column = layout.columns[name]
    columns: dict[str, Sequence[Any]] = {"revision": [segment.revision] * len(rows), column: values}
    judge_values(segment, layout, ids, {name: values})
    segment.note_values(layout, ids, {name: values}, given=True)
    if segment.mode.careful and name in layout.unique:
        held = segment.held.setdefault(layout.root, {})
        for entity, value in zip(ids, values, strict=True):
            held.setdefault(entity, {})[column] = value
        columns[column] = [None] * len(ids)
    yield UpdateColumns(layout.table, {"id": ids}, columns, layout.storage_of(["id", *columns]))
    segment.outcome.journal.append(
        Update(
            type=layout.type,
            ids=ids,
            columns={name: values},
            before={name: [row[3] for row in rows]},
            before_revision=[row[1] for row in rows],
        )
    )
    segment.outcome.stale.update(((row[2], row[0]), None) for row in seen_rows(segment, layout, rows))
