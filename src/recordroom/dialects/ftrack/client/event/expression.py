"""Expressions over events and subscribers: `topic=ftrack.update and not source.user.username="ann"`.

The grammar is that of recordroom's own events; what it means is what ftrack's listeners expect: values are texts, a star
at the end fits whatever has the rest anywhere, and what cannot be compared does not fit.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence

from .....errors import QuerySyntaxError, QueryTooComplex
from .....model import event_expressions as trees
from ...event_rules import COMPARE, Unfit, compared, parsed
from ..exception import ParseError

__all__ = ["All", "Any", "Condition", "Expression", "Not", "Parser"]

_SIGNS = {each: sign for sign, each in COMPARE.items()}


class Expression:
    """A condition on a mapping. This one fits everything."""

    def __str__(self) -> str:
        return f"<{type(self).__name__}>"

    def match(self, candidate: Mapping[str, object]) -> bool:
        """Whether a mapping fits."""
        try:
            return self._fits(candidate)
        except Unfit:
            return False

    def _fits(self, candidate: Mapping[str, object]) -> bool:
        return True


class _Several(Expression):
    def __init__(self, expressions: Sequence[Expression] | None = None) -> None:
        self._expressions = list(expressions or ())

    def __str__(self) -> str:
        return f"<{type(self).__name__} [{' '.join(map(str, self._expressions))}]>"


class All(_Several):
    """Fits what all of its expressions fit; without any, everything."""

    def _fits(self, candidate: Mapping[str, object]) -> bool:
        # Every one is looked at: any may be one that nothing fits.
        return all([each._fits(candidate) for each in self._expressions])  # noqa: C419 - as said


class Any(_Several):
    """Fits what one of its expressions fits; without any, nothing."""

    def _fits(self, candidate: Mapping[str, object]) -> bool:
        return any([each._fits(candidate) for each in self._expressions])  # noqa: C419 - as in All


class Not(Expression):
    """Fits what its expression does not."""

    def __init__(self, expression: Expression) -> None:
        self._expression = expression

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self._expression}>"

    def _fits(self, candidate: Mapping[str, object]) -> bool:
        return not self._expression._fits(candidate)


class Condition(Expression):
    """Compares the value at `key`, whose dots walk into mappings. A key that is not there does not fit."""

    def __init__(self, key: str, operator: Callable[[typing.Any, typing.Any], object], value: object) -> None:
        self._key = key
        self._operator = operator
        self._value = value

    def __str__(self) -> str:
        sign = _SIGNS.get(self._operator, str(self._operator))
        return f"<{type(self).__name__} {self._key}{sign}{self._value}>"

    def _fits(self, candidate: Mapping[str, object]) -> bool:
        return compared(candidate, self._key.split("."), self._operator, self._value)


class Parser:
    """Makes expressions of texts."""

    def parse(self, expression: str) -> Expression:
        """The expression of a text; ParseError for what is none."""
        try:
            tree = parsed(expression.strip())
        except (QuerySyntaxError, QueryTooComplex) as error:
            raise ParseError(f"Not an expression: {expression!r}. {error}") from error
        return _made(tree)


def _made(tree: trees.Expression) -> Expression:
    match tree:
        case trees.Comparison():
            return Condition(".".join(tree.field), COMPARE[tree.operator], tree.value)
        case trees.Negation():
            return Not(_made(tree.condition))
        case trees.Both():
            return All([_made(each) for each in tree.conditions])
    return Any([_made(each) for each in tree.conditions])
