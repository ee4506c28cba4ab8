"""The bookkeeping behind relations to many: loading them for all siblings, and local changes seen from both sides.

Whether an entity belongs to a collection is what its reference says, edits included; so setting a reference shows in
the collection and the other way round. Links and mappings are what was loaded, with recorded changes laid over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as AnyMapping
from typing import TYPE_CHECKING, Any

from ..errors import InvalidValue
from ..model.kinds import WrongValue
from ..model.schema import Attribute
from ..query.request import Members, MembersRequest, QueryRequest
from ..query.request import Page as WirePage
from ..query.syntax import Call, In, Parameter, Path, Query, Selected
from .collections import Collection, Links, Mapping, Relation
from .entity import Entity
from .entries import checked_entry, checked_text
from .facts import TypeFacts
from .loading import split_paths, with_revisions
from .pages import distinct
from .symbols import NOT_SET
from .work import GONE, KEPT, Mark, NewPage, RelationKey

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Relations"]

_VIEWS: dict[str, type[Collection] | type[Links] | type[Mapping]] = {
    "collection": Collection,
    "links": Links,
    "mapping": Mapping,
}


class Relations:
    """Relations to many of one session.

    `touched`: reference → owner's id → entities whose reference was set to the owner since it was committed.
    `settled` counts, for each relation, the commits that changed it, and `deletions` entities that went: a count of
    members that was asked for is good until then.
    What was loaded before the current `epoch` is old.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.touched: dict[RelationKey, dict[bytes, dict[Entity, None]]] = {}
        self.settled: dict[RelationKey, int] = {}
        self.epoch = 0
        self.deletions = 0

    # --- views -----------------------------------------------------------------------------------

    def open(self, entity: Entity, name: str) -> Any:
        """What an entity shows for a relation to many; NOT_SET if it is not loaded and may not be."""
        view = self.view(entity, name)
        if view._loaded is None and not self._session._populates():
            return NOT_SET
        return view

    def view(self, entity: Entity, name: str) -> Relation:
        """The one object that stands for a relation of an entity."""
        opened = entity._open
        view = None if opened is None else opened.get(name)
        if view is None:
            attribute = entity._facts.many[name]
            with self._session._lock:
                if entity._open is None:
                    entity._open = {}
                view = entity._open.setdefault(name, _VIEWS[attribute.kind](self, entity, attribute))
        return view

    def key(self, facts: TypeFacts, attribute: Attribute) -> RelationKey:
        """The relation as declared: its type and name there, whichever side it is seen from."""
        if attribute.derived:
            return attribute.target, attribute.inverse
        return facts.owner(attribute.name), attribute.name

    def is_gone(self, entity: Entity) -> bool:
        """Whether a member no longer counts because it was deleted."""
        return self._session._work.is_deleted(entity)

    # --- collections -----------------------------------------------------------------------------

    def note_references(self, entity: Entity, facts: TypeFacts, edits: AnyMapping[str, Any]) -> None:
        """Remember for the collections on the other side that references of an entity were set."""
        for name, key in facts.mirrored.items():
            raw = edits.get(name)
            if raw is not None:
                self.touched.setdefault(key, {}).setdefault(raw, {})[entity] = None

    @staticmethod
    def refers(member: Entity, name: str) -> Any:
        """The id that a reference is known to hold, NOT_SET if that is not known."""
        edits = member._edits
        if edits is not None and name in edits:
            return edits[name]
        page, row = member._place()
        raw = page.raw(name, row)
        return None if raw is NOT_SET and page.new else raw

    def members(self, view: Relation) -> list[Entity]:
        """The members in order: as loaded, then what was added here."""
        if isinstance(view, Links):
            return list(self.links(view))
        self._load(view)
        return self.peek(view)

    def peek(self, view: Relation) -> list[Any]:
        """The members, or keys, as far as they are known."""
        if isinstance(view, Links):
            return list(self._overlaid_links(view))
        if isinstance(view, Mapping):
            return list(self._overlaid_values(view))
        owner, name = view._owner._id, view._attribute.inverse
        loaded: dict[Entity, Any] = view._loaded or {}
        refers, is_gone = self.refers, self.is_gone
        found = [m for m in loaded if refers(m, name) in (owner, NOT_SET) and not is_gone(m)]
        added = self._touched_by(view)
        found += [m for m in added if m not in loaded and refers(m, name) == owner and not is_gone(m)]
        return found

    def _touched_by(self, view: Relation) -> list[Entity]:
        key = self.key(view._owner._facts, view._attribute)
        with self._session._lock:
            found = dict(self.touched.get(key, {}).get(view._owner._id, {}))
            for batch in self._session._work.batches():
                for page in batch.new:
                    if page.bulk and view._attribute.inverse in page.columns:
                        found.update(dict.fromkeys(self._in_bulk(page, view)))
        return list(found)

    def _in_bulk(self, page: NewPage, view: Relation) -> Iterable[Entity]:
        if not self._session.schema.is_a(page.type, view._attribute.target):
            return ()
        rows = page.rows_by(view._attribute.inverse).get(view._owner._id, ())
        return [self._session._identity.at(page, row) for row in rows]

    # --- links -----------------------------------------------------------------------------------

    def links(self, view: Links[Any]) -> dict[Entity, Any]:
        """Member → note."""
        self._load(view)
        return self._overlaid_links(view)

    def _overlaid_links(self, view: Relation) -> dict[Entity, Any]:
        found = dict(view._loaded or {})
        for changes in self._changes(view):
            for member, note in changes.items():
                _apply(found, member, note)
        return {member: note for member, note in found.items() if not self.is_gone(member)}

    def _changes(self, view: Relation) -> list[dict[Entity, str | Mark | None]]:
        key = self.key(view._owner._facts, view._attribute)
        found = []
        with self._session._lock:
            for batch in self._session._work.batches():
                if key in batch.links:
                    changes = batch.links[key].side(not view._attribute.derived).get(view._owner)
                    if changes:
                        found.append(dict(changes))
        return found

    def link_of(self, view: Links[Any], member: Entity) -> Any:
        """The note of one link; GONE where there is none."""
        self._load(view)
        loaded = view._loaded or {}
        found = {member: loaded[member]} if member in loaded else {}
        for changes in self._changes(view):
            if member in changes:
                _apply(found, member, changes[member])
        return GONE if self.is_gone(member) else found.get(member, GONE)

    def change_of(self, view: Links[Any], member: Entity) -> Any:
        """The recorded note or mark of a link, or NOT_SET where nothing is recorded."""
        found: Any = NOT_SET
        for changes in self._changes(view):
            found = changes.get(member, found)
        return found

    def put_link(self, view: Links[Any], member: Entity, note: str | Mark | None) -> None:
        """Record a link, its new note, or that it goes."""
        session = self._session
        session._editor.allow(view._owner)
        if not session._records():
            self._load(view)
        with session._lock:
            source, target = (member, view._owner) if view._attribute.derived else (view._owner, member)
            if not session._records():
                self._settle_link(self.key(view._owner._facts, view._attribute), source, target, note)
                return
            pairs = session._work.pairs(self.key(view._owner._facts, view._attribute))
            if session._work.sent is None and self._is_so_already(view, member, note):
                pairs.discard(source, target)
            else:
                pairs.put(source, target, note)

    @staticmethod
    def _is_so_already(view: Links[Any], member: Entity, note: str | Mark | None) -> bool:
        """True where the room is known to have the link like that, or not to have it."""
        loaded = view._loaded
        if loaded is None and not member._page.new:
            return False
        if loaded is None or member not in loaded:
            return note is GONE
        return note is KEPT or loaded[member] == note

    def checked_note(self, view: Links[Any], note: Any) -> str | None:
        """A note for a link; InvalidValue otherwise."""
        if note is None:
            return None
        if not view._attribute.notes:
            raise view._wrong(note, "no note: these links are declared without notes")
        try:
            return str(checked_text(note))
        except WrongValue as error:
            raise view._wrong(note, f"a note: {error}") from None

    # --- mappings --------------------------------------------------------------------------------

    def values(self, view: Relation) -> dict[str, Any]:
        """Key → raw scalar."""
        self._load(view)
        return self._overlaid_values(view)

    def entry_of(self, view: Relation, key: str) -> Any:
        """The raw scalar of one entry; GONE where there is none."""
        self._load(view)
        found = (view._loaded or {}).get(key, GONE)
        declared = self.key(view._owner._facts, view._attribute)
        with self._session._lock:
            for batch in self._session._work.batches():
                found = batch.keys.get(declared, {}).get(view._owner, {}).get(key, found)
        return found

    def _overlaid_values(self, view: Relation) -> dict[str, Any]:
        key = self.key(view._owner._facts, view._attribute)
        found = dict(view._loaded or {})
        with self._session._lock:
            for batch in self._session._work.batches():
                for name, raw in batch.keys.get(key, {}).get(view._owner, {}).items():
                    _apply(found, name, raw)
        return found

    def put_key(self, view: Mapping, key: str, raw: Any) -> None:
        """Record a value under a key, or that the key goes."""
        session, owner = self._session, view._owner
        session._editor.allow(owner)
        if not session._records():
            self._load(view)
        with session._lock:
            loaded = view._loaded
            if not session._records():
                assert loaded is not None
                _apply(loaded, key, raw)
                return
            entries = session._work.entries(self.key(owner._facts, view._attribute), owner)
            if session._work.sent is None and loaded is not None and loaded.get(key, GONE) == raw:
                entries.pop(key, None)
            else:
                entries[key] = raw

    # --- whole values ----------------------------------------------------------------------------

    def checked(self, facts: TypeFacts, name: str, value: Any) -> Any:
        """A list of entities or a dict, good to be assigned; the error that says what is wrong otherwise."""
        attribute = facts.many[name]
        if attribute.kind == "mapping":
            if not isinstance(value, AnyMapping):
                raise InvalidValue(
                    type=facts.name, attribute=name, value=value, expected="a mapping from keys to values"
                )
            for key, each in value.items():
                checked_entry(facts, attribute, key, each)
            return dict(value)
        if isinstance(value, str | bytes | AnyMapping) or not isinstance(value, Iterable):
            raise InvalidValue(
                type=facts.name, attribute=name, value=value, expected=attribute.kind_of.expected(attribute)
            )
        found = [self._session._editor.entity_of(facts, attribute, each, None) for each in value]
        if len(set(found)) < len(found):
            raise InvalidValue(type=facts.name, attribute=name, value=value, expected="each entity once")
        return found

    def assign(self, entity: Entity, name: str, value: Any) -> None:
        """Make `value` what a relation to many holds."""
        view = self.view(entity, name)
        if value is view:
            return  # `task["assignees"] += [user]` assigns the view that it changed.
        checked = self.checked(entity._facts, name, value)
        assert isinstance(view, Collection | Links | Mapping)
        view.assign(checked)

    def entity_of(self, owner: Entity, attribute: Attribute, value: Any) -> Entity:
        """The entity that is given as a member; InvalidReference if its type is wrong."""
        return self._session._editor.entity_of(owner._facts, attribute, value, owner)

    def forget(self, entity: Entity, name: str) -> None:
        """Forget additions and removals of a relation. Callers hold the lock."""
        view = self.view(entity, name)
        key, work = self.key(entity._facts, view._attribute), self._session._work
        if isinstance(view, Collection):
            for member in self._changed_members(view):
                work.forget(member, view._attribute.inverse)
        elif isinstance(view, Links) and key in work.now.links:
            pairs = work.now.links[key]
            for member in tuple(pairs.side(not view._attribute.derived).get(entity, ())):
                pairs.discard(*((member, entity) if view._attribute.derived else (entity, member)))
        elif isinstance(view, Mapping):
            work.now.keys.get(key, {}).pop(entity, None)

    def _changed_members(self, view: Collection) -> list[Entity]:
        """Entities whose recorded reference leads to the owner, or away from it."""
        owner, name = view._owner._id, view._attribute.inverse
        found = [member for member in self._touched_by(view) if (member._edits or {}).get(name) == owner]
        for member in self._session._work.now.modified:
            page, row = member._place()
            if name in (member._edits or {}) and name in member._facts.references and page.raw(name, row) == owner:
                found.append(member)
        return found

    # --- loading ---------------------------------------------------------------------------------

    def _load(self, view: Relation) -> None:
        """Load a relation for its owner and the owner's siblings."""
        if view._loaded is not None:
            return
        if not self._session._populates():
            raise self._not_loaded(view)
        self.load_many(self._owners(view), view._attribute.name, ())

    @staticmethod
    def _not_loaded(view: Relation) -> InvalidValue:
        return InvalidValue(
            f"{view._owner._type}.{view._attribute.name} is not loaded, and loading is switched off",
            type=view._owner._type, attribute=view._attribute.name, value=NOT_SET, expected="to be loaded",
        )  # fmt: skip

    def _owners(self, view: Relation) -> list[Entity]:
        """The owner and those siblings that have not loaded the relation either."""
        session, name = self._session, view._attribute.name
        page, row = view._owner._place()
        fitting = set(session.schema.subtypes(view._owner._facts.owner(name)))
        start = row - row % session.page_size
        found = [view._owner]
        with session._lock:
            for each in range(start, min(start + session.page_size, len(page.ids))):
                if each == row or each in page.gone or page.type_of(each) not in fitting:
                    continue
                other = session._identity.find(view._owner._facts.root, page.ids[each])
                if other is not None and other._page is page and self.view(other, name)._loaded is None:
                    found.append(other)
        return found

    def load_many(self, owners: Sequence[Entity], name: str, paths: Sequence[str]) -> None:
        """Load a relation of several owners in one request, with `paths` of the members where given."""
        if not owners:
            return
        session, facts = self._session, owners[0]._facts
        attribute = facts.many[name]
        to_one: list[str] = []
        split = None
        if attribute.kind != "mapping" and paths:
            split = split_paths(session._identity.facts, session._identity.facts(attribute.target), paths)
            to_one = with_revisions(split.to_one)
        answer = session.transport.members(
            MembersRequest(
                database=session.database,
                type=facts.owner(name),
                attribute=name,
                owners=[owner._id for owner in owners],
                select=tuple(to_one),
                at=session._at,
            )
        )
        with session._lock:
            members = self._take_in(answer, owners, name)
        if split is not None and split.to_many:
            session._loader.populate_members(members, split)

    def _take_in(self, answer: Members, owners: Sequence[Entity], name: str) -> list[Entity]:
        """Put loaded members into the views of their owners. Callers hold the lock."""
        loaded: dict[bytes, dict[Any, Any]] = {owner._id: {} for owner in owners}
        members: list[Entity] = []
        if answer.page is None:
            for each, key, raw in zip(answer.owners, answer.keys, answer.values, strict=True):
                loaded[each][key] = raw
        else:
            rows = self._meet_members(answer.page)
            members = list(rows.values())
            notes = answer.notes or [None] * len(answer.owners)
            for each, member, note in zip(answer.owners, answer.page.ids, notes, strict=True):
                loaded[each][rows[member]] = note
        for owner in owners:
            self.view(owner, name)._loaded = loaded[owner._id]
        return members

    def _meet_members(self, page: WirePage) -> dict[bytes, Entity]:
        """Id → entity; a member of several owners comes several times in a page and once to the identity map."""
        rows = distinct(page.ids)
        if len(rows) < len(page.ids):
            page = WirePage(
                type=page.type,
                ids=[page.ids[row] for row in rows],
                types=[page.types[row] for row in rows] if page.types else [],
                columns={name: [column[row] for row in rows] for name, column in page.columns.items()},
            )
        else:
            page = WirePage(type=page.type, ids=list(page.ids), types=page.types, columns=page.columns)
        return dict(zip(page.ids, self._session._identity.meet(page), strict=True))

    # --- counting --------------------------------------------------------------------------------

    def count(self, view: Relation) -> int:
        """How many members there are; what is not loaded is counted in the room, for all siblings at once."""
        if view._loaded is None and not self._has_changes(view):
            return self._counted(view)
        return len(self.members(view))

    def _has_changes(self, view: Relation) -> bool:
        """True where what is recorded may change the count."""
        work = self._session._work
        if isinstance(view, Links):
            return bool(self._changes(view)) or any(batch.deleted for batch in work.batches())
        if self._touched_by(view):
            return True
        owner, name = view._owner._id, view._attribute.inverse
        with self._session._lock:
            changed = [entity for batch in work.batches() for entity in (*batch.modified, *batch.deleted)]
            return any(
                name in entity._facts.references and entity._page.raw(name, entity._row) in (owner, NOT_SET)
                for entity in changed
            )

    def _counted(self, view: Relation) -> int:
        changes = self.settled.get(self.key(view._owner._facts, view._attribute), 0)
        settled = changes, self.deletions, self.epoch
        if view._count is None or view._count[1] != settled:
            if not self._session._populates():
                raise self._not_loaded(view)
            owners = self._owners(view)
            counts = self._ask_counts(owners, view._attribute.name)
            for owner in owners:
                self.view(owner, view._attribute.name)._count = (counts.get(owner._id, 0), settled)
        assert view._count is not None
        return view._count[0]

    def _ask_counts(self, owners: Sequence[Entity], name: str) -> dict[bytes, int]:
        session = self._session
        select = (Selected(Path(("id",)), "owner"), Selected(Call("count", (Path((name,)),)), "members"))
        type_name = owners[0]._facts.owner(name)
        request = QueryRequest(
            database=session.database,
            query=Query(type=type_name, select=select, where=In(Path(("id",)), (Parameter("ids"),))),
            size=len(owners),
            at=session._at,
            parameters={"ids": [owner._id for owner in owners]},
        )
        columns = session.transport.query(request).columns
        return dict(zip(columns["owner"], columns["members"], strict=True))

    # --- after a commit --------------------------------------------------------------------------

    def settle_bulk(self, key: RelationKey, ids: Iterable[bytes | None], root: str) -> None:
        """Rows without objects were committed with these references: what their owners have loaded is old."""
        self.settled[key] = self.settled.get(key, 0) + 1
        owners = self._session._identity.map(root)
        for each in set(ids):
            owner = None if each is None else owners.get(each)
            for view in self._collections(owner, key):
                view._loaded = None

    @staticmethod
    def _collections(owner: Entity | None, key: RelationKey) -> list[Collection]:
        """The open collections of an owner that show a relation."""
        opened = () if owner is None or owner._open is None else owner._open.values()
        return [v for v in opened if isinstance(v, Collection) and (v._attribute.target, v._attribute.inverse) == key]

    def settle_references(self, key: RelationKey, ids: Iterable[bytes | None], root: str) -> None:
        """References of this relation were committed with these values: fold what they touched into what is loaded."""
        self.settled[key] = self.settled.get(key, 0) + 1
        touched = self.touched.get(key)
        if not touched:
            return
        owners = self._session._identity.map(root)
        for each in set(ids):
            members = touched.pop(each, None) if each is not None else None
            if not members or each is None:
                continue
            pending = {m: None for m in members if m._page.new or (m._edits is not None and key[1] in m._edits)}
            if pending:
                touched[each] = pending
            for view in self._collections(owners.get(each), key):
                if view._loaded is not None:
                    view._loaded.update(dict.fromkeys(m for m in members if m not in pending))

    def settle_links(self, key: RelationKey, pairs: Iterable[tuple[Entity, Entity, Any]]) -> None:
        """Pairs were committed."""
        self.settled[key] = self.settled.get(key, 0) + 1
        for source, target, note in pairs:
            self._settle_link(key, source, target, note)

    def _settle_link(self, key: RelationKey, source: Entity, target: Entity, note: Any) -> None:
        for one, other, derived in ((source, target, False), (target, source, True)):
            for view in (one._open or {}).values():
                attribute = view._attribute
                if (
                    attribute.kind == "links"
                    and attribute.derived is derived
                    and view._loaded is not None
                    and self.key(one._facts, attribute) == key
                ):
                    _apply(view._loaded, other, note)

    def settle_keys(self, key: RelationKey, entries: AnyMapping[Entity, AnyMapping[str, Any]]) -> None:
        """Entries of mappings were committed."""
        for owner, values in entries.items():
            view = (owner._open or {}).get(key[1])
            if view is not None and view._loaded is not None:
                for each, raw in values.items():
                    _apply(view._loaded, each, raw)

    def expire_all(self) -> None:
        """Forget what is loaded of every relation."""
        self.epoch += 1

    def expire(self, entity: Entity) -> None:
        """Forget what is loaded of the relations of an entity."""
        for view in (entity._open or {}).values():
            view._loaded = None
            view._count = None


def _apply(loaded: dict[Any, Any], key: Any, value: Any) -> None:
    if value is GONE:
        loaded.pop(key, None)
    elif value is KEPT:
        loaded.setdefault(key, None)
    else:
        loaded[key] = value
