"""Whether the rows of a database stand against a change of its schema.

Each check is a plan that raises SchemaChangeRefused with the count, and the first entities and values in the
way, or returns. `check_types` looks at types before tables change; the others at the tables after.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import SchemaChangeRefused
from ..model.evolve import Renames
from ..model.ids import show_id
from ..model.kinds import Storage, wrong_at
from ..model.schema import Attribute, EntityType, Schema
from .catalog import Catalog
from .ddl import IndexShape
from .faults import shown
from .plans import Fetch, Plan, Row
from .sqltext import marked, quoted
from .tables import attribute_storage, past

__all__ = [
    "EXAMPLES",
    "PAGE",
    "AttributePair",
    "adopted_attributes",
    "check_duplicates",
    "check_present",
    "check_targets",
    "check_types",
    "check_values",
    "of_type",
    "of_types",
    "paged",
    "paired_attributes",
    "refused",
]

EXAMPLES = 10
PAGE = 20_000


class AttributePair(NamedTuple):
    """An attribute that `type` declares now, and what it was before: None where it is new to a type that was there."""

    type: str
    new: Attribute
    old_type: str
    old: Attribute | None

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"{self.type}.{self.new.name}"


def paired_attributes(old: Schema, new: Schema, names: Renames) -> list[AttributePair]:
    """Every attribute that types declare now, of types that were there before."""
    before = {to: name for name in old for to, _ in [names.get((name, ""), (name, ""))]}
    found: list[AttributePair] = []
    for entity_type in new.values():
        old_name = before.get(entity_type.name)
        if old_name is None:
            continue
        was = {names.get((old_name, one.name), (old_name, one.name))[1]: one for one in old[old_name].attributes}
        found.extend(
            AttributePair(entity_type.name, one, old_name, was.get(one.name)) for one in entity_type.attributes
        )
    return found


def adopted_attributes(old: Schema, new: Schema, name: str, names: Renames) -> list[AttributePair]:
    """What a type that extended none has from above now: what was its own and moved up, and what is new to it."""
    below: dict[tuple[str, str], Attribute] = {
        to: one for one in old[name].attributes if (to := names.get((name, one.name)))
    }
    return [
        AttributePair(above, one, name, below.get((above, one.name)))
        for above in new.ancestors(name)[1:]
        for one in new[above].attributes
    ]


def of_types(schema: Schema, type_name: str, *, alias: str = "") -> str:
    """The condition that rows of the hierarchy's table are of `type_name` or below it; "" where all are."""
    if not schema.in_hierarchy(type_name) or schema.root(type_name) == type_name:
        return ""
    return _one_of(schema.subtypes(type_name), alias)


def of_type(name: str) -> str:
    """The condition that rows of a hierarchy's table are of exactly this type."""
    return _one_of([name])


def _one_of(types: Sequence[str], alias: str = "") -> str:
    names = ", ".join(f"'{name}'" for name in types)
    return f'{alias}"entity_type" IN ({names})'


def refused(where: str, reason: str, count: int, found: Sequence[tuple[bytes, Any]]) -> SchemaChangeRefused:
    """The error that says which entities stand in the way, with their values."""
    examples = found[:EXAMPLES]
    entities = "1 existing entity" if count == 1 else f"{count:,} existing entities"
    return SchemaChangeRefused(
        f"The change to {where} contradicts {entities}: {reason}.",
        where=where,
        reason=reason,
        count=count,
        entities=[show_id(entity) for entity, _ in examples],
        values=[value for _, value in examples],
    )


def paged(
    dialect: str, table: str, keys: Mapping[str, Storage], column: str, storage: Storage
) -> Generator[Fetch, Row, None]:
    """The statement for each page (`PAGE` rows) of keys and a value that is not null; it is sent the last row of each.

    Pages are in order of `keys`.
    """
    order = ", ".join(map(quoted, keys))
    condition = f"{quoted(column)} IS NOT NULL"
    after: Row = ()
    while True:
        beyond = f" AND ({order}) > ({', '.join('?' * len(keys))})" if after else ""
        sql = f"SELECT {order}, {quoted(column)} FROM {quoted(table)} WHERE {condition}{beyond} ORDER BY {order} LIMIT {PAGE}"
        row = yield Fetch(marked(dialect, sql), after, (*keys.values(), storage))
        after = row[: len(keys)]


# --- types ---


