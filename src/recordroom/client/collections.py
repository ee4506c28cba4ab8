"""What entities show for relations to many: `Collection`, `Links` and `Mapping`.

A collection (the other side of a reference) and links are like lists and sets of entities in a stable order; a
mapping is a dict of values. What they hold is loaded when it is first needed, for all siblings of the owner at
once. Changes are recorded as additions and removals and show on both sides of a relation at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Self, overload

from ..errors import InvalidValue
from ..model.ids import show_id
from ..model.schema import Attribute
from .entity import Entity
from .entries import checked_entry, shown_entry
from .symbols import NOT_SET
from .work import GONE, KEPT

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # with defaults, which type checkers know and Python 3.11 does not

    from .relations import Relations

    E = TypeVar("E", bound=Entity, default=Entity)
    V = TypeVar("V", default=Any)
else:
    from typing import TypeVar

    E, V = TypeVar("E"), TypeVar("V")

__all__ = ["Collection", "Links", "Mapping", "Relation"]


class Relation:
    """One relation to many of one owner. `_loaded` is what the room said, or None."""

    __slots__ = ("_attribute", "_content", "_count", "_epoch", "_owner", "_relations")

    def __init__(self, relations: Relations, owner: Entity, attribute: Attribute) -> None:
        self._relations = relations
        self._owner = owner
        self._attribute = attribute
        self._content: dict[Any, Any] | None = {} if owner._page.new else None
        self._epoch = relations.epoch
        self._count: tuple[int, Any] | None = None  # members in the room, and as of which settled change

    @property
    def _loaded(self) -> dict[Any, Any] | None:
        is_of_old = self._epoch != self._relations.epoch and not self._owner._page.new
        return None if is_of_old else self._content

    @_loaded.setter
    def _loaded(self, content: dict[Any, Any] | None) -> None:
        self._content = content
        self._epoch = self._relations.epoch

    def _wrong(self, value: Any, expected: str) -> InvalidValue:
        return InvalidValue(
            type=self._owner._type,
            attribute=self._attribute.name,
            entity=show_id(self._owner._id),
            value=value,
            expected=expected,
        )

    def __repr__(self) -> str:
        known = "not loaded" if self._loaded is None else f"{len(self._relations.peek(self))} members"
        return f"<{self._attribute.kind} {self._owner._type}.{self._attribute.name}: {known}>"


class _Members(Relation, Sequence[E]):
    """What collections and links share: reading, and changing by whole lists."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[E]:
        return iter(self._all())

    def _all(self) -> list[E]:
        found: list[Any] = self._relations.members(self)
        return found

    def __len__(self) -> int:
        return self._relations.count(self)

    @overload
    def __getitem__(self, index: int) -> E: ...
    @overload
    def __getitem__(self, index: slice) -> list[E]: ...
    def __getitem__(self, index: int | slice) -> E | list[E]:
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        """True for the same entities, in any order."""
        if isinstance(other, str | bytes) or not isinstance(other, Sequence | AbstractSet):
            return NotImplemented
        return set(self) == set(other) and len(set(other)) == len(other)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __iadd__(self, members: Iterable[E]) -> Self:
        self.extend(members)
        return self

    def append(self, member: E) -> None:
        """Add one that is not there yet; InvalidValue if it is known to be."""
        member = self._checked(member)
        if self._known(member):
            raise self._wrong(member, "an entity that is not there already")
        self.add(member)

    def extend(self, members: Iterable[E]) -> None:
        """Add several that are not there yet."""
        for member in members:
            self.append(member)

    def update(self, members: Iterable[E]) -> None:
        """Add several; those that are there already stay as they are."""
        for member in members:
            self.add(member)

    def clear(self) -> None:
        """Take all out."""
        for member in self._all():
            self.discard(member)

    def remove(self, member: E) -> None:
        """Take one out; InvalidValue if it is not there."""
        if member not in self:
            raise self._wrong(member, "one of its members")
        self.discard(member)

    def assign(self, members: Iterable[E]) -> None:
        """Make these the members: adds and removes what differs."""
        wanted = dict.fromkeys(members)
        for member in self._all():
            if member not in wanted:
                self.discard(member)
        for member in wanted:
            self.add(member)

    def add(self, member: E) -> None:
        """Add one; nothing happens if it is there."""
        raise NotImplementedError

    def discard(self, member: E) -> None:
        """Take one out, if it is there."""
        raise NotImplementedError

    def _known(self, member: Entity) -> bool:
        raise NotImplementedError

    def _checked(self, member: Any) -> E:
        checked: Any = self._relations.entity_of(self._owner, self._attribute, member)
        found: E = checked
        return found


