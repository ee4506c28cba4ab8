"""Schemas as TOML: `load_text` reads one, `dump_text` writes one that reads back the same.

One table per type, `[Task]`, with the keys of `EntityType`; below it `[Task.attributes]` with
`name = "text"` or `name = { kind = "text", required = true }`. `was = "OldName"` beside a type's or an
attribute's other keys says what it was called before. A file may speak of a part of a room only, so names of
types and attributes that it does not have itself are judged by `schema_diff`, which knows the room.
"""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from ..errors import InvalidSchema
from .kinds import KINDS, WrongValue, load_column
from .schema import Attribute, EntityType, Schema, close_names
from .schema_rules import normal_form, problems

__all__ = ["SchemaDocument", "dump_text", "load_text", "parse_toml", "read_document", "read_value"]

_TYPE_KEYS = tuple(name for name in EntityType.__struct_fields__ if name not in ("name", "attributes"))
_ATTRIBUTE_KEYS = tuple(
    name for name in Attribute.__struct_fields__ if name not in ("name", "derived", "inverse", "system")
)


class SchemaDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says: types, and what they and their attributes were called before.

    `source` is the name of the file, `lines` the lines of types, (type, ""), and attributes in it. `partial` names
    the types of which it has attributes only: their settings in a room stay as they are.
    """

    types: tuple[EntityType, ...] = ()
    renamed_types: dict[str, str] = {}  # new name → old name
    renamed_attributes: dict[tuple[str, str], str] = {}  # (type, new name) → old name
    source: str = "schema"
    lines: dict[tuple[str, str], int] = {}
    partial: frozenset[str] = frozenset()

    @property
    def schema(self) -> Schema:
        """The types as a schema."""
        return Schema(self.types)

    def located(self, problem: InvalidSchema) -> InvalidSchema:
        """`problem` with file and line in its `where`, if it is about something that stands here."""
        facts = dict(problem.facts)
        line = self.lines.get((facts["type"], facts["attribute"])) or self.lines.get((facts["type"], ""))
        if line is None:
            return problem
        facts["where"] = f"{self.source}, line {line}, {facts['where']}"
        return InvalidSchema(line=line, **facts)


def load_text(text: str, where: str = "schema") -> SchemaDocument:
    """The document that `text` is, from the file called `where`; InvalidSchema with file, line, type and attribute.

    Times without a zone are UTC; numbers with a point are exact where a decimal is wanted.
    """
    return read_document(parse_toml(text, where), text, where)


def read_document(data: Mapping[str, Any], text: str, where: str) -> SchemaDocument:
    """The document that the tables of types in `data` are, which were read from `text`."""
    document = SchemaDocument(source=where, lines=_find_lines(text))
    try:
        document = msgspec.structs.replace(
            document,
            types=tuple(_read_type(name, table) for name, table in data.items()),
            renamed_types=_renamed(data, ""),
            partial=frozenset(name for name, table in data.items() if table and table.keys() <= {"attributes", "was"}),
            renamed_attributes={
                (name, new): old
                for name, table in data.items()
                for new, old in _renamed(table.get("attributes", {}), name).items()
            },
        )
    except InvalidSchema as problem:
        raise document.located(problem) from None
    for wrong in problems(document.schema):
        if not wrong.unknown:
            raise document.located(wrong)
    return msgspec.structs.replace(document, types=tuple(normal_form(document.schema).values()))


def dump_text(schema: Schema) -> str:
    """`schema` as TOML, types and attributes in its order."""
    return "\n".join("".join(_type_lines(each)) for each in schema.values())


# --- reading --------------------------------------------------------------------------------------


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """TOML as a dict, numbers with a point exact; InvalidSchema with file, line and column."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff"), parse_float=_exact)
    except tomllib.TOMLDecodeError as error:
        reason, _, at = str(error).partition(" (at ")
        line, column = map(int, re.findall(r"\d+", at) or _end(text))
    except RecursionError:
        raise InvalidSchema(where=where, reason="it is nested too deep") from None
    except ValueError as error:
        raise InvalidSchema(where=where, reason=str(error)) from None
    place = f"{where}, line {line}, column {column}"
    raise InvalidSchema(where=place, reason=f"{reason[:1].lower()}{reason[1:]}", line=line, column=column)


