"""A session against an oracle in plain Python, embedded and remote, on both databases: any order of edits and commits.

RECORDROOM_EXAMPLES multiplies the number of examples.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from recordroom.client.session import Session
from recordroom.errors import Conflict, Error, InvalidReference, NotFound
from tests.client.oracle import ATTRIBUTES, GONE, REFERENCES, Pending, View, World
from tests.client.street import open_session

EXAMPLES = 40 * int(os.environ.get("RECORDROOM_EXAMPLES", "1"))
STEPS = 25

numbers = st.integers(0, 9)
values = st.tuples(st.sampled_from(["bid", "name"]), st.integers(0, 3)).map(
    lambda each: (each[0], each[1] if each[0] == "bid" else f"n{each[1]}")
)
notes = st.sampled_from([None, "a", "b"])


class SessionMachine(RuleBasedStateMachine):
    """`mine` is the session that is tested; `others` commits what it does at once, as another actor."""

    where: Callable[[], str]
    ran = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).ran += 1
        address = type(self).where()
        self.mine = open_session(address, page_size=3)
        self.others = open_session(address, actor="other")
        self.world = World(revision=self.mine.transport.journal(0, 100)[-1].header.revision)
        self.view = View(self.world)
        self.handles: dict[str, Any] = {}  # id → entity of `mine`
        self.kinds: dict[str, str] = {}
        self.order: dict[str, int] = {}  # id → when it was created here: new ones refer to older ones only
        self.current = True  # nobody else has committed since everything was refreshed
        self.meanwhile: Callable[[], None] | None = None
        self._hook()

    def _hook(self) -> None:
        transport = self.mine._meter._transport
        machine = self

        class Hooked:
            def __getattr__(self, name: str) -> Any:
                return getattr(transport, name)

            def commit(self, commit: Any) -> Any:
                if machine.meanwhile is not None:
                    machine.meanwhile()
                return transport.commit(commit)

        self.mine._meter._transport = Hooked()  # type: ignore[assignment]

    def teardown(self) -> None:
        self.mine.close()
        self.others.close()

    # --- choosing --------------------------------------------------------------------------------

    def pick(self, kind: str, number: int) -> str | None:
        """An entity of a kind that `mine` has and has not deleted."""
        found = [e for e in self.handles if self.kinds[e] == kind and e not in self.view.pending.deleted]
        return found[number % len(found)] if found else None

    def committed_task(self, number: int) -> str | None:
        found = sorted(self.world.tasks)
        return found[number % len(found)] if found else None

    def keep(self, kind: str, entity: Any) -> str:
        each: str = entity["id"]
        self.handles[each] = entity
        self.kinds[each] = kind
        self.order.setdefault(each, len(self.order))
        return each

    # --- creating --------------------------------------------------------------------------------

    @initialize()
    def some_entities(self) -> None:
        for kind in ("Project", "Project", "User", "User", "Task", "Task", "Task"):
            self._create(kind, {"name": f"{kind} {len(self.order)}"})
        self.commit()

    def _create(self, kind: str, data: dict[str, Any]) -> str:
        each = self.keep(kind, self.mine.create(kind, data))
        if kind == "Task":
            raws = {n: (v["id"] if n in REFERENCES and v is not None else v) for n, v in data.items()}
            self.view.pending.created[each] = raws
        else:
            self.view.pending.others[each] = kind
        return each

    @rule(kind=st.sampled_from(["Project", "User"]))
    def create_other(self, kind: str) -> None:
        self._create(kind, {"name": f"{kind} {len(self.order)}"})

    @rule(bid=st.integers(0, 3), number=numbers)
    def create_task(self, bid: int, number: int) -> None:
        project = self.pick("Project", number)
        data = {"name": f"t{bid}", "bid": bid, "project": self.handles[project] if project else None}
        self._create("Task", data)

    @rule(bids=st.lists(st.integers(0, 3), min_size=1, max_size=3))
    def create_tasks_in_bulk(self, bids: list[int]) -> None:
        made = self.mine.create_many("Task", {"name": [f"b{bid}" for bid in bids], "bid": bids})
        for entity, bid in zip(made, bids, strict=True):
            self.view.pending.created[self.keep("Task", entity)] = {"name": f"b{bid}", "bid": bid}

    # --- editing ---------------------------------------------------------------------------------

    @rule(number=numbers, edit=values)
    def set_scalar(self, number: int, edit: tuple[str, Any]) -> None:
        task = self.pick("Task", number)
        if task is not None:
            self.handles[task][edit[0]] = edit[1]
            self.view.set(task, *edit)

    @rule(number=numbers)
    def forget_edits(self, number: int) -> None:
        task = self.pick("Task", number)
        if task is not None and task not in self.view.pending.created:
            self.handles[task].clear()
            self.view.pending.edits.pop(task, None)

    @rule(number=numbers, to=numbers, name=st.sampled_from(sorted(REFERENCES)), none=st.booleans())
    def set_reference(self, number: int, to: int, name: str, none: bool) -> None:
        task, target = self.pick("Task", number), self.pick(REFERENCES[name], to)
        if task is None or (target is not None and not self._may_refer(task, target)):
            return
        target = None if none else target
        self.handles[task][name] = None if target is None else self.handles[target]
        self.view.set(task, name, target)

    def _may_refer(self, task: str, target: str) -> bool:
        """New entities refer to older ones only: a circle of new ones cannot be created."""
        return task not in self.view.pending.created or self.order[target] < self.order[task]

    @precondition(lambda self: self.current)
    @rule(number=numbers, to=numbers, add=st.booleans(), name=st.sampled_from(sorted(REFERENCES)))
    def change_collection(self, number: int, to: int, add: bool, name: str) -> None:
        member, owner = self.pick("Task", number), self.pick(REFERENCES[name], to)
        if member is None or owner is None or not self._may_refer(member, owner):
            return
        collection = self.handles[owner]["tasks" if name == "project" else "children"]
        if add:
            collection.add(self.handles[member])
            self.view.set(member, name, owner)
        elif self.view.shown(member)[name] == owner:
            collection.remove(self.handles[member])
            self.view.set(member, name, None)

    @precondition(lambda self: self.current)
    @rule(number=numbers, to=numbers, note=notes, gone=st.booleans(), backwards=st.booleans())
    def change_link(self, number: int, to: int, note: str | None, gone: bool, backwards: bool) -> None:
        task, user = self.pick("Task", number), self.pick("User", to)
        if task is None or user is None:
            return
        one, other = (user, task) if backwards else (task, user)
        links = self.handles[one]["assignments" if backwards else "assignees"]
        if gone:
            links.discard(self.handles[other])
        else:
            links.link(self.handles[other], note)
        self.view.link(task, user, GONE if gone else note)

    @precondition(lambda self: self.current)
    @rule(number=numbers, key=st.sampled_from("xy"), value=st.sampled_from([None, "1", "2"]))
    def change_key(self, number: int, key: str, value: str | None) -> None:
        task = self.pick("Task", number)
        if task is None:
            return
        metadata = self.handles[task]["metadata"]
        if value is not None:
            metadata[key] = value
            self.view.pending.keys[task, key] = value
        elif key in self.view.shown_keys(task):
            del metadata[key]
            self.view.pending.keys[task, key] = GONE

    @rule(number=numbers, kind=st.sampled_from(["Task", "Task", "User", "Project"]))
    def delete(self, number: int, kind: str) -> None:
        each = self.pick(kind, number)
        if each is None or each in self.view.pending.referred():
            return
        if kind == "Project" and self._has_changed_tasks(each):
            return
        self.mine.delete(self.handles[each])
        if self.view.pending.is_new(each):
            del self.handles[each]
        self.view.delete(each)

    def _has_changed_tasks(self, project: str) -> bool:
        """Whether tasks that would go with a project have changes of their own."""
        pending = self.view.pending
        changed = {*pending.edits, *(t for t, _ in pending.links), *(t for t, _ in pending.keys)}
        return any(self.world.tasks[each].values["project"] == project for each in changed if each in self.world.tasks)

    # --- commit and back -------------------------------------------------------------------------

    @rule()
    def commit(self) -> None:
        self._commit(None)

    @rule(number=numbers, edit=values)
    def commit_while_editing(self, number: int, edit: tuple[str, Any]) -> None:
        self._commit((number, edit))

    def _commit(self, during: tuple[int, tuple[str, Any]] | None) -> None:
        view, sent = self.view, self.view.pending
        obstacles = view.obstacles(sent)
        view.pending = Pending()

        def edit() -> None:
            assert during is not None
            found = [e for e in self.handles if self.kinds[e] == "Task" and e not in sent.deleted]
            if found:
                task = found[during[0] % len(found)]
                self.handles[task][during[1][0]] = during[1][1]
                view.set(task, *during[1], sent=sent)

        self.meanwhile = edit if during is not None else None
        try:
            result = self.mine.commit()
        except (Conflict, NotFound, InvalidReference) as error:
            refusal: Error | None = error
        else:
            refusal = None
        self.meanwhile = None
        assert bool(refusal) == bool(obstacles), (refusal, obstacles)
        if refusal is not None:
            self.mine.rollback()
            view.rollback()
            self._forget(sent.created | sent.others)
            self._refresh()
            return
        revision = self.world.revision
        view.commit(sent)
        if self.world.revision > revision:
            assert result.revision == self.world.revision
        self._forget([each for each in self.handles if not self._is_there(each)])

    def _is_there(self, each: str) -> bool:
        return self.world.has(each) or self.view.pending.is_new(each)

    def _forget(self, ids: Any) -> None:
        for each in list(ids):
            self.handles.pop(each, None)
            self.view.known.pop(each, None)

    @rule()
    def rollback(self) -> None:
        pending = self.view.pending
        self.mine.rollback()
        self._forget(pending.created | pending.others)
        self.view.rollback()

    @rule()
    def query_everything(self) -> None:
        """Brings newer values; local edits stay, on what they were based on."""
        for task in self.mine.query("Task"):
            each = self.keep("Task", task)
            self.view.read(each)

    @rule()
    def refresh_everything(self) -> None:
        self._refresh()

    def _refresh(self) -> None:
        for kind in ("Project", "User", "Task"):
            for entity in self.mine.query(kind):
                self.keep(kind, entity)
        self.mine.refresh(list(self.handles.values()))
        gone = [each for each in self.handles if not self._is_there(each)]
        assert all(self.mine.state(self.handles[each]) == "deleted" for each in gone)
        for each in gone:
            # What was recorded of it would be refused for good.
            self.handles[each].clear()
            self.view.pending.edits.pop(each, None)
        if any(not self._is_there(e) for e in self._recorded()):
            self.rollback()
        self._forget(gone)
        for each in self.handles:
            self.view.refresh(each)
        self.current = True

    def _recorded(self) -> set[str]:
        pending = self.view.pending
        found = {each for pair in pending.links for each in pair} | {owner for owner, _ in pending.keys}
        return found | pending.referred() | set(pending.deleted) | set(pending.edits)

    # --- others ----------------------------------------------------------------------------------

    def _as_another(self, work: Callable[[Session], None]) -> None:
        self.others.reset()
        work(self.others)
        self.others.commit()
        self.current = False

    @rule(number=numbers, edits=st.lists(values, min_size=1, max_size=2))
    def others_edit(self, number: int, edits: list[tuple[str, Any]]) -> None:
        task = self.committed_task(number)
        if task is None or all(self.world.tasks[task].values[name] == value for name, value in edits):
            return
        changes = dict(edits)
        if changes.items() <= self.world.tasks[task].values.items():
            return
        self._as_another(lambda session: session.get("Task", task).update(changes))  # type: ignore[union-attr]
        self.world.revision += 1
        self.world.update(task, changes)
        self.world.remember()

    @rule(bid=st.integers(0, 3))
    def others_create(self, bid: int) -> None:
        made: list[str] = []
        self._as_another(lambda session: made.append(session.create("Task", {"name": "o", "bid": bid})["id"]))
        self.world.revision += 1
        self.world.create(made[0], {"name": "o", "bid": bid})
        self.world.remember()
        self.order[made[0]] = len(self.order)

    @rule(number=numbers)
    def others_delete(self, number: int) -> None:
        task = self.committed_task(number)
        if task is None:
            return
        self._as_another(lambda session: session.delete(session.get("Task", task)))  # type: ignore[arg-type]
        self.world.revision += 1
        self.world.delete(task)
        self.world.remember()

    @rule(number=numbers, to=numbers, note=notes)
    def others_link(self, number: int, to: int, note: str | None) -> None:
        task, users = self.committed_task(number), sorted(self.world.users)
        if task is None or not users or self.world.links.get((task, users[to % len(users)]), GONE) == note:
            return
        user = users[to % len(users)]
        self._as_another(
            lambda session: session.get("Task", task)["assignees"].link(session.get("User", user), note)  # type: ignore[index]
        )
        self.world.revision += 1
        self.world.links[task, user] = note
        self.world.remember()

    # --- what must hold --------------------------------------------------------------------------

    @invariant()
    def scalars_and_references_are_as_expected(self) -> None:
        for each, entity in self.handles.items():
            if self.kinds[each] == "Task" and (each in self.view.known or each in self.view.pending.created):
                shown = {name: entity[name] for name in ATTRIBUTES}
                shown |= {name: shown[name] and shown[name]["id"] for name in REFERENCES}
                assert shown == self.view.shown(each), each

    @invariant()
    def what_is_recorded_is_as_expected(self) -> None:
        pending = self.view.pending
        assert {e["id"] for e in self.mine.created} == {*pending.created, *pending.others}
        assert {e["id"] for e in self.mine.deleted} == set(pending.deleted)
        assert {e["id"] for e in self.mine.modified} >= set(pending.edits)

    @precondition(lambda self: self.current)
    @invariant()
    def relations_are_as_expected_from_both_sides(self) -> None:
        view, handles = self.view, self.handles
        links = view.shown_links()
        tasks = [each for each in handles if self.kinds[each] == "Task" and each not in view.pending.deleted]
        for each, entity in handles.items():
            if each in view.pending.deleted:
                continue
            if self.kinds[each] == "Task":
                found = {user["id"]: entity["assignees"].note(user) for user in entity["assignees"]}
                assert found == {user: note for (task, user), note in links.items() if task == each}
                assert dict(entity["metadata"]) == view.shown_keys(each)
                self._check_members(entity["children"], {t for t in tasks if view.shown(t)["parent"] == each})
            elif self.kinds[each] == "User":
                found = {task["id"]: entity["assignments"].note(task) for task in entity["assignments"]}
                assert found == {task: note for (task, user), note in links.items() if user == each}
            else:
                self._check_members(entity["tasks"], {t for t in tasks if view.shown(t)["project"] == each})

    def _check_members(self, collection: Any, expected: set[str]) -> None:
        assert len(collection) == len(expected)
        assert {member["id"] for member in collection} == expected

    @rule(bid=st.integers(0, 3))
    def a_query_sees_what_is_committed(self, bid: int) -> None:
        found = self.mine.query("Task where bid >= $bid order by bid desc, id", bid=bid)
        rows = {e: row.values["bid"] for e, row in self.world.tasks.items() if (row.values["bid"] or 0) >= bid}
        expected = sorted((e for e in rows if rows[e] is not None), key=lambda e: (-rows[e], e))
        assert [task["id"] for task in found] == expected
        assert found.count() == len(expected)
        for task in found:
            each = task["id"]
            assert self.handles.get(each, task) is task
            self.keep("Task", task)
            self.view.read(each)

    @rule(number=numbers)
    def another_session_sees_what_is_committed(self, number: int) -> None:
        self.others.reset()
        found = {
            task["id"]: {n: task[n]["id"] if n in REFERENCES and task[n] else task[n] for n in ATTRIBUTES}
            for task in self.others.query("Task")
        }
        assert found == {each: row.values for each, row in self.world.tasks.items()}
        links = {(t["id"], u["id"]): t["assignees"].note(u) for t in self.others.query("Task") for u in t["assignees"]}
        assert links == self.world.links
        keys = {(t["id"], k): v for t in self.others.query("Task") for k, v in t["metadata"].items()}
        assert keys == self.world.keys

    @rule(number=numbers)
    def history_has_every_value(self, number: int) -> None:
        task = self.pick("Task", number)
        if task is None or task not in self.world.tasks:
            return
        changes = self.mine.history(self.handles[task], "bid")
        found = [(each.revision, each.after) for each in reversed(changes) if each.attribute == "bid"]
        expected = self.world.tasks[task].past["bid"][1:]
        assert found == [entry for entry in expected if entry[1] is not None or entry is not expected[0]]

    @rule(number=st.integers(0, 40))
    def the_past_is_as_it_was(self, number: int) -> None:
        revision = sorted(self.world.snapshots)[number % len(self.world.snapshots)]
        then = self.mine.at(revision)
        found = {
            task["id"]: {n: task[n]["id"] if n in REFERENCES and task[n] else task[n] for n in ATTRIBUTES}
            for task in then.query("Task")
        }
        assert found == self.world.snapshots[revision]


def test_a_session_does_what_the_oracle_says(
    database: str, transport: str, places_with_types: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    class Machine(SessionMachine):
        where = staticmethod(places_with_types)
        ran = 0

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    with capsys.disabled():
        print(f"\n{transport} session against oracle on {database}: {Machine.ran} examples of up to {STEPS} steps")
    assert Machine.ran >= EXAMPLES
