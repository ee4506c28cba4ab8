"""Thumbnails of what is in the room's own location, made when they are asked for and kept for a while."""

from __future__ import annotations

import asyncio
import struct
import tempfile
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path

from ...errors import InvalidMedia, TooManyAttempts
from ...server.service import Service
from ...store.file_records import FileRow

__all__ = ["DEFAULT_SIZE", "LARGEST", "Thumbnails", "default_picture"]

DEFAULT_SIZE, LARGEST = 300, 2048
_MOST_KEPT = 64 * 2**20  # bytes
_LARGEST_SOURCE = 512 * 2**20
_AT_ONCE = 2
_MOST_WAITING, _RETRY_SECONDS = 256, 5


class Thumbnails:
    """JPEG pictures by digest and size; the least asked for go first."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._size = 0
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def of(self, found: FileRow, size: int) -> bytes | None:
        """The picture of a file, fitted into `size` × `size`; None where it cannot be pictured.

        A file is opened for the first size that is asked for, and once more for all others, which are made of the largest: opening
        one may take a minute.
        """
        key = (found.digest, size)
        if key not in self._kept:
            if self._waiting >= _MOST_WAITING:
                raise TooManyAttempts("Too many thumbnails are being made.", retry_after=_RETRY_SECONDS)
            self._waiting += 1
            try:
                async with self._turns:
                    await self._make(found, size)
            finally:
                self._waiting -= 1
        self._kept.move_to_end(key)
        return self._kept[key] or None

    async def _make(self, found: FileRow, size: int) -> None:
        key, largest = (found.digest, size), (found.digest, LARGEST)
        if key in self._kept:
            return
        known = [picture for (digest, _), picture in self._kept.items() if digest == found.digest]
        if not known:
            self._keep(key, await self._made(found, size))
            return
        if not all(known):
            self._keep(key, b"")
            return
        picture = self._kept.get(largest) or await self._made(found, LARGEST)
        self._keep(largest, picture)
        if size != LARGEST:
            self._keep(key, await _pictured(_parts(picture), size))

    def _keep(self, key: tuple[str, int], picture: bytes) -> None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        self._kept[key] = picture
        self._size += len(picture) + 100
        while self._size > _MOST_KEPT and len(self._kept) > 1:
            self._size -= len(self._kept.popitem(last=False)[1]) + 100

    async def _made(self, found: FileRow, size: int) -> bytes:
        if not 0 < found.size <= _LARGEST_SOURCE:
            return b""
        return await _pictured(await self._service.files.opened(found), size)


async def _pictured(parts: AsyncIterator[bytes], size: int) -> bytes:
    """The picture of what comes; b"" where it cannot be pictured."""
    from ...media import thumbnail

    with tempfile.TemporaryDirectory(prefix="recordroom-") as folder:
        source, target = Path(folder, "source"), Path(folder, "picture.jpg")
        with source.open("wb") as file:
            async for piece in parts:
                await asyncio.to_thread(file.write, piece)
        try:
            await asyncio.to_thread(thumbnail, source, target, size)
        except InvalidMedia:
            return b""
        return target.read_bytes()


async def _parts(data: bytes) -> AsyncIterator[bytes]:
    yield data


@cache
def default_picture(size: int = 96) -> bytes:
    """A grey square with a lighter one in it, as PNG (RFC 2083)."""
    edge = size // 4
    rows = bytearray()
    for y in range(size):
        inner = edge <= y < size - edge
        rows += b"\0" + bytes(0x66 if inner and edge <= x < size - edge else 0x3A for x in range(size))
    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
