"""Rules of a whole schema: `problems` lists what breaks them, `validate` gives the schema in its normal form.

Normal form: defaults are raw scalars, lists are tuples. A default may be given as a Python value or as a
raw scalar; for `json`, text is JSON text. Every problem is an InvalidSchema whose facts name `type` and
`attribute` (or ""), and `unknown` where it only says that a type or attribute is not there. The
expressions of computed and initial attributes are not looked into.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from ..errors import InvalidSchema
from .kinds import KINDS, MAX_INTEGER, MIN_INTEGER, RAW, Storage, Text, WrongValue, check, dump_column, wrong_at
from .schema import SYSTEM, Attribute, EntityType, Schema, close_names

__all__ = ["MAX_NAME", "close_kinds", "normal_form", "problems", "problems_together", "validate"]

MAX_NAME = 60
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Columns that the tables of the past and PostgreSQL itself have.
_RESERVED = frozenset({"until", "tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"})
_NONE: Mapping[str, EntityType] = {}
_NUMERIC = ("integer", "number", "decimal")
_OTHER_WORDS = {
    "string": "text", "str": "text", "int": "integer", "float": "number", "double": "number", "real": "number",
    "bool": "boolean", "enum": "choice", "timestamp": "datetime", "url": "hyperlink", "link": "links", "object": "json",
}  # fmt: skip


def validate(schema: Schema, known: Schema | None = None) -> Schema:
    """`schema` in its normal form; InvalidSchema for its first problem.

    `known` is a valid schema in its normal form: types that are in both are not looked at by themselves again.
    """
    for problem in _problems(schema, {} if known is None else known):
        raise problem
    return normal_form(schema)


def normal_form(schema: Schema) -> Schema:
    """`schema` in its normal form, where nothing is wrong with any of its attributes taken alone."""
    return Schema(map(_normal_type, schema.values()), schema.revision)


def problems(schema: Schema) -> list[InvalidSchema]:
    """Everything that is wrong with `schema`."""
    return list(_problems(schema))


def problems_together(schema: Schema) -> list[InvalidSchema]:
    """What is wrong with how types and attributes go together, where each attribute alone is known to be right."""
    return list(_together(schema))


def close_kinds(name: str) -> list[str]:
    """Kinds that somebody who wrote `name` may have meant."""
    known = _OTHER_WORDS.get(name.lower())
    return [known] if known else close_names(name, _declarable())


def _declarable() -> list[str]:
    return [name for name in KINDS if name != "collection"]


def _problems(schema: Schema, known: Mapping[str, EntityType] = _NONE) -> Iterator[InvalidSchema]:
    fresh = [each for name, each in schema.items() if name not in known or known[name] is not each]
    misshapen = [problem for each in fresh for problem in _shape_problems(each)]
    if misshapen:
        # The other rules rely on the types of what they look at.
        yield from misshapen
        return
    for entity_type in fresh:
        for attribute in entity_type.attributes:
            for field, reason, *suggestions in _attribute_problems(attribute):
                yield _wrong(entity_type.name, attribute.name, f"{field}: {reason}" if field else reason, suggestions)
    yield from _together(schema)


def _together(schema: Schema) -> Iterator[InvalidSchema]:
    yield from _type_name_clashes(schema)
    made = _made(schema)
    for entity_type in schema.values():
        yield from _type_problems(schema, entity_type)
        for attribute in entity_type.attributes:
            yield from _target_problems(schema, entity_type, attribute)
        yield from _clashes(schema, made, entity_type.name)
        yield from _unique_problems(schema, entity_type)
        yield from _display_problems(schema, entity_type)
        yield from _initials_problems(schema, entity_type)
        yield from _numbered_problems(schema, entity_type)


def _wrong(
    type_name: str, attribute: str, reason: str, suggestions: list[str] | None = None, *, unknown: bool = False
) -> InvalidSchema:
    where = f"{type_name}.{attribute}" if attribute else str(type_name)
    facts: dict[str, Any] = {"type": type_name, "attribute": attribute, "unknown": unknown}
    return InvalidSchema(where=where, reason=reason, suggestions=suggestions or [], **facts)


# --- shape ----------------------------------------------------------------------------------------


@cache
def _fields(struct: type[msgspec.Struct]) -> tuple[tuple[str, Any, Any], ...]:
    """(name, type, default) of every field, types resolved."""
    return tuple((field.name, field.type, field.default) for field in msgspec.structs.fields(struct))


def _shape_problems(entity_type: EntityType) -> Iterator[InvalidSchema]:
    for reason in _wrong_fields(entity_type):
        yield _wrong(entity_type.name, "", reason)
    attributes: Any = entity_type.attributes
    for attribute in attributes if isinstance(attributes, (list, tuple)) else ():
        if isinstance(attribute, Attribute):
            for reason in _wrong_fields(attribute):
                yield _wrong(entity_type.name, str(attribute.name), reason)


def _wrong_fields(struct: EntityType | Attribute) -> Iterator[str]:
    for name, wanted, default in _fields(type(struct)):
        value = getattr(struct, name)
        if value is default:
            continue
        try:
            msgspec.convert(value, wanted)
        except msgspec.ValidationError as error:
            yield f"{name}: {str(error)[:1].lower()}{str(error)[1:]}"
            continue
        if name not in ("default", "attributes") and not _is_clean(value):
            yield f"{name}: expected text without NUL and without lone surrogates"


def _is_clean(value: Any) -> bool:
    if isinstance(value, str):
        return (value.isascii() and "\0" not in value) or _encodes(value)
    return all(map(_is_clean, value)) if isinstance(value, (list, tuple)) else True


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


# --- types ----------------------------------------------------------------------------------------


def _type_name_clashes(schema: Schema) -> Iterator[InvalidSchema]:
    seen: dict[str, str] = {}
    for name in schema:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            yield _wrong(name, "", f"its name differs from that of {other} by case only")


def _name_problem(name: str) -> str:
    if not _NAME.fullmatch(name):
        return f"the name {name!r} is not a letter followed by letters, digits and _ (all of ASCII)"
    return f"a name has at most {MAX_NAME} characters, this has {len(name)}" if len(name) > MAX_NAME else ""


def _type_problems(schema: Schema, entity_type: EntityType) -> Iterator[InvalidSchema]:
    name = entity_type.name
    reason = _name_problem(name)
    if reason:
        yield _wrong(name, "", reason)
    if entity_type.versioned:
        yield _wrong(name, "", "versioned types are not supported yet; leave versioned out")
    above = entity_type.extends
    if above and above not in schema:
        yield _unknown_type(schema, name, "", "extends", above)
    elif above and name in _ancestors(schema, above):
        circle = [name, *_ancestors(schema, above)]
        yield _wrong(name, "", f"extends: {' → '.join(circle[: circle.index(name, 1) + 1])} is a circle")


def _unknown_type(schema: Schema, type_name: str, attribute: str, field: str, name: str) -> InvalidSchema:
    reason = f"{field}: there is no entity type {name!r}"
    return _wrong(type_name, attribute, reason, close_names(name, schema), unknown=True)


def _ancestors(schema: Schema, name: str) -> list[str]:
    """`name` and what it extends, nearest first, as far as that is known; also of a schema with circles."""
    found: list[str] = []
    while name in schema and name not in found:
        found.append(name)
        name = schema[name].extends
    return found


# --- attributes -----------------------------------------------------------------------------------

_Allowed = Callable[[Attribute], bool]


def _scalar(attribute: Attribute) -> bool:
    return not attribute.relation


def _has_column(attribute: Attribute) -> bool:
    return not attribute.many


def _comparable(attribute: Attribute) -> bool:
    return not attribute.many and attribute.kind != "json" and not attribute.multi


# Field → which attributes may have it, and how those are called in messages.
_ALLOWED: dict[str, tuple[_Allowed, str]] = {
    "choices": (lambda each: each.kind == "choice", "choice"),
    "min": (lambda each: each.kind in _NUMERIC, "integer, number and decimal"),
    "max": (lambda each: each.kind in _NUMERIC, "integer, number and decimal"),
    "max_length": (lambda each: isinstance(each.kind_of, Text), "kinds of text"),
    "pattern": (lambda each: isinstance(each.kind_of, Text), "kinds of text"),
    "searchable": (lambda each: not each.searchable or each.kind_of.textual, "kinds of text"),
    "multi": (lambda each: _scalar(each) and each.kind != "json", "scalar kinds other than json"),
    "computed": (_scalar, "scalar kinds"),
    "default": (_scalar, "scalar kinds"),
    "initial": (lambda each: _has_column(each) and not each.multi, "scalar kinds that are not multi, and references"),
    "follows": (lambda each: each.initial is not None, "attributes with initial"),
    "numbered": (lambda each: each.kind == "integer" and not each.multi, "integer"),
    "required": (_has_column, "scalar kinds and references"),
    "immutable": (_has_column, "scalar kinds and references"),
    "unique": (_comparable, "scalar kinds other than json that are not multi, and references"),
    "indexed": (_comparable, "scalar kinds other than json that are not multi, and references"),
    "target": (lambda each: each.kind in ("reference", "links"), "reference and links"),
    "reverse": (lambda each: each.kind in ("reference", "links"), "reference and links"),
    "on_delete": (lambda each: each.kind == "reference", "reference"),
    "notes": (lambda each: each.kind == "links", "links"),
    "of": (lambda each: each.kind == "mapping", "mapping"),
}
_NOT_COMPUTED = (
    "required", "unique", "default", "immutable", "indexed", "multi", "min", "max", "max_length", "pattern",
    "initial", "numbered",
)  # fmt: skip
_OWN = ("derived", "inverse", "system")
_Reason = tuple[Any, ...]  # field or "", what is wrong with it, and names that may have been meant


def _attribute_problems(attribute: Attribute) -> Iterator[_Reason]:
    """What is wrong with one attribute whatever the rest of the schema is like."""
    name, kind = attribute.name, attribute.kind
    reason = _name_problem(name)
    if reason:
        yield "", reason
    elif name.lower() in SYSTEM:
        yield "", f"every type has a system attribute {name.lower()!r}; choose another name"
    elif name.lower() in _RESERVED:
        yield "", f"{name!r} is reserved for the tables; choose another name"
    if kind == "collection":
        yield "kind", "a collection is the other side of a reference; give that reference a reverse name"
        return
    if kind not in KINDS:
        yield "kind", f"there is no kind {kind!r}", *close_kinds(kind)
        return
    wrong = list(_field_problems(attribute))
    yield from wrong
    if not wrong:
        yield from _default_problems(attribute)


def _field_problems(attribute: Attribute) -> Iterator[_Reason]:
    kind = attribute.kind
    given = {name for name, _, default in _fields(Attribute) if getattr(attribute, name) != default}
    for field in _OWN:
        if field in given:
            yield field, "this is set by the schema itself; leave it out"
    for field, (allowed, whose) in _ALLOWED.items():
        if field in given and not allowed(attribute):
            multi = "multi " if attribute.multi and field != "multi" else ""
            yield field, f"this is for {whose}, not for {multi}{kind}"
    if attribute.computed is not None:
        yield from _computed_problems(attribute, given)
    yield from _given_problems(attribute)
    if kind == "choice":
        yield from _choice_problems(attribute.choices)
    if kind == "mapping":
        yield from _mapping_problems(attribute.of)
    if kind in _NUMERIC:
        yield from _limit_problems(attribute)
    if isinstance(KINDS[kind], Text):
        yield from _text_problems(attribute)
    if kind == "reference" and attribute.required and attribute.on_delete == "nullify":
        yield "on_delete", 'a required reference cannot be nullified; use "restrict" or "cascade"'
    if attribute.reverse:
        reason = _name_problem(attribute.reverse)
        if reason:
            yield "reverse", reason


def _computed_problems(attribute: Attribute, given: set[str]) -> Iterator[_Reason]:
    if not (attribute.computed or "").strip():
        yield "computed", "the expression is empty"
    for field in _NOT_COMPUTED:
        if field in given:
            yield field, "a computed attribute cannot have this"
    if attribute.searchable:
        yield "searchable", "a computed attribute cannot have this"


def _given_problems(attribute: Attribute) -> Iterator[_Reason]:
    """What the room gives: one thing, and nothing where a default does."""
    if attribute.initial is not None and not attribute.initial.strip():
        yield "initial", "the expression is empty"
    if attribute.follows and attribute.immutable:
        yield "follows", "an attribute that has this is not immutable"
    given = [name for name in ("default", "initial", "numbered") if getattr(attribute, name) not in (None, "")]
    if len(given) > 1:
        yield given[1], f"an attribute that has this has no {given[0]}"


def _choice_problems(choices: tuple[str, ...]) -> Iterator[_Reason]:
    if not choices:
        yield "choices", "a choice needs at least one"
    if "" in choices:
        yield "choices", "a choice cannot be an empty text"
    twice = sorted({each for each in choices if choices.count(each) > 1})
    if twice:
        yield "choices", f"{', '.join(map(repr, twice))} is there more than once"


def _mapping_problems(of: str) -> Iterator[_Reason]:
    if of not in KINDS:
        yield "of", f"there is no kind {of!r}", *close_kinds(of)
    elif KINDS[of].relation or of == "choice":
        yield "of", f"values of a mapping are of a scalar kind other than choice, not {of}"


def _limit_problems(attribute: Attribute) -> Iterator[_Reason]:
    low, high = attribute.min, attribute.max
    for field, limit in (("min", low), ("max", high)):
        if limit is None:
            continue
        if not math.isfinite(limit):
            yield field, f"expected a finite number, got {limit}"
            return
        if isinstance(limit, int) and not MIN_INTEGER <= limit <= MAX_INTEGER:
            yield field, f"expected a number of 64 bits, got {limit}"
            return
    if low is None or high is None:
        return
    if low > high:
        yield "min", f"{low} is more than max, {high}"
    elif attribute.kind == "integer" and math.ceil(low) > math.floor(high):
        yield "min", f"there is no integer from {low} to {high}"


def _text_problems(attribute: Attribute) -> Iterator[_Reason]:
    if attribute.max_length is not None and attribute.max_length < 1:
        yield "max_length", f"expected 1 or more, got {attribute.max_length}"
    if attribute.pattern is not None:
        try:
            re.compile(attribute.pattern)
        except (re.error, OverflowError, RecursionError) as error:
            yield "pattern", f"{attribute.pattern!r} is not a regular expression: {error}"


def _default_problems(attribute: Attribute) -> Iterator[_Reason]:
    if attribute.default is None or not _scalar(attribute):
        return
    try:
        _raw_default(attribute)
    except WrongValue as error:
        yield "default", f"expected {error}, got {attribute.default!r}"


def _raw_default(attribute: Attribute) -> Any:
    """The raw scalar of a default that is one, or a Python value; WrongValue otherwise."""
    given = attribute.default
    storage = Storage.JSON if attribute.multi else attribute.kind_of.storage
    if type(given) is RAW[storage] and wrong_at([given], attribute) is None:
        return given
    if attribute.kind == "json" and isinstance(given, str):
        return dump_column([attribute.kind_of.parse(given, attribute)], attribute)[0]
    return dump_column([check(given, attribute)], attribute)[0]


def _target_problems(schema: Schema, entity_type: EntityType, attribute: Attribute) -> Iterator[InvalidSchema]:
    if attribute.kind not in ("reference", "links"):
        return
    if not attribute.target:
        yield _wrong(entity_type.name, attribute.name, f"target: {attribute.kind} needs the name of a type")
    elif attribute.target not in schema:
        yield _unknown_type(schema, entity_type.name, attribute.name, "target", attribute.target)


# --- names within a hierarchy ---------------------------------------------------------------------


class _Made(NamedTuple):
    """What gives type `on` an attribute: a declaration (`owner` is `on` then), or one whose other side it is."""

    on: str
    name: str
    owner: str
    declared: str

    @property
    def reverse(self) -> bool:
        return (self.owner, self.declared) != (self.on, self.name)

    def __str__(self) -> str:
        shown = f"{self.on}.{self.name}"
        return f"{shown}, the other side of {self.owner}.{self.declared}" if self.reverse else shown


def _made(schema: Schema) -> dict[str, list[_Made]]:
    """Type → what it has itself: what it declares, then other sides of relations."""
    found = {
        each.name: [_Made(each.name, one.name, each.name, one.name) for one in each.attributes]
        for each in schema.values()
    }
    for each in schema.values():
        for one in each.attributes:
            if one.reverse and one.kind in ("reference", "links") and one.target in schema:
                found[one.target].append(_Made(one.target, one.reverse, each.name, one.name))
    return found


def _clashes(schema: Schema, made: dict[str, list[_Made]], name: str) -> Iterator[InvalidSchema]:
    """Attributes of a type, other sides of relations included, that have the name of another or of an inherited one."""
    seen: dict[str, _Made] = {}
    for above in reversed(_ancestors(schema, name)[1:]):
        seen.update((each.name.lower(), each) for each in made[above])
    for each in made[name]:
        fold = each.name.lower()
        other = seen.setdefault(fold, each)
        if each.reverse and (fold in SYSTEM or fold in _RESERVED):
            yield _wrong(each.owner, each.declared, f"reverse: {each.name!r} is reserved; choose another name")
        if other is each:
            continue
        if each.reverse:
            reason = f"reverse: {name} would have {each.name!r} twice; there is {other}"
        else:
            reason = f"there is {other} already (names are equal whatever their case)"
        yield _wrong(each.owner, each.declared, reason)


def _visible(schema: Schema, name: str) -> dict[str, Attribute]:
    """Declared attributes of `name` and of what it extends, and the system's."""
    found = dict(SYSTEM)
    for above in reversed(_ancestors(schema, name)):
        found.update((each.name, each) for each in schema[above].attributes)
    return found


