"""What can be asked for at `/api`: a function for each action that changes nothing by itself; `writes` has the others."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from ...errors import InvalidRequest, InvalidSettings
from ...query.syntax import And, Compare, Literal, Path, Query, Selected
from ...server.auth.identity import Identity
from ...server.service import Service
from ...server.settings import ServerSettings
from .allowing import generate_signed_url, permissions
from .asking import answered, question_of
from .components import upload_metadata
from .custom import configurations_of
from .names import Names, lacks_production, names_of
from .people import PEOPLE
from .pictures import Pictures
from .reading import Reader
from .schemas import VERSION, Described, schemas_of
from .searching import search

__all__ = ["ACTIONS", "Action", "Asked"]

_LACKING = (
    "The room has not the types of production tracking that ftrack's clients know:"
    " recordroom template apply ROOM production, or serve it with --template production."
)


class Asked:
    """One request: who asks, and the room as they see it."""

    def __init__(self, service: Service, settings: ServerSettings, identity: Identity, address: str = "") -> None:
        self.service = service
        self.settings = settings
        self.identity = identity
        self.address = address  # that the client knows the server by
        self.room = service.acting(identity.actor)

    async def names(self) -> Names:
        """Ftrack's names for the schema that there is now."""
        return names_of(await self.room.schema("main"))

    async def reader(self) -> Reader:
        """What loads entities as the actor sees them."""
        found = Reader(self.room, await self.names())
        found.pictures = Pictures(self.service, self.identity, self.address)
        return found


Action = Callable[[Asked, dict[str, Any]], Awaitable[Any]]


async def _schemas(asked: Asked) -> Described:
    # As the room's owner: every client has the same schemas, whatever it may read.
    reader = Reader(asked.service.room, await asked.names())
    return schemas_of(reader.names, await configurations_of(reader))


async def server_information(asked: Asked, operation: dict[str, Any]) -> Any:
    """What the client looks at first; InvalidSettings where the room has not the types that it knows."""
    if lacks_production(await asked.room.schema("main")):
        raise InvalidSettings(_LACKING, where="the room", reason="no template production")
    return {
        "version": VERSION,
        "schema_hash": (await _schemas(asked)).hash,
        "is_timezone_support_enabled": True,
        "storage_scenario": await _storage_scenario(asked),
    }


async def _storage_scenario(asked: Asked) -> Any:
    if "Setting" not in await asked.room.schema("main"):
        return None
    named = And(
        (
            Compare("is", Path(("name",)), Literal("storage_scenario")),
            Compare("is", Path(("group",)), Literal("STORAGE")),
        )
    )
    query = Query("Setting", (Selected(Path(("value",))),), named)
    page = await Reader(asked.service.room, await asked.names()).page(query, 1)
    try:
        found = json.loads(page.columns["value"][0] or "null") if page.count else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


async def schemas(asked: Asked, operation: dict[str, Any]) -> Any:
    """What the client builds its classes from."""
    return msgspec.Raw((await _schemas(asked)).body)


async def query(asked: Asked, operation: dict[str, Any]) -> Any:
    """One page of a query."""
    reader = await asked.reader()
    question = await question_of(reader, operation.get("expression"))
    return await answered(reader, question, asked.service.limits.page_rows)


async def delayed_job(asked: Asked, operation: dict[str, Any]) -> Any:
    """There is nothing of the kind here, which is said."""
    kind = str(operation.get("job_type"))[:100]
    raise InvalidRequest(reason=f"there is no job {kind!r} here; users come by single sign-on (docs/accounts.md)")


async def compute_rollups(asked: Asked, operation: dict[str, Any]) -> Any:
    """There is nothing of the kind here, which is said."""
    raise InvalidRequest(
        reason="there are no rollups here; ask for sums: select sum(bid), parent_id from Task group by …"
    )


async def complete_multipart_upload(asked: Asked, operation: dict[str, Any]) -> Any:
    """There is nothing of the kind here, which is said."""
    raise InvalidRequest(reason="files come in one piece here: to the one url that get_upload_metadata gives")


ACTIONS: dict[str, Action] = {
    "query_server_information": server_information,
    "query_schemas": schemas,
    "query": query,
    "get_upload_metadata": upload_metadata,
    "search": search,
    "permissions": permissions,
    "generate_signed_url": generate_signed_url,
    "delayed_job": delayed_job,
    "compute_rollups": compute_rollups,
    "complete_multipart_upload": complete_multipart_upload,
    **PEOPLE,
}
