"""Uploads to a server that go on where they were: in parallel parts, each in pieces that the server acknowledges (tus 1.0).

A part belongs to no component until all are joined, so an upload that was killed goes on even where the next attempt makes
another component.
"""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from ..errors import (
    Error,
    ServerUnavailable,
    StoreUnavailable,
    TransferFailed,
    UploadBusy,
    UploadGone,
    WrongOffset,
)
from ..model.files import FileFacts, UploadState
from ..model.ids import show_id
from .cache import cache_folder
from .calls import Caller, Request
from .retry import NEVER, Retry, Tries
from .sources import Readable, sized
from .unfinished import Part, Unfinished

__all__ = ["Target", "upload"]

_WHOLE = 4 << 20  # bytes that are sent with the creation of their upload
_PIECE = 32 << 20  # bytes of one request
_PART = 64 << 20  # bytes of a part, at least
_TUS = {"Tus-Resumable": "1.0.0"}
_OCTETS = "application/offset+octet-stream"
_BUSY = Retry(connection=1000, first_contact=1000, base=0.1, cap=2.0, budget=90.0)
_JOINING = Retry(connection=10**9, first_contact=10**9, base=0.02, cap=1.0, budget=10**9)

Tell = Callable[[int, int], object]


class Target(NamedTuple):
    """What the bytes are for, and in how many parts they may be sent at the same time."""

    component: bytes
    name: str = ""
    database: str = "main"
    md5: str = ""
    parts: int = 4

    def metadata(self, sha256: str) -> dict[str, str]:
        """The header that says so."""
        named = {
            "component": show_id(self.component), "filename": self.name, "database": self.database, "md5": self.md5,
            "sha256": sha256,
        }  # fmt: skip
        pairs = (f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in named.items() if value)
        return {"Upload-Metadata": ",".join(pairs)}


def upload(caller: Caller, source: Readable, target: Target, progress: Tell | None = None) -> FileFacts:
    """Send a source, and have it as the file of a component. `progress` is told (bytes that are there, bytes in all)."""
    if source.size <= _WHOLE:
        return _at_once(caller, source, target, progress)
    with Unfinished(cache_folder(), caller.where, source.identity) as unfinished:
        sending = _Sending(caller, source, unfinished, progress)
        for _ in range(2):
            try:
                parts = sending.send(1 if not source.at_once else target.parts)
                found = _joined(caller, parts, target.metadata(sending.checksum()))
            except UploadGone:
                # Some part expired between the last look and now.
                unfinished.keep([])
                continue
            except StoreUnavailable:
                raise
            except Error:
                # Going on would be of no use.
                sending.give_up()
                raise
            unfinished.forget()
            return found
    raise TransferFailed(
        location=caller.where, component=show_id(target.component), reason="its parts expire too early.", transferred=[]
    )


def _at_once(caller: Caller, source: Readable, target: Target, progress: Tell | None) -> FileFacts:
    data = b"".join(source.open(0, source.size))
    headers = {"Upload-Length": str(len(data)), "Content-Type": _OCTETS, **_TUS, **target.metadata(source.checksum())}
    answer = caller.exchange(Request(path="/v1/uploads"), headers, lambda: data)
    if progress is not None:
        progress(len(data), len(data))
    return _done(caller, answer.headers["location"])


def _joined(caller: Caller, parts: list[Part], metadata: dict[str, str]) -> FileFacts:
    headers = {"Upload-Concat": "final;" + " ".join(each.place for each in parts), **_TUS, **metadata}
    answer = caller.exchange(Request(path="/v1/uploads"), headers)
    return _done(caller, answer.headers["location"])


def _done(caller: Caller, place: str) -> FileFacts:
    """What an upload has become; waits while the server puts it together."""
    tries = Tries(_JOINING)
    while True:
        state = caller.ask(Request(method="GET", path=place), UploadState)
        if state.file is not None:
            return state.file
        time.sleep(tries.after_break() or 0.0)


