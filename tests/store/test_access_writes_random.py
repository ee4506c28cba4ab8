"""Generated commits of generated actors, compared with an oracle in plain Python: what is allowed, and what comes of it.

The oracle knows entities as dictionaries and conditions as functions. It says which kinds of problem a commit
has; one that has none must be applied, with the effects that the oracle foresees, and one that has some must be
refused for one of them and change nothing, or go on without those at fault.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from recordroom.errors import Error
from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import Create, Delete, Link, Operation, SetKeys, Unlink, Update
from recordroom.store.room import Room
from tests.conftest import DATABASES, Places
from tests.store.office import Office, Rule, Worker

CASES = 20  # in each of the chunks below, on both databases
CHUNKS = 10

State = dict[bytes, dict[str, Any]]
Condition = Callable[[State, bytes], bool]


def _bid(state: State, entity: bytes) -> int:
    return state[entity]["bid"] or 0


def _parent_is_open(state: State, entity: bytes) -> bool:
    parent = state[entity]["parent"]
    return parent in state and state[parent]["open"] is True


CONDITIONS: dict[str | None, Condition] = {
    None: lambda state, entity: True,
    "open is true": lambda state, entity: state[entity]["open"] is True,
    "bid > 2": lambda state, entity: _bid(state, entity) > 2,
    "parent is none": lambda state, entity: state[entity]["parent"] not in state,
    "parent.open is true": _parent_is_open,
    "tags any (secret is false)": lambda state, entity: any(not secret for _, secret in state[entity]["tags"]),
}
ATTRIBUTES = ("open", "bid", "salary", "parent", "tags", "meta")


class Grants(NamedTuple):
    """The rules of an actor for tasks, and whether it sees secret tags."""

    rules: list[Rule]
    sees_secret: bool

    def holds(self, verb: str, state: State, entity: bytes, attributes: tuple[str, ...] = ()) -> bool:
        """Whether rules allow it: each attribute by one of them, or all of it by any."""
        held = [
            rule.values[3]
            for rule in self.rules
            if rule.values[0] == verb and entity in state and CONDITIONS[rule.values[2]](state, entity)
        ]
        return bool(held) and all(any(not names or each in names for names in held) for each in attributes)

    def knows(self, verb: str) -> bool:
        return any(rule.values[0] == verb for rule in self.rules)


class Case(NamedTuple):
    """Tasks that are there, what an actor may do, and the changes it tries, each of one entity."""

    before: State
    tags: dict[bytes, bool]
    grants: Grants
    operations: list[Operation]


# --- the oracle -----------------------------------------------------------------------------------


class Oracle:
    """What becomes of a commit."""

    def __init__(self, case: Case, operations: list[Operation]) -> None:
        self.case = case
        self.state = copy.deepcopy(case.before)
        self.problems: set[str] = set()
        self.created: set[bytes] = set()
        self.deleted: set[bytes] = set()
        self.cascaded: set[bytes] = set()
        self._named: list[tuple[bytes, bytes]] = []
        self._touched: list[tuple[bytes, tuple[str, ...]]] = []
        for operation in operations:
            getattr(self, f"_{type(operation).__name__.lower()}")(operation)
        self._finish()

    def seen(self, entity: bytes) -> bool:
        """Whether it is there for the actor."""
        return entity in self.created or self.case.grants.holds("read", self.case.before, entity)

    def _sees_tag(self, tag: bytes) -> bool:
        return tag in self.case.tags and (self.case.grants.sees_secret or not self.case.tags[tag])

    def _needs(self, verb: str, entity: bytes, attributes: tuple[str, ...]) -> None:
        if entity not in self.created and not self.case.grants.holds(verb, self.case.before, entity, attributes):
            self.problems.add("permission_denied")
        if verb == "update":
            self._touched.append((entity, attributes))

    def _create(self, block: Create) -> None:
        [entity] = block.ids
        values = {name: value for name, [value] in block.columns.items()}
        given = tuple(name for name, value in values.items() if value is not None or name == "open")
        self.state[entity] = {
            "open": True,
            "bid": None,
            "salary": None,
            "parent": None,
            "tags": set(),
            "meta": {},
        } | values
        self.created.add(entity)
        self.deleted.discard(entity)
        if not self.case.grants.knows("create"):
            self.problems.add("permission_denied")
        self._touched.append((entity, given))
        self._names(entity, values)

    def _update(self, block: Update) -> None:
        [entity] = block.ids
        values = {name: value for name, [value] in block.columns.items()}
        if entity not in self.state or not self.seen(entity):
            self.problems.add("not_found")
            return
        self._needs("update", entity, tuple(values))
        self.state[entity].update(values)
        self._names(entity, values)

    def _names(self, entity: bytes, values: dict[str, Any]) -> None:
        if values.get("parent") is not None:
            self._named.append((entity, values["parent"]))

    def _delete(self, block: Delete) -> None:
        [entity] = block.ids
        if entity not in self.state or not self.seen(entity):
            self.problems.add("not_found")
            return
        self._needs("delete", entity, ())
        self._remove(entity)

    def _remove(self, entity: bytes) -> None:
        del self.state[entity]
        self.deleted.add(entity)
        self.created.discard(entity)

    def _link(self, block: Link) -> None:
        entity, tag = self._ends(block)
        self._needs_owner(entity, "tags")
        self._named.append((block.sources[0], entity))
        if not self._sees_tag(tag):
            self._named.append((entity, tag))
        elif entity in self.state:
            self.state[entity]["tags"].add((tag, self.case.tags[tag]))

    def _needs_owner(self, entity: bytes, attribute: str) -> None:
        if entity in self.state and self.seen(entity):
            self._needs("update", entity, (attribute,))

    def _unlink(self, block: Unlink) -> None:
        entity, tag = self._ends(block)
        self._needs_owner(entity, "tags")
        if self._sees_tag(tag) and entity in self.state and self.seen(entity):
            self.state[entity]["tags"].discard((tag, self.case.tags[tag]))

    def _ends(self, block: Link | Unlink) -> tuple[bytes, bytes]:
        ends = block.sources[0], block.targets[0]
        return ends if block.type == "Task" else (ends[1], ends[0])

    def _setkeys(self, block: SetKeys) -> None:
        [entity] = block.ids
        self._needs_owner(entity, "meta")
        self._named.append((entity, entity))
        if entity in self.state:
            self.state[entity]["meta"][block.keys[0]] = block.values[0]

    def _finish(self) -> None:
        fresh = set(self.deleted)
        while fresh:
            fresh = {each for each, values in self.state.items() if values["parent"] in fresh}
            self.cascaded |= fresh
            for each in fresh:
                self._remove(each)
        for owner, named in self._named:
            if owner not in self.deleted and not (named in self.state and self.seen(named)):
                self.problems |= {"not_found", "invalid_reference"}
        for entity, attributes in self._touched:
            verb = "create" if entity in self.created else "update"
            if entity in self.state and not self.case.grants.holds(verb, self.state, entity, attributes):
                self.problems.add("permission_denied")


# --- generating -----------------------------------------------------------------------------------


def cases(chance: random.Random, office: Office) -> Iterator[Case]:
    tags: dict[bytes, bool] = office.rows("Tag", "secret")
    while True:
        before = _tasks(chance, tags)
        grants = Grants(list(_rules(chance)), chance.random() < 0.3)
        yield Case(before, tags, grants, list(_operations(chance, before, tags)))


def _tasks(chance: random.Random, tags: dict[bytes, bool]) -> State:
    state: State = {}
    for entity in new_ids(chance.randint(2, 6)):
        state[entity] = {
            "open": chance.random() < 0.6,
            "bid": chance.choice((None, 1, 3, 5)),
            "salary": chance.choice((None, 1)),
            "parent": chance.choice([None, None, *state]),
            "tags": {(tag, secret) for tag, secret in tags.items() if chance.random() < 0.3},
            "meta": {},
        }
    return state


def _rules(chance: random.Random) -> Iterator[Rule]:
    for verb in ("read", "read", "create", "update", "update", "update", "delete"):
        if chance.random() < 0.75:
            condition = chance.choice([*CONDITIONS, None, None])
            names = [] if chance.random() < 0.5 else chance.sample(ATTRIBUTES, chance.randint(2, 5))
            yield Rule(verb, "Task", condition, *sorted(names))


def _operations(chance: random.Random, before: State, tags: dict[bytes, bool]) -> Iterator[Operation]:
    there = [*before]
    for _ in range(chance.randint(1, 4)):
        known = [*there, new_id()] if chance.random() < 0.1 else there
        entity, tag = chance.choice(known), chance.choice([*tags])
        kind = chance.randint(0, 9)
        if kind <= 1:
            [entity] = new_ids(1)
            columns = {name: [value] for name, value in _values(chance, there).items()}
            there = [*there, entity]
            yield Create("Task", [entity], columns)
        elif kind <= 5:
            columns = {
                name: [value] for name, value in _values(chance, [each for each in there if each < entity]).items()
            }
            yield Update("Task", [entity], columns or {"bid": [1]})
        elif kind == 6:
            yield Delete("Task", [entity])
        elif kind == 7:
            yield (
                Link("Task", "tags", [entity], [tag])
                if chance.random() < 0.5
                else Link("Tag", "tasks", [tag], [entity])
            )
        elif kind == 8:
            yield Unlink("Task", "tags", [entity], [tag])
        else:
            yield SetKeys("Task", "meta", [entity], ["k"], [chance.choice("ab")])


def _values(chance: random.Random, there: list[bytes]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "open": chance.random() < 0.7,
        "bid": chance.choice((None, 1, 3)),
        "salary": chance.choice((1, 2)),
        "parent": chance.choice([None, *there]),
    }
    return {name: values[name] for name in chance.sample([*values], chance.randint(0, 3))}


# --- comparing ------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=DATABASES)
def office(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One office for every case."""
    server = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    places = Places(tmp_path_factory.mktemp("random"), server)
    with Room.open(places("office"), durability="normal") as room:
        office = Office(room)
        office.create("Tag", name=["a", "b", "c"], secret=[False, False, True])
        yield office
        assert [str(problem) for problem in office.report()] == []
    places.clean()


