"""What must be known of the room before a batch can become operations: found out by a few requests, whatever its size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import NotFound
from ...model.ids import as_id, show_id
from ...query.request import MembersRequest
from ...query.syntax import In, Literal, Parameter, Path, Query, Selected
from .batches import Change, key_of
from .names import Field, Names, Pair, Type
from .pairs import Ends, found_pairs, given_ids
from .reading import Reader
from .turns import in_turns
from .values import id_of

__all__ = ["Known", "looked_up"]

_BY_ID = In(Path(("id",)), (Parameter("ids"),))
_IDS = (Selected(Path(("id",))),)
_MOST = 100_000
Key = tuple[str, ...]


class Known:
    """Ids behind composite keys, pairs behind ids, members of collections, keys of metadata, types of entities."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.keys: dict[tuple[str, Key], bytes] = {}
        self.members: dict[tuple[str, str], dict[bytes, list[bytes]]] = {}
        self.entries: dict[bytes, set[str]] = {}
        self.kinds: dict[bytes, str] = {}
        self.pairs: dict[tuple[str, bytes], Ends] = {}  # by type and id
        self.given: dict[Ends, list[str]] = {}  # the ids that clients gave to pairs

    def id_of(self, type: Type, key: Key) -> bytes | None:
        """The id of the entity with a key, where there is one."""
        if type.key == ("id",):
            try:
                return as_id(key[0])
            except ValueError:
                return None
        return self.keys.get((type.name, key))

    def there(self, type: Type, key: Key) -> bytes:
        """As `id_of`; NotFound where there is none."""
        found = self.id_of(type, key)
        if found is None:
            raise NotFound(type=type.name, entity=", ".join(key))
        return found

    def kind(self, entity: bytes) -> str | None:
        """The native type of an entity, as far as it was looked up."""
        return self.kinds.get(entity)


class _Wanted:
    """What is to be looked up."""

    def __init__(self) -> None:
        self.keys: dict[str, set[Key]] = {}
        self.members: dict[tuple[str, str], dict[bytes, None]] = {}
        self.entries: dict[tuple[str, str], dict[bytes, None]] = {}
        self.kinds: dict[bytes, None] = {}
        self.pairs: dict[str, dict[bytes, None]] = {}  # by type: ids
        self.owners: dict[str, dict[bytes, None]] = {}  # by type: what new pairs are of
        self.new: set[bytes] = set()  # what the batch creates has nothing to look up


async def looked_up(reader: Reader, changes: Sequence[Change]) -> Known:
    """All that a batch needs to know."""
    known = Known(reader.names)
    wanted = _Wanted()
    wanted.new = _note_kinds(known, changes)
    async for some in in_turns(changes):
        for change in some:
            _note(reader.names, change, wanted)
    for name, keys in wanted.keys.items():
        await _find_keys(reader, known, reader.names[name], keys)
    for (native, attribute), owners in wanted.members.items():
        known.members[native, attribute] = await reader.members(native, attribute, list(owners), {})
    for (native, attribute), owners in wanted.entries.items():
        await _find_entries(reader, known, native, attribute, list(owners))
    await _find_pairs(reader, known, wanted)
    await _find_kinds(reader, known, [each for each in wanted.kinds if each not in known.kinds])
    return known


def _note_kinds(known: Known, changes: Iterable[Change]) -> set[bytes]:
    """The types that the batch itself tells; the entities that it creates."""
    new: set[bytes] = set()
    for change in changes:
        if change.type.key == ("id",) and len(change.type.natives) == 1:
            native = change.type.native
            if not known.names.schema[native].abstract:
                known.kinds[change.id] = native
            if change.action == "create":
                new.add(change.id)
    return new


def _note(names: Names, change: Change, wanted: _Wanted) -> None:
    type = change.type
    if type.natives and type.key != ("id",):
        wanted.keys.setdefault(type.name, set()).add(change.key)
    elif type.pair is not None:
        _note_pair(change, type.pair, wanted)
    elif type.name == "Metadata" or type.name.endswith("CustomAttributeValue"):
        wanted.kinds.update(dict.fromkeys(_ids([change.key[0 if type.name == "Metadata" else 1]])))
    for name, value in change.data.items():
        field = type.fields.get(name)
        if field is not None:
            _note_field(names, change, field, value, wanted)


