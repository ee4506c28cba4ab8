"""Results of commits as they are kept for a repeat: what was told once is told again to the same user only."""

from __future__ import annotations

import msgspec

from ..model.operations import CommitResult
from .access_writes import Writer

__all__ = ["Kept", "kept", "kept_result", "repeated"]


class Kept(CommitResult, kw_only=True, omit_defaults=True):
    """A result, and the restricted user who made the commit; None: somebody who may do everything."""

    user: bytes | None = None


_decoder = msgspec.msgpack.Decoder(Kept)


def kept_result(data: bytes) -> Kept:
    """What stands in `rr_commit`."""
    return _decoder.decode(data)


def kept(result: CommitResult, writer: Writer | None) -> CommitResult:
    """What is to stand in `rr_commit`."""
    return result if writer is None else Kept(**msgspec.structs.asdict(result), user=writer.actor.user)


def repeated(first: CommitResult, writer: Writer | None) -> CommitResult:
    """The result of a repeat. Whoever has only the name of the first one is not told which entities it touched."""
    facts = {name: getattr(first, name) for name in CommitResult.__struct_fields__}
    facts["repeated"] = True
    if writer is not None and (not isinstance(first, Kept) or first.user != writer.actor.user):
        facts.update(given=[], stale=[], deleted=[], refused=[])
    return CommitResult(**facts)