def check_types(catalog: Catalog, new: Catalog, names: Renames) -> Plan[dict[str, str]]:
    """Whether types that go, move or become abstract have rows that stand against it.

    Types that bring their tables along when they are put under an abstract one, each with the root whose table it is then.
    """
    old_schema, schema = catalog.schema, new.schema
    roots: dict[str, str] = {}
    for name in old_schema:
        to = names.get((name, ""), (name, ""))[0]
        if to not in schema:
            yield from _check_dropped(catalog, name)
            continue
        parent = old_schema[name].extends
        if names.get((parent, ""), (parent, ""))[0] != schema[to].extends:
            if not parent and (yield from _is_adopted(catalog, name, schema[to])):
                roots[name] = schema.root(name)
                continue
            yield from _check_empty(catalog, name, old_schema.subtypes(name), f"{name} extends another type now")
        if schema[to].abstract and not old_schema[name].abstract:
            yield from _check_empty(catalog, name, [name], f"{name} is abstract now", with_past=False)
    adopted = [pair for name in roots for pair in adopted_attributes(old_schema, schema, name, names)]
    for pair in (*adopted, *paired_attributes(old_schema, schema, names)):
        if pair.old is not None and _shape(pair.old) != _shape(pair.new):
            yield from _check_no_values(catalog, pair, pair.old)
    return roots


def _is_adopted(catalog: Catalog, name: str, now: EntityType) -> Plan[bool]:
    """Whether a type has entities, and is put under an abstract type in whose hierarchy there are none."""
    table = catalog.tables.entity_name(name)
    if not now.extends or not (yield from _count_rows(table)):
        return False
    if not catalog.schema[now.extends].abstract:
        return False
    above = catalog.tables.entity_name(now.extends)
    count = yield from _count_rows(above)
    if count:
        rows = yield Fetch(f"SELECT id FROM {quoted(above)} LIMIT {EXAMPLES}")
        root = catalog.schema.root(now.extends)
        reason = f"{name} has entities and can come under a type without any only; there are some under {root}, now or in the past"
        raise refused(name, reason, count, [(entity, None) for (entity,) in rows])
    return True


def _count_rows(table: str) -> Plan[int]:
    """How many rows a table has, those of the past included."""
    sql = f"SELECT (SELECT COUNT(*) FROM {quoted(table)}) + (SELECT COUNT(*) FROM {quoted(past(table))})"
    [(count,)] = yield Fetch(sql)
    return int(count)


def _check_empty(catalog: Catalog, name: str, types: list[str], reason: str, *, with_past: bool = True) -> Plan[None]:
    table = catalog.tables.entity_name(name)
    condition = f" WHERE {_one_of(types)}" if catalog.schema.in_hierarchy(name) else ""
    for each, words in ((table, "entities"), (past(table), "entities in the past")):
        if each != table and not with_past:
            continue
        [(count,)] = yield Fetch(f"SELECT COUNT(*) FROM {quoted(each)}{condition}")
        if count:
            rows = yield Fetch(f"SELECT id FROM {quoted(each)}{condition} LIMIT {EXAMPLES}")
            raise refused(name, f"{reason}, and has {words}", count, [(entity, None) for (entity,) in rows])


def _check_dropped(catalog: Catalog, name: str) -> Plan[None]:
    """Entities of other types may refer to those of `name` through a type that it extends."""
    schema, tables = catalog.schema, catalog.tables
    if not schema.in_hierarchy(name):
        return
    gone = f"SELECT id FROM {quoted(tables.entity_name(name))} WHERE {_one_of([name])}"
    for owner, attribute in schema.references_to(name):
        if attribute.kind == "reference":
            table, end = tables.entity_name(owner), tables.column_name(owner, attribute.name)
            referring = "id"
        else:
            table, end, referring = tables.relation_name(owner, attribute), "target", "source"
        condition = f"{quoted(end)} IN ({gone}) AND {referring} NOT IN ({gone})"
        [(count,)] = yield Fetch(f"SELECT COUNT(*) FROM {quoted(table)} WHERE {condition}")
        if count:
            sql = f"SELECT {referring}, {quoted(end)} FROM {quoted(table)} WHERE {condition} LIMIT {EXAMPLES}"
            rows = yield Fetch(sql)
            reason = f"they refer to entities of the type by {owner}.{attribute.name}"
            raise refused(name, reason, count, [(entity, show_id(value)) for entity, value in rows])


def _shape(attribute: Attribute) -> str:
    """Where values lie: in a column, in a table of links or of keys, or nowhere."""
    if attribute.kind in ("links", "mapping"):
        return attribute.kind
    return "column" if attribute.stored else "computed"


def _check_no_values(catalog: Catalog, pair: AttributePair, old: Attribute) -> Plan[None]:
    tables = catalog.tables
    match _shape(old):
        case "computed":
            return
        case "column":
            table, entity, value = tables.entity_name(pair.old_type), "id", tables.column_name(pair.old_type, old.name)
        case "links":
            table, entity, value = tables.relation_name(pair.old_type, old), "source", "target"
        case _:
            table, entity, value = tables.relation_name(pair.old_type, old), "owner", "key"
    condition = f"FROM {quoted(table)} WHERE {quoted(value)} IS NOT NULL"
    [(count,)] = yield Fetch(f"SELECT COUNT(*) {condition}")
    if count:
        rows = yield Fetch(f"SELECT {entity} {condition} LIMIT {EXAMPLES}")
        reason = (
            f"values of {_named(old)} cannot become {_named(pair.new)}; define another attribute, and drop this one"
        )
        raise refused(pair.where, reason, count, [(each, None) for (each,) in rows])


