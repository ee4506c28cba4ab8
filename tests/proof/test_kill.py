"""kill -9 of a writing process at random moments: nothing acknowledged is lost, nothing is applied twice.

A writer (see `nursery`) works through an endless `script` of commits and says what it is about to send
and what was acknowledged. After each kill the room is opened again, checked, compared row by row with
the script, and the commit that was not acknowledged is sent again under its id.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import psycopg
import pytest

from recordroom.errors import NotFound
from recordroom.model.operations import Commit
from recordroom.query.request import MembersRequest, QueryRequest
from recordroom.query.syntax import Query
from recordroom.store.room import Room
from tests.postgres_server import fresh_database
from tests.proof.script import ITEM, OWNER, State

NURSERY = Path(__file__).with_name("nursery.py")
KILLS_PER_ROOM = 10
PATIENCE = 30.0


class Writers:
    """Starts one writer at a time and follows what it says."""

    def __init__(self) -> None:
        self._events, theirs = os.pipe()
        os.set_blocking(self._events, False)
        command = [sys.executable, str(NURSERY), str(theirs)]
        self._nursery = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[theirs]
        )
        os.close(theirs)
        self._rest = b""
        self.said: list[str] = []

    def start(self, where: str, state: State) -> None:
        self.said = []
        assert self._ask(json.dumps({"where": where, "seed": state.seed, "done": state.done})) == "started"

    def wait_for(self, beginning: str) -> None:
        """Until the writer said something that begins so."""
        deadline = time.monotonic() + PATIENCE
        while not any(each.startswith(beginning) for each in self.said):
            assert time.monotonic() < deadline, f"no {beginning!r}; it said {self.said[-5:]}"
            assert not any(each.startswith("failed") for each in self.said), self.said[-1]
            select.select([self._events], [], [], 0.1)
            self._listen()

    def kill(self) -> list[str]:
        """All that the writer said until it was killed."""
        answer = self._ask("kill")
        self._listen()
        assert answer == "killed", self.said[-3:]
        assert not self._rest
        return self.said

    def _ask(self, line: str) -> str:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(line + "\n")
        self._nursery.stdin.flush()
        return self._nursery.stdout.readline().strip()

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._events, 1 << 16):
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                self.said += [line.decode() for line in lines]

    def close(self) -> None:
        assert self._nursery.stdin is not None
        self._nursery.stdin.close()
        self._nursery.wait()
        assert self._nursery.stdout is not None
        self._nursery.stdout.close()
        os.close(self._events)


@pytest.fixture(scope="module")
def writers() -> Iterator[Writers]:
    found = Writers()
    yield found
    found.close()


# --- what a room must hold ---


def assert_room_holds(room: Room, state: State) -> None:
    """The rows and links of the script's state, and nothing else."""
    if state.done == 0:
        assert not len(room.schema("main"))
        return
    assert held(room, "Item", ITEM) == state.items
    assert held(room, "Owner", OWNER) == state.owners
    assert links(room, list(state.items)) == state.links


def problems(room: Room) -> list[object]:
    """What the room finds wrong with itself: journal, tables, indexes and followers that do not agree."""
    return list(room.check())


def held(room: Room, type_name: str, names: tuple[str, ...]) -> dict[bytes, tuple[object, ...]]:
    found: dict[bytes, tuple[object, ...]] = {}
    count = 0
    for page in room.stream(QueryRequest(database="main", query=Query(type=type_name), size=2_000)):
        columns = [page.columns[name] for name in names]
        found.update(zip(page.ids, zip(*columns, strict=True), strict=True))
        count += page.count
    assert count == len(found)
    return found


def links(room: Room, owners: list[bytes]) -> dict[tuple[bytes, bytes], str | None]:
    if not owners:
        return {}
    found = room.members(MembersRequest(database="main", type="Item", attribute="friends", owners=owners))
    assert found.page is not None
    pairs = list(zip(found.owners, found.page.ids, strict=True))
    assert len(set(pairs)) == len(pairs)
    return dict(zip(pairs, found.notes, strict=True))


def applied(room: Room, commit_id: bytes) -> int | None:
    """The revision of a commit that the journal has."""
    try:
        return room.header(commit_id).revision
    except NotFound:
        return None


