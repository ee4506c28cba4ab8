"""Layouts: what the engine needs to know of one type to read and write its rows, worked out once per catalog."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from ..model.kinds import Storage
from ..model.schema import Attribute, Schema
from ..query.initial import Initial, initials_of
from .catalog import Catalog
from .tables import past

__all__ = ["Layout", "layout_of", "roots"]

_layouts: WeakKeyDictionary[Catalog, dict[str, Layout]] = WeakKeyDictionary()


class Layout:
    """One type of one catalog.

    `columns` maps each stored attribute to its column, `storage` each column of the table to its storage
    class; `typed` says that rows name their type, because the table keeps several.
    """

    def __init__(self, catalog: Catalog, type_name: str) -> None:
        schema, tables = catalog.schema, catalog.tables
        self._schema = schema
        self.type = type_name
        self.root = schema.root(type_name)
        self.table = tables.entity_name(type_name)
        self.past = past(self.table)
        self.storage: dict[str, Storage] = tables.storage[self.root]
        self.typed = "entity_type" in self.storage
        stored = schema.stored_attributes(type_name)
        self.attributes: dict[str, Attribute] = {
            each.name: each for each in stored if self.typed or each.name != "entity_type"
        }
        self.columns = {name: tables.column_name(type_name, name) for name in self.attributes}
        own = [each for each in self.attributes.values() if not each.system]
        self.own = tuple(each.name for each in own)
        self.defaults: dict[str, Any] = {each.name: each.default for each in own if each.default is not None}
        self.required = tuple(each.name for each in own if each.required)
        self.references = tuple(each for each in own if each.kind == "reference")
        self.immutable = tuple(each.name for each in own if each.immutable)
        # What the room gives to new entities that have no value there.
        self.given = tuple(dict.fromkeys((*schema.initials(type_name), *schema.numbered(type_name))))
        # Only the declaring type and those that extend it keep a unique set.
        self.unique_sets = schema.unique_sets(type_name)
        self.unique = frozenset(name for _, names in self.unique_sets for name in names)

    @cached_property
    def initials(self) -> tuple[Initial, ...]:
        """How the room finds what it gives, each behind what it is made of."""
        return initials_of(self._schema, self.type)

    def storage_of(self, columns: tuple[str, ...] | list[str]) -> tuple[Storage, ...]:
        """The storage classes of some columns, in order."""
        return tuple(map(self.storage.__getitem__, columns))


def layout_of(catalog: Catalog, type_name: str) -> Layout:
    """The layout of `type_name`; UnknownType where there is no such type."""
    catalog = catalog.plain
    found = _layouts.get(catalog)
    if found is None:
        found = _layouts[catalog] = {}
    layout = found.get(type_name)
    if layout is None:
        catalog.schema[type_name]
        layout = found[type_name] = Layout(catalog, type_name)
    return layout


def roots(schema: Schema) -> list[str]:
    """The types that have a table, in order of declaration."""
    return [name for name in schema if not schema[name].extends]
