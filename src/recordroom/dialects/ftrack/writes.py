"""The actions create, update and delete: a batch of them becomes one commit, all of it or nothing.

Operations may name what the batch creates, and what is wrong is judged at its end, by the room.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from ...errors import InvalidValue, MissingValue, NotFound, UnknownAttribute
from ...model.actor import Actor
from ...model.ids import new_id, show_id
from ...model.schema import close_names
from .batches import Change, key_of
from .configurations import Configuration
from .custom import natives_of_value
from .draft import Columns, Draft
from .known import Known
from .names import Field, Names, Type
from .pairing import Pairing
from .values import as_raw_id, id_of, raw, untagged

__all__ = ["Writer"]


class Writer:
    """Makes a draft of a batch."""

    def __init__(self, names: Names, known: Known, configurations: list[Configuration], actor: Actor) -> None:
        self.names = names
        self.schema = names.schema
        self.known = known
        self.configurations = {each.id: each for each in configurations}
        self.actor = actor
        self.draft = Draft()
        self.pairs = Pairing(names, known, self.draft)
        self._notes: set[bytes] = set()
        self._categories: dict[bytes, bytes | None] = {}

    def add(self, change: Change) -> bytes | None:
        """Take one change into the draft; the id of its entity, None where it is none here."""
        if not change.type.natives:
            self._other(change)
            return None
        if len(change.type.natives) != 1:
            raise InvalidValue(
                type=change.type.name, attribute="entity_type", value=change.type.name, expected="one of its subtypes"
            )
        return _ACTIONS[change.action](self, change)

    def _other(self, change: Change) -> None:
        """A change of what is no entity here."""
        if change.type.name == "Metadata":
            self._metadata(change)
        elif change.type.pair is not None:
            self.pairs.take(change)
        else:
            self._value(change)

    # --- entities ---

    def create(self, change: Change) -> bytes:
        """A new entity."""
        there = self.known.id_of(change.type, change.key) if change.type.name == "Recipient" else None
        if there is not None:
            # Whoever wrote the note is one already.
            self._set(change, there)
            return there
        entity = self._new_id(change)
        self.draft.create(change.type.native, entity, {})
        self._set(change, entity)
        supply = _SUPPLIED.get(change.type.native)
        if supply is not None:
            supply(self, entity, self.draft.created[entity][1])
        return entity

    def _new_id(self, change: Change) -> bytes:
        if change.type.key == ("id",):
            return change.id
        self.known.keys[change.type.name, change.key] = entity = new_id()
        return entity

    def update(self, change: Change) -> bytes:
        """New values for an entity."""
        entity = self.known.there(change.type, change.key)
        self._set(change, entity)
        return entity

    def delete(self, change: Change) -> bytes | None:
        """An entity goes; one that the batch has deleted already is gone."""
        entity = self.known.there(change.type, change.key)
        self.draft.delete(change.type.native, entity)
        return entity

    def _set(self, change: Change, entity: bytes) -> None:
        type = change.type
        columns: Columns = {}
        for name, value in change.data.items():
            field = type.fields.get(name)
            if field is None:
                raise UnknownAttribute(type=type.name, name=name, suggestions=close_names(name, type.fields))
            if field.many:
                self._set_many(type.native, entity, field, value)
            elif field.form == "worked":
                if name in _CATEGORY and value is not None and entity in self.draft.created:
                    self._categories[entity] = as_raw_id(type.name, name, id_of(value))
            elif not field.fixed and field.form != "id":
                columns.update(self._columns(type, field, value))
        self.draft.update(type.native, entity, columns, later=change.action != "create")

    def _columns(self, type: Type, field: Field, value: Any) -> Columns:
        if field.form == "scalar":
            attribute = self.schema.attribute(type.native, field.natives[0])
            return {attribute.name: raw(type.name, field.name, value, attribute)}
        return self._reference(type, field, value)

    def _reference(self, type: Type, field: Field, value: Any) -> Columns:
        found: Columns = dict.fromkeys(field.natives)
        entity = as_raw_id(type.name, field.name, id_of(value))
        if entity is not None:
            found[self._native_of(type, field, value, entity)] = entity
        return found

    def _native_of(self, type: Type, field: Field, value: Any, entity: bytes) -> str:
        """Which of several references leads to an entity."""
        if len(field.natives) == 1:
            return field.natives[0]
        kind = self.known.kind(entity)
        said = value.get("__entity_type__") if isinstance(value, dict) else None
        if kind is None and said in self.names.types and len(self.names[said].natives) == 1:
            kind = self.names[said].native
        for each in field.natives:
            if kind is not None and self.schema.is_a(kind, self.schema.attribute(type.native, each).target):
                return each
        raise NotFound(type=field.target, entity=show_id(entity))

    # --- collections ---

    def _set_many(self, native: str, entity: bytes, field: Field, value: Any) -> None:
        references: list[Any] = value or []
        if field.form == "metadata":
            self._keep_keys(native, entity, field, references)
        elif field.form == "pairs":
            self.pairs.set(native, entity, field, references)
        elif field.form == "collection":
            members = [self.known.there(self.names[field.target], self._key(field, each)) for each in references]
            self._set_members(native, entity, field, members)

    def _key(self, field: Field, reference: Any) -> tuple[str, ...]:
        said = reference.get("__entity_type__") if isinstance(reference, dict) else None
        return key_of(self.names[said] if said in self.names.types else self.names[field.target], reference)

    def _set_members(self, native: str, entity: bytes, field: Field, members: list[bytes]) -> None:
        attribute = self.schema.attribute(native, field.natives[0])
        current = self.known.members.get((native, attribute.name), {}).get(entity, [])
        wanted, there = set(members), set(current)
        if attribute.kind == "links":
            for each in wanted | there:
                self.draft.link(native, attribute.name, (entity, each), there=each in wanted)
            return
        for each in members:
            if each not in there:
                self.draft.update(self._kind(each, attribute.target), each, {attribute.inverse: entity})
        for each in current:
            if each not in wanted and each not in self.draft.deleted and field.only is None:
                self._detach(attribute.target, attribute.inverse, each)

    def _kind(self, entity: bytes, target: str) -> str:
        return self.draft.created[entity][0] if entity in self.draft.created else target

    def _detach(self, target: str, inverse: str, entity: bytes) -> None:
        if target == "Recipient":
            return  # whoever wrote the note, or was told of it, stays so until that is deleted
        if self.schema.attribute(target, inverse).required:
            self.draft.delete(target, entity)
        else:
            self.draft.update(target, entity, {inverse: None})

    # --- metadata ---

    def _metadata(self, change: Change) -> None:
        entity = as_raw_id("Metadata", "parent_id", change.key[0])
        kind = None if entity is None else self.known.kind(entity)
        if entity is None or kind is None:
            raise NotFound(type=str(change.data.get("parent_type") or "Context"), entity=change.key[0])
        if entity in self.draft.deleted:
            return
        owner, entry = self.schema.owner(kind, "metadata"), (entity, change.key[1])
        if change.action == "delete":
            self.draft.drop_key(owner, "metadata", entry)
        elif "value" in change.data:
            value = untagged(change.data["value"])
            self.draft.set_key(owner, "metadata", entry, value if isinstance(value, str | None) else str(value))

    def _keep_keys(self, native: str, entity: bytes, field: Field, references: list[Any]) -> None:
        """Entries that the list does not name are gone; those that it names are made by operations of their own."""
        owner = self.schema.owner(native, field.natives[0])
        named = {str(each.get("key")) for each in references if isinstance(each, dict)}
        for key in self.known.entries.get(entity, set()) - named:
            self.draft.drop_key(owner, field.natives[0], (entity, key))

    # --- custom attributes ---

    def _value(self, change: Change) -> None:
        configuration = self.configurations.get(change.key[0])
        if configuration is None:
            raise NotFound(type="CustomAttributeConfiguration", entity=change.key[0])
        entity = as_raw_id(change.type.name, "entity_id", change.key[1])
        assert entity is not None, "keys are texts"
        kind = self.known.kind(entity)
        native = next(iter(natives_of_value(self.schema, configuration, kind)), None)
        if native is None:
            raise NotFound(type=change.type.name, entity=", ".join(change.key))
        value = change.data.get("value") if change.action != "delete" else None
        attribute = self.schema.attribute(native, configuration.native)
        column = raw(change.type.name, configuration.key, value, attribute)
        if change.action == "delete" or "value" in change.data:
            self.draft.update(kind or native, entity, {attribute.name: column})

    # --- what the room supplies ---

    def name_user(self, entity: bytes, columns: Columns) -> None:
        """A user has a name."""
        if columns.get("name") is None:
            columns["name"] = str(uuid.uuid4())

    def begin_note(self, entity: bytes, columns: Columns) -> None:
        """Whoever writes a note hears of it."""
        self._notes.add(entity)

    def finish(self) -> Draft:
        """The draft, with what follows from all of the batch."""
        self.pairs.finish()
        self._check_parents()
        for note in self._notes & self.draft.created.keys():
            self._add_recipient(note)
        for note, label in self._categories.items():
            if label is not None and note in self.draft.created and not self._is_labelled(note, label):
                self.draft.create("NoteLabelLink", new_id(), {"note": note, "label": label})
        return self.draft

    def _check_parents(self) -> None:
        """What is new within a project is within something."""
        for entity, (native, columns) in self.draft.created.items():
            placed = columns.get("parent") or columns.get("project")
            if not placed and self.schema.root(native) == "Context" and native != "Project":
                name = self.names.of(native).name
                raise MissingValue(type=name, attribute="parent", entities=(show_id(entity),), count=1)

    def _is_labelled(self, note: bytes, label: bytes) -> bool:
        return ("NoteLabelLink", (show_id(note), show_id(label))) in self.known.keys

    def _add_recipient(self, note: bytes) -> None:
        user = self.actor.user
        if user is None or ("Recipient", (show_id(note), show_id(user))) in self.known.keys:
            return
        self.draft.create("Recipient", new_id(), {"note": note, "user": user})


_CATEGORY = ("category", "category_id")
_ACTIONS: dict[str, Callable[[Writer, Change], bytes | None]] = {
    "create": Writer.create,
    "update": Writer.update,
    "delete": Writer.delete,
}
_SUPPLIED: dict[str, Callable[[Writer, bytes, Columns], None]] = {
    "User": Writer.name_user,
    "Note": Writer.begin_note,
}
