"""What a session needs to know of an entity type to read and write its attributes quickly.

`TypeFacts` turns one type of a schema into tables by attribute name: loaders (raw scalar → Python value),
checkers (Python value → raw scalar) and the groups of names that loading asks for. No state, no I/O.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from functools import cached_property
from typing import Any

from ..errors import UnknownAttribute
from ..model.kinds import (
    KINDS,
    MAX_DATETIME,
    MAX_INTEGER,
    MIN_DATETIME,
    MIN_INTEGER,
    check,
    raw_dumper,
    raw_loader,
)
from ..model.schema import Attribute, Schema, close_names

__all__ = ["Checker", "Loader", "TypeFacts", "checker_of"]

Loader = Callable[[Any], Any]
Checker = Callable[[Any], Any]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_LIMIT = sys.float_info.max


def checker_of(attribute: Attribute) -> Checker:
    """The function from a Python value (or None) of a scalar attribute to its raw scalar; it raises WrongValue.

    Values of the exact type that a kind keeps take a short way.
    """
    full = _full_checker(attribute)
    if attribute.multi:
        return full
    short = _SHORT_WAYS.get(attribute.kind)
    return full if short is None else short(attribute, full)


def _full_checker(attribute: Attribute) -> Checker:
    dump = raw_dumper(attribute)

    def full(value: Any) -> Any:
        checked = check(value, attribute)
        return checked if checked is None or dump is None else dump(checked)

    return full


def _text(attribute: Attribute, full: Checker) -> Checker:
    if attribute.max_length is not None or attribute.pattern is not None:
        return full

    def text(value: Any) -> Any:
        if type(value) is str and value.isascii() and "\0" not in value:
            return value
        return full(value)

    return text


def _integer(attribute: Attribute, full: Checker) -> Checker:
    low = MIN_INTEGER if attribute.min is None else max(attribute.min, MIN_INTEGER)
    high = MAX_INTEGER if attribute.max is None else min(attribute.max, MAX_INTEGER)

    def integer(value: Any) -> Any:
        if type(value) is int and low <= value <= high:
            return value
        return full(value)

    return integer


def _number(attribute: Attribute, full: Checker) -> Checker:
    low = -_LIMIT if attribute.min is None else attribute.min
    high = _LIMIT if attribute.max is None else attribute.max

    def number(value: Any) -> Any:
        # NaN compares false with everything and an infinity lies outside.
        if type(value) is float and low <= value <= high:
            return value
        return full(value)

    return number


def _date(attribute: Attribute, full: Checker) -> Checker:
    def date(value: Any) -> Any:
        return value.toordinal() - _EPOCH_DAY if type(value) is dt.date else full(value)

    return date


def _datetime(attribute: Attribute, full: Checker) -> Checker:
    def datetime(value: Any) -> Any:
        if type(value) is dt.datetime and value.tzinfo is not None:
            delta = value - _EPOCH
            raw = delta.days * 86_400_000_000 + delta.seconds * 1_000_000 + delta.microseconds
            # A zone may carry a moment out of the years that UTC can show.
            if MIN_DATETIME <= raw <= MAX_DATETIME:
                return raw
        return full(value)

    return datetime


def _boolean(attribute: Attribute, full: Checker) -> Checker:
    def boolean(value: Any) -> Any:
        return value if value is True or value is False else full(value)

    return boolean


def _choice(attribute: Attribute, full: Checker) -> Checker:
    # The schema's own text, so that equal choices are one object.
    known = {choice: choice for choice in attribute.choices}

    def choice(value: Any) -> Any:
        return known[value] if type(value) is str and value in known else full(value)

    return choice


_SHORT_WAYS: dict[str, Callable[[Attribute, Checker], Checker]] = {
    "text": _text,
    "long_text": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "choice": _choice,
}


class TypeFacts:
    """One type of one schema, as tables by attribute name.

    `loaders` has the scalars whose raw form is not their value (`keepers` those with values that a page may keep);
    `checkers` those that can be set;
    `references` and `many` the relations; `plain` the columns of the hierarchy that are shown as they are.
    """

    def __init__(self, schema: Schema, name: str) -> None:
        self.schema = schema
        self.name = name
        self.root = schema.root(name)
        self.attributes = schema.attributes(name)
        scalars = [each for each in self.attributes.values() if not each.relation]
        self.scalars = tuple(each.name for each in scalars)
        self.loaders: dict[str, Loader] = {
            each.name: load for each in scalars if (load := raw_loader(each)) is not None and each.name != "id"
        }
        # Values that never change may be kept; JSON is made afresh each time.
        self.keepers = {name: load for name, load in self.loaders.items() if self.attributes[name].kind != "json"}
        self.checkers = {each.name: checker_of(each) for each in scalars if each.writable}
        self.references = {each.name: each for each in self.attributes.values() if each.kind == "reference"}
        self.many = {each.name: each for each in self.attributes.values() if each.many}

    @cached_property
    def plain(self) -> frozenset[str]:
        """Names whose raw scalars are their values, whichever type of the hierarchy they belong to."""
        shown: dict[str, bool] = {}
        for name in self.schema.subtypes(self.root):
            for each in self.schema.attributes(name).values():
                is_plain = not each.relation and not each.multi and KINDS[each.kind].plain
                shown[each.name] = shown.get(each.name, True) and is_plain
        return frozenset(name for name, is_plain in shown.items() if is_plain)

    @cached_property
    def default_names(self) -> tuple[str, ...]:
        """What a query without select brings: every stored scalar and reference but the id."""
        return tuple(each.name for each in self.schema.stored_attributes(self.name) if each.name != "id")

    @cached_property
    def volatile(self) -> tuple[str, ...]:
        """Scalars that change without being set: computed ones, and who changed it when."""
        return tuple(name for name in self.scalars if not self.attributes[name].stored)

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """The raw scalar that each attribute that can be set has where a create says nothing."""
        return {
            each.name: each.default
            for each in self.attributes.values()
            if each.stored and each.writable and not each.system
        }

    @cached_property
    def given(self) -> frozenset[str]:
        """What the room may give to a new entity that leaves it without a value."""
        return frozenset((*self.schema.initials(self.name), *self.schema.numbered(self.name)))

    @cached_property
    def loadable(self) -> dict[str, None]:
        """Scalars and references, in order: what `items()` loads."""
        return dict.fromkeys(name for name in (*self.scalars, *self.references) if name not in ("id", "entity_type"))

    @cached_property
    def mirrored(self) -> dict[str, tuple[str, str]]:
        """Reference → (declaring type, name) of those that a collection shows on the other side."""
        return {name: (self.owner(name), name) for name, each in self.references.items() if each.reverse}

    @cached_property
    def polymorphic(self) -> bool:
        """True where an id alone does not tell of which type its entity is."""
        return len(self.schema.subtypes(self.name)) > 1 or self.schema[self.name].abstract

    def owner(self, attribute: str) -> str:
        """The type that declares an attribute."""
        return self.schema.owner(self.name, attribute)

    def attribute(self, name: str) -> Attribute:
        """The attribute of that name; UnknownAttribute with close names otherwise."""
        try:
            return self.attributes[name]
        except (KeyError, TypeError):
            close = close_names(str(name), self.attributes)
            raise UnknownAttribute(type=self.name, name=name, suggestions=close) from None
