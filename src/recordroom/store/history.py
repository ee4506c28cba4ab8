"""History: who changed what of one entity, newest first.

Read from its current row, the rows that it replaced (the history follower must have caught up), the same
of its links and mappings, and the headers of the commits. A page of changes ends between two revisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from ..errors import NotFound
from ..model.ids import show_id
from ..model.kinds import Storage
from ..query.request import Change, Header, HistoryRequest
from .access import visible
from .access_past import Moment, Sight
from .catalog import Catalog
from .journal import headers
from .layout import Layout, layout_of
from .plans import Fetch, FetchKeys, Plan, Row
from .relations import Relation, relations_of
from .sqltext import marked, quoted
from .tables import past

__all__ = ["history_plan"]

_ALWAYS = 2**63 - 1


class _Event(NamedTuple):
    """A Change without what the commit's header says."""

    revision: int
    verb: str
    attribute: str
    before: Any = None
    after: Any = None
    member: bytes | None = None
    key: str | None = None
    partial: bool = False


def history_plan(catalog: Catalog, request: HistoryRequest) -> Plan[list[Change]]:
    """The changes of one entity; NotFound where there never was one of that type and id (or all of it was pruned)."""
    if request.attribute is not None:
        catalog.schema.attribute(request.type, request.attribute)
    exact = yield from _type_of(catalog, request)
    if catalog.access is None:
        events, _ = yield from _events(catalog, exact, request)
    else:
        events = yield from _events_seen(catalog, exact, request)
    by_revision = yield from headers(sorted({event.revision for event in events}))
    return [_change(event, by_revision.get(event.revision)) for event in events]


def _events(catalog: Catalog, exact: str, request: HistoryRequest) -> Plan[tuple[list[_Event], bool]]:
    """A page of changes, and whether there are more behind it."""
    upto = _ALWAYS if request.before is None else request.before
    layout = layout_of(catalog, exact)
    names = [name for name in layout.own if request.attribute in (None, name)]
    events: list[_Event] = []
    if names or request.attribute is None:
        events += yield from _row_events(catalog, layout, request, names)
    for relation, end, name in _ends(catalog, exact):
        if request.attribute in (None, name):
            events += yield from _entry_events(catalog, (relation, end, name), request)
    events = [event for event in events if event.revision < upto]
    events.sort(key=lambda event: -event.revision)
    page = _page(events, request.limit)
    return page, len(page) < len(events)


def _page(events: list[_Event], limit: int) -> list[_Event]:
    """The first `limit` changes, but no part of a revision; of a revision with more changes than that, all."""
    if len(events) <= limit:
        return events
    first, cut = events[0].revision, events[limit].revision
    return [event for event in events if event.revision > cut or event.revision == first]


def _change(event: _Event, header: Header | None) -> Change:
    return Change(
        revision=event.revision,
        time=0 if header is None else header.time,
        actor="" if header is None else header.actor,
        notes=None if header is None else header.notes,
        commit_id=b"" if header is None else header.commit_id,
        verb=event.verb,
        attribute=event.attribute,
        before=event.before,
        after=event.after,
        member=event.member,
        key=event.key,
        partial=event.partial,
    )


# --- what an actor sees ---------------------------------------------------------------------------


def _events_seen(catalog: Catalog, exact: str, request: HistoryRequest) -> Plan[list[_Event]]:
    """As `_events`, of the changes that the actor of the catalog sees; NotFound where the entity cannot be seen."""
    yield from _check_seen(catalog, exact, request)
    found: list[_Event] = []
    while True:
        events, more = yield from _events(catalog, exact, request)
        eyes = _Eyes(catalog, exact, request.id)
        for event in events:
            eyes.seen(event)
        yield from eyes.sight.look()
        found += _shown(event for each in events for event in eyes.seen(each))
        if not more or len(found) >= request.limit:
            return _page(found, request.limit)
        request = msgspec.structs.replace(request, before=events[-1].revision)


def _check_seen(catalog: Catalog, exact: str, request: HistoryRequest) -> Plan[None]:
    """NotFound where the entity cannot be seen now, or could not be when it was deleted."""
    layout, at = layout_of(catalog, exact), None
    rows = yield FetchKeys(layout.table, "id", [request.id], ("id",), (Storage.BYTES, Storage.BYTES))
    if not rows:
        gone = f"SELECT max(until) - 1 FROM {quoted(layout.past)} WHERE id = ?"
        [(at,)] = yield Fetch(marked(catalog.dialect, gone), (request.id,))
    if not (yield from visible(catalog, catalog.access, exact, [request.id], at=at)):
        raise NotFound(type=request.type, entity=show_id(request.id))


def _shown(events: Iterable[_Event]) -> list[_Event]:
    """One event without an attribute stands for a revision only where no other does."""
    found = list(events)
    told = {(event.revision, event.verb) for event in found if event.attribute}
    shown = [event for event in found if event.attribute or (event.revision, event.verb) not in told]
    return list(dict.fromkeys(shown))


