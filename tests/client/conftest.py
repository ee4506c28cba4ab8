"""A session with types of every kind and relation, four times: on each database, in this process and behind a server."""

from __future__ import annotations

import contextlib
import itertools
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import recordroom as rr
from recordroom.client.session import Session
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, DefineType
from recordroom.model.schema import Attribute, EntityType
from tests.client.street import Street, open_session

A = Attribute

TYPES = (
    EntityType(
        name="Resource",
        abstract=True,
        attributes=(A(name="name", kind="text", required=True), A(name="email", kind="text")),
    ),
    EntityType(name="User", extends="Resource", attributes=(A(name="age", kind="integer", min=0, max=150),)),
    EntityType(name="Group", extends="Resource", attributes=(A(name="motto", kind="long_text"),)),
    EntityType(
        name="Project",
        attributes=(
            A(name="name", kind="text", required=True, unique=True),
            A(name="code", kind="text", immutable=True),
            A(name="budget", kind="decimal"),
            A(name="started", kind="date"),
            A(name="lead", kind="reference", target="User"),
        ),
    ),
    EntityType(
        name="Task",
        attributes=(
            A(name="name", kind="text", required=True),
            A(name="status", kind="choice", choices=("open", "in progress", "done"), default="open"),
            A(name="note", kind="long_text"),
            A(name="bid", kind="integer"),
            A(name="hours", kind="number"),
            A(name="cost", kind="decimal"),
            A(name="done", kind="boolean", default=False),
            A(name="day", kind="date"),
            A(name="due", kind="datetime"),
            A(name="data", kind="json"),
            A(name="key", kind="uuid"),
            A(name="url", kind="hyperlink"),
            A(name="color", kind="color"),
            A(name="tags", kind="text", multi=True),
            A(name="loud", kind="text", computed="upper(name)"),
            A(name="project", kind="reference", target="Project", reverse="tasks", on_delete="cascade"),
            A(name="parent", kind="reference", target="Task", reverse="children"),
            A(name="owner", kind="reference", target="Resource", reverse="owned"),
            A(name="assignees", kind="links", target="User", reverse="assignments", notes=True),
            A(name="watchers", kind="links", target="Resource"),
            A(name="metadata", kind="mapping"),
            A(name="counts", kind="mapping", of="integer"),
        ),
    ),
    EntityType(name="Plane", attributes=(A(name="tail", kind="text"), A(name="manufacturer", kind="text"))),
    EntityType(
        name="Flight",
        attributes=(A(name="code", kind="text"), A(name="plane", kind="reference", target="Plane")),
    ),
)

Connect = Callable[..., Session]


def define(session: Session, *types: EntityType) -> None:
    """Define types in the session's database."""
    operations: list[Any] = [DefineType(definition=each) for each in types]
    session.transport.commit(Commit(id=new_id(), database=session.database, operations=operations))


class PostgresPlace:
    """One room on PostgreSQL that tests use one after the other: making its tables takes longer than most tests."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._schema = ""
        self._kept = (0, 0)

    def __call__(self) -> str:
        if self._schema:
            self._wipe()
        if not self._schema:
            self._make()
        return self._where

    @property
    def _where(self) -> str:
        return f"{self._url}{'&' if '?' in self._url else '?'}schema={self._schema}"

    def _make(self) -> None:
        self._schema = f"client_{secrets.token_hex(6)}"
        with rr.connect(self._where) as session:
            define(session, *TYPES)
        with self._connection() as connection:
            row = connection.execute("SELECT revision, schema_revision FROM rr_room").fetchone()
        self._kept = row

    def _wipe(self) -> None:
        """Make the room what it was after its types were defined; a room with another schema, or without its first commits, is left for good."""
        with self._connection() as connection:
            revision, schema_revision = self._kept
            found = connection.execute(
                "SELECT schema_revision, (SELECT count(*) FROM rr_commit WHERE revision <= %s) FROM rr_room",
                (revision,),
            ).fetchone()
            if found != (schema_revision, revision):
                self._schema = ""
                return
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (self._schema,))
            kept = {"rr_room", "rr_database", "rr_commit", "rr_journal"}
            wiped = [f'DELETE FROM "{name}"' for (name,) in tables if name not in kept]
            wiped += [f"DELETE FROM {name} WHERE revision > {revision}" for name in ("rr_commit", "rr_journal")]
            connection.execute("SET session_replication_role = replica")
            connection.execute("; ".join([*wiped, f"UPDATE rr_room SET revision = {revision}, pruned = 0"]))

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        with psycopg.connect(self._url) as connection:
            connection.execute(f"SET search_path = {self._schema}")
            yield connection


@pytest.fixture(scope="session")
def postgres_place(postgres_url: str) -> PostgresPlace:
    return PostgresPlace(postgres_url)


@pytest.fixture(scope="session")
def sqlite_place(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Copies of one room that has the types."""
    folder = tmp_path_factory.mktemp("client")
    with rr.connect(folder / "types.room") as session:
        define(session, *TYPES)
    numbers = itertools.count()
    return lambda: str(shutil.copytree(folder / "types.room", folder / f"{next(numbers)}.room"))