def _named(attribute: Attribute) -> str:
    return f"a computed {attribute.kind}" if attribute.computed is not None else attribute.kind


# --- values ---

_LIMITS = ("kind", "multi", "choices", "min", "max", "max_length", "pattern")


def check_values(catalog: Catalog, pairs: Sequence[AttributePair]) -> Plan[None]:
    """Whether values and missing values agree with attributes that are narrower than they were."""
    for pair in pairs:
        if not pair.new.stored:
            continue
        old = pair.old
        if old is not None and old.stored and any(getattr(old, each) != getattr(pair.new, each) for each in _LIMITS):
            yield from _check_limits(catalog, pair)
        given = old is None and (pair.new.initial is not None or pair.new.numbered)
        if pair.new.required and not given and not (old is not None and old.required and old.stored):
            yield from check_present(catalog, pair)


def _check_limits(catalog: Catalog, pair: AttributePair) -> Plan[None]:
    tables, attribute = catalog.tables, pair.new
    column = tables.column_name(pair.type, attribute.name)
    table, keys = tables.entity_name(pair.type), {"id": Storage.BYTES}
    pages = paged(catalog.dialect, table, keys, column, attribute_storage(attribute))
    wrong: list[tuple[bytes, Any]] = []
    expected, count = "", 0
    rows = yield next(pages)
    while rows:
        raws = [raw for _, raw in rows]
        if wrong_at(raws, attribute) is not None:
            for entity, raw in rows:
                fault = wrong_at([raw], attribute)
                if fault is not None:
                    expected, count = fault[1], count + 1
                    if len(wrong) < EXAMPLES:
                        wrong.append((entity, shown(raw, attribute)))
        rows = [] if len(rows) < PAGE else (yield pages.send(rows[-1]))
    if wrong:
        raise refused(pair.where, f"expected {expected}", count, wrong)


def check_present(catalog: Catalog, pair: AttributePair) -> Plan[None]:
    """Whether every entity has a value of a required attribute."""
    tables = catalog.tables
    column = quoted(tables.column_name(pair.type, pair.new.name))
    types = of_types(catalog.schema, pair.type)
    condition = f"FROM {quoted(tables.entity_name(pair.type))} WHERE {column} IS NULL{' AND ' + types if types else ''}"
    [(count,)] = yield Fetch(f"SELECT COUNT(*) {condition}")
    if count:
        rows = yield Fetch(f"SELECT id {condition} ORDER BY id LIMIT {EXAMPLES}")
        reason = "it is required, has no default, and they have no value"
        raise refused(pair.where, reason, count, [(entity, None) for (entity,) in rows])


def check_duplicates(catalog: Catalog, index: IndexShape, where: str, storage: tuple[Storage, ...]) -> Plan[None]:
    """Whether rows agree with a unique index that is about to be made."""
    table = quoted(index.table)
    columns = ", ".join(map(quoted, index.columns))
    present = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in index.columns)
    if index.where:
        present += f" AND {index.where}"
    twice = f"SELECT {columns} FROM {table} WHERE {present} GROUP BY {columns} HAVING COUNT(*) > 1"
    # The first sets only; the message needs no more.
    sql = (
        f"SELECT id, {columns} FROM {table} WHERE {present} AND ({columns}) IN"
        f" (SELECT * FROM ({twice} ORDER BY {columns} LIMIT {EXAMPLES}) AS doubles) ORDER BY {columns}, id LIMIT {EXAMPLES}"
    )
    rows = yield Fetch(sql, (), (Storage.BYTES, *storage))
    if rows:
        [(count,)] = yield Fetch(f"SELECT COUNT(*) FROM {table} WHERE {present} AND ({columns}) IN ({twice})")
        found = [(row[0], row[1] if len(row) == 2 else tuple(row[1:])) for row in rows]
        raise refused(where, "they have the same values, which must be unique", count, found)


def check_targets(catalog: Catalog, pair: AttributePair, table: str, end: str, entity: str) -> Plan[None]:
    """Whether every id in column `end` names an entity of the attribute's target."""
    target = catalog.tables.entity_name(pair.new.target)
    types = of_types(catalog.schema, pair.new.target, alias="t.")
    there = f"SELECT 1 FROM {quoted(target)} t WHERE t.id = s.{quoted(end)}{' AND ' + types if types else ''}"
    condition = f"FROM {quoted(table)} s WHERE s.{quoted(end)} IS NOT NULL AND NOT EXISTS ({there})"
    [(count,)] = yield Fetch(f"SELECT COUNT(*) {condition}")
    if count:
        rows = yield Fetch(f"SELECT s.{entity}, s.{quoted(end)} {condition} LIMIT {EXAMPLES}")
        reason = f"their values name no {pair.new.target}"
        raise refused(pair.where, reason, count, [(each, show_id(value)) for each, value in rows])
