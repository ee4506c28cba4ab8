"""Custom attributes that a session makes: the attributes of the schema that their configurations speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....model.ids import show_id
from ..batches import Change
from ..configurations import Configuration
from ..definitions import CONFIGURATION, Definitions
from .reaching import reader_of, run

if TYPE_CHECKING:
    from .session import Session

__all__ = ["defined", "dropped"]

_PARTS = (
    "key",
    "label",
    "entity_type",
    "object_type_id",
    "project_id",
    "is_hierarchical",
    "default",
    "config",
    "type_id",
)


def defined(session: Session, made: list[Any]) -> None:
    """Give the schema the attributes of new configurations, in a commit of its own, and tell those where they are."""
    type = session.names[CONFIGURATION]
    changes = []
    for each in made:
        key = show_id(each._native._id)
        data = {name: each[name] for name in _PARTS if name in type.fields and each.get(name)}
        changes.append(Change(action="create", type=type, key=(key,), data={**data, "id": key}))
    definitions = Definitions(reader_of(session.native, session.names, session.configurations))
    run(definitions.prepare(changes))
    if definitions.first:
        session.native._committer.send_operations(definitions.first, None)
        session.native._learn_schema()
    for each, change in zip(made, changes, strict=True):
        each._native["attribute"] = definitions.completed(change).data["attribute"]


def dropped(session: Session, gone: list[Configuration]) -> None:
    """Take attributes of configurations that went out of the schema, unless another configuration has them."""
    type = session.names[CONFIGURATION]
    definitions = Definitions(reader_of(session.native, session.names, [*session.configurations, *gone]))
    run(definitions.prepare([Change(action="delete", type=type, key=(each.id,), data={}) for each in gone]))
    if definitions.last:
        session.native._committer.send_operations(definitions.last, None)
        session.native._learn_schema()
