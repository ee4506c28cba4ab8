"""The page of tasks: what somebody is assigned to, or what there is to do in a project, by due date."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from ...errors import InvalidRequest
from ...model.ids import show_id
from ...model.schema import Attribute, Schema
from .asking import Asked, Row, link_at, paths_of
from .shown import Link, shown

__all__ = ["SHOW", "task_lines", "tasks_page"]

Context = dict[str, Any]
SHOW = ("open", "done", "all")
_MOST = 200
_REFERENCES = ("status", "type", "priority", "project", "parent")
_DUE = Attribute(name="end_date", kind="date")
_DAY = 86_400_000_000


async def tasks_page(asked: Asked, about: tuple[str, bytes] | None, show: str) -> Context:
    """The tasks of the actor, of another user or group, or below a context. InvalidRequest in a room without tasks."""
    check_production(asked.schema)
    type_name, entity = about or ("User", asked.room.actor.user or bytes(16))
    condition, whose = await _condition(asked, type_name, entity)
    if show != "all":
        state = 'status.state.short is "DONE"'
        condition += f" and {state}" if show == "done" else f" and (status is none or not {state})"
    text = f"Task where {condition} order by end_date, name"
    rows, more = await asked.rows(text, _MOST, _paths(asked.schema), id=entity)
    lines = task_lines(asked.schema, rows)
    return {
        "whose": whose,
        "own": about is None,
        "showing": show,
        "about": "" if about is None else "&" + urlencode({"type": type_name, "id": show_id(entity)}),
        "groups": _by_project(lines),
        "count": await asked.count(text, id=entity) if more else len(lines),
        "shown": len(lines),
    }


def check_production(schema: Schema) -> None:
    """InvalidRequest unless there are tasks as the template `production` has them."""
    if "Task" not in schema or "Appointment" not in schema:
        raise InvalidRequest(reason="this room has no tasks: its schema is not that of the template 'production'")


async def _condition(asked: Asked, type_name: str, entity: bytes) -> tuple[str, str]:
    schema = asked.schema
    rows, _ = await asked.rows(f"{type_name} where id is $id", 1, [schema.display(type_name)], id=entity)
    whose = str(rows[0].get(schema.display(type_name)) or "") if rows else asked.room.actor.name
    if schema.is_a(type_name, "Project"):
        return "project.id is $id", whose
    if schema.is_a(type_name, "Context"):
        return "(id is $id or parent.id is $id or parent.parent.id is $id)", whose
    if type_name in ("User", "Group"):
        return f'appointments any ({type_name.lower()}.id is $id and type is "assignment")', whose
    raise InvalidRequest(reason=f"there are no tasks of a {type_name}: say a user, a group or a context")


def _paths(schema: Schema) -> list[str]:
    known = schema.attributes("Task")
    paths = ["name", "end_date", "bid", "status.state.short"]
    above = ["parent.parent", *paths_of(schema, known["parent"], "parent.")]
    return [*paths, *(path for name in _REFERENCES for path in (name, *paths_of(schema, known[name]))), *above]


def task_lines(schema: Schema, rows: list[Row]) -> list[Context]:
    """A line of a table for each row."""
    known = schema.attributes("Task")
    today = dt.datetime.now(dt.UTC).timestamp() * 1e6
    return [
        {
            "link": Link(str(row["name"]), row["entity_type"], show_id(row["id"])),
            **{name: link_at(schema, row, known[name]) for name in _REFERENCES},
            "above": _above(schema, row),
            "due": None if row["end_date"] is None else shown(row["end_date"] // _DAY, _DUE),
            "late": row["end_date"] is not None and row["end_date"] < today and row["status.state.short"] != "DONE",
            "bid": _duration(row["bid"]),
        }
        for row in rows
    ]


def _above(schema: Schema, row: Row) -> Link | None:
    """What the parent is in, where that is not the project."""
    found = link_at(schema, row, schema.attribute("Task", "parent"), "parent.")
    return None if found is None or found.type == "Project" else found


def _duration(seconds: float | None) -> str:
    """Seconds as hours, in people's words."""
    return f"{seconds / 3600:.4g} h" if seconds else ""


def _by_project(lines: list[Context]) -> list[Context]:
    groups: dict[str, Context] = {}
    for line in lines:
        project = line["project"]
        key = project.id if project else ""
        groups.setdefault(key, {"project": project, "lines": []})["lines"].append(line)
    return sorted(groups.values(), key=lambda group: group["project"].name if group["project"] else "")
