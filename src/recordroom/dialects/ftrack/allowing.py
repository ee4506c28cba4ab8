"""Actions about what somebody may do: `permissions`, and `generate_signed_url`, an address that needs no key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import InvalidRequest
from ...model.files import FileUrlRequest
from ...model.ids import show_id
from ...query.request import AccessRequest
from .people import entity_of, id_under

if TYPE_CHECKING:
    from .actions import Asked

__all__ = ["generate_signed_url", "permissions"]


async def permissions(asked: Asked, operation: dict[str, Any]) -> Any:
    """What whoever asks may do with an entity: verb by verb."""
    found = await entity_of(asked, operation)
    if found is None:
        raise InvalidRequest(reason="permissions takes an entity_type and an entity_key")
    native, entity = found
    answers = await asked.room.explain_access(AccessRequest(database="main", type=native, id=entity))
    return {"action": "permissions", "data": {each.verb: each.allowed for each in answers}}


async def generate_signed_url(asked: Asked, operation: dict[str, Any]) -> Any:
    """Where anybody may read the bytes of a component for a short time, as whoever asks may."""
    component = id_under(operation, "component_id")
    files = asked.service.files
    await files.found(asked.room, component)
    found = await files.url(asked.identity.actor, component, FileUrlRequest(method="GET"))
    url = asked.address + found.url
    return {"action": "generate_signed_url", "component_id": show_id(component), "url": url, "expires": found.expires}
