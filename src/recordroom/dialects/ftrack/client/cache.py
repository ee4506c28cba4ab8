"""Caches under the names that scripts know: `get`, `set`, `remove`, `keys`, `values`, `clear`. See `client.caches`.

Any of them may be given to a session, here and natively; what is asked for and not there is a KeyError.
"""

from __future__ import annotations

import functools
import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

from ....client import caches as native
from ....client import keys

__all__ = [
    "Cache",
    "FileCache",
    "KeyMaker",
    "LayeredCache",
    "Memoiser",
    "MemoryCache",
    "ObjectKeyMaker",
    "ProxyCache",
    "SerialisedCache",
    "StringKeyMaker",
    "memoise",
    "memoise_decorator",
    "memoise_defaults",
    "memoise_session",
    "memoiser",
]

T = TypeVar("T")


class Cache(native.Cache):
    """What a cache has: derive from it for one of your own."""

    @abstractmethod
    def remove(self, key: Any) -> None:
        """Forget a key; KeyError if there is none."""

    def delete(self, key: Any) -> None:
        """As `remove`."""
        self.remove(key)

    def keys(self) -> list[Any]:
        """The keys there are now."""
        raise NotImplementedError


class MemoryCache(native.MemoryCache, Cache):
    """A cache in memory."""

    def remove(self, key: Any) -> None:
        """Forget a key; KeyError if there is none."""
        native.MemoryCache.delete(self, key)


class ProxyCache(Cache):
    """Passes everything on to another cache."""

    def __init__(self, proxied: Any) -> None:
        self.proxied = proxied

    def get(self, key: Any) -> Any:
        """The value of a key; KeyError if there is none."""
        return self.proxied.get(key)

    def set(self, key: Any, value: Any) -> None:
        """Keep a value under a key."""
        self.proxied.set(key, value)

    def remove(self, key: Any) -> None:
        """Forget a key; KeyError if there is none."""
        _remove(self.proxied, key)

    def keys(self) -> list[Any]:
        """The keys there are now."""
        return list(self.proxied.keys())


class LayeredCache(Cache):
    """Caches one below the other: what a lower one has is copied upward once it was asked for."""

    def __init__(self, caches: Sequence[Any]) -> None:
        self.caches = list(caches)

    def get(self, key: Any) -> Any:
        """The value of a key in the first cache that has it; KeyError if none has."""
        return native.LayeredCache(self.caches).get(key)

    def set(self, key: Any, value: Any) -> None:
        """Keep a value under a key, in every cache."""
        for each in self.caches:
            each.set(key, value)

    def remove(self, key: Any) -> None:
        """Forget a key in every cache; KeyError if none has it."""
        count = 0
        for each in self.caches:
            try:
                _remove(each, key)
            except KeyError:
                continue
            count += 1
        if not count:
            raise KeyError(key)

    def keys(self) -> list[Any]:
        """The keys that any of the caches has."""
        return native.LayeredCache(self.caches).keys()


class FileCache(Cache):
    """A cache of texts on disk, below `path`; put a `SerialisedCache` around it for anything else.

    It is safe with several processes. Where `path` is a file already, what is kept lies beside it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        folder = Path(path)
        self._kept = native.FileCache(folder.with_name(f"{folder.name}.kept") if folder.is_file() else folder)
        self._kept.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def get(self, key: str) -> str:
        """The text of a key; KeyError if there is none."""
        found = self._kept.get(key)
        return found.decode() if isinstance(found, bytes) else found

    def set(self, key: str, value: str | bytes) -> None:
        """Keep a text under a key."""
        self._kept.set(key, value)

    def remove(self, key: str) -> None:
        """Forget a key; KeyError if there is none."""
        self._kept.delete(key)

    def keys(self) -> list[str]:
        """The keys there are now."""
        return self._kept.keys()


class SerialisedCache(ProxyCache):
    """Another cache whose values are texts: `encode` makes them, such as `session.encode`, and `decode` reads them."""

    def __init__(
        self, proxied: Any, encode: Callable[[Any], Any] | None = None, decode: Callable[[Any], Any] | None = None
    ) -> None:
        super().__init__(proxied)
        self.encode = encode
        self.decode = decode

    def get(self, key: Any) -> Any:
        """The value of a key; KeyError if there is none."""
        value = super().get(key)
        return value if self.decode is None else self.decode(value)

    def set(self, key: Any, value: Any) -> None:
        """Keep a value under a key."""
        super().set(key, value if self.encode is None else self.encode(value))


def _remove(cache: Any, key: Any) -> None:
    """Forget a key in a cache of either kind."""
    (cache.remove if hasattr(cache, "remove") else cache.delete)(key)


# --- keys and memory -------------------------------------------------------------------------------------


class KeyMaker(keys.KeyMaker):
    """Makes keys: one part for each thing, with `item_separator` between them."""

    def __init__(self) -> None:
        self.item_separator = ""

    def key(self, *items: Any) -> str:
        """The key of some things; the same things have the same key."""
        return self.item_separator.join(map(self._key, items))

    @abstractmethod
    def _key(self, obj: Any) -> str:
        """The part of one thing."""


class StringKeyMaker(KeyMaker):
    """Keys that are the things as texts."""

    def _key(self, obj: Any) -> str:
        return str(obj)


class ObjectKeyMaker(KeyMaker):
    """Keys of anything: mappings, lists, functions, entities, what pickle takes."""

    def _key(self, obj: Any) -> str:
        return keys.ObjectKeyMaker().key(obj)


class Memoiser:
    """Calls functions once for the same arguments. With `return_copies` each caller has a copy of its own."""

    def __init__(self, cache: Any = None, key_maker: Any = None, return_copies: bool = True) -> None:
        self.cache = MemoryCache() if cache is None else cache
        self.key_maker = ObjectKeyMaker() if key_maker is None else key_maker
        self.return_copies = return_copies

    def call(
        self, function: Callable[..., T], args: Sequence[Any] | None = None, kw: Mapping[str, Any] | None = None
    ) -> T:
        """What a function gives for arguments; it is called if that is not known yet."""
        args, kw = args or (), kw or {}
        key = self.key_maker.key(function, inspect.getcallargs(function, *args, **kw))
        try:
            value: T = self.cache.get(key)
        except KeyError:
            value = function(*args, **kw)
            self.cache.set(key, value)
        return deepcopy(value) if self.return_copies else value


def memoise_decorator(memoiser: Memoiser) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """A decorator: the function remembers what it gave, with that memoiser."""

    def outer(function: Callable[..., T]) -> Callable[..., T]:
        @functools.wraps(function)
        def inner(*args: Any, **kw: Any) -> T:
            return memoiser.call(function, args, kw)

        return inner

    return outer


memoiser = Memoiser()
memoise = memoise_decorator(memoiser)
memoise_defaults = memoise_decorator(Memoiser(return_copies=False))
memoise_session = memoise_decorator(Memoiser(return_copies=False))
