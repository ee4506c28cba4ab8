"""The page of one entity: what it is, where it stands, what hangs on it, what was said and what happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from ...errors import Error, NotFound
from ...model.files import FileUrlRequest
from ...model.ids import show_id
from ...model.schema import Attribute, Schema
from ...query.request import Change, HistoryRequest, MembersRequest
from .asking import Asked, Row, link_at, paths_of, rows_of
from .shown import Link, Shown, label_of, shown, type_label
from .trail import trail_of

if TYPE_CHECKING:
    from ..files import Files

__all__ = ["entity_page"]

Context = dict[str, Any]
_MEMBERS = 12
_CHANGES = 12
_NUMBER = "v{:03d}"
_NOT_AGAIN = ("name", "thumbnail", "notes")  # they have places of their own
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif")
_NOT_FOR_PEOPLE = ("link_ids",)  # what clients call pairs of links


async def entity_page(asked: Asked, files: Files, type_name: str, entity: bytes) -> Context:
    """What the template shows of an entity; NotFound where the actor sees no such entity."""
    schema = asked.schema
    row = await _row(asked, type_name, entity)
    exact = row["entity_type"]
    return {
        "title": _title(schema, row),
        "kind": type_label(schema, exact),
        "trail": await trail_of(asked, exact, entity),
        "facts": _facts(schema, row),
        "picture": await _picture(asked, files, row),
        "groups": [each async for each in _groups(asked, exact, entity)],
        "metadata": await _entries(asked, exact, entity),
        "notes": await _notes(asked, exact, entity),
        "changes": await _changes(asked, exact, entity),
    }


# --- the entity itself ----------------------------------------------------------------------------


async def _row(asked: Asked, type_name: str, entity: bytes) -> Row:
    paths = [path for each in _columns(asked.schema, type_name) for path in _selected(asked.schema, each)]
    paths += _called(asked.schema, type_name, "")
    rows, _ = await asked.rows(f"{type_name} where id is $id", 1, [*paths, "created_at", "created_by"], id=entity)
    if not rows:
        raise NotFound(type=type_name, entity=show_id(entity))
    return rows[0]


def _title(schema: Schema, row: Row) -> str:
    exact = row["entity_type"]
    if schema.numbered(exact):
        return _member(schema, row, _called(schema, exact, "")).name
    return str(row.get(schema.display(exact)) or type_label(schema, exact))


def _columns(schema: Schema, type_name: str) -> list[Attribute]:
    return [each for each in schema.attributes(type_name).values() if not each.system and not each.many]


def _selected(schema: Schema, attribute: Attribute) -> list[str]:
    more = paths_of(schema, attribute) if attribute.kind == "reference" else []
    return [attribute.name, *more]


def _facts(schema: Schema, row: Row) -> list[tuple[str, Shown]]:
    exact = row["entity_type"]
    away = {*_NOT_AGAIN, schema.display(exact)}
    found = []
    for attribute in _columns(schema, exact):
        value = None if attribute.name in away else _value(schema, row, attribute)
        if value is not None:
            found.append((label_of(attribute), value))
    return found


def _value(schema: Schema, row: Row, attribute: Attribute) -> Shown | None:
    if attribute.kind != "reference":
        return shown(row.get(attribute.name), attribute)
    link = link_at(schema, row, attribute)
    return None if link is None or link.id == show_id(row["id"]) else Shown("entity", entity=link)


async def _picture(asked: Asked, files: Files, row: Row) -> str:
    """The address of the picture that stands for it, for a short time; "" where there is none."""
    component = row.get("thumbnail")
    if component is None or "Component" not in asked.schema:
        return ""
    rows, _ = await asked.rows("Component where id is $id", 1, ["file_type"], id=component)
    if not rows or str(rows[0].get("file_type") or "").lower() not in _PICTURES:
        return ""
    try:
        await files.found(asked.room, component)
        return (
            await files.url(asked.room.actor, component, FileUrlRequest(method="GET"), credential=asked.credential)
        ).url
    except Error:
        return ""


# --- what hangs on it -----------------------------------------------------------------------------


async def _groups(asked: Asked, type_name: str, entity: bytes) -> AsyncIterator[Context]:
    for attribute in asked.schema.attributes(type_name).values():
        if attribute.kind in ("collection", "links") and attribute.name not in _NOT_AGAIN:
            members, more = await _members(asked, type_name, attribute, entity)
            if members:
                yield {"label": label_of(attribute), "members": members, "more": more}


async def _members(asked: Asked, type_name: str, attribute: Attribute, entity: bytes) -> tuple[list[Link], int]:
    """The first of them, and how many more there are."""
    schema, target, other = asked.schema, attribute.target, attribute.inverse or attribute.reverse
    called = _called(schema, target, other)
    if not other:
        request = MembersRequest(type=type_name, attribute=attribute.name, owners=[entity], select=tuple(called))
        page = (await asked.room.members(request)).page
        found = [] if page is None else [_member(schema, row, called) for row in rows_of(page)]
        return found[:_MEMBERS], len(found) - _MEMBERS
    condition = f"`{other}`.id is $id" if attribute.kind == "collection" else f"`{other}` any (id is $id)"
    text = f"{target} where {condition}"
    rows, more = await asked.rows(text + _order(schema, target), _MEMBERS, called, id=entity)
    left = await asked.count(text, id=entity) - len(rows) if more else 0
    return [_member(schema, row, called) for row in rows], left


def _order(schema: Schema, target: str) -> str:
    """By number or by name, where members have one; otherwise as they were made."""
    name = next(iter(schema.numbered(target)), schema.display(target))
    return "" if name == "number" else f" order by `{name}`"


def _called(schema: Schema, target: str, other: str) -> list[str]:
    """What a member is called by: its own name, its number within something, or the names of what it brings together."""
    display = schema.display(target)
    if display != "number":
        return [display]
    numbered = next(iter(schema.numbered(target).items()), None)
    if numbered is not None:
        name, within = numbered
        return [f"{within}.{schema.display(schema.attribute(target, within).target)}", name]
    references = [
        each for each in _columns(schema, target) if each.kind == "reference" and each.name not in (other, "project")
    ]
    return [display, *(f"{each.name}.{schema.display(each.target)}" for each in references[:3])]


def _member(schema: Schema, row: Row, called: list[str]) -> Link:
    exact = row["entity_type"]
    if schema.numbered(exact) and called[-1] in schema.numbered(exact):
        within, number = (row.get(path) for path in called)
        name = (
            f"{within or type_label(schema, exact)} {_NUMBER.format(number)}" if number else type_label(schema, exact)
        )
        return Link(name, exact, show_id(row["id"]))
    texts = [str(row[path]) for path in called[-3:] if path != "number" and row.get(path) is not None]
    name = ", ".join(texts) or f"{type_label(schema, exact)} {row.get('number', '')}".strip()
    return Link(name, exact, show_id(row["id"]))


async def _entries(asked: Asked, type_name: str, entity: bytes) -> list[tuple[str, Shown]]:
    found = []
    for attribute in asked.schema.attributes(type_name).values():
        if attribute.kind == "mapping" and attribute.name not in _NOT_FOR_PEOPLE:
            request = MembersRequest(type=type_name, attribute=attribute.name, owners=[entity])
            members = await asked.room.members(request)
            entry = Attribute(name=attribute.name, kind=attribute.of)
            for key, value in zip(members.keys, members.values, strict=True):
                found.append((key, shown(value, entry) or Shown("text")))
    return found


async def _notes(asked: Asked, type_name: str, entity: bytes) -> list[Context]:
    attribute = asked.schema.attributes(type_name).get("notes")
    if attribute is None or attribute.kind != "collection" or attribute.target != "Note":
        return []
    text = f"Note where `{attribute.inverse}`.id is $id order by created_revision descending"
    rows, _ = await asked.rows(text, _MEMBERS, ["content", "date", "author.name"], id=entity)
    known = asked.schema.attributes("Note")
    return [
        {
            "content": row.get("content") or "",
            "author": row.get("author.name") or "somebody",
            "date": shown(row.get("date"), known["date"]),
        }
        for row in rows
    ]


async def _changes(asked: Asked, type_name: str, entity: bytes) -> list[Context]:
    """Who changed what, newest first, one line for each commit."""
    changes = await asked.room.history(HistoryRequest(type=type_name, id=entity, limit=100))
    by_commit: dict[int, list[Change]] = {}
    for change in changes:
        by_commit.setdefault(change.revision, []).append(change)
    moment = Attribute(name="time", kind="datetime")
    return [
        {"actor": some[0].actor, "date": shown(some[0].time, moment), "what": _what(some)}
        for some in list(by_commit.values())[:_CHANGES]
    ]


def _what(changes: list[Change]) -> str:
    if any(each.verb == "create" for each in changes):
        return "created it"
    names = sorted({each.attribute.replace("_", " ") for each in changes if each.attribute})
    return f"changed {', '.join(names)}"
