r"""The text form of queries: `parse` makes the tree of `syntax` from text, `render` (in `render`) text from a tree.

Keywords are accepted in any case; names and texts are case-sensitive. A lone bare word to the right of
an operator is a text, as in `status is open`; to compare with another attribute, write it in
backquotes. Texts stand in single or double quotes with the escapes \" \' \\ \n \t \r \uXXXX; `\%` and
`\_` are kept for the patterns of `like`. Errors are QuerySyntaxError and QueryTooComplex.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..errors import QuerySyntaxError, QueryTooComplex
from .limits import MAX_DEPTH, MAX_LENGTH, MAX_TOKENS, check_size, too_complex
from .render import render
from .syntax import Condition, OrderKey, Query, Selected, Value

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

__all__ = ["parse", "parse_condition", "parse_order", "parse_selected", "parse_value", "render"]

_CACHED_LENGTH = 10_000  # longer texts are unlikely to come twice, and would fill the memory


def parse(text: str) -> Query:
    """The tree of a whole query, such as `Task where bid > 5 order by name`."""
    query: Query = _parsed(text, "query")
    return query


def parse_condition(text: str) -> Condition:
    """The tree of what may stand after `where`."""
    condition: Condition = _parsed(text, "condition")
    return condition


def parse_value(text: str) -> Value:
    """The tree of a value: an attribute, arithmetic, a function."""
    value: Value = _parsed(text, "value")
    return value


def parse_selected(text: str) -> Selected:
    """The tree of one thing after `select`: a value, with `as name` where wanted."""
    selected: Selected = _parsed(text, "selected")
    return selected


def parse_order(text: str) -> OrderKey:
    """The tree of one thing after `order by`: a value, with `descending` where wanted."""
    key: OrderKey = _parsed(text, "key")
    return key


def _parsed(text: str, start: str) -> Any:
    if not isinstance(text, str):
        raise TypeError(f"a query is text, not {type(text).__name__}")
    if len(text) > _CACHED_LENGTH:
        _check_length(text)
    return _cached(text, start) if len(text) <= _CACHED_LENGTH else _parse(text, start)


_TOKEN = re.compile(r"""[\w.-]+|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`]|``)*`|[^\s\w]""", re.DOTALL)
_MARGIN = 3  # parentheses that only group are no levels of the tree


def _check_length(text: str) -> None:
    """Refuse what would take long to parse: parsing takes time by the word, this quick look does not."""
    if len(text) > MAX_LENGTH:
        raise _too_long()
    depth = 0
    for count, token in enumerate(_TOKEN.finditer(text)):
        if count >= MAX_TOKENS:
            raise _too_long()
        sign = token[0]
        if sign == "(":
            depth += 1
            if depth > _MARGIN * MAX_DEPTH:
                raise too_complex()
        elif sign == ")":
            depth -= 1


def _too_long() -> QueryTooComplex:
    return QueryTooComplex(
        f"The query is longer than {MAX_LENGTH} characters or {MAX_TOKENS} words; give long lists as a parameter: in $name.",
        limit=MAX_LENGTH,
    )


def _parse(text: str, start: str) -> Any:
    from lark.exceptions import UnexpectedInput

    try:
        part: Any = _parser().parse(text, start=start)
    except UnexpectedInput as error:
        raise _explain(text, error) from None
    check_size(part.tree)
    return part.tree


_cached = lru_cache(maxsize=1024)(_parse)


@cache
def _parser() -> Lark:
    from lark import Lark

    from .building import builder

    return Lark(
        files(__package__).joinpath("grammar.lark").read_text(encoding="utf-8"),
        start=["query", "condition", "value", "selected", "key"],
        parser="lalr",
        lexer="contextual",
        maybe_placeholders=True,
        transformer=builder(),
    )


# --- errors ---------------------------------------------------------------------------------------

_VALUE = {"NAME", "QUOTED", "STRING", "NUMBER", "DATE", "UUID", "PARAMETER", "MINUS"}
_COMPARISON = {
    "_IS", "_IS_NOT", "_EQUALS", "_DIFFERS", "_LESS", "_AT_MOST", "_MORE", "_AT_LEAST", "_BEFORE", "_AFTER",
    "_LESS_THAN", "_GREATER_THAN", "_LIKE", "_NOT_LIKE", "_CONTAINS", "_STARTS_WITH", "_ENDS_WITH", "_MATCHES",
    "_IN", "_NOT_IN", "_BETWEEN",
}  # fmt: skip
_WORDS = {
    "$END": "the end",
    "LPAR": "'('",
    "RPAR": "')'",
    "LSQB": "'['",
    "RSQB": "']'",
    "COMMA": "a comma",
    "DOT": "a dot",
    "PLUS": "'+'",
    "MINUS": "'-'",
    "STAR": "'*'",
    "SLASH": "'/'",
    "INT": "a whole number",
    "UNIT": "a unit",
    "NAME": "a name",
    "STRING": "a text in quotes",
    "_GROUP": "group by",
    "_ORDER": "order by",
    "ASCENDING": "ascending",
    "DESCENDING": "descending",
}
_QUIET = {"LSQB", "LPAR", "DOT", "UNIT", "PLUS", "MINUS", "STAR", "SLASH", "QUOTED"}  # said only where nothing else is


def _explain(text: str, error: UnexpectedInput) -> QuerySyntaxError:
    from lark.exceptions import UnexpectedToken

    terminals = _acceptable(error)
    at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    line, column = _end_of(text) if at_end else (error.line, error.column)
    position = len(text) if at_end else int(getattr(error, "pos_in_stream", 0) or 0)
    found = _found(text, position)
    return QuerySyntaxError(
        line=line,
        column=column,
        found=found,
        expected=_expected(terminals) if found != _OPEN_QUOTE else "a closing quote",
        suggestions=_keywords_like(text, position, terminals),
        text=text if len(text) <= 2000 else text[:2000] + "…",
        reason="syntax",
    )


def _acceptable(error: UnexpectedInput) -> set[str]:
    """The terminals that could have stood here; `$END` for the end."""
    parser = getattr(error, "interactive_parser", None)
    if parser is not None:
        return set(parser.accepts())
    return set(getattr(error, "accepts", None) or getattr(error, "allowed", None) or ())


_OPEN_QUOTE = "a quote that is never closed"
_WORD = re.compile(r"[\w.$]+")


def _found(text: str, position: int) -> str:
    if position >= len(text):
        return "the end"
    if text[position] in "\"'`":
        closing = text.find(text[position], position + 1)
        return _OPEN_QUOTE if closing < 0 else repr(text[position : closing + 1][:40])
    word = _WORD.match(text, position)
    return repr(word[0][:40] if word else text[position])


def _end_of(text: str) -> tuple[int, int]:
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def _expected(terminals: set[str]) -> str:
    words = []
    rest = set(terminals)
    if "NUMBER" in rest:
        words.append("a value")
        rest -= _VALUE
    elif {"NAME", "QUOTED"} <= rest:
        words.append("a name")
        rest -= {"NAME", "QUOTED"}
    if "_IS" in rest:
        words.append("an operator such as is, =, <, like, in, any")
        rest -= _COMPARISON | {"_ANY", "_HAS", "_NOT"}
    if words or rest - _QUIET:
        rest -= _QUIET
    words += [_WORDS.get(name, name.lstrip("_").lower()) for name in _ORDERLY if name in rest]
    words += sorted(_WORDS.get(name, name.lstrip("_").lower()) for name in rest.difference(_ORDERLY))
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


_ORDERLY = (
    "_SELECT", "_FROM", "_WHERE", "_NOT", "_AND", "_OR", "_AS", "ASCENDING", "DESCENDING", "_GROUP", "_ORDER", "_BY",
    "_LIMIT", "_OFFSET", "COMMA", "LPAR", "RPAR", "$END",
)  # fmt: skip

_KEYWORDS = (
    "select", "from", "where", "group", "order", "by", "as", "limit", "offset", "ascending", "descending", "or", "and",
    "not", "any", "has", "in", "not_in", "between", "is", "is_not", "before", "after", "like", "not_like", "contains",
    "starts_with", "ends_with", "matches",
)  # fmt: skip


def _keywords_like(text: str, position: int, terminals: set[str]) -> list[str]:
    """Keywords that the unexpected word, or else the one before it, may have been meant for."""
    here = _WORD.match(text, position)
    possible = [name for name in _KEYWORDS if {f"_{name.upper()}", name.upper()} & terminals]
    if here and (close := _closest(here[0], possible)):
        return close
    before = re.findall(r"[^\W\d]\w*", text[:position][-60:])
    return _closest(before[-1], _KEYWORDS) if before and before[-1].lower() not in _KEYWORDS else []


def _closest(word: str, keywords: Collection[str]) -> list[str]:
    word = word.lower()
    swapped = [name for name in keywords if sorted(name) == sorted(word)]
    return swapped[:1] or difflib.get_close_matches(word, keywords, n=1, cutoff=0.75)
