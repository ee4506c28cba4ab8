"""JSON for everyone: the structs of requests and results with their values as people write them.

Ids are 36 characters, moments (`time`) ISO 8601 with Z, and where a query is asked for its text will do. Values of
attributes are turned by `values`, which knows the schema.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from ..errors import InvalidRequest
from ..model.ids import as_id, show_id
from ..query.grammar import parse
from ..query.syntax import Query

__all__ = ["read_json", "show_moment", "shown", "write_json"]

T = TypeVar("T")
Turn = Callable[[Any], Any]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def read_json(data: bytes, kind: type[T]) -> T:
    """The struct that JSON text describes; InvalidRequest, saying where it does not."""
    try:
        tree = msgspec.json.decode(data)
        turn = _reader(kind)  # type: ignore[arg-type]
        return msgspec.convert(tree if turn is None else turn(tree), kind, builtin_types=(bytes,))
    except RecursionError:
        raise InvalidRequest(reason="it is nested too deep") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequest(reason=str(error)) from None


def write_json(value: Any) -> bytes:
    """A struct, or a list of structs, as JSON."""
    return msgspec.json.encode(shown(value))


def shown(value: Any) -> Any:
    """A struct, or a list of structs, as what JSON has."""
    return _shown(msgspec.to_builtins(_timed(value), builtin_types=(bytes,)))


def show_moment(microseconds: int) -> str:
    """Microseconds since 1970 as ISO 8601."""
    return (_EPOCH + dt.timedelta(microseconds=microseconds)).replace(tzinfo=None).isoformat() + "Z"


def show_bytes(raw: bytes) -> str:
    """An id as its 36 characters, any other bytes as digits."""
    return show_id(raw) if len(raw) == 16 else raw.hex()


# --- what is written --------------------------------------------------------------------------------


def _shown(tree: Any) -> Any:
    kind = type(tree)
    if kind is bytes:
        return show_bytes(tree)
    if kind is list or kind is tuple:
        return list(map(_shown, tree))
    if kind is dict:
        return {name: _shown(each) for name, each in tree.items()}
    return tree


def _timed(value: Any) -> Any:
    """The value, with ISO text for the moments that structs keep as `time`."""
    if isinstance(value, list):
        return list(map(_timed, value))
    if not isinstance(value, msgspec.Struct):
        return value
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    if "time" in fields:
        tree: dict[str, Any] = msgspec.to_builtins(value, builtin_types=(bytes,))
        return tree | {"time": show_moment(fields["time"])}
    header = fields.get("header")
    return fields | {"header": _timed(header)} if header is not None else value


# --- what is read -----------------------------------------------------------------------------------


@lru_cache(maxsize=200)
def _reader(kind: Any) -> Turn | None:
    """What makes ids of text, and queries of text, in a tree that is to become a `kind`."""
    return _turn(inspect.type_info(kind), {})


def _turn(info: inspect.Type, seen: dict[Any, Any]) -> Turn | None:
    match info:
        case inspect.BytesType():
            return _read_id
        case inspect.StructType(cls=cls) if cls is Query:
            return _read_query
        case inspect.StructType():
            return _struct_turn(info, seen)
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return _list_turn(_turn(item, seen))
        case inspect.TupleType(item_types=items):
            return _tuple_turn([_turn(item, seen) for item in items])
        case inspect.UnionType(types=types):
            return _union_turn(types, seen)
    return None


def _read_id(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return as_id(value)
    except ValueError as error:
        raise InvalidRequest(reason=f"expected {error}; got {value[:100]!r}") from None


def _read_query(value: Any) -> Any:
    return parse(value) if isinstance(value, str) else value


def _struct_turn(info: inspect.StructType, seen: dict[Any, Any]) -> Turn | None:
    if info.cls in seen:
        # Structs within themselves (conditions) hold no ids.
        return None
    seen[info.cls] = None
    turns = {each.encode_name: found for each in info.fields if (found := _turn(each.type, seen)) is not None}
    del seen[info.cls]
    if not turns:
        return None

    def turn(tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        return {name: turns[name](each) if name in turns else each for name, each in tree.items()}

    return turn


def _list_turn(item: Turn | None) -> Turn | None:
    if item is None:
        return None
    return lambda tree: list(map(item, tree)) if isinstance(tree, list) else tree


def _tuple_turn(items: list[Turn | None]) -> Turn | None:
    if not any(items):
        return None

    def turn(tree: Any) -> Any:
        if not isinstance(tree, list) or len(tree) != len(items):
            return tree
        return [each if item is None else item(each) for item, each in zip(items, tree, strict=True)]

    return turn


def _union_turn(types: tuple[inspect.Type, ...], seen: dict[Any, Any]) -> Turn | None:
    structs = [each for each in types if isinstance(each, inspect.StructType)]
    if len(structs) > 1:
        return _tagged_turn(structs, seen)
    turns = [each for each in (_turn(each, seen) for each in types) if each is not None]
    return turns[0] if turns else None


def _tagged_turn(structs: list[inspect.StructType], seen: dict[Any, Any]) -> Turn | None:
    field = structs[0].tag_field
    turns = {each.tag: found for each in structs if (found := _turn(each, seen)) is not None}

    def turn(tree: Any) -> Any:
        tag = tree.get(field) if isinstance(tree, dict) else None
        return turns[tag](tree) if isinstance(tag, str) and tag in turns else tree

    return turn if turns else None
