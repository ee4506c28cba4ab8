"""What a batch answers: each entity as it is now, with what was said of it and what the room gave it itself."""

from __future__ import annotations

from typing import Any

from ...model.ids import show_id
from .batches import Change
from .emitting import Emitter
from .names import Field, Type
from .reading import Node, Reader, Rows
from .values import untagged

__all__ = ["echoes"]

_OWN = ("id", "scalar", "key", "typed")


async def echoes(reader: Reader, changes: list[tuple[Change, bytes | None]]) -> list[dict[str, Any]]:
    """The result of each change. With each comes the id of its entity; None where it is none here."""
    wanted: dict[str, tuple[Node, dict[bytes, None]]] = {}
    for change, entity in changes:
        if entity is not None and change.action != "delete":
            node, ids = wanted.setdefault(change.type.native, ({}, {}))
            node.update({name: {} for name in _names(change)})
            ids[entity] = None
    loaded: dict[str, Rows] = {
        native: await reader.by_ids(native, ids, {name: {} for name in node}) for native, (node, ids) in wanted.items()
    }
    emit = Emitter(reader.names)
    return [{name: emit(value) for name, value in _result(*each, loaded).items()} for each in changes]


def _names(change: Change) -> list[str]:
    """What is to be told: what was set, under both names of a reference; of new entities also what the room gave."""
    fields = change.type.fields
    names = [each for name in change.data if name in fields for each in _twins(change.type, fields[name])]
    if change.action == "create":
        names += [each.name for each in fields.values() if each.form in _OWN and not _is_computed(each)]
    return names


def _twins(type: Type, field: Field) -> list[str]:
    if field.form not in ("key", "reference"):
        return [field.name]
    return [
        each.name
        for each in type.fields.values()
        if each.form in ("key", "reference") and each.natives == field.natives
    ]


def _is_computed(field: Field) -> bool:
    return field.form == "scalar" and field.fixed


def _result(change: Change, entity: bytes | None, loaded: dict[str, Rows]) -> dict[str, Any]:
    if change.action == "delete":
        return {"action": "delete", "data": True}
    row = None if entity is None else loaded[change.type.native].get(entity)
    if row is None:
        data = _said(change, entity)
    else:
        told = {*_names(change), *change.type.key, "__entity_type__"}
        said = {
            each
            for name in change.data
            if name in change.type.fields
            for each in _twins(change.type, change.type.fields[name])
        }
        data = {name: value for name, value in row.items() if name in told and (value is not None or name in said)}
    return {"action": change.action, "data": data}


def _said(change: Change, entity: bytes | None) -> dict[str, Any]:
    """What was sent, for what cannot be read."""
    data = {name: value for name, value in change.data.items() if not isinstance(untagged(value), list | dict)}
    data |= dict(zip(change.type.key, change.key, strict=True))
    if entity is not None and "id" in change.type.fields:
        data["id"] = show_id(entity)
    kept = {"__entity_type__": change.type.name, **data}
    if change.type.name == "Metadata" or change.type.name.endswith("CustomAttributeValue"):
        kept["value"] = change.data.get("value")
    return kept
