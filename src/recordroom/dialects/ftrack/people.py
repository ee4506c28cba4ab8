"""Actions about people and what is made for them: keys, invitations, pages, encodings, roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import InvalidRequest, InvalidValue
from ...model.ids import new_id, show_id
from ...model.operations import Commit, Create, Delete, Link, Operation, Unlink
from ...query.syntax import And, Compare, Literal, Path, Query, Selected
from ...server.jobs import submit_encoding
from .names import Type
from .values import as_raw_id

if TYPE_CHECKING:
    from .actions import Asked

__all__ = ["PEOPLE", "entity_of", "id_under"]


def id_under(operation: dict[str, Any], name: str) -> bytes:
    """The id under a name; InvalidValue where it is none."""
    value = operation.get(name)
    found = as_raw_id(str(operation["action"]), name, value) if isinstance(value, str) else None
    if found is None:
        raise InvalidValue(
            type=str(operation["action"]), attribute=name, value=value, expected="an id of 36 characters"
        )
    return found


async def reset_remote(asked: Asked, operation: dict[str, Any]) -> Any:
    """A new API key of a user."""
    if operation.get("reset_type") != "api_key" or operation.get("entity_type") != "User":
        raise InvalidRequest(reason="reset_remote takes the reset_type api_key of a User")
    user = show_id(id_under(operation, "entity_key"))
    key = await asked.service.people.new_api_key(asked.identity, user)
    return {"action": "reset_remote", "data": {"api_key": key}}


async def send_user_invite(asked: Asked, operation: dict[str, Any]) -> Any:
    """An invitation by mail."""
    await asked.service.people.invite(asked.identity, [show_id(id_under(operation, "user_id"))], asked.address)
    return {"action": "send_user_invite", "sent": True}


async def get_widget_url(asked: Asked, operation: dict[str, Any]) -> Any:
    """The address of a page, with a token that ends soon."""
    entity = await entity_of(asked, operation)
    name, theme = str(operation.get("name")), operation.get("theme")
    path = await asked.service.people.page_path(asked.identity, name, entity, theme if isinstance(theme, str) else None)
    return {"action": "get_widget_url", "widget_url": f"{asked.address}{path}"}


async def entity_of(asked: Asked, operation: dict[str, Any]) -> tuple[str, bytes] | None:
    """The native type and the id of the entity that an operation is about; None where it names none."""
    if operation.get("entity_type") is None:
        return None
    native = _native((await asked.names())[str(operation["entity_type"])])
    key = operation.get("entity_key")
    only = key[0] if isinstance(key, list) and len(key) == 1 else key
    return native, id_under({**operation, "entity_key": only}, "entity_key")


def _native(type: Type) -> str:
    """The type here; InvalidRequest where there are no such entities."""
    if not type.natives:
        raise InvalidRequest(reason=f"{type.name} has no rows of its own here")
    return type.native


async def encode_media(asked: Asked, operation: dict[str, Any]) -> Any:
    """A job that makes media playable."""
    component = id_under(operation, "component_id")
    version = None if operation.get("version_id") is None else id_under(operation, "version_id")
    keep = bool(operation.get("keep_original", True))
    job = await submit_encoding(asked.room, component, version, keep_original=keep)
    return {"action": "encode_media", "job_id": show_id(job)}


# --- roles ------------------------------------------------------------------------------------------------


async def _commit(asked: Asked, operations: list[Operation], action: str) -> Any:
    await asked.service.commit(asked.room, Commit(id=new_id(), operations=operations))
    return {"action": action, "data": True}


async def add_role(asked: Asked, operation: dict[str, Any]) -> Any:
    """A user gets a role."""
    user, role = id_under(operation, "user_id"), id_under(operation, "role_id")
    return await _commit(asked, [Link("User", "roles", [user], [role])], "add_user_security_role")


async def remove_role(asked: Asked, operation: dict[str, Any]) -> Any:
    """A user has a role no more."""
    user, role = id_under(operation, "user_id"), id_under(operation, "role_id")
    return await _commit(asked, [Unlink("User", "roles", [user], [role])], "remove_user_security_role")


async def update_role(asked: Asked, operation: dict[str, Any]) -> Any:
    """A user gets another role in place of one."""
    user, role, other = (
        id_under(operation, "user_id"),
        id_under(operation, "role_id"),
        id_under(operation, "new_role_id"),
    )
    operations: list[Operation] = [Unlink("User", "roles", [user], [role]), Link("User", "roles", [user], [other])]
    return await _commit(asked, operations, "update_user_security_role")


async def grant_project(asked: Asked, operation: dict[str, Any]) -> Any:
    """A user works on a project."""
    user, project = id_under(operation, "user_id"), id_under(operation, "project_id")
    made: list[Operation] = []
    if not await _memberships(asked, user, project):
        made.append(Create("ProjectMember", [new_id()], {"project": [project], "user": [user]}))
    return await _commit(asked, made, "grant_user_security_role_project")


async def revoke_project(asked: Asked, operation: dict[str, Any]) -> Any:
    """A user works on a project no more."""
    found = await _memberships(asked, id_under(operation, "user_id"), id_under(operation, "project_id"))
    ended: list[Operation] = [Delete("ProjectMember", found)] if found else []
    return await _commit(asked, ended, "revoke_user_security_role_project")


async def _memberships(asked: Asked, user: bytes, project: bytes) -> list[bytes]:
    where = And(
        (
            Compare("is", Path(("user",)), Literal(show_id(user))),
            Compare("is", Path(("project",)), Literal(show_id(project))),
        )
    )
    reader = await asked.reader()
    return (await reader.page(Query("ProjectMember", (Selected(Path(("id",))),), where), 1000)).ids


PEOPLE = {
    "reset_remote": reset_remote,
    "send_user_invite": send_user_invite,
    "get_widget_url": get_widget_url,
    "encode_media": encode_media,
    "add_user_security_role": add_role,
    "remove_user_security_role": remove_role,
    "update_user_security_role": update_role,
    "grant_user_security_role_project": grant_project,
    "revoke_user_security_role_project": revoke_project,
}
