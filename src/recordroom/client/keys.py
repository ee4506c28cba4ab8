"""Keys of caches, and functions that remember what they gave.

A key maker turns things into a text that is the same for the same things, in every process.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import inspect
import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from ..errors import InvalidValue
from .caches import MemoryCache
from .entity import Entity

__all__ = ["KeyMaker", "Memoizer", "ObjectKeyMaker", "StringKeyMaker", "memoize"]

P = ParamSpec("P")
T = TypeVar("T")


class KeyMaker(ABC):
    """What makes keys. Derive from it for ones of your own."""

    @abstractmethod
    def key(self, *items: Any) -> str:
        """The key of some things; the same things have the same key."""


class StringKeyMaker(KeyMaker):
    """Keys that people can read: each thing as a text, with a separator between them."""

    def __init__(self, separator: str = "/") -> None:
        self.separator = separator

    def key(self, *items: Any) -> str:
        """The texts of the things; a separator in one of them is escaped."""
        escaped = "".join(f"%{ord(each):02X}" for each in self.separator)
        return self.separator.join(str(each).replace("%", "%25").replace(self.separator, escaped) for each in items)


class ObjectKeyMaker(KeyMaker):
    """Keys of anything: numbers, texts, mappings, sets, lists, functions, classes, entities, what pickle takes.

    A function that is made inside another, such as a lambda, is the same as itself only, in this process.
    """

    def key(self, *items: Any) -> str:
        """64 hexadecimal digits that tell things apart; InvalidValue for what has no end or cannot be told apart."""
        try:
            return hashlib.sha256(_bytes(items)).hexdigest()
        except (pickle.PicklingError, TypeError, ValueError, AttributeError, RecursionError) as error:
            expected = f"values that can be told apart ({error})"
            raise InvalidValue(type="ObjectKeyMaker", attribute="key", value=type(items), expected=expected) from error


def _bytes(item: Any) -> bytes:
    """A thing as bytes, with its kind and its length in front, so that no two run into each other."""
    if isinstance(item, Entity):
        return _tagged(b"e", f"{item._facts.root} {item['id']}".encode())
    if isinstance(item, Mapping):
        return _tagged(b"m", b"".join(sorted(_bytes(key) + _bytes(value) for key, value in item.items())))
    if isinstance(item, set | frozenset):
        return _tagged(b"s", b"".join(sorted(map(_bytes, item))))
    if isinstance(item, list | tuple):
        return _tagged(b"l" if isinstance(item, list) else b"t", b"".join(map(_bytes, item)))
    if inspect.ismethod(item):
        return _tagged(b"b", _bytes(item.__func__) + _bytes(item.__self__))
    if inspect.isroutine(item) or inspect.isclass(item):
        return _tagged(b"f", f"{item.__module__}\0{item.__qualname__}".encode() + _inner(item))
    if isinstance(item, Iterator):
        raise TypeError(f"a {type(item).__name__} is used up by looking at it")
    return _tagged(b"p", pickle.dumps(item, protocol=4))


_made_inside: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
_numbers = count(1)


def _inner(item: Any) -> bytes:
    """A number for a function or class that was made inside a function: others of its name may do something else."""
    if "<" not in item.__qualname__:
        return b""
    return b"%d" % _made_inside.setdefault(item, next(_numbers))


def _tagged(tag: bytes, data: bytes) -> bytes:
    return b"%s%d:%s" % (tag, len(data), data)


class Memoizer:
    """Calls functions once for the same arguments, and keeps what they gave in a cache.

    With `copies`, each caller gets a copy of its own, so that nobody changes what is kept.
    """

    def __init__(self, cache: Any = None, key_maker: KeyMaker | None = None, *, copies: bool = True) -> None:
        self.cache = MemoryCache() if cache is None else cache
        self.key_maker = ObjectKeyMaker() if key_maker is None else key_maker
        self.copies = copies

    def call(
        self, function: Callable[..., T], arguments: Sequence[Any] = (), named: Mapping[str, Any] | None = None
    ) -> T:
        """What a function gives for arguments; it is called if that is not known yet."""
        bound = inspect.signature(function).bind(*arguments, **(named or {}))
        bound.apply_defaults()
        key = self.key_maker.key(function, bound.arguments)
        try:
            value: T = self.cache.get(key)
        except KeyError:
            value = function(*bound.args, **bound.kwargs)
            self.cache.set(key, value)
        return copy.deepcopy(value) if self.copies else value

    def __call__(self, function: Callable[P, T]) -> Callable[P, T]:
        """A function that remembers: use it as a decorator."""

        @functools.wraps(function)
        def remembering(*arguments: P.args, **named: P.kwargs) -> T:
            return self.call(function, arguments, named)

        return remembering


def memoize(function: Callable[P, T]) -> Callable[P, T]:
    """A function that remembers, in memory, what it gave for the same arguments."""
    return Memoizer()(function)
