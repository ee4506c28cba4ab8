"""Actions as ftrack's API knows them, for scripts that make calls themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..schemas import VERSION
from .exception import ServerError
from .query import QueryResult

if TYPE_CHECKING:
    from .session import Session

__all__ = ["call", "server_information"]

Operation = Mapping[str, Any]


def server_information(session: Session) -> dict[str, Any]:
    """What the room says of itself, in the words that scripts look for."""
    scenario = session.native.query('Setting where name is "storage_scenario" and group is "STORAGE"').first()
    found: dict[str, Any] = {
        "version": VERSION,
        "is_timezone_support_enabled": True,
        "schema_hash": session.names.schema.hash,
        "storage_scenario": None,
    }
    if scenario is not None:
        import json

        found["storage_scenario"] = json.loads(scenario["value"] or "null")
    return found


def call(session: Session, data: Any) -> list[Any]:
    """The results of actions, in order. ServerError for an action that there is not."""
    operations = [data] if isinstance(data, Mapping) else list(data)
    found = []
    for each in operations:
        action = _ACTIONS.get(str(each.get("action")))
        if action is None:
            known = ", ".join(_ACTIONS)
            raise ServerError(f"There is no action {each.get('action')!r} here: this client does {known}.")
        found.append(action(session, each))
    return found


def _query(session: Session, operation: Operation) -> Any:
    rows = QueryResult(session, str(operation["expression"])).all()
    return {"action": "query", "data": rows, "metadata": {"next": {"offset": None}}}


def _create(session: Session, operation: Operation) -> Any:
    entity = session.create(str(operation["entity_type"]), _data(operation))
    session.commit()
    return {"action": "create", "data": entity}


def _update(session: Session, operation: Operation) -> Any:
    entity = _entity(session, operation)
    for name, value in _data(operation).items():
        if entity.get(name) != value:
            entity[name] = value
    session.commit()
    return {"action": "update", "data": entity}


def _delete(session: Session, operation: Operation) -> Any:
    session.delete(_entity(session, operation))
    session.commit()
    return {"action": "delete", "data": True}


def _data(operation: Operation) -> dict[str, Any]:
    return {name: value for name, value in operation.get("entity_data", {}).items() if name != "__entity_type__"}


def _entity(session: Session, operation: Operation) -> Any:
    found = session.get(str(operation["entity_type"]), operation["entity_key"])
    if found is None:
        what = f"{operation['entity_type']} {operation['entity_key']}"
        raise ServerError(f"Server reported error: EntityNotFoundError(There is no {what})")
    return found


def _user(session: Session, operation: Operation) -> Any:
    key = operation.get("entity_key", operation.get("user_id"))
    return None if key is None else session.get("User", key)


def _widget(session: Session, operation: Operation) -> Any:
    about = None
    if operation.get("entity_type") is not None:
        about = session.get(str(operation["entity_type"]), operation["entity_key"])
    return {"widget_url": session.get_widget_url(str(operation["name"]), about, operation.get("theme"))}


def _upload(session: Session, operation: Operation) -> Any:
    component, name, size = (operation[each] for each in ("component_id", "file_name", "file_size"))
    return session.get_upload_metadata(component, name, size, operation.get("checksum"))


def _encode(session: Session, operation: Operation) -> Any:
    component = _entity(session, {"entity_type": "FileComponent", "entity_key": operation["component_id"]})
    job = session.encode_media(component, operation.get("version_id"), operation.get("keep_original", "auto"))
    return {"action": "encode_media", "job_id": job["id"]}


def _invite(session: Session, operation: Operation) -> Any:
    session.send_user_invites([_user(session, operation)])
    return {"action": "send_user_invite", "data": True}


def _reset(session: Session, operation: Operation) -> Any:
    found = session.reset_remote(str(operation["reset_type"]), _user(session, operation))
    return {"action": "reset_remote", "data": found}


_ACTIONS: dict[str, Callable[[Session, Operation], Any]] = {
    "query": _query,
    "create": _create,
    "update": _update,
    "delete": _delete,
    "query_server_information": lambda session, operation: server_information(session),
    "query_schemas": lambda session, operation: session.types.schemas,
    "get_widget_url": _widget,
    "get_upload_metadata": _upload,
    "encode_media": _encode,
    "send_user_invite": _invite,
    "reset_remote": _reset,
}
