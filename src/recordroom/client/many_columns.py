"""Columns of members: links, collections and mappings of the entities in a page, as a column each beside the others.

A column of members has lists: of their ids (`assignees`), or of what a path leads to from each (`assignees.name`), in
the order of their ids; one without a value is left out. A column of a mapping has its entries as json. Both are of the
moment of their page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..errors import InvalidQuery
from ..model.kinds import canonical_json
from ..model.schema import Attribute
from ..query.arrow import Output, outputs_of
from ..query.request import Members, MembersRequest, Page
from ..query.resolve import split_select
from ..query.syntax import Path, Query
from .entries import shown_entry

if TYPE_CHECKING:
    from .results import QueryResult
    from .session import Session

__all__ = ["ManyColumn", "columns_of_result", "pages_of_result"]


class ManyColumn(NamedTuple):
    """A column of members: `relation` has them, `rest` is the path from each of them, "" for their ids."""

    relation: Attribute
    rest: str
    output: Output


def columns_of_result(result: QueryResult[Any]) -> list[Output]:
    """The columns of a result, in order, those of members among them."""
    query, many = _split(result)
    schema, parameters = result.session.schema, result.request().parameters
    plain = outputs_of(schema, query, parameters)
    if not many:
        return plain
    found = {output.name: output for output in plain} | {each.output.name: each.output for each in many}
    names = [".".join(each.value.names) for each in result.query.select if isinstance(each.value, Path)]
    return [found[name] for name in dict.fromkeys(["id", *names])]


def pages_of_result(result: QueryResult[Any], size: int) -> Iterator[Page]:
    """Every page of one snapshot, `size` rows each, with the columns of members."""
    query, many = _split(result)
    request = msgspec.structs.replace(result.request(), query=query, size=size)
    for page in result.session.transport.stream(request):
        if many and page.count:
            _fill(result.session, query.type, page, many)
        yield page


def _split(result: QueryResult[Any]) -> tuple[Query, list[ManyColumn]]:
    """The query without the paths that lead to many, and these; InvalidQuery where a row cannot have them."""
    session, whole = result.session, result.query
    query, paths = split_select(session.schema, whole)
    if not paths:
        return query, []
    plain = all(isinstance(each.value, Path) and each.name in ("", ".".join(each.value.names)) for each in whole.select)
    if whole.group_by or not plain:
        # Such rows are no entities, so they have no members: what says so is in one place.
        outputs_of(session.schema, whole, result.request().parameters)
    return query, [_many(session, query.type, path) for path in dict.fromkeys(paths)]


def _many(session: Session, type_name: str, path: Path) -> ManyColumn:
    schema, name = session.schema, ".".join(path.names)
    first, *steps = path.names
    relation = schema.attribute(type_name, first)
    if not relation.many:
        raise InvalidQuery(reason=f"{name}: a frame or a file has the members of its own rows only")
    if relation.kind == "mapping":
        return ManyColumn(relation, "", Output(name, Attribute(name=name, kind="json")))
    rest = ".".join(steps)
    leaf, place = Attribute(name=name, kind="uuid", multi=True), relation.target
    for step in steps:
        found = schema.attribute(place, step)
        place = found.target
        if found.many or found.multi or found.kind == "json":
            raise InvalidQuery(reason=f"{name} has several values for each member; a frame or a file has one")
        kind = "uuid" if found.kind == "reference" or found.name == "id" else found.kind
        leaf = Attribute(name=name, kind=kind, multi=True, choices=found.choices)
    return ManyColumn(relation, "" if rest == "id" else rest, Output(name, leaf))


def _fill(session: Session, type_name: str, page: Page, many: Sequence[ManyColumn]) -> None:
    """Ask for the members of a page's rows; again, for its moment, where there have been commits since."""
    at = session._at
    found = [_members(session, type_name, page, each, at) for each in many]
    if at is None and session.transport.journal(page.revision, 1):
        found = [_members(session, type_name, page, each, page.revision) for each in many]
    for each, members in zip(many, found, strict=True):
        page.columns[each.output.name] = _column(page.ids, each, members)


def _members(session: Session, type_name: str, page: Page, many: ManyColumn, at: int | None) -> Members:
    return session.transport.members(
        MembersRequest(
            database=session.database,
            type=type_name,
            attribute=many.relation.name,
            owners=page.ids,
            select=() if many.relation.kind == "mapping" else (many.rest or "id",),
            at=at,
        )
    )


def _column(owners: Sequence[bytes], many: ManyColumn, members: Members) -> list[str]:
    """JSON of raw scalars, as a multi-valued attribute has it, or JSON of the entries of a mapping."""
    if members.page is None:
        entries: dict[bytes, dict[str, Any]] = {owner: {} for owner in owners}
        for owner, key, raw in zip(members.owners, members.keys, members.values, strict=True):
            entries[owner][key] = _plain(shown_entry(many.relation, raw))
        return [canonical_json(entries[owner]) for owner in owners]
    lists: dict[bytes, list[Any]] = {owner: [] for owner in owners}
    for owner, raw in zip(members.owners, _raws(members.page, many.rest), strict=True):
        if raw is not None:
            lists[owner].append(raw.hex() if isinstance(raw, bytes) else raw)
    return [canonical_json(lists[owner]) for owner in owners]


def _raws(page: Page, rest: str) -> Sequence[Any]:
    if not rest:
        return page.ids
    columns: Mapping[str, Sequence[Any]] = page.columns
    return columns[rest] if rest in columns else page.types or [page.type] * len(page.ids)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if hasattr(value, "isoformat"):
        return value.isoformat().replace("+00:00", "Z")
    return value if isinstance(value, str | int | float | list | dict) else str(value)
