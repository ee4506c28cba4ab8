"""The page of a project's tree: projects, what is in them and below, and a search by name."""

from __future__ import annotations

from typing import Any

from ...model.ids import show_id
from ...query.grammar import parse
from ...query.request import QueryRequest
from .asking import Asked, Row, link_at, paths_of
from .shown import Link, type_label
from .tasks import check_production
from .trail import trail_of

__all__ = ["browser_page"]

Context = dict[str, Any]
_PAGE = 50
_REFERENCES = ("status", "type", "priority")


async def browser_page(asked: Asked, at: tuple[str, bytes] | None, words: str, page: int) -> Context:
    """What is in a context, or every active project where none is given. `words` finds names, there and below."""
    check_production(asked.schema)
    text = f"{'Context' if at or words else 'Project'} where {_condition(at, words)} order by {_order(at)}"
    parameters: dict[str, Any] = {"id": at[1] if at else None, "words": f"%{_escaped(words)}%"}
    rows, _ = await asked.rows(
        f"{text} limit {_PAGE} offset {page * _PAGE}", _PAGE, ["name", "parent.name"], **parameters
    )
    found = await asked.count(text, **parameters)
    ids = [row["id"] for row in rows]
    typed, children = await _typed(asked, ids), await _children(asked, ids)
    here, _ = await asked.rows(f"{at[0]} where id is $id", 1, ["name"], id=at[1]) if at else ([], False)
    return {
        "trail": await trail_of(asked, *at) if at else [],
        "here": Link(str(here[0]["name"]), here[0]["entity_type"], show_id(here[0]["id"])) if here else None,
        "words": words,
        "lines": [_line(asked, row, typed.get(row["id"]), children.get(row["id"], 0)) for row in rows],
        "found": found,
        "page": page,
        "pages": max(1, -(-found // _PAGE)),
    }


def _condition(at: tuple[str, bytes] | None, words: str) -> str:
    if not words:
        return "parent.id is $id" if at else 'status is "active"'
    # A search in a project finds everything in it; elsewhere, what is up to three levels below.
    below = " or ".join(f"{path}.id is $id" for path in ("project", "parent", "parent.parent", "parent.parent.parent"))
    return f"({below}) and id is_not $id and name like $words" if at else "name like $words"


def _order(at: tuple[str, bytes] | None) -> str:
    return "entity_type, name" if at else "name"


def _escaped(words: str) -> str:
    """Words as a pattern that finds just them."""
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _line(asked: Asked, row: Row, typed: Row | None, children: int) -> Context:
    known = asked.schema.attributes("TypedContext")
    return {
        "link": Link(str(row["name"]), row["entity_type"], show_id(row["id"])),
        "kind": type_label(asked.schema, row["entity_type"]),
        "parent": row.get("parent.name") or "",
        "children": children,
        **{name: link_at(asked.schema, typed, known[name]) if typed else None for name in _REFERENCES},
    }


async def _typed(asked: Asked, ids: list[bytes]) -> dict[bytes, Row]:
    """Status, type and priority of those that have them."""
    known = asked.schema.attributes("TypedContext")
    paths = [path for name in _REFERENCES for path in (name, *paths_of(asked.schema, known[name]))]
    rows, _ = await asked.rows("TypedContext where id in $ids", _PAGE, paths, ids=ids)
    return {row["id"]: row for row in rows}


async def _children(asked: Asked, ids: list[bytes]) -> dict[bytes, int]:
    """How many each has, in one question."""
    text = "select parent.id as at, count() as n from Context where parent.id in $ids group by parent.id"
    page = await asked.room.query(QueryRequest(query=parse(text), size=_PAGE, parameters={"ids": ids}))
    return dict(zip(page.columns["at"], page.columns["n"], strict=True))
