"""Whether the expressions of computed and initial attributes make sense in a schema: the query language reads them."""

from __future__ import annotations

from ..errors import InvalidQuery, InvalidSchema, UnknownName
from ..model.schema import Schema
from ..query.initial import Initial, initial_of, initials_of, is_of_the_commit, reads
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
    for name in schema:
        _check_initials(schema, name)


def _check_initials(schema: Schema, name: str) -> None:
    for attribute in schema.initials(name):
        try:
            _check_follows(initial_of(schema, name, attribute))
        except (InvalidQuery, UnknownName) as error:
            raise _wrong_initial(schema, name, attribute, error) from error
    try:
        initials_of(schema, name)
    except InvalidQuery as error:
        raise InvalidSchema(where=name, reason=f"initial: {error}", type=name, attribute="") from error


def _check_follows(initial: Initial) -> None:
    if not initial.attribute.follows or initial.value is None:
        return
    if is_of_the_commit(initial):
        raise InvalidQuery(reason="what follows is made of the entity and of what it refers to, not of the commit")
    if any(len(way) > 1 for way, _ in reads(initial.value)):
        raise InvalidQuery(reason="what follows is made of what the entity itself refers to, nothing behind that")


def _wrong_initial(schema: Schema, name: str, attribute: str, error: Exception) -> InvalidSchema:
    """The error, at the type whose expression it is."""
    for owner in schema.ancestors(name):
        if any(each == attribute for each, _ in schema[owner].initials):
            reason = f"initials: {attribute}: {error}"
            return InvalidSchema(where=owner, reason=reason, type=owner, attribute="")
        if any(each.name == attribute for each in schema[owner].attributes):
            break
    where = f"{owner}.{attribute}"
    return InvalidSchema(where=where, reason=f"initial: {error}", type=owner, attribute=attribute)
