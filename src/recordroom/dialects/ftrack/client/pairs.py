"""Pairs of links as entities: memberships, roles of users, objects of lists, links of versions.

A pair is known by its two halves; one that was made here also by the id that it was given, which its owner keeps. The ids of
others are asked for when somebody looks.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ....model.ids import as_id, show_id
from ....query.syntax import Compare, Literal, Path, Query
from ..names import Field, Pair, Type
from ..pairs import IDS, ids_of, is_made
from .exception import ImmutableAttributeError, ServerError
from .query import QueryResult
from .reaching import reader_of, run

if TYPE_CHECKING:
    from ....client.entity import Entity as Native
    from .entity.virtual import VirtualEntity
    from .session import Session

__all__ = ["Pairs", "halves_of"]


class Pairs:
    """The pairs of a session: one object for each two halves."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[Any, ...], VirtualEntity] = {}
        self._by_id: dict[tuple[str, str], VirtualEntity] = {}

    def clear(self) -> None:
        """Forget them."""
        self._known.clear()
        self._by_id.clear()

    def met(self, type: Type, values: Mapping[str, Any]) -> Any:
        """The pair with these halves, which is there."""
        key = (type.name, *(values.get(each) for each in halves_of(type)))
        found = self._known.get(key)
        if found is None:
            cls: Any = self._session.types[type.name]
            found = self._known[key] = cls(self._session, values, reconstructing=True)
        elif "id" not in found._values:
            found._values.update(values)
        if "id" in found._values:
            self._by_id[type.name, found._values["id"]] = found
        return found

    def get(self, type: Type, key: Any) -> Any:
        """The pair with an id; None where there is none."""
        found = self._by_id.get((type.name, str(key)))
        if found is not None:
            return found
        where = Compare("is", Path(("id",)), Literal(str(key)))
        return QueryResult(self._session, Query(type.name, where=where)).first()

    def of(self, entity: Any, field: Field, members: Iterable[Native]) -> list[Any]:
        """The pairs of an entity."""
        type = self._session.names[field.target]
        first, second = halves_of(type)
        here, there = (first, second) if field.natives == (_pair(type).attribute,) else (second, first)
        own = show_id(entity._native._id)
        return [self.met(type, {here: own, there: show_id(each._id)}) for each in members]

    # --- ids -------------------------------------------------------------------------------------

    def id_of(self, item: VirtualEntity) -> str:
        """The id of a pair. Those of all that are known of its sort are asked for together."""
        if "id" not in item._values:
            self._ask_for_ids(item)
        found: str = item._values.get("id", "")
        return found

    def _ask_for_ids(self, item: VirtualEntity) -> None:
        session, type = self._session, item._type
        owner, _ = self.ends(item)
        waiting = {
            tuple(as_id(each._values[half]) for half in halves_of(type)): each
            for each in (item, *self._known.values())
            if each.entity_type == type.name and "id" not in each._values and None not in each._identity()
        }
        reader = reader_of(session.native, session.names, ())
        pairs: Any = waiting.keys()
        for ends, id in run(ids_of(reader, type, owner._type, pairs)).items():
            waiting[ends]._values["id"] = id
            self._by_id[type.name, id] = waiting[ends]

    # --- changes ---------------------------------------------------------------------------------

    def create(self, item: VirtualEntity) -> None:
        """A new pair; it is a link as soon as it has both halves."""
        if "id" in item._values:
            self._check_id(item._type, item._values["id"])
        item._values.setdefault("id", str(uuid.uuid4()))
        self._by_id[item.entity_type, item._values["id"]] = item
        if None in item._identity():
            self._session._unfinished.append(item)
        else:
            self._make(item)

    def _check_id(self, type: Type, id: Any) -> None:
        if not _is_id(id) or is_made(as_id(id)) or self.get(type, id) is not None:
            raise ServerError(f"{type.name}.id: expected an id that nothing has, got {id!r}")

    def _make(self, item: VirtualEntity) -> None:
        self.link(item)
        owner, member = self.ends(item)
        if IDS in owner._facts.attributes:
            self._forget(owner, member)
            owner[IDS][item._values["id"]] = show_id(member._id)
        self._known[item._identity()] = item

    def put(self, item: VirtualEntity, name: str, value: Any) -> None:
        """The other half of a new one."""
        half = name if name.endswith("_id") else f"{name}_id"
        given = getattr(value, "_native", None)
        if None not in item._identity():
            raise ImmutableAttributeError(item.attributes.get(name))
        item._values[half] = value if given is None else show_id(given._id)
        if None not in item._identity():
            self._session._unfinished = [each for each in self._session._unfinished if each is not item]
            self._make(item)

    def delete(self, item: VirtualEntity) -> None:
        """A pair goes."""
        self._by_id.pop((item.entity_type, item._values.get("id", "")), None)
        if self._is_unfinished(item):
            self._session._unfinished = [each for each in self._session._unfinished if each is not item]
            return
        self.unlink(item)

    def link(self, item: VirtualEntity) -> None:
        """Put a pair into the links that it stands for."""
        owner, member = self.ends(item)
        owner[_pair(item._type).attribute].add(member)

    def unlink(self, item: VirtualEntity) -> None:
        """Take a pair out of the links that it stands for."""
        owner, member = self.ends(item)
        owner[_pair(item._type).attribute].discard(member)
        if IDS in owner._facts.attributes:
            self._forget(owner, member)
        self._known.pop(item._identity(), None)

    def _forget(self, owner: Native, member: Native) -> None:
        """The ids that were given to a pair."""
        ids = owner[IDS]
        for key in [each for each, value in ids.items() if value == show_id(member._id)]:
            del ids[key]

    def ends(self, item: VirtualEntity) -> tuple[Native, Native]:
        """The owner and the member. ServerError where one of them is not there."""
        pair = _pair(item._type)
        self._fill(item)
        owner = self._find(item._type.fields[pair.owner].target, item._values.get(f"{pair.owner}_id"))
        if owner is not None:
            target = self._session.names.schema.attribute(owner._type, pair.attribute).target
            member = self._find(self._session.names.of(target).name, item._values.get(f"{pair.member}_id"))
            if member is not None:
                return owner, member
        raise ServerError(f"{item.entity_type}: {pair.owner} and {pair.member} have to be there")

    def _is_unfinished(self, item: VirtualEntity) -> bool:
        return any(each is item for each in self._session._unfinished)

    def _fill(self, item: VirtualEntity) -> None:
        """Find the halves of a pair of which only the id was said."""
        if None in item._identity() and not self._is_unfinished(item):
            found = self.get(item._type, item._values.get("id"))
            if found is None:
                raise ServerError(f"There is no {item.entity_type} {item._values.get('id')}")
            item._values.update(found._values)

    def _find(self, name: str, key: Any) -> Native | None:
        found = None if key is None else self._session.get(name, key)
        return None if found is None else found._native

    def value(self, item: VirtualEntity, name: str) -> Any:
        """One of its values; an entity is fetched where it is one."""
        if name == "id":
            return self.id_of(item)
        if not self._is_unfinished(item):
            self._fill(item)
        if name.endswith("_id"):
            return item._values.get(name)
        key = item._values.get(f"{name}_id")
        if key is None:
            return None
        if None in item._identity():
            return self._session.get(item._type.fields[name].target, key)
        return self._session.wrap(self.ends(item)[name == _pair(item._type).member])


def halves_of(type: Type) -> tuple[str, str]:
    """What the ids of the two halves are called: of the owner, of the member."""
    return f"{_pair(type).owner}_id", f"{_pair(type).member}_id"


def _pair(type: Type) -> Pair:
    assert type.pair is not None, "a type of pairs"
    return type.pair


def _is_id(value: Any) -> bool:
    try:
        return bool(as_id(value))
    except (ValueError, TypeError):
        return False