# --- one kill and what comes after ---

Moment = Callable[[Writers, random.Random, int], None]


class Trial:
    """One room under fire. `state` is what it must hold; `counts` collects what happened."""

    def __init__(self, where: str, seed: int, counts: Counter[str]) -> None:
        self.where = where
        self.state = State(seed=seed)
        self.revision = 0
        self.counts = counts

    def run(self, writers: Writers, dice: random.Random, moment: Moment) -> None:
        """Let a writer write, kill it, and settle what it left."""
        writers.start(self.where, self.state)
        moment(writers, dice, self.state.done)
        said = writers.kill()
        self.counts["kills"] += 1
        self.counts[f"killed {at_work(said)}"] += 1
        self.settle(said)

    def settle(self, said: list[str]) -> None:
        """Everything acknowledged is there once; what was not acknowledged is repeated and is there once."""
        self.take_acknowledged(said)
        unsure = self.state.next_commit() if said and said[-1].startswith("send ") else None
        with Room.open(self.where) as room:
            survived = unsure is not None and self.has(room, unsure)
            if unsure and survived:
                self.state.apply(unsure)
            assert problems(room) == []
            assert_room_holds(room, self.state)
            if unsure:
                self.repeat(room, unsure, survived)

    def take_acknowledged(self, said: list[str]) -> None:
        for line in said:
            if line.startswith("done "):
                _, number, revision = line.split()
                assert int(number) == self.state.done
                assert int(revision) == self.revision + 1, "a revision was skipped or given twice"
                self.revision = int(revision)
                self.state.advance(int(number) + 1)
                self.counts["acknowledged"] += 1

    def has(self, room: Room, commit: Commit) -> bool:
        """Whether the commit that was not acknowledged had been made."""
        found = applied(room, commit.id)
        assert found in (None, self.revision + 1)
        self.counts["mid-commit"] += 1
        self.counts["mid-commit, and it had been made"] += found is not None
        return found is not None

    def repeat(self, room: Room, commit: Commit, survived: bool) -> None:
        """Send the commit again, twice: it is applied once, and the answer is the same."""
        first, second = room.commit(commit), room.commit(commit)
        self.counts["repeated"] += 1
        assert first.repeated is survived
        assert second.repeated
        assert first.revision == second.revision == self.revision + 1
        self.revision += 1
        if not survived:
            self.state.apply(commit)
            assert_room_holds(room, self.state)


def at_work(said: list[str]) -> str:
    """What the writer was doing when it was killed, for the statistics."""
    match said[-1].partition(" ")[0] if said else "":
        case "send":
            return "while committing"
        case "opening":
            return "while opening"
        case "closing" | "compacting":
            return f"while {said[-1]}"
        case _:
            return "between commits"


def while_opening(writers: Writers, dice: random.Random, _: int) -> None:
    writers.wait_for("opening")
    # Opening takes a millisecond or two; making a room, the first time, some tens.
    time.sleep(dice.choice((0.002, 0.03)) * dice.random())


def at_any_time(writers: Writers, dice: random.Random, _: int) -> None:
    writers.wait_for("open")
    time.sleep(dice.uniform(0, 0.3))


def while_committing(writers: Writers, dice: random.Random, done: int) -> None:
    writers.wait_for(f"send {done + dice.randrange(6)}")
    # A commit of one row takes a few milliseconds, one of two thousand many: aim at the beginning more often.
    time.sleep(dice.choice((0.0, 0.003, 0.02)) * dice.random())


def while_closing(writers: Writers, dice: random.Random, _: int) -> None:
    """The last connection that closes copies the log into the database."""
    writers.wait_for("closing")
    time.sleep(dice.uniform(0, 0.01))


MOMENTS = (while_opening, at_any_time, while_committing, while_committing, while_committing, while_closing)


def kills(rounds: Callable[[int], int], full: int) -> int:
    return int(os.environ.get("RECORDROOM_KILLS") or rounds(full))


def report(database: str, counts: Counter[str], seed: int) -> None:
    lines = [f"{database}, seed {seed}: {counts.pop('kills')} kills"]
    lines += [f"  {name}: {count}" for name, count in sorted(counts.items())]
    print("\n" + "\n".join(lines))


