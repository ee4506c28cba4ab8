"""Bytes on their way from one location to another: counted, summed, told of, and checked before the last of them is kept.

Checksums are text: `sha256:` and the digest in hexadecimal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from ..errors import ChecksumMismatch
from .accessor import Accessor

__all__ = ["Source", "checksum_of", "verified"]


def checksum_of(chunks: Iterable[bytes]) -> str:
    """The checksum of pieces.

    >>> checksum_of([b"a", b"bc"])
    'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    """
    summed = hashlib.sha256()
    for chunk in chunks:
        summed.update(chunk)
    return f"sha256:{summed.hexdigest()}"


class Source:
    """A file of a location as pieces that are counted and summed as they pass.

    `size` is what it had in the beginning. At the end of the pieces ChecksumMismatch is raised where they are not of that
    size, or not what `checksum` says; whoever writes them has not finished by then, so nothing wrong is kept. A writer
    that resumes begins with `open(start)`. `progress` is told how many more bytes have passed.
    """

    def __init__(
        self,
        accessor: Accessor,
        path: str,
        *,
        checksum: str | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        self._accessor, self._path = accessor, path
        self._expected, self._progress = checksum, progress
        self._sum = hashlib.sha256()
        self._summed = 0
        self.size = accessor.size(path)

    @property
    def identity(self) -> str:
        """What tells this file from others, for who resumes; the checksum at the end says whether it was the same."""
        return f"{self._accessor.where}\0{self._path}\0{self.size}"

    @property
    def checksum(self) -> str:
        """Of what has passed."""
        return f"sha256:{self._sum.hexdigest()}"

    def __iter__(self) -> Iterator[bytes]:
        return self.open(0)

    def open(self, start: int = 0) -> Iterator[bytes]:
        """The pieces from an offset on. What lies before it is summed where it was not yet."""
        at = min(start, self._summed)
        for chunk in self._accessor.read(self._path, at):
            self._count(chunk, at)
            fresh = chunk[max(0, start - at) :]
            at += len(chunk)
            if fresh:
                yield fresh
        self._check()

    def _count(self, chunk: bytes, at: int) -> None:
        new = chunk[self._summed - at :] if self._summed > at else chunk
        if not new:
            return
        self._sum.update(new)
        self._summed += len(new)
        if self._summed > self.size:
            self._check()
        if self._progress is not None:
            self._progress(len(new))

    def _check(self) -> None:
        if self._summed != self.size:
            raise ChecksumMismatch(
                f"{self._path!r} changed while it was read: it has {self._summed} bytes, not {self.size}.",
                path=self._path, expected=self.size, found=self._summed,
            )  # fmt: skip
        _compare(self._path, self._expected, self.checksum)


def verified(chunks: Iterable[bytes], path: str, checksum: str | None) -> Iterator[bytes]:
    """The pieces as they are; at their end ChecksumMismatch where they are not what the checksum says."""
    summed = hashlib.sha256()
    for chunk in chunks:
        summed.update(chunk)
        yield chunk
    _compare(path, checksum, f"sha256:{summed.hexdigest()}")


def _compare(path: str, expected: str | None, found: str) -> None:
    # A checksum of another kind than ours cannot be compared.
    if expected is not None and expected.startswith("sha256:") and expected != found:
        raise ChecksumMismatch(path=path, expected=expected, found=found)
