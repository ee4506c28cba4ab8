"""What the command line says of itself, and of what was mistyped: over every command that there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cyclopts import App

from recordroom.cli.run import make_app

from .conftest import Cli


def commands(app: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each command that does something."""
    for name in app:
        if not name.startswith("-"):
            below = [each for each in app[name] if not each.startswith("-")]
            yield from commands(app[name], (*path, name)) if below else ((*path, name),)


COMMANDS = sorted(commands(make_app()))
GROUPS = sorted({path[:1] for path in COMMANDS if len(path) > 1})


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_the_help_of_a_command_teaches_by_an_example_and_fits_80_columns(cli: Cli, path: tuple[str, ...]) -> None:
    text = cli(*path, "--help").out

    assert text.startswith(f"Usage: recordroom {' '.join(path)} ")
    assert f"recordroom {' '.join(path)}" in text.partition("For example:\n")[2]
    assert "--json" in text
    assert text.rstrip().endswith("Exit codes and more: recordroom --help")
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("path", [(), *GROUPS], ids=lambda path: " ".join(path) or "all")
def test_the_help_of_commands_lists_them_all_within_80_columns(cli: Cli, path: tuple[str, ...]) -> None:
    text = cli(*path, "--help").out

    for each in COMMANDS:
        if each[: len(path)] == path:
            assert f"│ {each[len(path)]} " in text
    assert max(map(len, text.splitlines())) <= 80


def test_commands_stand_in_groups_by_what_one_wants_to_do(cli: Cli) -> None:
    text = cli("--help").out
    titles = [line.strip("╭╮─ ") for line in text.splitlines() if line.startswith("╭")]

    assert titles == [
        "About", "Begin", "Rows and records", "Schema", "Servers and profiles", "Serving others", "Accounts", "Upkeep",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "close", "see"),
    [
        (("qury", "x"), '"query"', "recordroom --help"),
        (("shema", "plan"), '"schema"', "recordroom --help"),
        (("schema", "plann", "x"), '"plan"', "recordroom schema --help"),
        (("query", "--jsn", "a", "b"), "--json", "recordroom query --help"),
        (("user", "add", "x", "ann", "--rol", "editor"), "--role", "recordroom user add --help"),
        (("serve", "--prt", "3"), "--port", "recordroom serve --help"),
        (("serve", "x", "--log-level", "wrn"), '"warning"', "recordroom serve --help"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_what_is_mistyped_gets_the_close_name_in_one_line(
    cli: Cli, words: tuple[str, ...], close: str, see: str
) -> None:
    done = cli(*words)

    assert (done.code, done.out) == (2, "")
    assert f"Did you mean {close}?" in done.err
    assert f"(see {see})" in done.err
    assert "..." not in done.err
    assert len(done.err.splitlines()) == 1
