"""The text of ftrack's queries, so that our grammar reads it.

There, whatever stands behind an operator is a value, with quotes or without: `name is shot-010`, `id in (A,B)`. Within quotes
only quotes are escaped, and `%` and `_` for patterns; any other backslash is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .casts import quoted

__all__ = ["pieces", "readable"]

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
_HEX = "[0-9a-fA-F]"
_ID = re.compile(f"{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}")
_ONE = f"(?:{_ID.pattern}|\"{_ID.pattern}\"|'{_ID.pattern}')"
_IDS = re.compile(rf"\s*{_ONE}(?:\s*,\s*{_ONE})*\s*(?=\))")
_LISTS = ("in", "not_in")
Piece = tuple[str, str | list[str] | None]


def readable(text: str) -> str:
    """The query with quotes around values that have none."""
    return "".join(piece for piece, _ in pieces(text))


def pieces(text: str) -> Iterator[Piece]:
    """The readable query piece by piece. With each the value that it writes, or the ids; None where it is something else."""
    before, listing, depth, at = "", 0, 0, 0  # the last word or sign; the depth at which a list of values stands
    while match := _TOKEN.match(text, at):
        kind, token, at = match.lastgroup, match[0], match.end()
        if kind == "space":
            yield token, None
            continue
        lower = token.lower()
        if token == "(":
            depth += 1
            listed = _IDS.match(text, at) if before in _LISTS else None
            if listed is not None:
                yield token, None
                yield _listed(listed[0])
                before, at = "", listed.end()
                continue
            if before in _LISTS:
                listing = depth
        elif token == ")":
            listing = 0 if listing == depth else listing
            depth -= 1
        elif listing == depth and listing and before == "(" and lower == "select":
            listing = 0
        among = bool(listing) and listing == depth and before in ("(", ",")
        if kind == "text":
            # What follows may stand right behind.
            piece = f"{_escaped(token)} "
            yield piece, _plain(piece) if among or before in _OPERATORS else None
        elif kind == "word" and (before in _OPERATORS or among):
            piece = _value(token, lower)
            yield piece, _plain(piece)
        else:
            yield quoted(token), None
        before = "" if kind == "text" or before in _OPERATORS else lower


def _listed(text: str) -> Piece:
    """A list of nothing but ids, as one piece: there may be thousands."""
    ids = _ID.findall(text)
    return ",".join(f'"{each}"' for each in ids), ids


def _plain(piece: str) -> str | None:
    """The value that a piece writes in quotes, where nothing in it is escaped."""
    return piece.rstrip()[1:-1] if piece[0] in "\"'" and "\\" not in piece else None


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
