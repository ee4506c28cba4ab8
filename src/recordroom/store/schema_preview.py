"""What schema operations would do to the rows there are: they are carried out, counted, and undone.

Only so is a preview right in every case: an operation may convert what one before it has defined.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidSchema, SchemaChangeRefused, UnknownName
from ..model.operations import ChangeAttribute, DefineAttribute, DropAttribute, DropType, Operation
from ..model.schema import Attribute
from ..query.request import SchemaEffect
from .catalog import Catalog
from .plans import Fetch, Plan, Run
from .schema_changes import apply_schema
from .schema_checks import of_types
from .sqltext import quoted

__all__ = ["preview"]


def preview(catalog: Catalog, operations: Sequence[Operation]) -> Plan[list[SchemaEffect]]:
    """The effect of each operation, as part of a writing plan that changes nothing in the end.

    An operation that depends on a refused one has that in `what`. InvalidSchema where an operation can never be.
    """
    yield Run("SAVEPOINT rr_preview")
    effects: list[SchemaEffect] = []
    for operation in operations:
        try:
            rows, what = yield from _before(catalog, operation)
            yield Run("SAVEPOINT rr_preview_step")
            catalog = yield from apply_schema(catalog, operation)
            effects.append(SchemaEffect(rows=rows, what=what if rows else ""))
        except SchemaChangeRefused as refusal:
            yield Run("ROLLBACK TO SAVEPOINT rr_preview_step")
            effects.append(SchemaEffect(refusal=refusal.message, facts=refusal.facts))
        except (InvalidSchema, UnknownName):
            if not any(each.refusal for each in effects):
                raise
            effects.append(SchemaEffect(what="depends on a change that is refused"))
    yield Run("ROLLBACK TO SAVEPOINT rr_preview")
    return effects


def _before(catalog: Catalog, operation: Operation) -> Plan[tuple[int, str]]:
    """How many entities an operation changes, and what it does to them."""
    match operation:
        case DropType(name=name):
            return (yield from _count(catalog, name, "")), "entities are deleted"
        case DropAttribute(type=type_name, name=name):
            old = catalog.schema.attribute(type_name, name)
            return (yield from _count_values(catalog, type_name, old)), f"entities lose their {name}"
        case DefineAttribute(type=type_name, attribute=new) if new.default is not None:
            return (yield from _count(catalog, type_name, "")), f"entities get the default {new.default!r}"
        case ChangeAttribute(type=type_name, attribute=new):
            return (yield from _before_change(catalog, type_name, new))
    return 0, ""


def _before_change(catalog: Catalog, type_name: str, new: Attribute) -> Plan[tuple[int, str]]:
    old = catalog.schema.attribute(type_name, new.name)
    if (old.kind, old.multi, old.of) != (new.kind, new.multi, new.of):
        words = f"values are converted from {_words(old)} to {_words(new)}"
        return (yield from _count_values(catalog, type_name, old)), words
    if new.stored and new.required and not old.required and new.default is not None:
        column = quoted(catalog.tables.column_name(type_name, new.name))
        words = f"entities without a value get the default {new.default!r}"
        return (yield from _count(catalog, type_name, f"{column} IS NULL")), words
    return 0, ""


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
