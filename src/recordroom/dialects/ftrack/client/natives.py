"""The native entity behind an entity: its slot for the entity that scripts see, and reading it without one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ....client.entity import Entity
from ....client.symbols import NOT_SET

__all__ = ["Native", "attribute_of", "follow", "load_more", "moved", "peek", "raw_reference"]


class Native(Entity, eq=False):
    """What entities of the session behind are made of. `_face` is the one entity that scripts see for it."""

    _face: Any = None


def load_more(native: Entity, name: str) -> None:
    """Load an attribute that is not loaded, and all plain ones with it: one request for a whole page of siblings."""
    session = native._session
    page = native._page
    edits = native._edits
    if page.new or (edits is not None and name in edits) or not session._populates():
        return
    names = dict.fromkeys((name, *native._facts.default_names))
    names.pop("entity_type", None)
    session._loader.load(native, names)


def raw_reference(native: Entity, name: str) -> Any:
    """The id that a reference holds, without making an entity of it; NOT_SET where it is not loaded and may not be."""
    edits = native._edits
    if edits is not None and name in edits:
        return edits[name]
    page, row = native._place()
    raw = page.raw(name, row)
    if raw is NOT_SET and not page.new:
        load_more(native, name)
        page, row = native._place()
        raw = page.raw(name, row)
    return raw


def peek(native: Entity, name: str, *, local: bool | None = None) -> Any:
    """The raw scalar that is known of an attribute, without asking anybody: the local one, the room's, or either."""
    edits = native._edits
    if local is not False and edits is not None and name in edits:
        return edits[name]
    if local:
        return NOT_SET
    page, row = native._place()
    return page.raw(name, row)


def attribute_of(native: Entity, name: str) -> Any:
    """The value of an attribute, loaded with all plain ones where it has to be."""
    page = native._page
    if name not in page.columns:
        if page.new and not _is_given(native, name):
            return NOT_SET
        load_more(native, name)
    return native[name]


def _is_given(native: Entity, name: str) -> bool:
    """Whether a new entity has a value: what nobody gave is not known until it is committed."""
    edits = native._edits
    return (edits is not None and name in edits) or native._facts.defaults.get(name) is not None


def moved(native: Entity, parent: Any) -> bool:
    """Put a context that the room has below another, with all that hangs on it where that is of another project.

    False where it is something else, which is set as it is.
    """
    session = native._session
    if native._page.new or not parent or not session.schema.is_a(native._type, "TypedContext"):
        return False
    with session.auto_populating(True):
        found = parent if isinstance(parent, Entity) else session.get("Context", parent)
        if found is None or not session.schema.is_a(found._type, "Context"):
            return False
        session.production.move(native, found)
    return True


def follow(natives: Iterable[Entity], path: str) -> list[Entity]:
    """The different entities at the end of a path of references and collections."""
    found = list(natives)
    for step in path.split(".") if path else ():
        found = list(dict.fromkeys(end for each in found for end in _ends(each[step])))
    return found


def _ends(value: Any) -> Iterator[Entity]:
    if isinstance(value, Entity):
        yield value
    elif value is not None and value is not NOT_SET:
        yield from value
