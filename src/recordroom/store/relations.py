"""Applying changes of links and mappings: pairs and keys added, changed and removed, in bulk.

Links may be named from either side; in the journal they always stand as their declaring type sees them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..model.kinds import KINDS, Storage
from ..model.operations import DropKeys, Link, SetKeys, Unlink
from ..model.schema import Attribute, Schema
from .access_checks import may_change_entries
from .account_changes import is_account_type
from .attempt import Segment, Written
from .catalog import Catalog
from .plans import DeleteKeys, Fetch, InsertColumns, Plan, UpdateColumns
from .sqltext import marked, quoted
from .tables import LINK_COLUMNS, LINK_STORAGE, MAPPING_COLUMNS

__all__ = [
    "Ends",
    "Relation",
    "drop_keys",
    "ends_of",
    "entries_of",
    "link",
    "relation_of",
    "relations_of",
    "set_keys",
    "unlink",
]

Pair = tuple[Any, Any]


class Relation(NamedTuple):
    """One links or mapping attribute as its declaring type sees it, and its table.

    `flipped` says that it was named from the other side.
    """

    type: str
    attribute: Attribute
    table: str
    flipped: bool = False

    @property
    def is_mapping(self) -> bool:
        """Whether entries are keys with values, and not pairs of entities."""
        return self.attribute.kind == "mapping"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its table: two that name an entry, its note or value, its revision."""
        return MAPPING_COLUMNS if self.is_mapping else LINK_COLUMNS

    @property
    def storage(self) -> tuple[Storage, ...]:
        """The storage classes of `columns`."""
        if not self.is_mapping:
            return LINK_STORAGE
        return (Storage.BYTES, Storage.TEXT, KINDS[self.attribute.of].storage, Storage.INTEGER)


def relation_of(catalog: Catalog, type_name: str, name: str) -> Relation:
    """The relation that attribute `name` of `type_name` is a side of."""
    schema = catalog.schema
    attribute = schema.attribute(type_name, name)
    table = catalog.tables.relation_name(type_name, attribute)
    if attribute.derived:
        return Relation(attribute.target, schema.attribute(attribute.target, attribute.inverse), table, True)
    return Relation(schema.owner(type_name, name), attribute, table)


def relations_of(catalog: Catalog) -> list[Relation]:
    """Every links and mapping attribute of a database, as declared."""
    schema: Schema = catalog.schema
    return [
        relation_of(catalog, name, attribute.name)
        for name in schema
        for attribute in schema[name].attributes
        if attribute.kind in ("links", "mapping")
    ]


# --- links ----------------------------------------------------------------------------------------


def link(segment: Segment, block: Link) -> Plan[None]:
    """Add pairs; one that is there already gets the new note, if notes were given."""
    relation = relation_of(segment.catalog, block.type, block.attribute)
    yield from _judge_ends(segment, block)
    _note_ends(segment, block)
    notes: Sequence[str | None] = block.notes or [None] * len(block.sources)
    wanted: dict[Pair, Any] = dict(zip(_pairs(relation, block), notes, strict=True))
    if not wanted:
        return
    there = yield from entries_of(segment.catalog, relation, list(wanted))
    added = {pair: note for pair, note in wanted.items() if pair not in there}
    changed = {pair: note for pair, note in wanted.items() if block.notes and pair in there and there[pair][0] != note}
    yield from _write(segment, relation, added, changed)
    touched = {**added, **changed}
    if not touched:
        return
    before = [there.get(pair, (None, 0)) for pair in touched]
    segment.outcome.journal.append(
        Link(
            type=relation.type,
            attribute=relation.attribute.name,
            sources=[pair[0] for pair in touched],
            targets=[pair[1] for pair in touched],
            notes=list(touched.values()),
            before_notes=[note for note, _ in before],
            before_revision=[revision for _, revision in before],
        )
    )


def unlink(segment: Segment, block: Unlink) -> Plan[None]:
    """Remove pairs; one that is not there is left alone."""
    relation = relation_of(segment.catalog, block.type, block.attribute)
    pairs = list(dict.fromkeys(_pairs(relation, block)))
    if segment.guard is not None:
        pairs = _seen_pairs(segment, relation, block, pairs)
        yield from _judge_ends(segment, block)
    if not pairs:
        return
    there = yield from entries_of(segment.catalog, relation, pairs)
    yield from remove_entries(segment, relation, {pair: there[pair] for pair in pairs if pair in there})


