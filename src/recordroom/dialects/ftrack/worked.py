"""Attributes that follow from several entities: links, ancestors, what a note is about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from ...model.ids import show_id
from ...query.request import Page
from ...query.syntax import In, Parameter, Path, Query, Selected
from . import tables
from .latest import is_latest, latest_of_assets
from .pictures import picture
from .reading import Node, Reader

__all__ = ["WORKERS"]

_DEEPEST = 64
_BY_ID = In(Path(("id",)), (Parameter("ids"),))
_SELECT = tuple(Selected(Path((each,))) for each in ("id", "name", "parent"))


class _Context(NamedTuple):
    kind: str
    name: str
    parent: bytes | None


class _Chains:
    """Contexts with those above them: a request for each level."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.known: dict[bytes, _Context] = {}

    async def load(self, ids: Iterable[bytes | None]) -> None:
        """Know these contexts and all above them that can be seen."""
        asked: set[bytes] = set()
        wanted = {each for each in ids if each is not None}
        for _ in range(_DEEPEST):
            wanted -= asked
            if not wanted:
                return
            asked |= wanted
            page = await self.reader.page(Query("Context", _SELECT, _BY_ID), len(wanted), {"ids": list(wanted)})
            parents = page.columns["parent"]
            for entity, kind, name, parent in zip(page.ids, page.types, page.columns["name"], parents, strict=True):
                self.known[entity] = _Context(kind, name, parent)
            wanted = {each for each in parents if each is not None}

    def above(self, entity: bytes | None) -> list[bytes]:
        """From the top down to the context itself."""
        found: list[bytes] = []
        while entity is not None and entity in self.known and entity not in found:
            found.append(entity)
            entity = self.known[entity].parent
        return found[::-1]

    def link(self, entity: bytes | None) -> list[dict[str, Any]]:
        """The parts of a link."""
        return [
            {
                "type": "Project" if self.known[each].kind == "Project" else "TypedContext",
                "id": show_id(each),
                "name": self.known[each].name,
            }
            for each in self.above(entity)
        ]


async def _link(reader: Reader, native: str, node: Node, page: Page) -> list[Any]:
    chains = _Chains(reader)
    if not reader.schema.is_a(native, "AssetVersion"):
        await chains.load(page.ids)
        return [chains.link(each) for each in page.ids]
    assets = await reader.by_ids("Asset", filter(None, page.columns["asset"]), {"name": {}, "parent_id": {}})
    parents = {entity: _raw(row["parent_id"]) for entity, row in assets.items()}
    versions = await reader.by_ids("AssetVersion", page.ids, {"version": {}})
    await chains.load(parents.values())
    return [
        [*chains.link(parents[asset]), _of_version(entity, assets[asset]["name"], versions[entity]["version"])]
        if asset in assets
        else []
        for entity, asset in zip(page.ids, page.columns["asset"], strict=True)
    ]


def _of_version(entity: bytes, name: str, version: int | None) -> dict[str, Any]:
    return {"type": "AssetVersion", "id": show_id(entity), "name": f"{name} - v{version or 0}"}


def _raw(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text.replace("-", ""))


async def _ancestors(reader: Reader, native: str, node: Node, page: Page) -> list[Any]:
    chains = _Chains(reader)
    await chains.load(page.ids)
    above = [chains.above(each)[:-1] for each in page.ids]
    rows = await reader.by_ids("Context", (each for chain in above for each in chain), node)
    return [[rows[each] for each in chain if each in rows] for chain in above]


async def _descendants(reader: Reader, native: str, node: Node, page: Page) -> list[Any]:
    above = {entity: {entity} for entity in page.ids}  # of each context the rows that it is below
    below: dict[bytes, dict[bytes, None]] = {entity: {} for entity in page.ids}
    level = list(above)
    for _ in range(_DEEPEST):
        if not level:
            break
        lists = await reader.members("Context", "children", level, {})
        level = []
        for parent, children in lists.items():
            for child in children:
                new = above[parent] - above.get(child, set())
                if new:
                    above.setdefault(child, set()).update(new)
                    level.append(child)
                for owner in new:
                    below[owner][child] = None
        level = list(dict.fromkeys(level))
    rows = await reader.by_ids("Context", (each for found in below.values() for each in found), node)
    return [[rows[each] for each in below[owner] if each in rows and each != owner] for owner in page.ids]


async def _parent_type(reader: Reader, native: str, node: Node, page: Page) -> list[Any]:
    found: list[str | None] = [None] * len(page.ids)
    for name, said in tables.PARENT_TYPES.items():
        kinds = page.columns.get(f"{name}.entity_type")
        for place, entity in enumerate(page.columns[name]):
            if entity is not None:
                found[place] = "show" if kinds is not None and kinds[place] == "Project" else said
    return found


async def _category(reader: Reader, native: str, node: Node, page: Page) -> list[Any]:
    wanted: Node = {"label": dict(node)}
    lists = await reader.members("Note", "note_label_links", page.ids, wanted)
    return [_label(lists[owner], wanted[""]) for owner in page.ids]


def _label(links: list[bytes], rows: dict[bytes, dict[str, Any]]) -> dict[str, Any] | None:
    label = next((rows[each]["label"] for each in links if rows[each]["label"] is not None), None)
    return None if label is None else {**label, "__entity_type__": "NoteCategory"}


async def _category_id(reader: Reader, native: str, node: Node, page: Page) -> list[Any]:
    return [None if each is None else each["id"] for each in await _category(reader, native, {}, page)]


async def _created_by(reader: Reader, native: str, node: Node, page: Page) -> list[Any]:
    names = page.columns["created_by"]
    wanted = sorted({each for each in names if each is not None})
    where = In(Path(("name",)), (Parameter("names"),))
    query = Query("User", (Selected(Path(("name",))), *reader.select("User", node)), where)
    found = await reader.page(query, len(wanted), {"names": wanted})
    rows = await reader.rows("User", node, found)
    by_name = {name: rows[entity] for name, entity in zip(found.columns["name"], found.ids, strict=True)}
    return [by_name.get(each) for each in names]


async def _created_by_id(reader: Reader, native: str, node: Node, page: Page) -> list[Any]:
    return [None if each is None else each["id"] for each in await _created_by(reader, native, {}, page)]


async def _thumbnail_url(reader: Reader, native: str, node: Node, page: Page) -> list[Any]:
    column = page.columns.get("thumbnail") or [None] * len(page.ids)
    if reader.pictures is None:
        return [picture(None)] * len(page.ids)
    urls = await reader.pictures.urls(column)
    return [picture(urls[each]) for each in column]


Worker = Callable[[Reader, str, Node, Page], Awaitable[list[Any]]]
WORKERS: dict[str, Worker] = {
    "link": _link,
    "ancestors": _ancestors,
    "descendants": _descendants,
    "parent_type": _parent_type,
    "created_by": _created_by,
    "created_by_id": _created_by_id,
    "category": _category,
    "category_id": _category_id,
    "is_latest_version": is_latest,
    "latest_version": latest_of_assets,
    "thumbnail_url": _thumbnail_url,
}
