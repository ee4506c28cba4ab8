"""`recordroom history` and `search`: who changed a record, and where a word stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..errors import MultipleResults, NotFound
from ..model.ids import as_id, show_id
from .apps import repeated
from .output import counted, note, print_json_lines, print_table
from .rooms import Database, Json, Room, Words, open_session, placed

if TYPE_CHECKING:
    from ..client.entity import Entity
    from ..client.session import Session

__all__ = ["history", "search"]

Limit = Annotated[int, Parameter(name=["--limit", "-n"], help="At most so many.")]


def history(
    *words: Words,
    attribute: Annotated[str | None, Parameter(name="--attribute", help="Only changes of this attribute.")] = None,
    limit: Limit = 100,
    room: Room = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Show who changed what of one record, newest first.

    WHICH is the record's id, or its value of a unique attribute, or of the one
    that stands for its type.

    For example:

        recordroom history flights.room Plane N14228
        recordroom history flights.room Plane N14228 --attribute seats --json
    """
    where, (type_name, which) = placed(words, room, ("TYPE", "WHICH"))
    with open_session(where, database) as session:
        entity = find_record(session, type_name, which)
        changes = session.history(entity, attribute=attribute, limit=limit + 1)
        shown, more = changes[:limit], len(changes) > limit
        lines = [_change(session, each, for_people=not json) for each in shown]
    if json:
        print_json_lines(lines)
    elif lines:
        names = ["revision", "verb", "attribute", "before", "after", "time", "actor", "notes"]
        hidden = print_table(names, [[line[name] for name in names] for line in lines], numbers=["revision"])
        if hidden:
            note(f"Columns that do not fit: {', '.join(hidden)}. A wider terminal or --json shows them.")
    else:
        note("No changes.")
    if more:
        note(f"There are more changes: --limit {limit * 10} shows more.")


def find_record(session: Session, type_name: str, which: str) -> Any:
    """The entity with that id, or that value of a unique or display attribute; NotFound or MultipleResults."""
    schema = session.schema
    schema[type_name]
    try:
        identity = show_id(as_id(which)) if len(which) >= 32 else None
    except ValueError:
        identity = None
    if identity is not None:
        entity = session.get(type_name, identity)
        if entity is None:
            raise NotFound(type=type_name, entity=identity)
        return entity
    unique = [parts[0] for _, parts in schema.unique_sets(type_name) if len(parts) == 1]
    kinds = ("text", "choice", "integer", "uuid", "hyperlink")
    names = [
        name
        for name in dict.fromkeys([*unique, schema.display(type_name)])
        if schema.attribute(type_name, name).kind in kinds
    ]
    for name in names:
        found = _with_value(session, type_name, name, which)
        if len(found) > 1:
            ids = ", ".join(each["id"] for each in found)
            message = f"There are several {type_name} with {name} {which!r}; give an id: {ids} …"
            raise MultipleResults(message, type=type_name)
        if found:
            return found[0]
    message = f"There is no {type_name} with {' or '.join(['id', *names])} {which!r}."
    raise NotFound(message, type=type_name, entity=which)


def _with_value(session: Session, type_name: str, name: str, which: str) -> list[Any]:
    from ..query.syntax import Compare, Literal, Path, Query

    integer = session.schema.attribute(type_name, name).kind == "integer"
    if integer and not which.lstrip("-").isdigit():
        return []
    where = Compare("is", Path((name,)), Literal(int(which) if integer else which))
    return list(session.query(Query(type=type_name, where=where, limit=5)))


def _change(session: Session, change: Any, *, for_people: bool) -> dict[str, Any]:
    """A change as plain values: entities by their ids, or by what stands for them."""
    from ..client.entity import Entity

    line: dict[str, Any] = change._asdict()
    for name in ("before", "after", "member"):
        if isinstance(line[name], Entity):
            line[name] = _called(session, line[name]) if for_people else line[name]["id"]
    if for_people:
        line["time"] = change.time.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
        inside = line["key"] if line["key"] is not None else line["member"]
        line["attribute"] += "" if inside is None else f"[{inside}]"
    return line


def _called(session: Session, entity: Entity) -> Any:
    return entity[session.schema.display(type(entity).__name__)]


def search(
    *words: Words,
    type_: Annotated[
        list[str] | None,
        repeated("--type", "Only entities of this type (repeat for more)."),
    ] = None,
    limit: Limit = 20,
    room: Room = None,
    database: Database = None,
    json: Json = False,
) -> None:
    """Find entities by the words of their texts, best first.

    All words must stand in one text; word* matches beginnings.

    For example:

        recordroom search flights.room 'kennedy intl'
        recordroom search flights.room 'air*' --type Airline --json
    """
    where, (text,) = placed(words, room, ("TEXT",))
    with open_session(where, database) as session:
        found = list(session.search(text, types=tuple(type_ or ()), limit=limit + 1))
        hits, more = found[:limit], len(found) > limit
        lines = [
            {
                "type": type(each.entity).__name__,
                "id": each.entity["id"],
                "rank": each.rank,
                "snippets": dict(each.snippets),
            }
            for each in hits
        ]
    if json:
        print_json_lines(lines)
    elif lines:
        rows = [
            [each["type"], " · ".join(f"{name}: {text}" for name, text in each["snippets"].items()), each["id"]]
            for each in lines
        ]
        print_table(["type", "found in", "id"], rows)
        note(f"{counted(len(lines), 'hit')}{', and more: --limit shows them' if more else ''}.")
    else:
        note("Nothing found.")
