"""Queries against a schema: `resolve` finds every name, types every value and reads every constant.

Conditions are true or false, also where values are null: `null is null` holds, `null is_not "x"` holds,
`null < 3`, `null like "%"` and `null in (…)` do not, and `not` turns each around. A condition on a path
through a collection, links, or on a multi-valued attribute holds when any member or item satisfies it.
Text compares by code point, choices by the order of their list. Errors are UnknownType,
UnknownAttribute, InvalidQuery and QueryTooComplex, with line and column where the query was text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..model.kinds import KINDS, Storage
from ..model.schema import Attribute, Schema
from . import literals, syntax
from .limits import MAX_DEPTH, check_size, too_complex
from .render import render
from .resolve_values import TEXT, Binders, Context, Scope, ValueResolver, is_constant
from .resolved import (
    Aggregate,
    And,
    AnyItem,
    Arithmetic,
    Bound,
    Compare,
    Condition,
    Constant,
    Convert,
    Exists,
    Function,
    Get,
    InRows,
    IsNull,
    Item,
    Key,
    Like,
    LinkRow,
    Matches,
    Members,
    Not,
    OneOf,
    Or,
    Order,
    Output,
    Query,
    Rank,
    Root,
    TextTest,
    Through,
    Unrank,
    Value,
    ValueType,
)

__all__ = ["resolve", "resolve_condition", "split_select"]

_MIRRORED = {"is": "is", "is_not": "is_not", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TEXT_TESTS = ("contains", "starts_with", "ends_with")


def resolve(schema: Schema, query: syntax.Query, parameters: Mapping[str, Any] | None = None) -> Query:
    """The query with every name found and every value typed."""
    check_size(query)
    return QueryResolver(Context(schema, parameters or {})).query(query)


def resolve_condition(
    schema: Schema, type_name: str, condition: syntax.Condition, parameters: Mapping[str, Any] | None = None
) -> tuple[Root, Condition]:
    """A condition on entities of one type, and the row it is about."""
    check_size(condition)
    schema[type_name]
    resolver = QueryResolver(Context(schema, parameters or {}))
    root = Root(0, type_name)
    return root, resolver.condition(condition, Scope(root, type_name))


def split_select(schema: Schema, query: syntax.Query) -> tuple[syntax.Query, tuple[syntax.Path, ...]]:
    """The query without the selected paths that lead through collections, links and mappings, and those paths.

    A page holds one value for each row; members are asked for by themselves.
    """
    many = tuple(
        each.value
        for each in query.select
        if isinstance(each.value, syntax.Path) and _leads_to_many(schema, query.type, each.value.names)
    )
    if not many:
        return query, ()
    kept = tuple(each for each in query.select if each.value not in many)
    return msgspec.structs.replace(query, select=kept or (syntax.Selected(syntax.Path(("id",))),)), many


def _leads_to_many(schema: Schema, type_name: str, names: tuple[str, ...]) -> bool:
    for place, name in enumerate(names):
        attribute = schema.attribute(type_name, name)
        if attribute.many:
            return not (attribute.kind == "mapping" and place < len(names) - 1)
        type_name = attribute.target
        if not type_name:
            return False
    return False


class QueryResolver(ValueResolver):
    """Resolves one query; a sub-query gets a resolver of its own with the same context."""

    def query(self, query: syntax.Query, *, behind_in: bool = False) -> Query:
        """The resolved query. Behind `in` it selects what it says and nothing beside."""
        self.schema[query.type]
        _check_window(self, query)
        root = Root(self.context.number(), query.type)
        scope = Scope(root, query.type)
        where = None if query.where is None else self.condition(query.where, scope)
        group_by = tuple(self._group_key(each, scope) for each in query.group_by)
        self.keys = {node: Key(place, group_by[place].type) for place, node in enumerate(query.group_by)}
        self.grouping = True
        outputs, entities = self._outputs(query, scope, with_ways=not behind_in)
        order_by = tuple(self._order(each, scope, query, outputs) for each in query.order_by)
        self.grouping = False
        grouped = bool(query.group_by) or self.has_group_aggregate
        if grouped:
            self._check_grouped(outputs, order_by)
        return Query(
            type=query.type,
            root=root,
            where=where,
            outputs=outputs,
            entities=entities and not grouped,
            grouped=grouped,
            group_by=group_by,
            order_by=order_by,
            limit=query.limit,
            offset=query.offset,
            syntax=query,
        )

    # --- what is selected ---

    def _outputs(self, query: syntax.Query, scope: Scope, *, with_ways: bool) -> tuple[tuple[Output, ...], bool]:
        if not query.select and not query.group_by:
            return self._everything(query.type, scope), True
        entities = not query.group_by and all(
            isinstance(each.value, syntax.Path) and each.name in ("", ".".join(each.value.names))
            for each in query.select
        )
        found: dict[str, Output] = {}
        selected = query.select or tuple(syntax.Selected(node) for node in query.group_by)
        for each in selected:
            output = self._output(each, scope)
            if found.setdefault(output.name, output) != output:
                raise self.invalid(f"two selected values are called {output.name!r}")
        if entities and with_ways:
            for each in query.select:
                self._add_way(each.value, scope, found)
        return tuple(found.values()), entities

    def _everything(self, type_name: str, scope: Scope) -> tuple[Output, ...]:
        return tuple(
            Output(each.name, self._scalar(scope.row, type_name, each), each)
            for each in self.schema.stored_attributes(type_name)
            if each.name not in ("id", "entity_type")
        )

    def _output(self, selected: syntax.Selected, scope: Scope) -> Output:
        node = selected.value
        name = selected.name or (".".join(node.names) if isinstance(node, syntax.Path) else render(node))
        if isinstance(node, syntax.Path) and node not in self.keys:
            value, attribute = self.read(node, scope, None)
            return Output(name, value, attribute)
        value = self.value(node, scope, None)
        type = value.type
        return Output(name, value, Attribute(name=name, kind=type.kind, choices=type.choices, target=type.target))

    def _add_way(self, path: Any, scope: Scope, found: dict[str, Output]) -> None:
        """The ids of the entities that a selected path leads through, and their types where those may differ."""
        for end in range(1, len(path.names)):
            part = syntax.Path(path.names[:end], path.at)
            value, attribute = self.read(part, scope, None) if self._is_entity(part, scope) else (None, None)
            if value is None or attribute is None:
                return
            name = ".".join(part.names)
            found.setdefault(name, Output(name, value, attribute))
            if self.schema.in_hierarchy(attribute.target):
                kind = syntax.Path((*part.names, "entity_type"), path.at)
                found.setdefault(f"{name}.entity_type", Output(f"{name}.entity_type", *self.read(kind, scope, None)))

    def _is_entity(self, path: syntax.Path, scope: Scope) -> bool:
        type_name = scope.type
        for name in path.names:
            attribute = self.schema.attribute(type_name, name)
            if attribute.kind != "reference":
                return False
            type_name = attribute.target
        return True

    # --- groups and order ---

    def _group_key(self, node: syntax.Value, scope: Scope) -> Value:
        value = self.value(node, scope, None)
        if isinstance(value, Bound):
            raise self.invalid("group by takes attributes, not constants")
        return value

    def _order(self, key: syntax.OrderKey, scope: Scope, query: syntax.Query, outputs: tuple[Output, ...]) -> Order:
        node = key.value
        value = None
        if isinstance(node, syntax.Path) and len(node.names) == 1:
            named = {each.name for each in query.select if each.name}
            value = next((each.value for each in outputs if each.name == node.names[0] and each.name in named), None)
        return Order(self._sortable(self.value(node, scope, None) if value is None else value), key.ascending)

    def _sortable(self, value: Value) -> Value:
        if value.type.family == "choice":
            return value.value if isinstance(value, Unrank) else Rank(value)
        if value.type.kind == "reference":
            raise self.invalid(f"{value.type.target} has no order of its own; order by one of its attributes")
        if value.type.family == "json":
            raise self.invalid("json has no order")
        return value

    def _check_grouped(self, outputs: tuple[Output, ...], order_by: tuple[Order, ...]) -> None:
        values = [(each.name, each.value) for each in outputs] + [("order by", each.value) for each in order_by]
        for name, value in values:
            if _is_loose(value):
                self.at = None
                raise self.invalid(
                    f"{name!r} must stand in group by, or inside count, sum, avg, min or max over the rows"
                )

    # --- conditions ---

    def condition(self, node: syntax.Condition, scope: Scope) -> Condition:
        """The resolved condition."""
        context = self.context
        context.count_node()
        context.depth += 1
        if context.depth > MAX_DEPTH:
            raise too_complex()
        try:
            return self._condition(node, scope)
        finally:
            context.depth -= 1

    def _condition(self, node: syntax.Condition, scope: Scope) -> Condition:
        match node:
            case syntax.Compare():
                return self._compare(node, scope)
            case syntax.And():
                return And(tuple(self.condition(each, scope) for each in node.conditions))
            case syntax.Or():
                return Or(tuple(self.condition(each, scope) for each in node.conditions))
            case syntax.Not():
                return Not(self.condition(node.condition, scope))
            case syntax.In():
                return self._in(node, scope)
            case syntax.InQuery():
                return self._in_query(node, scope)
            case syntax.Between():
                return self._between(node, scope)
            case syntax.Any():
                return self._any(node, scope)
            case syntax.Has():
                return self._has(node, scope)
            case syntax.Constant():
                return Constant(node.holds)
        raise self.invalid(f"{type(node).__name__} is no condition")

    def _leaf(self, node: syntax.Value, scope: Scope, make: Callable[[Value, Binders], Condition]) -> Condition:
        """The condition that `make` makes for the value of `node`: for any member, and any item, that it leads to."""
        binders = Binders()
        if isinstance(node, syntax.Path):
            value, attribute = self.read(node, scope, binders)
        else:
            value, attribute = self.value(node, scope, binders), _SINGLE
        if attribute.multi and isinstance(value, Get):
            item = Item(self.context.number(), value.type)
            condition: Condition = AnyItem(value, item, make(item, binders))
        else:
            condition = make(value, binders)
        return self._for_any(binders, condition)

    def _for_any(self, binders: Binders, condition: Condition) -> Condition:
        self.context.check_collections(binders)
        for members in reversed(binders):
            condition = Exists(members, condition)
        return condition

    def _compare(self, node: syntax.Compare, scope: Scope) -> Condition:
        operator, left, right = node.operator, node.left, node.right
        if operator not in syntax.OPERATORS:
            raise self.invalid(f"there is no operator {operator!r}")
        if operator == "matches":
            return self._matches(left, right, scope)
        if operator in _MIRRORED and is_constant(left) and not is_constant(right):
            operator, left, right = _MIRRORED[operator], right, left
        if operator in ("is", "is_not") and is_constant(right) and self.given(right) is None:  # type: ignore[arg-type]
            condition = self._is_null(left, scope)
            return Not(condition) if operator == "is_not" else condition
        return self._leaf(left, scope, lambda value, binders: self._test(operator, value, right, scope, binders))

    def _is_null(self, node: syntax.Value, scope: Scope) -> Condition:
        if is_constant(node):
            return Constant(self.given(node) is None)  # type: ignore[arg-type]
        binders = Binders()
        if isinstance(node, syntax.Path):
            value, attribute = self.read(node, scope, binders)
            if attribute.kind == "uuid" and self._ends_in_many(node, scope):
                raise self.invalid(f"to ask for an empty collection write: not {render(node)} any ()")
        else:
            value = self.value(node, scope, binders)
        return self._for_any(binders, IsNull(value))

    def _ends_in_many(self, path: syntax.Path, scope: Scope) -> bool:
        _, _, rest = self.walk(path, scope, Binders())
        return not rest

    def _test(self, operator: str, value: Value, right: syntax.Value, scope: Scope, binders: Binders) -> Condition:
        match operator:
            case "is_not":
                return Not(self._test("is", value, right, scope, binders))
            case "not_like":
                return Not(self._test("like", value, right, scope, binders))
            case "like":
                return self._like(value, right)
            case "contains" | "starts_with" | "ends_with":
                return self._text_test(operator, value, right, scope, binders)
        if is_constant(right):
            return self._against_constant(operator, value, right)
        left, other = self.unified((value, self.value(right, scope, binders)), "there is no way to compare")
        return self._against_value(operator, left, other)

    def _against_constant(self, operator: str, value: Value, node: Any) -> Condition:
        type, given = value.type, self.given(node)
        if isinstance(given, list | tuple):
            raise self.invalid(f"a list belongs behind `in`, not behind {operator!r}")
        if given is None:
            raise self.invalid(f"None has no place behind {operator!r}; ask for it with `is None`")
        if operator == "is":
            if type.family == "integer" and isinstance(given, float) and not given.is_integer():
                return Constant(False)
            return Compare("=", value, self.constant(node, type, literals.read(type), given))
        self._check_ordered(type, operator)
        if type.family == "choice":
            return OneOf(value, self.constant(node, type, literals.choices_where(type, operator), given))
        convert = literals.integer_bound(operator) if type.family == "integer" else literals.read(type)
        return Compare(operator, value, self.constant(node, type, convert, given))

    def _against_value(self, operator: str, left: Value, right: Value) -> Condition:
        first, second = left.type, right.type
        if first.family == "id" and not self._may_be_same(first.target, second.target):
            raise self.invalid(f"an id of {first.target} is never one of {second.target}")
        if operator == "is":
            return Compare("=", left, right)
        for type in (first, second):
            self._check_ordered(type, operator)
        if "choice" in (first.family, second.family):
            if first.choices != second.choices:
                raise self.invalid(f"{operator!r} needs two choices from the same list")
            return Compare(operator, Rank(left), Rank(right))
        return Compare(operator, left, right)

    def _may_be_same(self, one: str, other: str) -> bool:
        return not one or not other or self.schema.is_a(one, other) or self.schema.is_a(other, one)

    def _check_ordered(self, type: ValueType, operator: str) -> None:
        if not KINDS[type.kind].ordered:
            raise self.invalid(f"{type.kind} has no order, so there is no {operator!r} for it")

    def _check_textual(self, value: Value, operator: str) -> None:
        if not KINDS[value.type.kind].textual:
            raise self.invalid(f"{operator!r} is for texts, not for {value.type.kind}")

    def _like(self, value: Value, right: syntax.Value) -> Condition:
        self._check_textual(value, "like")
        if not is_constant(right):
            raise self.invalid("the pattern behind `like` is a text in quotes")
        return Like(value, self.constant(right, TEXT, literals.read_like, self.given(right)))  # type: ignore[arg-type]

    def _text_test(self, operator: str, value: Value, right: syntax.Value, scope: Scope, binders: Binders) -> Condition:
        self._check_textual(value, operator)
        if is_constant(right):
            part: Value = self.constant(right, TEXT, literals.read_text, self.given(right))  # type: ignore[arg-type]
        else:
            part = self.value(right, scope, binders)
            self._check_textual(part, operator)
        return TextTest(operator, value, part)

    def _matches(self, left: syntax.Value, right: syntax.Value, scope: Scope) -> Condition:
        if not isinstance(left, syntax.Path) or not is_constant(right):
            raise self.invalid("`matches` takes an attribute on its left and a text in quotes on its right")
        binders = Binders()
        value, attribute = self.read(left, scope, binders)
        if not (
            isinstance(value, Get)
            and attribute.stored
            and attribute.is_searchable
            and KINDS[attribute.kind].storage is Storage.TEXT
            and _is_entity(value.row)
        ):
            raise self.invalid(f"{render(left)} is not searchable; declare it with searchable = true")
        text = self.constant(right, TEXT, literals.read_words, self.given(right))  # type: ignore[arg-type]
        return self._for_any(binders, Matches(value.row, attribute, text))

    def _between(self, node: syntax.Between, scope: Scope) -> Condition:
        def make(value: Value, binders: Binders) -> Condition:
            low = self._test(">=", value, node.low, scope, binders)
            return And((low, self._test("<=", value, node.high, scope, binders)))

        return self._leaf(node.value, scope, make)

    def _in(self, node: syntax.In, scope: Scope) -> Condition:
        def make(value: Value, binders: Binders) -> Condition:
            condition = self._one_of(value, node, scope, binders)
            return Not(condition) if node.negated else condition

        return self._leaf(node.value, scope, make)

    def _one_of(self, value: Value, node: syntax.In, scope: Scope, binders: Binders) -> Condition:
        if not all(map(is_constant, node.items)):
            return Or(tuple(self._item_test(value, each, scope, binders) for each in node.items))
        given = self.given_list(node.items)
        bound = self.constant(node, value.type, literals.read_all(value.type), given)
        condition = OneOf(value, bound)
        return Or((condition, IsNull(value))) if None in given else condition

    def _item_test(self, value: Value, item: syntax.Value, scope: Scope, binders: Binders) -> Condition:
        if is_constant(item) and self.given(item) is None:  # type: ignore[arg-type]
            return IsNull(value)
        return self._test("is", value, item, scope, binders)

    def given_list(self, items: tuple[Any, ...]) -> list[Any]:
        """The Python values of constants; a parameter that is a list stands for all its items."""
        found: list[Any] = []
        for item in items:
            given = self.given(item)
            if isinstance(given, list | tuple):
                found.extend(given)
            else:
                found.append(given)
        return found

    def _in_query(self, node: syntax.InQuery, scope: Scope) -> Condition:
        inner = QueryResolver(self.context)
        query = inner.query(_for_one_value(node.query), behind_in=True)
        if len(query.outputs) != 1:
            raise self.invalid("a query behind `in` selects one value")
        [output] = query.outputs
        if output.attribute.multi:
            raise self.invalid(f"a query behind `in` cannot select {output.name!r}, which has several values")

        def make(value: Value, _binders: Binders) -> Condition:
            left, right = self.unified((value, output.value), "there is no way to compare")
            if left.type.family == "id" and not self._may_be_same(left.type.target, right.type.target):
                raise self.invalid(f"an id of {left.type.target} is never one of {right.type.target}")
            whole = msgspec.structs.replace(query, outputs=(msgspec.structs.replace(output, value=right),))
            condition = InRows(left, whole)
            return Not(condition) if node.negated else condition

        return self._leaf(node.value, scope, make)

    def _any(self, node: syntax.Any, scope: Scope) -> Condition:
        self.at = node.path.at
        if scope.entry is not None or not node.path.names:
            raise self.invalid(f"{render(node.path)} is no collection")
        binders = Binders()
        *way, last = node.path.names
        row, type_name, rest = self.walk(syntax.Path(tuple(way), node.path.at), scope, binders, whole=True)
        if rest:
            self.attribute(type_name, rest[0])
            raise self.invalid(f"{type_name}.{rest[0]} leads to no entity")
        attribute = self.attribute(type_name, last)
        if not attribute.many:
            hint = "; use has (…)" if attribute.kind == "reference" else ""
            raise self.invalid(f"{type_name}.{last} is a {attribute.kind}, no collection{hint}")
        own = Binders()
        over = self.member(row, attribute, own, node.path)
        inside = len(binders) + 1
        self.context.collections += inside
        self.context.check_collections(Binders())
        condition = self._member_condition(node.condition, over)
        self.context.collections -= inside
        return self._for_any(binders, Exists(over, condition))

    def _member_condition(self, condition: syntax.Condition | None, over: Members) -> Condition:
        if condition is None:
            return Constant(True)
        attribute, member = over.attribute, over.member
        if isinstance(member, Root):
            link = LinkRow(member.number) if attribute.kind == "links" and attribute.notes else None
            return self.condition(condition, Scope(member, member.type, link))
        return self.condition(condition, Scope(member, "", None, attribute))

    def _has(self, node: syntax.Has, scope: Scope) -> Condition:
        self.at = node.path.at
        if scope.entry is not None:
            raise self.invalid(f"{render(node.path)} is no reference")
        binders = Binders()
        row, type_name, rest = self.walk(node.path, scope, binders, whole=True)
        reference = self._last_reference(node.path, scope)
        if rest or reference is None:
            if rest:
                attribute = self.attribute(type_name, rest[0])
                raise self.invalid(f"{type_name}.{attribute.name} is a {attribute.kind}, no reference")
            raise self.invalid(f"{render(node.path)} has many members; use any (…)")
        there = Not(IsNull(Get(row, "id", ValueType("uuid", target=type_name))))
        if node.condition is None:
            return self._for_any(binders, there)
        return self._for_any(binders, And((there, self.condition(node.condition, Scope(row, type_name)))))

    def _last_reference(self, path: syntax.Path, scope: Scope) -> Attribute | None:
        found: Attribute | None = None
        type_name = scope.type
        for name in path.names:
            found = self.schema.attributes(type_name).get(name)
            if found is None or not found.target:
                return None
            type_name = found.target
        return found if found is not None and found.kind == "reference" else None


_SINGLE = Attribute(name="", kind="text")


def _is_entity(row: Any) -> bool:
    return isinstance(row, Root | Through)


def _is_loose(value: Value) -> bool:
    """Whether a value of a grouped query depends on a single row of its group."""
    match value:
        case Key() | Bound():
            return False
        case Aggregate():
            return bool(value.over)
        case Function():
            return any(map(_is_loose, value.arguments))
        case Arithmetic():
            return _is_loose(value.left) or _is_loose(value.right)
        case Convert() | Rank() | Unrank():
            return _is_loose(value.value)
    return True


def _for_one_value(query: syntax.Query) -> syntax.Query:
    """What a query behind `in` selects where it does not say: the entities themselves."""
    if query.select or query.group_by:
        return query
    return msgspec.structs.replace(query, select=(syntax.Selected(syntax.Path(("id",))),))


def _check_window(resolver: QueryResolver, query: syntax.Query) -> None:
    for name, number in (("limit", query.limit), ("offset", query.offset)):
        if number is not None and not 0 <= number < 2**63:
            raise resolver.invalid(f"{name} is a whole number from 0, not {number}")
