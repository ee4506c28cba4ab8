"""Templates: a schema together with entities that every room with it has, as TOML files that include others.

    includes = ["core"]                          # what it builds on, each once, first things first
    label = "Production"

    [Status.attributes]                          # types as in any schema (`schema_file`)
    name = { kind = "text", unique = true }

    [rows]
    Status = [{ name = "Done", color = "#1ca84c" }, { name = { each = ["Ready", "Omitted"] } }]

A type that several files describe has the attributes of all of them. An attribute that a file gives a type, and a later
file an ancestor of it, is the ancestor's. `template_plan` says what a room lacks of a template, `template_rows` reads rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from ..errors import InvalidSchema
from .schema import Attribute, EntityType, Schema, close_names
from .schema_file import SchemaDocument, parse_toml, read_document
from .schema_rules import problems

__all__ = ["Row", "Source", "Template", "load_template", "wrong_template"]

_OWN_KEYS = ("includes", "label", "description", "rows")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The text of one file, and what it is called in messages."""

    name: str
    text: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An entity that a template has: values as they stand in the file, where that is, and which types the file brings."""

    type: str
    values: dict[str, Any]
    place: str
    brings: frozenset[str] = frozenset()


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """A template with everything that it includes, in the order in which files were read."""

    name: str
    label: str = ""
    description: str = ""
    includes: tuple[str, ...] = ()
    documents: tuple[SchemaDocument, ...] = ()
    types: tuple[EntityType, ...] = ()
    rows: tuple[Row, ...] = ()

    @property
    def schema(self) -> Schema:
        """The types, of all files together."""
        return Schema(self.types)

    def located(self, problem: InvalidSchema) -> InvalidSchema:
        """`problem` with file and line, where it is about something that stands in one of the files."""
        about = (problem.facts.get("type", ""), problem.facts.get("attribute", ""))
        for key in (about, (about[0], "")):
            for document in reversed(self.documents):
                if key in document.lines:
                    return document.located(problem)
        return problem


class _File(msgspec.Struct, kw_only=True):
    name: str
    label: str
    description: str
    includes: tuple[str, ...]
    document: SchemaDocument
    rows: list[Row]


def wrong_template(where: str, reason: str, **facts: Any) -> InvalidSchema:
    """The error for what is wrong in a template."""
    return InvalidSchema(f"The template is not valid: {where}: {reason}", where=where, reason=reason, **facts)


def load_template(name: str, find: Callable[[str, str], Source]) -> Template:
    """The template `name`; InvalidSchema with the place of what is wrong.

    `find` gives the file of a template by its name and by the name of the file that includes it ("" for the first).
    """
    files: dict[str, _File] = {}
    _collect(name, "", find, files, [])
    last = files[name]
    template = Template(
        name=last.name,
        label=last.label,
        description=last.description,
        includes=last.includes,
        documents=tuple(each.document for each in files.values()),
        types=tuple(_inherited(_merged([each.document for each in files.values()]))),
        rows=tuple(_brought(files.values())),
    )
    for problem in problems(template.schema):
        # What one file does not know another may, or the room.
        if not problem.facts.get("unknown"):
            raise template.located(problem)
    return template


def _brought(files: Iterable[_File]) -> Iterator[Row]:
    """The rows of all files, with the types that are in no file before."""
    known: set[str] = set()
    for each in files:
        types = {one.name for one in each.document.types}
        yield from (replace(row, brings=frozenset(types - known)) for row in each.rows)
        known |= types


# --- files ----------------------------------------------------------------------------------------


def _collect(
    name: str, includer: str, find: Callable[[str, str], Source], files: dict[str, _File], way: list[str]
) -> None:
    if name in way:
        raise wrong_template(includer, f"includes: {' → '.join([*way[way.index(name) :], name])} is a circle")
    if name in files:
        return
    source = find(name, includer)
    read = _read(source)
    for each in read.includes:
        _collect(each, source.name, find, files, [*way, name])
    files[name] = read


def _read(source: Source) -> _File:
    data = parse_toml(source.text, source.name)
    own = {key: data.pop(key) for key in _OWN_KEYS if key in data}
    includes = own.get("includes", [])
    if not isinstance(includes, list) or not all(isinstance(each, str) and each for each in includes):
        raise wrong_template(source.name, f"includes: expected a list of names of templates, got {includes!r}")
    for key in ("label", "description"):
        if not isinstance(own.get(key, ""), str):
            raise wrong_template(source.name, f"{key}: expected a text, got {own[key]!r}")
    return _File(
        name=source.name,
        label=own.get("label", ""),
        description=own.get("description", ""),
        includes=tuple(includes),
        document=read_document(data, source.text, source.name),
        rows=list(_rows(own.get("rows", {}), source.name)),
    )


def _rows(tables: Any, where: str) -> Iterator[Row]:
    if not isinstance(tables, dict):
        raise wrong_template(where, f"rows: expected a table of lists, [rows], got {tables!r}")
    for type_name, rows in tables.items():
        if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
            raise wrong_template(where, f"rows.{type_name}: expected a list of tables, [[rows.{type_name}]]")
        for number, values in enumerate(rows, 1):
            place = f"{where}, row {number} of {type_name}"
            yield from (Row(type=type_name, values=each, place=place) for each in _expanded(values))


def _expanded(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows that one table stands for: one for each value in `{ each = [ … ] }`."""
    lists = {
        name: given["each"]
        for name, given in values.items()
        if isinstance(given, dict) and given.keys() == {"each"} and isinstance(given["each"], list)
    }
    for chosen in itertools.product(*lists.values()):
        yield values | dict(zip(lists, chosen, strict=True))