def prepared(office: Office, case: Case, number: int) -> Worker:
    """The tasks of a case, and its actor."""
    ids = [*case.before]
    names = ("open", "bid", "salary", "parent")
    pairs = [(each, tag) for each in ids for tag, _ in case.before[each]["tags"]]
    office.commit(
        *(Create("Task", [each], {name: [case.before[each][name]] for name in names}) for each in ids),
        Link("Task", "tags", [each for each, _ in pairs], [tag for _, tag in pairs]),
    )
    tags = Rule("read", "Tag", None if case.grants.sees_secret else "secret is false")
    return office.user(f"worker {number} {new_id().hex()}", tags, *case.grants.rules)


def found(office: Office, ids: set[bytes]) -> State:
    """What is there of some tasks."""
    secret = office.rows("Tag", "secret")
    state: State = {
        each: dict(zip(("open", "bid", "salary", "parent"), values, strict=True)) | {"tags": set(), "meta": {}}
        for each, values in office.rows("Task", "open", "bid", "salary", "parent").items()
        if each in ids
    }
    for task, tag in office.entries("Task", "tags"):
        if task in state:
            state[task]["tags"].add((tag, secret[tag]))
    for (task, key), value in office.entries("Task", "meta").items():
        if task in state:
            state[task]["meta"][key] = value
    return state


