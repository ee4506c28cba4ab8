"""What the schema of a room lacks of a template: types and attributes that are missing, and nothing that people changed.

A type of the same name gains what it misses: attributes, unique sets, choices, the other side of a relation, what the
room gives by itself, and a type to extend where it extends none. Everything else of it stays as it is in the room. What
has the same name and is another thing is refused, and nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from ..errors import InvalidSchema
from .schema import Attribute, EntityType, Schema
from .schema_diff import SchemaPlan, diff
from .schema_file import SchemaDocument
from .template import Template, check_same

__all__ = ["missing_schema"]

_GIVEN = ("initial", "follows", "numbered")  # what the room gives by itself
_SAID = "the template has it as"


def missing_schema(schema: Schema, template: Template) -> SchemaPlan:
    """The plan that gives `schema` what it lacks of a template; InvalidSchema, with the place, where they contradict."""
    try:
        types = [each for wanted in template.types for each in _missing(schema, wanted)]
        kept = frozenset(each.name for each in types if each.name in schema and _settings(each, schema[each.name]))
        return diff(schema, SchemaDocument(types=tuple(types), source=template.name, partial=kept))
    except InvalidSchema as problem:
        if "type" not in problem.facts:
            raise
        raise template.located(problem) from None


def _settings(one: EntityType, other: EntityType) -> bool:
    """Whether two types differ in their attributes at most."""
    return replace(one, attributes=()) == replace(other, attributes=())


def _missing(schema: Schema, wanted: EntityType) -> Iterator[EntityType]:
    """A type with what the one in `schema` misses; nothing where it misses nothing."""
    if wanted.name not in schema:
        yield wanted
        return
    present = schema[wanted.name]
    unique = tuple(each for each in wanted.unique if set(each) not in map(set, present.unique))
    known = {name for name, _ in present.initials}
    changed = replace(
        present,
        extends=_extends(schema, present, wanted),
        initials=(*present.initials, *(each for each in wanted.initials if each[0] not in known)),
        unique=(*present.unique, *unique),
        attributes=tuple(_attributes(schema, wanted)),
    )
    if changed.attributes or not _settings(changed, present):
        yield changed


def _extends(schema: Schema, present: EntityType, wanted: EntityType) -> str:
    facts = {"type": wanted.name, "attribute": "", "unknown": False}
    if present.abstract != wanted.abstract:
        reason = f"here it is {_abstract(present)}, and the template has it {_abstract(wanted)}"
        raise InvalidSchema(where=wanted.name, reason=reason, **facts)
    if not present.extends or not wanted.extends or wanted.extends in schema.ancestors(wanted.name):
        return present.extends or wanted.extends
    reason = f"here it extends {present.extends}, and in the template {wanted.extends}"
    raise InvalidSchema(where=wanted.name, reason=reason, **facts)


def _abstract(entity_type: EntityType) -> str:
    return "abstract" if entity_type.abstract else "not abstract"


def _attributes(schema: Schema, wanted: EntityType) -> Iterator[Attribute]:
    own = {each.name for each in schema[wanted.name].attributes}
    found = schema.attributes(wanted.name)
    for attribute in wanted.attributes:
        present = found.get(attribute.name)
        if present is None:
            yield attribute
            continue
        check_same(wanted.name, present, attribute, _SAID)
        changes = _changes(present, attribute)
        if changes and attribute.name in own:
            yield replace(present, **changes)


def _changes(present: Attribute, wanted: Attribute) -> dict[str, Any]:
    """What an attribute that is there misses."""
    changes: dict[str, Any] = {}
    choices = tuple(each for each in wanted.choices if each not in present.choices)
    if choices:
        changes["choices"] = (*present.choices, *choices)
    if wanted.reverse and not present.reverse:
        changes["reverse"] = wanted.reverse
    for name in _GIVEN:
        if getattr(wanted, name) and not getattr(present, name):
            changes[name] = getattr(wanted, name)
    return changes
