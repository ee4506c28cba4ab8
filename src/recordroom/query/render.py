"""Trees as text: `render(node)` gives text that parses back to an equal tree. For messages, `repr` and logs."""

from __future__ import annotations

import re
from typing import Any

from .syntax import (
    And,
    Arithmetic,
    Between,
    Call,
    Compare,
    Constant,
    Has,
    In,
    InQuery,
    Literal,
    Not,
    Or,
    OrderKey,
    Parameter,
    Path,
    Query,
    Selected,
)
from .syntax import Any as AnyMember

__all__ = ["CONSTANTS", "render"]

# Bare words that stand for a constant, in any case.
CONSTANTS = {"true": True, "false": False, "none": None, "null": None}

_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_RESERVED = frozenset({
    "select", "from", "where", "group", "order", "by", "as", "limit", "offset", "asc", "ascending", "desc", "descending",
    "or", "and", "not", "any", "has", "in", "not_in", "between", "is", "is_not", "before", "less_than", "after",
    "greater_than", "like", "not_like", "contains", "starts_with", "ends_with", "matches", *CONSTANTS,
})  # fmt: skip
_UNPRINTABLE = re.compile('["\\\\\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]')
_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2}


def render(node: Any) -> str:
    """The text of a query, a condition, a value, or one thing of `select` or `order by`."""
    text: str = _RENDERERS[type(node)](node)
    return text


def _name(name: str) -> str:
    if _IDENTIFIER.fullmatch(name) and name.lower() not in _RESERVED:
        return name
    return _quoted_name(name)


def _quoted_name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _path(path: Path) -> str:
    return ".".join(map(_name, path.names))


def _text(text: str) -> str:
    return '"' + _UNPRINTABLE.sub(lambda match: _NAMED.get(match[0]) or f"\\u{ord(match[0]):04x}", text) + '"'


def _literal(literal: Literal) -> str:
    value = literal.value
    if isinstance(value, str):
        return _text(value)
    return f"{value!r} {literal.unit}" if literal.unit else repr(value)


def _operand(value: Any) -> str:
    """A value to the right of an operator, where a lone bare name would be a text."""
    if type(value) is Path:
        return ".".join([_quoted_name(value.names[0]), *map(_name, value.names[1:])])
    return render(value)


def _arithmetic(node: Arithmetic) -> str:
    strength = _STRENGTH[node.operator]
    left, right = render(node.left), render(node.right)
    if type(node.left) is Arithmetic and _STRENGTH[node.left.operator] < strength:
        left = f"({left})"
    if type(node.right) is Arithmetic and _STRENGTH[node.right.operator] <= strength:
        right = f"({right})"
    return f"{left} {node.operator} {right}"


def _within(condition: Any, *looser: type) -> str:
    text = render(condition)
    return f"({text})" if isinstance(condition, looser) else text


def _list(values: Any) -> str:
    return ", ".join(map(render, values))


def _in(node: In) -> str:
    return f"{render(node.value)} {'not_in' if node.negated else 'in'} ({', '.join(map(_operand, node.items))})"


def _in_query(node: InQuery) -> str:
    query = node.query
    text = render(query)
    lone = query == Query(type=query.type)
    # A lone name in parentheses is a list of one text.
    return f"{render(node.value)} {'not_in' if node.negated else 'in'} ({text}{' offset 0' if lone else ''})"


def _member(word: str) -> Any:
    return lambda node: f"{_path(node.path)} {word} ({'' if node.condition is None else render(node.condition)})"


def _query(query: Query) -> str:
    parts = []
    if query.select:
        parts += ["select", _list(query.select), "from"]
    parts.append(_name(query.type))
    if query.where is not None:
        parts += ["where", render(query.where)]
    if query.group_by:
        parts += ["group by", _list(query.group_by)]
    if query.order_by:
        parts += ["order by", _list(query.order_by)]
    if query.limit is not None:
        parts += ["limit", str(query.limit)]
    if query.offset:
        parts += ["offset", str(query.offset)]
    return " ".join(parts)


_RENDERERS: dict[type, Any] = {
    Path: _path,
    Literal: _literal,
    Parameter: lambda node: f"${node.name}",
    Call: lambda node: f"{node.function}({_list(node.arguments)})",
    Arithmetic: _arithmetic,
    Constant: lambda node: "True is True" if node.holds else "True is False",
    Compare: lambda node: f"{render(node.left)} {node.operator} {_operand(node.right)}",
    Between: lambda node: f"{render(node.value)} between {_operand(node.low)} and {_operand(node.high)}",
    In: _in,
    InQuery: _in_query,
    AnyMember: _member("any"),
    Has: _member("has"),
    Not: lambda node: f"not {_within(node.condition, And, Or)}",
    And: lambda node: " and ".join(_within(each, And, Or) for each in node.conditions),
    Or: lambda node: " or ".join(_within(each, Or) for each in node.conditions),
    Selected: lambda node: f"{render(node.value)} as {_name(node.name)}" if node.name else render(node.value),
    OrderKey: lambda node: render(node.value) if node.ascending else f"{render(node.value)} descending",
    Query: _query,
}