def besieged(writers: Writers, make: Callable[[int, Counter[str]], Trial], count: int, seed: int) -> Counter[str]:
    """What happened in `count` kills, ten to a room; each room is sound after the last of them."""
    dice, counts = random.Random(seed), Counter[str]()
    for number in range(0, count, KILLS_PER_ROOM):
        trial = make(number, counts)
        for _ in range(min(KILLS_PER_ROOM, count - number)):
            trial.run(writers, dice, MOMENTS[counts["kills"] % len(MOMENTS)])
        with Room.open(trial.where) as room:
            assert problems(room) == []
    return counts


@pytest.mark.proof
def test_sqlite_loses_and_doubles_nothing(
    writers: Writers, tmp_path: Path, rounds: Callable[[int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(2**32)

    def make(number: int, counts: Counter[str]) -> Trial:
        return Trial(str(tmp_path / f"{number}.room"), seed + number, counts)

    counts = besieged(writers, make, kills(rounds, 200), seed)
    with capsys.disabled():
        report(f"SQLite {apsw.sqlite_lib_version()}", counts, seed)

    assert counts["mid-commit"]
    assert counts["acknowledged"]


@pytest.mark.proof
def test_postgresql_loses_and_doubles_nothing(
    writers: Writers, postgres_url: str, rounds: Callable[[int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(2**32)
    with contextlib.ExitStack() as databases:

        def make(number: int, counts: Counter[str]) -> Trial:
            return PostgresTrial(databases.enter_context(fresh_database(postgres_url)), seed + number, counts)

        counts = besieged(writers, make, kills(rounds, 60), seed)
    with capsys.disabled():
        report("PostgreSQL", counts, seed)

    assert counts["mid-commit"]
    assert counts["acknowledged"]


class PostgresTrial(Trial):
    def settle(self, said: list[str]) -> None:
        wait_until_alone(self.where)
        super().settle(said)


def wait_until_alone(where: str) -> None:
    """Until the server has noticed that the killed client is gone and has ended its transaction."""
    deadline = time.monotonic() + PATIENCE
    others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    with psycopg.connect(where, autocommit=True) as connection:
        while connection.execute(others).fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.002)


# --- the harness itself: it must see what it is there to see ---


@pytest.fixture
def settled(tmp_path: Path) -> Iterator[tuple[Room, State]]:
    """A room with the first commits of a script."""
    state = State(seed=1)
    with Room.open(tmp_path / "a.room") as room:
        while state.done < 12:
            commit = state.next_commit()
            room.commit(commit)
            state.apply(commit)
        yield room, state


def damage(room: Room, statement: str) -> None:
    """Change the file behind the room's back."""
    with contextlib.closing(apsw.Connection(str(Path(room.where) / "room.sqlite"))) as connection:
        connection.execute(statement)
        assert connection.changes() > 0


def test_a_room_that_follows_the_script_passes(settled: tuple[Room, State]) -> None:
    room, state = settled

    assert problems(room) == []
    assert_room_holds(room, state)


def test_a_lost_commit_is_seen(settled: tuple[Room, State]) -> None:
    room, state = settled
    state.apply(state.next_commit())  # acknowledged, says the script; the room never got it

    with pytest.raises(AssertionError):
        assert_room_holds(room, state)


def test_a_commit_that_nobody_acknowledged_is_seen(settled: tuple[Room, State]) -> None:
    room, state = settled
    later = State(seed=1)
    later.advance(13)
    room.commit(state.next_commit())

    with pytest.raises(AssertionError):
        assert_room_holds(room, state)
    assert_room_holds(room, later)


@pytest.mark.parametrize(
    "statement",
    [
        'delete from "main.Item" where id = (select min(id) from "main.Item")',
        'update "main.Item" set value = value + 1 where id = (select min(id) from "main.Item")',
        "delete from rr_journal where revision = 5",
        "delete from rr_commit where revision = 5",
    ],
)
def test_damage_behind_the_rooms_back_is_found_by_check(settled: tuple[Room, State], statement: str) -> None:
    room, _ = settled
    assert problems(room) == []

    damage(room, statement)

    assert problems(room) != []
