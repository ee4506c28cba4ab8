"""The README's tour does the same with `recordroom serve` as with a room in this process."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

import recordroom as rr
from tests.conftest import Places

README = Path(__file__).parents[2] / "README.md"
PLACE = '"studio.room"'
HISTORY = re.compile(r"(\d+) (\S+) (.* → .*)")


def tour() -> str:
    """Every example of the README, as one script."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    script = "\n".join(blocks)
    assert script.count(PLACE) == 3
    return script


def results(where: str) -> list[Any]:
    """What the tour prints with the room at `where`.

    Lines of history show revisions counted from the tour's own first commit, and whether it was the tour's actor.
    """
    names: dict[str, Any] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tour().replace(PLACE, repr(where)), str(README), "exec"), names)
    with rr.connect(where) as session:
        actor = session.transport.actor
    first = names["result"].revision
    return [_line(each, first, actor) for each in printed.getvalue().splitlines()]


def _line(text: str, first: int, actor: str) -> Any:
    found = HISTORY.fullmatch(text)
    return text if found is None else (int(found[1]) - first, found[2] == actor, found[3])


@contextlib.contextmanager
def serving(where: str) -> Iterator[dict[str, Any]]:
    """`recordroom serve` for a room: what it says when it has started."""
    command = [str(Path(sys.executable).with_name("recordroom")), "serve", where, "--port", "0", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        told = ""
        while not told.rstrip().endswith("}"):
            line = server.stdout.readline()
            assert line, f"the server ended: {told}"
            told += line
        yield json.loads(told)
    finally:
        server.terminate()
        assert server.wait(30) == 0
        server.stdout.close()


def key_of(told: dict[str, Any]) -> str:
    """An API key of the administrator, who logs in with the one-time code of the first start."""
    with rr.login(told["url"], code=told["code"]) as session:
        headers = {"Authorization": session.transport.credentials.header()}  # type: ignore[attr-defined]
    asked = {"grant": "api_key", "name": "tour"}
    answer = urllib3.request("POST", f"{told['url']}/v1/tokens", json=asked, headers=headers, retries=False)
    key: str = answer.json()["api_key"]
    return key


@pytest.mark.usefixtures("nothing_is_said")
def test_the_tour_gives_the_same_results_with_a_server(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    embedded = results(places("embedded"))
    with serving(places("served")) as told:
        monkeypatch.setenv("RECORDROOM_API_KEY", key_of(told))
        served = results(told["url"])

    assert served == embedded
    assert "12.0 15.0 14.0" in embedded
    assert [each for each in embedded if isinstance(each, tuple)] == [
        (3, True, "14.0 → 15.0"),
        (2, True, "12.0 → 14.0"),
        (0, True, "None → 12.0"),
    ]


@pytest.fixture
def nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room and no key is named by the environment, and there are no profiles."""
    for name in (
        "RECORDROOM_URL",
        "RECORDROOM_API_KEY",
        "RECORDROOM_PROFILE",
        "RECORDROOM_USER",
        "RECORDROOM_DATABASE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RECORDROOM_CONFIG", str(tmp_path / "config"))
