"""How many values a body has, found out before any of them is made: an empty list is one byte on the wire and eighty in memory.

Most bodies are judged by their length or by counting bytes; only where that leaves it open is a large one walked through.
"""

from __future__ import annotations

import re

from ..errors import RequestTooLarge

__all__ = ["check_json", "check_msgpack", "is_plain_json", "is_plain_msgpack"]

# A text as a whole, or what begins or parts values.
_JSON_PARTS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{,:]', re.DOTALL)
_QUOTE = ord('"')

# Bytes that begin what takes memory of its own: maps, lists, texts, binaries. Numbers begin with others.
_BEGIN = bytes([*range(0x80, 0xC0), *range(0xC4, 0xCA), *range(0xD4, 0xE0)])
_FIXED = {0xC0: 0, 0xC1: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2}
_FIXED |= {0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_SIZED = {0xC4: (1, 0), 0xC5: (2, 0), 0xC6: (4, 0), 0xC7: (1, 1), 0xC8: (2, 1), 0xC9: (4, 1)}
_SIZED |= {0xD9: (1, 0), 0xDA: (2, 0), 0xDB: (4, 0)}


def is_plain_json(data: bytes, most: int) -> bool:
    """Whether JSON text has no more than `most` values for sure."""
    return len(data) <= most or sum(map(data.count, (b"[", b"{", b",", b":"))) < most


def is_plain_msgpack(data: bytes, most: int) -> bool:
    """Whether msgpack has no more than `most` values that take memory of their own for sure."""
    return len(data) <= most or len(data) - len(data.translate(None, _BEGIN)) <= most


def check_json(data: bytes, most: int) -> None:
    """RequestTooLarge for JSON text of more than `most` values."""
    count = 1
    for found in _JSON_PARTS.finditer(data):
        if data[found.start()] != _QUOTE:
            count += 1
            if count > most:
                raise _too_many(most)


def check_msgpack(data: bytes, most: int) -> None:
    """RequestTooLarge for msgpack of more than `most` values that take memory of their own."""
    at = count = 0
    size = len(data)
    while at < size:
        first = data[at]
        at += 1
        if first < 0x80 or first >= 0xE0:
            continue
        if first < 0xC0:
            at += first & 0x1F if first >= 0xA0 else 0
        elif first in _SIZED:
            width, more = _SIZED[first]
            at += width + more + int.from_bytes(data[at : at + width])
        else:
            at += _FIXED[first]
            if first < 0xD4:
                continue
        count += 1
        if count > most:
            raise _too_many(most)


def _too_many(most: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request has more than {most} values; send it in parts.", limit=most)