def _unknown_attribute(name: str, field: str, missing: str, visible: dict[str, Attribute]) -> InvalidSchema:
    reason = f"{field}: {name} has no attribute {missing!r}"
    return _wrong(name, "", reason, close_names(missing, visible), unknown=True)


def _unique_problems(schema: Schema, entity_type: EntityType) -> Iterator[InvalidSchema]:
    name = entity_type.name
    if not entity_type.unique:
        return
    visible = _visible(schema, name)
    seen = {frozenset({each.name}) for each in entity_type.attributes if each.unique}
    for names in entity_type.unique:
        shown = f"unique ({', '.join(names)})"
        if not names:
            yield _wrong(name, "", "unique: a set has at least one attribute")
        if len(set(names)) < len(names):
            yield _wrong(name, "", f"{shown}: an attribute is there more than once")
        if frozenset(names) in seen:
            yield _wrong(name, "", f"{shown}: these attributes are declared unique more than once")
        seen.add(frozenset(names))
        for each in names:
            attribute = visible.get(each)
            if attribute is None:
                yield _unknown_attribute(name, shown, each, visible)
            elif not _can_be_unique(attribute):
                yield _wrong(name, "", f"{shown}: {each!r} is not a stored scalar or reference that can be compared")


def _can_be_unique(attribute: Attribute) -> bool:
    known = attribute.kind in KINDS and not attribute.system
    return known and attribute.stored and _comparable(attribute)


