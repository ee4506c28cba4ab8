"""What a batch does to pairs: creating, deleting and listing them, under the ids that clients give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...errors import InvalidValue, NotFound, UnknownAttribute
from ...model.ids import show_id
from ...model.schema import Schema, close_names
from .batches import Change
from .draft import Draft
from .known import Known
from .names import Field, Names, Pair, Type
from .pairs import IDS, Ends, is_made, pair_of
from .values import as_raw_id, id_of

__all__ = ["Pairing"]

_FIXED = "what it is: create another one, and delete this"


class Pairing:
    """Puts what is said of pairs into a draft. New ones may get their two halves one after the other."""

    def __init__(self, names: Names, known: Known, draft: Draft) -> None:
        self.names = names
        self.schema: Schema = names.schema
        self.known = known
        self.draft = draft
        self._new: dict[tuple[str, bytes], dict[str, bytes | None]] = {}  # by type and id: the halves

    def take(self, change: Change) -> None:
        """One operation."""
        _ACTIONS[change.action](self, change)

    def create(self, change: Change) -> None:
        """A new pair; its halves are looked at when the batch is at its end."""
        if is_made(change.id) or (change.type.name, change.id) in self.known.pairs:
            raise InvalidValue(
                type=change.type.name, attribute="id", value=show_id(change.id), expected="an id that nothing has"
            )
        self._new[change.type.name, change.id] = self._halves(change)

    def update(self, change: Change) -> None:
        """The other half of a new one; what is there stays what it is."""
        new = self._new.get((change.type.name, change.id))
        said = self._halves(change)
        if new is not None:
            new |= said
            return
        owner, member = self._there(change.type, change.id)
        pair = pair_of(change.type)
        for name, has in ((pair.owner, owner), (pair.member, member)):
            if said.get(name, has) != has:
                raise InvalidValue(type=change.type.name, attribute=name, value=change.data, expected=_FIXED)

    def delete(self, change: Change) -> None:
        """A pair goes."""
        if self._new.pop((change.type.name, change.id), None) is None:
            self._end(change.type, self._there(change.type, change.id))

    def set(self, native: str, entity: bytes, field: Field, references: Iterable[Any]) -> None:
        """Make these the pairs of an entity; new ones come by operations of their own."""
        type = self.names[field.target]
        pair = pair_of(type)
        owning = field.natives == (pair.attribute,)
        kept = {self._ends_of(type, as_raw_id(type.name, "id", id_of(each))) for each in references}
        for other in self.known.members.get((native, field.natives[0]), {}).get(entity, []):
            ends = (entity, other) if owning else (other, entity)
            if ends not in kept:
                self._end(type, ends)

    def finish(self) -> None:
        """The new ones become links."""
        for (name, id), halves in self._new.items():
            type = self.names[name]
            pair = pair_of(type)
            owner, member = (self._half(type, halves, each) for each in (pair.owner, pair.member))
            native = self._native(pair, owner)
            self.draft.link(native, pair.attribute, (owner, member), there=True)
            if IDS in self.schema.attributes(native):
                self._forget(native, (owner, member))
                self.draft.set_key(self.schema.owner(native, IDS), IDS, (owner, show_id(id)), show_id(member))

    # --- parts -------------------------------------------------------------------------------------

    def _halves(self, change: Change) -> dict[str, bytes | None]:
        pair = pair_of(change.type)
        found: dict[str, bytes | None] = {}
        for name, value in change.data.items():
            half = name.removesuffix("_id")
            if half in (pair.owner, pair.member):
                found[half] = as_raw_id(change.type.name, name, id_of(value))
            elif name != "id":
                fields = change.type.fields
                raise UnknownAttribute(type=change.type.name, name=name, suggestions=close_names(name, fields))
        return found

    def _half(self, type: Type, halves: dict[str, bytes | None], name: str) -> bytes:
        found = halves.get(name)
        if found is None:
            raise InvalidValue(type=type.name, attribute=name, value=None, expected="an entity")
        return found

    def _there(self, type: Type, id: bytes) -> Ends:
        found = self.known.pairs.get((type.name, id))
        if found is None:
            raise NotFound(type=type.name, entity=show_id(id))
        return found

    def _ends_of(self, type: Type, id: bytes | None) -> Ends | None:
        """The halves of a pair that a list names; None for a new one, which is made anyway."""
        if id is None:
            raise InvalidValue(type=type.name, attribute="id", value=None, expected="a reference with its whole key")
        return None if (type.name, id) in self._new else self._there(type, id)

    def _end(self, type: Type, ends: Ends) -> None:
        pair = pair_of(type)
        native = self._native(pair, ends[0])
        self.draft.link(native, pair.attribute, ends, there=False)
        self._forget(native, ends)

    def _forget(self, native: str, ends: Ends) -> None:
        """The ids that clients gave to a pair."""
        for key in self.known.given.get(ends, ()):
            self.draft.drop_key(self.schema.owner(native, IDS), IDS, (ends[0], key))

    def _native(self, pair: Pair, owner: bytes) -> str:
        """The native type of an owner, as far as it matters."""
        created = self.draft.created.get(owner)
        kind = created[0] if created else self.known.kind(owner)
        return kind if kind in pair.natives else pair.natives[0]


_ACTIONS: dict[str, Callable[[Pairing, Change], None]] = {
    "create": Pairing.create,
    "update": Pairing.update,
    "delete": Pairing.delete,
}
