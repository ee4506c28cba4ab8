"""A location in memory: for tests, and for what need not outlive a process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator

from ..errors import FileExists, InvalidPath, NoSuchFile
from .accessor import CHUNK, Accessor
from .paths import inside, parent

__all__ = ["MemoryAccessor"]


class MemoryAccessor(Accessor):
    """Files in a mapping. Everything ends with the object."""

    def __init__(self, name: str = "memory") -> None:
        self._name = name
        self._lock = threading.RLock()
        self._files: dict[str, bytes] = {}
        self._containers: set[str] = {""}

    @property
    def where(self) -> str:
        return self._name

    def write(self, path: str, chunks: Iterable[bytes], *, size: int | None = None, overwrite: bool = False) -> int:
        path = self._named(path)
        self._check_free(path, overwrite)
        data = b"".join(chunks)
        with self._lock:
            self._check_free(path, overwrite)
            self._make(parent(path))
            self._files[path] = data
        return len(data)

    def read(self, path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        data = memoryview(self._file(path))
        end = len(data) if length is None else min(len(data), start + length)
        return (bytes(data[at : min(at + CHUNK, end)]) for at in range(start, end, CHUNK))

    def size(self, path: str) -> int:
        return len(self._file(path))

    def is_file(self, path: str) -> bool:
        return inside(self.where, path) in self._files

    def is_container(self, path: str) -> bool:
        return inside(self.where, path) in self._containers

    def list(self, path: str = "") -> list[str]:
        path = inside(self.where, path)
        with self._lock:
            if path in self._files:
                raise InvalidPath(where=self.where, path=path, reason="it is a file")
            if path not in self._containers:
                raise NoSuchFile(where=self.where, path=path)
            return sorted(each for each in (*self._files, *self._containers) if each and parent(each) == path)

    def remove(self, path: str) -> None:
        path = self._named(path)
        with self._lock:
            if path in self._files:
                del self._files[path]
            elif self.list(path):
                raise InvalidPath(where=self.where, path=path, reason="it is a container with something in it")
            else:
                self._containers.remove(path)

    def make_container(self, path: str) -> None:
        with self._lock:
            self._make(inside(self.where, path))

    def rename(self, path: str, to: str) -> None:
        to = self._named(to)
        with self._lock:
            data = self._file(path)
            self._check_free(to, overwrite=False)
            self._make(parent(to))
            self._files[to] = data
            del self._files[inside(self.where, path)]

    def _named(self, path: str) -> str:
        found = inside(self.where, path)
        if not found:
            raise InvalidPath(where=self.where, path=path, reason="it names the location itself")
        return found

    def _file(self, path: str) -> bytes:
        path = inside(self.where, path)
        with self._lock:
            if path in self._containers:
                raise InvalidPath(where=self.where, path=path, reason="it is a container")
            if path not in self._files:
                raise NoSuchFile(where=self.where, path=path)
            return self._files[path]

    def _check_free(self, path: str, overwrite: bool) -> None:
        with self._lock:
            if path in self._containers:
                raise InvalidPath(where=self.where, path=path, reason="it is a container")
            if path in self._files and not overwrite:
                raise FileExists(where=self.where, path=path)

    def _make(self, path: str) -> None:
        while path:
            if path in self._files:
                raise FileExists(where=self.where, path=path)
            self._containers.add(path)
            path = parent(path)
