from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recordroom.errors import PermissionDenied, RoomLocked
from recordroom.store.lock import ProcessLock

HOLD = """
import sys
from pathlib import Path
from recordroom.store.lock import ProcessLock
lock = ProcessLock(Path(sys.argv[1]), "a.room")
lock.acquire()
print("held", flush=True)
sys.stdin.read()
lock.release()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "writer.lock"


@pytest.fixture
def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that has the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def test_the_other_process_is_named(path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(RoomLocked) as caught:
        ProcessLock(path, "a.room").acquire()

    assert (caught.value.pid, caught.value.path) == (holder.pid, "a.room")


def test_waiting_ends_when_the_lock_is_given_back(path: Path, holder: subprocess.Popen[str]) -> None:
    lock = ProcessLock(path, "a.room")
    with pytest.raises(RoomLocked):
        lock.acquire(wait=0.05)

    assert holder.stdin
    holder.stdin.close()
    lock.acquire(wait=30)
    assert int(path.read_text()) == os.getpid()
    lock.release()


def test_the_lock_ends_with_a_killed_process(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()

    lock = ProcessLock(path, "a.room")
    lock.acquire()
    lock.release()


def test_a_child_does_not_keep_its_parents_lock(path: Path) -> None:
    lock = ProcessLock(path, "a.room")
    lock.acquire()
    go, stop = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(stop)
        os.read(go, 1)
        os._exit(0)
    lock.release()

    # The child lives on, and lets go of the lock as soon as it runs.
    other = ProcessLock(path, "a.room")
    try:
        other.acquire(wait=30)
        other.release()
    finally:
        os.close(stop)
    os.waitpid(child, 0)
    os.close(go)


def test_a_child_does_not_give_back_its_parents_lock(path: Path) -> None:
    lock = ProcessLock(path, "a.room")
    lock.acquire()
    child = os.fork()
    if child == 0:
        lock.release()
        os._exit(0)
    os.waitpid(child, 0)

    with pytest.raises(RoomLocked):
        ProcessLock(path, "a.room").acquire()
    lock.release()


def test_the_second_lock_of_a_process_is_refused_and_returning_twice_is_harmless(path: Path) -> None:
    first, second = ProcessLock(path, "a.room"), ProcessLock(path, "a.room")
    first.acquire()
    started = time.monotonic()
    with pytest.raises(RoomLocked):
        second.acquire(wait=0.1)
    assert time.monotonic() - started >= 0.1

    first.release()
    first.release()
    second.acquire()
    second.release()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PermissionDenied, match=r"a\.room"):
        ProcessLock(tmp_path / "none" / "writer.lock", "a.room").acquire()