def _exact(text: str) -> Decimal | float:
    try:
        return Decimal(text)
    except InvalidOperation:
        return float(text)  # an exponent that no number has


def _end(text: str) -> tuple[int, int]:
    lines = text.split("\n")
    return len(lines), len(lines[-1]) + 1


_KEY = r"""(?:[A-Za-z0-9_-]+|"[^"\\\n]*"|'[^'\n]*')"""
_KEYS = rf"({_KEY}(?:[ \t]*\.[ \t]*{_KEY})*)"
_PLACE = re.compile(rf"[ \t]*(?:\[[ \t]*{_KEYS}[ \t]*\]|{_KEYS}[ \t]*=)")
_LONG_TEXT = re.compile(r'"""(?:\\.|[^\\])*?"""|' + r"'''.*?'''", re.DOTALL)


def _find_lines(text: str) -> dict[tuple[str, str], int]:
    """Line numbers of types, (type, ""), and attributes."""
    text = _LONG_TEXT.sub(lambda match: '""' + "\n" * match[0].count("\n"), text.removeprefix("\ufeff"))
    found: dict[tuple[str, str], int] = {}
    table: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        match = _PLACE.match(line)
        if match is None:
            continue
        keys = [key.strip("\"'") for key in re.findall(_KEY, match[1] or match[2])]
        if match[1]:
            table = keys
        else:
            keys = table + keys
        found.setdefault((keys[0], ""), number)
        if len(keys) > 2 and keys[1] == "attributes":
            found.setdefault((keys[0], keys[2]), number)
    return found


def _wrong(type_name: str, attribute: str, reason: str, meant: Iterable[str] = ()) -> InvalidSchema:
    where = f"{type_name}.{attribute}" if attribute else type_name
    facts: dict[str, Any] = {"type": type_name, "attribute": attribute, "unknown": False}
    return InvalidSchema(where=where, reason=reason, suggestions=list(meant), **facts)


def _read_type(name: str, table: Any) -> EntityType:
    if not isinstance(table, dict):
        raise _wrong(name, "", f"expected a table, [{name}], got {table!r}")
    _check_keys(name, "", table, (*_TYPE_KEYS, "attributes"))
    attributes = table.get("attributes", {})
    if not isinstance(attributes, dict):
        raise _wrong(name, "", f"attributes: expected a table, [{name}.attributes], got {attributes!r}")
    fields = {key: _plain(table[key]) for key in _TYPE_KEYS if key in table}
    if isinstance(fields.get("initials"), dict):
        fields["initials"] = tuple(fields["initials"].items())
    elif "initials" in fields:
        reason = f'initials: expected a table, {{ attribute = "expression" }}, got {table["initials"]!r}'
        raise _wrong(name, "", reason)
    return EntityType(
        name=name, attributes=tuple(_read_attribute(name, *item) for item in attributes.items()), **fields
    )


def _check_keys(type_name: str, attribute: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
    allowed = (*known, "was")
    for key in table:
        if key not in allowed:
            raise _wrong(type_name, attribute, f"there is no key {key!r}", close_names(key, allowed))


def _read_attribute(type_name: str, name: str, given: Any) -> Attribute:
    if isinstance(given, str):
        return Attribute(name=name, kind=given)
    if not isinstance(given, dict):
        raise _wrong(type_name, name, f'expected a kind such as "text" or a table, {{ kind = "text" }}, got {given!r}')
    _check_keys(type_name, name, given, _ATTRIBUTE_KEYS)
    if "kind" not in given:
        raise _wrong(type_name, name, 'kind: this is missing; write kind = "text" or another')
    fields = {key: _plain(given[key]) for key in _ATTRIBUTE_KEYS if key in given and key != "default"}
    attribute = Attribute(name=name, **fields)
    if "default" not in given:
        return attribute
    try:
        return msgspec.structs.replace(attribute, default=_read_default(attribute, given["default"]))
    except WrongValue as error:
        reason = f"default: expected {error}, got {_shown(given['default'])}"
        raise _wrong(type_name, name, reason) from None


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, (Decimal, dt.date, dt.datetime, dt.time)) else repr(value)


