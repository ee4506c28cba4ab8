"""Stubs: a schema as a Python module that type checkers and editors read.

`stubs(schema)` gives the text of a module with a class per entity type, in which `task["name"]` and
`Task.project.name` have their types, and with a `connect` whose session knows these types. Where the program runs,
`connect` is `recordroom.connect` and the classes are `Entity`: import them for annotations, and take the class for
queries from `session.types`.
"""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterable, Iterator

from ..model.schema import Attribute, Schema
from .entity import Entity

__all__ = ["stubs"]

_VALUES = {
    "text": "str",
    "long_text": "str",
    "hyperlink": "str",
    "color": "str",
    "integer": "int",
    "number": "float",
    "decimal": "_decimal.Decimal",
    "boolean": "bool",
    "date": "_dt.date",
    "datetime": "_dt.datetime",
    "json": "_t.Any",
    "uuid": "_uuid.UUID",
}
# What may be set, besides what is read.
_ALSO = {"decimal": "int | str", "date": "str", "datetime": "str", "uuid": "str"}
# Names that a class has itself are no paths.
_TAKEN = frozenset(name for name in dir(Entity) if not name.startswith("_"))
_OF_PATHS = frozenset(("any", "has", "count", "in_", "not_in", "is_", "is_not", "asc", "desc", "label"))

_HEAD = '''"""The entity types of a room, for editors and type checkers. Made by recordroom: make it again after schema changes.

    from this_module import connect

    with connect("…") as session:
        {first} = session.types["{first}"]
        found = session.query({first}).all()
"""
# Schema {hash}.

from __future__ import annotations

import typing as _t

import recordroom as _rr

if _t.TYPE_CHECKING:
    import datetime as _dt
    import decimal as _decimal
    import pathlib as _pathlib
    import uuid as _uuid

    from recordroom.client import collections as _many
    from recordroom.client import types as _types
    from recordroom.query import expressions as _x

    _E = _t.TypeVar("_E", bound=_rr.Entity)
'''


def stubs(schema: Schema) -> str:
    """The text of a module for the types of a schema."""
    names = _parents_first(schema)
    session = "Session" if "Session" not in names else "Session_"
    lines: list[str] = []
    for name in names:
        lines += ["", *_path_lines(schema, name), "", *_data_lines(schema, name), "", *_type_lines(schema, name)]
    lines += ["", *_types_lines(names), "", *_session_lines(schema, names, session)]
    head = _HEAD.format(first=next(iter(names), "Task"), hash=schema.hash)
    return "\n".join([head, *_indented(lines), *_runtime_lines(names, session), ""])


def _parents_first(schema: Schema) -> list[str]:
    """The types whose names Python can use, each after the one that it extends."""
    found: dict[str, None] = {}
    for name in schema:
        found.update(dict.fromkeys(reversed(schema.ancestors(name))))
    return [name for name in found if not keyword.iskeyword(name)]


