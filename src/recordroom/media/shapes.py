"""What is said about media, and between this process and the one that opens them."""

from __future__ import annotations

from typing import Literal

import msgspec

from .limits import Limits

__all__ = ["MISSING", "Answer", "Encoded", "Order", "Output", "Probed"]

Sort = Literal["video", "audio", "image"]
MISSING = 7  # how the process ends where a package is missing


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds.

    `width` and `height` have square pixels; those of a film are as it lies in the file, of a picture as it is shown.
    """

    sort: Sort
    format: str
    width: int = 0
    height: int = 0
    duration: float | None = None  # seconds; None: it does not say, or is a picture
    rate: float | None = None  # frames in a second
    codec: str = ""
    has_audio: bool = False


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One file that was made: `name` is what its component is called, `format` its media type."""

    name: str
    format: str
    file: str  # its name in the target folder
    width: int = 0
    height: int = 0
    frames: int = 0
    duration: float | None = None
    rate: float | None = None


class Encoded(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an encoding."""

    source: Probed
    outputs: tuple[Output, ...]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is to do with the file that it gets as descriptor `source`."""

    task: Literal["encode", "probe", "thumbnail"]
    source: int
    target: str
    limits: Limits
    size: int = 0


class Answer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A line of the process: how far it is, or at last what came of it."""

    progress: float | None = None
    probed: Probed | None = None
    outputs: tuple[Output, ...] = ()
    reason: str = ""  # why it is no media
    limit: str = ""  # which limit it met
