"""Commits: a list of operations applied all or none, once, under the next revision.

`commit_plan` runs inside `Driver.write`: one transaction of the one writer. An attempt applies the
operations in order and judges at the end what can only be judged then. What a unique index refuses is
tried again with care (`unique`); with on_error="continue" entities at fault are left out, with what
depends on them, until the rest stands. An entity's operations stand or fall together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from ..errors import InvalidValue, RoomDamaged
from ..model.operations import (
    SCHEMA_OPERATIONS,
    ChangeAttribute,
    ChangeType,
    Commit,
    CommitResult,
    Create,
    Delete,
    DropAttribute,
    DropType,
    Link,
    Operation,
    Publish,
    Refusal,
    Unlink,
    Update,
)
from ..model.schema import Attribute, Schema
from .access_guard import guard_of
from .access_judging import prepare
from .access_results import kept, kept_result, repeated
from .access_schema import define
from .access_writes import Guard, Unanswered, Writer
from .account_changes import RAISE_ACCESS, touches_accounts
from .account_schema import keep_account_types
from .apply import HANDLERS
from .attempt import Mode, Outcome, Segment
from .catalog import Catalog
from .checks import check_commit, check_operation
from .computed import check_computed
from .ends import dependents, judge
from .faults import Fault, Faults, LeftOut, refusal
from .filling import fill
from .followers import LAG, Lag, before_schema_change, keep_up
from .journal import after_schema_changes, dump_operations, types_touched
from .last_administrator import NobodyLeft, administrators, keep_administrator
from .plans import Fetch, Plan, Run, Violation
from .schema_changes import apply_schema
from .search import follow_schema
from .sqltext import marked

__all__ = ["By", "commit_plan"]

_encode = msgspec.msgpack.encode
_LARGEST = 999_000_000  # bytes of one value that SQLite and PostgreSQL keep


class _Start(NamedTuple):
    """What a commit finds: the room's revision, when that was, and the result of an earlier try."""

    revision: int
    time: int
    result: CommitResult | None
    lag: Lag


class By(NamedTuple):
    """Who commits, and when (microseconds since 1970); `writer` is who it is where that is not the owner.

    `numbers` are those of deleted entities that come back.
    """

    actor: str
    now: int
    writer: Writer | None = None
    numbers: dict[bytes, int] | None = None


def commit_plan(catalog: Catalog, commit: Commit, by: By) -> Plan[CommitResult]:
    """Apply `commit`; its result, or that of its first time.

    A commit that changes nothing makes no revision: its result has the current one.
    """
    check_commit(commit)
    actor, now, writer, numbers = by
    start = yield from _start(catalog, commit.id, actor)
    if start.result is not None:
        return repeated(start.result, writer)
    yield from keep_up(catalog, start.revision, start.lag)
    # Moments never fall while revisions rise, whatever the clock does.
    moment = max(now, start.time)
    mode = Mode(start.revision + 1, commit.on_conflict, numbers=numbers, writer=writer, now=moment)
    outcome, refused = yield from _attempts(catalog, commit, mode)
    if not outcome.journal:
        # Others may have changed what this one found to be as it wants it: the session's copy is old then.
        stale = list(outcome.stale)
        return CommitResult(revision=start.revision, time=start.time or now, stale=stale, refused=refused)
    result = CommitResult(
        revision=start.revision + 1,
        time=moment,
        numbers=outcome.numbers,
        given=outcome.given if any(outcome.given) else [],
        stale=list(outcome.stale),
        deleted=outcome.cascaded,
        refused=refused,
    )
    yield from _record(catalog, commit, actor, kept(result, writer), outcome.journal)
    return result


def _start(catalog: Catalog, commit_id: bytes, actor: str) -> Plan[_Start]:
    sql = (
        "SELECT r.revision, (SELECT time FROM rr_commit WHERE revision = r.revision),"
        f" (SELECT result FROM rr_commit WHERE actor = ? AND id = ?), {LAG} FROM rr_room AS r"
    )
    database = catalog.database
    parameters = (actor, commit_id, f"history:{database}", f"search:{database}", f"history:{database}")
    rows = yield Fetch(marked(catalog.dialect, sql), parameters)
    revision, time, result, *lag = rows[0]
    return _Start(revision, time or 0, None if result is None else kept_result(result), Lag(*lag))


