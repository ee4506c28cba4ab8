"""What turns the schema of a room into that of a document: operations in an order in which each gives a valid schema.

A document is the whole truth about the types that it names, except that attributes which it does not name
stay unless `allow_drop`; so do types. The order of types and attributes does not matter. An attribute that
changes between having a column, links, a mapping and being computed is dropped and defined anew. One of a type that
extends another for the first time is that of a type above where it moves up (`evolve.moved_up`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import msgspec
from msgspec.structs import replace

from ..errors import InvalidSchema, UnknownName
from .evolve import evolve, moved_up
from .expression_names import names_in
from .operations import (
    ChangeAttribute,
    ChangeType,
    DefineAttribute,
    DefineType,
    DropAttribute,
    DropType,
    Operation,
    RenameAttribute,
    RenameType,
)
from .schema import Attribute, EntityType, Schema
from .schema_file import SchemaDocument
from .schema_lines import attribute_line, change_lines, type_change_lines
from .schema_rules import normal_form, problems, problems_together

__all__ = ["SchemaPlan", "diff"]


class SchemaPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Schema operations in an order in which they can be applied, and readable lines of what they do.

    `left_alone` names what the room has and the document has not, as "Type" or "Type.attribute".
    """

    operations: tuple[Operation, ...] = ()
    lines: tuple[str, ...] = ()
    left_alone: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """True where the room is what the document says."""
        return not self.operations


def diff(old: Schema, document: SchemaDocument, *, allow_drop: bool = False) -> SchemaPlan:
    """The plan that makes `old` what `document` says; InvalidSchema where the result would not be valid.

    What is in `old` only is dropped with `allow_drop`, otherwise left alone.
    """
    of_types = [*_type_renames(old, document)]
    renamed = _after(old, of_types)
    of_attributes = [*_attribute_renames(renamed, document)]
    renamed = _after(renamed, of_attributes)
    renames: list[RenameType | RenameAttribute] = [*of_types, *of_attributes]
    target, left_alone = _target(renamed, document, allow_drop)
    for problem in problems(target):
        raise document.located(problem)
    target = normal_form(target)
    _refuse_losses(renamed, target, document, allow_drop)
    lines = [_rename_line(each) for each in renames] + [*_move_lines(renamed, target), *_lines(renamed, target)]
    return SchemaPlan(
        operations=(*renames, *_operations(renamed, target)), lines=tuple(lines), left_alone=tuple(left_alone)
    )


def _after(schema: Schema, operations: Iterable[Operation]) -> Schema:
    for operation in operations:
        schema = evolve(schema, operation)
    return schema


# --- renames --------------------------------------------------------------------------------------


def _type_renames(old: Schema, document: SchemaDocument) -> Iterator[RenameType]:
    for was, name in _possible(document.renamed_types, set(old)):
        yield RenameType(name=was, to=name)


def _attribute_renames(schema: Schema, document: SchemaDocument) -> Iterator[RenameAttribute]:
    for type_name in schema:
        wanted = {new: was for (owner, new), was in document.renamed_attributes.items() if owner == type_name}
        names = {each.name for each in schema[type_name].attributes}
        for was, name in _possible(wanted, names):
            yield RenameAttribute(type=type_name, name=was, to=name)


def _possible(wanted: dict[str, str], names: set[str]) -> Iterator[tuple[str, str]]:
    """(old, new) of the renames that were not made yet, each before what takes the name that it frees."""
    ready = [new for new, old in wanted.items() if old in names and new not in names]
    for new in ready:
        freed = wanted[new]
        yield freed, new
        # A chain: what shall be called `freed` could not be so far.
        if wanted.get(freed) in names:
            ready.append(freed)


def _rename_line(operation: RenameType | RenameAttribute) -> str:
    if isinstance(operation, RenameType):
        return f"> type {operation.to} was {operation.name}"
    return f"> {operation.type}.{operation.to} was {operation.type}.{operation.name}"


# --- attributes that move up ----------------------------------------------------------------------


def _moves(old: Schema, target: Schema) -> dict[tuple[str, str], str]:
    """(type, attribute) of those that move up → the type that they move to."""
    return {
        (name, each): owner
        for name in old
        if name in target and not old[name].extends
        for each, owner in moved_up(old, target, target[name]).items()
    }


def _move_lines(old: Schema, target: Schema) -> Iterator[str]:
    for (name, attribute), owner in _moves(old, target).items():
        yield f"> {owner}.{attribute} was {name}.{attribute}"


# --- what it shall become -------------------------------------------------------------------------