def _pairs(relation: Relation, block: Link | Unlink) -> Sequence[Pair]:
    if relation.flipped:
        return list(zip(block.targets, block.sources, strict=True))
    return list(zip(block.sources, block.targets, strict=True))


class Ends(NamedTuple):
    """One end of links that are added or removed; `attributes` is what must be granted there, None where nothing."""

    type: str
    ids: Sequence[bytes]
    attributes: tuple[str, ...] | None


def ends_of(segment: Segment, block: Link | Unlink) -> tuple[Ends, Ends]:
    """The end that the operation is named from, and the other.

    Links are an attribute of the type that declares them. Where both ends are about accounts, both have to be granted:
    who may change users may not by that alone give them roles.
    """
    named = segment.schema.attribute(block.type, block.attribute)
    accounts = is_account_type(segment.catalog, block.type) and is_account_type(segment.catalog, named.target)
    other = named.inverse or named.reverse
    near: tuple[str, ...] | None = (block.attribute,)
    far: tuple[str, ...] | None = (other,) if other else ()
    if not accounts:
        near, far = (None, far) if named.derived else (near, None)
    return Ends(block.type, block.sources, near), Ends(named.target, block.targets, far)


def _judge_ends(segment: Segment, block: Link | Unlink) -> Plan[None]:
    """Faults for links of entities that the actor sees and may not change."""
    if segment.guard is None:
        return
    for end in ends_of(segment, block):
        if end.attributes is not None:
            yield from may_change_entries(segment, end.type, end.ids, end.attributes)


def _seen_pairs(segment: Segment, relation: Relation, block: Unlink, pairs: list[Pair]) -> list[Pair]:
    """The pairs whose ends the actor both sees; others are not there for it."""
    near, far = ends_of(segment, block)
    sources, targets = (far, near) if relation.flipped else (near, far)
    no_source, no_target = segment.unseen(sources.type, sources.ids), segment.unseen(targets.type, targets.ids)
    return [pair for pair in pairs if pair[0] not in no_source and pair[1] not in no_target]


def _note_ends(segment: Segment, block: Link) -> None:
    """Both ends must be there at the end of the commit."""
    target = segment.schema.attribute(block.type, block.attribute).target
    segment.written.append(Written(block.type, "", block.type, block.sources, block.sources))
    segment.written.append(Written(block.type, block.attribute, target, block.sources, block.targets))


# --- mappings -------------------------------------------------------------------------------------


def set_keys(segment: Segment, block: SetKeys) -> Plan[None]:
    """Set values under keys."""
    relation = relation_of(segment.catalog, block.type, block.attribute)
    segment.written.append(Written(block.type, "", block.type, block.ids, block.ids))
    yield from may_change_entries(segment, block.type, block.ids, (block.attribute,))
    wanted: dict[Pair, Any] = dict(zip(zip(block.ids, block.keys, strict=True), block.values, strict=True))
    if not wanted:
        return
    there = yield from entries_of(segment.catalog, relation, list(wanted))
    added = {pair: value for pair, value in wanted.items() if pair not in there}
    changed = {pair: value for pair, value in wanted.items() if pair in there and there[pair][0] != value}
    yield from _write(segment, relation, added, changed)
    touched = {**added, **changed}
    if not touched:
        return
    before = [there.get(pair, (None, 0)) for pair in touched]
    segment.outcome.journal.append(
        SetKeys(
            type=relation.type,
            attribute=relation.attribute.name,
            ids=[pair[0] for pair in touched],
            keys=[pair[1] for pair in touched],
            values=list(touched.values()),
            before=[value for value, _ in before],
            before_revision=[revision for _, revision in before],
        )
    )


