"""Values of attributes in JSON: what people write for what the wire and the store keep (`model.kinds`), by the schema.

A date is 2026-11-21, a moment ISO 8601 with Z, an id 36 characters, a decimal text, json any JSON, and an attribute of
many values a list. Where the schema (of today) does not know an attribute, its raw values are shown.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from ..errors import Error, InvalidValue
from ..model.evolve import evolve
from ..model.ids import as_id
from ..model.kinds import KINDS, Storage, WrongValue, check, raw_dumper, raw_loader
from ..model.operations import (
    SCHEMA_OPERATIONS,
    ChangeAttribute,
    Commit,
    CommitResult,
    Create,
    DefineAttribute,
    DefineType,
    Operation,
    SetKeys,
    Update,
)
from ..model.schema import Attribute, EntityType, Schema
from ..model.schema_rules import validate
from ..query.request import (
    Change,
    HistoryRequest,
    JournalEntry,
    Members,
    MembersRequest,
    Page,
    PreviewRequest,
    QueryRequest,
    SchemaReply,
)
from ..query.resolve import resolve
from ..query.syntax import Path, Query, Selected
from .json_form import show_moment

__all__ = ["entries_shown", "page_shower", "raw_commit", "raw_preview", "schema_shown", "shown_answer"]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)

# --- one column -------------------------------------------------------------------------------------


def shown_column(raws: Sequence[Any], attribute: Attribute | None) -> list[Any]:
    """Raw scalars as JSON shows them; bytes are left, as they are ids everywhere."""
    if attribute is None or attribute.relation or not _differs(attribute):
        return list(raws)
    load = raw_loader(attribute)
    if load is None:
        return list(raws)
    return [None if raw is None else _loaded(raw, load) for raw in raws]


def _differs(attribute: Attribute) -> bool:
    kind = KINDS[attribute.kind]
    return attribute.multi or (not kind.plain and kind.storage not in (Storage.BYTES, Storage.DECIMAL, Storage.TEXT))


def _loaded(raw: Any, load: Callable[[Any], Any]) -> Any:
    try:
        return _shown(load(raw))
    except (ValueError, TypeError, OverflowError, RecursionError):
        # A value from before the attribute became what it is today.
        return raw


def _shown(value: Any) -> Any:
    match value:
        case dt.datetime():
            return show_moment((value - _EPOCH) // _MICROSECOND)
        case dt.date():
            return value.isoformat()
        case tuple():
            return list(map(_shown, value))
        case uuid.UUID():
            return str(value)
        case bool() | int() | float() | str() | list() | dict() | None:
            return value
    return str(value)


def raw_column(type_name: str, values: Sequence[Any], attribute: Attribute) -> list[Any]:
    """What people write as raw scalars; InvalidValue for what is not of the attribute's kind."""
    if attribute.kind not in KINDS:
        return list(values)
    dump = raw_dumper(attribute)
    return [None if value is None else _raw(type_name, value, attribute, dump) for value in values]


def _raw(type_name: str, value: Any, attribute: Attribute, dump: Callable[[Any], Any] | None) -> Any:
    try:
        if attribute.kind == "reference":
            return as_id(value)
        normal = check(value, attribute)
        return normal if dump is None else dump(normal)
    except WrongValue as error:
        expected = str(error)
    except (ValueError, TypeError, RecursionError):
        expected = KINDS[attribute.kind].expected(attribute)
    raise InvalidValue(type=type_name, attribute=attribute.name, value=value, expected=expected)


# --- requests ---------------------------------------------------------------------------------------


def raw_commit(commit: Commit, schema: Schema) -> Commit:
    """A commit whose values are as people write them, with raw scalars."""
    return replace(commit, operations=_raw_operations(commit.operations, schema))


def raw_preview(request: PreviewRequest, schema: Schema) -> PreviewRequest:
    """As `raw_commit`."""
    return replace(request, operations=_raw_operations(request.operations, schema))


def _raw_operations(operations: Sequence[Operation], schema: Schema) -> list[Operation]:
    found: list[Operation] = []
    for operation in operations:
        found.append(_raw_operation(operation, schema))
        if isinstance(operation, SCHEMA_OPERATIONS):
            schema = _after(schema, found[-1])
    return found


def _after(schema: Schema, operation: Operation) -> Schema:
    """The schema with the change; as it is where the change cannot be, which the engine will say."""
    try:
        return validate(evolve(schema, operation))
    except Error:
        return schema


def _raw_operation(operation: Operation, schema: Schema) -> Operation:
    match operation:
        case Create() | Update():
            return replace(operation, columns=_raw_columns(schema, operation.type, operation.columns))
        case SetKeys():
            attribute = _entry(_known(schema, operation.type).get(operation.attribute))
            if attribute is None:
                return operation
            return replace(operation, values=raw_column(operation.type, operation.values, attribute))
        case DefineType():
            return replace(operation, definition=_raw_defaults(operation.definition))
        case DefineAttribute() | ChangeAttribute():
            return replace(operation, attribute=_raw_default(operation.type, operation.attribute))
    return operation


