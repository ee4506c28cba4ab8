"""A load generator for small requests: some connections, each sends its next request when it has its answer.

`python -m benchmarks.load` reads a `Job` as JSON from stdin and prints what it measured, so that it has a process,
and a core, of its own.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple, cast

import msgspec

from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, Create


class Job(msgspec.Struct, kw_only=True):
    """`body` is sent as it is; with `creates` the body is a commit with a new record, made for each request."""

    host: str = "127.0.0.1"
    port: int
    path: str
    headers: dict[str, str] = {}
    body: bytes = b""
    creates: bool = False
    connections: int = 8
    requests: int = 1000


class Measured(NamedTuple):
    """Seconds for all requests, and the latencies of each in seconds, ascending."""

    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, part: float) -> float:
        return self.latencies[min(int(len(self.latencies) * part), len(self.latencies) - 1)]


def run(job: Job) -> Measured:
    """The job, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"], input=msgspec.json.encode(job), stdout=subprocess.PIPE, check=True
    )
    return msgspec.json.decode(done.stdout, type=Measured)


class _Connection(asyncio.Protocol):
    """Sends requests one after the other."""

    def __init__(self, requests: Iterator[bytes], latencies: list[float], done: asyncio.Future[None]) -> None:
        self.requests = requests
        self.latencies = latencies
        self.done = done
        self.buffer = bytearray()
        self.missing = -1
        self.started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def send(self) -> None:
        request = next(self.requests, None)
        if request is None:
            self.transport.close()
            self.done.set_result(None)
            return
        self.missing = -1
        self.buffer.clear()
        self.started = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.missing < 0:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.buffer[:end]).lower()
            if not head.startswith(b"http/1.1 200"):
                self.done.set_exception(RuntimeError(bytes(self.buffer).decode(errors="replace")[:2000]))
                self.transport.close()
                return
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            self.missing = end + 4 + int(length)
        if len(self.buffer) >= self.missing:
            self.latencies.append(time.perf_counter() - self.started)
            self.send()

    def connection_lost(self, exception: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exception or ConnectionError("the server closed the connection"))


def _requests(job: Job) -> Iterator[bytes]:
    lines = [f"POST {job.path} HTTP/1.1", f"host: {job.host}:{job.port}", "content-type: application/msgpack"]
    lines += ["accept: application/msgpack", *(f"{name}: {value}" for name, value in job.headers.items())]
    head = "\r\n".join(lines)
    for _ in range(job.requests):
        body = new_record() if job.creates else job.body
        yield f"{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


_columns: dict[str, list[object]] = {
    "name": ["a name"], "status": ["open"], "note": ["some words that stand for a note"], "priority": [3], "size": [7],
    "length": [1.5], "weight": [2.5], "done": [False], "due": [1_700_000_000_000_000],
}  # fmt: skip


def new_record() -> bytes:
    """The body of a commit that creates one record."""
    return msgspec.msgpack.encode(Commit(id=new_id(), operations=[Create("Record", [new_id()], _columns)]))


async def _load(job: Job) -> Measured:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    waiting = []
    requests = _requests(job)
    started = time.perf_counter()
    for _ in range(job.connections):
        done: asyncio.Future[None] = loop.create_future()
        waiting.append(done)
        await loop.create_connection(lambda done=done: _Connection(requests, latencies, done), job.host, job.port)  # type: ignore[misc]
    await asyncio.gather(*waiting)
    return Measured(time.perf_counter() - started, sorted(latencies))


def main() -> None:
    import uvloop

    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    measured = uvloop.run(_load(job))
    sys.stdout.buffer.write(msgspec.json.encode(measured))


if __name__ == "__main__":
    main()
