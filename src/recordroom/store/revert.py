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
from ..model.ids import show_id
from ..model.kinds import Storage, WrongValue
from ..model.operations import (
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
from ..model.schema import Attribute, close_names
from .catalog import Catalog
from .commit import commit_plan
from .faults import shown
from .journal import BORN, load_operations, position
from .layout import layout_of
from .names import Names, schema_operations
from .plans import Fetch, Plan
from .relations import entries_of, relation_of
from .sqltext import marked, quoted

__all__ = ["revert_plan"]


def revert_plan(
    catalogs: Mapping[str, Catalog], revision: int, commit: Commit, actor: str, now: int
) -> Plan[CommitResult]:
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
    since = yield from schema_operations(catalog.dialect, database, revision)
    context = _Context(catalog, revision, Names(catalog.schema, [operation for _, operation in since]))
    inverse: list[Operation] = []
    for operation in reversed(operations):
        invert = _INVERSES.get(type(operation))
        if invert is not None:
            inverse += yield from invert(context, operation)
    if commit.on_conflict != "mine":
        yield from _judge_entries(context, inverse)
    complete = msgspec.structs.replace(commit, database=database, operations=inverse)
    numbers = _numbers(operations)
    return (yield from commit_plan(catalog, complete, actor, now, numbers=numbers))


class _Context(NamedTuple):
    catalog: Catalog
    revision: int
    names: Names


Inverse = Callable[[_Context, Any], Plan[list[Operation]]]


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


def _values(context: _Context, type_name: str, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Columns of the journal under today's names and kinds; those of attributes dropped since are left out."""
    catalog, names = context.catalog, context.names
    now = names.type(type_name)
    found = {}
    for name, raws in columns.items():
        there = names.attribute(type_name, name)
        if now is None or there is None or there not in layout_of(catalog, now).own:
            continue
        try:
            found[there] = names.values(type_name, name, raws)
        except WrongValue as wrong:
            attribute = catalog.schema.attribute(now, there)
            raise InvalidValue(
                type=now, attribute=there, value=shown(raws[0], attribute), expected=str(wrong)
            ) from wrong
    return found


def _of_create(context: _Context, operation: Create) -> Plan[list[Operation]]:
    yield from ()
    now = _type_now(context, operation.type)
    if now is None:
        return []
    return [Delete(type=now, ids=operation.ids, base=[context.revision] * len(operation.ids))]


def _of_update(context: _Context, operation: Update) -> Plan[list[Operation]]:
    yield from ()
    now = _type_now(context, operation.type)
    columns = _values(context, operation.type, operation.before)
    if now is None or not columns:
        return []
    return [Update(type=now, ids=operation.ids, columns=columns, base=[context.revision] * len(operation.ids))]


def _of_delete(context: _Context, operation: Delete) -> Plan[list[Operation]]:
    yield from ()
    now = _type_now(context, operation.type)
    if now is None:
        return []
    return [Create(type=now, ids=operation.ids, columns=_values(context, operation.type, operation.before))]


def _type_now(context: _Context, name: str) -> str | None:
    """What a type is called now; None where there is none to do anything with."""
    now = context.names.type(name)
    return now if now in context.catalog.schema else None


# --- links and mappings ---------------------------------------------------------------------------


def _where(context: _Context, operation: Link | Unlink | SetKeys | DropKeys) -> tuple[str, str] | None:
    """The relation of an operation under today's names, if it is still there."""
    now = context.names.type(operation.type)
    name = context.names.attribute(operation.type, operation.attribute)
    if now is None or name is None or now not in context.catalog.schema:
        return None
    return now, name


def _of_link(context: _Context, operation: Link) -> Plan[list[Operation]]:
    yield from ()
    where = _where(context, operation)
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


def _of_unlink(context: _Context, operation: Unlink) -> Plan[list[Operation]]:
    yield from ()
    where = _where(context, operation)
    rows = list(zip(operation.sources, operation.targets, operation.before_notes, strict=True))
    return [] if where is None else [_linked(where, rows)]


def _linked(where: tuple[str, str], rows: Sequence[tuple[Any, ...]]) -> Link:
    sources, targets, notes = (list(column) for column in zip(*rows, strict=True))
    return Link(*where, sources=sources, targets=targets, notes=notes)


def _of_set_keys(context: _Context, operation: SetKeys) -> Plan[list[Operation]]:
    yield from ()
    where = _where(context, operation)
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


def _of_drop_keys(context: _Context, operation: DropKeys) -> Plan[list[Operation]]:
    yield from ()
    where = _where(context, operation)
    rows = list(zip(operation.ids, operation.keys, operation.before, strict=True))
    return [] if where is None else [_set(where, rows)]


def _set(where: tuple[str, str], rows: Sequence[tuple[Any, ...]]) -> SetKeys:
    ids, keys, values = (list(column) for column in zip(*rows, strict=True))
    return SetKeys(*where, ids=ids, keys=keys, values=values)


def _judge_entries(context: _Context, inverse: Sequence[Operation]) -> Plan[None]:
    """Conflict where others gave a key another value, or a link another note, since the reverted commit."""
    clashes: list[Clash] = []
    for operation in inverse:
        if isinstance(operation, (SetKeys, DropKeys)):
            pairs: list[tuple[Any, Any]] = list(zip(operation.ids, operation.keys, strict=True))
            values: Sequence[Any] = operation.values if isinstance(operation, SetKeys) else [None] * len(pairs)
        elif isinstance(operation, Link):
            pairs, values = list(zip(operation.sources, operation.targets, strict=True)), operation.notes
        else:
            continue
        relation = relation_of(context.catalog, operation.type, operation.attribute)
        there = yield from entries_of(context.catalog, relation, pairs)
        for pair, mine in zip(pairs, values, strict=True):
            theirs, revision = there.get(pair, (None, 0))
            if revision > context.revision and theirs != mine:
                name = f"{operation.attribute}[{pair[1] if relation.is_mapping else show_id(pair[1])}]"
                clashes.append(
                    Clash(
                        type=operation.type, entity=pair[0], attribute=name, mine=mine, theirs=theirs, revision=revision
                    )
                )
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


def _of_define_type(context: _Context, operation: DefineType) -> Plan[list[Operation]]:
    name = context.names.type(operation.definition.name)
    if name is None or name not in context.catalog.schema:
        return []
    layout = layout_of(context.catalog, name)
    condition = "created_revision <> ?"
    parameters: list[Any] = [context.revision]
    if layout.typed:
        condition += " AND entity_type = ?"
        parameters.append(name)
    yield from _refuse(context, name, (layout.table, "id", condition), parameters)
    return [DropType(name=name)]


def _of_define_attribute(context: _Context, operation: DefineAttribute) -> Plan[list[Operation]]:
    name = context.names.type(operation.type)
    attribute = context.names.attribute(operation.type, operation.attribute.name)
    if name is None or attribute is None or name not in context.catalog.schema:
        return []
    where = _values_since(context, name, context.catalog.schema.attribute(name, attribute))
    if where is not None:
        yield from _refuse(context, f"{name}.{attribute}", where, [context.revision])
    return [DropAttribute(type=name, name=attribute)]


def _values_since(context: _Context, name: str, attribute: Attribute) -> tuple[str, str, str] | None:
    """Table, id column and condition of rows that got a value of the attribute after the reverted commit."""
    if attribute.kind in ("links", "mapping"):
        relation = relation_of(context.catalog, name, attribute.name)
        return relation.table, relation.columns[0], "revision <> ?"
    if not attribute.stored:
        return None
    layout = layout_of(context.catalog, name)
    column = quoted(layout.columns[attribute.name])
    return layout.table, "id", f"{column} IS NOT NULL AND revision > ?"


def _refuse(context: _Context, where: str, rows: tuple[str, str, str], parameters: Sequence[Any]) -> Plan[None]:
    """SchemaChangeRefused where going back would lose what was made since."""
    table, column, condition = rows
    dialect = context.catalog.dialect
    sql = f"SELECT {column}, count(*) OVER () FROM {quoted(table)} WHERE {condition} LIMIT 5"
    found = yield Fetch(marked(dialect, sql), parameters, (Storage.BYTES, Storage.INTEGER))
    if found:
        ids = [show_id(row[0]) for row in found]
        reason = "they got values after the commit that is to be reverted, and would lose them"
        raise SchemaChangeRefused(where=where, reason=reason, count=found[0][1], entities=ids, values=[])


def _of_drop(context: _Context, operation: DropType | DropAttribute) -> Plan[list[Operation]]:
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


def _of_rename_type(context: _Context, operation: RenameType) -> Plan[list[Operation]]:
    yield from ()
    name = context.names.type(operation.to)
    return [] if name is None else [RenameType(name=name, to=operation.name)]


def _of_rename_attribute(context: _Context, operation: RenameAttribute) -> Plan[list[Operation]]:
    yield from ()
    name = context.names.type(operation.type)
    attribute = context.names.attribute(operation.type, operation.to)
    if name is None or attribute is None:
        return []
    return [RenameAttribute(type=name, name=attribute, to=operation.name)]


def _of_change_type(context: _Context, operation: ChangeType) -> Plan[list[Operation]]:
    yield from ()
    name = context.names.type(operation.definition.name)
    if name is None or operation.before is None:
        return []
    return [ChangeType(definition=msgspec.structs.replace(operation.before, name=name))]


def _of_change_attribute(context: _Context, operation: ChangeAttribute) -> Plan[list[Operation]]:
    yield from ()
    name = context.names.type(operation.type)
    attribute = context.names.attribute(operation.type, operation.attribute.name)
    if name is None or attribute is None or operation.before is None:
        return []
    return [ChangeAttribute(type=name, attribute=msgspec.structs.replace(operation.before, name=attribute))]


_INVERSES: dict[type, Inverse] = {
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
