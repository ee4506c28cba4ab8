"""Rooms and schemas from the command line: init, schema, types, check, compact, databases, settings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import recordroom as rr

from .conftest import AIRLINES, SCHEMA, Cli


def test_init_makes_a_room_and_applies_a_schema(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "schema.toml").write_text(SCHEMA)
    made = cli("init", "new.room", "--schema", "schema.toml", "--json")

    assert made.code == 0
    assert made.json["types"] == ["Airline", "Flight"]
    assert "SQLite" in made.json["store"]
    again = cli("init", "new.room")
    assert again.code == 0
    assert "2 entity types" in again.out


def test_the_room_is_the_first_argument_or_an_option_or_in_the_environment(
    cli: Cli, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("query", room, "Airline", "--count").out == "3\n"
    assert cli("query", "Airline", "--count", "--room", room).out == "3\n"
    monkeypatch.setenv("RECORDROOM_URL", room)
    assert cli("query", "Airline", "--count").out == "3\n"
    twice = cli("query", room, "Airline", "--room", room)
    assert twice.code == 2
    assert "twice" in twice.err


def test_a_room_that_is_not_there_is_not_made_by_asking(cli: Cli, tmp_path: Path) -> None:
    asked = cli("query", "no.room", "Airline", "--json")

    assert asked.code == 1
    assert asked.out == ""
    first, second = asked.err.splitlines()
    assert first.startswith("recordroom: There is no room at")
    assert json.loads(second)["error"]["code"] == "room_not_found"
    assert json.loads(second)["error"]["details"]["path"].endswith("no.room")
    assert not (tmp_path / "no.room").exists()


@pytest.mark.parametrize(
    "arguments", [("query",), ("query", "a", "b", "c"), ("import", "x"), ("nothing",), ("query", "a", "--jsn")]
)
def test_wrong_usage_is_one_line_and_code_2(cli: Cli, arguments: tuple[str, ...]) -> None:
    outcome = cli(*arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert len(outcome.err.splitlines()) == 1
    assert "--help" in outcome.err


def test_schema_show_is_what_schema_apply_reads(cli: Cli, room: str, tmp_path: Path) -> None:
    shown = cli("schema", "show", room)
    (tmp_path / "shown.toml").write_text(shown.out)

    assert cli("schema", "plan", room, "shown.toml", "--json").json["changes"] == []
    types = cli("schema", "show", room, "--json").json["types"]
    assert [each["name"] for each in types] == ["Airline", "Flight"]


def test_schema_plan_changes_nothing_and_apply_does_once(cli: Cli, room: str, tmp_path: Path) -> None:
    (tmp_path / "more.toml").write_text(SCHEMA.replace('name = "text"', 'name = "text"\ncountry = "text"'))
    planned = cli("schema", "plan", room, "more.toml")
    assert planned.code == 0
    assert "country" in planned.out
    assert "country" not in cli("schema", "show", room).out

    applied = cli("schema", "apply", room, "more.toml", "--json")
    assert applied.json["applied"] is True
    assert "country" in cli("schema", "show", room).out
    again = cli("schema", "apply", room, "more.toml")
    assert again.code == 0
    assert "nothing to change" in again.out
    assert cli("schema", "apply", room, "more.toml", "--json").json["applied"] is False


def test_what_a_schema_file_lacks_is_left_alone_unless_dropping_is_allowed(cli: Cli, room: str, tmp_path: Path) -> None:
    (tmp_path / "less.toml").write_text(SCHEMA.replace('delay = "number"\n', ""))
    left = cli("schema", "apply", room, "less.toml")
    assert "Flight.delay" in left.err
    assert "delay" in cli("schema", "show", room).out

    assert cli("schema", "apply", room, "less.toml", "--allow-drop").code == 0
    assert "delay" not in cli("schema", "show", room).out


def test_a_wrong_schema_file_names_file_and_line(cli: Cli, room: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text('[Thing.attributes]\nname = "texxt"\n')
    outcome = cli("schema", "apply", room, "wrong.toml", "--json")

    assert outcome.code == 1
    assert "wrong.toml, line 2" in outcome.err
    assert json.loads(outcome.err.splitlines()[1])["error"]["code"] == "invalid_schema"
    missing = cli("schema", "plan", room, "nothing.toml")
    assert missing.code == 1
    assert "nothing.toml" in missing.err


def test_types_writes_a_module_that_scripts_import(cli: Cli, room: str, tmp_path: Path) -> None:
    assert "class Airline" in cli("types", room).out
    assert "class Airline" in cli("types", room, "--json").json["module"]
    written = cli("types", room, "--output", "my_types.py")
    assert "2 types" in written.err
    script = 'from my_types import connect\n\nwith connect("my.room") as session:\n    for flight in session.query(session.types["Flight"]):\n        print(flight["no"] + 1)\n'
    (tmp_path / "script.py").write_text(script)

    ran = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=False, timeout=60)
    assert ran.stdout == "2\n3\n4\n5\n", ran.stderr
    assert cli("types", room, "--output", "no/where.py").code == 1
    assert cli("types", room, "--output", "my-types.pyi").code == 2


def test_check_says_what_agrees(cli: Cli, room: str) -> None:
    outcome = cli("check", room)
    assert outcome.code == 0
    assert outcome.out.startswith("Everything agrees")
    report = cli("check", room, "--json")
    assert report.json["problems"] == []


def test_check_finds_what_does_not_agree(cli: Cli, room: str) -> None:
    import apsw

    with rr.connect(room) as session:
        file = Path(session.transport.where) / "room.sqlite"
    connection = apsw.Connection(str(file))
    connection.execute("""UPDATE "main.Airline" SET name = 'tampered' WHERE code = 'AA'""")
    connection.close()

    outcome = cli("check", room)
    assert outcome.code == 3
    assert "main.Airline" in outcome.out
    report = cli("check", room, "--json")
    assert report.code == 3
    assert report.json["problems"][0]["where"]


def test_a_room_that_another_process_writes_is_checked_as_far_as_it_can_be_read(cli: Cli, room: str) -> None:
    script = f"import recordroom as rr, sys; s = rr.connect({room!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdout.readline()
        checked = cli("check", room)
        asked = cli("query", room, "Airline", "--count")
        other.stdin.close()

    assert checked.code == 0
    assert "Not checked: main: what 'search' keeps" in checked.err
    assert asked.out == "3\n"


def test_compact_and_settings(cli: Cli, room: str) -> None:
    assert cli("settings", room, "--json").json["retention"] is None
    changed = cli("settings", room, "--set", "retention=30", "--set", "durability=normal", "--json")
    assert changed.json == {"retention": 30, "durability": "normal", "files": None, "orphans": 24}
    assert cli("settings", room, "--json").json == changed.json
    assert cli("settings", room, "--set", "retention=none", "--json").json["retention"] is None
    wrong = cli("settings", room, "--set", "retentoin=3", "--json")
    assert wrong.code == 1
    assert "retention" in wrong.err
    assert cli("settings", room, "--set", "retention").code == 2

    compacted = cli("compact", room, "--json")
    assert compacted.code == 0
    assert compacted.json["bytes_after"] > 0
    assert "MB" in cli("compact", room).out


def test_the_commands_work_on_a_server(cli: Cli, places_postgres: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "schema.toml").write_text(SCHEMA)
    (tmp_path / "airlines.csv").write_text(AIRLINES)
    room = places_postgres("cli")

    made = cli("init", room, "--schema", "schema.toml")
    assert made.code == 0, made.err
    assert "PostgreSQL" in made.out
    assert "3 created" in cli("import", room, "Airline", "airlines.csv").out
    assert cli("query", room, "Airline", "--count").out == "3\n"
    assert cli("check", room).code == 0
    assert cli("compact", room).code == 0


def test_databases_are_listed_and_chosen(cli: Cli, room: str) -> None:
    with rr.connect(room) as session:
        session.databases.create("second", label="Another")

    assert [each["key"] for each in cli("databases", room, "--json").json] == ["main", "second"]
    assert "Another" in cli("databases", room).out
    assert cli("schema", "show", room, "--database", "second").out.strip() == ""
    unknown = cli("query", room, "Airline", "--database", "secnd")
    assert unknown.code == 1
    assert "second" in unknown.err
