"""The journal as one actor sees it: operations by entity and attribute, headers of commits with something to see in them.

A commit shows of an entity what could be seen of it right after, of what it replaced what could be seen right
before, and nothing where the entity is there today and cannot be seen today. What stands under names that changed
since, and under types that are gone, is not shown: nobody can say what today's rules mean for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from ..model.operations import (
    SCHEMA_OPERATIONS,
    Create,
    Delete,
    DropAttribute,
    DropKeys,
    DropType,
    Link,
    Operation,
    Publish,
    RenameAttribute,
    RenameType,
    SetKeys,
    Unlink,
    Update,
)
from ..model.schema import Attribute
from ..query.request import Header, JournalEntry
from .access import Access
from .access_past import Moment, Sight
from .catalog import Catalog, Catalogs
from .followers import behind
from .journal import SCHEMA_MARK, header_plan, journal_plan, load_operations, no_commit
from .opened import FollowersBehind
from .plans import Fetch, Plan
from .sqltext import marked

__all__ = ["entries_seen", "header_seen"]

T = TypeVar("T")


def entries_seen(access: Access, catalogs: Catalogs, entries: Sequence[JournalEntry]) -> Plan[list[JournalEntry]]:
    """The entries of which the actor sees something. The last is always there, so that one can go on behind it."""
    views: dict[str, _View] = {}
    for database in {entry.header.database for entry in entries}:
        if database in catalogs.by_key:
            catalog = access.catalog(catalogs.by_key[database])
            own = [entry for entry in entries if entry.header.database == database]
            views[database] = yield from _view(catalog, own)
    found = [_seen(views.get(entry.header.database), entry) for entry in entries]
    return [entry for entry in found if entry.operations or entry is found[-1]]


def header_seen(access: Access, catalogs: Catalogs, revision_or_id: int | bytes) -> Plan[Header]:
    """The header of a commit; NotFound where the actor sees nothing of it, as where there is none."""
    header = yield from header_plan(revision_or_id)
    rows = yield Fetch("SELECT pruned FROM rr_room")
    if header.revision > rows[0][0]:
        entries = yield from journal_plan(header.revision - 1, 1)
        [entry] = yield from entries_seen(access, catalogs, entries)
        if entry.operations and entry.header.revision == header.revision:
            return entry.header
    raise no_commit(revision_or_id)


def _seen(view: _View | None, entry: JournalEntry) -> JournalEntry:
    if view is None:
        operations: list[Operation] = [each for each in entry.operations if isinstance(each, Publish)]
    else:
        operations = list(view.operations(entry.header.revision, entry.operations))
    if operations:
        return JournalEntry(header=entry.header, operations=operations)
    empty = Header(revision=entry.header.revision, commit_id=b"", database="", actor="", time=0)
    return JournalEntry(header=empty, operations=[])


def _view(catalog: Catalog, entries: Sequence[JournalEntry]) -> Plan[_View]:
    """What of some entries of one database can be seen."""
    changes = yield from _schema_changes(catalog, min(entry.header.revision for entry in entries))
    view = _View(catalog, changes)
    for entry in entries:
        # Everything that judging asks is wanted first.
        list(view.operations(entry.header.revision, entry.operations))
    sight = view.sight
    if sight.waiting:
        if (yield from behind({catalog.database: catalog}, ("history",))):
            raise FollowersBehind(catalog.database, ("history",))
        yield from sight.look()
    return view


def _schema_changes(catalog: Catalog, since: int) -> Plan[list[tuple[int, Operation]]]:
    """The schema operations of a database from a revision on."""
    sql = (
        "SELECT j.revision, j.operations FROM rr_journal AS j JOIN rr_commit AS c ON c.revision = j.revision"
        " WHERE j.revision >= ? AND c.database = ? AND j.types LIKE ? ORDER BY j.revision"
    )
    rows = yield Fetch(marked(catalog.dialect, sql), (since, catalog.database, f"%{SCHEMA_MARK}%"))
    return [
        (revision, each)
        for revision, data in rows
        for each in load_operations(data)
        if isinstance(each, SCHEMA_OPERATIONS)
    ]


class _Part(NamedTuple):
    """What can be seen of one entity in an operation: the attributes that stay."""

    place: int
    names: tuple[str, ...]


class _View:
    """What of operations can be seen. Judging twice, with a look between, gives the right answer."""

    def __init__(self, catalog: Catalog, changes: Sequence[tuple[int, Operation]]) -> None:
        self.sight = Sight(catalog)
        self.schema = catalog.schema
        self._changes = changes

    def operations(self, revision: int, operations: Iterable[Operation]) -> Iterator[Operation]:
        """What can be seen of the operations of a commit."""
        names = _Names([each for at, each in self._changes if at >= revision])
        for operation in operations:
            if isinstance(operation, (*SCHEMA_OPERATIONS, Publish)):
                yield operation
                continue
            now = names.type_now(operation.type)
            if now in self.schema:
                yield from _SEEN[type(operation)](_Judge(self.sight, names, now, revision), operation)


class _Names:
    """What became of names by later changes of the schema."""

    def __init__(self, changes: Sequence[Operation]) -> None:
        self._changes = changes
        self._unsure: set[str] = set()
        for each in changes:
            if isinstance(each, RenameAttribute):
                self._unsure |= {each.name, each.to}
            elif isinstance(each, DropAttribute):
                self._unsure.add(each.name)

    def type_now(self, name: str) -> str:
        """What a type is called now; "" where it is gone."""
        for each in self._changes:
            if isinstance(each, RenameType) and each.name == name:
                name = each.to
            elif isinstance(each, DropType) and each.name == name:
                return ""
        return name

    def sure(self, attribute: str) -> bool:
        """Whether an attribute of that name is what it was."""
        return attribute not in self._unsure


class _Judge:
    """What can be seen of entities of one type (as it is called now) in a commit."""

    def __init__(self, sight: Sight, names: _Names, type_name: str, revision: int) -> None:
        self._sight = sight
        self._names = names
        self._attributes = sight.catalog.schema.attributes(type_name)
        self.type = type_name
        self.after = revision
        self.before = revision - 1

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of that name, if it is what it was."""
        return self._attributes.get(name) if self._names.sure(name) else None

    def refers(self, name: str) -> bool:
        """Whether an attribute is a reference now."""
        attribute = self._attributes.get(name)
        return attribute is not None and attribute.kind == "reference"

    def sees(self, type_name: str, entity: bytes, revision: int, attribute: str = "") -> bool:
        """Whether an entity could be seen at a revision, with an attribute of it where one is given."""
        moment = Moment(entity, revision)
        self._sight.want(type_name, (moment,))
        return self._sight.sees(type_name, moment, attribute)

    def value(self, attribute: Attribute, raw: Any, entity: bytes, revision: int) -> Any:
        """The value of an attribute as it could be seen at a revision."""
        if raw is None:
            return None
        # Both are asked, so that both are wanted.
        seen = self.sees(self.type, entity, revision, attribute.name)
        there = attribute.kind != "reference" or self.sees(attribute.target, raw, revision)
        return raw if seen and there else None

    def pair(self, attribute: Attribute, source: bytes, target: bytes, revision: int) -> bool:
        """Whether a link could be seen at a revision."""
        # Both are asked, so that both are wanted.
        seen = self.sees(self.type, source, revision, attribute.name)
        return self.sees(attribute.target, target, revision) and seen

    def column(self, attribute: Attribute, raws: Sequence[Any], ids: Sequence[bytes], revision: int) -> list[Any]:
        """The values of an attribute as they could be seen."""
        return [self.value(attribute, raw, entity, revision) for raw, entity in zip(raws, ids, strict=True)]


