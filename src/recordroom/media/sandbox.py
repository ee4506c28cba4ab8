"""Runs the process that opens media, and ends it with all its children when it has used up what it may.

It gets an open file instead of a path, no variables of this process, and none of its files and sockets. When this process
ends, however it does, its pipe ends and the other goes too.
"""

from __future__ import annotations

import os
import select
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from ..errors import InvalidMedia, MediaLimit, MissingExtra
from .limits import Limits
from .shapes import MISSING, Answer, Encoded, Order, Probed

__all__ = ["encode", "probe", "thumbnail"]

Progress = Callable[[float], None]

_PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "SYSTEMROOT")
_LONGEST_LINE = 2**20
_BY_SIGNAL: dict[int, str] = {signal.SIGXCPU: "cpu_seconds", signal.SIGXFSZ: "output_bytes"}
_MAD = 1


def encode(
    source: str | Path, target: str | Path, limits: Limits | None = None, progress: Progress | None = None
) -> Encoded:
    """Encode a file for browsers into the folder `target`: a video as mp4 (H.264, AAC), and a picture if there is one.

    `progress` hears of the part that is done, from 0 to 1; what it raises ends the encoding. InvalidMedia, MediaLimit.
    """
    answer = _run("encode", Path(source), Path(target), limits or Limits(), progress=progress)
    assert answer.probed is not None
    return Encoded(source=answer.probed, outputs=answer.outputs)


def probe(source: str | Path, limits: Limits | None = None) -> Probed:
    """What a file holds. InvalidMedia, MediaLimit."""
    answer = _run("probe", Path(source), None, limits or Limits(seconds=60, cpu_seconds=60))
    assert answer.probed is not None
    return answer.probed


def thumbnail(source: str | Path, target: str | Path, size: int = 300, limits: Limits | None = None) -> tuple[int, int]:
    """Write a JPEG picture of a file, fitted into `size` × `size`, to `target`; its width and height.

    It is turned as its camera says; what is transparent becomes white. InvalidMedia, MediaLimit.
    """
    answer = _run("thumbnail", Path(source), Path(target), limits or Limits(seconds=60, cpu_seconds=60), size=size)
    (made,) = answer.outputs
    return made.width, made.height


def _run(  # noqa: PLR0913 - each is a fact of the order
    task: str, source: Path, target: Path | None, limits: Limits, *, size: int = 0, progress: Progress | None = None
) -> Answer:
    with _opened(source) as file:
        order = Order(
            task=task,  # type: ignore[arg-type]
            source=file.fileno(),
            target="" if target is None else str(target.absolute()),
            limits=limits,
            size=size,
        )
        answer, code = _talk(_start(order), limits.seconds, progress)
    return _judged(answer, code, source.name, limits)


def _opened(source: Path) -> IO[bytes]:
    """The file, open; InvalidMedia where there is none, or something that is read without end."""
    try:
        # Opening a pipe that nobody writes to would wait for ever.
        number = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it cannot be read"
        raise InvalidMedia(source=source.name, reason=reason.lower()) from error
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise InvalidMedia(source=source.name, reason="it is no file")
    return os.fdopen(number, "rb", buffering=0)


def _start(order: Order) -> subprocess.Popen[bytes]:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment["MALLOC_ARENA_MAX"] = "2"  # each arena takes of the address space, used or not
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "recordroom.media.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        pass_fds=[order.source],
        start_new_session=True,
        cwd="/",
    )
    assert child.stdin is not None
    with suppress(BrokenPipeError):
        # It stays open: its end tells the process that nobody waits any more.
        child.stdin.write(msgspec.json.encode(order) + b"\n")
        child.stdin.flush()
    return child


def _talk(
    child: subprocess.Popen[bytes], seconds: float, progress: Progress | None
) -> tuple[Answer | None, int | None]:
    """The last answer of the process and the code of its end; a code of None where its time was over."""
    end, last = time.monotonic() + seconds, None
    try:
        for line in _lines(child, end):
            last = msgspec.json.decode(line, type=Answer)
            if last.progress is not None and progress is not None:
                progress(last.progress)
        return last, child.wait(max(end - time.monotonic(), 0.0))
    except (TimeoutError, subprocess.TimeoutExpired):
        return None, None
    except msgspec.MsgspecError:
        return None, _MAD
    finally:
        _end(child)


def _lines(child: subprocess.Popen[bytes], end: float) -> Iterator[bytes]:
    """What the process says, line by line, until it has no more to say; TimeoutError at the end of its time."""
    assert child.stdout is not None
    number, rest = child.stdout.fileno(), b""
    poll = select.poll()
    poll.register(number, select.POLLIN)
    while True:
        left = end - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise TimeoutError
        found = os.read(number, 65536)
        *lines, rest = (rest + found).split(b"\n")
        yield from lines
        if len(rest) > _LONGEST_LINE:
            raise msgspec.DecodeError("a line without end")
        if not found:
            return


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the process with whatever it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    for pipe in (child.stdin, child.stdout):
        assert pipe is not None
        with suppress(BrokenPipeError):
            pipe.close()
    child.wait()


def _judged(answer: Answer | None, code: int | None, source: str, limits: Limits) -> Answer:
    """The answer, where it is a result; the error that it says, or that the end of the process shows, otherwise."""
    limit = "seconds" if code is None else _BY_SIGNAL.get(-code, "") or (answer.limit if answer else "")
    if limit:
        value = getattr(limits, limit)
        raise MediaLimit(source=source, limit=limit, value=value, reason=f"it needs more {limit} than {value}")
    if code == MISSING:
        raise MissingExtra(package="PyAV and Pillow", extra="media")
    if answer is not None and answer.reason:
        raise InvalidMedia(source=source, reason=answer.reason)
    if code or answer is None or answer.probed is None:
        raise InvalidMedia(source=source, reason=f"it ended what opened it (code {code})")
    return answer
