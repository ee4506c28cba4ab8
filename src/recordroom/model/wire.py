"""What travels between a client and a server: structs as msgpack, errors as JSON, streams of pages as frames.

An error is `{"error": {"code", "message", "details"}}`. `details` are the facts of its class as JSON shows them; those that
JSON has no form for are named with what they are in `types`, by their path, so that `decode_error` gives equal facts.

A stream is frames: 4 bytes, big-endian, say how long what follows is; then a page as msgpack. A length of 0 says that
all pages were sent. The highest bit of the length marks an error, as above, which ends the stream.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

from ..errors import Error, InvalidRequest, shown
from .ids import show_id
from .operations import Clash, Refusal

__all__ = [
    "ARROW",
    "COMPLETE",
    "JSON",
    "JSON_LINES",
    "MSGPACK",
    "Frames",
    "decode",
    "decode_error",
    "encode",
    "encode_error",
    "error_frame",
    "frame",
]

T = TypeVar("T")

JSON, MSGPACK = "application/json", "application/msgpack"
JSON_LINES, ARROW = "application/x-ndjson", "application/vnd.apache.arrow.stream"

COMPLETE = bytes(4)  # the frame that ends a stream
_ERROR_BIT = 1 << 31
_HEAD = 4
_SHOWN = 1_000  # characters of what can only be shown
_DEEPEST = 20

# --- structs --------------------------------------------------------------------------------------

_encode = msgspec.msgpack.Encoder().encode


def encode(value: Any) -> bytes:
    """A struct, or a list of structs, as msgpack; InvalidRequest where it holds what msgpack cannot."""
    try:
        return _encode(value)
    except (TypeError, OverflowError, RecursionError, UnicodeEncodeError) as error:
        raise InvalidRequest(reason=f"it cannot be sent: {error}") from error


@lru_cache(maxsize=200)
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def decode(data: bytes, kind: type[T]) -> T:
    """What `encode` was given, checked to be of `kind`; InvalidRequest, saying where it is not."""
    try:
        decoder: msgspec.msgpack.Decoder[T] = _decoder(kind)  # type: ignore[arg-type]
        return decoder.decode(data)
    except RecursionError:
        raise InvalidRequest(reason="it is nested too deep") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidRequest(reason=str(error)) from None


# --- errors ---------------------------------------------------------------------------------------


def encode_error(error: BaseException) -> bytes:
    """An error as JSON. What was not raised on purpose tells nothing about itself."""
    named = error if isinstance(error, Error) else Error()
    types: dict[str, str] = {}
    body = {"code": named.code, "message": _clean(named.message), "details": _plain(named.facts, "", types)}
    if types:
        body["types"] = types
    return json.dumps({"error": body}, ensure_ascii=False, separators=(",", ":")).encode()


def decode_error(data: bytes, status: int = 500) -> Error:
    """The error that `data` holds, of the class that has its code; of a class by `status` where none has."""
    try:
        body = msgspec.json.decode(data, type=_Answer).error
        facts = _restored(body.details, body.types)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError, TypeError, LookupError):
        return _of_status(status, f"The server answered {status} without saying why.", {})
    found = _classes().get(body.code)
    if found is None:
        return _of_status(status, body.message, {"code": body.code, **facts})
    return found(body.message, **facts)


class _Body(msgspec.Struct):
    code: str
    message: str
    details: dict[str, Any] = {}
    types: dict[str, str] = {}


class _Answer(msgspec.Struct):
    error: _Body


def _of_status(status: int, message: str, facts: dict[str, Any]) -> Error:
    made = (InvalidRequest if 400 <= status < 500 else Error)(message, **facts)
    made.status = status
    return made


@lru_cache(maxsize=1)
def _classes() -> Mapping[str, type[Error]]:
    found: dict[str, type[Error]] = {}
    waiting: list[type[Error]] = [Error]
    while waiting:
        each = waiting.pop(0)
        if each.__module__ == Error.__module__:
            found.setdefault(each.code, each)
            waiting += each.__subclasses__()
    return found


def _clean(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


# --- facts as JSON ----------------------------------------------------------------------------------


def _plain(value: Any, path: str, types: dict[str, str]) -> Any:
    """`value` as JSON has it; `types` gets what it is where that does not show."""
    if value is None or isinstance(value, bool):
        return value
    if path.count("/") > _DEEPEST:
        return _shown(value)
    kind, items = _parts(value)
    if kind is None:
        return _clean(value) if isinstance(value, str) else _number_or_shown(value, path, types)
    if kind:
        types[path] = kind
    if isinstance(items, dict):
        return {_clean(name): _plain(each, f"{path}/{_escaped(name)}", types) for name, each in items.items()}
    if isinstance(items, list):
        return [_plain(each, f"{path}/{place}", types) for place, each in enumerate(items)]
    return items


def _parts(value: Any) -> tuple[str | None, Any]:
    """The name of a type that JSON lacks ("" for what it has) and its text or parts; None where it is something else."""
    if isinstance(value, dict) and all(type(name) is str for name in value):
        return "", value
    if isinstance(value, list):
        return "", value
    for kind, (python, dump, _) in _TYPES.items():
        if isinstance(value, python) and (kind != "id" or len(value) == 16):
            return kind, dump(value)
    return None, None


def _number_or_shown(value: Any, path: str, types: dict[str, str]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        types[path] = "float"
        return str(value)
    if isinstance(value, float) or (isinstance(value, int) and value.bit_length() < 10_000):
        return value
    return _shown(value)


def _shown(value: Any) -> str:
    try:
        text = shown(value)
    except Exception:  # noqa: BLE001 - whatever a repr may raise
        text = f"a {type(value).__name__}"
    return _clean(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


# In this order: a datetime is a date, and 16 bytes are an id.
_TYPES: dict[str, tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "id": (bytes, show_id, lambda text: uuid.UUID(text).bytes),
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "uuid": (uuid.UUID, str, uuid.UUID),
    "datetime": (dt.datetime, dt.datetime.isoformat, dt.datetime.fromisoformat),
    "date": (dt.date, dt.date.isoformat, dt.date.fromisoformat),
    "decimal": (Decimal, str, Decimal),
    "tuple": (tuple, list, tuple),
    "set": ((set, frozenset), list, set),
    "clash": (Clash, _fields, lambda fields: Clash(**fields)),
    "refusal": (Refusal, _fields, lambda fields: Refusal(**fields)),
}
_LOADERS = {name: load for name, (_, _, load) in _TYPES.items()} | {"float": float}


def _escaped(name: str) -> str:
    return _clean(name).replace("~", "~0").replace("/", "~1")


def _restored(details: dict[str, Any], types: Mapping[str, str]) -> dict[str, Any]:
    """`details` with what `types` names made again, parts before wholes."""
    for path in sorted(types, key=lambda path: path.count("/"), reverse=True):
        load = _LOADERS.get(types[path])
        if load is not None:
            *way, last = path.split("/")[1:]
            holder = _at(details, way)
            place = _step(holder, last)
            try:
                holder[place] = load(holder[place])
            except AttributeError as error:  # a loader of the standard library that met no text, say
                raise TypeError(f"{path} is no {types[path]}") from error
    return details


def _at(holder: Any, way: list[str]) -> Any:
    for name in way:
        holder = holder[_step(holder, name)]
    return holder


def _step(holder: Any, name: str) -> Any:
    return int(name) if isinstance(holder, list) else name.replace("~1", "/").replace("~0", "~")


# --- streams of pages -----------------------------------------------------------------------------


def frame(page: Any) -> bytes:
    """One page of a stream."""
    body = encode(page)
    return len(body).to_bytes(_HEAD, "big") + body


def error_frame(error: BaseException) -> bytes:
    """What ends a stream that cannot go on."""
    body = encode_error(error)
    return (len(body) | _ERROR_BIT).to_bytes(_HEAD, "big") + body


class Frames(Generic[T]):
    """Reads a stream of pages of `kind` from pieces of bytes as they come.

    `complete` is true once the stream has said that it is all there.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._held = bytearray()
        self.complete = False

    def feed(self, data: bytes) -> Iterator[T]:
        """The pages that `data` completes; raises the error that the stream ends with."""
        self._held += data
        while len(self._held) >= _HEAD and not self.complete:
            length = int.from_bytes(self._held[:_HEAD], "big")
            end = _HEAD + (length & ~_ERROR_BIT)
            if len(self._held) < end:
                return
            body = bytes(self._held[_HEAD:end])
            del self._held[:end]
            if length & _ERROR_BIT:
                raise decode_error(body)
            if length:
                yield decode(body, self._kind)
            else:
                self.complete = True