def _columns(
    judge: _Judge, columns: Mapping[str, list[Any]], ids: Sequence[bytes], revision: int
) -> dict[str, list[Any]]:
    found = {}
    for name, raws in columns.items():
        attribute = judge.attribute(name)
        if attribute is not None:
            found[name] = judge.column(attribute, raws, ids, revision)
    return found


def _runs(parts: Sequence[_Part]) -> Iterator[tuple[list[int], tuple[str, ...]]]:
    """Neighbours of which the same attributes can be seen, together."""
    places: list[int] = []
    names: tuple[str, ...] = ()
    for part in parts:
        if places and (part.names != names or part.place != places[-1] + 1):
            yield places, names
            places = []
        places.append(part.place)
        names = part.names
    if places:
        yield places, names


def _picked(values: Sequence[T], places: Sequence[int]) -> list[T]:
    return [values[place] for place in places] if values else []


def _chosen(columns: Mapping[str, list[Any]], names: Iterable[str], places: Sequence[int]) -> dict[str, list[Any]]:
    return {name: _picked(columns[name], places) for name in names if name in columns}


def _create(judge: _Judge, operation: Create) -> Iterator[Operation]:
    ids = operation.ids
    columns = _columns(judge, operation.columns, ids, judge.after)
    parts = [
        _Part(place, tuple(name for name in columns if judge.sees(judge.type, entity, judge.after, name)))
        for place, entity in enumerate(ids)
        if judge.sees(judge.type, entity, judge.after)
    ]
    # A reference to what cannot be seen looks like one that was never given.
    parts = [
        _Part(place, tuple(name for name in names if columns[name][place] is not None or not judge.refers(name)))
        for place, names in parts
    ]
    for places, names in _runs(parts):
        yield Create(
            type=operation.type,
            ids=_picked(ids, places),
            columns=_chosen(columns, names, places),
            first_number=operation.first_number + places[0] if operation.first_number else 0,
        )


