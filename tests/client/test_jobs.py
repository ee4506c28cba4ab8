"""Jobs through sessions: done once, given back, called off, with the rights of who created them."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import recordroom as rr
from recordroom.client.entity import Entity
from recordroom.client.job_leases import LeaseLost, held, renew, take
from recordroom.client.job_worker import Running, Worker
from recordroom.client.session import Session
from recordroom.errors import InvalidMedia, PermissionDenied, StoreUnavailable
from tests.client.conftest import furnished, sessions_at
from tests.client.street import Street, open_session

Open = Callable[..., Session]


@pytest.fixture(scope="module", params=["sqlite, embedded", "postgresql, embedded", "postgresql, http"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A room with the template of files, for the tests of a module."""
    with furnished(request, tmp_path_factory.mktemp("jobs"), "files") as found:
        yield found


@pytest.fixture
def opening(address: str) -> Iterator[Open]:
    with sessions_at(address) as opened:
        yield opened
        with open_session(address) as session:
            for each in session.query("Job where (status is queued or status is running)").all():
                session.jobs.cancel(each)


@pytest.fixture
def session(opening: Open) -> Session:
    return opening()


def ended(session: Session, job: Entity) -> tuple[str, Any]:
    session.refresh(job)
    return job["status"], job["result"]


def make_late(session: Session, job: Entity) -> None:
    """As if its worker had not been heard of since yesterday."""
    session.refresh(job)
    job["lease_ends"] = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    session.commit()


# --- done -----------------------------------------------------------------------------------------


def test_a_job_is_done_once_and_says_what_came_of_it(session: Session) -> None:
    def double(running: Running) -> int:
        running.log("doubling")
        running.progress(0.5)
        return int(running.data["number"]) * 2

    session.jobs.register("double", double)
    job = session.jobs.submit("double", {"number": 21})
    assert (job["status"], session.jobs.pending(["double"])) == ("queued", 1)

    assert [session.jobs.run_pending(), session.jobs.run_pending()] == [1, 0]
    assert ended(session, job) == ("done", 42)
    assert (job["progress"], job["attempts"], job["lease_ends"]) == (1.0, 1, None)
    assert job["log"].endswith("doubling\n")
    assert job["started_at"] <= job["finished_at"]


def test_what_a_handler_creates_is_committed_with_the_end_of_the_job(session: Session) -> None:
    def make(running: Running) -> str:
        return str(running.session.create("Location", {"name": f"made {uuid4()}"})["id"])

    session.jobs.register("make", make)
    job = session.jobs.submit("make")
    session.jobs.run_pending()

    status, made = ended(session, job)
    location = session.get("Location", made)
    assert status == "done"
    assert location is not None
    assert location["created_revision"] == job["revision"]


def test_what_the_caller_has_recorded_is_not_committed_by_a_job(session: Session) -> None:
    session.jobs.register("nothing", lambda running: None)
    session.jobs.submit("nothing")
    mine = session.create("Location", {"name": f"mine {uuid4()}"})
    session.jobs.run_pending()

    assert session.state(mine) == "created"
    session.rollback()


