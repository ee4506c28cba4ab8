"""The unit of work and packing, without a room: what is squashed, grouped and ordered."""

from __future__ import annotations

from typing import Any

import pytest

from recordroom.client.entity import Entity
from recordroom.client.packing import columns_of_edits, pack
from recordroom.client.session import Session
from recordroom.client.work import GONE, Pairs
from recordroom.model.ids import new_ids
from recordroom.model.operations import Create, Delete, DropKeys, Link, SetKeys, Unlink, Update
from recordroom.model.schema import Schema
from recordroom.query.request import Page
from tests.client.conftest import TYPES


class Scripted:
    """A transport that knows the schema and nothing else: these tests must not ask for more."""

    where = "scripted"
    actor = "owner"

    def schema(self, database: str, revision: int | None = None) -> Schema:
        return Schema(TYPES)

    def close(self) -> None:
        pass


@pytest.fixture
def session() -> Session:
    return Session(Scripted())  # type: ignore[arg-type]


def met(session: Session, type_name: str, number: int, revision: int = 5, **columns: list[Any]) -> list[Entity]:
    """Entities as a query would bring them."""
    page = Page(type=type_name, ids=new_ids(number), columns={"revision": [revision] * number, **columns})
    return session._identity.meet(page)


def packed(session: Session) -> list[Any]:
    return pack(session._work.now, session._identity.facts, session._work.silent).operations


def test_creates_are_one_block_of_columns_per_type(session: Session) -> None:
    for i in range(3):
        session.create("Task", {"name": f"t{i}", "bid": i})
        session.create("Plane", {"tail": f"N{i}"})
    blocks = {each.type: each for each in packed(session)}

    assert blocks["Task"].columns == {"name": ["t0", "t1", "t2"], "bid": [0, 1, 2]}
    assert blocks["Plane"].columns == {"tail": ["N0", "N1", "N2"]}
    assert blocks["Task"].ids == [task._id for task in session.created if task._type == "Task"]


def test_what_one_entity_of_a_block_lacks_gets_the_default(session: Session) -> None:
    session.create("Task", {"name": "a", "status": "done"})
    session.create("Task", {"name": "b", "bid": 3})
    session.create("Task", {"bid": 4, "status": "open"})
    session.create("Task")

    [block] = packed(session)
    assert block.columns == {
        "name": ["a", "b", None, None],
        "status": ["done", "open", "open", "open"],
        "bid": [None, 3, 4, None],
    }


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([], {}),
        ([{}], {}),
        ([{"a": 1}], {"a": [1]}),
        ([{"a": 1, "b": 2}, {"b": 4, "a": 3}], {"a": [1, 3], "b": [2, 4]}),
        ([{"a": 1, "b": 2}, {"a": 3, "c": 4}], {"a": [1, 3], "b": [2, "B"], "c": [None, 4]}),
        ([{"a": 1}, {"b": 2}], {"a": [1, None], "b": ["B", 2]}),
    ],
)
def test_dicts_become_columns(rows: list[dict[str, Any]], columns: dict[str, list[Any]]) -> None:
    assert columns_of_edits(rows, {"b": "B"}) == columns


def test_updates_are_grouped_by_type_and_attributes_with_their_bases(session: Session) -> None:
    first, second = met(session, "Task", 1, 5), met(session, "Task", 2, 7)
    for task in (*first, *second):
        task["bid"] = 1
    second[1]["name"] = "x"
    second[1]["bid"] = 2

    one, two = packed(session)
    assert (one.columns, one.base) == ({"bid": [1, 1]}, [5, 7])
    assert (two.columns, two.base) == ({"bid": [2], "name": ["x"]}, [7])


def test_an_entity_that_is_known_by_id_only_is_changed_on_whatever_is_there(session: Session) -> None:
    task = session._loader.entities("Task", new_ids(1))[0]
    task["bid"] = 3

    assert packed(session)[0].base == [0]


def test_attributes_edited_on_different_revisions_go_with_their_own_base(session: Session) -> None:
    page = Page(type="Task", ids=new_ids(1), columns={"revision": [5], "bid": [1], "hours": [None]})
    [task] = session._identity.meet(page)
    task["bid"] = 2
    session._identity.meet(Page(type="Task", ids=list(page.ids), columns={"revision": [8], "bid": [1], "hours": [0.5]}))
    task["hours"] = 1.0
    task["bid"] = 3

    assert {tuple(each.columns): each.base for each in packed(session)} == {("bid",): [5], ("hours",): [8]}
    del task["bid"]
    assert [(each.columns, each.base) for each in packed(session)] == [({"hours": [1.0]}, [8])]


