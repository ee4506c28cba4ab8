"""Finding entities in bulk: by the natural keys that references are written with, and by the key of an upsert.

One query asks for every key of a batch that is not known yet; what was found is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...model.ids import as_id
from ...model.kinds import raw_loader
from ...model.schema import Attribute
from ...query.request import Page, QueryRequest
from ...query.syntax import And, Condition, In, Parameter, Path, Query, Selected
from .cells import Converter, cell_text
from .mapping import Lookup, natural_key, natural_keys, path_end
from .readers import Cells

if TYPE_CHECKING:
    from ..session import Session

__all__ = ["Existing", "Finder", "Found", "existing_rows"]

Key = tuple[Any, ...]
_REMEMBERED = 1_000_000
_PAGE = 10_000
# Keys asked for by one query; more make more queries.
_ASKED = 10_000


def _given(raws: Iterable[Any], attribute: Attribute) -> list[Any]:
    """Raw scalars as a parameter of a query has them: ids, numbers and texts as they are, the rest as text."""
    if attribute.kind in ("reference", "uuid"):
        return list(raws)
    load = raw_loader(attribute)
    if load is None:
        return list(raws)
    values = map(load, raws)
    return [value.isoformat() if hasattr(value, "isoformat") else str(value) for value in values]


def _condition(attributes: Mapping[str, Attribute], keys: Sequence[Key]) -> tuple[Condition, dict[str, Any]]:
    """Holds for every entity with one of the keys; of several parts also for others, which are passed over."""
    parts: list[Condition] = []
    parameters: dict[str, Any] = {}
    for position, (path, attribute) in enumerate(attributes.items()):
        name = f"part{position}"
        parameters[name] = _given(dict.fromkeys(key[position] for key in keys), attribute)
        parts.append(In(Path(tuple(path.split("."))), (Parameter(name),)))
    return parts[0] if len(parts) == 1 else And(tuple(parts)), parameters


def _pages(
    session: Session, type_name: str, select: Iterable[str], attributes: Mapping[str, Attribute], keys: Iterable[Key]
) -> Iterator[Page]:
    """Pages of the entities that have one of the keys."""
    selected = tuple(Selected(Path(tuple(path.split("."))), path) for path in select)
    listed = list(keys)
    for start in range(0, len(listed), _ASKED):
        where, parameters = _condition(attributes, listed[start : start + _ASKED])
        query = Query(type=type_name, select=selected, where=where)
        request = QueryRequest(database=session.database, query=query, size=_PAGE, parameters=parameters)
        yield from session.transport.stream(request)


def _keys_of(page: Page, paths: Iterable[str]) -> Iterator[Key]:
    return zip(*(page.ids if path == "id" else page.columns[path] for path in paths), strict=True)


# --- references ---------------------------------------------------------------------------------------


class Found(NamedTuple):
    """What the cells of a reference name: an id each, None where missing or unknown.

    `unknown` are the positions of cells that name nothing, `faults` what was expected of those wrong in another way.
    """

    ids: list[bytes | None]
    unknown: list[int]
    faults: dict[int, str]


_UNKNOWN = object()


class Finder:
    """Finds the entities that one reference attribute names, batch by batch."""

    def __init__(self, session: Session, type_name: str, attribute: Attribute, lookup: Lookup) -> None:
        self.attribute = attribute
        self.lookup = lookup
        self._session = session
        self._type = type_name
        schema = session.schema
        # Rows may refer to others of the same file, which come into being on the way.
        self.own = schema.root(attribute.target) == schema.root(type_name)
        self._known: dict[Any, bytes | str | None] = {}
        self._own: dict[tuple[str, Key], bytes] = {}

    def learn(self, raws: Mapping[str, Sequence[Any]], ids: Sequence[bytes]) -> None:
        """Remember the entities of a batch, by id and by key, so that rows of the same file find them."""
        self._own = {("id", (each,)): each for each in ids}
        for path in self.lookup.key or natural_keys(self._session.schema, self.attribute.target):
            self._own.update(zip(((path, (raw,)) for raw in raws.get(path, ())), ids, strict=False))

    def find(self, columns: Sequence[Any], cells: Cells, nulls: Sequence[str]) -> Found:
        """The entities that the cells of a batch name; each different cell is looked up once."""
        rows = _hashable_rows(columns)
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        known = self._known
        fresh = {row: _parts(row, nulls) for row in set(rows).difference(known)}
        answers = self._look_up(fresh, cells)
        if self.own:
            # What is unknown now may be made by a later row.
            found = {**known, **answers}
            known.update((row, answer) for row, answer in answers.items() if type(answer) is bytes)
        else:
            known.update(answers)
            found = known
        return _sorted_out(list(map(found.__getitem__, rows)))

    def _look_up(self, rows: Mapping[Any, Key], cells: Cells) -> dict[Any, Any]:
        """What each row names: an id, None where nothing is written, _UNKNOWN, or what was expected."""
        answers: dict[Any, Any] = {}
        ids: dict[Any, Key] = {}
        named: dict[Any, Key] = {}
        for row, parts in rows.items():
            if parts.count(None) == len(parts):
                answers[row] = None
            elif not self.lookup.key and (given := _as_id(parts[0])) is not None:
                ids[row] = (given,)
            else:
                named[row] = parts
        id_attribute = path_end(self._session.schema, self.attribute.target, "id")
        answers.update(self._ask({"id": id_attribute}, ids))
        if named:
            answers.update(self._by_key(named, cells))
        return answers

    def _by_key(self, rows: Mapping[Any, Key], cells: Cells) -> dict[Any, Any]:
        schema, target = self._session.schema, self.attribute.target
        paths = self.lookup.key or (natural_key(schema, self.attribute, self._type),)
        attributes = {path: path_end(schema, target, path) for path in paths}
        answers: dict[Any, Any] = {}
        raws: list[list[Any]] = []
        wrong: dict[int, str] = {}
        for attribute, column in zip(attributes.values(), zip(*rows.values(), strict=True), strict=True):
            converted, faults = Converter(attribute, "json" if cells == "arrow" else cells, ())(column)
            raws.append(converted)
            wrong.update(faults)
        keys: dict[Any, Key] = {}
        for position, (row, key) in enumerate(zip(rows, zip(*raws, strict=True), strict=True)):
            if position in wrong:
                answers[row] = wrong[position]
            elif None in key:
                answers[row] = _UNKNOWN
            else:
                keys[row] = key
        return answers | self._ask(attributes, keys)

    def _ask(self, attributes: Mapping[str, Attribute], keys: Mapping[Any, Key]) -> dict[Any, Any]:
        """An id, _UNKNOWN, or what was expected, for each row."""
        if not keys:
            return {}
        paths = tuple(attributes)
        found: dict[Key, Any] = {}
        if self.own and len(paths) == 1:
            for key in keys.values():
                if (paths[0], key) in self._own:
                    found[key] = self._own[paths[0], key]
        wanted = {key for key in keys.values() if key not in found}
        for page in _pages(self._session, self.attribute.target, paths, attributes, wanted):
            for key, each in zip(_keys_of(page, paths), page.ids, strict=True):
                if key in wanted:
                    same = found.get(key, each) == each
                    found[key] = (
                        each
                        if same
                        else f"one {self.attribute.target} of that {' and '.join(paths)}, there are several"
                    )
        return {row: found.get(key, _UNKNOWN) for row, key in keys.items()}


def _hashable_rows(columns: Sequence[Any]) -> list[Any]:
    """The cells of each row: as they are where there is one column, else tuples."""
    listed = [column.to_pylist() if hasattr(column, "to_pylist") else column for column in columns]
    rows = list(listed[0]) if len(listed) == 1 else list(zip(*listed, strict=True))
    try:
        hash(tuple(rows))
    except TypeError:  # a list or an object of JSON names nothing
        listed = [[cell_text(cell) if isinstance(cell, (list, dict)) else cell for cell in column] for column in listed]
        rows = list(listed[0]) if len(listed) == 1 else list(zip(*listed, strict=True))
    return rows


def _parts(row: Any, nulls: Sequence[str]) -> Key:
    """The cells of one row, None where nothing is written."""
    cells = row if type(row) is tuple else (row,)
    return tuple(None if cell in nulls else cell for cell in cells)


def _as_id(cell: Any) -> bytes | None:
    """The id that a cell is by its form."""
    if (isinstance(cell, str) and len(cell) == 36) or (type(cell) is bytes and len(cell) == 16):
        try:
            return as_id(cell)
        except ValueError:
            return None
    return None


def _sorted_out(answers: list[Any]) -> Found:
    kinds = set(map(type, answers))
    if kinds <= {bytes, type(None)}:
        return Found(answers, [], {})
    unknown = [position for position, answer in enumerate(answers) if answer is _UNKNOWN]
    faults = {position: answer for position, answer in enumerate(answers) if type(answer) is str}
    return Found([answer if type(answer) is bytes else None for answer in answers], unknown, faults)


# --- upserts ------------------------------------------------------------------------------------------


class Existing(NamedTuple):
    """An entity that has the key of a row, and where its values are; `page` is None where several have the key."""

    id: bytes
    revision: int
    page: Page | None
    row: int


def existing_rows(
    session: Session, type_name: str, key: Sequence[str], keys: Iterable[Key], attributes: Sequence[str]
) -> dict[Key, Existing]:
    """The entities that have one of the keys, with the attributes that a row may change."""
    schema = session.schema
    parts = {name: schema.attribute(type_name, name) for name in key}
    wanted = {each for each in keys if None not in each}
    found: dict[Key, Existing] = {}
    select = dict.fromkeys([*key, *attributes, "revision"])
    for page in _pages(session, type_name, select, parts, wanted):
        rows = zip(_keys_of(page, key), page.ids, page.columns["revision"], strict=True)
        for row, (each, identity, revision) in enumerate(rows):
            if each in wanted:
                several = each in found and found[each].id != identity
                found[each] = Existing(identity, revision, None if several else page, row)
    return found
