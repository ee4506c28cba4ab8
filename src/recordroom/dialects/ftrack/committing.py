"""From a batch as it was sent to its commit and its answer."""

from __future__ import annotations

from typing import Any

from ...model.actor import Actor
from ...model.ids import new_id
from ...model.operations import Commit, DefineAttribute
from ...server.service import Service
from ...store.async_room import AsyncRoom
from .batches import Change, change_of
from .custom import configurations_of
from .definitions import Definitions
from .echoes import echoes
from .known import looked_up
from .names import names_of
from .reading import Reader
from .turns import in_turns
from .writes import Writer

__all__ = ["committed"]


async def committed(
    service: Service, room: AsyncRoom, actor: Actor, operations: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The results of a batch, which is applied by then; what is wrong with it is raised, and nothing applied."""
    names = names_of(await room.schema("main"))
    reader = Reader(room, names)
    changes: list[Change] = []
    async for some in in_turns(operations):
        changes += [change_of(names, each) for each in some]
    if any("CustomAttribute" in each.type.name or "custom_attributes" in each.data for each in changes):
        reader.configurations = await configurations_of(reader)
    definitions = Definitions(reader)
    await definitions.prepare(changes)
    names = definitions.names
    writer = Writer(names, await looked_up(reader, changes), definitions.configurations, actor)
    writer.draft.first += definitions.first
    writer.draft.last += definitions.last
    done: list[tuple[Change, bytes | None]] = []
    async for few in in_turns(changes):
        done += [(each, writer.add(definitions.completed(each))) for each in few]
    draft = writer.finish()
    made = draft.operations()
    if made:
        await service.commit(room, Commit(id=new_id(), operations=made))
    if any(isinstance(each, DefineAttribute) for each in made):
        names = names_of(await room.schema("main"))
    after = Reader(room, names, definitions.configurations)
    return await echoes(after, done)
