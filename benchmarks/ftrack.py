"""The same work by ftrack's own client, unmodified, and by ours, on one server with `--dialect ftrack`.

The room has the template `production`. Each new table is an entity type of its own there, which both see under the same name.
Sessions of both are connected and know the schema before the clock starts. What makes either wait for the server is on the clock.
"""

from __future__ import annotations

import itertools
import secrets
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import urllib3

import recordroom as rr
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, DefineType
from tests.served import Served, served

from .data import NAMES, mappings
from .harness import Contestant, Timing, interleaved
from .load import new_record
from .ours import RECORD, OursByColumns
from .places import Place
from .served import bare
from .subject import Subject, filled

THEIRS = "ftrack-python-api"
OURS = "recordroom, same server"
BARE = "bare handler, one row, no session"
_PROJECTION = ", ".join(("id", *NAMES))


class Reached(msgspec.Struct):
    """Where a table is, for a process of its own too: `url key type`."""

    url: str
    key: str
    type: str

    @classmethod
    def of(cls, where: str) -> Reached:
        return cls(*where.split(" "))

    def __str__(self) -> str:
        return f"{self.url} {self.key} {self.type}"


class SameServer:
    """Ours: one `create` per entity, then one `commit`."""

    name = OURS

    def __init__(self, server: Served | None = None) -> None:
        self.server = server

    def records(self, count: int) -> Any:
        return mappings(count)

    def fresh(self, stack: ExitStack) -> str:
        assert self.server is not None
        name = f"Record{secrets.token_hex(6)}"
        with rr.connect(self.server.url, api_key=self.server.api_key) as session:
            defined = msgspec.structs.replace(RECORD, name=name)
            session.transport.commit(Commit(id=new_id(), operations=[DefineType(defined)]))
        return str(Reached(self.server.url, self.server.api_key, name))

    def open(self, stack: ExitStack, where: str) -> tuple[Any, str]:
        at = Reached.of(where)
        session = stack.enter_context(rr.connect(at.url, api_key=at.key))
        _ = session.types[at.type]
        return session, at.type

    def create(self, handle: tuple[Any, str], records: Any) -> object:
        session, name = handle
        for each in records:
            session.create(name, each)
        return session.commit()

    def query(self, handle: tuple[Any, str]) -> Sequence[Any]:
        session, name = handle
        found: Sequence[Any] = session.query(name).all()
        return found

    def update(self, handle: tuple[Any, str], found: Sequence[Any], values: Sequence[int]) -> object:
        for entity, value in zip(found, values, strict=True):
            entity["priority"] = value
        return handle[0].commit()


class Ftrack(SameServer):
    """Theirs, as its guides say: a projection of what is wanted, pages of 500, one `commit`."""

    name = THEIRS

    def open(self, stack: ExitStack, where: str) -> tuple[Any, str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import ftrack_api

        at = Reached.of(where)
        settings = {"schema_cache_path": False, "plugin_paths": [], "auto_connect_event_hub": False}
        session = ftrack_api.Session(at.url, api_key=at.key, api_user="administrator", **settings)
        stack.callback(session.close)
        return session, at.type

    def query(self, handle: tuple[Any, str]) -> Sequence[Any]:
        session, name = handle
        found: Sequence[Any] = session.query(f"select {_PROJECTION} from {name}").all()
        return found


class FtrackField:
    """Who competes, as `jobs.Field` says it."""

    def __init__(self, place: Place, server: Served) -> None:
        self.files = place
        self.place = Named(f"{place.name}, one server")
        self.ours, self.theirs = SameServer(server), Ftrack(server)
        both: list[Subject] = [self.ours, self.theirs]
        self.creators = self.readers = self.updaters = both


class Named(NamedTuple):
    """The name of a place."""

    name: str


@contextmanager
def field(place: Place) -> Iterator[FtrackField]:
    """A server whose room has the template, and who competes on it."""
    with ExitStack() as stack:
        where = place.new(stack)
        with rr.connect(where) as session:
            session.apply_template("production")
        server = stack.enter_context(served(where, process=True, accounts=True, dialects=("ftrack",)))
        yield FtrackField(place, server)


def one_change(field: FtrackField, loaded: int, in_a_row: int, rounds: int) -> dict[str, Timing]:
    """The commit of one changed value in sessions that hold `loaded` entities, so many `in_a_row` as a script makes them.

    One alone comes after a commit of another's, when nobody's code and data are still in the processor's caches, as it
    is for a person who saves. What that costs whoever it is, a bare handler shows: it writes a row and a journal, durably.
    """
    with ExitStack() as sessions:
        where = filled(field.ours, sessions, loaded)

        def contestant(subject: SameServer, position: int) -> Contestant:
            handle = subject.open(sessions, where)
            held = subject.query(handle)
            entity = held[position]  # each has one of its own, so that nothing is merged
            values = itertools.count(1000)

            def change() -> Sequence[Any]:
                for _ in range(in_a_row):
                    entity["priority"] = next(values)
                    handle[0].commit()
                return held

            return Contestant(subject.name, lambda _: change)

        middle = loaded // 2
        both = [contestant(field.ours, middle), contestant(field.theirs, middle + 1)]
        contestants = [*both, _bare_commit(sessions, field.files, in_a_row)]
        return interleaved(contestants, count=in_a_row, rounds=rounds, collect=False)


def _bare_commit(stack: ExitStack, place: Place, in_a_row: int) -> Contestant:
    """Requests that write one row, to a handler that does nothing else."""
    port = stack.enter_context(bare(Path(filled(OursByColumns(place), stack, 1)) / "room.sqlite"))
    pool = stack.enter_context(urllib3.HTTPConnectionPool("127.0.0.1", port))

    def write() -> None:
        for _ in range(in_a_row):
            _ = pool.request("POST", "/commit", body=new_record()).data

    return Contestant(BARE, lambda _: write)


def siblings(field: FtrackField, count: int) -> int:
    """Round trips of ours for touching an attribute that was not loaded on each of `count` entities of one page."""
    with ExitStack() as stack:
        where = filled(field.ours, stack, 2 * count)
        session, name = field.ours.open(stack, where)
        held = session.query(f"select name from {name} limit {count}").all()
        before: int = session.round_trips
        assert len({each["note"] for each in held}) > count // 2
        return int(session.round_trips - before)
