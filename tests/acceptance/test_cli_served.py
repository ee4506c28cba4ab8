"""Commands on a room behind a server: the same words, the address in the place of the folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import AIRLINES, FLIGHTS, SCHEMA, Cli
from tests.served import served


@pytest.fixture
def url(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A served room with airlines and flights, made on the command line; `cli` works in a folder with the files."""
    (tmp_path / "schema.toml").write_text(SCHEMA)
    (tmp_path / "airlines.csv").write_text(AIRLINES)
    (tmp_path / "flights.csv").write_text(FLIGHTS)
    with served(str(tmp_path / "served.room")) as server:
        monkeypatch.setenv("RECORDROOM_API_KEY", server.api_key)
        for arguments in (
            ("schema", "apply", server.url, "schema.toml"),
            ("import", server.url, "Airline", "airlines.csv"),
            ("import", server.url, "Flight", "flights.csv"),
        ):
            outcome = cli(*arguments)
            assert outcome.code == 0, outcome.err
        yield server.url


def test_rows_are_imported_asked_for_and_exported(url: str, cli: Cli, tmp_path: Path) -> None:
    assert cli("query", url, "Flight", "--count").out.strip() == "4"
    assert cli("query", url, "Flight where carrier.code is B6", "--json").lines[0]["no"] == 2
    assert cli("export", url, "select code, name from Airline order by code", "out.csv").code == 0
    rows = [line.split(",")[1:] for line in (tmp_path / "out.csv").read_text().splitlines()]
    assert rows == [["code", "name"], ["AA", "American Airlines"], ["B6", "JetBlue Airways"], ["UA", "United"]]

    (tmp_path / "more.csv").write_text("code,name\nAA,American\nDL,Delta\n")
    outcome = cli("import", url, "Airline", "more.csv", "--key", "code", "--json")
    assert (outcome.json["created"], outcome.json["updated"]) == (1, 1)


def test_history_and_search_and_databases_are_shown(url: str, cli: Cli) -> None:
    assert "JetBlue" in cli("history", url, "Airline", "B6").out
    assert "United" in cli("search", url, "unit*").out
    assert [each["key"] for each in cli("databases", url, "--json").json] == ["main"]


def test_the_schema_is_shown_planned_and_applied(url: str, cli: Cli, tmp_path: Path) -> None:
    assert "[Airline.attributes]" in cli("schema", "show", url).out
    (tmp_path / "more.toml").write_text("[Airline.attributes]\ncountry = 'text'\n")
    assert "country" in cli("schema", "plan", url, "more.toml").out
    assert cli("schema", "apply", url, "more.toml").code == 0
    assert "country" in cli("schema", "show", url).out
    assert "class Airline" in cli("types", url).out


def test_the_environment_names_the_server(url: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECORDROOM_URL", url)
    assert cli("query", "Flight", "--count").out.strip() == "4"


def test_what_is_wrong_at_the_server_is_said_as_it_is_here(url: str, cli: Cli, room: str) -> None:
    for question in ("Fligt", "Flight where no is x", "Flight where"):
        there, here = cli("query", url, question), cli("query", room, question)
        assert (there.code, there.err) == (here.code, here.err)
        assert there.code == 1


def test_a_key_that_is_not_known_is_told(url: str, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECORDROOM_API_KEY", "rrk_of_somebody_else")
    outcome = cli("query", url, "Flight")
    assert outcome.code == 1
    assert "rrk_of_somebody_else" not in outcome.err
