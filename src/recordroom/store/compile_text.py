"""SQL text of SQLAlchemy's expressions, with a mark for each parameter.

Statements are put together from pieces of text, so that no expression is deep enough to exhaust the stack
when it is written out. A mark holds the name of its parameter between two NULs, which stand nowhere else in
SQL; `finished` turns marks into what the driver takes.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["finished", "marked_text"]

_MARK = re.compile("\0([^\0]+)\0")


@cache
def _dialect(name: str) -> sa.Dialect:
    made: Any = (sqlite if name == "sqlite" else postgresql).dialect(paramstyle="named")

    class Compiler(made.statement_compiler):  # type: ignore[misc]
        def bindparam_string(self, name: str, *_: Any, **__: Any) -> str:
            return f"\0{name}\0"

    made.statement_compiler = Compiler
    found: sa.Dialect = made
    return found


def marked_text(element: sa.ClauseElement, dialect: str) -> tuple[str, dict[str, Any]]:
    """The text of an expression, and the values of the parameters that SQLAlchemy made itself, by name."""
    compiled = element.compile(dialect=_dialect(dialect))
    return str(compiled), dict(compiled.params)


def finished(text: str, dialect: str) -> tuple[str, list[str]]:
    """The statement as its driver takes it, and the names of its parameters in order."""
    names = _MARK.findall(text)
    if dialect == "sqlite":
        return _MARK.sub("?", text), names
    # With parameters a per cent sign is written twice; without, it stands for itself.
    return (_MARK.sub("%s", text.replace("%", "%%")), names) if names else (text, names)
