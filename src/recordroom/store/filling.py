"""What entities that are there get when an attribute with `initial` or `numbered` is new to them.

It is an update like any other, in the commit that changed the schema and under its revision, so that the journal tells
of it. What follows from the moment of a commit or from who makes it says nothing about what is there already.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.operations import Update
from ..model.schema import Schema
from ..query.initial import Initial, is_of_the_commit
from .apply import update
from .attempt import New, Segment
from .giving import found_values
from .layout import Layout
from .plans import Fetch, Plan
from .schema_checks import AttributePair, check_present, of_type
from .sqltext import quoted

__all__ = ["fill"]


def fill(segment: Segment, before: Schema) -> Plan[None]:
    """Give to what is there what the schema of `segment` gives, and that of `before` did not have."""
    news: list[New] = []
    fresh: dict[str, list[str]] = {}
    for name in segment.schema:
        layout = segment.layout(name)
        names = [each.attribute.name for each in _fresh(layout, before)]
        if names:
            ids = yield from _ids(layout)
            if ids:
                fresh[name] = names
                news.append(New(layout, ids, 0))
    if not news:
        return
    values = yield from found_values(segment, news)
    for new in news:
        of_the_commit = {each.attribute.name for each in new.layout.initials if is_of_the_commit(each)}
        for name in fresh[new.layout.type]:
            found = values(new.layout, name)
            given = {each: value for each, value in found.items() if value is not None and name not in of_the_commit}
            if given:
                block = Update(new.layout.type, [*given], {name: [*given.values()]})
                yield from update(segment, block)
    yield from _check_required(segment, [(new.layout, name) for new in news for name in fresh[new.layout.type]])


def _check_required(segment: Segment, given: list[tuple[Layout, str]]) -> Plan[None]:
    """Whether what is required was found for everything that is there."""
    required = {
        (segment.schema.owner(layout.type, name), name): layout.attributes[name]
        for layout, name in given
        if layout.attributes[name].required
    }
    for (owner, _), attribute in required.items():
        yield from check_present(segment.catalog, AttributePair(owner, attribute, owner, None))


def _fresh(layout: Layout, before: Schema) -> Iterator[Initial]:
    """What the room finds for entities of a type that was there and did not have the attribute."""
    if layout.type not in before or not layout.given:
        return
    had = before.attributes(layout.type)
    for initial in layout.initials:
        if initial.attribute.name not in had:
            yield initial


def _ids(layout: Layout) -> Plan[list[bytes]]:
    """The entities of exactly this type, in the order in which they came."""
    condition = f" WHERE {of_type(layout.type)}" if layout.typed else ""
    rows = yield Fetch(
        f"SELECT id FROM {quoted(layout.table)}{condition} ORDER BY number", (), layout.storage_of(["id"])
    )
    return [row[0] for row in rows]
