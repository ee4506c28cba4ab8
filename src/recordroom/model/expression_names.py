"""Names in value expressions of the query language, found without parsing them.

A schema that renames an attribute renames it in the computed attributes of the same type too, as far as it is
the first name of a path there: in `bid * 2` and `project.name`, `bid` and `project`. Names behind a point
belong to other types, and stay.
"""

from __future__ import annotations

import re

__all__ = ["calls_as_parameters", "names_in", "rename_first"]

_CONSTANTS = frozenset({"true", "false", "none", "null"})  # they stand for themselves unless in backquotes
_EMPTY = re.compile(r"\s*\(\s*\)")
_TOKEN = re.compile(
    r"""(?P<text>"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*')"""
    r"""|(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?\s*(?:[^\W\d_]\w*)?)"""
    r"""|(?P<parameter>\$\w+)"""
    r"""|(?P<behind>\.\s*(?:[^\W\d]\w*|`(?:[^`]|``)+`))"""
    r"""|(?P<call>[^\W\d]\w*(?=\s*\())"""
    r"""|(?P<name>[^\W\d]\w*)"""
    r"""|(?P<quoted>`(?:[^`]|``)+`)""",
    re.DOTALL,
)


def rename_first(expression: str, old: str, new: str) -> str:
    """`expression` with `new` wherever `old` is the first name of a path."""

    def renamed(match: re.Match[str]) -> str:
        if _first_name(match) != old:
            return match[0]
        return f"`{new}`" if match["quoted"] or new.lower() in _CONSTANTS else new

    return _TOKEN.sub(renamed, expression)


def calls_as_parameters(expression: str, names: frozenset[str]) -> str:
    """`expression` with `$now` for `now()`, for calls without arguments of the functions that `names` has."""
    found = []
    end = 0
    for match in _TOKEN.finditer(expression):
        call = match["call"]
        empty = _EMPTY.match(expression, match.end()) if call and call.lower() in names else None
        if empty is not None:
            found += [expression[end : match.start()], f"${call.lower()}"]
            end = empty.end()
    return "".join((*found, expression[end:]))


def names_in(expression: str) -> set[str]:
    """Every name of the paths in `expression`, those behind a point included."""
    tokens = list(_TOKEN.finditer(expression))
    behind = {match["behind"].lstrip(".").strip().strip("`") for match in tokens if match["behind"]}
    return behind | {name for match in tokens if (name := _first_name(match))}


def _first_name(match: re.Match[str]) -> str:
    """The name that a token is, where a path may begin with it; or ""."""
    if match["quoted"]:
        return match["quoted"][1:-1].replace("``", "`")
    name = match["name"] or ""
    return "" if name.lower() in _CONSTANTS else name
