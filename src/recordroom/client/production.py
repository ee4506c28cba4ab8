"""What a session offers for rooms with the template "production", beyond entities: `session.production`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import InvalidValue, NoResult, NotUnique
from .editing import type_name
from .entity import Entity
from .inheriting import handed_down

if TYPE_CHECKING:
    from .session import Session

__all__ = ["Production"]

_SUBJECTS = {"Context": "context", "AssetVersion": "version", "User": "user", "List": "list", "Note": "in_reply_to"}


class Production:
    """Statuses and types of projects, moving, notes and timers, for one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # --- what a project allows -------------------------------------------------------------------

    def statuses(self, of: Entity, type: str | type[Entity], task_type: Entity | None = None) -> list[Entity]:
        """The statuses that entities of a type may have in a project or project schema, in their order.

        For tasks `task_type` may have a workflow of its own. NoResult where the schema says nothing about the type.
        """
        schema, name = self._schema(of), type_name(type)
        if name == "Task":
            return self._ask("Status where workflow_schemas is $flow", flow=self._workflow(schema, task_type))
        if name == "AssetVersion":
            return self._ask("Status where workflow_schemas is $flow", flow=_known(schema, "version_workflow"))
        of_type = self._schema_of(schema, name)
        return self._ask(
            "Status where id in (select task_status from SchemaStatus where schema is $schema)", schema=of_type
        )

    def types(self, of: Entity, type: str | type[Entity]) -> list[Entity]:
        """The types that entities of a type may have in a project or project schema, in their order.

        NoResult where the schema says nothing about the type.
        """
        schema, name = self._schema(of), type_name(type)
        if name == "Task":
            return self._ask("Type where task_type_schemas is $types", types=_known(schema, "task_type_schema"))
        of_type = self._schema_of(schema, name)
        return self._ask("Type where id in (select task_type from SchemaType where schema is $schema)", schema=of_type)

    def _schema(self, of: Entity) -> Entity:
        if of["entity_type"] == "Project":
            return _known(of, "project_schema")
        if of["entity_type"] != "ProjectSchema":
            raise InvalidValue(
                type=of["entity_type"], attribute="of", value=of, expected="a Project or a ProjectSchema"
            )
        return of

    def _workflow(self, schema: Entity, task_type: Entity | None) -> Entity:
        if task_type is not None:
            text = "ProjectSchemaOverride where project_schema is $schema and type is $type"
            override = self._session.query(text, schema=schema, type=task_type).first()
            if override is not None:
                return _known(override, "workflow_schema")
        return _known(schema, "task_workflow")

    def _schema_of(self, schema: Entity, name: str) -> Entity:
        found = self._session.query(
            "Schema where project_schema is $schema and type.type is $name", schema=schema, name=name
        ).first()
        if found is None:
            raise NoResult(f"The project schema {schema['name']!r} says nothing about {name}", type=name)
        return _entity(found)

    def _ask(self, text: str, **parameters: Any) -> list[Entity]:
        return self._session.query(f"{text} order by sort, name", **parameters).all()

    # --- moving ----------------------------------------------------------------------------------

    def move(self, context: Entity, parent: Entity) -> None:
        """Put a context below another. It is committed with the rest; the room sees to what hangs on it.

        Where the parent is of another project, all that is from then on.
        """
        context["parent"] = parent
        context["project"] = parent["project"]

    # --- values that are handed down -------------------------------------------------------------

    def value(self, entity: Entity, name: str) -> Any:
        """As `values`, of one entity."""
        return self.values([entity], name)[0]

    def values(self, entities: Iterable[Entity], name: str) -> list[Any]:
        """What contexts, assets and versions have for an attribute that hands its values down the tree.

        Of each its own value, or else that of the nearest above it that has one, or else the default of the
        hierarchical custom attribute. It takes a request for each level and type, whatever their number. What may not be
        seen hands nothing down.
        """
        found = handed_down(self._session, entities, name)
        if any(each is None for each in found):
            default = self._default_of(name)
            return [default if each is None else each for each in found]
        return found

    def _default_of(self, name: str) -> Any:
        text = "CustomAttributeConfiguration where is_hierarchical is true and (attribute is $name or key is $name)"
        configurations = self._session.query(f"{text} order by attribute", name=name).all()
        named = [each for each in configurations if (each["attribute"] or each["key"]) == name]
        return named[0]["default"] if named else None

    # --- notes -----------------------------------------------------------------------------------

    def create_note(
        self,
        about: Entity,
        content: str,
        author: Entity | None = None,
        *,
        recipients: Iterable[Entity] = (),
        labels: Iterable[Entity] = (),
    ) -> Entity:
        """A new note about a context, a version, a user or a list, or a reply to a note. It is committed with the rest.

        `recipients` are users and groups. Without `author`, the room says that it is whoever commits it.
        """
        note = self._session.create("Note", {"content": content, self._subject(about): about})
        if author is not None:
            note["author"] = author
        for each in recipients:
            which = "group" if each["entity_type"] == "Group" else "user"
            self._session.create("Recipient", {"note": note, which: each})
        for each in labels:
            self._session.create("NoteLabelLink", {"note": note, "label": each})
        return note

    def _subject(self, about: Entity) -> str:
        name = about["entity_type"]
        for above in self._session.schema.ancestors(name):
            if above in _SUBJECTS:
                return _SUBJECTS[above]
        raise InvalidValue(type="Note", attribute="about", value=about, expected=f"one of {', '.join(_SUBJECTS)}")

    # --- timers ----------------------------------------------------------------------------------

    def start_timer(
        self,
        user: Entity,
        context: Entity | None = None,
        *,
        name: str | None = None,
        comment: str | None = None,
        force: bool = False,
    ) -> Entity:
        """A timer for a user, from now on; commits. NotUnique where one runs, unless `force` stops that first."""
        if force:
            running = self._running(user)
            if running is not None:
                self._log(running)
        timer = self._session.create(
            "Timer", {"user": user, "context": context, "name": name, "comment": comment, "start": _now()}
        )
        try:
            self._session.commit()
        except NotUnique:
            self._session.delete(timer)
            raise
        return timer

    def stop_timer(self, user: Entity) -> Entity:
        """The Timelog that a user's timer becomes; commits. NoResult where none runs."""
        running = self._running(user)
        if running is None:
            raise NoResult(f"{user['name']} has no timer that runs", type="Timer")
        timelog = self._log(running)
        self._session.commit()
        return timelog

    def _running(self, user: Entity) -> Entity | None:
        found = self._session.query("Timer where user is $user", user=user).first()
        return None if found is None else _entity(found)

    def _log(self, timer: Entity) -> Entity:
        seconds = max((_now() - timer["start"]).total_seconds(), 0.0)
        copied = {key: timer[key] for key in ("user", "context", "start", "name", "comment")}
        timelog = self._session.create("Timelog", {**copied, "duration": seconds})
        self._session.delete(timer)
        return timelog


def _known(entity: Entity, name: str) -> Entity:
    found = entity[name]
    if found is None:
        raise NoResult(f"{entity!r} has no {name}", type=name)
    return _entity(found)


def _entity(found: Any) -> Entity:
    assert isinstance(found, Entity)
    return found


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
