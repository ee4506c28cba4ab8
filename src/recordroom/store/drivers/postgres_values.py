"""Raw scalars on their way to PostgreSQL and back.

Whole columns and lists travel as one binary array each: packing them here is some twenty times faster than
letting psycopg look at every item. Results are converted by column, and only where the type of a column is
not the one that its storage class has.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import repeat
from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap, Dumper
from psycopg.postgres import types
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper

from ...model.kinds import Storage
from ..plans import Row

__all__ = ["ARRAY_TYPES", "COLUMN_TYPES", "adapters", "bound", "converter", "pack"]

COLUMN_TYPES: dict[Storage, str] = {
    Storage.TEXT: "text",
    Storage.INTEGER: "int8",
    Storage.REAL: "float8",
    Storage.BOOLEAN: "bool",
    Storage.BYTES: "bytea",
    Storage.DECIMAL: "numeric",
    Storage.JSON: "text",
}
# What casts a packed array; decimals are packed as text.
ARRAY_TYPES = {storage: f"{name}[]" for storage, name in COLUMN_TYPES.items()} | {Storage.DECIMAL: "text[]::numeric[]"}


# --- arrays ---


class _Packed:
    """A column in the binary form of an array."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: _Packed) -> bytes:
        return obj.data


_head = struct.Struct(">iiIii").pack  # dimensions, has nulls, type of items, their number, lower bound
_length = struct.Struct(">i").pack
_integer = struct.Struct(">iq").pack
_real = struct.Struct(">id").pack
_NULL = b"\xff\xff\xff\xff"
_SIXTEEN = b"\0\0\0\x10"
_BOOLEANS = {True: b"\0\0\0\1\1", False: b"\0\0\0\1\0", None: _NULL}


def _pack_bytes(values: Sequence[Any]) -> bytes:
    if None not in values and set(map(len, values)) <= {16}:
        return _SIXTEEN.join((b"", *values))
    return b"".join([_NULL if value is None else _length(len(value)) + value for value in values])


def _pack_text(values: Sequence[Any]) -> bytes:
    if None in values:
        return _pack_bytes([None if value is None else value.encode() for value in values])
    encoded = list(map(str.encode, values))
    return b"".join([_length(len(value)) + value for value in encoded])


def _pack_integers(values: Sequence[Any]) -> bytes:
    if None in values:
        return b"".join([_NULL if value is None else _integer(8, value) for value in values])
    return b"".join(map(_integer, repeat(8), values))


def _pack_reals(values: Sequence[Any]) -> bytes:
    if None in values:
        return b"".join([_NULL if value is None else _real(8, value) for value in values])
    return b"".join(map(_real, repeat(8), values))


def _pack_booleans(values: Sequence[Any]) -> bytes:
    return b"".join(map(_BOOLEANS.__getitem__, values))


_PACKERS: dict[str, Callable[[Sequence[Any]], bytes]] = {
    "bytea": _pack_bytes,
    "text": _pack_text,
    "int8": _pack_integers,
    "float8": _pack_reals,
    "bool": _pack_booleans,
}
_PACKED: dict[str, type[_Packed]] = {name: type(f"_Packed_{name}", (_Packed,), {"__slots__": ()}) for name in _PACKERS}


def pack(values: Sequence[Any], storage: Storage) -> Any:
    """A parameter that is an array of `values`, nulls included."""
    name = "text" if storage is Storage.DECIMAL else COLUMN_TYPES[storage]
    items = _PACKERS[name](values)
    head = _head(1, None in values, types[name].oid, len(values), 1) if len(values) else bytes(8) + _oid(name)
    return _PACKED[name](head + items)


def _oid(name: str) -> bytes:
    return struct.pack(">I", types[name].oid)


# --- parameters ---

_STORAGE_OF: dict[frozenset[type], Storage] = {
    frozenset({bytes}): Storage.BYTES,
    frozenset({str}): Storage.TEXT,
    frozenset({int}): Storage.INTEGER,
    frozenset({float}): Storage.REAL,
    frozenset({int, float}): Storage.REAL,
    frozenset({bool}): Storage.BOOLEAN,
}


def bound(parameters: Sequence[Any]) -> Sequence[Any] | None:
    """Parameters as psycopg takes them; None where there are none, and so `%` has no meaning."""
    if not parameters:
        return None
    if list not in map(type, parameters):
        return parameters
    return [_array(each) if type(each) is list else each for each in parameters]


def _array(items: list[Any]) -> Any:
    found = frozenset(map(type, items)) - {type(None)}
    if not found:
        # An array of nothing is of whatever type is expected at its place.
        return "{" + ",".join(["NULL"] * len(items)) + "}"
    return pack(items, _STORAGE_OF[found]) if found in _STORAGE_OF else items


def _adapters() -> AdaptersMap:
    made = AdaptersMap(psycopg.adapters)
    # Not the smallest type that fits: 30000 + 30000 must not overflow, and statements keep their types.
    made.register_dumper(int, Int8Dumper)
    made.register_dumper(int, Int8BinaryDumper)
    for name, packed in _PACKED.items():
        dumper = type(f"_Dumper_{name}", (_PackedDumper,), {"oid": types[name].array_oid})
        made.register_dumper(packed, dumper)
    return made


adapters = _adapters()


# --- results ---

_INTEGERS = frozenset(types[name].oid for name in ("int2", "int4", "int8"))
_REALS = frozenset(types[name].oid for name in ("float4", "float8"))
_NUMERIC = types["numeric"].oid


def _canonical(number: Decimal) -> str:
    text = str(number)
    if "E" in text:
        text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _conversion(storage: Storage | None, oid: int) -> Callable[[Any], Any] | None:
    """What makes the raw scalar of a value that is not null; None where it is one already."""
    found: Callable[[Any], Any] | None = None
    if oid == _NUMERIC:
        by_storage: dict[Storage | None, Callable[[Any], Any]] = {Storage.INTEGER: int, Storage.REAL: float}
        found = by_storage.get(storage, _canonical)
    elif storage is Storage.DECIMAL and oid in _INTEGERS:
        found = str
    elif storage is Storage.REAL and oid in _INTEGERS:
        found = float
    elif storage is Storage.INTEGER and oid in _REALS:
        found = int
    elif storage is Storage.BOOLEAN and oid in _INTEGERS:
        found = bool
    return found


@lru_cache(maxsize=2000)
def converter(storage: tuple[Storage, ...], oids: tuple[int, ...]) -> Callable[[list[Row]], list[Row]] | None:
    """What turns rows of psycopg into rows of raw scalars; None where they are the same."""
    wanted: Sequence[Storage | None] = storage or [None] * len(oids)
    found = [(place, _conversion(*each)) for place, each in enumerate(zip(wanted, oids, strict=True))]
    conversions = [(place, conversion) for place, conversion in found if conversion is not None]
    if not conversions:
        return None

    def convert(rows: list[Row]) -> list[Row]:
        columns: list[Any] = list(zip(*rows, strict=True))
        for place, conversion in conversions:
            columns[place] = [None if value is None else conversion(value) for value in columns[place]]
        return list(zip(*columns, strict=True))

    return convert
