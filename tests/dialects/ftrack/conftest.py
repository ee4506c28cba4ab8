"""Sessions of the unmodified client with one server, whose room has the template `production`."""

from __future__ import annotations

import itertools
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.dialects.ftrack.hubs import Stage, stage

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A server for every test of `/api`; each test makes what it looks at."""
    with stage(str(tmp_path_factory.mktemp("studio") / "studio.room")) as found:
        yield found


@pytest.fixture
def connect(studio: Stage) -> Iterator[Callable[..., Any]]:
    """Makes sessions, which are closed at the end."""
    made = []

    def connected(*, user: str = "administrator", key: str = "", **more: Any) -> Any:
        given = {"auto_connect_event_hub": False, "schema_cache_path": False, "plugin_paths": [], **more}
        made.append(ftrack_api.Session(studio.server.url, api_key=key or studio.key, api_user=user, **given))
        return made[-1]

    yield connected
    for each in made:
        # The client, closed while it still connects, raises in that thread.
        if each._auto_connect_event_hub_thread is not None:
            each._auto_connect_event_hub_thread.join(30)
        each.close()


@pytest.fixture
def session(connect: Callable[..., Any]) -> Any:
    """A session of the administrator."""
    return connect()


@pytest.fixture
def unique() -> Callable[[str], str]:
    """A name that nothing else has."""
    return lambda name: f"{name} {next(_numbers)}"


@pytest.fixture
def project(session: Any, unique: Callable[[str], str]) -> Any:
    """A new project."""
    name = unique("project")
    schema = session.query("ProjectSchema").first()
    made = session.create("Project", {"name": name, "full_name": name.title(), "project_schema": schema})
    session.commit()
    return made


@pytest.fixture
def shots(session: Any, project: Any) -> list[Any]:
    """A sequence's five shots."""
    sequence = session.create("Sequence", {"name": "sq010", "parent": project})
    made = [session.create("Shot", {"name": f"sh{number}0", "parent": sequence}) for number in range(1, 6)]
    session.commit()
    return made


@pytest.fixture
def task(session: Any, shots: list[Any]) -> Any:
    """A task of the first shot."""
    made = session.create("Task", {"name": "light", "parent": shots[0], "type": session.query("Type").first()})
    session.commit()
    return made


@pytest.fixture
def user(session: Any, unique: Callable[[str], str]) -> Any:
    """A user beside the administrator."""
    made = session.create("User", {"username": unique("user"), "is_active": True})
    session.commit()
    return made


@pytest.fixture
def version(session: Any, shots: list[Any]) -> Any:
    """A version of a shot's asset."""
    asset = session.create("Asset", {"name": "beauty", "parent": shots[0], "type": session.query("AssetType").first()})
    made = session.create("AssetVersion", {"asset": asset})
    session.commit()
    return made


@pytest.fixture
def define(session: Any) -> Iterator[Callable[..., Any]]:
    """Makes configurations of custom attributes, which go at the end: other tests see every one there is."""
    made: list[Any] = []

    def defined(key: str, kind: str = "text", entity_type: str = "task", **more: Any) -> Any:
        of = session.query(f'CustomAttributeType where name is "{kind}"').one()
        if entity_type == "task" and "object_type" not in more and not more.get("is_hierarchical"):
            more["object_type"] = session.query("ObjectType where name is Shot").one()
        data = {"key": key, "label": key.title(), "entity_type": entity_type, "type": of, "config": "{}", **more}
        found = session.create("CustomAttributeConfiguration", data)
        session.commit()
        made.append(found["id"])
        return found

    yield defined
    session.rollback()
    session.reset()
    for each in made:
        found = session.get("CustomAttributeConfiguration", each)
        if found is not None:
            session.delete(found)
            session.commit()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """The operations of each request that sessions make, as they are sent."""
    made: list[list[Any]] = []
    call = ftrack_api.Session.call

    def noted(self: Any, data: Any) -> Any:
        made.append(json.loads(self.encode(data, entity_attribute_strategy="modified_only")))
        return call(self, data)

    monkeypatch.setattr(ftrack_api.Session, "call", noted)
    return made
