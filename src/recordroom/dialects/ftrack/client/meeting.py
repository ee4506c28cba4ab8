"""Entities that the room has, and that a script describes: created with `reconstructing`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ....client.entity import Entity as Native
from ....model.ids import as_id
from ..names import Type
from .exception import translated
from .symbol import NOT_SET

if TYPE_CHECKING:
    from .entity.base import Entity
    from .session import Session

__all__ = ["met", "reconstructed"]


def reconstructed(session: Session, type: Type, values: dict[str, Any]) -> Native:
    """A native entity that the room has, with what is said of it."""
    if "id" not in values:
        raise KeyError("id")
    native_type = type.native
    with session._lock, session.native._lock:
        identity = session.native._identity
        each = as_id(values.pop("id"))
        facts = identity.facts(native_type)
        found = identity.find(facts.root, each)
        if found is None:
            identity.stubs(native_type, [each])
            found = identity.map(facts.root)[each]
        page, row = found._place()
        for name, value in values.items():
            if page.raw(name, row) is NOT_SET and value is not NOT_SET:
                page.put(name, row, session.native._editor.raw_of(facts, facts.attributes[name], value))
        return found


def met(session: Session, cls: type[Entity], data: Mapping[str, Any]) -> Any:
    """The entity that the room has with a key, brought up to what is said of it."""
    values = {
        found[0]: value if found[1] is None else found[1](value)
        for name, value in data.items()
        if (found := cls._direct.get(name)) is not None
    }
    with translated():
        return session.wrap(reconstructed(session, cls._type, values))
