"""What ftrack's guide "Understanding sessions" shows, example by example, in our own words and on our own Session."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import recordroom as rr
from tests.served import Served, served

PLUGIN = '''
import logging

logger = logging.getLogger("com.example.example-plugin")


def configure_locations(event):
    """Configure locations for the session."""
    event.session.configured = True


def register(session, reticulate_splines=False):
    """Register the plugin with a session."""
    logger.debug("Plugin registered")
    session.splines = reticulate_splines
    session.hooks.subscribe("configure-location", configure_locations)
'''


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("guide") / "studio.room"
    with rr.connect(path) as session:
        session.apply_template("production")
    with served(str(path), accounts=True) as found:
        yield found


@pytest.fixture
def session(server: Served) -> Iterator[rr.Session]:
    with rr.connect(server.url, api_key=server.api_key) as found:
        yield found


# --- connection -----------------------------------------------------------------------------------


def test_a_session_is_connected_with_an_address_and_a_key(server: Served) -> None:
    with rr.connect(server.url, api_key=server.api_key) as session:
        assert session.transport.actor == "administrator"


def test_the_environment_says_where_and_who(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECORDROOM_URL", server.url)
    monkeypatch.setenv("RECORDROOM_USER", "administrator")
    monkeypatch.setenv("RECORDROOM_API_KEY", server.api_key)

    with rr.connect() as session:
        assert session.transport.where == server.url


def test_one_process_has_sessions_with_several_servers(server: Served, tmp_path: Path) -> None:
    with rr.connect(server.url, api_key=server.api_key) as one, rr.connect(tmp_path / "other.room") as other:
        assert "Task" in one.types
        assert "Task" not in other.types


# --- unit of work ---------------------------------------------------------------------------------


def test_operations_are_recorded_and_a_commit_persists_them(session: rr.Session) -> None:
    user = session.create("User", {"name": "martin"})
    user["full_name"] = "Martin"
    other = session.create("User", {"name": "bjorn"})
    other["email"] = "bjorn@example.com"

    # What will be sent, compressed already.
    assert [(each.verb, each.entity["name"]) for each in session.operations] == [
        ("create", "martin"),
        ("create", "bjorn"),
    ]
    session.commit()

    assert session.operations == []
    # A create and what followed on the same entity went as one.
    assert [change.verb for change in session.history(other, "email")] == ["create"]


def test_a_query_asks_the_room_on_demand(session: rr.Session) -> None:
    user = session.create("User", {"name": "some_unique_name"})
    question = f'User where name is "{user["name"]}"'

    assert len(session.query(question)) == 0
    session.commit()
    assert len(session.query(question)) == 1


def test_results_are_merged_and_local_changes_preserved(session: rr.Session) -> None:
    user = session.query("User").first()
    assert user is not None
    user["email"] = "me@example.com"
    retrieved = session.query(f'User where id is "{user["id"]}"').one()

    assert retrieved["email"] == "me@example.com"
    assert retrieved is user


# --- auto-population ------------------------------------------------------------------------------


def test_what_is_missing_is_fetched_once(session: rr.Session) -> None:
    user = session.query("select id from User").first()
    assert user is not None
    before = session.round_trips
    assert user["name"]
    asked = session.round_trips - before
    assert user["name"]

    assert asked == 1
    assert session.round_trips - before == 1


def test_auto_population_can_be_turned_off_for_a_while(session: rr.Session) -> None:
    user = session.query("select id from User").first()
    assert user is not None
    with session.auto_populating(False):
        assert user["email"] is rr.NOT_SET
        assert repr(user["email"]) == "NOT_SET"


# --- entity types ---------------------------------------------------------------------------------


def test_entity_types_are_those_of_the_room(session: rr.Session) -> None:
    expected = {
        "Task",
        "Shot",
        "TypedContext",
        "Sequence",
        "Priority",
        "Status",
        "Project",
        "User",
        "Type",
        "ObjectType",
    }
    assert expected <= set(session.types.keys())

    project = session.create("Project", {"name": "typed"})
    assert isinstance(project, session.types["Project"])


# --- plugins --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "example_plugin.py").write_text(PLUGIN)
    return tmp_path


def test_plugins_are_found_in_paths_and_get_what_they_take(
    server: Served, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = {"reticulate_splines": True, "some_other_argument": 42}
    with caplog.at_level(logging.DEBUG):
        session = rr.connect(server.url, api_key=server.api_key, plugins=[folder], plugin_arguments=arguments)
    with session:
        assert session.splines is True  # type: ignore[attr-defined]
        assert session.configured is True  # type: ignore[attr-defined]

    assert ("com.example.example-plugin", logging.DEBUG, "Plugin registered") in caplog.record_tuples
    assert any("some_other_argument" in each.getMessage() for each in caplog.records)


def test_the_environment_says_where_plugins_are(server: Served, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECORDROOM_PLUGINS", str(folder))
    with rr.connect(server.url, api_key=server.api_key) as session:
        assert session.splines is False  # type: ignore[attr-defined]
