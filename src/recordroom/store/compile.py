"""Requests as SQL statements: made once for each shape of query, then only filled with parameters.

`page_statement`, `count_statement` and `members_statement` give a `Ready`: text, parameters, and where in
its rows each part of a page lies. Statements are kept with the catalog, so a schema change forgets them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from ..errors import InvalidQuery
from ..model.kinds import RAW, Storage, WrongValue
from ..model.schema import Attribute
from ..query import syntax
from ..query.limits import check_size
from ..query.request import MembersRequest, QueryRequest
from ..query.resolve import resolve
from ..query.resolved import (
    Aggregate,
    Arithmetic,
    Convert,
    Function,
    Get,
    Key,
    LinkRow,
    Order,
    Query,
    Rank,
    Root,
    Unrank,
    Value,
    ValueType,
)
from ..query.shape import Shape, shape_of
from .catalog import Catalog
from .compile_access import AccessBuilder
from .compile_rows import Inputs, Level, Source
from .compile_values import Element, cast_type, literal_text
from .decimals import encode
from .lists import list_parameter

__all__ = [
    "Field",
    "Layout",
    "Ready",
    "StatementBuilder",
    "Window",
    "allowed_statement",
    "count_statement",
    "members_statement",
    "page_statement",
    "seen_statement",
    "shown_key",
]

_MOST_STATEMENTS = 1000
_statements: WeakKeyDictionary[Catalog, dict[Hashable, _Statement]] = WeakKeyDictionary()


class Field(NamedTuple):
    """A column of the rows: its place and how its values are kept."""

    place: int
    storage: Storage


class Layout(NamedTuple):
    """Where in a row of the statement each part of a page lies.

    `keys` are what the rows are ordered by, and tell them apart; `owner` and `note` are for members only.
    """

    type: str
    ids: int | None
    types: int | None
    outputs: tuple[tuple[str, Field], ...]
    storage: tuple[Storage, ...]  # of every column, as the database gives it
    keys: tuple[Field, ...] = ()
    owner: int | None = None
    note: int | None = None


class Ready(NamedTuple):
    """A statement with its parameters."""

    sql: str
    parameters: list[Any]
    layout: Layout


class _Statement(NamedTuple):
    sql: str
    binders: tuple[Callable[[Inputs], Any], ...]
    layout: Layout


class Window(NamedTuple):
    """Which rows of a query a statement is for: `after` a row, at most `limit` of them; None: all of the query's."""

    limit: int | None
    after: Sequence[Any] | None = None


# --- statements ready to run ----------------------------------------------------------------------


def page_statement(catalog: Catalog, request: QueryRequest, window: Window) -> Ready:
    """The statement for the rows of one page, or for all rows."""
    after = window.after
    nulls = None if after is None else tuple([each is None for each in after])
    query = request.query
    form = ("page", nulls, window.limit is None, query.offset == 0 or after is not None)
    limit = window.limit if window.limit is not None else query.limit

    def make(builder: StatementBuilder, resolved: Query) -> tuple[sa.Select[Any], Layout]:
        return builder.rows(resolved, form, limited=limit is not None)

    inputs = Inputs((), request.at, after or (), limit or 0, query.offset)
    return _ready(catalog, request, form, make, inputs)


def count_statement(catalog: Catalog, request: QueryRequest) -> Ready:
    """The statement for the number of rows, without regard to the query's limit and offset."""

    def make(builder: StatementBuilder, resolved: Query) -> tuple[sa.Select[Any], Layout]:
        return builder.count(resolved), Layout(resolved.type, None, None, (), (Storage.INTEGER,))

    return _ready(catalog, request, ("count",), make, Inputs((), request.at))


