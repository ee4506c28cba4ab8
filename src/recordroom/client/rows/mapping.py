"""Which column of a file goes into which attribute, and how references are found: decided once, before the first row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ...errors import InvalidReference, UnknownAttribute
from ...model.schema import Attribute, Schema, close_names
from .files import broken

__all__ = ["Lookup", "Plan", "key_names", "natural_key", "natural_keys", "path_end", "plan_columns", "read_lookup"]


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """How a reference is found: the columns of the file that together equal the `key` paths of the target.

    `key` is () where nothing was said: values that look like ids are ids, others are the target's one unique attribute.
    """

    columns: tuple[str, ...] = ()
    key: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """`scalars`: (column, attribute); `lookups`: (attribute, how it is found); `links` as these, `mappings` as those."""

    type: str
    scalars: tuple[tuple[str, Attribute], ...]
    lookups: tuple[tuple[Attribute, Lookup], ...]
    links: tuple[tuple[Attribute, Lookup], ...] = ()
    mappings: tuple[tuple[str, Attribute], ...] = ()
    key: tuple[str, ...] = ()
    type_column: str | None = None

    @property
    def columns(self) -> set[str]:
        """Every column of the file that is read."""
        found = {column for column, _ in (*self.scalars, *self.mappings)}
        found.update(column for _, lookup in (*self.lookups, *self.links) for column in lookup.columns)
        return found

    @property
    def attributes(self) -> list[str]:
        """The scalars and references that get a value, `id` not counted."""
        names = [attribute.name for _, attribute in self.scalars if attribute.name != "id"]
        return names + [attribute.name for attribute, _ in self.lookups]

    def column_of(self, attribute: str) -> str:
        """The column(s) that fill an attribute, for messages."""
        for column, each in (*self.scalars, *self.mappings):
            if each.name == attribute:
                return column
        for each, lookup in (*self.lookups, *self.links):
            if each.name == attribute:
                return ", ".join(lookup.columns)
        return ""


def read_lookup(given: Any) -> Lookup:
    """A lookup from what a user gives: a `Lookup`, "key", "column:key", "a,b:key_a,key_b", or a path such as `Airline.code`."""
    if isinstance(given, Lookup):
        return given
    if isinstance(given, str):
        columns, colon, key = given.rpartition(":")
        return Lookup(columns=_names(columns) if colon else (), key=_names(key))
    if isinstance(given, Sequence):
        return Lookup(key=tuple(name for each in given for name in read_lookup(each).key))
    tree = getattr(given, "tree", given)
    if hasattr(tree, "names"):
        return Lookup(key=(".".join(tree.names),))
    raise TypeError(f"a reference is found by a key such as 'code' or 'column:code', not by {given!r}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def key_names(given: Any) -> tuple[str, ...]:
    """Attribute names of a key given as one name, a path or a sequence of them."""
    return () if given is None else read_lookup(given).key


def plan_columns(  # noqa: PLR0913 - each is one thing that the user may say
    schema: Schema,
    type_name: str,
    names: Sequence[str],
    *,
    source: str,
    key: tuple[str, ...] = (),
    mapping: Mapping[str, str],
    references: Mapping[str, Lookup],
    ignore_extra: bool = False,
) -> Plan:
    """The plan for a file with columns `names`.

    UnknownType, UnknownAttribute (with close names) and ImportFailed where names do not fit.
    """
    _must_have(mapping, names, source)
    lookups = tuple(
        _lookup(schema, type_name, attribute, how, names, mapping, source) for attribute, how in references.items()
    )
    used = {column for _, lookup in lookups for column in lookup.columns}
    scalars, mappings, implied, type_column = [], [], [], None
    for column in names:
        name = mapping.get(column, column)
        if name == "entity_type" and schema.in_hierarchy(type_name):
            type_column = column
            continue
        if name in references:
            continue
        if name not in schema.attributes(type_name):
            if column not in mapping and (column in used or ignore_extra):
                continue
            raise _unknown(schema, type_name, column, name)
        attribute = _importable(schema, type_name, name, source, ignore_extra)
        if attribute is None:
            continue
        if attribute.kind in ("reference", "links"):
            implied.append((attribute, Lookup(columns=(column,))))
        elif attribute.kind == "mapping":
            mappings.append((column, attribute))
        else:
            scalars.append((column, attribute))
    if not key and any(attribute.name == "id" for _, attribute in scalars):
        key = ("id",)
    found = (*lookups, *implied)
    plan = Plan(
        type=type_name,
        scalars=tuple(scalars),
        lookups=tuple(each for each in found if each[0].kind == "reference"),
        links=tuple(each for each in found if each[0].kind == "links"),
        mappings=tuple(mappings),
        key=key,
        type_column=type_column,
    )
    _each_once(plan, source)
    _must_have_key(plan, schema, source)
    return plan


def _must_have(columns: Iterable[str], names: Sequence[str], source: str) -> None:
    for column in columns:
        if column not in names:
            close = close_names(column, names)
            hint = f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(names)}"
            raise broken(source, f"expected a column {column!r}{hint}", column=column)


def _unknown(schema: Schema, type_name: str, column: str, name: str) -> UnknownAttribute:
    error = UnknownAttribute(
        type=type_name, name=name, column=column, suggestions=close_names(name, _writable(schema, type_name))
    )
    hint = f" Map column {column!r} to an attribute, or ignore columns that are not attributes."
    return UnknownAttribute(error.message + hint, **error.facts)


def _writable(schema: Schema, type_name: str) -> list[str]:
    return [each.name for each in schema.attributes(type_name).values() if each.writable and each.kind != "collection"]


def _importable(schema: Schema, type_name: str, name: str, source: str, ignore: bool) -> Attribute | None:
    attribute = schema.attribute(type_name, name)
    if name == "id" or (attribute.writable and (attribute.stored or attribute.kind in ("links", "mapping"))):
        return attribute
    if ignore:
        return None
    what = "set by the room" if attribute.system else "computed" if attribute.computed else f"a {attribute.kind}"
    raise broken(
        source,
        f"expected attributes that can be set; {type_name}.{name} is {what} (columns like it can be ignored)",
        column=name,
    )


def _lookup(  # noqa: PLR0913 - as plan_columns
    schema: Schema,
    type_name: str,
    name: str,
    how: Lookup,
    names: Sequence[str],
    mapping: Mapping[str, str],
    source: str,
) -> tuple[Attribute, Lookup]:
    attribute = schema.attribute(type_name, name)
    if attribute.kind not in ("reference", "links"):
        raise broken(
            source, f"expected a reference or links; {type_name}.{name} is of kind {attribute.kind}", column=name
        )
    columns = how.columns or tuple(column for column in names if mapping.get(column, column) == name)
    if not columns and len(names):
        raise broken(source, f"expected a column for {type_name}.{name}; say which one: 'column:key'", column=name)
    _must_have(columns, names, source)
    if attribute.kind == "links" and len(columns) > 1:
        raise broken(source, f"expected one column of lists for {type_name}.{name}", column=name)
    if how.key and len(columns) != len(how.key):
        raise broken(
            source,
            f"expected as many columns as parts of the key for {type_name}.{name}: "
            f"{', '.join(columns)} for {', '.join(how.key)}",
            column=name,
        )
    for path in how.key:
        path_end(schema, attribute.target, path)
    return attribute, Lookup(columns=columns, key=how.key)


def path_end(schema: Schema, type_name: str, path: str) -> Attribute:
    """The attribute at the end of a dotted path of references; UnknownAttribute on the way."""
    *way, last = path.split(".")
    for name in way:
        type_name = schema.attribute(type_name, name).target
    return schema.attribute(type_name, last)


def natural_keys(schema: Schema, type_name: str) -> list[str]:
    """The attributes of a type that are unique by themselves."""
    return [names[0] for _, names in schema.unique_sets(type_name) if len(names) == 1]


def natural_key(schema: Schema, attribute: Attribute, type_name: str) -> str:
    """The target's single unique attribute; InvalidReference where it has none or several."""
    single = natural_keys(schema, attribute.target)
    if len(single) == 1:
        return single[0]
    found = f"has {len(single)}: {', '.join(single)}" if single else "has none"
    raise InvalidReference(
        f"{type_name}.{attribute.name}: say by which attribute a {attribute.target} is found; "
        f"there is no default, because one unique attribute is needed and it {found}.",
        type=type_name,
        attribute=attribute.name,
        target=attribute.target,
    )


def _each_once(plan: Plan, source: str) -> None:
    seen: set[str] = set()
    names = [attribute.name for _, attribute in (*plan.scalars, *plan.mappings)]
    for name in names + [attribute.name for attribute, _ in (*plan.lookups, *plan.links)]:
        if name in seen:
            raise broken(
                source, f"expected one column for each attribute, found two for {plan.type}.{name}", column=name
            )
        seen.add(name)


def _must_have_key(plan: Plan, schema: Schema, source: str) -> None:
    have = {*plan.attributes, *(attribute.name for _, attribute in plan.scalars)}
    for name in plan.key:
        schema.attribute(plan.type, name)
        if name not in have:
            raise broken(source, f"expected a column for {plan.type}.{name}, which is part of the key", column=name)
