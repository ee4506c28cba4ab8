"""The room's own location: the bytes of components that the room keeps itself, in its folder or behind its server.

`room_files(transport)` gives it. Everything streams, is verified, and goes on where it was after a break.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from ..errors import ChecksumMismatch, Error, InvalidValue, NoSuchFile, NotSupported
from ..model import wire
from ..model.files import CHECKSUM, FileFacts, FileUrl, FileUrlRequest
from ..model.ids import as_id, show_id
from .calls import Caller, Request
from .downloading import Remote, copied, download, stream
from .retry import NEVER
from .sources import LocalFile, Readable, SequentialSource
from .transport import Transport
from .uploading import Target, upload

if TYPE_CHECKING:
    from ..files.blobs import Blobs

__all__ = ["LocalFiles", "RemoteFiles", "RoomFiles", "room_files"]

_SMALL = 4 << 20
_OCTETS = "application/octet-stream"

Tell = Callable[[int, int], object]


class RoomFiles(Protocol):
    """The bytes of components. A `key` is the id of a component, which need not be committed yet when they are sent.

    Checksums are `sha256:` and hexadecimal. `progress` is told (bytes done, bytes in all).
    """

    def put(
        self, key: str, chunks: Iterable[bytes], *, size: int | None = None, checksum: str | None = None
    ) -> tuple[int, str]:
        """Keep bytes: their number and checksum. ChecksumMismatch where they are not what was said.

        Chunks that know their `size` and can be opened at an offset (`open(start)`) go on where they were after a break.
        """

    def upload(self, key: str, path: str | Path, *, name: str | None = None, progress: Tell | None = None) -> FileFacts:
        """Keep a file of this machine. NoSuchFile, or ChecksumMismatch where it changes while it is sent."""

    def get(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` on. NoSuchFile at once where there are none, or none for the actor."""

    def download(self, key: str, path: str | Path, *, progress: Tell | None = None) -> FileFacts:
        """Have them in a file at `path`, which is there when it is whole and verified, and not before."""

    def size(self, key: str) -> int | None:
        """How many bytes there are; None where there are none."""

    def remove(self, key: str) -> None:
        """Remove them. NoSuchFile where there are none."""

    def url(self, key: str) -> str:
        """An address that gives them to whoever has it, for a short time. NotSupported without a server."""

    def upload_url(self, key: str, name: str, size: int, md5: str = "") -> FileUrl:
        """An address that takes them (PUT) from whoever has it, for a short time. NotSupported without a server."""


def room_files(transport: Transport, database: str = "main") -> RoomFiles:
    """The files of the room that a transport reaches."""
    caller = getattr(transport, "caller", None)
    if caller is not None:
        return RemoteFiles(caller, database)
    return LocalFiles(transport, database)


def _component(key: str) -> bytes:
    try:
        return as_id(key)
    except (ValueError, TypeError):
        raise InvalidValue(type="files", attribute="key", value=key, expected="the id of a component") from None


def _check(path: str, expected: str | None, found: str) -> None:
    if expected is not None and expected.startswith(CHECKSUM) and expected != found:
        raise ChecksumMismatch(path=path, expected=expected, found=found)


# --- behind a server --------------------------------------------------------------------------------