@pytest.fixture(scope="session")
def street() -> Iterator[Street]:
    """A server for the rooms of all tests."""
    with Street() as found:
        yield found


@contextlib.contextmanager
def furnished(request: pytest.FixtureRequest, folder: Path, template: str) -> Iterator[str]:
    """The address of a new room with a template; the fixture's parameter is "sqlite" or "postgresql", and then "embedded" or "http"."""
    if request.param.startswith("sqlite"):
        where, settings = str(folder / "studio.room"), {}
    else:
        url = request.getfixturevalue("postgres_url")
        where = f"{url}{'&' if '?' in url else '?'}schema={template}_{secrets.token_hex(6)}"
        settings = {"files": str(folder / "files")}
    with rr.connect(where, **settings) as session:
        session.apply_template(template)
    if request.param.endswith("embedded"):
        yield where
        return
    street: Street = request.getfixturevalue("street")
    found = street.open(where)
    yield found
    street.close(found)


@contextlib.contextmanager
def sessions_at(address: str) -> Iterator[Connect]:
    """Opens sessions with one room, which are closed at the end."""
    with contextlib.ExitStack() as stack:

        def opened(**options: Any) -> Session:
            return stack.enter_context(open_session(address, **options))

        yield opened


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Which database the rooms are on."""
    found: str = request.param
    return found


@pytest.fixture(params=["embedded", "http"])
def transport(request: pytest.FixtureRequest) -> str:
    """How sessions reach rooms; a test that makes sense in this process only is parametrized with "embedded" alone."""
    found: str = request.param
    return found


@pytest.fixture
def places_with_types(request: pytest.FixtureRequest, database: str, transport: str) -> Iterator[Callable[[], str]]:
    """Each call is the address of a room that has the types and no entities. On PostgreSQL it empties the one before."""
    make = request.getfixturevalue("sqlite_place" if database == "sqlite" else "postgres_place")
    if transport == "embedded":
        yield make
        return
    street: Street = request.getfixturevalue("street")
    opened: list[str] = []

    def address() -> str:
        while opened:
            street.close(opened.pop())
        opened.append(street.open(make()))
        return opened[-1]

    yield address
    while opened:
        street.close(opened.pop())


@pytest.fixture
def where(places_with_types: Callable[[], str]) -> str:
    """The address of a room that has the types and no entities."""
    return places_with_types()


@pytest.fixture
def connect(where: str) -> Iterator[Connect]:
    """Opens sessions on one room, which has the types."""
    sessions: list[Session] = []

    def open_here(**options: Any) -> Session:
        sessions.append(open_session(where, **options))
        return sessions[-1]

    yield open_here
    for session in sessions:
        session.close()


@pytest.fixture
def session(connect: Connect) -> Session:
    return connect()


@pytest.fixture
def other(session: Session, connect: Connect) -> Session:
    """A second session on the same room."""
    return connect(actor="other")
