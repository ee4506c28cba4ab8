"""Changing the schema of a room, by a document or by a template."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from .. import schemas
from .base import Verbs

if TYPE_CHECKING:
    from ...model.schema_diff import SchemaPlan
    from ...model.schema_file import SchemaDocument
    from ...model.template import Template
    from ..production import Production

__all__ = ["SchemaVerbs"]


class SchemaVerbs(Verbs):
    """Schemas and templates."""

    def plan_schema(self, source: str | FilePath | SchemaDocument, *, allow_drop: bool = False) -> SchemaPlan:
        """What `apply_schema` would do, to types and to the entities there are.

        `source` is TOML text, the path of a TOML file, or a document. InvalidSchema for what is wrong in it.
        """
        session = self._open()
        plan = schemas.plan_of(session, schemas.document_of(source), allow_drop=allow_drop)
        return schemas.with_effects(session, plan)

    def apply_schema(
        self, source: str | FilePath | SchemaDocument, *, allow_drop: bool = False, notes: str | None = None
    ) -> SchemaPlan:
        """Make the database's types those of a document, in one commit; what was done. Again does nothing.

        What the document lacks stays, unless `allow_drop`. SchemaChangeRefused where existing entities contradict.
        """
        session = self._open()
        session._editor.allow()
        plan = schemas.plan_of(session, schemas.document_of(source), allow_drop=allow_drop)
        if not plan.empty:
            session._committer.send_operations(plan.operations, notes)
            session._learn_schema()
        return plan

    def plan_template(self, source: str | FilePath | Template) -> SchemaPlan:
        """What `apply_template` would do, to types and to the entities there are."""
        from ..templates import plan_with_effects, template

        return plan_with_effects(self._open(), template(source))

    def apply_template(self, source: str | FilePath | Template, *, notes: str | None = None) -> SchemaPlan:
        """Give the database what it lacks of a template, types and rows, in one commit; what was done. Again does nothing.

        `source` is the name of a template (`recordroom.templates()`) or the path of a file of your own. What is there
        stays as people have made it. InvalidSchema where a type of the same name is another thing.
        """
        from ..templates import applied, template

        session = self._open()
        session._editor.allow()
        return applied(session, template(source), notes)

    @property
    def production(self) -> Production:
        """For rooms with the template "production": statuses and types of projects, notes, timers."""
        from ..production import Production

        return Production(self._open())
