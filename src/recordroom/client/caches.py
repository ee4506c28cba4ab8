"""Caches: a small interface, several of it, and ways to put them together. `connect(cache=…)` takes any of them.

A cache has `get`, `set` and `delete` by key, `keys` and `clear`; a key is a text. What is asked for and not there is a
KeyError. All caches here are safe to use from several threads, and `FileCache` from several processes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..errors import InvalidValue

__all__ = ["Cache", "FileCache", "LayeredCache", "MemoryCache", "ProxyCache", "SerializedCache"]


class Cache(ABC):
    """What a cache has. Derive from it, or bring anything with the same methods."""

    @abstractmethod
    def get(self, key: str) -> Any:
        """The value of a key; KeyError if there is none."""

    @abstractmethod
    def set(self, key: str, value: Any) -> None:
        """Keep a value under a key."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Forget a key; KeyError if there is none."""

    @abstractmethod
    def keys(self) -> list[str]:
        """The keys there are now."""

    def values(self) -> list[Any]:
        """The values of the keys there are now."""
        found = []
        for key in self.keys():
            try:
                found.append(self.get(key))
            except KeyError:
                continue
        return found

    def clear(self, pattern: str | None = None) -> None:
        """Forget every key, or those in which a regular expression finds something."""
        expression = None if pattern is None else re.compile(pattern)
        for key in self.keys():
            if expression is None or expression.search(key):
                try:
                    self.delete(key)
                except KeyError:
                    continue


class MemoryCache(Cache):
    """A cache in memory; with `most`, of so many keys, those that were not used for longest going first."""

    def __init__(self, most: int | None = None) -> None:
        if most is not None and most < 1:
            raise InvalidValue(type="MemoryCache", attribute="most", value=most, expected="a number from 1")
        self._most = most
        self._lock = threading.Lock()
        self._kept: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<MemoryCache of {len(self._kept)}>"

    def get(self, key: str) -> Any:
        """The value of a key; KeyError if there is none."""
        if self._most is None:
            return self._kept[key]
        with self._lock:
            value = self._kept.pop(key)
            self._kept[key] = value
            return value

    def set(self, key: str, value: Any) -> None:
        """Keep a value under a key."""
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = value
            while self._most is not None and len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]

    def delete(self, key: str) -> None:
        """Forget a key; KeyError if there is none."""
        with self._lock:
            del self._kept[key]

    def keys(self) -> list[str]:
        """The keys there are now."""
        with self._lock:
            return list(self._kept)


class _File(msgspec.Struct, array_like=True):
    key: str
    value: Any  # a text or bytes


class FileCache(Cache):
    """A cache of texts and bytes in a folder, a file for each key; for other values, put a `SerializedCache` around it.

    A file is written aside and renamed, so that whoever reads, in other processes too, finds an old value or a new one. Only
    its owner may read it. One that cannot be read counts as not there.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"<FileCache {str(self.folder)!r}>"

    def get(self, key: str) -> str | bytes:
        """The value of a key; KeyError if there is none."""
        found = _read(self._file(key))
        if found is None or found.key != key:
            raise KeyError(key)
        value: str | bytes = found.value
        return value

    def set(self, key: str, value: Any) -> None:
        """Keep a text or bytes under a key; InvalidValue for anything else."""
        if not isinstance(value, str | bytes):
            expected = "a text or bytes; a SerializedCache around it takes anything"
            raise InvalidValue(type="FileCache", attribute=key, value=type(value), expected=expected)
        file = self._file(key)
        for folder in (self.folder, file.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(msgspec.msgpack.encode(_File(key, value)))
            made.replace(file)
        except OSError:
            with contextlib.suppress(OSError):
                made.unlink()
            raise

    def delete(self, key: str) -> None:
        """Forget a key; KeyError if there is none."""
        self.get(key)
        try:
            self._file(key).unlink()
        except FileNotFoundError:
            raise KeyError(key) from None

    def keys(self) -> list[str]:
        """The keys there are now."""
        return [found.key for file in sorted(self.folder.glob("??/*.kept")) if (found := _read(file)) is not None]

    def _file(self, key: str) -> Path:
        # Whatever a key has in it, the name of its file is plain.
        name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return self.folder / name[:2] / f"{name[2:42]}.kept"


def _read(file: Path) -> _File | None:
    try:
        found = msgspec.msgpack.decode(file.read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if isinstance(found.value, str | bytes) else None


class ProxyCache(Cache):
    """A cache that passes everything on to another: derive from it to change something on the way."""

    def __init__(self, proxied: Any) -> None:
        self.proxied = proxied

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.proxied!r}>"

    def get(self, key: str) -> Any:
        """The value of a key; KeyError if there is none."""
        return self.proxied.get(key)

    def set(self, key: str, value: Any) -> None:
        """Keep a value under a key."""
        self.proxied.set(key, value)

    def delete(self, key: str) -> None:
        """Forget a key; KeyError if there is none."""
        self.proxied.delete(key)

    def keys(self) -> list[str]:
        """The keys there are now."""
        return list(self.proxied.keys())


class SerializedCache(ProxyCache):
    """Another cache whose values are texts: `encode` makes them, such as `session.encode`, and `decode` reads them."""

    def __init__(self, proxied: Any, encode: Callable[[Any], Any], decode: Callable[[Any], Any]) -> None:
        super().__init__(proxied)
        self.encode = encode
        self.decode = decode

    def get(self, key: str) -> Any:
        """The value of a key; KeyError if there is none."""
        return self.decode(super().get(key))

    def set(self, key: str, value: Any) -> None:
        """Keep a value under a key."""
        super().set(key, self.encode(value))


class LayeredCache(Cache):
    """Caches one below the other, the quickest first: what a lower one has is kept in those above it once it was asked for."""

    def __init__(self, caches: Sequence[Any]) -> None:
        self.caches = list(caches)

    def __repr__(self) -> str:
        return f"<LayeredCache {self.caches!r}>"

    def get(self, key: str) -> Any:
        """The value of a key in the first cache that has it; KeyError if none has."""
        for place, cache in enumerate(self.caches):
            try:
                value = cache.get(key)
            except KeyError:
                continue
            for above in self.caches[:place]:
                above.set(key, value)
            return value
        raise KeyError(key)

    def set(self, key: str, value: Any) -> None:
        """Keep a value under a key, in every cache."""
        for cache in self.caches:
            cache.set(key, value)

    def delete(self, key: str) -> None:
        """Forget a key in every cache; KeyError if none has it."""
        count = 0
        for cache in self.caches:
            try:
                cache.delete(key)
            except KeyError:
                continue
            count += 1
        if not count:
            raise KeyError(key)

    def keys(self) -> list[str]:
        """The keys that any of the caches has."""
        return list(dict.fromkeys(key for each in map(_keys, self.caches) for key in each))


def _keys(cache: Any) -> list[str]:
    found: list[str] = cache.keys()
    return found
