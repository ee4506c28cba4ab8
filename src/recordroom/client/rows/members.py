"""Links and mappings of rows: what their cells say, and which changes make the entities what they say.

A cell of links is a list of what names their members, a cell of a mapping an object; in CSV both are JSON. A cell
stands for the whole: what it does not have is taken away, and one that is missing empties it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import InvalidValue
from ...model.kinds import WrongValue
from ...model.operations import Create, DropKeys, Link, SetKeys, Unlink, Update
from ...model.schema import Attribute
from ...query.request import MembersRequest
from ..entries import checked_entry
from .cells import cell_text, read_item
from .finding import Finder
from .mapping import Plan
from .parcel import Parcel
from .readers import ExactFloat

if TYPE_CHECKING:
    from ..facts import TypeFacts
    from ..session import Session

__all__ = ["RelationChange", "owners_of", "relation_changes", "take_links", "take_mapping"]

RelationChange = Link | Unlink | SetKeys | DropKeys


# --- cells ----------------------------------------------------------------------------------------


def take_links(parcel: Parcel, finder: Finder, nulls: Sequence[str]) -> dict[int, list[str]]:
    """Put the ids that the cells of one links attribute name into the parcel; by position, the names that name nothing."""
    attribute, column = finder.attribute, finder.lookup.columns[0]
    expected = f"a list (in CSV a JSON array) of what names each {attribute.target}"
    lists = [[] if cell is None else cell for cell in _whole(parcel, column, nulls, lambda cell: _list(cell, expected))]
    flat = [item for items in lists for item in items]
    found = finder.find([flat], "json", ())
    rows = [position for position, items in enumerate(lists) for _ in items]
    unknown: dict[int, list[str]] = {}
    for place in found.unknown:
        unknown.setdefault(rows[place], []).append(cell_text(flat[place]))
    for place, fault in found.faults.items():
        parcel.blame(rows[place], column, fault, cell_text(flat[place]))
    members: list[list[bytes]] = [[] for _ in lists]
    for row, each in zip(rows, found.ids, strict=True):
        if each is not None:
            members[row].append(each)
    parcel.links[attribute.name] = members
    return unknown


def take_mapping(facts: TypeFacts, parcel: Parcel, column: str, attribute: Attribute, nulls: Sequence[str]) -> None:
    """Put the entries that the cells of one mapping have into the parcel."""
    entry = Attribute(name=attribute.name, kind=attribute.of)

    def checked(key: Any, value: Any) -> tuple[str, Any]:
        try:
            return checked_entry(facts, attribute, key, read_item(value, entry))
        except WrongValue as error:
            raise WrongValue(f"{attribute.name}[{key!r}]: {error}") from error
        except InvalidValue as error:
            raise WrongValue(f"{error.attribute}: {error.expected}") from error

    def entries(cell: Any) -> dict[str, Any]:
        given = dict(cell) if isinstance(cell, list) and all(isinstance(each, tuple) for each in cell) else cell
        if not isinstance(given, dict):
            raise WrongValue("an object (in CSV as JSON) from keys to values")
        # What an Arrow struct has no value for is no entry.
        return dict(checked(key, value) for key, value in given.items() if value is not None)

    parcel.entries[attribute.name] = [cell or {} for cell in _whole(parcel, column, nulls, entries)]


def _whole(parcel: Parcel, column: str, nulls: Sequence[str], read: Callable[[Any], Any]) -> list[Any]:
    """Each cell of a column through `read`, None where it is missing or wrong."""
    cells = parcel.column(column)
    found: list[Any] = []
    for position, cell in enumerate(cells.to_pylist() if hasattr(cells, "to_pylist") else cells):
        try:
            found.append(None if cell is None or cell in nulls else read(_parsed(cell)))
        except WrongValue as error:
            parcel.blame(position, column, str(error), cell_text(cell))
            found.append(None)
    return found


def _parsed(cell: Any) -> Any:
    """A text is JSON."""
    if not isinstance(cell, str):
        return cell
    try:
        return json.loads(cell, parse_float=ExactFloat)
    except (ValueError, RecursionError):
        return cell


def _list(cell: Any, expected: str) -> list[Any]:
    if not isinstance(cell, list) or None in cell:
        raise WrongValue(expected)
    return cell


# --- changes --------------------------------------------------------------------------------------


def relation_changes(session: Session, plan: Plan, parcel: Parcel) -> tuple[list[RelationChange], set[bytes]]:
    """The changes that make links and mappings what the last row of each entity says, and the entities that they change."""
    last = {parcel.ids[position]: position for position in parcel.sound()}
    changes: list[RelationChange] = []
    for name, members in parcel.links.items():
        there = _members(session, plan.type, name, parcel, last)
        wanted: Entries = {owner: dict.fromkeys(members[position]) for owner, position in last.items()}
        added, gone = list(_more(wanted, there)), list(_more(there, wanted))
        if gone:
            sources, targets = _columns(gone)
            changes.append(Unlink(type=plan.type, attribute=name, sources=sources, targets=targets))
        if added:
            sources, targets = _columns(added)
            changes.append(Link(type=plan.type, attribute=name, sources=sources, targets=targets))
    for name, entries in parcel.entries.items():
        there = _members(session, plan.type, name, parcel, last)
        wanted = {owner: entries[position] for owner, position in last.items()}
        gone, added = list(_more(there, wanted)), list(_more(wanted, there, by_value=True))
        if gone:
            ids, keys = _columns(gone)
            changes.append(DropKeys(type=plan.type, attribute=name, ids=ids, keys=keys))
        if added:
            ids, keys = _columns(added)
            values = [wanted[owner][key] for owner, key in added]
            changes.append(SetKeys(type=plan.type, attribute=name, ids=ids, keys=keys, values=values))
    return changes, {owner for change in changes for owner in owners_of(change)}


def owners_of(change: Create | Update | RelationChange) -> Sequence[bytes]:
    """The entities that change."""
    return change.sources if isinstance(change, Link | Unlink) else change.ids


Entries = Mapping[bytes, Mapping[Any, Any]]


def _more(one: Entries, other: Entries, *, by_value: bool = False) -> Iterator[tuple[bytes, Any]]:
    """Owner and member (or key) of each entry that `other` does not have, or with `by_value` has otherwise."""
    for owner, entries in one.items():
        known = other.get(owner, {})
        for key, value in entries.items():
            if key not in known or (by_value and known[key] != value):
                yield owner, key


def _columns(pairs: Sequence[tuple[bytes, Any]]) -> tuple[list[bytes], list[Any]]:
    return [owner for owner, _ in pairs], [member for _, member in pairs]


def _members(session: Session, type_name: str, name: str, parcel: Parcel, last: Mapping[bytes, int]) -> Entries:
    """What the entities that are there have of one attribute."""
    owners = [each for each, position in last.items() if position in parcel.matches]
    found: dict[bytes, dict[Any, Any]] = {owner: {} for owner in owners}
    if not owners:
        return found
    select = () if name in parcel.entries else ("id",)
    request = MembersRequest(database=session.database, type=type_name, attribute=name, owners=owners, select=select)
    members = session.transport.members(request)
    keys, values = (members.keys, members.values) if members.page is None else (members.page.ids, members.page.ids)
    for owner, key, value in zip(members.owners, keys, values, strict=True):
        found[owner][key] = value
    return found
