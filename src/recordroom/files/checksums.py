"""Checksums of files: `sha256:` and the digest in hexadecimal."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from ..errors import ChecksumMismatch

__all__ = ["Counted", "checksum_of"]


def checksum_of(chunks: Iterable[bytes]) -> str:
    """The checksum of pieces.

    >>> checksum_of([b"a", b"bc"])
    'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    """
    counted = Counted(chunks)
    for _ in counted:
        pass
    return counted.checksum


class Counted:
    """Pieces that pass, counted and summed; at their end ChecksumMismatch where they are not what was expected.

    Whoever writes them has not finished by then, so that what is wrong is not kept. `progress` is told how many bytes passed.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        *,
        path: str = "",
        size: int | None = None,
        checksum: str | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        self._chunks, self._path = chunks, path
        self._expected_size, self._expected = size, checksum
        self._progress = progress
        self._sum = hashlib.sha256()
        self.size = 0

    @property
    def checksum(self) -> str:
        """Of what has passed."""
        return f"sha256:{self._sum.hexdigest()}"

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._sum.update(chunk)
            self.size += len(chunk)
            if self._progress is not None:
                self._progress(len(chunk))
            yield chunk
        self._check()

    def _check(self) -> None:
        # A checksum of another kind than ours cannot be compared.
        summed = (self._expected or "").startswith("sha256:")
        if summed and self._expected != self.checksum:
            raise ChecksumMismatch(path=self._path, expected=self._expected, found=self.checksum)
        if not summed and self._expected_size not in (None, self.size):
            raise ChecksumMismatch(
                f"{self._path!r} is not what it should be: it has {self.size} bytes, not {self._expected_size}.",
                path=self._path, expected=self._expected_size, found=self.size,
            )  # fmt: skip