def drop_keys(segment: Segment, block: DropKeys) -> Plan[None]:
    """Remove keys; one that is not there is left alone."""
    relation = relation_of(segment.catalog, block.type, block.attribute)
    pairs = list(dict.fromkeys(zip(block.ids, block.keys, strict=True)))
    if segment.guard is not None:
        yield from may_change_entries(segment, block.type, block.ids, (block.attribute,))
        unseen = segment.unseen(block.type, block.ids)
        pairs = [pair for pair in pairs if pair[0] not in unseen]
    if not pairs:
        return
    there = yield from entries_of(segment.catalog, relation, pairs)
    yield from remove_entries(segment, relation, {pair: there[pair] for pair in pairs if pair in there})


# --- tables ---------------------------------------------------------------------------------------

_SQLITE_LINKS = (
    "SELECT r.source, r.target, r.note, r.revision FROM json_each(?) AS p CROSS JOIN {table} AS r"
    " ON r.source = unhex(substr(p.value, 1, 32)) AND r.target = unhex(substr(p.value, 33))"
)
_SQLITE_KEYS = (
    "SELECT r.owner, r.key, r.value, r.revision FROM json_each(?) AS p CROSS JOIN {table} AS r"
    " ON r.owner = unhex(substr(p.value, 1, 32)) AND r.key = CAST(unhex(substr(p.value, 33)) AS TEXT)"
)
_POSTGRES_LINKS = (
    "SELECT r.source, r.target, r.note, r.revision FROM unnest(?::bytea[]) AS p(pair) JOIN {table} AS r"
    " ON r.source = substring(p.pair FROM 1 FOR 16) AND r.target = substring(p.pair FROM 17)"
)
_POSTGRES_KEYS = (
    "SELECT r.owner, r.key, r.value, r.revision FROM unnest(?::bytea[]) AS p(pair) JOIN {table} AS r"
    " ON r.owner = substring(p.pair FROM 1 FOR 16) AND r.key = convert_from(substring(p.pair FROM 17), 'UTF8')"
)
_ENTRIES = {
    ("sqlite", False): _SQLITE_LINKS,
    ("sqlite", True): _SQLITE_KEYS,
    ("postgresql", False): _POSTGRES_LINKS,
    ("postgresql", True): _POSTGRES_KEYS,
}


def entries_of(catalog: Catalog, relation: Relation, pairs: list[Pair]) -> Plan[dict[Pair, tuple[Any, int]]]:
    """What is there of `pairs`: (note or value, revision) by pair."""
    template = _ENTRIES[catalog.dialect, relation.is_mapping]
    sql = marked(catalog.dialect, template.format(table=quoted(relation.table)))
    if relation.is_mapping:
        keys = [owner + key.encode() for owner, key in pairs]
    else:
        keys = [source + target for source, target in pairs]
    rows = yield Fetch(sql, (keys,), relation.storage)
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def _write(segment: Segment, relation: Relation, added: dict[Pair, Any], changed: dict[Pair, Any]) -> Plan[None]:
    first, second, value, revision = relation.columns
    storage = relation.storage
    if added:
        columns = {
            first: [pair[0] for pair in added],
            second: [pair[1] for pair in added],
            value: list(added.values()),
            revision: [segment.revision] * len(added),
        }
        yield InsertColumns(relation.table, columns, storage)
    if changed:
        keys = {first: [pair[0] for pair in changed], second: [pair[1] for pair in changed]}
        now = {value: list(changed.values()), revision: [segment.revision] * len(changed)}
        yield UpdateColumns(relation.table, keys, now, storage)


def remove_entries(segment: Segment, relation: Relation, there: dict[Pair, tuple[Any, int]]) -> Plan[None]:
    """Remove pairs or keys that are there, given what they had."""
    if not there:
        return
    first, second = relation.columns[:2]
    firsts, seconds = [pair[0] for pair in there], [pair[1] for pair in there]
    yield DeleteKeys(relation.table, {first: firsts, second: seconds}, relation.storage[:2])
    values, revisions = [each[0] for each in there.values()], [each[1] for each in there.values()]
    if relation.is_mapping:
        segment.outcome.journal.append(
            DropKeys(
                type=relation.type,
                attribute=relation.attribute.name,
                ids=firsts,
                keys=seconds,
                before=values,
                before_revision=revisions,
            )
        )
    else:
        segment.outcome.journal.append(
            Unlink(
                type=relation.type,
                attribute=relation.attribute.name,
                sources=firsts,
                targets=seconds,
                before_notes=values,
                before_revision=revisions,
            )
        )
