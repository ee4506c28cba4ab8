from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recordroom.errors import InvalidSettings
from recordroom.server.settings import ServerSettings, load

FILE = """
room = "file.room"
port = 1000
[limits]
body = 1024
[[auth.providers]]
name = "sso"
issuer = "https://id.example.org"
client_id = "rr"
client_secret = "hush"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "server.toml"
    path.write_text(FILE)
    return path


def test_flags_beat_the_environment_which_beats_the_file(file: Path) -> None:
    environment = {"RECORDROOM_SERVER_PORT": "2000", "RECORDROOM_SERVER_LIMITS_BODY": "2048", "OTHER": "x"}

    loaded = load(file, environment, {"port": 3000, "host": None})

    assert (loaded.settings.room, loaded.settings.port, loaded.settings.limits.body) == ("file.room", 3000, 2048)
    sources = {name: source for name, _, source in loaded.lines()}
    assert sources["port"] == "--port"
    assert sources["limits.body"] == "RECORDROOM_SERVER_LIMITS_BODY"
    assert sources["room"] == str(file)
    assert sources["host"] == "default"


def test_without_anything_the_defaults_hold() -> None:
    assert load(None, {}, {}).settings == ServerSettings()


def test_secrets_are_not_shown(file: Path) -> None:
    loaded = load(file, {"RECORDROOM_SERVER_ROOM": "postgresql://ann:hush@host/db?password=hush&schema=s"}, {})

    shown = repr(list(loaded.lines()))
    assert "hush" not in shown
    assert "postgresql://ann@host/db?schema=s" in shown


@pytest.mark.parametrize(
    ("text", "environment", "flags", "words"),
    [
        ("prt = 1", {}, {}, ["server.toml", "'prt'", "'port'"]),
        ("[limits]\nbodi = 1", {}, {}, ["limits.bodi", "'body'"]),
        ("port = 'x'", {}, {}, ["server.toml", "port", "int"]),
        ("port = ", {}, {}, ["server.toml"]),
        ("", {"RECORDROOM_SERVER_PRT": "1"}, {}, ["RECORDROOM_SERVER_PRT", "RECORDROOM_SERVER_PORT"]),
        ("", {"RECORDROOM_SERVER_PORT": "many"}, {}, ["RECORDROOM_SERVER_PORT", "int"]),
        ("", {}, {"port": 70000}, ["port", "65535"]),
        ("", {}, {"tls_cert": "a.pem"}, ["tls_key"]),
        ("[limits]\nbody = -1", {}, {}, ["limits.body"]),
    ],
)
def test_what_is_wrong_is_said_by_name(
    tmp_path: Path, text: str, environment: dict[str, str], flags: dict[str, Any], words: list[str]
) -> None:
    file = tmp_path / "server.toml"
    file.write_text(text)

    with pytest.raises(InvalidSettings) as caught:
        load(file, environment, flags)

    for word in words:
        assert word in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"nowhere\.toml"):
        load(tmp_path / "nowhere.toml", {}, {})
