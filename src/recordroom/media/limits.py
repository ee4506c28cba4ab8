"""What the process that opens media may use at most."""

from __future__ import annotations

import msgspec

__all__ = ["Limits"]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one encoding, and the size of what comes out.

    `seconds` is time on the clock, `cpu_seconds` on all processors, `memory` the address space in bytes, `output_bytes` the size
    of each file written, `pixels` those of one frame of the source. Videos are fitted into `width` × `height`, or the other way
    round where they are higher than wide; pictures into a square of `picture`.
    """

    seconds: float = 3600.0
    cpu_seconds: int = 7200
    memory: int = 3 * 2**30
    output_bytes: int = 8 * 2**30
    pixels: int = 2**27
    width: int = 1920
    height: int = 1080
    picture: int = 1920
    threads: int = 2
