"""Rows as ftrack's client merges them: entities with all that was asked for, loaded by columns.

What a query selects is a tree of names. Each node of it is one request for all rows together, one more for what only
some subtypes have; so the number of requests depends on the query, and never on how many rows it finds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ...model.ids import show_id
from ...query.request import MembersRequest, Page, QueryRequest
from ...query.syntax import In, OrderKey, Parameter, Path, Query, Selected
from . import tables
from .configurations import Configuration
from .names import Field, Names, Type
from .values import shown_column, shown_ids

if TYPE_CHECKING:
    from ...store.async_room import AsyncRoom
    from .pictures import Pictures

__all__ = ["ORDER", "Node", "Reader", "Rows", "tree_of"]

Node = dict[str, Any]  # the names that are wanted of a type, each with those wanted behind it
Rows = dict[bytes, dict[str, Any]]  # entities as the client gets them, by id; `Emitter` makes trees of them

ORDER = (OrderKey(Path(("number",))),)
_BY_ID = In(Path(("id",)), (Parameter("ids"),))
_ORDERING = ("sort", "number")


def tree_of(paths: Iterable[tuple[str, ...]]) -> Node:
    """Paths as a tree."""
    tree: Node = {}
    for names in paths:
        node = tree
        for name in names:
            node = node.setdefault(name, {})
    return tree


class Reader:
    """Loads entities for one request."""

    def __init__(self, room: AsyncRoom, names: Names, configurations: Sequence[Configuration] = ()) -> None:
        self.room = room
        self.names = names
        self.schema = names.schema
        self.configurations = configurations
        self.pictures: Pictures | None = None  # where there is a server that shows them
        self._known: Rows = {}

    # --- requests ---

    async def page(self, query: Query, size: int, parameters: dict[str, Any] | None = None) -> Page:
        """One page of a native query."""
        return await self.room.query(QueryRequest(query=query, size=max(size, 1), parameters=parameters or {}))

    async def by_ids(self, native: str, ids: Iterable[bytes], node: Node) -> Rows:
        """The entities of a native type that have these ids, as far as they can be seen."""
        wanted = list(dict.fromkeys(ids))
        if not wanted:
            return {}
        query = Query(native, self.select(native, node), _BY_ID)
        return await self.rows(native, node, await self.page(query, len(wanted), {"ids": wanted}))

    async def members(
        self, native: str, attribute: str, owners: Sequence[bytes], node: Node
    ) -> dict[bytes, list[bytes]]:
        """The members of each owner, in the order that people gave them, or else in which they came.

        `node` gets their rows, under "".
        """
        target = self.schema.attribute(native, attribute).target
        order = [each for each in _ORDERING if each in self.schema.attributes(target)]
        select = dict.fromkeys((*map(".".join, self.paths(target, node)), *order))
        found = await self.room.members(
            MembersRequest(type=native, attribute=attribute, owners=list(owners), select=tuple(select))
        )
        page = found.page
        assert page is not None, "only mappings have no page"
        node[""] = await self.rows(target, node, page)
        lists: dict[bytes, list[bytes]] = {owner: [] for owner in owners}
        keys = list(zip(*(map(_last_if_none, page.columns[each]) for each in order), strict=True))
        for place in sorted(range(len(keys)), key=keys.__getitem__):
            lists[found.owners[place]].append(page.ids[place])
        return lists

    # --- what to ask for ---

    def select(self, native: str, node: Node) -> tuple[Selected, ...]:
        """The columns that a node needs of a native type, its key among them."""
        return tuple(Selected(Path(each)) for each in self.paths(native, node))

    def paths(self, native: str, node: Node) -> list[tuple[str, ...]]:
        """As `select`, as paths."""
        type = self.names.of(native)
        paths: dict[tuple[str, ...], None] = {("id",): None}
        for name in (*type.key, *node):
            field = type.fields.get(name)
            if field is not None:
                paths.update(dict.fromkeys(self._columns(native, field)))
        return list(paths)

    def _columns(self, native: str, field: Field) -> Iterable[tuple[str, ...]]:
        match field.form:
            case "scalar" | "key":
                for each in field.natives:
                    yield (each,)
            case "reference":
                for each in field.natives:
                    yield from self._reference(native, each)
            case "worked":
                for each in _NEEDED.get(field.name, ()):
                    attribute = self.schema.attributes(native).get(each)
                    if attribute is not None:
                        yield from self._reference(native, each) if attribute.target else ((each,),)

    def _reference(self, native: str, name: str) -> Iterable[tuple[str, ...]]:
        yield (name,)
        if self.schema.in_hierarchy(self.schema.attribute(native, name).target):
            yield (name, "entity_type")

    # --- rows ---

    async def rows(self, native: str, node: Node, page: Page) -> Rows:
        """Entities from a page of a native type, and everything behind them that is wanted."""
        if not page.ids:
            return {}
        type = self.names.of(native)
        fields = {name: type.fields[name] for name in (*type.key, *node) if name in type.fields}
        columns = {name: await self.column(native, each, node.get(name) or {}, page) for name, each in fields.items()}
        kinds = [self.names.of(each).name for each in page.types] if page.types else [type.name] * len(page.ids)
        found: Rows = {}
        for entity, kind, *values in zip(page.ids, kinds, *columns.values(), strict=True):
            found[entity] = row = self._row(entity, kind)
            row.update(zip(columns, values, strict=True))
        missing = [name for name in node if name and name not in type.fields]
        if missing:
            await self._add_of_subtypes(type, missing, node, found)
        return found

    async def _add_of_subtypes(self, type: Type, missing: list[str], node: Node, found: Rows) -> None:
        """What only some subtypes have."""
        wanted: dict[str, list[str]] = {}
        for name in missing:
            for each in self.names.having(type, name):
                wanted.setdefault(each.native, []).append(name)
        for native, names in wanted.items():
            kinds = {self.names.of(each).name for each in self.schema.subtypes(native)}
            ids = [entity for entity, row in found.items() if row["__entity_type__"] in kinds]
            await self.by_ids(native, ids, {name: node[name] for name in names})

    def _row(self, entity: bytes, kind: str) -> dict[str, Any]:
        """The one row of an entity: the client takes what it meets first of one, so all that is known stands everywhere."""
        return self._known.setdefault(entity, {"__entity_type__": kind})

    async def column(self, native: str, field: Field, node: Node, page: Page) -> list[Any]:
        """The values of one attribute for every row."""
        match field.form:
            case "id":
                return shown_ids(page.ids)
            case "scalar":
                shown = shown_column(page.columns[field.natives[0]], field.kind, multi=field.multi)
                return shown if field.told is None else [field.told.get(each, each) for each in shown]
            case "key":
                return shown_ids(_first([page.columns[each] for each in field.natives]))
            case "typed":
                typed = field.typed or {}
                return [typed.get(each, typed.get("")) for each in page.types or [native] * len(page.ids)]
            case "reference":
                return await self._references(native, field, node, page)
            case "collection":
                return await self._collection(native, field, node, page)
        return await _OTHERS[field.form](self, native, field, node, page)

    # --- relations ---

    async def _references(self, native: str, field: Field, node: Node, page: Page) -> list[Any]:
        found: list[Any] = [None] * len(page.ids)
        for name in field.natives:
            target = self.schema.attribute(native, name).target
            wanted = node if len(field.natives) == 1 else self._had_by(self.names.of(target), node)
            for place, entity in enumerate(await self._referred(target, page, name, wanted)):
                if entity is not None:
                    found[place] = entity
        return found

    def _had_by(self, type: Type, node: Node) -> Node:
        """What of a node a type has, or one of its subtypes."""
        return {name: inner for name, inner in node.items() if self.names.has(type, name)}

    async def _referred(self, target: str, page: Page, name: str, node: Node) -> list[Any]:
        column = page.columns[name]
        ids = [each for each in column if each is not None]
        if not ids:
            return [None] * len(column)
        type = self.names.of(target)
        if type.key == ("id",) and not node.keys() - {"id"}:
            kinds = page.columns.get(f"{name}.entity_type") or [target] * len(column)
            return [self.bare(kind, each) for kind, each in zip(kinds, column, strict=True)]
        rows = await self.by_ids(target, ids, node)
        return [rows.get(each) for each in column]

    def bare(self, native: str | None, entity: bytes | None) -> dict[str, Any] | None:
        """An entity of which only the key is wanted."""
        if native is None or entity is None:
            return None
        row = self._row(entity, self.names.of(native).name)
        row.setdefault("id", show_id(entity))
        return row

    async def _collection(self, native: str, field: Field, node: Node, page: Page) -> list[Any]:
        wanted = dict(node)
        if field.only is not None:
            wanted[field.only[0]] = {}
        lists = await self.members(native, field.natives[0], page.ids, wanted)
        rows: Rows = wanted[""]
        if field.only is not None:
            name, value = field.only
            rows = {entity: row for entity, row in rows.items() if row[name] == value}
        return [[rows[each] for each in lists[owner] if each in rows] for owner in page.ids]

    # --- what is no entity here ---

    async def _metadata(self, native: str, field: Field, node: Node, page: Page) -> list[Any]:
        found = await self.room.members(MembersRequest(type=native, attribute=field.natives[0], owners=page.ids))
        kinds = dict(zip(page.ids, page.types or [native] * len(page.ids), strict=True))
        lists: dict[bytes, list[Any]] = {owner: [] for owner in page.ids}
        for owner, key, value in zip(found.owners, found.keys, found.values, strict=True):
            lists[owner].append(metadata_row(owner, self.names.of(kinds[owner]).name, key, value))
        return [lists[owner] for owner in page.ids]

    async def _pairs(self, native: str, field: Field, node: Node, page: Page) -> list[Any]:
        from .pairs import Sought, pair_rows

        return [*await pair_rows(self, native, page, Sought(field, node))]

    async def _custom(self, native: str, field: Field, node: Node, page: Page) -> list[Any]:
        from .custom import dense_values

        kinds = page.types or [native] * len(page.ids)
        return await dense_values(self, dict(zip(page.ids, kinds, strict=True)), field.target, node)

    async def _worked(self, native: str, field: Field, node: Node, page: Page) -> list[Any]:
        from .worked import WORKERS

        return await WORKERS[field.name](self, native, node, page)


def _last_if_none(value: Any) -> tuple[bool, Any]:
    return (value is None, value)


def metadata_row(owner: bytes, kind: str, key: str, value: Any) -> dict[str, Any]:
    """One entry of metadata."""
    return {"__entity_type__": "Metadata", "parent_id": show_id(owner), "parent_type": kind, "key": key, "value": value}


_Column = Callable[[Reader, str, Field, Node, Page], Awaitable[list[Any]]]
_OTHERS: dict[str, _Column] = {
    "metadata": Reader._metadata,
    "pairs": Reader._pairs,
    "custom": Reader._custom,
    "worked": Reader._worked,
}

# What is worked out needs these references.
_NEEDED: dict[str, tuple[str, ...]] = {
    "link": ("parent", "asset"),
    "ancestors": ("parent",),
    "created_by": ("created_by",),
    "created_by_id": ("created_by",),
    "thumbnail_url": ("thumbnail",),
    "parent_type": tables.POLYMORPHIC["Note"]["parent"],
}


def _first(columns: list[list[Any]]) -> list[Any]:
    """Of each row the first value that is there."""
    if len(columns) == 1:
        return columns[0]
    return [next((each for each in values if each is not None), None) for values in zip(*columns, strict=True)]
