"""Checks of operations against a schema, before anything is read or written: names, lengths, values.

Pure functions over columns. What is wrong with an operation as a whole (an unknown name, columns of
different lengths) is raised; what is wrong with single entities goes to the commit's `Faults`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from ..errors import InvalidValue, NotUnique
from ..model.events import REPLY, RESERVED
from ..model.ids import show_id
from ..model.kinds import KINDS, WrongValue, canonical_json, wrong_at
from ..model.operations import Commit, Create, Delete, DropKeys, Link, Operation, Publish, SetKeys, Unlink, Update
from ..model.schema import SYSTEM, Attribute, Schema
from .faults import Fault, Faults, shown
from .plans import Plan, divided

__all__ = ["check_commit", "check_operation", "mapping_values"]

_TEXT = Attribute(name="text", kind="text")


def check_operation(schema: Schema, operation: Operation, faults: Faults) -> Plan[None]:
    """Judge one data operation by itself; raises, or adds to `faults`. Asks for nothing but turns."""
    check = _CHECKS.get(type(operation))
    if check is None:
        raise InvalidValue(
            type="Commit", attribute="operations", value=type(operation).__name__, expected="an operation"
        )
    check(schema, operation, faults)
    if isinstance(operation, (Create, Update)):
        yield from _check_columns(schema, operation, faults)


def check_commit(commit: Commit) -> None:
    """InvalidValue unless a commit's id is 16 bytes, its notes are text, and its modes are known."""
    if type(commit.id) is not bytes or len(commit.id) != 16:
        raise InvalidValue(type="Commit", attribute="id", value=commit.id, expected="16 bytes")
    _check_text("Commit", "notes", [commit.notes])
    for name, modes in (("on_conflict", ("merge", "fail", "mine")), ("on_error", ("stop", "continue"))):
        if getattr(commit, name) not in modes:
            expected = f"one of {', '.join(map(repr, modes))}"
            raise InvalidValue(type="Commit", attribute=name, value=getattr(commit, name), expected=expected)


def _check_create(schema: Schema, block: Create, faults: Faults) -> None:
    if schema[block.type].abstract:
        names = [name for name in schema.subtypes(block.type) if not schema[name].abstract]
        expected = f"one of the types that extend it ({', '.join(names) or 'there are none'}), because it is abstract"
        raise InvalidValue(type=block.type, attribute="entity_type", value=block.type, expected=expected)
    _check_ids(block.type, block.ids)
    if len(set(block.ids)) != len(block.ids):
        twice = show_id(_first_twice(block.ids))
        raise NotUnique(type=block.type, attributes=("id",), values=(twice,), entity=twice, existing=twice)


def _check_update(schema: Schema, block: Update, faults: Faults) -> None:
    _check_changed(schema, block)


def _check_delete(schema: Schema, block: Delete, faults: Faults) -> None:
    _check_changed(schema, block)


def _check_changed(schema: Schema, block: Update | Delete) -> None:
    schema[block.type]
    _check_ids(block.type, block.ids)
    if len(set(block.ids)) != len(block.ids):
        twice = show_id(_first_twice(block.ids))
        raise InvalidValue(type=block.type, attribute="id", value=twice, expected="each entity once in an operation")
    if block.base:
        _check_length(block.type, "base", block.base, len(block.ids))
        if not set(map(type, block.base)) <= {int}:
            raise InvalidValue(type=block.type, attribute="base", value=block.base[0], expected="revisions")


def _check_columns(schema: Schema, block: Create | Update, faults: Faults) -> Plan[None]:
    attributes = schema.attributes(block.type)
    for name, values in block.columns.items():
        attribute = attributes.get(name) or schema.attribute(block.type, name)
        if not attribute.writable or not attribute.stored:
            value = shown(values[0], attribute) if values else None
            raise InvalidValue(type=block.type, attribute=name, value=value, expected=_why_not(attribute))
        _check_length(block.type, name, values, len(block.ids))
        if wrong_at(values, attribute) is not None:
            faults.add(_wrong_values(block.type, attribute, block.ids, values))
        yield from divided(len(values))


def _why_not(attribute: Attribute) -> str:
    if attribute.name in SYSTEM:
        return "no value: the room keeps it"
    if attribute.computed is not None:
        return "no value: it is computed"
    if attribute.kind == "collection":
        return f"no value: its members are set through {attribute.target}.{attribute.inverse}"
    return f"no value here: {attribute.kind} change through operations of their own"


def _wrong_values(type_name: str, attribute: Attribute, ids: Sequence[bytes], values: Sequence[Any]) -> Iterator[Fault]:
    """Every wrong value of a column that has one. Values are looked at singly: this is no longer a fast path."""
    for entity, value in zip(ids, values, strict=True):
        wrong = wrong_at([value], attribute)
        if wrong is not None:
            error = InvalidValue(
                type=type_name,
                attribute=attribute.name,
                entity=show_id(entity),
                value=value,
                expected=wrong[1],
            )
            yield Fault(type_name, entity, error)


