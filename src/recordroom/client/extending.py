"""Classes that plugins give to entity types: what the hook "construct-type" returns becomes part of a type's class.

A class is plain: methods, properties and constants, and no state of its own, as one object stands for each entity. Reading
attributes goes its usual way, whatever it adds. What it gives to a type, the types that extend that type have too.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..errors import InvalidValue
from .entity import Entity, make_class
from .hooks import Hook
from .plugins import load_plugins

if TYPE_CHECKING:
    from .facts import TypeFacts
    from .session import Session

__all__ = ["Beginning", "begin", "configure", "construct"]

# What an entity is made of: a class that plugins give must leave it alone.
_RESERVED = frozenset({
    "_id", "_page", "_row", "_edits", "_open", "_session", "_facts", "_schema", "_type", "_read", "_place", "_move",
    "__init__", "__new__", "__eq__", "__hash__", "__getattribute__", "__getattr__", "__setattr__",
})  # fmt: skip

_log = logging.getLogger("recordroom.hooks")


def construct(session: Session, facts: TypeFacts, base: type[Entity]) -> type[Entity]:
    """The class of a type, with what hooks give to it. InvalidValue for two different ones, and for one that cannot be."""
    given = _given(session, facts)
    if given is None:
        return make_class(session, facts, base)
    hook, cls = given
    try:
        return make_class(session, facts, base, (cls,))
    except TypeError as error:
        expected = f"a class without state: methods, properties and constants ({error})"
        raise _wrong(hook, facts.name, cls, expected) from error


def _given(session: Session, facts: TypeFacts) -> tuple[Hook, type] | None:
    """The one class that hooks give to a type, and which of them did."""
    if not session.hooks.wants("construct-type"):
        return None
    data = {"type": facts.name, "definition": facts.schema[facts.name]}
    given = [(hook, cls) for hook, cls in session.hooks.collect("construct-type", data) if cls is not None]
    if not given:
        return None
    (first, found), *rest = given
    for hook, cls in rest:
        if cls is not found:
            raise _two(facts.name, (first, found), (hook, cls))
    _check(first, found, facts)
    return first, found


class Beginning(NamedTuple):
    """What somebody wants of a session beside its room: plugins, a cache of their own, events."""

    plugins: Sequence[str | Path] | Literal[False] | None = None
    plugin_arguments: Mapping[str, Any] | None = None
    cache: Any = None
    cache_key_maker: Any = None
    connect_events: bool = False


def begin(session: Session, wanted: Beginning) -> None:
    """What follows when a session is connected: its cache, its plugins, its hooks and, where that is wanted, its events."""
    if wanted.cache is not None:
        from .entity_cache import entity_cache

        session._cache = entity_cache(session, wanted.cache, wanted.cache_key_maker)
    session.plugins = tuple(load_plugins(session, wanted.plugins, wanted.plugin_arguments))
    configure(session, "ready")
    if wanted.connect_events:
        session.events.connect()


def configure(session: Session, end: Literal["ready", "reset"]) -> None:
    """Go through the hooks of a session that begins, or that forgot its entities."""
    if session.hooks.wants("construct-type"):
        # What is wrong with a class is told now, and not where it is met first.
        for name in session.schema:
            session._identity.cls(name)
    session.hooks.publish("configure-location")
    session.hooks.publish(end)


def _check(hook: Hook, cls: Any, facts: TypeFacts) -> None:
    if not isinstance(cls, type):
        raise _wrong(hook, facts.name, cls, "a class, or None")
    if issubclass(cls, Entity):
        raise _wrong(
            hook, facts.name, cls, "a plain class: it becomes a base of the type's class, and needs none itself"
        )
    names = {name for each in cls.__mro__ if each is not object for name in vars(each)}
    own = sorted(names & _RESERVED)
    if own:
        raise _wrong(hook, facts.name, cls, f"a class without {', '.join(own)}, which are the entity's own")
    hidden = sorted(name for name in names if name in facts.attributes)
    if hidden:
        _log.warning(
            "%r: %s hides the attributes %s of %s in expressions such as %s.%s; write %s[%r] there",
            hook, cls.__qualname__, ", ".join(hidden), facts.name, facts.name, hidden[0], facts.name, hidden[0],
        )  # fmt: skip


def _two(type_name: str, first: tuple[Hook, Any], second: tuple[Hook, Any]) -> InvalidValue:
    shown = [f"{getattr(cls, '__qualname__', cls)} by {hook!r}" for hook, cls in (first, second)]
    return InvalidValue(
        f"{type_name} got two classes: {' and '.join(shown)}; one type has one. Let one of them extend the other.",
        type=type_name, attribute="construct-type", value=shown, expected="one class",
    )  # fmt: skip


def _wrong(hook: Hook, type_name: str, cls: Any, expected: str) -> InvalidValue:
    return InvalidValue(
        f"{hook!r} gave {cls!r} to {type_name}; expected {expected}.",
        type=type_name, attribute="construct-type", value=repr(cls), expected=expected,
    )  # fmt: skip
