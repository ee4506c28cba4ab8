"""`recordroom backup`, `restore` and `copy`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import recordroom as rr

from .conftest import Cli


def test_a_backup_of_a_room_in_use_is_a_room_and_can_be_restored(cli: Cli, room: str) -> None:
    with rr.connect(room):
        backed_up = cli("backup", room, "kept.room", "--json")

    assert backed_up.code == 0
    assert backed_up.json["rows"]["main.Airline"] == 3
    restored = cli("restore", "kept.room", "again.room")
    assert restored.code == 0
    assert restored.out.startswith("Restored revision ")
    assert cli("query", "again.room", "Airline", "--count").out == "3\n"
    assert cli("check", "again.room").code == 0


def test_a_room_moves_to_another_database_and_back(cli: Cli, room: str, places_postgres: Callable[[str], str]) -> None:
    server = places_postgres("moved")

    assert cli("copy", room, server).code == 0
    assert cli("copy", server, "back.room").code == 0

    before, after = cli("query", room, "Airline", "--json"), cli("query", "back.room", "Airline", "--json")
    assert after.out == before.out
    assert before.out


@pytest.mark.parametrize("arguments", [("copy", "a"), ("restore", "a"), ("backup", "a", "postgresql://host/b")])
def test_what_a_copy_needs_is_said(cli: Cli, arguments: tuple[str, ...]) -> None:
    outcome = cli(*arguments)

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1


def test_a_room_is_never_overwritten(cli: Cli, room: str) -> None:
    cli("backup", room, "kept.room")
    again = cli("restore", "kept.room", room)

    assert again.code == 1
    assert "already" in again.err


def test_a_damaged_backup_is_not_restored(cli: Cli, room: str, tmp_path: Path) -> None:
    cli("backup", room, "kept.room")
    with sqlite3.connect(tmp_path / "kept.room" / "room.sqlite") as database:
        database.execute('DELETE FROM "main.Airline" WHERE rowid = 1')

    restored = cli("restore", "kept.room", "again.room")

    assert restored.code == 3
    assert "main.Airline" in restored.err or "Airline" in restored.err
    assert not (tmp_path / "again.room").exists()
