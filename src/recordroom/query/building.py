"""From the rules of `grammar.lark` to the tree of `syntax`: the callbacks of its rules, named as they are.

Parsing is iterative and so is this: each callback gets its finished parts. Imported on the first parse only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from lark import Token, Transformer, v_args

from ..errors import QuerySyntaxError
from ..model.schema import close_names
from .limits import MAX_DEPTH, too_complex
from .render import CONSTANTS
from .syntax import (
    AGGREGATES,
    FUNCTIONS,
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

__all__ = ["Part", "builder"]


class Part(NamedTuple):
    """A piece of the tree and how deep it is. `bare` marks a path that could be a text without quotes."""

    tree: Any
    depth: int = 1
    bare: bool = False


def _part(tree: Any, *children: Any) -> Part:
    """`tree` one level above `children`. Parentheses count here, so the limit is wider than that of trees."""
    depth = 1 + max((child.depth for child in children if child is not None), default=0)
    if depth > 3 * MAX_DEPTH:
        raise too_complex()
    return Part(tree, depth)


def _operand(part: Part) -> Any:
    """What stands to the right of an operator, where a lone bare word is a text."""
    return Literal(".".join(part.tree.names)) if part.bare else part.tree


def _is_boolean(tree: Any) -> bool:
    return isinstance(tree, Literal) and isinstance(tree.value, bool)


def _tree(part: Part | None) -> Any:
    return None if part is None else part.tree


@v_args(inline=True)
class _Builder(Transformer):  # type: ignore[type-arg]
    def query(self, *clauses: Any) -> Part:
        return _query(clauses)

    subselect = query

    def subwhere(self, type_name: str, *clauses: Any) -> Part:
        return _query((None, type_name, *clauses))

    def subgroup(self, type_name: str, *clauses: Any) -> Part:
        return _query((None, type_name, None, *clauses))

    def suborder(self, type_name: str, *clauses: Any) -> Part:
        return _query((None, type_name, None, None, *clauses))

    def subwindow(self, type_name: str, window: Any) -> Part:
        return _query((None, type_name, None, None, None, window))

    def selected(self, value: Part, name: Any) -> Part:
        return _part(Selected(value.tree, "" if name is None else name[0]), value)

    def key(self, value: Part, direction: Token | None) -> Part:
        return _part(OrderKey(value.tree, direction is None or not direction.lower().startswith("desc")), value)

    def selection(self, *parts: Part) -> tuple[Part, ...]:
        return parts

    values = keys = arguments = selection

    def type(self, name: Any) -> str:
        return str(name[0])

    def limit(self, limit: Token) -> tuple[int | None, int]:
        return _count(limit), 0

    def offset(self, offset: Token) -> tuple[int | None, int]:
        return None, _count(offset)

    def limit_offset(self, limit: Token, offset: Token) -> tuple[int | None, int]:
        return _count(limit), _count(offset)

    def offset_limit(self, offset: Token, limit: Token) -> tuple[int | None, int]:
        return _count(limit), _count(offset)

    def or_(self, *parts: Part) -> Part:
        return _part(Or(tuple(part.tree for part in parts)), *parts)

    def and_(self, *parts: Part) -> Part:
        return _part(And(tuple(part.tree for part in parts)), *parts)

    def not_(self, part: Part) -> Part:
        return _part(Not(part.tree), part)

    def group(self, part: Part) -> Part:
        return _part(part.tree, part)

    group_value = group

    def any_(self, path: Part, condition: Part | None) -> Part:
        return _part(AnyMember(path.tree, _tree(condition)), condition)

    def has(self, path: Part, condition: Part | None) -> Part:
        return _part(Has(path.tree, _tree(condition)), condition)

    def compare(self, left: Part, operator: str, right: Part) -> Part:
        # Beside a constant on the left a bare word must be an attribute.
        constant = isinstance(left.tree, Literal | Parameter)
        tree = Compare(operator, left.tree, right.tree if constant else _operand(right))
        if operator == "is" and _is_boolean(tree.left) and _is_boolean(tree.right):
            return Part(Constant(tree.left == tree.right))
        return _part(tree, left, right)

    def between(self, value: Part, low: Part, high: Part) -> Part:
        return _part(Between(value.tree, _operand(low), _operand(high)), value, low, high)

    def not_between(self, value: Part, low: Part, high: Part) -> Part:
        return _part(Not(Between(value.tree, _operand(low), _operand(high))), value, low, high)

    def items(self, *parts: Part) -> tuple[Part, ...]:
        return parts

    def in_(self, value: Part, members: Any) -> Part:
        return _membership(value, members, False)

    def not_in(self, value: Part, members: Any) -> Part:
        return _membership(value, members, True)

    def read(self, path: Part) -> Part:
        names = path.tree.names
        if path.bare and len(names) == 1 and names[0].lower() in CONSTANTS:
            return Part(Literal(CONSTANTS[names[0].lower()]))
        return path

    def path(self, *names: tuple[str, bool, Token]) -> Part:
        first = names[0][2]
        tree = Path(tuple(name for name, _, _ in names), (first.line or 1, first.column or 1))
        return Part(tree, 1, all(bare for _, bare, _ in names))

    def bare(self, token: Token) -> tuple[str, bool, Token]:
        return str(token), True, token

    def quoted(self, token: Token) -> tuple[str, bool, Token]:
        return str(token)[1:-1].replace("``", "`"), False, token

    def string_key(self, token: Token) -> tuple[str, bool, Token]:
        return _unescaped(token), False, token

    def call(self, name: Token, arguments: tuple[Part, ...] | None) -> Part:
        parts = arguments or ()
        return _part(Call(_function(name), tuple(part.tree for part in parts)), *parts)

    def call_star(self, name: Token) -> Part:
        if _function(name) != "count":
            raise _wrong(name, f"{name}(*)", "count(*), or an attribute in place of *")
        return Part(Call("count"))

    def string(self, token: Token) -> Part:
        return Part(Literal(_unescaped(token)))

    def number(self, token: Token, unit: Token | None) -> Part:
        return Part(Literal(_number(token), "" if unit is None else str(unit)))

    def word(self, token: Token) -> Part:
        return Part(Literal(str(token)))

    def parameter(self, token: Token) -> Part:
        return Part(Parameter(str(token)[1:]))

    def negative(self, part: Part) -> Part:
        value = part.tree
        if isinstance(value, Literal) and isinstance(value.value, int | float) and not isinstance(value.value, bool):
            return Part(Literal(-value.value, value.unit), part.depth)
        return _part(Arithmetic("-", Literal(0), value), part)

    def add(self, left: Part, right: Part) -> Part:
        return _part(Arithmetic("+", left.tree, right.tree), left, right)

    def subtract(self, left: Part, right: Part) -> Part:
        return _part(Arithmetic("-", left.tree, right.tree), left, right)

    def multiply(self, left: Part, right: Part) -> Part:
        return _part(Arithmetic("*", left.tree, right.tree), left, right)

    def divide(self, left: Part, right: Part) -> Part:
        return _part(Arithmetic("/", left.tree, right.tree), left, right)


_OPERATORS = {
    "is_": "is",
    "is_not": "is_not",
    "less": "<",
    "at_most": "<=",
    "more": ">",
    "at_least": ">=",
    "like": "like",
    "not_like": "not_like",
    "contains": "contains",
    "starts_with": "starts_with",
    "ends_with": "ends_with",
    "matches": "matches",
}


def _constant(value: str) -> Callable[..., str]:
    return lambda _self, *_children: value


for _rule, _operator in _OPERATORS.items():
    setattr(_Builder, _rule, _constant(_operator))


def _query(clauses: tuple[Any, ...]) -> Part:
    select, type_name, where, group, order, window = clauses
    limit, offset = window or (None, 0)
    tree = Query(
        type=type_name,
        select=_trees(select),
        where=_tree(where),
        group_by=_trees(group),
        order_by=_trees(order),
        limit=limit,
        offset=offset,
    )
    return _part(tree, where, *(select or ()), *(group or ()), *(order or ()))


def _trees(parts: tuple[Part, ...] | None) -> tuple[Any, ...]:
    return tuple(part.tree for part in parts or ())


def _membership(value: Part, members: Any, negated: bool) -> Part:
    if isinstance(members, Part) and isinstance(members.tree, Query):
        return _part(InQuery(value.tree, members.tree, negated), value, members)
    parts = (members,) if isinstance(members, Part) else members
    return _part(In(value.tree, tuple(map(_operand, parts)), negated), value, *parts)


# --- tokens ---------------------------------------------------------------------------------------

_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED = {'"': '"', "'": "'", "\\": "\\", "n": "\n", "t": "\t", "r": "\r", "%": "\\%", "_": "\\_"}


def _unescaped(token: Token) -> str:
    body = str(token)[1:-1]
    if "\\" not in body:
        return body

    def replaced(match: re.Match[str]) -> str:
        escape = match[1]
        if len(escape) == 5:
            return chr(int(escape[1:], 16))
        if escape not in _ESCAPED:
            raise _wrong(
                token, f"the escape \\{escape}", r"one of \" \' \\ \n \t \r \uXXXX \% \_ (for a backslash: \\)"
            )
        return _ESCAPED[escape]

    text = _ESCAPE.sub(replaced, body)
    # Two escapes may write one character beyond U+FFFF, as in JSON.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") if "\\u" in body else text


def _number(token: Token) -> int | float:
    number = float(token)
    if not math.isfinite(number):
        raise _wrong(token, repr(str(token)), "a number up to 1.7e308")
    return int(token) if token.isdigit() else number


def _count(token: Token) -> int:
    number = int(token) if len(token) < 20 else 2**63
    if number >= 2**63:
        raise _wrong(token, repr(str(token)), "a whole number below 2**63")
    return number


def _function(token: Token) -> str:
    name = token.lower()
    if name not in FUNCTIONS and name not in AGGREGATES:
        known = (*FUNCTIONS, *AGGREGATES)
        raise _wrong(token, repr(str(token)), f"a function: {', '.join(known)}", close_names(name, known))
    return name


def _wrong(token: Token, found: str, expected: str, suggestions: list[str] | None = None) -> QuerySyntaxError:
    return QuerySyntaxError(
        line=token.line or 1,
        column=token.column or 1,
        found=found,
        expected=expected,
        suggestions=suggestions or [],
        reason="syntax",
    )


def builder() -> Transformer[Any, Any]:
    """The callbacks, for Lark; what each start rule makes is a `Part`."""
    return _Builder()