def test_jobs_are_done_in_order_and_only_those_of_known_types_that_are_due(session: Session) -> None:
    done: list[Any] = []
    session.jobs.register("note", lambda running: done.append(running.data))
    session.jobs.submit("note", 1)
    session.jobs.submit("unknown", 2)
    session.jobs.submit("api_job", 3)
    session.jobs.submit("note", 4, due=dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    session.jobs.submit("note", 5)

    assert session.jobs.run_pending(limit=1) == 1
    assert session.jobs.run_pending() == 1
    assert done == [1, 5]


def test_a_result_that_is_no_json_fails_the_job_by_name(session: Session) -> None:
    session.jobs.register("odd", lambda running: {1, 2})
    job = session.jobs.submit("odd")
    session.jobs.run_pending()

    assert ended(session, job)[0] == "failed"
    assert "Job.result" in job["log"]


def test_data_that_is_no_json_fails_the_job_by_name(session: Session) -> None:
    session.jobs.register("read", lambda running: running.data)
    job = session.jobs.submit("read", "{")
    session.jobs.run_pending()

    assert ended(session, job)[0] == "failed"
    assert "expected JSON" in job["log"]


# --- failing --------------------------------------------------------------------------------------


def test_what_may_go_better_is_tried_again_later_and_fails_after_the_last_attempt(session: Session) -> None:
    def fail(running: Running) -> None:
        running.log(f"attempt {running.attempt}")
        raise OSError("the disk is away")

    session.jobs.register("fail", fail)
    job = session.jobs.submit("fail", most_attempts=2)

    assert session.jobs.run_pending() == 1
    assert ended(session, job)[0] == "queued"
    assert job["due"] > dt.datetime.now(dt.UTC)
    assert session.jobs.run_pending() == 0
    job["due"] = None
    session.commit()
    assert session.jobs.run_pending() == 1
    assert ended(session, job)[0] == "failed"
    assert [word in job["log"] for word in ("attempt 1", "attempt 2", "the disk is away")] == [True] * 3


def test_what_is_wrong_for_good_is_not_tried_again(session: Session) -> None:
    def refuse(running: Running) -> None:
        raise InvalidMedia(source="a.txt", reason="it is no film")

    session.jobs.register("refuse", refuse)
    job = session.jobs.submit("refuse")
    session.jobs.run_pending()

    assert (ended(session, job)[0], job["attempts"]) == ("failed", 1)
    assert "it is no film" in job["log"]


def test_nothing_of_a_failed_attempt_is_kept(session: Session) -> None:
    name = f"half {uuid4()}"

    def half(running: Running) -> None:
        running.session.create("Location", {"name": name})
        raise OSError("in the middle")

    session.jobs.register("half", half)
    session.jobs.submit("half")
    session.jobs.run_pending()

    assert session.query("Location where name is $name", name=name).first() is None


def test_a_failed_job_can_be_queued_again(session: Session) -> None:
    worked: list[int] = []

    def second(running: Running) -> str:
        worked.append(1)
        if len(worked) == 1:
            raise InvalidMedia(source="a", reason="not yet")
        return "well"

    session.jobs.register("second", second)
    job = session.jobs.submit("second")
    session.jobs.run_pending()
    assert session.jobs.retry(job)
    session.jobs.run_pending()

    assert ended(session, job) == ("done", "well")
    assert not session.jobs.retry(job)


# --- leases ---------------------------------------------------------------------------------------


def test_of_two_who_take_a_job_at_once_one_gets_it(opening: Open) -> None:
    first, second = opening(), opening()
    first.jobs.submit("both")
    ready = threading.Barrier(2)
    taken: list[Any] = []

    def go(session: Session) -> None:
        session.query("Job where type is both").all()
        ready.wait(30)
        taken.append(take(session, ["both"], "worker", 60.0, None))

    threads = [threading.Thread(target=go, args=(each,)) for each in (first, second)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(each is None for each in taken) == [False, True]


def test_a_job_whose_worker_is_not_heard_of_is_taken_by_another_and_the_first_keeps_nothing(opening: Open) -> None:
    first, second = opening(), opening()
    name = f"of the first {uuid4()}"
    job = first.jobs.submit("slow")
    second.jobs.register("slow", lambda running: "second")

    def slow(running: Running) -> str:
        running.session.create("Location", {"name": name})
        make_late(second, second.get("Job", job["id"]))
        assert second.jobs.run_pending() == 1
        return "first"

    first.jobs.register("slow", slow)
    first.jobs.run_pending()

    assert ended(first, job) == ("done", "second")
    assert job["attempts"] == 2
    assert first.query("Location where name is $name", name=name).first() is None


def test_a_first_worker_that_ends_before_the_second_clashes_and_the_second_wins(opening: Open) -> None:
    first, second = opening(), opening()
    job = first.jobs.submit("slow")
    mine = take(first, ["slow"], "first", 60.0, None)
    assert mine is not None
    make_late(second, second.get("Job", job["id"]))
    stale = held(first, mine)
    stale["status"], stale["lease"] = "done", uuid4()
    theirs = take(second, ["slow"], "second", 60.0, None)

    assert theirs is not None
    with pytest.raises(rr.Conflict):
        first.commit()
    first.rollback()
    with pytest.raises(LeaseLost):
        renew(first, mine, 60.0, 0.5, "")


def test_a_worker_that_renews_keeps_the_job(opening: Open) -> None:
    first, second = opening(), opening()
    job = first.jobs.submit("long")
    taken = take(first, ["long"], "first", 60.0, None)
    assert taken is not None
    make_late(second, second.get("Job", job["id"]))
    renew(first, taken, 60.0, 0.25, "still here")

    assert take(second, ["long"], "second", 60.0, None) is None
    second.refresh(second.get("Job", job["id"]))
    assert second.get("Job", job["id"])["progress"] == 0.25


def test_a_job_whose_workers_all_die_fails_after_the_last(session: Session) -> None:
    job = session.jobs.submit("deadly", most_attempts=2)
    for number in (1, 2):
        taken = take(session, ["deadly"], f"worker {number}", 60.0, None)
        assert taken is not None
        assert taken.attempt == number
        make_late(session, job)

    assert take(session, ["deadly"], "worker 3", 60.0, None) is None
    assert ended(session, job)[0] == "failed"
    assert "worker 2 was not heard of any more" in job["log"]


def test_progress_and_log_are_seen_while_a_job_is_done(opening: Open) -> None:
    session, other = opening(), opening()
    job = session.jobs.submit("watched")
    seen = threading.Event()

    def watched(running: Running) -> None:
        running.progress(0.5)
        running.log("half of it")
        while not seen.wait(0.01):
            mine = other.query("Job where id is $id", id=job["id"]).one()
            if mine["progress"] == 0.5 and "half of it" in (mine["log"] or ""):
                seen.set()

    session.jobs.register("watched", watched)
    assert session.jobs.run_pending(lease=0.6) == 1
    assert seen.is_set()


# --- called off -----------------------------------------------------------------------------------


def test_a_job_that_waits_can_be_called_off(session: Session) -> None:
    session.jobs.register("never", lambda running: pytest.fail("it was cancelled"))
    job = session.jobs.submit("never")

    assert session.jobs.cancel(job)
    assert session.jobs.run_pending() == 0
    assert ended(session, job)[0] == "cancelled"
    assert not session.jobs.cancel(job)


def test_a_job_that_is_running_can_be_called_off_and_nothing_of_it_is_kept(opening: Open) -> None:
    session, other = opening(), opening()
    name = f"cancelled {uuid4()}"

    def endless(running: Running) -> None:
        running.session.create("Location", {"name": name})
        other.jobs.cancel(other.get("Job", running.job["id"]))
        while True:
            running.progress(0.1)

    session.jobs.register("endless", endless)
    job = session.jobs.submit("endless")
    assert session.jobs.run_pending(lease=0.3) == 1

    assert ended(session, job) == ("cancelled", None)
    assert session.query("Location where name is $name", name=name).first() is None


def test_a_job_that_is_called_off_at_its_very_end_keeps_nothing(opening: Open) -> None:
    session, other = opening(), opening()
    session.jobs.register("late", lambda running: other.jobs.cancel(other.get("Job", running.job["id"])))
    job = session.jobs.submit("late")
    session.jobs.run_pending()

    assert ended(session, job) == ("cancelled", None)


def test_a_worker_that_is_interrupted_gives_its_job_back_at_once(session: Session) -> None:
    def interrupted(running: Running) -> None:
        raise KeyboardInterrupt

    session.jobs.register("interrupted", interrupted)
    job = session.jobs.submit("interrupted")
    with pytest.raises(KeyboardInterrupt):
        session.jobs.run_pending()

    assert (ended(session, job)[0], job["attempts"]) == ("queued", 0)


# --- waiting and working --------------------------------------------------------------------------


def test_work_waits_for_jobs_and_stops_when_it_is_told(opening: Open) -> None:
    session, other = opening(), opening()
    stop, done = threading.Event(), threading.Event()
    session.jobs.register("later", lambda running: done.set())
    thread = threading.Thread(target=lambda: session.jobs.work(stop))
    thread.start()
    job = other.jobs.submit("later")

    assert other.jobs.wait(job, timeout=60)["status"] == "done"
    stop.set()
    thread.join(30)
    assert done.is_set()
    assert not thread.is_alive()


def test_work_ends_when_there_was_nothing_to_do_for_a_while(session: Session) -> None:
    assert session.jobs.work(idle=0.01) == 0


def test_waiting_has_an_end(session: Session) -> None:
    job = session.jobs.submit("nobody")

    with pytest.raises(TimeoutError):
        session.jobs.wait(job, timeout=0.05)


def test_a_room_that_is_away_for_a_moment_is_asked_again(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    session.jobs.register("patient", lambda running: stop.set())
    session.jobs.submit("patient")
    worker = Worker(session, session.jobs.handlers, lease=60.0)
    look, misses = worker.run_one, [StoreUnavailable(reason="away")]

    def run_one() -> bool:
        if misses:
            raise misses.pop()
        return look()

    monkeypatch.setattr(worker, "run_one", run_one)
    monkeypatch.setattr("recordroom.client.job_worker._REST_SECONDS", 0.01)
    assert worker.run(stop) == 1


def test_a_room_without_jobs_says_so(tmp_path: Any) -> None:
    with rr.connect(tmp_path / "bare.room") as session, pytest.raises(rr.UnknownType):
        session.jobs.run_pending()


def test_at_a_server_a_worker_does_its_own_jobs_only(street: Street, tmp_path: Path) -> None:
    where = str(tmp_path / "people.room")
    with rr.connect(where) as session:
        session.apply_template("files")
    address = street.open(where)
    try:
        with open_session(address, actor="ann") as ann, open_session(address, actor="ben") as ben:
            job = ann.jobs.submit("mine")
            for each in (ann, ben):
                each.jobs.register("mine", lambda running: running.session.transport.actor)
            assert ben.jobs.run_pending() == 0
            assert ann.jobs.run_pending() == 1
            assert ended(ann, job) == ("done", "ann")
    finally:
        street.close(address)


def test_the_owner_does_everybodys_jobs_with_their_rights(tmp_path: Path) -> None:
    with rr.connect(tmp_path / "people.room") as session:
        session.apply_template("files")
        role = session.create("Role", {"name": "worker"})
        for verb in ("read", "create", "update"):
            session.create("Rule", {"role": role, "verb": verb, "type": "Job"})
        session.create("User", {"name": "ann", "roles": [role]})
        session.commit()
        session.jobs.register("look", lambda running: len(running.session.query("Location")))
        session.jobs.register(
            "make", lambda running: running.session.create("Location", {"name": "not allowed"}) and None
        )
        with rr.connect(tmp_path / "people.room", actor="ann", plugins=False) as ann:
            looks, makes = ann.jobs.submit("look"), ann.jobs.submit("make")
            ann.create("Location", {"name": "hers"})
            with pytest.raises(PermissionDenied):
                ann.commit()
            ann.rollback()
            session.jobs.run_pending()
            assert ended(ann, looks) == ("done", 0)
            assert ended(ann, makes)[0] == "failed"
            assert "PermissionDenied" in makes["log"]
        assert len(session.query("Location")) > 0


def test_a_job_of_somebody_who_is_not_known_by_that_name_any_more_is_refused(tmp_path: Path) -> None:
    with rr.connect(tmp_path / "people.room") as session:
        session.apply_template("files")
        role = session.create("Role", {"name": "worker"})
        for verb in ("read", "create"):
            session.create("Rule", {"role": role, "verb": verb, "type": "Job"})
        user = session.create("User", {"name": "ann", "roles": [role]})
        session.commit()
        session.jobs.register("look", lambda running: 1)
        with rr.connect(tmp_path / "people.room", actor="ann", plugins=False) as ann:
            job = ann.jobs.submit("look")["id"]
        user["name"] = "eve"
        session.commit()
        session.jobs.run_pending()
        found = session.get("Job", job)
        assert found is not None
        assert found["status"] == "failed"
        assert "no user 'ann'" in found["log"]
