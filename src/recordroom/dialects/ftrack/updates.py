"""Events `ftrack.update`: what a commit did, in the words that ftrack's listeners know.

Each entity of a commit comes once, with `action` (add, update, remove; move where its parent changed), `keys` and
`changes` {attribute: {"old", "new"}}. A reference stands under its name in the dialect (`status_id`); where
listeners know an older name from the events of ftrack (`statusid`), under that too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ...model.events import EntityChange, Event, json_event
from ...model.ids import as_id, show_id
from ...model.schema import Schema
from .envelopes import shown_moment
from .names import Names, names_of
from .tables import HIDDEN_TYPES, OBJECT_TYPES, TYPES

__all__ = ["TOPIC", "Line", "entities_of", "entity_type_of", "is_told_of", "table_of", "update_event"]

TOPIC = "ftrack.update"
_OLDER = {
    "status_id": "statusid",
    "type_id": "typeid",
    "priority_id": "priorityid",
    "start_date": "startdate",
    "end_date": "enddate",
    "user_id": "userid",
    "asset_id": "assetid",
    "task_id": "taskid",
    "thumbnail_id": "thumbid",
    "object_type_id": "object_typeid",
    "is_published": "ispublished",
}


class Line(NamedTuple):
    """An entity in a line of parents: its id, its type, the id of the next, and a type that the next is or extends."""

    id: bytes
    type: str
    parent: bytes | None = None
    parent_type: str = ""


def entity_type_of(type_name: str) -> str:
    """What the dialect calls a type."""
    return TYPES.get(type_name, type_name)


def table_of(schema: Schema, type_name: str) -> str:
    """What ftrack calls the table of a type: `task` for whatever is within a project."""
    root = schema.root(type_name) if type_name in schema else type_name
    if root == "Context":
        return "show" if type_name == "Project" else "task"
    return entity_type_of(root).lower()


def is_told_of(schema: Schema, change: EntityChange) -> bool:
    """Whether clients hear of a change."""
    return change.type in schema and change.type not in HIDDEN_TYPES


def update_event(event: Event, entities: Sequence[dict[str, Any]], user: str | None, part: int = 0) -> dict[str, Any]:
    """The event of a commit, or of the `part` of a large one. `user` is the id of who made it."""
    identifier = f"{event.id}.{part}" if part else event.id
    who = {"userid": user, "id": user, "name": event.actor, "username": event.actor}
    return {
        "topic": TOPIC,
        "id": identifier,
        "data": {"entities": list(entities), "user": who, "clientToken": None, "pushToken": identifier},
        "sent": shown_moment(event.time),
        "source": {"id": "recordroom", "applicationId": "recordroom", "user": {"id": user, "username": event.actor}},
        "target": "",
        "inReplyToEvent": None,
    }


def entities_of(event: Event, schema: Schema, lines: Mapping[bytes, Line]) -> list[dict[str, Any]]:
    """What happened to each entity of a commit, in its order. `lines` says of which type each is, and within what."""
    names = names_of(schema)
    found: dict[str, _Told] = {}
    for change in json_event(event, schema)["changes"]:
        entity = found.get(change["id"])
        if entity is None:
            line = lines.get(as_id(change["id"]))
            real = change["type"] if line is None else line.type
            entity = found[change["id"]] = _Told(change["id"], real, _attributes(names, real))
        entity.take(change)
    shown = [each.shown(schema, lines) for each in found.values()]
    return [each for each in shown if each["action"] != "update" or each["keys"]]


class _Told:
    """What is told of one entity."""

    def __init__(self, identifier: str, type_name: str, attributes: Mapping[str, str]) -> None:
        self.id = identifier
        self.type = type_name
        self._attributes = attributes
        self.action = "update"
        self.old: dict[str, Any] = {}
        self.new: dict[str, Any] = {}

    def take(self, change: dict[str, Any]) -> None:
        """One more change of the entity; what was there before the first counts."""
        verb = change["verb"]
        if verb in ("create", "delete"):
            self.action = "add" if verb == "create" else "remove"
        if verb in ("link", "unlink"):
            self._take_link(change)
        elif verb in ("set_key", "drop_key"):
            self._take_key(change)
        else:
            self._take_values(change)

    def _take_values(self, change: dict[str, Any]) -> None:
        before, after = change["before"], change["after"]
        whole = change["verb"] != "update"
        for name in {**before, **after}:
            if whole and before.get(name) is None and after.get(name) is None:
                continue
            shown = self._attributes.get(name)
            if shown is None:
                continue
            self.old.setdefault(shown, before.get(name))
            self.new[shown] = after.get(name)

    def _take_link(self, change: dict[str, Any]) -> None:
        [native] = change["after"]
        name = self._attributes.get(native)
        if name is None:
            return
        side = self.new if change["verb"] == "link" else self.old
        self.old.setdefault(name, [])
        self.new.setdefault(name, [])
        side[name].append(change["member"])

    def _take_key(self, change: dict[str, Any]) -> None:
        [native] = change["after"]
        name = self._attributes.get(native)
        if name is None:
            return
        old, new = self.old.setdefault(name, {}), self.new.setdefault(name, {})
        if change["before"][native] is not None:
            old.setdefault(change["key"], change["before"][native])
        if change["verb"] == "set_key":
            new[change["key"]] = change["after"][native]

    def shown(self, schema: Schema, lines: Mapping[bytes, Line]) -> dict[str, Any]:
        """As it stands in the event."""
        keys = [name for name in self.new if self.action != "update" or self.old[name] != self.new[name]]
        action = "move" if self.action == "update" and "parent_id" in keys else self.action
        named = [(each, name) for name in keys for each in (_OLDER.get(name), name) if each]
        parents = list(_parents(schema, as_id(self.id), self.type, lines))
        return {
            "action": action,
            "entityId": self.id,
            "entityType": table_of(schema, self.type),
            "entity_type": entity_type_of(self.type),
            "objectTypeId": OBJECT_TYPES.get(self.type),
            "keys": [shown for shown, _ in named],
            "changes": {shown: {"old": self.old[name], "new": self.new[name]} for shown, name in named},
            "parentId": parents[0]["parentId"],
            "parents": parents,
        }


def _attributes(names: Names, type_name: str) -> dict[str, str]:
    """What the dialect calls the attributes of a type; a reference by its key."""
    found: dict[str, str] = {}
    for field in names.of(type_name).fields.values():
        for native in field.natives:
            if field.form == "key":
                found[native] = field.name
            elif field.form in ("scalar", "id", "collection", "metadata"):
                found.setdefault(native, field.name)
    return found


def _parents(schema: Schema, entity: bytes, type_name: str, lines: Mapping[bytes, Line]) -> Iterator[dict[str, Any]]:
    """The entity itself and those above it, as far as they are known."""
    line: Line | None = lines.get(entity, Line(entity, type_name))
    seen: set[bytes] = set()
    while line is not None and line.id not in seen:
        seen.add(line.id)
        yield {
            "entityId": show_id(line.id),
            "entityType": table_of(schema, line.type),
            "entity_type": entity_type_of(line.type),
            "parentId": None if line.parent is None else show_id(line.parent),
        }
        line = None if line.parent is None else lines.get(line.parent)


def chunks(changes: Sequence[EntityChange], size: int) -> Iterable[Sequence[EntityChange]]:
    """Changes in parts of about `size`; those of one entity that follow each other stay together."""
    start = 0
    while start < len(changes):
        end = start + size
        while end < len(changes) and changes[end].id == changes[end - 1].id:
            end += 1
        yield changes[start:end]
        start = end
