"""Project schemas: which statuses and types a project has."""

from __future__ import annotations

from typing import Any

from .....client.entity import Entity as Native
from .....errors import Error as NativeError
from .base import Entity

__all__ = ["ProjectSchema"]


class ProjectSchema(Entity):
    """What contexts of a project may be."""

    def get_statuses(self, schema: str, type_id: str | None = None) -> list[Any]:
        """The statuses that entities of a type may have; ValueError where it has none.

        `type_id` is of the type of a task, which may have a workflow of its own.
        """
        session = self.session
        of_type = None if type_id is None else session.native.get("Type", type_id)
        production = session.native.production
        return self._found(schema, lambda native: production.statuses(self._native, native, of_type), "statuses")

    def get_types(self, schema: str) -> list[Any]:
        """The types that entities of a type may have; ValueError where it has none."""
        production = self.session.native.production
        return self._found(schema, lambda native: production.types(self._native, native), "types")

    def _found(self, schema: str, ask: Any, what: str) -> list[Any]:
        if schema not in self.session.types:
            raise ValueError(f"Schema {schema} does not exist.")
        try:
            found: list[Native] = ask(self.session.names[schema].native)
        except (NativeError, IndexError) as error:
            raise ValueError(f"Schema {schema} does not have {what}.") from error
        return self.session.wrap_all(found)
