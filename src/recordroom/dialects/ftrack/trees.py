"""Pieces of conditions, put together so that what is always or never true costs and asks for nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import InvalidQuery
from ...query import syntax
from ...query.syntax import And, Compare, Condition, Constant, Has, Literal, Not, Or, Path
from .configurations import Configuration
from .judging import Tests
from .names import Field

__all__ = ["ID", "NEVER", "THERE", "all_of", "any_such", "given", "has_such", "of_natives", "of_project", "one_of"]

ID = Field(name="id", form="id", natives=("id",), kind="uuid")
THERE, NEVER = Constant(True), Constant(False)


def given(node: Any) -> Any:
    """The value that a condition compares with; what has no quotes is a text."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Path):
        return ".".join(node.names)
    raise InvalidQuery(reason="attributes are compared with values")


def all_of(conditions: Iterable[Condition]) -> Condition:
    """All of them; what is never true makes the rest idle, which may then ask for what cannot be."""
    found = [each for each in conditions if each != THERE]
    if any(each == NEVER for each in found):
        return NEVER
    return And(tuple(found)) if len(found) > 1 else found[0] if found else THERE


def one_of(conditions: Iterable[Condition]) -> Condition:
    """One of them."""
    found = [each for each in conditions if each != NEVER]
    if any(each == THERE for each in found):
        return THERE
    return Or(tuple(found)) if len(found) > 1 else found[0] if found else NEVER


def has_such(path: Path, condition: Condition) -> Condition:
    """A reference leads to something that fits."""
    return Has(path, None if condition == THERE else condition)


def any_such(path: Path, condition: Condition) -> Condition:
    """A collection has a member that fits."""
    return syntax.Any(path, None if condition == THERE else condition)


def of_natives(natives: tuple[str, ...], test: Tests) -> Condition:
    """A condition on the id that one of several references has."""
    if len(natives) == 1:
        return test.about(Path(natives), ID)
    if getattr(test, "given", "") is None:
        empty = And(tuple(Compare("is", Path((each,)), Literal(None)) for each in natives))
        return Not(empty) if test.negated else empty
    found = one_of(test.positive().about(Path((each,)), ID) for each in natives)
    return Not(found) if test.negated else found


def of_project(condition: Condition, configuration: Configuration, native: str) -> Condition:
    """A condition that only concerns the project of a configuration."""
    if configuration.project is None:
        return condition
    own = Path(("id",)) if native == "Project" else Path(("project",))
    return And((Compare("is", own, Literal(configuration.project)), condition))
