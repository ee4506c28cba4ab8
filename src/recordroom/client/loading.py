"""Loading on touch: what is not loaded is fetched for the whole page of siblings, in one request.

Touching an attribute loads it for all entities of the same page (at most `page_size` of them); touching an entity
that is known by id only loads what a query without `select` would bring. The first touch of a reference column
makes entities for all ids in it. Requests run outside the session's lock; what they bring is merged under it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import NotFound
from ..model.ids import show_id
from ..model.schema import Attribute
from ..query.request import Page as WirePage
from ..query.request import QueryRequest
from ..query.syntax import In, Parameter, Path, Query, Selected
from .entity import Entity
from .facts import Loader as TypeLoader
from .facts import TypeFacts
from .pages import Page, prefixes
from .symbols import NOT_SET

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Loader", "by_ids", "chunks"]

_STRETCH = 256  # rows whose values are converted together
_OF_THE_ROW = ("id", "entity_type")


class Loader:
    """Reads attributes that are not simply there."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # --- one attribute ---------------------------------------------------------------------------

    def read(self, entity: Entity, name: str) -> Any:
        """The value of an attribute without a local edit; loaded where that is allowed, NOT_SET otherwise."""
        session, facts = self._session, entity._facts
        if name in facts.many:
            return session._relations.open(entity, name)
        page, row = entity._place()
        raw = page.raw(name, row)
        if raw is NOT_SET:
            attribute = session._attribute(entity, name)
            if page.new:
                raw = entity._facts.defaults.get(attribute.name)
            elif not session._populates():
                return NOT_SET
            else:
                page, row = self.load(entity, (name,))
                raw = page.raw(name, row)
        if raw is None or page.new:
            return self.shown(entity, name, raw)
        facts = entity._facts
        reference = facts.references.get(name)
        if reference is not None:
            return self._referred(page, row, reference, raw)
        load = facts.keepers.get(name)
        if load is None:
            return self.shown(entity, name, raw)
        self._convert(page, row, facts.attributes[name], load)
        return load(raw)

    def _convert(self, page: Page, row: int, attribute: Attribute, load: TypeLoader) -> None:
        """Make a stretch of a column into Python values, which reading then finds: it costs a third of one by one."""
        name = attribute.name
        start = row - row % _STRETCH
        fits = self._fitting(page, attribute)
        with self._session._lock:
            raws = page.columns.get(name)
            if raws is None:
                return
            shown = page.ready.get(name) or [NOT_SET] * len(raws)
            for each in range(start, min(start + _STRETCH, len(raws))):
                raw = raws[each]
                if raw is not NOT_SET and (fits is None or page.types[each] in fits):
                    shown[each] = None if raw is None else load(raw)
            page.ready[name] = shown

    def shown(self, entity: Entity, name: str, raw: Any) -> Any:
        """The Python value of a raw scalar of an attribute."""
        if raw is None:
            return None
        facts = entity._facts
        load = facts.loaders.get(name)
        if load is not None:
            return load(raw)
        reference = facts.references.get(name)
        if reference is None:
            return raw
        return self.entities(reference.target, [raw])[0]

    def load_all(self, entity: Entity) -> None:
        """Load every scalar and reference of an entity that is not loaded, with its siblings."""
        page, row = entity._place()
        if page.new or not self._session._populates():
            return
        edits = entity._edits or {}
        missing = [n for n in entity._facts.loadable if page.raw(n, row) is NOT_SET and n not in edits]
        if missing:
            self.load(entity, missing)

    def load(self, entity: Entity, names: Iterable[str]) -> tuple[Page, int]:
        """Load attributes of an entity and its siblings; the page and row where they are now. NotFound if it is gone."""
        names = tuple(names)
        while True:
            page, row = entity._place()
            if all(page.raw(name, row) is not NOT_SET for name in names):
                return page, row
            self._load_page(entity, page, row, names)
            if entity._place() == (page, row) and any(page.raw(name, row) is NOT_SET for name in names):
                page.gone.add(row)
                raise NotFound(type=entity._type, entity=show_id(entity._id))

    def _load_page(self, entity: Entity, page: Page, row: int, names: tuple[str, ...]) -> None:
        wanted = _wanted(page, row, entity._facts, names)
        owner = _deepest(entity._facts, wanted)
        rows = self._siblings(page, row, owner, names)
        wire = self.fetch(owner, [page.ids[each] for each in rows], wanted)
        self._fill(page, rows, wire, entity._facts)

    def _siblings(self, page: Page, row: int, owner: str, names: tuple[str, ...]) -> list[int]:
        """The rows of the same stretch of the page that lack one of `names` and could have it."""
        session = self._session
        facts = session._identity.facts(owner)
        known = session._identity.map(facts.root)
        fitting = set(session.schema.subtypes(owner))
        size = session.page_size
        start = row - row % size
        columns = [page.columns.get(name) for name in names]
        found = []
        for each in range(start, min(start + size, len(page.ids))):
            other = known.get(page.ids[each])
            if (
                (other is None or other._page is page)
                and each not in page.gone
                and page.type_of(each) in fitting
                and any(column is None or column[each] is NOT_SET for column in columns)
            ):
                found.append(each)
        return found if row in found else [row]

    def _fill(self, page: Page, rows: Sequence[int], wire: WirePage, facts: TypeFacts) -> None:
        place = {page.ids[row]: row for row in rows}
        with self._session._lock:
            found = [place[each] for each in wire.ids]
            page.fill(found, {n: column for n, column in wire.columns.items() if "." not in n and n not in _OF_THE_ROW})
            for first, names in prefixes(wire.columns).items():
                self._session._identity.meet_related(wire, facts.references[first].target, first, names)

    # --- references ------------------------------------------------------------------------------

    def entities(self, target: str, ids: Sequence[bytes]) -> list[Any]:
        """The entities with these ids, made as stubs where they are not known.

        NOT_SET stands for one whose type is not known and may not be asked for.
        """
        session = self._session
        facts = session._identity.facts(target)
        known = session._identity.map(facts.root)
        unknown = [each for each in dict.fromkeys(ids) if each not in known]
        if unknown:
            self._meet_ids(target, facts, unknown)
        return [known.get(each, NOT_SET) for each in ids]

    def _meet_ids(self, target: str, facts: TypeFacts, unknown: list[bytes]) -> None:
        session = self._session
        with session._lock:
            unknown = [each for each in unknown if session._identity.find(facts.root, each) is None]
        if unknown and facts.polymorphic:
            if not session._populates():
                return
            # An entity must have its right class before anybody holds it; the request brings its attributes as well.
            for some in chunks(unknown, session.page_size):
                wire = self.fetch(target, some, facts.default_names)
                with session._lock:
                    session._identity.meet(wire)
        with session._lock:
            session._identity.stubs(target, unknown)

    def _referred(self, page: Page, row: int, reference: Attribute, raw: bytes) -> Any:
        """The entity that a loaded reference names; the whole column gets its entities at the first touch."""
        column = page.ready.get(reference.name)
        if column is None or column[row] is NOT_SET:
            raws = [raw] if column is not None else self._same_reference(page, reference)
            found = dict(zip(raws, self.entities(reference.target, raws), strict=True))
            with self._session._lock:
                column = page.ready.get(reference.name)
                if column is None:
                    column = page.ready[reference.name] = _linked(page.columns[reference.name], found)
                else:
                    column[row] = found[raw]
        # What stands in the column may be of another moment: the caller asked about this raw scalar.
        entity = column[row]
        if entity is NOT_SET or entity is None or entity._id != raw:
            return self.entities(reference.target, [raw])[0]
        return entity

    def _same_reference(self, page: Page, reference: Attribute) -> list[bytes]:
        """The ids in a reference column, of those rows whose attribute of that name is this one."""
        raws = page.columns[reference.name]
        fits = self._fitting(page, reference)
        if fits is not None:
            raws = [raw for raw, name in zip(raws, page.types, strict=True) if name in fits]
        seen = dict.fromkeys(raws)
        seen.pop(None, None)
        seen.pop(NOT_SET, None)
        return list(seen)

    def _fitting(self, page: Page, attribute: Attribute) -> set[str] | None:
        """The types of a page's rows that have this very attribute; None where all of them do."""
        if not page.types:
            return None
        facts = self._session._identity.facts
        return {name for name in set(page.types) if facts(name).attributes.get(attribute.name) == attribute}

    # --- by id -----------------------------------------------------------------------------------

    def get_many(self, facts: TypeFacts, ids: Iterable[Any]) -> list[Entity | None]:
        """The entities with these ids; None for those that there are not."""
        session = self._session
        wanted = [session._editor.raw_of(facts, facts.attributes["id"], each) for each in ids]
        with session._lock:
            known = {each: session._identity.find(facts.root, each) for each in wanted}
        unknown = [each for each, entity in known.items() if entity is None or _is_stub(entity)]
        for some in chunks(unknown, session.page_size):
            pages = self._by_id(facts, some)
            with session._lock:
                known.update(dict.fromkeys(some))
                for wire in pages:
                    known.update((entity._id, entity) for entity in session._identity.meet(wire))
        fitting = set(session.schema.subtypes(facts.name))
        return [
            None if entity is None or entity._type not in fitting or session._work.is_deleted(entity) else entity
            for entity in map(known.__getitem__, wanted)
        ]

    def _by_id(self, facts: TypeFacts, ids: Sequence[bytes]) -> list[WirePage]:
        """Whole entities by id: from the cache that people brought, if they did, and from the room."""
        cache = self._session._cache
        if cache is None:
            return [self.fetch(facts.name, ids, facts.default_names)]
        return cache.pages(facts, ids, lambda some: self.fetch(facts.name, some, facts.default_names))

    def refresh(self, entities: Iterable[Entity]) -> None:
        """Load entities again; local edits stay and count as based on what came."""
        session = self._session
        groups: dict[type[Entity], list[Entity]] = {}
        for entity in dict.fromkeys(entities):
            session._own(entity)
            if not entity._page.new:
                groups.setdefault(type(entity), []).append(entity)
        for cls, group in groups.items():
            for some in chunks(group, session.page_size):
                wire = self.fetch(cls._facts.name, [entity._id for entity in some], cls._facts.default_names)
                with session._lock:
                    self._take_fresh(wire, some)

    def _take_fresh(self, wire: WirePage, entities: Iterable[Entity]) -> None:
        there = set(wire.ids)
        self._session._identity.meet(wire)
        now = self._session._work.now
        for entity in entities:
            page, row = entity._place()
            self._session._relations.expire(entity)
            page.forget(row, entity._facts.volatile)
            if entity._id not in there:
                page.gone.add(row)
                continue
            for recorded in (now.modified, now.deleted):
                if entity in recorded:
                    recorded[entity] = page.revision_of(row)
            now.rebased.pop(entity, None)

    def expire(self, entities: Iterable[Entity]) -> None:
        """Forget what is loaded of entities, and whether they are gone. Callers hold the lock."""
        for entity in entities:
            page, row = entity._place()
            if not page.new:
                page.forget(row, tuple(page.columns))
                page.gone.discard(row)
                self._session._relations.expire(entity)

    # --- several at once -------------------------------------------------------------------------

    def fetch(self, type_name: str, ids: Sequence[bytes], names: Iterable[str]) -> WirePage:
        """One request for attributes (dotted to-one paths too) of the entities with these ids."""
        session = self._session
        request = QueryRequest(
            database=session.database,
            query=by_ids(type_name, with_revisions(names)),
            size=max(len(ids), 1),
            at=session._at,
            parameters={"ids": list(ids)},
        )
        return session.transport.query(request)

    def populate(self, entities: Iterable[Entity], paths: Sequence[str]) -> None:
        """Load paths of many entities: one request per type and page, one more for each step into a collection."""
        groups: dict[type[Entity], list[Entity]] = {}
        for entity in dict.fromkeys(entities):
            if not entity._place()[0].new:
                groups.setdefault(type(entity), []).append(entity)
        for cls, group in groups.items():
            split = split_paths(self._session._identity.facts, cls._facts, paths)
            for some in chunks(group, self._session.page_size):
                self._populate_some(cls._facts, some, split)

    def _populate_some(self, facts: TypeFacts, entities: list[Entity], split: SplitPaths) -> None:
        if split.to_one:
            wire = self.fetch(facts.name, [entity._id for entity in entities], split.to_one)
            with self._session._lock:
                self._session._identity.meet(wire)
        self.populate_members(entities, split)

    def populate_members(self, entities: list[Entity], split: SplitPaths) -> None:
        """Load the members of collections that paths go through."""
        for (before, name), rest in split.to_many.items():
            if before:
                self.populate(_follow(entities, before), [".".join((name, each)) if each else name for each in rest])
            else:
                owners = [entity for entity in entities if not entity._place()[0].new]
                self._session._relations.load_many(owners, name, [each for each in rest if each])


