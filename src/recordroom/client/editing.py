"""Editing: values are checked at once, turned into raw scalars and recorded in the unit of work.

Nothing here asks the room, but for collections that must be known to be assigned as a whole, and for the type of
an entity given by id where its hierarchy leaves it open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import (
    ImmutableAttribute,
    InvalidReference,
    InvalidValue,
    NotFound,
    NotUnique,
    RoomReadOnly,
)
from ..model.ids import as_id, new_id, show_id
from ..model.kinds import WrongValue
from ..model.schema import Attribute
from .entity import Entity
from .facts import Checker, TypeFacts, checker_of
from .symbols import NOT_SET
from .work import NewPage, is_open

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Editor"]

_NOTHING: Mapping[str, Any] = {}


class _Maker:
    """What it takes to create an entity of a type, looked up once; `page` is where the last one went."""

    __slots__ = ("checkers", "cls", "facts", "known", "mirrored", "page")

    def __init__(self, facts: TypeFacts, cls: type[Entity], known: dict[bytes, Entity]) -> None:
        self.facts = facts
        self.cls = cls
        self.known = known
        self.checkers = facts.checkers
        self.mirrored = facts.mirrored
        self.page: NewPage | None = None


class Editor:
    """Creates, sets and deletes on behalf of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._makers: dict[Any, _Maker] = {}

    def learn(self) -> None:
        """Forget what was known of types: the schema or the identity map is another one."""
        self._makers = {}

    # --- create ----------------------------------------------------------------------------------

    def create(self, given: str | type[Entity], data: Mapping[str, Any] | None) -> Entity:
        """A new entity of a type; every wrong value is refused before anything is made."""
        maker = self._makers.get(given) or self._maker(given)
        checkers = maker.checkers
        related = _NOTHING
        try:
            edits = {name: checkers[name](value) for name, value in data.items()} if data else {}
        except (KeyError, WrongValue):
            data = data or _NOTHING
            if self._session._facts_having(maker.facts, data) is not maker.facts:
                return self.create(given, data)
            edits, related = self._edits_one_by_one(maker.facts, data)
        each = edits.pop("id", None) or new_id()
        session = self._session
        with session._lock:
            if session._is_closed or session._at is not None:
                self.allow()
            page = maker.page
            if page is None or not is_open(page) or not session._records():
                page = self._page(maker)
            ids = page.ids
            entity = maker.cls(each, page, len(ids), edits)
            ids.append(each)
            page.entities.append(entity)
            maker.known[each] = entity
            if maker.mirrored:
                session._relations.note_references(entity, maker.facts, edits)
        for name, value in related.items():
            session._relations.assign(entity, name, value)
        return entity

    def _maker(self, given: str | type[Entity]) -> _Maker:
        session = self._session
        facts = session._facts(type_name(given))
        self.allow_create(facts)
        identity = session._identity
        maker = _Maker(facts, identity.cls(facts.name), identity.map(facts.root))
        self._makers[given] = maker
        return maker

    def _page(self, maker: _Maker) -> NewPage:
        """The page that a new entity goes into."""
        page = NewPage(maker.facts.name, [], {}, maker.facts.plain)
        if self._session._records():
            self._session._work.create(page)
            maker.page = page
        return page

    def _edits_one_by_one(self, facts: TypeFacts, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """(raw scalars by attribute, values of collections); the first wrong one raises its error."""
        edits: dict[str, Any] = {}
        related: dict[str, Any] = {}
        for name, value in values.items():
            if value is NOT_SET:
                continue
            if name == "id":
                edits["id"] = self._own_id(facts, value)
            elif name in facts.many:
                related[name] = value
            else:
                edits[name] = self.raw(facts, name, value, None)
        for name, value in related.items():
            related[name] = self._session._relations.checked(facts, name, value)
        return edits, related

    def _own_id(self, facts: TypeFacts, value: Any) -> bytes:
        try:
            each = as_id(value)
        except ValueError as error:
            raise InvalidValue(type=facts.name, attribute="id", value=value, expected=str(error)) from None
        known = self._session._identity.find(facts.root, each)
        if known is not None and known._row not in known._page.gone:
            raise NotUnique(
                type=facts.name,
                attributes=("id",),
                values=(show_id(each),),
                entity=show_id(each),
                existing=show_id(each),
            )
        return each

    # --- set -------------------------------------------------------------------------------------

    def set(self, entity: Entity, name: str, value: Any) -> None:
        """Give one attribute a new local value."""
        facts = entity._facts
        check = facts.checkers.get(name)
        if check is None and name not in facts.attributes:
            self._session._attribute(entity, name)
            facts = entity._facts
            check = facts.checkers.get(name)
        if check is None and name in facts.many:
            self._session._relations.assign(entity, name, value)
            return
        if value is NOT_SET:
            self.forget(entity, facts.attribute(name).name)
            return
        try:
            raw = check(value) if check is not None else self.raw(facts, name, value, entity)
        except WrongValue as error:
            raise self._wrong(facts, name, value, entity, str(error)) from None
        except InvalidReference as error:
            error.facts["entity"] = show_id(entity._id)
            raise
        with self._session._lock:
            self._record(entity, facts, name, raw)

    def _record(self, entity: Entity, facts: TypeFacts, name: str, raw: Any) -> None:
        # Setting attributes is what scripts do most: what is not needed is not called.
        session, work = self._session, self._session._work
        # Entities move under the lock only: here page and row belong together.
        page, row = entity._page, entity._row
        if session._is_closed or session._at is not None or page.gone or work.now.deleted or work.sent is not None:
            self.allow(entity)
        if name in facts.mirrored:
            session._relations.note_references(entity, facts, {name: raw})
        if not session._records():
            work.edit_silently(entity, name, raw)
            return
        if page.new and is_open(page):
            self._record_new(entity, page, name, raw)
            return
        column = page.columns.get(name)
        current = NOT_SET if column is None else column[row]
        if current == raw:
            if not work.is_on_its_way(entity):
                # Back to what the room has: there is nothing to send.
                work.forget(entity, name)
                return
        elif current is not NOT_SET and current is not None and facts.attributes[name].immutable:
            raise ImmutableAttribute(type=facts.name, attribute=name, entity=show_id(entity._id))
        work.edit(entity, name, raw, page.revision_of(row))

    def _record_new(self, entity: Entity, page: NewPage, name: str, raw: Any) -> None:
        page.changes += 1
        if page.bulk:
            self._session._work.edit(entity, name, raw, 0)
            return
        edits = entity._edits
        if edits is None:
            entity._edits = {name: raw}
        else:
            edits[name] = raw

    def forget(self, entity: Entity, name: str) -> None:
        """Forget the local value of an attribute; a collection forgets its additions and removals."""
        with self._session._lock:
            if name in entity._facts.many:
                self._session._relations.forget(entity, name)
            else:
                self._session._work.forget(entity, name)

    # --- delete ----------------------------------------------------------------------------------

    def delete(self, entity: Entity) -> None:
        """Record that an entity goes. Its local edits are forgotten."""
        session = self._session
        with session._lock:
            self.allow()
            work = session._work
            if work.is_deleted(entity):
                return
            page, row = entity._place()
            if not is_open(page):
                entity._edits = None
            if not session._records():
                page.gone.add(row)
                return
            work.delete(entity, page.revision_of(row))

    # --- checks ----------------------------------------------------------------------------------

    def allow(self, entity: Entity | None = None) -> None:
        """Refuse changes of the past, of a closed session and of what was deleted."""
        session = self._session
        session._check_open()
        if session._at is not None:
            raise RoomReadOnly(
                f"This is the past (revision {session._at}); it cannot be changed", path=session.transport.where
            )
        if entity is not None and session._work.is_deleted(entity):
            raise NotFound(
                f"{entity._type} {show_id(entity._id)} was deleted", type=entity._type, entity=show_id(entity._id)
            )

    def allow_create(self, facts: TypeFacts) -> None:
        """Refuse new entities of a type that is abstract, and where nothing may be changed."""
        self.allow()
        if facts.schema[facts.name].abstract:
            raise InvalidValue(
                f"{facts.name} is abstract: create one of the types that extend it",
                type=facts.name, attribute="entity_type", value=facts.name, expected="a type that is not abstract",
            )  # fmt: skip

    def raw(self, facts: TypeFacts, name: str, value: Any, entity: Entity | None) -> Any:
        """The raw scalar of a value for a scalar or reference; the error that names what is wrong otherwise."""
        check = facts.checkers.get(name)
        if check is not None:
            try:
                return check(value)
            except WrongValue as error:
                raise self._wrong(facts, name, value, entity, str(error)) from None
        attribute = self._session._attribute_of(facts, name)
        reason = "is computed" if attribute.computed is not None else "is kept by the room"
        shown = None if entity is None else show_id(entity._id)
        raise ImmutableAttribute(
            f"{facts.name}.{name} {reason}; it cannot be set", type=facts.name, attribute=name, entity=shown
        )

    def raw_of(self, facts: TypeFacts, attribute: Attribute, value: Any) -> Any:
        """The raw scalar of a value that is looked for or was read, also of attributes that cannot be set."""
        check = facts.checkers.get(attribute.name) or checker_of(attribute)
        try:
            return check(value)
        except WrongValue as error:
            raise self._wrong(facts, attribute.name, value, None, str(error)) from None

    def add_reference_checkers(self, facts: TypeFacts) -> None:
        """Give the facts of a type checkers for its references: they depend on the session."""
        for name, attribute in facts.references.items():
            if attribute.writable:
                facts.checkers[name] = self._reference_checker(facts, attribute)

    def _reference_checker(self, facts: TypeFacts, attribute: Attribute) -> Checker:
        session, fitting = self._session, frozenset(facts.schema.subtypes(attribute.target))

        def reference(value: Any) -> Any:
            try:
                if value._session is session and value._type in fitting:
                    return value._id
            except AttributeError:
                pass
            return None if value is None else self.entity_of(facts, attribute, value, None)._id

        return reference

    def entity_of(self, facts: TypeFacts, attribute: Attribute, value: Any, owner: Entity | None) -> Entity:
        """The entity that a relation is given, as itself or by its id; InvalidReference if its type is wrong."""
        session = self._session
        found: Entity = value if isinstance(value, Entity) else self._entity_by_id(facts, attribute, value, owner)
        if found._session is not session:
            raise InvalidReference(
                f"{facts.name}.{attribute.name}: {found!r} belongs to another session; session.merge(entity) gives it here",
                **self._reference_facts(facts, attribute, found, owner),
            )
        if not (found._type == attribute.target or session.schema.is_a(found._type, attribute.target)):
            raise InvalidReference(
                f"{facts.name}.{attribute.name}: expected {attribute.kind_of.expected(attribute)}, got {found!r}",
                **self._reference_facts(facts, attribute, found, owner),
            )
        return found

    def _entity_by_id(self, facts: TypeFacts, attribute: Attribute, value: Any, owner: Entity | None) -> Entity:
        expected = attribute.kind_of.expected(attribute)
        try:
            each = as_id(value)
        except ValueError:
            raise self._wrong(facts, attribute.name, value, owner, expected) from None
        found = self._session._loader.entities(attribute.target, [each])[0]
        if found is NOT_SET:
            raise self._wrong(
                facts, attribute.name, value, owner, f"{expected} that is known, as loading is switched off"
            )
        entity: Entity = found
        return entity

    @staticmethod
    def _reference_facts(facts: TypeFacts, attribute: Attribute, value: Entity, owner: Entity | None) -> dict[str, Any]:
        return {
            "type": facts.name,
            "attribute": attribute.name,
            "entity": None if owner is None else show_id(owner._id),
            "target": attribute.target,
            "value": show_id(value._id),
            "found": value._type,
        }

    def _wrong(self, facts: TypeFacts, name: str, value: Any, entity: Entity | None, expected: str) -> InvalidValue:
        known = {} if entity is None else {"entity": show_id(entity._id)}
        return InvalidValue(type=facts.name, attribute=name, value=value, expected=expected, **known)


def type_name(given: Any) -> str:
    """The name of a type given as itself, its class or an expression; TypeError for anything else."""
    name = given if isinstance(given, str) else getattr(given, "_type", None)
    if not isinstance(name, str):
        raise TypeError(f"expected an entity type or its name, got {given!r}")
    return name


def entities_in(value: Entity | Iterable[Entity]) -> list[Entity]:
    """One entity or several as a list; TypeError for anything else."""
    found = [value] if isinstance(value, Entity) else list(value)
    for each in found:
        if not isinstance(each, Entity):
            raise TypeError(f"expected entities, got {each!r}")
    return found
