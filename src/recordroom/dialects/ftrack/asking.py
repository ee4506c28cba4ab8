"""The action `query`: from the text of a question to the rows that answer it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ...errors import InvalidQuery
from ...query.resolve import resolve
from ...query.syntax import AGGREGATES, Call, Path, Query, Selected
from .casts import without_casts
from .configurations import Configuration
from .emitting import Emitter
from .names import Names, Type
from .parsing import parsed
from .queries import Rewriter, Scope, uses_custom_attributes
from .reading import ORDER, Node, Reader, tree_of
from .values import shown_column
from .virtual import virtual_rows

__all__ = ["Question", "answered", "question_of"]


class Question:
    """A query that was read, and whose names were found."""

    def __init__(self, names: Names, configurations: list[Configuration], text: str | Query) -> None:
        self.tree = parsed(text) if isinstance(text, str) else text
        self.type = names[self.tree.type]
        self.rewriter = Rewriter(names, configurations)
        self.grouped = bool(self.tree.group_by) or any(isinstance(each.value, Call) for each in self.tree.select)
        self.paths = [] if self.grouped else [without_casts(names, self.type, each) for each in _paths(self.tree)]
        self.node: Node = {} if self.grouped else tree_of(self.paths or ((each,) for each in self.type.projections))
        _check(names, self.type, self.node)

    def check(self) -> None:
        """InvalidQuery and its like where it cannot be asked."""
        for each in self.type.natives:
            query = self.native(each)
            if not self.grouped:
                resolve(self.rewriter.schema, query)

    def native(self, native: str) -> Query:
        """The query for a native type, without its select."""
        where = None if self.tree.where is None else self.rewriter.condition(self.tree.where, Scope(native))
        order = self.rewriter.order(self.tree.order_by, native)
        return Query(native, where=where, order_by=order)


async def question_of(reader: Reader, text: Any) -> Question:
    """The question that a text asks; InvalidQuery and its like where it asks none."""
    if not isinstance(text, str):
        raise InvalidQuery(reason="a query is a text")
    if uses_custom_attributes(text) and not reader.configurations:
        from .custom import configurations_of

        reader.configurations = await configurations_of(reader)
    return Question(reader.names, list(reader.configurations), text)


async def answered(reader: Reader, question: Question, most: int) -> dict[str, Any]:
    """The answer, of at most `most` rows."""
    tree = question.tree
    size = most if tree.limit is None else min(tree.limit, most)
    if question.grouped:
        rows, more = await _groups(reader, question, size)
    elif not question.type.natives:
        found = await virtual_rows(reader, question.type, tree.where, question.node)
        rows, more = _part(found, tree.offset, size)
    elif len(question.type.natives) > 1:
        rows, more = await _of_several(reader, question, size)
    else:
        rows, more = await _entities(reader, question, question.type.native, tree.offset, size)
    following = tree.offset + size if more and size else None
    emit = Emitter(reader.names)
    return {"action": "query", "data": [emit(each) for each in rows], "metadata": {"next": {"offset": following}}}


def _paths(tree: Query) -> list[tuple[str, ...]]:
    found = []
    for each in tree.select:
        if not isinstance(each.value, Path):
            raise InvalidQuery(reason="a projection is an attribute, or a path to one")
        found.append(each.value.names)
    return found


def _check(names: Names, type: Type, node: Node) -> None:
    """UnknownAttribute where something is to be selected that there is not."""
    for name, inner in node.items():
        types = names.having(type, name) if type.natives and name not in type.fields else [type]
        if inner:
            # Of several subtypes, those where it leads to something.
            types = [each for each in types if names.field(each, name).target] or types
        for each in types:
            field = names.field(each, name)
            if inner and field.target:
                ends = names.ends(each, field)
                for end in ends:
                    known = {name: node for name, node in inner.items() if len(ends) == 1 or names.has(end, name)}
                    _check(names, end, known)
            elif inner:
                raise InvalidQuery(reason=f"{each.name}.{name} leads to no entity")


def _part(rows: list[Any], offset: int, size: int) -> tuple[list[Any], bool]:
    return rows[offset : offset + size], len(rows) > offset + size


async def _entities(
    reader: Reader, question: Question, native: str, offset: int, size: int
) -> tuple[list[dict[str, Any]], bool]:
    query = question.native(native)
    query = replace(
        query, select=reader.select(native, question.node), order_by=(*query.order_by, *ORDER), offset=offset
    )
    if not size:
        query = replace(query, limit=0)
    page = await reader.page(query, size)
    rows = list((await reader.rows(native, question.node, page)).values())
    if question.type.name != reader.names.of(native).name and question.type.natives == (native,):
        rows = [{**each, "__entity_type__": question.type.name} for each in rows]
    return rows, page.next is not None


async def _of_several(reader: Reader, question: Question, size: int) -> tuple[list[dict[str, Any]], bool]:
    """Rows of a type that is several here, one behind the other."""
    found: list[dict[str, Any]] = []
    offset = question.tree.offset
    for native in question.type.natives:
        found += (await _entities(reader, question, native, 0, offset + size + 1))[0]
    return _part(found, offset, size)


# --- groups -----------------------------------------------------------------------------------------------


async def _groups(reader: Reader, question: Question, size: int) -> tuple[list[dict[str, Any]], bool]:
    tree, native = question.tree, question.type.native
    rewriter = question.rewriter
    values = [each.value for each in tree.select] or list(tree.group_by)
    outputs = {_name_of(each): rewriter.value(each, native) for each in values}
    query = replace(
        question.native(native),
        select=tuple(Selected(value, name) for name, value in outputs.items()),
        group_by=tuple(rewriter.value(each, native) for each in tree.group_by),
        offset=tree.offset,
    )
    page = await reader.page(query, size)
    columns = [_shown(reader, native, outputs[name], page.columns[name]) for name in outputs]
    rows = [dict(zip(outputs, each, strict=True)) for each in zip(*columns, strict=True)]
    return rows, page.next is not None


def _name_of(value: Any) -> str:
    if isinstance(value, Path):
        return ".".join(value.names)
    if isinstance(value, Call) and value.function in AGGREGATES:
        of = [".".join(each.names) for each in value.arguments if isinstance(each, Path)]
        return "_".join([value.function, *of])
    raise InvalidQuery(reason="only attributes and count, sum, avg, min and max of them can be selected")


def _shown(reader: Reader, native: str, value: Any, column: list[Any]) -> list[Any]:
    if isinstance(value, Call):
        if value.function in ("count", "sum", "avg") or not value.arguments:
            return column
        value = value.arguments[0]
    kind, at = "text", native
    for name in value.names if isinstance(value, Path) else ():
        attribute = reader.schema.attribute(at, name)
        kind, at = attribute.kind, attribute.target
    return shown_column(column, kind)
