"""What a schema becomes by a schema operation. Pure: rows are not looked at.

`evolve(schema, operation)` gives the new schema with every mention of a renamed thing renamed;
`renames(schema, operation)` says which names went where. Whether the result is a valid schema is for
`schema_rules`; whether rows contradict it, for the store.

A type that extended none and is put under another gives up the attributes that it shares with what is above it now:
those of the same name, kind and target *move up*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec.structs import replace

from ..errors import InvalidSchema
from .expression_names import rename_first
from .operations import (
    ChangeAttribute,
    ChangeType,
    DefineAttribute,
    DefineType,
    DropAttribute,
    DropType,
    Operation,
    RenameAttribute,
    RenameType,
)
from .schema import SYSTEM, Attribute, EntityType, Schema

__all__ = ["Renames", "evolve", "moved_up", "renames"]

# ("Task", "") → ("Job", "") for a type, ("Task", "name") → ("Task", "title") for an attribute
Renames = Mapping[tuple[str, str], tuple[str, str]]


def evolve(schema: Schema, operation: Operation) -> Schema:
    """The schema after `operation`; UnknownType, UnknownAttribute or InvalidSchema where it cannot be done."""
    try:
        change = _CHANGES[type(operation)]
    except KeyError:
        raise TypeError(f"{type(operation).__name__} is not a schema operation") from None
    return Schema(change(schema, operation), schema.revision)


def renames(schema: Schema, operation: Operation) -> Renames:
    """The names that `operation`, carried out on `schema`, replaces by others; those that move up included."""
    if isinstance(operation, RenameType):
        return {(operation.name, ""): (operation.to, "")}
    if isinstance(operation, RenameAttribute):
        return {(operation.type, operation.name): (operation.type, operation.to)}
    if isinstance(operation, ChangeType):
        name = operation.definition.name
        return {(name, each): (owner, each) for each, owner in moved_up(schema, schema, operation.definition).items()}
    return {}


def moved_up(old: Schema, above: Schema, definition: EntityType) -> dict[str, str]:
    """The attributes that a type of `old` gives up when it becomes `definition`, each with the type that has it then.

    `above` has the types that it extends then.
    """
    name = definition.name
    if not definition.extends or name not in old or old[name].extends or definition.extends not in above:
        return {}
    lineage = above.ancestors(definition.extends)
    if name in lineage:
        return {}
    declared = {_identity(each): owner for owner in lineage for each in above[owner].attributes}
    return {each.name: declared[_identity(each)] for each in old[name].attributes if _identity(each) in declared}


def _identity(attribute: Attribute) -> tuple[str, str, str]:
    """What an attribute that moves up shares with the one that it becomes."""
    return attribute.name, attribute.kind, attribute.target


def _define_type(schema: Schema, operation: DefineType) -> Iterable[EntityType]:
    definition = operation.definition
    if definition.name in schema:
        raise InvalidSchema(where=definition.name, reason="there is a type of that name")
    return [*schema.values(), definition]


def _change_type(schema: Schema, operation: ChangeType) -> Iterable[EntityType]:
    old = schema[operation.definition.name]
    gone = moved_up(schema, schema, operation.definition)
    return _with(
        schema,
        replace(operation.definition, attributes=tuple(each for each in old.attributes if each.name not in gone)),
    )


def _rename_type(schema: Schema, operation: RenameType) -> Iterable[EntityType]:
    old, new = schema[operation.name].name, operation.to
    if new in schema and new != old:
        raise InvalidSchema(where=new, reason="there is a type of that name")

    def renamed(name: str) -> str:
        return new if name == old else name

    return [
        replace(
            each,
            name=renamed(each.name),
            extends=renamed(each.extends),
            attributes=tuple(replace(one, target=renamed(one.target)) for one in each.attributes),
        )
        for each in schema.values()
    ]


def _drop_type(schema: Schema, operation: DropType) -> Iterable[EntityType]:
    name = schema[operation.name].name
    below = schema.subtypes(name)[1:]
    if below:
        raise InvalidSchema(where=name, reason=f"{', '.join(below)} extends it")
    referring = [
        f"{each.name}.{one.name}"
        for each in schema.values()
        for one in each.attributes
        if one.target == name and each.name != name
    ]
    if referring:
        reason = f"{', '.join(referring)} refers to it; drop or change that first"
        raise InvalidSchema(where=name, reason=reason, referring=referring)
    return [each for each in schema.values() if each.name != name]


def _define_attribute(schema: Schema, operation: DefineAttribute) -> Iterable[EntityType]:
    owner = schema[operation.type]
    if any(each.name == operation.attribute.name for each in owner.attributes):
        where = f"{operation.type}.{operation.attribute.name}"
        raise InvalidSchema(where=where, reason="there is an attribute of that name")
    return _with(schema, replace(owner, attributes=(*owner.attributes, operation.attribute)))


def _change_attribute(schema: Schema, operation: ChangeAttribute) -> Iterable[EntityType]:
    new = operation.attribute
    owner = schema[operation.type]
    _declared(schema, operation.type, new.name)
    return _with(schema, replace(owner, attributes=tuple(new if a.name == new.name else a for a in owner.attributes)))


def _rename_attribute(schema: Schema, operation: RenameAttribute) -> Iterable[EntityType]:
    old, new = operation.name, operation.to
    owner = schema[operation.type]
    attribute = _declared(schema, operation.type, old)
    if new in schema.attributes(operation.type) and new != old:
        raise InvalidSchema(where=f"{operation.type}.{new}", reason="there is an attribute of that name")
    attributes = tuple(replace(a, name=new) if a is attribute else a for a in owner.attributes)
    changed = dict(schema.items())
    changed[owner.name] = replace(owner, attributes=attributes)
    for name in schema.subtypes(owner.name):
        below = changed[name]
        sets = tuple(tuple(new if each == old else each for each in one) for one in below.unique)
        display = new if below.display == old else below.display
        initials = tuple(
            (new if each == old else each, rename_first(expression, old, new)) for each, expression in below.initials
        )
        named = tuple(_naming(each, old, new) for each in below.attributes)
        changed[name] = replace(below, unique=sets, display=display, initials=initials, attributes=named)
    return changed.values()


def _naming(attribute: Attribute, old: str, new: str) -> Attribute:
    """What it computes with `old` renamed where a path begins with it; paths of other types are left as they are."""
    if attribute.computed is None and attribute.initial is None and attribute.numbered != old:
        return attribute
    computed, initial = (
        None if each is None else rename_first(each, old, new) for each in (attribute.computed, attribute.initial)
    )
    numbered = new if attribute.numbered == old else attribute.numbered
    return replace(attribute, computed=computed, initial=initial, numbered=numbered)


def _drop_attribute(schema: Schema, operation: DropAttribute) -> Iterable[EntityType]:
    owner = schema[operation.type]
    attribute = _declared(schema, operation.type, operation.name)
    return _with(schema, replace(owner, attributes=tuple(each for each in owner.attributes if each is not attribute)))


_CHANGES: dict[type, Callable[[Schema, Any], Iterable[EntityType]]] = {
    DefineType: _define_type,
    ChangeType: _change_type,
    RenameType: _rename_type,
    DropType: _drop_type,
    DefineAttribute: _define_attribute,
    ChangeAttribute: _change_attribute,
    RenameAttribute: _rename_attribute,
    DropAttribute: _drop_attribute,
}


def _with(schema: Schema, changed: EntityType) -> list[EntityType]:
    return [changed if each.name == changed.name else each for each in schema.values()]


def _declared(schema: Schema, type_name: str, name: str) -> Attribute:
    """The attribute `name` that `type_name` itself declares."""
    for attribute in schema[type_name].attributes:
        if attribute.name == name:
            return attribute
    found = schema.attribute(type_name, name)
    where = f"{type_name}.{name}"
    if name in SYSTEM:
        raise InvalidSchema(where=where, reason="every type has this attribute; it cannot be changed")
    if found.derived:
        reason = f"it is the other side of {found.target}.{found.inverse}; change that"
        raise InvalidSchema(where=where, reason=reason)
    owner = schema.owner(type_name, name)
    raise InvalidSchema(where=where, reason=f"{owner} declares it; change it there")
