"""Rooms with a schema that has every kind, references of several sorts and a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import recordroom as rr
from recordroom.client.session import Session

from .samples import SCHEMA


@pytest.fixture
def places(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """On SQLite; on both databases with `on_both`: rows come and go above the store, so few tests need it."""
    return request.getfixturevalue(getattr(request, "param", "places_sqlite"))


@pytest.fixture
def session(places: Callable[[str], str]) -> Iterator[Session]:
    with rr.connect(places("rows")) as session:
        session.apply_schema(SCHEMA)
        yield session


@pytest.fixture
def other(places: Callable[[str], str]) -> Iterator[Session]:
    """A session with a second room of the same schema."""
    with rr.connect(places("other")) as session:
        session.apply_schema(SCHEMA)
        yield session


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str | bytes, name: str = "rows.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write
