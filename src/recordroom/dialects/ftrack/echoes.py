"""What a batch answers: each entity as it is now, with what was said of it and what the room gave it itself."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...model.ids import show_id
from .batches import Change
from .emitting import Emitter
from .names import Field, Pair, Type
from .reading import Node, Reader, Rows
from .tables import ALIASES
from .turns import in_turns
from .values import untagged
from .virtual import values_of

__all__ = ["echoes"]

_OWN = ("id", "scalar", "key", "typed")


class _Told(NamedTuple):
    """What is to be told of an entity: `said` was set, under both names of a reference; the rest where it has a value."""

    names: frozenset[str]
    said: frozenset[str]


async def echoes(reader: Reader, changes: list[tuple[Change, bytes | None]]) -> list[dict[str, Any]]:
    """The result of each change. With each comes the id of its entity; None where it is none here."""
    told = _Tellings()
    wanted: dict[str, tuple[Node, dict[bytes, None]]] = {}
    for change, entity in changes:
        if entity is not None and change.action != "delete":
            node, ids = wanted.setdefault(change.type.native, ({}, {}))
            node.update({name: {} for name in told(change).names if name not in node})
            ids[entity] = None
    loaded: dict[str, Rows] = {}
    for native, (node, ids) in wanted.items():
        rows = loaded.setdefault(native, {})
        async for part in in_turns(list(ids)):
            rows |= await reader.by_ids(native, part, node)
    unset = await _of_unset(reader, [each for each, _ in changes])
    emit = Emitter(reader.names)
    found: list[dict[str, Any]] = []
    async for some in in_turns(changes):
        for each, entity in some:
            data = _data(each, entity, loaded, told)
            if (each.type.name, each.key) in unset and each.action == "update":
                data["value"] = unset[each.type.name, each.key]
            found.append({"action": each.action, "data": emit(data)})
    return found


async def _of_unset(reader: Reader, changes: list[Change]) -> dict[tuple[str, tuple[str, ...]], Any]:
    """What entities have for custom attributes after their own value is gone: that of something above, or the default."""
    wanted: dict[str, dict[tuple[str, ...], Type]] = {}
    for each in changes:
        if (
            each.type.name.endswith("CustomAttributeValue")
            and each.action == "update"
            and each.data.get("value") is None
        ):
            wanted.setdefault(each.type.name, {})[each.key] = each.type
    found: dict[tuple[str, tuple[str, ...]], Any] = {}
    for name, keys in wanted.items():
        values = await values_of(reader, next(iter(keys.values())), keys)
        found |= {(name, key): value for key, value in values.items()}
    return found


class _Tellings:
    """Works out once what is told of changes that set the same."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, tuple[str, ...]], _Told] = {}

    def __call__(self, change: Change) -> _Told:
        key = (change.type.name, change.action, tuple(change.data))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _told(change)
        return found


def _told(change: Change) -> _Told:
    fields = change.type.fields
    said = frozenset(each for name in change.data if name in fields for each in _twins(change.type, fields[name]))
    if change.action != "create":
        return _Told(said, said)
    # Of new entities also what the room gave them.
    given = {each.name for each in fields.values() if each.form in _OWN and not _is_computed(each)}
    return _Told(said | given, said)


def _twins(type: Type, field: Field) -> list[str]:
    if field.form not in ("key", "reference"):
        return [field.name]
    alike = (each for each in type.fields.values() if each.form in ("key", "reference"))
    return [each.name for each in alike if each.natives == field.natives]


def _is_computed(field: Field) -> bool:
    return field.form == "scalar" and field.fixed


def _data(change: Change, entity: bytes | None, loaded: dict[str, Rows], tellings: _Tellings) -> Any:
    if change.action == "delete":
        return True
    row = None if entity is None else loaded[change.type.native].get(entity)
    if row is None:
        return _sent(change, entity)
    told = tellings(change)
    always = ("__entity_type__", *change.type.key)
    if change.type.name in ALIASES:
        # Whatever name it was changed under, the client has it under that.
        row = {**row, "__entity_type__": change.type.name}
    return {
        name: value
        for name, value in row.items()
        if (name in told.names and (value is not None or name in told.said)) or name in always
    }


def _sent(change: Change, entity: bytes | None) -> dict[str, Any]:
    """What was sent, for what cannot be read."""
    data = {name: value for name, value in change.data.items() if not isinstance(untagged(value), list | dict)}
    data |= dict(zip(change.type.key, change.key, strict=True))
    if entity is not None and "id" in change.type.fields:
        data["id"] = show_id(entity)
    kept = {"__entity_type__": change.type.name, **data}
    if change.type.name == "Metadata" or change.type.name.endswith("CustomAttributeValue"):
        kept["value"] = change.data.get("value")
    elif change.type.pair is not None:
        kept |= _halves(change, change.type.pair)
    return kept


def _halves(change: Change, pair: Pair) -> dict[str, Any]:
    """What was said of the two halves of a pair, as entities and as their ids."""
    found: dict[str, Any] = {}
    for name in (pair.owner, pair.member):
        value = change.data.get(name)
        if isinstance(value, dict):
            found[name] = {each: value[each] for each in ("__entity_type__", "id") if each in value}
            found[f"{name}_id"] = value.get("id")
    return found