def by_ids(type_name: str, names: Iterable[str]) -> Query:
    """The query for attributes of entities by id; the ids come as the parameter `ids`."""
    select = tuple(Selected(value=Path(tuple(name.split(".")))) for name in names)
    return Query(type=type_name, select=select, where=In(Path(("id",)), (Parameter("ids"),)))


def with_revisions(names: Iterable[str]) -> list[str]:
    """The paths and, for each entity on their way, its revision: without it nothing can be merged."""
    found = dict.fromkeys(name for name in names if name not in _OF_THE_ROW)
    found["revision"] = None
    for name in tuple(found):
        steps = name.split(".")
        for end in range(1, len(steps)):
            found[".".join([*steps[:end], "revision"])] = None
    return list(found)


def chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    """The items in lists of at most `size`."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


class SplitPaths(NamedTuple):
    """Paths over references only, and (references before it, a collection) → paths from its members ("" for themselves)."""

    to_one: list[str]
    to_many: dict[tuple[str, str], list[str]]


def split_paths(facts_of: Callable[[str], TypeFacts], facts: TypeFacts, paths: Iterable[str]) -> SplitPaths:
    """Paths apart by whether they pass through a collection; UnknownAttribute for a wrong name."""
    split = SplitPaths([], {})
    for path in paths:
        steps = path.split(".")
        place = facts
        for index, step in enumerate(steps):
            attribute = place.attribute(step)
            if attribute.many:
                before = ".".join(steps[:index])
                split.to_many.setdefault((before, step), []).append(".".join(steps[index + 1 :]))
                if before:
                    split.to_one.append(before)
                break
            if attribute.relation:
                place = facts_of(attribute.target)
        else:
            split.to_one.append(path)
    return SplitPaths(list(dict.fromkeys(split.to_one)), split.to_many)


def _follow(entities: Iterable[Entity], path: str) -> list[Entity]:
    """The entities at the end of a path of references."""
    for step in path.split("."):
        entities = [found for entity in entities if isinstance(found := entity[step], Entity)]
    return list(entities)


def _is_stub(entity: Entity) -> bool:
    page, row = entity._place()
    return not page.new and page.revision_of(row) == 0


def _wanted(page: Page, row: int, facts: TypeFacts, names: tuple[str, ...]) -> list[str]:
    """What to load when `names` are touched: also all that a stub, or a row that was forgotten, has not got."""
    if "revision" not in page.columns:
        return list(dict.fromkeys((*facts.default_names, *names)))
    forgotten = [n for n, column in page.columns.items() if column[row] is NOT_SET and n in facts.loadable]
    volatile = set(facts.volatile)
    return list(dict.fromkeys((*names, *(n for n in forgotten if n not in volatile))))


def _deepest(facts: TypeFacts, names: Iterable[str]) -> str:
    """The highest type in the lineage of a type that has all these attributes."""
    lineage = facts.schema.ancestors(facts.name)
    return lineage[min(lineage.index(facts.owner(name)) for name in names)]


def _linked(raws: list[Any], found: dict[bytes, Any]) -> list[Any]:
    return [None if raw is None else found.get(raw, NOT_SET) for raw in raws]
