"""Values of custom attributes: one for each configuration that applies to an entity, whether it has one or not."""

from __future__ import annotations

import json
from typing import Any

from ...errors import InvalidValue
from ...model.ids import show_id
from ...model.schema import Schema
from ...query.request import Page
from ...query.syntax import In, Parameter, Path, Query, Selected
from .configurations import Configuration
from .inheriting import hand_down
from .reading import Node, Reader
from .values import raw, shown_column

__all__ = ["applicable", "configurations_of", "dense_values", "natives_of_value", "own_values", "value_row"]

_BY_ID = In(Path(("id",)), (Parameter("ids"),))
_MOST = 10_000
_OF_CONFIGURATION = (
    "id", "key", "applies_to", "object_type", "project", "is_hierarchical", "attribute", "default"
)  # fmt: skip
Loaded = dict[tuple[bytes, str], Any]  # by entity and attribute


async def configurations_of(reader: Reader) -> list[Configuration]:
    """Every configuration that can be seen, those of projects before those of all."""
    if "CustomAttributeConfiguration" not in reader.schema:
        return []
    select = tuple(Selected(Path((each,))) for each in _OF_CONFIGURATION)
    page = await reader.page(Query("CustomAttributeConfiguration", select), _MOST)
    rows = [dict(zip(page.columns, values, strict=True)) for values in zip(*page.columns.values(), strict=True)]
    found = [_configuration(entity, row) for entity, row in zip(page.ids, rows, strict=True)]
    return sorted(found, key=lambda each: each.project is None)


def _configuration(entity: bytes, row: dict[str, Any]) -> Configuration:
    return Configuration(
        id=show_id(entity),
        key=row["key"],
        entity_type=row["applies_to"],
        object_type=None if row["object_type"] is None else show_id(row["object_type"]),
        project=None if row["project"] is None else show_id(row["project"]),
        is_hierarchical=bool(row["is_hierarchical"]),
        attribute=row["attribute"] or "",
        default=None if row["default"] is None else json.loads(row["default"]),
    )


def applicable(reader: Reader, configuration: Configuration, kind: str, project: str | None) -> bool:
    """Whether an entity of a native type, in a project, has a value for a configuration."""
    if configuration.project not in (None, project):
        return False
    return any(reader.schema.is_a(kind, each) for each in configuration.natives(reader.schema))


def shown_default(schema: Schema, configuration: Configuration) -> Any:
    """What an entity without a value of its own has, as JSON there: a moment where the attribute keeps moments."""
    default = configuration.default
    native = next(iter(configuration.natives(schema)), None)
    if native is None or not isinstance(default, str):
        return default
    attribute = schema.attribute(native, configuration.native)
    if attribute.kind not in ("date", "datetime"):
        return default
    try:
        return shown_column([raw(native, attribute.name, default, attribute)], attribute.kind)[0]
    except InvalidValue:
        return default


def value_row(target: str, configuration: Configuration, entity: bytes, value: Any) -> dict[str, Any]:
    """One value as the client merges it."""
    return {
        "__entity_type__": target,
        "configuration_id": configuration.id,
        "entity_id": show_id(entity),
        "key": configuration.key,
        "value": value,
    }


async def dense_values(reader: Reader, kinds: dict[bytes, str], target: str, node: Node) -> list[list[Any]]:
    """For each entity, by its native type, its values: its own, those that are handed down to it, or defaults."""
    values = await _values(reader, kinds)
    if any(each.is_hierarchical for each in reader.configurations):
        await hand_down(reader, kinds, values)
    found = await _fitting(reader, kinds)
    return await _rows(reader, found, values, target, node)


async def own_values(reader: Reader, kinds: dict[bytes, str], target: str, node: Node) -> list[list[Any]]:
    """As `dense_values`, but of hierarchical ones only those that entities have themselves."""
    values = await _values(reader, kinds)
    found = {
        entity: [each for each in fitting if not each.is_hierarchical or values.get((entity, each.native)) is not None]
        for entity, fitting in (await _fitting(reader, kinds)).items()
    }
    return await _rows(reader, found, values, target, node)


async def _fitting(reader: Reader, kinds: dict[bytes, str]) -> dict[bytes, list[Configuration]]:
    projects = await _projects(reader, kinds)
    return {
        entity: [each for each in reader.configurations if applicable(reader, each, kind, projects.get(entity))]
        for entity, kind in kinds.items()
    }


async def _rows(
    reader: Reader, fitting: dict[bytes, list[Configuration]], values: Loaded, target: str, node: Node
) -> list[list[Any]]:
    defaults = {each.id: shown_default(reader.schema, each) for each in reader.configurations}
    found: list[list[Any]] = []
    for entity, configurations in fitting.items():
        own = ((each, values.get((entity, each.native))) for each in configurations)
        found.append(
            [value_row(target, each, entity, defaults[each.id] if value is None else value) for each, value in own]
        )
    if "configuration" in node:
        await _add_configurations(reader, found, node["configuration"])
    return found


async def _add_configurations(reader: Reader, found: list[list[Any]], node: Node) -> None:
    ids = {each["configuration_id"]: None for rows in found for each in rows}
    raws = [bytes.fromhex(each.replace("-", "")) for each in ids]
    by_id = {row["id"]: row for row in (await reader.by_ids("CustomAttributeConfiguration", raws, node)).values()}
    for rows in found:
        for each in rows:
            each["configuration"] = by_id.get(each["configuration_id"])


async def _projects(reader: Reader, kinds: dict[bytes, str]) -> dict[bytes, str | None]:
    """The project of each entity, where some configuration depends on it."""
    if all(each.project is None for each in reader.configurations):
        return {}
    found: dict[bytes, str | None] = {}
    for root, ids in _by_root(reader, kinds).items():
        if root in ("Context", "Asset", "AssetVersion", "List"):
            rows = await reader.by_ids(root, ids, {"project_id": {}})
            found |= {entity: row["project_id"] for entity, row in rows.items()}
    return found | {entity: show_id(entity) for entity, kind in kinds.items() if kind == "Project"}


async def _values(reader: Reader, kinds: dict[bytes, str]) -> Loaded:
    """What is stored: a request for each native type that has attributes of its own."""
    wanted: dict[str, dict[str, None]] = {}
    for configuration in reader.configurations:
        for native in configuration.natives(reader.schema):
            wanted.setdefault(native, {})[configuration.native] = None
    found: Loaded = {}
    for native, attributes in wanted.items():
        ids = [entity for entity, kind in kinds.items() if reader.schema.is_a(kind, native)]
        if ids:
            select = tuple(Selected(Path((each,))) for each in ("id", *attributes))
            page = await reader.page(Query(native, select, _BY_ID), len(ids), {"ids": ids})
            found |= _cells(reader, native, page, list(attributes))
    return found


def _cells(reader: Reader, native: str, page: Page, attributes: list[str]) -> Loaded:
    found: Loaded = {}
    for name in attributes:
        attribute = reader.schema.attribute(native, name)
        shown = shown_column(page.columns[name], attribute.kind, multi=attribute.multi)
        found |= {(entity, name): value for entity, value in zip(page.ids, shown, strict=True)}
    return found


def _by_root(reader: Reader, kinds: dict[bytes, str]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for entity, kind in kinds.items():
        found.setdefault(reader.schema.root(kind), []).append(entity)
    return found


def natives_of_value(schema: Schema, configuration: Configuration, kind: str | None) -> list[str]:
    """The native types whose attribute keeps the value of an entity; all that may, where its type is not known."""
    natives = configuration.natives(schema)
    return natives if kind is None else [each for each in natives if schema.is_a(kind, each)]
