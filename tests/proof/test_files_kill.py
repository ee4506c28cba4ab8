"""Processes that transfer files are killed at any moment: what is registered is whole, and the next goes on."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import recordroom as rr
from recordroom.client.session import Session
from recordroom.files.transfer import checksum_of

pytestmark = pytest.mark.proof

SEQUENCES, FRAMES = 12, 15
CHILD = """
    import sys
    import recordroom as rr
    from recordroom.client import files
    files._FILES_TOGETHER = 20
    room, source, target = sys.argv[1:]
    with rr.connect(room, wait=30) as session:
        session.locations.configure("source", accessor=source, structure="chunked_id")
        session.locations.configure("target", accessor=target, structure="chunked_id")
        found = session.query("SequenceComponent order by id").all()
        print("ready", flush=True)
        session.files.transfer(found, "source", "target")
        print("done", flush=True)
"""


def reached(session: Session, tmp_path: Path) -> None:
    for name in ("source", "target"):
        session.locations.configure(name, accessor=tmp_path / name, structure="chunked_id")


def prepare(tmp_path: Path) -> str:
    where = str(tmp_path / "studio.room")
    with rr.connect(where) as session:
        session.apply_template("files")
        for name in ("source", "target"):
            session.create("Location", {"name": name})
        session.commit()
        reached(session, tmp_path)
        for number in range(SEQUENCES):
            (tmp_path / f"{number}").mkdir()
            for frame in range(FRAMES):
                path = tmp_path / f"{number}/f.{frame:04d}.exr"
                path.write_bytes(random.Random(number * 100 + frame).randbytes(200_000 + frame))
            session.create_component(tmp_path / f"{number}/f.%04d.exr", location="source", commit=False)
        session.commit()
    return where


def check(where: str, tmp_path: Path) -> int:
    """How many files are registered in the target; each is whole."""
    with rr.connect(where, wait=30) as session:
        reached(session, tmp_path)
        target = session.locations["target"]
        rows = session.query('ComponentLocation where location.name is "target"').all()
        files = [row for row in rows if row["component"]["entity_type"] == "FileComponent"]
        for row in files:
            assert checksum_of(target.reached().read(row["resource_identifier"])) == row["component"]["checksum"]
        # A sequence is registered with all that is in it.
        for row in rows:
            if row["component"]["entity_type"] == "SequenceComponent":
                members = {each["id"] for each in row["component"]["members"]}
                assert members <= {each["component"]["id"] for each in files}
    return len(files)


def test_a_transfer_that_is_killed_goes_on_and_registers_nothing_that_is_not_whole(
    tmp_path: Path, rounds: Callable[[int], int]
) -> None:
    where = prepare(tmp_path)
    command = [sys.executable, "-c", textwrap.dedent(CHILD), where, str(tmp_path / "source"), str(tmp_path / "target")]
    seen = [0]
    for _ in range(rounds(15)):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        try:
            child.wait(random.uniform(0, 0.5))
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        child.wait(60)
        child.stdout.close()
        seen.append(check(where, tmp_path))

    assert seen == sorted(seen)
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout == "ready\ndone\n"
    assert check(where, tmp_path) == SEQUENCES * FRAMES
    with rr.connect(where) as session:
        reached(session, tmp_path)
        target = session.locations["target"].reached()
        target.sweep(0)
        left = [each for each in (tmp_path / "target").rglob("*") if each.is_file()]
        assert len(left) == SEQUENCES * FRAMES
    print(f"registered after each kill: {seen}")
