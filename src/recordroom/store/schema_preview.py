"""What schema operations would do to the rows there are: they are carried out, counted, and undone.

Only so is a preview right in every case: an operation may convert what one before it has defined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..errors import InvalidSchema, SchemaChangeRefused, UnknownName
from ..model.operations import (
    SCHEMA_OPERATIONS,
    ChangeAttribute,
    ChangeType,
    DefineAttribute,
    DropAttribute,
    DropType,
    Operation,
    Update,
)
from ..model.schema import Attribute
from ..query.request import SchemaEffect
from .access import Access
from .access_schema import check_define, without_examples
from .attempt import Mode, Outcome, Segment
from .catalog import Catalog
from .computed import check_computed
from .faults import Faults, shown
from .filling import fill
from .plans import Fetch, Plan, Run
from .schema_changes import apply_schema
from .schema_checks import of_types
from .sqltext import quoted

__all__ = ["preview"]


def preview(
    catalog: Catalog, operations: Sequence[Operation], access: Access | None = None
) -> Plan[list[SchemaEffect]]:
    """The effect of each operation, and of what the room gives then, as part of a writing plan that changes nothing.

    An operation that depends on a refused one has that in `what`. InvalidSchema where an operation can never be,
    or where an expression of a computed attribute makes no sense in the end; PermissionDenied where the actor whose
    `access` it is may not change the schema so.
    """
    for each in operations:
        if not isinstance(each, SCHEMA_OPERATIONS):
            raise InvalidSchema(where=type(each).__name__, reason="it is no change of a schema")
    yield Run("SAVEPOINT rr_preview")
    effects: list[SchemaEffect] = []
    before = catalog
    for operation in operations:
        check_define(access, catalog, operation)
        try:
            rows, what = yield from _before(catalog, operation)
            yield Run("SAVEPOINT rr_preview_step")
            catalog = yield from apply_schema(catalog, operation)
            effects.append(SchemaEffect(rows=rows, what=what.text(rows) if rows else ""))
        except SchemaChangeRefused as refusal:
            yield Run("ROLLBACK TO SAVEPOINT rr_preview_step")
            facts = without_examples(access, catalog, refusal).facts
            effects.append(SchemaEffect(refusal=refusal.message, facts=facts))
        except (InvalidSchema, UnknownName):
            if not any(each.refusal for each in effects):
                raise
            effects.append(SchemaEffect(what="depends on a change that is refused"))
    if not any(each.refusal for each in effects):
        check_computed(catalog.schema)
        effects += yield from _filled(before, catalog, access)
    yield Run("ROLLBACK TO SAVEPOINT rr_preview")
    return effects


def _filled(before: Catalog, catalog: Catalog, access: Access | None) -> Plan[list[SchemaEffect]]:
    """What the room gives to what is there, once all is as it will be."""
    outcome = Outcome()
    # With care: what must be unique is judged when it is applied.
    segment = Segment(catalog, Mode(0, careful=True), Faults(collect=False), outcome)
    try:
        yield from fill(segment, before.schema)
    except SchemaChangeRefused as refusal:
        facts = without_examples(access, catalog, refusal).facts
        return [SchemaEffect(refusal=refusal.message, facts=facts)]
    return [_given(each) for each in outcome.journal if isinstance(each, Update)]


def _given(update: Update) -> SchemaEffect:
    names, count = ", ".join(update.columns), len(update.ids)
    what = _What(f"entity of {update.type} gets its {names}", f"entities of {update.type} get their {names}")
    return SchemaEffect(rows=count, what=what.text(count))


class _What(NamedTuple):
    """What happens to entities (or values), in words for one of them and for many."""

    one: str
    many: str

    def text(self, rows: int) -> str:
        return self.one if rows == 1 else self.many


_NOTHING = _What("", "")


def _before(catalog: Catalog, operation: Operation) -> Plan[tuple[int, _What]]:
    """How many entities an operation changes, and what it does to them."""
    match operation:
        case DropType(name=name):
            what = _What("entity is deleted", "entities are deleted")
            return (yield from _count(catalog, name, "")), what
        case DropAttribute(type=type_name, name=name):
            old = catalog.schema.attribute(type_name, name)
            what = _What(f"entity loses its {name}", f"entities lose their {name}")
            return (yield from _count_values(catalog, type_name, old)), what
        case DefineAttribute(type=type_name, attribute=new) if new.default is not None:
            default = _default(new)
            what = _What(f"entity gets the default {default}", f"entities get the default {default}")
            return (yield from _count(catalog, type_name, "")), what
        case ChangeAttribute(type=type_name, attribute=new):
            return (yield from _before_change(catalog, type_name, new))
        case ChangeType(definition=definition) if catalog.schema[definition.name].extends != definition.extends:
            below, above = definition.name, definition.extends
            what = _What(f"entity of {below} comes under {above}", f"entities of {below} come under {above}")
            return (yield from _count(catalog, definition.name, "")), what
    return 0, _NOTHING


def _before_change(catalog: Catalog, type_name: str, new: Attribute) -> Plan[tuple[int, _What]]:
    old = catalog.schema.attribute(type_name, new.name)
    if (old.kind, old.multi, old.of) != (new.kind, new.multi, new.of):
        kinds = f"from {_words(old)} to {_words(new)}"
        what = _What(f"value is converted {kinds}", f"values are converted {kinds}")
        return (yield from _count_values(catalog, type_name, old)), what
    if new.stored and new.required and not old.required and new.default is not None:
        column = quoted(catalog.tables.column_name(type_name, new.name))
        default = _default(new)
        what = _What(
            f"entity without a value gets the default {default}",
            f"entities without a value get the default {default}",
        )
        return (yield from _count(catalog, type_name, f"{column} IS NULL")), what
    return 0, _NOTHING


def _default(attribute: Attribute) -> str:
    value = shown(attribute.default, attribute)
    return repr(value) if isinstance(value, (str, tuple)) else str(value)


def _words(attribute: Attribute) -> str:
    kind = attribute.of if attribute.kind == "mapping" else attribute.kind
    return f"lists of {kind}" if attribute.multi else kind


def _count(catalog: Catalog, type_name: str, condition: str) -> Plan[int]:
    conditions = [each for each in (of_types(catalog.schema, type_name), condition) if each]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    [(count,)] = yield Fetch(f"SELECT COUNT(*) FROM {quoted(catalog.tables.entity_name(type_name))}{where}")
    return int(count)


def _count_values(catalog: Catalog, type_name: str, attribute: Attribute) -> Plan[int]:
    if attribute.stored:
        column = quoted(catalog.tables.column_name(type_name, attribute.name))
        return (yield from _count(catalog, type_name, f"{column} IS NOT NULL"))
    if attribute.kind not in ("links", "mapping"):
        return 0
    [(count,)] = yield Fetch(f"SELECT COUNT(*) FROM {quoted(catalog.tables.relation_name(type_name, attribute))}")
    return int(count)