def ids_of(case: Case) -> set[bytes]:
    return {*case.before, *(each for op in case.operations if isinstance(op, Create) for each in op.ids)}


def without(operations: list[Operation], refused: set[bytes]) -> list[Operation]:
    return [
        each
        for each in operations
        if refused.isdisjoint([*each.sources, *each.targets] if isinstance(each, (Link, Unlink)) else each.ids)  # type: ignore[union-attr]
    ]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_what_is_allowed_is_what_the_oracle_allows(office: Office, chunk: int) -> None:
    chance = random.Random(chunk)
    verdicts = set()
    generated = cases(chance, office)
    for number in range(CASES):
        case = next(generated)
        worker = prepared(office, case, number)
        oracle = Oracle(case, case.operations)
        verdicts.add(bool(oracle.problems))
        if oracle.problems:
            _check_refused(office, worker, case, oracle)
        else:
            result = worker.commit(*case.operations)
            _check_applied(office, case, oracle, {entity for _, entity in result.deleted})

    assert verdicts == {True, False}


def _check_refused(office: Office, worker: Worker, case: Case, oracle: Oracle) -> None:
    """Refused as a whole; and in the other mode applied without those at fault, which the oracle allows."""
    with pytest.raises(Error) as caught:
        worker.commit(*case.operations)
    assert caught.value.code in oracle.problems, (caught.value, oracle.problems)
    assert found(office, ids_of(case)) == case.before

    result = worker.commit(*case.operations, on_error="continue")
    refused = {each.entity for each in result.refused}
    assert refused
    rest = Oracle(case, without(case.operations, refused))
    assert rest.problems == set()
    _check_applied(office, case, rest, {entity for _, entity in result.deleted})


def _check_applied(office: Office, case: Case, oracle: Oracle, told: set[bytes]) -> None:
    assert found(office, ids_of(case)) == oracle.state
    old = oracle.cascaded & case.before.keys()
    assert told & case.before.keys() == {each for each in old if case.grants.holds("read", case.before, each)}