def _check_link(schema: Schema, block: Link, faults: Faults) -> None:
    attribute = _relation(schema, block.type, block.attribute, "links")
    _check_pairs(block)
    if not block.notes:
        return
    _check_length(block.type, "notes", block.notes, len(block.sources))
    if not attribute.notes and set(block.notes) != {None}:
        value = next(note for note in block.notes if note is not None)
        raise InvalidValue(type=block.type, attribute=block.attribute, value=value, expected="no notes on its links")
    if wrong_at(block.notes, _TEXT) is not None:
        note_of = msgspec.structs.replace(_TEXT, name=block.attribute)
        faults.add(_wrong_values(block.type, note_of, block.sources, block.notes))


def _check_unlink(schema: Schema, block: Unlink, faults: Faults) -> None:
    _relation(schema, block.type, block.attribute, "links")
    _check_pairs(block)


def _check_pairs(block: Link | Unlink) -> None:
    _check_ids(block.type, block.sources)
    _check_ids(block.type, block.targets)
    _check_length(block.type, "targets", block.targets, len(block.sources))


def _check_set_keys(schema: Schema, block: SetKeys, faults: Faults) -> None:
    attribute = _relation(schema, block.type, block.attribute, "mapping")
    _check_keys(block, faults)
    _check_length(block.type, "values", block.values, len(block.ids))
    values_are = mapping_values(attribute)
    if None in block.values or wrong_at(block.values, values_are) is not None:
        faults.add(_wrong_entries(block, values_are))


def _wrong_entries(block: SetKeys, attribute: Attribute) -> Iterator[Fault]:
    yield from _wrong_values(block.type, attribute, block.ids, block.values)
    for entity, value in zip(block.ids, block.values, strict=True):
        if value is None:
            expected = f"{KINDS[attribute.kind].expected(attribute)} (a key that is to have no value is deleted)"
            error = InvalidValue(
                type=block.type, attribute=block.attribute, entity=show_id(entity), value=None, expected=expected
            )
            yield Fault(block.type, entity, error)


def _check_drop_keys(schema: Schema, block: DropKeys, faults: Faults) -> None:
    _relation(schema, block.type, block.attribute, "mapping")
    _check_keys(block, faults)


def _check_keys(block: SetKeys | DropKeys, faults: Faults) -> None:
    _check_ids(block.type, block.ids)
    _check_length(block.type, "keys", block.keys, len(block.ids))
    _check_text(block.type, block.attribute, block.keys, null=False)


def _check_publish(schema: Schema, event: Publish, faults: Faults) -> None:
    _check_text("Publish", "topic", [event.topic], null=False)
    for name in ("target", "source", "reply_to"):
        _check_text("Publish", name, [getattr(event, name)])
    if not event.topic:
        raise InvalidValue(type="Publish", attribute="topic", value="", expected="a topic")
    if event.topic.startswith(RESERVED) and event.topic != REPLY:
        expected = f"a topic that does not begin with {RESERVED!r}"
        raise InvalidValue(type="Publish", attribute="topic", value=event.topic, expected=expected)
    _check_json("data", event.data)
    _check_json("origin", event.origin)


def _check_json(name: str, value: Any) -> None:
    try:
        canonical_json(value)
    except WrongValue as error:
        raise InvalidValue(type="Publish", attribute=name, value=value, expected=str(error)) from None
    try:
        msgspec.msgpack.encode(value)
    except (OverflowError, RecursionError):
        expected = "whole numbers of 64 bits"
        raise InvalidValue(type="Publish", attribute=name, value=value, expected=expected) from None


@lru_cache(maxsize=1000)
def mapping_values(attribute: Attribute) -> Attribute:
    """What the values of a mapping attribute must be, as an attribute."""
    return Attribute(name=attribute.name, kind=attribute.of)


def _relation(schema: Schema, type_name: str, name: str, kind: str) -> Attribute:
    attribute = schema.attribute(type_name, name)
    if attribute.kind != kind:
        raise InvalidValue(type=type_name, attribute=name, value=attribute.kind, expected=f"a {kind} attribute here")
    return attribute


def _check_ids(type_name: str, ids: Sequence[Any]) -> None:
    if set(map(type, ids)) <= {bytes} and set(map(len, ids)) <= {16}:
        return
    wrong = next(each for each in ids if type(each) is not bytes or len(each) != 16)
    raise InvalidValue(type=type_name, attribute="id", value=wrong, expected="an id of 16 bytes")


def _first_twice(ids: Sequence[bytes]) -> bytes:
    seen: set[bytes] = set()
    return next(each for each in ids if each in seen or seen.add(each))  # type: ignore[func-returns-value]


def _check_length(type_name: str, name: str, values: Sequence[Any], count: int) -> None:
    if len(values) != count:
        expected = f"{count} values, one for each entity"
        raise InvalidValue(type=type_name, attribute=name, value=f"{len(values)} values", expected=expected)


def _check_text(type_name: str, name: str, texts: Sequence[Any], *, null: bool = True) -> None:
    wrong = wrong_at(texts, _TEXT)
    if wrong is not None:
        raise InvalidValue(type=type_name, attribute=name, value=texts[wrong[0]], expected=wrong[1])
    if not null and None in texts:
        raise InvalidValue(type=type_name, attribute=name, value=None, expected="text")


_CHECKS: dict[type, Any] = {
    Create: _check_create,
    Update: _check_update,
    Delete: _check_delete,
    Link: _check_link,
    Unlink: _check_unlink,
    SetKeys: _check_set_keys,
    DropKeys: _check_drop_keys,
    Publish: _check_publish,
}
