"""What pages ask a room: trees of queries, and rows that come back under the names they were asked by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...model.ids import show_id
from ...model.schema import Attribute, Schema
from ...query.grammar import parse
from ...query.request import Page, QueryRequest
from ...query.syntax import Path, Selected
from ...store.async_room import AsyncRoom
from .shown import Link

__all__ = ["Asked", "Row", "link_at", "paths_of"]

Row = Mapping[str, Any]


class Asked:
    """A room and its schema, for one look."""

    def __init__(self, room: AsyncRoom, schema: Schema, credential: bytes | None = None) -> None:
        self.room = room
        self.credential = credential  # the Token entity that the look ends with
        self.schema = schema

    async def rows(self, text: str, size: int, paths: Sequence[str] = (), **parameters: Any) -> tuple[list[Row], bool]:
        """Up to `size` rows of a query, with `paths` selected; whether there are more."""
        query = parse(text)
        selected = tuple(Selected(Path(tuple(path.split(".")))) for path in dict.fromkeys(paths))
        query = type(query)(query.type, selected or query.select, *_rest(query))
        page = await self.room.query(QueryRequest(query=query, size=size, parameters=parameters))
        return list(rows_of(page)), page.next is not None

    async def count(self, text: str, **parameters: Any) -> int:
        """How many there are."""
        return await self.room.count(QueryRequest(query=parse(text), parameters=parameters))


def _rest(query: Any) -> tuple[Any, ...]:
    return query.where, query.group_by, query.order_by, query.limit, query.offset


def rows_of(page: Page) -> Iterator[Row]:
    """The rows of a page; `id` and `entity_type` are in each."""
    for at, each in enumerate(page.ids):
        row = {name: column[at] for name, column in page.columns.items()}
        row["id"], row["entity_type"] = each, page.types[at] if page.types else page.type
        yield row


def paths_of(schema: Schema, attribute: Attribute, at: str = "") -> list[str]:
    """What to select of what a reference names: how it is called, and its color."""
    name, target = f"{at}{attribute.name}", attribute.target
    return [f"{name}.{schema.display(target)}", *([f"{name}.color"] if _has_color(schema, target) else [])]


def _has_color(schema: Schema, target: str) -> bool:
    found = schema.attributes(target).get("color")
    return found is not None and found.kind == "color"


def link_at(schema: Schema, row: Row, attribute: Attribute, at: str = "") -> Link | None:
    """What a reference names in a row that was asked with `paths_of`; None where there is nothing to see."""
    name, target = f"{at}{attribute.name}", attribute.target
    found = row.get(name)
    if found is None:
        return None
    called = row.get(f"{name}.{schema.display(target)}")
    exact = row.get(f"{name}.entity_type") or target
    return Link(str(called or exact), exact, show_id(found), row.get(f"{name}.color") or "")
