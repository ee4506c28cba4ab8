"""kill -9 of workers at random moments: every job is done once, and what it made is there once, in the commit that ended it."""

from __future__ import annotations

import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable

import pytest

import recordroom as rr
from tests.conftest import Places

pytestmark = pytest.mark.proof

JOBS, KILLS = 40, 20
FEW = 10
LEASE = 0.5
PATIENCE = 240.0
WORKER = """
    import random, sys, time
    import recordroom as rr

    def make(running):
        time.sleep(random.uniform(0, 0.15))
        name = str(running.job["id"])
        running.session.create("Location", {"name": f"{name} {running.attempt} {random.random()}", "label": name})
        running.progress(0.5)
        time.sleep(random.uniform(0, 0.15))
        return running.attempt

    with rr.connect(sys.argv[1], wait=60) as session:
        session.jobs.register("make", make)
        print("ready", flush=True)
        session.jobs.work(lease=float(sys.argv[2]))
"""


class Worker:
    """A process that does jobs."""

    def __init__(self, where: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WORKER), where, str(LEASE)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def submit(where: str, count: int) -> list[str]:
    with rr.connect(where) as session:
        return [str(session.jobs.submit("make", most_attempts=1000)["id"]) for _ in range(count)]


def left(where: str) -> int:
    with rr.connect(where, mode="read") as session:
        return session.jobs.pending(["make"])


def test_every_job_is_done_once_however_often_its_workers_are_killed(
    places: Places, rounds: Callable[[int], int]
) -> None:
    where, seed, most = places("kills"), random.randrange(2**32), rounds(KILLS)
    shared, choice = where.startswith("postgres"), random.Random(seed)
    with rr.connect(where) as session:
        session.apply_template("files")
    jobs = submit(where, JOBS)
    end, kills = time.monotonic() + PATIENCE, 0
    workers = [Worker(where) for _ in range(2 if shared else 1)]
    try:
        while left(where) or (shared and kills < most):
            if shared and kills < most and left(where) < FEW:
                jobs += submit(where, JOBS)
            assert time.monotonic() < end, f"seed {seed}: {left(where)} jobs are left"
            time.sleep(choice.uniform(0, 0.8))
            if kills < most:
                kills += 1
                at = choice.randrange(len(workers))
                workers[at].kill()
                workers[at] = Worker(where)
    finally:
        for each in workers:
            each.kill()

    with rr.connect(where) as session:
        attempts = 0
        for job in session.get_many("Job", jobs):
            assert job is not None
            (made,) = session.query("Location where label is $name", name=str(job["id"])).all()
            assert (job["status"], job["revision"]) == ("done", made["created_revision"])
            attempts += job["attempts"]
    print(f"{where.partition(':')[0]}: {kills} kills, {attempts} attempts for {len(jobs)} jobs")
    assert kills