def _target(old: Schema, document: SchemaDocument, allow_drop: bool) -> tuple[Schema, list[str]]:
    """The schema as it shall become, and what in it is only left alone."""
    wanted = document.schema
    types, left_alone = [], []
    for name, entity_type in old.items():
        if name not in wanted:
            if not allow_drop:
                types.append(entity_type)
                left_alone.append(name)
            continue
        described = {each.name for each in wanted[name].attributes}
        kept = () if allow_drop else tuple(each for each in entity_type.attributes if each.name not in described)
        left_alone += [f"{name}.{each.name}" for each in kept]
        settings = entity_type if name in document.partial and not allow_drop else wanted[name]
        types.append(replace(settings, name=name, attributes=(*wanted[name].attributes, *kept)))
    types += [entity_type for name, entity_type in wanted.items() if name not in old]
    return _without_moved(old, Schema(types, old.revision), wanted, left_alone)


def _without_moved(old: Schema, target: Schema, wanted: Schema, left_alone: list[str]) -> tuple[Schema, list[str]]:
    """`target` without the attributes that move up, unless the document has them in both places."""
    if any(each.extends and each.extends not in target for each in target.values()):
        return target, left_alone
    described = {(each.name, one.name) for each in wanted.values() for one in each.attributes}
    moved = {key for key in _moves(old, target) if key not in described}
    if not moved:
        return target, left_alone
    types = [
        replace(each, attributes=tuple(one for one in each.attributes if (each.name, one.name) not in moved))
        for each in target.values()
    ]
    return Schema(types, target.revision), [each for each in left_alone if tuple(each.split(".")) not in moved]


def _shape(attribute: Attribute) -> str:
    """What keeps its values: two attributes of one shape can become each other by conversion of values."""
    if attribute.computed is not None:
        return "computed"
    return attribute.kind if attribute.many else "column"


def _pairs(old: Schema, target: Schema) -> Iterator[tuple[str, Attribute, Attribute]]:
    """(type, attribute now, attribute as it shall become) for all that both have and that differ."""
    for name, entity_type in target.items():
        before = {each.name: each for each in old[name].attributes} if name in old else {}
        for attribute in entity_type.attributes:
            now = before.get(attribute.name)
            if now is not None and now != attribute:
                yield name, now, attribute


def _refuse_losses(old: Schema, target: Schema, document: SchemaDocument, allow_drop: bool) -> None:
    for name, now, attribute in _pairs(old, target):
        if allow_drop or _shape(now) in ("computed", _shape(attribute)):
            continue
        reason = (
            f"its values as {now.kind} would be lost when it becomes "
            f"{'computed' if attribute.computed is not None else attribute.kind}; allow drops, or give it another name"
        )
        where = f"{name}.{attribute.name}"
        raise document.located(
            InvalidSchema(where=where, reason=reason, type=name, attribute=attribute.name, unknown=False)
        )


def _lines(old: Schema, target: Schema) -> Iterator[str]:
    moved = {(above, one): old.attribute(name, one) for (name, one), above in _moves(old, target).items()}
    for name, entity_type in target.items():
        if name not in old:
            yield f"+ type {name}" + (f" extends {entity_type.extends}" if entity_type.extends else "")
        else:
            yield from type_change_lines(old[name], entity_type)
        before = {each.name: each for each in old[name].attributes} if name in old else {}
        for attribute in entity_type.attributes:
            now = moved.get((name, attribute.name), before.get(attribute.name))
            if now is None:
                yield f"+ {attribute_line(name, attribute)}"
            else:
                yield from change_lines(name, now, attribute)
    for name, entity_type in old.items():
        if name not in target:
            yield f"- type {name}"
            continue
        kept = _kept(old, target, name)
        yield from (f"- {attribute_line(name, each)}" for each in entity_type.attributes if each.name not in kept)


def _kept(old: Schema, target: Schema, name: str) -> set[str]:
    """The attributes of a type that it has afterwards too, those that move up included."""
    return {each.name for each in target[name].attributes} | {
        one for owner, one in _moves(old, target) if owner == name
    }


# --- operations -----------------------------------------------------------------------------------


