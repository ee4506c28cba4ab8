"""Waiting for revisions: of this process and of others, in threads and on event loops; rooms opened at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from recordroom.store.async_room import AsyncRoom
from recordroom.store.drivers import postgres_async
from recordroom.store.room import Room
from recordroom.store.wake import Wake
from tests.conftest import Places

ENOUGH = 30.0  # seconds, after which a test fails

COMMIT = """
import sys
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, Publish
from recordroom.store.room import Room

with Room.open(sys.argv[1]) as room:
    print("open", flush=True)
    for line in sys.stdin:
        room.commit(Commit(id=new_id(), database="main", operations=[Publish("said", "x")]))
        print("done", flush=True)
"""


class Other:
    """Another process that has the room open and commits when it is told to."""

    def __init__(self, where: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMIT, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.hears("open")

    def hears(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{word}\n"

    def commit(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self.hears("done")


@contextmanager
def other_process(where: str) -> Iterator[Other]:
    other = Other(where)
    try:
        yield other
    finally:
        other.process.communicate()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked for by itself: what is not told is not seen."""
    monkeypatch.setattr(postgres_async, "_LISTEN_SECONDS", 10 * ENOUGH)
    monkeypatch.setattr("recordroom.store.wake._LOOK_SECONDS", 10 * ENOUGH)


def commit(room: Room) -> int:
    from recordroom.model.ids import new_id
    from recordroom.model.operations import Commit, Publish

    return room.commit(Commit(id=new_id(), database="main", operations=[Publish("said", "x")])).revision


# --- in one process ---


def test_a_commit_wakes_threads_and_tasks(places: Places) -> None:
    async def main() -> list[int]:
        room = await AsyncRoom.open(places())
        with Room.open(places()) as sync:
            waiting = [asyncio.create_task(room.wait(0, ENOUGH)) for _ in range(3)]
            threads = [asyncio.create_task(asyncio.to_thread(sync.wait, 0, ENOUGH)) for _ in range(3)]
            await asyncio.sleep(0)
            await asyncio.to_thread(commit, sync)
            found = await asyncio.gather(*waiting, *threads)
        await room.close()
        return found

    assert asyncio.run(main()) == [1] * 6


def test_who_waits_for_what_is_there_does_not_wait(places: Places) -> None:
    async def main() -> tuple[int, int]:
        room = await AsyncRoom.open(places())
        with Room.open(places()) as sync:
            assert commit(sync) == 1
            found = await room.wait(0), sync.wait(0)
        await room.close()
        return found

    assert asyncio.run(main()) == (1, 1)


def test_when_nothing_comes_the_revision_is_told_at_the_end(places: Places) -> None:
    async def main() -> tuple[int, int]:
        room = await AsyncRoom.open(places())
        with Room.open(places()) as sync:
            commit(sync)
            found = await room.wait(1, 0.05), sync.wait(1, 0.05)
        await room.close()
        return found

    assert asyncio.run(main()) == (1, 1)


def test_a_task_that_stops_waiting_is_forgotten() -> None:
    async def main() -> int:
        wake = Wake()
        waiting = asyncio.create_task(wake.awaited(0))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        return len(wake._tasks)

    assert asyncio.run(main()) == 0


def test_a_closed_loop_does_not_hinder_others() -> None:
    wake = Wake()
    loop = asyncio.new_event_loop()
    left = loop.create_task(wake.awaited(0))
    loop.call_soon(loop.stop)
    loop.run_forever()
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(wake.waited(0, ENOUGH, None)))
    thread.start()
    left.cancel()
    loop.run_until_complete(asyncio.wait([left]))
    loop.close()
    wake._tasks.add((loop, loop.create_future()))

    wake.announce(7)
    thread.join()
    assert found == [7]


def test_one_thread_watches_for_all() -> None:
    wake, watching, told = Wake(), threading.Semaphore(0), threading.Event()
    found: list[int] = []

    def watch(seconds: float) -> int:
        watching.release()
        told.wait(ENOUGH)
        return 3

    threads = [threading.Thread(target=lambda: found.append(wake.waited(0, ENOUGH, watch))) for _ in range(4)]
    for thread in threads:
        thread.start()
    watching.acquire()
    told.set()
    for thread in threads:
        thread.join()

    assert found == [3] * 4
    assert not watching.acquire(blocking=False)


# --- between processes ---


@pytest.mark.usefixtures("patient")
def test_another_process_wakes_tasks_on_postgres(places_postgres: Places, postgres_url: str) -> None:
    async def main(other: Other) -> list[int]:
        room = await AsyncRoom.open(places_postgres())
        found = []
        for _ in range(3):
            waiting = asyncio.create_task(room.wait(len(found), ENOUGH))
            await asyncio.sleep(0)
            await asyncio.to_thread(other.commit)
            found.append(await waiting)
        end_listeners(postgres_url)
        waiting = asyncio.create_task(room.wait(3, ENOUGH))
        await asyncio.to_thread(other.commit)
        found.append(await waiting)
        await room.close()
        return found

    Room.open(places_postgres()).close()
    with other_process(places_postgres()) as other:
        assert asyncio.run(main(other)) == [1, 2, 3, 4]


@pytest.mark.usefixtures("patient")
def test_another_process_wakes_threads_on_postgres(places_postgres: Places, postgres_url: str) -> None:
    found: list[int] = []
    with Room.open(places_postgres()) as room, other_process(places_postgres()) as other:
        for number in range(4):
            thread = threading.Thread(target=lambda after=number: found.append(room.wait(after, ENOUGH)))  # type: ignore[misc]
            thread.start()
            other.commit()
            thread.join()
            if number == 2:
                end_listeners(postgres_url)

    assert found == [1, 2, 3, 4]


def end_listeners(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'"
            " OR (query = 'SELECT revision FROM rr_room' AND pid <> pg_backend_pid())"
        )


def test_the_writer_wakes_readers_of_another_process_on_sqlite(places_sqlite: Places) -> None:
    Room.open(places_sqlite()).close()
    with other_process(places_sqlite()) as other, Room.open(places_sqlite(), mode="read") as room:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(room.wait(0, ENOUGH)))
        thread.start()
        other.commit()
        thread.join()

    assert found == [1]


# --- opened at once ---


OPEN = """
import sys
from recordroom.store.room import Room

sys.stdin.readline()
with Room.open(sys.argv[1]) as room:
    print(len(room.databases()), [str(problem) for problem in room.check().problems])
"""


def open_at_once(where: str, count: int = 3) -> list[str]:
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate()[0].strip() for process in processes]


def test_processes_make_a_room_on_postgres_at_once(places_postgres: Places) -> None:
    assert open_at_once(places_postgres()) == ["1 []"] * 3


def test_processes_migrate_a_room_on_postgres_at_once(places_postgres: Places, postgres_url: str) -> None:
    with Room.open(places_postgres()) as room:
        schema: Any = room.driver.schema  # type: ignore[attr-defined]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"SET search_path TO {schema}".encode())
        connection.execute("ALTER TABLE rr_room DROP COLUMN access_revision")
        connection.execute("DROP TABLE rr_delivery, rr_secret, rr_file, rr_upload")
        connection.execute("UPDATE rr_room SET format = 1")

    assert open_at_once(places_postgres()) == ["1 []"] * 3