def _display_problems(schema: Schema, entity_type: EntityType) -> Iterator[InvalidSchema]:
    name, display = entity_type.name, entity_type.display
    if not display:
        return
    visible = _visible(schema, name)
    if display not in visible:
        yield _unknown_attribute(name, "display", display, visible)
    elif visible[display].kind in KINDS and visible[display].relation:
        yield _wrong(name, "", f"display: {display!r} is a relation; name an attribute that has a value of its own")


def _initials_problems(schema: Schema, entity_type: EntityType) -> Iterator[InvalidSchema]:
    name = entity_type.name
    if not entity_type.initials:
        return
    visible = _visible(schema, name)
    seen: set[str] = set()
    for attribute, expression in entity_type.initials:
        shown = f"initials: {attribute!r}"
        if attribute not in visible:
            yield _unknown_attribute(name, "initials", attribute, visible)
        elif visible[attribute].kind in KINDS and not visible[attribute].may_be_initial:
            yield _wrong(name, "", f"{shown} is not a stored scalar or reference without a default")
        elif visible[attribute].numbered:
            yield _wrong(name, "", f"{shown} is numbered")
        if attribute in seen:
            yield _wrong(name, "", f"{shown} is there more than once")
        if not expression.strip():
            yield _wrong(name, "", f"{shown} has an empty expression")
        seen.add(attribute)


