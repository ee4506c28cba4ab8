"""recordroom behind `recordroom serve`: the same room and Session, over HTTP on loopback, with accounts and access rules.

One server serves all rounds; each new table is a database of its own in its room. Small requests come from a load
generator with a core of its own (`load`), and go to a bare handler (`bare`) in turn.
"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psutil

import recordroom as rr
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, DefineType
from recordroom.query.grammar import parse
from recordroom.query.request import QueryRequest
from tests.served import Served, served

from .load import Job, Measured, run
from .orm import Orm
from .ours import RECORD, Ours, OursByColumns
from .places import Place
from .raw import Settings, Sqlite3
from .subject import Subject, filled

CONNECTIONS = 8
_PAGE = msgspec.msgpack.encode(QueryRequest(database="main", query=parse("Record limit 100"), size=100))
_EXPORTED = 100_000


class OverHttp(Ours):
    """One `create` per entity, then one `commit`; the room is behind a server."""

    name = "recordroom over HTTP"

    def __init__(self, place: Place, server: Served) -> None:
        super().__init__(place)
        self.server = server

    def session(self, database: str) -> rr.Session:
        return rr.connect(self.server.url, api_key=self.server.api_key, database=database)

    def fresh(self, stack: ExitStack) -> str:
        key = f"b{secrets.token_hex(6)}"
        with self.session("main") as session:
            session.databases.create(key)
        with self.session(key) as session:
            session.transport.commit(Commit(id=new_id(), database=key, operations=[DefineType(RECORD)]))
        return key

    def open(self, stack: ExitStack, where: str) -> rr.Session:
        session = stack.enter_context(self.session(where))
        _ = session.types["Record"]
        return session


class OverHttpByColumns(OverHttp):
    """`create_many` with columns, then `commit`; over HTTP."""

    name = "recordroom over HTTP, create_many"

    def records(self, count: int) -> Any:
        return OursByColumns.records(self, count)  # type: ignore[arg-type]

    def create(self, handle: rr.Session, records: Any) -> object:
        return OursByColumns.create(self, handle, records)  # type: ignore[arg-type]


class HttpField:
    """Who competes over HTTP on one database make, as `jobs.Field` says it for embedded rooms."""

    def __init__(self, place: Place, settings: Settings | None, server: Served) -> None:
        self.place = Named(f"{place.name}, HTTP")
        self.ours = OverHttp(place, server)
        self.filler = OverHttpByColumns(place, server)
        raws: list[Subject] = [Sqlite3(place, settings)] if settings is not None else []
        orm = Orm(place, settings)
        self.creators: list[Subject] = [self.ours, self.filler, *raws, orm]
        self.readers: list[Subject] = [self.ours, *raws, orm]
        self.updaters: list[Subject] = [self.ours, *raws, orm]


class Named(NamedTuple):
    """The name of a place over HTTP."""

    name: str


# --- small requests -------------------------------------------------------------------------------


class Small(NamedTuple):
    """Requests per second of a bare handler and of ours, round by round, and the latencies of ours."""

    bare: list[float]
    ours: list[float]
    p99: list[float]


@contextmanager
def bare(file: Path) -> Iterator[int]:
    """The port of a bare handler on the SQLite file of a room."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare", str(file)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()


@contextmanager
def small_requests(place: Place, count: int) -> Iterator[tuple[int, Served]]:
    """A bare handler and a server, each with a room of `count` records."""
    with ExitStack() as stack:
        ours = OursByColumns(place)
        where = Path(filled(ours, stack, count))
        for name in ("bare", "served"):
            shutil.copytree(where, where.with_suffix(f".{name}"))
        port = stack.enter_context(bare(where.with_suffix(".bare") / "room.sqlite"))
        yield port, stack.enter_context(served(str(where.with_suffix(".served")), process=True, accounts=True))


def compare(port: int, server: Served, kind: str, rounds: int, requests: int) -> Small:
    """Small reads of 100 rows ("read") or commits of one new record ("commit"), in turn."""
    found = Small([], [], [])
    creates = kind == "commit"
    theirs = Job(port=port, path=f"/{kind}", creates=creates, connections=CONNECTIONS, requests=requests)
    path = "/v1/commit" if creates else "/v1/query"
    body = b"" if creates else _PAGE
    ours = Job(
        port=server.port, path=path, headers=server.headers, body=body, creates=creates,
        connections=CONNECTIONS, requests=requests,
    )  # fmt: skip
    for number in range(rounds + 1):
        pair = [(found.bare, theirs), (found.ours, ours)]
        for rates, job in pair if number % 2 else reversed(pair):
            measured = run(job)
            if number:  # the first round warms up
                rates.append(measured.rate)
                if job is ours:
                    found.p99.append(measured.quantile(0.99))
    return found


def during_export(server: Served, requests: int) -> tuple[Measured, Measured]:
    """Small reads on one connection: alone, and while another client exports 100,000 rows again and again."""
    job = Job(port=server.port, path="/v1/query", headers=server.headers, body=_PAGE, connections=1, requests=requests)
    alone = run(job)
    stop = threading.Event()
    exported = [0]

    def export() -> None:
        with rr.connect(server.url, api_key=server.api_key) as session:
            while not stop.is_set():
                for batch in session.query("Record").to_batches():
                    exported[0] += batch.num_rows
                    if stop.is_set():
                        break

    thread = threading.Thread(target=export)
    thread.start()
    while not exported[0]:
        time.sleep(0.01)
    try:
        return alone, run(job)
    finally:
        stop.set()
        thread.join()


def memory(server: Served, requests: int, steps: int = 10) -> list[int]:
    """Bytes of the server's memory after each of `steps` parts of so many small reads and commits."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    part = requests // steps
    reads = Job(port=server.port, path="/v1/query", headers=server.headers, body=_PAGE, connections=CONNECTIONS)
    found = []
    for _ in range(steps):
        run(msgspec.structs.replace(reads, requests=part))
        found.append(process.memory_info().rss)
    return found
