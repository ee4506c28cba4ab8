"""Reverting: the inverse of a commit, as a commit of its own.

The inverse is made from the operations and before-values in the journal, in reverse order, under today's
names. What others changed since clashes as in any commit whose base is the reverted revision. What a
commit dropped from the schema cannot come back: its values are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from ..errors import Conflict, InvalidValue, NotFound, PastPruned, SchemaChangeRefused, UnknownDatabase
from ..model.evolve import evolve
from ..model.ids import show_id
from ..model.kinds import Storage, WrongValue
from ..model.operations import (
    SCHEMA_OPERATIONS,
    ChangeAttribute,
    ChangeType,
    Clash,
    Commit,
    CommitResult,
    Create,
    DefineAttribute,
    DefineType,
    Delete,
    DropAttribute,
    DropKeys,
    DropType,
    Link,
    Operation,
    RenameAttribute,
    RenameType,
    SetKeys,
    Unlink,
    Update,
)
from ..model.schema import STORED_SYSTEM, Attribute, close_names
from .access_revert import check_all_seen, veiled, was_made
from .catalog import Catalog
from .commit import By, commit_plan
from .journal import BORN, load_operations, position
from .layout import layout_of
from .names import Names, schema_operations
from .plans import Fetch, Plan
from .relations import entries_of, relation_of
from .sqltext import marked, quoted

__all__ = ["revert_plan"]


def revert_plan(catalogs: Mapping[str, Catalog], revision: int, commit: Commit, by: By) -> Plan[CommitResult]:
    """Apply the inverse of the commit with `revision`, under the id, notes and modes of `commit`.

    NotFound where there is no such commit, PastPruned where its operations are gone, Conflict where others
    changed the same values since, SchemaChangeRefused where the schema cannot go back without losing values.
    """
    database, operations = yield from _entry(revision)
    catalog = catalogs.get(database)
    if catalog is None:
        raise UnknownDatabase(name=database, suggestions=close_names(database, catalogs))
    if revision <= (yield from position(catalog.dialect, BORN, database)):
        raise NotFound(f"Commit {revision} is of a dropped database.", type="commit", entity=revision)
    by = by._replace(numbers=_numbers(operations))
    if by.writer is not None and by.writer.access is not None:
        by = by._replace(writer=by.writer._replace(reverting=True))
        return (yield from veiled(_revert(catalog, revision, operations, commit, by), revision))
    return (yield from _revert(catalog, revision, operations, commit, by))


def _revert(catalog: Catalog, revision: int, operations: list[Operation], commit: Commit, by: By) -> Plan[CommitResult]:
    if (yield from was_made(catalog, by.actor, commit)):
        # What the first time changed would look like a change by others.
        return (yield from commit_plan(catalog, msgspec.structs.replace(commit, database=catalog.database), by))
    since = yield from schema_operations(catalog.dialect, catalog.database, revision)
    inverse = yield from _inverse(catalog, revision, operations, [operation for _, operation in since])
    inverted = [each.operation for each in inverse]
    if by.writer is not None and by.writer.access is not None:
        yield from check_all_seen(catalog, by.writer.access, inverted)
    if commit.on_conflict != "mine":
        yield from _judge_entries(catalog, revision, inverse)
    complete = msgspec.structs.replace(commit, database=catalog.database, operations=inverted)
    return (yield from commit_plan(catalog, complete, by))


class _Place:
    """A place in a commit that is being reverted: what its names are called today, and when the inverse is applied.

    The inverses of the schema operations behind this place have been applied by then.
    """

    def __init__(self, catalog: Catalog, revision: int, since: Sequence[Operation]) -> None:
        self.catalog = catalog
        self.revision = revision
        self.schema = catalog.schema
        self.today = Names(catalog.schema, since)
        self.then = Names(catalog.schema, ())
        self._since = list(since)
        self._undone: list[Operation] = []

    def pass_by(self, operation: Operation, inverse: Sequence[Operation]) -> None:
        """Go before a schema operation of the commit."""
        for each in inverse:
            self.schema = evolve(self.schema, each)
        self._since.insert(0, operation)
        self._undone += inverse
        self.today = Names(self.catalog.schema, self._since)
        self.then = Names(self.schema, self._undone)

    def type(self, name: str) -> str | None:
        """What a type is called when the inverse is applied; None where it is no longer there."""
        today = self.today.type(name)
        then = None if today is None else self.then.type(today)
        return then if then in self.schema else None

    def attribute(self, type_name: str, name: str) -> Attribute | None:
        """An attribute as it is when the inverse is applied; None where it is no longer there."""
        then = self.type(type_name)
        found = self._today(type_name, name)
        if then is None or found is None:
            return None
        now = self.then.attribute(*found)
        return None if now is None else self.schema.attributes(then).get(now)

    def values(self, type_name: str, name: str, raws: Sequence[Any]) -> list[Any]:
        """Raw scalars as the attribute's kind keeps them when the inverse is applied; WrongValue otherwise."""
        found = self._today(type_name, name)
        values = self.today.values(type_name, name, raws)
        return values if found is None else self.then.values(*found, values)

    def _today(self, type_name: str, name: str) -> tuple[str, str] | None:
        today, attribute = self.today.type(type_name), self.today.attribute(type_name, name)
        return None if today is None or attribute is None else (today, attribute)


