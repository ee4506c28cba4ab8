"""The process that opens media: takes one order from its input, limits itself, does it, and says how it went.

Run as `python -m recordroom.media.child`. Whatever a file makes its decoder do ends here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import sys
import threading
from contextlib import suppress
from typing import IO

import msgspec

from .limits import Limits
from .shapes import MISSING, Answer, Order

_FILES = 64
_BY_ERROR = {errno.EFBIG: "output_bytes", errno.ENOMEM: "memory"}
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET of unshare(2)


class Lines:
    """Where answers go: lines of JSON for the process that waits."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._told = 0.0

    def say(self, answer: Answer) -> None:
        """Say it."""
        self._out.write(msgspec.json.encode(answer) + b"\n")
        self._out.flush()

    def progress(self, part: float) -> None:
        """Say how much is done, in steps of a hundredth."""
        part = min(max(part, 0.0), 1.0)
        if part - self._told >= 0.01:
            self._told = part
            self.say(Answer(progress=round(part, 4)))


def main() -> int:
    """Do one order; the exit code."""
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    threading.Thread(target=_wait_for_parent, daemon=True).start()
    lines = Lines(sys.stdout.buffer)
    try:
        from . import work
    except ImportError:
        return MISSING
    _leave_network()
    _limit(order.limits)
    lines.say(_answer(work, order, lines))
    return 0


def _answer(work: object, order: Order, lines: Lines) -> Answer:
    try:
        answer: Answer = work.done(order, lines.progress)  # type: ignore[attr-defined]
    except MemoryError:
        return Answer(limit="memory")
    except work.Refused as refused:  # type: ignore[attr-defined]
        return Answer(reason=str(refused), limit=refused.limit)
    except OSError as error:
        return Answer(
            limit=_BY_ERROR.get(error.errno or 0, ""), reason=(error.strerror or type(error).__name__).lower()
        )
    except Exception as error:  # noqa: BLE001 - decoders raise what they like; it all means this
        return Answer(reason=f"it cannot be decoded ({type(error).__name__})")
    return answer


def _limit(limits: Limits) -> None:
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_FSIZE, limits.output_bytes),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        # The hard limit of processor time is a little later, so that the signal says which limit it was.
        later = most + 5 if kind == resource.RLIMIT_CPU else most
        bounded = [each if hard == resource.RLIM_INFINITY else min(each, hard) for each in (most, later)]
        resource.setrlimit(kind, (bounded[0], bounded[1]))


def _leave_network() -> None:
    """Where the system lets us, this process has no network from now on. Nothing here opens addresses anyway."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).unshare(_NEW_NETWORK)


def _wait_for_parent() -> None:
    """End with the process that started this one, whatever happens to it."""
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