def _operations(old: Schema, target: Schema) -> list[Operation]:
    """Operations from `old` to `target`, both valid and with names that mean the same."""
    pairs, moves = list(_pairs(old, target)), _moves(old, target)
    replaced = [(name, now.name) for name, now, attribute in pairs if _shape(now) != _shape(attribute)]
    done: list[Operation] = [
        *_freed(old, replaced),
        *_uncounted(old, replaced),
        *(DropAttribute(*each) for each in replaced),
    ]
    done += _sides_freed(old, target)
    schema = _after(old, done)
    pending: list[Operation] = [*_definitions(schema, target)]
    pending += [*_attribute_changes(schema, target), *_type_changes(schema, target), *_drops(old, target)]
    # What was taken out to make way for changes is put back when these are done.
    while pending := pending or [*_attribute_changes(schema, target), *_type_changes(schema, target)]:
        step = _next(schema, pending, moves)
        if step is None:
            raise InvalidSchema(
                where=_about(pending[0]), reason="no order of changes is valid at every step; apply it in parts"
            )
        pending = [*_without_done(pending, step)]
        done.append(step)
        schema = evolve(schema, step)
    return done


def _without_done(pending: Iterable[Operation], step: Operation) -> Iterator[Operation]:
    """What is left when a step was done; of a type that was defined bare, its attributes."""
    defined = step.definition.name if isinstance(step, DefineType) else ""
    for operation in pending:
        if operation == step:
            continue
        if isinstance(operation, DefineType) and operation.definition.name == defined:
            yield from (DefineAttribute(defined, each) for each in operation.definition.attributes)
        else:
            yield operation


def _about(operation: Operation) -> str:
    match operation:
        case DefineAttribute() | ChangeAttribute():
            return f"{operation.type}.{operation.attribute.name}"
        case DropAttribute():
            return f"{operation.type}.{operation.name}"
        case DefineType() | ChangeType():
            return operation.definition.name
    return str(getattr(operation, "name", ""))


def _attribute_changes(schema: Schema, target: Schema) -> Iterator[ChangeAttribute]:
    for name, now, new in _pairs(schema, target):
        if _shape(now) == _shape(new):
            yield ChangeAttribute(name, new)


def _bare(entity_type: EntityType) -> EntityType:
    return replace(entity_type, attributes=())


def _type_changes(schema: Schema, target: Schema) -> Iterator[ChangeType]:
    """Types above others first: an attribute moves up where what a type extends has all that it will have."""
    for name in sorted(target, key=lambda each: len(target.ancestors(each))):
        if name in schema and _bare(schema[name]) != _bare(target[name]):
            yield ChangeType(_bare(target[name]))


def _next(schema: Schema, pending: Sequence[Operation], moves: dict[tuple[str, str], str]) -> Operation | None:
    """The first of `pending` that gives a valid schema; else a step that makes way for one."""
    for operation in chain(pending, _ways(schema, pending)):
        try:
            if not problems_together(evolve(schema, operation)) and _moves_only(schema, operation, moves):
                return operation
        except (InvalidSchema, UnknownName):
            continue
    return None


def _moves_only(schema: Schema, operation: Operation, moves: dict[tuple[str, str], str]) -> bool:
    """Whether the attributes that move up with a change are all that shall, and no others."""
    if not isinstance(operation, ChangeType):
        return True
    new = operation.definition
    if schema[new.name].extends or not new.extends:
        return True
    return moved_up(schema, schema, new) == {one: above for (name, one), above in moves.items() if name == new.name}


def _ways(schema: Schema, pending: Sequence[Operation]) -> Iterator[Operation]:
    """Changes that make way for those in `pending`, which wait for each other or for a name; cheap ones first."""
    dropped = [each.name for each in pending if isinstance(each, DropType)]
    for operation in pending:
        if isinstance(operation, ChangeAttribute):
            now, new = schema.attribute(operation.type, operation.attribute.name), operation.attribute
            if now.reverse and (now.reverse, now.target) != (new.reverse, new.target):
                yield ChangeAttribute(operation.type, replace(now, reverse=""))
    for name in dropped:
        yield from (DropAttribute(name, each.name) for each in schema[name].attributes if each.target)
    for operation in pending:
        if isinstance(operation, ChangeType) and operation.definition.name in schema:
            way = _plain(operation.definition)
            if way != _bare(schema[way.name]):
                yield ChangeType(way)
    for operation in pending:
        if isinstance(operation, DefineType) and operation.definition.attributes:
            yield DefineType(_bare(_plain(operation.definition)))
    for name in (*dropped, *schema):
        if schema[name] != _plain(schema[name]):
            yield ChangeType(_bare(_plain(schema[name])))
    for name in dropped:
        yield from (DropAttribute(name, each.name) for each in schema[name].attributes)


def _plain(entity_type: EntityType) -> EntityType:
    """A type whose settings name none of its attributes."""
    return replace(entity_type, unique=(), display="", initials=())


