"""Events: what is delivered to those who follow a room. Each commit is one; so is everything that somebody published.

`events_of` makes the events of one commit from its operations: first the commit itself, where it changed something, with
its changes per entity; then what was published in it, in order. So (revision, place) orders all events of a room.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from .ids import show_id
from .kinds import raw_loader
from .operations import (
    SCHEMA_OPERATIONS,
    ChangeType,
    Create,
    DefineType,
    Delete,
    DropKeys,
    DropType,
    Link,
    Operation,
    Publish,
    RenameType,
    SetKeys,
    Unlink,
    Update,
)
from .schema import Attribute, Schema

__all__ = [
    "COMMIT",
    "MOST_CHANGES",
    "REPLY",
    "RESERVED",
    "EntityChange",
    "Event",
    "changes_of",
    "events_of",
    "json_event",
]

RESERVED = "recordroom."  # topics that begin so are ours
COMMIT = "recordroom.commit"
REPLY = "recordroom.reply"
MOST_CHANGES = 1000

Verb = Literal["create", "update", "delete", "link", "unlink", "set_key", "drop_key"]


class EntityChange(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a commit did to one entity: raw scalars by attribute, before and after.

    For links `member` is the id at the other end and the values are notes; for a mapping `key` is the key.
    """

    type: str
    id: bytes
    verb: Verb
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    member: bytes | None = None
    key: str | None = None


