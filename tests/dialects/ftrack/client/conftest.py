"""Sessions of the drop-in client, with an embedded room and through a server: every test that asks for one runs with both."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dialects.ftrack.client.dropins import Dropins, embedded_dropins, served_dropins
from tests.dialects.ftrack.hubs import Stage

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api


@pytest.fixture(scope="session")
def embedded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one embedded room is, for every test; each makes what it looks at."""
    return tmp_path_factory.mktemp("dropins")


@pytest.fixture(params=["embedded", "served"])
def connect(request: pytest.FixtureRequest, embedded_folder: Path, studio: Stage) -> Iterator[Dropins]:
    """Makes sessions with one room, which are closed at the end."""
    made = embedded_dropins(embedded_folder) if request.param == "embedded" else served_dropins(studio)
    with made as found:
        yield found


@pytest.fixture(params=["unmodified", "embedded", "served"])
def either(request: pytest.FixtureRequest, embedded_folder: Path, studio: Stage) -> Iterator[Callable[..., Any]]:
    """As `connect`, for what both clients do: makes sessions of the unmodified one, or of the drop-in."""
    if request.param != "unmodified":
        with embedded_dropins(embedded_folder) if request.param == "embedded" else served_dropins(studio) as found:
            yield found
        return
    made: list[Any] = []

    def connected() -> Any:
        given = {"auto_connect_event_hub": False, "schema_cache_path": False, "plugin_paths": []}
        made.append(ftrack_api.Session(studio.server.url, api_key=studio.key, api_user=studio.user, **given))
        return made[-1]

    yield connected
    for each in made:
        each.close()


@pytest.fixture
def session(connect: Dropins) -> Any:
    """A session."""
    return connect()


@pytest.fixture
def user(session: Any, unique: Callable[[str], str]) -> Any:
    """A user beside whoever tests."""
    name = unique("user")
    made = session.create("User", {"username": name, "email": f"{name.replace(' ', '')}@example.com"})
    session.commit()
    return made


@pytest.fixture
def task(session: Any, shots: list[Any]) -> Any:
    """A task of the first shot."""
    made = session.create("Task", {"name": "light", "parent": shots[0], "type": session.query("Type").first()})
    session.commit()
    return made