class _Eyes:
    """What of the changes of one entity an actor sees. Asked twice, with a look between, the answer is right."""

    def __init__(self, catalog: Catalog, exact: str, entity: bytes) -> None:
        self.sight = Sight(catalog)
        self._type = exact
        self._entity = entity
        self._attributes = catalog.schema.attributes(exact)

    def _sees(self, revision: int, attribute: str = "", *, entity: bytes | None = None, type_name: str = "") -> bool:
        moment = Moment(entity or self._entity, revision)
        self.sight.want(type_name or self._type, (moment,))
        return self.sight.sees(type_name or self._type, moment, attribute)

    def _value(self, name: str, raw: Any, revision: int) -> Any:
        attribute = self._attributes[name]
        seen = self._sees(revision, name)
        if raw is not None and attribute.kind == "reference":
            seen = self._sees(revision, entity=raw, type_name=attribute.target) and seen
        return raw if seen else None

    def seen(self, event: _Event) -> list[_Event]:
        """The event as it is seen: one, or none."""
        if event.member is not None:
            return self._link(event)
        if event.key is not None:
            return self._entry(event)
        return self._change(event)

    def _change(self, event: _Event) -> list[_Event]:
        after, name = event.revision, event.attribute
        there = self._sees(after - 1 if event.verb == "delete" else after)
        if not name:
            return [event] if there else []
        old, new = self._value(name, event.before, after - 1), self._value(name, event.after, after)
        if not there:
            return []
        if old == new:
            return [] if event.verb == "update" else [event._replace(attribute="", before=None, after=None)]
        return [event._replace(before=old, after=new)]

    def _link(self, event: _Event) -> list[_Event]:
        attribute, member = self._attributes[event.attribute], event.member

        def pair(revision: int) -> bool:
            own = self._sees(revision, event.attribute)
            inverse = attribute.inverse if attribute.derived else ""
            return self._sees(revision, inverse, entity=member, type_name=attribute.target) and own

        before, after = pair(event.revision - 1), pair(event.revision)
        if not (before if event.verb == "unlink" else after):
            return []
        return [event if before else event._replace(before=None)]

    def _entry(self, event: _Event) -> list[_Event]:
        before = self._sees(event.revision - 1, event.attribute)
        after = self._sees(event.revision, event.attribute)
        if not (before if event.verb == "drop_key" else after):
            return []
        return [event if before else event._replace(before=None)]


# --- the entity's own attributes ------------------------------------------------------------------


class _Version(NamedTuple):
    """One state of an entity; `until` is None for the present one."""

    revision: int
    created: int
    until: int | None
    values: dict[str, Any]


def _type_of(catalog: Catalog, request: HistoryRequest) -> Plan[str]:
    """The exact type of the entity, there or deleted."""
    layout = layout_of(catalog, request.type)
    column = "entity_type" if layout.typed else "id"
    rows = yield FetchKeys(layout.table, "id", [request.id], (column,), layout.storage_of(["id", column]))
    if not rows:
        sql = f"SELECT {quoted(column)} FROM {quoted(layout.past)} WHERE id = ? ORDER BY until DESC LIMIT 1"
        rows = yield Fetch(marked(catalog.dialect, sql), (request.id,), layout.storage_of([column]))
    exact = rows[0][0] if rows and layout.typed else layout.root
    if not rows or not catalog.schema.is_a(exact, request.type):
        raise NotFound(type=request.type, entity=show_id(request.id))
    return str(exact)


def _row_events(catalog: Catalog, layout: Layout, request: HistoryRequest, names: Sequence[str]) -> Plan[list[_Event]]:
    """Changes of the entity's own attributes, at least `limit` of them if there are so many."""
    upto = _ALWAYS if request.before is None else request.before
    columns = ["revision", "created_revision", *(layout.columns[name] for name in names)]
    storage = layout.storage_of(columns)
    rows = yield FetchKeys(layout.table, "id", [request.id], tuple(columns), (Storage.BYTES, *storage))
    text = ", ".join(map(quoted, [*columns, "until"]))
    chunk = request.limit + 1
    sql = f"SELECT {text} FROM {quoted(layout.past)} WHERE id = ? AND until < ? ORDER BY until DESC LIMIT {int(chunk)}"
    start = _ALWAYS if request.before is None else (yield from _first_needed(catalog, layout, request.id, upto))
    # Between the present one and those before `start` there are others.
    versions = [_version((*row, None), names) for row in rows] if start == _ALWAYS else []
    events: list[_Event] = []
    newer: _Version | None = None
    # Versions may be alike in the attributes asked for: read on until there are changes enough.
    while True:
        rows = yield Fetch(marked(catalog.dialect, sql), (request.id, start), (*storage, Storage.INTEGER))
        versions += [_version(row, names) for row in rows]
        for version in versions:
            events += _between(newer, version, names)
            newer = version
        if len(rows) < chunk:
            return [*events, *_first(newer, names)]
        if sum(event.revision < upto for event in events) > request.limit:
            return events
        versions, start = [], rows[-1][-1]


