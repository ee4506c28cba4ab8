"""Giving space back: what was uploaded for components that never came, and blobs that no component has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .blobs import Blobs, collect

__all__ = ["Collected", "Records", "collect_all"]

_SECOND = 1_000_000
_MARGIN_SECONDS = 3_600.0


class Records(Protocol):
    """What a room knows of files."""

    @property
    def orphans_before(self) -> int:
        """The moment (microseconds since 1970) before which what is not committed is given up."""

    def forget_orphans(self, before: int) -> int:
        """Forget files from before a moment whose component there is not; how many that were."""

    def ended_uploads(self) -> Sequence[bytes]:
        """Some uploads that have expired."""

    def forget_upload(self, upload: bytes) -> None:
        """Forget an upload."""

    def known(self, digests: Sequence[str]) -> set[str]:
        """Those of `digests` that components have."""


class Collected(NamedTuple):
    """How many files without a component, uploads that expired and blobs that nothing needs are gone."""

    orphans: int
    uploads: int
    blobs: int


def collect_all(records: Records, blobs: Blobs) -> Collected:
    """Give up what is old enough. Safe beside uploads, and beside others who do the same."""
    before = records.orphans_before
    orphans = records.forget_orphans(before)
    uploads = 0
    while some := records.ended_uploads():
        for upload in some:
            blobs.discard(upload.hex())
            records.forget_upload(upload)
            uploads += 1
    # What nobody knows any more: of a request that was killed, or of an upload that was given up just then.
    for left in list(blobs.uploads()):
        if left.time < before / _SECOND - _MARGIN_SECONDS:
            blobs.discard(left.name)
    return Collected(orphans, uploads, collect(blobs, records.known, before / _SECOND))
