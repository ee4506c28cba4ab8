"""Places for rooms and tables: a new folder for each SQLite file, a new database for each on PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import psycopg

from tests.postgres_server import DURABLE, fresh_database, postgres_server


class Place(Protocol):
    name: str

    def new(self, stack: ExitStack) -> str:
        """Where something new may be made; removed when the stack closes."""


class Folders:
    """SQLite: files in new folders below the machine's temporary folder."""

    name = "SQLite"

    def new(self, stack: ExitStack) -> str:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="recordroom-bench-", ignore_cleanup_errors=True)
        )
        return str(Path(folder) / "bench.room")


class Databases:
    """PostgreSQL: new databases on one server."""

    name = "PostgreSQL"

    def __init__(self, server: str) -> None:
        self.server = server

    def new(self, stack: ExitStack) -> str:
        return stack.enter_context(fresh_database(self.server))

    def version(self) -> str:
        """Such as "PostgreSQL 16.9"."""
        with psycopg.connect(self.server) as connection:
            return f"PostgreSQL {connection.info.parameter_status('server_version')}"


@contextmanager
def postgres() -> Iterator[Databases]:
    """A server with the settings that an installation would run with: what is acknowledged is on disk."""
    with postgres_server(DURABLE) as server:
        yield Databases(server)
