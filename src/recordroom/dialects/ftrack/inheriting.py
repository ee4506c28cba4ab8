"""Hierarchical custom attributes: what has no value of its own has that of the nearest above it that has one.

A request for each level above the entities, whatever their number. What may not be seen hands nothing down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...query.syntax import In, Parameter, Path, Query, Selected
from .reading import Reader
from .values import shown_column

__all__ = ["hand_down"]

_ABOVE = {"Context": "parent", "Asset": "parent", "AssetVersion": "asset"}
_BY_ID = In(Path(("id",)), (Parameter("ids"),))
_DEEPEST = 64


class _Level(NamedTuple):
    """An entity, or what is above one: what it has of its own, and what is above it."""

    values: Mapping[str, Any]
    above: bytes | None


async def hand_down(reader: Reader, kinds: Mapping[bytes, str], values: dict[tuple[bytes, str], Any]) -> None:
    """Add to `values`, by entity and native attribute, what entities lack of hierarchical attributes."""
    names = dict.fromkeys(each.native for each in reader.configurations if each.is_hierarchical)
    lacking = {
        entity: kind
        for entity, kind in kinds.items()
        if reader.schema.root(kind) in _ABOVE and any(values.get((entity, name)) is None for name in names)
    }
    known = await _known(reader, lacking, list(names))
    for entity in lacking:
        for name in names:
            if values.get((entity, name)) is None:
                values[entity, name] = _nearest(known, entity, name)


async def _known(reader: Reader, kinds: Mapping[bytes, str], names: list[str]) -> dict[bytes, _Level]:
    """Entities and all above them, as far up as somebody still lacks a value."""
    known: dict[bytes, _Level] = {}
    lacks = {entity: frozenset(names) for entity in kinds}  # what nothing below and up to an entity has
    level: dict[str, list[bytes]] = {}
    for entity, kind in kinds.items():
        level.setdefault(reader.schema.root(kind), []).append(entity)
    for _ in range(_DEEPEST):
        above: dict[str, dict[bytes, None]] = {}
        for root, ids in level.items():
            target = reader.schema.root(reader.schema.attribute(root, _ABOVE[root]).target)
            for entity, found in (await _level(reader, root, ids, names)).items():
                known[entity] = found
                left = frozenset(name for name in lacks[entity] if found.values.get(name) is None)
                if left and found.above is not None:
                    lacks[found.above] = lacks.get(found.above, frozenset()) | left
                    above.setdefault(target, {})[found.above] = None
        level = {root: new for root, ids in above.items() if (new := [each for each in ids if each not in known])}
        if not level:
            break
    return known


async def _level(reader: Reader, root: str, ids: list[bytes], names: list[str]) -> dict[bytes, _Level]:
    attributes = [each for each in names if each in reader.schema.attributes(root)]
    select = tuple(Selected(Path((each,))) for each in ("id", _ABOVE[root], *attributes))
    page = await reader.page(Query(root, select, _BY_ID), len(ids), {"ids": ids})
    columns: dict[str, list[Any]] = {}
    for name in attributes:
        attribute = reader.schema.attribute(root, name)
        columns[name] = shown_column(page.columns[name], attribute.kind, multi=attribute.multi)
    return {
        entity: _Level({name: column[place] for name, column in columns.items()}, page.columns[_ABOVE[root]][place])
        for place, entity in enumerate(page.ids)
    }


def _nearest(known: Mapping[bytes, _Level], entity: bytes | None, name: str) -> Any:
    for _ in range(_DEEPEST):
        level = None if entity is None else known.get(entity)
        if level is None:
            return None
        if level.values.get(name) is not None:
            return level.values[name]
        entity = level.above
    return None