class _Sending:
    """The parts of one source on their way."""

    def __init__(self, caller: Caller, source: Readable, unfinished: Unfinished, progress: Tell | None) -> None:
        self._caller = caller
        self._source = source
        self._unfinished = unfinished
        self._progress = progress
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._there: dict[int, int] = {}
        self._parts: list[Part] = []
        self._checksum = ""

    def send(self, at_once: int) -> list[Part]:
        """Send what is not there yet; the parts, all of them whole."""
        size = self._source.size
        self._parts = self._kept() or _divided(size, max(1, min(at_once, size // _PART)))
        works: list[Callable[[], None]] = [lambda part=part: self._part(part) for part in self._parts]  # type: ignore[misc]
        if self._source.at_once:
            works.append(self._sum)
        if len(works) == 1:
            works[0]()
            return self._parts
        with ThreadPoolExecutor(len(works), "upload") as pool:
            doing = [pool.submit(self._guarded, work) for work in works]
        errors = [each.exception() for each in doing]
        first = next((each for each in errors if each is not None and not isinstance(each, _Stopped)), None)
        if first is not None:
            raise first
        return self._parts

    def give_up(self) -> None:
        """Forget what was sent, here and at the server, as far as it can be reached."""
        self._unfinished.forget()
        for part in self._parts:
            if part.place:
                with contextlib.suppress(Error):
                    self._delete(part)

    def _delete(self, part: Part) -> None:
        tries = Tries(_BUSY)
        while True:
            try:
                self._caller.do(Request(method="DELETE", path=part.place, retry=NEVER))
            except UploadBusy:
                # The server may still be reading what broke off.
                pause = tries.after_break()
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                return

    def checksum(self) -> str:
        """The SHA-256 of all of it."""
        self._checksum = self._checksum or self._source.checksum()
        return self._checksum

    def _sum(self) -> None:
        self.checksum()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException:
            self._stop.set()
            raise

    def _kept(self) -> list[Part]:
        """The parts of an attempt before, where they make the whole."""
        found, at = self._unfinished.load() or [], 0
        for each in found:
            if each.start != at or each.end <= at:
                return []
            at = each.end
        return found if at == self._source.size else []

    # --- one part ---

    def _part(self, part: Part) -> None:
        offset, tries = self._look(part), Tries(self._caller.retry)
        while offset < part.end - part.start:
            try:
                offset = self._piece(part, offset)
                tries = Tries(self._caller.retry)
            except (ServerUnavailable, UploadBusy, UploadGone, WrongOffset) as error:
                if isinstance(error, UploadBusy) and tries.count == 0:
                    tries = Tries(_BUSY)
                pause = tries.after_break()
                if pause is None:
                    raise
                time.sleep(pause)
                offset = self._look(part)

    def _look(self, part: Part) -> int:
        """How much of a part has come; begins it where it has not, or is gone."""
        if part.place:
            try:
                state = self._caller.ask(Request(method="GET", path=part.place), UploadState)
                self._tell(part, state.offset)
                return state.offset
            except UploadGone:
                part.place = ""
        headers = {"Upload-Length": str(part.end - part.start), "Upload-Concat": "partial", **_TUS}
        part.place = self._caller.exchange(Request(path="/v1/uploads"), headers).headers["location"]
        with self._lock:
            self._unfinished.keep(self._parts)
        self._tell(part, 0)
        return 0

    def _piece(self, part: Part, offset: int) -> int:
        end = min(offset + _PIECE, part.end - part.start)
        headers = {
            "Content-Type": _OCTETS, "Upload-Offset": str(offset), "Content-Length": str(end - offset), **_TUS,
        }  # fmt: skip
        request = Request(method="PATCH", path=part.place, retry=NEVER)
        answer = self._caller.exchange(request, headers, lambda: self._bytes(part, offset, end))
        try:
            offset = int(answer.headers["upload-offset"])
        except (KeyError, ValueError):
            raise ServerUnavailable(where=self._caller.where, reason="it does not say what came", attempts=1) from None
        self._tell(part, offset)
        return offset

    def _bytes(self, part: Part, offset: int, end: int) -> Iterator[bytes]:
        sent = offset

        def tell(count: int) -> None:
            nonlocal sent
            sent += count
            if self._stop.is_set():
                raise _Stopped
            self._tell(part, sent)

        return sized(self._source.open(part.start + offset, part.start + end), tell)

    def _tell(self, part: Part, there: int) -> None:
        if self._progress is not None:
            with self._lock:
                self._there[part.start] = there
                self._progress(sum(self._there.values()), self._source.size)


class _Stopped(Error):
    """Another part failed."""


def _divided(size: int, count: int) -> list[Part]:
    step = -(-size // count)
    return [Part(start, min(start + step, size)) for start in range(0, size, step)]
