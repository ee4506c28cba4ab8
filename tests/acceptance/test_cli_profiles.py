"""`recordroom profile …` and what profiles do for other commands."""

from __future__ import annotations

import io
import os
import stat

import pytest

from recordroom.client.profiles import ProfileFile
from tests.acceptance.conftest import Cli

A = "https://a.example.org"


def test_profiles_are_added_listed_chosen_and_removed(cli: Cli) -> None:
    assert "recordroom profile add" in cli("profile", "list").err
    first = cli("profile", "add", "studio", f"{A}/", "--database", "drawings", "--user", "ann")
    assert first.out == f"Profile studio is {A} (the default).\n"
    assert "recordroom login --profile studio" in first.err
    cli("profile", "add", "local", "my.room")

    assert cli("profile", "use", "local").out == "Profile local is the default.\n"
    rows = cli("profile", "list", "--json").json["profiles"]
    assert [(row["name"], row["default"]) for row in rows] == [("studio", False), ("local", True)]
    assert cli("profile", "list").out.splitlines()[1].split() == ["studio", A, "drawings", "ann"]
    assert cli("profile", "remove", "local").out == "Profile local is removed.\n"
    assert cli("profile", "show", "studio", "--json").json["database"] == "drawings"


def test_what_counts_now_is_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("profile", "add", "studio", A, "--project", "bunny")
    monkeypatch.setenv("RECORDROOM_DATABASE", "props")
    shown = cli("profile", "show", "--json").json

    assert (shown["profile"], shown["url"], shown["database"], shown["project"]) == ("studio", A, "props", "bunny")


def test_a_key_is_read_and_never_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("rrk_hidden\n"))
    outcomes = [
        cli("profile", "add", "studio", A, "--api-key"),
        cli("profile", "list"),
        cli("profile", "list", "--json"),
        cli("profile", "show", "studio"),
        cli("profile", "show", "--json"),
        cli("profile", "remove", "nope"),
    ]
    path = ProfileFile(os.environ).path

    assert [each.code for each in outcomes] == [0, 0, 0, 0, 0, 1]
    assert [each for each in outcomes if "hidden" in f"{each.out}{each.err}"] == []
    assert "rrk_hidden" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "still works" in cli("profile", "remove", "studio").err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("profile", "show", "nope"), 1, "no profile 'nope'"),
        (("profile", "use", "nope"), 1, "no profile 'nope'"),
        (("profile", "add", "a b", A), 1, "letters"),
        (("profile", "add", "a", "https://u:hidden@h"), 1, "without a user"),
        (("profile", "add", "a"), 2, "url"),
        (("profile", "drop", "a"), 2, "drop"),
        (("login",), 2, "which server"),
        (("login", "my.room"), 2, "no server"),
        (("login", A, "--method", "guess"), 2, "--method"),
        (("login", A, "--days", "0"), 2, "--days"),
        (("login", A, "--set-password"), 2, "--code"),
        (("login", "http://a.example.org", "--user", "ann"), 1, "https://"),
        (("login", "http://127.0.0.1:1", "--user", "ann"), 1, "nothing answers there"),
        (("whoami", A), 1, "recordroom login"),
        (("logout", A), 1, "not logged in"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(cli: Cli, arguments: tuple[str, ...], code: int, said: str) -> None:
    outcome = cli(*arguments)

    assert (outcome.code, outcome.out) == (code, "")
    assert said in outcome.err
    assert "hidden" not in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_profile_says_which_room_and_database_commands_work_on(cli: Cli, room: str) -> None:
    cli("profile", "add", "flights", room)

    assert cli("query", "Airline where code is 'AA'", "--json").lines[0]["name"] == "American Airlines"
    cli("profile", "add", "flights", room, "--database", "nope")
    assert "no database 'nope'" in cli("query", "Airline").err
    assert cli("query", "Airline", "--database", "main").code == 0
    assert cli("query", room, "Airline").code == 0


def test_without_a_room_or_a_profile_the_ways_to_name_one_are_said(cli: Cli) -> None:
    outcome = cli("query", "Airline")

    assert outcome.code == 2
    assert "RECORDROOM_URL, or in a profile (recordroom profile add)" in outcome.err


def test_a_file_that_others_can_read_stops_the_command_with_the_remedy(cli: Cli) -> None:
    cli("profile", "add", "studio", A)
    path = ProfileFile(os.environ).path
    path.chmod(0o644)

    outcome = cli("whoami")
    assert outcome.code == 1
    assert f"chmod 600 {path}" in outcome.err


def test_looking_after_a_room_through_a_server_is_refused_in_words(cli: Cli) -> None:
    cli("profile", "add", "studio", A)
    outcome = cli("check", A)

    assert outcome.code == 1
    assert "recordroom login" in outcome.err
