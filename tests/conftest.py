"""Rooms on both databases for every test; the run says which versions were really used."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recordroom.store.room import Room
from tests.postgres_server import postgres_server

DATABASES = ("sqlite", "postgresql")
_versions: set[str] = set()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running server's database; rooms in it have a schema each."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session", autouse=True)
def _settings_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Profiles and variables of whoever runs the tests count for nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECORDROOM_CONFIG", str(tmp_path_factory.mktemp("config")))
        patch.setenv("RECORDROOM_CACHE", str(tmp_path_factory.mktemp("caches")))
        for name in ("URL", "API_KEY", "USER", "PROFILE", "DATABASE", "PROJECT", "PLUGINS", "SCHEMA_CACHE"):
            patch.delenv(f"RECORDROOM_{name}", raising=False)
        yield


class Places:
    """Where a test may make rooms: `places("a")` is a new address, for the database that the test runs on."""

    def __init__(self, folder: Path, server: str = "") -> None:
        self._folder = folder
        self._server = server
        self._prefix = f"t{secrets.token_hex(6)}"
        self.schemas: list[str] = []

    def __call__(self, name: str = "test") -> str:
        """An address, the same for the same name."""
        if not self._server:
            return str(self._folder / f"{name}.room")
        schema = f"{self._prefix}_{name}"
        if schema not in self.schemas:
            self.schemas.append(schema)
        return f"{self._server}{'&' if '?' in self._server else '?'}schema={schema}"

    def clean(self) -> None:
        if self.schemas:
            drop_schemas(self._server, self.schemas)


def drop_schemas(url: str, schemas: list[str]) -> None:
    """Remove what tests left on the server."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        for schema in schemas:
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


@contextlib.contextmanager
def opened(where: str) -> Iterator[Room]:
    """A room, whose database's version the run reports."""
    with Room.open(where) as room:
        _versions.add(room.driver.version())
        yield room


@pytest.fixture
def places_sqlite(tmp_path: Path) -> Places:
    return Places(tmp_path)


@pytest.fixture
def places_postgres(tmp_path: Path, postgres_url: str) -> Iterator[Places]:
    places = Places(tmp_path, postgres_url)
    yield places
    places.clean()


@pytest.fixture(params=DATABASES)
def places(request: pytest.FixtureRequest) -> Places:
    """Addresses for rooms; a test that uses it runs on both databases."""
    name = "places_sqlite" if request.param == "sqlite" else "places_postgres"
    found: Places = request.getfixturevalue(name)
    return found


@pytest.fixture
def room_sqlite(places_sqlite: Places) -> Iterator[Room]:
    """An empty room on SQLite."""
    with opened(places_sqlite()) as room:
        yield room


@pytest.fixture
def room_postgres(places_postgres: Places) -> Iterator[Room]:
    """An empty room on PostgreSQL."""
    with opened(places_postgres()) as room:
        yield room


@pytest.fixture
def room(places: Places) -> Iterator[Room]:
    """An empty room; a test that uses it runs on both databases."""
    with opened(places()) as room:
        yield room


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker tells the process that reports which databases it has used."""
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["versions"] = sorted(_versions)


class _Workers:
    """Hears what workers tell, where there are any."""

    def pytest_testnodedown(self, node: Any) -> None:
        _versions.update(node.workeroutput.get("versions", ()))


def pytest_configure(config: pytest.Config) -> None:
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(_Workers())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which databases were really used."""
    for version in sorted(_versions):
        terminalreporter.write_line(f"used {version}")
