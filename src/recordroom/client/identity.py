"""The identity map: one entity object per id and hierarchy, and how pages that arrive are merged into it.

A plain dict on 16-byte ids per hierarchy. Rows of `create_many` have no object until someone touches
them; their pages are kept by weak reference, so that `find` can make the object. Callers hold the session's lock.
"""

from __future__ import annotations

import weakref
from bisect import bisect_left
from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from ..errors import InvalidValue, UnknownType
from ..model.schema import Schema
from ..query.request import Page as WirePage
from .entity import Entity, learn
from .extending import construct
from .facts import TypeFacts
from .pages import Page, distinct, from_wire, prefixes
from .pause import paused_collector

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Identity", "outdated"]


class Identity:
    """Which object stands for which id, and which class for which type."""

    def __init__(self, session: Session, schema: Schema) -> None:
        self._session = session
        self.schema = schema
        self._facts: dict[str, TypeFacts] = {}
        self._classes: dict[str, type[Entity]] = {}
        self._constructing: set[str] = set()
        self._gone: set[str] = set()  # types that were renamed or dropped since the session met them
        self._maps: dict[str, dict[bytes, Entity]] = {}
        self._lazy: dict[str, weakref.WeakSet[Page]] = {}

    # --- types -----------------------------------------------------------------------------------

    def learn(self, schema: Schema) -> None:
        """Follow a schema that changed: the classes stay, what they know of their types is new."""
        if schema is self.schema:
            return
        self.schema = schema
        self._facts = {}
        old, self._classes = self._classes, {}
        self._gone.update(name for name in old if name not in schema)
        for name, cls in old.items():
            # Above a class stands the class of the type that its type extends; only one without entities can move.
            if name in schema and cls.__bases__[-1] is self._base(name, old):
                self._classes[name] = cls
                learn(cls, self.facts(name))

    def _base(self, name: str, classes: dict[str, type[Entity]]) -> type[Entity] | None:
        parent = self.schema[name].extends
        return classes.get(parent) if parent else self._session._base

    def facts(self, type_name: str) -> TypeFacts:
        """The facts of a type; UnknownType otherwise."""
        found = self._facts.get(type_name)
        if found is None:
            if type_name in self._gone and type_name not in self.schema:
                raise outdated(type_name)
            self.schema[type_name]
            made = TypeFacts(self.schema, type_name)
            self._session._editor.add_reference_checkers(made)
            # Whole before another thread can have it, and the same for all.
            found = self._facts.setdefault(type_name, made)
        return found

    def cls(self, type_name: str) -> type[Entity]:
        """The class of a type, made on first use."""
        made = self._classes.get(type_name)
        return self._construct(type_name) if made is None else made

    def _construct(self, type_name: str) -> type[Entity]:
        facts = self.facts(type_name)
        parent = facts.schema[type_name].extends
        base = self.cls(parent) if parent else self._session._base
        with self._session._lock:
            if type_name in self._constructing:
                expected = "no use of the type while its class is being made"
                raise InvalidValue(type=type_name, attribute="construct-type", value=type_name, expected=expected)
            self._constructing.add(type_name)
            try:
                return self._classes.setdefault(type_name, construct(self._session, facts, base))
            finally:
                self._constructing.discard(type_name)

    def map(self, root: str) -> dict[bytes, Entity]:
        """Id → entity of one hierarchy."""
        found = self._maps.get(root)
        if found is None:
            found = self._maps.setdefault(root, {})
        return found

    def clear(self) -> None:
        """Forget every entity; where hooks give classes to types, all classes are made again."""
        self._maps.clear()
        self._lazy.clear()
        if self._session.hooks.wants("construct-type"):
            self._classes = {}

    def __len__(self) -> int:
        return sum(map(len, self._maps.values()))

    # --- rows without an object ------------------------------------------------------------------

    def watch(self, page: Page) -> None:
        """Remember a page whose rows get their objects when they are touched."""
        self._lazy.setdefault(self.facts(page.type).root, weakref.WeakSet()).add(page)

    def at(self, page: Page, row: int) -> Entity:
        """The entity of one row of a watched page."""
        known = self.map(self.facts(page.type).root)
        each = page.ids[row]
        entity = known.get(each)
        if entity is None:
            entity = known[each] = self.cls(page.type)(each, page, row)
        return entity

    def find(self, root: str, each: bytes) -> Entity | None:
        """The entity with that id, if the session has met it."""
        entity = self.map(root).get(each)
        if entity is not None or root not in self._lazy:
            return entity
        with self._session._lock:
            for page in self._lazy[root]:
                row = _row_of(page.ids, each)
                if row is not None and row not in page.gone:
                    return self.at(page, row)
        return None

    # --- pages that arrive -----------------------------------------------------------------------

    def meet(self, wire: WirePage) -> list[Entity]:
        """The entities of a page's rows: known ones brought up to date, others made.

        What the page says by dotted paths goes into the related entities. Ids must not repeat.
        """
        facts = self.facts(wire.type)
        with paused_collector:
            for first, names in prefixes(wire.columns).items():
                self.meet_related(wire, facts.references[first].target, first, names)
            return self._place(from_wire(wire, facts), facts)

    def meet_related(self, wire: WirePage, target: str, first: str, names: dict[str, str]) -> None:
        """Take in what the columns `names` (rest of the path → whole name) say of the entities in column `first`."""
        ids = wire.columns[first]
        rows = distinct(ids)
        columns = {rest: [wire.columns[whole][row] for row in rows] for rest, whole in names.items()}
        types = columns.pop("entity_type", [])
        if types and names.keys() == {"entity_type"}:
            self.stubs(target, [ids[row] for row in rows], types)
            return
        self.meet(WirePage(type=target, ids=[ids[row] for row in rows], types=types, columns=columns))

    def stubs(self, target: str, ids: Sequence[bytes], types: Sequence[str] = ()) -> None:
        """Make entities that are known by id only, for those ids that are not known yet."""
        facts = self.facts(target)
        known = self.map(facts.root)
        rows = [row for row, each in enumerate(ids) if self.find(facts.root, each) is None]
        page = Page(target, [ids[row] for row in rows], {}, facts.plain)
        if types:
            page.types = [types[row] for row in rows]
        known.update(zip(page.ids, self._make(page), strict=True))

    def _make(self, page: Page) -> list[Entity]:
        """An object for each row."""
        rows = row_numbers(len(page.ids))
        if not page.types:
            return list(map(self.cls(page.type), page.ids, repeat(page), rows))
        classes = {name: self.cls(name) for name in set(page.types)}
        return [classes[name](each, page, row) for name, each, row in zip(page.types, page.ids, rows, strict=True)]

    def _place(self, page: Page, facts: TypeFacts) -> list[Entity]:
        known = self.map(facts.root)
        made = self._make(page)
        if known.keys().isdisjoint(page.ids):
            known.update(zip(page.ids, made, strict=True))
            return made
        found = [known.setdefault(each, entity) for each, entity in zip(page.ids, made, strict=True)]
        self._merge(
            page, [(row, old) for row, (old, new) in enumerate(zip(found, made, strict=True)) if old is not new]
        )
        return found

    def _merge(self, page: Page, met: list[tuple[int, Entity]]) -> None:
        """Bring entities that were known already up to what `page` says of them; their local edits stay.

        A newer revision replaces what was loaded; the same one adds to it; an older one is ignored.
        """
        added: dict[int, tuple[Page, list[int], list[int]]] = {}
        for row, entity in met:
            old, old_row = entity._page, entity._row
            if old.new:
                continue
            before, now = old.revision_of(old_row), page.revision_of(row)
            if now > before or old_row in old.gone or (now == before and old.columns.keys() <= page.columns.keys()):
                entity._move(page, row)
            elif now == before:
                _, rows, old_rows = added.setdefault(id(old), (old, [], []))
                rows.append(row)
                old_rows.append(old_row)
        for old, rows, old_rows in added.values():
            old.fill(old_rows, {name: _pick(column, rows) for name, column in page.columns.items()})


def outdated(type_name: str) -> UnknownType:
    """The error for an entity whose type is no longer what it was when the session met it."""
    return UnknownType(
        f"The type {type_name!r} was renamed, dropped or put under another one since this session met it. "
        "Ask for its entities again under their type of now; reset() forgets all that the session has.",
        name=type_name, suggestions=[],
    )  # fmt: skip


_SHARED_NUMBERS = 65_536
_numbers: list[int] = []


def row_numbers(count: int) -> list[int]:
    """0, 1, … count - 1, as objects that all pages share."""
    global _numbers  # noqa: PLW0603 - a cache
    if count > _SHARED_NUMBERS:
        return list(range(count))
    numbers = _numbers
    if len(numbers) < count:
        # A new list, because another thread may be reading or replacing the old one.
        numbers = _numbers = list(range(count))
    return numbers[:count]


def _pick(column: list[Any], rows: list[int]) -> list[Any]:
    return [column[row] for row in rows]


def _row_of(ids: list[bytes], each: bytes) -> int | None:
    """Where `each` stands in ids in rising order."""
    row = bisect_left(ids, each)
    return row if row < len(ids) and ids[row] == each else None
