"""Accounts from the command line, on a room and through a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

import recordroom as rr
from tests.served import served

from .conftest import Cli


@pytest.fixture
def empty(tmp_path: Path, cli: Cli) -> str:
    where = str(tmp_path / "people.room")
    cli("init", where)
    return where


def test_a_room_without_accounts_says_how_to_get_them(cli: Cli, empty: str) -> None:
    asked = cli("user", "list", empty)

    assert asked.code == 1
    assert "user add" in asked.err


def test_users_groups_roles_and_rules_are_added_listed_changed_and_removed(cli: Cli, empty: str) -> None:
    added = cli("user", "add", empty, "ann", "--role", "editor", "--email", "ann@example.org", "--json")
    assert added.code == 0
    assert len(added.json["code"]) == 24
    assert cli("group", "add", empty, "lights", "--role", "reader").code == 0
    assert cli("role", "add", empty, "supervisor").code == 0
    rule = cli("rule", "add", empty, "supervisor", "read", "User", "--condition", "id is $actor", "--json").json["id"]
    cli("user", "set", empty, "ann", "--group", "lights", "--role", "supervisor", "--drop-role", "editor", "--inactive")

    shown = cli("user", "show", empty, "ann", "--json").json
    assert (shown["roles"], shown["groups"], shown["active"]) == (["supervisor"], ["lights"], False)
    assert [each["name"] for each in cli("user", "list", empty, "--json").json] == ["ann"]
    assert cli("group", "list", empty, "--json").json[0]["members"] == ["ann"]
    listed = cli("rule", "list", empty, "--role", "supervisor", "--json").json
    assert [(each["id"], each["verb"], each["condition"]) for each in listed] == [(rule, "read", "id is $actor")]
    assert "supervisor" in [each["name"] for each in cli("role", "list", empty, "--json").json]
    for command in (("rule", rule), ("role", "supervisor"), ("group", "lights"), ("user", "ann")):
        assert cli(command[0], "remove", empty, command[1]).code == 0
    assert cli("user", "list", empty, "--json").json == []


def test_tokens_are_made_listed_and_ended(cli: Cli, empty: str) -> None:
    cli("user", "add", empty, "ann", "--role", "editor")
    made = cli("token", "add", empty, "farm", "--user", "ann", "--scope", "read", "--days", "2", "--json").json

    assert made["api_key"].startswith("rrk_")
    [listed] = cli("token", "list", empty, "--user", "ann", "--json").json
    assert (listed["id"], listed["scopes"], listed["revoked"]) == (made["id"], ["read"], None)
    assert cli("token", "remove", empty, made["id"]).code == 0
    assert cli("token", "list", empty, "--user", "ann", "--json").json[0]["revoked"]


def test_keys_to_sign_with_are_rotated(cli: Cli, empty: str) -> None:
    cli("user", "add", empty, "ann", "--role", "editor")
    made = cli("token", "add", empty, "farm", "--user", "ann", "--json").json
    done = cli("token", "rotate", empty, "--json")

    assert done.json == {"ended": ["access tokens", "addresses of files", "addresses of pages"]}
    assert cli("token", "rotate", empty).out.startswith("Signing with new keys.")
    [kept] = cli("token", "list", empty, "--user", "ann", "--json").json
    assert (kept["id"], kept["revoked"]) == (made["id"], None)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("user", "add", "ann"), 1, "same"),
        (("user", "add", "bob", "--role", "pirate"), 1, "pirate"),
        (("user", "set", "nobody", "--inactive"), 1, "nobody"),
        (("user", "reset", "nobody"), 1, "nobody"),
        (("user", "remove", "nobody"), 1, "nobody"),
        (("rule", "add", "editor", "fly", "Task"), 1, "fly"),
        (("rule", "add", "editor", "read", "Task", "--condition", "name is ("), 1, "expected"),
        (("token", "add", "farm"), 2, "--user"),
        (("token", "add", "farm", "--user", "ann", "--scope", "all"), 1, "scopes"),
        (("token", "add", "farm", "--user", "ann", "--days", "-1"), 1, "expires_in"),
        (("token", "remove", "x"), 1, "x"),
        (("user", "add"), 2, "NAME"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else str(each),
)
def test_what_is_wrong_is_said_in_a_line(cli: Cli, empty: str, words: tuple[str, ...], code: int, said: str) -> None:
    cli("user", "add", empty, "ann")
    done = cli(*words, "--room", empty)

    assert done.code == code
    assert said in done.err
    assert done.err.count("\n") == 1


@pytest.fixture
def server(empty: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with served(empty, accounts=True) as running:
        monkeypatch.setenv("RECORDROOM_API_KEY", running.api_key)
        yield running.url


def test_the_same_commands_work_through_a_server(cli: Cli, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("user", "add", server, "ann", "--role", "editor", "--json").json["code"]
    made = cli("token", "add", server, "farm", "--user", "ann", "--json").json
    listed = cli("token", "list", server, "--user", "ann", "--json").json
    assert [each["id"] for each in listed] == [made["id"]]

    with rr.connect(server, api_key=made["api_key"]) as session:
        assert session.query("User where name is 'ann'").one()["name"] == "ann"
    assert cli("token", "remove", server, made["id"]).code == 0
    with pytest.raises(rr.NotAuthenticated):
        rr.connect(server, api_key=made["api_key"])
    assert cli("user", "set", server, "ann", "--inactive").code == 0
    with rr.connect(server) as session:
        page = session.widget_url("tasks")
        assert cli("token", "rotate", server).code == 0
        assert urllib3.request("GET", page).status == 401
        assert session.query("User").count() == 2
