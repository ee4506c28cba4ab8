"""Batches share the event loop with everybody else."""

from __future__ import annotations

import asyncio

from recordroom.dialects.ftrack.draft import Draft
from recordroom.dialects.ftrack.turns import in_turns


def test_others_have_their_turn_between_parts() -> None:
    seen: list[str] = []

    async def work() -> None:
        async for some in in_turns(range(1_201)):
            seen.extend([str(len(some))])

    async def others() -> None:
        for _ in range(2):
            await asyncio.sleep(0)
            seen.append("others")

    async def both() -> None:
        await asyncio.gather(others(), work())

    asyncio.run(both())

    assert seen == ["500", "others", "500", "others", "201"]


def test_what_is_deleted_is_changed_under_no_type() -> None:
    draft = Draft()
    kept, gone = bytes(16), bytes(15) + b"1"
    for native in ("Task", "TypedContext"):
        draft.update(native, kept, {"bid": 1})
        draft.update(native, gone, {"bid": 2})
    draft.delete("Task", gone)

    assert [operation.ids for operation in draft.operations()] == [[kept], [kept], [gone]]  # type: ignore[union-attr]
