"""Several threads on one session: nothing is lost, nothing is sent twice, nothing is mixed up."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from recordroom.client.session import Session

THREADS = 8


@pytest.fixture(autouse=True)
def switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def together(*works: Callable[[], Any]) -> None:
    """Run all at once; the first failure is raised."""
    failures: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> None:
        try:
            start.wait()
            work()
        except BaseException as failure:  # noqa: BLE001 - raised again below
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_threads_create_edit_and_commit_on_one_session(session: Session, other: Session) -> None:
    def work(number: int) -> Callable[[], None]:
        def run() -> None:
            for i in range(15):
                task = session.create("Task", {"name": f"{number}-{i}", "bid": 0})
                if i % 3 == number % 3:
                    session.commit()
                task["bid"] = i
                task["metadata"][f"k{i}"] = str(number)
            session.commit()

        return run

    together(*(work(number) for number in range(THREADS)))
    session.commit()
    found = {task["name"]: (task["bid"], dict(task["metadata"])) for task in other.query("Task")}
    assert found == {f"{n}-{i}": (i, {f"k{i}": str(n)}) for n in range(THREADS) for i in range(15)}
    assert session.operations == []


def test_edits_during_commits_are_all_sent_in_the_end(session: Session, other: Session) -> None:
    tasks = [session.create("Task", {"name": f"t{i}", "bid": 0}) for i in range(THREADS)]
    session.commit()
    done = threading.Event()

    def edit(task: Any) -> Callable[[], None]:
        def run() -> None:
            for value in range(1, 60):
                task["bid"] = value

        return run

    def commit() -> None:
        while not done.is_set():
            session.commit()

    committer = threading.Thread(target=commit)
    committer.start()
    try:
        together(*(edit(task) for task in tasks))
    finally:
        done.set()
        committer.join()
    session.commit()
    assert [task["bid"] for task in tasks] == [59] * THREADS
    assert [task["bid"] for task in other.query("Task")] == [59] * THREADS


def test_threads_that_touch_the_same_page_see_the_right_rows(session: Session, other: Session) -> None:
    for i in range(200):
        session.create("Task", {"name": f"t{i:03}", "bid": i, "project": session.create("Project", {"name": str(i)})})
    session.commit()
    tasks = other.query("select name from Task order by name").all()

    def read() -> None:
        for i, task in enumerate(tasks):
            assert task["bid"] == i
            assert task["project"]["name"] == str(i)
            assert task["name"] == f"t{i:03}"

    together(*[read] * THREADS)


def test_reading_while_queries_move_entities_to_other_pages(session: Session, other: Session) -> None:
    for i in range(60):
        session.create("Task", {"name": f"t{i:02}", "bid": i})
    session.commit()
    tasks = other.query("Task order by name").all()
    done = threading.Event()

    def requery() -> None:
        for turn in range(8):
            for task in session.query("Task"):
                task["hours"] = float(turn)
            session.commit()
            other.query("Task order by name desc" if turn % 2 else "Task order by name").all()
        done.set()

    def read() -> None:
        while not done.is_set():
            for i, task in enumerate(tasks):
                assert task["bid"] == i
                assert task["name"] == f"t{i:02}"

    together(requery, read, read, read)


def test_relations_are_edited_from_several_threads(session: Session, other: Session) -> None:
    project = session.create("Project", {"name": "P"})
    users = [session.create("User", {"name": f"u{i}"}) for i in range(THREADS)]
    session.commit()

    def work(user: Any) -> Callable[[], None]:
        def run() -> None:
            for i in range(10):
                task = session.create("Task", {"name": f"{user['name']}-{i}", "project": project})
                task["assignees"].add(user)
                assert task in project["tasks"]
            session.commit()

        return run

    together(*(work(user) for user in users))
    assert len(project["tasks"]) == THREADS * 10
    assert all(len(user["assignments"]) == 10 for user in users)
    assert other.query("Task where project.name is P and assignees any ()").count() == THREADS * 10