class RemoteFiles:
    """The files of a server's room."""

    def __init__(self, caller: Caller, database: str = "main") -> None:
        self._caller = caller
        self._database = database

    def _path(self, key: str, more: str = "", **parameters: str) -> str:
        if self._database != "main":
            parameters["database"] = self._database
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        return f"/v1/files/{show_id(_component(key))}{more}{'?' if asked else ''}{asked}"

    # --- sending ---

    def put(
        self, key: str, chunks: Iterable[bytes], *, size: int | None = None, checksum: str | None = None
    ) -> tuple[int, str]:
        """Keep bytes: their number and checksum."""
        if hasattr(chunks, "open") and hasattr(chunks, "size"):
            found = self._send(key, SequentialSource(chunks, _identity(chunks)))
        else:
            found = self._put(key, chunks, size)
        _check(key, checksum, found.checksum)
        return found.size, found.checksum

    def _put(self, key: str, chunks: Iterable[bytes], size: int | None) -> FileFacts:
        """Send what can be read once only: in memory where it is small, or in one go."""
        parts, held, small = iter(chunks), bytearray(), True
        for piece in parts:
            held += piece
            if len(held) > _SMALL:
                small = False
                break
        if small:
            if size not in (None, len(held)):
                raise _not_whole(key, size, len(held))
            return self._send(key, _Held(bytes(held)))
        return self._put_stream(key, _counted(key, bytes(held), parts, size), size)

    def _put_stream(self, key: str, parts: Iterator[bytes], size: int | None) -> FileFacts:
        hashing = hashlib.sha256()

        def passing() -> Iterator[bytes]:
            for piece in parts:
                hashing.update(piece)
                yield piece

        headers = {"Content-Type": _OCTETS} | ({} if size is None else {"Content-Length": str(size)})
        request = Request(method="PUT", path=self._path(key), retry=NEVER)
        answer = self._caller.exchange(request, headers, passing)
        found = wire.decode(answer.body, FileFacts)
        _check(key, f"{CHECKSUM}{hashing.hexdigest()}", found.checksum)
        return found

    def upload(self, key: str, path: str | Path, *, name: str | None = None, progress: Tell | None = None) -> FileFacts:
        """Keep a file of this machine."""
        source = LocalFile(path)
        return self._send(key, source, source.path.name if name is None else name, progress)

    def _send(self, key: str, source: Readable, name: str = "", progress: Tell | None = None) -> FileFacts:
        target = Target(component=_component(key), name=name, database=self._database)
        return upload(self._caller, source, target, progress)

    # --- reading ---

    def get(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` on."""
        if start and (known := self.size(key)) is not None and start >= known:
            return iter(())
        return stream(Remote(self._caller, self._path(key)), start, length)

    def download(self, key: str, path: str | Path, *, progress: Tell | None = None) -> FileFacts:
        """Have them in a file at `path`."""
        size, digest = download(Remote(self._caller, self._path(key)), path, progress)
        return FileFacts(component=_component(key), size=size, checksum=f"{CHECKSUM}{digest}")

    def size(self, key: str) -> int | None:
        """How many bytes there are."""
        try:
            answer = self._caller.exchange(Request(method="HEAD", path=self._path(key)), {})
        except Error as error:
            if error.status == NoSuchFile.status:
                return None
            raise
        return int(answer.headers["content-length"])

    def remove(self, key: str) -> None:
        """Remove them."""
        self._caller.do(Request(method="DELETE", path=self._path(key)))

    # --- addresses ---

    def url(self, key: str) -> str:
        """An address that gives them to whoever has it, for a short time."""
        return self._url(key, FileUrlRequest()).url

    def upload_url(self, key: str, name: str, size: int, md5: str = "") -> FileUrl:
        """An address that takes them (PUT) from whoever has it, for a short time."""
        return self._url(key, FileUrlRequest(method="PUT", name=name, size=size, md5=md5))

    def _url(self, key: str, request: FileUrlRequest) -> FileUrl:
        found = self._caller.ask(Request(path=self._path(key, "/url"), body=request), FileUrl)
        return FileUrl(url=f"{self._caller.where}{found.url}", headers=found.headers, expires=found.expires)


def _identity(chunks: Any) -> str:
    """What tells a source of another process from this one; the checksum at the end tells whether it was the same."""
    accessor, path = getattr(chunks, "_accessor", None), getattr(chunks, "_path", None)
    return "" if accessor is None or path is None else f"{accessor.where}\0{path}\0{chunks.size}"


class _Held:
    """Bytes in memory."""

    identity, at_once = "", False

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def open(self, start: int, end: int) -> Iterator[bytes]:
        yield self._data[start:end]

    def checksum(self) -> str:
        return hashlib.sha256(self._data).hexdigest()


def _counted(key: str, first: bytes, rest: Iterator[bytes], size: int | None) -> Iterator[bytes]:
    """All of it; ChecksumMismatch at the end where it is not of the size that was said."""
    count = len(first)
    yield first
    for piece in rest:
        count += len(piece)
        if size is not None and count > size:
            break
        yield piece
    if size is not None and count != size:
        raise _not_whole(key, size, count)


def _not_whole(key: str, size: int | None, count: int) -> ChecksumMismatch:
    text = f"What is sent for {key} has {count} bytes, not {size}."
    return ChecksumMismatch(text, path=key, expected=f"{size} bytes", found=f"{count} bytes")


# --- in this process --------------------------------------------------------------------------------


class LocalFiles:
    """The files of a room that this process has open."""

    def __init__(self, room: Any, database: str = "main") -> None:
        self._room = room
        self._database = database
        self._opened: Blobs | None = None

    @property
    def _blobs(self) -> Blobs:
        if self._opened is None:
            from ..files.blobs import open_blobs

            records = self._room.file_records
            opened = open_blobs(records.place, records.room)
            opened.check_owner()
            self._opened = opened
        return self._opened

    def _found(self, key: str) -> Any:
        return self._room.file_records.find(self._database, _component(key))

    # --- sending ---

    def put(
        self, key: str, chunks: Iterable[bytes], *, size: int | None = None, checksum: str | None = None
    ) -> tuple[int, str]:
        """Keep bytes: their number and checksum."""
        found = self._put(key, chunks, "", size, checksum)
        return found.size, found.checksum

    def upload(self, key: str, path: str | Path, *, name: str | None = None, progress: Tell | None = None) -> FileFacts:
        """Keep a file of this machine."""
        source, done = LocalFile(path), 0

        def passing() -> Iterator[bytes]:
            nonlocal done
            for piece in source.open(0, source.size):
                yield piece
                done += len(piece)
                if progress is not None:
                    progress(done, source.size)

        return self._put(key, passing(), source.path.name if name is None else name, source.size, None)

    def _put(self, key: str, chunks: Iterable[bytes], name: str, size: int | None, checksum: str | None) -> FileFacts:
        from ..files.blobs import Wanted

        component, records = _component(key), self._room.file_records
        records.check_writable(self._database, component)
        digest = (checksum or "").removeprefix(CHECKSUM) if (checksum or "").startswith(CHECKSUM) else ""
        upload_name = secrets.token_hex(16)
        known = self._blobs.put(upload_name, chunks, Wanted(sha256=digest, size=size, path=name or key))
        try:
            records.keep_bytes(self._database, component, (known.digest, known.size, name))
            if self._blobs.size(known.digest) != known.size:
                # Whoever collects blobs took it for one that nobody needs, until it was noted.
                self._blobs.finish([upload_name], known=known)
        finally:
            self._blobs.discard(upload_name)
        return FileFacts(component=component, size=known.size, checksum=f"{CHECKSUM}{known.digest}", name=name)

    # --- reading ---

    def get(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` on."""
        found: Iterator[bytes] = self._blobs.read(self._found(key).digest, start, length)
        return found

    def download(self, key: str, path: str | Path, *, progress: Tell | None = None) -> FileFacts:
        """Have them in a file at `path`."""
        row = self._found(key)
        copied(self._blobs.read(row.digest), Path(path), (row.size, row.digest), progress)
        return FileFacts(component=row.component, size=row.size, checksum=f"{CHECKSUM}{row.digest}", name=row.name)

    def size(self, key: str) -> int | None:
        """How many bytes there are."""
        with contextlib.suppress(NoSuchFile):
            size: int = self._found(key).size
            return size
        return None

    def remove(self, key: str) -> None:
        """Remove them."""
        self._room.file_records.forget(self._database, _component(key))

    # --- addresses ---

    def url(self, key: str) -> str:
        """There is none: nobody answers."""
        raise NotSupported(where=self._room.where, what="an address: a room in this process has no server")

    def upload_url(self, key: str, name: str, size: int, md5: str = "") -> FileUrl:
        """There is none: nobody answers."""
        return FileUrl(url=self.url(key), headers={}, expires=0)