def _first_needed(catalog: Catalog, layout: Layout, entity: bytes, upto: int) -> Plan[int]:
    """Replaced rows until this revision tell everything before revision `upto`."""
    sql = f"SELECT min(until) FROM {quoted(layout.past)} WHERE id = ? AND until >= ?"
    rows = yield Fetch(marked(catalog.dialect, sql), (entity, upto))
    return _ALWAYS if rows[0][0] is None else rows[0][0] + 1


def _version(row: Row, names: Sequence[str]) -> _Version:
    return _Version(row[0], row[1], row[-1], dict(zip(names, row[2:-1], strict=True)))


def _between(newer: _Version | None, older: _Version, names: Sequence[str]) -> Iterator[_Event]:
    """What happened between two neighbouring versions; `newer` is None behind the newest."""
    if newer is not None and newer.revision == older.until and newer.created == older.created:
        for name in names:
            before, after = older.values[name], newer.values[name]
            if before != after:
                yield _Event(newer.revision, "update", name, before, after)
        return
    yield from _first(newer, names)
    if older.until is not None:
        yield from _all_values(older.until, "delete", older, names)


def _first(version: _Version | None, names: Sequence[str]) -> Iterator[_Event]:
    """How a version began that came from no older one."""
    if version is None:
        return
    if version.revision == version.created:
        yield from _all_values(version.revision, "create", version, names)
    else:
        yield _Event(version.created, "create", "", partial=True)


def _all_values(revision: int, verb: str, version: _Version, names: Sequence[str]) -> Iterator[_Event]:
    present = {name: value for name, value in version.values.items() if value is not None}
    for name, value in present.items():
        yield _Event(revision, verb, name, *((None, value) if verb == "create" else (value, None)))
    if not present:
        yield _Event(revision, verb, "")


# --- links and mappings ---------------------------------------------------------------------------


def _ends(catalog: Catalog, exact: str) -> Iterator[tuple[Relation, str, str]]:
    """(relation, column, name) for each links or mapping attribute that entities of a type have."""
    lineage = catalog.schema.ancestors(exact)
    for relation in relations_of(catalog):
        attribute = relation.attribute
        if relation.type in lineage:
            yield relation, relation.columns[0], attribute.name
        if attribute.reverse and attribute.target in lineage:
            yield relation, "target", attribute.reverse


def _entry_events(catalog: Catalog, end: tuple[Relation, str, str], request: HistoryRequest) -> Plan[list[_Event]]:
    """Changes of the pairs or keys that an entity has in one relation."""
    relation, column, name = end
    now = yield from _window(catalog, relation, (relation.table, column, "revision"), request)
    begun = yield from _window(catalog, relation, (past(relation.table), column, "revision"), request)
    ended = yield from _window(catalog, relation, (past(relation.table), column, "until"), request)
    was = {(row[0], row[1], row[4]): row[2] for row in ended}
    began = {(row[0], row[1], row[3]): row[2] for row in [*now, *begun]}
    other = 0 if column == "target" else 1
    add, drop = ("set_key", "drop_key") if relation.is_mapping else ("link", "unlink")
    events = []
    for key in {**began, **was}:
        verb = add if key in began else drop
        member, word = (None, key[1]) if relation.is_mapping else (key[other], None)
        events.append(_Event(key[2], verb, name, was.get(key), began.get(key), member, word))
    return events


def _window(
    catalog: Catalog, relation: Relation, where: tuple[str, str, str], request: HistoryRequest
) -> Plan[list[Row]]:
    """The newest entries of an entity by revision or until: `limit` of them, and all of the same revision."""
    table, end, by = where
    upto = _ALWAYS if request.before is None else request.before
    of_past = table != relation.table
    condition = f"{quoted(end)} = ? AND {quoted(by)} < ?"
    sql = f"SELECT {by} FROM {quoted(table)} WHERE {condition} ORDER BY {by} DESC LIMIT 1 OFFSET {int(request.limit)}"
    rows = yield Fetch(marked(catalog.dialect, sql), (request.id, upto))
    least = rows[0][0] if rows else 0
    columns = [*relation.columns, *(["until"] if of_past else [])]
    storage = (*relation.storage, *([Storage.INTEGER] if of_past else []))
    sql = f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table)} WHERE {condition} AND {quoted(by)} >= ?"
    found: list[Row] = yield Fetch(marked(catalog.dialect, sql), (request.id, upto, least), storage)
    return found