class _Inverse(NamedTuple):
    """One operation of the inverse; `relation` is where its links or keys are today."""

    operation: Operation
    relation: tuple[str, str] | None = None


def _inverse(
    catalog: Catalog, revision: int, operations: Sequence[Operation], since: Sequence[Operation]
) -> Plan[list[_Inverse]]:
    """The inverse of a commit's operations; `since` are the schema operations of later commits."""
    place = _Place(catalog, revision, since)
    found: list[_Inverse] = []
    for operation in reversed(operations):
        invert = _INVERSES.get(type(operation))
        if invert is None:
            continue
        inverse = yield from invert(place, operation)
        relation = None
        if isinstance(operation, SCHEMA_OPERATIONS):
            place.pass_by(operation, inverse)
        elif isinstance(operation, (Link, Unlink, SetKeys, DropKeys)):
            today = place.today.type(operation.type)
            attribute = place.today.attribute(operation.type, operation.attribute)
            relation = None if today is None or attribute is None else (today, attribute)
        found += [_Inverse(each, relation) for each in inverse]
    return found


Invert = Callable[[_Place, Any], Plan[list[Operation]]]


def _entry(revision: int) -> Plan[tuple[str, list[Operation]]]:
    """The database and the operations of the commit with `revision`."""
    rows = yield Fetch(
        "SELECT c.database, j.operations FROM rr_journal AS j JOIN rr_commit AS c ON c.revision = j.revision"
        f" WHERE j.revision = {int(revision)}"
    )
    if rows:
        return rows[0][0], load_operations(rows[0][1])
    rows = yield Fetch("SELECT pruned FROM rr_room")
    if 0 < revision <= rows[0][0]:
        raise PastPruned(revision=revision, oldest=rows[0][0] + 1)
    raise NotFound(f"There is no commit {revision}.", type="commit", entity=revision)


def _numbers(operations: Sequence[Operation]) -> dict[bytes, int]:
    """The numbers that deleted entities had: they get them back."""
    return {
        entity: number
        for operation in operations
        if isinstance(operation, Delete)
        for entity, number in zip(operation.ids, operation.before["number"], strict=True)
    }


# --- entities -------------------------------------------------------------------------------------


