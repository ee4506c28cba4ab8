"""Whether the expressions of computed attributes make sense in a schema: the query language reads them."""

from __future__ import annotations

from ..errors import InvalidQuery, InvalidSchema, UnknownName
from ..model.schema import Schema
from ..query.resolve import resolve
from ..query.syntax import Path, Query, Selected

__all__ = ["check_computed"]


def check_computed(schema: Schema) -> None:
    """InvalidSchema for the first expression that cannot be evaluated; judged when every type is as it will be."""
    for entity_type in schema.values():
        for attribute in entity_type.attributes:
            if attribute.computed is None:
                continue
            selected = Selected(Path((attribute.name,)))
            try:
                resolve(schema, Query(entity_type.name, (selected,)))
            except (InvalidQuery, UnknownName) as error:
                where = f"{entity_type.name}.{attribute.name}"
                raise InvalidSchema(
                    where=where, reason=f"computed: {error}", type=entity_type.name, attribute=attribute.name
                ) from error
