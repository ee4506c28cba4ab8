"""The command line in this process, on a small room."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from recordroom.cli import main

SCHEMA = """
[Airline]
description = "A carrier."
[Airline.attributes]
code = { kind = "text", unique = true, required = true }
name = "text"

[Flight]
display = "no"
[Flight.attributes]
no = { kind = "integer", required = true }
carrier = { kind = "reference", target = "Airline", reverse = "flights" }
status = { kind = "choice", choices = ["open", "done"], default = "open" }
delay = "number"
on_time = "boolean"
notes = { kind = "mapping" }
"""

AIRLINES = "code,name\nAA,American Airlines\nB6,JetBlue Airways\nUA,United\n"
FLIGHTS = "no,carrier,status,delay,on_time\n1,AA,open,2.5,no\n2,B6,done,,yes\n3,UA,open,-1,yes\n4,,open,,\n"


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Run a command line; it works in an empty folder, and no room is named by the environment or a profile."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECORDROOM_URL", raising=False)
    monkeypatch.setenv("RECORDROOM_CONFIG", str(tmp_path / "config"))

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        out, err = capsys.readouterr()
        return Outcome(code, out, err)

    return run


@pytest.fixture
def room(cli: Cli, tmp_path: Path) -> str:
    """A room with airlines and flights, made on the command line; `cli` works in its folder."""
    (tmp_path / "schema.toml").write_text(SCHEMA)
    (tmp_path / "airlines.csv").write_text(AIRLINES)
    (tmp_path / "flights.csv").write_text(FLIGHTS)
    for arguments in (
        ("init", "my.room", "--schema", "schema.toml"),
        ("import", "my.room", "Airline", "airlines.csv"),
        ("import", "my.room", "Flight", "flights.csv"),
    ):
        outcome = cli(*arguments)
        assert outcome.code == 0, outcome.err
    return "my.room"