def test_deletes_come_last_and_backwards(session: Session) -> None:
    tasks, planes = met(session, "Task", 2), met(session, "Plane", 1)
    session.delete([*tasks, *planes])
    session.create("Task", {"name": "x"})
    kinds = packed(session)

    assert [(type(each), each.type) for each in kinds] == [(Create, "Task"), (Delete, "Plane"), (Delete, "Task")]
    assert kinds[2].ids == [tasks[1]._id, tasks[0]._id]
    assert kinds[2].base == [5, 5]


def test_links_and_entries_are_additions_and_removals(session: Session) -> None:
    [task], users = met(session, "Task", 1), met(session, "User", 3)
    key = ("Task", "assignees")
    task["assignees"].link(users[0], "note")
    session._work.pairs(key).put(task, users[1], None)
    session._work.pairs(key).put(task, users[2], GONE)
    entries = session._work.entries(("Task", "metadata"), task)
    entries.update({"a": "1", "b": GONE})

    unlink, link, drop, put = packed(session)
    assert isinstance(unlink, Unlink)
    assert (unlink.sources, unlink.targets) == ([task._id], [users[2]._id])
    assert isinstance(link, Link)
    assert (link.targets, link.notes) == ([users[0]._id, users[1]._id], ["note", None])
    assert isinstance(drop, DropKeys)
    assert drop.keys == ["b"]
    assert isinstance(put, SetKeys)
    assert (put.keys, put.values) == (["a"], ["1"])


def test_blocks_that_others_refer_to_come_first(session: Session) -> None:
    flight = session.create("Flight", {"code": "f"})
    flight["plane"] = session.create("Plane", {"tail": "N"})
    session.create("Task", {"name": "t", "owner": session.create("User", {"name": "u"})})

    order = [each.type for each in packed(session)]
    assert order.index("Plane") < order.index("Flight")
    assert order.index("User") < order.index("Task")


def test_taking_leaves_room_for_what_comes_next(session: Session) -> None:
    work = session._work
    task = session.create("Task", {"name": "a"})
    [old] = met(session, "Task", 1)
    old["bid"] = 1
    batch = work.take()
    session.create("Task", {"name": "b"})
    old["hours"] = 1.0

    assert [page.ids for page in batch.new] == [[task._id]]
    assert len(work.now.new) == 1
    assert work.is_on_its_way(task)
    assert work.is_on_its_way(old)
    work.give_back(batch)
    create_a, create_b, update = packed(session)
    assert (create_a.columns["name"], create_b.columns["name"]) == (["a"], ["b"])
    assert isinstance(update, Update)
    assert update.columns == {"bid": [1], "hours": [1.0]}
    assert not work.is_on_its_way(task)


def test_giving_back_keeps_the_last_word(session: Session) -> None:
    work = session._work
    [task], [ann, bob] = met(session, "Task", 1), met(session, "User", 2)
    pairs, entries = work.pairs(("Task", "assignees")), work.entries(("Task", "metadata"), task)
    pairs.put(task, ann, "first")
    pairs.put(task, bob, None)
    entries.update({"a": "1", "b": "1"})
    batch = work.take()
    work.pairs(("Task", "assignees")).put(task, ann, GONE)
    work.entries(("Task", "metadata"), task)["a"] = "2"
    work.give_back(batch)

    [joined] = work.now.links.values()
    assert {(source, target): note for source, target, note in joined} == {(task, ann): GONE, (task, bob): None}
    assert work.now.keys[("Task", "metadata")][task] == {"a": "2", "b": "1"}


def test_an_entity_that_was_created_in_a_failed_commit_and_deleted_meanwhile_is_gone(session: Session) -> None:
    task = session.create("Task", {"name": "a"})
    batch = session._work.take()
    session.delete(task)
    session._work.give_back(batch)

    assert packed(session) == []
    assert not session._work.now


def test_pairs_are_read_from_both_sides(session: Session) -> None:
    (first, second), [ann] = met(session, "Task", 2), met(session, "User", 1)
    pairs = Pairs()
    pairs.put(first, ann, "x")
    pairs.put(second, ann, None)
    pairs.discard(second, ann)

    assert pairs.side(True) == {first: {ann: "x"}}
    assert pairs.side(False) == {ann: {first: "x"}}
    pairs.discard(first, ann)
    assert not pairs.forward
    assert not pairs.backward
