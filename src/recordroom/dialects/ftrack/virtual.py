"""Rows of types that have no rows here: metadata, values of custom attributes, pairs of links.

They are made of what a few requests find, and the condition is judged row by row. What a condition says of ids narrows
the requests; what it says of entities behind a row becomes a list of their ids first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from ...errors import InvalidQuery
from ...model.ids import as_id, show_id
from ...query import syntax
from ...query.request import MembersRequest, Page
from ...query.syntax import (
    And,
    Compare,
    Condition,
    Constant,
    Has,
    In,
    InQuery,
    Literal,
    Not,
    Or,
    Parameter,
    Path,
    Query,
)
from ...query.syntax import Any as AnyMember
from . import tables
from .configurations import Configuration
from .custom import dense_values, own_values
from .judging import Among, Test
from .names import Field, Type
from .pairs import Sought, found_pairs, pair_rows
from .queries import Rewriter, Scope
from .reading import ORDER, Node, Reader, metadata_row

__all__ = ["values_of", "virtual_rows"]

_MOST = 10_000
_IDS = (syntax.Selected(Path(("id",))),)
_BY_ID = In(Path(("id",)), (Parameter("ids"),))
Row = dict[str, Any]
Hints = dict[str, list[str]]  # values that a column must have one of


async def virtual_rows(reader: Reader, type: Type, where: Condition | None, node: Node) -> list[Row]:
    """Every row that fits, in an order that stays."""
    where = await _without_paths(reader, type, where)
    hints = _hints(where)
    if type.name == "Metadata":
        rows = await _metadata(reader, hints)
    elif type.pair is not None:
        rows = await _pairs(reader, type, hints, node)
    else:
        rows = await _values(reader, type, where, node)
    return [row for row in rows if where is None or _holds(where, row)]


# --- conditions -----------------------------------------------------------------------------------------


async def _without_paths(reader: Reader, type: Type, node: Condition | None) -> Any:
    """The condition with lists of ids in place of what it says about entities behind a row."""
    match node:
        case And() | Or():
            conditions = [await _without_paths(reader, type, each) for each in node.conditions]
            return And(tuple(conditions)) if isinstance(node, And) else Or(tuple(conditions))
        case Not():
            return Not(await _without_paths(reader, type, node.condition))
        case Compare(left=Path() as path) | In(value=Path() as path) | InQuery(value=Path() as path):
            return await _leaf(reader, type, node, path.names)
        case AnyMember() | Has():
            return await _behind(reader, type, node.path.names[0], _inside(node))
        case Constant() | None:
            return node
    raise InvalidQuery(reason="a condition compares an attribute with a value")


async def _leaf(reader: Reader, type: Type, node: Any, names: tuple[str, ...]) -> Any:
    if len(names) > 1:
        rest = Path(names[1:])
        inner = _about(node, rest)
        return await _behind(reader, type, names[0], inner)
    field = reader.names.field(type, names[0])
    name = f"{field.name}_id" if field.form == "reference" else field.name
    if isinstance(node, InQuery):
        found = await _all_ids(reader, Rewriter(reader.names, reader.configurations).subquery(node.query))
        return In(Path((name,)), tuple(map(Literal, found)), node.negated)
    return _about(node, Path((name,)))


def _about(node: Any, path: Path) -> Any:
    return replace(node, left=path) if isinstance(node, Compare) else replace(node, value=path)


def _inside(node: Any) -> Any:
    rest = node.path.names[1:]
    if not rest:
        return node.condition
    return AnyMember(Path(rest), node.condition)


async def _behind(reader: Reader, type: Type, name: str, condition: Any) -> Condition:
    field = reader.names.field(type, name)
    if field.form != "reference":
        raise InvalidQuery(reason=f"{type.name}.{name} leads to no entity")
    ids: list[str] = []
    for native in reader.names[field.target].natives:
        where = Rewriter(reader.names, reader.configurations).condition(condition, Scope(native))
        ids += await _all_ids(reader, Query(native, _IDS, where))
    return In(Path((f"{name}_id",)), tuple(map(Literal, ids)))


async def _all_ids(reader: Reader, query: Query) -> list[str]:
    page = await reader.page(query, _MOST)
    if page.next is not None:
        raise InvalidQuery(reason=f"more than {_MOST} entities fit a part of the condition; narrow it")
    column = page.columns.get("id", page.ids) if len(page.columns) <= 1 else page.ids
    return [show_id(each) for each in column or next(iter(page.columns.values()), []) if each is not None]


def _hints(where: Condition | None) -> Hints:
    found: Hints = {}
    for each in where.conditions if isinstance(where, And) else (where,):
        match each:
            case And():
                found |= _hints(each)
            case Compare(operator="is", left=Path((name,)), right=Literal(str() as value)):
                found[name] = [value]
            case In(value=Path((name,)), negated=False):
                found[name] = [
                    item.value for item in each.items if isinstance(item, Literal) and isinstance(item.value, str)
                ]
    return found


def _holds(node: Any, row: Row) -> bool:
    match node:
        case And():
            return all(_holds(each, row) for each in node.conditions)
        case Or():
            return any(_holds(each, row) for each in node.conditions)
        case Not():
            return not _holds(node.condition, row)
        case Constant():
            return node.holds
        case Compare(left=Path((name,)), right=Literal(value)):
            return Test(node.operator, value).holds(row.get(name))
        case In(value=Path((name,))):
            given = tuple(each.value for each in node.items if isinstance(each, Literal))
            return Among(given, node.negated).holds(row.get(name))
    raise InvalidQuery(reason="a condition compares an attribute with a value")


def _ids(texts: list[str] | None) -> list[bytes] | None:
    if texts is None:
        return None
    found = []
    for each in texts:
        try:
            found.append(as_id(each))
        except ValueError:
            continue
    return found


async def _some(reader: Reader, native: str, ids: list[bytes] | None, where: Condition | None = None) -> Page:
    """The ids and types of entities: those of `ids`, or all that there are."""
    if ids is not None:
        return await reader.page(Query(native, _IDS, _BY_ID, order_by=ORDER), len(ids), {"ids": ids})
    page = await reader.page(Query(native, _IDS, where, order_by=ORDER), _MOST)
    if page.next is not None:
        raise InvalidQuery(reason=f"more than {_MOST} entities would have to be looked at; say of which you ask")
    return page


# --- metadata -------------------------------------------------------------------------------------------


async def _metadata(reader: Reader, hints: Hints) -> list[Row]:
    ids = _ids(hints.get("parent_id"))
    rows: list[Row] = []
    for root in _with_metadata(reader):
        if ids == []:
            break
        page = await _some(reader, root, ids, AnyMember(Path(("metadata",)), _of_keys(hints.get("key"))))
        if not page.ids:
            continue
        kinds = dict(zip(page.ids, page.types or [root] * len(page.ids), strict=True))
        found = await reader.room.members(MembersRequest(type=root, attribute="metadata", owners=page.ids))
        for owner, key, value in zip(found.owners, found.keys, found.values, strict=True):
            rows.append(metadata_row(owner, reader.names.of(kinds[owner]).name, key, value))
    return rows


def _of_keys(keys: list[str] | None) -> Condition | None:
    return None if keys is None else In(Path(("key",)), tuple(map(Literal, keys)))


def _with_metadata(reader: Reader) -> list[str]:
    """The highest native types that have metadata."""
    schema = reader.schema
    return [
        name
        for name, type in schema.items()
        if any(each.name == "metadata" and each.kind == "mapping" for each in type.attributes)
    ]


# --- pairs ----------------------------------------------------------------------------------------------


async def _pairs(reader: Reader, type: Type, hints: Hints, node: Node) -> list[Row]:
    pair = type.pair
    assert pair is not None, "a type of pairs"
    owners, ids = _ids(hints.get(f"{pair.owner}_id")), _ids(hints.get("id"))
    asked = None
    if ids is not None:
        asked = {ends: show_id(id) for id, ends in (await found_pairs(reader, type, ids)).items()}
        owners = [each for each in dict.fromkeys(owner for owner, _ in asked) if owners is None or each in owners]
    sought = Sought(Field(name=type.name, form="pairs", natives=(pair.attribute,), target=type.name), node, asked)
    member = hints.get(f"{pair.member}_id")
    of_member = None if member is None else In(Path(("id",)), tuple(map(Literal, _clean(member))))
    rows: list[Row] = []
    for native in pair.natives:
        page = await _some(reader, native, owners, AnyMember(Path((pair.attribute,)), of_member))
        if page.ids:
            for each in await pair_rows(reader, native, page, sought):
                rows += each
    return rows


def _clean(texts: list[str]) -> list[str]:
    return [show_id(each) for each in _ids(texts) or []]


# --- values of custom attributes ------------------------------------------------------------------------


async def _values(reader: Reader, type: Type, where: Condition | None, node: Node) -> list[Row]:
    hints = _hints(where)
    chosen = [each for each in reader.configurations if where is None or _may_hold(where, _known(each))]
    inner = Reader(reader.room, reader.names, chosen)
    kinds = await _owners(inner, type, _ids(hints.get("entity_id")))
    # One value of one entity is told whatever it comes from; otherwise rows are what somebody has set, as ftrack has it.
    only = all(len(hints.get(each, ())) == 1 for each in type.key)
    rows: list[Row] = []
    for each in await (dense_values if only else own_values)(inner, kinds, type.name, node):
        rows += each
    for row in rows:
        if type.name == "CustomAttributeValue":
            row["__entity_type__"] = type.name
    return rows


async def values_of(reader: Reader, type: Type, keys: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], Any]:
    """What entities have for custom attributes, whatever it comes from, by configuration and entity."""
    wanted = set(keys)
    chosen = [each for each in reader.configurations if any(key[0] == each.id for key in wanted)]
    inner = Reader(reader.room, reader.names, chosen)
    kinds = await _owners(inner, type, _ids([key[1] for key in wanted]))
    rows = [row for some in await dense_values(inner, kinds, type.name, {}) for row in some]
    found = {(row["configuration_id"], row["entity_id"]): row["value"] for row in rows}
    return {key: value for key, value in found.items() if key in wanted}


async def _owners(reader: Reader, type: Type, ids: list[bytes] | None) -> dict[bytes, str]:
    """The entities that have values, and their native types."""
    if ids == []:
        return {}
    roots: dict[str, None] = {}
    for native, (values, _) in tables.CUSTOM.items():
        if native in reader.schema and type.name in ("CustomAttributeValue", values):
            for configuration in reader.configurations:
                for each in configuration.natives(reader.schema):
                    if reader.schema.is_a(each, native) or reader.schema.is_a(native, each):
                        roots[native if reader.schema.is_a(native, each) else each] = None
    found: dict[bytes, str] = {}
    for native in roots:
        page = await _some(reader, native, ids)
        found |= dict(zip(page.ids, page.types or [native] * len(page.ids), strict=True))
    return found


def _known(configuration: Configuration) -> Row:
    return {"configuration_id": configuration.id, "key": configuration.key}


def _may_hold(node: Any, row: Row) -> bool:
    """Whether a condition may hold for a row of which only a part is known."""
    match node:
        case And():
            return all(_may_hold(each, row) for each in node.conditions)
        case Or():
            return any(_may_hold(each, row) for each in node.conditions)
        case Compare(left=Path((name,))) | In(value=Path((name,))) if name in row:
            return _holds(node, row)
        case Constant():
            return node.holds
    return True
