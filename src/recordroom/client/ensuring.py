"""Finding entities by their values, and making sure that one is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import InvalidValue, MultipleResults
from ..model.kinds import Storage
from ..query.request import QueryRequest
from ..query.syntax import And, Compare, Condition, Literal, Parameter, Path, Query
from .entity import Entity
from .facts import TypeFacts
from .work import Batch, NewPage

if TYPE_CHECKING:
    from .session import Session

__all__ = ["ensure", "find"]


def find(session: Session, type_name: str, key: Mapping[str, Any]) -> Entity | None:
    """The one committed entity with these values, or None; MultipleResults where several fit."""
    facts = session._facts(type_name)
    raws = _raws(session, facts, key)
    request = QueryRequest(
        database=session.database,
        query=Query(type=facts.name, where=_condition(raws), limit=2),
        size=2,
        at=session._at,
        parameters={name: _given(facts, name, key[name], raw) for name, raw in raws.items() if raw is not None},
    )
    page = session.transport.query(request)
    with session._lock:
        found = session._identity.meet(page)
    if len(found) > 1:
        raise MultipleResults(type=facts.name)
    return found[0] if found else None


def _raws(session: Session, facts: TypeFacts, key: Mapping[str, Any]) -> dict[str, Any]:
    """The raw scalars of a key; InvalidValue where it cannot be one."""
    if not key:
        raise InvalidValue(type=facts.name, attribute="key", value=dict(key), expected="at least one attribute")
    raws = {}
    for name, value in key.items():
        attribute = session._attribute_of(facts, name)
        if attribute.many or attribute.multi or attribute.kind_of.storage is Storage.JSON:
            expected = "an attribute with one value that can be compared"
            raise InvalidValue(type=facts.name, attribute=name, value=value, expected=expected)
        raws[name] = session._editor.raw_of(facts, attribute, value)
    return raws


def _condition(raws: Mapping[str, Any]) -> Condition:
    conditions: tuple[Condition, ...] = tuple(
        Compare("is", Path((name,)), Literal(None) if raw is None else Parameter(name)) for name, raw in raws.items()
    )
    return conditions[0] if len(conditions) == 1 else And(conditions)


def _given(facts: TypeFacts, name: str, value: Any, raw: Any) -> Any:
    """A value as a query takes it: ids as bytes, dates and the like as text."""
    if isinstance(raw, bytes) or facts.attributes[name].kind_of.plain:
        return raw
    from ..query.expressions import value_of

    return getattr(value_of(value), "value", value)


def ensure(session: Session, type_name: str, data: Mapping[str, Any], keys: tuple[str, ...] | None) -> Entity:
    """The entity with these values: one that is recorded, one that is committed, or a new one."""
    facts = session._facts_having(session._facts(type_name), data)
    names = tuple(name for name in data if name not in facts.many) if keys is None else keys
    for name in names:
        if name not in data:
            session._attribute_of(facts, name)
            raise InvalidValue(
                type=facts.name, attribute=name, value=None, expected="a value, as it is one of the keys"
            )
    key = {name: data[name] for name in names}
    raws = _raws(session, facts, key)
    entity = _recorded(session, facts, raws) or find(session, type_name, key)
    if entity is None:
        return session.create(type_name, data)
    for name, value in data.items():
        if name not in raws:
            entity[name] = value
    return entity


def _recorded(session: Session, facts: TypeFacts, raws: Mapping[str, Any]) -> Entity | None:
    """A new entity of the type that has these values and is not committed yet."""
    names, values = tuple(raws), tuple(raws.values())
    with session._lock:
        for batch in session._work.batches():
            for page in batch.new:
                if session.schema.is_a(page.type, facts.name):
                    row = _index(page, names, facts, batch).get(values)
                    if row is not None and row not in page.gone:
                        return session._identity.at(page, row)
    return None


def _index(page: NewPage, names: tuple[str, ...], facts: TypeFacts, batch: Batch) -> dict[tuple[Any, ...], int]:
    """Values of attributes → row; what was added since last time is added, and all is read again after edits."""
    changes, seen, index = page.indexes.get(names, (page.changes, 0, {}))
    if changes != page.changes:
        seen, index = 0, {}
    rows = range(seen, len(page.ids))
    index.update(zip(_values(page, names, facts, batch, rows), rows, strict=True))
    page.indexes[names] = (page.changes, len(page.ids), index)
    return index


def _values(
    page: NewPage, names: tuple[str, ...], facts: TypeFacts, batch: Batch, rows: range
) -> Iterator[tuple[Any, ...]]:
    defaults = [facts.defaults.get(name) for name in names]
    edited = {entity._row: entity._edits or {} for entity in batch.modified if entity._page is page}
    for row in rows:
        edits = edited.get(row, {}) if page.bulk else page.entities[row]._edits or {}
        loaded = [
            page.columns[name][row] if name in page.columns else default
            for name, default in zip(names, defaults, strict=True)
        ]
        yield tuple(edits.get(name, raw) for name, raw in zip(names, loaded, strict=True))
