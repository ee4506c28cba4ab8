"""A desk on both databases for every test of commits, without making a room for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recordroom.store.room import Room
from tests.conftest import DATABASES, Places
from tests.store.desk import Desk


@pytest.fixture(scope="session")
def desk_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The one desk on SQLite."""
    with Room.open(Places(tmp_path_factory.mktemp("desk"))("desk"), durability="normal") as room:
        yield Desk(room)


@pytest.fixture(scope="session")
def desk_postgresql(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The one desk on PostgreSQL."""
    places = Places(tmp_path_factory.mktemp("desk"), postgres_url)
    with Room.open(places("desk")) as room:
        yield Desk(room)
    places.clean()


@pytest.fixture(params=DATABASES)
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A desk whose room is empty but for its schema; a test that uses it runs on both databases.

    At the end the room must be in order. Tests that change the schema or do damage make a room of their own.
    """
    desk: Desk = request.getfixturevalue(f"desk_{request.param}")
    start = desk.revision
    try:
        yield desk
        if desk.revision != start:
            assert [str(problem) for problem in desk.report()] == []
    finally:
        desk.act_as("owner")
        if desk.revision != start:
            desk.wipe()