# --- types of several files -----------------------------------------------------------------------


def _merged(documents: list[SchemaDocument]) -> dict[str, EntityType]:
    types: dict[str, EntityType] = {}
    for document in documents:
        for each in document.types:
            known = types.get(each.name)
            try:
                types[each.name] = each if known is None else _joined(known, each, each.name in document.partial)
            except InvalidSchema as problem:
                raise document.located(problem) from None
    return types


def _joined(known: EntityType, more: EntityType, partial: bool) -> EntityType:
    """A type as two files describe it: the later one has the last word about settings, but for what it leaves out."""
    attributes = {each.name: each for each in known.attributes}
    for each in more.attributes:
        if each.name in attributes:
            check_same(known.name, attributes[each.name], each, "another template has it as")
        attributes[each.name] = each
    if partial:
        return replace(known, attributes=tuple(attributes.values()))
    unset = EntityType(name=known.name)
    settings = {
        name: getattr(known if getattr(more, name) == getattr(unset, name) else more, name)
        for name in EntityType.__struct_fields__
        if name not in ("name", "attributes", "unique", "initials")
    }
    initials = tuple((dict(known.initials) | dict(more.initials)).items())
    unique = (*known.unique, *(each for each in more.unique if each not in known.unique))
    return EntityType(
        name=known.name, attributes=tuple(attributes.values()), unique=unique, initials=initials, **settings
    )


def _inherited(types: Mapping[str, EntityType]) -> Iterator[EntityType]:
    """Types without what those that they extend have as well."""
    for name, each in types.items():
        above = {one.name: (owner, one) for owner in _above(types, name) for one in types[owner].attributes}
        for one in each.attributes:
            if one.name in above:
                owner, inherited = above[one.name]
                check_same(name, one, inherited, f"it extends {owner}, which has it as")
        yield replace(each, attributes=tuple(one for one in each.attributes if one.name not in above))


def _above(types: Mapping[str, EntityType], name: str) -> list[str]:
    found: list[str] = []
    name = types[name].extends
    while name in types and name not in found:
        found.append(name)
        name = types[name].extends
    return found


# --- whether two attributes are the same thing ----------------------------------------------------


def check_same(type_name: str, present: Attribute, wanted: Attribute, said: str) -> None:
    """InvalidSchema where two attributes of one name are not the same thing; `said` leads to what `wanted` is."""
    reason = ""
    if _thing(present) != _thing(wanted):
        reason = f"here it is {_thing(present)}, {said} {_thing(wanted)}"
    elif present.reverse and wanted.reverse and present.reverse != wanted.reverse:
        reason = f"here its other side is called {present.reverse!r}, {said} {wanted.reverse!r}"
    if reason:
        facts = {"type": type_name, "attribute": wanted.name, "unknown": False}
        raise InvalidSchema(where=f"{type_name}.{wanted.name}", reason=reason, **facts)


def _thing(attribute: Attribute) -> str:
    if attribute.derived:
        return f"the other side of {attribute.target}.{attribute.inverse}"
    computed = "computed " if attribute.computed is not None else ""
    many = "many " if attribute.multi else ""
    target = f" to {attribute.target}" if attribute.target else ""
    return f"{computed}{many}{attribute.kind}{target}"


def unknown_type(row: Row, schema: Schema) -> InvalidSchema:
    """The error for a row of a type that there is not."""
    close = close_names(row.type, schema)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    return wrong_template(row.place, f"there is no entity type {row.type!r}.{meant}", suggestions=close)