def _values(place: _Place, type_name: str, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Columns of the journal under the names and in the kinds they have; those of dropped attributes are left out."""
    found = {}
    for name, raws in columns.items():
        attribute = None if name in STORED_SYSTEM else place.attribute(type_name, name)
        if attribute is None or not attribute.stored or not attribute.writable:
            continue
        try:
            found[attribute.name] = place.values(type_name, name, raws)
        except WrongValue as wrong:
            raise InvalidValue(type=type_name, attribute=name, value=raws[0], expected=str(wrong)) from wrong
    return found


def _of_create(place: _Place, operation: Create) -> Plan[list[Operation]]:
    yield from ()
    now = place.type(operation.type)
    if now is None:
        return []
    return [Delete(type=now, ids=operation.ids, base=[place.revision] * len(operation.ids))]


def _of_update(place: _Place, operation: Update) -> Plan[list[Operation]]:
    yield from ()
    now = place.type(operation.type)
    columns = _values(place, operation.type, operation.before)
    if now is None or not columns:
        return []
    return [Update(type=now, ids=operation.ids, columns=columns, base=[place.revision] * len(operation.ids))]


def _of_delete(place: _Place, operation: Delete) -> Plan[list[Operation]]:
    yield from ()
    now = place.type(operation.type)
    if now is None:
        return []
    return [Create(type=now, ids=operation.ids, columns=_values(place, operation.type, operation.before))]


# --- links and mappings ---------------------------------------------------------------------------


def _where(place: _Place, operation: Link | Unlink | SetKeys | DropKeys) -> tuple[str, str] | None:
    """The relation of an operation as it is called then, if it is still there."""
    now = place.type(operation.type)
    attribute = place.attribute(operation.type, operation.attribute)
    return None if now is None or attribute is None else (now, attribute.name)


def _of_link(place: _Place, operation: Link) -> Plan[list[Operation]]:
    yield from ()
    where = _where(place, operation)
    if where is None:
        return []
    rows = list(
        zip(operation.sources, operation.targets, operation.before_notes, operation.before_revision, strict=True)
    )
    new = [row for row in rows if not row[3]]
    noted = [row for row in rows if row[3]]
    found: list[Operation] = []
    if new:
        found.append(Unlink(*where, sources=[row[0] for row in new], targets=[row[1] for row in new]))
    if noted:
        found.append(_linked(where, [row[:3] for row in noted]))
    return found


def _of_unlink(place: _Place, operation: Unlink) -> Plan[list[Operation]]:
    yield from ()
    where = _where(place, operation)
    rows = list(zip(operation.sources, operation.targets, operation.before_notes, strict=True))
    return [] if where is None else [_linked(where, rows)]


def _linked(where: tuple[str, str], rows: Sequence[tuple[Any, ...]]) -> Link:
    sources, targets, notes = (list(column) for column in zip(*rows, strict=True))
    return Link(*where, sources=sources, targets=targets, notes=notes)


def _of_set_keys(place: _Place, operation: SetKeys) -> Plan[list[Operation]]:
    yield from ()
    where = _where(place, operation)
    if where is None:
        return []
    rows = list(zip(operation.ids, operation.keys, operation.before, operation.before_revision, strict=True))
    new = [row for row in rows if not row[3]]
    changed = [row for row in rows if row[3]]
    found: list[Operation] = []
    if new:
        found.append(DropKeys(*where, ids=[row[0] for row in new], keys=[row[1] for row in new]))
    if changed:
        found.append(_set(where, [row[:3] for row in changed]))
    return found


def _of_drop_keys(place: _Place, operation: DropKeys) -> Plan[list[Operation]]:
    yield from ()
    where = _where(place, operation)
    rows = list(zip(operation.ids, operation.keys, operation.before, strict=True))
    return [] if where is None else [_set(where, rows)]


def _set(where: tuple[str, str], rows: Sequence[tuple[Any, ...]]) -> SetKeys:
    ids, keys, values = (list(column) for column in zip(*rows, strict=True))
    return SetKeys(*where, ids=ids, keys=keys, values=values)


def _judge_entries(catalog: Catalog, revision: int, inverse: Sequence[_Inverse]) -> Plan[None]:
    """Conflict where others gave a key another value, or a link another note, since the reverted commit."""
    clashes: list[Clash] = []
    for operation, where in inverse:
        if where is None or not isinstance(operation, (SetKeys, DropKeys, Link)):
            continue
        relation = relation_of(catalog, *where)
        pairs: list[tuple[Any, Any]]
        values: Sequence[Any]
        if isinstance(operation, Link):
            pairs, values = list(zip(operation.sources, operation.targets, strict=True)), operation.notes
        else:
            pairs = list(zip(operation.ids, operation.keys, strict=True))
            values = operation.values if isinstance(operation, SetKeys) else [None] * len(pairs)
        there = yield from entries_of(catalog, relation, pairs)
        for pair, mine in zip(pairs, values, strict=True):
            theirs, changed = there.get(pair, (None, 0))
            if changed > revision and theirs != mine:
                name = f"{operation.attribute}[{pair[1] if relation.is_mapping else show_id(pair[1])}]"
                clash = Clash(
                    type=operation.type, entity=pair[0], attribute=name, mine=mine, theirs=theirs, revision=changed
                )
                clashes.append(clash)
    if clashes:
        first = clashes[0]
        mine_of = {clash.attribute: clash for clash in clashes if clash.entity == first.entity}
        raise Conflict(
            type=first.type,
            entity=show_id(first.entity),
            attributes=mine_of,
            names=", ".join(mine_of),
            clashes=clashes,
        )


# --- schema ---------------------------------------------------------------------------------------


def _of_define_type(place: _Place, operation: DefineType) -> Plan[list[Operation]]:
    name, today = place.type(operation.definition.name), place.today.type(operation.definition.name)
    if name is None or today is None:
        return []
    layout = layout_of(place.catalog, today)
    condition = f"created_revision <> {place.revision}"
    if layout.typed:
        condition += f" AND entity_type = '{today}'"
    yield from _refuse(place.catalog, name, (layout.table, "id", condition, ()))
    return [DropType(name=name)]


def _of_define_attribute(place: _Place, operation: DefineAttribute) -> Plan[list[Operation]]:
    name, attribute = place.type(operation.type), place.attribute(operation.type, operation.attribute.name)
    if name is None or attribute is None:
        return []
    today = place.today.type(operation.type)
    there = place.today.attribute(operation.type, operation.attribute.name)
    if today is not None and there is not None:
        where = _values_since(place, today, place.catalog.schema.attribute(today, there))
        if where is not None:
            yield from _refuse(place.catalog, f"{name}.{attribute.name}", where)
    return [DropAttribute(type=name, name=attribute.name)]


def _values_since(place: _Place, name: str, attribute: Attribute) -> tuple[str, str, str, tuple[Any, ...]] | None:
    """Table, id column, condition and its parameters of rows that got a value of the attribute after the reverted commit."""
    if attribute.kind in ("links", "mapping"):
        relation = relation_of(place.catalog, name, attribute.name)
        return relation.table, relation.columns[0], f"revision > {place.revision}", ()
    if not attribute.stored:
        return None
    layout = layout_of(place.catalog, name)
    column = quoted(layout.columns[attribute.name])
    condition = f"{column} IS NOT NULL AND revision > {place.revision}"
    if attribute.default is not None and layout.storage[layout.columns[attribute.name]] is not Storage.DECIMAL:
        # Entities that were there got the default, and may have been changed otherwise since.
        return layout.table, "id", f"{condition} AND {column} <> ?", (attribute.default,)
    return layout.table, "id", condition, ()


def _refuse(catalog: Catalog, where: str, rows: tuple[str, str, str, tuple[Any, ...]]) -> Plan[None]:
    """SchemaChangeRefused where going back would lose what was made since."""
    table, column, condition, parameters = rows
    sql = f"SELECT {column}, count(*) OVER () FROM {quoted(table)} WHERE {condition} ORDER BY {column} LIMIT 5"
    found = yield Fetch(marked(catalog.dialect, sql), parameters, (Storage.BYTES, Storage.INTEGER))
    if found:
        ids = [show_id(row[0]) for row in found]
        reason = "they got values after the commit that is to be reverted, and would lose them"
        raise SchemaChangeRefused(where=where, reason=reason, count=found[0][1], entities=ids, values=[])


def _of_drop(place: _Place, operation: DropType | DropAttribute) -> Plan[list[Operation]]:
    yield from ()
    where = operation.name if isinstance(operation, DropType) else f"{operation.type}.{operation.name}"
    raise SchemaChangeRefused(
        f"The drop of {where} cannot be reverted: its values are gone. Define it anew instead.",
        where=where,
        reason="its values are gone",
        count=0,
        entities=[],
        values=[],
    )


def _of_rename_type(place: _Place, operation: RenameType) -> Plan[list[Operation]]:
    yield from ()
    name = place.type(operation.to)
    return [] if name is None else [RenameType(name=name, to=operation.name)]


def _of_rename_attribute(place: _Place, operation: RenameAttribute) -> Plan[list[Operation]]:
    yield from ()
    name, attribute = place.type(operation.type), place.attribute(operation.type, operation.to)
    if name is None or attribute is None:
        return []
    return [RenameAttribute(type=name, name=attribute.name, to=operation.name)]


def _of_change_type(place: _Place, operation: ChangeType) -> Plan[list[Operation]]:
    yield from ()
    name = place.type(operation.definition.name)
    if name is None or operation.before is None:
        return []
    return [ChangeType(definition=msgspec.structs.replace(operation.before, name=name, attributes=()))]


def _of_change_attribute(place: _Place, operation: ChangeAttribute) -> Plan[list[Operation]]:
    yield from ()
    name, attribute = place.type(operation.type), place.attribute(operation.type, operation.attribute.name)
    if name is None or attribute is None or operation.before is None:
        return []
    before = msgspec.structs.replace(operation.before, name=attribute.name)
    return [ChangeAttribute(type=name, attribute=before, before=attribute)]


_INVERSES: dict[type, Invert] = {
    Create: _of_create,
    Update: _of_update,
    Delete: _of_delete,
    Link: _of_link,
    Unlink: _of_unlink,
    SetKeys: _of_set_keys,
    DropKeys: _of_drop_keys,
    DefineType: _of_define_type,
    DefineAttribute: _of_define_attribute,
    DropType: _of_drop,
    DropAttribute: _of_drop,
    RenameType: _of_rename_type,
    RenameAttribute: _of_rename_attribute,
    ChangeType: _of_change_type,
    ChangeAttribute: _of_change_attribute,
}
