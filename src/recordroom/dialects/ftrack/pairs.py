"""Ids of pairs: memberships, links of versions and the like are pairs of a links attribute, which have no ids of their own here.

A pair that a client made is known by the id that the client gave it, which its owner keeps in `link_ids`: id → member. Any
other has an id made of the numbers of its two halves, from which they are found again: a UUID of version 8 (RFC 9562), with
the owner's number in its first 48 bits, and a sign, the sort of pair and the member's number behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...model.ids import as_id, show_id
from ...query.request import MembersRequest, Page
from ...query.syntax import Any as AnyMember
from ...query.syntax import In, Parameter, Path, Query, Selected
from .names import Field, Pair, Type

if TYPE_CHECKING:
    from .reading import Node, Reader, Rows

__all__ = ["IDS", "Ends", "Sought", "found_pairs", "given_ids", "ids_of", "is_made", "pair_of", "pair_rows"]

IDS = "link_ids"
Ends = tuple[bytes, bytes]  # the owner and the member of a pair

_SORTS = {"UserSecurityRole": 1, "Membership": 2, "ListObject": 3, "AssetVersionLink": 4}
_SIGN, _OTHER_SIGN = 0x7AC, 0x5E
_FORM = (8 << 76) | (_SIGN << 64) | (2 << 62) | (_OTHER_SIGN << 48)
_FORM_MASK = (0xFFFF << 64) | (3 << 62) | (0xFF << 48)
_LARGEST = (1 << 48) - 1
_BY_ID = In(Path(("id",)), (Parameter("ids"),))
_BY_NUMBER = In(Path(("number",)), (Parameter("numbers"),))
_WITH_KEY = AnyMember(Path((IDS,)), In(Path(("key",)), (Parameter("keys"),)))


class _Numbers(NamedTuple):
    sort: int
    owner: int
    member: int


def _made(sort: int, owner: int, member: int) -> str:
    return show_id(((owner << 80) | _FORM | (sort << 56) | member).to_bytes(16, "big"))


def _numbers(id: bytes) -> _Numbers | None:
    """What an id was made of; None for any other id."""
    number = int.from_bytes(id, "big")
    if number & _FORM_MASK != _FORM:
        return None
    return _Numbers(number >> 56 & 0x3F, number >> 80, number & _LARGEST)


def is_made(id: bytes) -> bool:
    """Whether an id is one of those that are made of numbers, which nobody may give."""
    return _numbers(id) is not None


# --- from ids to pairs ------------------------------------------------------------------------------------


async def found_pairs(reader: Reader, type: Type, ids: Iterable[bytes]) -> dict[bytes, Ends]:
    """The pairs that have these ids, as far as they are there and can be seen."""
    pair = pair_of(type)
    made: dict[bytes, _Numbers] = {}
    given: list[bytes] = []
    for each in dict.fromkeys(ids):
        numbers = _numbers(each)
        if numbers is None:
            given.append(each)
        elif numbers.sort == _SORTS[type.name]:
            made[each] = numbers
    found: dict[bytes, Ends] = {}
    for native in pair.natives:
        meant = await _of_numbers(reader, pair, native, made) | await _of_given(reader, native, given)
        found |= await _there(reader, pair, native, meant)
    return found


async def _of_numbers(reader: Reader, pair: Pair, native: str, made: dict[bytes, _Numbers]) -> dict[bytes, Ends]:
    owners = await _by_numbers(reader, native, {each.owner for each in made.values()})
    target = reader.schema.attribute(native, pair.attribute).target
    members = await _by_numbers(reader, target, {each.member for each in made.values()} if owners else set())
    return {
        id: (owners[each.owner], members[each.member])
        for id, each in made.items()
        if each.owner in owners and each.member in members
    }


async def _by_numbers(reader: Reader, native: str, numbers: Collection[int]) -> dict[int, bytes]:
    if not numbers:
        return {}
    query = Query(native, (Selected(Path(("number",))),), _BY_NUMBER)
    page = await reader.page(query, len(numbers), {"numbers": sorted(numbers)})
    return dict(zip(page.columns["number"], page.ids, strict=True))


async def _of_given(reader: Reader, native: str, ids: Collection[bytes]) -> dict[bytes, Ends]:
    if not ids or IDS not in reader.schema.attributes(native):
        return {}
    wanted = {show_id(each): each for each in ids}
    page = await reader.page(Query(native, _SELECT_ID, _WITH_KEY), len(wanted), {"keys": list(wanted)})
    if not page.ids:
        return {}
    found = await reader.room.members(MembersRequest(type=native, attribute=IDS, owners=page.ids))
    return {
        wanted[key]: (owner, member)
        for owner, key, value in zip(found.owners, found.keys, found.values, strict=True)
        if key in wanted and (member := _id(value)) is not None
    }


def _id(text: str | None) -> bytes | None:
    """An id in a mapping, where anybody who may change it can have written anything."""
    try:
        return None if text is None else as_id(text)
    except ValueError:
        return None


_SELECT_ID = (Selected(Path(("id",))),)


async def _there(reader: Reader, pair: Pair, native: str, meant: dict[bytes, Ends]) -> dict[bytes, Ends]:
    """Those that are pairs indeed."""
    owners = list(dict.fromkeys(owner for owner, _ in meant.values()))
    if not owners:
        return {}
    lists = await reader.members(native, pair.attribute, owners, {})
    there = {owner: set(members) for owner, members in lists.items()}
    return {id: ends for id, ends in meant.items() if ends[1] in there[ends[0]]}


# --- from pairs to ids ------------------------------------------------------------------------------------


async def given_ids(reader: Reader, native: str, owners: Sequence[bytes]) -> dict[Ends, list[str]]:
    """The ids that clients gave to pairs of these owners; there may be such of pairs that are no more."""
    if not owners or IDS not in reader.schema.attributes(native):
        return {}
    entries = await reader.room.members(MembersRequest(type=native, attribute=IDS, owners=list(owners)))
    found: dict[Ends, list[str]] = {}
    for owner, key, value in zip(entries.owners, entries.keys, entries.values, strict=True):
        member = _id(value)
        if member is not None:
            found.setdefault((owner, member), []).append(key)
    return found


async def ids_of(reader: Reader, type: Type, native: str, pairs: Collection[Ends]) -> dict[Ends, str]:
    """The id of each pair whose owners are of a native type."""
    pair = pair_of(type)
    owners = list(dict.fromkeys(owner for owner, _ in pairs))
    found = {ends: ids[0] for ends, ids in (await given_ids(reader, native, owners)).items() if ends in pairs}
    missing = [each for each in pairs if each not in found]
    target = reader.schema.attribute(native, pair.attribute).target
    first = await _numbers_of(reader, native, {owner for owner, _ in missing})
    second = await _numbers_of(reader, target, {member for _, member in missing})
    for owner, member in missing:
        if owner in first and member in second:
            found[owner, member] = _made(_SORTS[type.name], first[owner], second[member])
    return found


async def _numbers_of(reader: Reader, native: str, ids: Collection[bytes]) -> dict[bytes, int]:
    if not ids:
        return {}
    query = Query(native, (Selected(Path(("number",))),), _BY_ID)
    page = await reader.page(query, len(ids), {"ids": list(ids)})
    return dict(zip(page.ids, page.columns["number"], strict=True))


# --- rows -------------------------------------------------------------------------------------------------


class Sought(NamedTuple):
    """A collection of pairs and what is wanted of them; where some are `asked` for by their ids, only those."""

    field: Field
    node: Node
    asked: dict[Ends, str] | None = None


async def pair_rows(reader: Reader, native: str, page: Page, sought: Sought) -> list[list[dict[str, Any]]]:
    """The pairs of each entity of a page."""
    field, node, asked = sought
    type = reader.names[field.target]
    pair = pair_of(type)
    owning = field.natives == (pair.attribute,)
    here, there = (pair.owner, pair.member) if owning else (pair.member, pair.owner)
    wanted: Node = dict(node.get(there) or {})
    if owning and len(pair.natives) > 1:
        # Members are of several types, of which only some may have what is wanted.
        target = reader.names.of(reader.schema.attribute(native, pair.attribute).target)
        wanted = {name: inner for name, inner in wanted.items() if reader.names.has(target, name)}
    lists = await reader.members(native, field.natives[0], page.ids, wanted)
    owners = await _own_rows(reader, native, page, node.get(here) or {})
    pairs = [(one, other) for one in page.ids for other in lists[one]]
    ends = {each: each if owning else each[::-1] for each in pairs}
    if asked is not None:
        ends = {each: both for each, both in ends.items() if both in asked}
    kind = native if owning else pair.natives[0]
    ids = await ids_of(reader, type, kind, set(ends.values())) | (asked or {})
    rows: Rows = wanted[""]
    return [
        [
            {
                "__entity_type__": type.name,
                "id": ids[ends[owner, member]],
                f"{here}_id": show_id(owner),
                f"{there}_id": show_id(member),
                here: owners[owner],
                there: rows[member],
            }
            for member in lists[owner]
            if ends.get((owner, member)) in ids
        ]
        for owner in page.ids
    ]


async def _own_rows(reader: Reader, native: str, page: Page, node: Node) -> dict[bytes, Any]:
    """The entities of a page, as they stand in pairs."""
    if node.keys() - {"id"}:
        return {**(await reader.by_ids(native, page.ids, node))}
    kinds = page.types or [native] * len(page.ids)
    return {each: reader.bare(kind, each) for each, kind in zip(page.ids, kinds, strict=True)}


def pair_of(type: Type) -> Pair:
    """What pairs of a type are made of."""
    assert type.pair is not None, "a type of pairs"
    return type.pair
