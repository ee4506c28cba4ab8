"""A small world with everything a query can meet: entities in memory, the same in a room's tables, and random queries.

`World.random(dice)` makes two states of it, one in the past; `fill` writes both into a room; `State` is a
`Source` for the evaluator. `Queries` makes random queries that the schema allows.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from recordroom.model.kinds import KINDS, Storage
from recordroom.model.schema import Attribute as A
from recordroom.model.schema import EntityType, Schema
from recordroom.query import syntax as s
from recordroom.store.catalog import Catalog
from recordroom.store.plans import InsertColumns, Plan, Run
from recordroom.store.tables import attribute_storage, past

STATUS = ("new", "open", "closed")

SCHEMA = Schema(
    [
        EntityType(
            name="Person",
            attributes=(
                A(name="name", kind="text"),
                A(name="age", kind="integer"),
                A(name="born", kind="date"),
                A(name="mood", kind="choice", choices=STATUS),
            ),
        ),
        EntityType(
            name="Project",
            attributes=(
                A(name="name", kind="text"),
                A(name="status", kind="choice", choices=STATUS),
                A(name="facts", kind="mapping"),
                A(name="scores", kind="mapping", of="integer"),
                A(name="lead", kind="reference", target="Person", reverse="leads"),
                A(name="budget", kind="decimal"),
                A(name="spent", kind="integer", computed="sum(items.bid)"),
                A(name="title", kind="text", computed='concat(upper(name), " ", length(name))'),
            ),
        ),
        EntityType(
            name="Item",
            attributes=(
                A(name="name", kind="text"),
                A(name="notes", kind="long_text"),
                A(name="bid", kind="integer"),
                A(name="ratio", kind="number"),
                A(name="weight", kind="number"),
                A(name="price", kind="decimal"),
                A(name="done", kind="boolean"),
                A(name="due", kind="date"),
                A(name="seen", kind="datetime"),
                A(name="data", kind="json"),
                A(name="code", kind="uuid"),
                A(name="status", kind="choice", choices=STATUS),
                A(name="tags", kind="text", multi=True),
                A(name="levels", kind="integer", multi=True),
                A(name="prices", kind="decimal", multi=True),
                A(name="project", kind="reference", target="Project", reverse="items"),
                A(name="parent", kind="reference", target="Item", reverse="children"),
                A(name="people", kind="links", target="Person", reverse="items", notes=True),
                A(name="twice", kind="integer", computed="bid * 2"),
                A(name="share", kind="number", computed="bid / project.spent"),
            ),
        ),
        EntityType(name="Shot", extends="Item", attributes=(A(name="frames", kind="integer"),)),
        EntityType(
            name="Edit",
            extends="Item",
            attributes=(
                A(name="body", kind="text"),
                A(name="shot", kind="reference", target="Shot", reverse="edits"),
            ),
        ),
    ]
)

NOW, THEN = 4, 2  # the revision of the present state, and of the past one
COMMITS = [(1, "ann", 1_000_000), (2, "bob", 2_000_000), (3, "ann", 86_400_000_000), (4, "zoë", 1_700_000_000_000_000)]

_TEXTS = ["", "a", "A", "ab", "aB", "b", "Ä", "ä", "ß", "K", "İ", "Σ", "ς", "σ", "100%", "a_b", "a\\b", "x y"]
_TEXTS += [
    "O'Hara",
    '"',
    "漢字 字",
    "\U0001f600",
    "\U0010ffff",
    "a\U0010ffff",
    "\ue000",
    "line\nbreak",
    "'; drop table x; --",
]
POOLS: dict[str, list[Any]] = {
    "text": _TEXTS,
    "long_text": ["the quick brown fox", "Quick foxes", "fox", "", "a fox's ÄPFEL", "brown"],
    "integer": [-(2**63), 2**63 - 1, 2**53 + 1, -7, -1, 0, 1, 2, 3, 5, 5, 8],
    "number": [0.0, -0.5, 0.25, 2.5, 1e300, -1e300, 5e-324, 1.7976931348623157e308, 0.1, 9007199254740993.0, -2.5, 1.0],
    "weight": [0.0, -0.25, 0.5, 1.5, 2.0, 3.75, 100.0],
    "decimal": ["0", "-12.5", "1.1", "1.15", "9" * 35, "-" + "9" * 35, "0." + "0" * 29 + "1", "2", "100", "-0.3"],
    "boolean": [True, False],
    "date": [-719162, -1, 0, 1, 19999, 20000, 2932896, 59, 58],
    "datetime": [
        -62135596800000000,
        -1,
        0,
        1,
        86_400_000_000,
        1_700_000_000_123_456,
        253402300799999999,
        -86_400_000_000,
    ],
    "json": ["{}", "[1,2]", '"a"', '{"a":1}'],
    "uuid": [uuid.UUID(int=number).bytes for number in (0, 1, 2**128 - 1)],
    "choice": list(STATUS),
}
KEYS = ["a", "b", "A", "x y", "key"]


def new_id(dice: random.Random) -> bytes:
    return dice.randbytes(16)


def few_of_each(dice: random.Random) -> dict[str, list[Any]]:
    """A world has few different values, so that queries find some."""
    return {kind: dice.sample(pool, min(len(pool), 4)) for kind, pool in POOLS.items()}


def pool_of(attribute: A) -> str:
    return "weight" if attribute.name == "weight" else attribute.kind


# --- states ---------------------------------------------------------------------------------------


@dataclass
class Entity:
    type: str
    values: dict[str, Any]


@dataclass
class State:
    """One state of the world; a `Source` of the evaluator."""

    revision: int
    entities_by_root: dict[str, dict[bytes, Entity]] = field(
        default_factory=lambda: {"Person": {}, "Project": {}, "Item": {}}
    )
    links: dict[tuple[bytes, bytes], tuple[str | None, int]] = field(
        default_factory=dict
    )  # Item.people → note, revision
    mappings: dict[tuple[str, bytes, str], tuple[Any, int]] = field(default_factory=dict)  # attribute, owner, key

    def entities(self, type_name: str) -> Iterator[bytes]:
        for entity, each in self.entities_by_root[SCHEMA.root(type_name)].items():
            if SCHEMA.is_a(each.type, type_name):
                yield entity

    def find(self, type_name: str, entity: bytes) -> Entity:
        return self.entities_by_root[SCHEMA.root(type_name)][entity]

    def value(self, type_name: str, entity: bytes, attribute: str) -> Any:
        found = self.find(type_name, entity)
        if attribute == "id":
            return entity
        if attribute == "entity_type":
            return found.type
        if attribute in ("created_at", "created_by", "modified_at", "modified_by"):
            which = found.values["created_revision" if attribute.startswith("created") else "revision"]
            revision, actor, time = COMMITS[which - 1]
            assert revision == which
            return time if attribute.endswith("_at") else actor
        return found.values.get(attribute)

    def members(self, type_name: str, entity: bytes, attribute: str) -> Iterator[tuple[bytes, str | None]]:
        declared = SCHEMA.attribute(type_name, attribute)
        if declared.kind == "links":
            far = 0 if declared.derived else 1
            for pair, (note, _) in self.links.items():
                if pair[1 - far] == entity:
                    yield pair[far], note
            return
        for member in self.entities(declared.target):
            if self.find(declared.target, member).values.get(declared.inverse) == entity:
                yield member, None

    def entries(self, type_name: str, entity: bytes, attribute: str) -> Mapping[str, Any]:
        found = self.mappings.items()
        return {key: value for (name, owner, key), (value, _) in found if name == attribute and owner == entity}


def stored(type_name: str) -> list[A]:
    return [each for each in SCHEMA.stored_attributes(type_name) if not each.system]


class World:
    """Two states: `then`, as of revision 2, and `now`."""

    def __init__(self, dice: random.Random) -> None:
        self.then, self.now = State(THEN), State(NOW)
        self._dice = dice
        self.pools = few_of_each(dice)
        for type_name in ("Person", "Project", "Item", "Shot", "Edit"):
            for _ in range(dice.randrange(8)):
                self._add(type_name)
        for root in self.then.entities_by_root:
            for each in self.then.entities_by_root[root].values():
                self._refer(each, self.then)
        self._go_on()
        self._relate()

    def _value(self, attribute: A) -> Any:
        """A raw scalar for a stored attribute that is no reference; sometimes None."""
        dice, pool = self._dice, self.pools[pool_of(attribute)]
        if dice.random() < 0.15:
            return None
        if attribute.multi:
            return json.dumps(dice.choices(pool, k=dice.randrange(4)), separators=(",", ":"), ensure_ascii=False)
        return dice.choice(pool)

    def _add(self, type_name: str) -> None:
        dice = self._dice
        values = {each.name: self._value(each) for each in stored(type_name) if each.kind != "reference"}
        born = dice.choice((1, 2))
        root = self.then.entities_by_root[SCHEMA.root(type_name)]
        values |= {"number": len(root) + 1, "created_revision": born, "revision": dice.randint(born, 2)}
        root[new_id(dice)] = Entity(type_name, values)

    def _refer(self, entity: Entity, state: State) -> None:
        for attribute in stored(entity.type):
            if attribute.kind == "reference":
                targets = [None, *state.entities(attribute.target)]
                entity.values[attribute.name] = self._dice.choice(targets)

    def _go_on(self) -> None:
        """Some entities go, some change, some are new."""
        dice = self._dice
        for root, found in self.then.entities_by_root.items():
            for entity, each in found.items():
                if dice.random() > 0.2:
                    self.now.entities_by_root[root][entity] = each
        new = []
        for type_name in ("Person", "Project", "Item", "Shot"):
            if dice.random() < 0.5:
                values = {each.name: self._value(each) for each in stored(type_name) if each.kind != "reference"}
                root = self.now.entities_by_root[SCHEMA.root(type_name)]
                values |= {"number": 100 + len(root), "created_revision": 3, "revision": 3}
                added = root[new_id(dice)] = Entity(type_name, values)
                new.append(added)
        for added in new:
            self._refer(added, self.now)
        for root in self.now.entities_by_root.values():
            for entity, each in list(root.items()):
                lost = {a.name for a in stored(each.type) if a.kind == "reference" and self._is_lost(a, each)}
                if lost or (dice.random() < 0.3 and each not in new):
                    values = each.values | dict.fromkeys(lost) | {"revision": dice.choice((3, 4))}
                    for attribute in dice.sample(stored(each.type), 3):
                        if attribute.kind != "reference":
                            values[attribute.name] = self._value(attribute)
                    root[entity] = Entity(each.type, values)

    def _is_lost(self, attribute: A, entity: Entity) -> bool:
        target = entity.values.get(attribute.name)
        return target is not None and target not in self.now.entities_by_root[SCHEMA.root(attribute.target)]

    def _relate(self) -> None:
        dice = self._dice
        for state, revision in ((self.then, 1), (self.now, 3)):
            items, people = list(state.entities("Item")), list(state.entities("Person"))
            for item in items:
                for person in dice.sample(people, dice.randrange(len(people) + 1)):
                    note = dice.choice([None, *_TEXTS[:6]])
                    state.links[item, person] = (note, revision)
            for project in state.entities("Project"):
                for name, pool in (("facts", self.pools["text"]), ("scores", self.pools["integer"])):
                    for key in dice.sample(KEYS, dice.randrange(3)):
                        state.mappings[name, project, key] = (dice.choice(pool), revision)
        # What was there before and is the same now was not touched since.
        for kept_now, kept_then in ((self.now.links, self.then.links), (self.now.mappings, self.then.mappings)):
            for pair in list(kept_now):
                if pair in kept_then and dice.random() < 0.6:
                    kept_now[pair] = kept_then[pair]  # type: ignore[index,assignment]


# --- into a room ----------------------------------------------------------------------------------


def fill(catalog: Catalog, world: World) -> Plan[None]:
    """Write both states into the tables of a room that has the schema, in place of what was there."""
    yield Run("DELETE FROM rr_commit")
    storage = (Storage.INTEGER, Storage.BYTES, Storage.TEXT, Storage.TEXT, Storage.INTEGER, Storage.BYTES)
    revisions, actors, times = zip(*COMMITS, strict=True)
    ids = [bytes([revision]) * 16 for revision in revisions]
    columns = {"revision": revisions, "id": ids, "database": ["main"] * 4, "actor": actors, "time": times}
    yield InsertColumns("rr_commit", {**columns, "result": [b""] * 4}, storage)
    yield Run(f"UPDATE rr_room SET revision = {NOW}")
    yield from _clear(catalog)
    for root in ("Person", "Project", "Item"):
        yield from _fill_entities(catalog, world, root)
    for attribute in ("people", "facts", "scores"):
        yield from _fill_relation(catalog, world, attribute)


def _clear(catalog: Catalog) -> Plan[None]:
    tables = catalog.tables
    names = [
        tables.relation_name(type_name, SCHEMA.attribute(type_name, attribute)) for type_name, attribute in _RELATIONS
    ]
    names += [tables.entity_name(root) for root in ("Item", "Project", "Person")]
    for name in names:
        for each in (name, past(name)):
            yield Run(f'DELETE FROM "{each}"')


_RELATIONS = (("Item", "people"), ("Project", "facts"), ("Project", "scores"))


def _fill_entities(catalog: Catalog, world: World, root: str) -> Plan[None]:
    now, then = world.now.entities_by_root[root], world.then.entities_by_root[root]
    current = [(entity, each, None) for entity, each in now.items()]
    replaced = []
    for entity, each in then.items():
        after = now.get(entity)
        if after is None:
            replaced.append((entity, each, 3))
        elif after is not each:
            replaced.append((entity, each, after.values["revision"]))
    table = catalog.tables.entity_name(root)
    for name, rows in ((table, current), (past(table), replaced)):
        if not rows:
            continue
        columns: dict[str, list[Any]] = {}
        storage = []
        for column, attribute in catalog.tables.columns(root):
            columns[column] = [_cell(entity, each, column, attribute) for entity, each, _ in rows]
            storage.append(attribute_storage(attribute))
        if name != table:
            columns["until"] = [until for _, _, until in rows]
            storage.append(Storage.INTEGER)
        yield InsertColumns(name, columns, tuple(storage))


def _cell(entity: bytes, each: Entity, column: str, attribute: A) -> Any:
    if column == "id":
        return entity
    if column == "entity_type":
        return each.type
    declarer = column.partition(".")[0] if "." in column else None
    if declarer is not None and not SCHEMA.is_a(each.type, declarer):
        return None
    return each.values.get(attribute.name)


def _fill_relation(catalog: Catalog, world: World, name: str) -> Plan[None]:
    owner = "Item" if name == "people" else "Project"
    attribute = SCHEMA.attribute(owner, name)
    table = catalog.tables.relation_name(owner, attribute)
    now, then = _relation_rows(world.now, name), _relation_rows(world.then, name)
    value = Storage.TEXT if name == "people" else KINDS[attribute.of].storage
    storage = (Storage.BYTES, Storage.BYTES if name == "people" else Storage.TEXT, value, Storage.INTEGER)
    names = ("source", "target", "note", "revision") if name == "people" else ("owner", "key", "value", "revision")
    replaced = [(*pair, *cell, 3) for pair, cell in then.items() if now.get(pair) != cell]
    current = [(*pair, *cell) for pair, cell in now.items()]
    for each, rows, extra in ((table, current, ()), (past(table), replaced, ("until",))):
        if rows:
            columns = dict(zip((*names, *extra), map(list, zip(*rows, strict=True)), strict=True))
            yield InsertColumns(each, columns, (*storage, Storage.INTEGER)[: len(columns)])


def _relation_rows(state: State, name: str) -> dict[tuple[Any, Any], tuple[Any, int]]:
    if name == "people":
        return dict(state.links)
    return {(owner, key): cell for (attribute, owner, key), cell in state.mappings.items() if attribute == name}


# --- random queries -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """A path of a type: where it leads, and whether through a collection."""

    names: tuple[str, ...]
    attribute: A
    many: bool

    @property
    def path(self) -> s.Path:
        return s.Path(self.names)


def ways(type_name: str, depth: int = 2, names: tuple[str, ...] = (), many: bool = False) -> list[Way]:
    found = []
    for name, attribute in SCHEMA.attributes(type_name).items():
        way = (*names, name)
        if attribute.kind == "mapping":
            of = A(name="value", kind=attribute.of)
            found += [Way((*way, key), of, many) for key in KEYS[:3]]
            continue
        through = many or attribute.kind in ("collection", "links")
        found.append(Way(way, attribute, through))
        if attribute.relation and depth:
            found += ways(attribute.target, depth - 1, way, through)
    return found


_WAYS = {name: ways(name) for name in SCHEMA}
_ORDERED = ("text", "long_text", "integer", "number", "decimal", "date", "datetime", "choice")
_NUMERIC = ("integer", "number", "decimal")
_TEXTUAL = ("text", "long_text", "choice")


class Queries:
    """Random queries over one state."""

    def __init__(self, dice: random.Random, world: World, state: State, *, search: bool) -> None:
        self.dice = dice
        self.pools = world.pools
        self.state = state
        self.search = search

    def way(
        self, type_name: str, kinds: tuple[str, ...] | None = None, *, many: bool = True, multi: bool = True
    ) -> Way:
        found = [
            each
            for each in _WAYS[type_name]
            if (many or not each.many)
            and (multi or not each.attribute.multi)
            and (kinds is None or each.attribute.kind in kinds)
        ]
        # Short paths as often as long ones.
        length = self.dice.choice(sorted({len(each.names) for each in found}))
        return self.dice.choice([each for each in found if len(each.names) == length])

    # --- constants ---

    def literal(self, attribute: A) -> s.Literal:
        kind = attribute.kind
        if kind in ("reference", "collection", "links") or attribute.name == "id":
            known = list(self.state.entities(attribute.target or "Item")) or [bytes(16)]
            return s.Literal(str(uuid.UUID(bytes=self.dice.choice(known))))
        if attribute.name == "entity_type":
            return s.Literal(self.dice.choice(["Item", "Shot", "Edit", "Person"]))
        if attribute.system and kind == "text":
            return s.Literal(self.dice.choice(["ann", "bob", "zoë"]))
        pools = self.pools if self.dice.random() < 0.8 else POOLS
        return s.Literal(self._shown(kind, self.dice.choice(pools[pool_of(attribute)])))

    def _shown(self, kind: str, raw: Any) -> Any:
        if kind == "date":
            return (dt.date(1970, 1, 1) + dt.timedelta(days=raw)).isoformat()
        if kind == "datetime":
            return (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=raw)).isoformat()
        if kind == "uuid":
            return str(uuid.UUID(bytes=raw))
        if kind == "integer" and self.dice.random() < 0.2:
            return self.dice.choice([0.5, 2.0, -1.5, 4.25])
        if kind == "number" and self.dice.random() < 0.2:
            return self.dice.choice([0, 1, 2**53 + 1])
        return raw

    # --- values ---

    def number(self, type_name: str, depth: int = 2, *, many: bool = True) -> s.Value:
        if depth == 0 or self.dice.random() < 0.4:
            if self.dice.random() < 0.3:
                return s.Literal(self.dice.choice([0, 1, 2, -3, 0.5, 1.1, 2**62]))
            return self.way(type_name, _NUMERIC, many=many, multi=False).path
        if self.dice.random() < 0.3:
            return self.numeric_call(type_name, depth - 1, many=many)
        left, right = (self.number(type_name, depth - 1, many=many) for _ in "lr")
        return s.Arithmetic(self.dice.choice("+-*/"), left, right)

    def numeric_call(self, type_name: str, depth: int, *, many: bool) -> s.Value:
        function = self.dice.choice(
            ["length", "round", "abs", "year", "month", "day", "coalesce", *(["aggregate"] * 3)]
        )
        match function:
            case "length":
                return s.Call("length", (self.way(type_name, _TEXTUAL, many=many, multi=False).path,))
            case "round":
                number = self.number(type_name, depth, many=many)
                return s.Call(
                    "round", (number, s.Literal(self.dice.randrange(3))) if self.dice.random() < 0.7 else (number,)
                )
            case "abs":
                return s.Call("abs", (self.number(type_name, depth, many=many),))
            case "year" | "month" | "day":
                return s.Call(function, (self.way(type_name, ("date", "datetime"), many=many).path,))
            case "coalesce":
                return s.Call(
                    "coalesce", (self.number(type_name, depth, many=many), self.number(type_name, 0, many=many))
                )
        return self.aggregate(type_name)

    def aggregate(self, type_name: str) -> s.Value:
        """Over the members of a collection; sums of what adds up exactly in any order."""
        ends = [each for each in _WAYS[type_name] if each.many and not each.attribute.multi]
        counted = [each for each in ends if each.attribute.kind != "mapping"]
        summed = [
            each for each in ends if each.attribute.kind in ("integer", "decimal") or each.attribute.name == "weight"
        ]
        function = self.dice.choice(["count", "sum", "avg", "min", "max"])
        summed = [each for each in summed if each.attribute.computed is None]
        if function == "avg":
            summed = [each for each in summed if each.attribute.name in ("weight", "frames", "number")]
        if function == "count" or not summed:
            return s.Call("count", (self.dice.choice(counted).path,)) if counted else s.Literal(1)
        return s.Call(function, (self.dice.choice(summed).path,))

    # --- conditions ---

    def condition(self, type_name: str, depth: int = 2) -> s.Condition:
        roll = self.dice.random()
        if depth and roll < 0.15:
            return s.And(tuple(self.condition(type_name, depth - 1) for _ in range(self.dice.randint(2, 3))))
        if depth and roll < 0.3:
            return s.Or(tuple(self.condition(type_name, depth - 1) for _ in range(self.dice.randint(2, 3))))
        if depth and roll < 0.45:
            return s.Not(self.condition(type_name, depth - 1))
        if depth and roll < 0.6:
            return self.members(type_name, depth - 1)
        return self.dice.choice(
            [self.plain, self.plain, self.plain, self.null, self.one_of, self.between, self.text, self.of_numbers, self.of_paths, self.of_texts, self.of_query, self.words]
        )(type_name)  # fmt: skip

    def plain(self, type_name: str) -> s.Condition:
        way = self.way(type_name)
        kind = way.attribute.kind
        operators = ["is", "is_not"]
        if kind in _ORDERED and way.attribute.name != "entity_type":
            operators += ["<", "<=", ">", ">="]
        left, right = way.path, self.literal(way.attribute)
        operator = self.dice.choice(operators)
        if self.dice.random() < 0.1 and operator in ("is", "<", ">="):
            return s.Compare(operator, right, left)
        return s.Compare(operator, left, right)

    def null(self, type_name: str) -> s.Condition:
        while True:
            way = self.way(type_name)
            if way.attribute.kind not in ("collection", "links") and not (way.attribute.name == "id" and way.many):
                return s.Compare(self.dice.choice(["is", "is_not"]), way.path, s.Literal(None))

    def one_of(self, type_name: str) -> s.Condition:
        way = self.way(type_name)
        items: list[s.Value] = [self.literal(way.attribute) for _ in range(self.dice.randrange(4))]
        if self.dice.random() < 0.3:
            items.append(s.Literal(None))
        return s.In(way.path, tuple(items), self.dice.random() < 0.4)

    def between(self, type_name: str) -> s.Condition:
        way = self.way(type_name, _ORDERED)
        low, high = (self.literal(way.attribute) for _ in "lh")
        return s.Between(way.path, low, high)

    def text(self, type_name: str) -> s.Condition:
        way = self.way(type_name, _TEXTUAL)
        operator = self.dice.choice(["like", "like", "not_like", "contains", "starts_with", "ends_with"])
        text = self.dice.choice([*self.pools["text"], *self.pools["text"], *_TEXTS, "new"])
        if "like" in operator:
            text = self.dice.choice(
                [
                    "%",
                    "",
                    text,
                    f"%{text}",
                    f"{text}%",
                    f"%{text}%",
                    "_",
                    "a_",
                    "%b",
                    "A%",
                    "a\\_b",
                    "100\\%",
                    "%\\",
                    "ä%b%",
                ]
            )
        return s.Compare(operator, way.path, s.Literal(text))

    def of_numbers(self, type_name: str) -> s.Condition:
        operator = self.dice.choice(["is", "is_not", "<", "<=", ">", ">="])
        right = s.Literal(self.dice.choice([0, 1, -1.5, 2])) if self.dice.random() < 0.6 else self.number(type_name, 1)
        return s.Compare(operator, self.number(type_name), right)

    def of_paths(self, type_name: str) -> s.Condition:
        left = self.way(type_name, None, multi=False)
        kinds = next(
            (
                group
                for group in (_NUMERIC, ("text", "long_text"), ("date", "datetime"))
                if left.attribute.kind in group
            ),
            (left.attribute.kind,),
        )
        if left.attribute.relation or left.attribute.name == "id":
            return s.Compare(self.dice.choice(["is", "is_not"]), left.path, left.path)
        right = self.way(type_name, kinds, multi=False)
        ordered = left.attribute.kind in _ORDERED
        if right.attribute.name == "id":
            right = left
        return s.Compare(
            self.dice.choice(["is", "is_not", "<", ">="] if ordered else ["is", "is_not"]), left.path, right.path
        )

    def text_value(self, type_name: str, *, many: bool = True) -> s.Value:
        path = self.way(type_name, _TEXTUAL, many=many, multi=False).path
        match self.dice.randrange(5):
            case 0:
                return s.Call("lower", (path,))
            case 1:
                return s.Call("upper", (path,))
            case 2:
                return s.Call(
                    "concat", (path, s.Literal("-"), self.way(type_name, ("integer",), many=many, multi=False).path)
                )
            case 3:
                return s.Call("coalesce", (path, s.Literal("none")))
        return path

    def of_texts(self, type_name: str) -> s.Condition:
        operator = self.dice.choice(["is", "is_not", "<", ">", "like", "contains", "starts_with", "ends_with"])
        left = self.text_value(type_name)
        if isinstance(left, s.Path) and operator in ("<", ">"):
            operator = "is"
        if operator == "like" or (isinstance(left, s.Path) and operator == "is") or self.dice.random() < 0.6:
            return s.Compare(
                operator,
                left,
                s.Literal(self.dice.choice(["new", *_TEXTS])) if not isinstance(left, s.Path) else s.Literal("new"),
            )
        right = self.text_value(type_name)
        if isinstance(right, s.Path) and operator in ("<", ">"):
            operator = "is_not"
        return s.Compare(operator, left, right)

    def of_query(self, type_name: str) -> s.Condition:
        negated = self.dice.random() < 0.3
        left = self.way(type_name, ("reference", "collection", "links", "text", "integer"), multi=False)
        if left.attribute.relation:
            query = s.Query(left.attribute.target, where=self.condition(left.attribute.target, 1))
        else:
            inner = self.dice.choice(["Person", "Item", "Shot"])
            path = self.way(inner, (left.attribute.kind,), many=False, multi=False).path
            query = s.Query(inner, (s.Selected(path),), self.condition(inner, 1))
        if self.dice.random() < 0.3:
            query = s.Query(
                query.type,
                query.select,
                query.where,
                (),
                (s.OrderKey(s.Path(("number",)), False), s.OrderKey(s.Path(("id",)))),
                self.dice.randrange(3),
                self.dice.randrange(2),
            )
        return s.InQuery(left.path, query, negated)

    def words(self, type_name: str) -> s.Condition:
        if not self.search:
            return self.plain(type_name)
        way = self.way(type_name, ("text", "long_text"), multi=True)
        if way.attribute.system or way.attribute.computed or way.names[-2:-1] == ("facts",):
            return self.plain(type_name)
        return s.Compare(
            "matches", way.path, s.Literal(self.dice.choice(["fox", "quick fo*", "äpfel", "A", "字", "brown the"]))
        )

    def members(self, type_name: str, depth: int) -> s.Condition:
        own = [each for each in SCHEMA.attributes(type_name).values() if each.relation]
        attribute = self.dice.choice(own)
        path = s.Path((attribute.name,))
        empty = self.dice.random() < 0.2
        if attribute.kind == "mapping":
            inner = s.And((s.Compare("is", s.Path(("key",)), s.Literal(self.dice.choice(KEYS))), self.entry(attribute)))
            return s.Any(path, None if empty else inner)
        if attribute.kind == "reference":
            return s.Has(path, None if empty else self.condition(attribute.target, depth))
        inner = self.condition(attribute.target, depth)
        if attribute.notes and self.dice.random() < 0.5:
            note = s.Compare(
                self.dice.choice(["is", "is_not", "like"]), s.Path(("note",)), s.Literal(self.dice.choice(_TEXTS[:6]))
            )
            inner = s.And((note, inner))
        return s.Any(path, None if empty else inner)

    def entry(self, attribute: A) -> s.Condition:
        if attribute.of == "integer":
            return s.Compare(
                self.dice.choice(["is", "<", ">"]), s.Path(("value",)), self.literal(A(name="", kind="integer"))
            )
        return s.Compare(
            self.dice.choice(["is", "like", "is_not"]),
            s.Path(("value",)),
            s.Literal(self.dice.choice(self.pools["text"])),
        )

    # --- whole queries ---

    def query(self) -> s.Query:
        type_name = self.dice.choice(["Person", "Project", "Item", "Item", "Shot", "Edit"])
        where = self.condition(type_name) if self.dice.random() < 0.8 else None
        limit = self.dice.choice([None, None, None, 0, 1, 3, 10])
        offset = self.dice.choice([0, 0, 0, 1, 4])
        roll = self.dice.random()
        if roll < 0.35:
            return s.Query(type_name, (), where, (), self.order(type_name), limit, offset)
        if roll < 0.65:
            paths = {self.way(type_name, many=False).path for _ in range(self.dice.randint(1, 4))}
            return s.Query(type_name, tuple(map(s.Selected, paths)), where, (), self.order(type_name), limit, offset)
        if roll < 0.8:
            values = [
                self.number(type_name, many=False),
                self.text_value(type_name, many=False),
                self.aggregate(type_name),
            ]
            select = tuple(s.Selected(value, f"v{place}") for place, value in enumerate(values))
            return s.Query(type_name, select, where, (), self.order(type_name), limit, offset)
        return self.grouped(type_name, where, limit, offset)

    def order(self, type_name: str) -> tuple[s.OrderKey, ...]:
        keys = []
        for _ in range(self.dice.randrange(3)):
            roll = self.dice.random()
            if roll < 0.7:
                value: s.Value = self.way(type_name, (*_ORDERED, "boolean", "uuid"), many=False, multi=False).path
            else:
                value = self.number(type_name, many=False)
                if isinstance(value, s.Literal):
                    continue
            keys.append(s.OrderKey(value, self.dice.random() < 0.5))
        return tuple(keys)

    def grouped(self, type_name: str, where: s.Condition | None, limit: int | None, offset: int) -> s.Query:
        keys = [self.way(type_name, many=False, multi=False).path for _ in range(self.dice.randrange(3))]
        if keys and self.dice.random() < 0.3:
            keys[0] = s.Call("lower", (self.way(type_name, _TEXTUAL, many=False, multi=False).path,))  # type: ignore[call-overload]
        keys = list(dict.fromkeys(keys))
        summed = [
            e
            for e in _WAYS[type_name]
            if not e.many
            and not e.attribute.multi
            and (e.attribute.kind in ("integer", "decimal") or e.attribute.name == "weight")
        ]
        picked = [self.way(type_name, _ORDERED, many=False, multi=False) for _ in "12"]
        total = s.Call("sum", (self.dice.choice(summed).path,))
        values: list[s.Value] = [
            s.Call("count"),
            total,
            s.Call("min", (picked[0].path,)),
            s.Call("max", (picked[1].path,)),
        ]
        weight = next((e for e in summed if e.attribute.name == "weight"), None)
        if weight is not None:
            values += [s.Call("avg", (weight.path,)), s.Arithmetic("+", s.Call("sum", (weight.path,)), s.Literal(1))]
        select = [s.Selected(key, f"k{place}") for place, key in enumerate(keys)]
        select += [s.Selected(value, f"v{place}") for place, value in enumerate(values)]
        order = [s.OrderKey(s.Path((each.name,)), self.dice.random() < 0.5) for each in self.dice.sample(select, 1)]
        order = [key for key in order if not self._unsortable(key, select)]
        return s.Query(type_name, tuple(select), where, tuple(keys), tuple(order), limit, offset)

    def _unsortable(self, key: s.OrderKey, select: list[s.Selected]) -> bool:
        return key.value.names[0].startswith("k")  # type: ignore[union-attr]