def _plain(value: Any) -> Any:
    """A TOML value with tuples for lists and floats for exact numbers."""
    if isinstance(value, list):
        return tuple(map(_plain, value))
    return float(value) if isinstance(value, Decimal) else value


def _read_default(attribute: Attribute, given: Any) -> Any:
    name: Any = attribute.kind
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None or kind.relation:
        return given
    if attribute.multi is not True:
        return read_value(attribute, given)
    if not isinstance(given, list):
        raise WrongValue(f"a list, each item {kind.expected(attribute)}")
    return tuple(read_value(attribute, each) for each in given)


def read_value(attribute: Attribute, given: Any) -> Any:
    """A TOML value as what `schema_rules` takes for a default of this kind."""
    kind = KINDS[attribute.kind]
    if kind.name in ("date", "datetime") and isinstance(given, int):
        # It would be taken for the raw scalar.
        raise WrongValue(kind.expected(attribute))
    if kind.name == "datetime":
        if isinstance(given, str):
            return kind.parse(given, attribute)
        if isinstance(given, dt.datetime) and given.tzinfo is None:
            return given.replace(tzinfo=dt.UTC)
    return _json_of(given) if kind.name == "json" else given


def _json_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_of(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_json_of(each) for each in value]
    return float(value) if isinstance(value, Decimal) else value


def _renamed(tables: Mapping[str, Any], type_name: str) -> dict[str, str]:
    """New name → old name, for types (`type_name` is "") or for the attributes of one."""
    found = {name: table["was"] for name, table in tables.items() if isinstance(table, dict) and "was" in table}
    taken: dict[str, str] = {}
    for name, old in found.items():
        place = (type_name, name) if type_name else (name, "")
        if not isinstance(old, str) or not old:
            raise _wrong(*place, f"was: expected the name that {name} had before, got {old!r}")
        if old in taken:
            raise _wrong(*place, f"was: {taken[old]} was {old!r} too")
        taken[old] = name
        circle = [name, old]
        while circle[-1] != name and circle[-1] in found:
            circle.append(found[circle[-1]])
        if circle[-1] == name:
            raise _wrong(
                *place, f"was: {' was '.join(circle)} is a circle; rename in two steps, by way of another name"
            )
    return found


# --- writing --------------------------------------------------------------------------------------


def _type_lines(entity_type: EntityType) -> Iterator[str]:
    yield f"[{entity_type.name}]\n"
    for key, value in _given(entity_type, _TYPE_KEYS):
        yield f"{key} = {_toml_table(value) if key == 'initials' else _toml(value)}\n"
    if not entity_type.attributes:
        return
    yield f"\n[{entity_type.name}.attributes]\n"
    for attribute in entity_type.attributes:
        given = [
            (key, _toml_default(attribute) if key == "default" else _toml(value))
            for key, value in _given(attribute, _ATTRIBUTE_KEYS)
        ]
        if len(given) == 1:
            yield f"{attribute.name} = {given[0][1]}\n"
        else:
            yield f"{attribute.name} = {{ {', '.join(f'{key} = {value}' for key, value in given)} }}\n"


def _given(struct: EntityType | Attribute, keys: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """What `struct` says beyond the defaults of its fields, in the order of `keys`."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(struct)}
    for key in keys:
        value = getattr(struct, key)
        if value != defaults[key]:
            yield key, value


def _toml_table(pairs: Iterable[tuple[str, str]]) -> str:
    return f"{{ {', '.join(f'{name} = {_toml(value)}' for name, value in pairs)} }}"


def _toml_default(attribute: Attribute) -> str:
    if attribute.kind == "json":
        return _toml(attribute.default)
    return _toml(load_column([attribute.default], attribute)[0])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _toml_text(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    # A decimal or a UUID.
    return value.isoformat() if isinstance(value, dt.date) else _toml_text(str(value))


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_ESCAPED = re.compile('["\\\\\x00-\x1f\x7f]')


def _toml_text(text: str) -> str:
    if ('"' in text or "\\" in text) and "'" not in text and not re.search("[\x00-\x1f\x7f]", text):
        return f"'{text}'"
    return '"' + _ESCAPED.sub(lambda match: _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}", text) + '"'