def members_statement(catalog: Catalog, request: MembersRequest, owners: Sequence[bytes]) -> Ready:
    """The statement for the members that some owners have."""
    schema = catalog.schema
    attribute = schema.attribute(request.type, request.attribute)
    if not attribute.many:
        raise InvalidQuery(reason=f"{request.type}.{request.attribute} is a {attribute.kind} and has no members")
    inputs = Inputs((), request.at, owners=owners, facts=catalog.facts)
    key = ("members", request.type, request.attribute, request.select, request.at is None)
    known = _known(catalog)
    statement = known.get(key)
    if statement is None:
        builder = StatementBuilder(catalog, (), of_past=request.at is not None)
        if attribute.kind == "mapping":
            select, layout = builder.entries(request.type, attribute)
        else:
            paths = tuple(syntax.Selected(syntax.Path(tuple(name.split(".")))) for name in request.select)
            resolved = resolve(schema, syntax.Query(attribute.target, paths))
            select, layout = builder.linked(request.type, attribute, resolved)
        statement = _keep(known, key, _compiled(builder, select, layout))
    return Ready(statement.sql, [binder(inputs) for binder in statement.binders], statement.layout)


def allowed_statement(  # noqa: PLR0913 - as `access.allowed`
    catalog: Catalog, verb: str, type_name: str, attributes: Sequence[str], ids: Sequence[bytes], at: int | None
) -> Ready:
    """The statement for those of `ids` for which grants hold that cover the attributes."""
    known = _known(catalog)
    key = ("allowed", verb, type_name, tuple(attributes), at is None)
    statement = known.get(key)
    if statement is None:
        builder = StatementBuilder(catalog, (), of_past=at is not None)
        select = builder.allowed(verb, type_name, attributes)
        statement = _keep(known, key, _compiled(builder, select, Layout(type_name, 0, None, (), (Storage.BYTES,))))
    inputs = Inputs((), at, owners=ids, facts=catalog.facts)
    return Ready(statement.sql, [binder(inputs) for binder in statement.binders], statement.layout)


def seen_statement(catalog: Catalog, root: str, names: Sequence[str], moments: Sequence[tuple[bytes, int]]) -> Ready:
    """The statement for those of (id, revision) whose entities could be seen then, with 1 for each attribute that could."""
    known = _known(catalog)
    key = ("seen", root, tuple(names))
    statement = known.get(key)
    if statement is None:
        builder = StatementBuilder(catalog, (), of_past=True)
        storage = (Storage.BYTES, *[Storage.INTEGER] * (1 + len(names)))
        statement = _keep(known, key, _compiled(builder, builder.seen(root, names), Layout(root, 0, 1, (), storage)))
    inputs = Inputs(moments, facts=catalog.facts)
    return Ready(statement.sql, [binder(inputs) for binder in statement.binders], statement.layout)


_Make = Callable[["StatementBuilder", Query], tuple[sa.Select[Any], Layout]]


def _ready(catalog: Catalog, request: QueryRequest, form: Hashable, make: _Make, inputs: Inputs) -> Ready:
    query, parameters = request.query, request.parameters
    shape = _shape(query, parameters)
    known = _known(catalog)
    key = (form, request.at is None, shape.key)
    try:
        statement = known.get(key)
    except TypeError:  # a name that is no text
        raise InvalidQuery(reason="its parts are not what they should be") from None
    if statement is None:
        statement = _keep(known, key, _made(catalog, request, shape, make))
    inputs = inputs._replace(given=shape.given, facts=catalog.facts)
    try:
        values = [binder(inputs) for binder in statement.binders]
    except (WrongValue, InvalidQuery):
        # Another query of this shape could be asked; the resolver says what is wrong with this one.
        resolve(catalog.schema, query, parameters)
        raise
    return Ready(statement.sql, values, statement.layout)


def _shape(query: syntax.Query, parameters: Mapping[str, Any]) -> Shape:
    try:
        return shape_of(query, parameters)
    except (RecursionError, KeyError):
        check_size(query)
        raise InvalidQuery(reason="its parts are not what they should be") from None


