"""Entries of mappings and notes of links: checked when they are set, converted when they are shown. Pure functions."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..errors import InvalidValue
from ..model.kinds import WrongValue, raw_loader
from ..model.schema import Attribute
from .facts import Checker, Loader, TypeFacts, checker_of

__all__ = ["checked_entry", "checked_text", "shown_entry"]

checked_text = checker_of(Attribute(name="key", kind="text"))


@lru_cache(maxsize=256)
def _entry(attribute: Attribute) -> tuple[Attribute, Checker, Loader | None]:
    """What the values of a mapping are like."""
    entry = Attribute(name=attribute.name, kind=attribute.of)
    return entry, checker_of(entry), raw_loader(entry)


def shown_entry(attribute: Attribute, raw: Any) -> Any:
    """The Python value of an entry of a mapping."""
    load = _entry(attribute)[2]
    return raw if load is None or raw is None else load(raw)


def checked_entry(facts: TypeFacts, attribute: Attribute, key: Any, value: Any) -> tuple[str, Any]:
    """A key and a raw scalar; InvalidValue otherwise."""
    try:
        checked_key = checked_text(key)
        if not checked_key:
            raise WrongValue("a text that is not empty")
    except WrongValue as error:
        expected = f"as a key, {error}"
        raise InvalidValue(type=facts.name, attribute=attribute.name, value=key, expected=expected) from None
    entry, check, _ = _entry(attribute)
    try:
        raw = check(value)
        if raw is None:
            raise WrongValue(f"{entry.kind_of.expected(entry)}; del drops a key")
    except WrongValue as error:
        place = f"{attribute.name}[{key!r}]"
        raise InvalidValue(type=facts.name, attribute=place, value=value, expected=str(error)) from None
    return checked_key, raw
