"""Rooms on an event loop: turns, cancellation, small commits that share a transaction, lost connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
import pytest

from recordroom.errors import Error, NotUnique, QueryTimeout, StorageFull, StoreUnavailable
from recordroom.model.ids import new_id, new_ids
from recordroom.model.kinds import Storage
from recordroom.model.operations import Commit, CommitResult, Create, DefineType, Operation
from recordroom.model.schema import Attribute, EntityType
from recordroom.query.grammar import parse
from recordroom.query.request import QueryRequest
from recordroom.store.async_room import AsyncRoom
from recordroom.store.plans import Fetch, FetchKeys, Interrupted, Plan, Writing
from recordroom.store.requests import Read, Write
from recordroom.store.room import Room
from tests.conftest import Places

T = TypeVar("T")
TASK = EntityType(
    name="Task",
    attributes=(Attribute(name="name", kind="text", unique=True), Attribute(name="bid", kind="integer")),
)


def commit_of(*operations: Operation) -> Commit:
    return Commit(id=new_id(), operations=list(operations), database="main")


def tasks(*names: str) -> Commit:
    return commit_of(Create("Task", new_ids(len(names)), {"name": list(names), "bid": list(range(len(names)))}))


def many(count: int) -> Commit:
    return tasks(*(f"task {number:06}" for number in range(count)))


def asked(text: str = "Task", size: int = 1000) -> QueryRequest:
    return QueryRequest(database="main", query=parse(text), size=size)


@asynccontextmanager
async def opened(where: str) -> AsyncIterator[AsyncRoom]:
    room = await AsyncRoom.open(where, durability="normal")
    try:
        if "Task" not in await room.schema("main"):
            await room.commit(commit_of(DefineType(TASK)))
        yield room
    finally:
        await room.close()


def on_loop(where: str, test: Callable[[AsyncRoom], Coroutine[Any, Any, T]]) -> T:
    async def main() -> T:
        async with opened(where) as room:
            return await test(room)

    return asyncio.run(main())


class Ticks:
    """Counts the turns that the loop gives to somebody else."""

    def __init__(self) -> None:
        self.count = 0

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        ticking = asyncio.create_task(self._tick())
        try:
            return await work
        finally:
            ticking.cancel()

    async def _tick(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)


def eager(room: AsyncRoom) -> None:
    """Let SQLite give a turn after every piece, however quick it was."""
    room.driver.turn_seconds = 0.0  # type: ignore[attr-defined]


async def count(room: AsyncRoom, text: str = "Task") -> int:
    return await room.count(asked(text))


# --- turns ---


def test_a_large_commit_gives_turns(places_sqlite: Places) -> None:
    async def test(room: AsyncRoom) -> int:
        eager(room)
        ticks = Ticks()
        await ticks.during(room.commit(many(10_000)))
        return ticks.count

    assert on_loop(places_sqlite(), test) > 10_000 / 500


def test_a_large_page_and_a_stream_give_turns(places: Places) -> None:
    async def test(room: AsyncRoom) -> tuple[int, int]:
        await room.commit(many(10_000))
        if room.driver.dialect == "sqlite":
            eager(room)
        paging, streaming = Ticks(), Ticks()
        page = await paging.during(room.query(asked(size=10_000)))
        assert page.count == 10_000

        async def export() -> int:
            return sum([page.count async for page in room.stream(asked(size=1200))])

        assert await streaming.during(export()) == 10_000
        return paging.count, streaming.count

    paged, streamed = on_loop(places(), test)
    assert paged > 5
    assert streamed > 10_000 / 1200


def test_pages_of_a_stream_have_the_size_asked_for(places: Places) -> None:
    async def test(room: AsyncRoom) -> list[int]:
        await room.commit(many(2_500))
        return [page.count async for page in room.stream(asked(size=1201))]

    assert on_loop(places(), test) == [1201, 1201, 98]


def test_readers_go_on_while_a_commit_is_half_done(places: Places) -> None:
    async def test(room: AsyncRoom) -> list[int]:
        if room.driver.dialect == "sqlite":
            eager(room)
        writing = asyncio.create_task(room.commit(many(5_000)))
        seen = []
        while not writing.done():
            seen.append(await count(room))
            await asyncio.sleep(0)
        await writing
        return [*seen, await count(room)]

    seen = on_loop(places(), test)
    assert len(seen) > 3
    assert set(seen) <= {0, 5_000}
    assert seen[-1] == 5_000


# --- cancellation ---


def test_a_commit_that_is_cancelled_changes_nothing(places: Places) -> None:
    async def test(room: AsyncRoom) -> tuple[int, CommitResult]:
        if room.driver.dialect == "sqlite":
            eager(room)
        writing = asyncio.create_task(room.commit(many(5_000)))
        for _ in range(10):
            await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        return await count(room), await room.commit(tasks("after"))

    found, result = on_loop(places(), test)
    assert found == 0
    assert result.revision == 2
    with Room.open(places()) as room:
        assert room.count(asked()) == 1
        assert not room.check().problems


def test_a_read_that_is_cancelled_gives_its_connection_back(places: Places) -> None:
    async def test(room: AsyncRoom) -> int:
        await room.commit(many(5_000))
        if room.driver.dialect == "sqlite":
            eager(room)

        async def export() -> None:
            async for _ in room.stream(asked(size=100)):
                await asyncio.sleep(0)

        for make in (export, lambda: room.query(asked(size=5_000))):
            reading = asyncio.create_task(make())
            for _ in range(6):
                await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        return await count(room)

    assert on_loop(places(), test) == 5_000


def test_a_stream_that_is_left_is_closed(places: Places) -> None:
    async def test(room: AsyncRoom) -> int:
        await room.commit(many(3_000))
        stream = room.stream(asked(size=500))
        first = await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        await room.commit(tasks("more"))
        return first.count + await count(room)

    assert on_loop(places(), test) == 500 + 3_001


# --- small commits together ---


def transactions(room: AsyncRoom) -> list[None]:
    """Grows by one with every writing transaction that begins."""
    group = room.driver._group  # type: ignore[attr-defined]
    make, begun = group._transaction, []

    def counted() -> Any:
        begun.append(None)
        return make()

    group._transaction = counted
    group.seconds = 60.0
    return begun


def test_small_commits_that_wait_share_a_transaction(places: Places) -> None:
    async def test(room: AsyncRoom) -> tuple[int, list[int]]:
        begun = transactions(room)
        results = await asyncio.gather(*[room.commit(tasks(f"task {number}")) for number in range(8)])
        return len(begun), [result.revision for result in results]

    assert on_loop(places(), test) == (1, list(range(2, 10)))
    with Room.open(places()) as room:
        assert [entry.header.revision for entry in room.journal()] == list(range(1, 10))
        assert not room.check().problems


def test_one_that_fails_harms_no_other(places: Places) -> None:
    async def test(room: AsyncRoom) -> list[Any]:
        await room.commit(tasks("taken"))
        names = ["taken", "a", "b", "taken", "c", "a"]
        return await asyncio.gather(*[room.commit(tasks(name)) for name in names], return_exceptions=True)

    results = on_loop(places(), test)
    assert [isinstance(result, NotUnique) for result in results] == [True, False, False, True, False, True]
    assert [result.revision for result in results if isinstance(result, CommitResult)] == [3, 4, 5]
    with Room.open(places()) as room:
        assert room.count(asked()) == 4
        assert not room.check().problems


def test_a_commit_and_its_repeat_at_once_are_one(places: Places) -> None:
    async def test(room: AsyncRoom) -> list[CommitResult]:
        commit = tasks("once")
        return await asyncio.gather(*[room.commit(commit) for _ in range(4)])

    results = on_loop(places(), test)
    assert {result.revision for result in results} == {2}
    assert [result.repeated for result in results] == [False, True, True, True]


def test_a_commit_that_changes_the_schema_is_alone(places: Places) -> None:
    async def test(room: AsyncRoom) -> int:
        begun = transactions(room)
        other = commit_of(DefineType(EntityType(name="Other")))
        await asyncio.gather(*map(room.commit, (tasks("a"), tasks("b"), other, tasks("c"), tasks("d"))))
        return len(begun)

    assert on_loop(places(), test) == 3


def test_one_that_is_cancelled_harms_no_other(places: Places) -> None:
    async def test(room: AsyncRoom) -> list[int]:
        writing = [asyncio.create_task(room.commit(tasks(f"task {number}"))) for number in range(4)]
        await asyncio.sleep(0)
        writing[2].cancel()
        done = await asyncio.gather(*writing, return_exceptions=True)
        assert isinstance(done[2], asyncio.CancelledError)
        return [each.revision for each in done if isinstance(each, CommitResult)]

    assert on_loop(places(), test) == [2, 3, 4]


def test_nobody_is_told_before_the_transaction_stands(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(room: AsyncRoom) -> tuple[list[Any], int]:
        make = room.driver._group._transaction  # type: ignore[attr-defined]

        @asynccontextmanager
        async def failing() -> AsyncIterator[Any]:
            async with make() as transaction:

                async def commit(*, announce: bool) -> None:
                    raise StorageFull(path="here")

                transaction.commit = commit
                yield transaction

        room.driver._group._transaction = failing  # type: ignore[attr-defined]
        failed = await asyncio.gather(*map(room.commit, (tasks("a"), tasks("b"), tasks("a"))), return_exceptions=True)
        room.driver._group._transaction = make  # type: ignore[attr-defined]
        return failed, (await room.commit(tasks("a"))).revision

    failed, revision = on_loop(places(), test)
    assert [type(each) for each in failed] == [StorageFull] * 3
    assert revision == 2


# --- beside threads ---


def test_threads_and_tasks_write_in_turns(places: Places) -> None:
    async def test(room: AsyncRoom) -> int:
        with Room.open(places()) as sync:

            def work(name: str) -> None:
                for number in range(10):
                    sync.commit(tasks(f"{name} {number}"))

            threads = [asyncio.to_thread(work, f"thread {number}") for number in range(2)]
            commits = [room.commit(tasks(f"task {number}")) for number in range(10)]
            await asyncio.gather(*threads, *commits)
        return await count(room)

    assert on_loop(places(), test) == 30


def test_a_thread_does_not_wait_for_a_task_of_its_own_loop(places: Places) -> None:
    async def test(room: AsyncRoom) -> int:
        if room.driver.dialect == "sqlite":
            eager(room)
        with Room.open(places()) as sync:
            writing = asyncio.create_task(room.commit(many(3_000)))
            while not sync.driver.turns._holder:  # type: ignore[attr-defined]
                await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="waited for forever"):
                sync.commit(tasks("never"))
            await writing
        return await count(room)

    assert on_loop(places(), test) == 3_000


def test_loops_in_several_threads_share_a_room(places: Places) -> None:
    on_loop(places(), lambda room: room.commit(tasks("first")))
    failures: list[Error] = []

    def work(name: str) -> None:
        async def test(room: AsyncRoom) -> None:
            for number in range(10):
                await room.commit(tasks(f"{name} {number}"))

        try:
            on_loop(places(), test)
        except Error as error:
            failures.append(error)

    with Room.open(places()) as room:
        threads = [threading.Thread(target=work, args=(f"loop {number}",)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failures == []
        assert room.count(asked()) == 21


# --- lost connections ---


KILL = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND pid = ANY(%s)"


class Killing:
    """Ends connections of a server in the middle of plans."""

    def __init__(self, url: str, times: int = 1) -> None:
        self._url = url
        self.left = times

    def after(self, plan: Plan[T]) -> Plan[T]:
        result = yield from plan
        [(pid,)] = yield Fetch("SELECT pg_backend_pid()")
        if self.left:
            self.left -= 1
            with psycopg.connect(self._url, autocommit=True) as connection:
                connection.execute(KILL, ([pid],))
        yield Fetch("SELECT 1")
        return result


@pytest.mark.parametrize("times", [1, 3])
def test_a_read_whose_connection_is_lost_is_read_again(places_postgres: Places, postgres_url: str, times: int) -> None:
    async def test(room: AsyncRoom) -> int:
        killing, request = Killing(postgres_url, times), room._requests.count(asked())
        await room.commit(tasks("a"))
        return await room.read(Read(lambda: killing.after(request.plan())))

    assert on_loop(places_postgres(), test) == 1
    with Room.open(places_postgres()) as room:
        killing, request = Killing(postgres_url, times), room._requests.count(asked())
        assert room._read(Read(lambda: killing.after(request.plan()))) == 1


def test_a_commit_whose_connection_is_lost_is_made_once(places_postgres: Places, postgres_url: str) -> None:
    def killed(request: Write[T]) -> Write[T]:
        killing = Killing(postgres_url)
        return request._replace(plan=lambda: killing.after(request.plan()))

    async def test(room: AsyncRoom) -> int:
        return (await room.write(killed(room._requests.commit(tasks("a"))))).revision

    assert on_loop(places_postgres(), test) == 2
    with Room.open(places_postgres()) as room:
        assert room._write(killed(room._requests.commit(tasks("b")))).revision == 3
        assert room.count(asked()) == 2


def test_a_commit_whose_outcome_is_unknown_is_made_once(places_postgres: Places) -> None:
    async def test(room: AsyncRoom) -> int:
        make, lost = room.driver._group._transaction, [None]  # type: ignore[attr-defined]

        @asynccontextmanager
        async def losing() -> AsyncIterator[Any]:
            async with make() as transaction:
                commit = transaction.commit

                async def losing_commit(*, announce: bool) -> None:
                    await commit(announce=announce)
                    if lost:
                        lost.pop()
                        raise psycopg.OperationalError("the answer was lost")

                transaction.commit = losing_commit
                yield transaction

        room.driver._group._transaction = losing  # type: ignore[attr-defined]
        results = await asyncio.gather(*map(room.commit, (tasks("a"), tasks("b"))))
        assert not lost
        return sum(result.revision for result in results)

    assert on_loop(places_postgres(), test) == 2 + 3
    with Room.open(places_postgres()) as room:
        assert room.count(asked()) == 2


def test_what_may_stand_and_cannot_be_told_from_its_repeat_is_not_tried_again(places_postgres: Places) -> None:
    tried = []

    def plan() -> Plan[None]:
        tried.append(None)
        yield Fetch("SELECT 1")
        raise Interrupted(reason="lost", unknown=True)

    async def test(room: AsyncRoom) -> None:
        with pytest.raises(StoreUnavailable):
            await room.write(Write(plan))
        with pytest.raises(StoreUnavailable):
            await room.write(Write(plan, writing=Writing(again=True)))

    on_loop(places_postgres(), test)
    assert len(tried) == 1 + 7


# --- budgets ---


def test_a_query_has_a_budget(places: Places) -> None:
    slow = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "postgresql": "SELECT pg_sleep(60)",
    }

    def plan(dialect: str) -> Plan[Any]:
        return (yield Fetch(slow[dialect]))

    async def test(room: AsyncRoom) -> int:
        room.driver.budget = 0.2
        with pytest.raises(QueryTimeout) as caught:
            await room.driver.run(plan(room.driver.dialect))
        assert caught.value.seconds == 0.2
        return await count(room)

    assert on_loop(places(), test) == 0


def test_a_statement_that_takes_long_leaves_the_loop_to_others(places_sqlite: Places) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300000)"

    def plan(sql: str) -> Plan[Any]:
        return (yield Fetch(f"{numbers} {sql}"))

    async def test(room: AsyncRoom) -> tuple[int, Any, Any]:
        ticks = Ticks()
        counted = await ticks.during(room.driver.run(plan("SELECT count(*) FROM n")))
        sorted_ = await room.driver.run(plan("SELECT i FROM n ORDER BY -i"))
        return ticks.count, counted, sorted_

    ticks, counted, sorted_ = on_loop(places_sqlite(), test)
    assert ticks > 1
    assert counted == [(300_000,)]
    assert [sorted_[0], sorted_[-1], len(sorted_)] == [(300_000,), (1,), 300_000]


def test_a_statement_that_takes_long_can_be_cancelled(places_sqlite: Places) -> None:
    def plan() -> Plan[Any]:
        sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        return (yield Fetch(sql))

    async def test(room: AsyncRoom) -> int:
        reading = asyncio.create_task(room.driver.run(plan()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        return await count(room)

    assert on_loop(places_sqlite(), test) == 0


def test_rows_that_come_slowly_leave_the_loop_to_others(places_sqlite: Places) -> None:
    async def test(room: AsyncRoom) -> tuple[list[tuple[int]], list[tuple[int]], int]:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.001)
                turns += 1

        def plan() -> Plan[list[tuple[int]]]:
            return (yield _RARE)

        def streamed() -> Plan[tuple[Fetch, Callable[[list[tuple[int]]], list[tuple[int]]]]]:
            yield from ()
            return _RARE, list

        counting = asyncio.create_task(others())
        rows = await room.driver.run(plan())
        between = turns
        found = [row async for rows in room.driver.stream(streamed(), 2) for row in rows]
        counting.cancel()
        return rows, found, min(between, turns - between)

    rows, found, turns = on_loop(places_sqlite(), test)
    assert rows == found == [(number * 300_000,) for number in range(1, 6)]
    assert turns > 5


# A row after each 300,000 steps.
_RARE = Fetch(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) SELECT i FROM n WHERE i % 300000 = 0"
)


def test_many_keys_are_fetched_once_each(places_sqlite: Places) -> None:
    async def test(room: AsyncRoom) -> tuple[list[bytes], list[bytes]]:
        await room.commit(many(1_200))

        def plan() -> Plan[tuple[list[bytes], list[bytes]]]:
            rows = yield Fetch('SELECT id FROM "main.Task"')
            ids = [row[0] for row in rows]
            keys = [*ids, *ids[:700], None, bytes(16)]
            found = yield FetchKeys("main.Task", "id", keys, ("id",), (Storage.BYTES, Storage.BYTES))
            return ids, [row[0] for row in found]

        return await room.driver.run(plan())

    ids, found = on_loop(places_sqlite(), test)
    assert sorted(found) == sorted(ids)
