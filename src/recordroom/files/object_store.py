"""A location in an object store: S3 (and what speaks it), Google Cloud Storage, Azure.

Large files go up in parallel parts, a bounded number of bytes at a time; an upload that fails leaves nothing to be seen.
The only importer of obstore, which comes with `recordroom[files]`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..errors import Error, FileExists, InvalidPath, LocationUnavailable, MissingExtra, NoSuchFile
from .accessor import CHUNK, Accessor
from .aside import read_aside
from .paths import HIDDEN, inside, parent

if TYPE_CHECKING:
    from obstore.store import ObjectStore

__all__ = ["ObjectStoreAccessor", "store_of"]

# A part of an upload, and how many are on their way at once: what an upload takes of memory is their product.
PART = 8 * 1024 * 1024
AT_ONCE = 3
# S3 takes ten thousand parts.
_MOST_PARTS = 9_000
_MARK = f"{HIDDEN}container"
_LASTS = dt.timedelta(minutes=15)
_ODD = re.compile(r"[\x00-\x1f\x7f]|%(?=[0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")


def store_of(url: str, options: Mapping[str, Any]) -> ObjectStore:
    """The store at `s3://bucket/prefix`, `gs://…` or `az://…`; `options` are obstore's, credentials also the environment's."""
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise MissingExtra(package="obstore", extra="files") from error
    given = dict(options)
    endpoint = str(given.get("endpoint") or given.get("aws_endpoint") or "")
    client = {"allow_http": True} if endpoint.startswith("http://") else {}
    client |= given.pop("client_options", None) or {}
    try:
        made: ObjectStore = from_url(url, client_options=client or None, **given)  # type: ignore[arg-type]
    except Exception as error:
        raise LocationUnavailable(where=url, reason=_reason(error)) from error
    return made


class ObjectStoreAccessor(Accessor):
    """Files as objects of a store of obstore, whose prefix is the location. `where` is what messages call it.

    A container is a common beginning of names; one that shall be there with nothing in it has an object that marks it.
    Between asking whether a large file is there and writing it another may write it: object stores lack what a disk has.
    """

    def __init__(self, store: ObjectStore, where: str) -> None:
        self._store = store
        self._where = where

    @property
    def where(self) -> str:
        return self._where

    def write(self, path: str, chunks: Iterable[bytes], *, size: int | None = None, overwrite: bool = False) -> int:
        import obstore

        key = self._file_key(path)
        if self.is_container(path):
            raise InvalidPath(where=self.where, path=path, reason="it is a container")
        if not overwrite and self.is_file(path):
            raise FileExists(where=self.where, path=path)
        source = _Source(chunks)
        head = source.take(PART)
        with self._named(path, source):
            if source.ended:
                obstore.put(self._store, key, head, mode="overwrite" if overwrite else "create", use_multipart=False)
            else:
                part = max(PART, (size or 0) // _MOST_PARTS)
                # obstore cannot ask another store while it reads: that is done in a thread of its own.
                whole = read_aside(chain([head], source))
                at_once = max(2, AT_ONCE * PART // part)
                obstore.put(self._store, key, whole, use_multipart=True, chunk_size=part, max_concurrency=at_once)
        return source.count

    def read(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        size = self.size(path)
        end = size if length is None else min(size, start + length)
        return self._chunks(path, start, end)

    def size(self, path: str) -> int:
        import obstore

        if not inside(self.where, path) or (not self._has(path) and self.is_container(path)):
            raise InvalidPath(where=self.where, path=path, reason="it is a container")
        with self._named(path):
            return int(obstore.head(self._store, self._file_key(path))["size"])

    def is_file(self, path: str) -> bool:
        return bool(inside(self.where, path)) and self._has(path)

    def is_container(self, path: str) -> bool:
        import obstore

        path = inside(self.where, path)
        if not path:
            return True
        with self._named(path):
            return any(batch for batch in obstore.list(self._store, _key(path), chunk_size=1))

    def list(self, path: str = "") -> list[str]:
        import obstore

        path = inside(self.where, path)
        with self._named(path):
            found = obstore.list_with_delimiter(self._store, _key(path) or None)
        names = [*found["common_prefixes"], *(each["path"] for each in found["objects"])]
        if not names and path:
            if self._has(path):
                raise InvalidPath(where=self.where, path=path, reason="it is a file")
            raise NoSuchFile(where=self.where, path=path)
        return sorted(_path(name) for name in names if not name.rpartition("/")[2].startswith(HIDDEN))

    def remove(self, path: str) -> None:
        import obstore

        key = self._file_key(path)
        if self._has(path):
            with self._named(path):
                obstore.delete(self._store, key)
            return
        if self.list(path):
            raise InvalidPath(where=self.where, path=path, reason="it is a container with something in it")
        with self._named(path):
            obstore.delete(self._store, f"{key}/{_MARK}")

    def make_container(self, path: str) -> None:
        import obstore

        key = inside(self.where, path)
        if not key:
            return
        for each in _upwards(key):
            if self._has(each):
                raise FileExists(where=self.where, path=each)
        with self._named(path):
            for each in _upwards(key):
                obstore.put(self._store, f"{_key(each)}/{_MARK}", b"", use_multipart=False)

    def rename(self, path: str, to: str) -> None:
        import obstore

        source, target = self._file_key(path), self._file_key(to)
        self.size(path)
        if self.exists(to):
            raise FileExists(where=self.where, path=to)
        with self._named(path):
            obstore.rename(self._store, source, target)

    def url(self, path: str) -> str:
        """A signed address that ends after 15 minutes."""
        import obstore

        self.size(path)
        store: Any = self._store
        try:
            signed = obstore.sign(store, "GET", self._file_key(path), _LASTS)
        except Exception as error:
            raise LocationUnavailable(where=self.where, reason=_reason(error)) from error
        return str(signed)

    def _file_key(self, path: str) -> str:
        found = inside(self.where, path)
        if not found:
            raise InvalidPath(where=self.where, path=path, reason="it names the location itself")
        return _key(found)

    def _has(self, path: str) -> bool:
        import obstore

        try:
            with self._named(path):
                obstore.head(self._store, self._file_key(path))
        except NoSuchFile:
            return False
        return True

    def _chunks(self, path: str, start: int, end: int) -> Iterator[bytes]:
        import obstore

        if start >= end:
            return
        with self._named(path):
            found = obstore.get(self._store, self._file_key(path), options={"range": (start, end)})
            stream = iter(found.stream(min_chunk_size=CHUNK))
        while True:
            with self._named(path):
                chunk = next(stream, None)
            if chunk is None:
                return
            yield bytes(chunk)

    @contextlib.contextmanager
    def _named(self, path: str, source: _Source | None = None) -> Iterator[None]:
        """What the store says, as an error of ours; what a source raised, as it was raised."""
        try:
            yield
        except Error:
            raise
        except FileNotFoundError as error:
            raise NoSuchFile(where=self.where, path=path) from error
        except Exception as error:
            if source is not None and source.failure is not None:
                raise source.failure from None
            from obstore.exceptions import AlreadyExistsError

            if isinstance(error, AlreadyExistsError):
                raise FileExists(where=self.where, path=path) from error
            raise LocationUnavailable(where=self.where, reason=_reason(error)) from error


class _Source:
    """Pieces on their way up: counted, and what went wrong with them kept."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self.count = 0
        self.ended = False
        self.failure: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self.ended = True
            raise
        except BaseException as error:
            self.failure = error
            raise
        self.count += len(chunk)
        return chunk

    def take(self, size: int) -> bytes:
        """So many bytes or more, or all there are."""
        taken = bytearray()
        for chunk in self:
            taken += chunk
            if len(taken) >= size:
                break
        return bytes(taken)


def _key(path: str) -> str:
    """A path as the name of an object: characters that it may not have are written as %XX."""
    return _ODD.sub(lambda found: f"%{ord(found[0]):02X}", path)


def _path(key: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), key)


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = parent(path)


def _reason(error: BaseException) -> str:
    """The first line, without what clients say for whoever debugs them, nor the query of an address, which may be signed."""
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return re.sub(r"\?\S+", "", text)[:300]