def _numbered_problems(schema: Schema, entity_type: EntityType) -> Iterator[InvalidSchema]:
    for attribute in entity_type.attributes:
        if not attribute.numbered:
            continue
        visible = _visible(schema, entity_type.name)
        within = visible.get(attribute.numbered)
        if within is None:
            references = [name for name, each in visible.items() if each.kind == "reference"]
            reason = f"numbered: {entity_type.name} has no attribute {attribute.numbered!r}"
            meant = close_names(attribute.numbered, references)
            yield _wrong(entity_type.name, attribute.name, reason, meant, unknown=True)
        elif within.kind in KINDS and within.kind != "reference":
            reason = f"numbered: it counts within a reference, and {attribute.numbered!r} is of kind {within.kind}"
            yield _wrong(entity_type.name, attribute.name, reason)


# --- normal form ----------------------------------------------------------------------------------


def _normal_type(entity_type: EntityType) -> EntityType:
    unique = tuple(map(tuple, entity_type.unique))
    initials = tuple((name, expression) for name, expression in entity_type.initials)
    attributes = tuple(map(_normal_attribute, entity_type.attributes))
    normal = (
        type(entity_type.unique) is tuple
        and all(type(each) is tuple for each in (*entity_type.unique, *entity_type.initials))
        and type(entity_type.attributes) is tuple
        and all(map(operator.is_, attributes, entity_type.attributes))
    )
    if normal:
        return entity_type
    return replace(entity_type, attributes=attributes, unique=unique, initials=initials)


def _normal_attribute(attribute: Attribute) -> Attribute:
    choices = tuple(attribute.choices)
    default = None if attribute.default is None else _raw_default(attribute)
    if default is attribute.default and choices is attribute.choices:
        return attribute
    return replace(attribute, default=default, choices=choices)
