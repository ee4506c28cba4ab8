"""Blobs in an object store (S3, Google Cloud Storage, Azure): `blobs/ab/abcd…`, and pieces of uploads, `uploads/<id>/<offset>`.

What has come of an upload is what the store lists of it, so every machine sees the same. An object comes whole or not at all.
Credentials and endpoints are those of the environment (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` …), never part of an address.
"""

# ruff: noqa: D102 - what the methods do is said in Blobs
from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..errors import LocationUnavailable, MissingExtra, NoSuchFile, PermissionDenied, UploadBusy, WrongOffset
from .aside import read_aside
from .blobs import OWNER, PIECE, Blobs, Incoming, Kept, Known, check_digest

__all__ = ["ObjectBlobs"]

_PIECE = 8 << 20  # bytes of one object of an upload
_PART = 8 << 20  # bytes of one part of a large object
_AT_ONCE = 4  # parts on their way at the same time


class ObjectBlobs(Blobs):
    """The blobs below an address, `s3://bucket/prefix` for example."""

    def __init__(self, address: str, **options: Any) -> None:
        self.where = address
        self._options = options
        self._opened: Any = None

    def __repr__(self) -> str:
        return f"<ObjectBlobs {self.where}>"

    @property
    def _store(self) -> Any:
        if self._opened is None:
            try:
                import obstore.store
            except ImportError as error:
                raise MissingExtra(package="obstore", extra="files") from error
            with self._named():
                self._opened = obstore.store.from_url(self.where, **self._options)
        return self._opened

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """What the store says, as errors of recordroom. Its texts may hold addresses with secrets, so they are not repeated."""
        from obstore import exceptions

        try:
            yield
        except exceptions.AlreadyExistsError as error:
            raise UploadBusy from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise PermissionDenied(what=f"using {self.where}") from error
        except exceptions.BaseError as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise LocationUnavailable(where=self.where, reason=type(error).__name__) from error

    # --- whose they are ---

    def _owner(self) -> str | None:
        import obstore

        store = self._store
        try:
            with self._named():
                return bytes(obstore.get(store, OWNER).bytes()).decode("ascii", "replace").strip()
        except FileNotFoundError:
            return None

    def _own(self, room: str) -> str:
        with contextlib.suppress(UploadBusy):  # somebody was faster
            self._keep(OWNER, f"{room}\n".encode())
        return self._owner() or room

    # --- blobs ---

    def size(self, digest: str) -> int | None:
        return self._size(_blob(digest))

    def _size(self, path: str) -> int | None:
        import obstore

        store = self._store
        try:
            with self._named():
                found: int = obstore.head(store, path)["size"]
        except FileNotFoundError:
            return None
        return found

    def read(self, digest: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        size = self.size(digest)
        if size is None:
            raise NoSuchFile(where="the room", path=digest)
        end = size if length is None else min(size, start + length)
        return self._ranged(_blob(digest), start, end)

    def _ranged(self, path: str, start: int, end: int) -> Iterator[bytes]:
        import obstore

        while start < end:
            with self._named():
                data = bytes(obstore.get_range(self._store, path, start=start, end=min(start + 4 * PIECE, end)))
            start += len(data)
            for at in range(0, len(data), PIECE):
                yield data[at : at + PIECE]

    def remove(self, digest: str) -> None:
        self.claim()
        self._delete([_blob(digest)])

    def _delete(self, paths: Sequence[str]) -> None:
        import obstore

        if paths:
            with contextlib.suppress(FileNotFoundError), self._named():
                obstore.delete(self._store, list(paths))

    def all(self) -> Iterator[Kept]:
        for path, size, time in self._listed("blobs/"):
            name = path.rpartition("/")[2]
            if len(name) == 64:
                yield Kept(name, size, time)

    def _listed(self, prefix: str) -> Iterator[tuple[str, int, float]]:
        import obstore

        store = self._store
        with self._named():
            for some in obstore.list(store, prefix=prefix):
                for each in some:
                    yield str(each["path"]), int(each["size"]), each["last_modified"].timestamp()

    # --- uploads ---

    def _pieces(self, upload: str) -> list[tuple[str, int]]:
        """The objects of an upload in order, each with its size, as far as they follow each other."""
        found: list[tuple[str, int]] = []
        offset = 0
        for path, size, _ in sorted(self._listed(f"uploads/{_upload(upload)}/")):
            if int(path.rpartition("/")[2]) != offset:
                break
            found.append((path, size))
            offset += size
        return found

    def offset(self, upload: str) -> int:
        return sum(size for _, size in self._pieces(upload))

    def begin(self, upload: str, offset: int) -> Incoming:
        self.claim()
        there = self.offset(upload)
        if there != offset:
            raise WrongOffset(offset=there, given=offset)
        return _ObjectIncoming(f"uploads/{_upload(upload)}", offset, self._keep)

    def _keep(self, path: str, data: bytes) -> None:
        import obstore

        store = self._store
        with self._named():
            obstore.put(store, path, data, mode="create")

    def shorten(self, upload: str, offset: int) -> None:
        self._delete([path for path, _ in self._pieces(upload) if int(path.rpartition("/")[2]) >= offset])

    def uploads(self) -> Iterator[Kept]:
        found: dict[str, Kept] = {}
        for path, size, time in self._listed("uploads/"):
            name = path.split("/")[1]
            before = found.get(name, Kept(name, 0, time))
            found[name] = Kept(name, before.size + size, max(time, before.time))
        yield from found.values()

    def discard(self, upload: str) -> None:
        self.check_owner()
        self._delete([path for path, _, _ in self._listed(f"uploads/{_upload(upload)}/")])

    def _incoming(self, upload: str) -> Iterator[bytes]:
        for path, size in self._pieces(upload):
            yield from self._ranged(path, 0, size)

    def _whole(self, uploads: Sequence[str], size: int) -> Iterator[bytes]:
        count = 0
        for upload in uploads:
            for piece in self._incoming(upload):
                count += len(piece)
                yield piece
        if count != size:
            raise LocationUnavailable(where=self.where, reason="what had come of an upload has vanished")

    def _make(self, uploads: Sequence[str], known: Known) -> None:
        import obstore

        store, path = self._store, _blob(known.digest)
        with self._named():
            pieces = self._whole(uploads, known.size)
            if known.size <= _PART:
                obstore.put(store, path, b"".join(pieces))
                return
            # The store cannot be asked for pieces in the middle of being given some.
            obstore.put(
                store,
                path,
                read_aside(pieces),
                use_multipart=True,
                chunk_size=_part_size(known.size),
                max_concurrency=_AT_ONCE,
            )


class _ObjectIncoming(Incoming):
    def __init__(self, prefix: str, offset: int, keep: Callable[[str, bytes], None]) -> None:
        self._prefix = prefix
        self._keep = keep
        self._held = bytearray()
        self._at = self.offset = offset

    def write(self, data: bytes) -> None:
        self._held += data
        self.offset += len(data)
        if len(self._held) >= _PIECE:
            self.close()

    def close(self) -> None:
        if self._held:
            path = f"{self._prefix}/{self._at:020d}"
            held, self._held = bytes(self._held), bytearray()
            self._keep(path, held)
            self._at += len(held)


def _blob(digest: str) -> str:
    return f"blobs/{check_digest(digest)[:2]}/{digest}"


def _upload(upload: str) -> str:
    if not upload.replace("-", "").isalnum():
        raise ValueError(f"{upload[:80]!r} is no name of an upload")
    return upload


def _part_size(size: int) -> int:
    """Stores take 10,000 parts at most."""
    return max(_PART, -(-size // 9_000 // PIECE) * PIECE)
