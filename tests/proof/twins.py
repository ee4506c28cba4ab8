"""Pairs of rooms whose journals differ a little, actors with rules in both, and all that can be asked of a room.

`Script.random` makes commits, `varied` the same with a few other values; `view` says in plain Python all that an actor may
know of a room, at every revision; `answers` asks every reader.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from recordroom.errors import Error
from recordroom.model.actor import OWNER, Actor
from recordroom.model.operations import (
    Commit,
    Create,
    DefineType,
    Delete,
    DropKeys,
    Link,
    Operation,
    Publish,
    SetKeys,
    Unlink,
    Update,
)
from recordroom.model.schema import Attribute, EntityType
from recordroom.query.grammar import parse
from recordroom.query.request import AccessRequest, HistoryRequest, MembersRequest, QueryRequest, SearchRequest
from recordroom.store.room import Room
from tests.store.account_types import account_types


def a(name: str, kind: str = "text", **facts: Any) -> Attribute:
    return Attribute(name=name, kind=kind, **facts)


TYPES = (
    EntityType(name="Tag", attributes=(a("name"),)),
    EntityType(
        name="Folder",
        attributes=(a("name"), a("code"), a("parent", "reference", target="Folder", reverse="children")),
    ),
    EntityType(
        name="Item",
        attributes=(
            a("name"),
            a("memo", "long_text"),
            a("level", "integer"),
            a("place", "reference", target="Folder", reverse="items"),
            a("tags", "links", target="Tag", reverse="items", notes=True),
            a("extra", "mapping"),
        ),
    ),
    EntityType(
        name="Task",
        extends="Item",
        attributes=(a("bid", "integer"), a("owner", "reference", target="User", reverse="tasks")),
    ),
)
OWN = {
    "Tag": ("name",),
    "Folder": ("name", "code", "parent", "children", "items"),
    "Item": ("name", "memo", "level", "place", "tags", "extra"),
    "Task": ("name", "memo", "level", "place", "tags", "extra", "bid", "owner"),
}
OWN["Tag"] += ("items",)
WORDS = ("red", "blue", "green", "red blue", "blue fox", "fox")
SCALARS = {"Tag": OWN["Tag"][:1], "Folder": OWN["Folder"][:3], "Item": OWN["Item"][:4]}
TASK_SCALARS = (*SCALARS["Item"], "bid", "owner")


# --- what happens in a room -----------------------------------------------------------------------


class Script(NamedTuple):
    """Commits, the ids in them, and users with their rules."""

    commits: list[list[Operation]]
    ids: dict[str, list[bytes]]
    users: list[User]
    seed: int


class Condition(NamedTuple):
    """A condition as a rule has it, and in Python; `types` are those that it makes sense for."""

    text: str
    types: frozenset[str]
    holds: Callable[[State, bytes, User], bool]


class Rule(NamedTuple):
    type: str
    condition: Condition | None
    attributes: tuple[str, ...]


class User(NamedTuple):
    id: bytes
    name: str
    rules: list[Rule]


_ITEMS, _ALL = frozenset({"Item", "Task"}), frozenset({"Tag", "Folder", "Item", "Task"})


def conditions(dice: random.Random) -> list[Condition]:
    """Some conditions with what they mean."""
    word, number = dice.choice(WORDS), dice.randrange(4)

    def place(state: State, entity: bytes) -> dict[str, Any]:
        return state.raw.get(state.raw[entity]["place"], {})

    def more(value: Any) -> bool:
        return value is not None and value > number

    return [
        Condition(f"level > {number}", _ITEMS, lambda s, e, u: more(s.raw[e]["level"])),
        Condition(f"not level > {number}", _ITEMS, lambda s, e, u: not more(s.raw[e]["level"])),
        Condition(f'name is "{word}"', _ALL, lambda s, e, u: s.raw[e]["name"] == word),
        Condition("name is $actor.full_name", _ALL, lambda s, e, u: s.raw[e]["name"] == full_name(u)),
        Condition(f'place.name is "{word}"', _ITEMS, lambda s, e, u: place(s, e).get("name") == word),
        Condition(f'place.parent.name is "{word}"', _ITEMS, lambda s, e, u: s.raw.get(place(s, e).get("parent") or b"", {}).get("name") == word),
        Condition("owner is $actor", frozenset({"Task"}), lambda s, e, u: s.raw[e]["owner"] == u.id),
        Condition(f"bid > {number}", frozenset({"Task"}), lambda s, e, u: more(s.raw[e]["bid"])),
        Condition(f'tags any (name is "{word}")', _ITEMS, lambda s, e, u: any(s.raw[t]["name"] == word for i, t in s.links if i == e)),
        # Folders have items by their places, tags by links.
        Condition(f"items any (level > {number})", frozenset({"Folder", "Tag"}), lambda s, e, u: any((each.get("place") == e or (item, e) in s.links) and more(each.get("level")) for item, each in s.raw.items())),
        Condition(f'place in (select id from Folder where name is "{word}")', _ITEMS, lambda s, e, u: place(s, e).get("name") == word),
        Condition(f'extra["k"] is "{word}"', _ITEMS, lambda s, e, u: s.extra.get((e, "k")) == word),
    ]  # fmt: skip


def full_name(user: User) -> str:
    return WORDS[user.id[0] % len(WORDS)]


def _user(dice: random.Random, number: int) -> User:
    rules = []
    for _ in range(dice.randint(1, 4)):
        condition = dice.choice([None, *conditions(dice)])
        possible = sorted(condition.types if condition else _ALL)
        type_name = dice.choice([*possible, *possible, "*"])
        attributes: tuple[str, ...] = ()
        if dice.random() < 0.5:
            names = OWN["Task" if type_name == "*" else type_name]
            attributes = tuple(dice.sample(names, dice.randint(1, len(names))))
        rules.append(Rule(type_name, condition, attributes))
    return User(dice.randbytes(16), f"user{number}", rules)


def script(seed: int, users: int) -> Script:
    """Commits that make, change, relate and delete."""
    dice = random.Random(seed)
    ids = {name: [dice.randbytes(16) for _ in range(count)] for name, count in _COUNTS.items()}
    people = [_user(dice, number) for number in range(users)]
    values = _Values(dice, ids, [user.id for user in people])
    items = [*ids["Item"], *ids["Task"]]
    links = [(item, tag) for item in items for tag in ids["Tag"] if dice.random() < 0.4]
    gone = dice.sample(links, len(links) // 2)
    late = dice.randbytes(16)
    commits: list[list[Operation]] = [
        [values.create(name, ids[name]) for name in ("Tag", "Folder")],
        [values.create(name, ids[name]) for name in ("Item", "Task")],
        [values.link(links), values.keys(items)],
        [values.update("Item", dice.sample(items, 3)), values.update("Folder", dice.sample(ids["Folder"], 2))],
        [values.update("Task", dice.sample(ids["Task"], 2))],
        [Unlink("Item", "tags", [i for i, _ in gone], [t for _, t in gone]), DropKeys("Item", "extra", items[:3], ["k"] * 3)],
        [values.update("Item", dice.sample(items, 4)), values.update("Tag", ids["Tag"][:1])],
        [Delete("Item", dice.sample(items, 2))],
        [Publish(topic="done"), values.create("Item", [late])],
    ]  # fmt: skip
    ids["Item"].append(late)
    return Script(commits, ids, people, seed)


_COUNTS = {"Tag": 3, "Folder": 4, "Item": 4, "Task": 4}


class _Values:
    def __init__(self, dice: random.Random, ids: dict[str, list[bytes]], users: list[bytes]) -> None:
        self.dice = dice
        self.ids = ids
        self.users = users

    def value(self, name: str) -> Any:
        dice = self.dice
        if dice.random() < 0.15:
            return None
        match name:
            case "level" | "bid":
                return dice.randrange(5)
            case "place" | "parent":
                return dice.choice(self.ids["Folder"])
            case "owner":
                return dice.choice(self.users)
        return dice.choice(WORDS)

    def names(self, type_name: str) -> tuple[str, ...]:
        return TASK_SCALARS if type_name == "Task" else SCALARS[type_name]

    def create(self, type_name: str, ids: list[bytes]) -> Operation:
        names = [name for name in self.names(type_name) if name != "parent"]
        return Create(type_name, list(ids), {name: [self.value(name) for _ in ids] for name in names})

    def update(self, type_name: str, ids: list[bytes]) -> Operation:
        names = self.dice.sample(self.names(type_name), min(2, len(self.names(type_name))))
        return Update(type_name, list(ids), {name: [self.value(name) for _ in ids] for name in names})

    def link(self, links: list[tuple[bytes, bytes]]) -> Operation:
        notes = [self.dice.choice([None, *WORDS]) for _ in links]
        return Link("Item", "tags", [i for i, _ in links], [t for _, t in links], notes)

    def keys(self, items: list[bytes]) -> Operation:
        return SetKeys("Item", "extra", items, ["k"] * len(items), [self.dice.choice(WORDS) for _ in items])


def varied(first: Script, dice: random.Random) -> Script:
    """The same script with a few other values in it."""
    commits = msgspec.msgpack.decode(
        msgspec.msgpack.encode(first.commits), type=list[list[Create | Update | Delete | Link | Unlink | SetKeys | DropKeys | Publish]]
    )  # fmt: skip
    values = _Values(dice, first.ids, [user.id for user in first.users])
    operations = [each for commit in commits for each in commit]
    for _ in range(dice.randint(1, 3)):
        match dice.choice(operations):
            case Create(columns=columns) | Update(columns=columns):
                name = dice.choice(sorted(columns))
                columns[name][dice.randrange(len(columns[name]))] = values.value(name)
            case Link(targets=targets, notes=notes) if targets:
                notes[dice.randrange(len(notes))] = dice.choice(WORDS)
            case SetKeys(values=kept):
                kept[dice.randrange(len(kept))] = dice.choice(WORDS)
            case _ if dice.random() < 0.3 and len(commits[-1]) == 2:
                commits[-1].pop()
    return first._replace(commits=commits)


def prepare(room: Room) -> None:
    """The types, in an empty room."""
    room.commit(Commit(id=b"\0" * 16, operations=[*account_types(), *map(DefineType, TYPES)]))


def perform(room: Room, given: Script) -> None:
    """The users and their rules, and then what happens."""
    room.commit(Commit(id=b"\1" * 16, operations=list(_accounts(given))))
    for number, operations in enumerate(given.commits):
        room.commit(Commit(id=bytes([number + 2]) * 16, operations=list(operations), notes=f"commit {number}"))


def _accounts(given: Script) -> Iterator[Operation]:
    dice = random.Random(given.seed + 1)
    users = given.users
    roles = [dice.randbytes(16) for _ in users]
    names = {"name": [user.name for user in users], "full_name": [full_name(user) for user in users]}
    yield Create("User", [user.id for user in users], names)
    yield Create("Role", roles, {"name": [f"role of {user.name}" for user in users]})
    yield Link("User", "roles", [user.id for user in users], roles)
    rules = [(role, rule) for role, user in zip(roles, users, strict=True) for rule in user.rules]
    columns: dict[str, list[Any]] = {
        "role": [role for role, _ in rules],
        "verb": ["read"] * len(rules),
        "type": [rule.type for _, rule in rules],
        "condition": [rule.condition.text if rule.condition else None for _, rule in rules],
        "attributes": [
            msgspec.json.encode(list(rule.attributes)).decode() if rule.attributes else None for _, rule in rules
        ],
    }
    yield Create("Rule", [dice.randbytes(16) for _ in rules], columns)


# --- all that an actor may know -------------------------------------------------------------------


class State:
    """What is in a room at one revision: attributes by entity, links with notes, entries."""

    def __init__(self, room: Room, at: int) -> None:
        self.raw: dict[bytes, dict[str, Any]] = {}
        for type_name in ("Tag", "Folder", "Item", "Task"):
            page = room.query(QueryRequest(database="main", query=parse(type_name), at=at))
            for place, entity in enumerate(page.ids):
                values = {name: column[place] for name, column in page.columns.items()}
                exact = page.types[place] if page.types else type_name
                self.raw[entity] = self.raw.get(entity, {}) | values | {"entity_type": exact}
        owners = list(self.raw)
        tags = room.members(MembersRequest(database="main", type="Item", attribute="tags", owners=owners, at=at))
        assert tags.page is not None
        pairs = zip(tags.owners, tags.page.ids, strict=True)
        self.links = dict(zip(pairs, tags.notes, strict=True))
        extra = room.members(MembersRequest(database="main", type="Item", attribute="extra", owners=owners, at=at))
        self.extra = dict(zip(zip(extra.owners, extra.keys, strict=True), extra.values, strict=True))


def states(room: Room, head: int) -> list[State]:
    """The room at every revision after those that made types and accounts."""
    owner = room.acting(OWNER)
    return [State(owner, revision) for revision in range(2, head + 1)]


def view(found: list[State], user: User) -> list[Any]:
    """What a user may know of every state: no more than this may be learned, by whatever reader."""
    return [_Known(state, found[-1], user).everything() for state in found]


class _Known:
    def __init__(self, state: State, today: State, user: User) -> None:
        self.state = state
        self.user = user
        self.shown: dict[bytes, list[Rule]] = {}
        for entity in state.raw:
            rules = _holding(state, entity, user)
            if rules and (entity not in today.raw or _holding(today, entity, user)):
                self.shown[entity] = rules

    def covers(self, entity: bytes, name: str) -> bool:
        return any(not rule.attributes or name in rule.attributes for rule in self.shown.get(entity, ()))

    def value(self, entity: bytes, name: str, raw: Any) -> Any:
        if name in ("number", "revision", "created_revision", "entity_type"):
            return raw
        if not self.covers(entity, name):
            return None
        if name in ("place", "parent"):
            return raw if raw in self.shown else None
        return (raw if raw == self.user.id else None) if name == "owner" else raw

    def everything(self) -> Any:
        state = self.state
        entities = {
            entity: {name: self.value(entity, name, raw) for name, raw in state.raw[entity].items()}
            for entity in self.shown
        }
        from_items = {
            pair: note for pair, note in state.links.items() if self.covers(pair[0], "tags") and pair[1] in self.shown
        }
        from_tags = {pair: note for pair, note in from_items.items() if self.covers(pair[1], "items")}
        extra = {key: value for key, value in state.extra.items() if self.covers(key[0], "extra")}
        collections = {
            (owner, name): self.covers(owner, name) for owner in self.shown for name in ("items", "children")
        }
        return entities, from_items, from_tags, extra, collections


def _holding(state: State, entity: bytes, user: User) -> list[Rule]:
    exact = state.raw[entity]["entity_type"]
    found = []
    for rule in user.rules:
        condition = rule.condition
        fits = exact == rule.type or (rule.type, exact) == ("Item", "Task") or rule.type == "*"
        if fits and (condition is None or (exact in condition.types and condition.holds(state, entity, user))):
            found.append(rule)
    return found


# --- all that can be asked ------------------------------------------------------------------------

QUERIES = (
    "Item order by name",
    "Item order by level descending, place.name",
    "Task where owner is_not None order by bid",
    "select name, place.name, place.parent.code, count(tags) as n from Item where not level > 2",
    "select place.name, count() as n, sum(level) as s, max(name) as m from Item group by place.name order by place.name",
    'Item where place.parent.name is "red" or memo contains "fox"',
    'Item where memo matches "fox"',
    'Folder where items any (level > 1 and tags.name is "blue")',
    "select name, count(items) as n, sum(items.level) as s, count(children) as c from Folder order by count(items)",
    "Folder where not children any ()",
    'Tag where items any (note is "red")',
    "select name, count(items) as n from Tag",
    'Item where extra["k"] is "red" or extra any (value is "fox")',
    'Item where place in (select id from Folder where code is "blue")',
    'Item where id in (select items.id from Folder where name is "red" limit 3)',
    "select created_by, count() as n, min(number) as m from Item group by created_by",
    "Item where place has (parent has ())",
    "Task where owner.name is $name or bid > 2",
    "User order by name",
    "Rule",
)
MEMBERS = (("Item", "tags"), ("Tag", "items"), ("Folder", "items"), ("Folder", "children"), ("Item", "extra"))


def questions(given: Script, head: int, dice: random.Random) -> list[tuple[str, Callable[[Room, str], Any]]]:
    """Things to ask of a room as a user: what, and how."""
    every = [entity for found in given.ids.values() for entity in found]
    asked: list[tuple[str, Callable[[Room, str], Any]]] = [
        ("journal", lambda room, name: room.journal(1, 100)),
        ("journal in steps", lambda room, name: [room.journal(after, 1) for after in range(1, head)]),
        ("explain", lambda room, name: room.explain(_query("Item"))),
        ("schema", lambda room, name: sorted(room.schema("main"))),
    ]
    asked += [
        (f"header {revision}", lambda room, name, revision=revision: room.header(revision))  # type: ignore[misc]
        for revision in range(2, head + 1)
    ]
    for text in dice.sample(QUERIES, 7):
        at = None if "matches" in text else dice.choice([None, None, *range(2, head + 1)])
        request = _query(text, at=at, size=dice.choice([2, 1000]))
        asked.append((f"{text} at {at}", lambda room, name, request=request: _asked(room, request, name)))  # type: ignore[misc]
    for type_name, attribute in MEMBERS:
        members = MembersRequest(
            database="main", type=type_name, attribute=attribute, owners=every, at=dice.choice([None, 4, 6])
        )
        asked.append((f"{type_name}.{attribute}", lambda room, name, members=members: room.members(members)))  # type: ignore[misc]
    for word in ("red", "fox", "blue fox"):
        search = SearchRequest(database="main", text=word)
        asked.append((f"search {word}", lambda room, name, search=search: room.search(search)))  # type: ignore[misc]
    for type_name, ids in given.ids.items():
        for entity in ids:
            history = HistoryRequest(database="main", type=type_name, id=entity, limit=dice.choice([1, 1000]))
            asked.append(("history", lambda room, name, history=history: room.history(history)))  # type: ignore[misc]
        why = AccessRequest(database="main", type=type_name, id=dice.choice(ids))
        asked.append(("why", lambda room, name, why=why: [each for each in room.explain_access(why) if each.allowed]))  # type: ignore[misc]
    return asked


def _query(text: str, **more: Any) -> QueryRequest:
    return QueryRequest(database="main", query=parse(text), **more)


def _asked(room: Room, request: QueryRequest, name: str) -> Any:
    request = msgspec.structs.replace(request, parameters={"name": name} if "Parameter" in str(request.query) else {})
    pages = [room.query(request)]
    while pages[-1].next is not None:
        pages.append(room.query(msgspec.structs.replace(request, after=pages[-1].next)))
    return pages, list(room.stream(request)), room.count(request)


def answer(room: Room, user: User, ask: Callable[[Room, str], Any]) -> Any:
    """What comes of asking as a user: built-in values without moments, or the error."""
    try:
        found = ask(room.acting(Actor(name=user.name, user=user.id)), user.name)
    except Error as error:
        return type(error).__name__, str(error), error.facts
    return _timeless(msgspec.to_builtins(found, builtin_types=(bytes,)))


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(each) for name, each in value.items() if name != "time"}
    return list(map(_timeless, value)) if isinstance(value, (list, tuple)) else value
