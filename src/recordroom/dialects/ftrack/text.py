"""The text of ftrack's queries, so that our grammar reads it.

There, whatever stands behind an operator is a value, with quotes or without: `name is shot-010`, `id in (A,B)`. Within quotes
only quotes are escaped, and `%` and `_` for patterns; any other backslash is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["readable"]

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<sign><=|>=|!=|<>|==?|[<>(),])|(?P<word>[^\s"'<>=!(),]+)|(?P<rest>.)""",
    re.DOTALL,
)
_OPERATORS = frozenset(
    [
        "is",
        "is_not",
        "like",
        "not_like",
        "after",
        "before",
        "greater_than",
        "less_than",
        "contains",
        "starts_with",
        "ends_with",
        "=",
        "==",
        "!=",
        "<>",
        "<",
        "<=",
        ">",
        ">=",
    ]
)
_CONSTANTS = frozenset({"true", "false", "none", "null"})
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?\Z")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def readable(text: str) -> str:
    """The query with quotes around values that have none."""
    return "".join(_pieces(text))


def _pieces(text: str) -> Iterator[str]:
    before, listing, depth = "", 0, 0  # the last word or sign; the depth at which a list of values stands
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match[0]
        if kind == "space":
            yield token
            continue
        lower = token.lower()
        if token == "(":
            depth += 1
            if before in ("in", "not_in"):
                listing = depth
        elif token == ")":
            listing = 0 if listing == depth else listing
            depth -= 1
        elif listing == depth and listing and before == "(" and lower == "select":
            listing = 0
        if kind == "text":
            # What follows may stand right behind.
            yield f"{_escaped(token)} "
        elif kind == "word" and (before in _OPERATORS or (listing and listing == depth and before in ("(", ","))):
            yield _value(token, lower)
        else:
            yield token
        before = "" if kind == "text" or before in _OPERATORS else lower


def _value(token: str, lower: str) -> str:
    if lower in _CONSTANTS:
        return {"null": "None"}.get(lower, token.capitalize())
    if _NUMBER.match(token):
        return token
    return _escaped(f'"{token}"') if lower not in ("not", "select") else token


def _escaped(token: str) -> str:
    if "\\" not in token:
        return token
    quote = token[0]
    return quote + _ESCAPE.sub(lambda found: _kept(found[1]), token[1:-1]) + quote


def _kept(sign: str) -> str:
    return f"\\{sign}" if sign in "\"'%_" else f"\\\\{sign}" if sign != "\\" else "\\\\\\\\"
