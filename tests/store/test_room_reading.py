"""What a room does before it answers: schemas of other processes, followers that read on, a past that is kept or not."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest

from recordroom.errors import NotFound, PastPruned, RoomReadOnly, UnknownType
from recordroom.model.ids import new_ids
from recordroom.model.operations import Commit, Create, DefineAttribute, DefineType, Delete, Operation, Update
from recordroom.model.schema import Attribute, EntityType
from recordroom.query.grammar import parse
from recordroom.query.request import HistoryRequest, MembersRequest, QueryRequest, SearchRequest
from recordroom.store import opened
from recordroom.store.plans import Fetch, Plan, Run
from recordroom.store.room import Room
from recordroom.store.sqltext import marked
from tests.conftest import Places

TASK = DefineType(
    EntityType(
        name="Task",
        attributes=(Attribute(name="name", kind="text"), Attribute(name="after", kind="links", target="Task")),
    )
)
DAY = 24 * 60 * 60 * 1_000_000


def commit(room: Room, *operations: Operation) -> int:
    return room.commit(Commit(id=new_ids(1)[0], operations=list(operations))).revision


def ask(text: str, **facts: Any) -> QueryRequest:
    return QueryRequest(database="main", query=parse(text), **facts)


def names(room: Room, text: str = "select name from Task", **facts: Any) -> list[str]:
    return sorted(room.query(ask(text, **facts)).columns["name"])


def one(statement: Any) -> Plan[Any]:
    return (yield statement)


@pytest.fixture
def ids(room: Room) -> list[bytes]:
    """Three tasks that were named, and named again: revisions 2 and 3."""
    ids = new_ids(3)
    commit(room, TASK)
    commit(room, Create("Task", ids, {"name": ["red", "green", "blue"]}))
    commit(room, Update("Task", ids, {"name": ["one red", "two green", "three blue"]}))
    return ids


# --- followers ---


def test_the_past_is_right_right_after_a_commit(room: Room, ids: list[bytes]) -> None:
    assert names(room, at=2) == ["blue", "green", "red"]
    commit(room, Delete("Task", ids[:1]))
    assert names(room, at=3) == ["one red", "three blue", "two green"]
    assert names(room, at=4) == ["three blue", "two green"]
    assert room.count(ask("Task", at=3)) == 3
    assert [page.count for page in room.stream(ask("Task", at=3, size=2))] == [2, 1]
    links = MembersRequest(database="main", type="Task", attribute="after", owners=ids, at=3)
    assert room.members(links).owners == []


def test_a_revision_that_is_still_to_come_is_not_found(room: Room, ids: list[bytes]) -> None:
    with pytest.raises(NotFound, match="the latest is 3"):
        room.query(ask("Task", at=4))
    with pytest.raises(NotFound):
        room.count(ask("Task", at=99))
    assert names(room, at=3)


def test_searches_find_what_was_just_committed(room: Room, ids: list[bytes]) -> None:
    assert [hit.id for hit in room.search(SearchRequest(database="main", text="red"))] == ids[:1]
    commit(room, Update("Task", ids[1:2], {"name": ["red too"]}))

    assert names(room, 'select name from Task where name matches "red"') == ["one red", "red too"]
    assert room.count(ask('Task where name matches "red"')) == 2
    assert [page.count for page in room.stream(ask('Task where name matches "red"'))] == [2]


def test_history_knows_the_last_commit(room: Room, ids: list[bytes]) -> None:
    request = HistoryRequest(database="main", type="Task", id=ids[0])

    assert [(change.before, change.after) for change in room.history(request)] == [("red", "one red"), (None, "red")]


def test_a_query_that_needs_no_follower_starts_none(room: Room, ids: list[bytes]) -> None:
    before = room.driver.run(one(Fetch("SELECT name, revision FROM rr_follower ORDER BY name")))
    assert names(room) == ["one red", "three blue", "two green"]

    assert room.driver.run(one(Fetch("SELECT name, revision FROM rr_follower ORDER BY name"))) == before


def test_followers_that_have_read_everything_cost_no_writing(room: Room, ids: list[bytes]) -> None:
    names(room, at=2)
    before = room.driver.statements
    names(room, at=2)
    now = room.driver.statements - before

    assert now <= 7


def test_a_room_that_only_reads_brings_followers_up_to_date_where_nobody_writes(places_sqlite: Places) -> None:
    with Room.open(places_sqlite()) as room:
        commit(room, TASK)
        commit(room, Create("Task", new_ids(1), {"name": ["red"]}))
    with Room.open(places_sqlite(), mode="read") as reader:
        assert [hit.snippets for hit in reader.search(SearchRequest(database="main", text="red"))]
        with pytest.raises(RoomReadOnly):
            reader.driver.write(one(Run("UPDATE rr_room SET revision = 9")))
    Room.open(places_sqlite()).close()


def test_a_room_that_only_reads_says_so_where_somebody_writes(
    places_sqlite: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "_BORROW_SECONDS", 0.0)
    with Room.open(places_sqlite()) as room, Room.open(places_sqlite(), mode="read") as reader:
        commit(room, TASK)
        commit(room, Create("Task", new_ids(1), {"name": ["red"]}))
        with pytest.raises(RoomReadOnly, match="not indexed yet"):
            reader.search(SearchRequest(database="main", text="red"))
        assert names(reader) == ["red"]

        room.search(SearchRequest(database="main", text="red"))
        assert len(reader.search(SearchRequest(database="main", text="red"))) == 1


def test_the_past_of_a_room_that_was_closed_can_be_read_without_writing(places: Places) -> None:
    with Room.open(places()) as room:
        ids = new_ids(1)
        commit(room, TASK)
        commit(room, Create("Task", ids, {"name": ["red"]}))
        commit(room, Update("Task", ids, {"name": ["green"]}))
    with Room.open(places(), mode="read") as reader:
        before = reader.driver.run(one(Fetch("SELECT revision FROM rr_follower WHERE name = 'history:main'")))
        assert names(reader, at=2) == ["red"]
        assert before == [(3,)]


# --- other processes ---

OTHER = """
import sys
from recordroom.model.ids import new_ids
from recordroom.model.operations import Commit, Create, DefineAttribute
from recordroom.model.schema import Attribute
from recordroom.store.room import Room
with Room.open(sys.argv[1]) as room:
    operations = [
        DefineAttribute("Task", Attribute(name="color", kind="text", default="grey")),
        Create("Task", new_ids(1), {"name": ["other"]}),
    ]
    room.commit(Commit(id=new_ids(1)[0], operations=operations))
