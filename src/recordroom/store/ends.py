"""What is judged at the end of a commit: references, required values, circles of new entities.

Each is found from the columns that were written, by sets, in one statement per table that is referred to.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import CreateCycle, Error, InvalidReference, MissingValue, NotFound
from ..model.ids import show_id
from ..query.initial import reads
from .access_judging import judge_end
from .attempt import Segment, Written
from .deletes import cascade, clear_references
from .faults import Fault
from .giving import give_values
from .layout import layout_of, roots
from .plans import FetchKeys, Plan
from .regiving import give_anew, gives_anew
from .telling import tell_given
from .unique import settle_unique

__all__ = ["dependents", "judge"]


def judge(segment: Segment) -> Plan[None]:
    """Judge everything that a segment left to be judged; raises, or leaves faults."""
    segment.faults.settle()
    _judge_circles(segment)
    if segment.deleted and gives_anew(segment):
        # What moves away from what is deleted is not taken along.
        yield from _give(segment)
        yield from cascade(segment)
    else:
        yield from cascade(segment)
        yield from _give(segment)
    yield from _judge_values(segment)
    done = len(segment.operations)
    yield from clear_references(segment)
    segment.faults.settle()
    if segment.deleted and (cleared := len(segment.operations)) > done:
        yield from give_anew(segment, done)
        if len(segment.operations) > cleared:
            yield from _judge_values(segment)
    yield from settle_unique(segment)
    segment.faults.settle()
    yield from judge_end(segment)
    segment.faults.settle()
    yield from segment.store_counters()
    if segment.new:
        yield from tell_given(segment)


def _give(segment: Segment) -> Plan[None]:
    if segment.new:
        segment.faults.settle()
        yield from give_values(segment)
    yield from give_anew(segment)


def _judge_values(segment: Segment) -> Plan[None]:
    yield from _judge_references(segment)
    _judge_required(segment)
    segment.faults.settle()


# --- required -------------------------------------------------------------------------------------


def _judge_required(segment: Segment) -> None:
    for (owner, name), entities in segment.missing.items():
        left = [entity for entity in entities if entity not in segment.deleted]
        if not left:
            continue
        shown = [show_id(entity) for entity in left]

        def whole(owner: str = owner, name: str = name, shown: list[str] = shown) -> Error:
            return MissingValue(type=owner, attribute=name, entities=shown, count=len(shown))

        faults = (
            [
                Fault(
                    segment.created.get(entity, owner),
                    entity,
                    MissingValue(type=owner, attribute=name, entities=[text], count=1),
                )
                for entity, text in zip(left, shown, strict=True)
            ]
            if segment.faults.collect
            else [Fault(owner, left[0], whole())]
        )
        segment.faults.add_together(faults, whole)


# --- references -----------------------------------------------------------------------------------


def _judge_references(segment: Segment) -> Plan[None]:
    """Every id written as a reference names an entity of the right type."""
    schema = segment.schema
    wanted: dict[str, set[bytes]] = {}
    distinct = []
    for written in segment.written:
        ids = {each for each in written.ids if each is not None}
        distinct.append(ids)
        wanted.setdefault(schema.root(written.target), set()).update(ids)
    types: dict[str, dict[bytes, str]] = {}
    for root, ids in wanted.items():
        types[root] = yield from _types_of(segment, root, ids - segment.created.keys())
    for written, named in zip(segment.written, distinct, strict=True):
        found = types[schema.root(written.target)]
        fitting = set(schema.subtypes(written.target))
        wrong = {each for each in named if (found.get(each) or segment.created.get(each, "")) not in fitting}
        if not written.given:
            wrong |= segment.unseen(written.target, named)
        if wrong:
            elsewhere = yield from _elsewhere(segment, wrong)
            segment.faults.add(_wrong_references(segment, written, wrong, elsewhere))


def _types_of(segment: Segment, root: str, ids: set[bytes]) -> Plan[dict[bytes, str]]:
    """The type of each of `ids` that the hierarchy of `root` has."""
    if not ids:
        return {}
    layout = layout_of(segment.catalog, root)
    columns = ("id", "entity_type") if layout.typed else ("id",)
    rows = yield FetchKeys(layout.table, "id", list(ids), columns, layout.storage_of(["id", *columns]))
    return dict(rows) if layout.typed else dict.fromkeys((row[0] for row in rows), root)


def _elsewhere(segment: Segment, ids: set[bytes]) -> Plan[dict[bytes, str]]:
    """Which types wrongly given ids do have, anywhere in the database."""
    found = {each: segment.created[each] for each in ids & segment.created.keys()}
    for root in roots(segment.schema):
        there = yield from _types_of(segment, root, ids - found.keys())
        unseen = segment.unseen(root, there)
        found.update((each, name) for each, name in there.items() if each not in unseen)
    return found


def _wrong_references(
    segment: Segment, written: Written, wrong: set[bytes], elsewhere: dict[bytes, str]
) -> Iterator[Fault]:
    for owner, each in zip(written.owners, written.ids, strict=True):
        if each is None or each not in wrong or owner in segment.deleted:
            continue
        kind = segment.created.get(owner, written.type)
        if not written.attribute:
            yield Fault(kind, owner, NotFound(type=written.type, entity=show_id(owner)))
            continue
        error = _invalid_reference(written, owner, each, elsewhere.get(each))
        if written.given and not _was_said(segment, written, owner):
            error = InvalidReference(_of_given(segment, kind, written.attribute, error), **error.facts)
        yield Fault(kind, owner, error)


def _was_said(segment: Segment, written: Written, owner: bytes) -> bool:
    return any(
        not each.given and each.attribute == written.attribute and owner in each.owners for each in segment.written
    )


def _of_given(segment: Segment, kind: str, name: str, error: InvalidReference) -> str:
    """What is wrong where the room found a value that cannot be: something is missing that it is made of."""
    [initial] = [each for each in segment.layout(kind).initials if each.attribute.name == name]
    made_of = [] if initial.value is None else sorted({way[0] for way, _ in reads(initial.value) if way})
    found = f"a {error.facts['found']}" if "found" in error.facts else error.value
    return f"{kind}.{name} has no value: set {' or '.join([*made_of, name])}. By itself it would be {found}, not a {error.target}."


def _invalid_reference(written: Written, owner: bytes, value: bytes, found: str | None) -> InvalidReference:
    facts = {
        "type": written.type,
        "attribute": written.attribute,
        "entity": show_id(owner),
        "target": written.target,
        "value": show_id(value),
    }
    if found is None:
        return InvalidReference(**facts)
    return InvalidReference(
        f"{written.type}.{written.attribute}: {show_id(value)} is a {found}, not a {written.target}.",
        **facts,
        found=found,
    )


def dependents(segment: Segment, gone: set[bytes]) -> list[Fault]:
    """Faults of those that refer, directly or through others, to new entities that are left out."""
    referring: dict[bytes, list[tuple[Written, bytes]]] = {}
    for written in segment.written:
        if not written.attribute:
            continue
        for owner, each in zip(written.owners, written.ids, strict=True):
            if each is not None and (each in segment.created or each in gone):
                referring.setdefault(each, []).append((written, owner))
    found: dict[bytes, Fault] = {}
    waiting = [each for each in gone if each in segment.created]
    while waiting:
        each = waiting.pop()
        for written, owner in referring.get(each, ()):
            if owner in gone or owner in found:
                continue
            kind = segment.created.get(owner, written.type)
            found[owner] = Fault(kind, owner, _invalid_reference(written, owner, each, None))
            if owner in segment.created:
                waiting.append(owner)
    return list(found.values())


# --- circles --------------------------------------------------------------------------------------


def _judge_circles(segment: Segment) -> None:
    """CreateCycle where new entities refer to each other in a circle, as they are created.

    An update behind them may close one: what is created still has an order in which parents come first.
    """
    created = segment.created
    if not created or not any(_may_circle(segment, written) for written in segment.written):
        return
    edges: dict[bytes, dict[str, bytes]] = {}
    for written in segment.written:
        if not _counts(segment, written):
            continue
        for owner, each in zip(written.owners, written.ids, strict=True):
            if owner in created:
                # The last value counts.
                edges.setdefault(owner, {}).pop(written.attribute, None)
                if each in created and written.known is not None:
                    edges[owner][written.attribute] = each
    segment.faults.add(
        Fault(created[each], each, error)
        for circle in _circles({owner: list(by_name.values()) for owner, by_name in edges.items()})
        for error in [_create_cycle(segment, circle)]
        for each in circle
    )


def _create_cycle(segment: Segment, circle: list[bytes]) -> CreateCycle:
    ids = [show_id(each) for each in circle]
    names = [f"{segment.created[each]} {shown}" for each, shown in zip(circle, ids, strict=True)]
    return CreateCycle(path=" → ".join([*names, names[0]]), entities=ids)


def _counts(segment: Segment, written: Written) -> bool:
    """Whether it is references whose circles matter: what the room gives may be the entity itself, and comes back so."""
    name = written.attribute
    if not name or segment.schema.attribute(written.type, name).many:
        return False
    return name not in segment.layout(written.type).given


def _may_circle(segment: Segment, written: Written) -> bool:
    """Whether references go to entities created by the same or a later operation; others cannot close a circle."""
    if written.known is None or not _counts(segment, written):
        return False
    return len(segment.created.keys() & set(written.ids)) != written.known


def _circles(edges: dict[bytes, list[bytes]]) -> Iterator[list[bytes]]:
    """Circles that have no entity in common, each in order. Iterative: chains may be a million long."""
    done: set[bytes] = set()
    for start, firsts in edges.items():
        path: dict[bytes, None] = {start: None}
        stack = [] if start in done else [iter(firsts)]
        while stack:
            following = next(stack[-1], None)
            if following is None:
                stack.pop()
                done.add(path.popitem()[0])
            elif following in path:
                members = list(path)
                yield members[members.index(following) :]
                done.update(path)
                stack.clear()
            elif following not in done:
                path[following] = None
                stack.append(iter(edges.get(following, ())))
