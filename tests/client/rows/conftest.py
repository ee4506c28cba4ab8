"""Rooms with a schema that has every kind, references of several sorts and a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recordroom.client.session import Session
from tests.client.street import Street, open_session

from .samples import SCHEMA


@pytest.fixture
def places(request: pytest.FixtureRequest, transport: str) -> Iterator[Callable[[str], str]]:
    """Addresses of rooms, in this process and behind a server.

    On SQLite, where a test does not say "places_postgres": rows come and go above the store.
    """
    made: Callable[[str], str] = request.getfixturevalue(getattr(request, "param", "places_sqlite"))
    if transport == "embedded":
        yield made
        return
    street: Street = request.getfixturevalue("street")
    served: dict[str, str] = {}

    def address(name: str) -> str:
        if name not in served:
            served[name] = street.open(made(name))
        return served[name]

    yield address
    for each in served.values():
        street.close(each)


@pytest.fixture
def session(places: Callable[[str], str]) -> Iterator[Session]:
    with open_session(places("rows")) as session:
        session.apply_schema(SCHEMA)
        yield session


@pytest.fixture
def other(places: Callable[[str], str]) -> Iterator[Session]:
    """A session with a second room of the same schema."""
    with open_session(places("other")) as session:
        session.apply_schema(SCHEMA)
        yield session


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str | bytes, name: str = "rows.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write
