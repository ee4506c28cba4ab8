r"""Expressions over events, for subscriptions and targets: `topic=render.* and data.shot=sh010 and not actor=ann`.

A comparison is `field operator value` with `= != < <= > >=`; `not`, `and`, `or` bind in that order; parentheses group. Dots
walk into mappings; a field with several values fits when any of them does; one that is not there never fits. Values
are texts, in quotes where they hold more than letters, digits and `, . / * @ + : - _`; in `=` and `!=` a `*` stands for
any text (`\*` in quotes for itself). Numbers compare as numbers. A lone `render.*` or `render.done` is a topic.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import QuerySyntaxError, QueryTooComplex
from .events import Event
from .ids import show_id
from .schema import close_names

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

__all__ = ["FIELDS", "Expression", "facts_of", "is_expression", "matches", "parse_expression", "reaches"]

FIELDS = (
    "topic",
    "id",
    "revision",
    "commit",
    "database",
    "actor",
    "notes",
    "data",
    "target",
    "source",
    "reply_to",
    "type",
    "verb",
    "attribute",
    "entity",
    "schema",
)
_MAX_LENGTH = 10_000
_MAX_DEPTH = 50


class Comparison(msgspec.Struct, frozen=True):
    """`field operator value`; `value` keeps the escapes of its text."""

    field: tuple[str, ...]
    operator: str
    value: str


class Negation(msgspec.Struct, frozen=True):
    """The condition does not hold."""

    condition: Expression


class Both(msgspec.Struct, frozen=True):
    """All of the conditions hold."""

    conditions: tuple[Expression, ...]


class Either(msgspec.Struct, frozen=True):
    """One of the conditions holds."""

    conditions: tuple[Expression, ...]


Expression = Comparison | Negation | Both | Either


# --- reading --------------------------------------------------------------------------------------


def parse_expression(text: str, fields: Collection[str] = FIELDS) -> Expression:
    """The tree of an expression; QuerySyntaxError with line and column for what is not one.

    `fields` are the names that a field may begin with; () allows any.
    """
    found = _parsed(text, tuple(fields))
    if found is None:
        raise _unexpected(
            text, len(text), "the end", "a comparison such as topic=render.*, or a pattern with a dot or *"
        )
    return found


def is_expression(text: str) -> bool:
    """Whether a text was meant as an expression; anything else may be a query, such as the lone name of a type."""
    from lark.exceptions import UnexpectedInput

    try:
        return _tree(text).data != "word" or "." in text
    except UnexpectedInput as error:
        # A query has a name first, and then no operator.
        start = re.match(r"\s*[A-Za-z_][\w.]*\s*", text)
        return start is None or _place(text, error) > start.end()


@lru_cache(maxsize=1024)
def _parsed(text: str, fields: tuple[str, ...]) -> Expression | None:
    from lark.exceptions import UnexpectedInput

    if len(text) > _MAX_LENGTH:
        raise QueryTooComplex(f"The expression is longer than {_MAX_LENGTH} characters.", limit=_MAX_LENGTH)
    if text.count("(") > _MAX_DEPTH or len(re.findall(r"\bnot\b", text, re.IGNORECASE)) > _MAX_DEPTH:
        raise QueryTooComplex(limit=_MAX_DEPTH)
    try:
        tree = _tree(text)
    except UnexpectedInput as error:
        raise _explain(text, error) from None
    if tree.data == "start":
        return _built(tree.children[0], text, fields)
    word = str(tree.children[0])
    return Comparison(("topic",), "=", word) if tree.data == "pattern" or "." in word else None


def _tree(text: str) -> Any:
    return _parser().parse(text)


@cache
def _parser() -> Lark:
    from lark import Lark

    grammar = files(__package__).joinpath("event_expressions.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="contextual", maybe_placeholders=False)


def _built(tree: Any, text: str, fields: tuple[str, ...]) -> Expression:
    if tree.data == "comparison":
        return _comparison(tree.children, text, fields)
    parts = [_built(each, text, fields) for each in tree.children]
    if tree.data == "negation":
        return Negation(parts[0])
    return Both(tuple(parts)) if tree.data == "conjunction" else Either(tuple(parts))


def _comparison(tokens: Sequence[Any], text: str, fields: tuple[str, ...]) -> Comparison:
    field, operator, value = tokens
    names = tuple(field.split("."))
    if fields and names[0] not in fields:
        expected = f"a field: {', '.join(fields)}"
        raise _unexpected(text, field.start_pos, repr(str(field)), expected, close_names(names[0], fields))
    return Comparison(names, str(operator), value[1:-1] if value.type == "STRING" else str(value))


_EXPECTED = {
    "FIELD": "a field such as topic",
    "OPERATOR": "an operator such as =",
    "WORD": "a value",
    "STRING": "a text in quotes",
    "PATTERN": "a topic",
    "_LPAR": "'('",
    "_RPAR": "')'",
    "_AND": "and",
    "_OR": "or",
    "_NOT": "not",
    "$END": "the end",
}


def _explain(text: str, error: UnexpectedInput) -> QuerySyntaxError:
    place = _place(text, error)
    token = getattr(error, "token", None)
    names: set[str] = set()
    for attribute in ("accepts", "allowed", "expected"):
        names = names or set(getattr(error, attribute, None) or ())
    words = [word for name, word in _EXPECTED.items() if name in names]
    expected = " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words) or "an expression"
    found = "the end" if place >= len(text) else repr(str(token or text[place])[:40])
    return _unexpected(text, place, found, expected)


def _place(text: str, error: UnexpectedInput) -> int:
    at_end = getattr(getattr(error, "token", None), "type", "") == "$END"
    place: int | None = error.pos_in_stream
    return len(text) if at_end or place is None else place


def _unexpected(text: str, place: int, found: str, expected: str, suggestions: Sequence[str] = ()) -> QuerySyntaxError:
    before = text[:place]
    return QuerySyntaxError(
        line=before.count("\n") + 1,
        column=place - (before.rfind("\n") + 1) + 1,
        found=found,
        expected=expected,
        suggestions=list(suggestions),
        text=text[:2000],
        reason="syntax",
    )


# --- matching -------------------------------------------------------------------------------------


def facts_of(event: Event) -> dict[str, Any]:
    """What the fields of expressions say of an event."""
    changes = event.changes
    return {
        "topic": event.topic,
        "id": event.id,
        "revision": event.revision,
        "commit": show_id(event.commit) if event.commit else None,
        "database": event.database,
        "actor": event.actor,
        "notes": event.notes,
        "data": event.data,
        "target": event.target,
        "source": {"id": event.source, "user": {"username": event.actor}},
        "reply_to": event.reply_to,
        "type": sorted({each.type for each in changes}),
        "verb": sorted({each.verb for each in changes}),
        "attribute": sorted({name for each in changes for name in (each.after or each.before)}),
        "entity": [show_id(each.id) for each in changes],
        "schema": event.schema,
    }


def matches(expression: Expression, facts: Mapping[str, Any]) -> bool:
    """Whether an expression fits."""
    match expression:
        case Comparison():
            return any(_fits(expression, value) for value in _values(facts, expression.field))
        case Negation():
            return not matches(expression.condition, facts)
        case Both():
            return all(matches(each, facts) for each in expression.conditions)
    return any(matches(each, facts) for each in expression.conditions)


def reaches(target: str, subscriber: Mapping[str, Any]) -> bool:
    """Whether an event with that target is for a subscriber: everybody without one; a lone word names an id or an actor."""
    if not target:
        return True
    names = (*_values(subscriber, ("id",)), *_values(subscriber, ("actor",)))
    try:
        expression = _parsed(target, ())
    except (QuerySyntaxError, QueryTooComplex):
        return target in names
    if expression is None or (isinstance(expression, Comparison) and expression.field == ("topic",)):
        return target in names
    return matches(expression, subscriber)


def _values(facts: Any, path: tuple[str, ...]) -> Iterable[Any]:
    """The values at the end of a path; several where there are lists on the way."""
    found = [facts]
    for name in path:
        inner = [each for item in found for each in (item if isinstance(item, list) else (item,))]
        found = [each[name] for each in inner if isinstance(each, Mapping) and name in each]
    return [each for item in found for each in (item if isinstance(item, list) else (item,))]


def _fits(comparison: Comparison, value: Any) -> bool:
    if comparison.operator in ("=", "!="):
        if value is None:
            return False
        is_equal = _is_like(_text(value), _parts(comparison.value))
        return is_equal is (comparison.operator == "=")
    return _is_in_order(comparison, value)


def _is_in_order(comparison: Comparison, value: Any) -> bool:
    operand: Any = _plain(comparison.value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            operand = float(operand)
        except ValueError:
            return False
    elif not isinstance(value, str):
        return False
    match comparison.operator:
        case "<":
            return bool(value < operand)
        case "<=":
            return bool(value <= operand)
        case ">":
            return bool(value > operand)
    return bool(value >= operand)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


@lru_cache(maxsize=1024)
def _parts(text: str) -> tuple[str, ...]:
    """The plain texts between the stars; a backslash takes what follows it as it is."""
    parts = [""]
    for escaped, star, plain in re.findall(r"\\(.)|(\*)|([^\\*]+)", text, re.DOTALL):
        if star:
            parts.append("")
        else:
            parts[-1] += escaped or plain
    return tuple(parts)


def _is_like(text: str, parts: tuple[str, ...]) -> bool:
    """Whether a text is the parts in their order with anything between them; takes time by the length only."""
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return text == first
    if not (text.startswith(first) and text.endswith(last)) or len(text) < len(first) + len(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in parts[1:-1]:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