def _indented(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield f"    {line}" if line else ""


# --- one type -------------------------------------------------------------------------------------


def _path_lines(schema: Schema, name: str) -> Iterator[str]:
    """The class of a path that leads to entities of a type: `Task.project`."""
    yield f"class _{name}Path(_x.ValueExpression):"
    yield "    def any(self, condition: _t.Any = None) -> _x.ConditionExpression: ..."
    yield "    def has(self, condition: _t.Any = None) -> _x.ConditionExpression: ..."
    for attribute in schema.attributes(name).values():
        if _is_path(attribute.name) and attribute.name not in _OF_PATHS:
            yield f"    {attribute.name}: {_path_type(attribute)}"


def _data_lines(schema: Schema, name: str) -> Iterator[str]:
    """What `create` takes. In this form any name may be a key."""
    yield f"_{name}Data = _t.TypedDict("
    yield f'    "_{name}Data",'
    yield "    {"
    yield '        "id": "str | _uuid.UUID",'
    for attribute in _writable(schema, name):
        yield f"        {json.dumps(attribute.name)}: {json.dumps(_set_type(attribute))},"
    yield "    },"
    yield "    total=False,"
    yield ")"


def _type_lines(schema: Schema, name: str) -> Iterator[str]:
    entity_type, attributes = schema[name], list(schema.attributes(name).values())
    yield f"class {name}({entity_type.extends or '_rr.Entity'}):"
    if entity_type.description:
        yield f"    {json.dumps(entity_type.description, ensure_ascii=False)}"
    for attribute in attributes:
        if _is_path(attribute.name) and attribute.name not in _TAKEN:
            yield f"    {attribute.name}: _t.ClassVar[{_path_type(attribute)}]"
    read = [f"name: _t.Literal[{json.dumps(each.name)}], /) -> {_read_type(each)}: ..." for each in attributes]
    yield from _overloads("__getitem__", read)
    writable = _writable(schema, name)
    set_ = [f"name: _t.Literal[{json.dumps(e.name)}], value: {_set_type(e)}, /) -> None: ..." for e in writable]
    yield from _overloads("__setitem__", set_)


def _overloads(method: str, signatures: list[str]) -> Iterator[str]:
    """One method for several keys. That it refuses other keys than the method above it does is the point of it."""
    for place, signature in enumerate(signatures):
        if len(signatures) > 1:
            yield f"    @_t.overload{'' if place else '  # type: ignore[override, unused-ignore]'}"
        ignored = "" if len(signatures) > 1 else "  # type: ignore[override, unused-ignore]"
        yield f"    def {method}(self, {signature}{ignored}"
    if len(signatures) > 1:
        yield f"    def {method}(self, *given: _t.Any, **named: _t.Any) -> _t.Any: ..."


def _writable(schema: Schema, name: str) -> list[Attribute]:
    return [each for each in schema.attributes(name).values() if each.writable]


def _is_path(name: str) -> bool:
    return not keyword.iskeyword(name)


def _path_type(attribute: Attribute) -> str:
    if attribute.kind == "mapping":
        return "_x.MappingExpression"
    return f"_{attribute.target}Path" if attribute.relation else "_x.PathExpression"


def _read_type(attribute: Attribute) -> str:
    """The type of `entity[name]`."""
    if attribute.name == "id":
        return "str"
    if attribute.kind == "collection":
        return f"_many.Collection[{attribute.target}]"
    if attribute.kind == "links":
        return f"_many.Links[{attribute.target}]"
    if attribute.kind == "mapping":
        return f"_many.Mapping[{_VALUES[attribute.of]}]"
    value = _value_type(attribute)
    return value if attribute.required or (attribute.system and attribute.stored) else f"{value} | None"


def _value_type(attribute: Attribute) -> str:
    if attribute.kind == "reference":
        return attribute.target
    if attribute.kind == "choice" and attribute.choices:
        value = f"_t.Literal[{', '.join(map(json.dumps, attribute.choices))}]"
    else:
        value = _VALUES.get(attribute.kind, "str")
    return f"tuple[{value}, ...]" if attribute.multi else value


def _set_type(attribute: Attribute) -> str:
    """The type of what `entity[name]` may be set to."""
    if attribute.kind in ("collection", "links"):
        return f"_t.Iterable[{attribute.target}]"
    if attribute.kind == "mapping":
        return f"_t.Mapping[str, {_VALUES[attribute.of]}]"
    value = _value_type(attribute)
    if attribute.multi:
        value = f"_t.Iterable[{value.removeprefix('tuple[').removesuffix(', ...]')}]"
    elif attribute.kind in _ALSO:
        value = f"{value} | {_ALSO[attribute.kind]}"
    elif attribute.kind == "reference":
        value = f"{value} | str | _uuid.UUID"
    return f"{value} | None"


# --- the session ----------------------------------------------------------------------------------


def _types_lines(names: list[str]) -> Iterator[str]:
    yield "class _Types(_types.Types):"
    yield from _overloads("__getitem__", [f"name: _t.Literal[{json.dumps(n)}], /) -> type[{n}]: ..." for n in names])
    if not names:
        yield "    pass"


def _session_lines(schema: Schema, names: list[str], session: str) -> Iterator[str]:
    made = [name for name in names if not schema[name].abstract]
    yield f"class {session}(_rr.Session):"
    yield "    @property"
    yield "    def types(self) -> _Types: ..."
    create = [f"type: _t.Literal[{json.dumps(n)}], data: _{n}Data | None = None) -> {n}: ..." for n in made]
    create.append("type: type[_E], data: _t.Mapping[str, _t.Any] | None = None) -> _E: ...")
    yield from _overloads("create", create)
    keys = "keys: _t.Iterable[str] | None = None"
    ensure = [f"type: _t.Literal[{json.dumps(n)}], data: _{n}Data, {keys}) -> {n}: ..." for n in made]
    ensure.append(f"type: type[_E], data: _t.Mapping[str, _t.Any], {keys}) -> _E: ...")
    yield from _overloads("ensure", ensure)
    get = [f"type: _t.Literal[{json.dumps(n)}], key: _t.Any) -> {n} | None: ..." for n in names]
    yield from _overloads("get", [*get, "type: type[_E], key: _t.Any) -> _E | None: ..."])
    yield ""
    yield f"def connect(where: str | _pathlib.Path | None = None, **options: _t.Any) -> {session}: ..."


def _runtime_lines(names: list[str], session: str) -> Iterator[str]:
    yield "else:"
    yield "    connect = _rr.connect"
    yield f"    {session} = _rr.Session"
    for name in names:
        yield f"    {name} = _rr.Entity"
