"""Events as a session's subscribers get them: moments, values and entities as people see them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..model.events import EntityChange, changes_of
from ..model.events import Event as WireEvent
from ..model.ids import show_id
from ..model.kinds import raw_loader
from ..model.schema import Attribute
from .committing import moment
from .entity import Entity

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Changed", "Delivered", "Event"]


class Changed(NamedTuple):
    """What a commit did to one entity: values by attribute, before and after. Entities in them are shown by their ids.

    `verb` is create, update, delete, link, unlink, set_key or drop_key. For links `member` is the id at the other end and
    the values are notes; for a mapping `key` is the key.
    """

    type: str
    id: str
    verb: str
    before: dict[str, Any]
    after: dict[str, Any]
    member: str | None
    key: str | None


class Delivered:
    """What the subscribers of one event have in common: whether one of them stopped it."""

    __slots__ = ("stopped",)

    def __init__(self) -> None:
        self.stopped = False


class Event:
    """A commit (topic "recordroom.commit"), or what somebody published."""

    def __init__(
        self,
        session: Session,
        wire: WireEvent,
        matched: Sequence[bytes] | None,
        delivered: Delivered | None = None,
    ) -> None:
        self._session = session
        self._delivered = delivered or Delivered()
        self._wire = wire
        self._matched = matched
        self.topic = wire.topic
        self.id = wire.id
        self.revision = wire.revision
        self.commit = show_id(wire.commit)
        self.database = wire.database
        self.actor = wire.actor
        self.notes = wire.notes
        self.data = wire.data
        self.target = wire.target
        self.source = wire.source
        self.reply_to = wire.reply_to
        self.schema = tuple(wire.schema)  # the types whose definition changed

    def __repr__(self) -> str:
        return f"<Event {self.topic} {self.revision} by {self.actor}>"

    def stop(self) -> None:
        """Keep it from the subscribers of this session that follow, those of a higher `priority`."""
        self._delivered.stopped = True

    @property
    def stopped(self) -> bool:
        """Whether a subscriber stopped it."""
        return self._delivered.stopped

    @property
    def wire(self) -> WireEvent:
        """The event as rooms tell it, with everything that its commit changed: for dialects."""
        return msgspec.structs.replace(self._wire, changes=self._all_changes())

    @property
    def time(self) -> dt.datetime:
        """When it was committed."""
        return moment(self._wire.time)

    @cached_property
    def changes(self) -> list[Changed]:
        """What the commit did to each entity; [] for what was published. Of a huge commit the rest is read from the journal."""
        if self.database != self._session.database:
            # Another database's schema says how its values are shown.
            return [self._shown(each, known=False) for each in self._all_changes()]
        return [self._shown(each) for each in self._all_changes()]

    @property
    def entities(self) -> list[Entity]:
        """The entities that fit a subscription's query; for an expression all that the commit changed. Freshly loaded.

        Those that are gone again are left out.
        """
        if self.database != self._session.database:
            return []
        types: dict[str, dict[bytes, None]] = {}
        wanted = None if self._matched is None else set(self._matched)
        for each in self._all_changes():
            if each.type in self._session.schema and (wanted is None or each.id in wanted):
                types.setdefault(each.type, {})[each.id] = None
        return [entity for name, ids in types.items() for entity in self._fresh(name, list(ids))]

    def _fresh(self, type_name: str, ids: list[bytes]) -> list[Entity]:
        session = self._session
        with session._lock:
            root = session._facts(type_name).root
            known = [session._identity.find(root, each) for each in ids]
            session._loader.expire([each for each in known if each is not None and not each._page.new])
        return [each for each in session.get_many(type_name, ids) if each is not None]

    def _all_changes(self) -> list[EntityChange]:
        wire = self._wire
        if wire.count <= len(wire.changes):
            return wire.changes
        entries = self._session.transport.journal(wire.revision - 1, 1)
        operations = [each for entry in entries if entry.header.revision == wire.revision for each in entry.operations]
        return [change for each in operations for change in changes_of(each)]

    def _shown(self, change: EntityChange, *, known: bool = True) -> Changed:
        attributes = self._attributes(change.type) if known and change.verb not in ("link", "unlink") else {}
        return Changed(
            type=change.type,
            id=show_id(change.id),
            verb=change.verb,
            before={name: _value(raw, attributes.get(name)) for name, raw in change.before.items()},
            after={name: _value(raw, attributes.get(name)) for name, raw in change.after.items()},
            member=None if change.member is None else show_id(change.member),
            key=change.key,
        )

    def _attributes(self, type_name: str) -> dict[str, Attribute]:
        schema = self._session.schema
        if type_name not in schema:
            return {}
        return {
            name: Attribute(name=name, kind=each.of) if each.kind == "mapping" else each
            for name, each in schema.attributes(type_name).items()
        }


def _value(raw: Any, attribute: Attribute | None) -> Any:
    if raw is None:
        return None
    if attribute is None or attribute.kind == "reference":
        return show_id(raw) if isinstance(raw, bytes) and len(raw) == 16 else raw
    load = raw_loader(attribute)
    return raw if load is None else load(raw)
