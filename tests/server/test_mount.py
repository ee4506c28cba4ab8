from __future__ import annotations

from pathlib import Path

import pytest
from websockets.sync.client import connect

from recordroom.errors import InvalidSettings
from recordroom.server.mount import module_of
from recordroom.server.process import check
from recordroom.server.settings import ServerSettings
from tests.served import served
from tests.server import shouting


def test_a_mount_answers_its_paths_and_no_others(tmp_path: Path) -> None:
    with served(str(tmp_path / "a.room"), dialects=("tests.server.shouting",)) as server:
        assert server.request("GET", "/shout").data == b"/SHOUT"
        assert server.request("POST", "/shout/more", {}).status == 203
        assert server.request("GET", "/shouts").status == 404
        assert server.request("GET", "/v1/databases").status == 200
        assert b'route="/shout"' in server.request("GET", "/metrics").data
        with connect(f"ws://{server.host}:{server.port}/v1/events/loud") as socket:
            assert socket.recv() == "/V1/EVENTS/LOUD"
        assert not shouting.MADE[-1].closed

    assert shouting.MADE[-1].closed == 1


@pytest.mark.parametrize("name", ["nothing", "no.such.module", "../x", "", "json.decoder", "recordroom.model"])
def test_what_is_no_dialect_is_refused_before_serving(name: str) -> None:
    with pytest.raises(InvalidSettings, match="dialects"):
        check(ServerSettings(room="x.room", dialects=(name,)))


def test_our_dialects_are_found_by_their_name() -> None:
    assert callable(module_of("ftrack").make)