def _note_pair(change: Change, pair: Pair, wanted: _Wanted) -> None:
    wanted.pairs.setdefault(change.type.name, {})[change.id] = None
    owners = _ids(filter(None, (id_of(change.data.get(each)) for each in (pair.owner, f"{pair.owner}_id"))))
    wanted.owners.setdefault(change.type.name, {}).update(dict.fromkeys(owners))
    if len(pair.natives) > 1:
        wanted.kinds.update(dict.fromkeys(owners))


def _note_field(names: Names, change: Change, field: Field, value: Any, wanted: _Wanted) -> None:
    if field.form in ("collection", "pairs"):
        target = names[field.target]
        if target.natives and target.key != ("id",):
            wanted.keys.setdefault(target.name, set()).update(key_of(target, each) for each in value or ())
        elif field.form == "pairs":
            wanted.pairs.setdefault(target.name, {}).update(dict.fromkeys(_ids(map(id_of, value or ()))))
    if field.form in ("key", "reference") and len(field.natives) > 1:
        wanted.kinds.update(dict.fromkeys(_ids([value.get("id") if isinstance(value, dict) else value])))
    if not field.many or not change.type.natives or change.type.key != ("id",) or change.id in wanted.new:
        return
    if field.form == "metadata":
        wanted.entries.setdefault((change.type.native, field.natives[0]), {})[change.id] = None
    elif field.form in ("collection", "pairs"):
        wanted.members.setdefault((change.type.native, field.natives[0]), {})[change.id] = None


def _ids(texts: Iterable[Any]) -> list[bytes]:
    found = []
    for each in texts:
        try:
            found.append(as_id(each))
        except (ValueError, TypeError):
            continue
    return found


# --- requests ---------------------------------------------------------------------------------------------


async def _find_keys(reader: Reader, known: Known, type: Type, keys: set[Key]) -> None:
    """The ids behind composite keys, by the one part of them that narrows best."""
    place, native = next(
        (place, type.fields[name].natives[0])
        for place, name in enumerate(type.key)
        if len(type.fields[name].natives) == 1
    )
    values = {key[place] for key in keys}
    if type.fields[type.key[place]].form == "key":
        values = {show_id(each) for each in _ids(values)}
    if not values:
        return
    where = In(Path((native,)), tuple(map(Literal, sorted(values))))
    page = await reader.page(Query(type.native, reader.select(type.native, {}), where), _MOST)
    rows = await reader.rows(type.native, {}, page)
    for entity, row in rows.items():
        known.keys[type.name, tuple(str(row[each]) for each in type.key)] = entity


async def _find_pairs(reader: Reader, known: Known, wanted: _Wanted) -> None:
    """The pairs behind ids, and what clients call those that may change."""
    for name, ids in wanted.pairs.items():
        type = reader.names[name]
        pair = type.pair
        assert pair is not None, "a type of pairs"
        found = await found_pairs(reader, type, ids)
        known.pairs |= {(name, id): ends for id, ends in found.items()}
        owners = dict.fromkeys((*wanted.owners.get(name, ()), *(owner for owner, _ in found.values())))
        for (native, attribute), lists in known.members.items():
            if native in pair.natives and attribute == pair.attribute:
                owners.update(dict.fromkeys(lists))
        asked = [each for each in owners if each not in wanted.new]
        for native in pair.natives:
            known.given |= await given_ids(reader, native, asked)
        if len(pair.natives) > 1:
            wanted.kinds.update(dict.fromkeys(owners))


async def _find_entries(reader: Reader, known: Known, native: str, attribute: str, owners: list[bytes]) -> None:
    found = await reader.room.members(MembersRequest(type=native, attribute=attribute, owners=owners))
    for owner, key in zip(found.owners, found.keys, strict=True):
        known.entries.setdefault(owner, set()).add(key)


async def _find_kinds(reader: Reader, known: Known, ids: list[bytes]) -> None:
    """Look in each hierarchy that an id may be of, until all are found."""
    left = dict.fromkeys(ids)
    for root in _ROOTS:
        if not left:
            return
        if root not in reader.schema:
            continue
        page = await reader.page(Query(root, _IDS, _BY_ID), len(left), {"ids": list(left)})
        for entity, kind in zip(page.ids, page.types or [root] * len(page.ids), strict=True):
            known.kinds[entity] = kind
            del left[entity]


_ROOTS = ("Context", "User", "Group", "AssetVersion", "Asset", "Note", "Component", "List")
