"""Templates on the command line: listed, shown, planned, applied; init and serve with one."""

from __future__ import annotations

from pathlib import Path

import recordroom as rr
from tests.acceptance.conftest import Cli


def test_templates_are_listed_and_shown(cli: Cli) -> None:
    found = {each["name"]: each for each in cli("template", "list", "--json").json}
    text = cli("template", "list").out

    assert [*found] == ["core", "files", "production"]
    assert found["production"]["includes"] == ["core", "files"]
    assert "Shot" in found["production"]["types"]
    assert "Projects, shots, tasks" in text
    shown = cli("template", "show", "files")
    assert "[FileComponent]" in shown.out
    assert "5 rows of Location" in shown.err
    assert cli("template", "show", "production", "--json").json["rows"]["State"][0]["short"] == "NOT_STARTED"


def test_what_is_shown_can_be_applied_as_a_schema(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "files.toml").write_text(cli("template", "show", "files").out, encoding="utf-8")

    assert cli("init", "studio.room", "--schema", "files.toml").code == 0
    applied = cli("template", "apply", "studio.room", "files", "--json").json
    assert applied["applied"]
    assert all(line.startswith("+ ") and " of " in line for line in applied["changes"])


def test_a_template_is_planned_and_applied_once(cli: Cli) -> None:
    cli("init", "studio.room")
    planned = cli("template", "plan", "studio.room", "files")
    before = cli("schema", "show", "studio.room").out
    applied = cli("template", "apply", "studio.room", "files")
    again = cli("template", "apply", "studio.room", "files")

    assert "+ type Location" in planned.out
    assert before.strip() == ""
    assert applied.out == planned.out
    assert "Applied" in applied.err
    assert again.out == "The room has everything that the template has; there is nothing to change.\n"
    assert not cli("template", "plan", "studio.room", "files", "--json").json["applied"]


def test_a_room_is_made_with_a_template(cli: Cli) -> None:
    outcome = cli("init", "studio.room", "--template", "production")

    assert outcome.code == 0
    assert "67 entity types" in outcome.out
    with rr.connect("studio.room") as session:
        assert session.query("Status").count() == 11


def test_a_wrong_template_is_told_before_there_is_a_room(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('includes = ["fils"]', encoding="utf-8")

    for name, reason in (
        ("nope", "there is none of this name"),
        ("mine.toml", "'fils'"),
        ("gone.toml", "No such file"),
    ):
        outcome = cli("init", "studio.room", "--template", name)
        assert outcome.code == 1
        assert reason in outcome.err
    assert not Path("studio.room").exists()
    assert cli("template", "apply", "studio.room").code == 2