def _record(
    catalog: Catalog, commit: Commit, actor: str, result: CommitResult, operations: Sequence[Operation]
) -> Plan[None]:
    dialect = catalog.dialect
    data = dump_operations(operations)
    if len(data) > _LARGEST:
        expected = f"operations of at most {_LARGEST} bytes; make several commits of it"
        raise InvalidValue(type="Commit", attribute="operations", value=f"{len(data)} bytes", expected=expected)
    sql = "INSERT INTO rr_journal (revision, types, operations) VALUES (?, ?, ?)"
    yield Run(marked(dialect, sql), (result.revision, types_touched(operations), data))
    sql = "INSERT INTO rr_commit (revision, id, database, actor, time, notes, result) VALUES (?, ?, ?, ?, ?, ?, ?)"
    header = (result.revision, commit.id, commit.database, actor, result.time, commit.notes, _encode(result))
    yield Run(marked(dialect, sql), header)
    sql = f"UPDATE rr_room SET revision = ?{RAISE_ACCESS if touches_accounts(catalog, operations) else ''}"
    yield Run(marked(dialect, sql), (result.revision,))


# --- attempts -------------------------------------------------------------------------------------


def _attempts(catalog: Catalog, commit: Commit, mode: Mode) -> Plan[tuple[Outcome, list[Refusal]]]:
    """Attempts until one stands; what it did, and who was left out."""
    collect = commit.on_error == "continue"
    operations: Sequence[Operation] = commit.operations
    refused: dict[bytes, Refusal] = {}
    yield Run("SAVEPOINT rr_attempt")
    while True:
        try:
            outcome = yield from _attempt(catalog, operations, mode, Faults(collect=collect))
        except Violation as violation:
            if mode.careful or violation.kind != "unique":
                reason = f"the database refused what the engine found right: {violation}"
                raise RoomDamaged(path=catalog.database, reason=reason) from violation
            mode = mode._replace(careful=True)
        except NobodyLeft:
            yield Run("ROLLBACK TO SAVEPOINT rr_attempt")
            mode = mode._replace(administrators=(yield from administrators(catalog)))
        except LeftOut as left:
            for fault in left.faults:
                refused.setdefault(fault.entity, refusal(fault))
            left_over = [_without(operation, refused, mode.writer) for operation in operations]
            if all(new is old for new, old in zip(left_over, operations, strict=True)):
                # What is at fault is nothing that the commit could do without.
                raise left.faults[0].error from None
            operations = left_over
        else:
            # The savepoint goes with the transaction.
            return outcome, list(refused.values())
        yield Run("ROLLBACK TO SAVEPOINT rr_attempt")


def _attempt(catalog: Catalog, operations: Sequence[Operation], mode: Mode, faults: Faults) -> Plan[Outcome]:
    """Apply every operation and judge the end; raises what is wrong."""
    outcome = Outcome()
    before = catalog
    stretch: list[Operation] = []
    for operation in operations:
        if isinstance(operation, SCHEMA_OPERATIONS):
            yield from _apply(Segment(catalog, mode, faults, outcome), stretch)
            if mode.writer is None:
                catalog = yield from _change_schema(catalog, operation, mode.revision, outcome)
            else:
                change = _change_schema(catalog, operation, mode.revision, outcome)
                catalog = yield from define(mode.writer, catalog, operation, change)
            stretch = []
        else:
            stretch.append(operation)
    yield from _apply(Segment(catalog, mode, faults, outcome), stretch)
    if catalog is not before:
        check_computed(catalog.schema)
        yield from _fill(Segment(catalog, mode._replace(writer=None), Faults(collect=False), outcome), before)
    if mode.writer is not None and mode.writer.actor.user is not None:
        yield from keep_administrator(catalog, outcome.journal, mode.administrators, faults)
        faults.settle()
    if catalog is not before:
        keep_account_types(before, catalog)
    return outcome


def _apply(segment: Segment, operations: list[Operation]) -> Plan[None]:
    """Check, apply and judge operations under one schema."""
    if not operations:
        return
    for operation in operations:
        yield from check_operation(segment.schema, operation, segment.faults)
    segment.faults.settle()
    if segment.mode.writer is None or segment.mode.writer.access is None:
        yield from _apply_checked(segment, operations)
    else:
        yield from _apply_guarded(segment, guard_of(segment.mode.writer, segment.catalog), operations)


