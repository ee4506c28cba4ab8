"""Expressions that give new entities their first values: read, resolved, and put in order.

They are values of the query language over the new entity and what it refers to, without collections. `$actor` is the
user who commits, `now()` the moment and `today()` the day (UTC) of the commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..errors import InvalidQuery
from ..model.expression_names import calls_as_parameters
from ..model.schema import Attribute, Schema
from .grammar import parse_value
from .limits import check_size
from .resolve_values import Context, Scope, ValueResolver, invalid, is_constant
from .resolved import Arithmetic, Bound, Convert, Function, Get, Root, Row, Through, Value, ValueType
from .syntax import Parameter

__all__ = ["ACTOR", "NOW", "TODAY", "Initial", "initial_of", "initials_of", "is_of_the_commit", "reads"]

ACTOR, NOW, TODAY = "actor", "now", "today"
# What stands for them while an expression is resolved: what is read as a value of the kind that is wanted.
_STANDINS: Mapping[str, Any] = {ACTOR: bytes(16), NOW: "2000-01-01T00:00:00Z", TODAY: "2000-01-01"}
_MOMENTS = frozenset({NOW, TODAY})
_KNOWN = frozenset({"id", "number", "entity_type"})


class Initial(NamedTuple):
    """What gives an attribute its first value: `value`, over a root of number 0; or a number within the reference `within`."""

    attribute: Attribute
    value: Value | None
    within: str = ""


def initials_of(schema: Schema, type_name: str) -> tuple[Initial, ...]:
    """What the room gives to new entities of a type, each behind what it is made of; InvalidQuery or UnknownName."""
    found = {name: _read(schema, type_name, name, text) for name, text in schema.initials(type_name).items()}
    for name, within in schema.numbered(type_name).items():
        found[name] = Initial(schema.attribute(type_name, name), None, within)
    needed = {name: {each for each in _own_reads(initial) if each in found} for name, initial in found.items()}
    ordered: dict[str, Initial] = {}
    for name in found:
        _place(name, (), needed, found, ordered)
    return tuple(ordered.values())


def _place(
    name: str,
    above: tuple[str, ...],
    needed: Mapping[str, set[str]],
    found: Mapping[str, Initial],
    ordered: dict[str, Any],
) -> None:
    if name in above:
        circle = " → ".join((*above[above.index(name) :], name))
        raise InvalidQuery(reason=f"initial values are made of each other in a circle: {circle}")
    if name in ordered:
        return
    for each in sorted(needed[name]):
        _place(each, (*above, name), needed, found, ordered)
    ordered[name] = found[name]


def initial_of(schema: Schema, type_name: str, name: str) -> Initial:
    """How the room finds the first value of one attribute that has an expression."""
    return _read(schema, type_name, name, schema.initials(type_name)[name])


def _read(schema: Schema, type_name: str, name: str, text: str) -> Initial:
    attribute = schema.attribute(type_name, name)
    tree = parse_value(calls_as_parameters(text, _MOMENTS))
    check_size(tree)
    resolver = ValueResolver(Context(schema, _STANDINS))
    wanted = ValueType(attribute.kind, attribute.choices if attribute.kind == "choice" else (), attribute.target)
    scope = Scope(Root(0, type_name), type_name)
    value = resolver.value(tree, scope, None, wanted if is_constant(tree) else None)
    value = resolver.converted(value, wanted, "the initial value")
    _check(value)
    return Initial(attribute, value)


def _parts(value: Value) -> Iterator[Value]:
    """The value and everything that it is made of."""
    yield value
    match value:
        case Function():
            for each in value.arguments:
                yield from _parts(each)
        case Arithmetic():
            yield from _parts(value.left)
            yield from _parts(value.right)
        case Convert():
            yield from _parts(value.value)


def _check(value: Value) -> None:
    for part in _parts(value):
        match part:
            case Get(row=Root() | Through()) if part.name in _KNOWN or part.name not in (
                "revision",
                "created_revision",
            ):
                continue
            case Function() | Arithmetic() | Convert() | Bound():
                continue
        raise invalid(
            "an initial value is made of attributes of the new entity and of what it refers to, "
            "without collections, mappings, revisions and moments of changes"
        )


def is_of_the_commit(initial: Initial) -> bool:
    """Whether a value depends on who makes a commit, or when."""
    parts = () if initial.value is None else _parts(initial.value)
    return any(isinstance(each, Bound) and isinstance(each.source, Parameter) for each in parts)


def reads(value: Value) -> Iterator[tuple[tuple[str, ...], str]]:
    """(references on the way, attribute) of everything that a value reads, from the entity that it is for."""
    for part in _parts(value):
        if isinstance(part, Get):
            yield _way(part.row), part.name


def _way(row: Row) -> tuple[str, ...]:
    return (*_way(row.row), row.attribute) if isinstance(row, Through) else ()


def _own_reads(initial: Initial) -> set[str]:
    """The attributes of the entity itself that have to be known before."""
    if initial.value is None:
        return {initial.within}
    return {(*way, name)[0] for way, name in reads(initial.value)}
