"""A large file goes up and comes down while server and client are killed with -9, in turn, again and again.

Nothing that had arrived is sent again, but for what was under way at that moment; neither side needs much memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
from recordroom.model.ids import as_id
from recordroom.model.operations import Commit, Create
from tests.conftest import Places
from tests.proof.carrier import Between, Memory, carrying
from tests.served import Served, served
from tests.server.test_files import make_room

KILLS = 6
MEGABYTE = 1 << 20
MOST_MEMORY = 200 * 1000 * 1000
# Of one kill, on each of four connections: what is in buffers, and what the server had not written yet.
UNDER_WAY = 4 * 4 * MEGABYTE
PATIENCE = 900.0


def make_file(path: Path, megabytes: int) -> str:
    """A file of bytes that are nowhere the same; its checksum."""
    hashing, block = hashlib.sha256(), bytearray(os.urandom(MEGABYTE))
    with path.open("wb") as file:
        for number in range(megabytes):
            block[:8] = number.to_bytes(8, "big")
            file.write(block)
            hashing.update(block)
    return f"sha256:{hashing.hexdigest()}"


class Journey:
    """One transfer through a go-between, with kills."""

    def __init__(self, stack: contextlib.ExitStack, where: str, memory: Memory) -> None:
        self.stack = stack
        self.where = where
        self.memory = memory
        self.server = self.started()
        self.between = Between(self.server.port)
        stack.callback(self.between.close)

    def started(self, port: int = 0) -> Served:
        server = self.stack.enter_context(served(self.where, process=True, port=port))
        assert server.process is not None
        self.memory.watch("server", server.process.pid)
        return server

    def go(self, verb: str, component: str, path: Path, size: int) -> list[str]:
        """Carry it, and kill either side at even distances; what the client said at the end."""
        direction = "up" if verb == "upload" else "down"
        began, kills = getattr(self.between, direction), 0
        while True:
            with carrying(verb, self.between.url, self.server.api_key, component, path) as child:
                self.memory.watch("client", child.pid)
                while kills < KILLS:
                    kills += 1
                    self._await(child, direction, began + size * kills // (KILLS + 1))
                    if kills % 2 == 0:
                        break  # the end of the block kills the client
                    self.server.kill()
                    self.server = self.started(self.server.port)
                else:
                    if verb == "upload":
                        self._kill_while_joining(child)
                    out, error = child.communicate(timeout=PATIENCE)
                    assert child.returncode == 0, error
                    return out.split()

    def _kill_while_joining(self, child: Any) -> None:
        """Everything has arrived, and its parts are being put together."""
        place = Path(self.where) / "files" / "uploads"
        end = time.monotonic() + PATIENCE
        while not list(place.glob("made-*")):
            assert child.poll() is None, child.communicate()
            assert time.monotonic() < end, "nothing is joined"
            time.sleep(0.001)
        self.server.kill()
        assert list(place.glob("made-*")), "it was quicker than the kill"
        self.server = self.started(self.server.port)

    def _await(self, child: Any, direction: str, count: int) -> None:
        end = time.monotonic() + PATIENCE
        while getattr(self.between, direction) < count:
            assert child.poll() is None, child.communicate()
            assert time.monotonic() < end, "it gets nowhere"
            time.sleep(0.005)


@pytest.mark.proof
def test_a_large_file_survives_kills_of_either_side(
    places_sqlite: Places,
    tmp_path: Path,
    rounds: Callable[[int], int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("RECORDROOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    megabytes, where = rounds(5_000), places_sqlite()
    size, component = megabytes * MEGABYTE, str(uuid.uuid4())
    checksum = make_file(tmp_path / "in.bin", megabytes)
    make_room(where, tmp_path)
    memory = Memory()
    with contextlib.ExitStack() as stack:
        stack.callback(memory.stop)
        journey = Journey(stack, where, memory)
        sent = journey.go("upload", component, tmp_path / "in.bin", size)
        up = journey.between.up
        (tmp_path / "in.bin").unlink()
        with rr.connect(journey.server.url, api_key=journey.server.api_key) as session:
            operation = Create("Component", [as_id(component)], {"name": ["large"]})
            session.transport.commit(Commit(id=uuid.uuid4().bytes, operations=[operation]))
        before = journey.between.down
        came = journey.go("download", component, tmp_path / "out.bin", size)
        down = journey.between.down - before

    with (tmp_path / "out.bin").open("rb") as file:
        assert f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == checksum == sent[0] == came[0]
    with capsys.disabled():
        print(
            f"\n{size / 1e9:.2f} GB: sent {up / size:.4f} and fetched {down / size:.4f} times its size with {KILLS} kills"
            f" each way; most memory { ({name: f'{each / 1e6:.0f} MB' for name, each in memory.most.items()}) }"
        )
    assert size < up < size + KILLS * UNDER_WAY
    assert size < down < size + KILLS * UNDER_WAY
    assert max(memory.most.values()) < MOST_MEMORY
    left = [each.name for each in (Path(where) / "files" / "uploads").iterdir()]
    assert [each for each in left if not each.startswith("made-")] == []
    assert len(left) <= 1  # what was being made at the kill; it is collected by its age
