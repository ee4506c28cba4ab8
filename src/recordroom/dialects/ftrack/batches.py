"""Batches of create, update and delete as they are sent, checked for their form."""

from __future__ import annotations

from typing import Any

import msgspec

from ...errors import InvalidRequest, InvalidValue
from ...model.ids import as_id
from .names import Names, Type

__all__ = ["WRITES", "Change", "change_of", "key_of"]

WRITES = ("create", "update", "delete")


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of a batch. `key` is what its entity is known by, `data` what it sets, without what marks types."""

    action: str
    type: Type
    key: tuple[str, ...]
    data: dict[str, Any]

    @property
    def id(self) -> bytes:
        """The id of an entity that has one."""
        try:
            return as_id(self.key[0])
        except (ValueError, TypeError):
            expected = "an id of 36 characters"
            raise InvalidValue(type=self.type.name, attribute="id", value=self.key[0], expected=expected) from None


def change_of(names: Names, operation: dict[str, Any]) -> Change:
    """An operation as it was sent; InvalidRequest where it has not the form of one."""
    action, kind = str(operation["action"]), operation.get("entity_type")
    if not isinstance(kind, str):
        raise InvalidRequest(reason=f"{action}: entity_type is the name of a type")
    type = names[kind]
    data = operation.get("entity_data") or {}
    if not isinstance(data, dict):
        raise InvalidRequest(reason=f"{action}: entity_data is an object")
    given = operation.get("entity_key")
    if given is None:
        given = [data.get(each) for each in type.key]
    key = [given] if isinstance(given, str) else given
    if not isinstance(key, list) or len(key) != len(type.key) or not all(isinstance(each, str) for each in key):
        raise InvalidRequest(reason=f"{action}: entity_key of {kind} is a list of {len(type.key)} texts")
    plain = {name: value for name, value in data.items() if name != "__entity_type__"}
    for name, value in plain.items():
        field = type.fields.get(name)
        if field is not None and field.many:
            _check_list(kind, name, value)
    return Change(action=action, type=type, key=tuple(key), data=plain)


def _check_list(kind: str, name: str, value: Any) -> None:
    if value is not None and not (isinstance(value, list) and all(isinstance(each, dict) for each in value)):
        raise InvalidValue(type=kind, attribute=name, value=value, expected="a list of references")


def key_of(type: Type, reference: Any) -> tuple[str, ...]:
    """The key in a reference; InvalidValue where it is not whole."""
    found = tuple(reference.get(each) for each in type.key) if isinstance(reference, dict) else (reference,)
    if len(found) != len(type.key) or not all(isinstance(each, str) for each in found):
        raise InvalidValue(type=type.name, attribute="id", value=reference, expected="a reference with its whole key")
    return tuple(map(str, found))
