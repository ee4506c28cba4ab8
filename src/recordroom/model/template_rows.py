"""Rows of templates: which entities they are, which of them a room lacks, and the operations that make those.

The *key* of a type is its first unique set, else its first unique attribute, else its `name`. A row without `id` has
uuid5(NAMESPACE_URL, "recordroom:Type:key"), the values of a key with several attributes joined by "/", references as
ids: the same in every room; where a type has no key, everything that the row says is its key. A reference is written as an
id, as the key of a row, or as a list where the key has several values.

A row is there where its id is, or another entity with its key, which references to the row then mean. One that was there
and was deleted is not made again. A row of Rule comes along with the type or the attributes that it is about, or not at
all: who may do what is not to change by a template that is applied again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from .ids import as_id, show_id
from .kinds import WrongValue, check, dump_column
from .operations import Create, Link, Operation, SetKeys
from .schema import Attribute, Schema, close_names
from .schema_file import read_value
from .template import Row, Template, unknown_type, wrong_template

__all__ = ["Asked", "Question", "key_of", "missing_rows"]

_RULE = "Rule"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """Which entities of a type are there: by their ids, or by the raw values of `key`."""

    type: str
    key: tuple[str, ...]
    ids: tuple[bytes, ...]
    values: tuple[tuple[Any, ...], ...]


class Asked(Protocol):
    """A room that can be asked for its entities."""

    @property
    def schema(self) -> Schema:
        """The schema as it is."""
        ...

    def there(self, question: Question) -> list[tuple[bytes, tuple[Any, ...]]]:
        """(id, values of the key) of those that are there."""
        ...

    def was_there(self, type: str, id: bytes) -> bool:
        """Whether an entity that is not there was there once."""
        ...


class _Entity(msgspec.Struct, kw_only=True):
    row: Row
    id: bytes
    columns: dict[str, Any] = {}
    links: dict[str, list[bytes]] = {}
    mappings: dict[str, dict[str, Any]] = {}
    key: tuple[Any, ...] = ()


def key_of(schema: Schema, type_name: str) -> tuple[str, ...]:
    """The attributes by which entities of a type are told apart; empty where there are none."""
    attributes = schema.attributes(type_name)
    for above in schema.ancestors(type_name):
        if schema[above].unique:
            return schema[above].unique[0]
    unique = next((each.name for each in attributes.values() if each.unique), None)
    if unique is not None:
        return (unique,)
    return ("name",) if "name" in attributes and not attributes["name"].relation else ()


def missing_rows(template: Template, schema: Schema, room: Asked) -> tuple[list[Operation], list[str]]:
    """What makes the rows that a room lacks, and lines that say so; InvalidSchema with the place of what is wrong.

    `schema` is that of the room with the types of the template in it.
    """
    reader = _Reader(template, schema)
    operations: list[Operation] = []
    lines: list[str] = []
    for type_name in reader.order:
        missing = reader.missing(type_name, room)
        if missing:
            operations += _creates(type_name, missing)
            names = ", ".join(filter(None, map(_name, missing)))
            lines.append(f"+ {len(missing)} of {type_name}" + (f": {names}" if names else ""))
    return operations, lines


def _stays_away(row: Row, id: bytes, room: Asked) -> bool:
    """Whether an entity that is not there shall not be: it was deleted, or is a rule of a file that was applied before."""
    if row.type == _RULE and row.brings:
        if row.brings <= room.schema.keys():
            return True
        if row.brings.isdisjoint(room.schema):
            return False
    return row.type in room.schema and room.was_there(row.type, id)


def _name(entity: _Entity) -> str:
    return str(entity.row.values.get("name", ""))


# --- reading --------------------------------------------------------------------------------------


class _Reader:
    """Reads the rows of a template, types that others refer to first."""

    def __init__(self, template: Template, schema: Schema) -> None:
        self._schema = schema
        self._rows: dict[str, list[Row]] = {}
        for row in template.rows:
            if row.type not in schema:
                raise unknown_type(row, schema)
            self._rows.setdefault(row.type, []).append(row)
        self._by_key: dict[str, dict[tuple[Any, ...], bytes]] = {}  # type → key as written in rows → id
        self._meant: dict[bytes, bytes] = {}  # id of a row → id of the entity that is there for it
        self._away: set[bytes] = set()  # ids of rows that are not there and shall not be
        self.order = list(self._ordered())

    def _ordered(self) -> Iterator[str]:
        done: set[str] = set()

        def visit(name: str) -> Iterator[str]:
            if name in done:
                return
            done.add(name)
            for row in self._rows[name]:
                for attribute in self._attributes(row).values():
                    for below in self._schema.subtypes(attribute.target) if attribute.target else ():
                        if below in self._rows:
                            yield from visit(below)
            yield name

        for name in self._rows:
            yield from visit(name)

    def _attributes(self, row: Row) -> dict[str, Attribute]:
        """The attributes that a row has values for."""
        found = self._schema.attributes(row.type)
        given = {}
        for name in row.values:
            if name == "id":
                continue
            if name not in found:
                raise self._unknown(row, name, found)
            attribute = found[name]
            if not attribute.writable or attribute.derived:
                raise wrong_template(row.place, f"{name}: a row cannot say this")
            given[name] = attribute
        return given

    def _unknown(self, row: Row, name: str, found: dict[str, Attribute]) -> Exception:
        close = close_names(name, found)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        return wrong_template(row.place, f"{row.type} has no attribute {name!r}.{meant}", suggestions=close)

    def missing(self, type_name: str, room: Asked) -> list[_Entity]:
        """The entities of a type that are not in a room."""
        if self._schema[type_name].abstract:
            raise wrong_template(
                self._rows[type_name][0].place, f"{type_name} is abstract; name a type that extends it"
            )
        names = key_of(self._schema, type_name)
        entities = _united(self._entity(row, names) for row in self._rows[type_name])
        keyed = {each.key: each for each in entities if names and None not in each.key}
        question = Question(type=type_name, key=names, ids=tuple(each.id for each in entities), values=tuple(keyed))
        found = room.there(question) if type_name in room.schema else []
        there = {each for each, _ in found}
        for each, values in found:
            entity = keyed.get(values)
            if entity is not None and entity.id not in there:
                self._meant[entity.id] = each
        missing = [each for each in entities if each.id not in there and each.id not in self._meant]
        return [each for each in missing if self._completed(each, room)]

    def _completed(self, entity: _Entity, room: Asked) -> bool:
        """Whether a row that is not there shall be; without references then to rows that shall not."""
        attributes = self._attributes(entity.row)
        lost = [name for name, raw in entity.columns.items() if isinstance(raw, bytes) and raw in self._away]
        if _stays_away(entity.row, entity.id, room) or any(attributes[name].required for name in lost):
            self._away.add(entity.id)
            return False
        for name in lost:
            entity.columns[name] = None
        entity.links = {name: [each for each in ids if each not in self._away] for name, ids in entity.links.items()}
        return True

    def _entity(self, row: Row, names: tuple[str, ...]) -> _Entity:
        attributes = self._attributes(row)
        entity = _Entity(row=row, id=b"", columns={}, links={}, mappings={})
        for name, attribute in attributes.items():
            given = row.values[name]
            if attribute.kind == "links":
                entity.links[name] = [self._refer(row, attribute, each) for each in _listed(row, name, given)]
            elif attribute.kind == "mapping":
                entity.mappings[name] = self._mapping(row, attribute, given)
            elif attribute.kind == "reference":
                entity.columns[name] = self._refer(row, attribute, given)
            else:
                entity.columns[name] = _raw(row, attribute, given)
        entity.key = tuple(entity.columns.get(name) for name in names)
        entity.id = self._id(row, names, entity)
        known = self._by_key.setdefault(row.type, {})
        written = tuple(_written(row.values.get(name)) for name in names)
        if known.setdefault(written if names else (entity.id,), entity.id) != entity.id:
            raise wrong_template(row.place, "another row has the same key, and another id")
        return entity

    def _id(self, row: Row, names: tuple[str, ...], entity: _Entity) -> bytes:
        given = row.values.get("id")
        if given is not None:
            found = _as_id(given)
            if found is None:
                raise wrong_template(row.place, f"id: expected an id, a UUID, got {given!r}")
            return found
        if None in entity.key:
            raise wrong_template(row.place, f"id: this is missing; without it {' and '.join(names)} must be there")
        # References by what the file says: what is there for them in some room does not change the id.
        key = "/".join(map(str, map(self._declared, entity.key or _everything(entity))))
        return uuid.uuid5(uuid.NAMESPACE_URL, f"recordroom:{row.type}:{key}").bytes

    def _declared(self, raw: Any) -> Any:
        if not isinstance(raw, bytes):
            return raw
        return show_id(next((row for row, there in self._meant.items() if there == raw), raw))

    def _refer(self, row: Row, attribute: Attribute, given: Any) -> bytes:
        written = tuple(map(_written, given)) if isinstance(given, list) else (_written(given),)
        for below in self._schema.subtypes(attribute.target):
            found = self._by_key.get(below, {}).get(written)
            if found is not None:
                return self._meant.get(found, found)
        found = _as_id(given)
        if found is None:
            reason = f"{attribute.name}: there is no row of {attribute.target} with the key {given!r}"
            raise wrong_template(row.place, reason)
        return self._meant.get(found, found)

    def _mapping(self, row: Row, attribute: Attribute, given: Any) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise wrong_template(row.place, f"{attribute.name}: expected a table, got {given!r}")
        value = Attribute(name=attribute.name, kind=attribute.of)
        return {key: _raw(row, value, each) for key, each in given.items()}


def _united(entities: Iterable[_Entity]) -> list[_Entity]:
    """Entities of which several rows speak as one: what is said last counts."""
    found: dict[bytes, _Entity] = {}
    for each in entities:
        first = found.setdefault(each.id, each)
        if first is not each:
            first.columns |= each.columns
            first.links |= each.links
            first.mappings |= each.mappings
            first.row = msgspec.structs.replace(each.row, values=first.row.values | each.row.values)
    return list(found.values())


def _everything(entity: _Entity) -> Iterator[Any]:
    for name in sorted(entity.columns):
        yield from (name, entity.columns[name])


def _listed(row: Row, name: str, given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise wrong_template(row.place, f"{name}: expected a list, got {given!r}")
    return given


def _written(given: Any) -> Any:
    """A value of a file as something that can be looked up."""
    return tuple(map(_written, given)) if isinstance(given, list) else given


def _as_id(given: Any) -> bytes | None:
    try:
        return as_id(given) if isinstance(given, str) else None
    except ValueError:
        return None


def _raw(row: Row, attribute: Attribute, given: Any) -> Any:
    """A value of a file as a raw scalar."""
    try:
        if attribute.multi:
            if not isinstance(given, list):
                raise WrongValue(f"a list, each item {attribute.kind_of.expected(attribute)}")
            given = tuple(read_value(attribute, each) for each in given)
        else:
            given = read_value(attribute, given)
        return dump_column([check(given, attribute)], attribute)[0]
    except WrongValue as error:
        shown = str(given) if isinstance(given, (Decimal, dt.date)) else repr(given)
        raise wrong_template(row.place, f"{attribute.name}: expected {error}, got {shown}") from None


# --- operations -----------------------------------------------------------------------------------


def _creates(type_name: str, entities: Sequence[_Entity]) -> Iterator[Operation]:
    """Operations that make entities of a type: one block for each set of attributes that they have."""
    blocks: dict[tuple[str, ...], list[_Entity]] = {}
    for each in entities:
        blocks.setdefault(tuple(each.columns), []).append(each)
    for names, block in blocks.items():
        columns = {name: [each.columns[name] for each in block] for name in names}
        yield Create(type=type_name, ids=[each.id for each in block], columns=columns)
    for name in dict.fromkeys(name for each in entities for name in each.links):
        pairs = [(each.id, target) for each in entities for target in each.links.get(name, ())]
        if pairs:
            yield Link(type_name, name, [source for source, _ in pairs], [target for _, target in pairs])
    for name in dict.fromkeys(name for each in entities for name in each.mappings):
        entries = [(each.id, *entry) for each in entities for entry in each.mappings.get(name, {}).items()]
        if entries:
            ids, keys, values = map(list, zip(*entries, strict=True))
            yield SetKeys(type_name, name, ids, keys, values)