def _made(catalog: Catalog, request: QueryRequest, shape: Shape, make: _Make) -> _Statement:
    query, sources = request.query, shape.sources
    if len(set(map(id, sources))) < len(sources):
        # Parts that occur twice are one object; their constants may differ in the next query of this shape.
        query = msgspec.msgpack.decode(msgspec.msgpack.encode(query), type=syntax.Query)
        sources = shape_of(query, request.parameters).sources
    resolved = resolve(catalog.schema, query, request.parameters)
    builder = StatementBuilder(catalog, sources, of_past=request.at is not None)
    select, layout = make(builder, resolved)
    return _compiled(builder, select, layout)


def _compiled(builder: StatementBuilder, select: sa.Select[Any], layout: Layout) -> _Statement:
    sql, names = builder.finished(builder.written(select))
    return _Statement(sql, tuple(builder.binders[name] for name in names), layout)


def _known(catalog: Catalog) -> dict[Hashable, _Statement]:
    if catalog.access is not None:
        return catalog.access.rules(catalog).statements
    known = _statements.get(catalog)
    if known is None:
        known = _statements.setdefault(catalog, {})
    return known


def _keep(known: dict[Hashable, _Statement], key: Hashable, statement: _Statement) -> _Statement:
    if len(known) >= _MOST_STATEMENTS:
        for old in list(known)[: _MOST_STATEMENTS // 2]:
            known.pop(old, None)
    known[key] = statement
    return statement


# --- making statements ----------------------------------------------------------------------------


class _Sorted(NamedTuple):
    """One key of the order: never null where `sure`."""

    element: Element
    field: Field
    ascending: bool
    sure: bool


class _Columns:
    """The columns of a SELECT, each once."""

    def __init__(self, builder: StatementBuilder) -> None:
        self.builder = builder
        self.elements: list[Element] = []
        self.storage: list[Storage] = []
        self._places: dict[Value, int] = {}

    def add(self, value: Value, *, several: bool = False) -> Field:
        """The column of a value; of a multi-valued attribute, whose type is that of its items, as it is stored."""
        place = self._places.get(value)
        storage = Storage.JSON if several else value.type.storage
        if place is None:
            place = self._places[value] = self.put(*self.builder.shown(value, storage))
        return Field(place, storage)

    def put(self, element: Element, storage: Storage) -> int:
        self.elements.append(element)
        self.storage.append(storage)
        return len(self.elements) - 1


class StatementBuilder(AccessBuilder):
    """Makes the SELECT of a whole request."""

    def rows(self, query: Query, form: tuple[Any, ...], *, limited: bool) -> tuple[sa.Select[Any], Layout]:
        """The rows of a query; `form` as in `page_statement`."""
        _, nulls, _, from_start = form
        level = self._source(query)
        columns = _Columns(self)
        ids = types = None
        if query.entities:
            ids = columns.add(_id_of(query)).place
            types = self._types(query.root, columns)
        outputs = tuple((each.name, self._output(each.value, each.attribute, columns)) for each in query.outputs)
        keys = self._sorted(query, columns)
        if nulls is not None:
            level.conditions.append(self._after(keys, nulls))
        select = level.select(*columns.elements).order_by(*map(_order, keys))
        if limited:
            select = select.limit(self.parameter(lambda inputs: inputs.limit, Storage.INTEGER))
        if not from_start:
            select = select.offset(self.parameter(lambda inputs: inputs.offset, Storage.INTEGER))
        storage = tuple(columns.storage)
        return select, Layout(query.type, ids, types, outputs, storage, tuple(key.field for key in keys))

    def shown(self, value: Value, storage: Storage) -> tuple[Element, Storage]:
        """A value as a column of the result."""
        return self._canonical(self.value(value), storage)

    def _canonical(self, element: Element, storage: Storage) -> tuple[Element, Storage]:
        """Decimals of PostgreSQL as canonical text."""
        if storage is not Storage.DECIMAL or self.sqlite:
            return element, storage
        return sa.cast(sa.func.trim_scale(element), cast_type(Storage.TEXT)), Storage.TEXT

    def _output(self, value: Value, attribute: Attribute, columns: _Columns) -> Field:
        return columns.add(value, several=True) if attribute.multi else columns.add(value)

    def _types(self, root: Root, columns: _Columns) -> int | None:
        if not self.schema.in_hierarchy(root.type):
            return None
        return columns.put(self.column(root, "entity_type"), Storage.TEXT)

    # --- where rows come from ---

    def _source(self, query: Query) -> Level:
        level = self.start(query.root)
        if query.where is not None:
            level.conditions.append(self.test(query.where))
        return self._grouped(query, level) if query.grouped else level

    def _grouped(self, query: Query, level: Level) -> Level:
        """The groups as a table of their own: a column for each key and each aggregate."""
        aggregates = _aggregates_of(query)
        keys = [self.value(each).label(f"k{place}") for place, each in enumerate(query.group_by)]
        found = [self.aggregated(each).label(f"a{place}") for place, each in enumerate(aggregates)]
        select = level.select(*keys, *(found or [sa.literal_column("1").label("a")]))
        # By place: the same expression with parameters is not the same to PostgreSQL.
        select = select.group_by(*(sa.literal_column(str(place + 1)) for place in range(len(keys))))
        name = self.name("g")
        groups = Source(select.subquery(name), name)
        self.keys = [groups[f"k{place}"] for place in range(len(keys))]
        self.aggregates = {id(each): groups[f"a{place}"] for place, each in enumerate(aggregates)}
        return Level(groups)

    def count(self, query: Query) -> sa.Select[Any]:
        """The number of rows."""
        return self._source(query).select(sa.func.count())

    def selected(self, query: Query) -> sa.Select[Any]:
        """The SELECT of a query behind `in`."""
        outer = self.keys, self.aggregates
        level = self._source(query)
        columns = _Columns(self)
        element = self.value(query.outputs[0].value)
        select = level.select(element)
        if query.limit is not None or query.offset:
            select = select.order_by(*map(_order, self._sorted(query, columns)))
            select = select.limit(None if query.limit is None else sa.literal_column(str(query.limit)))
            select = select.offset(sa.literal_column(str(query.offset)) if query.offset else None)
        self.keys, self.aggregates = outer
        return select

    # --- order and pages ---

    def _sorted(self, query: Query, columns: _Columns) -> list[_Sorted]:
        """What orders the rows, down to what tells any two apart."""
        last = [Order(key) for key in _keys_of(query)] if query.grouped else [Order(_id_of(query))]
        found, seen = [], set()
        for order in (*query.order_by, *last):
            if order.value not in seen:
                seen.add(order.value)
                sure = (
                    isinstance(order.value, Get) and order.value.row == query.root and order.value.name in _NEVER_NULL
                )
                found.append(_Sorted(self.value(order.value), columns.add(order.value), order.ascending, sure))
            if not query.grouped and order.value == last[0].value:
                break
        return found

    def _after(self, keys: list[_Sorted], nulls: tuple[bool, ...]) -> sa.ColumnElement[bool]:
        """True for rows behind the one whose keys are given; `nulls` says which of its keys are null."""
        if len(nulls) != len(keys):
            raise InvalidQuery(reason=_STRANGE_PLACE)
        marks = [self._mark(place, key) for place, key in enumerate(keys)]
        either: list[sa.ColumnElement[bool]] = []
        same: list[sa.ColumnElement[bool]] = []
        for key, mark, null in zip(keys, marks, nulls, strict=True):
            if null:
                same.append(key.element.is_(None))
                continue
            beyond = key.element > mark if key.ascending else key.element < mark
            behind = beyond if key.sure else sa.or_(beyond, key.element.is_(None))
            either.append(sa.and_(*same, behind))
            same.append(key.element == mark)
        found = sa.or_(*either) if either else sa.false()
        first = keys[0]
        if len(keys) > 1 and first.sure:
            # Says nothing new, but tells the database where in an index to begin.
            found = sa.and_(first.element >= marks[0] if first.ascending else first.element <= marks[0], found)
        return found

    def _mark(self, place: int, key: _Sorted) -> Element:
        storage = key.field.storage
        encoded = self.sqlite and storage is Storage.DECIMAL

        def binder(inputs: Inputs) -> Any:
            value = key_value(inputs.after[place], storage)
            return encode(value) if encoded else value

        parameter = self.parameter(binder, storage)
        return parameter if self.sqlite else sa.cast(parameter, cast_type(storage))

    # --- members ---

    def linked(self, type_name: str, attribute: Attribute, query: Query) -> tuple[sa.Select[Any], Layout]:
        """The members of a collection or links attribute, in the order of (owner, member)."""
        root = query.root
        if attribute.kind == "collection":
            level = self.start(root)
            table, _ = self.found(root)
            column = self.tables.column_name(attribute.target, attribute.inverse)
            near = table[column]
            level.conditions += self.sees(near, type_name, attribute.name) if self.rules is not None else []
            kept = self.kept(table, column)
            if kept is not None:
                level.conditions.append(self._of_owners(kept))
        else:
            table = self.relations(type_name, attribute)
            level = Level(table)
            near = table[self.near_end(attribute)]
            self.at(LinkRow(root.number), table, level)
            self._links[root.number] = (table, "source" if attribute.derived else "target")
        columns = _Columns(self)
        owner = columns.put(near, Storage.BYTES)
        ids = columns.add(_id_of(query)).place
        note = columns.put(table["note"], Storage.TEXT) if attribute.notes else None
        types = self._types(root, columns)
        outputs = tuple((each.name, self._output(each.value, each.attribute, columns)) for each in query.outputs)
        level.conditions.append(self._of_owners(near))
        select = level.select(*columns.elements).order_by(near, self.column(root, "id"))
        return select, Layout(attribute.target, ids, types, outputs, tuple(columns.storage), (), owner, note)

    def entries(self, type_name: str, attribute: Attribute) -> tuple[sa.Select[Any], Layout]:
        """The entries of a mapping, in the order of (owner, key)."""
        table = self.relations(type_name, attribute)
        level = Level(table)
        storage = Attribute(name="", kind=attribute.of).kind_of.storage
        value, kept = self._canonical(table["value"], storage)
        owner, key = table["owner"], table["key"]
        level.conditions.append(self._of_owners(owner))
        select = level.select(owner, key, value).order_by(owner, key)
        outputs = (("key", Field(1, Storage.TEXT)), ("value", Field(2, storage)))
        return select, Layout("", None, None, outputs, (Storage.BYTES, Storage.TEXT, kept), (), 0)

    # --- what is allowed ---

    def allowed(self, verb: str, type_name: str, attributes: Sequence[str]) -> sa.Select[Any]:
        """The ids, of those given, of entities for which grants hold that cover the attributes."""
        with self.raw() as rules:
            table = self.entities(type_name)
        level = Level(table)
        level.conditions += [self._of_owners(table["id"]), *self.of_type(table, type_name)]
        for name in attributes or (None,):
            test = self.holds(rules.covering(verb, type_name, name), table, type_name, type_name)
            level.conditions += [] if test is None else [test]
        if verb == "read":
            level.conditions += self.today(table, type_name)
        return level.select(table["id"])

    def seen(self, root: str, names: Sequence[str]) -> sa.Select[Any]:
        """Those of the moments given that can be seen, with a flag for each attribute."""
        moments = self.moments()
        self._past = moments["revision"]
        level = Level(moments)
        level.conditions += self.sees(moments["id"], root)
        flags = [sa.and_(sa.true(), *self.sees(moments["id"], root, name)) for name in names]
        one: Element = sa.literal_column("1")
        none: Element = sa.literal_column("0")
        columns = (moments["id"], moments["revision"], *(sa.case((flag, one), else_=none) for flag in flags))
        return level.select(*columns)

    def text_seen(self, root: str, columns: Iterable[str]) -> str:
        """That a row `s` of the search index, of a hierarchy that is not open, is a text which can be seen."""
        table = self.entities(root)
        attribute: Element = sa.literal_column("s.attribute")
        shown = [sa.and_(attribute == literal_text(column), table[column].is_not(None)) for column in columns]
        level = Level(table)
        level.conditions += [table["id"] == sa.literal_column("s.id"), sa.or_(sa.false(), *shown)]
        return self.written(sa.exists(level.select(sa.literal_column("1"))))

    def moments(self) -> Source:
        """The moments given: `id` and `revision`."""
        name = self.name("v")
        moments: Element
        if not self.sqlite:
            ids, revisions = (
                sa.cast(self.parameter(binder, storage), ARRAY(cast_type(storage)))
                for binder, storage in (
                    (lambda inputs: [each[0] for each in inputs.given], Storage.BYTES),
                    (lambda inputs: [each[1] for each in inputs.given], Storage.INTEGER),
                )
            )
            clause = sa.func.unnest(ids, revisions).table_valued("id", "revision").render_derived(name=name)
            return Source(clause, name)
        moments = self.parameter(_moments_json, Storage.TEXT)
        inner = self.name("v")
        items = Source(sa.func.json_each(moments).table_valued("value", name=inner), inner)
        entity: Element = sa.func.unhex(sa.func.json_extract(items["value"], literal_text("$[0]")))
        revision: Element = sa.func.json_extract(items["value"], literal_text("$[1]"))
        select = sa.select(entity.label("id"), revision.label("revision")).select_from(items.clause)
        return Source(select.subquery(name), name)

    def _of_owners(self, near: Element) -> sa.ColumnElement[bool]:
        sqlite = self.sqlite
        owners = self.parameter(lambda inputs: list_parameter(inputs.owners, Storage.BYTES, sqlite), Storage.BYTES)
        return self.in_list(near, owners, Storage.BYTES)


def _moments_json(inputs: Inputs) -> str:
    return json.dumps([(entity.hex(), revision) for entity, revision in inputs.given])


_STRANGE_PLACE = "the place to go on from is not one that a page of this query gave"


def shown_key(value: Any) -> Any:
    """A key of the order as it stands in `Page.next`, which JSON can carry too."""
    return value.hex() if isinstance(value, bytes) else value


def key_value(shown: Any, storage: Storage) -> Any:
    """What `shown_key` was given; InvalidQuery where that cannot be."""
    if storage is Storage.BYTES and isinstance(shown, str):
        try:
            return bytes.fromhex(shown)
        except ValueError:
            raise InvalidQuery(reason=_STRANGE_PLACE) from None
    if storage is Storage.REAL and type(shown) is int:
        return float(shown)
    if type(shown) is not RAW[storage] or (type(shown) is str and "\0" in shown):
        raise InvalidQuery(reason=_STRANGE_PLACE)
    return shown


_NEVER_NULL = ("id", "number", "revision", "created_revision")


def _id_of(query: Query) -> Value:
    return Get(query.root, "id", ValueType("uuid", target=query.type))


def _keys_of(query: Query) -> list[Value]:
    return [Key(place, each.type) for place, each in enumerate(query.group_by)]


def _order(key: _Sorted) -> sa.ColumnElement[Any]:
    element = key.element.asc() if key.ascending else key.element.desc()
    return element if key.sure else element.nulls_last()


def _aggregates_of(query: Query) -> list[Aggregate]:
    """Every aggregate over the rows of a group."""
    found: list[Aggregate] = []

    def look(value: Value) -> None:
        match value:
            case Aggregate():
                if not any(each is value for each in found):
                    found.append(value)
            case Function():
                for each in value.arguments:
                    look(each)
            case Arithmetic():
                look(value.left)
                look(value.right)
            case Convert() | Rank() | Unrank():
                look(value.value)

    for output in query.outputs:
        look(output.value)
    for order in query.order_by:
        look(order.value)
    return found