def _sides_freed(old: Schema, target: Schema) -> Iterator[ChangeAttribute]:
    """Attributes that move up without the names of their other sides, which those above have by then."""
    for owner, name in _moves(old, target):
        attribute = old.attribute(owner, name)
        if attribute.reverse:
            yield ChangeAttribute(owner, replace(attribute, reverse=""))


def _freed(old: Schema, gone: Iterable[tuple[str, str]]) -> Iterator[ChangeType]:
    """Types without mention of attributes that will be gone, if only for a moment."""
    names: dict[str, set[str]] = {}
    for owner, name in gone:
        for below in old.subtypes(owner):
            names.setdefault(below, set()).add(name)
    for below, out in names.items():
        freed = _without(old[below], out)
        if freed != old[below]:
            yield ChangeType(_bare(freed))


def _uncounted(old: Schema, gone: Iterable[tuple[str, str]]) -> Iterator[ChangeAttribute]:
    """Attributes that count within others that will be gone, if only for a moment, without counting."""
    gone = set(gone)
    for owner, name in sorted(gone):
        for below in old.subtypes(owner):
            for each in old[below].attributes:
                if each.numbered == name and (below, each.name) not in gone:
                    yield ChangeAttribute(below, replace(each, numbered=""))


def _definitions(old: Schema, target: Schema) -> Iterator[Operation]:
    """New types, what they need first, then new attributes; those that are computed last."""
    known = set(old)
    later: dict[str, list[Attribute]] = {name: _new_attributes(old, target, name) for name in old if name in target}
    completed = []
    for entity_type in _needed_first(old, target):
        known.add(entity_type.name)
        now = tuple(each for each in entity_type.attributes if each.computed is None and each.target in (*known, ""))
        waiting = {each.name for each in entity_type.attributes} - {each.name for each in now}
        waiting |= {each.name for name in target.ancestors(entity_type.name)[1:] for each in later.get(name, ())}
        now = tuple(each for each in now if each.numbered not in waiting)
        later[entity_type.name] = [each for each in entity_type.attributes if each not in now]
        lineage = target.ancestors(entity_type.name)
        missing = {each.name for name in lineage for each in later.get(name, target[name].attributes)}
        first = _without(entity_type, missing)
        yield DefineType(replace(first, attributes=now))
        if first != entity_type:
            completed.append(ChangeType(_bare(entity_type)))
    defined = [DefineAttribute(name, each) for name, attributes in later.items() for each in attributes]
    yield from (each for each in defined if each.attribute.computed is None)
    yield from _computed_in_order([each for each in defined if each.attribute.computed is not None])
    yield from completed


def _new_attributes(old: Schema, target: Schema, name: str) -> list[Attribute]:
    there = {each.name for each in old[name].attributes}
    return [each for each in target[name].attributes if each.name not in there]


def _without(entity_type: EntityType, names: set[str]) -> EntityType:
    unique = tuple(each for each in entity_type.unique if not names.intersection(each))
    initials = tuple(each for each in entity_type.initials if each[0] not in names)
    display = "" if entity_type.display in names else entity_type.display
    return replace(entity_type, unique=unique, display=display, initials=initials)


def _needed_first(old: Schema, target: Schema) -> list[EntityType]:
    """New types: after what they extend, and after what they refer to as far as that goes."""
    known = set(old)
    waiting = [each for name, each in target.items() if name not in old]
    ordered = []
    while waiting:
        possible = [each for each in waiting if not each.extends or each.extends in known]
        chosen = next((each for each in possible if _targets(each) <= known), possible[0])
        waiting.remove(chosen)
        known.add(chosen.name)
        ordered.append(chosen)
    return ordered


def _targets(entity_type: EntityType) -> set[str]:
    """The other types that it refers to."""
    return {each.target for each in entity_type.attributes} - {"", entity_type.name}


def _computed_in_order(computed: list[DefineAttribute]) -> Iterator[DefineAttribute]:
    """Each after those that its expression names, as far as that goes."""
    waiting = list(computed)
    while waiting:
        names = {each.attribute.name for each in waiting}
        chosen = next((each for each in waiting if not names & names_in(each.attribute.computed or "")), waiting[0])
        waiting.remove(chosen)
        yield chosen


def _drops(old: Schema, target: Schema) -> Iterator[Operation]:
    """Attributes before types; types in reverse, for what refers to others often stands behind them."""
    for name, entity_type in old.items():
        if name in target:
            kept = _kept(old, target, name)
            yield from (DropAttribute(name, each.name) for each in entity_type.attributes if each.name not in kept)
    yield from (DropType(name) for name in reversed([*old]) if name not in target)
