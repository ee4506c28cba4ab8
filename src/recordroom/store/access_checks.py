"""Checks of what a restricted actor writes, while operations are applied: what is known by then is enough for them.

For whoever may do everything they do nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..errors import PermissionDenied
from ..model.operations import Clash, Create, Update
from .access_writes import Question, denied
from .attempt import Segment, Written
from .faults import Fault
from .layout import Layout
from .plans import FetchKeys, Plan, Row

__all__ = [
    "blind",
    "may_change",
    "may_change_entries",
    "may_create",
    "may_publish",
    "note_unseen_references",
    "seen_rows",
    "visible_clashes",
]


def may_change(
    segment: Segment, verb: str, type_name: str, ids: Sequence[bytes], attributes: tuple[str, ...] = ()
) -> None:
    """Faults for entities that the actor may not change so; those that this commit creates are judged at its end."""
    guard = segment.guard
    if guard is None:
        return
    question = Question(verb, type_name, attributes)
    old = [each for each in ids if each not in segment.created]
    held = guard.held(question, old)
    segment.faults.add(Fault(type_name, each, denied(question, each)) for each in old if each not in held)
    if verb == "update":
        guard.note(type_name, ids, attributes)


def may_change_entries(
    segment: Segment, type_name: str, ids: Sequence[bytes], attributes: tuple[str, ...]
) -> Plan[None]:
    """As `may_change`, for links and mapping entries of entities of which some may not be there, or not be seen."""
    guard = segment.guard
    if guard is None:
        return
    unseen = segment.unseen(type_name, ids)
    seen = [each for each in dict.fromkeys(ids) if each not in unseen]
    held = guard.held(Question("update", type_name, attributes), [each for each in seen if each not in segment.created])
    refused = {each for each in seen if each not in held and each not in segment.created}
    if refused:
        # Where everything may be seen, nobody has asked yet what is there.
        layout = segment.layout(type_name)
        rows = yield FetchKeys(layout.table, "id", list(refused), ("id",), layout.storage_of(["id", "id"]))
        refused = {row[0] for row in rows}
    may_change(segment, "update", type_name, [each for each in seen if each in refused or each in held], attributes)
    guard.note(type_name, [each for each in seen if each in segment.created], attributes)


def may_create(segment: Segment, block: Create) -> None:
    """A fault for each new entity of a type of which the actor may create none; the rest is judged at the end."""
    guard = segment.guard
    if guard is None:
        return
    question = Question("create", block.type)
    if guard.never("create", block.type):
        segment.faults.add(Fault(block.type, each, denied(question, each)) for each in block.ids)
    given = segment.schema.attributes(block.type)
    names = (
        name
        for name, values in block.columns.items()
        if given[name].default is not None or values.count(None) != len(values)
    )
    guard.note(block.type, block.ids, tuple(sorted(names)))


def may_publish(segment: Segment) -> None:
    """PermissionDenied for a token that is for reading only, and for users without any rule: guests."""
    writer = segment.mode.writer
    if writer is not None and writer.actor.scopes and {"write", "admin"}.isdisjoint(writer.actor.scopes):
        raise PermissionDenied(what="publishing events with a token for reading")
    if writer is not None and writer.access is not None and writer.access.is_guest:
        raise PermissionDenied(what="publishing events without any rule that allows something")


def note_unseen_references(segment: Segment, layout: Layout, block: Update) -> None:
    """What the actor does not see cannot be named, not even where it is the value already."""
    if segment.guard is None:
        return
    for attribute in layout.references:
        values = block.columns.get(attribute.name)
        if values is not None:
            unseen = segment.unseen(attribute.target, {each for each in values if each is not None})
            pairs = [pair for pair in zip(block.ids, values, strict=True) if pair[1] in unseen]
            if pairs:
                owners, named = (list(each) for each in zip(*pairs, strict=True))
                segment.written.append(Written(layout.type, attribute.name, attribute.target, owners, named))


def blind(segment: Segment, type_name: str, ids: Sequence[bytes], names: Sequence[str]) -> set[bytes]:
    """Those of `ids` of which the actor does not see one of these attributes: nothing may tell what it is."""
    guard = segment.guard
    if guard is None:
        return set()
    old = [each for each in ids if each not in segment.created]
    found: set[bytes] = set()
    for name in names:
        if guard.masks(type_name, name):
            found.update(set(old) - guard.held(Question("read", type_name, (name,)), old))
    return found


def seen_rows(segment: Segment, layout: Layout, rows: list[Row]) -> list[Row]:
    """The rows (that start with an id) of entities that the actor sees; asked when the segment is done."""
    guard = segment.guard
    if guard is None:
        return rows
    old = [row[0] for row in rows if row[0] not in segment.created]
    seen = guard.held_later(Question("read", layout.type), old)
    return [row for row in rows if row[0] in seen or row[0] in segment.created]


def visible_clashes(segment: Segment, every: list[list[Clash]], *, whole: bool) -> list[list[Clash]]:
    """The clashes of some entities with what the actor may see of them.

    Whoever writes an attribute without seeing it clashes with nobody. What a value was when it was read is shown
    to those only who may always see it: for others it depends on how the entity was then. `whole`: any change of
    the entity matters, so that it was changed is said where it may not be said in what.
    """
    hidden = _hidden(segment, [clash for clashes in every for clash in clashes])
    found = []
    for clashes in every:
        shown = [
            _visible_clash(segment, each, hidden)
            for each in clashes
            if each.entity not in hidden.get((each.type, each.attribute), ())
        ]
        if not shown and whole:
            first = clashes[0]
            shown = [Clash(type=first.type, entity=first.entity, attribute="revision", theirs=first.revision)]
        found.append(shown)
    return found


def _hidden(segment: Segment, clashes: list[Clash]) -> dict[tuple[str, str], set[bytes]]:
    """Entities whose attribute (by type and name) the actor does not see; and ("", type): the named ones unseen."""
    guard = segment.guard
    if guard is None:
        return {}
    attributes: dict[tuple[str, str], set[bytes]] = {}
    targets: dict[str, set[bytes]] = {}
    for clash in clashes:
        attributes.setdefault((clash.type, clash.attribute), set()).add(clash.entity)
        attribute = segment.schema.attribute(clash.type, clash.attribute)
        if attribute.kind == "reference":
            values = {each for each in (clash.base, clash.mine, clash.theirs) if each is not None}
            targets.setdefault(attribute.target, set()).update(values)
    masked = [key for key in attributes if guard.masks(*key)]
    for type_name, name in masked:
        guard.want(Question("read", type_name, (name,)), attributes[type_name, name])
    for target, ids in targets.items():
        guard.want(Question("read", target), ids)
    guard.check_answered()
    found = {key: blind(segment, key[0], list(attributes[key]), [key[1]]) for key in masked}
    found.update((("", target), segment.unseen(target, ids)) for target, ids in targets.items())
    return found


def _visible_clash(segment: Segment, clash: Clash, hidden: dict[tuple[str, str], set[bytes]]) -> Clash:
    guard = segment.guard
    always = guard is None or guard.always(Question("read", clash.type, (clash.attribute,)))
    base = clash.base if always else None
    mine = clash.mine if clash.mine != clash.base else base
    attribute = segment.schema.attribute(clash.type, clash.attribute)
    unseen = hidden.get(("", attribute.target), set()) if attribute.kind == "reference" else set()
    base, theirs = (
        (None if each in unseen else each for each in (base, clash.theirs)) if unseen else (base, clash.theirs)
    )
    return msgspec.structs.replace(clash, base=base, mine=mine, theirs=theirs)
