"""Rules as SQL: for an actor who may not see everything, tables become what that actor sees of them.

Each table that a reader reaches is a sub-select: rows for which a rule holds, attributes that no rule shows as null,
references to entities that cannot be seen as null, links and entries only where both ends and the attribute can be seen.
The conditions of rules themselves read the tables as they are. Tables that rules leave open stay themselves.

In the past, rules are judged on the state of that time; and what is there today but cannot be seen today, could
not be seen then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from ..model.schema import Attribute
from ..query import syntax
from ..query.resolved import Bound
from .access_rules import Rules, Term
from .catalog import Catalog
from .compile_conditions import ConditionBuilder, Test
from .compile_rows import Binder, Inputs, Level, Source
from .compile_text import finished
from .compile_values import Element, literal_text
from .tables import LINK_COLUMNS, MAPPING_COLUMNS

__all__ = ["AccessBuilder"]

_ONE: Element = sa.literal_column("1")
_VIEW = "@"  # before the name of a table in a mark that stands for its sub-select
_VIEWS = re.compile(f"\0{_VIEW}([^\0]+)\0")
_KEPT = "~"  # before the name of a column: the same as it is in the table, for indexes to be found by


class _Seen(Source):
    """A table as an actor sees it. Only the columns that are asked for are worked out, once all are known."""

    def __init__(self, name: str, root: str, table: Source) -> None:
        place = sa.table(sa.quoted_name(f"\0{_VIEW}{name}\0", quote=False))
        super().__init__(place.alias(name), name)
        self.root = root
        self.table = table
        self.used: dict[str, None] = {"id": None}

    def __getitem__(self, name: str) -> Element:
        self.used[name] = None
        return super().__getitem__(name)


class AccessBuilder(ConditionBuilder):
    """Makes SQL that reads what the actor of the catalog may see."""

    def __init__(self, catalog: Catalog, sources: Sequence[Any], *, of_past: bool) -> None:
        super().__init__(catalog, sources, of_past=of_past)
        # None where everything may be read: also while the condition of a rule is made.
        self.rules: Rules | None = None if catalog.access is None else catalog.access.rules(catalog)
        self._judged: dict[
            tuple[str, int], tuple[Term, Test]
        ] = {}  # with the term: an id is its own only while it lives
        self._views: dict[str, _Seen] = {}
        self._columns: dict[str, dict[str, tuple[str, Attribute]]] = {}

    # --- rules read tables as they are ---

    @contextmanager
    def raw(self, *, of_past: bool | None = None) -> Iterator[Rules]:
        """Inside, tables are read as they are, and the rows of the query outside are not known."""
        names = ("rules", "_found", "_links", "_made", "_depth", "keys", "aggregates", "items", "of_past")
        outside = {name: getattr(self, name) for name in names}
        assert self.rules is not None
        rules, self.rules = self.rules, None
        self._found, self._links, self._made, self._depth = {}, {}, {}, 0
        self.keys, self.aggregates, self.items = [], {}, {}
        self.of_past = self.of_past if of_past is None else of_past
        try:
            yield rules
        finally:
            self.__dict__.update(outside)

    def _binder(self, bound: Bound, finish: Callable[[Any], Any] | None) -> Binder:
        names = _facts_in(bound.source) if self.rules is None and bound.convert is not None else None
        if not names or self.catalog.access is None:
            return super()._binder(bound, finish)
        source, convert = bound.source, bound.convert
        assert convert is not None
        given = _given if isinstance(source, syntax.Parameter) else _given_list
        if finish is None:
            return lambda inputs: convert(given(source, inputs))
        return lambda inputs: finish(convert(given(source, inputs)))

    # --- what can be seen ---

    def holds(self, terms: Iterable[Term], table: Source, type_name: str, of: str | None = None) -> Test | None:
        """That one of the terms holds for a row of the raw `table` of a hierarchy; None where one always does.

        It does always for rows of type `of`, where the rows are known to be that.
        """
        assert self.rules is not None
        terms = list(terms)
        if self.rules.always(terms, of or self.schema.root(type_name)):
            return None
        tests = [self._judge(term, table, type_name) for term in terms]
        return self._joined(sa.or_, tests) if tests else sa.false()

    def _judge(self, term: Term, table: Source, type_name: str) -> Test:
        """That a term holds for a row of `table`."""
        key = (table.name, id(term))
        known = self._judged.get(key)
        if known is None:
            tests = self._of_types(term.types, table, type_name)
            if term.condition is not None:
                tests.append(self._condition(term, table))
            known = self._judged[key] = term, self.piece(sa.and_(*tests)) if tests else sa.true()
        return known[1]

    def _of_types(self, types: frozenset[str], table: Source, type_name: str) -> list[Test]:
        root = self.schema.root(type_name)
        assert self.rules is not None
        if types.issuperset(self.rules.concrete(root)):
            return []
        return [table["entity_type"].in_([literal_text(name) for name in sorted(types)])]

    def _condition(self, term: Term, table: Source) -> Test:
        assert term.condition is not None
        with self.raw():
            level = Level(table)
            self.at(term.root, table, level)
            test = self.test(term.condition)
            if not level.joined:
                return self.piece(test)
        with self.raw():
            # What the condition joins to must not become part of the statement around it.
            level = self.start(term.root)
            own, _ = self.found(term.root)
            level.conditions += [own["id"] == table["id"], self.test(term.condition)]
            return self.piece(sa.exists(level.select(_ONE)))

    def visible(self, table: Source, root: str) -> list[Test]:
        """What must hold for a row of the raw `table` of a hierarchy to be seen."""
        assert self.rules is not None
        test = self.holds(self.rules.terms("read", root), table, root)
        return [] if test is None else [test, *self.today(table, root)]

    def today(self, table: Source, root: str) -> list[Test]:
        """In the past: that the entity is not one that is there today and cannot be seen."""
        if not self.of_past:
            return []
        assert self.rules is not None
        with self.raw(of_past=False):
            today = self.entities(root)
        past, self.of_past = self.of_past, False
        try:
            test = self.holds(self.rules.terms("read", root), today, root)
        finally:
            self.of_past = past
        if test is None:
            return []
        level = Level(today)
        level.conditions += [today["id"] == table["id"], test.is_not(sa.true())]
        return [self.piece(~sa.exists(level.select(_ONE)))]

    def sees(self, entity: Element, type_name: str, attribute: str | None = None) -> list[Test]:
        """What must hold for the entity with an id to be seen, and an attribute of it where one is given."""
        assert self.rules is not None
        terms = self.rules.covering("read", type_name, attribute)
        if self.rules.always(terms, type_name):
            return []
        with self.raw():
            table = self.entities(type_name)
        level = Level(table)
        test = self.holds(terms, table, type_name, type_name)
        level.conditions += [table["id"] == entity, *([] if test is None else [test]), *self.today(table, type_name)]
        return [self.piece(sa.exists(level.select(_ONE)))]

    # --- tables ---

    def masks(self, type_name: str) -> bool:
        """Whether the table of a hierarchy is not read as it is."""
        return self.rules is not None and not self.rules.open(type_name)

    def entities(self, type_name: str) -> Source:
        """The table of the hierarchy of `type_name`, as the actor sees it."""
        if not self.masks(type_name):
            return super().entities(type_name)
        root = self.schema.root(type_name)
        with self.raw():
            table = self.entities(root)
        name = self.name("a")
        seen = self._views[name] = _Seen(name, root, table)
        return seen

    def finished(self, text: str) -> tuple[str, list[str]]:
        """The statement as its driver takes it, and the names of its parameters in order."""
        return finished(_VIEWS.sub(lambda found: self._view(self._views[found[1]]), text), self.catalog.dialect)

    def _view(self, seen: _Seen) -> str:
        """The sub-select of a table as the actor sees it."""
        table = seen.table
        columns = [self._column(table, seen.root, name).label(name) for name in seen.used]
        return f"({self.written(sa.select(*columns).select_from(table.clause).where(*self.visible(table, seen.root)))})"

    def _column(self, table: Source, root: str, name: str) -> Element:
        if name.startswith(_KEPT):
            return table[name.removeprefix(_KEPT)]
        declared, attribute = self._declared(root)[name]
        tests = self._shown_where(table, name, declared, attribute)
        return sa.case((sa.and_(*tests), table[name])) if tests else table[name]

    def _declared(self, root: str) -> dict[str, tuple[str, Attribute]]:
        """Column → (declaring type, attribute) of a hierarchy's table."""
        known = self._columns.get(root)
        if known is None:
            known = self._columns[root] = {
                column: (root, attribute) for column, attribute in self.tables.columns(root) if attribute.system
            }
            for name in self.schema.subtypes(root):
                for each in self.schema[name].attributes:
                    if each.stored:
                        known[self.tables.column_name(name, each.name)] = (name, each)
        return known

    def _shown_where(self, table: Source, column: str, declared: str, attribute: Attribute) -> list[Test]:
        """What must hold for the value of a column of the raw `table` to be seen, where the row is."""
        assert self.rules is not None
        tests: list[Test] = []
        if self.rules.hides(declared, attribute):
            terms = self.rules.covering("read", declared, attribute.name)
            test = self.holds(terms, table, declared, declared)
            tests += [] if test is None else [test]
        if attribute.kind == "reference":
            tests += self.sees(table[column], attribute.target)
        return tests

    def relations(self, type_name: str, attribute: Attribute) -> Source:
        """The table of a links or mapping attribute of `type_name`, as the actor sees it."""
        table = super().relations(type_name, attribute)
        if self.rules is None:
            return table
        if attribute.kind == "mapping":
            tests, names = self.sees(table["owner"], type_name, attribute.name), MAPPING_COLUMNS
        else:
            names = LINK_COLUMNS
            if attribute.derived:
                tests = self.sees(table["source"], attribute.target, attribute.inverse)
                tests += self.sees(table["target"], type_name, attribute.name)
            else:
                tests = self.sees(table["source"], type_name, attribute.name)
                tests += self.sees(table["target"], attribute.target)
        if not tests:
            return table
        name = self.name("b")
        select = sa.select(*(table[column].label(column) for column in names)).select_from(table.clause).where(*tests)
        return Source(select.subquery(name), name)

    def gate(self, table: Source, owner_id: Element, type_name: str, attribute: Attribute) -> list[Test]:
        """For a collection: that the owner shows it; and where the index of its reference is found."""
        if self.rules is None or attribute.kind != "collection":
            return []
        tests = self.sees(owner_id, type_name, attribute.name)
        kept = self.kept(table, self.tables.column_name(attribute.target, attribute.inverse))
        return tests if kept is None else [*tests, kept == owner_id]

    def kept(self, table: Source, column: str) -> Element | None:
        """The column of a reference that may be hidden, as it is in the table; None where it is not hidden."""
        if not isinstance(table, _Seen) or self.rules is None:
            return None
        declared, attribute = self._declared(table.root)[column]
        hidden = self.rules.hides(declared, attribute) or not self.rules.all_visible(attribute.target)
        return table[_KEPT + column] if hidden else None


def _facts_in(source: Any) -> bool:
    if isinstance(source, syntax.In):
        return any(isinstance(item, syntax.Parameter) for item in source.items)
    return isinstance(source, syntax.Parameter)


def _given(source: Any, inputs: Inputs) -> Any:
    return inputs.facts[source.name] if isinstance(source, syntax.Parameter) else source.value


def _given_list(source: syntax.In, inputs: Inputs) -> list[Any]:
    """The constants of an `in`; a fact that is a list stands for all its items."""
    found: list[Any] = []
    for item in source.items:
        given = _given(item, inputs)
        if isinstance(given, list | tuple):
            found.extend(given)
        else:
            found.append(given)
    return found
