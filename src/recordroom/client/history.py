"""The past of an entity and what is about to change, as records for people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..model.ids import show_id
from ..model.kinds import raw_loader
from ..model.schema import Attribute
from ..query.request import Change, HistoryRequest
from .committing import moment
from .entity import Entity
from .entries import shown_entry
from .work import GONE, Batch, Mark

if TYPE_CHECKING:
    from .session import Session

__all__ = ["ChangeRecord", "Recorded", "history", "recorded"]

_PAGE = 1000


class ChangeRecord(NamedTuple):
    """One change of one attribute: who, when, from and to which value.

    `verb` is create, update, delete, link, unlink, set_key or drop_key. For links `member` is the entity at the other
    end and the values are notes; for a mapping `key` is the key.
    """

    revision: int
    time: dt.datetime
    actor: str
    verb: str
    attribute: str
    before: Any
    after: Any
    member: Entity | str | None
    key: str | None
    notes: str | None
    commit: str


def history(session: Session, entity: Entity, attribute: str | None, limit: int | None) -> list[ChangeRecord]:
    """The changes of an entity, newest first."""
    if attribute is not None:
        entity._facts.attribute(attribute)
    changes = _changes(session, entity, attribute, limit)
    shown = _Values(session, entity, changes)
    return [
        ChangeRecord(
            revision=each.revision,
            time=moment(each.time),
            actor=each.actor,
            verb=each.verb,
            attribute=each.attribute,
            before=shown.value(each, each.before),
            after=shown.value(each, each.after),
            member=shown.entity(each.attribute, each.member),
            key=each.key,
            notes=each.notes,
            commit=show_id(each.commit_id),
        )
        for each in changes
    ]


def _changes(session: Session, entity: Entity, attribute: str | None, limit: int | None) -> list[Change]:
    """The latest changes, page by page; a commit is never cut in two."""
    found: list[Change] = []
    before = None if session._at is None else session._at + 1
    while limit is None or len(found) < limit:
        size = _PAGE if limit is None else min(limit - len(found), _PAGE)
        request = HistoryRequest(
            database=session.database,
            type=entity._type,
            id=entity._id,
            attribute=attribute,
            before=before,
            limit=size,
        )
        page = session.transport.history(request)
        if not page:
            break
        found += page
        before = page[-1].revision
    return found


class _Values:
    """Raw scalars of changes as values; entities that changes name are met in one go."""

    def __init__(self, session: Session, entity: Entity, changes: Sequence[Change]) -> None:
        self._attributes: Mapping[str, Attribute] = entity._facts.attributes
        self._entities: dict[str, dict[bytes, Any]] = {}
        wanted: dict[str, dict[bytes, None]] = {}
        for each in changes:
            attribute = self._attributes.get(each.attribute)
            if attribute is not None and attribute.target:
                ids = (each.member, *((each.before, each.after) if attribute.kind == "reference" else ()))
                wanted.setdefault(attribute.target, {}).update(dict.fromkeys(i for i in ids if i is not None))
        for target, found in wanted.items():
            self._entities[target] = dict(zip(found, session._loader.entities(target, list(found)), strict=True))

    def value(self, change: Change, raw: Any) -> Any:
        attribute = self._attributes.get(change.attribute)
        if raw is None or attribute is None or change.verb in ("link", "unlink"):
            return raw
        if attribute.kind == "reference":
            return self.entity(change.attribute, raw)
        if attribute.kind == "mapping":
            attribute = Attribute(name=attribute.name, kind=attribute.of)
        load = raw_loader(attribute)
        return raw if load is None else load(raw)

    def entity(self, name: str, each: bytes | None) -> Entity | str | None:
        """The entity with an id; the id as text where the attribute is no longer in the schema."""
        attribute = self._attributes.get(name)
        if each is None:
            return None
        if attribute is None or not attribute.target:
            return show_id(each)
        return self._entities[attribute.target].get(each) or show_id(each)


class Recorded(NamedTuple):
    """One change that is recorded and not committed; `values` has what is set (for links: the other entity → note).

    `verb` is create, update, delete, link, unlink, set_key, drop_key or publish.
    """

    verb: str
    entity: Entity | None
    attribute: str
    values: Mapping[Any, Any]


def recorded(session: Session, batch: Batch) -> Iterator[Recorded]:
    """The changes of a batch, as they would be sent."""
    work = session._work
    for page in batch.new:
        for row in range(len(page.ids)):
            if row not in page.gone:
                entity = session._identity.at(page, row)
                yield Recorded("create", entity, "", _values(entity))
    for entity in batch.modified:
        if entity._edits and not entity._page.new:
            hidden = work.silent.get(entity, ())
            yield Recorded("update", entity, "", {n: v for n, v in _values(entity).items() if n not in hidden})
    for (_, name), pairs in batch.links.items():
        for source, target, note in pairs:
            shown = None if isinstance(note, Mark) else note
            yield Recorded("unlink" if note is GONE else "link", source, name, {target: shown})
    for (_, name), entries in batch.keys.items():
        for owner, values in entries.items():
            for key, raw in values.items():
                attribute = owner._facts.many[name]
                value = None if raw is GONE else shown_entry(attribute, raw)
                yield Recorded("drop_key" if raw is GONE else "set_key", owner, name, {key: value})
    for entity in batch.deleted:
        yield Recorded("delete", entity, "", {})
    for event in batch.published:
        yield Recorded("publish", None, event.topic, {"data": event.data})


def _values(entity: Entity) -> dict[str, Any]:
    page, _ = entity._place()
    names = dict.fromkeys((*(page.columns if page.new else ()), *(entity._edits or ())))
    return {name: entity[name] for name in names}
