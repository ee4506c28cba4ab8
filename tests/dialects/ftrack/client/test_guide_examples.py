"""Each example of the guide to sessions, with the drop-in client: with an embedded room and through a server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
import recordroom.dialects.ftrack.client as ftrack_api
from tests.dialects.ftrack.client.dropins import Dropins

_EVENT_PLUGIN = '''
import logging

def configure_locations(event):
    """Configure locations for session."""
    session = event['data']['session']
    session.configured = True

def register(session):
    """Register plugin with *session*."""
    logging.getLogger('com.example.example-plugin').debug('Plugin registered')
    session.event_hub.subscribe(
        'topic=ftrack.api.session.configure-location',
        configure_locations
    )
'''
_ARGUMENT_PLUGIN = '''
def register(session, reticulate_splines=False):
    """Register plugin with *session*."""
    session.splines = reticulate_splines
'''


def test_connection_is_configured_by_arguments(connect: Dropins) -> None:
    given = {"plugin_paths": [], "schema_cache_path": False, **connect._given}

    with ftrack_api.Session(server_url=connect.where, **given) as session:
        assert session.server_url == connect.where
        assert session.api_user == given.get("api_user")


def test_connection_is_configured_by_environment_variables(connect: Dropins, monkeypatch: pytest.MonkeyPatch) -> None:
    if "api_user" not in connect._given:
        with rr.connect(connect.where) as native:
            native.ensure("User", {"name": "martin"})["roles"].add(native.get("Role", {"name": "editor"}))
            native.commit()
    monkeypatch.setenv("FTRACK_SERVER", connect.where)
    monkeypatch.setenv("FTRACK_API_USER", connect._given.get("api_user", "martin"))
    monkeypatch.setenv("FTRACK_API_KEY", connect._given.get("api_key", "no key"))

    with ftrack_api.Session() as session:
        assert session.query("User").all()


def test_what_is_done_is_recorded_as_operations(session: Any, unique: Callable[[str], str], capsys: Any) -> None:
    first, second = unique("martin"), unique("bjorn")
    user = session.create("User", {})
    user["username"] = first
    other_user = session.create("User", {"username": second})
    other_user["email"] = "bjorn@example.com"

    for operation in session.recorded_operations:
        print(operation)
    printed = capsys.readouterr().out
    assert [line.split(" object")[0].rpartition(".")[2] for line in printed.splitlines()] == [
        "CreateEntityOperation",
        "UpdateEntityOperation",
        "CreateEntityOperation",
        "UpdateEntityOperation",
    ]
    session.commit()
    assert len(session.recorded_operations) == 0
    assert session.query(f'User where username is "{second}"').one()["email"] == "bjorn@example.com"


def test_queries_see_what_is_committed(session: Any, unique: Callable[[str], str]) -> None:
    user = session.create("User", {"username": unique("some_unique_username")})
    query = 'User where username is "{}"'.format(user["username"])

    assert len(session.query(query)) == 0
    session.commit()
    assert len(session.query(query)) == 1


def test_results_are_merged_with_local_changes(session: Any, user: Any) -> None:
    user = session.query("User").first()
    user["email"] = "me@example.com"  # Not yet committed to server.
    retrieved = session.query('User where id is "{}"'.format(user["id"])).one()

    assert retrieved["email"] == "me@example.com"
    assert retrieved is user


def test_attributes_are_populated_when_they_are_touched(session: Any, connect: Dropins, user: Any) -> None:
    other = connect()
    found = other.query(f'User where id is "{user["id"]}"').first()
    calls = other.native.round_trips

    assert found["username"] == user["username"]
    assert other.native.round_trips == calls + 1
    # On second access no server call is made.
    assert found["username"] == user["username"]
    assert other.native.round_trips == calls + 1


def test_not_set_stands_for_what_is_not_loaded(connect: Dropins, user: Any, capsys: Any) -> None:
    session = connect()
    found = session.query(f'User where id is "{user["id"]}"').first()

    with session.auto_populating(False):
        print(found["email"])
        assert found["email"] is ftrack_api.symbol.NOT_SET
    assert capsys.readouterr().out == "NOT_SET\n"
    assert found["email"] == user["email"]


def test_entity_types_can_be_listed_and_checked(session: Any, project: Any, user: Any) -> None:
    names = session.types.keys()

    for name in ("Task", "Shot", "TypedContext", "Sequence", "Priority", "Status", "Project", "User", "Type"):
        assert name in names
    assert "ObjectType" in names
    assert isinstance(project, session.types["Project"])
    assert not isinstance(user, session.types["Project"])


def test_a_plugin_subscribes_to_configure_location(connect: Dropins, tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "example_plugin.py").write_text(_EVENT_PLUGIN)
    plugin_logger = logging.getLogger("com.example.example-plugin")
    plugin_logger.setLevel(logging.DEBUG)

    session = connect(plugin_paths=[str(tmp_path)])
    assert session.configured
    assert "Plugin registered" in caplog.messages


def test_plugins_are_found_by_the_environment(
    connect: Dropins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "example_plugin.py").write_text(_EVENT_PLUGIN)
    monkeypatch.setenv("FTRACK_EVENT_PLUGIN_PATH", str(tmp_path))

    assert connect(plugin_paths=None).configured


def test_plugins_get_the_arguments_that_they_take(connect: Dropins, tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "a_plugin.py").write_text(_ARGUMENT_PLUGIN)

    session = connect(
        plugin_paths=[str(tmp_path)], plugin_arguments={"reticulate_splines": True, "some_other_argument": 42}
    )
    assert session.splines is True
    assert "some_other_argument" in caplog.text