class Collection(_Members[E]):
    """The entities that refer to the owner: the other side of a reference.

    Adding an entity sets its reference, removing one sets it to None.
    """

    __slots__ = ()

    def __contains__(self, member: object) -> bool:
        if not isinstance(member, Entity):
            return False
        raw = self._relations.refers(member, self._attribute.inverse)
        if raw is NOT_SET:
            return member in self._relations.members(self)
        return bool(raw == self._owner._id) and not self._relations.is_gone(member)

    def add(self, member: E) -> None:
        """Make an entity refer to the owner."""
        self._checked(member)[self._attribute.inverse] = self._owner

    def discard(self, member: E) -> None:
        """Make an entity refer to nothing, if it refers to the owner."""
        if member in self:
            member[self._attribute.inverse] = None

    def _known(self, member: Entity) -> bool:
        return bool(self._relations.refers(member, self._attribute.inverse) == self._owner._id)


class Links(_Members[E]):
    """Entities linked with the owner, each perhaps with a note."""

    __slots__ = ()

    def __contains__(self, member: object) -> bool:
        if not isinstance(member, Entity):
            return False
        change = self._relations.change_of(self, member)
        if change is not NOT_SET:
            return change is not GONE and not self._relations.is_gone(member)
        return self._relations.link_of(self, member) is not GONE

    def add(self, member: E) -> None:
        """Link an entity; one that is linked already keeps its note."""
        member = self._checked(member)
        if not self._known(member):
            self._relations.put_link(self, member, KEPT)

    def link(self, member: E, note: str | None = None) -> None:
        """Link an entity with a note, or give the link that is there this note."""
        member = self._checked(member)
        self._relations.put_link(self, member, self._relations.checked_note(self, note))

    def note(self, member: E) -> str | None:
        """The note of the link with an entity; InvalidValue if they are not linked."""
        note = self._relations.link_of(self, self._checked(member))
        if note is GONE:
            raise self._wrong(member, "one of its members")
        found: str | None = note
        return found

    def discard(self, member: E) -> None:
        """Take the link with an entity away, if there is one."""
        self._relations.put_link(self, self._checked(member), GONE)

    def _known(self, member: Entity) -> bool:
        change = self._relations.change_of(self, member)
        if change is not NOT_SET:
            return change is not GONE
        return self._loaded is not None and member in self._loaded


class Mapping(Relation, MutableMapping[str, V]):
    """Values by key, such as metadata. A dict in all but its methods' cost: it is loaded on first use."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, key: str) -> V:
        raw = self._relations.entry_of(self, key)
        if raw is GONE:
            raise KeyError(key)
        value: V = shown_entry(self._attribute, raw)
        return value

    def __setitem__(self, key: str, value: V) -> None:
        self._relations.put_key(self, *checked_entry(self._owner._facts, self._attribute, key, value))

    def __delitem__(self, key: str) -> None:
        if self._relations.entry_of(self, key) is GONE:
            raise KeyError(key)
        self._relations.put_key(self, key, GONE)

    def __iter__(self) -> Iterator[str]:
        return iter(self._relations.values(self))

    def __len__(self) -> int:
        return len(self._relations.values(self))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._relations.entry_of(self, key) is not GONE

    def assign(self, values: Any) -> None:
        """Make these the entries: sets and drops what differs."""
        wanted = dict(values)
        for key in list(self):
            if key not in wanted:
                del self[key]
        self.update(wanted)
