"""Entities that refer to each other, as the trees that JSON has.

The client merges an entity where it meets it first, which depends on what it knows already, and skips it from then on. So
an entity has all that is known of it wherever it stands; within itself only its key. Lists within entities that come
again and again are left out once there have been very many, and the client asks for those when it needs them.
"""

from __future__ import annotations

from typing import Any

from .names import Names

__all__ = ["Emitter"]

_MOST = 20_000
_DEEP = (dict, list)


class Emitter:
    """Makes trees, for one answer."""

    def __init__(self, names: Names) -> None:
        self._types = names.types
        self._within: set[int] = set()
        self._seen: set[int] = set()
        self._again = 0

    def __call__(self, value: Any) -> Any:
        """A value, with entities in it as trees."""
        if type(value) is dict:
            return self._entity(value) if "__entity_type__" in value else value
        if type(value) is list and value and type(value[0]) is dict:
            return [self(each) for each in value]
        return value

    def _entity(self, row: dict[str, Any]) -> dict[str, Any]:
        deep = [name for name, value in row.items() if type(value) in _DEEP]
        if not deep:
            return row
        number = id(row)
        if number in self._within:
            return {name: row[name] for name in ("__entity_type__", *self._types[row["__entity_type__"]].key)}
        again = number in self._seen
        self._seen.add(number)
        self._again += again
        bare = again and self._again > _MOST
        self._within.add(number)
        found = row.copy()
        for name in deep:
            if bare and type(row[name]) is list:
                del found[name]
            else:
                found[name] = self(row[name])
        self._within.discard(number)
        return found
