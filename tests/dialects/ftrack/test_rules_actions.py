"""Actions beside those about entities, in the form in which they are answered; and what a file's life is on the wire."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.dialects.ftrack.hubs import Stage, post

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api
    import ftrack_api.symbol

Connect = Callable[..., Any]


def test_what_is_told_of_the_server(studio: Stage) -> None:
    [found] = post(studio, {"action": "query_server_information", "values": ["version"]})

    assert {"version", "schema_hash", "is_timezone_support_enabled", "storage_scenario"} <= set(found)
    assert [int(each) for each in found["version"].split(".")] >= [3, 3, 32]
    assert (len(found["schema_hash"]), found["is_timezone_support_enabled"]) == (32, True)


def test_a_key_is_made_anew_each_time(studio: Stage, user: Any) -> None:
    reset = {"action": "reset_remote", "reset_type": "api_key", "entity_type": "User", "entity_key": user["id"]}

    first, second = post(studio, reset)[0], post(studio, reset)[0]

    assert set(first) == {"action", "data"}
    assert (first["action"], set(first["data"])) == ("reset_remote", {"api_key"})
    assert first["data"]["api_key"] != second["data"]["api_key"]
    assert "exception" in post(studio, {**reset, "entity_key": [user["id"]]})


@pytest.mark.parametrize("name", ["tasks", "tasks_browser", "info"])
@pytest.mark.parametrize("theme", ["light", "dark", "pink", None])
def test_a_page_has_an_address_with_a_ticket_in_it(studio: Stage, task: Any, name: str, theme: str | None) -> None:
    asked = {
        "action": "get_widget_url",
        "name": name,
        "theme": theme,
        "entity_type": "Task",
        "entity_key": [task["id"]],
    }

    [found] = post(studio, asked)

    assert found["widget_url"].startswith(f"{studio.server.url}/")
    assert studio.key not in found["widget_url"]
    assert urllib3.request("GET", found["widget_url"]).status == 200


def test_roles_are_given_changed_and_taken(session: Any, studio: Stage, connect: Connect, user: Any) -> None:
    roles = {name: session.query(f"SecurityRole where name is {name}").one()["id"] for name in ("reader", "editor")}

    def change(action: str, **more: Any) -> list[str]:
        [answer] = post(studio, {"action": action, "user_id": user["id"], "role_id": roles["reader"], **more})
        assert answer["action"] == action
        found = connect().query(f"select security_role.name from UserSecurityRole where user_id is {user['id']}")
        return [each["security_role"]["name"] for each in found]

    assert change("add_user_security_role") == ["reader"]
    assert change("update_user_security_role", new_role_id=roles["editor"]) == ["editor"]
    assert change("remove_user_security_role", role_id=roles["editor"]) == []


def test_several_actions_are_answered_in_their_order(studio: Stage, task: Any) -> None:
    first, second, third = post(
        studio,
        {"action": "query", "expression": f"select name from Task where id is {task['id']}"},
        {"action": "query_server_information"},
        {"action": "query", "expression": "Status limit 1"},
    )

    assert first["data"][0]["name"] == "light"
    assert "schema_hash" in second
    assert (len(third["data"]), third["metadata"]["next"]["offset"]) == (1, 1)


def test_bytes_stay_until_somebody_removes_them(session: Any, studio: Stage, connect: Connect, tmp_path: Path) -> None:
    """That a component is in a location is a row; its bytes are removed by a request of their own."""
    server = session.get("Location", ftrack_api.symbol.SERVER_LOCATION_ID)
    (tmp_path / "a.txt").write_bytes(b"hello")
    component = session.create_component(str(tmp_path / "a.txt"), location=server)
    asked = {"id": component["id"], "username": studio.user, "apiKey": studio.key}

    [row] = session.query(f"ComponentLocation where component_id is {component['id']}")
    assert row["resource_identifier"] == component["id"]
    removed = urllib3.request("GET", f"{studio.server.url}/component/remove", fields=asked)
    assert 200 <= removed.status < 300
    assert urllib3.request("GET", f"{studio.server.url}/component/get", fields=asked).status == 404
    session.delete(row)
    session.commit()

    other = connect()
    found = other.get("FileComponent", component["id"])
    assert found.get_availability([server]) == {server["id"]: 0.0}
    (tmp_path / "a.txt").write_bytes(b"again")
    server.add_component(component, session.get("Location", ftrack_api.symbol.ORIGIN_LOCATION_ID))
    assert urllib3.request("GET", f"{studio.server.url}/component/get", fields=asked).data == b"again"


def test_addresses_of_components_are_good_without_headers(session: Any, tmp_path: Path) -> None:
    server = session.get("Location", ftrack_api.symbol.SERVER_LOCATION_ID)
    (tmp_path / "a b#ü.txt").write_bytes(b"hello")
    component = session.create_component(str(tmp_path / "a b#ü.txt"), {"name": "a b#ü"}, location=server)

    assert urllib3.request("GET", server.get_url(component)).data == b"hello"
    assert urllib3.request("GET", server.get_thumbnail_url(component, size=64)).status == 200
