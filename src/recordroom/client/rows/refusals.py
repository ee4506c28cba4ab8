"""Refusals: what the room says about entities of a commit, told as problems of the rows they came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import Error, InvalidReference, InvalidValue, MissingValue, NotUnique
from ...model.ids import as_id, show_id
from ...model.operations import Refusal
from .cells import cell_text
from .mapping import Plan
from .parcel import Parcel
from .report import Problem

__all__ = ["problem_of_error", "problem_of_refusal"]


def problem_of_error(error: Error, plan: Plan, parcel: Parcel, positions: Mapping[bytes, int]) -> Problem | None:
    """The problem of a row that made a whole commit fail; None where the error is not about a row of the parcel."""
    entity = error.facts.get("entity") or next(iter(error.facts.get("entities", ())), None)
    if entity is None:
        return None
    try:
        position = positions[as_id(entity)]
    except (ValueError, KeyError):
        return None
    return _problem(error.code, error.message, error.facts, plan, (parcel, position))


def problem_of_refusal(refusal: Refusal, plan: Plan, parcel: Parcel, position: int) -> Problem:
    """The problem of a row that was left out of a commit."""
    return _problem(refusal.code, refusal.message, refusal.facts, plan, (parcel, position))


def _problem(code: str, message: str, facts: Mapping[str, Any], plan: Plan, row: tuple[Parcel, int]) -> Problem:
    parcel, position = row
    names = facts.get("attributes", facts.get("attribute"))
    named = [names] if isinstance(names, str) else list(names or ())
    columns = [column for column in map(plan.column_of, named) if column]
    cells = [cell_text(parcel.column(part)[position]) for column in columns for part in column.split(", ")]
    return Problem(
        line=parcel.lines[position],
        column=", ".join(columns),
        value=", ".join(cells) if cells else _shown(facts.get("value")),
        expected=_expected(code, message, facts, plan),
    )


def _shown(value: Any) -> Any:
    return show_id(value) if type(value) is bytes and len(value) == 16 else value


def _expected(code: str, message: str, facts: Mapping[str, Any], plan: Plan) -> str:
    if code == NotUnique.code:
        return f"a value that no other {facts.get('type', plan.type)} has"
    if code == MissingValue.code:
        return f"a value, which {facts.get('type', plan.type)}.{facts.get('attribute')} requires"
    if code == InvalidReference.code:
        return f"an existing {facts.get('target', 'entity')}"
    if code == InvalidValue.code and "expected" in facts:
        return str(facts["expected"])
    return message