def _raw_columns(schema: Schema, type_name: str, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    known = _known(schema, type_name)
    return {
        name: raw_column(type_name, values, known[name]) if name in known and known[name].stored else list(values)
        for name, values in columns.items()
    }


def _raw_defaults(definition: EntityType) -> EntityType:
    return replace(definition, attributes=tuple(_raw_default(definition.name, each) for each in definition.attributes))


def _raw_default(type_name: str, attribute: Attribute) -> Attribute:
    if attribute.default is None or attribute.kind not in KINDS or attribute.relation:
        return attribute
    return replace(attribute, default=raw_column(type_name, [attribute.default], attribute)[0])


def _known(schema: Schema, type_name: str) -> Mapping[str, Attribute]:
    return schema.attributes(type_name) if type_name in schema else {}


def _entry(attribute: Attribute | None) -> Attribute | None:
    """What the values of a mapping are."""
    if attribute is None or attribute.kind != "mapping":
        return None
    return Attribute(name=attribute.name, kind=attribute.of)


# --- answers ----------------------------------------------------------------------------------------


def shown_answer(value: Any, request: Any, schema: Schema) -> Any:
    """What a request was answered with, with values as people read them."""
    match request:
        case QueryRequest():
            return page_shower(request, schema)(value)
        case MembersRequest():
            return _shown_members(value, request, schema)
        case HistoryRequest():
            known = _known(schema, request.type)
            return [_shown_change(each, known) for each in value]
        case Commit() if value.given:
            return _shown_result(value, request, schema)
    return value


def _shown_result(result: CommitResult, commit: Commit, schema: Schema) -> CommitResult:
    creates = [each for each in commit.operations if isinstance(each, Create)]
    given = []
    for create, columns in zip(creates, result.given, strict=True):
        known = _known(schema, create.type)
        given.append({name: shown_column(raws, known.get(name)) for name, raws in columns.items()})
    return replace(result, given=given)


def page_shower(request: QueryRequest, schema: Schema) -> Callable[[Page], Page]:
    """What shows the pages of a query."""
    outputs = _outputs(schema, request.query, request.parameters)
    return lambda page: _shown_page(page, outputs)


def schema_shown(reply: SchemaReply) -> SchemaReply:
    """A schema with its defaults as people read them."""
    return replace(reply, types=list(map(_shown_defaults, reply.types)))


def _shown_defaults(definition: EntityType) -> EntityType:
    return replace(definition, attributes=tuple(map(_shown_default, definition.attributes)))


def _shown_default(attribute: Attribute) -> Attribute:
    if attribute.default is None:
        return attribute
    return replace(attribute, default=shown_column([attribute.default], attribute)[0])


def _outputs(schema: Schema, query: Query, parameters: Mapping[str, Any]) -> dict[str, Attribute]:
    return {each.name: each.attribute for each in resolve(schema, query, parameters).outputs}


def _shown_page(page: Page, outputs: Mapping[str, Attribute]) -> Page:
    columns = {name: shown_column(raws, outputs.get(name)) for name, raws in page.columns.items()}
    return replace(page, columns=columns)


def _shown_members(members: Members, request: MembersRequest, schema: Schema) -> Members:
    attribute = schema.attribute(request.type, request.attribute)
    if members.page is None:
        return replace(members, values=shown_column(members.values, _entry(attribute)))
    select = tuple(Selected(Path(tuple(name.split("."))), name) for name in request.select)
    outputs = _outputs(schema, Query(attribute.target, select=select), {})
    return replace(members, page=_shown_page(members.page, outputs))


def _shown_change(change: Change, known: Mapping[str, Attribute]) -> Change:
    attribute = known.get(change.attribute)
    if change.member is not None:
        return change
    if change.key is not None:
        attribute = _entry(attribute)
    before, after = shown_column([change.before, change.after], attribute)
    return replace(change, before=before, after=after)


def entries_shown(entries: Sequence[JournalEntry], schemas: Mapping[str, Schema]) -> list[JournalEntry]:
    """Entries of the journal, their values by the schemas of their databases as they are today."""
    return [
        replace(
            each,
            operations=[
                _shown_operation(operation, schemas.get(each.header.database)) for operation in each.operations
            ],
        )
        for each in entries
    ]


def _shown_operation(operation: Operation, schema: Schema | None) -> Operation:
    if isinstance(operation, DefineType):
        return replace(operation, definition=_shown_defaults(operation.definition))
    if isinstance(operation, DefineAttribute):
        return replace(operation, attribute=_shown_default(operation.attribute))
    if schema is None:
        return operation
    changes: dict[str, Any] = {}
    known = _known(schema, getattr(operation, "type", ""))
    for field in ("columns", "before"):
        columns = getattr(operation, field, None)
        if isinstance(columns, dict):
            changes[field] = {name: shown_column(raws, known.get(name)) for name, raws in columns.items()}
    if isinstance(operation, SetKeys):
        entry = _entry(known.get(operation.attribute))
        changes["values"] = shown_column(operation.values, entry)
        changes["before"] = shown_column(operation.before, entry)
    return replace(operation, **changes) if changes else operation
