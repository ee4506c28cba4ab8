"""The action `search`: a query, narrowed to what full-text search finds, to a context, and to kinds of contexts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from ...errors import InvalidRequest
from ...model.ids import show_id
from ...query.request import SearchRequest
from ...query.syntax import And, Compare, Condition, In, Literal, Or, Path
from ...query.syntax import Any as AnyMember
from .asking import Question, answered, question_of

if TYPE_CHECKING:
    from .actions import Asked

__all__ = ["search"]

_WORD = re.compile(r"\w+")
_MOST = 1000


class _Search(msgspec.Struct):
    """What is asked: every word of `terms` must begin a word of some text of an entity."""

    expression: str
    entity_type: str | None = None
    terms: list[str] = []
    context_id: str | None = None
    object_type_ids: list[str] | None = None


async def search(asked: Asked, operation: dict[str, Any]) -> Any:
    """As a query, of what fits the rest too. Of words, the best thousand."""
    try:
        given = msgspec.convert(operation, _Search)
    except msgspec.ValidationError as error:
        raise InvalidRequest(reason=f"search: {error}") from None
    reader = await asked.reader()
    question = await question_of(reader, given.expression)
    if given.entity_type not in (None, question.type.name) or not question.type.natives:
        raise InvalidRequest(reason="search: entity_type is the type of the expression, and one that has rows")
    conditions = [] if question.tree.where is None else [question.tree.where]
    conditions += await _narrowing(asked, question, given)
    where = And(tuple(conditions)) if len(conditions) > 1 else conditions[0] if conditions else None
    narrowed = Question(reader.names, list(reader.configurations), replace(question.tree, where=where))
    found = await answered(reader, narrowed, asked.service.limits.page_rows)
    return {**found, "action": "search"}


async def _narrowing(asked: Asked, question: Question, given: _Search) -> list[Condition]:
    found: list[Condition] = []
    words = _WORD.findall(" ".join(given.terms))
    if words:
        found.append(In(Path(("id",)), tuple(map(Literal, await _ids(asked, question, words)))))
    if given.context_id is not None:
        found.append(_within(question, given.context_id))
    if given.object_type_ids is not None:
        found.append(In(Path(("object_type_id",)), tuple(map(Literal, given.object_type_ids))))
    return found


async def _ids(asked: Asked, question: Question, words: list[str]) -> list[str]:
    text = " ".join(f"{each}*" for each in words)
    request = SearchRequest(text=text, types=question.type.natives, limit=_MOST)
    return [show_id(each.id) for each in await asked.room.search(request)]


def _within(question: Question, context: str) -> Condition:
    """Being a context, below it, or of a project that it is."""
    fields, same = question.type.fields, Literal(context)
    found: list[Condition] = []
    if "ancestors" in fields:
        found.append(Compare("is", Path(("id",)), same))
        found.append(AnyMember(Path(("ancestors",)), Compare("is", Path(("id",)), same)))
    if "project_id" in fields:
        found.append(Compare("is", Path(("project_id",)), same))
    if not found:
        raise InvalidRequest(reason=f"search: {question.type.name} is in no context")
    return Or(tuple(found)) if len(found) > 1 else found[0]
