"""The schemas that ftrack's client builds its classes from, and their hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from . import tables
from .configurations import Configuration, object_types
from .names import Field, Names, Type

__all__ = ["VERSION", "Described", "described", "hash_of", "schemas_of"]

# The version of ftrack's server whose API this is like.
VERSION = "4.13.0"

_TYPES = {"integer": "integer", "number": "number", "decimal": "number", "boolean": "boolean", "json": "variable"}
_MOMENTS = ("datetime", "date")


class Described(NamedTuple):
    """The schemas as they are sent, and their hash."""

    body: bytes
    hash: str


_MOST = 8
_made: dict[tuple[str, bytes], Described] = {}


def schemas_of(names: Names, configurations: Sequence[Configuration]) -> Described:
    """The schemas; made once for as long as types and custom attributes are what they are."""
    key = (names.schema.hash, msgspec.json.encode(configurations))
    found = _made.get(key)
    if found is None:
        while len(_made) >= _MOST:
            del _made[next(iter(_made))]
        made = described(names, configurations)
        found = _made[key] = Described(msgspec.json.encode(made), hash_of(made))
    return found


def described(names: Names, configurations: Iterable[Configuration] = ()) -> list[dict[str, Any]]:
    """Every type of the dialect as a schema. What is a custom attribute is told of as such only."""
    custom = {(each, found.native) for found in configurations for each in found.natives(names.schema)}
    return [_schema(names, type, _hidden(names, type, custom)) for _, type in sorted(names.types.items())]


def hash_of(schemas: list[dict[str, Any]]) -> str:
    """The hash that the client compares with that of the schemas it keeps."""
    return hashlib.md5(json.dumps(schemas, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _hidden(names: Names, type: Type, custom: set[tuple[str, str]]) -> set[str]:
    if len(type.natives) != 1:
        return set()
    lineage = names.schema.ancestors(type.native)
    return {attribute for native, attribute in custom if native in lineage}


def _schema(names: Names, type: Type, hidden: set[str]) -> dict[str, Any]:
    fields = [each for each in type.fields.values() if each.name not in hidden]
    made = {each.name: _fragment(names, type, each) for each in fields}
    # The client cannot read a list that is immutable.
    whole = [each for each in fields if made[each.name].get("type") != "array"]
    immutable = [each.name for each in whole if each.fixed or each.immutable or each.name in type.key]
    return {
        "id": type.name,
        "type": "object",
        "primary_key": list(type.key),
        "properties": dict(sorted(made.items())),
        "required": sorted(each.name for each in fields if each.required),
        "immutable": sorted(immutable),
        "computed": sorted(each.name for each in fields if each.fixed),
        "default_projections": list(type.projections),
        **_alias(names, type),
    }


def _alias(names: Names, type: Type) -> dict[str, Any]:
    number = _object_type(names, type)
    if number is not None:
        return {"alias_for": {"id": "Task", "classifiers": {"object_typeid": number}}}
    return {"alias_for": tables.ALIASES[type.name]} if type.name in tables.ALIASES else {}


def _fragment(names: Names, type: Type, field: Field) -> dict[str, Any]:
    match field.form:
        case "id":
            return {"type": "string", "default": "{uid}"}
        case "key":
            return _key(names, type, field)
        case "reference":
            return {"$ref": field.target}
        case "collection" | "pairs":
            return {"type": "array", "items": {"$ref": field.target}}
        case "metadata" | "custom":
            return {"type": "mapped_array", "items": {"$ref": field.target}}
        case "worked":
            return _worked(names, type, field)
        case "typed":
            return _typed(type, field)
    return _scalar(field)


def _object_type(names: Names, type: Type) -> str | None:
    return object_types(names.schema).get(type.native) if len(type.natives) == 1 else None


def _key(names: Names, type: Type, field: Field) -> dict[str, Any]:
    number = _object_type(names, type)
    if field.name == "object_type_id" and number is not None:
        return {"type": "string", "default": number}
    return {"type": "string", "format": "foreign_key"}


def _typed(type: Type, field: Field) -> dict[str, Any]:
    if field.name != "resource_type":
        return {"type": "string"}
    return {"type": "string", "default": (field.typed or {}).get("", "")}


def _worked(names: Names, type: Type, field: Field) -> dict[str, Any]:
    for native in names.schema.ancestors(type.native):
        found = tables.WORKED.get((native, field.name))
        if found is not None:
            return found
    raise KeyError(field.name)


def _scalar(field: Field) -> dict[str, Any]:
    if field.multi:
        return {"type": "variable"}
    if field.kind in _MOMENTS:
        return {"type": "string", "format": "date-time"}
    if field.kind == "choice":
        told = field.told or {}
        return {"type": "string", "enum": [each for each in field.choices if each not in told]}
    return {"type": _TYPES.get(field.kind, "string")}