class Event(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A commit (topic "recordroom.commit", place 0) or what somebody published in one (place 1, 2, …).

    `changes` has the first `MOST_CHANGES` of `count`; the journal has all. `schema` names the types whose definition
    changed. `source` is who published it and may be replied to, `reply_to` the id of the event that this one answers.
    `origin` is what a dialect keeps of it for its own clients.
    """

    topic: str
    revision: int
    place: int = 0
    commit: bytes = b""
    database: str = "main"
    actor: str = ""
    time: int = 0  # microseconds since 1970, UTC
    notes: str | None = None
    data: Any = None
    target: str = ""
    source: str = ""
    reply_to: str = ""
    origin: dict[str, Any] = {}
    changes: list[EntityChange] = []
    count: int = 0
    schema: list[str] = []

    @property
    def id(self) -> str:
        """The commit's id, and behind it the place of what was published: the same for everybody, and for ever."""
        commit = show_id(self.commit)
        return f"{commit}.{self.place}" if self.place else commit


def events_of(commit: Event, operations: Sequence[Operation]) -> list[Event]:
    """The events of one commit; `commit` has what they share (revision, commit, actor, time …)."""
    published = [each for each in operations if isinstance(each, Publish)]
    events = [
        msgspec.structs.replace(
            commit,
            topic=each.topic,
            place=place,
            data=each.data,
            target=each.target,
            source=each.source,
            reply_to=each.reply_to,
            origin=each.origin,
        )
        for place, each in enumerate(published, 1)
    ]
    if len(published) == len(operations):
        return events
    changes, count = _first_changes(operations)
    return [msgspec.structs.replace(commit, changes=changes, count=count, schema=_redefined(operations)), *events]


def _first_changes(operations: Sequence[Operation]) -> tuple[list[EntityChange], int]:
    changes: list[EntityChange] = []
    count = 0
    for operation in operations:
        size = len(_owners(operation))
        if len(changes) < MOST_CHANGES:
            changes += changes_of(operation, MOST_CHANGES - len(changes))
        count += size
    return changes, count


def _owners(operation: Operation) -> list[bytes]:
    if isinstance(operation, (Link, Unlink)):
        return operation.sources
    return getattr(operation, "ids", [])


def _redefined(operations: Sequence[Operation]) -> list[str]:
    """The names of types that schema operations are about."""
    found: dict[str, None] = {}
    for operation in operations:
        if isinstance(operation, SCHEMA_OPERATIONS):
            if isinstance(operation, (RenameType, DropType)):
                name = operation.name
            elif isinstance(operation, (DefineType, ChangeType)):
                name = operation.definition.name
            else:
                name = operation.type
            found[name] = None
    return list(found)


def changes_of(operation: Operation, most: int | None = None) -> Iterator[EntityChange]:
    """What one operation of the journal did, entity by entity; of the first `most` where that is given."""
    for row, each in enumerate(_owners(operation)[:most]):
        match operation:
            case Create():
                yield EntityChange(type=operation.type, id=each, verb="create", after=_row(operation.columns, row))
            case Update():
                before, after = _row(operation.before, row), _row(operation.columns, row)
                yield EntityChange(type=operation.type, id=each, verb="update", before=before, after=after)
            case Delete():
                yield EntityChange(type=operation.type, id=each, verb="delete", before=_row(operation.before, row))
            case Link() | Unlink():
                yield _link(operation, row)
            case SetKeys() | DropKeys():
                yield _entry(operation, row)


def _row(columns: dict[str, list[Any]], row: int) -> dict[str, Any]:
    return {name: column[row] for name, column in columns.items()}


def _link(operation: Link | Unlink, row: int) -> EntityChange:
    is_link = isinstance(operation, Link)
    notes = operation.notes if isinstance(operation, Link) else []
    return EntityChange(
        type=operation.type,
        id=operation.sources[row],
        verb="link" if is_link else "unlink",
        before={operation.attribute: _at(operation.before_notes, row)},
        after={operation.attribute: _at(notes, row)},
        member=operation.targets[row],
    )


def _entry(operation: SetKeys | DropKeys, row: int) -> EntityChange:
    values = operation.values if isinstance(operation, SetKeys) else []
    return EntityChange(
        type=operation.type,
        id=operation.ids[row],
        verb="set_key" if isinstance(operation, SetKeys) else "drop_key",
        before={operation.attribute: _at(operation.before, row)},
        after={operation.attribute: _at(values, row)},
        key=operation.keys[row],
    )


def _at(values: Sequence[Any], row: int) -> Any:
    return values[row] if row < len(values) else None


# --- JSON -----------------------------------------------------------------------------------------


def json_event(event: Event, schema: Schema | None) -> dict[str, Any]:
    """An event for everyone else: ids as 36 characters, moments as ISO 8601, values by their kinds in `schema`."""
    found: dict[str, Any] = {
        "id": event.id,
        "topic": event.topic,
        "revision": event.revision,
        "commit": show_id(event.commit),
        "database": event.database,
        "actor": event.actor,
        "time": _moment(event.time),
        "notes": event.notes,
    }
    if event.place:
        extra = {"data": event.data, "target": event.target, "source": event.source, "reply_to": event.reply_to}
        return found | extra
    changes = [_json_change(each, schema) for each in event.changes]
    return found | {"changes": changes, "count": event.count, "schema": event.schema}


def _json_change(change: EntityChange, schema: Schema | None) -> dict[str, Any]:
    attributes = _attributes(schema, change.type)
    is_link = change.verb in ("link", "unlink")

    def shown(values: dict[str, Any]) -> dict[str, Any]:
        return {name: _json_value(raw, None if is_link else attributes.get(name)) for name, raw in values.items()}

    found: dict[str, Any] = {"type": change.type, "id": show_id(change.id), "verb": change.verb}
    found |= {"before": shown(change.before), "after": shown(change.after)}
    if change.member is not None:
        found["member"] = show_id(change.member)
    if change.key is not None:
        found["key"] = change.key
    return found


def _attributes(schema: Schema | None, type_name: str) -> dict[str, Attribute]:
    if schema is None or type_name not in schema:
        return {}
    found = {each.name: each for each in schema.attributes(type_name).values()}
    return {
        name: Attribute(name=name, kind=each.of) if each.kind == "mapping" else each for name, each in found.items()
    }


def _json_value(raw: Any, attribute: Attribute | None) -> Any:
    if raw is None:
        return None
    if isinstance(raw, bytes):
        return show_id(raw) if len(raw) == 16 else base64.b64encode(raw).decode()
    if attribute is None:
        return raw
    if attribute.multi or attribute.kind == "json":
        return json.loads(raw)
    if attribute.kind == "datetime":
        return _moment(raw)
    if attribute.kind == "date":
        load = raw_loader(attribute)
        return raw if load is None else load(raw).isoformat()
    return raw


def _moment(micros: int) -> str:
    load = raw_loader(Attribute(name="time", kind="datetime"))
    assert load is not None
    shown: str = load(micros).isoformat()
    return shown.replace("+00:00", "Z")
