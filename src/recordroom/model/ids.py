"""Ids: UUIDv7 as 16 bytes inside, as the usual 36 characters for people.

`new_ids(n)` makes n ids in one go, ordered by time of making (RFC 9562, version 7: 48 bits of
milliseconds, then 74 bits that are random in the first id of a block and counted up within it).
"""

from __future__ import annotations

import os
import threading
import time
import uuid

__all__ = ["as_id", "new_id", "new_ids", "show_id"]

_BLOCK = 512
_lock = threading.Lock()
_spare: list[bytes] = []
_last = 0


# A forked child must not hand out its parent's spare ids.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_spare.clear)


def _block(count: int) -> list[bytes]:
    """`count` ids that sort after every id this process made before."""
    global _last  # noqa: PLW0603 - one counter for the process, under one lock
    millis = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    start = (millis << 80) | (0x7 << 76) | ((noise >> 64 & 0x7FF) << 64) | (0x2 << 62) | (noise & (1 << 61) - 1)
    if start <= _last:
        start = _last + 1 + (noise & 0xFFFF)
    # The low 62 bits count up; a block is far smaller than the room left above a 61-bit start.
    _last = start + count
    return [value.to_bytes(16, "big") for value in range(start, start + count)]


def new_ids(count: int) -> list[bytes]:
    """`count` new ids in rising order, 16 bytes each."""
    with _lock:
        return _block(count)


def new_id() -> bytes:
    """One new id, 16 bytes; ids made one by one sort in the order of their making."""
    try:
        return _spare.pop()
    except IndexError:
        with _lock:
            fresh = _block(_BLOCK)
        last = fresh[0]
        fresh.reverse()
        fresh.pop()
        _spare.extend(fresh)
        return last


def show_id(raw: bytes) -> str:
    """The 36-character form of a 16-byte id."""
    h = raw.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def as_id(value: object) -> bytes:
    """The 16 bytes of an id given as text, `uuid.UUID` or bytes; ValueError for anything else."""
    if type(value) is bytes and len(value) == 16:
        return value
    if isinstance(value, uuid.UUID):
        return value.bytes
    if isinstance(value, str):
        try:
            digits = value.replace("-", "") if len(value) == 36 else ""
            if len(digits) == 32 and len(raw := bytes.fromhex(digits)) == 16:
                # As below, in a third of the time.
                return raw
            return uuid.UUID(value).bytes
        except ValueError:
            pass
    raise ValueError("an id: 36 characters such as 01890a5d-ac96-774b-bcce-b302099a8057, or a uuid.UUID")
