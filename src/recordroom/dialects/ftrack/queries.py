"""Queries of the dialect as queries here: text becomes a tree, and the tree gets the names that things have here.

A path through references and collections becomes a condition within conditions, so that what only some kinds of things
have, or what is several references here, is asked of each kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from ...errors import InvalidQuery, UnknownAttribute
from ...query import syntax
from ...query.syntax import (
    And,
    Between,
    Compare,
    Condition,
    Constant,
    Has,
    In,
    InQuery,
    Literal,
    Not,
    Or,
    Path,
    Query,
    Selected,
    Value,
)
from . import tables
from .casts import cast_to
from .configurations import Configuration
from .judging import Among, Test, Tests, Within
from .latest import IS_LATEST, asked_for_latest, worked_order
from .names import Field, Names, Pair, Type
from .trees import ID, NEVER, THERE, all_of, any_such, given, has_such, of_natives, of_project, one_of

__all__ = ["Rewriter", "uses_custom_attributes"]

_TEXT = Field(name="key", form="scalar")
_MOST_ANCESTORS = 8


def uses_custom_attributes(text: str) -> bool:
    """Whether a query may be about custom attributes."""
    return "custom_attribute" in text or "CustomAttribute" in text


class Scope(NamedTuple):
    """What a condition is about: an entity of a native type.

    Or, instead: an entry of metadata, a value of a custom attribute (whose configuration it is), or a pair, of which the
    entity at hand is one half, `half`.
    """

    native: str
    entry: bool = False
    configuration: Configuration | None = None
    pair: Pair | None = None
    half: str = ""


End = Callable[[Scope], Condition]


class Rewriter:
    """Gives conditions and values the names that they have here."""

    def __init__(self, names: Names, configurations: Sequence[Configuration] = ()) -> None:
        self.names = names
        self.schema = names.schema
        self.configurations = configurations

    def condition(self, node: Condition | None, scope: Scope) -> Condition:
        """A condition on an entity of a native type."""
        match node:
            case None:
                return THERE
            case And():
                return all_of(self.condition(each, scope) for each in node.conditions)
            case Or():
                return one_of([self.condition(each, scope) for each in node.conditions])
            case Not():
                return Not(self.condition(node.condition, scope))
            case syntax.Any() | Has():
                return self.follow(scope, node.path.names, lambda inner: self.condition(node.condition, inner))
            case Constant():
                return node
        at, test = self._test(node)
        return self.follow(scope, at[:-1], lambda inner: self._last(inner, at[-1], test))

    def _test(self, node: Condition) -> tuple[tuple[str, ...], Tests]:
        match node:
            case Compare(left=Path() as left):
                return left.names, Test(node.operator, given(node.right))
            case In(value=Path() as value):
                return value.names, Among(tuple(map(given, node.items)), node.negated)
            case InQuery(value=Path() as value):
                return value.names, Within(self.subquery(node.query), node.negated)
            case Between():
                raise InvalidQuery(reason="there is no `between` here; write two comparisons")
        raise InvalidQuery(reason="a condition compares an attribute with a value")

    # --- queries and values ---

    def subquery(self, query: Query) -> Query:
        """A query behind `in`."""
        type = self.names[query.type]
        if len(query.select) > 1:
            raise InvalidQuery(reason="a query behind `in` selects one value")
        selected = query.select[0].value if query.select else Path(("id",))
        if not type.natives:
            return self._of_no_rows(type, query, selected)
        return replace(
            query,
            type=type.native,
            select=(Selected(self.value(selected, type.native)),),
            where=None if query.where is None else self.condition(query.where, Scope(type.native)),
            order_by=self.order(query.order_by, type.native),
        )

    def _of_no_rows(self, type: Type, query: Query, selected: Value) -> Query:
        """A query behind `in` about what has no rows here: it becomes one about the entities behind it."""
        name = selected.names[0].removesuffix("_id") if isinstance(selected, Path) else ""
        ids = (Selected(Path(("id",))),)
        root = tables.CUSTOM_ROOTS.get(type.name)
        if root is not None and name == "entity":
            return Query(root, ids, self._custom(Scope(root), lambda inner: self.condition(query.where, inner)))
        pair = type.pair
        if pair is None or name not in (pair.owner, pair.member) or len(pair.natives) > 1:
            raise InvalidQuery(reason=f"{type.name} cannot stand in a query within a query so")
        native, attribute, half = pair.natives[0], pair.attribute, pair.member
        if name == pair.member:
            native, attribute, half = pair.target, self.schema.attribute(native, attribute).reverse, pair.owner
        target = self.schema.attribute(native, attribute).target
        condition = self.condition(query.where, Scope(target, pair=pair, half=half))
        return Query(native, ids, any_such(Path((attribute,)), condition))

    def order(self, keys: Sequence[syntax.OrderKey], native: str) -> tuple[syntax.OrderKey, ...]:
        """What to sort by; a reference sorts by its id."""
        return tuple(replace(each, value=self.value(each.value, native)) for each in keys)

    def value(self, node: Value, native: str) -> Value:
        """An attribute, or an aggregate of one."""
        if isinstance(node, syntax.Call):
            return replace(node, arguments=tuple(self.value(each, native) for each in node.arguments))
        if not isinstance(node, Path):
            raise InvalidQuery(reason="only attributes and count, sum, avg, min and max of them can stand there")
        values = self._values(native, node.names)
        return values[0] if len(values) == 1 else syntax.Call("coalesce", tuple(values))

    def _values(self, native: str, names: tuple[str, ...], before: tuple[str, ...] = ()) -> list[Value]:
        """The values that a path may lead to: several where one of its references may be to several kinds of things."""
        field = self.names.field(self.names.of(native), names[0])
        if field.form == "typed":
            return [Path((*before, "entity_type"))]
        if field.form == "worked":
            return [worked_order(names, before)]
        if field.form not in ("id", "scalar", "key", "reference"):
            raise InvalidQuery(reason=f"{field.name} cannot be sorted by or selected here")
        found: list[Value] = []
        names = self._uncast(native, field, names)
        for each in field.natives:
            if len(names) == 1:
                found.append(Path((*before, each)))
                continue
            target = self.schema.attribute(native, each).target
            if names[1] in self.names.of(target).fields:
                found += self._values(target, names[1:], (*before, each))
        if not found:
            raise InvalidQuery(reason=f"{field.name} leads to nothing that has {'.'.join(names[1:])}")
        return found

    def _uncast(self, native: str, field: Field, names: tuple[str, ...]) -> tuple[str, ...]:
        """A path without the cast behind its first name: what all have there is sorted by, whatever they are."""
        if len(names) > 1 and cast_to(self.names, names[1], self.names.ends(self.names.of(native), field)):
            return (names[0], *names[2:])
        return names

    # --- paths ---

    def follow(self, scope: Scope, names: tuple[str, ...], end: End) -> Condition:
        """`end` of what a path leads to."""
        if not names:
            return end(scope)
        return self._step(scope, names[0], lambda inner: self.follow(inner, names[1:], end))

    def _step(self, scope: Scope, name: str, end: End) -> Condition:
        if scope.pair is not None:
            return end(Scope(self._half(scope, name)))
        if scope.configuration is not None:
            if name == "configuration":
                return end(scope._replace(entry=True))
            raise InvalidQuery(reason=f"a value of a custom attribute has no {name!r} to follow")
        if scope.entry:
            raise InvalidQuery(reason="metadata lead nowhere")
        type = self.names.of(scope.native)
        cast = cast_to(self.names, name, [type])
        if cast is not None:
            return self._of_subtypes(map(self.names.of, cast.natives), end)
        field = type.fields.get(name)
        if field is None:
            types = [each for each in self.names.having(type, name) if each.fields[name].leads]
            return self._of_subtypes(types or self.names.having(type, name), lambda inner: self._step(inner, name, end))
        return self._through(scope, field, end)

    def _of_subtypes(self, types: Iterable[Type], make: End) -> Condition:
        """What only some subtypes have is asked of those."""
        either: list[Condition] = []
        for each in types:
            where = make(Scope(each.native))
            inner = Query(each.native, (Selected(Path(("id",))),), where)
            either.append(InQuery(Path(("id",)), inner))
        return one_of(either)

    def _through(self, scope: Scope, field: Field, end: End) -> Condition:
        match field.form:
            case "reference":
                return self._any_of(scope, field.natives, end)
            case "collection":
                return self._members(scope, field, end)
            case "pairs":
                return self._pairs(scope, field, end)
            case "metadata":
                return syntax.Any(Path(field.natives), end(Scope("", entry=True)))
            case "custom":
                return self._custom(scope, end)
            case "worked":
                return self._worked(scope, field, end)
        raise InvalidQuery(reason=f"{field.name} leads to no entity")

    def _any_of(self, scope: Scope, natives: tuple[str, ...], end: End) -> Condition:
        """A condition on what one of several references leads to: those of which it can be asked."""
        either: list[Condition] = []
        wrong: UnknownAttribute | None = None
        for each in natives:
            try:
                either.append(self._at(scope, each, end))
            except UnknownAttribute as error:
                wrong = error
        if not either and wrong is not None:
            raise wrong
        return one_of(either)

    def _at(self, scope: Scope, native: str, end: End) -> Condition:
        return has_such(Path((native,)), end(Scope(self.schema.attribute(scope.native, native).target)))

    def _members(self, scope: Scope, field: Field, end: End) -> Condition:
        condition = end(Scope(self.schema.attribute(scope.native, field.natives[0]).target))
        if field.only is not None:
            name, value = field.only
            condition = And((Compare("is", Path((name,)), Literal(value)), condition))
        return any_such(Path(field.natives), condition)

    def _pairs(self, scope: Scope, field: Field, end: End) -> Condition:
        pair = self.names[field.target].pair
        assert pair is not None, "a collection of pairs"
        [attribute] = field.natives
        half = pair.member if attribute == pair.attribute else pair.owner
        target = self.schema.attribute(scope.native, attribute).target
        return any_such(Path((attribute,)), end(Scope(target, pair=pair, half=half)))

    def _half(self, scope: Scope, name: str) -> str:
        """The native type of the half of a pair that is at hand."""
        if name != scope.half:
            raise InvalidQuery(reason=f"{name!r} is where the condition comes from; ask for {scope.half!r}")
        return scope.native

    def _worked(self, scope: Scope, field: Field, end: End) -> Condition:
        if field.name == "ancestors":
            return one_of([self.follow(scope, ("parent",) * far, end) for far in range(1, _MOST_ANCESTORS + 1)])
        if field.name == "descendants":
            return one_of([self._below(far, end) for far in range(1, _MOST_ANCESTORS + 1)])
        if field.name == "created_by":
            return InQuery(Path(("created_by",)), Query("User", (Selected(Path(("name",))),), end(Scope("User"))))
        if field.name == "category":
            return self.follow(scope, ("note_label_links", "label"), end)
        if field.name == "latest_version":
            return any_such(Path(("versions",)), all_of((IS_LATEST, end(Scope("AssetVersion")))))
        raise InvalidQuery(reason=f"{field.name} leads to no entity")

    def _below(self, far: int, end: End) -> Condition:
        """A context so far above another one."""
        inner = Query("Context", (Selected(Path(("parent",) * far)),), end(Scope("Context")))
        return InQuery(Path(("id",)), inner)

    # --- custom attributes ---

    def _custom(self, scope: Scope, end: End) -> Condition:
        return one_of(
            [
                self._custom_of(scope, configuration, native, end)
                for configuration in self.configurations
                for native in configuration.natives(self.schema)
            ]
        )

    def _custom_of(self, scope: Scope, configuration: Configuration, native: str, end: End) -> Condition:
        if self.schema.is_a(scope.native, native):
            return self._custom_there(scope.native, configuration, end)
        if not self.schema.is_a(native, scope.native):
            return NEVER
        where = self._custom_there(native, configuration, end)
        return InQuery(Path(("id",)), Query(native, (Selected(Path(("id",))),), where))

    def _custom_there(self, native: str, configuration: Configuration, end: End) -> Condition:
        condition = of_project(end(Scope(native, configuration=configuration)), configuration, native)
        if not configuration.is_hierarchical:
            return condition
        # As ftrack has it, conditions find what has a value of its own.
        return all_of((Not(Compare("is", Path((configuration.native,)), Literal(None))), condition))

    def _of_value(self, scope: Scope, name: str, test: Tests) -> Condition:
        """A condition on a value of a custom attribute."""
        configuration = scope.configuration
        assert configuration is not None, "the scope of a value"
        if scope.entry or name in ("key", "configuration_id"):
            known = {"id": configuration.id, "configuration_id": configuration.id, "key": configuration.key}
            known |= {"entity_type": configuration.entity_type, "is_hierarchical": configuration.is_hierarchical}  # type: ignore[dict-item]
            known |= {"project_id": configuration.project, "object_type_id": configuration.object_type}  # type: ignore[dict-item]
            if name not in known:
                raise InvalidQuery(reason=f"there is no way to ask for the {name!r} of a configuration there")
            return Constant(test.holds(known[name]))
        if name == "entity_id":
            return test.about(Path(("id",)), ID)
        if name != "value":
            raise InvalidQuery(reason=f"a value of a custom attribute has no {name!r}")
        return self._of_own_value(scope, configuration, test)

    def _of_own_value(self, scope: Scope, configuration: Configuration, test: Tests) -> Condition:
        attribute = self.schema.attribute(scope.native, configuration.native)
        field = Field(name=attribute.name, form="scalar", kind=attribute.kind, choices=attribute.choices)
        at = Path((attribute.name,))
        condition = test.about(at, field)
        if configuration.is_hierarchical or configuration.default is None:
            return condition
        unset = Compare("is", at, Literal(None))
        return Or((And((Not(unset), condition)), And((unset, Constant(test.holds(configuration.default))))))

    # --- the end of a path ---

    def _last(self, scope: Scope, name: str, test: Tests) -> Condition:
        if scope.pair is not None:
            self._half(scope, name.removesuffix("_id"))
            return test.about(Path(("id",)), ID)
        if scope.configuration is not None:
            return self._of_value(scope, name, test)
        if scope.entry:
            if name not in ("key", "value"):
                raise InvalidQuery(reason=f"metadata have key and value, no {name!r}")
            return test.about(Path((name,)), _TEXT)
        type = self.names.of(scope.native)
        if name.startswith("["):
            return self._step(scope, name, lambda inner: self._last(inner, "id", test))
        field = type.fields.get(name)
        if field is None:
            return self._of_subtypes(self.names.having(type, name), lambda inner: self._last(inner, name, test))
        return self._of_field(scope, field, test)

    def _of_field(self, scope: Scope, field: Field, test: Tests) -> Condition:
        match field.form:
            case "id" | "scalar":
                return test.about(Path(field.natives), field)
            case "key" | "reference":
                return of_natives(field.natives, test)
            case "typed":
                return self._of_type(scope, field, test)
            case "worked":
                return self._of_worked(scope, field, test)
        return self._through(scope, field, lambda inner: self._last(inner, "value" if inner.entry else "id", test))

    def _of_type(self, scope: Scope, field: Field, test: Tests) -> Condition:
        values = field.typed or {}
        concrete = [each for each in self.schema.subtypes(scope.native) if not self.schema[each].abstract]
        fitting = [each for each in concrete if test.holds(values.get(each, values.get("")))]
        if len(fitting) in (0, len(concrete)):
            return Constant(bool(fitting))
        return In(Path(("entity_type",)), tuple(map(Literal, fitting)))

    def _of_worked(self, scope: Scope, field: Field, test: Tests) -> Condition:
        if field.name == "category_id":
            return self.follow(scope, ("note_label_links",), lambda inner: self._last(inner, "label_id", test))
        if field.name == "parent_type":
            fitting = [native for native, name in tables.PARENT_TYPES.items() if test.holds(name)]
            return one_of([Not(Compare("is", Path((native,)), Literal(None))) for native in fitting])
        if field.name == "is_latest_version":
            return asked_for_latest(test)
        if field.name == "latest_version" and getattr(test, "given", "") is None:
            return (
                Not(any_such(Path(("versions",)), THERE)) if not test.negated else any_such(Path(("versions",)), THERE)
            )
        if field.name == "thumbnail_url":
            raise InvalidQuery(reason="thumbnail_url follows from thumbnail_id: ask for that")
        if field.name == "created_by_id":
            field = replace(field, name="created_by")
        return self._worked(scope, field, lambda inner: self._last(inner, "id", test))