def _apply_guarded(segment: Segment, guard: Guard, operations: list[Operation]) -> Plan[None]:
    """As `_apply_checked`, anew whenever something turned up that had to be asked before."""
    start = segment.outcome.mark()
    yield Run("SAVEPOINT rr_segment")
    while True:
        guard.anew()
        segment = segment.anew(guard)
        try:
            yield from prepare(segment, operations)
            yield from _apply_checked(segment, operations)
            return
        except Unanswered:
            segment.outcome.back_to(start)
            yield Run("ROLLBACK TO SAVEPOINT rr_segment")


def _apply_checked(segment: Segment, operations: list[Operation]) -> Plan[None]:
    """Apply and judge operations that make sense."""
    # A careful attempt and what a delete takes along look at the rows that there are.
    segment.puts_off = not segment.mode.careful and not any(isinstance(each, Delete) for each in operations)
    try:
        for operation in operations:
            yield from HANDLERS[type(operation)](segment, operation)
        yield from judge(segment)
    except LeftOut as left:
        faults = _at_those_changed(segment, left.faults, operations)
        gone = {fault.entity for fault in faults}
        raise LeftOut([*faults, *dependents(segment, gone)]) from None


def _at_those_changed(segment: Segment, faults: list[Fault], operations: list[Operation]) -> list[Fault]:
    """The faults, those of what only followed at the entities of the commit that it followed from."""
    if not segment.followed:
        return faults
    kinds = {
        each: operation.type
        for operation in operations
        if isinstance(operation, (Create, Update, Delete))
        for each in operation.ids
    }
    found = []
    for fault in faults:
        cause = segment.followed.get(fault.entity, fault.entity)
        if fault.entity not in kinds and cause in kinds:
            fault = Fault(kinds[cause], cause, fault.error)
        found.append(fault)
    return found


def _without(operation: Operation, gone: dict[bytes, Refusal], writer: Writer | None) -> Operation:
    """The operation without what it does to entities that are left out.

    Whether a restricted actor may change links is up to either end, so that they go with either.
    """
    if isinstance(operation, (*SCHEMA_OPERATIONS, Publish)):
        return operation
    owners = operation.sources if isinstance(operation, (Link, Unlink)) else operation.ids
    others = operation.targets if writer is not None and isinstance(operation, (Link, Unlink)) else ()
    if gone.keys().isdisjoint(owners) and gone.keys().isdisjoint(others):
        return operation
    kept = [place for place, owner in enumerate(owners) if owner not in gone]
    if others:
        kept = [place for place in kept if others[place] not in gone]
    changes: dict[str, Any] = {}
    for name in operation.__struct_fields__:
        value = getattr(operation, name)
        if type(value) is list and value:
            changes[name] = [value[place] for place in kept]
    if isinstance(operation, (Create, Update)):
        changes["columns"] = {name: [values[place] for place in kept] for name, values in operation.columns.items()}
    if isinstance(operation, (Update, Delete)):
        changes["before"] = {}
    return msgspec.structs.replace(operation, **changes)


# --- schema operations ----------------------------------------------------------------------------


def _change_schema(catalog: Catalog, operation: Operation, revision: int, outcome: Outcome) -> Plan[Catalog]:
    """Apply one schema operation. Followers read everything before it first: they know one schema only."""
    complete = _with_before(catalog.schema, operation)
    yield from before_schema_change(catalog, revision, after_schema_changes(outcome.journal))
    changed = yield from apply_schema(catalog, complete)
    yield from follow_schema(catalog, changed, complete)
    outcome.journal.append(complete)
    return changed


def _fill(segment: Segment, before: Catalog) -> Plan[None]:
    """Give to what is there what the new schema gives. It is the room that does so, whoever changed the schema."""
    yield from fill(segment, before.schema)
    yield from judge(segment)


def _with_before(schema: Schema, operation: Operation) -> Operation:
    """The operation with the definition that it replaces, for the journal."""
    if isinstance(operation, ChangeType):
        return msgspec.structs.replace(operation, before=schema[operation.definition.name])
    if isinstance(operation, DropType):
        return msgspec.structs.replace(operation, before=schema[operation.name])
    if isinstance(operation, ChangeAttribute):
        return msgspec.structs.replace(operation, before=_declared(schema, operation.type, operation.attribute.name))
    if isinstance(operation, DropAttribute):
        return msgspec.structs.replace(operation, before=_declared(schema, operation.type, operation.name))
    return operation


def _declared(schema: Schema, type_name: str, name: str) -> Attribute | None:
    # Where there is none, applying the operation says so.
    return next((each for each in schema[type_name].attributes if each.name == name), None)
