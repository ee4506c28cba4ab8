"""Entities as JSON and back.

An entity becomes an object with `__entity_type__`, its `id` and its attributes; related entities shrink to references
(`{"__entity_type__": …, "id": …}`). Dates, decimals and the like become `{"__type__": …, "value": …}`.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..errors import InvalidValue
from ..model.ids import as_id, show_id
from ..query.request import Page as WirePage
from .collections import Collection, Links
from .collections import Mapping as MappingView
from .entity import Entity
from .symbols import NOT_SET

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Strategy", "decode", "encode", "merge", "reference"]

Strategy = Literal["all", "set_only", "modified_only", "persisted_only"]
_TYPE, _KIND = "__entity_type__", "__type__"
_OF_ENTITY = (_TYPE, "id")


def reference(entity: Entity) -> dict[str, str]:
    """What identifies an entity: its type and its id."""
    return {_TYPE: entity._type, "id": show_id(entity._id)}


def encode(session: Session, data: Any, strategy: Strategy) -> str:
    """JSON text of entities, or of lists and dicts with entities in them."""
    if strategy not in get_args(Strategy):
        raise InvalidValue(
            f"there is no strategy {strategy!r}; use one of {', '.join(get_args(Strategy))}",
            type="Session", attribute="strategy", value=strategy, expected=f"one of {', '.join(get_args(Strategy))}",
        )  # fmt: skip
    if strategy == "all":
        for entity in _entities_of(data):
            session._loader.load_all(entity)
    try:
        return json.dumps(_jsonable(session, data, strategy), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise _wrong("encode", data, "entities, and lists and dicts of them and of what JSON has") from error


def _entities_of(data: Any) -> Iterable[Entity]:
    if isinstance(data, Entity):
        yield data
    elif isinstance(data, Mapping):
        for each in data.values():
            yield from _entities_of(each)
    elif isinstance(data, Iterable) and not isinstance(data, str | bytes):
        for each in data:
            yield from _entities_of(each)


def _jsonable(session: Session, value: Any, strategy: Strategy) -> Any:
    if isinstance(value, Entity):
        return _entity(session, value, strategy)
    if isinstance(value, Mapping):
        return {str(key): _jsonable(session, each, strategy) for key, each in value.items()}
    if isinstance(value, list | tuple | set) or (isinstance(value, Iterable) and not isinstance(value, str | bytes)):
        return [_jsonable(session, each, strategy) for each in value]
    return _scalar(value)


def _entity(session: Session, entity: Entity, strategy: Strategy) -> dict[str, Any]:
    found: dict[str, Any] = reference(entity)
    for name in entity:
        if name not in ("id", "entity_type") and _is_wanted(entity, name, strategy):
            value = _value(session, entity, name, strategy)
            if value is not NOT_SET:
                found[name] = _shrunk(value)
    return found


def _is_wanted(entity: Entity, name: str, strategy: Strategy) -> bool:
    facts = entity._facts
    is_edited = entity._edits is not None and name in entity._edits
    if strategy == "modified_only":
        return is_edited
    if strategy == "persisted_only":
        return name not in facts.many and facts.attributes[name].computed is None
    if strategy == "all":
        return True
    if name in facts.many:
        view = (entity._open or {}).get(name)
        return view is not None and view._loaded is not None
    page, row = entity._place()
    return is_edited or page.raw(name, row) is not NOT_SET


def _value(session: Session, entity: Entity, name: str, strategy: Strategy) -> Any:
    if strategy != "persisted_only":
        return entity[name]
    page, row = entity._place()
    raw = NOT_SET if page.new else page.raw(name, row)
    return NOT_SET if raw is NOT_SET else session._loader.shown(entity, name, raw)


def _shrunk(value: Any) -> Any:
    if isinstance(value, Entity):
        return reference(value)
    if isinstance(value, Collection | Links):
        return [reference(member) for member in value]
    if isinstance(value, MappingView):
        return {key: _shrunk(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [_scalar(each) for each in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    match value:
        case dt.datetime():
            return {_KIND: "datetime", "value": value.isoformat()}
        case dt.date():
            return {_KIND: "date", "value": value.isoformat()}
        case Decimal():
            return {_KIND: "decimal", "value": str(value)}
        case uuid.UUID():
            return {_KIND: "uuid", "value": str(value)}
        case bytes():
            return {_KIND: "bytes", "value": base64.b64encode(value).decode()}
    return None if value is NOT_SET else value


# --- and back -------------------------------------------------------------------------------------

_READERS: dict[str, Callable[[str], Any]] = {
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "decimal": Decimal,
    "uuid": uuid.UUID,
    "bytes": base64.b64decode,
}


def decode(session: Session, text: str) -> Any:
    """What `encode` made: objects that are entities become entities of the session, merged with what it has.

    InvalidValue where the text is no JSON, or says of a value what cannot be.
    """
    try:
        return _revived(session, json.loads(text))
    except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise _wrong("decode", text, "JSON text, as session.encode makes it") from error


def _wrong(verb: str, value: Any, expected: str) -> InvalidValue:
    return InvalidValue(type="Session", attribute=verb, value=value, expected=expected)


def _revived(session: Session, value: Any) -> Any:
    if isinstance(value, list):
        return [_revived(session, each) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {_KIND, "value"} and value[_KIND] in _READERS:
        return _READERS[value[_KIND]](value["value"])
    if _TYPE in value and "id" in value:
        return merge_data(
            session, value[_TYPE], {n: _revived(session, each) for n, each in value.items() if n != _TYPE}
        )
    return {key: _revived(session, each) for key, each in value.items()}


# --- merging --------------------------------------------------------------------------------------


def merge(session: Session, value: Any) -> Any:
    """The session's own entities for those in `value`, an entity of another session or lists and dicts of such."""
    if isinstance(value, Entity):
        return value if value._session is session else _merge_entity(session, value)
    if isinstance(value, Mapping):
        return {key: merge(session, each) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return type(value)(merge(session, each) for each in value)
    return value


def _merge_entity(session: Session, entity: Entity) -> Entity:
    """What the room said of an entity in its session; local edits stay there."""
    page, row = entity._place()
    if page.new:
        raise InvalidValue(
            f"{entity!r} is not committed yet; commit it in its session first",
            type=entity._type, attribute="id", value=show_id(entity._id), expected="an entity that the room has",
        )  # fmt: skip
    attributes = session._facts(entity._type).attributes
    columns = {n: [page.raw(n, row)] for n in attributes if n in page.columns and page.raw(n, row) is not NOT_SET}
    return _met(session, entity._type, entity._id, columns)


def merge_data(session: Session, type_name: str, data: Mapping[str, Any]) -> Entity:
    """The entity that a decoded object stands for, with its values as what the room said."""
    if not isinstance(type_name, str):
        raise TypeError(f"the name of an entity type is text, not {type_name!r}")
    facts = session._facts(type_name)
    columns: dict[str, list[Any]] = {}
    for name, value in data.items():
        if name in _OF_ENTITY or name in facts.many:
            continue
        attribute = facts.attribute(name)
        columns[name] = [session._editor.raw_of(facts, attribute, value)]
    return _met(session, type_name, as_id(data["id"]), columns)


def _met(session: Session, type_name: str, each: bytes, columns: dict[str, list[Any]]) -> Entity:
    facts = session._facts(type_name)
    with session._lock:
        known = session._identity.find(facts.root, each)
        if "revision" not in columns:
            # Without a revision nothing can be said to be newer: known values stay.
            if known is None:
                session._identity.stubs(type_name, [each])
            return session._identity.map(facts.root)[each]
        types = [type_name] if facts.schema.in_hierarchy(type_name) else []
        return session._identity.meet(WirePage(type=type_name, ids=[each], types=types, columns=columns, count=1))[0]