def _update(judge: _Judge, operation: Update) -> Iterator[Operation]:
    ids = operation.ids
    columns = _columns(judge, operation.columns, ids, judge.after)
    before = _columns(judge, operation.before, ids, judge.before)
    known = [judge.sees(judge.type, entity, judge.before) for entity in ids]
    parts = []
    for place, entity in enumerate(ids):
        if judge.sees(judge.type, entity, judge.after):
            names = tuple(name for name, values in columns.items() if values[place] != _at(before, name, place))
            if names:
                parts.append(_Part(place, names))
    for places, names in _runs(parts):
        yield Update(
            type=operation.type,
            ids=_picked(ids, places),
            columns=_chosen(columns, names, places),
            before=_chosen(before, names, places),
            before_revision=_revisions(operation.before_revision, places, known),
        )


def _revisions(revisions: Sequence[int], places: Sequence[int], known: Sequence[bool]) -> list[int]:
    """What stood before under which revision; 0 where it could not be seen."""
    return [revisions[place] if known[place] else 0 for place in places] if revisions else []


def _at(columns: Mapping[str, list[Any]], name: str, place: int) -> Any:
    return columns[name][place] if name in columns else None


def _delete(judge: _Judge, operation: Delete) -> Iterator[Operation]:
    ids = operation.ids
    before = _columns(judge, operation.before, ids, judge.before)
    parts = [
        _Part(place, tuple(name for name in before if judge.sees(judge.type, entity, judge.before, name)))
        for place, entity in enumerate(ids)
        if judge.sees(judge.type, entity, judge.before)
    ]
    for places, names in _runs(parts):
        yield Delete(
            type=operation.type,
            ids=_picked(ids, places),
            before=_chosen(before, names, places),
            before_revision=_picked(operation.before_revision, places),
            cascaded=operation.cascaded,
        )


def _link(judge: _Judge, operation: Link) -> Iterator[Operation]:
    attribute = judge.attribute(operation.attribute)
    if attribute is None:
        return
    pairs = list(zip(operation.sources, operation.targets, strict=True))
    # Both moments are asked, so that both are wanted.
    known = [judge.pair(attribute, *pair, judge.before) for pair in pairs]
    kept = [place for place, pair in enumerate(pairs) if judge.pair(attribute, *pair, judge.after)]
    if kept:
        notes = [note if was else None for note, was in zip(operation.before_notes, known, strict=False)]
        yield msgspec.structs.replace(
            operation,
            sources=_picked(operation.sources, kept),
            targets=_picked(operation.targets, kept),
            notes=_picked(operation.notes, kept),
            before_notes=_picked(notes, kept),
            before_revision=_revisions(operation.before_revision, kept, known),
        )


def _unlink(judge: _Judge, operation: Unlink) -> Iterator[Operation]:
    attribute = judge.attribute(operation.attribute)
    if attribute is None:
        return
    pairs = zip(operation.sources, operation.targets, strict=True)
    kept = [place for place, pair in enumerate(pairs) if judge.pair(attribute, *pair, judge.before)]
    if kept:
        yield msgspec.structs.replace(
            operation,
            sources=_picked(operation.sources, kept),
            targets=_picked(operation.targets, kept),
            before_notes=_picked(operation.before_notes, kept),
            before_revision=_picked(operation.before_revision, kept),
        )


def _set_keys(judge: _Judge, operation: SetKeys) -> Iterator[Operation]:
    attribute = judge.attribute(operation.attribute)
    if attribute is None:
        return
    before = judge.column(attribute, operation.before, operation.ids, judge.before) if operation.before else []
    yield from _keys(judge, operation, judge.after, {"values": operation.values, "before": before})


def _drop_keys(judge: _Judge, operation: DropKeys) -> Iterator[Operation]:
    if judge.attribute(operation.attribute) is not None:
        yield from _keys(judge, operation, judge.before, {"before": operation.before})


def _keys(
    judge: _Judge, operation: SetKeys | DropKeys, revision: int, lists: Mapping[str, Sequence[Any]]
) -> Iterator[Operation]:
    """The keys of entities that could be seen at a revision."""
    name = operation.attribute
    known = [judge.sees(judge.type, entity, judge.before, name) for entity in operation.ids]
    kept = [place for place, entity in enumerate(operation.ids) if judge.sees(judge.type, entity, revision, name)]
    if kept:
        chosen = {field: _picked(values, kept) for field, values in lists.items()}
        revisions = _revisions(operation.before_revision, kept, known)
        ids, keys = _picked(operation.ids, kept), _picked(operation.keys, kept)
        yield msgspec.structs.replace(operation, ids=ids, keys=keys, before_revision=revisions, **chosen)


_SEEN: dict[type, Callable[[_Judge, Any], Iterator[Operation]]] = {
    Create: _create,
    Update: _update,
    Delete: _delete,
    Link: _link,
    Unlink: _unlink,
    SetKeys: _set_keys,
    DropKeys: _drop_keys,
}
