"""A server that is killed with -9 again and again, under clients that write and clients that listen.

Nothing acknowledged is lost, nothing is applied twice, and every subscriber hears of every revision once and in order.
Clients see no error: they try again until the server is back.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

import recordroom as rr
from recordroom.client.retry import Retry
from recordroom.store.room import Room
from tests.conftest import Places
from tests.served import Served, served

PATIENT = Retry(connection=1000, first_contact=1000, base=0.02, cap=0.3, budget=120.0)
WRITERS = 4
SUBSCRIBERS = 2
PATIENCE = 60.0
SCHEMA = """
[Counter.attributes]
name = { kind = "text", unique = true }
value = "integer"
[Entry.attributes]
name = { kind = "text", unique = true }
counter = { kind = "reference", target = "Counter", reverse = "entries" }
"""


class Writer(threading.Thread):
    """Adds an entry and counts it, in one commit, again and again; remembers what was acknowledged."""

    def __init__(self, number: int, address: tuple[str, str], stop: threading.Event) -> None:
        super().__init__(name=f"writer {number}", daemon=True)
        self.number = number
        self.address = address
        self.stop = stop
        self.revisions: list[int] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        url, key = self.address
        try:
            with rr.connect(url, api_key=key, retry=PATIENT) as session:
                counter = session.create("Counter", {"name": f"c{self.number}", "value": 0})
                self.revisions.append(session.commit().revision)
                for count in itertools.count(1):
                    if self.stop.is_set():
                        return
                    session.create("Entry", {"name": f"{self.number}-{count}", "counter": counter})
                    counter["value"] = count
                    self.revisions.append(session.commit().revision)
        except BaseException as error:
            self.error = error
            raise


class Listener(threading.Thread):
    """Hears of everything."""

    def __init__(self, number: int, address: tuple[str, str], ready: threading.Barrier) -> None:
        super().__init__(name=f"listener {number}", daemon=True)
        self.address = address
        self.ready = ready
        self.heard: list[int] = []
        self.done = threading.Event()

    def run(self) -> None:
        url, key = self.address
        with rr.connect(url, api_key=key, retry=PATIENT) as session:
            session.events.subscribe("*", lambda event: self.heard.append(event.revision), after=0)
            self.ready.wait(PATIENCE)
            while not self.done.is_set():
                session.events.wait(0.5)


class Story:
    """Writers and listeners at work, until they are told to stop."""

    def __init__(self, *addresses: tuple[str, str]) -> None:
        places = itertools.cycle(addresses)
        self.stop = threading.Event()
        ready = threading.Barrier(SUBSCRIBERS + 1)
        self.writers = [Writer(number, next(places), self.stop) for number in range(WRITERS)]
        self.listeners = [Listener(number, next(places), ready) for number in range(SUBSCRIBERS)]
        for listener in self.listeners:
            listener.start()
        ready.wait(PATIENCE)
        for writer in self.writers:
            writer.start()

    @property
    def progress(self) -> int:
        return sum(len(writer.revisions) for writer in self.writers)

    def wait_for_more(self, count: int) -> None:
        """Until so many more commits were acknowledged."""
        wanted, end = self.progress + count, time.monotonic() + PATIENCE
        while self.progress < wanted:
            assert all(writer.is_alive() for writer in self.writers), [writer.error for writer in self.writers]
            assert time.monotonic() < end, "the writers get nowhere"
            time.sleep(0.002)

    def finish(self) -> None:
        """Let the writers end, and the listeners hear the rest."""
        self.stop.set()
        for writer in self.writers:
            writer.join(PATIENCE)
            assert not writer.is_alive()
            assert writer.error is None
        last, end = max(writer.revisions[-1] for writer in self.writers), time.monotonic() + PATIENCE
        while any(not listener.heard or listener.heard[-1] < last for listener in self.listeners):
            assert time.monotonic() < end, [listener.heard[-3:] for listener in self.listeners]
            time.sleep(0.01)
        for listener in self.listeners:
            listener.done.set()
            listener.join(PATIENCE)

    def check(self, where: str, room: Room, before: int) -> None:
        """Everything that was acknowledged is there once, and was heard of once and in order."""
        acknowledged = Counter(revision for writer in self.writers for revision in writer.revisions)
        assert set(acknowledged.values()) == {1}
        revisions = list(range(before + 1, max(acknowledged) + 1))
        assert sorted(acknowledged) == revisions, "revisions that nobody was told of"
        for listener in self.listeners:
            assert [each for each in listener.heard if each > before] == revisions
        with rr.connect(where) as session:
            for writer in self.writers:
                made = len(writer.revisions) - 1
                counter = session.query(f'Counter where name is "c{writer.number}"').one()
                assert counter["value"] == made
                names = {entry["name"] for entry in session.query(f'Entry where counter.name is "c{writer.number}"')}
                assert names == {f"{writer.number}-{count}" for count in range(1, made + 1)}
        assert [str(problem) for problem in room.check().problems] == []


@pytest.fixture
def stocked(places: Places) -> str:
    """Where a room with the schema is."""
    where = places("served")
    with rr.connect(where) as session:
        session.apply_schema(SCHEMA)
    return where


def revision_of(where: str) -> int:
    with Room.open(where) as room:
        return room.revision_at(2**62)


@pytest.mark.proof
def test_a_killed_server_loses_nothing(
    stocked: str, rounds: Callable[[int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    dice, kills = random.Random(), rounds(200)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(served(stocked, process=True, accounts=True))
        with rr.connect(server.url, api_key=server.api_key) as session:
            before = session.transport.revision_at(2**62)
        story = Story((server.url, server.api_key))
        for _ in range(kills):
            story.wait_for_more(dice.randrange(1, 30))
            time.sleep(dice.random() * 0.02)
            server.kill()
            again = served(stocked, process=True, port=server.port, accounts=True, api_key=server.api_key)
            server = stack.enter_context(again)
        story.wait_for_more(WRITERS)
        story.finish()
    with Room.open(stocked) as room:
        story.check(stocked, room, before)
        with capsys.disabled():
            print(f"\n{room.driver.version()}: {kills} kills, {story.progress} commits acknowledged, all heard twice")


def backends(url: str) -> list[int]:
    """Processes of the database that serve clients other than this one."""
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            " AND datname = current_database()"
        ).fetchall()
    return [row[0] for row in rows]


def terminate(url: str, pids: list[int]) -> int:
    """End those that are still there; how many there were."""
    with psycopg.connect(url, autocommit=True) as connection:
        ended = [connection.execute("SELECT pg_terminate_backend(%s)", (pid,)).fetchone() for pid in pids]
    return sum(bool(row and row[0]) for row in ended)


@contextlib.contextmanager
def two_servers(where: str) -> Iterator[list[Served]]:
    """Two processes that serve one room."""
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(served(where, process=True, accounts=True))
        yield [one, stack.enter_context(served(where, process=True, accounts=True, api_key=one.api_key))]


@pytest.mark.proof
def test_ended_connections_to_the_database_are_not_seen_by_clients(
    places_postgres: Places, postgres_url: str, rounds: Callable[[int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    where = places_postgres("served")
    with rr.connect(where) as session:
        session.apply_schema(SCHEMA)
    ended, dice = 0, random.Random()
    with two_servers(where) as servers:
        before = revision_of(where)
        story = Story(*((server.url, server.api_key) for server in servers))
        readers = [threading.Thread(target=_read, args=(server, story), daemon=True) for server in servers]
        for reader in readers:
            reader.start()
        for _ in range(rounds(50)):
            story.wait_for_more(dice.randrange(1, 20))
            ended += terminate(postgres_url, backends(postgres_url))
        story.wait_for_more(WRITERS)
        story.finish()
        for reader in readers:
            reader.join(PATIENCE)
            assert not reader.is_alive()
    with Room.open(where) as room:
        story.check(where, room, before)
    assert not _failures
    with capsys.disabled():
        print(f"\n{ended} connections ended under two servers, {story.progress} commits acknowledged")


_failures: list[Any] = []


def _read(server: Served, story: Story) -> None:
    """Reads that must not fail either; they try again no more than any client does."""
    try:
        with rr.connect(server.url, api_key=server.api_key) as session:
            while not story.stop.is_set():
                session.query("Entry").count()
                list(session.query("Counter"))
    except Exception as error:  # noqa: BLE001 - the test fails with it
        _failures.append(error)