"""


def test_what_another_process_did_to_the_schema_is_seen(places: Places) -> None:
    with Room.open(places()) as room:
        commit(room, TASK)
    with Room.open(places(), mode="read") as reader:
        assert "color" not in reader.schema("main").attributes("Task")
        subprocess.run([sys.executable, "-c", OTHER, places()], check=True)

        assert reader.query(ask("select name, color from Task")).columns["color"] == ["grey"]
        assert "color" in reader.schema("main").attributes("Task")


def test_reading_goes_on_in_threads_while_the_schema_changes(room: Room, ids: list[bytes]) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                assert room.query(ask("Task")).count == 3
                assert sum(page.count for page in room.stream(ask("Task", size=2))) == 3
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(8):
            commit(room, DefineAttribute("Task", Attribute(name=f"a{number}", kind="integer", default=number)))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []


# --- retention ---


def age(room: Room, revision: int, days: int) -> None:
    """Make commits up to a revision older."""
    text = "UPDATE rr_commit SET time = time - ? WHERE revision <= ?"
    room.driver.write(one(Run(marked(room.driver.dialect, text), (days * DAY, revision))))


def test_what_is_older_than_the_retention_is_forgotten_by_the_way(room: Room, ids: list[bytes]) -> None:
    commit(room, Update("Task", ids, {"name": ["x", "y", "z"]}))
    age(room, 3, 40)
    commit(room, Update("Task", ids[:1], {"name": ["x2"]}))
    assert names(room, at=2) == ["blue", "green", "red"]

    room.change_settings(retention=30)
    commit(room, Update("Task", ids[:1], {"name": ["x3"]}))
    with pytest.raises(PastPruned) as caught:
        names(room, at=2)
    assert (caught.value.revision, caught.value.oldest) == (2, 3)
    assert names(room, at=3) == ["one red", "three blue", "two green"]
    assert list(room.check()) == []


def test_pruning_asks_for_a_number_of_days_or_the_setting(room: Room, ids: list[bytes]) -> None:
    age(room, 2, 10)
    assert room.prune() == 0
    assert room.prune(days=20) == 0
    assert room.prune(days=5) == 2
    with pytest.raises(PastPruned):
        room.count(ask("Task", at=1))
    with pytest.raises(PastPruned):
        list(room.stream(ask("Task", at=1)))


# --- upkeep ---


def test_a_room_that_is_well_has_no_problems(room: Room, ids: list[bytes]) -> None:
    commit(room, Delete("Task", ids[:1]))
    report = room.check()

    assert list(report) == []
    assert report.counts


def test_what_somebody_broke_is_found(room: Room, ids: list[bytes]) -> None:
    room.driver.write(one(Run("UPDATE \"main.Task\" SET name = 'broken' WHERE number = 1")))

    assert len(room.check().problems) > 0


def test_explaining_runs_nothing_of_the_query(room: Room, ids: list[bytes]) -> None:
    text = room.explain(ask('Task where name is "one red"'))

    assert "SELECT" in text
    assert "one red" in text
    with pytest.raises(UnknownType):
        room.explain(ask("Tusk"))
