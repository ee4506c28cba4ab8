"""The types that accounts need in the database `main`, and what a schema lacks of them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

from ..errors import InvalidSchema
from ..model.operations import ChangeAttribute, Operation
from ..model.schema import Attribute, EntityType, Schema
from ..model.schema_diff import diff
from ..model.schema_file import SchemaDocument, load_text
from .account_changes import ACCOUNTS_DATABASE
from .catalog import Catalog

__all__ = ["account_operations", "core_types", "keep_account_types"]


@cache
def core_types() -> Schema:
    """The types of accounts."""
    text = files("recordroom").joinpath("templates/core.toml").read_text(encoding="utf-8")
    return load_text(text, where="core.toml").schema


def account_operations(schema: Schema) -> list[Operation]:
    """What gives a schema the types of accounts that it misses, whole or in part."""
    core = core_types()
    types = [_missing(schema, each) if each.name in schema else each for each in core.values()]
    wanted = tuple(each for each in types if each.name not in schema or each.attributes)
    there = frozenset(each.name for each in wanted if each.name in schema)
    return list(diff(schema, SchemaDocument(types=wanted, source="accounts", partial=there)).operations)


def _missing(schema: Schema, wanted: EntityType) -> EntityType:
    """A type with the attributes that the one in `schema` misses, or has without being unique."""
    if schema[wanted.name].abstract:
        raise InvalidSchema(where=wanted.name, reason="accounts need this type, and it is abstract here")
    own = {each.name: each for each in schema[wanted.name].attributes}
    found = schema.attributes(wanted.name)
    missing = []
    for attribute in wanted.attributes:
        present = found.get(attribute.name)
        if present is None:
            missing.append(attribute)
            continue
        _check_same(wanted.name, present, attribute)
        if attribute.unique and not present.unique and attribute.name in own:
            missing.append(msgspec.structs.replace(own[attribute.name], unique=True))
    return msgspec.structs.replace(schema[wanted.name], attributes=tuple(missing))


def _check_same(type_name: str, present: Attribute, wanted: Attribute) -> None:
    """InvalidSchema where an attribute of accounts is there and is another thing."""
    facts = {"type": type_name, "attribute": wanted.name}
    kinds = [f"{'many ' if each.multi else ''}{each.kind}" for each in (present, wanted)]
    if present.computed is not None or present.derived:
        kinds[0] = "computed" if present.computed is not None else f"the other side of {present.target}"
    reason = ""
    if kinds[0] != kinds[1]:
        reason = f"accounts need it as {kinds[1]}, and here it is {kinds[0]}"
    elif present.target != wanted.target:
        reason = f"accounts need it to refer to {wanted.target}, and here it refers to {present.target}"
    elif not set(wanted.choices) <= set(present.choices):
        reason = (
            f"accounts need the choices {', '.join(wanted.choices)}, and here they are {', '.join(present.choices)}"
        )
    if reason:
        raise InvalidSchema(where=f"{type_name}.{wanted.name}", reason=reason, **facts)


def keep_account_types(before: Catalog, after: Catalog) -> None:
    """InvalidSchema where a change of the schema makes something else of what accounts have, such as names that two share.

    What is dropped on purpose comes back with the next activation.
    """
    if before.database == ACCOUNTS_DATABASE and "Rule" in before.schema and not _changed(before.schema):
        changed = _changed(after.schema)
        if changed:
            reason = "accounts need it as it was: who may log in and what they may do depends on it"
            raise InvalidSchema(where=changed[0], reason=reason)


def _changed(schema: Schema) -> list[str]:
    """What is there of the types of accounts, and is another thing."""
    try:
        operations = account_operations(schema)
    except InvalidSchema as error:
        return [str(error.where)]
    return [f"{each.type}.{each.attribute.name}" for each in operations if isinstance(each, ChangeAttribute)]
