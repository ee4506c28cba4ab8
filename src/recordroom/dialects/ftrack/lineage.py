"""Lines of parents: what changed entities are within, as one actor sees it, in few queries for many of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from typing import Any

from ...model.events import EntityChange
from ...model.schema import Schema
from ...query.request import Page, QueryRequest
from ...query.syntax import In, Parameter, Path, Query, Selected
from .updates import Line

__all__ = ["Asking", "answered", "lines_of"]

# Asks for pages, and ends with what they say.
Asking = Generator[QueryRequest, Page, dict[bytes, Line]]

# The references that lead to what something is within; the first that is set counts.
_PARENTS: Mapping[str, tuple[str, ...]] = {
    "Context": ("parent",),
    "Asset": ("parent",),
    "AssetVersion": ("asset",),
    "Component": ("version", "container"),
    "ComponentLocation": ("component",),
    "Note": ("context", "version", "list", "user", "in_reply_to"),
    "NoteComponent": ("note",),
    "NoteLabelLink": ("note",),
    "Recipient": ("note",),
    "Timelog": ("context",),
    "Timer": ("context",),
    "Appointment": ("context",),
    "Manager": ("context",),
    "CalendarEvent": ("project",),
    "List": ("project",),
    "TypedContextLink": ("from",),
    "JobComponent": ("job",),
}
_DEEPEST = 50
_AT_ONCE = 1000
_IDS = "recordroom_ids"


async def lines_of(
    query: Callable[[QueryRequest], Awaitable[Page]], schema: Schema, changes: Iterable[EntityChange]
) -> dict[bytes, Line]:
    """Who is whose parent, for the entities of changes and everything above them.

    What is there no more has the parent that its change tells of.
    """
    asking = _lines(schema, changes)
    try:
        request = next(asking)
        while True:
            request = asking.send(await query(request))
    except StopIteration as ended:
        found: dict[bytes, Line] = ended.value
        return found


def answered(
    query: Callable[[QueryRequest], Page], schema: Schema, changes: Iterable[EntityChange]
) -> dict[bytes, Line]:
    """As `lines_of`, for who does not wait on a loop."""
    asking = _lines(schema, changes)
    try:
        request = next(asking)
        while True:
            request = asking.send(query(request))
    except StopIteration as ended:
        found: dict[bytes, Line] = ended.value
        return found


def _lines(schema: Schema, changes: Iterable[EntityChange]) -> Asking:
    changes = [each for each in changes if each.type in schema]
    wanted = {each.id: each.type for each in changes}
    found: dict[bytes, Line] = {}
    for _ in range(_DEEPEST):
        if not wanted:
            break
        lines = yield from _looked_up(schema, wanted)
        if not found:
            lines = _told(schema, changes) | lines
        found |= lines
        wanted = _above(schema, lines.values(), found)
    return found


def _looked_up(schema: Schema, wanted: Mapping[bytes, str]) -> Asking:
    by_root: dict[str, list[bytes]] = {}
    for entity, type_name in wanted.items():
        by_root.setdefault(schema.root(type_name), []).append(entity)
    found: dict[bytes, Line] = {}
    for root, ids in by_root.items():
        for start in range(0, len(ids), _AT_ONCE):
            found |= yield from _rows(schema, root, ids[start : start + _AT_ONCE])
    return found


def _rows(schema: Schema, root: str, ids: list[bytes]) -> Asking:
    references = _references(schema, root)
    select = tuple(Selected(Path((name,)), name) for name in ("id", *references))
    where = In(Path(("id",)), (Parameter(_IDS),))
    query = Query(type=root, select=select, where=where)
    page = yield QueryRequest(query=query, size=len(ids), parameters={_IDS: ids})
    found = {}
    for row, entity in enumerate(page.ids):
        kind = page.types[row] if page.types else root
        values = {name: page.columns[name][row] for name in references if name in page.columns}
        found[entity] = _line(schema, entity, kind, values)
    return found


def _line(schema: Schema, entity: bytes, kind: str, values: Mapping[str, Any]) -> Line:
    known = schema.attributes(kind)
    for name in _references(schema, schema.root(kind)):
        if values.get(name) is not None:
            return Line(entity, kind, values[name], known[name].target)
    return Line(entity, kind)


def _references(schema: Schema, root: str) -> list[str]:
    known = schema.attributes(root)
    return [name for name in _PARENTS.get(root, ()) if name in known and known[name].kind == "reference"]


def _told(schema: Schema, changes: Iterable[EntityChange]) -> dict[bytes, Line]:
    """What changes say themselves of parents."""
    found: dict[bytes, Line] = {}
    for change in changes:
        line = _line(schema, change.id, change.type, {**change.before, **change.after})
        if change.id not in found or line.parent is not None:
            found[change.id] = line
    return found


def _above(schema: Schema, lines: Iterable[Line], found: Mapping[bytes, Line]) -> dict[bytes, str]:
    """The parents that are not known yet, with a type of their hierarchy."""
    return {
        each.parent: each.parent_type
        for each in lines
        if each.parent is not None and each.parent not in found and each.parent_type in schema
    }
